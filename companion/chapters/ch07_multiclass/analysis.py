"""What tables and figures of the chapter on many classes say of its systems: shares, gaps, spending, classes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from companion.chapters.ch07_multiclass.experiments import MulticlassResults
from companion.chapters.systems import ComparedSystem
from l2h.evaluation.bootstrap import bootstrap_intervals, paired_bootstrap
from l2h.evaluation.comparisons import differences_per_example, mean_interval
from l2h.evaluation.curves import area_under_curve, auc_contributions, error_auroc_contributions, loss_curve
from l2h.evaluation.intervals import Interval, format_interval, pointwise_t_intervals
from l2h.evaluation.metrics import (
    ask_indicator,
    client_server_correctness,
    correctness,
    keep_indicator,
    loss_per_example,
    reference_losses,
    split_by_class,
)
from l2h.problem import Costs, Predictions, server_label

PerExample = Callable[[Predictions], Any]


def intervals_by_setting(
    by_place: Sequence[Sequence[Predictions]], by_example: PerExample, *, draws: int = 2000
) -> Interval:
    """Means of a value per example at k places, each with its interval over seeds and examples.

    Args:
        by_place: at each place the predictions of a system, one per seed; all on the same examples.
        by_example: gives (n,) values.
        draws: of the resampling.

    Returns:
        (k,) means, lower and upper limits.
    """
    values = np.array([[by_example(p) for p in several] for several in by_place], dtype=float)  # (k, S, n)
    return Interval(*np.transpose(bootstrap_intervals(values, draws=draws)))


def matched_differences(
    systems: Mapping[str, Sequence[Predictions]],
    beside: Mapping[str, Sequence[Predictions]],
    by_example: PerExample,
    *,
    draws: int = 2000,
) -> dict[str, Interval]:
    """Differences system - its own counterpart in the mean of a value per example; all of them hold together.

    `multiple_comparisons.simultaneous_differences` has one reference for all; here each system has one with the same server.

    Args:
        systems: name -> predictions, one per seed.
        beside: name -> predictions of the counterpart, paired.
        by_example: gives (n,) values.
        draws: of the resampling.

    Returns:
        Name -> difference, with max-t intervals.
    """
    apart = np.stack([differences_per_example(several, beside[name], by_example) for name, several in systems.items()])
    return dict(zip(systems, bootstrap_intervals(apart, signed=True, simultaneous=True, draws=draws), strict=True))


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
    weights = _slope_weights(places, len(by_place))
    asked = 1 - np.array([[keep_indicator(p) for p in several] for several in by_place])  # (k, S, n)
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
    weights = _slope_weights(places, len(first))
    apart = [
        differences_per_example(one, other, auc_contributions) for one, other in zip(first, second, strict=True)
    ]  # (S, n_j) each
    images = indices_in_largest_task([several[0].y for several in first])
    size = max(values.shape[1] for values in apart)
    moved, slope = np.zeros((len(first[0]), size)), 0.0
    for weight, values, here in zip(weights, apart, images, strict=True):
        middle = values.sum() / values.size
        moved[:, here] += weight * size / values.shape[1] * (values - middle)
        slope += weight * middle
    return paired_bootstrap(moved + slope)


def indices_in_largest_task(labels: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Where the examples of each task stand among those of the task with most classes.

    Args:
        labels: of each task, the first K classes of one list: 0..K-1, or -1/+1 for K = 2.

    Returns:
        For each task the places of its examples, in their order.

    Raises:
        ValueError: if the labels of a task are not those of these examples.

    >>> [places.tolist() for places in indices_in_largest_task([np.array([1, -1]), np.array([1, 2, 0])])]
    [[0, 2], [0, 1, 2]]
    """
    numbers = [np.where(y < 0, 0, y) for y in labels]
    largest = max(numbers, key=lambda y: y.max())
    places = [np.flatnonzero(largest <= y.max()) for y in numbers]
    for here, y in zip(places, numbers, strict=True):
        if not np.array_equal(largest[here], y):
            raise ValueError(f"expected a task of the first {y.max() + 1} classes of the largest, got other labels")
    return places


