"""Methods for many classes that train r and e together: stage switching and the weighted server.

With a server trained beforehand, the rejector starts as the two-stage method would train it, so that few epochs of
joint training suffice.
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


class StaleServer(loop.JointModule):
    """A rejector, a server, and the device's copy of the server, which is updated every so many steps.

    Args:
        rejector: trained with the server.
        server: reads x.
        update_every: steps between two updates of the copy, >= 1; 1 is no delay.
        rejector_reads_x: whether the rejector reads x; the loss applies one that reads something else.

    >>> module = StaleServer(nn.Linear(2, 1), nn.Linear(2, 1), update_every=2).train()
    >>> first, again = (module(torch.ones(1, 2)) for _ in range(2))
    >>> bool(first[2] == first[1])
    True
    """

    def __init__(
        self, rejector: nn.Module, server: nn.Module, *, update_every: int, rejector_reads_x: bool = True
    ) -> None:
        super().__init__(rejector, server, rejector_reads_x=rejector_reads_x)
        self.update_every, self.step = update_every, 0
        self.stale_server: list[nn.Module] = []  # in a list, so that its weights are not trained

    def forward(self, x: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        """Scores of the rejector, of the server, and of its copy; those of the copy have no gradient."""
        r, e = super().forward(x)
        if self.update_every == 1:
            return r, e, e.detach()
        if self.step % self.update_every == 0:
            self.stale_server = [deepcopy(self.server).eval().requires_grad_(False)]
        self.step += 1
        return r, e, self.stale_server[0](x)


def stage_switching(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """The follow-up's method: cross-entropy for the server, and weights from the server's errors for the rejector.

    The rejector reads a copy of the server that is updated every `update_every` steps: asynchronous training.

    Args:
        splits: of the training data.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: form, update_every, rejector, hidden_units, server_network and training.

    Returns:
        A system that decides on the device.

    Source: arXiv 2501.13810, stage-switching loss and asynchronous training.
    """

    def loss(r: Tensor, e: Tensor, stale_scores: Tensor, m: Tensor, y: Tensor) -> Tensor:
        server_wrong = server_label(stale_scores) != y
        rejector_loss = losses_stage_switching.stage_rejector_loss(
            r, m != y, server_wrong, costs=costs, form=options.form
        )
        return loop.classification_loss(e, y) + rejector_loss

    return _fit_with_stale_server(splits, loss, costs=costs, seed=seed, options=options)


def weighted_server(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """A server trained for the offloaded inputs: cross-entropy with the weights of the surrogate loss L_S.

    Args:
        splits: of the training data.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: beta, rejector, hidden_units, server_network and training.

    Returns:
        A system that decides on the device.

    Source: derived in the chapter on many classes; `losses.stage_switching.weighted_cross_entropy`.
    """

    def loss(r: Tensor, e: Tensor, stale_scores: Tensor, m: Tensor, y: Tensor) -> Tensor:
        return losses_stage_switching.weighted_cross_entropy(r, *as_multiclass(e, m, y), costs=costs, beta=options.beta)

    return _fit_with_stale_server(splits, loss, costs=costs, seed=seed, options=replace(options, update_every=1))


def stage_rejector(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """Stage switching with a fixed server: the server is trained first, and then the rejector for it.

    The server's part of the loss does not depend on the rejector, so the joint training converges to a server that is
    trained alone. The rejector is trained on the server's out-of-fold scores.

    Args:
        splits: of the training data, with a server's scores on the train split.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: form, rejector, hidden_units and training.

    Returns:
        A system that decides on the device.

    Raises:
        ValueError: if no server's scores are given.

    Source: arXiv 2501.13810, stage-switching loss.
    """
    train_examples = splits.train
    with loop.seeded(seed):
        rejector = build_rejector(splits, options)
    wrong = server_label(require_server_scores(train_examples)) != train_examples.y

    def loss(r: Tensor, client_wrong: Tensor, server_wrong: Tensor) -> Tensor:
        return losses_stage_switching.stage_rejector_loss(r, client_wrong, server_wrong, costs=costs, form=options.form)

    history = fit_rejector(
        rejector, train_examples, (train_examples.m != train_examples.y, wrong), loss, options=options, seed=seed
    )
    return System(rejector.scores, require_server_scores, False, rejector.needs_client_scores, history)


def _fit_with_stale_server(
    splits: Splits, loss: Callable[..., Tensor], *, costs: Costs, seed: int, options: Options
) -> System:
    train_examples = splits.train
    with loop.seeded(seed):
        rejector = build_rejector(splits, options)
        server = build_server(splits, options, n_outputs=output_count(train_examples))
    if splits.server_weights is not None:
        warm_start(rejector, splits, costs=costs, seed=seed)
    joint = StaleServer(
        rejector.network,
        server,
        update_every=options.update_every,
        rejector_reads_x=not rejector.needs_client_scores,
    )
    inputs = (
        rejector.network_inputs(train_examples) if rejector.needs_client_scores else torch.zeros(len(train_examples.y))
    )
    history = loop.fit(
        joint,
        train_examples.x,
        (inputs, train_examples.m, train_examples.y),
        lambda outputs, inputs, m, y: loss(
            rejector.network(inputs) if outputs[0] is None else outputs[0], *outputs[1:], m, y
        ),
        config=options.training,
        seed=seed,
    )
    return System(rejector.scores, server_score_function(server), False, rejector.needs_client_scores, history.losses)
