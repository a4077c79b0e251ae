"""Figures of the costs: heat maps over two parameters, families of lines, and promises kept or broken."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from l2h.plots import COLOURS, look

DARK = 0.55  # share of a map's range from which on its colours ask for white text


def draw_map(
    ax: Axes,
    table: Any,
    *,
    rows: Sequence[Any],
    columns: Sequence[Any],
    labels: tuple[str, str],
    what: str,
    marked: tuple[int, int] | None = None,
    form: str = ".2f",
) -> None:
    """A heat map with its numbers, so that it can be read without its colours.

    Args:
        ax: where to draw.
        table: (rows, columns) values; NaN where there is none.
        rows: their names, from the top.
        columns: their names, from the left.
        labels: names of the rows' and of the columns' parameter.
        what: the value's name, for the title.
        marked: place (row, column) of the recommended choice, framed.
        form: how numbers are written.
    """
    values = np.asarray(table, dtype=float)
    image = ax.imshow(values, cmap="cividis_r", aspect="auto")
    ax.figure.colorbar(image, ax=ax, shrink=0.8)
    low, high = np.nanmin(values), np.nanmax(values)
    for (row, column), value in np.ndenumerate(values):
        dark = value - low > DARK * (high - low)
        text = "none" if np.isnan(value) else format(value, form)
        ax.text(column, row, text, ha="center", va="center", fontsize=9, color="white" if dark else "black")
    if marked is not None:
        row, column = marked
        frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=COLOURS[1], linewidth=3, clip_on=False)
        ax.add_patch(frame)
    ax.set_xticks(range(len(columns)), [str(name) for name in columns])
    ax.set_yticks(range(len(rows)), [str(name) for name in rows])
    ax.set(ylabel=labels[0], xlabel=labels[1], title=what)
    ax.grid(visible=False)


def draw_family(
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
        appearance = look(name, order or list(lines))
        ax.fill_between(x, low, high, color=appearance["color"], alpha=0.2, linewidth=0)
        ax.plot(x, mean, label=name, **appearance)
    ax.set(xlabel=labels[0], ylabel=labels[1])
    if legend:
        ax.legend()


def draw_promises(ax: Axes, budgets: Any, rates: Mapping[str, Sequence[Any]], *, order: Sequence[str] = ()) -> None:
    """Offload rates on new images against the budgets that were asked for; above its dash a budget is broken.

    Args:
        ax: where to draw.
        budgets: (k,) shares that may be sent.
        rates: name -> (low, middle, high) rates on new images, (k,) each.
        order: names that fix the looks across figures; by default the names of the rates.
    """
    width = 0.012 * max(budgets)
    reach = (len(rates) + 1) * width
    ax.hlines(budgets, np.subtract(budgets, reach), np.add(budgets, reach), color="black", label="budget")
    for place, (name, (low, middle, high)) in enumerate(rates.items()):
        appearance = {**look(name, order or list(rates)), "linestyle": "none"}
        at = np.asarray(budgets) + (place - (len(rates) - 1) / 2) * 2 * width
        ax.vlines(at, low, high, color=appearance["color"], linewidth=2)
        ax.plot(at, middle, label=name, **appearance)
    ax.set(xlabel="budget (share that may be sent)", ylabel="share sent of new images")
    ax.legend()
