"""What tables and figures of the chapter on many classes say of its systems: shares, gaps, spending, classes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from companion.chapters.ch07_multiclass.experiments import Systems
from companion.chapters.systems import Compared
from l2h.evaluation.bootstrap import intervals, paired_bootstrap
from l2h.evaluation.comparisons import mean_interval, paired
from l2h.evaluation.curves import area_by_example, area_under_curve, error_auroc_by_example, loss_curve
from l2h.evaluation.intervals import Interval, as_text, bands
from l2h.evaluation.metrics import by_class, correctness, kept, loss_by_example, reference_losses, right_answers, sent
from l2h.problem import Costs, Predictions, server_label

ByExample = Callable[[Predictions], Any]


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

    `multiple_comparisons.gaps` has one reference for all; here each system has one with the same server.

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


def slope_interval(by_place: Sequence[Sequence[Predictions]], places: Sequence[float]) -> Interval:
    r"""The least-squares slope of the offload rate, with its interval over seeds and examples.

    .. math:: \frac{\sum_j (c_j - \bar c)\, rate_j}{\sum_j (c_j - \bar c)^2}

    Args:
        by_place: at each of k places, the predictions of every seed, on the same examples.
        places: (k,) numbers c, not all equal.

    Returns:
        The slope with its limits.

    Raises:
        ValueError: if the predictions do not match, or all places are equal.
    """
    weights = _least_squares(places, len(by_place))
    asked = 1 - np.array([[kept(p) for p in several] for several in by_place])  # (k, S, n)
    return paired_bootstrap(np.tensordot(weights, asked, axes=1))


def trend_interval(
    first: Sequence[Sequence[Predictions]], second: Sequence[Sequence[Predictions]], places: Sequence[float]
) -> Interval:
    r"""The least-squares slope of a difference in area against a place, with its interval over seeds and examples.

    .. math:: \sum_j w_j \bar d_j, \qquad w_j = \frac{c_j - \bar c}{\sum_i (c_i - \bar c)^2}

    with the mean d of the paired differences first - second over seeds and examples at place j. The tasks are the first
    K classes of one list, so an image of the smallest is in all of them: images are resampled once for all places, each
    with its differences everywhere, taken from the means of their places. How many images of a place are drawn then
    moves nothing, to first order.

    Args:
        first: at each of k places the predictions of one system, one per seed.
        second: of another, paired: the same seeds and, within a place, the same examples.
        places: (k,) numbers c, not all equal.

    Returns:
        The slope with its limits.

    Raises:
        ValueError: if the predictions do not match, all places are equal, or a task is not the first classes of the
            largest.
    """
    weights = _least_squares(places, len(first))
    apart = [paired(one, other, area_by_example) for one, other in zip(first, second, strict=True)]  # (S, n_j) each
    images = among_the_largest([several[0].y for several in first])
    size = max(values.shape[1] for values in apart)
    moved, slope = np.zeros((len(first[0]), size)), 0.0
    for weight, values, here in zip(weights, apart, images, strict=True):
        middle = values.sum() / values.size
        moved[:, here] += weight * size / values.shape[1] * (values - middle)
        slope += weight * middle
    return paired_bootstrap(moved + slope)


def among_the_largest(labels: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Where the examples of each task stand among those of the task with most classes.

    Args:
        labels: of each task, the first K classes of one list: 0..K-1, or -1/+1 for K = 2.

    Returns:
        For each task the places of its examples, in their order.

    Raises:
        ValueError: if the labels of a task are not those of these examples.

    >>> [places.tolist() for places in among_the_largest([np.array([1, -1]), np.array([1, 2, 0])])]
    [[0, 2], [0, 1, 2]]
    """
    numbers = [np.where(y < 0, 0, y) for y in labels]
    largest = max(numbers, key=lambda y: y.max())
    places = [np.flatnonzero(largest <= y.max()) for y in numbers]
    for here, y in zip(places, numbers, strict=True):
        if not np.array_equal(largest[here], y):
            raise ValueError(f"expected a task of the first {y.max() + 1} classes of the largest, got other labels")
    return places


def _least_squares(places: Sequence[float], count: int) -> np.ndarray:
    """What numbers at the places are weighed with, to give the slope of the line through them."""
    c = np.asarray(places, dtype=float)
    centred = c - c.sum() / len(c)
    if count != len(c) or not centred.any():
        raise ValueError(f"expected numbers at several places that differ, got {count} at {list(places)}")
    return centred / (centred @ centred)


def table(said: Systems, systems: Mapping[str, Compared], *, draws: int = 2000) -> dict[str, dict[str, str]]:
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
    return _rows(systems, measured)


