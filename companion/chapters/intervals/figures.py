"""Figures of the page on how the intervals were checked."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from companion.chapters.intervals.analysis import BAND
from companion.chapters.intervals.simulation import Coverage
from l2h.plotting.style import line_style


def plot_coverage(ax: Axes, series: Mapping[str, Mapping[int, Coverage]]) -> None:
    """Coverage against the number of seeds, with exact 95 % intervals, and the band that is asked for.

    Args:
        ax: where to draw.
        series: name of a method -> number of seeds -> coverage.
    """
    ax.axhspan(*BAND, color="grey", alpha=0.2, linewidth=0, label="asked for")
    ax.axhline(0.95, color="black", linewidth=1, linestyle=":", label="nominal")
    for index, (name, by_seeds) in enumerate(series.items()):
        seeds = np.array(list(by_seeds)) * 1.03 ** (index - (len(series) - 1) / 2)  # beside each other
        estimates, low, high = np.transpose([coverage.interval() for coverage in by_seeds.values()])
        ax.errorbar(seeds, estimates, [estimates - low, high - estimates], label=name, **line_style(name, list(series)))
    ax.set(xscale="log", xlabel="seeds", ylabel="coverage (share of intervals)")
    counts = sorted({count for by_seeds in series.values() for count in by_seeds})
    ax.set_xticks(counts, [f"{count}" for count in counts])
    ax.minorticks_off()


def plot_half_widths(ax: Axes, counts: Sequence[int], widths: Mapping[str, Sequence[float]], *, xlabel: str) -> None:
    """Half-widths against a number of seeds or pairs, on logarithmic axes.

    Args:
        ax: where to draw.
        counts: (k,) numbers.
        widths: name -> (k,) half-widths.
        xlabel: what is counted.
    """
    for name, values in widths.items():
        ax.plot(counts, values, label=name, **line_style(name, list(widths)))
    ax.set(xscale="log", yscale="log", xlabel=xlabel, ylabel="half-width of the 95 % interval")
    ax.set_xticks(counts, [f"{count}" for count in counts])
    ax.minorticks_off()
