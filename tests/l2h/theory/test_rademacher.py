"""Complexities by enumeration and by Monte Carlo; the certified half-width keeps its promise."""

import time

import hypothesis.extra.numpy as numpy_strategies
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import theory

from l2h.theory.rademacher import (
    exact_finite_complexity,
    finite_family,
    linear_family,
    monte_carlo_complexity,
    stump_family,
    threshold_family,
)
from l2h.theory.rademacher_exact import distinct_threshold_complexity, exact_threshold_complexity

labels = numpy_strategies.arrays(
    int, st.tuples(st.integers(1, 5), st.integers(1, 8)), elements=st.sampled_from([-1, 1])
)


@given(predictions=labels)
def test_a_finite_family_is_enumerated_without_error(predictions):
    estimate = exact_finite_complexity(predictions)
    assert estimate.value == pytest.approx(theory.rademacher(predictions.tolist()), abs=1e-15)
    assert estimate.half_width == 0
    size = len(np.unique(predictions, axis=0))
    massart_bound = (2 * np.log(size) / predictions.shape[1]) ** 0.5
    assert estimate.value <= massart_bound + 1e-15


def test_real_values_are_enumerated_up_to_rounding():
    values = np.random.default_rng(0).normal(size=(4, 9))
    estimate = exact_finite_complexity(values)
    assert abs(estimate.value - theory.rademacher(values.tolist())) <= estimate.half_width < 1e-12


def test_twenty_two_points_are_enumerated():
    x = np.arange(22)
    assert exact_finite_complexity(theory.threshold_functions(list(x), False)).value == pytest.approx(
        distinct_threshold_complexity(22).value
    )


def test_scores_shrink_the_complexity_but_not_the_decisions():
    values = np.random.default_rng(1).normal(size=(3, 7))
    assert exact_finite_complexity(0.001 * values).value == pytest.approx(0.001 * exact_finite_complexity(values).value)


@settings(max_examples=20)
@given(x=st.lists(st.integers(0, 9), min_size=2, max_size=40), seed=st.integers(0, 99))
def test_monte_carlo_is_within_its_half_width(x, seed):
    for two_sided in (False, True):
        estimate = monte_carlo_complexity(
            threshold_family(x, two_sided=two_sided), n_samples=400, delta=1e-6, seed=seed
        )
        assert abs(estimate.value - exact_threshold_complexity(x, two_sided=two_sided).value) <= estimate.half_width


def test_the_half_width_fails_less_often_than_delta():
    family, exact = threshold_family(np.arange(50)), distinct_threshold_complexity(50).value
    estimates = [monte_carlo_complexity(family, n_samples=20, delta=0.2, seed=seed) for seed in range(300)]
    misses = sum(abs(estimate.value - exact) > estimate.half_width for estimate in estimates)
    assert misses <= 0.2 * 300
    assert estimates[0].half_width == pytest.approx((2 * np.log(2 / 0.2) / (50 * 20)) ** 0.5)


def test_batches_do_not_change_the_count_of_draws(monkeypatch):
    family = threshold_family(np.arange(60))
    monkeypatch.setattr("l2h.theory.rademacher.MAX_SIGN_ELEMENTS", 150)  # two draws at a time
    estimate = monte_carlo_complexity(family, n_samples=401, delta=1e-6, seed=0)
    assert abs(estimate.value - distinct_threshold_complexity(60).value) <= estimate.half_width


def test_a_million_points_take_a_fifth_of_a_second_a_draw():
    family = threshold_family(np.random.default_rng(0).random(1_000_000))
    times = []
    for seed in range(3):
        start = time.process_time()
        monte_carlo_complexity(family, n_samples=1, delta=0.01, seed=seed)
        times.append(time.process_time() - start)
    assert min(times) < 0.2


def test_printed_value_of_the_stumps():
    x = np.random.default_rng(0).normal(size=(2000, 20))
    estimate = monte_carlo_complexity(stump_family(x), n_samples=500, delta=0.01, seed=0)
    assert round(estimate.half_width, 4) == 0.0033
    assert abs(estimate.value - 0.0684) <= 0.0033


def test_any_family_can_be_sampled():
    x = np.random.default_rng(0).normal(size=(12, 2))
    for family in (linear_family(x, norm=1), linear_family(x, norm=2, radius=3.0), finite_family(x.T)):
        estimate = monte_carlo_complexity(family, n_samples=2000, delta=1e-6, seed=0)
        signs = np.array(np.meshgrid(*[[-1, 1]] * 12)).reshape(12, -1).T
        assert abs(estimate.value - family.supremum(signs).mean() / 12) <= estimate.half_width


def test_doors():
    family = threshold_family([1.0, 2.0])
    with pytest.raises(ValueError, match="at most 22 points, got 23"):
        exact_finite_complexity(np.ones((1, 23)))
    with pytest.raises(ValueError, match="n_samples >= 1"):
        monte_carlo_complexity(family, n_samples=0, delta=0.1, seed=0)
    for delta in (0.0, 1.5):
        with pytest.raises(ValueError, match="expected"):
            monte_carlo_complexity(family, n_samples=1, delta=delta, seed=0)
