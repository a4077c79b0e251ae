"""What tables and figures of the chapter on many classes say of its systems: shares, gaps, spending, classes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from l2h import methods, models, train
from l2h.bootstrap import Interval, as_text, bands, intervals
from l2h.budgets import Size, Spending, count, spending
from l2h.comparisons import mean_interval, paired
from l2h.curves import area_under_curve, error_auroc_by_example, loss_curve
from l2h.designs_multiclass import NEEDS_SERVER, Systems
from l2h.evaluate import by_class, correctness, loss_by_example, right_answers, sent
from l2h.problem import Costs, Predictions
from l2h.runs import ExperimentConfig

ByExample = Callable[[Predictions], Any]
READ = {"scores": 2, "features": 2 + models.UNITS}  # numbers beside the K log-probabilities, see `systems.REJECTORS`


def band(by_place: Sequence[Sequence[Predictions]], by_example: ByExample, *, draws: int = 2000) -> Interval:
    """Means of a value per example at k places, each with its interval over seeds and examples.

    Args:
        by_place: at each place the predictions of a system, one per seed; all on the same examples.
        by_example: gives (n,) values.
        draws: of the resampling.

    Returns:
        (k,) means, lower and upper limits.
    """
    values = np.array([[by_example(p) for p in several] for several in by_place], dtype=float)  # (k, S, n)
    return Interval(*np.transpose(intervals(values, draws=draws)))


def gaps_beside(
    systems: Mapping[str, Sequence[Predictions]],
    beside: Mapping[str, Sequence[Predictions]],
    by_example: ByExample,
    *,
    draws: int = 2000,
) -> dict[str, Interval]:
    """Differences system - its own counterpart in the mean of a value per example; all of them hold together.

    `significance.gaps` has one reference for all; here each system has one with the same server.

    Args:
        systems: name -> predictions, one per seed.
        beside: name -> predictions of the counterpart, paired.
        by_example: gives (n,) values.
        draws: of the resampling.

    Returns:
        Name -> difference, with max-t intervals.
    """
    apart = np.stack([paired(several, beside[name], by_example) for name, several in systems.items()])
    return dict(zip(systems, intervals(apart, signed=True, simultaneous=True, draws=draws), strict=True))


def table(said: Systems, systems: Mapping[str, ExperimentConfig], *, draws: int = 2000) -> dict[str, dict[str, str]]:
    """Loss, accuracy and share sent of each system at its tuned threshold, and beside them what r = 0 gives.

    Args:
        said: what the systems said.
        systems: name -> configuration, whose costs count; all on the same examples.
        draws: of the resampling.

    Returns:
        Name -> column -> number with its interval; at r = 0 without.
    """
    tuned = {name: said.tuned(one) for name, one in systems.items()}
    trained = {name: said.as_trained(one) for name, one in systems.items()}
    lost = {name: partial(loss_by_example, costs=one.costs) for name, one in systems.items()}
    measured = {
        "system loss": _texts([[lost[name](p) for p in several] for name, several in tuned.items()], draws),
        "at r = 0": _texts([[lost[name](p) for p in several] for name, several in trained.items()], draws, only=True),
        "accuracy": _texts([[correctness(p) for p in several] for several in tuned.values()], draws),
        "sent": _texts([[sent(p) for p in several] for several in tuned.values()], draws),
        "sent at r = 0": _texts([[sent(p) for p in several] for several in trained.values()], draws, only=True),
    }
    return {name: {what: texts[place] for what, texts in measured.items()} for place, name in enumerate(systems)}


def _texts(values: Sequence[Sequence[np.ndarray]], draws: int, *, only: bool = False) -> list[str]:
    found = intervals(np.array(values, dtype=float), draws=1 if only else draws)
    return [f"{one.estimate:.3f}" if only else as_text(one) for one in found]


def levels(several: Sequence[Predictions], *, costs: Costs, draws: int = 2000) -> dict[str, dict[str, str]]:
    """What needs no rejector, as rows for `table`: always ask and never ask, with a client and a server.

    Args:
        several: predictions with this client and server, one per seed; their r is not read.
        costs: c1 and ce.
        draws: of the resampling.

    Returns:
        Name -> column -> number with its interval.
    """
    decided = {"always ask": -1.0, "never ask": 1.0}
    rows = {}
    for name, r in decided.items():
        same = [replace(p, r=np.full(len(p.y), r)) for p in several]
        what: dict[str, ByExample] = {"system loss": partial(loss_by_example, costs=costs), "accuracy": correctness}
        rows[name] = {column: as_text(mean_interval(same, of, draws=draws)) for column, of in what.items()}
        rows[name] |= {"sent": "1" if r < 0.5 else "0"}
    return rows


def rankings(several: Sequence[Predictions]) -> dict[str, str]:
    """How well r ranks, whatever the threshold: the AUGRC, and the AUROC of the client's errors.

    Args:
        several: one system's predictions, one per seed.

    Returns:
        "AUGRC" and "AUROC", means over seeds.
    """
    alone = Costs(c1=0.0, ce=0.0)
    kept_and_wrong = bands([[area_under_curve(loss_curve(p, costs=alone))] for p in several]).estimate[0]
    ranked = mean_interval(several, error_auroc_by_example, draws=1).estimate
    return {"AUGRC": f"{kept_and_wrong:.3f}", "AUROC": f"{ranked:.3f}"}


def spent(name: str, config: ExperimentConfig, coverage: float) -> Spending:
    """What a system spends per image at a coverage; clients and networks with one score per class.

    Args:
        name: of the system in `designs_multiclass.comparison`.
        config: its configuration.
        coverage: share kept, in [0, 1].

    Returns:
        `Spending`.

    >>> one = ExperimentConfig("confidence", client="follow_up", classes=("a", "b", "c"))
    >>> spent("confidence", one, 0.5).bytes_sent
    1536.0
    """
    needs_server, K = name in NEEDS_SERVER, len(config.classes)
    decides = not needs_server and config.method not in methods.UNTRAINED
    outputs = 2 if config.method == "two_sigmoid" else 1
    own = Size(0, 0)
    if decides and config.rejector in READ:  # by one linear layer
        inputs = K + READ[config.rejector]
        own = Size(parameters=(inputs + 1) * outputs, flops=2 * inputs * outputs)
    elif decides:
        own = count(methods.SERVER_NETWORKS[config.rejector](outputs, squash=False))
    reads_score = config.method == "confidence" or (decides and config.rejector in READ)
    client = count(train.CLIENTS[config.client][0](K))
    return spending(own, client, coverage, needs_score=reads_score, needs_server=needs_server)


def per_class(several: Sequence[Predictions], *, draws: int = 2000) -> list[Interval]:
    """For each true class the share sent, and the accuracy of client and server, with intervals.

    Args:
        several: one system's predictions, one per seed, on the same examples.
        draws: of the resampling.

    Returns:
        Three bands of (K,) values.
    """
    apart = [by_class(p) for p in several]
    wanted: tuple[ByExample, ...] = (sent, lambda p: right_answers(p)[0] * 1.0, lambda p: right_answers(p)[1] * 1.0)
    found = [
        [mean_interval([part[label] for part in apart], of, draws=draws) for label in sorted(apart[0])] for of in wanted
    ]
    return [Interval(*np.transpose(one)) for one in found]
