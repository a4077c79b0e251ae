"""Figures that compare systems: Table I as bars, paired differences, mean ranks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from l2h.evaluation.intervals import Interval
from l2h.evaluation.metrics import TableOne
from l2h.evaluation.multiple_comparisons import MeanRanks, cliques
from l2h.plotting.style import ACCURACY_LABEL, COLOURS, PRINTED_STYLE

DOMINATED_ALPHA = 0.25  # of points that another one beats
MAX_LIMIT_RATIO = 4  # times the largest difference that is shown


def plot_table_one(ax: Axes, cells: TableOne, *, reference: TableOne | None = None) -> None:
    """Accuracy of client and server on what is kept and on what is sent, with "differ." above each pair.

    Args:
        ax: where to draw.
        cells: `TableOne` of intervals; an empty portion has NaN and says so.
        reference: `TableOne` of numbers printed elsewhere, drawn as hollow stars; NaN where none was printed.
    """
    for place, cell in enumerate(cells):
        _plot_bar(ax, place - 0.2, cell.m, color=COLOURS[4], label="client m" if place == 0 else None)
        _plot_bar(ax, place + 0.2, cell.e, color=COLOURS[5], label="server e" if place == 0 else None, hatch="//")
        ax.text(place, 1.1, f"differ. {_format_number(cell.differ.estimate, '+.2f')}", ha="center", va="center")
        if reference is not None:
            label = "printed" if place == 0 else None
            ax.plot([place - 0.2, place + 0.2], [reference[place].m, reference[place].e], label=label, **PRINTED_STYLE)
    names = [f"{name}\nn = {cell.n.estimate:.0f}" for name, cell in zip(("kept", "sent"), cells, strict=True)]
    ax.set_xticks([0, 1], names)
    ax.set(xlabel="portion (images, chosen by the rejector)", ylabel=ACCURACY_LABEL, ylim=(0, 1.2))
    ax.legend(loc="lower center", ncols=3, framealpha=1)


def _plot_bar(ax: Axes, place: float, interval: Interval, **appearance: Any) -> None:
    ax.bar(place, interval.estimate, width=0.36, edgecolor="black", **appearance)
    ax.vlines(place, interval.low, interval.high, color="black", linewidth=2)
    ax.text(place, 1.02, _format_number(interval.estimate, ".2f"), ha="center", va="center", fontsize="small")


def _format_number(value: float, form: str) -> str:
    return "none" if np.isnan(value) else format(value, form)


def plot_differences(ax: Axes, gaps: Mapping[str, Interval | None], *, what: str) -> None:
    """Paired differences to one method, one row per rival, the first one at the top, and the line of no difference.

    Args:
        ax: where to draw.
        gaps: rival -> interval of reference - rival, None for a rival that is not there, whose row stays blank.
        what: name and unit of what differs.
    """
    ordered = list(gaps)[::-1]
    known = [(place, gap) for place, name in enumerate(ordered) if (gap := gaps[name]) is not None]
    ax.axvline(0, color="black", linewidth=1)
    for place, gap in known:
        sure = 0 if gap.low > 0 else 1 if gap.high < 0 else 6  # better, worse, not told apart
        ax.hlines(place, gap.low, gap.high, color=COLOURS[sure], linewidth=2)
        ax.plot(gap.estimate, place, marker="os"[sure == 1] if sure < 6 else "|", color=COLOURS[sure])
    ax.set_yticks(range(len(ordered)), ordered)
    ax.set(xlabel=what, ylim=(-0.7, len(ordered) - 0.3))
    # Two seeds give intervals so wide that the differences themselves would vanish: such a line runs out of the axes.
    widest = MAX_LIMIT_RATIO * max(abs(gap.estimate) for _, gap in known)
    left, right = ax.get_xlim()
    ax.set_xlim(max(left, -widest or left), min(right, widest or right))
    ax.locator_params(axis="x", nbins=4)
    ax.grid(axis="y", visible=False)


def plot_mean_ranks(ax: Axes, table: MeanRanks) -> None:
    """Mean ranks on a line, best on the left; bars join methods that the critical difference does not tell apart.

    Args:
        ax: where to draw.
        table: of `multiple_comparisons.mean_ranks`.
    """
    names = list(table.rank)
    groups = cliques(table)
    top = len(names) + 0.5 * len(groups)
    for height, group in enumerate(groups):
        span = [table.rank[group[0]] - 0.05, table.rank[group[-1]] + 0.05]
        ax.plot(span, [top - 0.5 * height] * 2, color=COLOURS[1], linewidth=4, solid_capstyle="butt")
    rows = [len(names) - place - 1 for place in range(len(names))]
    for row, rank in zip(rows, table.rank.values(), strict=True):
        ax.plot([rank, rank], [row, top + 0.6], color="grey", linewidth=0.8, zorder=0)
        ax.plot(rank, row, marker="o", color=COLOURS[0])
    ax.plot([1, 1 + table.difference], [top + 1.4] * 2, color="black", marker="|")
    # names stand outside the frame, where the layout makes room for any length
    said = [f"{name} ({rank:.1f})" for name, rank in table.rank.items()]
    ax.set_yticks([*rows, top + 1.4], [*said, f"critical difference {table.difference:.2f}"])
    ax.set(
        xlabel="mean rank (1 is best)", xlim=(0.5, max(len(names), 1 + table.difference) + 0.5), ylim=(-0.8, top + 2.2)
    )
