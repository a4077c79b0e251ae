"""Figures of chapter 01: artists hold the given numbers, and every axis is named."""

import numpy as np
import pandas as pd
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from companion.chapters.ch01_problem.figures import (
    plot_components,
    plot_gain_by_offload_rate,
    plot_relative_training_loss,
    plot_trade_off,
)
from l2h.evaluation.intervals import Interval
from l2h.plotting import style


def test_a_trade_off_is_a_line_with_its_intervals(ax):
    plot_trade_off(ax, [1, 2], Interval(np.array([0.8, 0.9]), np.array([0.7, 0.85]), np.array([0.85, 0.95])), "size")
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[1, 0.8], [2, 0.9]])
    bars = np.array([bar[:, 1] for bar in ax.collections[0].get_segments()])
    np.testing.assert_allclose(bars, [[0.7, 0.85], [0.85, 0.95]])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("size", style.ACCURACY_LABEL)


def test_gains_stand_beside_the_line_of_random_offloading(ax):
    signatures = pd.DataFrame({"offload rate": [0.2, 1.0], "gain in accuracy": [0.15, 0.2]}, index=["good", "bad"])
    plot_gain_by_offload_rate(ax, signatures, 0.2)
    assert [line.get_xydata().tolist() for line in ax.lines] == [[[0.2, 0.15]], [[1.0, 0.2]], [[0, 0], [1, 0.2]]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["good", "bad", "random offloading"]
    assert ax.get_xlabel() == style.OFFLOAD_RATE_LABEL


def test_training_losses_are_relative_to_the_first_epoch_and_epochs_count_from_one(ax):
    plot_relative_training_loss(ax, {"client": [0.8, 0.4], "server": [0.5, 1.0, 0.25]})
    assert ax.lines[0].get_xydata().tolist() == [[1, 1.0], [2, 0.5]]
    assert ax.lines[1].get_xydata().tolist() == [[1, 1.0], [2, 2.0], [3, 0.5]]
    assert (ax.get_xlabel(), ax.get_yscale()) == ("epoch", "log")


def test_the_component_map_names_the_parts_and_the_decision(ax):
    plot_components(ax)
    text = " ".join(artist.get_text() for artist in ax.texts)
    for part in (
        "client\n$m(x)$",
        "rejector\n$r(x)$",
        "server\n$e(x)$",
        "$r(x) > 0$",
        "$r(x) \\leq 0$",
        "$c_e$",
        "device",
    ):
        assert part in text
    assert sum(isinstance(patch, FancyBboxPatch) for patch in ax.patches) == 4
    assert sum(isinstance(patch, FancyArrowPatch) for patch in ax.patches) == 5
