"""Figures that compare systems: Table I as bars, paired differences, mean ranks, accuracy against resource use."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from l2h.evaluation.intervals import Interval
from l2h.evaluation.metrics import TableOne
from l2h.evaluation.multiple_comparisons import MeanRanks, cliques
from l2h.plotting.style import ACCURACY_LABEL, COLOURS, MARKERS, PRINTED_STYLE

FLOPS_LABEL = "operations on the device per image"
BYTES_LABEL = "bytes sent per image"
RESOURCE_LABELS = (FLOPS_LABEL, BYTES_LABEL)  # in the order of `ResourceUse`
DOMINATED_ALPHA = 0.25  # opacity of points that another one dominates
MAX_LIMIT_RATIO = 4  # the axis ends at most at this multiple of the largest difference


def plot_table_one(ax: Axes, table: TableOne, *, reference: TableOne | None = None) -> None:
    """Accuracy of client and server on the kept and on the asked examples, with "differ." above each pair.

    Args:
        ax: where to draw.
        table: `TableOne` of intervals; an empty subset has NaN and is labelled "none".
        reference: `TableOne` of published numbers, drawn as hollow stars; NaN where none was published.
    """
    for position, cell in enumerate(table):
        _plot_bar(ax, position - 0.2, cell.m, color=COLOURS[4], label="client m" if position == 0 else None)
        _plot_bar(ax, position + 0.2, cell.e, color=COLOURS[5], label="server e" if position == 0 else None, hatch="//")
        ax.text(position, 1.1, f"differ. {_format_number(cell.difference.estimate, '+.2f')}", ha="center", va="center")
        if reference is not None:
            label = "printed" if position == 0 else None
            ax.plot(
                [position - 0.2, position + 0.2],
                [reference[position].m, reference[position].e],
                label=label,
                **PRINTED_STYLE,
            )
    names = [f"{name}\nn = {cell.n.estimate:.0f}" for name, cell in zip(("kept", "asked"), table, strict=True)]
    ax.set_xticks([0, 1], names)
    ax.set(xlabel="subset (images, chosen by the rejector)", ylabel=ACCURACY_LABEL, ylim=(0, 1.2))
    ax.legend(loc="lower center", ncols=3, framealpha=1)


def _plot_bar(ax: Axes, position: float, interval: Interval, **appearance: Any) -> None:
    ax.bar(position, interval.estimate, width=0.36, edgecolor="black", **appearance)
    ax.vlines(position, interval.low, interval.high, color="black", linewidth=2)
    ax.text(position, 1.02, _format_number(interval.estimate, ".2f"), ha="center", va="center", fontsize="small")


def _format_number(value: float, number_format: str) -> str:
    return "none" if np.isnan(value) else format(value, number_format)


def plot_differences(ax: Axes, differences: Mapping[str, Interval | None], *, quantity: str) -> None:
    """Paired differences to one method, one row per baseline, the first one at the top, and the line of no difference.

    Args:
        ax: where to draw.
        differences: baseline -> interval of reference minus baseline; None leaves the row of a missing baseline blank.
        quantity: name and unit of the differences.
    """
    ordered = list(differences)[::-1]
    present = [(row, difference) for row, name in enumerate(ordered) if (difference := differences[name]) is not None]
    ax.axvline(0, color="black", linewidth=1)
    for row, difference in present:
        style_index = (
            0 if difference.low > 0 else 1 if difference.high < 0 else 6
        )  # better, worse, no significant difference
        ax.hlines(row, difference.low, difference.high, color=COLOURS[style_index], linewidth=2)
        ax.plot(
            difference.estimate,
            row,
            marker="os"[style_index == 1] if style_index < 6 else "|",
            color=COLOURS[style_index],
        )
    ax.set_yticks(range(len(ordered)), ordered)
    ax.set(xlabel=quantity, ylim=(-0.7, len(ordered) - 0.3))
    # Intervals of two seeds are so wide that the differences would be invisible: such a line is cut off at the axes.
    widest = MAX_LIMIT_RATIO * max(abs(difference.estimate) for _, difference in present)
    left, right = ax.get_xlim()
    ax.set_xlim(max(left, -widest or left), min(right, widest or right))
    ax.locator_params(axis="x", nbins=4)
    ax.grid(axis="y", visible=False)


def plot_mean_ranks(ax: Axes, table: MeanRanks) -> None:
    """Mean ranks on a line, best on the left; bars join methods without a significant difference (cliques).

    Args:
        ax: where to draw.
        table: from `multiple_comparisons.mean_ranks`.
    """
    names = list(table.mean_rank)
    groups = cliques(table)
    top = len(names) + 0.5 * len(groups)
    for height, group in enumerate(groups):
        span = [table.mean_rank[group[0]] - 0.05, table.mean_rank[group[-1]] + 0.05]
        ax.plot(span, [top - 0.5 * height] * 2, color=COLOURS[1], linewidth=4, solid_capstyle="butt")
    rows = [len(names) - index - 1 for index in range(len(names))]
    for row, rank in zip(rows, table.mean_rank.values(), strict=True):
        ax.plot([rank, rank], [row, top + 0.6], color="grey", linewidth=0.8, zorder=0)
        ax.plot(rank, row, marker="o", color=COLOURS[0])
    ax.plot([1, 1 + table.critical_difference], [top + 1.4] * 2, color="black", marker="|")
    # The names are tick labels, because the layout reserves space for labels of any length.
    row_labels = [f"{name} ({rank:.1f})" for name, rank in table.mean_rank.items()]
    ax.set_yticks([*rows, top + 1.4], [*row_labels, f"critical difference {table.critical_difference:.2f}"])
    ax.set(
        xlabel="mean rank (1 is best)",
        xlim=(0.5, max(len(names), 1 + table.critical_difference) + 0.5),
        ylim=(-0.8, top + 2.2),
    )


def plot_accuracy_by_resource(
    ax: Axes,
    points: Mapping[str, tuple[float, Interval]],
    *,
    resource: str,
    order: Sequence[str] = (),
    pareto_front: Sequence[str] = (),
    log: bool = False,
) -> None:
    """Accuracy against the use of a resource, one point with its interval per system, and the Pareto front.

    Args:
        ax: where to draw.
        points: name -> (use per image, accuracy).
        resource: name of the resource: FLOPS_LABEL or BYTES_LABEL.
        order: names that fix the line styles across figures, 49 at most; by default the names of the points.
        pareto_front: names on the Pareto front, by increasing use; the others are drawn pale. By default none is pale.
        log: whether the axis of the resource is logarithmic.
    """
    for name, (resource_value, accuracy) in points.items():
        front = name in pareto_front or not pareto_front
        appearance = _point_style(name, order or list(points)) | {
            "alpha": 1 if front else DOMINATED_ALPHA,
            "zorder": 3 if front else 2,
        }
        bar = {key: appearance[key] for key in ("color", "alpha", "zorder")}
        ax.vlines(resource_value, accuracy.low, accuracy.high, linewidth=1.5, **bar)
        ax.plot(resource_value, accuracy.estimate, label=name, markersize=8, linestyle="none", **appearance)
    if pareto_front:
        steps = [(points[name][0], points[name][1].estimate) for name in pareto_front]
        ax.step(*np.transpose(steps), where="post", color="grey", linewidth=1, zorder=1)
    if log:
        ax.set_xscale("log")
    ax.set(xlabel=resource, ylabel=ACCURACY_LABEL)
    middle = [accuracy.estimate for _, accuracy in points.values()]
    half_range = max(0.05, max(middle) - min(middle))  # an interval of two seeds may run out of the axes
    low, high = ax.get_ylim()
    ax.set_ylim(max(low, min(middle) - half_range), min(high, max(middle) + half_range))


def _point_style(name: str, order: Sequence[str]) -> dict[str, Any]:
    """Colour and marker of a point, which has no line style: no two of 49 names share both."""
    index = list(order).index(name)
    turn = index // len(MARKERS)
    return {"color": COLOURS[(index + turn) % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}
