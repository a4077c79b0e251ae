"""Figures of chapter 01."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from l2h.evaluation.intervals import Interval
from l2h.plotting.style import ACCURACY_LABEL, COLOURS, OFFLOAD_RATE_LABEL, line_style


def plot_trade_off(ax: Axes, x: Sequence[Any], accuracy: Interval, label: str) -> None:
    """System accuracy with its intervals against what was varied.

    Args:
        ax: where to draw.
        x: k numbers or names of the settings.
        accuracy: (k,) means and limits.
        label: of the horizontal axis.
    """
    mean, low, high = accuracy
    ax.errorbar(x, mean, yerr=(mean - low, high - mean), fmt="o-", capsize=3)
    ax.set(xlabel=label, ylabel=ACCURACY_LABEL)


def plot_gain_by_offload_rate(ax: Axes, signatures: pd.DataFrame, gain_of_always_ask: float) -> None:
    """Gain in accuracy against offload rate, one point per system, with the line of random offloading.

    Args:
        ax: where to draw.
        signatures: of `analysis.failure_signatures`.
        gain_of_always_ask: the gain at offload rate 1.
    """
    names = list(signatures.index)
    for name, row in signatures.iterrows():
        point = line_style(str(name), names) | {"linestyle": "none"}
        ax.plot([row["offload rate"]], [row["gain in accuracy"]], label=name, **point)
    ax.plot([0, 1], [0, gain_of_always_ask], ":k", label="random offloading")
    ax.set(xlabel=OFFLOAD_RATE_LABEL, ylabel="gain in accuracy over the client")
    ax.legend()


def plot_relative_training_loss(ax: Axes, histories: Mapping[str, Sequence[float]]) -> None:
    """Training loss after each epoch, relative to that of the first epoch, on a logarithmic axis.

    Args:
        ax: where to draw.
        histories: name -> mean loss of each epoch.
    """
    for name, losses in histories.items():
        relative = np.divide(losses, losses[0])
        ax.plot(range(1, len(losses) + 1), relative, label=name, **line_style(name, list(histories)))
    ax.set(xlabel="epoch", ylabel="training loss (first epoch = 1)", yscale="log")
    ax.legend()


def plot_components(ax: Axes) -> None:
    """The component map: client and rejector on the device, the server behind a network link, and the two decisions."""
    ax.set(xlim=(0, 10), ylim=(0, 6))
    ax.set_axis_off()
    _plot_box(ax, (1.3, 0.2), (4.4, 5.5), "", facecolor="none", linestyle="--")
    ax.text(3.5, 5.35, "device", ha="center", va="center")
    _plot_box(ax, (1.7, 3.4), (1.9, 1.3), "rejector\n$r(x)$", facecolor="#F0E442")
    _plot_box(ax, (1.7, 0.6), (1.9, 1.3), "client\n$m(x)$", facecolor=COLOURS[4])
    _plot_box(ax, (7.7, 3.4), (1.9, 1.3), "server\n$e(x)$", facecolor=COLOURS[5])
    _plot_arrow(ax, (0.3, 4.05), (1.7, 4.05), "$x$", (0.8, 4.4))
    _plot_arrow(ax, (2.65, 3.4), (2.65, 1.9), "$r(x) > 0$\nkeep", (3.6, 2.65))
    _plot_arrow(ax, (3.6, 4.05), (7.7, 4.05), "$r(x) \\leq 0$\nask", (4.6, 4.6))
    ax.text(6.7, 4.4, "cost $c_e$", ha="center", va="center")
    _plot_arrow(ax, (3.6, 1.25), (6.6, 1.25), "answer\n$m(x)$", (7.3, 1.25))
    _plot_arrow(ax, (8.65, 3.4), (8.65, 1.75), "answer\n$e(x)$", (8.65, 1.25))


def _plot_box(ax: Axes, corner: tuple[float, float], size: tuple[float, float], text: str, **appearance: Any) -> None:
    ax.add_patch(
        FancyBboxPatch(corner, *size, boxstyle="round,pad=0,rounding_size=0.2", edgecolor="black", **appearance)
    )
    ax.text(corner[0] + size[0] / 2, corner[1] + size[1] / 2, text, ha="center", va="center")


def _plot_arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], text: str, text_position: tuple[float, float]
) -> None:
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=14, shrinkA=0, shrinkB=0, color="black"))
    ax.text(*text_position, text, ha="center", va="center")
