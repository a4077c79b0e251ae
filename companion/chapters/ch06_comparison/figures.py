"""Figures of the comparison: gaps, ranks, losses beside their reference lines, budgets, and agreement with people."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from l2h.evaluation.intervals import Interval
from l2h.plotting.comparisons import DOMINATED_ALPHA
from l2h.plotting.lines import plot_bands
from l2h.plotting.style import ACCURACY_LABEL, COLOURS, COST_LABEL, MARKERS, OFFLOAD_RATE_LABEL

REFERENCE_STYLES: Mapping[str, dict[str, Any]] = {
    "never ask": {"color": "black", "linestyle": "-"},
    "always ask": {"color": "black", "linestyle": "--"},
    "random, best rate": {"color": "grey", "linestyle": "-.", "linewidth": 3, "alpha": 0.5},
    "oracle": {"color": "black", "linestyle": ":"},
}
FLOPS_LABEL = "operations on the device per image"
BYTES_LABEL = "bytes sent per image"


def plot_losses_by_cost(
    ax: Axes,
    ce: Any,
    losses: Mapping[str, Sequence[Any]],
    reference_losses: Mapping[str, Any],
    *,
    order: Sequence[str] = (),
) -> None:
    """System loss against the cost of asking: methods with bands, beside what needs no rejector, and the oracle.

    Args:
        ax: where to draw.
        ce: (k,) costs of asking.
        losses: name -> (mean, low, high), (k,) each.
        reference_losses: a name of LEVELS -> (k,) losses.
        order: names that fix the looks across figures; by default the names of the losses.
    """
    for name, level in reference_losses.items():
        ax.plot(ce, level, label=name, **REFERENCE_STYLES[name])
    plot_bands(ax, ce, losses, xlabel=COST_LABEL, ylabel="system loss (mistakes of the client)", order=order)


def plot_possible_gain(ax: Axes, ce: Any, reference_losses: Mapping[str, Any]) -> None:
    """What needs no rejector, the oracle, and the room between the best coin and the oracle that a rejector may win.

    Args:
        ax: where to draw.
        ce: (k,) costs of asking.
        reference_losses: each name of LEVELS -> (k,) losses.
    """
    limits = (reference_losses["random, best rate"], reference_losses["oracle"])
    ax.fill_between(ce, *limits, color=COLOURS[0], alpha=0.2, linewidth=0, label="room for a rejector")
    for name, appearance in REFERENCE_STYLES.items():
        ax.plot(ce, reference_losses[name], label=name, **appearance)
    ax.set(xlabel=COST_LABEL, ylabel="system loss")


def plot_accuracy_by_resource(
    ax: Axes,
    points: Mapping[str, tuple[float, Interval]],
    *,
    resource: str,
    order: Sequence[str] = (),
    pareto_front: Sequence[str] = (),
    log: bool = False,
) -> None:
    """Accuracy against what is spent, one point with its interval per system, and the line of those that are ahead.

    Args:
        ax: where to draw.
        points: name -> (spent per image, accuracy).
        resource: name of what is spent: FLOPS or BYTES.
        order: names that fix the looks across figures, 49 at most; by default the names of the points.
        pareto_front: names that no other one beats, by what they spend; the others are drawn pale. By default all are.
        log: whether the axis of what is spent is logarithmic.
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
    half_range = max(
        0.05, max(middle) - min(middle)
    )  # an interval of two seeds runs out of the axes, as in `draw_gaps`
    low, high = ax.get_ylim()
    ax.set_ylim(max(low, min(middle) - half_range), min(high, max(middle) + half_range))


def plot_offload_by_uncertainty(
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
    positions = np.arange(len(edges) - 1)
    bands = {name: Interval(*np.array(intervals, dtype=float).T) for name, intervals in rates.items()}
    xlabel = "entropy of the people's answers (bits; share of images)"
    plot_bands(ax, positions, bands, xlabel=xlabel, ylabel=OFFLOAD_RATE_LABEL, order=order)
    limits = zip(pairwise(edges), shares, strict=True)
    names = [f"{low:.2f} to\n{high:.2f}\n({share:.0%})" for (low, high), share in limits]
    ax.set_xticks(positions, names)
    ax.set_ylim(0, 1)
    ax.legend()


def _point_style(name: str, order: Sequence[str]) -> dict[str, Any]:
    """Colour and marker of a point, which has no line style: no two of 49 names share both."""
    index = list(order).index(name)
    turn = index // len(MARKERS)
    return {"color": COLOURS[(index + turn) % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}
