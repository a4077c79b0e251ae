"""The counterexamples with exponentials, put into 50-digit formulas by hand."""

import math

import mpmath as mp
import pytest
from oracles import theory

from companion.proofs.counterexamples import (
    half_min_server_term,
    interval_released_alpha,
    interval_slope,
    joint_stage_objective,
    quartic_excess_risk,
    stated_bound,
    surrogate_shape,
    wrong_alphas,
)
from companion.proofs.prover import UNDECIDED, enclosing_interval, refute_at


def numbers(certificate):
    return {name: float(number) for name, number in certificate.counterexample.items()}


def test_the_constant_018():
    at = numbers(wrong_alphas()["constant-0.18"])
    assert theory.slope(0, at["mu"], at["p"], 1, 0.18, 1, 2) == pytest.approx(-0.044143, abs=1e-6)
    mass = 0.18 / at["p"]
    assert mass * (at["p"] - at["mu"] - 0.18) == pytest.approx(0.110118, abs=5e-7)


@pytest.mark.parametrize(
    "name, at_zero, gain", [("released-formula-beta-1", -0.0071, 0.26), ("released-formula-domain", -0.61, 0.79)]
)
def test_the_released_formula(name, at_zero, gain):
    at = numbers(wrong_alphas()[name])
    alpha = theory.alpha_released(at["p"], at["c1"], at["ce"], at["beta"])
    measured = theory.slope(0, at["mu"], at["p"], at["c1"], at["ce"], alpha, at["beta"])
    assert float(measured) == pytest.approx(at_zero, abs=1e-2 if at_zero < -0.1 else 5e-5)
    assert at["p"] - at["c1"] * at["mu"] - at["ce"] == pytest.approx(gain)


def test_bounded_scores():
    at = numbers(wrong_alphas()["bounded-keeps"])
    alpha = theory.alpha_from_p(at["p"], at["c1"], at["ce"], at["beta"])
    bounded_scores, free = (
        theory.reduced_surrogate(1e-6, 0, at["p"], 1, at["ce"], alpha, 2, bounded=bounded)
        - theory.reduced_surrogate(0, 0, at["p"], 1, at["ce"], alpha, 2, bounded=bounded)
        for bounded in (True, False)
    )
    assert bounded_scores < 0 < free  # it keeps within the box, and would ask outside
    assert at["p"] > at["mu"] + at["ce"]


def test_negative_parameters():
    at = numbers(surrogate_shape()["upper-bound-negative-alpha"])
    (loss,) = theory.surrogate([at["r"]], [at["e"]], [-1], [1], 1, 0, at["alpha"], at["beta"])
    assert round(loss, 3) == 0.082
    at = numbers(surrogate_shape()["upper-bound-negative-beta"])
    (loss,) = theory.surrogate([at["r"]], [at["e"]], [1], [1], 1, 0, 1, at["beta"])
    assert round(loss, 3) == 0.472
    at = numbers(surrogate_shape()["convex-in-the-logit"])
    values = [math.exp(2 / (1 + math.exp(-at["z"] - step)) - 1) for step in (-1, 0, 1)]
    assert values[0] + values[2] < 2 * values[1]


def test_the_stated_bound():
    assert float(theory.single_pair_penalty(0.12, 0.12, 1, 0.19)) == pytest.approx(0.7811, abs=5e-5)
    penalty = theory.single_pair_penalty(0.05, 0.05, 100, 0.05)
    assert [k for k in range(101) if 0.5 - k / 100 > penalty] == list(range(46))
    assert float(theory.binomial_tail(100, 0.5, 45)) == pytest.approx(0.184101, abs=5e-7)
    right = 0.3 + 2.3 * 0.001 + theory.single_pair_penalty(1, 0.3, 10_000, 0.05)
    assert float(right) == pytest.approx(0.3553, abs=5e-5)
    assert len(stated_bound()) == 3


def test_the_joint_objective_by_a_search_over_servers():
    at = numbers(joint_stage_objective()["joint-stage-objective"])
    etas = (at["eta"], 1 - at["eta"])
    right, wrong = (theory.stage_minimum(etas, at["p"], at["c1"], at["ce"], label) for label in (0, 1))
    assert wrong < right
    # past a gap of 0.9194 the likelier label wins again
    for eta, larger in ((0.958, True), (0.962, False)):
        right, wrong = (theory.stage_minimum((eta, 1 - eta), 0.5, 0.8, 0.05, label) for label in (0, 1))
        assert (right > wrong) == larger


def test_the_quartic_by_minimisation():
    at = quartic_excess_risk()["quadratic-transfer-of-alpha-p"].counterexample
    with mp.workdps(50):
        t, ce = (mp.mpf(number.numerator) / number.denominator for number in (at["t"], at["ce"]))
        p = ce + mp.mpf(1) / 2 - t
        alpha = theory.alpha_from_p(p, 1, ce, 2)
        r = theory.best_r(0.5, p, 1, ce, alpha, 2)
        excess = theory.reduced_surrogate(0, 0.5, p, 1, ce, alpha, 2) - theory.reduced_surrogate(
            r, 0.5, p, 1, ce, alpha, 2
        )
        assert float(excess / t**4) == pytest.approx(0.62802, abs=1e-5)


def test_the_intervals_contain_the_formulas():
    arguments = (0.3, 0.1, 0.7, 0.2, 1.3, 2.5)
    exact = [enclosing_interval(str(number)) for number in arguments]
    assert mp.mpf(theory.slope(0, 0.1, 0.3, 0.7, 0.2, 1.3, 2.5)) in interval_slope(*exact) + enclosing_interval(
        "-1e-14", "1e-14"
    )
    assert float(theory.alpha_released(0.3, 0.7, 0.2, 2.5)) == pytest.approx(
        float(interval_released_alpha(*(enclosing_interval(number) for number in ("0.3", "0.7", "0.2", "2.5"))).mid)
    )
    assert 0.3 in half_min_server_term(enclosing_interval("0.09", "0.11"))


def test_a_false_fact_refutes_nothing():
    at = {"p": "0.85", "mu": "0.15", "c1": 1, "ce": "0.18", "alpha": 2, "beta": 2}
    certificate = refute_at("alpha = 2 asks", at, {"F'(0) < 0": lambda **x: -interval_slope(**x)})
    assert certificate.verdict == UNDECIDED
