"""The lemmas and theorems that carry excess surrogate risk to excess risk, on random points and against constants."""

import numpy as np
import pytest
from helpers.surrogate import conditional_risk
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import theory

from l2h.problem import Costs
from l2h.theory.bayes import CLIENT_KINDS
from l2h.theory.calibration import alpha_deterministic, alpha_from_mu, alpha_from_p
from l2h.theory.conditional_risk import min_server_term, minimiser, partial_min_risk, slope_at_zero
from l2h.theory.excess_risk import (
    excess_risk_bound_deterministic,
    excess_risk_bound_mu,
    excess_risk_bound_p,
    lower_envelope,
    max_calibrated_alpha,
)

inner = st.floats(0.001, 0.999)
probability = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
costs = st.builds(Costs, c1=st.floats(0.01, 3), ce=st.floats(0.01, 1.5))
betas = st.floats(0.2, 5)
seeds = st.integers(0, 10_000)
N = 2000


def rule_of(choice, costs, beta, bounded=False):
    """(mu, p) -> alpha, by the name of the choice."""
    return {
        "mu": lambda mu, p: alpha_from_mu(mu, costs=costs, beta=beta, bounded=bounded),
        "p": lambda mu, p: alpha_from_p(p, costs=costs, beta=beta, bounded=bounded),
        "deterministic": lambda mu, p: alpha_deterministic(costs=costs, beta=beta, bounded=bounded),
    }[choice]


def played(r, e, eta, p, rule, costs, beta, bounded=False):
    """Regret and excess surrogate risk of scores (r, e)."""
    mu = np.minimum(eta, 1 - eta)
    setting = {"eta": eta, "p": p, "costs": costs, "alpha": rule(mu, p), "beta": beta}
    least = conditional_risk(*minimiser(**setting, bounded=bounded), **setting)
    error = np.where(e >= 0, 1 - eta, eta)
    paid = np.where(r > 0, p, costs.c1 * error + costs.ce)
    return paid - np.minimum(p, costs.c1 * mu + costs.ce), conditional_risk(r, e, **setting) - least


