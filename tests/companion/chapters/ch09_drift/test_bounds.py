"""Bounds of chapter 09 for a changed distribution: risks, discrepancies, violation rates."""

import numpy as np
import pytest
from helpers.drift import toy_system
from helpers.samples import many
from hypothesis import given
from hypothesis import strategies as st
from oracles import theory
from scipy.stats import binom

from companion.chapters.ch09_drift import bounds
from l2h.evaluation import metrics, thresholds
from l2h.problem import Costs
from l2h.theory import generalization, rademacher
from l2h.theory.rademacher import threshold_family
from l2h.theory.rademacher_exact import distinct_threshold_complexity

COSTS = Costs(1.0, 0.2)


@given(st.integers(0, 1000), st.integers(1, 6))
def test_risks_are_the_losses_at_each_threshold(seed, n):
    p = many(n, seed=seed, levels=3)
    grid = np.array([-1.0, 0.0, 0.5])
    expected = [theory.generalized_zero_one(p.r - t, p.e, p.m, p.y, 1.0, 0.2).mean() for t in grid]
    np.testing.assert_allclose(bounds.risks_at_thresholds(p, grid, costs=COSTS), expected)


def test_the_risk_bound_is_the_corrected_theorem_for_thresholds():
    p = many(300, levels=20)
    complexity = rademacher.monte_carlo_complexity(threshold_family(p.r), n_samples=4000, delta=0.01, seed=0).value
    expected = 1.2 * complexity + 3 * 1.2 * np.sqrt(np.log(20) / 600)
    penalty = bounds.generalization_penalty(p, costs=COSTS, delta=0.05)
    assert penalty == pytest.approx(expected, abs=0.005)
    assert bounds.risk_bound(p, costs=COSTS, delta=0.05) == metrics.system_loss(p, costs=COSTS) + penalty


def test_discrepancies_are_zero_without_a_shift_and_cover_one():
    before, after = many(500, seed=1), many(500, seed=2, client=0.4)
    grid = thresholds.threshold_grid(before.r, 9)
    same = bounds.measure_discrepancies(before, before, grid, costs=COSTS)
    assert same.labelled == same.label_free == 0
    assert same.joint_error == pytest.approx(2 * (1 - metrics.client_server_correctness(before)[1].mean()))
    apart = bounds.measure_discrepancies(before, after, grid, costs=COSTS)
    gap = bounds.risks_at_thresholds(after, grid, costs=COSTS) - bounds.risks_at_thresholds(before, grid, costs=COSTS)
    assert apart.labelled == pytest.approx(gap.max()) and apart.labelled > 0.1
    assert apart.labelled <= apart.label_free + apart.joint_error + 1e-12


def test_gaps_are_those_of_the_samples_drawn():
    p, grid = many(200), np.array([-0.5, 0.5])
    losses, weights = bounds.losses_at_thresholds(p, grid, costs=COSTS), np.linspace(0, 2, 200)
    np.testing.assert_allclose(losses.mean(axis=1), bounds.risks_at_thresholds(p, grid, costs=COSTS))
    target = np.array([0.4, 0.3])
    gaps = bounds.worst_generalization_gaps(losses, target, weights=weights, sample_size=50, n_samples=3, seed=5)
    samples = np.random.default_rng(5).integers(200, size=(3, 50))
    expected = [max(target[k] - (weights[s] * losses[k][s]).sum() / 50 for k in (0, 1)) for s in samples]
    np.testing.assert_allclose(gaps, expected)


def test_under_shift_no_bound_lies_below_the_loss():
    tables = [many(400, seed=1), many(400, seed=2, client=0.5), many(400, seed=3, client=0.5, server=0.6)]
    grid = np.append(thresholds.threshold_grid(tables[0].r, 9), 0.0)
    for costs in (COSTS, Costs(1.6, 0.1)):
        found = bounds.losses_under_shift(tables, np.sort(grid), costs=costs)
        assert found.loss.tolist() == [metrics.system_loss(p, costs=costs) for p in tables]
        assert (found.loss <= found.loss[0] + found.labelled + 1e-12).all() and found.labelled[0] == 0
        assert (found.loss <= found.loss[0] + found.label_free + 1e-12).all()


@pytest.mark.parametrize("fails", [0, 3, 40])
def test_a_violation_rate_has_exact_limits(fails):
    gaps = np.append(np.ones(fails), np.zeros(40 - fails))
    found = bounds.check_bound(gaps, penalty=0.5, delta=0.1)
    assert found.violation_rate.estimate == fails / 40 and found.penalty == 0.5
    assert fails == found.violation_rate.low == 0 or binom.sf(fails - 1, 40, found.violation_rate.low) == pytest.approx(
        0.025
    )
    assert fails == 40 or binom.cdf(fails, 40, found.violation_rate.high) == pytest.approx(0.025)
    assert found.required_penalty == (0.0 if fails <= 4 else 1.0)


def test_the_loss_under_label_shifts_is_a_line_and_needs_both_labels():
    assert bounds.max_nonlinearity(many(300), costs=COSTS) < 1e-12
    with pytest.raises(ValueError, match="p lacks"):
        bounds.max_nonlinearity(many(5, y=np.ones(5, dtype=int)), costs=COSTS)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: bounds.worst_generalization_gaps(
                np.ones((2, 3)), np.ones(2), weights=np.ones(4), sample_size=1, n_samples=1, seed=0
            ),
            "shape",
        ),
        (
            lambda: bounds.worst_generalization_gaps(
                np.ones((2, 3)), np.ones(2), weights=np.ones(3), sample_size=0, n_samples=1, seed=0
            ),
            "sample_size",
        ),
        (lambda: bounds.check_bound(np.ones(0), penalty=1.0, delta=0.1), "n_samples"),
        (lambda: bounds.check_bound(np.ones(1), penalty=1.0, delta=1.5), "delta"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_shift_bounds_are_checked_on_the_same_samples_each_with_its_penalty():
    system = toy_system()
    options = {"positive_share": 0.82, "costs": COSTS, "sample_size": 50, "n_samples": 40}
    found = bounds.check_shift_bounds(system.tables, system.thresholds, changed="fog 4", **options)
    complexity = distinct_threshold_complexity(50).value
    iid = generalization.theorem1_corrected(complexity, 0.0, costs=COSTS, n=50, delta=0.05).total
    tables = [system.tables["clean"], system.tables["fog 4"]]
    distance = bounds.losses_under_shift(tables, system.thresholds, costs=COSTS)
    assert found["fog, no added term"].penalty == iid
    assert found["discrepancy"].penalty == pytest.approx(iid + distance.labelled[1])
    assert found["label-free"].penalty == pytest.approx(iid + distance.label_free[1])
    assert found["discrepancy"].required_penalty == found["fog, no added term"].required_penalty
    assert found["importance weights"].penalty > found["label shift, no weights"].penalty
    share = (tables[0].y == 1).mean()
    assert found["importance weights"].penalty == pytest.approx(
        generalization.importance_weighted_penalty(
            [1 - share, share], [0.18, 0.82], costs=COSTS, n_pairs=len(system.thresholds), n=50, delta=0.05
        )
    )
