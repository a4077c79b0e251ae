"""The regions of the square against the rules at many points, and their areas against a second formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path
from oracles import theory

from l2h.problem import Costs
from l2h.theory.bayes import decision_boundary, decision_regions, region_areas

cost = st.one_of(st.sampled_from([0.0, 0.5, 1.0, 2.0]), st.floats(0, 3))


def area(corners):
    """The shoelace formula."""
    x, y = np.transpose(corners)
    return abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2


@given(c1=cost, ce=cost)
def test_the_regions_cover_the_square_and_their_shares_are_their_areas(c1, ce):
    costs = Costs(c1, ce)
    areas = [area(region) for region in decision_regions(costs)]
    assert sum(region_areas(costs)) == pytest.approx(1)
    assert areas == pytest.approx(list(region_areas(costs)), abs=1e-12)


@given(c1=cost, ce=cost, eta=st.floats(0, 1), p=st.floats(0, 1))
def test_a_point_lies_in_the_region_of_its_cheapest_action(c1, ce, eta, p):
    costs = theory.action_costs(eta, p, c1, ce)
    best = min(costs, key=costs.get)
    gap = sorted(costs.values())[1] - min(costs.values())
    names = {"keep": "keep", ("ask", -1): "minus", ("ask", 1): "plus"}
    if gap > 1e-9 and min(eta, 1 - eta, p, 1 - p) > 1e-9:
        inside = [Path(region).contains_point((eta, p)) for region in decision_regions(Costs(c1, ce))]
        assert [name for name, here in zip(("keep", "minus", "plus"), inside, strict=True) if here] == [names[best]]


@given(c1=cost, ce=cost, more=st.floats(0, 1))
def test_larger_costs_shrink_the_region_that_asks(c1, ce, more):
    assert region_areas(Costs(c1 + more, ce)).keep >= region_areas(Costs(c1, ce)).keep - 1e-12
    assert region_areas(Costs(c1, ce + more)).keep >= region_areas(Costs(c1, ce)).keep - 1e-12


def test_the_tent_is_cut_off_where_it_leaves_the_square():
    assert decision_boundary(Costs(2.0, 0.5)).tolist() == [[0, 0.5], [0.25, 1], [0.5, 1], [0.75, 1], [1, 0.5]]
    assert decision_boundary(Costs(1.0, 2.0)).tolist() == [[0, 1], [0.5, 1], [1, 1]]
    assert region_areas(Costs(1.0, 2.0)) == (1.0, 0.0, 0.0)
