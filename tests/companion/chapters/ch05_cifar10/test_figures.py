"""Figures of chapter 05: artists are the given numbers, and every axis is named."""

import numpy as np

from companion.chapters.ch05_cifar10 import figures as ch05_cifar10_figures
from l2h.evaluation.intervals import Interval

GRID = np.array([0.0, 0.25, 1.0])


def curve(height):
    return GRID * 0 + height, GRID * 0 + height - 0.1, GRID * 0 + height + 0.1


def labels(ax):
    return ax.get_xlabel(), ax.get_ylabel()


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def assert_line_with_band(line, band, given):
    mean, low, high = given
    np.testing.assert_array_equal(line.get_xydata(), np.column_stack([GRID, mean]))
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
    assert {*zip(GRID, low, strict=True), *zip(GRID, high, strict=True)} <= corners


def test_offload_rates_stand_beside_printed_ones(ax):
    ch05_cifar10_figures.plot_offload_rates(
        ax, GRID, {"ours": curve(0.4)}, references={"printed": ([0.0, 0.15], [0.45, 0.2])}
    )
    assert_line_with_band(ax.lines[0], ax.collections[0], curve(0.4))
    assert ax.lines[1].get_xydata().tolist() == [[0, 0.45], [0.15, 0.2]]
    assert ax.lines[1].get_linestyle() == "None"
    assert labels(ax) == ("cost of asking $c_e$ (mistakes of the client)", "offload rate (share of images sent)")
    assert legend(ax) == ["ours", "printed"]


def test_offload_rates_need_no_reference(ax):
    ch05_cifar10_figures.plot_offload_rates(ax, GRID, {"ours": curve(0.4)})
    assert legend(ax) == ["ours"]


def test_differences_stand_on_a_line_of_no_difference(ax):
    given = [Interval(0.02, -0.01, 0.05), Interval(-0.03, -0.06, -0.01), Interval(0.0, 0.0, 0.0)]
    ch05_cifar10_figures.plot_differences_by_coverage(ax, GRID, given)
    zero, points = ax.lines
    assert list(zero.get_ydata()) == [0, 0]
    np.testing.assert_array_equal(points.get_xydata(), np.column_stack([GRID, [one.estimate for one in given]]))
    bars = [[tuple(end) for end in bar] for bar in ax.collections[0].get_segments()]
    assert bars == [[(x, one.low), (x, one.high)] for x, one in zip(GRID, given, strict=True)]
    assert labels(ax) == (
        "coverage (share of images kept on the device)",
        "difference in accuracy (share right)",
    )
