"""The certified algebra of Theorem 1, sampled and enumerated."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import theory

from companion.proofs.generalization import loss_range

cost = st.fractions(0, 3)


@given(c1=cost, ce=cost)
def test_the_loss_over_signs(c1, ce):
    losses = []
    for r, e, y, error in itertools.product((1, -1), (1, -1), (1, -1), (0, 1)):
        (loss,) = theory.loss_class([[r]], [[e]], [error], [y], c1, ce)
        constant = (error + ce) / 2 + c1 / 4
        assert constant + r * (error - ce - c1 / 2) / 2 - c1 * y * e / 4 + c1 * y * e * r / 4 == loss[0]
        losses += loss
    assert max(losses) == max(1, c1 + ce)
    assert min(losses) == 0


@given(c1=cost, ce=cost)
def test_the_constants(c1, ce):
    slope = max(abs((b - c1 / 2 - ce) / 2) for b in (0, 1))
    corrected = max(1 - ce, c1 + ce)
    assert 2 * slope + c1 / 2 == corrected
    assert corrected <= 1 + c1 + ce <= (3 if c1 < 1 else 2) * corrected


@given(share=st.floats(0, 1), c=st.floats(0.34, 0.999), rad_r=st.floats(0, 1), small=st.floats(0.001, 1))
def test_the_middle_range(share, c, rad_r, small):
    c1 = share * c
    ce, whole = c - c1, 1 + c + c1
    t = small * c * (3 * c - 1) / (2 * (1 + c) * whole)
    rad_e = small * (3 * c - 1) ** 2 / (16 * c1 * whole) if c1 > 1e-6 else 1.0
    penalty = (1 + c) * rad_r + c1 * rad_e
    left = penalty + 3 * c * t - 2 * t * np.sqrt(whole * penalty)
    assert left >= max(1 - ce, c) * rad_r + c1 * rad_e + t - 1e-9


def test_the_root_of_the_cubic():
    # (1 + c)^2 <= 3 c^2 (3c - 1); printed as c >= 0.8559, rounded to the safe side
    roots = np.roots([9, -4, -2, -1])
    assert max(roots[np.isreal(roots)].real) == pytest.approx(0.855812, abs=5e-7)


def test_the_counterexample_by_hand():
    at = loss_range()["theorem-1-range-stated"].counterexample
    ((loss,),) = theory.loss_class([[at["r"]]], [[at["e"]]], [at["error"]], [at["y"]], at["c1"], at["ce"])
    assert loss == 1 > at["c1"] + at["ce"]
