"""Colours, line styles, axis labels and grids of panels that all figures share."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import seaborn
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINE_STYLES = ("-", "--", "-.", ":")
COVERAGE_LABEL = "coverage (share of images kept on the device)"
ACCURACY_LABEL = "accuracy (share of images right)"
OFFLOAD_RATE_LABEL = "offload rate (share of images sent)"
COST_LABEL = "cost of asking $c_e$ (mistakes of the client)"
PRINTED_STYLE: dict[str, Any] = {
    "linestyle": "none",
    "marker": "*",
    "markersize": 11,
    "markerfacecolor": "none",
    "color": "black",
}

# Of the losses beside which the loss of a rejector is read, in the order of `metrics.ReferenceLosses`.
REFERENCE_STYLES: Mapping[str, dict[str, Any]] = {
    "never ask": {"color": "black", "linestyle": "-"},
    "always ask": {"color": "black", "linestyle": "--"},
    "random, best rate": {"color": "grey", "linestyle": "-.", "linewidth": 3, "alpha": 0.5},
    "oracle": {"color": "black", "linestyle": ":"},
}


@contextmanager
def style() -> Iterator[None]:
    """Sizes and colours of all figures; text is readable where a figure is 360 pixels wide.

    >>> with style():
    ...     matplotlib.rcParams["figure.facecolor"]
    'white'
    """
    settings: dict[Any, Any] = {
        "font.size": 11,
        "axes.titlesize": 12,
        "axes.labelsize": 11,
        "legend.fontsize": 9,
        "lines.markersize": 5,
        "figure.figsize": (4.8, 3.6),
        "figure.dpi": 144,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "figure.constrained_layout.use": True,
        "image.interpolation": "nearest",
    }
    with matplotlib.rc_context({**seaborn.axes_style("whitegrid"), **settings}):
        yield


def line_style(name: str, order: Sequence[str]) -> dict[str, Any]:
    """Colour, marker and line style of a name by its index in an order; the styles of up to 28 names differ.

    Args:
        name: of a method.
        order: all names, in the same order in every figure that shows them.

    Returns:
        Keywords for `Axes.plot`.

    Raises:
        ValueError: if the name is not in the order.

    >>> line_style("random", ["confidence", "random"])
    {'color': '#D55E00', 'marker': 's', 'linestyle': '--'}
    """
    if name not in order:
        raise ValueError(f"expected a name among {', '.join(order)}, got {name}")
    index = list(order).index(name)
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": LINE_STYLES[index % len(LINE_STYLES)],
    }


def subplot_grid(n_axes: int, n_columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure with a grid of axes; unused axes are blank.

    Args:
        n_axes: number of axes that are used, >= 1.
        n_columns: number of axes in a row.
        size: width and height of one axes, in inches.
        options: of `pyplot.subplots`, such as sharey.

    Returns:
        The figure, and the axes in reading order.
    """
    rows = -(-n_axes // n_columns)
    shape: dict[str, Any] = {
        "figsize": (size[0] * n_columns, size[1] * rows),
        "squeeze": False,
        "layout": "constrained",
    }
    figure, axes = plt.subplots(rows, n_columns, **shape, **options)
    for blank in axes.flat[n_axes:]:
        blank.set_axis_off()
    return figure, list(axes.flat[:n_axes])


def share_legend(figure: Figure, *axes: Axes, columns: int = 4) -> None:
    """One legend below a figure with all labels of its axes, instead of one legend in each.

    Args:
        figure: with the axes.
        axes: their labels are collected, and their own legends are removed.
        columns: number of columns of the legend.
    """
    named: dict[str, Any] = {}
    for ax in axes:
        named |= dict(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
        if (own := ax.get_legend()) is not None:
            own.remove()
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=columns)
