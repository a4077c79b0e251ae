"""Figures of the page on a frozen model of one's own."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from l2h.plotting import style
from l2h.serving.device import DeviceAnswer

SOURCE_MARKERS = {"client": ".", "server": "+", "fallback": "x"}


def plot_latencies(ax: Axes, answers: Mapping[str, Sequence[DeviceAnswer]]) -> None:
    """The latency of each answer in the order of the inputs, by its source, with a line between phases.

    Args:
        ax: to draw on.
        answers: phase -> the answer for each input.
    """
    labels = {"client": "kept", "server": "server", "fallback": "fallback to the client"}
    ordered = [answer for each in answers.values() for answer in each]
    for (source, marker), colour in zip(SOURCE_MARKERS.items(), style.COLOURS, strict=False):
        points = [(number, 1000 * answer.latency) for number, answer in enumerate(ordered) if answer.source == source]
        if points:
            ax.plot(*zip(*points, strict=True), marker, color=colour, markersize=4, label=labels[source])
    start = 0
    for phase, each in answers.items():
        if start:
            ax.axvline(start, color="0.6", linewidth=1)
        ax.annotate(phase, (start + len(each) / 2, 1.02), xycoords=("data", "axes fraction"), ha="center", fontsize=8)
        start += len(each)
    ax.set(yscale="log", xlabel="input", ylabel="latency (ms)")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, fontsize=8)  # no corner is free of points
