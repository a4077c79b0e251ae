"""What several seeds of one or two systems, evaluated on the same examples, say together.

Two systems are compared example by example and seed by seed, so that what they share cancels. Scores and
thresholds stay those of the full sample when examples are resampled.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from l2h import checks
from l2h.evaluation.bootstrap import bootstrap_intervals, paired_bootstrap
from l2h.evaluation.curves import correctness_at_coverage
from l2h.evaluation.intervals import Interval, pointwise_t_intervals
from l2h.evaluation.metrics import (
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
    """Mean over examples and seeds of a value per example, with its interval.

    Args:
        predictions: one system's predictions, one per seed, on the same examples.
        per_example: gives (n,) values, such as `metrics.correctness` or `curves.auc_contributions`.
        options: draws, level and seed of `paired_bootstrap`.

    Returns:
        Mean, lower and upper limit.

    Raises:
        ValueError: if there is no seed, or the seeds were evaluated on different examples.
    """
    return bootstrap_intervals(_stack_by_seed(predictions, per_example).astype(float)[None], **options)[0]


def mean_difference(
    first: Sequence[Predictions],
    second: Sequence[Predictions],
    per_example: Callable[[Predictions], Any],
    **options: Any,
) -> Interval:
    """Difference first - second of two systems in the mean of a value per example, with its interval.

    Args:
        first: predictions of one system, one per seed.
        second: predictions of the other, paired: the same seeds and examples.
        per_example: gives (n,) values, such as `area_by_example` or `partial(loss_by_example, costs=costs)`.
        options: draws, level and seed of `paired_bootstrap`.

    Returns:
        Difference, lower and upper limit.

    Raises:
        ValueError: if there is no seed, or seeds or examples do not pair.
    """
    return paired_bootstrap(differences_per_example(first, second, per_example), **options)


def accuracy_differences(
    first: Sequence[Predictions],
    second: Sequence[Predictions],
    coverages: Any,
    *,
    simultaneous: bool = False,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> list[Interval]:
    """Difference of two systems in accuracy, first - second, at each of k coverages.

    One interval at a time (percentiles) supports a statement on a coverage named beforehand. Whoever looks
    along a grid and says at which coverages the first one wins has k chances to be fooled; with
    `simultaneous` all k intervals hold together at the level (max-t, see `bootstrap.bootstrap_intervals`). Where the
    systems agree on every example of every seed, the interval is the point 0.

    Args:
        first: predictions of one system, one per seed.
        second: predictions of the other, paired: the same seeds and examples.
        coverages: (k,) shares kept, in [0, 1].
        simultaneous: whether all intervals hold together.
        n_resamples: number of resamples.
        level: of confidence, in (0, 1).
        seed: of the resampling.

    Returns:
        k intervals.

    Raises:
        ValueError: if there is no seed, seeds or examples do not pair, or an option is out of range.
    """
    differences = differences_per_example(first, second, lambda p: correctness_at_coverage(p, coverages))  # (S, k, n)
    options: dict[str, Any] = {"draws": n_resamples, "level": level, "seed": seed, "simultaneous": simultaneous}
    return bootstrap_intervals(differences.swapaxes(0, 1), signed=True, **options)


def table_one_intervals(
    predictions: Sequence[Predictions], *, n_resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> TableOne:
    """The four-cell table of several seeds together, an interval in every place.

    Accuracies are pooled: right answers over examples in the portion, all seeds together, so that a seed
    which keeps nothing has no say. Resamples in which a portion is empty are left out; a portion that
    is empty in every seed has NaN for its accuracies. n is the mean count of a seed.

    Args:
        predictions: one system's predictions, one per seed, on the same examples.
        n_resamples: number of resamples.
        level: of confidence, in (0, 1).
        seed: of the resampling.

    Returns:
        `TableOne` whose numbers are intervals.

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
        share, *accuracies = bootstrap_intervals(
            values, mask, signed=signed, n_resamples=n_resamples, level=level, seed=seed
        )
        subsets.append(SubsetAccuracy(Interval(*(membership.shape[1] * limit for limit in share)), *accuracies))
    return TableOne(*subsets)


def differences_per_example(
    first: Sequence[Predictions], second: Sequence[Predictions], per_example: Callable[[Predictions], Any]
) -> np.ndarray:
    """Differences first - second of a value per example, seed by seed and example by example.

    Args:
        first: predictions of one system, one per seed.
        second: predictions of the other: the same seeds and examples.
        per_example: gives (n,) values, or (k, n).

    Returns:
        (S, n) differences, or (S, k, n).

    Raises:
        ValueError: if there is no seed, or seeds or examples do not pair.
    """
    checks.same_length(first=first, second=second)
    both = _stack_by_seed([*first, *second], per_example)
    return both[: len(first)] - both[len(first) :]


