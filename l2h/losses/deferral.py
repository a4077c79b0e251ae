"""Losses of learning to defer, with the costs of this project, one value per example.

Keeping costs 1[m != y]; asking costs ce, plus c1 where the server is wrong. The losses of rejectors read these two
costs of each example. The losses of servers read K + 1 scores: one for each of the K labels, and the last for "keep".
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid, one_hot, softplus

from l2h import checks
from l2h.problem import Costs


def ask_cost(server_wrong: Any, *, costs: Costs) -> Any:
    r"""The cost of asking, by whether the server is wrong.

    .. math:: c_e + c_1 1[label(e) \neq y]

    Args:
        server_wrong: whether the server is wrong, or its error probability; any shape, NumPy or torch.
        costs: c1 and ce.

    Returns:
        Costs of the same shape.

    >>> ask_cost(torch.tensor([False, True]), costs=Costs(c1=1.0, ce=0.25))
    tensor([0.2500, 1.2500])
    """
    return costs.ce + costs.c1 * server_wrong


def deferral_loss(r: Tensor, keep_costs: Tensor, ask_costs: Tensor) -> Tensor:
    r"""The logistic loss, weighted by the costs of both decisions.

    .. math:: L = k \log(1 + e^{r}) + a \log(1 + e^{-r})

    Here k is the cost of keeping and a that of asking: k is the weight of a large r, a of a small one. Given x the
    minimiser is r = log(E[a|x] / E[k|x]), which keeps exactly where keeping has the lower expected cost.

    Args:
        r: (n,) rejector scores.
        keep_costs: (n,) costs of keeping, >= 0.
        ask_costs: (n,) costs of asking, >= 0.

    Returns:
        (n,) losses.

    Raises:
        ValueError: if shapes differ.

    >>> deferral_loss(torch.zeros(1), torch.ones(1), torch.ones(1))
    tensor([1.3863])

    Source: the cost-sensitive form of two-stage deferral, Mao, Mohri, Mohri and Zhong, NeurIPS 2023.
    """
    checks.one_dimensional(r=r, keep_costs=keep_costs, ask_costs=ask_costs)
    checks.floating(r=r)
    return keep_costs * softplus(r) + ask_costs * softplus(-r)


def triage_loss(r: Tensor, keep_costs: Tensor, ask_costs: Tensor) -> Tensor:
    r"""The logistic loss of the label "asking had the lower cost", without the size of the difference.

    .. math:: L = 1[k > a] \log(1 + e^{r}) + 1[k \leq a] \log(1 + e^{-r})

    The minimiser asks where asking has the lower cost with probability above one half. This is not where its expected
    cost is lower.

    Args:
        r: (n,) rejector scores.
        keep_costs: (n,) costs of keeping.
        ask_costs: (n,) costs of asking.

    Returns:
        (n,) losses.

    Raises:
        ValueError: if shapes differ.

    Source: Okati, De and Gomez-Rodriguez, Differentiable learning under triage, NeurIPS 2021.
    """
    checks.one_dimensional(r=r, keep_costs=keep_costs, ask_costs=ask_costs)
    checks.floating(r=r)
    return deferral_loss(r, (keep_costs > ask_costs).to(r.dtype), (keep_costs <= ask_costs).to(r.dtype))


def soft_deferral_loss(r: Tensor, keep_costs: Tensor, ask_costs: Tensor) -> Tensor:
    r"""The cost of a rejector that keeps with probability sigmoid(r).

    .. math:: L = \sigma(r) k + \sigma(-r) a

    Args:
        r: (n,) rejector scores.
        keep_costs: (n,) costs of keeping.
        ask_costs: (n,) costs of asking.

    Returns:
        (n,) losses, which are linear in the probability and so not convex in r.

    Raises:
        ValueError: if shapes differ.

    Source: Geifman and El-Yaniv, SelectiveNet, ICML 2019, with costs for the selective risk.
    """
    checks.one_dimensional(r=r, keep_costs=keep_costs, ask_costs=ask_costs)
    checks.floating(r=r)
    return torch.sigmoid(r) * keep_costs + torch.sigmoid(-r) * ask_costs


def _check_defer_scores(scores: Tensor, m: Tensor, y: Tensor) -> None:
    checks.one_dimensional(m=m, y=y)
    checks.same_length(scores=scores, y=y)
    checks.floating(scores=scores)
    if scores.ndim != 2 or scores.shape[1] < 3:
        raise ValueError(f"expected scores (n, K + 1) of K >= 2 classes and of keeping, got {tuple(scores.shape)}")
    checks.class_labels(scores.shape[1] - 1, m=m, y=y)


def mozannar_sontag_loss(scores: Tensor, m: Tensor, y: Tensor, *, costs: Costs) -> Tensor:
    r"""Cross-entropy over K labels and "keep", weighted by the cost reduction of each choice.

    .. math:: L = -(C - c_e) \log s_y - (C - c_e - c_1) \sum_{k \neq y} \log s_k - (C - 1[m \neq y]) \log s_{keep},
              \quad C = \max(1, c_1 + c_e)

    with s the softmax of the scores. The minimiser has s_k proportional to C - ce - c1 + c1 P(Y=k|x) and s_keep
    to C - P(M != Y|x), so that the largest score is the Bayes decision. With c1 = 1, ce = 0 it is the published
    form, which has no costs.

    Args:
        scores: (n, K + 1), the last one for keeping.
        m: (n,) the client's labels, 0..K-1.
        y: (n,) true labels, 0..K-1.
        costs: c1 and ce.

    Returns:
        (n,) losses.

    Raises:
        ValueError: if shapes differ or there are fewer than two classes.

    >>> mozannar_sontag_loss(torch.zeros(1, 3), torch.tensor([0]), torch.tensor([0]), costs=Costs(c1=1.0, ce=0.0))
    tensor([2.1972])

    Source: Mozannar and Sontag, Consistent estimators for learning to defer to an expert, ICML 2020.
    """
    _check_defer_scores(scores, m, y)
    max_cost = max(1.0, costs.c1 + costs.ce)
    one_hot_labels = one_hot(y, scores.shape[1] - 1).to(scores.dtype)  # (n, K)
    answer_weights = max_cost - costs.ce - costs.c1 * (1 - one_hot_labels)
    keep_weight = max_cost - (m != y).to(scores.dtype)
    return -(torch.cat([answer_weights, keep_weight[:, None]], dim=1) * torch.log_softmax(scores, dim=1)).sum(1)


def one_vs_all_loss(scores: Tensor, m: Tensor, y: Tensor) -> Tensor:
    r"""K + 1 logistic losses: one for each class, and one for "the client is right".

    .. math:: L = \phi(g_y) + \sum_{k \neq y} \phi(-g_k) + 1[m = y] \phi(g_{keep}) + 1[m \neq y] \phi(-g_{keep}),
              \quad \phi(t) = \log(1 + e^{-t})

    The sigmoids of the scores estimate P(Y=k|x) and P(M=Y|x). Only the decision depends on the costs
    (`one_vs_all_rule`), so that one training is valid for every (c1, ce).

    Args:
        scores: (n, K + 1), the last one for keeping.
        m: (n,) the client's labels, 0..K-1.
        y: (n,) true labels, 0..K-1.

    Returns:
        (n,) losses.

    Raises:
        ValueError: if shapes differ or there are fewer than two classes.

    >>> one_vs_all_loss(torch.zeros(1, 3), torch.tensor([0]), torch.tensor([0]))
    tensor([2.0794])

    Source: Verma and Nalisnick, Calibrated learning to defer with one-vs-all classifiers, ICML 2022.
    """
    _check_defer_scores(scores, m, y)
    targets = torch.cat([one_hot(y, scores.shape[1] - 1), (m == y)[:, None].long()], dim=1)  # (n, K + 1)
    return -logsigmoid(torch.where(targets == 1, scores, -scores)).sum(1)


def realizable_loss(scores: Tensor, m: Tensor, y: Tensor, *, costs: Costs) -> Tensor:
    r"""Log-loss of the set of choices with cost at most t, integrated over t.

    .. math:: L = \int_0^\infty -\log \sum_{a: cost(a) \leq t} s_a \, dt \quad\text{(empty and full sets aside)}

    The choices are the K labels of the server, with cost ce + c1 1[k != y], and keeping, with cost 1[m != y]. At
    c1 = 1, ce = 0 this is -log(s_y + 1[m = y] s_keep), the published form. It is zero where some scores decide without
    cost. Elsewhere its minimiser need not be the Bayes decision: for a deterministic client that is right it determines
    only the sum s_m + s_keep, not the two scores.

    Args:
        scores: (n, K + 1), the last one for keeping.
        m: (n,) the client's labels, 0..K-1.
        y: (n,) true labels, 0..K-1.
        costs: c1 and ce.

    Returns:
        (n,) losses.

    Raises:
        ValueError: if shapes differ or there are fewer than two classes.

    >>> realizable_loss(torch.zeros(1, 3), torch.tensor([0]), torch.tensor([0]), costs=Costs(c1=1.0, ce=0.0))
    tensor([0.4055])

    Source: Mozannar et al., Who should predict?, AISTATS 2023; the extension to costs is this project's.
    """
    _check_defer_scores(scores, m, y)
    right_cost, wrong_cost, kept_wrong_cost = costs.ce, costs.ce + costs.c1, 1.0
    all_scores = torch.logsumexp(scores, dim=1)
    label_score = scores.gather(1, y[:, None])[:, 0]
    keep_score, answer_scores = scores[:, -1], torch.logsumexp(scores[:, :-1], dim=1)
    label_or_keep_scores = torch.logaddexp(label_score, keep_score)
    # each factor is the length of the interval of t in which the set of choices with cost at most t is the same
    client_right = right_cost * (all_scores - keep_score) + costs.c1 * (all_scores - label_or_keep_scores)
    client_wrong = (
        max(0.0, min(kept_wrong_cost, wrong_cost) - right_cost) * (all_scores - label_score)
        + max(0.0, right_cost - kept_wrong_cost) * (all_scores - keep_score)
        + max(0.0, wrong_cost - max(kept_wrong_cost, right_cost)) * (all_scores - label_or_keep_scores)
        + max(0.0, kept_wrong_cost - wrong_cost) * (all_scores - answer_scores)
    )
    return torch.where(m == y, client_right, client_wrong)


def largest_score_rule(scores: Tensor) -> Tensor:
    r"""The decision of the largest of K + 1 scores, as a rejector's score.

    .. math:: r = s_{keep} - \max_k s_k

    Args:
        scores: (n, K + 1), the last one for keeping.

    Returns:
        (n,) scores in (-1, 1), > 0 where keeping has the largest; at the minimum of `mozannar_sontag_loss` they are
        proportional to the cost of asking minus that of keeping.

    >>> largest_score_rule(torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0]])).sign()
    tensor([1., 0.])
    """
    probabilities = torch.softmax(scores, dim=1)
    return probabilities[:, -1] - probabilities[:, :-1].amax(1)


def one_vs_all_rule(scores: Tensor, *, costs: Costs) -> Tensor:
    r"""The decision of K + 1 separate probabilities at given costs, as a rejector's score.

    .. math:: r = c_e + c_1 (1 - \max_k \sigma(g_k)) - (1 - \sigma(g_{keep}))

    Args:
        scores: (n, K + 1), the last one for keeping.
        costs: c1 and ce.

    Returns:
        (n,) estimates of the cost of asking minus that of keeping.

    >>> one_vs_all_rule(torch.zeros(1, 3), costs=Costs(c1=1.0, ce=0.25))
    tensor([0.2500])
    """
    probabilities = torch.sigmoid(scores)
    return ask_cost(1 - probabilities[:, :-1].amax(1), costs=costs) - (1 - probabilities[:, -1])
