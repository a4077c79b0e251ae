"""Evidence for the claims of chapter 08."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from companion.chapters.ch08_costs.analysis import CostGrid, gains_over_constant_policies
from companion.chapters.ch08_costs.experiments import CLAIMED_CLIENTS
from companion.chapters.paired_evidence import NOT_RUN, least_difference_evidence, paired_evidence
from companion.chapters.summaries import PerExample, SweptRuns
from companion.chapters.systems import COMPARISON_CE
from companion.claims.evidence import Evidence
from companion.claims.registry import bounds_by_claim
from companion.claims.verdicts import SINGLE_CASE
from l2h.evaluation.comparisons import differences_per_example, mean_difference
from l2h.evaluation.crossed import crossed_interval
from l2h.evaluation.curves import auc_contributions
from l2h.evaluation.metrics import ask_indicator, loss_per_example
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Costs


def mean_difference_evidence(
    runs: SweptRuns, first: ExperimentConfig, second: ExperimentConfig, per_example: PerExample, *, data: str
) -> Evidence:
    """Evidence on the difference first - second of two systems in the mean of a value per example.

    Args:
        runs: of both systems.
        first: configuration of the first system.
        second: configuration of the second.
        per_example: gives (n,) values.
        data: SHA-256 of the data set.
    """
    difference = partial(mean_difference, per_example=per_example)
    return Evidence.measured(difference, runs.predictions(first), runs.predictions(second), data=data)


def offload_reductions(runs: SweptRuns, grid: CostGrid, varied: str, *, data: str) -> dict[str, Evidence]:
    """Evidence on the offload rate at the smallest minus that at the largest value of one cost, by client.

    Args:
        runs: of the grid.
        grid: (client, c1, ce) -> configuration.
        varied: "c1" or "ce"; the difference is the least over the values of the other cost.
        data: SHA-256 of the data set.
    """
    bounds = bounds_by_claim("08_costs")[f"trained-systems-ask-less-as-{varied}-grows"]
    evidence = {}
    for client in CLAIMED_CLIENTS:
        reductions = _offload_reductions(runs, grid, client, varied)
        least = partial(least_difference_evidence, bounds=bounds[client], data=data)
        evidence[client] = least(reductions) if reductions else NOT_RUN
    return evidence


def _offload_reductions(runs: SweptRuns, grid: CostGrid, client: str, varied: str) -> list[np.ndarray]:
    """Differences in asking, smallest minus largest value of one cost, (S, n) for each value of the other cost."""
    configs = [config for (name, _, _), config in grid.items() if name == client]
    fixed = "c1" if varied == "ce" else "ce"
    reductions = []
    for value in dict.fromkeys(getattr(config, fixed) for config in configs):
        row = sorted((c for c in configs if getattr(c, fixed) == value), key=lambda c: float(getattr(c, varied)))
        first, last = (runs.predictions(config) for config in (row[0], row[-1]))
        reductions.append(differences_per_example(first, last, ask_indicator))
    return reductions


def client_difference(
    runs: SweptRuns, rethresholded: Mapping[tuple[str, str], ExperimentConfig], *, data: str
) -> Evidence:
    """Evidence on the offload rate for the less accurate minus that for the more accurate client.

    Args:
        runs: of both systems.
        rethresholded: (client, system) -> configuration.
        data: SHA-256 of the data set.
    """
    worse, better = (rethresholded.get((client, "learning to help")) for client in CLAIMED_CLIENTS)
    if worse is None or better is None:
        return NOT_RUN
    return mean_difference_evidence(runs, worse, better, ask_indicator, data=data)


def alpha_rule_differences(
    runs: SweptRuns,
    grid: Mapping[tuple[str, str, bool], ExperimentConfig],
    first: tuple[str, bool],
    second: tuple[str, bool],
    per_example: PerExample,
    *,
    data: str,
) -> dict[str, Evidence]:
    """Evidence on the difference between two rules for alpha, by client.

    Args:
        runs: of the grid.
        grid: (client, rule, bounded) -> configuration.
        first: rule for alpha, and whether r and e are bounded.
        second: the same for the system that is subtracted.
        per_example: gives (n,) values.
        data: SHA-256 of the data set.
    """
    return {
        client: mean_difference_evidence(runs, grid[client, *first], grid[client, *second], per_example, data=data)
        if (client, *first) in grid
        else NOT_RUN
        for client in CLAIMED_CLIENTS
    }


def loss_increases_of_one_training(
    runs: SweptRuns, grid: CostGrid, rethresholded: Mapping[tuple[str, str], ExperimentConfig], *, data: str
) -> dict[str, Evidence]:
    """Evidence on the loss of a system trained once minus that of systems trained for each pair of costs, by client.

    Both have tuned thresholds. The costs of the one training are left out of the mean: both systems are the same there.

    Args:
        runs: of all systems.
        grid: (client, c1, ce) -> configuration.
        rethresholded: (client, system) -> configuration.
        data: SHA-256 of the data set.
    """
    evidence = {}
    for client in CLAIMED_CLIENTS:
        once = rethresholded.get((client, "learning to help"))
        if once is None:
            evidence[client] = NOT_RUN
            continue
        differences = []
        for (name, c1, ce), config in grid.items():
            if name == client and (c1, ce) != (1.0, COMPARISON_CE):
                costs = Costs(c1=c1, ce=ce)
                anew = runs.tuned(config, costs=costs)
                loss = partial(loss_per_example, costs=costs)
                differences.append(differences_per_example(runs.tuned(once, costs=costs), anew, loss))
        interval = crossed_interval(np.mean(differences, axis=0))
        evidence[client] = Evidence.measured(lambda _, limits=interval: limits, anew, data=data)
    return evidence


def boundedness_differences(
    claim: str, runs: SweptRuns, grid: Mapping[tuple[str, str, bool], ExperimentConfig], *, data: str
) -> dict[str, Evidence]:
    """Evidence on the area with bounded minus that with unbounded r and e, calibrated alpha, by client.

    Args:
        claim: that has the evidence.
        runs: of the seeds that decide.
        grid: (client, rule, bounded) -> configuration.
        data: SHA-256 of the data set.
    """
    evidence, bounds = {}, bounds_by_claim("08_costs")[claim]
    for client in CLAIMED_CLIENTS:
        configs = [grid.get((client, "deterministic", bounded)) for bounded in (True, False)]
        first, second = (runs.predictions(config) if config else [] for config in configs)
        evidence[client] = paired_evidence(first, second, auc_contributions, bounds=bounds[client], data=data)
    return evidence


def rejector_size_difference(runs: SweptRuns, hidden_units: Mapping[int, ExperimentConfig], *, data: str) -> Evidence:
    """Evidence on the area with the largest rejector minus that with the smallest.

    Args:
        runs: of the seeds that decide.
        hidden_units: number of hidden units -> configuration.
        data: SHA-256 of the data set.
    """
    bounds = bounds_by_claim("08_costs")["a-larger-rejector-matters"][SINGLE_CASE]
    first, second = (runs.predictions(hidden_units[units]) for units in (max(hidden_units), min(hidden_units)))
    return paired_evidence(first, second, auc_contributions, bounds=bounds, data=data)


def worth_having(runs: SweptRuns, grid: CostGrid, *, data: str) -> dict[str, dict[str, Evidence]]:
    """Evidence on two questions about systems trained for their costs: is the score good, and is its zero right.

    The score is good where, with the threshold of least loss on validation images, the system loses hardly more than
    the better of never and always asking. Its zero is right where r = 0 loses hardly more than that threshold. Both are
    asked at all pairs of costs, so that the evidence is on the least difference.

    Args:
        runs: of the seeds that decide.
        grid: (client, c1, ce) -> configuration.
        data: SHA-256 of the data set.

    Returns:
        Evidence by claim and case.
    """
    at_zero, with_threshold = "trained-for-its-costs-is-worth-having", "a-threshold-makes-it-worth-having"
    bounds = bounds_by_claim("08_costs")
    evidence: dict[str, dict[str, Evidence]] = {at_zero: {}, with_threshold: {}}
    for client in CLAIMED_CLIENTS:
        configs = [config for (name, _, _), config in grid.items() if name == client]
        gains, zeros = [], []
        for config in configs:
            untuned, tuned = runs.predictions(config), runs.tuned(config, costs=config.costs)
            if untuned:
                loss = partial(loss_per_example, costs=config.costs)
                gains += gains_over_constant_policies(tuned, costs=config.costs)
                zeros.append(differences_per_example(tuned, untuned, loss))
        for claim, case, differences in (
            (with_threshold, client, gains),
            (at_zero, f"score, {client}", gains),
            (at_zero, f"zero, {client}", zeros),
        ):
            least = partial(least_difference_evidence, bounds=bounds[claim][case], data=data)
            evidence[claim][case] = least(differences) if differences else NOT_RUN
    return evidence
