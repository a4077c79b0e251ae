"""The certified inequalities of the losses, sampled, and the multi-class counterexamples put in by hand."""

import math
from fractions import Fraction

import numpy as np
import z3
from hypothesis import given
from hypothesis import strategies as st
from oracles import theory

from companion.proofs.losses import exponential_facts, released_stage_weight, stage_weight_signs, upper_bound
from companion.proofs.prover import REFUTED, prove

sign, cost = st.sampled_from([-1, 1]), st.fractions(0, 2)


@given(r=st.floats(-5, 5), e=st.floats(-5, 5), m=sign, y=sign, alpha=st.floats(0, 4), beta=st.floats(0, 4))
def test_the_upper_bound(r, e, m, y, alpha, beta):
    for c1, ce in ((1, 0), (0.3, 0.7), (0, 0)):
        loss = theory.generalized_zero_one([r], [e], [m], [y], c1, ce)
        assert (theory.surrogate([r], [e], [m], [y], c1, ce, alpha, beta) >= loss).all()


@given(r=st.floats(-2, 2), e=st.floats(-2, 2), m=sign, y=sign, alpha=st.floats(-3, 3), beta=st.floats(-3, 3))
def test_the_hessian_is_that_of_the_surrogate(r, e, m, y, alpha, beta):
    c1, ce, step = 0.7, 0.2, 1e-4

    def value(r, e):
        return theory.surrogate([r], [e], [m], [y], c1, ce, alpha, beta)[0]

    served, asked, kept = math.exp(beta / 2 * (-e * y - r)), math.exp(-r), (m != y) * math.exp(alpha * r)
    of_e = beta**2 / 4 * c1 * served
    proved = np.array([[of_e + ce * asked + alpha**2 * kept, y * of_e], [y * of_e, of_e]])
    moves = np.array([[step, 0], [0, step]])
    second = [
        [
            sum(s * t * value(r + (s * a + t * b)[0], e + (s * a + t * b)[1]) for s in (1, -1) for t in (1, -1))
            for b in moves
        ]
        for a in moves
    ]
    np.testing.assert_allclose(np.array(second) / (4 * step**2), proved, rtol=1e-4, atol=1e-4 * (1 + abs(proved).max()))


@given(p=st.fractions(0, 1), wrong=st.fractions(0, 1), c1=cost, ce=cost)
def test_the_weights_decide_as_certified(p, wrong, c1, ce):
    correct = 1 - ce - c1 * wrong > 1 - p
    released = (1 - wrong) * (1 - ce) + wrong * (1 - ce + c1) > 1 - p
    assert correct == (p > ce + c1 * wrong)
    assert (released != correct) == (ce - c1 * wrong < p <= ce + c1 * wrong)


def test_counterexamples_by_hand():
    at = stage_weight_signs()["stage-weight-any-costs"].counterexample
    assert 1 - at["ce"] - at["c1"] * at["of_e"] == -at["ce"] < 0
    at = released_stage_weight()["released-weight"].counterexample
    assert 1 - at["ce"] + at["c1"] * at["of_e"] > 1 - at["p"]
    assert at["p"] < at["c1"] * at["of_e"] + at["ce"]
    assert at["c1"] * at["of_e"] + at["ce"] - at["p"] == Fraction(3, 5)  # the excess risk there


def test_without_the_exponentials_lower_bound_nothing_is_proved():
    value, exponent = z3.Reals("value exponent")
    weaker = prove("exp >= 1 everywhere", value >= 1, assumptions=[exponential_facts(value, exponent)])
    assert weaker.verdict == REFUTED
    assert weaker.counterexample["exponent"] < 0
    assert len(upper_bound()) == 4
