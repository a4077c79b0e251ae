"""Baselines that train their own server: learning to defer, triage, and selection under a budget."""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import count

import torch
from torch import Tensor, nn

from l2h.losses import deferral
from l2h.losses.deferral import ask_cost, soft_deferral_loss, triage_loss
from l2h.methods.base import Examples, Options, Splits, System, class_count, class_indices, output_count
from l2h.methods.fitting import (
    RejectorNetwork,
    build_rejector,
    build_server,
    fit_rejector_and_server,
    server_score_function,
)
from l2h.problem import Costs, asks
from l2h.training import loop

BUDGET_PENALTY = 32.0  # SelectiveNet's lambda


def _fit_defer_server(
    splits: Splits, seed: int, options: Options, loss: Callable[..., Tensor], rule: Callable[[Tensor], Tensor]
) -> System:
    """A server with K + 1 scores, the last for keeping, trained on loss(scores, m, y)."""
    train_examples = splits.train
    with loop.seeded(seed):
        network = build_server(splits, options, n_outputs=class_count(train_examples) + 1)
    targets = (class_indices(train_examples.m, train_examples), class_indices(train_examples.y, train_examples))
    history = loop.fit(network, train_examples.x, targets, loss, config=options.training, seed=seed)

    @lru_cache(maxsize=1)  # r and e of the same images share their scores; a tensor is hashed by its identity
    def scores(x: Tensor) -> Tensor:
        return loop.predict_scores(network, x)

    def e(examples: Examples) -> Tensor:
        all_scores = scores(examples.x)
        return all_scores[:, 1] - all_scores[:, 0] if output_count(examples) == 1 else all_scores[:, :-1]

    return System(lambda examples: rule(scores(examples.x)), e, True, False, history.losses)