def server_difference_on_asked(first: Sequence[Predictions], second: Sequence[Predictions], **options: Any) -> Interval:
    """Accuracy of the first system's server minus accuracy of the second's, on what the first system asks.

    Args:
        first: predictions of the system that decides, one per seed.
        second: predictions with the other server: the same seeds and examples.
        options: draws, level and seed of `bootstrap.bootstrap_intervals`.

    Returns:
        The difference, pooled over seeds; NaN if the first system never asks.

    Raises:
        ValueError: if there is no seed, seeds or examples do not pair, or an option is out of range.
    """
    difference = differences_per_example(
        first, second, lambda p: client_server_correctness(p)[1].astype(float)
    )  # (S, n)
    asked = 1 - _stack_by_seed(first, keep_indicator)
    return bootstrap_intervals(difference[None], asked[None], signed=True, **options)[0]


def subset_interval(predictions: Sequence[Predictions], *, subset: str, quantity: str, **options: Any) -> Interval:
    """One place of the four-cell table.

    Args:
        predictions: one system's predictions, one per seed, on the same examples.
        subset: "kept" or "asked".
        quantity: "n", "m", "e" or "differ".
        options: draws, level and seed of `table_one_intervals`.

    Returns:
        The interval; NaN if the portion is empty in every seed.

    Raises:
        ValueError: if the portion or the place is unknown, or as `table_one_intervals`.
    """
    checks.one_of(TableOne._fields, portion=subset)
    checks.one_of(SubsetAccuracy._fields, place=quantity)
    interval: Interval = getattr(getattr(table_one_intervals(predictions, **options), subset), quantity)
    return interval


def client_difference_kept_asked(predictions: Sequence[Predictions], **options: Any) -> Interval:
    """How much better the client is on what is kept than on what is asked, with a conservative interval.

    The two accuracies' own limits are subtracted crosswise, which is wider than an interval of the difference.

    Args:
        predictions: one system's predictions, one per seed, on the same examples.
        options: draws, level and seed of `table_one_intervals`.

    Returns:
        The difference, kept minus asked; NaN if a portion is empty in every seed.

    Raises:
        ValueError: as `table_one_intervals`.
    """
    kept_part, asked_part = (cell.m for cell in table_one_intervals(predictions, **options))
    return Interval(
        kept_part.estimate - asked_part.estimate, kept_part.low - asked_part.high, kept_part.high - asked_part.low
    )


def _stack_by_seed(predictions_by_seed: Sequence[Predictions], per_example: Callable[[Predictions], Any]) -> np.ndarray:
    if len(predictions_by_seed) == 0:
        raise ValueError("expected the predictions of at least one seed, got none")
    for index, predictions in enumerate(predictions_by_seed):
        if not np.array_equal(predictions.y, predictions_by_seed[0].y):
            raise ValueError(f"expected all seeds on the same examples, got other labels y at index {index}")
    return np.stack([per_example(predictions) for predictions in predictions_by_seed])


def with_other_server(
    rejector_predictions: Sequence[Predictions], server_predictions: Sequence[Predictions]
) -> list[Predictions]:
    """The rejector of one system with the server of another, seed by seed.

    Args:
        rejector_predictions: whose m, r and y are taken.
        server_predictions: whose e is taken: the same seeds and examples.

    Returns:
        One prediction per seed.
    """
    return [replace(first, e=other.e) for first, other in zip(rejector_predictions, server_predictions, strict=True)]


def losses_at_costs(
    costs_grid: Sequence[Costs], validation_predictions: Sequence[Predictions], test_predictions: Sequence[Predictions]
) -> Interval:
    """System loss of one training at several costs, each with its own threshold, with a band over seeds.

    Args:
        costs_grid: k pairs of costs.
        validation_predictions: predictions on the validation part, one per seed.
        test_predictions: of the same systems on the test part.

    Returns:
        (k,) means, lower and upper limits, as `intervals.pointwise_t_intervals`.
    """
    rows = [
        [system_loss(p, costs=c) for p in tuned_on_validation(validation_predictions, test_predictions, costs=c)]
        for c in costs_grid
    ]
    return pointwise_t_intervals(np.transpose(rows))


def reference_losses_at_costs(costs_grid: Sequence[Costs], predictions: Sequence[Predictions]) -> dict[str, np.ndarray]:
    """The reference losses of a client and a server at several costs, averaged over seeds.

    Args:
        costs_grid: k pairs of costs.
        predictions: predictions with this client and server, one per seed.

    Returns:
        "never ask", "always ask", "random, best rate" and "oracle" -> (k,) losses.
    """
    losses = np.array([[reference_losses(p, costs=c) for c in costs_grid] for p in predictions])  # (S, k, 4)
    names = ("never ask", "always ask", "random, best rate", "oracle")
    return {name: pointwise_t_intervals(losses[:, :, index]).estimate for index, name in enumerate(names)}
