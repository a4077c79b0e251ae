"""Evidence of chapter 08 on made-up runs against direct computations."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from helpers.costs import CLIENT, GRID, ONCE, RUNS, SEEDS

from companion.chapters.ch08_costs.evidence import (
    alpha_rule_differences,
    boundedness_differences,
    client_difference,
    loss_increases_of_one_training,
    mean_difference_evidence,
    offload_reductions,
    rejector_size_difference,
    worth_having,
)
from companion.chapters.ch08_costs.experiments import CLAIMED_CLIENTS
from companion.claims.registry import bounds_by_claim
from l2h.evaluation.comparisons import mean_difference
from l2h.evaluation.curves import auc_contributions
from l2h.evaluation.metrics import ask_indicator, correctness, loss_per_example, offload_rate, system_loss
from l2h.problem import Costs

FIRST, SECOND = GRID[CLIENT, 1.0, 0.1], GRID[CLIENT, 1.0, 0.3]
RULES = {(CLIENT, "released", True): FIRST, (CLIENT, "deterministic", True): SECOND}


def test_evidence_is_about_the_claimed_clients():
    found = (
        offload_reductions(RUNS, GRID, "ce", data="abc"),
        alpha_rule_differences(RUNS, RULES, ("released", True), ("deterministic", True), ask_indicator, data="abc"),
        loss_increases_of_one_training(RUNS, GRID, ONCE, data="abc"),
        boundedness_differences(
            "squash-changes-little",
            RUNS,
            {(CLIENT, "deterministic", True): FIRST, (CLIENT, "deterministic", False): SECOND},
            data="abc",
        ),
        worth_having(RUNS, GRID, data="abc")["a-threshold-makes-it-worth-having"],
    )
    for evidence in found:
        assert list(evidence) == list(CLAIMED_CLIENTS)
        assert evidence[CLIENT].n == 200 and evidence[CLIENT].seeds == SEEDS
        assert evidence["well_trained"].reason == "not run at this profile"
    assert client_difference(RUNS, ONCE, data="abc").reason == "not run at this profile"


def test_an_offload_reduction_is_the_least_over_the_other_cost():
    found = offload_reductions(RUNS, GRID, "c1", data="abc")[CLIENT]
    differences = [
        mean_difference(RUNS.predictions(GRID[CLIENT, 0.5, ce]), RUNS.predictions(GRID[CLIENT, 1.0, ce]), ask_indicator)
        for ce in (0.1, 0.3)
    ]
    assert found.estimate == pytest.approx(min(d.estimate for d in differences))
    assert found.low == pytest.approx(min(d.low for d in differences))


def test_a_mean_difference_is_paired():
    evidence = mean_difference_evidence(RUNS, FIRST, FIRST, ask_indicator, data="abc")
    assert (evidence.estimate, evidence.low, evidence.high) == (0, 0, 0)
    evidence = mean_difference_evidence(RUNS, FIRST, SECOND, ask_indicator, data="abc")
    rates = [np.mean([offload_rate(p) for p in RUNS.predictions(config)]) for config in (FIRST, SECOND)]
    assert evidence.estimate == pytest.approx(rates[0] - rates[1])


def test_a_configuration_without_runs_gives_no_evidence():
    evidence = mean_difference_evidence(RUNS, FIRST, replace(FIRST, ce=0.2), ask_indicator, data="abc")
    assert evidence.reason == "not run at this profile"


def test_an_unknown_pair_of_rule_and_bound_is_refused():
    with pytest.raises(KeyError, match="unknown"):
        alpha_rule_differences(RUNS, RULES, ("released", True), ("unknown", True), ask_indicator, data="abc")


def test_rules_for_alpha_differ_as_their_systems():
    found = alpha_rule_differences(RUNS, RULES, ("released", True), ("deterministic", True), correctness, data="abc")
    assert found[CLIENT] == mean_difference_evidence(RUNS, FIRST, SECOND, correctness, data="abc")


def test_the_client_difference_is_of_the_less_accurate_client():
    systems = {("as_released", "learning to help"): FIRST, ("well_trained", "learning to help"): SECOND}
    found = client_difference(RUNS, systems, data="abc")
    assert found == mean_difference_evidence(RUNS, FIRST, SECOND, ask_indicator, data="abc")


def test_one_training_is_compared_at_all_costs_but_its_own():
    found = loss_increases_of_one_training(RUNS, GRID, ONCE, data="abc")[CLIENT]
    increases = []
    for (_, c1, ce), config in GRID.items():
        if (c1, ce) != (1.0, 0.1):
            costs = Costs(c1=c1, ce=ce)
            once, anew = (
                np.mean([system_loss(p, costs=costs) for p in RUNS.tuned(one, costs=costs)])
                for one in (ONCE[CLIENT, "learning to help"], config)
            )
            increases.append(once - anew)
    assert len(increases) == 3 and found.estimate == pytest.approx(np.mean(increases))
    config = GRID[CLIENT, 0.5, 0.3]
    single = loss_increases_of_one_training(RUNS, {(CLIENT, 0.5, 0.3): config}, ONCE, data="abc")[CLIENT]
    systems = (RUNS.tuned(one, costs=config.costs) for one in (ONCE[CLIENT, "learning to help"], config))
    expected = mean_difference(*systems, partial(loss_per_example, costs=config.costs))
    assert (single.estimate, single.low, single.high) == pytest.approx(tuple(expected))


def constant_loss(config):
    losses = []
    for sign in (1.0, -1.0):
        constant = [replace(p, r=np.full(len(p.y), sign)) for p in RUNS.predictions(config)]
        losses.append(np.mean([system_loss(p, costs=config.costs) for p in constant]))
    return min(losses)


def test_the_score_and_its_zero_are_judged_apart_at_the_costs_where_they_are_worst():
    found, bounds = worth_having(RUNS, GRID, data="abc"), bounds_by_claim("08_costs")
    assert {name: set(cases) for name, cases in found.items()} == {name: set(bounds[name]) for name in found}
    at_zero, tuned = (
        {config: np.mean([system_loss(p, costs=config.costs) for p in predictions]) for config, predictions in systems}
        for systems in (
            [(config, RUNS.predictions(config)) for config in GRID.values()],
            [(config, RUNS.tuned(config, costs=config.costs)) for config in GRID.values()],
        )
    )
    score = min(constant_loss(config) - tuned[config] for config in GRID.values())
    zero = min(tuned[config] - at_zero[config] for config in GRID.values())
    combined = found["trained-for-its-costs-is-worth-having"]
    assert combined[f"score, {CLIENT}"].estimate == pytest.approx(score)
    assert combined[f"zero, {CLIENT}"].estimate == pytest.approx(zero)
    assert found["a-threshold-makes-it-worth-having"][CLIENT] == combined[f"score, {CLIENT}"]


def test_the_squash_and_the_size_are_differences_in_area():
    squash = boundedness_differences(
        "squash-changes-little",
        RUNS,
        {(CLIENT, "deterministic", True): FIRST, (CLIENT, "deterministic", False): SECOND},
        data="abc",
    )[CLIENT]
    size = rejector_size_difference(RUNS, {4: SECOND, 480: FIRST}, data="abc")
    expected = mean_difference(RUNS.predictions(FIRST), RUNS.predictions(SECOND), auc_contributions)
    for evidence in (squash, size):
        assert (evidence.estimate, evidence.low, evidence.high) == pytest.approx(tuple(map(float, expected)))
        assert evidence.low <= evidence.equivalence_low <= evidence.equivalence_high <= evidence.high