def _rows(names: Iterable[str], columns: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    return {name: {what: texts[place] for what, texts in columns.items()} for place, name in enumerate(names)}


def _texts(values: Sequence[Sequence[np.ndarray]], draws: int, *, only: bool = False) -> list[str]:
    found = intervals(np.array(values, dtype=float), draws=1 if only else draws)
    return [f"{one.estimate:.3f}" if only else as_text(one) for one in found]


def levels(several: Sequence[Predictions], *, costs: Costs, draws: int = 2000) -> dict[str, dict[str, str]]:
    """What needs no rejector, and the limit of any, as rows for `table`: all with one client and one server.

    Args:
        several: predictions with this client and server, one per seed; their r is not read.
        costs: c1 and ce.
        draws: of the resampling.

    Returns:
        "always ask", "never ask", "random, best rate" (the cheaper of both, seed by seed) and "oracle" -> column ->
        number with its interval.
    """
    same = {name: [replace(p, r=r(p, costs)) for p in several] for name, r in _LEVELS.items()}
    lost: ByExample = partial(loss_by_example, costs=costs)
    what: dict[str, ByExample] = {"system loss": lost, "accuracy": correctness, "sent": sent}
    values = {column: [[of(p) for p in ps] for ps in same.values()] for column, of in what.items()}
    return _rows(same, {column: _texts(of, draws) for column, of in values.items()})


def _at_best_rate(p: Predictions, costs: Costs) -> np.ndarray:
    found = reference_losses(p, costs=costs)
    return np.full(len(p.y), -1.0 if found.always < found.never else 1.0)


def _knowing(p: Predictions, costs: Costs) -> np.ndarray:
    client, server = (1.0 - right for right in right_answers(p))
    return costs.ce + costs.c1 * server - client


_LEVELS: dict[str, Callable[[Predictions, Costs], np.ndarray]] = {
    "always ask": lambda p, costs: np.full(len(p.y), -1.0),
    "never ask": lambda p, costs: np.ones(len(p.y)),
    "random, best rate": _at_best_rate,
    "oracle": _knowing,
}


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


def compared(said: Systems, systems: Mapping[str, Compared], *, draws: int = 2000) -> dict[str, dict[str, str]]:
    """What `table` says of the systems of a client, and beside it how well each of them ranks.

    Args:
        said: what the systems said.
        systems: name -> configuration; all on the same examples.
        draws: of the resampling.

    Returns:
        Name -> column -> number.
    """
    rows = table(said, systems, draws=draws)
    return {name: row | rankings(said.tuned(systems[name])) for name, row in rows.items()}


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


class Confusions(NamedTuple):
    """What a client answers to each class, and what of it is sent."""

    counts: np.ndarray  # (K, K) images of a seed, by true class and client's answer
    sent: np.ndarray  # (K, K) share of them that is sent, NaN where there is none


def confusions(several: Sequence[Predictions], classes: int) -> Confusions:
    """The client's confusion matrix, and the share of each cell that is sent, all seeds together.

    Args:
        several: one system's predictions, one per seed, with labels 0..K-1.
        classes: K.

    Returns:
        Counts of a seed and shares.
    """
    cells = [np.bincount(classes * p.y + p.m, minlength=classes**2) for p in several]
    asked = [np.bincount(classes * p.y + p.m, weights=1 - kept(p), minlength=classes**2) for p in several]
    counts = np.sum(cells, axis=0).reshape(classes, -1)
    sent = np.sum(asked, axis=0).reshape(classes, -1)
    share = np.divide(sent, counts, out=np.full(sent.shape, np.nan), where=counts > 0)
    return Confusions(counts / len(several), share)


class Ends(NamedTuple):
    """The images at the two ends of a rejector's order, with a caption each."""

    first: np.ndarray  # (k,) places of those that are sent first: the lowest r, rising
    last: np.ndarray  # (k,) places of those that are kept to the last: the highest r, falling
    captions: list[str]  # 2 k texts, of the first ones and then of the last


def ends(predictions: Predictions, names: Sequence[str], each: int) -> Ends:
    """Which images a rejector sends before all others, and which it would send after all others.

    Args:
        predictions: of one run, with labels 0..K-1, or -1/+1 for two classes.
        names: (K,) classes, in the order of the labels.
        each: k, how many at either end.

    Returns:
        `Ends`; where r ties, the earlier images come first.
    """
    rising, falling = (np.argsort(sign * predictions.r, kind="stable")[:each] for sign in (1, -1))
    said = {"is": predictions.y, "m:": predictions.m, "e:": server_label(predictions.e)}
    numbers = {who: (labels + 1) // 2 if predictions.e.ndim == 1 else labels for who, labels in said.items()}
    places = (*rising, *falling)
    return Ends(rising, falling, ["\n".join(f"{who} {names[of[i]]}" for who, of in numbers.items()) for i in places])
