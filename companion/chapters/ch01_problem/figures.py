"""Figures of chapter 01."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from l2h.plotting.style import COLOURS, line_style


def plot_training_loss(ax: Axes, histories: Mapping[str, Sequence[float]], *, order: Sequence[str] = ()) -> None:
    """Training loss after each epoch.

    Args:
        ax: where to draw.
        histories: name -> mean loss of each epoch.
        order: names that fix the looks across figures; by default the names of the histories.
    """
    for name, losses in histories.items():
        ax.plot(range(1, len(losses) + 1), losses, label=name, **line_style(name, order or list(histories)))
    ax.set(xlabel="epoch (passes over the training images)", ylabel="training loss (mean per image)")
    ax.legend()


def plot_components(ax: Axes) -> None:
    """The component map: client and rejector on the device, the server behind a link, and who answers when."""
    ax.set(xlim=(0, 10), ylim=(0, 6))
    ax.set_axis_off()
    _plot_box(ax, (1.3, 0.2), (4.4, 5.5), "", facecolor="none", linestyle="--")
    ax.text(3.5, 5.35, "device", ha="center", va="center")
    _plot_box(ax, (1.7, 3.4), (1.9, 1.3), "rejector\n$r(x)$", facecolor="#F0E442")
    _plot_box(ax, (1.7, 0.6), (1.9, 1.3), "client\n$m(x)$", facecolor=COLOURS[4])
    _plot_box(ax, (7.7, 3.4), (1.9, 1.3), "server\n$e(x)$", facecolor=COLOURS[5])
    _plot_arrow(ax, (0.3, 4.05), (1.7, 4.05), "$x$", (0.8, 4.4))
    _plot_arrow(ax, (2.65, 3.4), (2.65, 1.9), "$r(x) > 0$\nkeep", (3.6, 2.65))
    _plot_arrow(ax, (3.6, 4.05), (7.7, 4.05), "$r(x) \\leq 0$\nask", (4.6, 4.6))
    ax.text(6.7, 4.4, "cost $c_e$", ha="center", va="center")
    _plot_arrow(ax, (3.6, 1.25), (6.6, 1.25), "answer\n$m(x)$", (7.3, 1.25))
    _plot_arrow(ax, (8.65, 3.4), (8.65, 1.75), "answer\n$e(x)$", (8.65, 1.25))


def _plot_box(ax: Axes, corner: tuple[float, float], size: tuple[float, float], text: str, **appearance: Any) -> None:
    ax.add_patch(
        FancyBboxPatch(corner, *size, boxstyle="round,pad=0,rounding_size=0.2", edgecolor="black", **appearance)
    )
    ax.text(corner[0] + size[0] / 2, corner[1] + size[1] / 2, text, ha="center", va="center")


def _plot_arrow(
    ax: Axes, start: tuple[float, float], end: tuple[float, float], text: str, text_position: tuple[float, float]
) -> None:
    ax.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=14, shrinkA=0, shrinkB=0, color="black"))
    ax.text(*text_position, text, ha="center", va="center")
