"""The certified alphas against 50-digit slopes; a nudge of a proved statement is refuted."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oracles import theory
from z3 import And, RealVal

from companion.proofs import bayes, calibration
from companion.proofs.calibration import calibrated_alphas, released_failures, single_alpha
from companion.proofs.prover import PROVED, UNDECIDED, prove

costs = {"c1": st.floats(0.05, 2), "ce": st.floats(0.01, 0.9)}
beta = st.floats(0.3, 5)


def signs_agree(p, mu, c1, ce, alpha, beta):
    gain, slope = p - c1 * mu - ce, theory.slope(0, mu, p, c1, ce, alpha, beta)
    return abs(gain) < 1e-9 or (gain > 0) == (slope > 0)


@given(p=st.floats(0.001, 1), mu=st.floats(0, 0.5), beta=beta, **costs)
def test_the_choices_that_depend_on_x(p, mu, beta, c1, ce):
    assert signs_agree(p, mu, c1, ce, theory.g(mu, c1, ce, beta), beta)
    assert signs_agree(p, mu, c1, ce, theory.alpha_from_p(p, c1, ce, beta), beta)


@given(p=st.floats(0.001, 1), beta=beta, **costs)
def test_the_single_number_of_a_deterministic_client(p, beta, c1, ce):
    alpha = theory.alpha_deterministic(c1, ce, beta)
    assert signs_agree(p, min(p, 1 - p), c1, ce, alpha, beta)


@given(beta=beta, nudge=st.sampled_from([0.9, 1.1]), **costs)
def test_no_other_number_will_do(beta, nudge, c1, ce):
    p_t = float(theory.ask_threshold(c1, ce))
    assume(0.01 < p_t < 0.99)
    alpha = float(theory.alpha_deterministic(c1, ce, beta)) * nudge
    wrong = theory.effective_threshold(alpha, c1, ce, beta)
    between = (wrong + p_t) / 2
    assert not signs_agree(between, min(between, 1 - between), c1, ce, alpha, beta)


@given(alpha=st.floats(0.01, 50))
def test_no_single_number_for_a_free_client(alpha):
    # the witnesses of the proof: mu = 1/10 with sqrt(mu (1 - mu)) = 3/10, mu = 1/5 with 2/5; c1 = 1, ce = 0.15
    near_tenth = 0.5 if alpha <= 1 else (0.25 + 0.75 / alpha) / 2
    near_fifth = (0.35 + 0.95 / alpha) / 2
    decided = [
        signs_agree(p, mu, 1, 0.15, alpha, 2) and mu <= p <= 1 - mu for p, mu in ((near_tenth, 0.1), (near_fifth, 0.2))
    ]
    assert not all(decided)


@pytest.mark.parametrize("name", ["released-beta-1", "released-beta-4", "released-upper-range", "released-small-c1"])
def test_the_released_formula_fails_at_its_counterexamples(name):
    numbers = {key: float(value) for key, value in released_failures()[name].counterexample.items()}
    p, mu, c1, ce, beta = (numbers[key] for key in ("p", "mu", "c1", "ce", "beta"))
    alpha = float(theory.alpha_released(p + 1e-12, c1, ce, beta)) if numbers["root_u"] else beta * ce / (2 * p)
    assert alpha == pytest.approx(numbers["alpha"], rel=1e-6)
    assert not signs_agree(p, mu, c1, ce, numbers["alpha"], beta)


def test_the_constant_fails_at_its_counterexample():
    numbers = released_failures()["released-constant"].counterexample
    assert float(theory.alpha_released(0.18, 1, 0.18, 2)) == pytest.approx(1)
    assert not signs_agree(*(float(numbers[key]) for key in ("p", "mu", "c1", "ce", "alpha", "beta")))


def test_the_two_numbers_that_no_constant_meets():
    assert [float(theory.g(mu, 1, 0.15, 2)) for mu in (0.1, 0.2)] == pytest.approx([3, 19 / 7])
    assert calibrated_alphas()["no-single-alpha"].verdict == PROVED


def test_a_nudged_alpha_is_not_calibrated():
    nudged = calibration.alpha * calibration.p_t == RealVal("101/100") * (
        calibration.beta * bayes.c1 * calibration.root_t + bayes.ce
    )
    given = [
        *calibration.DOMAIN,
        calibration.DETERMINISTIC_CLIENT,
        *calibration.ASK_THRESHOLD,
        nudged,
        bayes.c1 == 1,
        bayes.ce == RealVal("1/5"),
        calibration.beta == 2,
    ]
    certificate = prove("calibrated", calibration.CALIBRATED, assumptions=given)
    assert certificate.verdict == UNDECIDED  # refuted, at a point with irrational roots
    assert "irrational" in certificate.reason
    assert single_alpha()["single-alpha"].verdict == PROVED


def test_a_root_is_the_nonnegative_one():
    two = And(calibration.is_root(calibration.root_mu, RealVal(4)), calibration.root_mu != 2)
    assert "empty" in prove("sqrt 4 = 2", calibration.root_mu == 3, assumptions=[two]).reason
    assert math.isclose(float(theory.slope(0, 0.5, 0.5, 1, 0, 1, 2)), -0.5)
