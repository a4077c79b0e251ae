"""Figures of the costs: numbers stand in the maps, bands around the lines, budgets on the diagonal."""

import numpy as np

from companion.chapters.choosing.figures import plot_controlled_rates
from l2h.plotting.images import plot_heat_map
from l2h.plotting.lines import plot_bands

X = np.array([0.0, 0.1, 0.2])


def test_a_map_can_be_read_without_its_colours(ax):
    table = [[0.1, 0.2, np.nan], [0.3, 0.4, 0.5]]
    plot_heat_map(
        ax, table, rows=["r0", "r1"], columns=[1, 2, 3], labels=("row", "column"), title="share", highlighted=(1, 2)
    )
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written == {(0, 0): "0.10", (1, 0): "0.20", (2, 0): "none", (0, 1): "0.30", (1, 1): "0.40", (2, 1): "0.50"}
    frame = ax.patches[0]
    assert (frame.get_x(), frame.get_y(), frame.get_fill()) == (1.5, 0.5, False)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2", "3"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["r0", "r1"]
    assert (ax.get_ylabel(), ax.get_xlabel(), ax.get_title()) == ("row", "column", "share")
    dark = {text.get_text(): text.get_color() for text in ax.texts}
    assert dark["0.50"] == "white" and dark["0.10"] == "black"


def test_a_map_needs_no_mark(ax):
    plot_heat_map(ax, [[1.0]], rows=["a"], columns=["b"], labels=("row", "column"), title="share")
    assert not ax.patches


def test_bands_are_lines_with_their_limits(ax):
    plot_bands(ax, X, {"c1 = 1": (X, X - 0.1, X + 0.1)}, xlabel="cost", ylabel="share")
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), np.column_stack([X, X]))
    corners = {tuple(corner) for corner in ax.collections[0].get_paths()[0].vertices}
    assert {*zip(X, X - 0.1, strict=True), *zip(X, X + 0.1, strict=True)} <= corners
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("cost", "share")
    assert ax.get_legend() is None


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
