"""Line plots with bands."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from l2h.plotting.style import ACCURACY_LABEL, COVERAGE_LABEL, line_style


def plot_accuracy_curves(ax: Axes, curves: Mapping[str, Sequence[Any]], *, order: Sequence[str] = ()) -> None:
    """Accuracy against coverage, one line with a band per method.

    Args:
        ax: where to draw.
        curves: name -> (coverage, mean, low, high), (k,) each; a `bands` after its coverages.
        order: names that fix the looks across figures; by default the names of the curves.
    """
    _plot_bands(ax, curves, order)
    ax.set(xlabel=COVERAGE_LABEL, ylabel=ACCURACY_LABEL, xlim=(0, 1))


def _plot_bands(ax: Axes, curves: Mapping[str, Sequence[Any]], order: Sequence[str]) -> None:
    for name, (x, mean, low, high) in curves.items():
        appearance = line_style(name, order or list(curves))
        ax.fill_between(x, low, high, color=appearance["color"], alpha=0.2, linewidth=0)
        ax.plot(x, mean, label=name, markevery=0.12, **appearance)
    ax.legend()


def plot_lines(
    ax: Axes,
    x: Any,
    lines: Mapping[str, Sequence[Any]],
    *,
    labels: tuple[str, str],
    order: Sequence[str] = (),
    legend: bool = True,
) -> None:
    """Several lines with bands over one parameter.

    Args:
        ax: where to draw.
        x: (k,) values of the parameter.
        lines: name -> (mean, low, high), (k,) each.
        labels: of the horizontal and of the vertical axis.
        order: names that fix the looks across figures; by default the names of the lines.
        legend: whether these axes carry the legend.
    """
    for name, (mean, low, high) in lines.items():
        appearance = line_style(name, order or list(lines))
        ax.fill_between(x, low, high, color=appearance["color"], alpha=0.2, linewidth=0)
        ax.plot(x, mean, label=name, **appearance)
    ax.set(xlabel=labels[0], ylabel=labels[1])
    if legend:
        ax.legend()
