"""The solutions of the assignments, which need no `l2h`, against the functions of the book."""

import numpy as np
import pytest
import torch

from companion.teaching import build
from l2h.drift.policies import ask_probability
from l2h.evaluation import metrics
from l2h.evaluation.intervals import t_interval
from l2h.losses.surrogate import surrogate_loss
from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import Costs, Predictions, asks, server_label
from l2h.theory import bayes, calibration, conditional_risk, generalization

GENERATOR = np.random.default_rng(0)
ALL_COSTS = [Costs(1.0, 0.15), Costs(0.5, 0.1), Costs(2.0, 0.4), Costs(0.3, 1.2)]


@pytest.fixture(scope="module")
def solutions():
    return {name: build.solution_variables(build.read_master(name)) for name in build.assignment_names()}


def drawn_predictions():
    m, y = GENERATOR.choice([-1, 1], (2, 50))
    r, e = GENERATOR.normal(size=(2, 50)).round()  # with ties
    return Predictions(m=m, r=r, e=e, y=y)


@pytest.mark.parametrize("costs", ALL_COSTS)
def test_the_loss(solutions, costs):
    env, p = solutions["01_loss"], drawn_predictions()
    ask, label = env["asks"](p.r), env["server_labels"](p.e)
    assert (ask == asks(p.r)).all() and (label == server_label(p.e)).all()
    expected = generalized_zero_one_loss(p.r, p.e, p.m, p.y, costs=costs)
    np.testing.assert_allclose(env["loss"](ask, p.m, label, p.y, costs.c1, costs.ce), expected)
    rates = metrics.coverage(p), metrics.offload_rate(p), metrics.accuracy(p)
    np.testing.assert_allclose(env["rates"](ask, p.m, label, p.y), rates)
    gain = (metrics.accuracy(p) - np.mean(p.m == p.y)) / metrics.offload_rate(p)
    assert env["gain_per_query"](ask, p.m, label, p.y) == pytest.approx(gain)
    oracle = metrics.reference_losses(p, costs=costs).oracle
    assert env["oracle_loss"](p.m, label, p.y, costs.c1, costs.ce) == pytest.approx(oracle)


@pytest.mark.parametrize("costs", ALL_COSTS)
def test_the_bayes_rules(solutions, costs):
    env, (eta, p) = solutions["02_bayes"], GENERATOR.random((2, 50))
    mu, mass = bayes.server_error(eta), GENERATOR.dirichlet(np.ones(50))
    np.testing.assert_allclose(env["server_error"](eta), mu)
    score = bayes.bayes_rejector(mu, p, costs=costs)
    np.testing.assert_allclose(env["bayes_rejector"](mu, p, costs.c1, costs.ce), score)
    action = np.where(asks(score), server_label(bayes.bayes_server(eta)), 0)
    assert (env["bayes_action"](eta, p, costs.c1, costs.ce) == action).all()
    risk = np.sum(mass * bayes.pointwise_bayes_risk(mu, p, costs=costs))
    assert env["bayes_risk"](mass, eta, p, costs.c1, costs.ce) == pytest.approx(risk)
    assert env["ask_threshold"](costs.c1, costs.ce) == pytest.approx(bayes.ask_threshold(costs))
    assert env["keep_area"](costs.c1, costs.ce) == pytest.approx(bayes.region_areas(costs).keep)


@pytest.mark.parametrize("costs", ALL_COSTS[:3])
def test_the_calibration(solutions, costs):
    env, (eta, p), beta = solutions["03_calibration"], GENERATOR.random((2, 50)), 1.5
    mu, predictions, given = bayes.server_error(eta), drawn_predictions(), (costs.c1, costs.ce)
    arrays = [getattr(predictions, name) for name in "remy"]
    expected = surrogate_loss(*map(torch.as_tensor, arrays), costs=costs, alpha=0.7, beta=beta)
    np.testing.assert_allclose(env["surrogate"](*arrays, *given, 0.7, beta), expected)
    slope = conditional_risk.slope_at_zero(eta, p, costs=costs, alpha=0.7, beta=beta)
    np.testing.assert_allclose(env["slope_at_zero"](mu, p, *given, 0.7, beta), slope, atol=1e-12)
    alpha = env["alpha_from_mu"](mu, *given, beta)
    np.testing.assert_allclose(alpha, calibration.alpha_from_mu(mu, costs=costs, beta=beta))
    single = env["single_alpha"](bayes.ask_threshold(costs), *given, beta)
    assert single == pytest.approx(calibration.alpha_deterministic(costs=costs, beta=beta))
    assert env["wrong_decisions"](mu, p, *given, alpha, beta) == 0
    minimum = conditional_risk.minimiser(0.8, 0.4, costs=costs, alpha=0.7, beta=beta)
    assert env["best_server_score"](0.8, beta) == pytest.approx(minimum.e)


@pytest.mark.parametrize("costs", ALL_COSTS)
def test_the_bound(solutions, costs):
    env, n, delta = solutions["04_bound"], 200, 0.05
    stated = generalization.theorem1_stated(0.1, 0.2, costs=costs, n=n, delta=delta).total
    assert env["stated_penalty"](0.1, 0.2, costs.c1, costs.ce, n, delta) == pytest.approx(stated)
    needed = env["samples_needed"](costs.c1, costs.ce, delta, 0.3)
    deviations = generalization.theorem1_corrected(
        0, 0, costs=costs, n=np.array([needed - 1, needed]), delta=delta
    ).deviation
    assert deviations[0] > 0.3 >= deviations[1]
    assert env["critical_cost"](delta) == pytest.approx(generalization.critical_cost(delta))
    p = drawn_predictions()
    losses = generalized_zero_one_loss(p.r, p.e, p.m, p.y, costs=costs)
    assert losses.max() == pytest.approx(env["largest_loss"](costs.c1, costs.ce))
    failures = (GENERATOR.binomial(n, 0.5, 40_000) / n < 0.5 - 0.05).mean()
    assert env["failure_probability"](n, 0.05) == pytest.approx(failures, abs=0.01)


def test_the_intervals(solutions):
    env, (a, b) = solutions["05_intervals"], GENERATOR.random((2, 8))
    interval = t_interval(a - b, level=0.9)
    np.testing.assert_allclose(env["paired_interval"](a, b, 0.9), [interval.estimate, interval.low, interval.high])


def test_the_policy(solutions):
    env, r = solutions["06_drift"], GENERATOR.normal(size=50)
    threshold = env["threshold"](r, 0.3)
    assert (r <= threshold).sum() == 15
    np.testing.assert_array_equal(env["ask_probability"](r, threshold, 0.1), ask_probability(r, threshold, 0.1))
    asked = GENERATOR.random(50) < 0.5
    np.testing.assert_allclose(env["window_rates"](asked, 7), metrics.window_means(asked, 7))
