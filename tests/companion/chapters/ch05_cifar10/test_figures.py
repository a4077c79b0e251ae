"""Figures of chapter 05: artists hold the given numbers, and every axis is named."""

import matplotlib.pyplot as plt
import numpy as np

from companion.chapters.ch05_cifar10.figures import (
    plot_accuracy_level,
    plot_differences_by_coverage,
    plot_differences_by_setting,
    plot_offload_rates,
)
from l2h.evaluation.intervals import Interval
from l2h.plotting import style

GRID = np.array([0.0, 0.25, 1.0])
BAND = Interval(GRID * 0 + 0.4, GRID * 0 + 0.3, GRID * 0 + 0.5)
DIFFERENCES = [Interval(0.02, -0.01, 0.05), Interval(-0.03, -0.06, -0.01), Interval(0.0, 0.0, 0.0)]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_offload_rates_stand_beside_noted_ones(ax):
    plot_offload_rates(ax, GRID, {"ours": BAND}, noted={0.0: 0.45, 0.15: 0.2})
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), np.column_stack([GRID, BAND.estimate]))
    assert ax.lines[1].get_xydata().tolist() == [[0, 0.45], [0.15, 0.2]]
    assert ax.lines[1].get_linestyle() == "None"
    assert (ax.get_xlabel(), ax.get_ylabel()) == (style.COST_LABEL, style.OFFLOAD_RATE_LABEL)
    assert legend(ax) == ["ours", "noted in the released notebook"]


def test_offload_rates_need_no_noted_ones(ax):
    plot_offload_rates(ax, GRID, {"ours": BAND})
    assert legend(ax) == ["ours"]


def test_the_on_device_classifier_is_a_level(ax):
    plot_accuracy_level(ax, 0.88)
    assert list(ax.lines[0].get_ydata()) == [0.88, 0.88]


def test_differences_stand_on_a_line_of_no_difference(ax):
    plot_differences_by_coverage(ax, GRID, DIFFERENCES)
    zero, points = ax.lines
    assert list(zero.get_ydata()) == [0, 0]
    np.testing.assert_array_equal(points.get_xydata(), np.column_stack([GRID, [d.estimate for d in DIFFERENCES]]))
    bars = [[tuple(end) for end in bar] for bar in ax.collections[0].get_segments()]
    assert bars == [[(x, d.low), (x, d.high)] for x, d in zip(GRID, DIFFERENCES, strict=True)]
    assert (ax.get_xlabel(), ax.get_ylabel()) == (style.COVERAGE_LABEL, "difference in accuracy (share right)")


def test_clients_are_columns_and_baselines_rows():
    plot_differences_by_setting(GRID, {(client, b): DIFFERENCES for client in ("x", "y") for b in ("one", "two")})
    titles = [ax.get_title() for ax in plt.gcf().axes]
    assert titles == ["x: minus one", "y: minus one", "x: minus two", "y: minus two"]
    plt.close()