def _slope_weights(places: Sequence[float], count: int) -> np.ndarray:
    """What numbers at the places are weighed with, to give the slope of the line through them."""
    c = np.asarray(places, dtype=float)
    centred = c - c.sum() / len(c)
    if count != len(c) or not centred.any():
        raise ValueError(f"expected numbers at several places that differ, got {count} at {list(places)}")
    return centred / (centred @ centred)


def loss_table(
    said: MulticlassResults, systems: Mapping[str, ComparedSystem], *, draws: int = 2000
) -> dict[str, dict[str, str]]:
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
    lost = {name: partial(loss_per_example, costs=one.costs) for name, one in systems.items()}
    measured = {
        "system loss": _formatted_means([[lost[name](p) for p in several] for name, several in tuned.items()], draws),
        "at r = 0": _formatted_means(
            [[lost[name](p) for p in several] for name, several in trained.items()], draws, only=True
        ),
        "accuracy": _formatted_means([[correctness(p) for p in several] for several in tuned.values()], draws),
        "sent": _formatted_means([[ask_indicator(p) for p in several] for several in tuned.values()], draws),
        "sent at r = 0": _formatted_means(
            [[ask_indicator(p) for p in several] for several in trained.values()], draws, only=True
        ),
    }
    return _rows(systems, measured)


