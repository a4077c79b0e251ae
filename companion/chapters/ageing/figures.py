"""Figures of the page on a client that really ages: quantities against the batch, and loss reductions of policies."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from companion.chapters.ageing.readings import Readings
from l2h.evaluation.intervals import Interval, pointwise_t_intervals
from l2h.plotting.lines import plot_bands
from l2h.plotting.style import COLOURS, line_style

BATCH_LABEL = "batch, and its months"


def plot_by_batch(
    ax: Axes, readings: Readings, bands: Mapping[str, Interval], *, quantity: str, shares: bool = False
) -> None:
    """Lines with bands over seeds against the batch; the first point is the held-out part of the second batch.

    Args:
        ax: where to draw.
        readings: whose batches are named.
        bands: name -> (1 + B,) means with limits.
        quantity: name and unit of the vertical axis.
        shares: whether values lie in [0, 1]; Student's bands may leave it.
    """
    numbers = list(readings.months)[1:]
    plot_bands(ax, np.arange(len(numbers)), bands, xlabel=BATCH_LABEL, ylabel=quantity)
    ax.set_xticks(range(len(numbers)), [f"{number}\n{readings.months[number]}" for number in numbers], fontsize=8)
    ax.axvline(0.5, color="black", linewidth=1, linestyle=":")
    if shares:
        ax.set_ylim(-0.03, 1.03)
    else:
        ax.set_ylim(bottom=0)


def plot_reductions_by_batch(
    ax: Axes,
    readings: Readings,
    reductions: Mapping[str, np.ndarray],
    means: Mapping[str, Interval],
    *,
    quantity: str,
) -> None:
    """One row per policy: a point with Student's interval over seeds for each batch, and the mean over the batches.

    Args:
        ax: where to draw.
        readings: whose batches are named.
        reductions: policy -> (S, B).
        means: policy -> interval of the mean over seeds and batches.
        quantity: name and unit of the reduction.
    """
    numbers, rows = [str(number) for number in list(readings.months)[2:]], np.arange(len(reductions))
    for index, number in enumerate(numbers):
        appearance = line_style(number, numbers)
        heights = rows + 0.7 * ((index + 0.5) / (len(numbers) + 1) - 0.5)
        by_seed = np.stack([values[:, index] for values in reductions.values()], axis=1)  # (S, policies)
        mean, low, high = pointwise_t_intervals(by_seed)
        ax.hlines(heights, low, high, color=appearance["color"], linewidth=1)
        ax.plot(
            mean, heights, linestyle="none", color=appearance["color"], marker=appearance["marker"],
            markersize=4, label=f"batch {number}",
        )  # fmt: skip
    heights = rows + 0.7 * ((len(numbers) + 0.5) / (len(numbers) + 1) - 0.5)
    estimate, low, high = zip(*(means[name] for name in reductions), strict=True)
    ax.hlines(heights, low, high, color="black", linewidth=2)
    ax.plot(estimate, heights, linestyle="none", color="black", marker="D", markersize=5, label="mean")
    ax.axvline(0, color="black", linewidth=1)
    ax.set_yticks(rows, list(reductions))
    ax.set_ylim(len(reductions) - 0.5, -0.5)
    ax.set(xlabel=quantity, ylabel="policy")


def plot_level(ax: Axes, level: float, *, name: str) -> None:
    """A dashed horizontal line."""
    ax.axhline(level, color=COLOURS[-1], linestyle="--", linewidth=1, label=name)
