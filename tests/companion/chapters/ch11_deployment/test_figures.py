"""The figures of chapter 11 show the numbers that they are given."""

import numpy as np
from helpers.figures import labels, legend, texts

from companion.chapters.ch11_deployment.figures import LEAST_SECONDS, plot_break_even, plot_capacity, plot_over_links
from l2h.evaluation.intervals import Interval

BAND = Interval(np.array([0.1, 0.2]), np.array([0.05, 0.1]), np.array([0.2, 0.3]))


def test_each_link_has_a_place_and_each_policy_a_marker(ax):
    plot_over_links(ax, ["5G", "LTE"], {"keep": BAND, "ask": BAND}, ylabel="energy (J)", logarithmic=True)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["5G", "LTE"]
    assert [line.get_label() for line in ax.lines] == ["keep", "ask"]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), BAND.estimate)
    assert ax.get_yscale() == "log"


def test_capacity_is_drawn_with_its_limit(ax):
    plot_capacity(ax, [100, 200], {"ask": BAND}, limit=1.0)
    assert labels(ax) == ("devices per server", "99th percentile of what is sent (s)")
    assert legend(ax) == ["ask", "limit"]
    assert ax.lines[1].get_ydata()[0] == 1.0


def test_a_bar_ends_at_the_break_even_of_its_board(ax):
    plot_break_even(ax, {"slow": 1.0, "fast": -0.1}, {"LTE": np.array([0.1, 0.5])})
    assert texts(ax) == ["LTE"]
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0.1, 0.5])
    assert [bar.get_x() + bar.get_width() for bar in ax.patches] == [1.0, LEAST_SECONDS]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["slow", "fast"]
