"""Images, and heat maps over two parameters."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from l2h.plotting.style import COLOURS

WHITE_TEXT_FROM = 0.55  # share of the range of values above which the text is white


def plot_images(axes: Sequence[Axes], images: Any, captions: Sequence[str]) -> None:
    """One thumbnail per axes with its caption; remaining axes are blank.

    Args:
        axes: at least n, in reading order.
        images: (n, 3, height, width) uint8, NumPy or torch.
        captions: n texts.

    Raises:
        ValueError: if there are fewer axes than images, or the number of captions differs.
    """
    images = np.asarray(images)
    if len(captions) != len(images) or len(axes) < len(images):
        raise ValueError(f"expected {len(images)} captions and as many axes, got {len(captions)} and {len(axes)}")
    for ax in axes:
        ax.set_axis_off()
    for ax, image, caption in zip(axes, images, captions, strict=False):
        ax.imshow(image.transpose(1, 2, 0))
        ax.set_title(caption, fontsize="small")


def plot_heat_map(
    ax: Axes,
    table: Any,
    *,
    rows: Sequence[Any],
    columns: Sequence[Any],
    labels: tuple[str, str],
    title: str,
    highlighted: tuple[int, int] | None = None,
    number_format: str = ".2f",
) -> None:
    """A heat map with its numbers as text, so that it can be read without colours.

    Args:
        ax: where to draw.
        table: (rows, columns) values; NaN where there is none.
        rows: names of the rows, from the top.
        columns: names of the columns, from the left.
        labels: names of the parameters of the rows and of the columns.
        title: name of the values.
        highlighted: (row, column) of the cell with a frame.
        number_format: format of the numbers.
    """
    values = np.asarray(table, dtype=float)
    image = ax.imshow(values, cmap="cividis_r", aspect="auto")
    ax.figure.colorbar(image, ax=ax, shrink=0.8)
    low, high = np.nanmin(values), np.nanmax(values)
    for (row, column), value in np.ndenumerate(values):
        dark = value - low > WHITE_TEXT_FROM * (high - low)
        text = "none" if np.isnan(value) else format(value, number_format)
        ax.text(column, row, text, ha="center", va="center", fontsize=9, color="white" if dark else "black")
    if highlighted is not None:
        row, column = highlighted
        frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=COLOURS[1], linewidth=3, clip_on=False)
        ax.add_patch(frame)
    ax.set_xticks(range(len(columns)), [str(name) for name in columns])
    ax.set_yticks(range(len(rows)), [str(name) for name in rows])
    ax.set(ylabel=labels[0], xlabel=labels[1], title=title)
    ax.grid(visible=False)
