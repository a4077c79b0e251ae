"""Figures: each `draw_x` puts given numbers on given axes; nothing is computed and nothing saved here.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; a marker and a line style say
the same once more. The white background stays in a dark page, so that a figure looks the same in both.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from l2h.bootstrap import Interval
from l2h.evaluate import FourCells

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")
COVERAGE = "coverage (share of images kept on the device)"
ACCURACY = "accuracy (share of images right)"
RATE = "offload rate (share of images sent)"
COST = "cost of asking $c_e$ (mistakes of the client)"
PRINTED: dict[str, Any] = {
    "linestyle": "none",
    "marker": "*",
    "markersize": 11,
    "markerfacecolor": "none",
    "color": "black",
}


@contextmanager
def style() -> Iterator[None]:
    """Sizes and colours of all figures: text stays readable where a figure is shown 360 pixels wide.

    >>> with style():
    ...     matplotlib.rcParams["figure.facecolor"]
    'white'
    """
    ours: dict[Any, Any] = {
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
    with matplotlib.rc_context({**seaborn.axes_style("whitegrid"), **ours}):
        yield


def look(name: str, order: Sequence[str]) -> dict[str, Any]:
    """Colour, marker and line style of a name by its place in an order; 28 names differ.

    Args:
        name: of a method.
        order: all names, the same in every figure that shows them.

    Returns:
        Keywords for `Axes.plot`.

    Raises:
        ValueError: if the name is not in the order.

    >>> look("random", ["confidence", "random"])
    {'color': '#D55E00', 'marker': 's', 'linestyle': '--'}
    """
    if name not in order:
        raise ValueError(f"expected a name among {', '.join(order)}, got {name}")
    place = list(order).index(name)
    return {
        "color": COLOURS[place % len(COLOURS)],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINES[place % len(LINES)],
    }


def draw_curves(ax: Axes, curves: Mapping[str, Sequence[Any]], *, order: Sequence[str] = ()) -> None:
    """Accuracy against coverage, one line with a band per method.

    Args:
        ax: where to draw.
        curves: name -> (coverage, mean, low, high), (k,) each; a `bands` after its coverages.
        order: names that fix the looks across figures; by default the names of the curves.
    """
    _draw_bands(ax, curves, order)
    ax.set(xlabel=COVERAGE, ylabel=ACCURACY, xlim=(0, 1))


def draw_offload(
    ax: Axes,
    rates: Mapping[str, Sequence[Any]],
    *,
    references: Mapping[str, Sequence[Any]] | None = None,
    order: Sequence[str] = (),
) -> None:
    """Offload rate against the cost of asking, one line with a band per system, beside printed numbers.

    Args:
        ax: where to draw.
        rates: name -> (ce, mean, low, high), (k,) each.
        references: name -> (ce, rate), numbers printed elsewhere; hollow stars without a line.
        order: names that fix the looks across figures; by default the names of the systems.
    """
    _draw_bands(ax, rates, order)
    for name, (ce, rate) in (references or {}).items():
        ax.plot(ce, rate, label=name, **PRINTED)
    ax.set(xlabel=COST, ylabel=RATE, ylim=(0, 1))
    ax.legend()


def draw_four_cells(ax: Axes, cells: FourCells, *, reference: FourCells | None = None) -> None:
    """Accuracy of client and server on what is kept and on what is sent, with "differ." above each pair.

    Args:
        ax: where to draw.
        cells: `FourCells` of intervals; an empty portion has NaN and says so.
        reference: `FourCells` of numbers printed elsewhere, drawn as hollow stars; NaN where none was printed.
    """
    for place, cell in enumerate(cells):
        _draw_bar(ax, place - 0.2, cell.m, color=COLOURS[4], label="client m" if place == 0 else None)
        _draw_bar(ax, place + 0.2, cell.e, color=COLOURS[5], label="server e" if place == 0 else None, hatch="//")
        ax.text(place, 1.1, f"differ. {_number(cell.differ.estimate, '+.2f')}", ha="center", va="center")
        if reference is not None:
            label = "printed" if place == 0 else None
            ax.plot([place - 0.2, place + 0.2], [reference[place].m, reference[place].e], label=label, **PRINTED)
    names = [f"{name}\nn = {cell.n.estimate:.0f}" for name, cell in zip(("kept", "sent"), cells, strict=True)]
    ax.set_xticks([0, 1], names)
    ax.set(xlabel="portion (images, chosen by the rejector)", ylabel=ACCURACY, ylim=(0, 1.2))
    ax.legend(loc="lower center", ncols=3, framealpha=1)


def draw_differences(
    ax: Axes, coverages: Any, intervals: Sequence[Interval], *, what: str = "accuracy (share right)"
) -> None:
    """Paired differences with their intervals at each coverage, and the line of no difference.

    Args:
        ax: where to draw.
        coverages: (k,) shares kept.
        intervals: k intervals of the difference first - second.
        what: name and unit of what differs.
    """
    estimate, low, high = zip(*intervals, strict=True)
    ax.axhline(0, color="black", linewidth=1)
    ax.vlines(coverages, low, high, color=COLOURS[0], linewidth=2)
    ax.plot(coverages, estimate, linestyle="none", marker="o", color=COLOURS[0])
    ax.set(xlabel=COVERAGE, ylabel=f"difference in {what}", xlim=(-0.03, 1.03))


def draw_history(ax: Axes, histories: Mapping[str, Sequence[float]], *, order: Sequence[str] = ()) -> None:
    """Training loss after each epoch.

    Args:
        ax: where to draw.
        histories: name -> mean loss of each epoch.
        order: names that fix the looks across figures; by default the names of the histories.
    """
    for name, losses in histories.items():
        ax.plot(range(1, len(losses) + 1), losses, label=name, **look(name, order or list(histories)))
    ax.set(xlabel="epoch (passes over the training images)", ylabel="training loss (mean per image)")
    ax.legend()


def draw_images(axes: Sequence[Axes], images: Any, captions: Sequence[str]) -> None:
    """One thumbnail per axes with its caption; axes left over stay blank.

    Args:
        axes: at least n, in reading order.
        images: (n, 3, height, width) uint8, NumPy or torch.
        captions: n texts.

    Raises:
        ValueError: if there are fewer axes than images, or captions do not match.
    """
    images = np.asarray(images)
    if len(captions) != len(images) or len(axes) < len(images):
        raise ValueError(f"expected {len(images)} captions and as many axes, got {len(captions)} and {len(axes)}")
    for ax in axes:
        ax.set_axis_off()
    for ax, image, caption in zip(axes, images, captions, strict=False):
        ax.imshow(image.transpose(1, 2, 0))
        ax.set_title(caption, fontsize="small")


def draw_components(ax: Axes) -> None:
    """The component map: client and rejector on the device, the server behind a link, and who answers when."""
    ax.set(xlim=(0, 10), ylim=(0, 6))
    ax.set_axis_off()
    _draw_box(ax, (1.3, 0.2), (4.4, 5.5), "", facecolor="none", linestyle="--")
    ax.text(3.5, 5.35, "device", ha="center", va="center")
    _draw_box(ax, (1.7, 3.4), (1.9, 1.3), "rejector\n$r(x)$", facecolor="#F0E442")
    _draw_box(ax, (1.7, 0.6), (1.9, 1.3), "client\n$m(x)$", facecolor=COLOURS[4])
    _draw_box(ax, (7.7, 3.4), (1.9, 1.3), "server\n$e(x)$", facecolor=COLOURS[5])
    _draw_arrow(ax, (0.3, 4.05), (1.7, 4.05), "$x$", (0.8, 4.4))
    _draw_arrow(ax, (2.65, 3.4), (2.65, 1.9), "$r(x) > 0$\nkeep", (3.6, 2.65))
    _draw_arrow(ax, (3.6, 4.05), (7.7, 4.05), "$r(x) \\leq 0$\nask", (4.6, 4.6))
    ax.text(6.7, 4.4, "cost $c_e$", ha="center", va="center")
    _draw_arrow(ax, (3.6, 1.25), (6.6, 1.25), "answer\n$m(x)$", (7.3, 1.25))
    _draw_arrow(ax, (8.65, 3.4), (8.65, 1.75), "answer\n$e(x)$", (8.65, 1.25))


def _draw_bands(ax: Axes, curves: Mapping[str, Sequence[Any]], order: Sequence[str]) -> None:
    for name, (x, mean, low, high) in curves.items():
        appearance = look(name, order or list(curves))
        ax.fill_between(x, low, high, color=appearance["color"], alpha=0.2, linewidth=0)
        ax.plot(x, mean, label=name, markevery=0.12, **appearance)
    ax.legend()


def _draw_bar(ax: Axes, place: float, interval: Interval, **appearance: Any) -> None:
    ax.bar(place, interval.estimate, width=0.36, edgecolor="black", **appearance)
    ax.vlines(place, interval.low, interval.high, color="black", linewidth=2)
    ax.text(place, 1.02, _number(interval.estimate, ".2f"), ha="center", va="center", fontsize="small")


def _draw_box(ax: Axes, corner: tuple[float, float], size: tuple[float, float], text: str, **appearance: Any) -> None:
    ax.add_patch(
        FancyBboxPatch(corner, *size, boxstyle="round,pad=0,rounding_size=0.2", edgecolor="black", **appearance)
    )
    ax.text(corner[0] + size[0] / 2, corner[1] + size[1] / 2, text, ha="center", va="center")


def _draw_arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], text: str, at: tuple[float, float]
) -> None:
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=14, shrinkA=0, shrinkB=0, color="black"))
    ax.text(*at, text, ha="center", va="center")


def _number(value: float, form: str) -> str:
    return "none" if np.isnan(value) else format(value, form)
