"""Figures of the chapter on the bound: gaps and penalties against n, exact violation probabilities, excess risk."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from l2h.evaluation.intervals import Interval
from l2h.plotting.lines import plot_bands
from l2h.plotting.style import COLOURS, line_style

SAMPLE_SIZE_LABEL = "sample size $n$ (examples)"
GAP_LABEL = "risk minus empirical risk (mistakes of the client)"


def plot_gaps_and_penalties(
    ax: Axes, n: Any, measured: Mapping[str, Any], spread: Any, penalties: Mapping[str, Any], *, order: Sequence[str]
) -> None:
    """Measured generalization gaps and penalties against the sample size, on logarithmic axes.

    Args:
        ax: where to draw.
        n: (k,) sample sizes.
        measured: name -> (k,) gaps; filled markers.
        spread: (low, high), (k,) each: quantiles of the gaps.
        penalties: name -> (k,) penalties; hollow markers.
        order: names that fix the line styles across panels.
    """
    ax.fill_between(n, *spread, color=COLOURS[0], alpha=0.2, linewidth=0)
    for name, value in {**measured, **penalties}.items():
        fill = "full" if name in measured else "none"
        ax.plot(n, value, label=name, fillstyle=fill, **line_style(name, order))
    ax.set(xscale="log", yscale="log", xlabel=SAMPLE_SIZE_LABEL, ylabel=GAP_LABEL)
    ax.set_xticks(n, [f"{size:g}" for size in n])
    ax.minorticks_off()


def plot_violation_probabilities(
    ax: Axes, costs: Any, probabilities: Mapping[str, Any], *, delta: float, limits: Mapping[str, float]
) -> None:
    """Exact probabilities that a bound fails against c1 + ce, with the probability that it allows.

    Args:
        ax: where to draw.
        costs: (k,) values of c1 + ce.
        probabilities: name -> (k,) probabilities.
        delta: the probability that the bound allows.
        limits: name -> value of c1 + ce to mark.
    """
    for name, probability in probabilities.items():
        appearance = line_style(name, list(probabilities))
        ax.plot(costs, probability, label=name, markevery=0.1, **appearance)
    ax.axhline(delta, color="black", linewidth=1.5)
    ax.text(max(costs), delta, f"allowed: {delta:g} ", ha="right", va="bottom")
    for (name, value), style in zip(limits.items(), ("-", ":"), strict=False):
        ax.axvline(value, color="0.4", linestyle=style, label=f"{name}, {value:.3f}")
    ax.set(
        xlabel="$c_1 + c_e$ (mistakes of the client)", ylabel="probability that the stated bound fails", ylim=(0, None)
    )
    ax.legend()


def plot_vanishing_terms(ax: Axes, n: Any, bands: Mapping[str, Interval], *, level: float, level_label: str) -> None:
    """Terms of the excess risk against the sample size, with bands, and a horizontal level.

    Args:
        ax: where to draw.
        n: (k,) sample sizes.
        bands: name -> Interval of (k,) arrays.
        level: a value to mark.
        level_label: its label in the legend.
    """
    plot_bands(ax, n, bands, xlabel=SAMPLE_SIZE_LABEL, ylabel="mistakes of the client per example")
    ax.axhline(0, color="black", linewidth=1)
    ax.axhline(level, color=COLOURS[-1], linestyle=":", label=level_label)
    ax.set_xscale("log")
    ax.legend()
