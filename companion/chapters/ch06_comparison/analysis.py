"""What chapters 06 and 08 ask of the systems of one place beyond pairwise gaps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from companion.chapters.systems import EXCLUDED_BASELINES, STACKED_NAME, device_sizes, system_resource_use
from l2h.evaluation.comparisons import (
    mean_difference,
    mean_interval,
    server_difference_on_asked,
    table_one_intervals,
    with_other_server,
)
from l2h.evaluation.curves import auc_contributions
from l2h.evaluation.intervals import Interval, pointwise_t_intervals
from l2h.evaluation.metrics import SubsetAccuracy, correctness, coverage, loss_per_example, split_by_class
from l2h.evaluation.multiple_comparisons import simultaneous_accuracy_differences, simultaneous_differences
from l2h.evaluation.resources import ResourceUse
from l2h.evaluation.thresholds import tuned_on_validation
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Costs, Predictions

COVERAGES = np.linspace(0.1, 0.9, 9)


def paired_difference(
    systems: Mapping[str, Sequence[Predictions]],
    system: str,
    baseline: str,
    per_example: Callable[[Predictions], Any] = auc_contributions,
    *,
    families: int = 1,
) -> Interval:
    """One difference between two systems of a place, at the level that many places share.

    Args:
        systems: name -> predictions, one per seed.
        system: name of the first.
        baseline: name of the second.
        per_example: gives (n,) values, more is better; by default each example's share of the area.
        families: how many places are looked at, as in `multiple_comparisons.simultaneous_differences`.

    Returns:
        The difference one - rival.
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
    """How much less one system loses than another, each with the threshold that the validation part gives it.

    Args:
        validation_predictions: name -> predictions on the validation part, one per seed.
        test_predictions: name -> predictions on the test part.
        system: name of the first.
        baseline: name of the second.
        costs: c1 and ce.
        families: how many places are looked at, as in `multiple_comparisons.simultaneous_differences`.

    Returns:
        System loss of the rival minus that of the first: above zero where the first is better.
    """
    tuned = {
        name: tuned_on_validation(validation_predictions[name], test_predictions[name], costs=costs)
        for name in (system, baseline)
    }
    return paired_difference(tuned, system, baseline, lambda p: -loss_per_example(p, costs=costs), families=families)


class AccuracyAndCost(NamedTuple):
    """What one system of a place spends, and what that buys."""

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
    """What every system of a place spends and gets right, each with the threshold that the validation part gives it.

    Args:
        validation_predictions: name -> predictions on the validation part, one per seed.
        test_predictions: name -> predictions on the test part.
        configs: of one place of `experiments.comparison`; the stacked system counts as "two-stage".
        costs: c1 and ce.

    Returns:
        Name -> `AccuracyAndCost`, spent at the mean coverage of the seeds.
    """
    results = {}
    for name, test_runs in test_predictions.items():
        tuned, config = (
            tuned_on_validation(validation_predictions[name], test_runs, costs=costs),
            configs["two-stage" if name == STACKED_NAME else name],
        )
        mean_coverage = float(pointwise_t_intervals([[coverage(p)] for p in tuned]).estimate[0])
        parameters = device_sizes(name, config)[1].parameters
        results[name] = AccuracyAndCost(
            parameters, system_resource_use(name, config, mean_coverage), mean_interval(tuned, correctness)
        )
    return results


