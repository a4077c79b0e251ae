"""Analysis of chapter 06: paired differences, use of resources, the exchange of servers, and rankings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from companion.chapters.systems import STACKED_NAME, STACKED_ON, device_sizes, system_resource_use
from l2h.evaluation.comparisons import (
    mean_difference,
    mean_interval,
    server_difference_on_asked,
    table_one_intervals,
    with_other_server,
)
from l2h.evaluation.curves import accuracy_coverage_curve, area_under_curve, auc_contributions
from l2h.evaluation.intervals import Interval
from l2h.evaluation.metrics import SubsetAccuracy, correctness, coverage, loss_per_example, split_by_class
from l2h.evaluation.multiple_comparisons import simultaneous_differences
from l2h.evaluation.resources import ResourceUse
from l2h.evaluation.thresholds import tuned_on_validation
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Costs, Predictions

LEARNING_TO_HELP = "learning to help"
Systems = Mapping[str, Sequence[Predictions]]  # name -> predictions, one per seed


def paired_difference(
    systems: Mapping[str, Sequence[Predictions]],
    system: str,
    baseline: str,
    per_example: Callable[[Predictions], Any] = auc_contributions,
    *,
    families: int = 1,
) -> Interval:
    """The difference between two systems of one setting, with an interval at a level corrected for several settings.

    Args:
        systems: name -> predictions, one per seed.
        system: name of the first.
        baseline: name of the second.
        per_example: gives (n,) values, more is better; by default each example's share of the area.
        families: how many settings are compared, as in `multiple_comparisons.simultaneous_differences`.

    Returns:
        The difference system - baseline.
    """
    return simultaneous_differences(systems[system], {baseline: systems[baseline]}, per_example, families=families)[
        baseline
    ]


def loss_reduction(
    validation_predictions: Mapping[str, Sequence[Predictions]],
    test_predictions: Mapping[str, Sequence[Predictions]],
    system: str,
    baseline: str,
    *,
    costs: Costs,
    families: int = 1,
) -> Interval:
    """The reduction in system loss from a baseline to a system, both with thresholds tuned on the validation split.

    Args:
        validation_predictions: name -> predictions on the validation split, one per seed.
        test_predictions: name -> predictions on the test split.
        system: name of the system.
        baseline: name of the baseline.
        costs: c1 and ce.
        families: how many settings are compared, as in `multiple_comparisons.simultaneous_differences`.

    Returns:
        System loss of the baseline minus that of the system: above zero where the system is better.
    """
    both = {name: test_predictions[name] for name in (system, baseline)}
    tuned = tune_thresholds(validation_predictions, both, costs=costs)
    return paired_difference(tuned, system, baseline, lambda p: -loss_per_example(p, costs=costs), families=families)


def tune_thresholds(
    validation_predictions: Mapping[str, Sequence[Predictions]],
    test_predictions: Mapping[str, Sequence[Predictions]],
    *,
    costs: Costs,
) -> dict[str, list[Predictions]]:
    """The test predictions of several systems, each with its threshold of least loss on the validation split.

    Args:
        validation_predictions: name -> predictions on the validation split, one per seed.
        test_predictions: name -> predictions on the test split.
        costs: c1 and ce.
    """
    return {
        name: tuned_on_validation(validation_predictions[name], predictions, costs=costs)
        for name, predictions in test_predictions.items()
    }


def areas(predictions_by_setting: Mapping[str, Mapping[str, Sequence[Predictions]]], system: str) -> list[float]:
    """The area under the accuracy-coverage curve of a system in every setting and for every seed.

    Args:
        predictions_by_setting: setting -> name of a system -> predictions, one per seed.
        system: name of the system, which every setting has.
    """
    return [
        area_under_curve(accuracy_coverage_curve(p))
        for systems in predictions_by_setting.values()
        for p in systems[system]
    ]


def area_differences(systems: Mapping[str, Sequence[Predictions]], *, families: int) -> dict[str, Interval]:
    """The differences in area of learning to help to every other system of a setting, with simultaneous intervals.

    Args:
        systems: name -> predictions, one per seed.
        families: how many settings are compared.

    Returns:
        Name of a baseline -> area of learning to help minus area of the baseline.
    """
    baselines = {name: predictions for name, predictions in systems.items() if name != LEARNING_TO_HELP}
    return simultaneous_differences(systems[LEARNING_TO_HELP], baselines, auc_contributions, families=families)


def order_by_mean_difference(differences: Mapping[str, Mapping[str, Interval]], names: Sequence[str]) -> list[str]:
    """Baselines in the order of their mean difference over settings, the largest difference first.

    Args:
        differences: setting -> baseline -> difference.
        names: of the baselines; ties keep their order.
    """
    means = {
        name: float(np.mean([row[name].estimate for row in differences.values() if name in row])) for name in names
    }
    return sorted(names, key=lambda name: -means[name])


class AccuracyAndCost(NamedTuple):
    """Accuracy and resource use of one system in one setting."""

    parameters: int  # on the device, beside the client's
    resource_use: ResourceUse  # per image
    accuracy: Interval


def accuracy_and_cost(
    validation_predictions: Mapping[str, Sequence[Predictions]],
    test_predictions: Mapping[str, Sequence[Predictions]],
    configs: Mapping[str, ExperimentConfig],
    *,
    costs: Costs,
) -> dict[str, AccuracyAndCost]:
    """Accuracy and resource use of every system of a setting, each with its threshold tuned on the validation split.

    Args:
        validation_predictions: name -> predictions on the validation split, one per seed.
        test_predictions: name -> predictions on the test split.
        configs: of one setting of `experiments.comparison_grid`; the stacked system counts as the one that it reads.
        costs: c1 and ce.

    Returns:
        Name -> `AccuracyAndCost`, with the resource use at the mean coverage of the seeds.
    """
    results = {}
    for name, test_runs in test_predictions.items():
        config = configs[STACKED_ON if name == STACKED_NAME else name]
        tuned = tuned_on_validation(validation_predictions[name], test_runs, costs=costs)
        mean_coverage = float(np.mean([coverage(p) for p in tuned]))
        parameters = device_sizes(name, config)[1].parameters
        results[name] = AccuracyAndCost(
            parameters, system_resource_use(name, config, mean_coverage), mean_interval(tuned, correctness)
        )
    return results


def pareto_front(systems: Mapping[str, AccuracyAndCost], resource: int) -> list[str]:
    """The systems to which no other system is both at least as accurate and at most as expensive.

    Args:
        systems: name -> `AccuracyAndCost`.
        resource: index in `ResourceUse`: 0 for operations, 1 for bytes.

    Returns:
        Their names, by increasing resource use; of equal systems the first.

    >>> x = AccuracyAndCost(0, ResourceUse(1.0, 2), Interval(0.9, 0.9, 0.9))
    >>> y = AccuracyAndCost(0, ResourceUse(1.0, 3), Interval(0.8, 0.8, 0.8))
    >>> pareto_front({"x": x, "y": y}, 1)
    ['x']
    """
    front: list[str] = []
    for name, entry in sorted(
        systems.items(), key=lambda item: (item[1].resource_use[resource], -item[1].accuracy.estimate)
    ):
        if not front or entry.accuracy.estimate > systems[front[-1]].accuracy.estimate:
            front.append(name)
    return front


def table_one_by_class(
    predictions: Sequence[Predictions], classes: Sequence[str]
) -> dict[tuple[str, str], SubsetAccuracy]:
    """The paper's Table I for each class of a pair: accuracies on kept and on asked inputs, with intervals.

    Args:
        predictions: one system's predictions, one per seed.
        classes: names of the labels -1 and +1.

    Returns:
        (class, "kept" or "asked") -> count, accuracies and their difference.
    """
    split = [split_by_class(p) for p in predictions]
    accuracies: dict[tuple[str, str], SubsetAccuracy] = {}
    for label, name in zip((-1, 1), classes, strict=True):
        table = table_one_intervals([seed_classes[label] for seed_classes in split])
        accuracies |= {(name, "kept"): table.kept, (name, "asked"): table.asked}
    return accuracies


def decompose_area_difference(
    systems: Mapping[str, Sequence[Predictions]], joint: str, separate: str
) -> dict[str, Interval]:
    r"""The difference in area between two systems, divided into the rejector's part and the server's part.

    .. math:: A(r_1, e_1) - A(r_2, e_2) = [A(r_1, e_2) - A(r_2, e_2)] + [A(r_1, e_1) - A(r_1, e_2)]

    Args:
        systems: name -> predictions, one per seed.
        joint: name of the first.
        separate: name of the second.

    Returns:
        The whole difference, its two parts, and the difference in accuracy of the two servers on the images that the
        first rejector sends.
    """
    mixed = with_other_server(systems[joint], systems[separate])
    return {
        "joint minus separate": mean_difference(systems[joint], systems[separate], auc_contributions),
        "by the rejector": mean_difference(mixed, systems[separate], auc_contributions),
        "by the server": mean_difference(systems[joint], mixed, auc_contributions),
        "joint server minus separate server, on asked inputs": server_difference_on_asked(
            systems[joint], systems[separate]
        ),
    }


def ranking_gains(predictions: Sequence[Predictions], *, seed: int = 0) -> dict[str, Interval]:
    """The gain in area over random rejection with the same server: of the scores r, and of r shuffled over the images.

    Args:
        predictions: one system's predictions, one per seed.
        seed: of the shuffling.

    Returns:
        Each case of the claim -> interval.
    """
    generator = np.random.default_rng(seed)
    # All scores are equal, so any share of the images is kept at random.
    random_ranking = [replace(p, r=np.zeros(len(p.y))) for p in predictions]
    shuffled = [replace(p, r=generator.permutation(p.r)) for p in predictions]
    return {
        "learnt rejector gains": mean_difference(predictions, random_ranking, auc_contributions),
        "shuffled rejector gains nothing": mean_difference(shuffled, random_ranking, auc_contributions),
    }


def absolute_loss_difference(first: Sequence[Predictions], second: Sequence[Predictions], *, costs: Costs) -> Interval:
    """The absolute difference of two systems in system loss.

    Args:
        first: predictions of one system, one per seed.
        second: of the other, paired.
        costs: c1 and ce.
    """
    return absolute_interval(mean_difference(first, second, lambda p: loss_per_example(p, costs=costs)))


def absolute_interval(difference: Interval) -> Interval:
    """The interval of a difference's absolute value.

    >>> absolute_interval(Interval(-0.25, -0.5, 0.125)), absolute_interval(Interval(-0.25, -0.5, -0.125))
    (Interval(estimate=0.25, low=0.0, high=0.5), Interval(estimate=0.25, low=0.125, high=0.5))
    """
    small, large = sorted((abs(difference.low), abs(difference.high)))
    return Interval(abs(difference.estimate), 0.0 if difference.low < 0 < difference.high else small, large)
