"""Simulated scores, reference losses and budgets against direct computations."""

import numpy as np
import pytest
from scipy.stats import binom

from companion.chapters.choosing.analysis import (
    VALIDATION_SIZE,
    budget_row,
    independent_reference_losses,
    percentile_ranges,
    possible_gain,
    simulate_budgets,
    simulated_scores,
    threshold_row,
    violation_evidence,
    violations,
)
from l2h.problem import Costs

SCORES = simulated_scores(4000, np.random.default_rng(0))


def test_simulated_systems_err_as_they_should():
    assert (SCORES.m != SCORES.y).mean() == pytest.approx(0.2, abs=0.03)
    assert ((SCORES.e >= 0) != (SCORES.y > 0)).mean() == pytest.approx(0.06, abs=0.02)
    asked = SCORES.r <= 0
    assert (SCORES.m != SCORES.y)[asked].mean() > (SCORES.m != SCORES.y)[~asked].mean()


def test_the_possible_gain_is_largest_at_the_break_even():
    losses = independent_reference_losses([0.05, 0.14, 0.3], 0.2, 0.06)
    assert losses["always ask"].tolist() == pytest.approx([0.11, 0.2, 0.36])
    assert possible_gain(losses).argmax() == 1


def test_rows_are_at_the_threshold():
    row = threshold_row(SCORES, 0.2, Costs(c1=1.0, ce=0.1))
    kept = SCORES.r > 0.2
    right = np.where(kept, SCORES.m == SCORES.y, (SCORES.e >= 0) == (SCORES.y > 0))
    assert row["offload rate, new images"] == pytest.approx((~kept).mean())
    assert row["accuracy"] == pytest.approx(right.mean())
    assert row["loss"] == pytest.approx(1 - right.mean() + 0.1 * (~kept).mean())
    assert row["never"] == pytest.approx((SCORES.m != SCORES.y).mean())
    assert budget_row(SCORES, SCORES, 0.2)["offload rate, validation images"] == pytest.approx((~kept).mean())


def test_a_guarantee_is_violated_as_often_as_the_binomial_distribution_says():
    budgets = (0.1, 0.5)
    rates = simulate_budgets(budgets, n_samples=400)
    counts = violations(rates, budgets)
    for budget in budgets:
        largest = np.flatnonzero(binom.cdf(np.arange(VALIDATION_SIZE + 1), VALIDATION_SIZE, budget) <= 0.05)[-1]
        # the threshold exceeds the budget if at most `largest` scores lie at or below it
        assert counts.loc[budget, "with a guarantee"] / 400 <= binom.cdf(largest, VALIDATION_SIZE, budget) + 0.03
        assert counts.loc[budget, "no margin"] / 400 == pytest.approx(0.5, abs=0.1)
    low, middle, high = percentile_ranges(rates)["no margin"]
    assert (low < middle).all() and (middle < high).all()


def test_evidence_on_violations_is_an_exact_interval():
    evidence = violation_evidence(3, 100)
    assert (evidence.estimate, evidence.n) == (0.03, 100)
    assert binom.sf(2, 100, evidence.low) == pytest.approx(0.025)
    assert binom.cdf(3, 100, evidence.high) == pytest.approx(0.025)
