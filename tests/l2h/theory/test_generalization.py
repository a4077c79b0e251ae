"""Theorem 1's four forms: their constants, their proof's inequalities, and where the stated form holds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import theory

from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import Costs
from l2h.theory.generalization import (
    critical_cost,
    margin_bound,
    margin_loss,
    theorem1_corrected,
    theorem1_expected,
    theorem1_stated,
)

costs = st.builds(Costs, c1=st.floats(0, 2), ce=st.floats(0, 2))
rad = st.floats(0, 1)
label = st.sampled_from([-1, 1])


@given(costs=costs, rad_r=rad, rad_e=rad, n=st.integers(1, 10_000), delta=st.floats(1e-6, 1))
def test_the_forms_are_their_formulas(costs, rad_r, rad_e, n, delta):
    at = {"costs": costs, "n": n, "delta": delta}
    quoted = theory.stated_penalty(rad_r, rad_e, costs.c1, costs.ce, n, delta)
    proved = theory.corrected_penalty(rad_r, rad_e, costs.c1, costs.ce, n, delta)
    assert theorem1_stated(rad_r, rad_e, **at).total == pytest.approx(quoted)
    assert theorem1_corrected(rad_r, rad_e, **at).total == pytest.approx(proved)
    assert theorem1_expected(rad_r, rad_e, **at).complexity == theorem1_corrected(rad_r, rad_e, **at).complexity
    assert 3 * theorem1_expected(rad_r, rad_e, **at).deviation == pytest.approx(
        theorem1_corrected(rad_r, rad_e, **at).deviation
    )


@given(costs=costs, rad_r=rad, rad_e=rad, delta=st.floats(1e-6, 1))
def test_the_stated_form_is_the_looser_one_exactly_where_the_costs_reach_one(costs, rad_r, rad_e, delta):
    quoted, proved = (
        form(rad_r, rad_e, costs=costs, n=50, delta=delta) for form in (theorem1_stated, theorem1_corrected)
    )
    assert quoted.complexity >= proved.complexity * (1 - 1e-12)
    assert quoted.complexity <= 3 * proved.complexity + 1e-12
    assert costs.c1 < 1 or quoted.complexity <= 2 * proved.complexity + 1e-12
    if costs.c1 + costs.ce >= 1:
        assert quoted.total >= proved.total * (1 - 1e-12)


def test_the_factor_three_is_attained():
    at = {"costs": Costs(0.0, 0.5), "n": 10, "delta": 1.0}
    assert theorem1_stated(0.1, 0.2, **at).complexity == pytest.approx(
        3 * theorem1_corrected(0.1, 0.2, **at).complexity
    )


@st.composite
def samples(draw):
    """A sample of at most five points with small families of rejectors and servers on it."""
    n = draw(st.integers(1, 5))
    row = st.lists(label, min_size=n, max_size=n)
    families = [draw(st.lists(row, min_size=1, max_size=4)) for _ in "re"]
    return *families, draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)), draw(row)


@settings(max_examples=60)
@given(sample=samples(), costs=costs)
def test_the_complexity_of_the_loss_class(sample, costs):
    functions_r, functions_e, errors, y = sample
    losses = theory.loss_class(functions_r, functions_e, errors, y, costs.c1, costs.ce)
    rad_r, rad_e = theory.rademacher(functions_r), theory.rademacher(functions_e)
    bound = theorem1_corrected(rad_r, rad_e, costs=costs, n=1, delta=1.0).complexity
    assert 2 * theory.rademacher(losses) <= bound + 1e-12
    assert 0 <= np.min(losses) <= np.max(losses) <= max(1, costs.c1 + costs.ce) + 1e-12


@given(
    r=st.floats(-3, 3), e=st.floats(-3, 3), m=label, y=label, costs=costs, rho=st.floats(0.05, 2), step=st.floats(-1, 1)
)
def test_the_margin_loss_is_a_lipschitz_bound_of_the_loss(r, e, m, y, costs, rho, step):
    def at(r, e):
        return margin_loss(*(np.array([v]) for v in (r, e, m, y)), costs=costs, rho=rho).item()

    loss = generalized_zero_one_loss(*(np.array([v]) for v in (r, e, m, y)), costs=costs).item()
    assert loss <= at(r, e) + 1e-12
    assert at(r, e) <= 1 + costs.c1 + costs.ce + 1e-12
    in_r, in_e = (max(1, costs.ce) + costs.c1 / 2) / rho, costs.c1 / (2 * rho)
    assert abs(at(r + step, e) - at(r, e)) <= in_r * abs(step) + 1e-9
    assert abs(at(r, e + step) - at(r, e)) <= in_e * abs(step) + 1e-9
    # twice these slopes are the factors of the complexities
    bound = margin_bound(1.0, 1.0, costs=costs, n=1, delta=1.0, rho=rho).complexity
    assert bound == pytest.approx(2 * (in_r + in_e))


@given(rad_r=rad, rad_e=rad, costs=costs, scale=st.floats(0.01, 10))
def test_the_margin_form_does_not_change_with_the_unit_of_the_scores(rad_r, rad_e, costs, scale):
    one = margin_bound(rad_r, rad_e, costs=costs, n=7, delta=0.1, rho=0.5)
    other = margin_bound(scale * rad_r, scale * rad_e, costs=costs, n=7, delta=0.1, rho=0.5 * scale)
    assert one.total == pytest.approx(other.total)


def test_the_forms_take_arrays_and_fall_as_one_over_root_n():
    n = np.array([100, 400])
    penalty = theorem1_stated(1 / np.sqrt(n), 1 / np.sqrt(n), costs=Costs(1.0, 0.1), n=n, delta=0.05)
    assert penalty.total[0] == pytest.approx(2 * penalty.total[1])


def test_where_the_union_bound_protects_the_stated_form():
    total, delta, n = 0.6, 0.1, 40
    n_pairs = 2 * (2 / delta) ** (9 * total**2 - 1)  # the largest number of pairs that the text allows
    penalty = theorem1_stated(0.0, 0.0, costs=Costs(0.3, 0.3), n=n, delta=delta).total
    assert n_pairs > 1
    assert n_pairs * math.exp(-2 * n * penalty**2) == pytest.approx(delta)


@pytest.mark.parametrize("delta, cost", [(0.05, 0.2019)])
def test_the_cost_below_which_one_pair_breaks_it(delta, cost):
    assert round(critical_cost(delta), 4) == cost
    n = 1_000_000
    shortfall = [
        0.5 * math.erfc(theorem1_stated(0.0, 0.0, costs=Costs(0.0, c), n=n, delta=delta).total * (2 * n) ** 0.5)
        for c in (0.99 * critical_cost(delta), 1.01 * critical_cost(delta))
    ]
    assert shortfall[0] > delta > shortfall[1]


def test_the_critical_cost_grows_to_a_third():
    breaking = [critical_cost(10.0**-k) for k in (1, 10, 100, 300)]
    assert breaking == sorted(breaking)
    assert breaking[-1] == pytest.approx(1 / 3, abs=0.002)


@pytest.mark.parametrize(
    "form",
    [theorem1_stated, theorem1_corrected, theorem1_expected, lambda *rads, **at: margin_bound(*rads, **at, rho=1.0)],
)
@pytest.mark.parametrize(
    "change, message",
    [
        ({"n": 0}, "n >= 1"),
        ({"delta": 0.0}, "delta > 0"),
        ({"delta": 1.1}, r"delta in \[0, 1\]"),
        ({}, "rademacher_e >= 0"),
    ],
)
def test_forms_refuse(form, change, message):
    with pytest.raises(ValueError, match=message):
        form(0.1, 0.1 if change else -0.1, **{"costs": Costs(), "n": 10, "delta": 0.1, **change})


def test_other_doors():
    one = np.ones(1)
    with pytest.raises(ValueError, match="rho > 0"):
        margin_bound(0.1, 0.1, costs=Costs(), n=10, delta=0.1, rho=0.0)
    with pytest.raises(ValueError, match="rho > 0"):
        margin_loss(one, one, one, one, costs=Costs(), rho=0.0)
    with pytest.raises(ValueError, match="one length"):
        margin_loss(one, np.ones(2), one, one, costs=Costs(), rho=1.0)
    with pytest.raises(ValueError, match="m in"):
        margin_loss(one, one, 0 * one, one, costs=Costs(), rho=1.0)
    with pytest.raises(ValueError, match=r"delta in \[0, 0.5\]"):
        critical_cost(0.6)
    with pytest.raises(ValueError, match="delta > 0"):
        critical_cost(0.0)
