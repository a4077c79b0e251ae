"""Thresholds: the smallest loss, and the guarantee of a budget by exact counts and by simulation."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.samples import columns, costs, many, predictions
from hypothesis import given
from hypothesis import strategies as st
from oracles import evaluation, theory

from l2h.evaluation.metrics import coverage
from l2h.evaluation.thresholds import (
    budget_threshold,
    min_loss_threshold,
    tables_tuned_on_validation,
    threshold_between,
    tuned_on_validation,
    with_threshold,
)
from l2h.problem import Costs, Predictions, asks


@given(
    st.lists(st.integers(-3, 3).map(lambda k: k / 3), min_size=1, max_size=30),
    st.sampled_from([0.1, 0.3, 0.7]),
    st.sampled_from([0.6, 0.9]),
)
def test_the_threshold_is_the_largest_that_the_binomial_law_lets_pass(r, budget, confidence):
    controlled = budget_threshold(np.array(r), budget=budget, confidence=confidence)
    assert (controlled.budget, controlled.confidence) == (budget, confidence)
    expected = evaluation.budget_threshold(r, budget, 1 - confidence)
    if expected is None:
        assert controlled.threshold < min(r) and controlled.offload_rate == 0
    else:
        assert controlled.threshold == expected
        assert controlled.offload_rate == pytest.approx(np.mean(np.array(r) <= controlled.threshold))


def test_hundreds_of_candidates_cost_nothing():
    r = np.random.default_rng(0).normal(size=500)
    for budget in (0.05, 0.2, 0.5):
        assert budget_threshold(r, budget=budget).threshold == evaluation.budget_threshold(r.tolist(), budget, 0.05)


@pytest.mark.parametrize(("n", "budget"), [(200, 0.1), (200, 0.4), (1000, 0.2)])
def test_the_guarantee_holds(n, budget):
    """Uniform scores: the offload rate of a threshold t is t. It may exceed the budget in 10 % of the draws at most."""
    generator, draws = np.random.default_rng(1), 1000
    rates = np.array(
        [budget_threshold(generator.random(n), budget=budget, confidence=0.9).threshold for _ in range(draws)]
    )
    broken = (rates > budget).sum()
    assert broken <= 132  # P(Bin(1000, 0.1) > 132) < 0.001
    assert broken >= 40  # and the budget is used: the promise is not kept by sending next to nothing


def test_a_threshold_without_a_margin_exceeds_the_budget_half_of_the_time():
    generator = np.random.default_rng(2)
    rates = np.array([np.quantile(generator.random(200), 0.2) for _ in range(400)])
    assert (rates > 0.2).sum() > 150


def test_with_too_few_scores_only_a_threshold_that_sends_nothing_has_a_guarantee():
    """With three scores no threshold can be sure of a budget of a tenth, wherever the scores lie."""
    controlled = budget_threshold(np.array([-5.0, 0.0, 5.0]), budget=0.1)
    assert controlled.offload_rate == 0
    p = Predictions(m=np.ones(2), r=np.array([-1e9, 0.0]), e=np.ones(2), y=np.ones(2))
    assert coverage(with_threshold(p, controlled.threshold)) == 1


def test_only_the_order_of_the_scores_counts():
    r = np.random.default_rng(3).normal(size=300)
    first, second = (budget_threshold(scores, budget=0.3) for scores in (r, np.exp(r)))
    assert first.offload_rate == second.offload_rate and np.exp(first.threshold) == pytest.approx(second.threshold)


@pytest.mark.parametrize(
    ("r", "options", "message"),
    [
        ([], {"budget": 0.1}, "examples >= 1, got 0"),
        ([[1.0]], {"budget": 0.1}, "expected r of shape"),
        ([np.nan], {"budget": 0.1}, "expected finite r"),
        ([1.0], {"budget": 0.0}, "budget > 0, got 0.0"),
        ([1.0], {"budget": 1.0}, "1 - budget > 0, got 0.0"),
        ([1.0], {"budget": 0.1, "confidence": 1.0}, "1 - confidence > 0"),
    ],
)
def test_bad_requests_are_refused(r, options, message):
    with pytest.raises(ValueError, match=message):
        budget_threshold(np.array(r), **options)


@given(p=predictions(), **costs)
def test_no_threshold_loses_less_than_the_chosen_one(p, c1, ce):
    threshold = min_loss_threshold(p, costs=Costs(c1=c1, ce=ce))
    chosen = theory.loss_above(*columns(p), threshold, c1, ce)
    for other in [*p.r, min(p.r) - 1]:
        assert chosen <= theory.loss_above(*columns(p), other, c1, ce) + 1e-9


def answered(r, client_is_right, server_is_right=(True, True, True)):
    """Predictions on three examples of the class +1."""
    m, e = (np.where(right, 1, -1) for right in (client_is_right, server_is_right))
    return Predictions(m=m, r=np.array(r), e=e.astype(float), y=np.ones(3, int))


def test_thresholds_of_the_smallest_validation_loss_are_subtracted_seed_by_seed():
    validation = [answered([2.0, 1.0, 0.0], [True, False, False]), answered([4.0, 3.0, 2.0], [True, True, False])]
    test = [answered([3.0, 1.0, 0.5], [True, True, True]), answered([2.5, 2.0, 3.5], [False, False, False])]
    first, second = tuned_on_validation(validation, test, costs=Costs(c1=1.0, ce=0.25))
    # kept from 2 on the loss is (0 + 1/4 + 1/4)/3, kept from 3 on (0 + 0 + 1/4)/3: the thresholds are 1 and 2
    assert first.r.tolist() == [2.0, 0.0, -0.5] and second.r.tolist() == [0.5, 0.0, 1.5]
    assert [p.m.tolist() for p in (first, second)] == [[1, 1, 1], [-1, -1, -1]]
    first, second = tuned_on_validation(validation, test, costs=Costs(c1=1.0, ce=2.0))  # more than any error
    assert (first.r > 0).all() and (second.r > 0).all()
    for fewer, others in ((validation[:1], test), (validation, test[:1])):
        with pytest.raises(ValueError, match="zip"):
            tuned_on_validation(fewer, others, costs=Costs())


def test_all_tables_of_a_system_have_the_threshold_of_its_validation_table():
    tables = {
        "drifted": answered([1.0, 2.0, 3.0], [False, False, True]),
        "validation": answered([2.0, 1.0, 0.0], [True, False, False]),
    }
    tuned = tables_tuned_on_validation(tables, costs=Costs(c1=1.0, ce=0.25))
    assert {name: p.r.tolist() for name, p in tuned.items()} == {
        "drifted": [0.0, 1.0, 2.0],
        "validation": [1.0, 0.0, -1.0],
    }
    kept = tables_tuned_on_validation(tables, costs=Costs(c1=1.0, ce=2.0))  # asking costs more than any error
    assert all((p.r > 0).all() for p in kept.values())
    with pytest.raises(KeyError, match="validation"):
        tables_tuned_on_validation({"drifted": tables["drifted"]}, costs=Costs())


def test_of_equal_losses_the_one_that_asks_least_is_chosen():
    p = Predictions(m=np.ones(3), r=np.array([1.0, 2.0, 3.0]), e=np.ones(3), y=np.ones(3))
    assert coverage(with_threshold(p, min_loss_threshold(p, costs=Costs(c1=1, ce=0)))) == 1


def test_thresholds_survive_a_device_that_computes_in_single_precision():
    p = many(5000)
    on_device = p.r.astype(np.float32)
    exact = replace(p, r=on_device.astype(float))
    for ce in np.linspace(0, 0.5, 21):
        threshold = min_loss_threshold(exact, costs=Costs(c1=1.0, ce=ce))
        assert np.array_equal(on_device - np.float32(threshold) > 0, exact.r > threshold)


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=20), st.integers(0, 19))
def test_a_threshold_between_scores_decides_as_that_at_a_score(values, index):
    r = np.array(values, np.float64) / 8
    threshold = r[index % len(r)]
    between = threshold_between(r, threshold)
    assert float(np.float32(between)) == between
    np.testing.assert_array_equal(asks(r - between), asks(r - threshold))
    assert abs(r - between).min() >= (0.9e-4 if asks(r - threshold).all() else 1 / 16)


def test_a_threshold_that_never_asks_stays_one():
    assert not asks(np.zeros(1, np.float32) - np.float32(threshold_between(np.zeros(3), -1e300))).any()
    with pytest.raises(ValueError, match="between the scores"):
        threshold_between(np.array([1.0, 1.0 + 1e-12]), 1.0)


def test_a_threshold_between_neighbours_of_float32_is_the_lower_one():
    r = np.array([1.0, np.nextafter(np.float32(1), np.float32(2))], np.float32)
    assert threshold_between(r, 1.0) == 1.0
    largest = float(np.finfo(np.float32).max)
    assert threshold_between(np.array([0.0, largest], np.float32), largest) == largest