def _rows(names: Iterable[str], columns: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    return {name: {what: texts[place] for what, texts in columns.items()} for place, name in enumerate(names)}


def _formatted_means(values: Sequence[Sequence[np.ndarray]], draws: int, *, only: bool = False) -> list[str]:
    found = bootstrap_intervals(np.array(values, dtype=float), draws=1 if only else draws)
    return [f"{one.estimate:.3f}" if only else format_interval(one) for one in found]


def reference_rows(several: Sequence[Predictions], *, costs: Costs, draws: int = 2000) -> dict[str, dict[str, str]]:
    """What needs no rejector, and the limit of any, as rows for `loss_table`: all with one client and one server.

    Args:
        several: predictions with this client and server, one per seed; their r is not read.
        costs: c1 and ce.
        draws: of the resampling.

    Returns:
        "always ask", "never ask", "random, best rate" (the cheaper of both, seed by seed) and "oracle" -> column ->
        number with its interval.
    """
    same = {name: [replace(p, r=r(p, costs)) for p in several] for name, r in _REFERENCE_SCORES.items()}
    lost: PerExample = partial(loss_per_example, costs=costs)
    what: dict[str, PerExample] = {"system loss": lost, "accuracy": correctness, "sent": ask_indicator}
    values = {column: [[of(p) for p in ps] for ps in same.values()] for column, of in what.items()}
    return _rows(same, {column: _formatted_means(of, draws) for column, of in values.items()})


def _best_constant_scores(p: Predictions, costs: Costs) -> np.ndarray:
    found = reference_losses(p, costs=costs)
    return np.full(len(p.y), -1.0 if found.always < found.never else 1.0)


def _oracle_scores(p: Predictions, costs: Costs) -> np.ndarray:
    client, server = (1.0 - right for right in client_server_correctness(p))
    return costs.ce + costs.c1 * server - client


_REFERENCE_SCORES: dict[str, Callable[[Predictions, Costs], np.ndarray]] = {
    "always ask": lambda p, costs: np.full(len(p.y), -1.0),
    "never ask": lambda p, costs: np.ones(len(p.y)),
    "random, best rate": _best_constant_scores,
    "oracle": _oracle_scores,
}


def ranking_metrics(several: Sequence[Predictions]) -> dict[str, str]:
    """How well r ranks, whatever the threshold: the AUGRC, and the AUROC of the client's errors.

    Args:
        several: one system's predictions, one per seed.

    Returns:
        "AUGRC" and "AUROC", means over seeds.
    """
    alone = Costs(c1=0.0, ce=0.0)
    kept_and_wrong = pointwise_t_intervals([[area_under_curve(loss_curve(p, costs=alone))] for p in several]).estimate[
        0
    ]
    ranked = mean_interval(several, error_auroc_contributions, draws=1).estimate
    return {"AUGRC": f"{kept_and_wrong:.3f}", "AUROC": f"{ranked:.3f}"}


def comparison_table(
    said: MulticlassResults, systems: Mapping[str, ComparedSystem], *, draws: int = 2000
) -> dict[str, dict[str, str]]:
    """What `loss_table` says of the systems of a client, and beside it how well each of them ranks.

    Args:
        said: what the systems said.
        systems: name -> configuration; all on the same examples.
        draws: of the resampling.

    Returns:
        Name -> column -> number.
    """
    rows = loss_table(said, systems, draws=draws)
    return {name: row | ranking_metrics(said.tuned(systems[name])) for name, row in rows.items()}


def class_metrics(several: Sequence[Predictions], *, draws: int = 2000) -> list[Interval]:
    """For each true class the share sent, and the accuracy of client and server, with intervals.

    Args:
        several: one system's predictions, one per seed, on the same examples.
        draws: of the resampling.

    Returns:
        Three bands of (K,) values.
    """
    apart = [split_by_class(p) for p in several]
    wanted: tuple[PerExample, ...] = (
        ask_indicator,
        lambda p: client_server_correctness(p)[0] * 1.0,
        lambda p: client_server_correctness(p)[1] * 1.0,
    )
    found = [
        [mean_interval([part[label] for part in apart], of, draws=draws) for label in sorted(apart[0])] for of in wanted
    ]
    return [Interval(*np.transpose(one)) for one in found]


class ConfusionOffload(NamedTuple):
    """What a client answers to each class, and what of it is sent."""

    counts: np.ndarray  # (K, K) images of a seed, by true class and client's answer
    sent: np.ndarray  # (K, K) share of them that is sent, NaN where there is none


def confusion_offload(several: Sequence[Predictions], classes: int) -> ConfusionOffload:
    """The client's confusion matrix, and the share of each cell that is sent, all seeds together.

    Args:
        several: one system's predictions, one per seed, with labels 0..K-1.
        classes: K.

    Returns:
        Counts of a seed and shares.
    """
    cells = [np.bincount(classes * p.y + p.m, minlength=classes**2) for p in several]
    asked = [np.bincount(classes * p.y + p.m, weights=1 - keep_indicator(p), minlength=classes**2) for p in several]
    counts = np.sum(cells, axis=0).reshape(classes, -1)
    sent = np.sum(asked, axis=0).reshape(classes, -1)
    share = np.divide(sent, counts, out=np.full(sent.shape, np.nan), where=counts > 0)
    return ConfusionOffload(counts / len(several), share)


class ExtremeImages(NamedTuple):
    """The images at the two ends of a rejector's order, with a caption each."""

    first: np.ndarray  # (k,) places of those that are sent first: the lowest r, rising
    last: np.ndarray  # (k,) places of those that are kept to the last: the highest r, falling
    captions: list[str]  # 2 k texts, of the first ones and then of the last


def extreme_images(predictions: Predictions, names: Sequence[str], each: int) -> ExtremeImages:
    """Which images a rejector sends before all others, and which it would send after all others.

    Args:
        predictions: of one run, with labels 0..K-1, or -1/+1 for two classes.
        names: (K,) classes, in the order of the labels.
        each: k, how many at either end.

    Returns:
        `ExtremeImages`; where r ties, the earlier images come first.
    """
    rising, falling = (np.argsort(sign * predictions.r, kind="stable")[:each] for sign in (1, -1))
    said = {"is": predictions.y, "m:": predictions.m, "e:": server_label(predictions.e)}
    numbers = {who: (labels + 1) // 2 if predictions.e.ndim == 1 else labels for who, labels in said.items()}
    places = (*rising, *falling)
    return ExtremeImages(
        rising, falling, ["\n".join(f"{who} {names[of[i]]}" for who, of in numbers.items()) for i in places]
    )
