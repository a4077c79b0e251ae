"""Figures of chapter 05."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from l2h.evaluation.intervals import Interval
from l2h.plotting.lines import plot_bands
from l2h.plotting.style import COLOURS, COST_LABEL, COVERAGE_LABEL, OFFLOAD_RATE_LABEL, PRINTED_STYLE


def plot_offload_rates(
    ax: Axes,
    ce: Any,
    rates: Mapping[str, Sequence[Any]],
    *,
    references: Mapping[str, Sequence[Any]] | None = None,
    order: Sequence[str] = (),
) -> None:
    """Offload rate against the cost of asking, one line with a band per system, beside printed numbers.

    Args:
        ax: where to draw.
        ce: (k,) costs of asking.
        rates: name -> (mean, low, high), (k,) each.
        references: name -> (ce, rate), numbers printed elsewhere; hollow stars without a line.
        order: names that fix the looks across figures; by default the names of the systems.
    """
    plot_bands(ax, ce, rates, xlabel=COST_LABEL, ylabel=OFFLOAD_RATE_LABEL, order=order, markevery=0.12)
    for name, (printed_ce, printed_rate) in (references or {}).items():
        ax.plot(printed_ce, printed_rate, label=name, **PRINTED_STYLE)
    ax.set_ylim(0, 1)
    ax.legend()


def plot_differences_by_coverage(
    ax: Axes, coverages: Any, intervals: Sequence[Interval], *, quantity: str = "accuracy (share right)"
) -> None:
    """Paired differences with their intervals at each coverage, and the line of no difference.

    Args:
        ax: where to draw.
        coverages: (k,) shares kept.
        intervals: k intervals of the difference first - second.
        quantity: name and unit of what differs.
    """
    estimate, low, high = zip(*intervals, strict=True)
    ax.axhline(0, color="black", linewidth=1)
    ax.vlines(coverages, low, high, color=COLOURS[0], linewidth=2)
    ax.plot(coverages, estimate, linestyle="none", marker="o", color=COLOURS[0])
    ax.set(xlabel=COVERAGE_LABEL, ylabel=f"difference in {quantity}", xlim=(-0.03, 1.03))
