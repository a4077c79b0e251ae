"""The solutions of the assignments, which need no `l2h`, against the functions of the book."""

from itertools import product

import numpy as np
import pytest
import torch

from companion.claims.verdicts import interval_verdict
from l2h.drift import experts
from l2h.drift.experts import FixedShareConfig
from l2h.drift.policies import ask_probability
from l2h.evaluation import metrics
from l2h.evaluation.intervals import Interval, t_interval
from l2h.losses.surrogate import surrogate_loss
from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import Costs, Predictions, asks, server_label
from l2h.theory import bayes, calibration, conditional_risk, generalization, rademacher

ALL_COSTS = [Costs(1.0, 0.15), Costs(0.5, 0.1), Costs(2.0, 0.4), Costs(0.3, 1.2)]


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def drawn_predictions(generator):
    m, y = generator.choice([-1, 1], (2, 50))
    r, e = generator.normal(size=(2, 50)).round()  # with ties
    return Predictions(m=m, r=r, e=e, y=y)


@pytest.mark.parametrize("costs", ALL_COSTS)
def test_the_loss(solutions, generator, costs):
    env, p = solutions["01_loss"], drawn_predictions(generator)
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
def test_the_bayes_rules(solutions, generator, costs):
    env, (eta, p) = solutions["02_bayes"], generator.random((2, 50))
    mu, mass = bayes.server_error(eta), generator.dirichlet(np.ones(50))
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
def test_the_calibration(solutions, generator, costs):
    env, (eta, p), beta = solutions["03_calibration"], generator.random((2, 50)), 1.5
    mu, predictions, given = bayes.server_error(eta), drawn_predictions(generator), (costs.c1, costs.ce)
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
def test_the_bound(solutions, generator, costs):
    env, n, delta = solutions["04_bound"], 200, 0.05
    stated = generalization.theorem1_stated(0.1, 0.2, costs=costs, n=n, delta=delta).total
    assert env["stated_penalty"](0.1, 0.2, costs.c1, costs.ce, n, delta) == pytest.approx(stated)
    needed = env["samples_needed"](costs.c1, costs.ce, delta, 0.3)
    deviations = generalization.theorem1_corrected(
        0, 0, costs=costs, n=np.array([needed - 1, needed]), delta=delta
    ).deviation
    assert deviations[0] > 0.3 >= deviations[1]
    assert env["critical_cost"](delta) == pytest.approx(generalization.critical_cost(delta))
    p = drawn_predictions(generator)
    losses = generalized_zero_one_loss(p.r, p.e, p.m, p.y, costs=costs)
    assert losses.max() == pytest.approx(env["largest_loss"](costs.c1, costs.ce))
    values = generator.choice([-1, 1], (4, 6))
    assert env["rademacher"](values) == pytest.approx(rademacher.exact_finite_complexity(values).value)


def test_the_counterexample(solutions, generator):
    failures = (generator.binomial(200, 0.5, 40_000) / 200 < 0.5 - 0.05).mean()
    assert solutions["04_bound"]["failure_probability"](200, 0.05) == pytest.approx(failures, abs=0.01)


def test_the_intervals(solutions, generator):
    env, (a, b) = solutions["05_intervals"], generator.random((2, 8))
    interval = t_interval(a - b, level=0.9)
    np.testing.assert_allclose(env["paired_interval"](a, b, 0.9), [interval.estimate, interval.low, interval.high])
    for low, high in np.sort(generator.normal(0.02, 0.05, (200, 2))):
        interval = Interval(0, low, high)
        better = interval_verdict(interval, above=0)
        small = interval_verdict(interval, above=-0.05, below=0.05) == "reproduced"
        expected = {"reproduced": 1, "not reproduced": -1}.get(better, 0 if small else 2)
        assert env["verdict"](low, high, 0.05) == expected
    assert env["level_of_each"](0.95, 5) == pytest.approx(0.99)


def test_the_smallest_number_of_seeds(solutions):
    def half_width(n):
        values = np.resize([-1.0, 1.0], n)
        interval = t_interval(0.05 * values / np.std(values, ddof=1))
        return (interval.high - interval.low) / 2

    needed = solutions["05_intervals"]["seeds_needed"](0.05, half_width(20) * (1 + 1e-9), 0.95)
    assert needed == 20 and half_width(19) > half_width(20)


def test_the_experiment_has_the_result_that_its_model_answer_states(solutions):
    env = solutions["05_intervals"]
    gains = np.array([env["confidence_gain"](seed, 0.2) for seed in range(10)])
    _, low, high = env["paired_interval"](gains, np.zeros(10), 0.95)
    assert env["verdict"](low, high, 0.01) == 1


def test_the_gain_is_that_over_the_average_of_random_queries(solutions, generator):
    env = solutions["05_intervals"]
    m, confidence, label, y = env["experiment"](3)
    by_confidence = np.mean(np.where(env["least_confident"](confidence, 0.2), label, m) == y)
    draws = [np.where(generator.permutation(400) < 80, label, m) == y for _ in range(4000)]
    assert env["confidence_gain"](3, 0.2) == pytest.approx(by_confidence - np.mean(draws), abs=0.001)


def test_the_policy(solutions, generator):
    env, r = solutions["06_drift"], generator.normal(size=50)
    threshold = env["threshold"](r, 0.3)
    assert (r <= threshold).sum() == 15
    np.testing.assert_array_equal(env["ask_probability"](r, threshold, 0.1), ask_probability(r, threshold, 0.1))
    asked = generator.random(50) < 0.5
    np.testing.assert_allclose(env["window_rates"](asked, 7), metrics.window_means(asked, 7))


def test_the_estimate_is_unbiased(solutions, generator):
    """Its mean over all sets of asked inputs, each with its probability, is the error rate."""
    wrong, propensity = generator.random(8) < 0.4, generator.uniform(0.1, 1, 8)
    sets = [np.array(asked) for asked in product([False, True], repeat=8)]
    estimates = [solutions["06_drift"]["client_error_rate"](asked, wrong, propensity) for asked in sets]
    probabilities = [np.prod(np.where(asked, propensity, 1 - propensity)) for asked in sets]
    assert np.dot(probabilities, estimates) == pytest.approx(np.mean(wrong))


def test_the_experts(solutions, generator):
    """The weights are those of a fixed share that is 0, and the regret is within the bound for exponential weights."""
    env, losses = solutions["06_drift"], generator.random((60, 4))
    used = env["weights"](losses, 0.5)
    settings = FixedShareConfig(eta=0.5, gamma=1.0, sigma=0.0, batch=1, delay=0)
    np.testing.assert_allclose(used, experts._undelayed_weights(losses, settings))
    regret = env["regret"](losses, used)
    assert regret == pytest.approx(max(np.sum(losses * used) - losses[:, j].sum() for j in range(4)))
    assert regret <= np.log(4) / 0.5 + 0.5 * len(losses) / 8
