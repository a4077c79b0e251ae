"""Exact complexities on a line against the enumeration of all functions and all sign vectors."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import theory

from l2h.theory.rademacher_exact import (
    as_points,
    distinct_threshold_complexity,
    exact_threshold_complexity,
)

coinciding = st.lists(st.integers(0, 4), min_size=1, max_size=8)


@pytest.mark.parametrize("n", range(1, 10))
def test_closed_forms_are_the_definition(n):
    x = list(range(n))
    for two_sided in (False, True):
        expected = theory.rademacher(theory.threshold_functions(x, two_sided))
        assert distinct_threshold_complexity(n, two_sided=two_sided).value == pytest.approx(expected, abs=1e-14)


@given(x=coinciding, two_sided=st.booleans())
def test_ties_are_exact(x, two_sided):
    expected = theory.rademacher(theory.threshold_functions(x, two_sided))
    estimate = exact_threshold_complexity(x, two_sided=two_sided)
    assert abs(estimate.value - expected) <= estimate.half_width + 1e-15
    assert estimate.half_width < 1e-12
    assert estimate.delta == 0


@pytest.mark.parametrize("n, one_sided, two_sided", [(100, 0.14997437, 0.18703448), (500, 0.06940062, 0.08605768)])
def test_printed_values(n, one_sided, two_sided):
    assert round(distinct_threshold_complexity(n).value, 8) == one_sided
    assert round(distinct_threshold_complexity(n, two_sided=True).value, 8) == two_sided


@pytest.mark.parametrize("two_sided, n", [(False, 1000), (False, 3000), (True, 150), (True, 151)])
def test_the_recursions_meet_the_closed_forms_where_one_pair_coincides(two_sided, n):
    nearly = exact_threshold_complexity([0.0, *range(n - 1)], two_sided=two_sided)
    fewer, more = (distinct_threshold_complexity(k, two_sided=two_sided) for k in (n - 1, n))
    # one cut fewer costs at most 2 / n; a supremum is convex in each sign, so that one more sign adds on average
    assert more.value - 2 / n <= nearly.value <= more.value + nearly.half_width
    assert nearly.value * n >= fewer.value * (n - 1) - 1e-9
    assert nearly.half_width < 1e-10


@pytest.mark.parametrize("n", [2000, 100_000])
def test_large_samples_approach_brownian_motion(n):
    # the maximum of Brownian motion on [0, 1] has mean sqrt(2 / pi)
    assert distinct_threshold_complexity(n).value * n**0.5 == pytest.approx(2 * (2 / np.pi) ** 0.5, abs=2.5 / n**0.5)
    assert distinct_threshold_complexity(n).half_width < 1e-10


@given(x=coinciding)
def test_more_functions_are_more_complex(x):
    one_sided, two_sided = exact_threshold_complexity(x), exact_threshold_complexity(x, two_sided=True)
    assert one_sided.value <= two_sided.value + two_sided.half_width
    assert exact_threshold_complexity(range(len(x))).value >= one_sided.value - one_sided.half_width


def test_a_hundred_thousand_points_take_two_seconds():
    start = time.process_time()
    distinct_threshold_complexity(100_000)
    distinct_threshold_complexity(100_000, two_sided=True)
    assert time.process_time() - start < 2


def test_many_ties_are_followed_to_a_cap():
    x = np.random.default_rng(0).integers(0, 3000, 20_000)
    estimate = exact_threshold_complexity(x)
    assert estimate.half_width < 1e-10
    assert (
        0.9 * distinct_threshold_complexity(20_000).value < estimate.value < distinct_threshold_complexity(20_000).value
    )


@pytest.mark.parametrize("x", [[], [[1.0, 2.0]], [1.0, float("nan")], [1.0, float("inf")]])
def test_points_are_a_vector_of_finite_numbers(x):
    with pytest.raises(ValueError, match="expected"):
        as_points(x)


def test_what_has_no_exact_form_is_refused():
    with pytest.raises(ValueError, match="at most 2000 points"):
        exact_threshold_complexity(np.zeros(2001), two_sided=True)
    with pytest.raises(ValueError, match="n >= 1"):
        distinct_threshold_complexity(0)