def pareto_front(systems: Mapping[str, AccuracyAndCost], resource: int) -> list[str]:
    """The systems that no other one beats, being at least as accurate for no more of what is spent.

    Args:
        systems: name -> `AccuracyAndCost`.
        resource: place in `ResourceUse` of what counts: 0 for operations, 1 for bytes.

    Returns:
        Their names, the cheapest first; of equal ones the first.

    >>> two = {name: AccuracyAndCost(0, ResourceUse(1.0, b), Interval(a, a, a)) for name, b, a in (("x", 2, 0.9), ("y", 3, 0.8))}
    >>> pareto_front(two, 1)
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
    """The paper's Table I for each class of a pair: what is kept and what is sent, with intervals.

    Args:
        predictions: one system's predictions, one per seed.
        classes: names of the labels -1 and +1.

    Returns:
        (class, "kept" or "sent") -> cell.
    """
    split = [split_by_class(p) for p in predictions]
    accuracies: dict[tuple[str, str], SubsetAccuracy] = {}
    for label, name in zip((-1, 1), classes, strict=True):
        table = table_one_intervals([seed_classes[label] for seed_classes in split])
        accuracies |= {(name, "kept"): table.kept, (name, "sent"): table.asked}
    return accuracies


def decompose_area_difference(
    systems: Mapping[str, Sequence[Predictions]], joint: str, separate: str
) -> dict[str, Interval]:
    r"""What the rejector and the server each contribute to the difference between two systems in area.

    .. math:: A(r_1, e_1) - A(r_2, e_2) = [A(r_1, e_2) - A(r_2, e_2)] + [A(r_1, e_1) - A(r_1, e_2)]

    Args:
        systems: name -> predictions, one per seed.
        joint: name of the first.
        separate: name of the second.

    Returns:
        The whole difference, its two parts, and the first server's gain in accuracy over the second's on the
        images that the first rejector sends.
    """
    mixed = with_other_server(systems[joint], systems[separate])
    return {
        "joint minus apart": mean_difference(systems[joint], systems[separate], auc_contributions),
        "by the rejector": mean_difference(mixed, systems[separate], auc_contributions),
        "by the server": mean_difference(systems[joint], mixed, auc_contributions),
        "joint server on what is sent, minus server alone": server_difference_on_asked(
            systems[joint], systems[separate]
        ),
    }


def worst_difference(
    systems: Mapping[str, Sequence[Predictions]], *, system: str = STACKED_NAME, families: int = 1
) -> Interval:
    """Where one system does worst: its smallest difference in accuracy to any rival at any coverage.

    The intervals of all rivals and coverages hold together, so that the choice of the smallest is paid for.

    Args:
        systems: name -> predictions, one per seed; those that a device cannot run are no rivals.
        system: name of the one.
        families: how many places are looked at, as in `multiple_comparisons.simultaneous_differences`.

    Returns:
        The smallest difference ours - rival, between the smallest lower and the smallest upper limit.

    Raises:
        ValueError: if there is no rival.
    """
    rivals = {name: values for name, values in systems.items() if name not in (system, *EXCLUDED_BASELINES)}
    differences = simultaneous_accuracy_differences(systems[system], rivals, COVERAGES, families=families)
    return _smallest_interval([interval for values in differences.values() for interval in values])


def gain_over_constant_policy(predictions: Sequence[Predictions], *, costs: Costs, families: int = 1) -> Interval:
    r"""How much less a system loses than the better of never and always asking; below zero it is dominated.

    .. math:: \min\{L_{\mathrm{never}}, L_{\mathrm{always}}\} - L(r, e)

    Args:
        predictions: its predictions, one per seed.
        costs: c1 and ce.
        families: how many pairs of costs are looked at, as in `multiple_comparisons.simultaneous_differences`.

    Returns:
        The smaller of both differences, between the smaller lower and the smaller upper limit.

    Source: arXiv 2409.16253, the generalized 0-1 loss, for a rejector of one sign.
    """
    constant_scores = {"never": 1.0, "always": -1.0}
    fixed = {
        name: [replace(p, r=np.full(len(p.y), sign)) for p in predictions] for name, sign in constant_scores.items()
    }
    differences = simultaneous_differences(
        predictions, fixed, lambda p: -loss_per_example(p, costs=costs), families=families
    )
    return _smallest_interval(list(differences.values()))


def _smallest_interval(systems: Sequence[Interval]) -> Interval:
    """All hold together, so the smallest of each kind do, too."""
    return Interval(*map(float, np.min(systems, axis=0)))


def ranking_gains(predictions: Sequence[Predictions], *, seed: int = 0) -> dict[str, Interval]:
    """Area above random rejection with the same server, as ranked by r, and with its scores shuffled over the images.

    Args:
        predictions: one system's predictions, one per seed.
        seed: of the shuffling.

    Returns:
        Both cases of the ledger's claim -> interval.
    """
    generator = np.random.default_rng(seed)
    random_ranking = [
        replace(p, r=np.zeros(len(p.y))) for p in predictions
    ]  # all tie: any share of them is kept by lot
    shuffled = [replace(p, r=generator.permutation(p.r)) for p in predictions]
    return {
        "learnt rejector gains": mean_difference(predictions, random_ranking, auc_contributions),
        "shuffled rejector gains nothing": mean_difference(shuffled, random_ranking, auc_contributions),
    }


def absolute_loss_difference(first: Sequence[Predictions], second: Sequence[Predictions], *, costs: Costs) -> Interval:
    """How far apart two systems are in system loss, in either direction.

    Args:
        first: predictions of one system, one per seed.
        second: of the other, paired.
        costs: c1 and ce.

    Returns:
        The absolute value of the difference.
    """
    return absolute_interval(mean_difference(first, second, lambda p: loss_per_example(p, costs=costs)))


def absolute_interval(difference: Interval) -> Interval:
    """The interval of a difference's absolute value.

    >>> absolute_interval(Interval(-0.25, -0.5, 0.125)), absolute_interval(Interval(-0.25, -0.5, -0.125))
    (Interval(estimate=0.25, low=0.0, high=0.5), Interval(estimate=0.25, low=0.125, high=0.5))
    """
    small, large = sorted((abs(difference.low), abs(difference.high)))
    return Interval(abs(difference.estimate), 0.0 if difference.low < 0 < difference.high else small, large)
