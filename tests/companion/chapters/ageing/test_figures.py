"""Each batch is a position, each policy a row, and every point has its interval."""

import numpy as np
import pytest
from helpers.figures import labels, legend

from companion.chapters.ageing import figures
from l2h.evaluation.intervals import Interval


def test_positions_are_batches_with_their_months(ax, aged):
    band = Interval(np.linspace(0.9, 0.5, 5), np.zeros(5), np.ones(5))
    figures.plot_by_batch(ax, aged, {"client": band}, quantity="accuracy", shares=True)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [f"{n}\nsimulated" for n in (2, 3, 4, 5, 6)]
    assert labels(ax) == ("batch, and its months", "accuracy")
    assert ax.get_ylim() == pytest.approx((-0.03, 1.03))


def test_a_loss_begins_at_zero(ax, aged):
    band = Interval(np.full(5, 0.9), np.full(5, 0.8), np.full(5, 1.5))
    figures.plot_by_batch(ax, aged, {"fixed": band}, quantity="loss")
    figures.plot_level(ax, 0.3, name="bound")
    ax.legend()
    assert ax.get_ylim()[0] == 0 and ax.get_ylim()[1] > 1.5
    assert legend(ax) == ["fixed", "bound"]


def test_a_policy_has_a_point_for_each_aged_batch_and_its_mean(ax, aged):
    reductions = {"a": np.arange(12.0).reshape(3, 4), "b": np.zeros((3, 4))}
    means = {"a": Interval(5.5, 1.0, 9.0), "b": Interval(0.0, -1.0, 1.0)}
    figures.plot_reductions_by_batch(ax, aged, reductions, means, quantity="reduction")
    ax.legend()
    assert legend(ax) == ["batch 3", "batch 4", "batch 5", "batch 6", "mean"]
    points = {line.get_label(): np.asarray(line.get_xdata()).tolist() for line in ax.lines[:5]}
    assert points["batch 3"] == [4.0, 0.0] and points["batch 6"] == [7.0, 0.0] and points["mean"] == [5.5, 0.0]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]
    assert labels(ax) == ("reduction", "policy")
