"""The network that is written down: every labelling of a small sample, many points, and its doors."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from companion.chapters.ch03_bound.memorization import memorizing_network


@pytest.mark.parametrize(("n", "d", "units"), [(6, 2, 6), (8, 4, 3), (4, 1, 6)])
def test_every_labelling_is_realised_up_to_the_largest_sample(n, d, units):
    assert n <= 2 * d * (units // 3)
    x = np.random.default_rng(0).normal(size=(n, d))
    for labels in itertools.product((-1, 1), repeat=n):
        network = memorizing_network(x, np.array(labels), units=units, generator=np.random.default_rng(1))
        assert (np.sign(network.scores(x)) == labels).all()
        assert network.w1.shape == (units, d)


@settings(max_examples=30)
@given(n=st.integers(1, 60), d=st.integers(2, 9), spare=st.integers(0, 5), seed=st.integers(0, 10**6))
def test_scores_are_a_half_away_from_zero(n, d, spare, seed):
    generator = np.random.default_rng(seed)
    units = 3 * -(-n // (2 * d)) + spare
    if units >= 3:
        x, y = generator.uniform(-1, 1, (n, d)), generator.integers(0, 2, n) * 2 - 1
        network = memorizing_network(x, y, units=units, generator=generator)
        np.testing.assert_allclose(network.scores(x), y / 2, atol=1e-5)


def test_doors():
    x, generator = np.random.default_rng(0).normal(size=(6, 2)), np.random.default_rng(0)
    y = np.array([1, -1, 1, -1, 1, -1])
    with pytest.raises(ValueError, match="at most 2 points for each of 1 ridges, got 3"):
        memorizing_network(x, y, units=3, generator=generator)
    with pytest.raises(ValueError, match="meets another"):
        memorizing_network(np.ones((6, 2)), y, units=6, generator=generator)
    with pytest.raises(ValueError, match="meets another"):
        memorizing_network(np.zeros((4, 1)), np.array([1, 1, -1, -1]), units=6, generator=generator)
    with pytest.raises(ValueError, match="y in"):
        memorizing_network(x, 0 * y, units=6, generator=generator)
    with pytest.raises(ValueError, match="one length"):
        memorizing_network(x, y[:3], units=6, generator=generator)
    with pytest.raises(ValueError, match="units >= 3"):
        memorizing_network(x, y, units=2, generator=generator)
