"""The testbeds: their risks against closed forms, fractions, other quadratures and their own samples."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import theory

from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import Costs
from l2h.theory.bayes import admissible, bayes_rejector, bayes_server, server_error
from l2h.theory.distributions import DISTRIBUTIONS, gaussians

MASSES = [Fraction(k, 20) for k in (6, 5, 4, 3, 2)]
ETAS = [Fraction(k, 20) for k in (19, 12, 2, 17, 6)]
ANSWERS = (1, 1, -1, -1, 1)
cost = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 3))
decimal = st.integers(0, 60).map(lambda k: k / 20)
TABLE = {  # c1 = 1: printed risks at ce = 0, .01, .15, .18, and of the client alone
    "gaussians": (".158655253931", ".161029404534", ".191716530099", ".197666393234", ".261375"),
    "xor": (".144927686781", ".148919246233", ".202206136161", ".213055749297", ".419418"),
    "logistic": (".087526473193", ".092725124041", ".148143772343", ".159201264182", ".270002"),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_table_of_bayes_risks(name):
    testbed = DISTRIBUTIONS[name]
    for ce, printed in zip((0.0, 0.01, 0.15, 0.18), TABLE[name], strict=False):
        assert testbed.bayes_risk(Costs(1.0, ce)) == pytest.approx(float(printed), abs=6e-13)
    assert testbed.client_risk() == pytest.approx(float(TABLE[name][-1]), abs=6e-7)


def test_the_exact_risks_of_the_table():
    risks = [DISTRIBUTIONS["atoms"].bayes_risk(Costs(1.0, ce)) for ce in (0.0, 0.01, 0.15, 0.18)]
    assert risks == [Fraction(3, 16), Fraction(19, 100), Fraction(9, 40), Fraction(93, 400)]
    assert DISTRIBUTIONS["atoms"].client_risk() == Fraction(133, 400)
    assert DISTRIBUTIONS["specialist"].bayes_risk(Costs(1.0, 0.15)) == Fraction(7, 80)
    assert DISTRIBUTIONS["specialist"].client_risk() == Fraction(11, 40)


@settings(max_examples=25)
@given(t=st.floats(-2, 2), c1=cost, ce=cost)
@example(t=-1.0, c1=0.0, ce=0.5)
def test_gaussians_for_any_costs(t, c1, ce):
    risk = gaussians(t).bayes_risk(Costs(c1, ce))
    assert risk == pytest.approx(theory.gaussians_bayes_risk(t, c1, ce), abs=1e-10)
    if c1 + 2 * ce >= 1:
        assert risk == pytest.approx(theory.gaussians_closed_form(t, c1, ce), abs=1e-10)


@pytest.mark.parametrize(("c1", "ce"), [(0.3, 0.1), (0.7, 0.02), (0.0, 0.4), (2.0, 0.0), (1.3, 0.6), (0.5, 0.25)])
def test_xor_and_logistic_for_other_costs(c1, ce):
    assert DISTRIBUTIONS["xor"].bayes_risk(Costs(c1, ce)) == pytest.approx(theory.xor_bayes_risk(c1, ce), abs=1e-10)
    expected = theory.logistic_bayes_risk(c1, ce)
    assert DISTRIBUTIONS["logistic"].bayes_risk(Costs(c1, ce)) == pytest.approx(expected, abs=1e-10)


@settings(max_examples=20)
@given(c1=decimal, ce=decimal)
def test_atoms_against_every_rejector_and_server(c1, ce):
    exact = Fraction(str(c1)), Fraction(str(ce))
    assert DISTRIBUTIONS["atoms"].bayes_risk(Costs(c1, ce)) == theory.best_system(MASSES, ETAS, ANSWERS, *exact)


@given(c1=decimal, ce=decimal)
def test_exact_risks_agree_with_the_quadrature(c1, ce):
    costs = Costs(c1, ce)
    for name in ("atoms", "specialist"):
        testbed = DISTRIBUTIONS[name]

        assert testbed.risk(testbed.bayes_rejector(costs), costs=costs) == pytest.approx(
            float(testbed.bayes_risk(costs)), abs=1e-12
        )
        assert testbed.expectation(testbed.p, ()) == pytest.approx(float(testbed.client_risk()), abs=1e-12)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("costs", [Costs(1.0, 0.15), Costs(0.5, 0.1)])
def test_a_sample_pays_the_bayes_risk(name, costs):
    testbed, n = DISTRIBUTIONS[name], 400_000
    x, y, m = testbed.sample(n, np.random.default_rng(7))
    eta, p = testbed.eta(x), testbed.p(x)
    assert admissible(server_error(eta), p, client=testbed.client).all()
    r, e = bayes_rejector(server_error(eta), p, costs=costs), bayes_server(eta)
    for losses, risk in (
        (generalized_zero_one_loss(r, e, m, y, costs=costs), testbed.bayes_risk(costs)),
        (1.0 * (m != y), testbed.client_risk()),
        (np.where(y > 0, 1 - eta, -eta), 0),
        (np.where(m != y, 1 - p, -p), 0),
    ):
        assert abs(losses.mean() - float(risk)) < 4 * losses.std() / np.sqrt(n)


@pytest.mark.parametrize("name", ["gaussians", "xor"])
def test_eta_is_the_ratio_of_the_class_densities(name):
    generator = np.random.default_rng(3)
    if name == "gaussians":
        x, centres = generator.uniform(-4, 4, (50, 1)), {1: [[1]], -1: [[-1]]}
    else:
        x, centres = generator.uniform(-4, 4, (50, 2)), {1: [[2, 0], [-2, 0]], -1: [[0, 2], [0, -2]]}
    density = {y: sum(np.exp(-((x - c) ** 2).sum(1) / 2) for c in np.array(centres[y])) for y in centres}
    eta = DISTRIBUTIONS[name].eta(x[:, 0] if name == "gaussians" else x)
    np.testing.assert_allclose(eta, density[1] / (density[1] + density[-1]), rtol=1e-12)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_risk_of_any_pair_is_what_a_sample_pays(name):
    testbed, costs, n = DISTRIBUTIONS[name], Costs(0.8, 0.1), 200_000

    def first(x):
        return x if x.ndim == 1 else x[:, 0]

    def r(x):
        return first(x) - 0.3

    def e(x):
        return 0.1 - first(x)

    x, y, m = testbed.sample(n, np.random.default_rng(6))
    losses = generalized_zero_one_loss(r(x), e(x), m, y, costs=costs)
    assert abs(losses.mean() - testbed.risk(r, e, costs=costs)) < 4 * losses.std() / np.sqrt(n)
    assert testbed.risk(r, costs=costs) <= testbed.risk(r, e, costs=costs) + 1e-12
    assert testbed.risk(r, lambda x: bayes_server(testbed.eta(x)), costs=costs) == pytest.approx(
        testbed.risk(r, costs=costs), abs=1e-9
    )


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_share_of_questions_is_that_of_a_sample(name):
    testbed, costs, n = DISTRIBUTIONS[name], Costs(1.0, 0.15), 200_000

    best = testbed.bayes_rejector(costs)
    asked = best(testbed.sample(n, np.random.default_rng(5)).x) <= 0
    assert abs(asked.mean() - testbed.ask_rate(best)) < 4 * 0.5 / np.sqrt(n)
    assert testbed.ask_rate(lambda x: -np.ones(len(x))) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_best_rejector_is_better_than_keeping_and_asking(name):
    testbed, costs = DISTRIBUTIONS[name], Costs(1.0, 0.15)
    keep = testbed.risk(lambda x: np.ones(len(x)), costs=costs)
    ask = testbed.risk(lambda x: -np.ones(len(x)), costs=costs)
    assert keep == pytest.approx(float(testbed.client_risk()), abs=1e-12)
    assert float(testbed.bayes_risk(costs)) <= min(keep, ask) + 1e-12


def test_where_servers_are_lines_the_most_accurate_one_is_useless():
    servers = theory.specialist_servers(1, Fraction(3, 20))
    errors = sorted(error for error, _ in servers.values())
    accurate = min(servers.values())
    assert accurate == (Fraction(11, 40), Fraction(11, 40))
    assert errors[0] < errors[1]
    assert min(risk for _, risk in servers.values()) == Fraction(7, 80)


def test_the_joint_optimum_of_the_specialist_is_found_by_its_rules():
    testbed, costs = DISTRIBUTIONS["specialist"], Costs(1.0, 0.15)
    x = np.array([0.2, 0.6, 0.9])
    always_plus = np.where(testbed.eta(x) > 0.5, 0.05, 0.95)
    assert (bayes_rejector(always_plus, testbed.p(x), costs=costs) > 0).tolist() == [True, True, False]


def test_the_client_whose_best_threshold_errs_in_18_percent():
    assert gaussians(0.42642).client_risk() == pytest.approx(0.18, abs=5e-6)


def test_values_stay_finite_far_out():
    far = np.array([-1e6, -50.0, 50.0, 1e6])
    for name, x in (("gaussians", far), ("xor", np.array(list(itertools.product(far, far))))):
        testbed = DISTRIBUTIONS[name]
        assert np.isfinite(testbed.eta(x)).all()
        assert np.isfinite(testbed.p(x)).all()


def test_inputs_outside_the_domain_are_refused_with_the_domain():
    with pytest.raises(ValueError, match="n >= 1"):
        DISTRIBUTIONS["atoms"].sample(0, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"\[0, 9\]"):
        gaussians(10.0)
