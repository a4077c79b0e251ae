"""Every alpha against 50 digits, and the propositions about where it makes the surrogate ask as the Bayes rule does."""

import numpy as np
import pytest
from helpers.surrogate import is_calibrated
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import theory

from l2h.problem import Costs, asks
from l2h.theory.bayes import ask_threshold, bayes_rejector, server_error
from l2h.theory.calibration import (
    alpha_deterministic,
    alpha_from_mu,
    alpha_from_p,
    alpha_released,
    asks_at_minimum,
)
from l2h.theory.conditional_risk import minimiser, slope_at_zero

probability = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
error = st.one_of(st.sampled_from([0.0, 0.5]), st.floats(0, 0.5))
cost = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0.01, 3))
costs = st.builds(Costs, c1=cost, ce=cost)
betas = st.floats(0.1, 6)


def far_from_a_tie(eta, p, costs, distance):
    """Hypothesis may still propose points that float64 cannot tell from a tie; the margin keeps them out."""
    return abs(bayes_rejector(server_error(eta), p, costs=costs)) > distance


# --- the formulas


@given(mu=error, costs=costs, beta=betas)
def test_alpha_from_mu_is_g(mu, costs, beta):
    assume(costs.c1 * mu + costs.ce > 1e-300)
    expected = float(theory.g(mu, costs.c1, costs.ce, beta))
    assert alpha_from_mu(mu, costs=costs, beta=beta) == pytest.approx(expected, rel=1e-12)


@given(p=probability, costs=costs, beta=betas)
def test_alpha_from_p_is_its_three_branches(p, costs, beta):
    assume((p == 0 or p > 1e-300) and costs.c1 + costs.ce > 0)
    expected = float(theory.alpha_from_p(p, costs.c1, costs.ce, beta))
    assert alpha_from_p(p, costs=costs, beta=beta) == pytest.approx(expected, rel=1e-6)


@given(c1=cost, ce=cost, beta=betas)
def test_alpha_deterministic_stands_where_the_gain_changes_its_sign(c1, ce, beta):
    assume(c1 > 0 and ce < 1 and (ce > 0 or c1 > 1))
    expected = float(theory.alpha_deterministic(c1, ce, beta))
    assert alpha_deterministic(costs=Costs(c1, ce), beta=beta) == pytest.approx(expected, rel=1e-12)


@given(share=st.floats(0, 1), c1=st.floats(0.01, 2), ce=st.floats(0.001, 0.9), beta=betas)
def test_alpha_released_is_the_expression_of_the_code_multiplied_out(share, c1, ce, beta):
    p = ce + share * c1
    assume(ce <= p <= min(1, ce + c1))
    expected = float(theory.alpha_released(p, c1, ce, beta).real)
    assert alpha_released(p, costs=Costs(c1, ce), beta=beta) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_the_printed_values():
    grid = (0.0, 0.01, 0.15, 0.16, 0.18)
    single = [round(alpha_deterministic(costs=Costs(1.0, ce), beta=2.0), 5) for ce in grid]
    assert single == [2.0, 1.9999, 1.98032, 1.97779, 1.97232]
    released = [round(float(alpha_released(0.18, costs=Costs(1.0, ce), beta=2.0)), 4) for ce in grid]
    assert released == [4.2687, 4.2293, 2.7287, 2.4444, 1.0]
    from_mu = alpha_from_mu(np.array([0.05, 0.3]), costs=Costs(1.0, 0.15), beta=2.0)
    assert from_mu.round(3).tolist() == [2.929, 2.370]


@pytest.mark.parametrize("alpha_of", [alpha_from_p, alpha_released])
def test_probabilities_of_single_precision_are_computed_in_double_precision(alpha_of):
    single = np.array([0.1, 0.17, 0.3], dtype=np.float32)
    found = alpha_of(single, costs=Costs(1.0, 0.01), beta=2.0)
    np.testing.assert_array_equal(found, alpha_of(single.astype(float), costs=Costs(1.0, 0.01), beta=2.0))


def test_edges_return_what_the_docstrings_say():
    assert alpha_from_mu(0.0, costs=Costs(1.0, 0.0), beta=2.0) == 1
    assert alpha_from_p(0.0, costs=Costs(1.0, 0.0), beta=2.0) == 1
    assert alpha_from_p(0.3, costs=Costs(0.0, 0.1), beta=2.0) == 1
    assert alpha_from_p(np.array([0.1, 0.15]), costs=Costs(1.0, 0.15), beta=2.0).tolist() == [1, 1]
    assert alpha_deterministic(costs=Costs(0.0, 0.0), beta=2.0) == 1
    assert alpha_deterministic(costs=Costs(1.0, 1.0), beta=2.0) == 1
    assert alpha_deterministic(costs=Costs(1.0, 0.0), beta=3.0) == 3
    assert alpha_released(1.0, costs=Costs(1.0, 0.0), beta=2.0) == 0
    assert alpha_from_p(5e-324, costs=Costs(1.0, 0.0), beta=2.0, bounded=True) == 1  # too small to divide by