def mozannar_sontag(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """Learning to defer with one softmax over K answers and "keep", weighted by costs.

    Args:
        splits: of the training data.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: server_network and training.

    Returns:
        A system whose decision needs the server; "distilled" imitates it on the device.

    Source: Mozannar and Sontag, ICML 2020; `deferral.mozannar_sontag_loss`.
    """
    loss = partial(deferral.mozannar_sontag_loss, costs=costs)
    return _fit_defer_server(splits, seed, options, loss, deferral.largest_score_rule)


def one_vs_all(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """Learning to defer with K + 1 separate probabilities; costs enter with the decision alone.

    Args:
        splits: of the training data.
        costs: c1 and ce, for the decision only.
        seed: of initial weights and batches.
        options: server_network and training.

    Returns:
        A system whose decision needs the server; "distilled" imitates it on the device.

    Source: Verma and Nalisnick, ICML 2022; `deferral.one_vs_all_loss`.
    """
    rule = partial(deferral.one_vs_all_rule, costs=costs)
    return _fit_defer_server(splits, seed, options, deferral.one_vs_all_loss, rule)


def realizable(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """Learning to defer on the realizable surrogate, extended to costs; not consistent for a deterministic client.

    Args:
        splits: of the training data.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: server_network and training.

    Returns:
        A system whose decision needs the server; "distilled" imitates it on the device.

    Source: Mozannar et al., AISTATS 2023; `deferral.realizable_loss`.
    """
    loss = partial(deferral.realizable_loss, costs=costs)
    return _fit_defer_server(splits, seed, options, loss, deferral.largest_score_rule)


def differentiable_triage(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    r"""A rejector trained on the label "asking had the lower cost"; a server trained on the offloaded examples.

    .. math:: L = s\,\ell(e, y) + 1[k > a] \log(1 + e^{r}) + 1[k \leq a] \log(1 + e^{-r}), \quad
              k = 1[m \neq y], \quad a = c_e + c_1 (1 - P_e(y|x))

    In the first half of the steps s = 1, and the server is trained on all examples; in the second s = 1[r <= 0]. The
    label ignores the size of the difference, so the minimiser is not the Bayes rejector: it asks where asking has the
    lower cost with probability above one half.

    Args:
        splits: of the training data.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: rejector, hidden_units, server_network and training.

    Returns:
        A system that decides on the device.

    Source: Okati, De and Gomez-Rodriguez, NeurIPS 2021, with costs in place of a budget.
    """
    steps = options.training.epochs * math.ceil(len(splits.train.y) / options.training.batch_size)
    step = count()

    def loss(r: Tensor, e: Tensor, m: Tensor, y: Tensor, alpha: Tensor) -> Tensor:
        answer_loss = loop.classification_loss(e, y)
        ask_costs = ask_cost(1 - torch.exp(-answer_loss.detach()), costs=costs)
        server_weight = loop.as_float(asks(r)) if next(step) >= steps / 2 else 1.0
        return triage_loss(r, loop.as_float(m != y), ask_costs) + server_weight * answer_loss

    rejector, server = _build_networks(splits, seed, options)
    history = fit_rejector_and_server(rejector, server, splits.train, loss, options=options, seed=seed)
    return System(rejector.scores, server_score_function(server), False, rejector.needs_client_scores, history)


def budgeted(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    r"""A soft selection with an offload rate of b, in the manner of SelectiveNet.

    .. math:: L = \tfrac12 \Big[ \sigma(r) 1[m \neq y] + \sigma(-r) \big(c_e + c_1 \ell(e, y)\big)
              + \lambda \big(\overline{\sigma(-r)} - b\big)^2 \Big] + \tfrac12 \ell(e, y)

    with the log-loss in bits, an upper bound of the error, and the bar for the mean over the batch. The last term
    trains the server on all examples, as SelectiveNet's auxiliary head does. After the training a constant is
    subtracted from r, so that the offload rate on the validation split is b. The minimiser orders the examples by the
    cost of keeping minus that of asking, with the log-loss in place of the server's error. This is not the Bayes order
    where Y is uncertain.

    Args:
        splits: of the training data.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: budget, rejector, hidden_units, server_network and training.

    Returns:
        A system that decides on the device.

    Source: Geifman and El-Yaniv, SelectiveNet, ICML 2019.
    """

    def loss(r: Tensor, e: Tensor, m: Tensor, y: Tensor, alpha: Tensor) -> Tensor:
        bits = loop.classification_loss(e, y) / math.log(2)
        selective = soft_deferral_loss(r, loop.as_float(m != y), ask_cost(bits, costs=costs))
        rate_error = loop.batch_mean(torch.sigmoid(-r)) - options.budget
        return (selective + BUDGET_PENALTY * rate_error**2 + bits) / 2

    rejector, server = _build_networks(splits, seed, options)
    history = fit_rejector_and_server(rejector, server, splits.train, loss, options=options, seed=seed)
    threshold = ask_rate_threshold(rejector.scores(splits.validation), options.budget)
    return System(
        lambda examples: rejector.scores(examples) - threshold,
        server_score_function(server),
        False,
        rejector.needs_client_scores,
        history,
    )


def ask_rate_threshold(r: Tensor, budget: float) -> float:
    """The threshold t at which "ask where r <= t" has a given offload rate.

    Args:
        r: (n,) scores.
        budget: offload rate, in [0, 1].

    Returns:
        The largest score at which it asks, or a value below all scores if it never asks.

    >>> ask_rate_threshold(torch.tensor([0.5, 0.125, 0.375, 0.25]), 0.5)
    0.25
    """
    n_asked = round(budget * len(r))
    ordered = r.double().sort().values
    return float(ordered[n_asked - 1]) if n_asked else float(ordered[0]) - 1


def _build_networks(splits: Splits, seed: int, options: Options) -> tuple[RejectorNetwork, nn.Module]:
    with loop.seeded(seed):
        return build_rejector(splits, options), build_server(splits, options, n_outputs=output_count(splits.train))
