"""Figures of chapter 11."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from companion.chapters.ch11_deployment.deployments import POLICIES
from l2h.plotting.lines import plot_bands
from l2h.plotting.style import line_style


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
    quantity = "99th percentile of what is sent (s)"
    plot_bands(ax, device_counts, bands, xlabel="devices per server", ylabel=quantity, order=list(POLICIES))
    ax.axhline(limit, color="black", linewidth=1, linestyle=":", label="limit")
    ax.set(xscale="log", yscale="log")
    ax.set_xticks(device_counts, [str(count) for count in device_counts], rotation=45)
    ax.set_xticks([], minor=True)
    ax.legend()


def plot_regions(
    ax: Axes,
    seconds: tuple[np.ndarray, np.ndarray],
    least: np.ndarray,
    policies: Sequence[str],
    *,
    boards: Mapping[str, float],
    links: Mapping[str, float],
) -> None:
    """The policy of the least price over the seconds of a request and of the client, with boards and links as lines.

    Args:
        ax: where to draw.
        seconds: (n,) of a request and (k,) of the client, rising.
        least: (k, n) index of the policy.
        policies: names.
        boards: name -> seconds of the client.
        links: name -> seconds of a request.
    """
    colours = [line_style(name, list(POLICIES))["color"] for name in policies]
    shown: dict[str, Any] = {"cmap": ListedColormap(colours), "vmin": -0.5, "vmax": len(policies) - 0.5, "alpha": 0.45}
    ax.pcolormesh(*seconds, least, shading="nearest", rasterized=True, **shown)
    for number, (name, value) in enumerate(boards.items()):
        ax.axhline(value, color="black", linewidth=0.7)
        beginning = seconds[0][number % 2 * len(seconds[0]) // 2]  # two columns, since some boards are equally fast
        ax.annotate(name, (beginning, value), xytext=(3, 2), textcoords="offset points", fontsize=7)
    for name, value in links.items():
        ax.axvline(value, color="black", linewidth=0.7, linestyle=":")
        top = (value, seconds[1][-1])
        ax.annotate(name, top, xytext=(2, -4), textcoords="offset points", fontsize=7, rotation=90, va="top")
    handles = [Patch(color=colour, alpha=0.45, label=name) for name, colour in zip(policies, colours, strict=True)]
    ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)
    ax.set(xscale="log", yscale="log", xlabel="seconds of a request", ylabel="seconds of the client")
