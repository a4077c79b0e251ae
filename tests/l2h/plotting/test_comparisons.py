"""Figures that compare systems: bars, intervals and printed numbers are the given ones."""

import numpy as np
import pytest
from helpers.figures import labels, legend, texts

from l2h.evaluation.intervals import Interval
from l2h.evaluation.metrics import SubsetAccuracy, TableOne
from l2h.plotting import comparisons, style
from l2h.plotting.comparisons import BYTES_LABEL, FLOPS_LABEL, plot_accuracy_by_resource

NAN = float("nan")


def cell(n, m, e):
    return SubsetAccuracy(*(Interval(value, value - 0.05, value + 0.05) for value in (n, m, e, m - e)))


def test_four_cells_show_bars_intervals_and_printed_numbers(ax):
    cells = TableOne(kept=cell(1052, 0.88, 0.95), asked=cell(948, 0.5, 0.92))
    comparisons.plot_table_one(
        ax, cells, reference=TableOne(SubsetAccuracy(1, 0.84, 0.96, NAN), SubsetAccuracy(1, NAN, 0.95, NAN))
    )
    assert [bar.get_height() for bar in ax.patches] == [0.88, 0.95, 0.5, 0.92]
    assert [bar.get_hatch() for bar in ax.patches] == [None, "//", None, "//"]
    limits = [[y for _, y in lines.get_segments()[0]] for lines in ax.collections]
    np.testing.assert_array_equal(limits, [one[1:] for part in cells for one in (part.m, part.e)])
    printed = [line.get_ydata() for line in ax.lines]
    np.testing.assert_array_equal(printed, [[0.84, 0.96], [NAN, 0.95]])
    assert {"differ. -0.07", "differ. -0.42", "0.88", "0.95", "0.50", "0.92"} <= set(texts(ax))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["kept\nn = 1052", "asked\nn = 948"]
    assert labels(ax) == ("subset (images, chosen by the rejector)", "accuracy (share of images right)")
    assert sorted(legend(ax)) == ["client m", "printed", "server e"]


def test_an_empty_portion_says_that_it_has_no_accuracy(ax):
    comparisons.plot_table_one(ax, TableOne(kept=cell(2000, 0.7, 0.9), asked=cell(0, NAN, NAN)))
    assert texts(ax).count("none") == 2
    assert "differ. none" in texts(ax)
    assert not ax.lines


@pytest.mark.parametrize(("what", "log"), [(FLOPS_LABEL, True), (BYTES_LABEL, False)])
def test_spending_is_a_point_with_its_interval(ax, what, log):
    plot_accuracy_by_resource(
        ax, {"a": (10.0, Interval(0.8, 0.7, 0.9)), "b": (1000.0, Interval(0.9, 0.85, 0.95))}, resource=what, log=log
    )
    assert [line.get_xydata()[0].tolist() for line in ax.lines] == [[10, 0.8], [1000, 0.9]]
    assert [bar.get_segments()[0].tolist() for bar in ax.collections] == [
        [[10, 0.7], [10, 0.9]], [[1000, 0.85], [1000, 0.95]],
    ]  # fmt: skip
    assert ax.get_xscale() == ("log" if log else "linear")
    assert (ax.get_xlabel(), ax.get_ylabel()) == (what, style.ACCURACY_LABEL)


def test_those_that_are_ahead_stand_out(ax):
    points = {name: (used, Interval(right, right, right)) for name, used, right in (("a", 1, 0.8), ("b", 2, 0.7))}
    plot_accuracy_by_resource(ax, points, resource=BYTES_LABEL, pareto_front=["a"])
    first, second, line = ax.lines
    assert first.get_alpha() == 1 > second.get_alpha()
    assert line.get_xydata().tolist() == [[1, 0.8]]


def test_an_accuracy_that_nobody_knows_does_not_flatten_the_others(ax):
    plot_accuracy_by_resource(
        ax, {"a": (1.0, Interval(0.8, -2.0, 3.0)), "b": (2.0, Interval(0.9, 0.88, 0.92))}, resource=BYTES_LABEL
    )
    assert ax.get_ylim() == pytest.approx((0.7, 1.0))


def test_no_two_of_many_points_look_alike(ax):
    plot_accuracy_by_resource(ax, {str(k): (k + 1.0, Interval(0.8, 0.7, 0.9)) for k in range(49)}, resource=BYTES_LABEL)
    assert len({(line.get_color(), line.get_marker()) for line in ax.lines}) == 49
