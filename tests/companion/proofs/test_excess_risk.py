"""The certified inequalities of the transfer theorems, sampled with 50-digit slopes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import theory

from companion.proofs.excess_risk import excess_risk_large_costs, excess_risk_small_costs
from companion.proofs.prover import PROVED


@given(c1=st.floats(0, 2), ce=st.floats(0.01, 0.95), beta=st.floats(0.3, 5), p=st.floats(0, 1))
def test_the_slope_is_a_part_of_the_gain(c1, ce, beta, p):
    alpha = float(theory.alpha_deterministic(c1, ce, beta))
    k = min(1, alpha / (1 + c1))
    mu = min(p, 1 - p)
    gain = p - c1 * mu - ce
    slope = float(theory.slope(0, mu, p, c1, ce, alpha, beta))
    assert abs(slope) >= k * abs(gain) - 1e-9
    assert k > 0
    assert c1 + 2 * ce <= 1 or k * (c1 + 2 * ce - 1) <= beta * c1 + 2 * ce - alpha + 1e-9


@given(a=st.floats(0, 0.5), b=st.floats(0, 0.5))
def test_the_roots_differ_by_the_square_at_least(a, b):
    assert abs(math.sqrt(a * (1 - a)) - math.sqrt(b * (1 - b))) >= (a - b) ** 2 - 1e-15


@given(c1=st.floats(0.01, 3), k=st.floats(0.01, 3), label=st.floats(0, 3), regret=st.floats(0, 3))
def test_the_two_regrets_add_up(c1, k, label, regret):
    assert label**2 / (2 * c1) + k * regret**2 >= (label + regret) ** 2 / (2 * c1 + 1 / k) - 1e-12


@pytest.mark.parametrize("regions, group", [(6, excess_risk_large_costs), (4, excess_risk_small_costs)])
def test_every_region_is_proved(regions, group):
    assert [certificate.verdict for certificate in group().values()] == [PROVED] * regions
