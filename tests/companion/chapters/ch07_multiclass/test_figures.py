"""The figures of the chapter on many classes: given numbers arrive on the axes, under labelled axes with units."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from companion.chapters.ch07_multiclass import figures
from l2h.evaluation.intervals import Interval


@pytest.fixture
def ax():
    fig, axes = plt.subplots()
    yield axes
    plt.close(fig)


def band(values):
    values = np.asarray(values, dtype=float)
    return Interval(values, values - 0.1, values + 0.1)


def shown(ax):
    """The y-values of each labelled line."""
    return {line.get_label(): list(line.get_ydata()) for line in ax.get_lines() if not line.get_label().startswith("_")}


def labelled(ax):
    return bool(ax.get_xlabel()) and bool(ax.get_ylabel())


def test_excess_risks_have_a_line_and_a_bound_each(ax):
    figures.plot_excess_risks(ax, [0, 0.5, 1], {"2": [0, 0, 0], "3": [0, 0.1, 0]}, [0, 0.125])
    assert shown(ax) == {"2": [0, 0, 0], "3": [0, 0.1, 0]} and labelled(ax)
    assert [line.get_ydata()[0] for line in ax.get_lines() if line.get_linestyle() == ":"][-1] == 0.125


def test_regions_lie_above_their_lines(ax):
    figures.plot_ask_regions(ax, [0, 1], {"right": [0.2, 0.8], "reversed": [0.2, 0.0]})
    assert shown(ax) == {"right": [0.2, 0.8], "reversed": [0.2, 0.0]} and labelled(ax)
    assert all(area.get_paths()[0].vertices[:, 1].max() == 1 for area in ax.collections)


def test_both_labels_of_the_joint_objective_are_shown(ax):
    figures.plot_joint_objective(ax, [0, 1], [1.4, 1.0], [1.4, 1.1])
    assert shown(ax) == {"likelier label": [1.4, 1.0], "other label": [1.4, 1.1]} and labelled(ax)


def test_every_solution_has_a_line(ax):
    figures.plot_specialist_risks(ax, [0.5, 8], [0.3, 0.2], [0.1, 0.2], {"plain": 0.28, "in stages": 0.09})
    assert list(shown(ax)) == ["convex form", "its server, best rejector", "plain", "in stages"]
    assert shown(ax)["in stages"] == [0.09, 0.09] and ax.get_xscale() == "log" and labelled(ax)


def test_slopes_have_bands(ax):
    figures.plot_offload_by_c1(ax, [0.5, 1.0], {"paper": band([0.5, 0.3]), "released": band([0.5, 0.7])})
    assert shown(ax) == {"paper": [0.5, 0.3], "released": [0.5, 0.7]} and labelled(ax)
    assert len(ax.collections) == 2


def test_differences_are_spaced_evenly_and_named_by_their_class_count(ax):
    figures.plot_differences_by_class_count(ax, (2, 3, 10), band([0.0, 0.01, 0.02]), quantity="area")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "3", "10"] and ax.get_ylabel() == "area"


def test_update_intervals_have_one_axes_per_quantity():
    fig, axes = plt.subplots(1, 2)
    figures.plot_update_intervals(axes, ["1", "never"], {"loss": band([0.3, 0.4]), "rate": band([0.5, 0.1])})
    assert [ax.get_ylabel() for ax in axes] == ["loss", "rate"]
    assert [list(ax.get_lines()[0].get_ydata()) for ax in axes] == [[0.3, 0.4], [0.5, 0.1]]
    plt.close(fig)


def test_classes_have_three_marks_each(ax):
    figures.plot_class_metrics(ax, ["cat", "dog"], band([0.5, 0.4]), band([0.6, 0.5]), band([0.7, 0.8]))
    assert shown(ax) == {
        "offload rate": [0.5, 0.4],
        "client right": [0.6, 0.5],
        "server right": [0.7, 0.8],
    } and labelled(ax)
    ax.figure.draw_without_rendering()
    assert not ax.get_legend().get_window_extent().overlaps(ax.get_window_extent())  # marks reach from 0 to 1


def test_confusions_say_how_many_and_leave_rare_cells_blank(ax):
    image = figures.plot_confusion_offload(ax, ["cat", "dog"], [[0.1, 0.9], [0.2, 0.3]], [[10, 5], [0.5, 20]])
    assert [text.get_text() for text in ax.texts] == ["10", "5", "20"] and labelled(ax)
    assert np.isnan(np.ma.filled(image.get_array(), np.nan)[1, 0])


def test_differences_have_a_panel_per_quantity():
    fig, axes = plt.subplots(1, 2)
    gains = {"gain in loss": {"a": Interval(0.1, 0.0, 0.2)}, "gain in area": {"a": Interval(0.2, 0.1, 0.3)}}
    figures.plot_differences_panels(axes, gains)
    assert [ax.get_xlabel().split(" over ")[0] for ax in axes] == list(gains)
    plt.close(fig)
