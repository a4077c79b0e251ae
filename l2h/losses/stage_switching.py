"""Losses for many classes, one value per example: stage switching in three forms, and weighted cross-entropy.

Scores e have one column per class and labels are 0..K-1; `as_multiclass` brings two classes coded -1/+1 into this form.
"""

from typing import Any, NamedTuple

from torch import Tensor
from torch.nn import functional

from l2h import checks
from l2h.losses.surrogate import _check_multiclass, exp_linear_tail
from l2h.problem import Costs, server_label

STAGE_SWITCHING_FORMS = ("paper", "nonnegative", "released")


class StageWeights(NamedTuple):
    """The weights of keeping and asking in the rejector's part of the stage-switching loss."""

    keep: Any
    ask: Any


def stage_weights(client_wrong: Any, server_wrong: Any, *, costs: Costs, form: str) -> StageWeights:
    r"""The weights of "keep" and "ask", linear in both errors, so that their means given x follow from p and P(e≠Y|x).

    .. math:: \text{paper: } 1 - 1[m \neq y], \; 1 - c_e - c_1 1[e \neq y] \qquad
              \text{nonnegative: both} + C - 1, \; C = \max(1, c_1 + c_e) \qquad
              \text{released: } 1 - 1[m \neq y], \; 1 - c_e + c_1 1[e \neq y]

    Args:
        client_wrong: 1[m≠y] or P(M≠Y|x), a number or any shape, in [0, 1].
        server_wrong: 1[e≠y] or P(e≠Y|x), likewise.
        costs: c1 and ce.
        form: "paper" (the follow-up's formula), "nonnegative" (its weights plus a constant, so that none is negative),
            or "released" (the released code, whose sign of c1 is reversed).

    Returns:
        StageWeights(keep, ask).

    Raises:
        ValueError: if the form is unknown.

    >>> [stage_weights(1.0, 1.0, costs=Costs(c1=1.0, ce=0.25), form=form).ask for form in STAGE_SWITCHING_FORMS]
    [-0.25, 0.0, 1.75]

    Source: arXiv 2501.13810, stage-switching loss; its released training script for the last form.
    """
    checks.one_of(STAGE_SWITCHING_FORMS, form=form)
    offset = max(1.0, costs.c1 + costs.ce) if form == "nonnegative" else 1.0
    sign = -1 if form == "released" else 1
    return StageWeights(offset - client_wrong, offset - costs.ce - sign * costs.c1 * server_wrong)


def stage_rejector_loss(r: Tensor, client_wrong: Tensor, server_wrong: Tensor, *, costs: Costs, form: str) -> Tensor:
    r"""The rejector's part of the stage-switching loss; r is the log-odds of "keep".

    .. math:: -w_{keep} \log \sigma(r) - w_{ask} \log \sigma(-r)

    Args:
        r: (n,) rejector scores.
        client_wrong: (n,) 1[m≠y].
        server_wrong: (n,) 1[label(e)≠y].
        costs: c1 and ce.
        form: a name in STAGE_SWITCHING_FORMS.

    Returns:
        (n,) losses; in the paper's form unbounded below as r grows where both are wrong and c1 + ce > 1.

    Raises:
        ValueError: if shapes differ or the form is unknown.

    >>> import torch
    >>> wrong = torch.ones(1)
    >>> stage_rejector_loss(torch.tensor([100.0]), wrong, wrong, costs=Costs(c1=1.0, ce=0.25), form="paper")
    tensor([-25.])

    Source: arXiv 2501.13810, with a softmax over (local, remote) written by its log-odds.
    """
    checks.one_dimensional(r=r, client_wrong=client_wrong, server_wrong=server_wrong)
    checks.floating(r=r)
    weights = stage_weights(client_wrong.to(r.dtype), server_wrong.to(r.dtype), costs=costs, form=form)
    return weights.keep * functional.softplus(-r) + weights.ask * functional.softplus(r)


def weighted_cross_entropy(r: Tensor, e: Tensor, m: Tensor, y: Tensor, *, costs: Costs, beta: float) -> Tensor:
    r"""A loss of stage switching with a weighted server: cross-entropy with the weights that L_S gives its examples.

    .. math:: L = \underline{e^{-\frac{\beta}{2} r}} \big(-\log \mathrm{softmax}(e)_y\big)
              - 1[m \neq y] \log \sigma(-r) - (c_e + c_1 1[e \neq y]) \log \sigma(r)

    The underlined weight has no gradient. For every server the minimiser over r is log((ce + c1 P(e≠Y|x)) / p), whose
    sign is the Bayes rule for that server: no parameter needs calibration, for any number of classes.

    Args:
        r: (n,) rejector scores.
        e: (n, K) server scores.
        m: (n,) the client's labels in 0..K-1.
        y: (n,) true labels in 0..K-1.
        costs: c1 and ce.
        beta: rate at which the weight of an example falls with r, >= 0; at 0 all examples have the same weight.

    Returns:
        (n,) losses.

    Raises:
        ValueError: if shapes differ or beta is negative.

    >>> import torch
    >>> zero, label = torch.zeros(1), torch.zeros(1, dtype=torch.long)
    >>> weighted_cross_entropy(zero, torch.zeros(1, 2), label, label, costs=Costs(c1=1.0, ce=1.0), beta=2.0)
    tensor([1.3863])

    Source: derived in the chapter on many classes.
    """
    _check_multiclass(r, e, m, y)
    checks.at_least(0, beta=beta)
    server_loss = exp_linear_tail(-beta / 2 * r.detach()) * functional.cross_entropy(e, y, reduction="none")
    ask_costs = costs.ce + costs.c1 * (server_label(e) != y).to(r.dtype)
    return server_loss + (m != y) * functional.softplus(r) + ask_costs * functional.softplus(-r)
