"""Metrics averaged over seeds, and paired comparisons of two systems on the same seeds and examples.

Differences are taken seed by seed and example by example, so that the variation that both systems share cancels.
Scores and thresholds count as fixed.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from l2h import checks
from l2h.evaluation.crossed import crossed_interval, crossed_intervals
from l2h.evaluation.curves import correctness_at_coverage
from l2h.evaluation.intervals import Interval, pointwise_t_intervals
from l2h.evaluation.metrics import (
    REFERENCE_NAMES,
    SubsetAccuracy,
    TableOne,
    client_server_correctness,
    keep_indicator,
    reference_losses,
    system_loss,
)
from l2h.evaluation.thresholds import tuned_on_validation
from l2h.problem import Costs, Predictions


def mean_interval(
    predictions: Sequence[Predictions], per_example: Callable[[Predictions], Any], **options: Any
) -> Interval:
    """Mean of a per-example metric over seeds and examples, with its interval.

    Args:
        predictions: of one system, one per seed, on the same examples.
        per_example: gives (n,) values, such as `metrics.correctness` or `curves.auc_contributions`.
        options: the level, as of `crossed.crossed_intervals`.

    Returns:
        Mean, lower and upper limit.

    Raises:
        ValueError: if there is no seed, or the seeds were evaluated on different examples.
    """
    return crossed_intervals(_stack_by_seed(predictions, per_example).astype(float)[None], **options)[0]


def mean_difference(
    first: Sequence[Predictions],
    second: Sequence[Predictions],
    per_example: Callable[[Predictions], Any],
    **options: Any,
) -> Interval:
    """Paired difference (first minus second) of two systems in the mean of a per-example metric, with its interval.

    Args:
        first: predictions of one system, one per seed.
        second: predictions of the other, on the same seeds and examples.
        per_example: gives (n,) values, such as `curves.auc_contributions` or
            `partial(metrics.loss_per_example, costs=costs)`.
        options: the level, as of `crossed.crossed_interval`.

    Returns:
        Difference, lower and upper limit.

    Raises:
        ValueError: if there is no seed, or seeds or examples do not pair.
    """
    return crossed_interval(differences_per_example(first, second, per_example), **options)


def differences_per_example(
    first: Sequence[Predictions], second: Sequence[Predictions], per_example: Callable[[Predictions], Any]
) -> np.ndarray:
    """Differences (first minus second) of a per-example metric for each seed and example.

    Args:
        first: predictions of one system, one per seed.
        second: predictions of the other, on the same seeds and examples.
        per_example: gives (n,) values, or (k, n).

    Returns:
        (S, n) differences, or (S, k, n).

    Raises:
        ValueError: if there is no seed, or seeds or examples do not pair.
    """
    checks.same_length(first=first, second=second)
    both = _stack_by_seed([*first, *second], per_example)
    return both[: len(first)] - both[len(first) :]


def _stack_by_seed(predictions_by_seed: Sequence[Predictions], per_example: Callable[[Predictions], Any]) -> np.ndarray:
    if len(predictions_by_seed) == 0:
        raise ValueError("expected the predictions of at least one seed, got none")
    for index, predictions in enumerate(predictions_by_seed):
        if not np.array_equal(predictions.y, predictions_by_seed[0].y):
            raise ValueError(f"expected all seeds on the same examples, got other labels y at index {index}")
    return np.stack([per_example(predictions) for predictions in predictions_by_seed])


def accuracy_differences(
    first: Sequence[Predictions],
    second: Sequence[Predictions],
    coverages: Any,
    *,
    simultaneous: bool = False,
    level: float = 0.95,
) -> list[Interval]:
    """Paired differences (first minus second) in accuracy at each of k coverages.

    A pointwise interval is valid for one coverage chosen in advance. A statement about all k coverages needs
    `simultaneous` intervals (see `crossed.crossed_intervals`). If the systems agree on every example of every
    seed, the interval is the point 0.

    Args:
        first: predictions of one system, one per seed.
        second: predictions of the other, on the same seeds and examples.
        coverages: (k,) shares kept, in [0, 1].
        simultaneous: whether the intervals are simultaneous.
        level: of confidence, in (0, 1).

    Returns:
        k intervals.

    Raises:
        ValueError: if there is no seed, seeds or examples do not pair, or an option is out of range.
    """
    differences = differences_per_example(first, second, lambda p: correctness_at_coverage(p, coverages))  # (S, k, n)
    return crossed_intervals(
        differences.swapaxes(0, 1),
        signed=True,
        simultaneous=simultaneous,
        level=level,
    )


def table_one_intervals(predictions: Sequence[Predictions], *, level: float = 0.95) -> TableOne:
    """The paper's Table I over all seeds, with an interval for every number.

    The table's column "differ." is the difference in accuracy of the two classifiers on one subset. The paper states no
    sign; here it is client minus server. Accuracies are pooled: correct labels over examples in the subset, all seeds
    together, so a seed whose subset is empty has no weight. The accuracies of a subset
    that is empty for every seed are NaN. n is the mean count over seeds.

    Args:
        predictions: of one system, one per seed, on the same examples.
        level: of confidence, in (0, 1).

    Returns:
        `TableOne` of intervals.

    Raises:
        ValueError: if there is no seed, the seeds were evaluated on different examples, or an option is out of range.
    """
    m, e = _stack_by_seed(predictions, client_server_correctness).astype(float).swapaxes(0, 1)  # (S, n) each
    keep = _stack_by_seed(predictions, keep_indicator)
    subsets = []
    for membership in (keep, 1 - keep):
        values = np.stack([membership, m, e, m - e])  # (4, S, n)
        mask = np.stack([np.ones_like(membership), membership, membership, membership])
        signed = [False, False, False, True]
        share, *accuracies = crossed_intervals(values, mask, signed=signed, level=level)
        subsets.append(SubsetAccuracy(Interval(*(membership.shape[1] * limit for limit in share)), *accuracies))
    return TableOne(*subsets)


def subset_interval(predictions: Sequence[Predictions], *, subset: str, quantity: str, **options: Any) -> Interval:
    """One number of the paper's Table I, with its interval.

    Args:
        predictions: of one system, one per seed, on the same examples.
        subset: "kept" or "asked".
        quantity: "n", "m", "e" or "difference".
        options: the level, as of `table_one_intervals`.

    Returns:
        The interval; NaN if the subset is empty for every seed.

    Raises:
        ValueError: if the subset or the quantity is unknown, or as `table_one_intervals`.
    """
    checks.one_of(TableOne._fields, subset=subset)
    checks.one_of(SubsetAccuracy._fields, quantity=quantity)
    interval: Interval = getattr(getattr(table_one_intervals(predictions, **options), subset), quantity)
    return interval


def server_difference_on_asked(first: Sequence[Predictions], second: Sequence[Predictions], **options: Any) -> Interval:
    """Accuracy of the first system's server minus that of the second's, on the examples that the first system asks.

    Args:
        first: predictions of the system whose decisions are used, one per seed.
        second: predictions with the other server, on the same seeds and examples.
        options: the level, as of `crossed.crossed_intervals`.

    Returns:
        The difference, pooled over seeds; NaN if the first system never asks.

    Raises:
        ValueError: if there is no seed, seeds or examples do not pair, or an option is out of range.
    """
    difference = differences_per_example(first, second, lambda p: client_server_correctness(p)[1].astype(float))
    asked = 1 - _stack_by_seed(first, keep_indicator)  # (S, n)
    return crossed_intervals(difference[None], asked[None], signed=True, **options)[0]


def client_difference_kept_asked(predictions: Sequence[Predictions], **options: Any) -> Interval:
    """Accuracy of the client on the kept minus that on the asked examples, with a conservative interval.

    The limits are the differences between the opposite limits of the two accuracies. With intervals of level
    1 - delta / 2 each (Bonferroni), the difference has level 1 - delta at least.

    Args:
        predictions: of one system, one per seed, on the same examples.
        options: the level, as of `table_one_intervals`.

    Returns:
        The difference, kept minus asked; NaN if a subset is empty for every seed.

    Raises:
        ValueError: as `table_one_intervals`.
    """
    kept, asked = (subset.m for subset in table_one_intervals(predictions, **options))
    return Interval(kept.estimate - asked.estimate, kept.low - asked.high, kept.high - asked.low)


def with_other_server(
    rejector_predictions: Sequence[Predictions], server_predictions: Sequence[Predictions]
) -> list[Predictions]:
    """The rejector of one system with the server of another, seed by seed.

    Args:
        rejector_predictions: m, r and y come from these.
        server_predictions: e comes from these; the same seeds and examples.

    Returns:
        One prediction per seed.
    """
    return [replace(first, e=other.e) for first, other in zip(rejector_predictions, server_predictions, strict=True)]


def losses_at_costs(
    costs_grid: Sequence[Costs], validation_predictions: Sequence[Predictions], test_predictions: Sequence[Predictions]
) -> Interval:
    """System loss of one system at several costs, with a threshold tuned on validation data for each, over seeds.

    Args:
        costs_grid: k pairs of costs.
        validation_predictions: on the validation split, one per seed.
        test_predictions: of the same systems on the test split.

    Returns:
        (k,) means, lower and upper limits, as `intervals.pointwise_t_intervals`.
    """
    losses = [
        [system_loss(p, costs=c) for p in tuned_on_validation(validation_predictions, test_predictions, costs=c)]
        for c in costs_grid
    ]
    return pointwise_t_intervals(np.transpose(losses))


def reference_losses_at_costs(costs_grid: Sequence[Costs], predictions: Sequence[Predictions]) -> dict[str, np.ndarray]:
    """The reference losses of a client and a server at several costs, averaged over seeds.

    Args:
        costs_grid: k pairs of costs.
        predictions: with this client and server, one per seed.

    Returns:
        Each name of `metrics.REFERENCE_NAMES` -> (k,) losses.
    """
    losses = np.mean([[reference_losses(p, costs=c) for c in costs_grid] for p in predictions], axis=0)  # (k, 4)
    return dict(zip(REFERENCE_NAMES, losses.T, strict=True))
