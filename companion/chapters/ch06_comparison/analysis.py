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
    one: str,
    rival: str,
    by_example: Callable[[Predictions], Any] = auc_contributions,
    *,
    cells: int = 1,
) -> Interval:
    """One difference between two systems of a place, at the level that many places share.

    Args:
        systems: name -> predictions, one per seed.
        one: name of the first.
        rival: name of the second.
        by_example: gives (n,) values, more is better; by default each example's share of the area.
        cells: how many places are looked at, as in `multiple_comparisons.simultaneous_differences`.

    Returns:
        The difference one - rival.
    """
    return simultaneous_differences(systems[one], {rival: systems[rival]}, by_example, cells=cells)[rival]


def loss_reduction(
    chosen_on: Mapping[str, Sequence[Predictions]],
    given: Mapping[str, Sequence[Predictions]],
    one: str,
    rival: str,
    *,
    costs: Costs,
    cells: int = 1,
) -> Interval:
    """How much less one system loses than another, each with the threshold that the validation part gives it.

    Args:
        chosen_on: name -> predictions on the validation part, one per seed.
        given: name -> predictions on the test part.
        one: name of the first.
        rival: name of the second.
        costs: c1 and ce.
        cells: how many places are looked at, as in `multiple_comparisons.simultaneous_differences`.

    Returns:
        System loss of the rival minus that of the first: above zero where the first is better.
    """
    tuned = {name: tuned_on_validation(chosen_on[name], given[name], costs=costs) for name in (one, rival)}
    return paired_difference(tuned, one, rival, lambda p: -loss_per_example(p, costs=costs), cells=cells)


class AccuracyAndCost(NamedTuple):
    """What one system of a place spends, and what that buys."""

    parameters: int  # on the device, beside the client's
    spent: ResourceUse  # per image
    accuracy: Interval


def accuracy_and_cost(
    chosen_on: Mapping[str, Sequence[Predictions]],
    given: Mapping[str, Sequence[Predictions]],
    configs: Mapping[str, ExperimentConfig],
    *,
    costs: Costs,
) -> dict[str, AccuracyAndCost]:
    """What every system of a place spends and gets right, each with the threshold that the validation part gives it.

    Args:
        chosen_on: name -> predictions on the validation part, one per seed.
        given: name -> predictions on the test part.
        configs: of one place of `experiments.comparison`; the stacked system counts as "two-stage".
        costs: c1 and ce.

    Returns:
        Name -> `AccuracyAndCost`, spent at the mean coverage of the seeds.
    """
    found = {}
    for name, several in given.items():
        tuned, config = (
            tuned_on_validation(chosen_on[name], several, costs=costs),
            configs["two-stage" if name == STACKED_NAME else name],
        )
        kept = float(pointwise_t_intervals([[coverage(p)] for p in tuned]).estimate[0])
        own = device_sizes(name, config)[1].parameters
        found[name] = AccuracyAndCost(own, system_resource_use(name, config, kept), mean_interval(tuned, correctness))
    return found


def pareto_front(found: Mapping[str, AccuracyAndCost], of: int) -> list[str]:
    """The systems that no other one beats, being at least as accurate for no more of what is spent.

    Args:
        found: name -> `AccuracyAndCost`.
        of: place in `ResourceUse` of what counts: 0 for operations, 1 for bytes.

    Returns:
        Their names, the cheapest first; of equal ones the first.

    >>> two = {name: AccuracyAndCost(0, ResourceUse(1.0, b), Interval(a, a, a)) for name, b, a in (("x", 2, 0.9), ("y", 3, 0.8))}
    >>> pareto_front(two, 1)
    ['x']
    """
    ahead: list[str] = []
    for name, one in sorted(found.items(), key=lambda item: (item[1].spent[of], -item[1].accuracy.estimate)):
        if not ahead or one.accuracy.estimate > found[ahead[-1]].accuracy.estimate:
            ahead.append(name)
    return ahead


def table_one_by_class(several: Sequence[Predictions], classes: Sequence[str]) -> dict[tuple[str, str], SubsetAccuracy]:
    """The paper's Table I for each class of a pair: what is kept and what is sent, with intervals.

    Args:
        several: one system's predictions, one per seed.
        classes: names of the labels -1 and +1.

    Returns:
        (class, "kept" or "sent") -> cell.
    """
    split = [split_by_class(p) for p in several]
    found: dict[tuple[str, str], SubsetAccuracy] = {}
    for label, name in zip((-1, 1), classes, strict=True):
        cells = table_one_intervals([one[label] for one in split])
        found |= {(name, "kept"): cells.kept, (name, "sent"): cells.asked}
    return found


