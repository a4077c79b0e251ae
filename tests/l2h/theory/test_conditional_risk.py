"""The surrogate risk given x and its minimiser against 50 digits, and the exact condition for keeping."""

from functools import partial

import numpy as np
import pytest
from helpers.surrogate import conditional_risk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import theory

from l2h.problem import Costs
from l2h.theory.bayes import server_error
from l2h.theory.conditional_risk import min_server_term, minimiser, partial_min_risk, slope_at_zero

probability = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
inner = st.floats(0.001, 0.999)
cost = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0.001, 3))
costs = st.builds(Costs, c1=cost, ce=cost)
alphas, betas = st.floats(0.05, 10), st.floats(0.1, 6)
scores = st.floats(-8, 8)


@settings(max_examples=50)
@given(r=scores, e=scores, eta=probability, p=probability, costs=costs, alpha=alphas, beta=betas)
def test_the_risk_is_the_expected_surrogate(r, e, eta, p, costs, alpha, beta):
    risk = conditional_risk(r, e, eta=eta, p=p, costs=costs, alpha=alpha, beta=beta)
    expected = theory.conditional_surrogate(r, e, eta, p, costs.c1, costs.ce, alpha, beta)
    assert risk == pytest.approx(float(expected), rel=1e-12, abs=1e-300)


@settings(max_examples=50)
@given(r=scores, eta=probability, p=probability, costs=costs, alpha=alphas, beta=betas, bounded=st.booleans())
def test_the_reduced_risk_is_the_risk_at_the_best_e(r, eta, p, costs, alpha, beta, bounded):
    risk = partial_min_risk(r, eta=eta, p=p, costs=costs, alpha=alpha, beta=beta, bounded=bounded)
    expected = theory.reduced_surrogate(r, eta, p, costs.c1, costs.ce, alpha, beta, bounded=bounded)
    assert risk == pytest.approx(float(expected), rel=1e-9, abs=1e-60)


@given(mu=st.floats(0, 0.5), beta=betas)
def test_the_floor_is_the_least_over_e_and_over_the_box(mu, beta):
    def mixture(e):
        return mu * np.exp(beta * e / 2) + (1 - mu) * np.exp(-beta * e / 2)

    free, boxed = min_server_term(mu, beta=beta), min_server_term(mu, beta=beta, bounded=True)
    assert boxed == pytest.approx(mixture(np.linspace(-1, 1, 20_001)).min(), rel=1e-6)
    assert free <= boxed * (1 + 1e-12)
    if mu > 1 / (1 + np.exp(beta)):
        assert free == boxed
    if mu > 1e-300:
        assert free == pytest.approx(mixture(np.log((1 - mu) / mu) / beta), rel=1e-9)


