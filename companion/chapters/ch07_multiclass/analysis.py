"""Analysis of the experiments with many classes: differences, slopes, resource use, confusions and images."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from companion.chapters import systems as chapters_systems
from companion.chapters.ch07_multiclass import experiments
from companion.chapters.ch07_multiclass.experiments import MulticlassResults
from companion.chapters.ch07_multiclass.settings import Settings
from companion.chapters.summaries import PerExample
from companion.chapters.systems import ComparedSystem, system_resource_use
from l2h.evaluation.comparisons import differences_per_example, mean_difference, mean_interval
from l2h.evaluation.crossed import crossed_interval, crossed_intervals
from l2h.evaluation.curves import accuracy_at_coverage, accuracy_coverage_curve, area_under_curve, auc_contributions
from l2h.evaluation.intervals import Interval, pointwise_t_intervals
from l2h.evaluation.metrics import (
    ask_indicator,
    client_correctness,
    correctness,
    keep_indicator,
    loss_per_example,
    server_correctness,
    split_by_class,
)
from l2h.evaluation.multiple_comparisons import MeanRanks, mean_ranks
from l2h.evaluation.resources import ResourceUse
from l2h.problem import Costs, Predictions, server_label

SYSTEMS_IN_CURVES = (  # of the accuracy-coverage curves
    *("stage switching", "weighted server", "two-stage", "confidence", "random", "oracle"),
    chapters_systems.STACKED_NAME,
)
REFERENCE_SYSTEMS = ("random", "oracle")  # without a place in the figure of resources


def negative_loss(costs: Costs) -> PerExample:
    """The system loss of each example with its sign changed, so that larger is better."""
    return lambda predictions: -loss_per_example(predictions, costs=costs)


def intervals_by_setting(predictions_by_setting: Sequence[Sequence[Predictions]], per_example: PerExample) -> Interval:
    """Means of a value per example in k settings, each with its interval over seeds and examples.

    Args:
        predictions_by_setting: in each setting the predictions of a system, one per seed; all on the same examples.
        per_example: gives (n,) values.

    Returns:
        (k,) means, lower and upper limits.
    """
    values = np.array(
        [[per_example(p) for p in predictions] for predictions in predictions_by_setting], dtype=float
    )  # (k, S, n)
    return Interval(*np.transpose(crossed_intervals(values)))


def matched_differences(
    systems: Mapping[str, Sequence[Predictions]],
    counterparts: Mapping[str, Sequence[Predictions]],
    per_example: PerExample,
) -> dict[str, Interval]:
    """Paired differences (system minus its counterpart) of a per-example metric, with simultaneous intervals.

    `multiple_comparisons.simultaneous_differences` has one reference for all systems; here each has its own, with the
    same server.

    Args:
        systems: name -> predictions, one per seed.
        counterparts: name -> predictions of the counterpart, paired.
        per_example: gives (n,) values.

    Returns:
        Name -> difference, with simultaneous intervals.
    """
    differences = np.stack(
        [differences_per_example(predictions, counterparts[name], per_example) for name, predictions in systems.items()]
    )
    return dict(
        zip(
            systems,
            crossed_intervals(differences, signed=True, simultaneous=True),
            strict=True,
        )
    )


def slope_interval(predictions_by_setting: Sequence[Sequence[Predictions]], covariate: Sequence[float]) -> Interval:
    r"""The least-squares slope of the offload rate, with its interval over seeds and examples.

    .. math:: \frac{\sum_j (c_j - \bar c)\, rate_j}{\sum_j (c_j - \bar c)^2}

    Args:
        predictions_by_setting: in each of k settings, the predictions of every seed, on the same examples.
        covariate: (k,) numbers c, not all equal.

    Returns:
        The slope with its limits.

    Raises:
        ValueError: if the predictions do not match, or all numbers are equal.
    """
    weights = _slope_weights(covariate, len(predictions_by_setting))
    asked = np.array([[ask_indicator(p) for p in predictions] for predictions in predictions_by_setting])  # (k, S, n)
    return crossed_interval(np.tensordot(weights, asked, axes=1))


def trend_values(
    first: Sequence[Sequence[Predictions]], second: Sequence[Sequence[Predictions]], covariate: Sequence[float]
) -> np.ndarray:
    r"""Values per seed and example whose mean is the least-squares slope of a difference in area against a covariate.

    .. math:: \sum_j w_j \bar d_j, \qquad w_j = \frac{c_j - \bar c}{\sum_i (c_i - \bar c)^2}

    with the mean d of the paired differences first - second over seeds and examples of task j. The tasks are the first
    K classes of one list, so an image of the smallest task is in all of them. An image counts with its differences in
    all its tasks, each centred at the mean of the task.

    Args:
        first: in each of k tasks the predictions of one system, one per seed.
        second: of another, paired: the same seeds and, within a task, the same examples.
        covariate: (k,) numbers c, not all equal.

    Returns:
        (S, n) for the n examples of the largest task.

    Raises:
        ValueError: if the predictions do not match, all numbers are equal, or a task is not the first classes of the
            largest.
    """
    weights = _slope_weights(covariate, len(first))
    differences = [
        differences_per_example(first_runs, second_runs, auc_contributions)
        for first_runs, second_runs in zip(first, second, strict=True)
    ]  # (S, n_j) each
    images = indices_in_largest_task([predictions[0].y for predictions in first])
    size = max(values.shape[1] for values in differences)
    centred, slope = np.zeros((len(first[0]), size)), 0.0
    for weight, values, indices in zip(weights, differences, images, strict=True):
        centred[:, indices] += weight * size / values.shape[1] * (values - values.mean())
        slope += weight * values.mean()
    return centred + slope


def indices_in_largest_task(labels: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The indices of each task's examples among those of the task with most classes.

    Args:
        labels: of each task, the first K classes of one list: 0..K-1, or -1/+1 for K = 2.

    Returns:
        For each task the indices of its examples, in their order.

    Raises:
        ValueError: if the labels of a task are not those of these examples.

    >>> [indices.tolist() for indices in indices_in_largest_task([np.array([1, -1]), np.array([1, 2, 0])])]
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
    """The weights of k values whose weighted sum is the slope of the line through them."""
    c = np.asarray(covariate, dtype=float)
    centred = c - c.mean()
    if n_settings != len(c) or not centred.any():
        raise ValueError(f"expected a covariate that differs between settings, got {list(covariate)} for {n_settings}")
    return centred / (centred @ centred)


def class_metrics(predictions: Sequence[Predictions]) -> list[Interval]:
    """For each true class the offload rate, and the accuracy of client and server, with intervals.

    Args:
        predictions: one system's predictions, one per seed, on the same examples.

    Returns:
        Three bands of (K,) values.
    """
    by_class_and_seed = [split_by_class(p) for p in predictions]
    metrics: tuple[PerExample, ...] = (ask_indicator, client_correctness, server_correctness)
    intervals_by_metric = [
        [
            mean_interval([class_predictions[label] for class_predictions in by_class_and_seed], metric)
            for label in sorted(by_class_and_seed[0])
        ]
        for metric in metrics
    ]
    return [Interval(*np.transpose(class_intervals)) for class_intervals in intervals_by_metric]


class ConfusionOffload(NamedTuple):
    """The client's confusion matrix, and the offload rate of each cell."""

    counts: np.ndarray  # (K, K) images of a seed, by true class and client's label
    offload_rate: np.ndarray  # (K, K) share of the images that is offloaded, NaN where there is none


