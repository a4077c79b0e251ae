"""Figures of the comparison: what lands in the artists is what was given, and every axis is named."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from helpers.samples import sample_runs
from matplotlib.colors import to_hex

from companion.chapters.ch06_comparison.analysis import AccuracyAndCost
from companion.chapters.ch06_comparison.figures import (
    plot_area_differences,
    plot_human_uncertainty,
    plot_losses_by_cost,
    plot_offload_by_uncertainty,
    plot_pair_differences,
    plot_resource_use,
    plot_surest_images,
)
from companion.chapters.ch06_comparison.primary import Answer
from l2h.data.cifar10h import HumanLabels
from l2h.data.dataset import Split
from l2h.evaluation.class_pairs import ClassPairsMean
from l2h.evaluation.intervals import Interval
from l2h.evaluation.multiple_comparisons import MeanRanks
from l2h.evaluation.resources import ResourceUse
from l2h.plotting import style
from l2h.plotting.comparisons import BYTES_LABEL, FLOPS_LABEL, plot_differences, plot_mean_ranks
from l2h.plotting.style import REFERENCE_STYLES, share_legend, subplot_grid

CE = np.array([0.0, 0.1, 0.3])


def ticks(ax):
    return [tick.get_text() for tick in ax.get_yticklabels()]


def test_panels_fill_rows_and_leave_the_rest_blank():
    figure, axes = subplot_grid(4, 3, (2.0, 1.5), sharey=True)
    assert len(axes) == 4 and len(figure.axes) == 6
    assert [ax.axison for ax in figure.axes] == [True] * 4 + [False] * 2
    assert figure.get_size_inches().tolist() == [6.0, 3.0]
    plt.close(figure)


def test_one_legend_names_what_any_of_the_axes_shows():
    figure, axes = subplot_grid(2, 2, (2.0, 1.5))
    axes[0].plot([0, 1], label="both")
    axes[1].plot([0, 1], label="both")
    axes[1].plot([1, 0], label="second only")
    axes[0].legend()
    share_legend(figure, *axes)
    assert axes[0].get_legend() is None
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["both", "second only"]
    plt.close(figure)


def test_differences_stand_in_their_order_and_have_a_direction_in_two_forms(ax):
    differences = {
        "better": Interval(0.3, 0.1, 0.5),
        "open": Interval(0.0, -0.1, 0.1),
        "worse": Interval(-0.3, -0.4, -0.2),
    }
    plot_differences(ax, differences, quantity="area")
    assert ticks(ax) == ["worse", "open", "better"]
    bars = [bar.get_segments()[0][:, 0].tolist() for bar in ax.collections]
    assert bars == [[-0.4, -0.2], [-0.1, 0.1], [0.1, 0.5]]
    points = ax.lines[1:]
    assert [point.get_xdata()[0] for point in points] == [-0.3, 0.0, 0.3]
    assert len({point.get_color() for point in points}) == len({point.get_marker() for point in points}) == 3
    assert list(ax.lines[0].get_xdata()) == [0, 0]
    assert ax.get_xlabel() == "area"


def test_a_gap_that_nobody_knows_does_not_hide_the_others(ax):
    plot_differences(ax, {"a": Interval(0.1, -9.0, 9.0), "b": Interval(-0.2, -0.3, -0.1)}, quantity="area")
    assert ax.get_xlim() == pytest.approx((-0.8, 0.8))
    plot_differences(ax, {"itself": Interval(0.0, 0.0, 0.0)}, quantity="area")


def test_ranks_are_written_out_and_bars_join_what_is_alike(ax):
    table = MeanRanks({"a": 1.2, "b": 1.9, "c": 3.4}, critical_difference=1.0, p_value=0.01, blocks=9)
    plot_mean_ranks(ax, table)
    thick = [line for line in ax.lines if line.get_linewidth() == 4]
    assert len(thick) == 1
    assert thick[0].get_xdata() == pytest.approx([1.15, 1.95])
    assert ticks(ax) == ["a (1.2)", "b (1.9)", "c (3.4)", "critical difference 1.00"]
    points = [line.get_xydata()[0].tolist() for line in ax.lines if line.get_marker() == "o"]
    assert points == [[1.2, 2], [1.9, 1], [3.4, 0]]
    assert list(ax.lines[-1].get_xdata()) == [1, 2.0]
    assert ax.get_xlabel() == "mean rank (1 is best)"


def test_long_names_of_ranks_stay_inside_the_figure(ax):
    ax.figure.set_layout_engine("constrained")
    ax.figure.set_size_inches(9, 4)
    names = ["a name that is longer than any that a method has", "b"]
    plot_mean_ranks(
        ax, MeanRanks(dict(zip(names, (1.0, 2.0), strict=True)), critical_difference=3.0, p_value=0.5, blocks=2)
    )
    ax.figure.canvas.draw()
    frame = ax.figure.bbox
    for tick in ax.get_yticklabels():
        box = tick.get_window_extent()
        assert frame.x0 <= box.x0 and box.x1 <= ax.bbox.x0 and box.y1 <= frame.y1


def test_a_missing_baseline_leaves_its_row_blank(ax):
    plot_differences(
        ax, {"a": Interval(0.1, 0.0, 0.2), "absent": None, "b": Interval(-0.2, -0.3, -0.1)}, quantity="area"
    )
    assert ticks(ax) == ["b", "absent", "a"]
    assert [bar.get_segments()[0][0, 1] for bar in ax.collections] == [0, 2]


def test_losses_stand_beside_their_levels(ax):
    levels = {name: CE + height for height, name in enumerate(REFERENCE_STYLES)}
    plot_losses_by_cost(ax, CE, {"ours": (CE, CE - 0.1, CE + 0.1)}, levels, order=["other", "ours"])
    for line, (name, level) in zip(ax.lines, levels.items(), strict=False):
        assert line.get_label() == name
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([CE, level]))
    assert ax.lines[-1].get_color() == style.COLOURS[1]
    corners = {tuple(corner) for corner in ax.collections[0].get_paths()[0].vertices}
    assert {*zip(CE, CE - 0.1, strict=True), *zip(CE, CE + 0.1, strict=True)} <= corners
    assert ax.get_ylabel() == "system loss (mistakes of the client)"
    assert ax.get_xlabel() == style.COST_LABEL


def test_rates_by_uncertainty_are_one_line_per_system(ax):
    sample_runs = [Interval(0.1, 0.0, 0.2), Interval(0.5, 0.4, 0.6)]
    plot_offload_by_uncertainty(ax, [0.0, 0.1, 1.5], [0.75, 0.25], {"ours": sample_runs})
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0.1, 0.5])
    assert to_hex(ax.lines[0].get_color()) == to_hex(style.COLOURS[0])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0.00 to\n0.10\n(75%)", "0.10 to\n1.50\n(25%)"]
    assert ax.get_xlabel() == "entropy of human labels (bits; share of images)"
    assert ax.get_ylabel() == style.OFFLOAD_RATE_LABEL


@pytest.fixture
def titles():
    """The titles of the axes of the figure that a test draws."""
    yield lambda: [ax.get_title() for ax in plt.gcf().axes if ax.axison]
    plt.close("all")


def test_differences_have_one_panel_per_setting(titles):
    rows = {"x": {"a": Interval(0.1, 0.0, 0.2)}, "y": {"a": Interval(0.1, 0.0, 0.2), "b": Interval(0.2, 0.1, 0.3)}}
    plot_area_differences(rows, ["b", "a"], n_columns=2)
    assert titles() == ["x", "y"]
    assert ticks(plt.gcf().axes[0]) == ["a", "b"]


def test_resource_use_shows_operations_then_bytes_and_no_random_offloading(titles):
    def system(accuracy):
        return AccuracyAndCost(0, ResourceUse(10.0, 5.0), Interval(accuracy, accuracy, accuracy))

    plot_resource_use({"x": {"a": system(0.8), "random": system(0.5)}}, n_columns=2, order=["a", "random"])
    assert titles() == ["x", "x"]
    assert [ax.get_xlabel() for ax in plt.gcf().axes] == [FLOPS_LABEL, BYTES_LABEL]
    assert [text.get_text() for text in plt.gcf().legends[0].get_texts()] == ["a"]


@pytest.mark.parametrize("with_labels", [True, False])
def test_the_surest_images_stand_in_four_rows(titles, with_labels):
    (p,) = sample_runs(1, 60)
    images = Split(np.zeros((60, 3, 4, 4), dtype=np.uint8), p.y)
    eta = np.full(60, 0.5)
    labels = HumanLabels(*(eta if name != "entropy" else eta + 0.5 for name in HumanLabels._fields))
    plot_surest_images(images, p, labels if with_labels else None, title="x", n_images=2)
    captions = [ax.get_title().split("\n") for ax in plt.gcf().axes]
    assert [caption[0] for caption in captions] == ["kept", "kept", "asked", "asked"] * 2
    assert {caption[-1] == "1.00 bits" for caption in captions} == {with_labels}


def test_human_uncertainty_says_where_it_is_not_available(titles):
    plot_human_uncertainty({}, n_columns=2)
    assert "CIFAR-10H is not available" in plt.gcf().axes[0].texts[0].get_text()


def test_every_pair_is_a_point_and_every_client_a_mean_with_its_interval(titles):
    mean = ClassPairsMean(0.02, 0.001, 9.0, 0.0, 0.0)
    answer = Answer(mean, Interval(0.02, 0.01, 0.04), Interval(0.02, 0.015, 0.03), Interval(0.02, 0.01, 0.04), 2, 2)
    answers = {"minus separate, area": {"lenet": answer}, "joint minus plain server": {"lenet": answer}}
    rows = [
        {"question": name, "client": "lenet", "classes": "a/b", "difference": value}
        for name in answers
        for value in (0.03, 0.01)
    ]
    plot_pair_differences(pd.DataFrame(rows), answers)
    assert titles() == ["learning to help minus separate, area", "joint minus plain server"]
    ax = plt.gcf().axes[0]
    assert ticks(ax) == ["lenet"]
    assert [line.get_xdata().tolist() for line in ax.lines if line.get_marker() == "."] == [[0.01, 0.03]]
    (bars,) = ax.containers[0].lines[2]
    assert bars.get_segments()[0][:, 0] == pytest.approx([0.01, 0.04])
    assert ax.patches[0].get_x() == -0.01
