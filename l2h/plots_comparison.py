"""Figures of the comparison: gaps, ranks, losses beside their reference lines, budgets, and agreement with people."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from l2h.bootstrap import Interval
from l2h.plots import ACCURACY, COLOURS, COST, MARKERS, RATE, look
from l2h.significance import Standings, alike

LEVELS: Mapping[str, dict[str, Any]] = {
    "never ask": {"color": "black", "linestyle": "-"},
    "always ask": {"color": "black", "linestyle": "--"},
    "random, best rate": {"color": "grey", "linestyle": "-.", "linewidth": 3, "alpha": 0.5},
    "oracle": {"color": "black", "linestyle": ":"},
}
PALE = 0.25  # of points that another one beats
WIDEST = 4  # times the largest difference that is shown
FLOPS = "operations on the device per image"
BYTES = "bytes sent per image"


def panels(count: int, across: int, size: tuple[float, float], **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure with axes in rows, those that are left over blank.

    Args:
        count: of the axes that are used, >= 1.
        across: how many stand in a row.
        size: width and height of one, in inches.
        options: of `pyplot.subplots`, such as sharey.

    Returns:
        The figure, and the axes in reading order.
    """
    rows = -(-count // across)
    shape: dict[str, Any] = {"figsize": (size[0] * across, size[1] * rows), "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(rows, across, **shape, **options)
    for blank in axes.flat[count:]:
        blank.set_axis_off()
    return figure, list(axes.flat[:count])


def share_legend(figure: Figure, *axes: Axes, columns: int = 4) -> None:
    """One legend below a figure, of everything that its axes name, in place of one in each.

    Args:
        figure: that gets the legend.
        axes: whose own legends, if any, are taken away.
        columns: of the legend.
    """
    named: dict[str, Any] = {}
    for ax in axes:
        named |= dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
        if (own := ax.get_legend()) is not None:
            own.remove()
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=columns)


def draw_gaps(ax: Axes, gaps: Mapping[str, Interval | None], *, what: str) -> None:
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
    widest = WIDEST * max(abs(gap.estimate) for _, gap in known)
    left, right = ax.get_xlim()
    ax.set_xlim(max(left, -widest or left), min(right, widest or right))
    ax.locator_params(axis="x", nbins=4)
    ax.grid(axis="y", visible=False)


def draw_ranks(ax: Axes, table: Standings) -> None:
    """Mean ranks on a line, best on the left; bars join methods that the critical difference does not tell apart.

    Args:
        ax: where to draw.
        table: of `significance.standings`.
    """
    names = list(table.rank)
    groups = alike(table)
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


def draw_losses(
    ax: Axes,
    ce: Any,
    losses: Mapping[str, Sequence[Any]],
    levels: Mapping[str, Any],
    *,
    order: Sequence[str] = (),
) -> None:
    """System loss against the cost of asking: methods with bands, beside what needs no rejector, and the oracle.

    Args:
        ax: where to draw.
        ce: (k,) costs of asking.
        losses: name -> (mean, low, high), (k,) each.
        levels: a name of LEVELS -> (k,) losses.
        order: names that fix the looks across figures; by default the names of the losses.
    """
    for name, level in levels.items():
        ax.plot(ce, level, label=name, **LEVELS[name])
    for name, (mean, low, high) in losses.items():
        appearance = look(name, order or list(losses))
        ax.fill_between(ce, low, high, color=appearance["color"], alpha=0.2, linewidth=0)
        ax.plot(ce, mean, label=name, **appearance)
    ax.set(xlabel=COST, ylabel="system loss (mistakes of the client)")


def draw_room(ax: Axes, ce: Any, levels: Mapping[str, Any]) -> None:
    """What needs no rejector, the oracle, and the room between the best coin and the oracle that a rejector may win.

    Args:
        ax: where to draw.
        ce: (k,) costs of asking.
        levels: each name of LEVELS -> (k,) losses.
    """
    room = (levels["random, best rate"], levels["oracle"])
    ax.fill_between(ce, *room, color=COLOURS[0], alpha=0.2, linewidth=0, label="room for a rejector")
    for name, appearance in LEVELS.items():
        ax.plot(ce, levels[name], label=name, **appearance)
    ax.set(xlabel=COST, ylabel="system loss")


def draw_budget(
    ax: Axes,
    points: Mapping[str, tuple[float, Interval]],
    *,
    what: str,
    order: Sequence[str] = (),
    ahead: Sequence[str] = (),
    log: bool = False,
) -> None:
    """Accuracy against what is spent, one point with its interval per system, and the line of those that are ahead.

    Args:
        ax: where to draw.
        points: name -> (spent per image, accuracy).
        what: name of what is spent: FLOPS or BYTES.
        order: names that fix the looks across figures, 49 at most; by default the names of the points.
        ahead: names that no other one beats, by what they spend; the others are drawn pale. By default all are.
        log: whether the axis of what is spent is logarithmic.
    """
    for name, (spent, accuracy) in points.items():
        front = name in ahead or not ahead
        appearance = _point(name, order or list(points)) | {"alpha": 1 if front else PALE, "zorder": 3 if front else 2}
        bar = {key: appearance[key] for key in ("color", "alpha", "zorder")}
        ax.vlines(spent, accuracy.low, accuracy.high, linewidth=1.5, **bar)
        ax.plot(spent, accuracy.estimate, label=name, markersize=8, linestyle="none", **appearance)
    if ahead:
        steps = [(points[name][0], points[name][1].estimate) for name in ahead]
        ax.step(*np.transpose(steps), where="post", color="grey", linewidth=1, zorder=1)
    if log:
        ax.set_xscale("log")
    ax.set(xlabel=what, ylabel=ACCURACY)
    middle = [accuracy.estimate for _, accuracy in points.values()]
    room = max(0.05, max(middle) - min(middle))  # an interval of two seeds runs out of the axes, as in `draw_gaps`
    low, high = ax.get_ylim()
    ax.set_ylim(max(low, min(middle) - room), min(high, max(middle) + room))


def draw_rates_by_uncertainty(
    ax: Axes, edges: Any, shares: Any, rates: Mapping[str, Sequence[Interval]], *, order: Sequence[str] = ()
) -> None:
    """Share of images sent, for groups of images on which people agree less and less.

    Args:
        ax: where to draw.
        edges: (k + 1,) limits of the groups in bits of human entropy.
        shares: (k,) share of the images in each group.
        rates: name -> k intervals; groups stand side by side, whatever their width.
        order: names that fix the looks across figures; by default the names of the rates.
    """
    places = np.arange(len(edges) - 1)
    for name, several in rates.items():
        appearance = look(name, order or list(rates))
        estimate, low, high = np.array(several, dtype=float).T
        ax.fill_between(places, low, high, color=appearance["color"], alpha=0.2, linewidth=0)
        ax.plot(places, estimate, label=name, **appearance)
    limits = zip(pairwise(edges), shares, strict=True)
    names = [f"{low:.2f} to\n{high:.2f}\n({share:.0%})" for (low, high), share in limits]
    ax.set_xticks(places, names)
    ax.set(xlabel="entropy of the people's answers (bits; share of images)", ylabel=RATE, ylim=(0, 1))
    ax.legend()


def _point(name: str, order: Sequence[str]) -> dict[str, Any]:
    """Colour and marker of a point, which has no line style: no two of 49 names share both."""
    place = list(order).index(name)
    turn = place // len(MARKERS)
    return {"color": COLOURS[(place + turn) % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}
