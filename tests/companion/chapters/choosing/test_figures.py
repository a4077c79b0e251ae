"""Figures of the page on choosing the costs: offload rates stand beside their budgets."""

import numpy as np

from companion.chapters.choosing.figures import plot_controlled_rates

X = np.array([0.0, 0.1, 0.2])


def test_promises_stand_beside_their_budgets(ax):
    rates = {"with a guarantee": (X * 0.5, X * 0.8, X), "without": (X * 0.9, X, X * 1.1)}
    plot_controlled_rates(ax, X, rates)
    dashes, *ranges = ax.collections
    assert [dash[:, 1].tolist() for dash in dashes.get_segments()] == [[x, x] for x in X]
    for line, bars, (low, middle, high) in zip(ax.lines, ranges, rates.values(), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), middle)
        np.testing.assert_allclose(line.get_xdata(), X, atol=0.01)
        assert [bar[:, 1].tolist() for bar in bars.get_segments()] == [
            list(pair) for pair in zip(low, high, strict=True)
        ]
    assert ax.get_xlabel() == "budget (share that may be sent)"
    assert ax.get_ylabel() == "share sent of new images"
