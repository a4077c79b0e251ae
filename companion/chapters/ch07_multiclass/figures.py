"""Figures of the chapter on many classes: each `plot_x` draws given numbers on given axes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from l2h.evaluation.intervals import Interval
from l2h.plotting.comparisons import plot_differences
from l2h.plotting.lines import plot_bands
from l2h.plotting.style import COLOURS, COST_LABEL, OFFLOAD_RATE_LABEL, line_style


def plot_excess_risks(ax: Axes, ce: Any, excess_risks: Mapping[str, Any], bounds: Sequence[float]) -> None:
    """The excess risk of the best rule of p at each cost of asking, one line per number of classes.

    Args:
        ax: where to draw.
        ce: (k,) costs of asking.
        excess_risks: name -> (k,) excess risks.
        bounds: the proved bound of each line, drawn as a thin level line.
    """
    for (name, excess_risk), bound in zip(excess_risks.items(), bounds, strict=True):
        appearance = line_style(name, list(excess_risks))
        ax.plot(ce, excess_risk, label=name, markevery=0.15, **appearance)
        ax.axhline(bound, color=appearance["color"], linewidth=0.8, linestyle=":")
    ax.set(xlabel=COST_LABEL, ylabel="excess risk (mistakes of the client)", xlim=(0, 1))
    ax.legend(title="classes")


def plot_ask_regions(ax: Axes, server_error: Any, thresholds: Mapping[str, Any]) -> None:
    """The region in which each rule asks, above its line in the plane of the two error probabilities.

    Args:
        ax: where to draw.
        server_error: (k,) error probabilities of the server.
        thresholds: name -> (k,) least error probability of the client at which the rule asks, cut to [0, 1].
    """
    for shade, (name, threshold) in zip((0.12, 0.28), reversed(list(thresholds.items())), strict=True):
        appearance = {**line_style(name, list(thresholds)), "marker": None}
        ax.fill_between(server_error, threshold, 1, color=appearance["color"], alpha=shade, linewidth=0)
        ax.plot(server_error, threshold, label=name, linewidth=2, **appearance)
    ax.set(xlabel="server's error $P(e \\neq Y|x)$", ylabel="client's error $p(x)$", xlim=(0, 1), ylim=(0, 1))
    ax.legend(title="asks above", loc="center right", framealpha=1)


def plot_joint_objective(ax: Axes, posterior_differences: Any, likelier: Any, other: Any) -> None:
    """The joint objective of the right and of the wrong label against the difference of their posteriors.

    Args:
        ax: where to draw.
        posterior_differences: (k,) differences of the two posteriors.
        likelier: (k,) least objective of the likelier label.
        other: (k,) least objective of the other one.
    """
    ax.plot(
        posterior_differences,
        likelier,
        label="likelier label",
        markevery=0.2,
        **line_style("right", ["right", "wrong"]),
    )
    ax.plot(posterior_differences, other, label="other label", markevery=0.2, **line_style("wrong", ["right", "wrong"]))
    ax.set(xlabel="difference between the posteriors", ylabel="least joint objective (nats)")
    ax.legend()


def plot_specialist_risks(
    ax: Axes, alphas: Any, convex: Any, with_best_rejector: Any, reference_risks: Mapping[str, float]
) -> None:
    """Risk of the convex form at each alpha, and of its server with the best rejector, beside constant levels.

    Args:
        ax: where to draw.
        alphas: (k,) values, on a logarithmic axis.
        convex: (k,) risks.
        with_best_rejector: (k,) risks of the same servers with the best rejectors for them.
        reference_risks: name -> risk that does not depend on alpha.
    """
    names = ["convex form", "its server, best rejector", *reference_risks]
    ax.plot(alphas, convex, label=names[0], markevery=0.08, **line_style(names[0], names))
    ax.plot(alphas, with_best_rejector, label=names[1], markevery=(0.04, 0.08), **line_style(names[1], names))
    for name, level in reference_risks.items():
        appearance = line_style(name, names)
        ax.axhline(level, label=name, color=appearance["color"], linestyle=appearance["linestyle"])
    ax.set(xlabel="$\\alpha$", ylabel="risk (mistakes of the client)", xscale="log", ylim=(0, 0.36))
    ax.set_xticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"])
    ax.minorticks_off()
    ax.label_outer()


def plot_offload_by_c1(ax: Axes, c1: Any, rates: Mapping[str, Interval]) -> None:
    """Offload rate against the cost of the server's mistakes, one line with a band per form of the loss.

    Args:
        ax: where to draw.
        c1: (k,) costs.
        rates: form -> band of (k,) values.
    """
    xlabel = "cost of a server's mistake $c_1$ (mistakes of the client)"
    plot_bands(ax, c1, rates, xlabel=xlabel, ylabel=OFFLOAD_RATE_LABEL)
    ax.set_ylim(0, 1)
    ax.legend(title="form of the weight")


def plot_differences_by_class_count(
    ax: Axes, class_counts: Sequence[int], differences: Interval, *, quantity: str
) -> None:
    """A difference against the number of classes, with its intervals.

    Args:
        ax: where to draw.
        class_counts: (k,) numbers of classes.
        differences: band of (k,) differences.
        quantity: name and unit of what differs.
    """
    ax.axhline(0, color="black", linewidth=1)
    ax.vlines(range(len(class_counts)), differences.low, differences.high, color=COLOURS[0], linewidth=2)
    ax.plot(range(len(class_counts)), differences.estimate, marker="o", color=COLOURS[0])
    ax.set_xticks(range(len(class_counts)), [str(number) for number in class_counts])
    ax.set(xlabel="number of classes", ylabel=quantity)


def plot_update_intervals(axes: Sequence[Axes], names: Sequence[str], bands: Mapping[str, Interval]) -> None:
    """Several quantities against the update interval of the server's copy, one axes each.

    Args:
        axes: one per quantity.
        names: (k,) steps between updates, in words.
        bands: quantity with its unit -> band of (k,) values.
    """
    for ax, (quantity, band) in zip(axes, bands.items(), strict=True):
        ax.vlines(range(len(names)), band.low, band.high, color=COLOURS[0], linewidth=2)
        ax.plot(range(len(names)), band.estimate, marker="o", color=COLOURS[0])
        ax.set_xticks(range(len(names)), names)
        ax.set(xlabel="steps between updates of the copy", ylabel=quantity)


def plot_class_metrics(
    ax: Axes, names: Sequence[str], offload_rate: Interval, client: Interval, server: Interval
) -> None:
    """For each class the offload rate, and the accuracy of client and server, with their intervals.

    Args:
        ax: where to draw.
        names: (K,) classes, in the order of the bands.
        offload_rate: of the class.
        client: accuracies of the client on all images of the class.
        server: accuracies of the server on the same.
    """
    order = ["offload rate", "client right", "server right"]
    for offset, name, band in zip((-0.2, 0, 0.2), order, (offload_rate, client, server), strict=True):
        appearance = {**line_style(name, order), "linestyle": "none"}
        positions = np.arange(len(names)) + offset
        ax.vlines(positions, band.low, band.high, color=appearance["color"], linewidth=2)
        ax.plot(positions, band.estimate, label=name, **appearance)
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right")
    ax.set(ylabel="share of the class", ylim=(-0.02, 1.02), xlabel="true class")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)  # above the frame: marks reach from 0 to 1


def plot_confusion_offload(ax: Axes, names: Sequence[str], offload_rates: Any, counts: Any) -> Any:
    """The offload rate by true class and client's label; rare cells stay blank.

    Args:
        ax: where to draw.
        names: (K,) classes.
        offload_rates: (K, K) by true class and client's label.
        counts: (K, K) images of a seed in each cell; cells with fewer than one are blank.

    Returns:
        The image, for a colour bar.
    """
    shown = np.where(np.asarray(counts) >= 1, offload_rates, np.nan)
    image = ax.imshow(shown, vmin=0, vmax=1, cmap="cividis")
    for (row, column), count in np.ndenumerate(np.asarray(counts)):
        if count >= 1:
            colour = "black" if shown[row, column] > 0.55 else "white"
            ax.text(column, row, f"{count:.0f}", ha="center", va="center", fontsize=7, color=colour)
    ax.set_xticks(range(len(names)), names, rotation=40, ha="right")
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="client's label", ylabel="true class")
    ax.grid(False)
    return image


def plot_differences_panels(axes: Sequence[Axes], differences: Mapping[str, Mapping[str, Interval]]) -> None:
    """One panel of paired differences per quantity, in the order of the mapping."""
    for ax, (quantity, by_system) in zip(axes, differences.items(), strict=True):
        plot_differences(ax, by_system, quantity=f"{quantity} over confidence with the same server")
