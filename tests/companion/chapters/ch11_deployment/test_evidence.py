"""Evidence of chapter 11 on made-up runs against direct computations."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.deployment import predictions

from companion.chapters.ch11_deployment import evidence, tables
from companion.chapters.ch11_deployment.deployments import LINKS
from companion.chapters.settings import PAIRS_TABLE
from companion.claims.registry import bounds_by_claim
from l2h.evaluation.metrics import accuracy, correctness, loss_per_example, offload_rate, system_loss
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Costs
from l2h.serving.simulation.boards import boards

COSTS = Costs(c1=1.0, ce=0.1)
CONFIGS = {name: ExperimentConfig(method, ce=0.1) for name, method in
           (("confidence", "confidence"), ("learning to help", "learning_to_help"))}  # fmt: skip
COST_GRID = {ce: ExperimentConfig("learning_to_help", ce=ce) for ce in (0.02, 0.1, 0.3)}
MISSED = dict.fromkeys(LINKS, 0.0)


class Runs:
    """Runs on the same examples: a rejector of the ce of its training, and a confidence that knows nothing."""

    def predictions(self, config, split="test"):
        found = [predictions(seed=5)] * 2
        if config.method == "confidence":
            noise = [np.random.default_rng(seed).normal(size=len(found[0].y)) for seed in range(2)]
            return [replace(p, r=r) for p, r in zip(found, noise, strict=True)]
        shifts = [config.ce - 0.1 + 0.01 * seed for seed in range(2)]
        return [replace(p, r=p.r + shift) for p, shift in zip(found, shifts, strict=True)]

    def tuned(self, config, *, costs):
        return self.predictions(config)


class DecidingRuns(Runs):
    """Runs of other seeds, whose rejectors ask less."""

    def tuned(self, config, *, costs):
        return [replace(p, r=p.r + 0.05 * config.ce) for p in self.predictions(config)]


RUNS, DECIDING = Runs(), DecidingRuns()


def test_without_missed_requests_loss_and_correctness_are_those_of_the_system():
    p = predictions()
    np.testing.assert_allclose(evidence.deployed_loss(p, missed=0.0, costs=COSTS), loss_per_example(p, costs=COSTS))
    np.testing.assert_allclose(evidence.deployed_correctness(p, missed=0.0), correctness(p))


def test_if_all_requests_are_missed_the_client_answers_and_they_cost_all_the_same():
    p = predictions()
    assert evidence.deployed_correctness(p, missed=1.0).mean() == pytest.approx((p.m == p.y).mean())
    expected = (p.m != p.y).mean() + COSTS.ce * offload_rate(p)
    assert evidence.deployed_loss(p, missed=1.0, costs=COSTS).mean() == pytest.approx(expected)


def test_the_gain_of_a_deployment_is_over_the_better_constant_policy():
    found = evidence.gains_of_deployments(RUNS, CONFIGS, MISSED, data="abc")
    assert list(found) == list(bounds_by_claim("11_deployment")["real-deployments"])
    assert found["fits on every board, 8 bits"].estimate == 1 and found["fits on every board, 32 bits"].estimate == 0
    helped = np.mean([system_loss(p, costs=COSTS) for p in RUNS.predictions(CONFIGS["learning to help"])])
    p = predictions(seed=5)
    constant = min(system_loss(replace(p, r=np.full(len(p.y), sign)), costs=COSTS) for sign in (1.0, -1.0))
    assert found["5G"].estimate == pytest.approx(constant - helped)


def test_systems_are_compared_with_as_many_requests():
    pairs = pd.read_csv(PAIRS_TABLE)
    gains, missed = (evidence.accuracy_gains_over_confidence(share) for share in (0.0, 0.25))
    assert list(gains) == list(bounds_by_claim("11_deployment")["more-accuracy-from-the-same-servers"])
    for client, found in gains.items():
        accuracies = pairs[pairs.client == client].groupby("system").accuracy_at_80.mean()
        assert found.estimate == pytest.approx(accuracies["learning to help"] - accuracies["confidence"])
        assert missed[client].estimate == pytest.approx(0.75 * found.estimate)
        assert missed[client].high - missed[client].low == pytest.approx(0.75 * (found.high - found.low))


def test_the_time_saved_falls_from_the_slowest_board_to_the_fastest():
    found = evidence.time_saved_by_asking(2000)
    assert list(found) == list(boards())
    estimates = [item.estimate for item in found.values()]
    assert estimates == sorted(estimates, reverse=True)
    assert all(item.low < item.equivalence_low < item.equivalence_high < item.high for item in found.values())


def test_outages_cost_the_difference_of_server_and_client_on_what_is_missed():
    missed = {**MISSED, "LTE, outages": 0.5}
    found = evidence.accuracy_lost_to_outages(RUNS, COST_GRID[0.1], missed, data="abc")
    p = RUNS.predictions(COST_GRID[0.1])
    all_missed = np.mean([(q.m == q.y).mean() for q in p])
    assert found["LTE, outages"].estimate == pytest.approx(0.5 * (np.mean([accuracy(q) for q in p]) - all_missed))
    assert found["3G, outages"].estimate == 0


def test_a_wrong_training_is_compared_with_the_right_one_at_the_true_costs():
    found = evidence.losses_of_wrong_training(RUNS, DECIDING, COST_GRID, data="abc")
    assert {claim: list(cases) for claim, cases in found.items()} == {
        claim: list(bounds_by_claim("11_deployment")[claim]) for claim in found
    }
    costs = Costs(1.0, 0.3)
    losses = [np.mean([system_loss(p, costs=costs) for p in RUNS.predictions(COST_GRID[ce])]) for ce in (0.02, 0.3)]
    case = found["wrong-ce-raises-the-loss"]["trained for 0.02 instead of 0.3"]
    assert case.estimate == pytest.approx(losses[0] - losses[1])
    losses = [np.mean([system_loss(p, costs=costs) for p in DECIDING.tuned(COST_GRID[ce], costs=costs)])
              for ce in (0.02, 0.3)]  # fmt: skip
    decided = found["a-new-threshold-mends-a-wrong-ce"]["trained for 0.02 instead of 0.3"]
    assert decided.estimate == pytest.approx(losses[0] - losses[1]) != case.estimate


def test_the_service_is_compared_case_by_case():
    found = evidence.simulated_over_measured(tables.service_validation_table())
    assert list(found) == list(bounds_by_claim("11_deployment")["simulator-matches-the-service"])
    assert all(item.low <= item.estimate <= item.high and item.n > 500 for item in found.values())
