"""The figures of chapter 11 show the numbers that they are given."""

import numpy as np
from helpers.figures import labels, legend, texts

from companion.chapters.ch11_deployment.figures import plot_capacity, plot_over_links, plot_regions
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


def test_regions_show_each_board_and_link_and_name_the_policies(ax):
    seconds, least = (np.array([0.1, 1.0, 2.0]), np.array([0.2, 3.0])), np.array([[0, 0, 1], [1, 1, 0]])
    plot_regions(ax, seconds, least, ["keep", "ask"], boards={"slow": 1.5}, links={"LTE": 0.1})
    assert texts(ax) == ["slow", "LTE"]
    assert [line.get_ydata()[0] for line in ax.lines[:1]] == [1.5] and ax.lines[1].get_xdata()[0] == 0.1
    np.testing.assert_array_equal(np.ravel(ax.collections[0].get_array()), least.ravel())
    assert legend(ax) == ["keep", "ask"]
