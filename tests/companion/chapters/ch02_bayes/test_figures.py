"""Figures of the chapter on Bayes rules: what lands in the artists is what was given, and every axis is named."""

import numpy as np

from companion.chapters.ch02_bayes import figures
from l2h.evaluation.intervals import Interval
from l2h.problem import Costs
from l2h.theory.bayes import decision_regions

GRID = np.array([0.0, 0.5, 1.0])


def named(ax):
    return all((ax.get_xlabel(), ax.get_ylabel()))


def test_regions_are_the_given_polygons_and_differ_without_colour(ax):
    given = decision_regions(Costs(1.0, 0.25))
    figures.plot_decision_regions(ax, given, title="one")
    for patch, corners in zip(ax.patches, given, strict=True):
        np.testing.assert_array_equal(patch.get_xy()[:-1], corners)
    assert len({patch.get_hatch() for patch in ax.patches}) == 3
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[0, 0], [1, 1]], [[0, 1], [1, 0]]]
    assert named(ax) and ax.get_title() == "one"


def test_gains_are_marked_where_they_start(ax):
    figures.plot_asking_gains(ax, GRID, {"a": (GRID - 0.4, 0.4), "b": (GRID - 0.6, 0.6)})
    _, line, mark, *_ = ax.lines
    np.testing.assert_array_equal(line.get_ydata(), GRID - 0.4)
    assert mark.get_xydata().tolist() == [[0.4, 0]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a, $p_t$ = 0.400", "b, $p_t$ = 0.600"]
    assert named(ax)


def test_risks_shade_what_the_last_gains_on_the_one_before(ax):
    figures.plot_risks(ax, GRID, {"client": GRID * 0 + 0.4, "best": GRID * 0 + 0.3, "bayes": GRID * 0}, title="T1")
    assert [line.get_label() for line in ax.lines] == ["client", "best", "bayes"]
    heights = {corner[1] for corner in ax.collections[0].get_paths()[0].vertices}
    assert heights == {0.0, 0.3}
    assert named(ax)


def test_rates_are_the_given_ones(ax):
    figures.plot_ask_rates(ax, GRID, {"T1": 1 - GRID}, xlabel="cost")
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), np.column_stack([GRID, 1 - GRID]))
    assert named(ax)


def test_simulations_stand_around_no_difference_in_the_order_given(ax):
    figures.plot_simulation_differences(
        ax, ["T1", "T2"], [Interval(0.001, -0.002, 0.004), Interval(-0.001, -0.003, 0.001)]
    )
    bars = [[end[0] for end in bar] for bar in ax.collections[0].get_segments()]
    assert bars == [[-2, 4], [-3, 1]]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["T1", "T2"]
    low, high = ax.get_ylim()
    assert low > high and ax.get_xlabel()
