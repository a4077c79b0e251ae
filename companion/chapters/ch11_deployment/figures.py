"""Figures of chapter 11."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from companion.chapters.ch11_deployment.deployments import POLICIES
from l2h.plotting.lines import plot_bands
from l2h.plotting.style import line_style

LEAST_SECONDS = 0.003  # where the bars begin


def plot_over_links(
    ax: Axes, links: Sequence[str], bands: Mapping[str, Sequence[Any]], *, ylabel: str, logarithmic: bool = False
) -> None:
    """A quantity of each policy over the links, with bands.

    Args:
        ax: where to draw.
        links: names, from left to right.
        bands: policy -> (mean, low, high), one entry per link.
        ylabel: name and unit of the quantity.
        logarithmic: whether its axis is.
    """
    positions = np.arange(len(links))
    for name, (mean, low, high) in bands.items():
        appearance = {**line_style(name, list(bands)), "linestyle": "none"}
        ax.plot(positions, mean, label=name, **appearance)
        ax.vlines(positions, low, high, color=appearance["color"], linewidth=2)
    ax.set_xticks(positions, links, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_ylabel(ylabel)
    if logarithmic:
        ax.set_yscale("log")


def plot_capacity(ax: Axes, device_counts: Sequence[int], bands: Mapping[str, Sequence[Any]], *, limit: float) -> None:
    """The 99th percentile of latency against devices per server.

    Args:
        ax: where to draw.
        device_counts: devices per server.
        bands: policy -> (mean, low, high) in seconds, one entry per count.
        limit: seconds that a deployment should keep.
    """
    labels = {"xlabel": "devices per server", "ylabel": "99th percentile of what is sent (s)"}
    plot_bands(ax, device_counts, bands, order=list(POLICIES), **labels)
    ax.axhline(limit, color="black", linewidth=1, linestyle=":", label="limit")
    ax.set(xscale="log", yscale="log")
    ax.legend()


def plot_break_even(ax: Axes, boards: Mapping[str, float], links: Mapping[str, Sequence[float]]) -> None:
    """The longest request for which asking still gives the sooner answer, by board, and the requests of the links.

    Args:
        ax: where to draw.
        boards: name -> seconds; fewer than LEAST_SECONDS have no bar.
        links: name -> median and 99th percentile of a request's seconds.
    """
    for height, (name, (median, p99)) in enumerate(links.items()):
        ax.plot([median, p99], [height, height], **{**line_style(name, list(links)), "linestyle": "-"})
        ax.annotate(name, (p99, height), xytext=(6, -4), textcoords="offset points")
    heights = np.arange(len(links), len(links) + len(boards))
    seconds = np.maximum(list(boards.values()), LEAST_SECONDS)
    ax.barh(heights, seconds - LEAST_SECONDS, left=LEAST_SECONDS, height=0.6, color="0.7")
    ax.set_yticks(heights, list(boards))
    ax.set(xscale="log", xlabel="seconds of a request", xlim=(LEAST_SECONDS, 3.0))
