from fractions import Fraction

import numpy as np
import pytest

from companion.chapters.errata import analysis
from l2h.problem import Costs
from l2h.theory.calibration import alpha_from_p, alpha_released


def test_the_released_weight_loses_more_than_never_asking():
    risks = analysis.stage_weight_risks(Fraction(1), Fraction("0.2"))
    assert risks.loc["the best server"].tolist() == [0.165, 0.345, 0.225]
    assert risks.loc["a limited server"].tolist() == [0.075, 0.57, 0.135]


def test_without_an_error_of_the_server_counted_the_two_weights_agree():
    risks = analysis.stage_weight_risks(Fraction(0), Fraction("0.2"))
    assert (risks.released == risks.correct).all()


def test_the_constant_of_the_notebook_has_an_excess_risk_that_the_repaired_constant_has_not():
    released, repaired = analysis.constant_p_excess_risk(Costs(1.0, 0.18))
    assert released == pytest.approx(0.18 / 0.85 * 0.52)  # the second point is kept, asking saves 0.52
    assert repaired == pytest.approx(0, abs=1e-9)


def test_the_largest_regret_is_that_of_the_point_it_names():
    costs = Costs(1.0, 0.3)
    where = np.abs(analysis.P_GRID - 0.7) < 1e-9
    regret, point = analysis.largest_regret(alpha_released, costs, beta=1.0, where=where)
    assert point["p"] == 0.7 and regret >= 0.26 - 1e-9  # of item 5's example, mu = 0.14
    assert analysis.largest_regret(alpha_from_p, costs)[0] < analysis.NEGLIGIBLE


def test_the_released_formula_is_calibrated_at_two_only():
    table = analysis.released_beta_table(Costs(1.0, 0.3), (1.0, 2.0))
    assert table.released[1.0] > 0.1 and table.released[2.0] < analysis.NEGLIGIBLE
    assert table.repaired.max() < analysis.NEGLIGIBLE
    assert table.loc[2.0, "at"] == "–"


def test_the_clamped_formula_has_no_regret_where_the_released_one_has():
    table = analysis.released_domain_table()
    assert table.released["free client"] == pytest.approx(0.79)
    assert table["clamped, at worst"].max() < analysis.NEGLIGIBLE


def test_stage_switching_keeps_the_errors_of_the_client():
    risks = analysis.stage_switching_risks(Fraction("0.15"))
    assert float(risks["least error first"]) == pytest.approx(0.75 * 0.05 + 0.25 * 0.95)
    assert float(risks["least risk"]) == pytest.approx(0.75 * 0.05 + 0.25 * 0.2)


def test_the_excess_falls_with_the_fourth_power_for_alpha_of_p():
    table = analysis.least_excess_table(Costs(1.0, 0.15), (0.02, 0.01))
    exponents = np.log2(table.loc[0.02] / table.loc[0.01])
    assert exponents["alpha(p)"] == pytest.approx(4, abs=0.05)
    assert exponents["alpha(mu)"] == pytest.approx(2, abs=0.05)


def test_keeping_gains_ce_at_most():
    table = analysis.keep_gain_table((0.0, 0.15))
    assert table["largest gain of keeping"].tolist() == pytest.approx([0.0, 0.15])
    assert table["keeping ever strictly better"].tolist() == [False, True]


def test_only_alpha_for_any_scores_has_regret_with_bounded_scores():
    table = analysis.bounded_scores_table(Costs(1.0, 0.15))
    assert table.loc[("alpha(p)", "for any scores"), "largest regret"] > 0
    assert table.loc[("alpha(p)", "for bounded scores"), "largest regret"] == 0


def test_the_penalty_halves_with_four_times_the_examples():
    costs = Costs(1.0, 0.15)
    assert analysis.threshold_penalty(40_000, costs) / analysis.threshold_penalty(10_000, costs) == pytest.approx(
        0.5, abs=0.01
    )


def test_the_margin_bound_is_not_below_the_risk():
    assert analysis.margin_bound_at_sample(0.001, costs=Costs(1.0, 0.3), n=10_000, delta=0.05) >= 0.5


def test_the_released_formula_has_no_value_above_its_constant():
    assert analysis.missing_alphas() == (-0.81, 0.0)


def test_the_dropped_term_never_decides():
    assert analysis.dropped_term_excess((0.5, 1.0)) <= 0
