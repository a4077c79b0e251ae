"""The computations of the chapter on the bound, against the functions that they combine."""

import numpy as np
import pytest
import torch

from companion.chapters.ch03_bound import analysis
from companion.chapters.ch03_bound.generalization_gap import FAMILIES, Setting
from companion.chapters.ch03_bound.violation_rates import ViolationRate, exact_violation_probability
from l2h.data.dataset import load_dataset
from l2h.evaluation.intervals import z_interval
from l2h.problem import Costs
from l2h.theory.distributions import DISTRIBUTIONS

PAIRS = {"large": Costs(1.0, 0.15), "small": Costs(0.05, 0.05)}


@pytest.mark.parametrize("family", ["two-sided thresholds", "linear ball"])
def test_gaps_lie_below_the_penalties_and_both_fall(family):
    sizes = np.array([20, 80])
    curves = analysis.gap_curves(
        family, costs=PAIRS["large"], delta=0.05, sizes=sizes, n_samples=30, generator=np.random.default_rng(0)
    )
    assert list(curves.measured) == [analysis.MEAN_GAP, analysis.QUANTILE_GAP]
    assert list(curves.penalties) == (["margin"] if family == "linear ball" else ["stated", "corrected", "expected"])
    low, high = curves.spread
    assert (low <= curves.measured[analysis.MEAN_GAP]).all()
    np.testing.assert_array_equal(high, curves.measured[analysis.QUANTILE_GAP])
    assert all((penalty > high).all() for penalty in curves.penalties.values())
    slopes = curves.slopes(sizes)
    assert set(slopes) <= set(analysis.CURVES) and all(-0.8 < slope < -0.2 for slope in slopes.values())


def test_the_table_holds_every_family_and_the_exact_probability_of_one_pair():
    rates = analysis.rates_by_family(PAIRS, n_samples=20)
    table = analysis.violation_table(rates, PAIRS)
    assert len(table) == 2 * (len(FAMILIES) + 1)
    exact = exact_violation_probability(Setting("constant", PAIRS["small"], n=100, delta=0.05))
    assert table.loc[("small", "one pair, exact"), "stated"] == exact
    assert table.loc[("large", "linear ball"), "upper end"] == rates["large", "linear ball"]["margin"].high


def test_the_worst_rate_is_that_of_the_largest_upper_limit():
    low, high = ViolationRate(0.1, 0.0, 0.2, 10), ViolationRate(0.1, 0.05, 0.3, 10)
    rates = {("a", "x"): {"stated": low}, ("b", "x"): {"stated": high}, ("b", "y"): {"stated": low._replace(high=1.0)}}
    worst = analysis.worst_rate(rates, ["x"], "stated")
    assert (worst.estimate, worst.low, worst.high, worst.n) == (0.1, 0.05, 0.3, 10)


def test_the_stated_form_fails_in_every_counterexample():
    table = analysis.counterexample_table()
    assert (table["stated fails"] > table["allowed"]).all() and (table["corrected fails"] <= table["allowed"]).all()


def test_one_pair_fails_at_small_costs_only():
    curve = analysis.single_pair_violations(np.array([0.05, 0.4]), [100])["n = 100"]
    assert curve[0] > 0.05 > curve[1]


def test_the_search_finds_no_violation_with_one_pair():
    row, excess = analysis.search_violations("constant")
    assert row["cases"] == len(analysis.MIDDLE_GRID) and row["failures"] == 0
    assert excess <= 0 and 0 < row["most of delta"] < 1


def test_constructed_weights_realise_random_labels_of_images():
    images = analysis.training_images(load_dataset(source="digits"), limit=40)
    assert images.shape == (40, 3, 32, 32) and images.dtype == torch.float64 and images.abs().max() <= 1
    labels = np.random.default_rng(0).choice([-1, 1], 40)
    assert analysis.realised_share(images, labels, units=120, seed=0) == 1


def test_the_excess_of_the_empirical_minimiser_levels_off_at_the_approximation_error():
    gaussians, costs = DISTRIBUTIONS["gaussians"], Costs(1.0, 0.15)
    risks, empirical = analysis.empirical_minimisers(gaussians, [100, 30_000], n_samples=3, costs=costs)
    floor = analysis.approximation_error(gaussians, costs=costs)
    excess, gap = risks - gaussians.bayes_risk(costs), risks - empirical
    assert (excess >= floor - 1e-3).all() and excess[1].mean() == pytest.approx(floor, abs=0.01)
    assert abs(gap[1]).max() < 0.01
    band = analysis.z_bands(excess)
    assert tuple(limit[0] for limit in band) == tuple(z_interval(excess[0]))


def test_the_penalty_falls_as_one_over_root_n():
    assert analysis.penalty_slope(np.array([100, 10_000]), two_sided=True) == pytest.approx(-0.5, abs=0.02)
