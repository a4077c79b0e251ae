"""Line plots with bands."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from l2h.plotting.style import ACCURACY_LABEL, COVERAGE_LABEL, line_style


def plot_bands(
    ax: Axes,
    x: Any,
    bands: Mapping[str, Sequence[Any]],
    *,
    xlabel: str,
    ylabel: str,
    order: Sequence[str] = (),
    markevery: float | None = None,
    alpha: float = 0.2,
) -> None:
    """One line with a band per name, over a common horizontal axis; the caller adds the legend.

    Args:
        ax: where to draw.
        x: (k,) values on the horizontal axis.
        bands: name -> (mean, low, high), (k,) each; an `Interval` of arrays is one.
        xlabel: name and unit of the horizontal axis.
        ylabel: name and unit of the vertical axis.
        order: names that fix the line styles across figures; by default the names of the bands.
        markevery: distance between two markers as a share of the axes' diagonal; by default every point has one.
        alpha: opacity of the bands, in [0, 1].

    Raises:
        ValueError: if a name is not in the order.
    """
    for name, (mean, low, high) in bands.items():
        appearance = line_style(name, order or list(bands))
        ax.fill_between(x, low, high, color=appearance["color"], alpha=alpha, linewidth=0)
        ax.plot(x, mean, label=name, markevery=markevery, **appearance)
    ax.set(xlabel=xlabel, ylabel=ylabel)


def plot_accuracy_curves(
    ax: Axes, coverages: Any, curves: Mapping[str, Sequence[Any]], *, order: Sequence[str] = ()
) -> None:
    """Accuracy against coverage, one line with a band per method.

    Args:
        ax: where to draw.
        coverages: (k,) shares kept, in [0, 1].
        curves: name -> (mean, low, high) of the accuracy, (k,) each.
        order: names that fix the line styles across figures; by default the names of the curves.
    """
    plot_bands(ax, coverages, curves, xlabel=COVERAGE_LABEL, ylabel=ACCURACY_LABEL, order=order, markevery=0.12)
    ax.set_xlim(0, 1)
    ax.legend()
