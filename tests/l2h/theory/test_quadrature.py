"""Integrals with jumps, kinks and emerging boundaries against their closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2h.theory._quadrature import line_integral, plane_integral


@given(a=st.floats(-0.99, 0.99), b=st.floats(-0.99, 0.99))
def test_a_jump_and_a_kink_are_found_in_the_same_panel(a, b):
    def value(x):
        return np.where(x > a, np.abs(x - b), 0)

    found = line_integral(value, [lambda x: x - a, lambda x: x - b], density=np.ones_like, edges=np.array([-1.0, 1.0]))
    expected = ((1 - b) ** 2 + (b - a) * abs(b - a)) / 2
    assert found == pytest.approx(expected, abs=1e-10)


def test_a_function_may_jump_at_an_edge():
    edges = np.array([0.0, 0.3, 1.0])
    assert line_integral(lambda x: 1.0 * (x > 0.3), [], density=np.ones_like, edges=edges) == pytest.approx(
        0.7, abs=1e-14
    )

    def switch(x):
        return np.where(x > 0.3, 0.8 - x, -1)

    twice = line_integral(lambda x: (x > 0.3) * (x < 0.8), [switch], density=np.exp, edges=edges)
    assert twice == pytest.approx(np.exp(0.8) - np.exp(0.3), abs=1e-11)


@given(radius=st.floats(0.05, 1.95))
def test_the_area_of_a_disc_whose_edge_appears_between_two_edges(radius):
    def disc(x):
        return radius**2 - x[:, 0] ** 2 - x[:, 1] ** 2

    area = plane_integral(
        lambda x: 1.0 * (disc(x) > 0), [disc], density=lambda x: np.ones(len(x)), edges=np.linspace(-2, 2, 5)
    )
    # worst where the radius is just above 1, an edge
    assert area == pytest.approx(np.pi * radius**2, abs=1e-7)
