"""Each family's supremum against the enumeration of its functions."""

import itertools

import hypothesis.extra.numpy as numpy_strategies
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import theory

from l2h.theory.rademacher import (
    as_matrix,
    finite_family,
    linear_family,
    stump_family,
    threshold_family,
)

coinciding = st.lists(st.integers(0, 4), min_size=1, max_size=7)
matrices = numpy_strategies.arrays(
    float, st.tuples(st.integers(1, 6), st.integers(1, 3)), elements=st.integers(-3, 3).map(float)
)


def all_signs(n):
    return np.array(list(itertools.product((-1, 1), repeat=n)), dtype=np.int8)


def suprema(functions):
    return (all_signs(len(functions[0])) @ np.transpose(functions)).max(1)


@given(x=coinciding, two_sided=st.booleans())
def test_thresholds(x, two_sided):
    family = threshold_family(x, two_sided=two_sided)
    np.testing.assert_array_equal(family.supremum(all_signs(len(x))), suprema(theory.threshold_functions(x, two_sided)))
    assert (family.n, family.sum_of_max_squares) == (len(x), len(x))


@given(x=matrices)
def test_stumps(x):
    family = stump_family(x)
    np.testing.assert_array_equal(family.supremum(all_signs(len(x))), suprema(theory.stump_functions(x)))
    assert family.sum_of_max_squares == len(x)


@given(x=matrices)
def test_a_linear_functional_is_largest_at_a_corner_of_the_l1_ball(x):
    corners = np.vstack([np.eye(x.shape[1]), -np.eye(x.shape[1])]) * 2.5
    family = linear_family(x, norm=1, radius=2.5)
    np.testing.assert_allclose(family.supremum(all_signs(len(x))), suprema(corners @ x.T), atol=1e-12)
    np.testing.assert_allclose(family.sum_of_max_squares, ((corners @ x.T) ** 2).max(0).sum())


@given(x=matrices)
def test_a_linear_functional_is_largest_along_the_sum_in_the_l2_ball(x):
    signs = all_signs(len(x))
    best = linear_family(x, norm=2, radius=2.5).supremum(signs)
    sums = signs @ x
    directions = 2.5 * sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-300)
    np.testing.assert_allclose(best, (directions * sums).sum(1), atol=1e-12)
    others = np.random.default_rng(0).normal(size=(50, x.shape[1]))
    others *= 2.5 / np.linalg.norm(others, axis=1, keepdims=True)
    assert (best[:, None] >= sums @ others.T - 1e-9).all()


@given(x=matrices, norm=st.sampled_from([1, 2]))
def test_the_closed_bounds_of_linear_functions_hold_and_that_of_the_l2_ball_is_within_root_two(x, norm):
    family = linear_family(x, norm=norm)
    exact = family.supremum(all_signs(len(x))).mean() / len(x)
    bound_l1 = (2 * np.log(2 * x.shape[1])) ** 0.5 * np.linalg.norm(x, axis=0).max() / len(x)  # Massart
    bound_l2 = family.sum_of_max_squares**0.5 / len(x)  # Jensen; below by Khintchine and Kahane, constant by Latała
    assert exact <= (bound_l1 if norm == 1 else bound_l2) + 1e-12
    assert norm == 1 or bound_l2 <= 2**0.5 * exact + 1e-12


def test_a_finite_family_is_given_by_its_values():
    values = [[1.0, -2.0, 0.5], [0.0, 1.0, -3.0]]
    family = finite_family(values)
    np.testing.assert_allclose(family.supremum(all_signs(3)), suprema(values))
    assert family.sum_of_max_squares == 1 + 4 + 9


@pytest.mark.parametrize("x", [[1.0, 2.0], [[]], [[float("nan")]]])
def test_a_matrix_is_not_empty_and_finite(x):
    with pytest.raises(ValueError, match="expected"):
        as_matrix(x)


def test_a_ball_has_a_norm_and_a_radius():
    with pytest.raises(ValueError, match="norm to be one of 1, 2, got 3"):
        linear_family([[1.0]], norm=3)
    with pytest.raises(ValueError, match="radius > 0"):
        linear_family([[1.0]], norm=2, radius=0.0)
