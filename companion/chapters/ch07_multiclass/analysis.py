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
    predictions_by_setting: Sequence[Sequence[Predictions]], per_example: PerExample, *, n_resamples: int = 2000
) -> Interval:
    """Means of a value per example at k places, each with its interval over seeds and examples.

    Args:
        predictions_by_setting: at each place the predictions of a system, one per seed; all on the same examples.
        per_example: gives (n,) values.
        n_resamples: of the resampling.

    Returns:
        (k,) means, lower and upper limits.
    """
    values = np.array(
        [[per_example(p) for p in predictions] for predictions in predictions_by_setting], dtype=float
    )  # (k, S, n)
    return Interval(*np.transpose(bootstrap_intervals(values, n_resamples=n_resamples)))


def matched_differences(
    systems: Mapping[str, Sequence[Predictions]],
    counterparts: Mapping[str, Sequence[Predictions]],
    per_example: PerExample,
    *,
    n_resamples: int = 2000,
) -> dict[str, Interval]:
    """Differences system - its own counterpart in the mean of a value per example; all of them hold together.

    `multiple_comparisons.simultaneous_differences` has one reference for all; here each system has one with the same server.

    Args:
        systems: name -> predictions, one per seed.
        counterparts: name -> predictions of the counterpart, paired.
        per_example: gives (n,) values.
        n_resamples: of the resampling.

    Returns:
        Name -> difference, with max-t intervals.
    """
    differences = np.stack(
        [differences_per_example(predictions, counterparts[name], per_example) for name, predictions in systems.items()]
    )
    return dict(
        zip(
            systems,
            bootstrap_intervals(differences, signed=True, simultaneous=True, n_resamples=n_resamples),
            strict=True,
        )
    )


def slope_interval(predictions_by_setting: Sequence[Sequence[Predictions]], covariate: Sequence[float]) -> Interval:
    r"""The least-squares slope of the offload rate, with its interval over seeds and examples.

    .. math:: \frac{\sum_j (c_j - \bar c)\, rate_j}{\sum_j (c_j - \bar c)^2}

    Args:
        predictions_by_setting: at each of k places, the predictions of every seed, on the same examples.
        covariate: (k,) numbers c, not all equal.

    Returns:
        The slope with its limits.

    Raises:
        ValueError: if the predictions do not match, or all places are equal.
    """
    weights = _slope_weights(covariate, len(predictions_by_setting))
    asked = 1 - np.array(
        [[keep_indicator(p) for p in predictions] for predictions in predictions_by_setting]
    )  # (k, S, n)
    return paired_bootstrap(np.tensordot(weights, asked, axes=1))