@given(
    p=probability,
    mu=error,
    c1=st.floats(0, 1e6),
    ce=st.floats(0, 1e6),
    beta=st.floats(1e-3, 1e4),
    bounded=st.booleans(),
)
def test_alpha_is_finite_and_positive_on_its_whole_domain(p, mu, c1, ce, beta, bounded):
    costs = Costs(c1, ce)
    values = [alpha_from_p(p, costs=costs, beta=beta, bounded=bounded)]
    if not bounded or c1 * mu + ce > 1e-300 or c1 == 0:
        values.append(alpha_from_mu(mu, costs=costs, beta=beta, bounded=bounded))
    if c1 == 0 or c1 >= 1 or ce > 1e-300:
        values.append(alpha_deterministic(costs=costs, beta=beta, bounded=bounded))
    assert (np.isfinite(values) & (np.array(values) > 0)).all()


def test_inputs_outside_the_domain_are_refused_with_the_domain():
    costs = Costs(1.0, 0.15)
    with pytest.raises(ValueError, match=r"mu in \[0, 0.5\]"):
        alpha_from_mu(0.6, costs=costs, beta=2.0)
    with pytest.raises(ValueError, match="beta > 0"):
        alpha_from_mu(0.2, costs=costs, beta=0.0)
    with pytest.raises(ValueError, match=r"c1 mu \+ ce > 0 with bounded scores"):
        alpha_from_mu(np.array([0.0, 0.2]), costs=Costs(1.0, 0.0), beta=2.0, bounded=True)
    with pytest.raises(ValueError, match=r"p in \[0, 1\]"):
        alpha_from_p(1.1, costs=costs, beta=2.0)
    for given_costs in (costs, Costs(0.0, 0.1), Costs(1.0, 1.0)):  # also where alpha does not depend on beta
        with pytest.raises(ValueError, match="beta > 0"):
            alpha_deterministic(costs=given_costs, beta=np.nan)
    with pytest.raises(ValueError, match="ce > 0 or c1 >= 1"):
        alpha_deterministic(costs=Costs(0.5, 0.0), beta=2.0)


def test_a_server_without_costs_needs_no_infinite_alpha():
    assert alpha_from_mu(np.array([0.0, 0.2]), costs=Costs(0.0, 0.0), beta=2.0, bounded=True).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("p", "costs"), [(0.1, Costs(1, 0.15)), (0.9, Costs(0.5, 0.1)), (0.0, Costs(1, 0)), (0, Costs(1, 0.1))]
)
def test_the_released_formula_names_its_domain(p, costs):
    low, high = costs.ce, costs.ce + costs.c1
    with pytest.raises(ValueError, match=rf"p > 0 in \[ce, ce \+ c1\] = \[{low:g}, {high:g}\]"):
        alpha_released(np.array([0.3, p]), costs=costs, beta=2.0)
    with pytest.raises(ValueError, match=r"p in \[0, 1\]"):
        alpha_released(1.2, costs=costs, beta=2.0)
    with pytest.raises(ValueError, match="beta > 0"):
        alpha_released(0.3, costs=costs, beta=0.0)


# --- the exact condition


@given(eta=probability, p=probability, costs=costs, alpha=st.floats(0.05, 10), beta=betas, bounded=st.booleans())
def test_the_minimiser_asks_where_asks_at_minimum_says(eta, p, costs, alpha, beta, bounded):
    setting = {"costs": costs, "alpha": alpha, "beta": beta, "bounded": bounded}
    assume(abs(slope_at_zero(eta, p, **setting)) > 1e-12)
    assert asks_at_minimum(eta, p, **setting) == asks(minimiser(eta, p, **setting).r)


@given(eta=probability, p=probability, costs=costs, alpha=st.floats(0.05, 10), beta=betas)
def test_calibration_is_agreement_of_signs(eta, p, costs, alpha, beta):
    assume(far_from_a_tie(eta, p, costs, 1e-9))
    slope = slope_at_zero(eta, p, costs=costs, alpha=alpha, beta=beta)
    assume(abs(slope) > 1e-9)
    agrees = asks_at_minimum(eta, p, costs=costs, alpha=alpha, beta=beta) == asks(
        bayes_rejector(server_error(eta), p, costs=costs)
    )
    assert is_calibrated(eta, p, costs=costs, alpha=alpha, beta=beta) == agrees


