"""What a choice of alpha costs: the constants of the chapter on the surrogate, and brute force over mu."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import theory

from l2h.problem import Costs
from l2h.theory.bayes import CLIENT_KINDS, ask_threshold, bayes_rejector, server_error
from l2h.theory.calibration import alpha_deterministic, alpha_from_mu, alpha_from_p, alpha_released, asks_at_minimum
from l2h.theory.conditional_risk import slope_at_zero
from l2h.theory.distributions import DISTRIBUTIONS, gaussians
from l2h.theory.regret import (
    alpha_rules,
    concave_hull,
    effective_threshold,
    expected_regret,
    pointwise_regret,
    worst_excess_risk,
    worst_regret,
)

probability = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1))
cost = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0.01, 3))
costs = st.builds(Costs, c1=cost, ce=cost)
alphas, betas = st.floats(0.05, 10), st.floats(0.1, 6)
# What the constant p0 = .18 does (c1 = 1, beta = 2), as printed: ce, alpha, asks above, Bayes asks above, largest
# regret, worst excess of a deterministic and of a free client with P(M≠Y) = .18, excess on the normal classes.
CONSTANT = [
    (0.00, 4.2687, 0.1800, 0.500, 0.0000, 0.0000, 0.2042, 0.00000),
    (0.01, 4.2293, 0.1866, 0.505, 0.0100, 0.0096, 0.2056, 0.00253),
    (0.15, 2.7287, 0.4163, 0.575, 0.1500, 0.0649, 0.1406, 0.00887),
    (0.16, 2.4444, 0.4740, 0.580, 0.1600, 0.0608, 0.1200, 0.00513),
    (0.18, 1.0000, 0.8645, 0.590, 0.5490, 0.1143, 0.1154, 0.00672),
]


def constant(alpha):
    return lambda mu, p: alpha


@given(mu=st.floats(0, 0.5), p=probability, c1=st.floats(0.2, 2), ce=st.floats(0.01, 0.17), beta=betas)
def test_the_rules_are_the_four_formulas(mu, p, c1, ce, beta):
    setting = {"costs": Costs(c1, ce), "beta": beta}
    found = [rule(mu, p) for rule in alpha_rules(**setting).values()]
    assert found == [
        alpha_from_mu(mu, **setting),
        alpha_from_p(p, **setting),
        alpha_deterministic(**setting),
        alpha_released(0.18, **setting),
    ]
    boxed = [rule(mu, p) for rule in alpha_rules(**setting, bounded=True).values()]
    assert boxed[:3] == [
        alpha_from_mu(mu, **setting, bounded=True),
        alpha_from_p(p, **setting, bounded=True),
        alpha_deterministic(**setting, bounded=True),
    ]
    assert boxed[3] == found[3]


def test_the_constant_of_the_rules_has_its_domain():
    constant = alpha_rules(costs=Costs(1.0, 0.19), beta=2.0)["released at 0.18"]
    with pytest.raises(ValueError, match=r"p > 0 in \[ce, ce \+ c1\] = \[0.19, 1.19\]"):
        constant(0.1, 0.1)


@given(c1=st.floats(0, 1), ce=st.floats(0, 1), tau=st.floats(0, 1), seed=st.integers(0, 10_000))
def test_thresholds_on_p_are_optimal_at_their_own_coverage(c1, ce, tau, seed):
    """Deterministic client, c1 <= 1: no rejector that asks as often, randomised or not, has less risk."""
    generator = np.random.default_rng(seed)
    p, mass = generator.random(8), generator.dirichlet(np.ones(8))
    gain = p - c1 * np.minimum(p, 1 - p) - ce
    ask, other = 1.0 * (p > tau), generator.random(8)
    rate, found = mass @ ask, mass @ other  # scale the other rejector to the same rate
    other = other * rate / found if found > rate else 1 - (1 - other) * (1 - rate) / (1 - found)
    assert mass @ other == pytest.approx(mass @ ask)
    assert mass @ (gain * ask) >= mass @ (gain * other) - 1e-12


def test_for_larger_c1_they_are_not():
    """c1 = 2, ce = 0: asking at p = 0.1 gains -0.1, at p = 0.4 it gains -0.4."""
    p = np.array([0.1, 0.4])
    gain = p - 2 * np.minimum(p, 1 - p)
    assert gain[p > 0.2].sum() < gain[p < 0.2].sum()


@pytest.mark.parametrize("row", CONSTANT)
def test_the_table_of_the_constant(row):
    ce, alpha, threshold, bayes, largest, deterministic, free, natural = row
    costs = Costs(1.0, ce)
    released = float(alpha_released(0.18, costs=costs, beta=2.0))
    jump = effective_threshold(released, costs=costs, beta=2.0)
    p = np.append(np.linspace(0, 1, 10_001), jump + np.array([-1e-12, 1e-12]))
    assert released == pytest.approx(alpha, abs=5e-5)
    assert jump == pytest.approx(threshold, abs=5.1e-5)
    assert ask_threshold(costs) == pytest.approx(bayes, abs=1e-12)
    assert pointwise_regret(p, p, costs=costs, alpha=released, beta=2.0).max() == pytest.approx(largest, abs=5e-5)
    for client, printed in (("deterministic", deterministic), ("free", free)):
        worst = worst_excess_risk(released, client_risk=0.18, costs=costs, beta=2.0, client=client)
        assert worst.excess == pytest.approx(printed, abs=5e-5)
        assert worst.mass @ worst.p == pytest.approx(0.18, abs=1e-12)
        assert worst.mass.sum() == pytest.approx(1)
    excess = expected_regret(constant(released), gaussians(t=0.42642), costs=costs, beta=2.0)
    assert excess == pytest.approx(natural, abs=5e-6)


def test_the_explicit_distribution():
    costs, share = Costs(1.0, 0.18), 0.18 / 0.85
    p = np.array([0.0, 0.85])
    assert slope_at_zero(p[1], p[1], costs=costs, alpha=1.0, beta=2.0).round(4) == -0.0441
    alpha = alpha_deterministic(costs=costs, beta=2.0)
    assert slope_at_zero(p[1], p[1], costs=costs, alpha=alpha, beta=2.0).round(3) == 0.782
    mass = np.array([1 - share, share])
    bayes = mass @ np.minimum(p, server_error(p) + 0.18)
    assert bayes.round(6) == 0.069882
    for bounded in (False, True):
        excess = mass @ pointwise_regret(p, p, costs=costs, alpha=1.0, beta=2.0, bounded=bounded)
        assert excess.round(6) == 0.110118
        assert (bayes + excess).round(6) == 0.18


def test_the_natural_example():
    testbed, zero = gaussians(t=0.42642), Costs(1.0, 0.0)
    costs = Costs(1.0, 0.15)
    alpha = float(alpha_released(0.18, costs=costs, beta=2.0))
    risk = expected_regret(constant(alpha), testbed, costs=costs, beta=2.0) + testbed.bayes_risk(costs)
    assert risk == pytest.approx(0.180261, abs=1.5e-6)
    assert risk > testbed.client_risk()
    rates = {}
    for ce in (0.01, 0.18):
        costs = Costs(1.0, ce)
        alpha = float(alpha_released(0.18, costs=costs, beta=2.0))

        def slope(x, costs=costs, alpha=alpha):
            return slope_at_zero(testbed.eta(x), testbed.p(x), costs=costs, alpha=alpha, beta=2.0)

        def gain(x, costs=costs):
            return -bayes_rejector(server_error(testbed.eta(x)), testbed.p(x), costs=costs)

        rates[ce] = [testbed.expectation(lambda x, f=f: 1.0 * (f(x) > 1e-12), (f,)) for f in (slope, gain)]
    assert np.round(rates[0.01], 3).tolist() == [0.355, 0.101]
    assert np.round(rates[0.18], 3).tolist() == [0.0, 0.059]
    assert expected_regret(constant(2.0), testbed, costs=zero, beta=2.0) == pytest.approx(0, abs=1e-10)


def test_the_logistic_testbed():
    testbed, costs = DISTRIBUTIONS["logistic"], Costs(1.0, 0.15)
    bayes = testbed.bayes_risk(costs)
    for alpha, printed in (
        (alpha_released(0.27, costs=costs, beta=2.0), 0.148900),
        (alpha_deterministic(costs=costs, beta=2.0), 0.150176),
        (2.49114, 0.148144),
    ):
        assert expected_regret(constant(float(alpha)), testbed, costs=costs, beta=2.0) + bayes == pytest.approx(
            printed, abs=5.1e-7
        )
    assert expected_regret(constant(2.42151), testbed, costs=Costs(1.0, 0.18), beta=2.0) == pytest.approx(0, abs=1e-9)
    x = np.linspace(-1, 1, 200_001)
    with pytest.raises(ValueError, match=r"p > 0 in \[ce, ce \+ c1\]"):
        alpha_released(testbed.p(x), costs=costs, beta=2.0)
    assert (testbed.p(x) < 0.15).mean() == pytest.approx(0.537, abs=5e-4)


@pytest.mark.parametrize(("ce", "possible"), [(0.01, False), (0.0319, False), (0.0321, True), (0.15, True)])
def test_when_a_constant_can_serve_the_logistic_testbed(ce, possible):
    testbed, costs, x = DISTRIBUTIONS["logistic"], Costs(1.0, ce), np.linspace(-1, 1, 200_001)
    mu, p = server_error(testbed.eta(x)), testbed.p(x)
    ask = bayes_rejector(mu, p, costs=costs) < 0
    turning = (2 * np.sqrt(mu * (1 - mu)) + ce) / p  # asks iff alpha exceeds it
    assert (turning[ask].max() < turning[~ask].min()) == possible


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("costs", [Costs(1.0, 0.15), Costs(0.5, 0.1)])
def test_calibrated_choices_reach_the_bayes_risk_on_every_testbed(name, costs):
    testbed = DISTRIBUTIONS[name]
    choices = {
        "mu": lambda mu, p: alpha_from_mu(mu, costs=costs, beta=2.0),
        "p": lambda mu, p: alpha_from_p(p, costs=costs, beta=2.0),
        "single": constant(alpha_deterministic(costs=costs, beta=2.0)),
    }
    for choice, rule in choices.items():
        excess = expected_regret(rule, testbed, costs=costs, beta=2.0)
        assert excess >= -1e-10
        if choice != "single" or testbed.client == "deterministic":
            assert excess <= 1e-9


@settings(max_examples=20)
@given(alpha=alphas, beta=betas, bounded=st.booleans())
def test_expected_regret_is_the_mean_of_regret(alpha, beta, bounded):
    testbed, costs = DISTRIBUTIONS["logistic"], Costs(1.0, 0.15)
    x = (np.arange(200_000) + 0.5) / 100_000 - 1
    mean = pointwise_regret(testbed.eta(x), testbed.p(x), costs=costs, alpha=alpha, beta=beta, bounded=bounded).mean()
    found = expected_regret(constant(alpha), testbed, costs=costs, beta=beta, bounded=bounded)
    assert found == pytest.approx(mean, abs=2e-5)


def test_expected_regret_of_atoms_is_exact():
    testbed, costs = DISTRIBUTIONS["atoms"], Costs(1.0, 0.18)
    x, mass = np.arange(5), np.array([0.30, 0.25, 0.20, 0.15, 0.10])
    expected = mass @ pointwise_regret(testbed.eta(x), testbed.p(x), costs=costs, alpha=1.0, beta=2.0)
    assert expected > 0
    assert expected_regret(constant(1.0), testbed, costs=costs, beta=2.0) == pytest.approx(expected, abs=1e-12)


@given(alpha=alphas, costs=costs, beta=betas)
def test_the_effective_threshold_is_where_a_constant_begins_to_ask(alpha, costs, beta):
    threshold = effective_threshold(alpha, costs=costs, beta=beta)
    if alpha > costs.ce:
        expected = theory.effective_threshold(alpha, costs.c1, costs.ce, beta)
        assert threshold == pytest.approx(expected, rel=1e-9, abs=1e-12)
    p = np.linspace(0, 1, 101)
    clear = np.abs(p - threshold) > 1e-9
    ask = asks_at_minimum(p, p, costs=costs, alpha=alpha, beta=beta)
    if costs.ce > 0:  # else p = 0 is a tie, which asks
        assert (ask == (p > threshold))[clear].all()


def test_at_ce_zero_the_released_constant_asks_exactly_above_itself():
    for p0 in (0.05, 0.18, 0.4):
        alpha = float(alpha_released(p0, costs=Costs(1.0, 0.0), beta=2.0))
        assert effective_threshold(alpha, costs=Costs(1.0, 0.0), beta=2.0) == pytest.approx(p0, abs=1e-12)


@pytest.mark.parametrize(("beta", "printed"), [(1.0, 0.357071), (4.0, 0.263)])
def test_the_largest_regret_of_the_released_formula_for_other_betas(beta, printed):
    """p in the interior (ce, ce + c1/2], c1 = 1, ce = .3; mu_0 is where the slope vanishes."""
    costs = Costs(1.0, 0.3)
    p = np.linspace(0.3, 0.8, 1001)
    alpha = alpha_released(p, costs=costs, beta=beta)
    worst = [worst_regret(p_i, alpha=a, costs=costs, beta=beta, client="free") for p_i, a in zip(p, alpha, strict=True)]
    assert max(worst) == pytest.approx(printed, abs=5e-4 if beta > 1 else 1e-6)


@given(c1=st.floats(0.05, 0.99), ce=st.floats(0.01, 0.5))
def test_the_released_formula_with_the_true_p_fails_for_c1_below_one(c1, ce):
    costs, p = Costs(c1, ce), c1 + ce
    assume(0.51 < p < 1 and c1 + 2 * ce < 1.9)
    alpha = alpha_released(p, costs=costs, beta=2.0)
    assume(c1 * np.sqrt(p * (1 - p)) > 1e-3)
    assert pointwise_regret(p, p, costs=costs, alpha=alpha, beta=2.0) == pytest.approx(c1 * (c1 + ce), abs=1e-9)


def test_the_printed_regrets_outside_the_interior():
    def released(p, eta, costs):
        return float(pointwise_regret(eta, p, costs=costs, alpha=alpha_released(p, costs=costs, beta=2.0), beta=2.0))

    assert released(0.75, 0.75, Costs(0.7, 0.05)) == pytest.approx(0.525)
    assert released(0.55, 0.55, Costs(0.5, 0.1)) == pytest.approx(0.225)
    assert released(1.0, 0.2, Costs(1.0, 0.01)) == pytest.approx(0.79)
    assert released(0.9990009, 0.9990009, Costs(0.999, 0.0000009)) > 0.99  # the supremum over c1 < 1 is 1
    small = Costs(1.0, 0.01)
    alpha = alpha_from_p(1.0, costs=small, beta=2.0)
    assert pointwise_regret(0.2, 1.0, costs=small, alpha=alpha, beta=2.0) == 0


@settings(max_examples=40)
@given(p=probability, alpha=alphas, costs=costs, beta=betas, client=st.sampled_from(CLIENT_KINDS))
def test_the_worst_regret_against_brute_force_over_mu(p, alpha, costs, beta, client):
    top = 0.5 if client == "free" else min(p, 1 - p)
    mu = np.array([top]) if client == "deterministic" else np.linspace(0, top, 4001)
    brute = pointwise_regret(mu, p, costs=costs, alpha=alpha, beta=beta).max()
    worst = worst_regret(p, alpha=alpha, costs=costs, beta=beta, client=client)
    assert brute - 1e-9 <= worst <= brute + costs.c1 * top / 4000 + 1e-9


def test_the_worst_regret_where_only_one_mu_is_admissible():
    worst = worst_regret(np.array([0.0, 1.0]), alpha=0.1, costs=Costs(1.0, 0.5), beta=2.0, client="independent")
    assert worst.tolist() == [0, 0.5]  # it keeps, though asking would cost 1/2 only


@given(points=st.lists(st.tuples(st.integers(0, 8), st.integers(-5, 5)), min_size=1, max_size=30))
def test_the_hull_lies_on_or_above_all_points_and_is_concave(points):
    x, y = np.array(points, dtype=float).T
    hull = concave_hull(x, y)
    assert (np.interp(x, x[hull], y[hull]) >= y - 1e-12).all()
    assert (np.diff(np.diff(y[hull]) / np.diff(x[hull])) < 0).all()
    assert x[hull[0]] == x.min()
    assert x[hull[-1]] == x.max()


@settings(max_examples=10)
@given(alpha=alphas, mean=st.floats(0.05, 0.95), seed=st.integers(0, 10))
def test_no_distribution_of_that_mean_is_worse(alpha, mean, seed):
    setting = {"costs": Costs(1.0, 0.15), "beta": 2.0, "client": "free"}
    worst = worst_excess_risk(alpha, client_risk=mean, **setting)
    low, high = np.random.default_rng(seed).random((2, 300)) * np.array([[mean], [1 - mean]]) + np.array([[0], [mean]])
    share = (mean - low) / (high - low)
    pair = (worst_regret(q, alpha=alpha, **setting) for q in (low, high))
    assert ((1 - share) * next(pair) + share * next(pair)).max() <= worst.excess + 1e-6


@given(costs=st.builds(Costs, c1=st.floats(0.1, 3), ce=st.floats(0, 0.9)), beta=betas)
def test_regret_of_calibration_by_p_with_bounded_scores(costs, beta):
    """At most c1 (1 - sqrt(1 - e^-beta))/2."""
    mu, p = np.meshgrid(np.linspace(0, 0.5, 101), np.linspace(0, 1, 101))
    alpha = alpha_from_p(p, costs=costs, beta=beta)
    bound = costs.c1 * (1 - np.sqrt(1 - np.exp(-beta))) / 2
    assert pointwise_regret(mu, p, costs=costs, alpha=alpha, beta=beta, bounded=True).max() <= bound + 1e-9


def test_the_printed_regrets_with_bounded_scores():
    costs = Costs(1.0, 0.15)
    mu, p = np.zeros(100_001), np.linspace(0, 1, 100_001)
    by_p = pointwise_regret(
        mu, p, costs=costs, alpha=alpha_from_p(p, costs=costs, beta=2.0), beta=2.0, bounded=True
    ).max()
    by_mu = pointwise_regret(
        mu, p, costs=costs, alpha=alpha_from_mu(mu, costs=costs, beta=2.0), beta=2.0, bounded=True
    ).max()
    assert by_p == pytest.approx((1 - np.sqrt(1 - np.exp(-2))) / 2, abs=2e-5)
    assert by_p.round(4) == 0.0351
    assert by_mu == pytest.approx(np.exp(-1), abs=2e-5)
    alpha = alpha_from_p(0.17, costs=costs, beta=2.0)
    decisions = [bool(asks_at_minimum(0.0, 0.17, costs=costs, alpha=alpha, beta=2.0, bounded=s)) for s in (False, True)]
    assert decisions == [True, False]


@given(ce=st.floats(0, 0.99), beta=betas)
def test_when_bounded_scores_need_no_other_single_alpha(ce, beta):
    assume(abs(ce - np.tanh(beta / 2)) > 1e-9)
    costs = Costs(1.0, ce)
    plain, boxed = (alpha_deterministic(costs=costs, beta=beta, bounded=bounded) for bounded in (False, True))
    assert (plain == boxed) == (ce <= np.tanh(beta / 2))


@given(
    eta=probability,
    p=probability,
    alpha=st.floats(1e-3, 1e3),
    c1=st.one_of(st.just(0.0), st.floats(1e-6, 1e6)),
    ce=st.one_of(st.just(0.0), st.floats(1e-6, 1e6)),
    beta=st.floats(1e-3, 1e3),
    bounded=st.booleans(),
)
def test_no_regret_is_nan_or_infinite_and_none_exceeds_the_stakes(eta, p, alpha, c1, ce, beta, bounded):
    setting = {"costs": Costs(c1, ce), "beta": beta}
    stakes = 1 + c1 + ce
    assert 0 <= pointwise_regret(eta, p, alpha=alpha, bounded=bounded, **setting) <= stakes
    for client in CLIENT_KINDS:
        assert 0 <= worst_regret(p, alpha=alpha, client=client, **setting) <= stakes
    assert 0 <= effective_threshold(alpha, **setting) <= 1 + 1e-12


def test_inputs_outside_the_domain_are_refused_with_the_domain():
    costs = Costs(1.0, 0.15)
    with pytest.raises(ValueError, match=r"eta in \[0, 1\]"):
        pointwise_regret(2.0, 0.1, costs=costs, alpha=1.0, beta=2.0)
    with pytest.raises(ValueError, match="alpha > 0"):
        effective_threshold(0.0, costs=costs, beta=2.0)
    with pytest.raises(ValueError, match="client to be one of"):
        worst_regret(0.1, alpha=1.0, costs=costs, beta=2.0, client="stubborn")
    with pytest.raises(ValueError, match=r"p in \[0, 1\]"):
        worst_regret(-0.1, alpha=1.0, costs=costs, beta=2.0, client="free")
    with pytest.raises(ValueError, match="beta > 0"):
        worst_regret(0.1, alpha=1.0, costs=costs, beta=0.0, client="free")
    with pytest.raises(ValueError, match="one length"):
        concave_hull(np.zeros(3), np.zeros(2))
    for mean in (0.0, 1.0):
        with pytest.raises(ValueError, match="> 0"):
            worst_excess_risk(1.0, client_risk=mean, costs=costs, beta=2.0, client="free")
    with pytest.raises(ValueError, match="alpha > 0"):
        expected_regret(constant(-1.0), DISTRIBUTIONS["atoms"], costs=costs, beta=2.0)
