"""Figures of the chapter on the bound: what lands in the artists is what was given, and every axis is named."""

import numpy as np

from companion.chapters.ch03_bound import figures
from l2h.evaluation.intervals import Interval

N = np.array([50, 100, 200])


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_both_sides_are_the_given_ones_and_differ_in_their_markers(ax):
    order = ["gap", "penalty", "other"]
    figures.plot_gaps_and_penalties(
        ax, N, {"gap": 1 / N}, (0.5 / N, 1.5 / N), {"penalty": 2 / N, "other": 3 / N}, order=order
    )
    for line, value in zip(ax.lines, (1, 2, 3), strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([N, value / N]))
    assert [line.get_fillstyle() for line in ax.lines] == ["full", "none", "none"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["50", "100", "200"]
    corners = {tuple(corner) for corner in ax.collections[0].get_paths()[0].vertices}
    assert {*zip(N, 0.5 / N, strict=True), *zip(N, 1.5 / N, strict=True)} <= corners
    assert ax.get_xlabel() and ax.get_ylabel()


def test_failures_stand_beside_what_is_allowed(ax):
    costs = np.array([0.0, 0.2, 0.4])
    figures.plot_violation_probabilities(
        ax, costs, {"n = 1": [0.5, 0.2, 0.0]}, delta=0.05, limits={"a": 0.2, "b": 1 / 3}
    )
    curve, allowed, *limits = ax.lines
    assert curve.get_ydata().tolist() == [0.5, 0.2, 0.0]
    assert list(allowed.get_ydata()) == [0.05, 0.05]
    assert [line.get_xdata()[0] for line in limits] == [0.2, 1 / 3]
    assert legend(ax) == ["n = 1", "a, 0.200", "b, 0.333"]
    assert ax.get_xlabel() and ax.get_ylabel()


def test_bands_stand_around_their_means_beside_the_level(ax):
    mean = 1 / N
    figures.plot_vanishing_terms(ax, N, {"gap": Interval(mean, mean / 2, 2 * mean)}, level=0.01, level_label="excess")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), mean)
    corners = {tuple(corner) for corner in ax.collections[0].get_paths()[0].vertices}
    assert {*zip(N, mean / 2, strict=True), *zip(N, 2 * mean, strict=True)} <= corners
    assert legend(ax) == ["gap", "excess"]
    assert ax.get_xlabel() and ax.get_ylabel()