def test_a_slope_of_zero_is_not_calibrated_where_asking_is_better():
    here = {"costs": Costs(1.0, 0.0), "alpha": 2.0, "beta": 2.0}
    assert slope_at_zero(0.5, 0.5, **here) == 0
    assert asks_at_minimum(0.5, 0.5, **here)
    assert is_calibrated(0.5, 0.5, **here)  # a tie of the Bayes rule: anything goes
    flat = {"costs": Costs(1.0, 0.0), "alpha": 1.0, "beta": 1.0}  # alpha p = beta c1 / 2 at mu = p = 1/2
    assert not is_calibrated(0.2, 0.4, **flat)  # slope 0.4 - 0.5 * 0.8 = 0, while asking gains 0.2


# --- calibrations (A), (B) and the single alpha


@given(eta=probability, p=probability, costs=costs, beta=betas, bounded=st.booleans())
def test_alpha_from_mu_is_calibrated_for_every_client(eta, p, costs, beta, bounded):
    mu = server_error(eta)
    assume(far_from_a_tie(eta, p, costs, 1e-9) and costs.c1 * mu + costs.ce > 1e-12)
    alpha = alpha_from_mu(mu, costs=costs, beta=beta, bounded=bounded)
    assert is_calibrated(eta, p, costs=costs, alpha=alpha, beta=beta, bounded=bounded)
    slope = slope_at_zero(eta, p, costs=costs, alpha=alpha, beta=beta, bounded=bounded)
    assert slope == pytest.approx(-alpha * bayes_rejector(mu, p, costs=costs), rel=1e-6, abs=1e-9)


@given(p=st.one_of(st.just(1.0), st.floats(1e-3, 1)), costs=costs, beta=betas)
def test_where_asking_is_free_every_alpha_is_calibrated(p, costs, beta):
    free = Costs(costs.c1, 0.0)
    assert is_calibrated(1.0, p, costs=free, alpha=alpha_from_mu(0.0, costs=free, beta=beta), beta=beta)


@given(eta=probability, p=probability, costs=costs, beta=betas, bounded=st.booleans())
def test_alpha_from_p_is_calibrated_for_every_mu(eta, p, costs, beta, bounded):
    assume(far_from_a_tie(eta, p, costs, 1e-5))  # its slope is of the order of the square of the gain
    alpha = alpha_from_p(p, costs=costs, beta=beta, bounded=bounded)
    assert is_calibrated(eta, p, costs=costs, alpha=alpha, beta=beta, bounded=bounded)


@given(
    u=st.floats(0.05, 0.45),
    c1=st.floats(0.2, 3),
    ce=st.floats(0.01, 0.9),
    beta=betas,
    side=st.sampled_from([0.99, 1.01]),
)
def test_no_other_alpha_of_p_is_calibrated_for_every_mu(u, c1, ce, beta, side):
    costs = Costs(c1, ce)
    p = c1 * u + ce
    assume(p <= 1)
    mu = np.linspace(0, 0.5, 2001)
    alpha = side * alpha_from_p(p, costs=costs, beta=beta)
    assert not is_calibrated(mu, p, costs=costs, alpha=alpha, beta=beta).all()


@given(p=probability, c1=cost, ce=cost, beta=betas, bounded=st.booleans())
def test_one_alpha_serves_every_deterministic_client(p, c1, ce, beta, bounded):
    costs = Costs(c1, ce)
    assume(far_from_a_tie(p, p, costs, 1e-9) and not (0 < c1 < 1 and ce == 0))
    alpha = alpha_deterministic(costs=costs, beta=beta, bounded=bounded)
    if (c1, ce) == (1, 0):
        assume(p > 0.5)
    assert is_calibrated(p, p, costs=costs, alpha=alpha, beta=beta, bounded=bounded)


@given(c1=cost, ce=cost, beta=betas, side=st.sampled_from([0.99, 1.01]))
def test_it_is_the_only_one(c1, ce, beta, side):
    costs = Costs(c1, ce)
    assume(c1 > 0 and ce < 0.99 and 0 < ask_threshold(costs) < 1 and (c1, ce) != (1, 0))
    p = np.append(np.linspace(0, 1, 20_001), ask_threshold(costs) * (1 + np.linspace(-1e-3, 1e-3, 2001))).clip(0, 1)
    alpha = side * alpha_deterministic(costs=costs, beta=beta)
    assert not is_calibrated(p, p, costs=costs, alpha=alpha, beta=beta).all()


