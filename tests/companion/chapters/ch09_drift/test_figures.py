"""Figures of chapter 09: what lands in the artists is what was given, and every axis is named."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from companion.chapters.ch09_drift import figures
from l2h.evaluation.intervals import Interval
from l2h.plotting import style

STEPS = np.array([10.0, 20.0, 30.0])


def line(height):
    return STEPS * 0 + height, STEPS * 0 + height - 0.1, STEPS * 0 + height + 0.1


def corners(band):
    return {tuple(corner) for corner in band.get_paths()[0].vertices}


def labels(ax):
    return ax.get_xlabel(), ax.get_ylabel()


def legend(ax):
    return ax.get_legend_handles_labels()[1]


def test_series_lie_over_time_with_their_bands_and_the_change(ax):
    figures.plot_over_time(
        ax, STEPS, {"fixed": line(0.3), "budget": line(0.2)}, quantity="loss (mistakes)", change_point=15
    )
    first, second, change = ax.lines
    np.testing.assert_array_equal(first.get_xydata(), np.column_stack([STEPS, line(0.3)[0]]))
    assert {*zip(STEPS, STEPS * 0 + 0.1, strict=True)} <= corners(ax.collections[1])
    assert change.get_xdata() == [15, 15] and legend(ax) == ["fixed", "budget"]
    assert first.get_color() != second.get_color() and first.get_linestyle() != second.get_linestyle()
    assert labels(ax) == (figures.STEP_LABEL, "loss (mistakes)")


def test_an_order_fixes_the_looks(ax):
    figures.plot_over_time(ax, STEPS, {"budget": line(0.2)}, quantity="loss", change_point=0, order=["fixed", "budget"])
    assert ax.lines[0].get_color() == style.COLOURS[1]


def test_panels_have_a_row_per_quantity_and_a_column_per_stream():
    bands = {"loss (mistakes)": Interval(*line(0.3)), "share": Interval(*line(0.2))}
    figure, axes = plt.subplots(2, 2)
    figures.plot_stream_panels(
        axes, {"fog": bands, "blur": bands}, steps=STEPS, change_point=15, levels={"loss (mistakes)": 0.4}
    )
    assert [ax.get_title() for ax in axes[0]] == ["fog", "blur"]
    assert [ax.lines[0].get_ydata()[0] for ax in axes.flat] == [0.3, 0.3, 0.2, 0.2]
    assert [list(ax.lines[-1].get_ydata()) for ax in axes[0]] == [[0.4, 0.4]] * 2
    assert [len(ax.lines) for ax in axes[1]] == [2, 2]
    assert [text.get_text() for text in axes[0, 0].get_legend().get_texts()] == ["bound of Theorem 1"]
    assert axes[0, 1].get_legend() is axes[1, 0].get_legend() is None
    assert axes[0, 0].get_ylabel() == "loss (mistakes)" and axes[1, 0].get_xlabel() == "input"
    plt.close(figure)


def test_loss_reductions_stand_in_rows_with_their_intervals(ax):
    reductions = {
        "noise": {"budget": Interval(0.1, 0.05, 0.2), "experts": Interval(-0.1, -0.2, 0.0)},
        "fog": {"budget": Interval(0.3, 0.1, 0.4), "experts": Interval(0.0, -0.1, 0.1)},
    }
    figures.plot_loss_reductions(ax, reductions, quantity="loss reduction (mistakes)")
    assert ax.lines[0].get_xdata().tolist() == [0.1, -0.1] and ax.lines[1].get_xdata().tolist() == [0.3, 0.0]
    spans = [segment[:, 0].tolist() for segment in ax.collections[0].get_segments()]
    assert spans == [[0.05, 0.2], [-0.2, 0.0]]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["budget", "experts"]
    assert legend(ax) == ["noise", "fog"] and labels(ax) == ("loss reduction (mistakes)", "policy")
    assert abs(ax.lines[0].get_ydata()[0]) < 0.5


def test_regret_lies_below_its_bound(ax):
    figures.plot_cumulative_regret(ax, STEPS, np.ones((2, 3)), np.array([[2.0] * 3, [4.0] * 3]))
    heights = [one.get_ydata()[0] for one in ax.lines[:2]]
    assert heights == [1.0, 3.0] and legend(ax) == ["measured regret", "bound, from observed losses"]
    assert "regret" in ax.get_ylabel()


def test_policies_have_their_loss_above_their_offload_rate():
    figure, axes = plt.subplots(2, 1)
    loss, rate = ({"fixed": Interval(*line(height))} for height in (0.3, 0.6))
    figures.plot_policies_over_time(axes, loss, rate, change_point=30, length=60)
    assert [ax.lines[0].get_xdata().tolist() for ax in axes] == [[10.0, 30.0, 50.0]] * 2
    assert [ax.lines[0].get_ydata()[0] for ax in axes] == [0.3, 0.6]
    assert [ax.get_ylabel() for ax in axes] == [figures.LOSS_LABEL, "offload rate"]
    plt.close(figure)


def test_bounds_have_a_panel_per_kind_and_the_legend_in_the_last():
    figure, axes = plt.subplots(1, 3)
    lines = {"measured loss": np.array([[0.1, 0.2], [0.3, 0.4]]), "discrepancy": np.ones((2, 2))}
    figures.plot_shift_bound_panels(axes, (0, 1), {"fog": lines, "blur": lines})
    assert [ax.get_title() for ax in axes[:2]] == ["fog", "blur"] and not axes[2].axison
    assert axes[0].lines[0].get_ydata().tolist() == pytest.approx([0.2, 0.3])
    assert [text.get_text() for text in axes[2].get_legend().get_texts()] == list(lines)
    plt.close(figure)


def test_bounds_lie_over_the_severity(ax):
    lines = {"loss": Interval(*line(0.3)), "bound": Interval(*line(0.6))}
    figures.plot_shift_bounds(ax, [1, 2, 3], lines, title="fog")
    assert ax.get_title() == "fog"
    assert [one.get_ydata()[0] for one in ax.lines] == [0.3, 0.6] and legend(ax) == ["loss", "bound"]
    assert ax.get_xticks().tolist() == [1, 2, 3] and "severity" in ax.get_xlabel()


def test_devices_are_points_beside_their_line(ax):
    shares = np.array([0.2, 0.9])
    figures.plot_device_losses(ax, shares, {"fixed": [0.1, 0.3]}, class_line=(0.0, 1.0))
    straight, points = ax.lines
    assert list(straight.get_ydata()) == [0.0, 1.0]
    np.testing.assert_array_equal(points.get_xydata(), [[0.2, 0.1], [0.9, 0.3]])
    assert "loss" in ax.get_ylabel() and "share" in ax.get_xlabel()


def test_alarms_are_one_point_per_stream(ax):
    figures.plot_detection_delays(ax, {"ADWIN": [[5.0, 7.0], []], "KSWIN": [[3.0], [4.0]]}, kinds=["noise", "fog"])
    assert [sorted(one.get_ydata().tolist()) for one in ax.lines] == [[5.0, 7.0], [3.0, 4.0]]
    assert legend(ax) == ["ADWIN", "KSWIN"] and "delay" in ax.get_ylabel()


def test_a_detector_that_found_nothing_is_still_named(ax):
    figures.plot_detection_delays(ax, {"ADWIN": [[], []]}, kinds=["noise", "fog"])
    assert legend(ax) == ["ADWIN"]


def test_the_spread_lies_over_the_concentration(ax):
    figures.plot_device_spread(ax, [0.1, 1.0, 10.0], {"fixed": Interval(*line(0.3))})
    assert ax.get_xscale() == "log" and ax.lines[0].get_ydata().tolist() == [0.3] * 3
    assert labels(ax) == (
        "concentration of the devices' label shares",
        "standard deviation of the loss between devices",
    )


def test_rates_lie_over_the_length_beside_the_largest_loss(ax):
    figures.plot_regret_bound_rate(ax, [1e4, 1e6], [0.5, 0.1], largest=1.1)
    bound, largest = ax.lines
    assert bound.get_ydata().tolist() == [0.5, 0.1] and list(largest.get_ydata()) == [1.1, 1.1]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