def confusion_offload(predictions: Sequence[Predictions], n_classes: int) -> ConfusionOffload:
    """The client's confusion matrix, and the offload rate of each cell, all seeds together.

    Args:
        predictions: one system's predictions, one per seed, with labels 0..K-1.
        n_classes: K.

    Returns:
        Counts of a seed, and offload rates.
    """
    shape = (n_classes, n_classes)
    counts, asked = np.zeros(shape), np.zeros(shape)
    for p in predictions:
        np.add.at(counts, (p.y, p.m), 1)
        np.add.at(asked, (p.y, p.m), ask_indicator(p))
    rate = np.divide(asked, counts, out=np.full(shape, np.nan), where=counts > 0)
    return ConfusionOffload(counts / len(predictions), rate)


class ExtremeImages(NamedTuple):
    """The images with the lowest and with the highest scores r, with a caption each."""

    asked_first: np.ndarray  # (k,) indices of the lowest r, rising
    kept_longest: np.ndarray  # (k,) indices of the highest r, falling
    captions: list[str]  # 2 k texts, of the lowest and then of the highest


def extreme_images(predictions: Predictions, names: Sequence[str], n_images: int) -> ExtremeImages:
    """The images about which a rejector asks first, and those that it keeps longest as the threshold rises.

    Args:
        predictions: of one run, with labels 0..K-1, or -1/+1 for two classes.
        names: (K,) classes, in the order of the labels.
        n_images: k, of either kind.

    Returns:
        `ExtremeImages`; of images with equal r the earlier ones come first.
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


def accuracy_curves(
    results: MulticlassResults, settings: Settings, client: str, coverages: np.ndarray
) -> dict[str, Interval]:
    """Accuracy at each coverage of the systems in `SYSTEMS_IN_CURVES`, with bands over seeds: system -> (k,) means."""
    systems = experiments.compared_systems(settings, client)
    return {
        name: pointwise_t_intervals([accuracy_at_coverage(p, coverages) for p in results.untuned(config)])
        for name, config in systems.items()
        if name in SYSTEMS_IN_CURVES
    }


def gains_over_confidence(results: MulticlassResults, settings: Settings) -> dict[str, dict[str, Interval]]:
    """Gains of the first client's systems over confidence with the same server, in loss and in area.

    Returns:
        "gain in loss" and "gain in area" -> system -> paired difference, simultaneous over the systems.
    """
    systems = tuned_systems(results, settings)
    baselines = {name: predictions for name, predictions in systems.items() if name not in ("confidence", "always ask")}
    counterparts = {
        name: results.tuned_on_validation(config)
        for name, config in experiments.confidence_with_same_server(settings).items()
    }
    costs = experiments.multiclass_base_config(settings).costs
    gains: dict[str, PerExample] = {"gain in loss": negative_loss(costs), "gain in area": auc_contributions}
    return {name: matched_differences(baselines, counterparts, per_example) for name, per_example in gains.items()}


def tuned_systems(results: MulticlassResults, settings: Settings) -> dict[str, list[Predictions]]:
    """The systems of the first client, each with the threshold of least loss on validation data."""
    systems = experiments.compared_systems(settings, settings.clients[0])
    return {name: results.tuned_on_validation(config) for name, config in systems.items()}


def areas_under_curves(predictions: Sequence[Predictions]) -> list[float]:
    """The area under accuracy against coverage, one per seed."""
    return [area_under_curve(accuracy_coverage_curve(p)) for p in predictions]


def rank_systems_on_device(systems: Mapping[str, Sequence[Predictions]]) -> MeanRanks:
    """Mean ranks in area of the systems that decide on the device, one block per seed."""
    return mean_ranks(
        {
            name: areas_under_curves(predictions)
            for name, predictions in systems.items()
            if name not in experiments.MULTICLASS_EXCLUDED_BASELINES
        }
    )


def accuracy_and_resources(
    systems: Mapping[str, Sequence[Predictions]], configs: Mapping[str, ComparedSystem]
) -> tuple[dict[str, Interval], dict[str, ResourceUse]]:
    """Accuracy and resource use of each system at its own coverage, by name."""
    shown = {name: predictions for name, predictions in systems.items() if name not in REFERENCE_SYSTEMS}
    accuracies = {name: mean_interval(predictions, correctness) for name, predictions in shown.items()}
    coverages = {name: mean_interval(predictions, keep_indicator).estimate for name, predictions in shown.items()}
    resources = {name: system_resource_use(name, configs[name], coverages[name]) for name in shown}
    return accuracies, resources


def offload_rates_by_c1(results: MulticlassResults, settings: Settings) -> dict[str, Interval]:
    """The offload rate at r = 0 for each c1: form of the weight -> (k,) means with intervals."""
    configs = experiments.form_grid(settings)
    return {
        form: intervals_by_setting(
            [results.untuned(configs[form, c1]) for c1 in settings.c1_grid],
            ask_indicator,
        )
        for form in dict.fromkeys(form for form, _ in configs)
    }


def area_differences_by_class_count(results: MulticlassResults, settings: Settings) -> Interval:
    """Area of two-stage minus area of confidence, for each number of classes: (k,) means with intervals."""
    configs = experiments.class_count_grid(settings)
    differences = [
        mean_difference(
            results.untuned(configs[count, "two-stage"]),
            results.untuned(configs[count, "confidence"]),
            auc_contributions,
        )
        for count in settings.class_counts
    ]
    return Interval(*np.transpose(differences))


class StaleServerMetrics(NamedTuple):
    """Stage switching with a stale copy of the server."""

    names: list[str]  # (k,) steps between updates of the copy, in words
    bands: dict[str, Interval]  # quantity with its unit -> (k,) means with intervals


def stale_server_metrics(results: MulticlassResults, settings: Settings, *, steps_per_epoch: int) -> StaleServerMetrics:
    """System loss and offload rate at r = 0 for each update interval of the server's copy."""
    configs = experiments.update_interval_grid(settings, steps_per_epoch)
    words = {steps_per_epoch: f"{steps_per_epoch}\n(epoch)", experiments.NEVER_UPDATED: "never"}
    metrics: dict[str, PerExample] = {
        "system loss (mistakes of the client)": partial(loss_per_example, costs=configs[1].costs),
        "offload rate (share of images)": ask_indicator,
    }
    predictions = [results.untuned(config) for config in configs.values()]
    return StaleServerMetrics(
        [words.get(interval, f"{interval}") for interval in configs],
        {name: intervals_by_setting(predictions, per_example) for name, per_example in metrics.items()},
    )