@given(p=probability, beta=betas, factor=st.floats(1, 5))
def test_at_c1_one_and_ce_zero_every_alpha_from_beta_up_serves(p, beta, factor):
    costs = Costs(1.0, 0.0)
    assume(far_from_a_tie(p, p, costs, 1e-9))
    alpha = factor * alpha_deterministic(costs=costs, beta=beta)
    assert is_calibrated(p, p, costs=costs, alpha=alpha, beta=beta)


def test_no_constant_serves_a_free_or_an_independent_client():
    costs, thresholds = Costs(1.0, 0.15), np.array([0.05, 0.3])
    needed = alpha_from_mu(thresholds, costs=costs, beta=2.0)
    for alpha in np.linspace(needed.min(), needed.max(), 11):
        served = [
            is_calibrated(mu, mu + 0.15 + shift, costs=costs, alpha=alpha, beta=2.0)
            for mu in thresholds
            for shift in (-1e-3, 1e-3)  # p within [mu, 1 - mu]: an independent client can have it
        ]
        assert not all(served)


# --- the released formula


@given(share=st.floats(0, 1), c1=cost, ce=st.floats(0.001, 0.9))
def test_the_released_formula_is_calibration_b_for_beta_two_in_the_interior(share, c1, ce):
    costs = Costs(c1, ce)
    p = min(ce + share * c1 / 2, 1)
    expected = alpha_from_p(p, costs=costs, beta=2.0)
    assert alpha_released(p, costs=costs, beta=2.0) == pytest.approx(expected, rel=1e-6)


@given(p=st.floats(0.001, 1), c1=st.floats(0.01, 3), beta=betas)
def test_and_for_every_beta_where_asking_is_free(p, c1, beta):
    costs = Costs(c1, 0.0)
    assume(p <= c1 / 2)
    assert alpha_released(p, costs=costs, beta=beta) == pytest.approx(alpha_from_p(p, costs=costs, beta=beta), rel=1e-6)


@given(share=st.floats(0.01, 0.99), c1=st.floats(0.1, 2), ce=st.floats(0.05, 0.9), beta=betas)
def test_and_for_no_other_beta(share, c1, ce, beta):
    costs = Costs(c1, ce)
    p = ce + share * c1 / 2
    assume(p <= 1 and abs(beta - 2) > 0.01)
    gap = alpha_released(p, costs=costs, beta=beta) - alpha_from_p(p, costs=costs, beta=beta)
    assert gap == pytest.approx((beta / 2 - 1) * ce / p, rel=1e-6)
    assert np.sign(gap) == np.sign(beta - 2)  # asks too seldom for beta < 2, too often for beta > 2


def test_the_witness_against_beta_one():
    costs = Costs(1.0, 0.3)
    alpha = alpha_released(0.7, costs=costs, beta=1.0)
    assert slope_at_zero(0.14, 0.7, costs=costs, alpha=alpha, beta=1.0).round(4) == -0.0071
    assert -bayes_rejector(0.14, 0.7, costs=costs) == pytest.approx(0.26)


@given(p=probability, c1=st.floats(1, 3), ce=cost)
def test_with_the_true_p_the_released_formula_serves_deterministic_clients_if_c1_is_at_least_one(p, c1, ce):
    costs = Costs(c1, ce)
    assume(p > 0 and ce + 1e-9 < p <= ce + c1 and c1 + ce > 1.01 and far_from_a_tie(p, p, costs, 1e-5))
    alpha = alpha_released(p, costs=costs, beta=2.0)
    assert is_calibrated(p, p, costs=costs, alpha=alpha, beta=2.0)


@given(p=st.floats(0.51, 0.999))
def test_but_not_at_the_notebooks_own_point(p):
    costs = Costs(1.0, 0.0)
    alpha = alpha_released(p, costs=costs, beta=2.0)
    assert slope_at_zero(p, p, costs=costs, alpha=alpha, beta=2.0) == pytest.approx(0, abs=1e-14)
    assert not is_calibrated(p, p, costs=costs, alpha=alpha, beta=2.0)
    assert is_calibrated(p, p, costs=costs, alpha=alpha_from_p(p, costs=costs, beta=2.0), beta=2.0)


@given(c1=st.floats(0.01, 3), ce=st.floats(0.001, 0.99))
def test_the_constant_that_makes_the_released_formula_right_is_the_threshold(c1, ce):
    costs = Costs(c1, ce)
    found = alpha_released(ask_threshold(costs), costs=costs, beta=2.0)
    assert found == pytest.approx(alpha_deterministic(costs=costs, beta=2.0), rel=1e-9)