def random_scores(seed, eta, p, costs, client, span=3):
    """Scores and points, half of them near the ties where the bounds are tight."""
    generator = np.random.default_rng(seed)
    r, e = generator.uniform(-1, 1, (2, N)) * generator.choice([0, 1e-3, 0.1, 1], (2, N)) * span
    etas, ps = generator.random((2, N))
    etas[: N // 2], ps[: N // 4] = eta, p
    mu = np.minimum(etas, 1 - etas)
    near = (costs.c1 * mu + costs.ce + generator.choice([-0.01, 0, 0.01], N)).clip(0, 1)
    ps = np.where(generator.random(N) < 0.5, near, ps)
    if client == "deterministic":
        ps = np.where(generator.random(N) < 0.5, mu, 1 - mu)
    return r, e, etas, ps


# --- the lemmas


@given(eta=inner, p=inner, costs=costs, alpha=st.floats(0.1, 5), beta=betas, bounded=st.booleans())
def test_lemma_1_the_slope_bounds_what_a_wrong_decision_loses(eta, p, costs, alpha, beta, bounded):
    setting = {"costs": costs, "alpha": alpha, "beta": beta, "bounded": bounded}
    at_zero = partial_min_risk(0.0, eta=eta, p=p, **setting)
    gap = at_zero - partial_min_risk(minimiser(eta, p, **setting).r, eta=eta, p=p, **setting)
    curvature = max(1, beta**2 / 4, alpha**2)
    slope = slope_at_zero(eta, p, **setting)
    assert gap >= slope**2 / (2 * curvature * at_zero) - 1e-12
    assert at_zero <= 1 + costs.c1 + costs.ce + 1e-12
    assert abs(slope) <= curvature * at_zero * (1 + 1e-12)  # the step of the proof stays within [-1, 1]


@given(mu=st.floats(0.01, 0.49), p=inner, costs=costs, alpha=st.floats(0.1, 5), beta=betas)
def test_lemma_2_the_gap_is_monotone(mu, p, costs, alpha, beta):
    def gap(mu, p, alpha):
        setting = {"eta": mu, "p": p, "costs": costs, "alpha": alpha, "beta": beta}
        return partial_min_risk(0.0, **setting) - partial_min_risk(minimiser(**setting).r, **setting)

    r = minimiser(mu, p, costs=costs, alpha=alpha, beta=beta).r
    small = 1e-4
    assume(abs(r) > 0.01)
    here = gap(mu, p, alpha)
    direction = 1 if r > 0 else -1
    assert direction * (gap(mu + small, p, alpha) - here) >= -1e-12
    assert direction * (gap(mu, min(p + small, 1), alpha) - here) <= 1e-12
    assert direction * (gap(mu, p, alpha + small) - here) <= 1e-12


@given(eta=inner, p=inner, costs=costs, beta=betas, seed=seeds)
def test_lemma_3_what_wrong_decisions_and_labels_lose(eta, p, costs, beta, seed):
    rule = rule_of("mu", costs, beta)
    r, e, eta, p = random_scores(seed, eta, p, costs, "free")
    mu = np.minimum(eta, 1 - eta)
    gain = p - costs.c1 * mu - costs.ce
    setting = {"eta": eta, "p": p, "costs": costs, "alpha": rule(mu, p), "beta": beta}
    gap = partial_min_risk(0.0, **setting) - partial_min_risk(minimiser(**setting).r, **setting)
    _, excess = played(r, e, eta, p, rule, costs, beta)
    wrong = (r > 0) == (gain > 0)
    label = (r <= 0) & ((e >= 0) != (eta >= 0.5))
    s = min_server_term(mu, beta=beta)
    lost = costs.c1 * (1 - s) + np.where(gain < 0, gap, 0)
    assert (excess >= gap - 1e-11)[wrong & (gain != 0)].all()
    assert (excess >= lost - 1e-11)[label].all()
    assert (1 - s >= (1 - 2 * mu) ** 2 / 2 - 1e-12).all()


@given(mu=st.floats(0, 0.5), p=st.floats(0.01, 1), costs=costs)
def test_for_beta_two_the_gap_is_sharper(mu, p, costs):
    """The gap of a weighted mean, Cartwright and Field: alpha D^2 / (2 (1 + alpha) max(T, p))."""
    setting = {"eta": mu, "p": p, "costs": costs, "alpha": alpha_from_mu(mu, costs=costs, beta=2.0), "beta": 2.0}
    gap = partial_min_risk(0.0, **setting) - partial_min_risk(minimiser(**setting).r, **setting)
    asking, alpha = costs.c1 * mu + costs.ce, setting["alpha"]
    assert gap >= alpha * (p - asking) ** 2 / (2 * (1 + alpha) * max(asking, p)) - 1e-12


# --- the theorems


@settings(max_examples=60)
@given(eta=probability, p=probability, costs=costs, beta=betas, seed=seeds, client=st.sampled_from(CLIENT_KINDS))
def test_theorem_a_holds_for_every_client_and_any_scores(eta, p, costs, beta, seed, client):
    r, e, eta, p = random_scores(seed, eta, p, costs, client)
    loss, excess = played(r, e, eta, p, rule_of("mu", costs, beta), costs, beta)
    assert (loss <= excess_risk_bound_mu(np.maximum(excess, 0), costs=costs, beta=beta) + 1e-6).all()


@settings(max_examples=60)
@given(eta=probability, p=probability, costs=costs, beta=betas, seed=seeds)
def test_theorem_b_holds_for_every_client_and_any_scores(eta, p, costs, beta, seed):
    r, e, eta, p = random_scores(seed, eta, p, costs, "free")
    loss, excess = played(r, e, eta, p, rule_of("p", costs, beta), costs, beta)
    assert (loss <= excess_risk_bound_p(np.maximum(excess, 0), costs=costs, beta=beta) + 1e-6).all()


@settings(max_examples=60)
@given(eta=probability, costs=st.builds(Costs, c1=st.floats(0.01, 3), ce=st.floats(0.01, 0.99)), beta=betas, seed=seeds)
def test_theorem_c_holds_for_deterministic_clients_and_any_scores(eta, costs, beta, seed):
    r, e, eta, p = random_scores(seed, eta, eta, costs, "deterministic")
    loss, excess = played(r, e, eta, p, rule_of("deterministic", costs, beta), costs, beta)
    assert (loss <= excess_risk_bound_deterministic(np.maximum(excess, 0), costs=costs, beta=beta) + 1e-6).all()


@settings(max_examples=60)
@given(eta=probability, p=probability, costs=costs, beta=st.floats(1, 5), seed=seeds)
def test_theorem_a_holds_with_bounded_scores_for_beta_of_at_least_one(eta, p, costs, beta, seed):
    r, e, eta, p = random_scores(seed, eta, p, costs, "free", span=1)
    eta[:100] = 1.0  # where bounded costs most
    loss, excess = played(r, e, eta, p, rule_of("mu", costs, beta, bounded=True), costs, beta, bounded=True)
    assert (loss <= excess_risk_bound_mu(np.maximum(excess, 0), costs=costs, beta=beta) + 1e-6).all()


def test_the_step_of_its_proof_that_needs_beta_one():
    """1/kappa + s <= 2, where 1 - s = kappa (1 - 2 mu)^2 / 2 for the boxed s; the shorter proof needs kappa >= 1."""
    mu = np.linspace(0, 0.499, 2001)
    for beta in np.linspace(1, 2 * np.log(2), 21):
        s = min_server_term(mu, beta=beta, bounded=True)
        assert ((1 - 2 * mu) ** 2 / (2 * (1 - s)) + s <= 2 + 1e-12).all()
    kappa = 2 * (1 - min_server_term(0.0, beta=1.38, bounded=True))
    assert kappa < 1  # so the shorter proof stops at 2 ln 2
    assert 2 * (1 - min_server_term(0.0, beta=2 * np.log(2), bounded=True)) == pytest.approx(1)


@given(mu=st.floats(0, 0.5), beta=st.floats(1, 30))
def test_the_inequality_on_which_it_rests(mu, beta):
    """delta^2 <= 2 tau (1 + tau) with tau = 1 - s of the box, for every beta >= 1."""
    tau = 1 - min_server_term(mu, beta=beta, bounded=True)
    assert (1 - 2 * mu) ** 2 <= 2 * tau * (1 + tau) + 1e-12


def test_with_bounded_scores_it_fails_for_small_beta():
    """mu = 0, p = T = 1 = c1 = ce: asking, with the wrong label by a hair."""
    costs, beta = Costs(1.0, 1.0), 0.1
    rule = rule_of("mu", costs, beta, bounded=True)
    r, e, eta, p = (np.array([value]) for value in (0.0, -1e-12, 1.0, 1.0))
    loss, excess = played(r, e, eta, p, rule, costs, beta, bounded=True)
    assert loss == 1
    assert excess == pytest.approx(1 - np.exp(-beta / 2))
    assert excess_risk_bound_mu(excess, costs=costs, beta=beta) == pytest.approx(0.8335, abs=5e-5)


# --- the constants


@given(c1=st.floats(0.01, 3), ce=st.floats(0.01, 0.99), beta=betas)
def test_the_factors_are_the_stated_ones(c1, ce, beta):
    factor_a, factor_b, factor_c = theory.transfer_factors(c1, ce, beta)
    costs = Costs(c1, ce)
    assert excess_risk_bound_mu(0.3, costs=costs, beta=beta) == pytest.approx((factor_a * 0.3) ** 0.5, rel=1e-9)
    assert excess_risk_bound_p(0.3, costs=costs, beta=beta) == pytest.approx((factor_b * 0.3) ** 0.25, rel=1e-6)
    assert excess_risk_bound_deterministic(0.3, costs=costs, beta=beta) == pytest.approx(
        (factor_c * 0.3) ** 0.5, rel=1e-9
    )
    assert excess_risk_bound_mu(0.3, costs=costs, beta=2.0) == pytest.approx((2 * (1 + 2 * c1 + ce) * 0.3) ** 0.5)


@given(costs=costs, beta=betas)
def test_the_largest_alpha_is_the_largest_of_a_grid(costs, beta):
    u = np.append(np.linspace(0, 0.5, 2001), np.linspace(0, 0.01, 2001))
    grid = alpha_from_mu(u, costs=costs, beta=beta)
    top = max_calibrated_alpha(costs=costs, beta=beta)
    assert (grid <= top * (1 + 1e-12)).all()
    assert top == pytest.approx(grid.max(), rel=1e-3)
    least = min(1, (beta * costs.c1 + 2 * costs.ce) / (costs.c1 + 2 * costs.ce))
    assert (grid >= least * (1 - 1e-12)).all()  # g is quasi-concave: least at an end


@given(p=st.floats(0, 1), c1=st.floats(0.01, 3), ce=st.floats(0.01, 0.99), beta=betas)
def test_the_slope_of_the_single_alpha_is_bounded_by_the_gain(p, c1, ce, beta):
    """|F'(0)| >= k |D| of theorem C, k = min(1, alpha/(1 + c1))."""
    costs = Costs(c1, ce)
    alpha = alpha_deterministic(costs=costs, beta=beta)
    k = min(1, alpha / (1 + c1))
    slope = slope_at_zero(p, p, costs=costs, alpha=alpha, beta=beta)
    assert abs(slope) >= k * abs(p - c1 * min(p, 1 - p) - ce) - 1e-9


def test_without_a_price_of_mistakes_the_bounds_remain():
    costs = Costs(0.0, 0.3)
    p = np.linspace(0, 1, 101)
    loss, excess = played(np.ones(101), np.ones(101), np.full(101, 0.7), p, rule_of("mu", costs, 2.0), costs, 2.0)
    for bound in (excess_risk_bound_mu, excess_risk_bound_p, excess_risk_bound_deterministic):
        assert (loss <= bound(excess, costs=costs, beta=2.0) + 1e-9).all()


@pytest.mark.parametrize("c1", [1.0, 1.5])
def test_theorem_c_where_asking_is_free(c1):
    costs = Costs(c1, 0.0)
    r, e, eta, p = random_scores(1, 0.3, 0.3, costs, "deterministic")
    loss, excess = played(r, e, eta, p, rule_of("deterministic", costs, 2.0), costs, 2.0)
    assert (loss <= excess_risk_bound_deterministic(np.maximum(excess, 0), costs=costs, beta=2.0) + 1e-6).all()


def test_theorem_a_is_nearly_sharp():
    """As c1 -> 0, ce -> 1 at p = 1: keeping by a hair loses 1 - ce at an excess of about (1 - ce)^2 / 4."""
    costs = Costs(1e-6, 0.99)
    one = np.ones(1)
    loss, excess = played(1e-9 * one, one, one, one, rule_of("mu", costs, 2.0), costs, 2.0)
    assert 0.98 < loss / excess_risk_bound_mu(excess, costs=costs, beta=2.0) <= 1


# --- the rate


def loses_just_below_the_corner(t, choice):
    """(D, excess) of the wrong decision at mu = 1/2, p = ce + c1/2 - c1 t; c1 = 1, ce = .15, beta = 2."""
    costs, p = Costs(1.0, 0.15), 0.65 - t
    setting = {"eta": 0.5, "p": p, "costs": costs, "alpha": rule_of(choice, costs, 2.0)(0.5, p), "beta": 2.0}
    return t, partial_min_risk(0.0, **setting) - partial_min_risk(minimiser(**setting).r, **setting)


def test_calibration_by_p_loses_the_fourth_power():
    gain, excess = loses_just_below_the_corner(1e-3, "p")
    assert excess / gain**4 == pytest.approx(0.62802, rel=1e-3)
    costs, mp = Costs(1.0, 0.15), theory.mp
    with mp.workdps(60):  # at 50 digits, on the way to the limit
        t = mp.mpf(10) ** -6
        p = mp.mpf("0.65") - t
        alpha = theory.alpha_from_p(p, 1, mp.mpf("0.15"), 2)
        s = mp.mpf(1)

        def reduced(r):
            return (s + mp.mpf("0.15")) * mp.exp(-r) + p * mp.exp(alpha * r)  # beta = 2

        best = mp.log((s + mp.mpf("0.15")) / (alpha * p)) / (1 + alpha)
        limit = (reduced(mp.mpf(0)) - reduced(best)) / t**4
    assert float(limit) == pytest.approx(0.62802, abs=5e-6)
    assert costs.c1 == 1


def test_calibration_by_mu_loses_the_square():
    gain, excess = loses_just_below_the_corner(1e-4, "mu")
    assert excess / gain**2 == pytest.approx(0.49, abs=0.005)


# --- the envelope


@pytest.mark.parametrize(
    ("choice", "client", "bound"),
    [
        ("mu", "free", excess_risk_bound_mu),
        ("mu", "independent", excess_risk_bound_mu),
        ("p", "free", excess_risk_bound_p),
        ("deterministic", "deterministic", excess_risk_bound_deterministic),
    ],
)
@pytest.mark.parametrize("costs", [Costs(1.0, 0.15), Costs(0.5, 0.1), Costs(2.0, 0.4)])
def test_the_envelope_lies_within_the_proved_bound(choice, client, bound, costs):
    envelope = lower_envelope(rule_of(choice, costs, 2.0), costs=costs, beta=2.0, client=client, grid_size=101)
    assert envelope.regret[0] == envelope.excess[0] == 0
    slopes = np.diff(envelope.excess) / np.diff(envelope.regret)
    assert (slopes > 0).all()
    assert (np.diff(slopes) > 0).all()
    assert (envelope.regret <= bound(envelope.excess, costs=costs, beta=2.0) + 1e-9).all()


@settings(max_examples=30)
@given(
    costs=st.builds(Costs, c1=st.floats(0.2, 2), ce=st.floats(0.05, 0.8)), beta=betas, seed=seeds, bounded=st.booleans()
)
def test_no_scores_lie_below_the_envelope(costs, beta, seed, bounded):
    """Points of the grid itself, with random scores: never less excess than the envelope says."""
    rule = rule_of("mu", costs, beta, bounded)
    envelope = lower_envelope(rule, costs=costs, beta=beta, client="free", grid_size=21, bounded=bounded)
    generator = np.random.default_rng(seed)
    eta, p = generator.integers(0, 21, N) / 40, generator.integers(0, 21, N) / 20
    r, e = generator.uniform(-1, 1, (2, N)) * generator.choice([1e-9, 0.1, 1 if bounded else 3], (2, N))
    loss, excess = played(r, e, eta, p, rule, costs, beta, bounded)
    assert (excess >= np.interp(loss, envelope.regret, envelope.excess) - 1e-9).all()


def test_a_finer_grid_lowers_the_envelope_a_little():
    costs = Costs(1.0, 0.15)
    coarse, fine = (
        lower_envelope(rule_of("p", costs, 2.0), costs=costs, beta=2.0, client="free", grid_size=grid)
        for grid in (51, 201)
    )
    x = np.linspace(0.1, 0.8, 15)
    ratio = np.interp(x, fine.regret, fine.excess) / np.interp(x, coarse.regret, coarse.excess)
    assert (ratio <= 1 + 1e-9).all()
    assert (ratio > 0.9).all()


@given(
    excess=st.floats(0, 1e6), c1=st.one_of(st.just(0.0), st.floats(1e-6, 1e6)), ce=st.floats(1e-6, 1e6),
    beta=st.floats(1e-3, 1e3),
)  # fmt: skip
def test_bounds_are_finite_and_rise_from_zero(excess, c1, ce, beta):
    costs = Costs(c1, ce)
    bounds = [excess_risk_bound_mu, excess_risk_bound_p] + ([excess_risk_bound_deterministic] if ce < 1 else [])
    for bound in bounds:
        nothing, some = bound(np.array([0.0, excess]), costs=costs, beta=beta)
        assert nothing == 0
        assert np.isfinite(some)
        assert some > 0 or excess < 1e-200
    assert 1 <= max_calibrated_alpha(costs=costs, beta=beta) * (1 + 1e-12) < np.inf


@settings(max_examples=20)
@given(
    costs=costs, beta=betas, choice=st.sampled_from(["mu", "p", "deterministic"]), client=st.sampled_from(CLIENT_KINDS)
)
def test_the_envelope_is_finite_with_every_edge_in_its_grid(costs, beta, choice, client):
    envelope = lower_envelope(rule_of(choice, costs, beta), costs=costs, beta=beta, client=client, grid_size=5)
    assert np.isfinite(envelope).all()
    assert (np.diff(envelope.regret) > 0).all()


def test_inputs_outside_the_domain_are_refused_with_the_domain():
    good = Costs(1.0, 0.15)
    for bound in (excess_risk_bound_mu, excess_risk_bound_p, excess_risk_bound_deterministic):
        with pytest.raises(ValueError, match="excess >= 0"):
            bound(np.array([0.1, -0.1]), costs=good, beta=2.0)
        with pytest.raises(ValueError, match="beta > 0"):
            bound(0.1, costs=good, beta=0.0)
    with pytest.raises(ValueError, match=r"c1 \+ ce > 0"):
        excess_risk_bound_mu(0.1, costs=Costs(0.0, 0.0), beta=2.0)
    with pytest.raises(ValueError, match="ce > 0"):
        excess_risk_bound_p(0.1, costs=Costs(1.0, 0.0), beta=2.0)
    with pytest.raises(ValueError, match="ce > 0"):
        max_calibrated_alpha(costs=Costs(1.0, 0.0), beta=2.0)
    for costs in (Costs(1.0, 1.0), Costs(0.5, 0.0)):
        with pytest.raises(ValueError, match="ce < 1, and ce > 0 or c1 >= 1"):
            excess_risk_bound_deterministic(0.1, costs=costs, beta=2.0)
    rule = rule_of("mu", good, 2.0)
    with pytest.raises(ValueError, match="client to be one of"):
        lower_envelope(rule, costs=good, beta=2.0, client="stubborn")
    with pytest.raises(ValueError, match="grid_size >= 2"):
        lower_envelope(rule, costs=good, beta=2.0, client="free", grid_size=1)
    with pytest.raises(ValueError, match=r"c1 \+ ce > 0"):
        lower_envelope(rule, costs=Costs(0.0, 0.0), beta=2.0, client="free")
