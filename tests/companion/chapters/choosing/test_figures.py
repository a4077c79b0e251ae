"""Figures of the page on choosing the costs: artists hold the given numbers, and every axis is named."""

import numpy as np

from companion.chapters.choosing.figures import plot_controlled_rates, plot_possible_gain
from l2h.plotting import style
from l2h.plotting.style import REFERENCE_STYLES

CE = np.array([0.0, 0.1, 0.3])
X = np.array([0.0, 0.1, 0.2])


def test_the_possible_gain_lies_between_random_offloading_and_the_oracle(ax):
    levels = {name: CE + 3 - height for height, name in enumerate(REFERENCE_STYLES)}
    plot_possible_gain(ax, CE, levels)
    for line, (name, level) in zip(ax.lines, levels.items(), strict=True):
        assert line.get_label() == name
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([CE, level]))
    corners = {tuple(corner) for corner in ax.collections[0].get_paths()[0].vertices}
    for name in ("random, best rate", "oracle"):
        assert {*zip(CE, levels[name], strict=True)} <= corners
    assert (ax.get_xlabel(), ax.get_ylabel()) == (style.COST_LABEL, "system loss")


def test_controlled_rates_stand_beside_their_budgets(ax):
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
    assert ax.get_xlabel() == "budget (largest allowed offload rate)"
    assert ax.get_ylabel() == "offload rate on new images"
