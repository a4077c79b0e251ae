"""The figure of latencies holds each answer once, in the order of the inputs."""

import numpy as np
import pytest
from helpers.figures import labels, legend, texts

from companion.chapters.own_model import figures
from l2h.serving.device import DeviceAnswer

ANSWERS = {
    "before": [DeviceAnswer("cat", "client", None, 1.0, 0.0005), DeviceAnswer("dog", "server", None, -1.0, 0.004)],
    "after": [DeviceAnswer("cat", "fallback", "connection", -1.0, 0.001)],
}


def test_each_answer_is_a_point_by_its_source(ax):
    figures.plot_latencies(ax, ANSWERS)
    points = {line.get_label(): list(zip(*line.get_data(), strict=True)) for line in ax.lines[:3]}
    assert points == {
        "kept": [(0, pytest.approx(0.5))],
        "server": [(1, pytest.approx(4.0))],
        "fallback to the client": [(2, pytest.approx(1.0))],
    }
    assert legend(ax) == ["kept", "server", "fallback to the client"]
    assert labels(ax) == ("input", "latency (ms)") and ax.get_yscale() == "log"


def test_phases_are_named_and_divided(ax):
    figures.plot_latencies(ax, ANSWERS)
    assert texts(ax) == ["before", "after"]
    (line,) = [line for line in ax.lines if line.get_label().startswith("_")]
    assert np.asarray(line.get_xdata()).tolist() == [2, 2]


def test_a_source_without_answers_is_not_in_the_legend(ax):
    figures.plot_latencies(ax, {"before": ANSWERS["before"]})
    assert legend(ax) == ["kept", "server"] and len(ax.lines) == 2
