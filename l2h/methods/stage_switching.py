"""Methods of the multi-class setting: stage-switching, and a server that specialises; both train r and e together.

Started from a server trained beforehand, the rejector begins as the two-stage method would leave it, so that the few
passes over the data that follow are spent on what the two learn from each other.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from l2h.losses import stage_switching as losses_stage_switching
from l2h.losses.surrogate import as_multiclass
from l2h.methods.base import Options, Splits, System, output_count, require_server_scores
from l2h.methods.fitting import build_rejector, build_server, fit_rejector, server_score_function, warm_start
from l2h.problem import Costs, server_label
from l2h.training import loop


class StaleServer(nn.Module):
    """A rejector and a server, and the copy of the server that the device knows, renewed every so many steps.

    Args:
        rejector: reads x; None where it reads something else, and is applied elsewhere.
        server: reads x.
        refresh: steps between renewals, >= 1; 1 is no delay.

    >>> module = StaleServer(None, nn.Linear(2, 1), refresh=2).train()
    >>> first, again = (module(torch.ones(1, 2)) for _ in range(2))
    >>> bool(first[2] == first[1])
    True
    """

    def __init__(self, rejector: nn.Module | None, server: nn.Module, *, refresh: int) -> None:
        super().__init__()
        self.rejector, self.server = rejector, server
        self.refresh, self.step = refresh, 0
        self.copy: list[nn.Module] = []  # in a list: not a part of what is trained

    def forward(self, x: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        """Scores of the rejector, of the server, and of its copy, which have no gradient."""
        r = None if self.rejector is None else self.rejector(x)
        e = self.server(x)
        if self.refresh == 1:
            return r, e, e.detach()
        if self.step % self.refresh == 0:
            self.copy = [deepcopy(self.server).eval().requires_grad_(False)]
        self.step += 1
        return r, e, self.copy[0](x)


def stage_switching(parts: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """The follow-up's method: the server on cross-entropy, the rejector on weights that know the server's mistakes.

    The rejector sees the server through a copy that is renewed every `refresh` steps: asynchronous training.

    Args:
        parts: of the training data.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: form, refresh, rejector, network and recipe.

    Returns:
        A system that decides on the device.

    Source: arXiv 2501.13810, stage-switching loss and asynchronous training.
    """

    def loss(r: Tensor, e: Tensor, copy: Tensor, m: Tensor, y: Tensor) -> Tensor:
        wrong = server_label(copy) != y
        part = losses_stage_switching.stage_rejector_loss(r, m != y, wrong, costs=costs, form=options.form)
        return loop.classification_loss(e, y) + part

    return _fit_with_stale_server(parts, loss, costs=costs, seed=seed, options=options)


def weighted_server(parts: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """A server that learns where it is asked: cross-entropy weighted as the surrogate L_S weights its examples.

    Args:
        parts: of the training data.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: beta, refresh, rejector, network and recipe.

    Returns:
        A system that decides on the device.

    Source: derived in the chapter on many classes; `stage_switching.weighted_cross_entropy`.
    """

    def loss(r: Tensor, e: Tensor, copy: Tensor, m: Tensor, y: Tensor) -> Tensor:
        return losses_stage_switching.weighted_cross_entropy(r, *as_multiclass(e, m, y), costs=costs, beta=options.beta)

    return _fit_with_stale_server(parts, loss, costs=costs, seed=seed, options=replace(options, refresh=1))


def stage_rejector(parts: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """Stage-switching brought to its end: the server is trained alone, and then the rejector for it.

    The server's part of the loss knows nothing of the rejector, so a server trained beforehand is what the joint
    training leads to; the rejector learns from the answers that it gave out of fold.

    Args:
        parts: of the training data, with a server's scores on the helper part.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: form, rejector, hidden and recipe.

    Returns:
        A system that decides on the device.

    Raises:
        ValueError: if no server's scores are given.

    Source: arXiv 2501.13810, stage-switching loss.
    """
    helper = parts.helper
    with loop.seeded(seed):
        on = build_rejector(parts, options)
    wrong = server_label(require_server_scores(helper)) != helper.y

    def loss(r: Tensor, client_wrong: Tensor, server_wrong: Tensor) -> Tensor:
        return losses_stage_switching.stage_rejector_loss(r, client_wrong, server_wrong, costs=costs, form=options.form)

    history = fit_rejector(on, helper, (helper.m != helper.y, wrong), loss, options=options, seed=seed)
    return System(on.scores, require_server_scores, False, on.needs_score, history)


def _fit_with_stale_server(
    parts: Splits, loss: Callable[..., Tensor], *, costs: Costs, seed: int, options: Options
) -> System:
    helper = parts.helper
    with loop.seeded(seed):
        on = build_rejector(parts, options)
        server = build_server(parts, options, outputs=output_count(helper))
    if parts.weights is not None:
        warm_start(on, parts, costs=costs, seed=seed)
    together = StaleServer(None if on.needs_score else on.network, server, refresh=options.refresh)
    seen = on.view(helper) if on.needs_score else torch.zeros(len(helper.y))
    history = loop.fit(
        _WithRejectorWeights(together, on.network) if on.needs_score else together,
        helper.x,
        (seen, helper.m, helper.y),
        lambda scores, seen, m, y: loss(on.network(seen) if scores[0] is None else scores[0], *scores[1:], m, y),
        config=options.recipe,
        seed=seed,
    )
    return System(on.scores, server_score_function(server), False, on.needs_score, history.losses)


class _WithRejectorWeights(nn.Module):
    """One network with the weights of another one beside, so that both are trained."""

    def __init__(self, network: nn.Module, beside: nn.Module) -> None:
        super().__init__()
        self.network, self.beside = network, beside

    def forward(self, x: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        return self.network(x)
