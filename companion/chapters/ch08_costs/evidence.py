"""Evidence for the claims of chapter 08."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from companion.chapters.ch08_costs.analysis import CostGrid, gain_over_constant_policy
from companion.chapters.summaries import PerExample, SweptRuns
from companion.chapters.systems import COMPARISON_CE
from companion.claims.evidence import Evidence, min_evidence
from l2h.evaluation.comparisons import differences_per_example, mean_difference
from l2h.evaluation.crossed import crossed_interval
from l2h.evaluation.metrics import ask_indicator, loss_per_example
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Costs

CLAIMED_CLIENTS = ("as_released", "well_trained")
NOT_RUN = Evidence.absent("not run at this profile")


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
    return {client: _least_offload_reduction(runs, grid, client, varied, data) for client in CLAIMED_CLIENTS}


def _least_offload_reduction(runs: SweptRuns, grid: CostGrid, client: str, varied: str, data: str) -> Evidence:
    configs = [config for (name, _, _), config in grid.items() if name == client]
    fixed = "c1" if varied == "ce" else "ce"
    reductions = []
    for value in dict.fromkeys(getattr(config, fixed) for config in configs):
        row = sorted((c for c in configs if getattr(c, fixed) == value), key=lambda c: float(getattr(c, varied)))
        reductions.append(mean_difference_evidence(runs, row[0], row[-1], ask_indicator, data=data))
    return min_evidence(reductions) if reductions else NOT_RUN


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


def gains_over_constant_policies(runs: SweptRuns, grid: CostGrid, *, tuned: bool, data: str) -> dict[str, Evidence]:
    """Evidence on the least gain over the best constant policy among all pairs of costs, by client.

    Args:
        runs: of the grid.
        grid: (client, c1, ce) -> configuration.
        tuned: whether thresholds are tuned on the validation split; else r = 0.
        data: SHA-256 of the data set.
    """
    evidence = {}
    for client in CLAIMED_CLIENTS:
        configs = [config for (name, _, _), config in grid.items() if name == client]
        gains = []
        for config in configs:
            predictions = runs.tuned(config, costs=config.costs) if tuned else runs.predictions(config)
            gain = partial(gain_over_constant_policy, costs=config.costs, families=len(configs))
            gains.append(Evidence.measured(gain, predictions, data=data))
        evidence[client] = min_evidence(gains) if gains else NOT_RUN
    return evidence