def trend_interval(
    first: Sequence[Sequence[Predictions]], second: Sequence[Sequence[Predictions]], covariate: Sequence[float]
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
        covariate: (k,) numbers c, not all equal.

    Returns:
        The slope with its limits.

    Raises:
        ValueError: if the predictions do not match, all places are equal, or a task is not the first classes of the
            largest.
    """
    weights = _slope_weights(covariate, len(first))
    differences = [
        differences_per_example(first_runs, second_runs, auc_contributions)
        for first_runs, second_runs in zip(first, second, strict=True)
    ]  # (S, n_j) each
    images = indices_in_largest_task([predictions[0].y for predictions in first])
    size = max(values.shape[1] for values in differences)
    moved, slope = np.zeros((len(first[0]), size)), 0.0
    for weight, values, indices in zip(weights, differences, images, strict=True):
        middle = values.sum() / values.size
        moved[:, indices] += weight * size / values.shape[1] * (values - middle)
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
    indices = [np.flatnonzero(largest <= y.max()) for y in numbers]
    for task_indices, y in zip(indices, numbers, strict=True):
        if not np.array_equal(largest[task_indices], y):
            raise ValueError(f"expected a task of the first {y.max() + 1} classes of the largest, got other labels")
    return indices


def _slope_weights(covariate: Sequence[float], n_settings: int) -> np.ndarray:
    """What numbers at the places are weighed with, to give the slope of the line through them."""
    c = np.asarray(covariate, dtype=float)
    centred = c - c.sum() / len(c)
    if n_settings != len(c) or not centred.any():
        raise ValueError(f"expected numbers at several places that differ, got {n_settings} at {list(covariate)}")
    return centred / (centred @ centred)


def loss_table(
    results: MulticlassResults, systems: Mapping[str, ComparedSystem], *, n_resamples: int = 2000
) -> dict[str, dict[str, str]]:
    """Loss, accuracy and share sent of each system at its tuned threshold, and beside them what r = 0 gives.

    Args:
        results: what the systems said.
        systems: name -> configuration, whose costs count; all on the same examples.
        n_resamples: of the resampling.

    Returns:
        Name -> column -> number with its interval; at r = 0 without.
    """
    tuned = {name: results.tuned_on_validation(config) for name, config in systems.items()}
    trained = {name: results.untuned(config) for name, config in systems.items()}
    loss_functions = {name: partial(loss_per_example, costs=config.costs) for name, config in systems.items()}
    measured = {
        "system loss": _formatted_means(
            [[loss_functions[name](p) for p in predictions] for name, predictions in tuned.items()], n_resamples
        ),
        "at r = 0": _formatted_means(
            [[loss_functions[name](p) for p in predictions] for name, predictions in trained.items()],
            n_resamples,
            estimate_only=True,
        ),
        "accuracy": _formatted_means(
            [[correctness(p) for p in predictions] for predictions in tuned.values()], n_resamples
        ),
        "sent": _formatted_means(
            [[ask_indicator(p) for p in predictions] for predictions in tuned.values()], n_resamples
        ),
        "sent at r = 0": _formatted_means(
            [[ask_indicator(p) for p in predictions] for predictions in trained.values()],
            n_resamples,
            estimate_only=True,
        ),
    }
    return _rows(systems, measured)


def _rows(names: Iterable[str], columns: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    return {name: {column: texts[index] for column, texts in columns.items()} for index, name in enumerate(names)}


def _formatted_means(
    values: Sequence[Sequence[np.ndarray]], n_resamples: int, *, estimate_only: bool = False
) -> list[str]:
    means = bootstrap_intervals(np.array(values, dtype=float), n_resamples=1 if estimate_only else n_resamples)
    return [f"{interval.estimate:.3f}" if estimate_only else format_interval(interval) for interval in means]


def reference_rows(
    predictions: Sequence[Predictions], *, costs: Costs, n_resamples: int = 2000
) -> dict[str, dict[str, str]]:
    """What needs no rejector, and the limit of any, as rows for `loss_table`: all with one client and one server.

    Args:
        predictions: predictions with this client and server, one per seed; their r is not read.
        costs: c1 and ce.
        n_resamples: of the resampling.

    Returns:
        "always ask", "never ask", "random, best rate" (the cheaper of both, seed by seed) and "oracle" -> column ->
        number with its interval.
    """
    same = {name: [replace(p, r=r(p, costs)) for p in predictions] for name, r in _REFERENCE_SCORES.items()}
    loss_function: PerExample = partial(loss_per_example, costs=costs)
    columns: dict[str, PerExample] = {"system loss": loss_function, "accuracy": correctness, "sent": ask_indicator}
    values = {
        column: [[column_function(p) for p in ps] for ps in same.values()]
        for column, column_function in columns.items()
    }
    return _rows(
        same, {column: _formatted_means(column_function, n_resamples) for column, column_function in values.items()}
    )


def _best_constant_scores(p: Predictions, costs: Costs) -> np.ndarray:
    references = reference_losses(p, costs=costs)
    return np.full(len(p.y), -1.0 if references.always < references.never else 1.0)


def _oracle_scores(p: Predictions, costs: Costs) -> np.ndarray:
    client, server = (1.0 - right for right in client_server_correctness(p))
    return costs.ce + costs.c1 * server - client


_REFERENCE_SCORES: dict[str, Callable[[Predictions, Costs], np.ndarray]] = {
    "always ask": lambda p, costs: np.full(len(p.y), -1.0),
    "never ask": lambda p, costs: np.ones(len(p.y)),
    "random, best rate": _best_constant_scores,
    "oracle": _oracle_scores,
}


def ranking_metrics(predictions: Sequence[Predictions]) -> dict[str, str]:
    """How well r ranks, whatever the threshold: the AUGRC, and the AUROC of the client's errors.

    Args:
        predictions: one system's predictions, one per seed.

    Returns:
        "AUGRC" and "AUROC", means over seeds.
    """
    selective_costs = Costs(c1=0.0, ce=0.0)
    kept_and_wrong = pointwise_t_intervals(
        [[area_under_curve(loss_curve(p, costs=selective_costs))] for p in predictions]
    ).estimate[0]
    ranked = mean_interval(predictions, error_auroc_contributions, draws=1).estimate
    return {"AUGRC": f"{kept_and_wrong:.3f}", "AUROC": f"{ranked:.3f}"}


def comparison_table(
    results: MulticlassResults, systems: Mapping[str, ComparedSystem], *, n_resamples: int = 2000
) -> dict[str, dict[str, str]]:
    """What `loss_table` says of the systems of a client, and beside it how well each of them ranks.

    Args:
        results: what the systems said.
        systems: name -> configuration; all on the same examples.
        n_resamples: of the resampling.

    Returns:
        Name -> column -> number.
    """
    rows = loss_table(results, systems, n_resamples=n_resamples)
    return {name: row | ranking_metrics(results.tuned_on_validation(systems[name])) for name, row in rows.items()}


def class_metrics(predictions: Sequence[Predictions], *, n_resamples: int = 2000) -> list[Interval]:
    """For each true class the share sent, and the accuracy of client and server, with intervals.

    Args:
        predictions: one system's predictions, one per seed, on the same examples.
        n_resamples: of the resampling.

    Returns:
        Three bands of (K,) values.
    """
    by_class_and_seed = [split_by_class(p) for p in predictions]
    metrics: tuple[PerExample, ...] = (
        ask_indicator,
        lambda p: client_server_correctness(p)[0] * 1.0,
        lambda p: client_server_correctness(p)[1] * 1.0,
    )
    intervals_by_metric = [
        [
            mean_interval(
                [class_predictions[label] for class_predictions in by_class_and_seed], metric, draws=n_resamples
            )
            for label in sorted(by_class_and_seed[0])
        ]
        for metric in metrics
    ]
    return [Interval(*np.transpose(class_intervals)) for class_intervals in intervals_by_metric]


class ConfusionOffload(NamedTuple):
    """What a client answers to each class, and what of it is sent."""

    counts: np.ndarray  # (K, K) images of a seed, by true class and client's answer
    offload_rate: np.ndarray  # (K, K) share of them that is sent, NaN where there is none


def confusion_offload(predictions: Sequence[Predictions], n_classes: int) -> ConfusionOffload:
    """The client's confusion matrix, and the share of each cell that is sent, all seeds together.

    Args:
        predictions: one system's predictions, one per seed, with labels 0..K-1.
        n_classes: K.

    Returns:
        Counts of a seed and shares.
    """
    cells = [np.bincount(n_classes * p.y + p.m, minlength=n_classes**2) for p in predictions]
    asked = [
        np.bincount(n_classes * p.y + p.m, weights=1 - keep_indicator(p), minlength=n_classes**2) for p in predictions
    ]
    counts = np.sum(cells, axis=0).reshape(n_classes, -1)
    sent = np.sum(asked, axis=0).reshape(n_classes, -1)
    share = np.divide(sent, counts, out=np.full(sent.shape, np.nan), where=counts > 0)
    return ConfusionOffload(counts / len(predictions), share)


class ExtremeImages(NamedTuple):
    """The images at the two ends of a rejector's order, with a caption each."""

    asked_first: np.ndarray  # (k,) places of those that are sent first: the lowest r, rising
    kept_longest: np.ndarray  # (k,) places of those that are kept to the last: the highest r, falling
    captions: list[str]  # 2 k texts, of the first ones and then of the last


def extreme_images(predictions: Predictions, names: Sequence[str], n_images: int) -> ExtremeImages:
    """Which images a rejector sends before all others, and which it would send after all others.

    Args:
        predictions: of one run, with labels 0..K-1, or -1/+1 for two classes.
        names: (K,) classes, in the order of the labels.
        n_images: k, how many at either end.

    Returns:
        `ExtremeImages`; where r ties, the earlier images come first.
    """
    rising, falling = (np.argsort(sign * predictions.r, kind="stable")[:n_images] for sign in (1, -1))
    labels_by_source = {"is": predictions.y, "m:": predictions.m, "e:": server_label(predictions.e)}
    numbers = {
        source: (labels + 1) // 2 if predictions.e.ndim == 1 else labels for source, labels in labels_by_source.items()
    }
    indices = (*rising, *falling)
    return ExtremeImages(
        rising,
        falling,
        ["\n".join(f"{source} {names[class_labels[i]]}" for source, class_labels in numbers.items()) for i in indices],
    )