@settings(max_examples=60)
@given(eta=inner, p=st.floats(1e-6, 1), costs=costs, alpha=st.floats(0.01, 100), beta=st.floats(0.01, 100))
def test_the_minimiser_is_the_zero_of_the_derivative(eta, p, costs, alpha, beta):
    assume(costs.c1 + costs.ce > 0)
    best = minimiser(eta, p, costs=costs, alpha=alpha, beta=beta)
    expected = theory.best_r(server_error(eta), p, costs.c1, costs.ce, alpha, beta)
    assert best.r == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert best.e == pytest.approx(np.log(eta / (1 - eta)) / beta, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("beta", [1e-3, 0.1, 2.0, 10.0, 1e3, 1e4])
@pytest.mark.parametrize("costs", [Costs(1.0, 1e-200), Costs(1e-6, 0.1), Costs(1e6, 1e-6), Costs(1.0, 1e6)])
def test_newton_arrives_however_unequal_the_terms_are(beta, costs):
    generator, n = np.random.default_rng(0), 20_000
    mu, p = (
        generator.uniform(0, 0.5, n) ** generator.integers(1, 40, n),
        generator.random(n) ** generator.integers(1, 40, n),
    )
    alpha = 10 ** generator.uniform(-3, 3, n)
    r = minimiser(mu, p, costs=costs, alpha=alpha, beta=beta).r
    server_term = np.log(beta * costs.c1) + np.log(mu * (1 - mu)) / 2 - beta / 2 * r
    client_term = np.log(alpha) + np.log(p) + alpha * r
    balance = client_term - np.logaddexp(server_term, np.log(costs.ce) - r)
    np.testing.assert_allclose(balance / (alpha + min(1, beta / 2)) / (1 + np.abs(r)), 0, atol=1e-9)


@given(eta=probability, p=probability, costs=costs, alpha=alphas, beta=betas, bounded=st.booleans())
def test_no_other_scores_have_less_risk(eta, p, costs, alpha, beta, bounded):
    setting = {"eta": eta, "p": p, "costs": costs, "alpha": alpha, "beta": beta}
    best = minimiser(**setting, bounded=bounded)
    least = conditional_risk(*best, **setting)
    span = 1 if bounded else 6
    r, e = np.random.default_rng(5).uniform(-span, span, (2, 500))
    assert np.isfinite(least)
    assert (conditional_risk(r, e, **setting) >= least * (1 - 1e-12)).all()
    if bounded:
        assert max(abs(best.r), abs(best.e)) <= 1
    else:
        assert least == pytest.approx(partial_min_risk(best.r, **setting), rel=1e-9, abs=1e-15)


@given(eta=probability, p=probability, costs=costs, alpha=alphas, beta=betas, bounded=st.booleans())
def test_the_minimiser_keeps_exactly_where_the_slope_is_negative(eta, p, costs, alpha, beta, bounded):
    slope = slope_at_zero(eta, p, costs=costs, alpha=alpha, beta=beta, bounded=bounded)
    assume(abs(slope) > 1e-12)
    assert (minimiser(eta, p, costs=costs, alpha=alpha, beta=beta, bounded=bounded).r > 0) == (slope < 0)


@given(eta=probability, p=probability, costs=costs, alpha=alphas, beta=betas, bounded=st.booleans())
def test_the_slope_is_the_derivative_of_the_reduced_risk(eta, p, costs, alpha, beta, bounded):
    setting = {"costs": costs, "alpha": alpha, "beta": beta, "bounded": bounded}
    h = 1e-5
    right, left = (partial_min_risk(r, eta=eta, p=p, **setting) for r in (h, -h))
    assert slope_at_zero(eta, p, **setting) == pytest.approx((right - left) / (2 * h), rel=1e-6, abs=1e-6)


@given(eta=probability, p=probability, costs=costs, alpha=alphas, beta=betas)
def test_bounding_the_rejector_alone_never_changes_the_decision(eta, p, costs, alpha, beta):
    mu_b = 1 / (1 + np.exp(beta))
    assume(server_error(eta) > mu_b)
    free, boxed = (
        minimiser(eta, p, costs=costs, alpha=alpha, beta=beta, bounded=bounded).r for bounded in (False, True)
    )
    assert boxed == np.clip(free, -1, 1)


@given(eta=probability, p=probability, costs=costs, alpha=alphas, beta=betas)
def test_bounding_the_server_turns_only_asked_inputs_into_kept_ones(eta, p, costs, alpha, beta):
    setting = {"costs": costs, "alpha": alpha, "beta": beta}
    free, boxed = (slope_at_zero(eta, p, **setting, bounded=bounded) for bounded in (False, True))
    assert boxed <= free + 1e-12
    if server_error(eta) > 1 / (1 + np.exp(beta)):
        assert boxed == free


def test_a_minimum_at_infinity():
    here, best = {"alpha": 2.0, "beta": 2.0}, []
    for eta, p, costs in (
        (0.3, 0.0, Costs(1, 0.1)),  # the client never errs: keep for ever
        (1.0, 0.5, Costs(1, 0.0)),  # asking costs nothing: ask for ever
        (0.0, 0.0, Costs(1, 0.0)),  # nothing costs anything
        (0.0, 0.5, Costs(1, 0.1)),
    ):
        best.append(minimiser(eta, p, costs=costs, **here))
        assert np.isfinite(conditional_risk(*best[-1], eta=eta, p=p, costs=costs, **here))
    assert [float(pair.r) for pair in best[:3]] == [np.inf, -np.inf, 0]
    assert [float(pair.e) for pair in best[1:]] == [np.inf, -np.inf, -np.inf]
    assert best[3].r == pytest.approx(np.log(0.1 / (2 * 0.5)) / 3)  # ln(ce/(alpha p))/(1 + alpha)


def test_the_minimiser_where_the_constant_of_the_paper_fails():
    best = minimiser(0.85, 0.85, costs=Costs(1.0, 0.18), alpha=1.0, beta=2.0)
    assert (round(float(best.r), 4), round(float(best.e), 4)) == (0.0253, 0.8673)
    assert best == minimiser(0.85, 0.85, costs=Costs(1.0, 0.18), alpha=1.0, beta=2.0, bounded=True)


@given(
    eta=probability,
    p=probability,
    c1=st.floats(0, 1e6),
    ce=st.floats(0, 1e6),
    alpha=st.floats(1e-3, 1e3),
    beta=st.floats(1e-3, 1e4),
    bounded=st.booleans(),
)
def test_nothing_is_nan_and_the_least_risk_is_finite(eta, p, c1, ce, alpha, beta, bounded):
    setting = {"eta": eta, "p": p, "costs": Costs(c1, ce), "alpha": alpha, "beta": beta}
    best = minimiser(**setting, bounded=bounded)
    assert not np.isnan(best).any()
    if not bounded:
        assert np.isfinite(conditional_risk(*best, **setting))
    assert np.isfinite(slope_at_zero(**setting, bounded=bounded))
    assert np.isfinite(partial_min_risk(0.0, **setting, bounded=bounded))


def test_inputs_outside_the_domain_are_refused_with_the_domain():
    good = {"eta": 0.3, "p": 0.2, "costs": Costs(1, 0.1), "alpha": 2.0, "beta": 2.0}
    for name, value, message in (
        ("eta", 1.2, r"eta in \[0, 1\]"),
        ("p", np.nan, r"p in \[0, 1\]"),
        ("alpha", 0.0, "alpha > 0"),
        ("alpha", np.array([1.0, np.inf]), "finite alpha"),
        ("beta", -1.0, "beta > 0"),
    ):
        bad = good | {name: value}
        for call in (minimiser, slope_at_zero, partial(partial_min_risk, 0.0)):
            with pytest.raises(ValueError, match=message):
                call(**bad)
    with pytest.raises(ValueError, match=r"below e\^700"):
        partial_min_risk(np.array([0.0, -800.0]), **good)
    with pytest.raises(ValueError, match=r"mu in \[0, 0.5\]"):
        min_server_term(0.7, beta=2.0)
    with pytest.raises(ValueError, match="beta > 0"):
        min_server_term(0.2, beta=0.0)