def decompose_area_difference(
    systems: Mapping[str, Sequence[Predictions]], joint: str, apart: str
) -> dict[str, Interval]:
    r"""What the rejector and the server each contribute to the difference between two systems in area.

    .. math:: A(r_1, e_1) - A(r_2, e_2) = [A(r_1, e_2) - A(r_2, e_2)] + [A(r_1, e_1) - A(r_1, e_2)]

    Args:
        systems: name -> predictions, one per seed.
        joint: name of the first.
        apart: name of the second.

    Returns:
        The whole difference, its two parts, and the first server's gain in accuracy over the second's on the
        images that the first rejector sends.
    """
    mixed = with_other_server(systems[joint], systems[apart])
    return {
        "joint minus apart": mean_difference(systems[joint], systems[apart], auc_contributions),
        "by the rejector": mean_difference(mixed, systems[apart], auc_contributions),
        "by the server": mean_difference(systems[joint], mixed, auc_contributions),
        "joint server on what is sent, minus server alone": server_difference_on_asked(systems[joint], systems[apart]),
    }


def worst_difference(
    systems: Mapping[str, Sequence[Predictions]], *, ours: str = STACKED_NAME, cells: int = 1
) -> Interval:
    """Where one system does worst: its smallest difference in accuracy to any rival at any coverage.

    The intervals of all rivals and coverages hold together, so that the choice of the smallest is paid for.

    Args:
        systems: name -> predictions, one per seed; those that a device cannot run are no rivals.
        ours: name of the one.
        cells: how many places are looked at, as in `multiple_comparisons.simultaneous_differences`.

    Returns:
        The smallest difference ours - rival, between the smallest lower and the smallest upper limit.

    Raises:
        ValueError: if there is no rival.
    """
    rivals = {name: several for name, several in systems.items() if name not in (ours, *EXCLUDED_BASELINES)}
    found = simultaneous_accuracy_differences(systems[ours], rivals, COVERAGES, cells=cells)
    return _smallest_interval([one for several in found.values() for one in several])


def gain_over_constant_policy(several: Sequence[Predictions], *, costs: Costs, cells: int = 1) -> Interval:
    r"""How much less a system loses than the better of never and always asking; below zero it is dominated.

    .. math:: \min\{L_{\mathrm{never}}, L_{\mathrm{always}}\} - L(r, e)

    Args:
        several: its predictions, one per seed.
        costs: c1 and ce.
        cells: how many pairs of costs are looked at, as in `multiple_comparisons.simultaneous_differences`.

    Returns:
        The smaller of both differences, between the smaller lower and the smaller upper limit.

    Source: arXiv 2409.16253, the generalized 0-1 loss, for a rejector of one sign.
    """
    signs = {"never": 1.0, "always": -1.0}
    fixed = {name: [replace(p, r=np.full(len(p.y), sign)) for p in several] for name, sign in signs.items()}
    found = simultaneous_differences(several, fixed, lambda p: -loss_per_example(p, costs=costs), cells=cells)
    return _smallest_interval(list(found.values()))


def _smallest_interval(found: Sequence[Interval]) -> Interval:
    """All hold together, so the smallest of each kind do, too."""
    return Interval(*map(float, np.min(found, axis=0)))


def ranking_gains(several: Sequence[Predictions], *, seed: int = 0) -> dict[str, Interval]:
    """Area above random rejection with the same server, as ranked by r, and with its scores shuffled over the images.

    Args:
        several: one system's predictions, one per seed.
        seed: of the shuffling.

    Returns:
        Both cases of the ledger's claim -> interval.
    """
    generator = np.random.default_rng(seed)
    coin = [replace(p, r=np.zeros(len(p.y))) for p in several]  # all tie: any share of them is kept by lot
    shuffled = [replace(p, r=generator.permutation(p.r)) for p in several]
    return {
        "learnt rejector gains": mean_difference(several, coin, auc_contributions),
        "shuffled rejector gains nothing": mean_difference(shuffled, coin, auc_contributions),
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
