"""The computations of the chapter on Bayes rules, against rules written out and against known values."""

import numpy as np
import pytest

from companion.chapters.ch02_bayes import analysis
from l2h.evaluation.intervals import Interval
from l2h.problem import Costs
from l2h.theory.distributions import DISTRIBUTIONS


def test_the_table_names_the_actions_that_are_ever_better():
    table = analysis.optimal_actions_table([Costs(1, 0), Costs(2, 0), Costs(0, 0), Costs(1, 1)])
    assert table.loc["c1 = 1, ce = 0"].to_dict() == {
        "deterministic": "ask",
        "independent": "ask",
        "free": "ask and keep",
    }
    assert table.loc["c1 = 2, ce = 0", "deterministic"] == "ask and keep"
    assert set(table.loc["c1 = 0, ce = 0"]) == {"ask"}
    assert set(table.loc["c1 = 1, ce = 1"]) == {"keep"}


def test_offload_rates_fall_with_the_cost_of_asking():
    rates = analysis.offload_rates([Costs(1.0, ce) for ce in (0.0, 0.1, 0.5)])
    assert list(rates) == ["T1", "T3", "T4"]
    for rate in rates.values():
        assert (np.diff(rate) <= 1e-6).all() and 0 <= min(rate) <= max(rate) <= 1 + 1e-9


@pytest.mark.parametrize("name", ["gaussians", "atoms"])
def test_the_bayes_system_has_the_lowest_curve_and_its_gain_is_the_difference(name):
    curves = analysis.risk_curves(DISTRIBUTIONS[name], np.array([0.05, 0.15]))
    better = np.minimum(curves["client only"], curves["server only"])
    np.testing.assert_array_equal(curves["always the better of the two"], better)
    assert (curves["Bayes system"] <= better + 1e-9).all()
    gain = analysis.gain_over_constant_decisions(DISTRIBUTIONS[name], ce=0.15)
    assert gain == pytest.approx((better - curves["Bayes system"])[1])


def test_a_threshold_suffices_on_the_free_client_only_at_larger_costs():
    excess = [analysis.best_threshold_excess_risk(DISTRIBUTIONS["logistic"], Costs(1.0, ce)) for ce in (0.01, 0.15)]
    assert excess[0] > 1e-6 > abs(excess[1])


def test_every_rule_is_compared(monkeypatch):
    assert analysis.compare_all_rules(4, 3) == ({"deterministic": 54, "independent": 27, "free": 27}, 0)
    monkeypatch.setattr(analysis.brute_force, "bayes_decision_rule", lambda atoms, **costs: ("keep",) * len(atoms))
    assert analysis.compare_all_rules(4, 3)[1] > 0


def test_simulations_meet_the_computed_risks():
    differences = analysis.simulation_differences(2000, level=0.9999)
    assert len(differences) == 12 and "T4: c1 = 0.5, ce = 0.1" in differences
    assert all(interval.low < 0 < interval.high for interval in differences.values())


def test_the_z_score_is_that_of_the_farthest_difference():
    near, far = Interval(0.1, -1.86, 2.06), Interval(-1.0, -2.96, 0.96)
    assert analysis.max_z_score([near, far], level=0.95) == pytest.approx(1.0, abs=1e-4)
