"""Figures of chapter 09: streams over time, what remedies save, regret and bounds; nothing is computed here."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from l2h.evaluation.intervals import Interval
from l2h.plotting.lines import plot_bands
from l2h.plotting.style import COLOURS, line_style

STEP_LABEL = "input (place in the stream)"
LOSS_LABEL = "system loss (mistakes of the client)"


def plot_over_time(
    ax: Axes,
    step: Any,
    series: Mapping[str, Sequence[Any]],
    *,
    quantity: str,
    change_point: float,
    order: Sequence[str] = (),
) -> None:
    """Quantities along a stream, one line with a band each, and where the distribution changes.

    Args:
        ax: where to draw.
        step: (k,) positions in the stream.
        series: name -> (mean, low, high), (k,) each.
        quantity: name and unit of the quantity.
        change_point: step of the change.
        order: names that fix the looks across figures; by default the names of the series.
    """
    plot_bands(ax, step, series, xlabel=STEP_LABEL, ylabel=quantity, order=order, markevery=0.15, alpha=0.15)
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
        steps: (k,) places in the stream.
        change_point: step of the change.
        levels: quantity -> a height to be compared with, drawn as a dashed line.
    """
    for column, (stream, quantities) in zip(axes.T, series.items(), strict=True):
        for ax, (quantity, band) in zip(column, quantities.items(), strict=True):
            plot_over_time(ax, steps, {stream: band}, quantity=quantity, change_point=change_point)
            if quantity in (levels or {}):
                ax.axhline((levels or {})[quantity], color=COLOURS[1], linestyle="--", label="Theorem 1 promises")
                if ax in axes[:, 0]:
                    ax.legend(fontsize="small", handles=ax.lines[-1:], loc="upper left")
            ax.label_outer()
            ax.set_xlabel("input" if ax is column[-1] else "")
        column[0].set_title(stream)


def plot_loss_reductions(ax: Axes, reductions: Mapping[str, Mapping[str, Interval]], *, quantity: str) -> None:
    """One row per remedy, one point with its interval per case, and the line of no difference.

    Args:
        ax: where to draw.
        reductions: case -> remedy -> interval of what the remedy saves.
        quantity: name and unit of what is saved.
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
    ax.set(xlabel=quantity, ylabel="remedy")


def plot_cumulative_regret(ax: Axes, step: Any, regret: Sequence[Any], bounds: Mapping[str, Sequence[Any]]) -> None:
    """Regret summed up along the stream, with its band, below its bounds.

    Args:
        ax: where to draw.
        step: (k,) positions in the stream.
        regret: (mean, low, high), (k,) each.
        bounds: name -> (mean, low, high), (k,) each.
    """
    bands = {"measured regret": regret, **bounds}
    plot_bands(ax, step, bands, xlabel=STEP_LABEL, ylabel="regret so far (mistakes of the client)", markevery=0.15)
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


def plot_device_values(
    ax: Axes, positive: Any, values: Mapping[str, Any], *, quantity: str, class_line: Sequence[float] | None = None
) -> None:
    """One point per device and system against the device's share of label +1.

    Args:
        ax: where to draw.
        positive: (d,) shares of label +1.
        values: name -> (d,) one value per device.
        quantity: name and unit of the value.
        class_line: values at shares 0 and 1, joined by a straight line.
    """
    if class_line is not None:
        ax.plot([0, 1], class_line, color="black", linestyle=":", label="line between the classes")
    for name, value in values.items():
        appearance = line_style(name, list(values))
        ax.plot(
            positive, value, linestyle="none", color=appearance["color"], marker=appearance["marker"],
            alpha=0.6, label=name,
        )  # fmt: skip
    ax.set(xlabel="share of label +1 on the device", ylabel=quantity, xlim=(-0.03, 1.03))


def plot_device_spread(
    ax: Axes, concentration: Sequence[float], lines: Mapping[str, Interval], *, quantity: str
) -> None:
    """How much devices differ against the concentration of their label distributions, with bands over seeds.

    Args:
        ax: where to draw.
        concentration: (k,) parameters a of the Dirichlet distribution; small ones give devices that differ.
        lines: name -> (k,) means with their bands.
        quantity: name and unit of what differs.
    """
    plot_bands(ax, concentration, lines, xlabel="concentration of the devices' label shares", ylabel=quantity)
    ax.set_xscale("log")


def plot_regret_bound_rate(ax: Axes, steps: Sequence[float], rates: Sequence[float], *, largest: float) -> None:
    """The worst-case bound per input against the length of the stream, and the largest loss there is.

    Args:
        ax: where to draw.
        steps: (k,) lengths.
        rates: (k,) bounds per input.
        largest: loss of one input at most: a bound above it says nothing.
    """
    ax.plot(steps, rates, **line_style("bound", ["bound"]), label="worst-case bound")
    ax.axhline(largest, color="black", linestyle=":", label="largest loss there is")
    ax.set(xlabel="inputs in the stream", ylabel="regret per input (mistakes)", xscale="log", yscale="log")
    ax.legend()


def plot_detection_delays(ax: Axes, delays: Mapping[str, Sequence[Any]], *, kinds: Sequence[str]) -> None:
    """The delay of each detector after each kind of change, one point per stream; what was never found is left out.

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
