"""The best pair of thresholds against all pairs on a grid."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import theory

from companion.chapters.ch03_bound.erm import Threshold, best_thresholds
from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import Costs

costs = st.builds(Costs, c1=st.floats(0, 2), ce=st.floats(0, 1))


@settings(max_examples=40)
@given(n=st.integers(1, 6), costs=costs, seed=st.integers(0, 10**6))
def test_no_pair_of_thresholds_is_better(n, costs, seed):
    generator = np.random.default_rng(seed)
    x, m, y = generator.normal(size=n), *(generator.integers(0, 2, (2, n)) * 2 - 1)
    found = best_thresholds(x, m, y, costs=costs)
    cuts = [x.min() - 1, *(x + 1e-6)]
    every = [Threshold(at, side) for at, side in itertools.product(cuts, (-1, 1))]
    risks = [
        sum(theory.generalized_zero_one(r.scores(x), e.scores(x), m, y, costs.c1, costs.ce)) / n
        for r, e in itertools.product(every, every)
    ]
    assert found.empirical_risk == pytest.approx(min(risks), abs=1e-12)
    paid = generalized_zero_one_loss(found.r.scores(x), found.e.scores(x), m, y, costs=costs)
    assert paid.mean() == pytest.approx(found.empirical_risk, abs=1e-12)


def test_many_points_are_sorted_and_walked_once():
    generator = np.random.default_rng(0)
    x = generator.normal(size=200_000)
    y = np.where(generator.random(200_000) < 1 / (1 + np.exp(-2 * x)), 1, -1)
    found = best_thresholds(x, np.where(x > 1, 1, -1), y, costs=Costs(1.0, 0.15))
    # asking pays from ln(0.575/0.425)/2 = 0.15 on, and there the label +1 is the likelier one
    assert found.r.direction == -1 and abs(found.r.location - 0.15) < 0.1
    assert (found.e.scores(np.linspace(0.3, 3, 9)) > 0).all()


def test_doors():
    one, two = np.ones(1), np.ones(2)
    with pytest.raises(ValueError, match="one length"):
        best_thresholds(np.array([1.0, 2.0]), one, two, costs=Costs())
    with pytest.raises(ValueError, match="m in"):
        best_thresholds(np.array([1.0]), 0 * one, one, costs=Costs())
    with pytest.raises(ValueError, match="distinct points"):
        best_thresholds(two, two, two, costs=Costs())
    with pytest.raises(ValueError, match="finite"):
        best_thresholds(np.array([np.nan]), one, one, costs=Costs())
