"""Figures of the drift chapter: streams over time, loss reductions, delays, regret and bounds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from l2h.evaluation.intervals import Interval, pointwise_t_intervals
from l2h.plotting.lines import plot_bands
from l2h.plotting.style import COLOURS, line_style

STEP_LABEL = "input (position in the stream)"
LOSS_LABEL = "system loss (mistakes of the client)"


def plot_over_time(
    ax: Axes,
    steps: Any,
    bands: Mapping[str, Sequence[Any]],
    *,
    quantity: str,
    change_point: float,
    order: Sequence[str] = (),
) -> None:
    """Quantities along a stream, one line with a band each, and a mark at the change point.

    Args:
        ax: where to draw.
        steps: (k,) positions in the stream.
        bands: name -> (mean, low, high), (k,) each.
        quantity: name and unit of the quantity.
        change_point: step of the change.
        order: names that fix the line styles across figures; by default the names of the bands.
    """
    plot_bands(ax, steps, bands, xlabel=STEP_LABEL, ylabel=quantity, order=order, markevery=0.15, alpha=0.15)
    ax.axvline(change_point, color="black", linewidth=1, linestyle=":")
    subplot = ax.get_subplotspec()
    if subplot is not None and not subplot.is_last_row():
        ax.set_xlabel("")


def plot_stream_panels(
    axes: Any,
    series: Mapping[str, Mapping[str, Interval]],
    *,
    steps: Sequence[float],
    change_point: float,
    levels: Mapping[str, float] | None = None,
) -> None:
    """Quantities along several streams: one row of panels per quantity, one column per stream.

    Args:
        axes: (quantities, streams) where to draw.
        series: stream -> name and unit of the quantity -> (k,) means with their bands.
        steps: (k,) positions in the stream.
        change_point: step of the change.
        levels: quantity -> a value to compare with, drawn as a dashed line.
    """
    for column, (stream, quantities) in zip(axes.T, series.items(), strict=True):
        for ax, (quantity, band) in zip(column, quantities.items(), strict=True):
            plot_over_time(ax, steps, {stream: band}, quantity=quantity, change_point=change_point)
            if quantity in (levels or {}):
                ax.axhline((levels or {})[quantity], color=COLOURS[1], linestyle="--", label="bound of Theorem 1")
                if ax in axes[:, 0]:
                    ax.legend(fontsize="small", handles=ax.lines[-1:], loc="upper left")
            ax.label_outer()
            ax.set_xlabel("input" if ax is column[-1] else "")
        column[0].set_title(stream)


def plot_policies_over_time(
    axes: Sequence[Axes], loss: Mapping[str, Interval], offload_rate: Mapping[str, Interval], *, change_point: int,
    length: int,
) -> None:  # fmt: skip
    """Loss and offload rate of several policies along a stream, above each other.

    Args:
        axes: two, from the top.
        loss: policy -> (k,) means in windows of the stream, with their band.
        offload_rate: the same for the share of inputs about which the device asks.
        change_point: step of the change.
        length: T inputs of the stream.
    """
    for ax, bands, quantity in zip(axes, (loss, offload_rate), (LOSS_LABEL, "offload rate"), strict=True):
        n_windows = len(next(iter(bands.values())).estimate)
        steps = (np.arange(n_windows) + 0.5) * (length // n_windows)
        plot_over_time(ax, steps, bands, quantity=quantity, change_point=change_point)
    axes[0].set_ylim(bottom=0)
    axes[1].set_ylim(-0.03, 1.03)


def plot_loss_reductions(ax: Axes, reductions: Mapping[str, Mapping[str, Interval]], *, quantity: str) -> None:
    """One row per policy, one point with its interval per case, and the line of no difference.

    Args:
        ax: where to draw.
        reductions: case -> policy -> interval of the loss reduction.
        quantity: name and unit of the reduction.
    """
    cases = list(reductions)
    policies = list(next(iter(reductions.values())))
    for index, case in enumerate(cases):
        appearance = line_style(case, cases)
        rows = [row + 0.7 * ((index + 0.5) / len(cases) - 0.5) for row in range(len(policies))]
        estimate, low, high = zip(*(reductions[case][policy] for policy in policies), strict=True)
        ax.hlines(rows, low, high, color=appearance["color"], linewidth=1.5)
        ax.plot(estimate, rows, linestyle="none", color=appearance["color"], marker=appearance["marker"], label=case)
    ax.axvline(0, color="black", linewidth=1)
    ax.set_yticks(range(len(policies)), policies)
    ax.set_ylim(len(policies) - 0.5, -0.5)
    ax.set(xlabel=quantity, ylabel="policy")


def plot_cumulative_regret(ax: Axes, steps: Any, regret: Any, bound: Any) -> None:
    """Cumulative regret along the stream, and its bound, with bands over seeds.

    Args:
        ax: where to draw.
        steps: (k,) positions in the stream.
        regret: (S, k) one row per seed.
        bound: (S, k) from the observed losses.
    """
    lines = {"measured regret": regret, "bound, from observed losses": bound}
    bands = {name: pointwise_t_intervals(values) for name, values in lines.items()}
    quantity = "cumulative regret (mistakes of the client)"
    plot_bands(ax, steps, bands, xlabel=STEP_LABEL, ylabel=quantity, markevery=0.15)
    ax.axhline(0, color="black", linewidth=1)
    ax.legend()


def plot_shift_bounds(ax: Axes, severity: Sequence[float], lines: Mapping[str, Interval], *, title: str) -> None:
    """A measured loss and its bounds against the severity of a shift, with bands over seeds.

    Args:
        ax: where to draw.
        severity: (k,) degrees.
        lines: name -> (k,) means with their bands.
        title: the kind of shift.
    """
    plot_bands(ax, severity, lines, xlabel="severity (degrees)", ylabel=LOSS_LABEL)
    ax.set_title(title)
    ax.set_xticks(list(severity))
    subplot = ax.get_subplotspec()
    if subplot is not None and not subplot.is_first_col():
        ax.set_ylabel("")


def plot_shift_bound_panels(
    axes: Any, severities: Sequence[float], lines_by_kind: Mapping[str, Mapping[str, Any]]
) -> None:
    """One panel of `plot_shift_bounds` per kind of shift, and the legend in the last axes.

    Args:
        axes: (rows, columns), at least one more than there are kinds.
        severities: (k,) degrees.
        lines_by_kind: kind -> name -> (S, k) one row per seed.
    """
    panels = list(axes.flat)
    for ax, (kind, lines) in zip(panels, lines_by_kind.items(), strict=False):
        bands = {name: pointwise_t_intervals(values) for name, values in lines.items()}
        plot_shift_bounds(ax, severities, bands, title=kind)
    panels[-1].legend(*panels[0].get_legend_handles_labels(), loc="center")
    panels[-1].set_axis_off()


def plot_device_losses(
    ax: Axes, positive_share: Any, losses: Mapping[str, Any], *, class_line: Sequence[float]
) -> None:
    """The loss on each device, one point per system, against the device's share of label +1.

    Args:
        ax: where to draw.
        positive_share: (d,) shares of label +1.
        losses: name -> (d,) one loss per device.
        class_line: losses at shares 0 and 1, joined by a straight line.
    """
    ax.plot([0, 1], class_line, color="black", linestyle=":", label="line between the classes")
    for name, values in losses.items():
        appearance = {**line_style(name, list(losses)), "linestyle": "none"}
        ax.plot(positive_share, values, alpha=0.6, label=name, **appearance)
    ax.set(xlabel="share of label +1 on the device", ylabel="loss on the device (mistakes)", xlim=(-0.03, 1.03))
    ax.legend()


def plot_device_spread(ax: Axes, concentration: Sequence[float], lines: Mapping[str, Interval]) -> None:
    """The spread between devices against the concentration of their label distributions, with bands over seeds.

    Args:
        ax: where to draw.
        concentration: (k,) parameters a of the Dirichlet distribution; small ones give devices that differ.
        lines: name -> (k,) standard deviations with their bands.
    """
    quantity = "standard deviation of the loss between devices"
    plot_bands(ax, concentration, lines, xlabel="concentration of the devices' label shares", ylabel=quantity)
    ax.set_xscale("log")


def plot_regret_bound_rate(ax: Axes, steps: Sequence[float], rates: Sequence[float], *, largest: float) -> None:
    """The worst-case bound per input against the length of the stream, and the largest possible loss.

    Args:
        ax: where to draw.
        steps: (k,) lengths.
        rates: (k,) bounds per input.
        largest: possible loss of one input; a bound above it is vacuous.
    """
    ax.plot(steps, rates, **line_style("bound", ["bound"]), label="worst-case bound")
    ax.axhline(largest, color="black", linestyle=":", label="largest possible loss")
    ax.set(xlabel="inputs in the stream", ylabel="regret per input (mistakes)", xscale="log", yscale="log")
    ax.legend()


def plot_detection_delays(ax: Axes, delays: Mapping[str, Sequence[Any]], *, kinds: Sequence[str]) -> None:
    """The delay of each detector after each kind of change, one point per stream; NaN is left out.

    Args:
        ax: where to draw.
        delays: detector -> one sequence of delays per kind.
        kinds: names of the changes.
    """
    for index, (name, per_kind) in enumerate(delays.items()):
        offset = 0.6 * ((index + 0.5) / len(delays) - 0.5)
        points = [(row + offset, delay) for row, kind_delays in enumerate(per_kind) for delay in kind_delays]
        appearance = {"color": COLOURS[index], "marker": line_style(name, list(delays))["marker"]}
        rows, heights = [spot[0] for spot in points], [spot[1] for spot in points]
        ax.plot(rows, heights, linestyle="none", label=name, alpha=0.7, **appearance)
    ax.set_xticks(range(len(kinds)), kinds, rotation=25, ha="right")
    ax.set(xlabel="kind of change", ylabel="delay of the alarm (inputs)", xlim=(-0.5, len(kinds) - 0.5))
    ax.label_outer()
    ax.legend(loc="upper center", ncols=3)
