"""Figures of chapter 05."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from l2h.evaluation.intervals import Interval
from l2h.plotting.lines import plot_bands
from l2h.plotting.style import COLOURS, COST_LABEL, COVERAGE_LABEL, OFFLOAD_RATE_LABEL, PRINTED_STYLE, subplot_grid


def plot_offload_rates(
    ax: Axes, ce: Any, rates: Mapping[str, Sequence[Any]], *, noted: Mapping[float, float] | None = None
) -> None:
    """Offload rate against the cost of asking, one line with a band per system, beside rates noted elsewhere.

    Args:
        ax: where to draw.
        ce: (k,) costs of asking.
        rates: name -> (mean, low, high), (k,) each.
        noted: cost -> rate noted in the released notebook; hollow stars without a line.
    """
    plot_bands(ax, ce, rates, xlabel=COST_LABEL, ylabel=OFFLOAD_RATE_LABEL, markevery=0.12)
    if noted:
        ax.plot(list(noted), list(noted.values()), label="noted in the released notebook", **PRINTED_STYLE)
    ax.set_ylim(0, 1)
    ax.legend()


def plot_accuracy_level(ax: Axes, accuracy: float) -> None:
    """A level line at the accuracy of the on-device classifier, which sends nothing."""
    ax.axhline(accuracy, color="black", linestyle=":", label="on-device classifier, nothing sent")


def plot_differences_by_setting(coverages: Any, differences: Mapping[tuple[str, str], Sequence[Interval]]) -> None:
    """A figure of paired differences in accuracy: one column per client, one row per baseline.

    Args:
        coverages: (k,) shares kept.
        differences: (client, baseline) -> k intervals of learning to help minus the baseline.
    """
    clients, baselines = (list(dict.fromkeys(names)) for names in zip(*differences, strict=True))
    _, axes = subplot_grid(len(differences), len(clients), (5, 3.5), sharey=True)
    for index, ax in enumerate(axes):
        baseline, client = baselines[index // len(clients)], clients[index % len(clients)]
        plot_differences_by_coverage(ax, coverages, differences[client, baseline])
        ax.set_title(f"{client}: minus {baseline}")


def plot_differences_by_coverage(
    ax: Axes, coverages: Any, intervals: Sequence[Interval], *, quantity: str = "accuracy (share right)"
) -> None:
    """Paired differences with their intervals at each coverage, and the line of no difference.

    Args:
        ax: where to draw.
        coverages: (k,) shares kept.
        intervals: k intervals of the difference first - second.
        quantity: name and unit of the metric.
    """
    estimate, low, high = zip(*intervals, strict=True)
    ax.axhline(0, color="black", linewidth=1)
    ax.vlines(coverages, low, high, color=COLOURS[0], linewidth=2)
    ax.plot(coverages, estimate, linestyle="none", marker="o", color=COLOURS[0])
    ax.set(xlabel=COVERAGE_LABEL, ylabel=f"difference in {quantity}", xlim=(-0.03, 1.03))
