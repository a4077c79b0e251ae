"""The computations of the chapter on the surrogate, against the propositions that they illustrate."""

import numpy as np
import pytest

from companion.chapters.ch04_surrogate import analysis
from l2h.evaluation.intervals import pointwise_t_intervals
from l2h.problem import Costs
from l2h.theory.bayes import ask_threshold
from l2h.theory.distributions import DISTRIBUTIONS, gaussians

COSTS = Costs(1.0, 0.15)


def test_the_surrogate_lies_above_the_loss_and_is_concave_beyond_the_marked_logit():
    scores, surrogate, zero_one = analysis.loss_surfaces(COSTS)
    assert surrogate.shape == zero_one.shape == (len(scores), len(scores))
    assert (surrogate >= zero_one).all()
    logits, losses, concave_from = analysis.logit_losses(COSTS)
    assert list(losses) == ["m ≠ y", "m = y"] and logits[0] < concave_from < logits[-1]


def test_both_calibrated_choices_ask_at_the_cost_and_the_constants_elsewhere():
    mu = np.linspace(0, 0.5, 11)
    calibrated, single, released = analysis.ask_boundaries(mu, COSTS).values()
    np.testing.assert_allclose(calibrated, mu + 0.15)
    assert np.abs(single - calibrated).max() > 0.01 < np.abs(released - calibrated).max()


def test_in_every_case_the_released_formula_decides_wrongly_or_ties():
    table = analysis.released_formula_table()
    assert (np.sign(table["F'(0)"].round(12)) != np.sign(table["p − T"])).all()
    assert (table["regret"][:-1] > 0).all() and table["regret"].iloc[-1] == 0


def test_the_released_constant_asks_too_seldom_at_the_largest_cost():
    table = analysis.released_constant_table([0.18], gaussians(t=0.42642))
    assert table.loc[0.18].round(4).to_dict()["asks above p"] == 0.8645
    assert table.loc[0.18, "worst excess, free"] >= table.loc[0.18, "worst excess, deterministic"] > 0.11
    assert round(analysis.two_point_example().loc["released at 0.18", "excess"], 6) == 0.110118


def test_thresholds_and_accuracies_of_the_curve():
    thresholds = analysis.ask_thresholds([0.0, 0.18])
    assert thresholds["Bayes"] == [ask_threshold(Costs(1.0, ce)) for ce in (0.0, 0.18)]
    assert np.round(thresholds["released at 0.18"], 4).tolist() == [0.18, 0.8645]
    coverage, accuracy = analysis.coverage_and_accuracy(DISTRIBUTIONS["atoms"], 1.0)
    assert coverage == 1 and accuracy == pytest.approx(1 - 133 / 400)
    systems = analysis.systems_by_cost(DISTRIBUTIONS["atoms"], [0.0, 0.18])
    assert systems == {
        rule: {
            name: analysis.coverage_and_accuracy(DISTRIBUTIONS["atoms"], threshold)
            for name, threshold in zip(("0", "0.18"), values, strict=True)
        }
        for rule, values in thresholds.items()
    }


@pytest.mark.parametrize("theorem", analysis.THEOREMS)
def test_no_envelope_exceeds_its_bound(theorem):
    bound = analysis.compare_bound(theorem, np.array([0.01, 0.1]), COSTS, 21)
    assert bound.max_violation < 1e-9 and (bound.computed <= bound.proved).all()


def test_the_powers_are_two_and_four():
    regrets = np.array([0.003, 0.006])
    measured, limits = analysis.wrong_decision_excess(regrets, COSTS)
    for name, power in (("from mu", 2), ("from p", 4)):
        assert np.log2(measured[name][1] / measured[name][0]) == pytest.approx(power, abs=0.05)
        np.testing.assert_allclose(measured[name], limits[name], rtol=0.05)


def test_bounded_scores_need_a_recalibrated_alpha():
    table = analysis.bounded_score_regrets(COSTS)
    assert table["unbounded scores"].max() < 1e-12 > table["bounded, recalibrated"].max()
    assert table["bounded scores"].round(3).to_dict() == {"from mu": 0.367, "from p": 0.035}


def test_the_table_of_learning_shows_the_curves():
    learned = {"atoms": analysis.learn(DISTRIBUTIONS["atoms"], sample_sizes=[50, 500], n_seeds=2, costs=COSTS)}
    learning = learned["atoms"]
    expected = pointwise_t_intervals(learning.excess["from mu"][-1][:, None])
    assert learning.final("from mu") == tuple(limit[0] for limit in expected)
    assert list(analysis.learning_table(learned, [50, 500]).loc["atoms"].index) == list(learning.excess)
    assert analysis.final_evidence(learned, ["atoms"], "from mu")["atoms"].seeds == 2
    assert analysis.rate_evidence({"atoms": learning}, {"atoms": -1.0}, [50, 500])["atoms"] is not None


def test_maps_and_single_alpha():
    assert analysis.regret_map(DISTRIBUTIONS["atoms"], np.array([0.1, 2.0]), np.array([2.0]), COSTS).shape == (2, 1)
    assert analysis.worst_regret_of_single_alpha([0.1, 0.18]) < 1e-9
    mu = analysis.mu_at_bayes_switch(DISTRIBUTIONS["logistic"], COSTS)
    assert 0 < mu < 0.5
    assert analysis.regrets_on(gaussians(t=0.42642), COSTS)["calibrated"] < 1e-3
