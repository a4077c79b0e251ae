"""The numbers of a figure, as matplotlib has drawn them: of lines, points, intervals, bands, bars and heat maps."""

from collections.abc import Hashable, Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple, cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import FillBetweenPolyCollection, LineCollection, PathCollection, QuadMesh
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer, Container, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon, Rectangle
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FixedLocator, FuncFormatter

DIGITS_OF_NUMBERS = 7


class DrawnRow(NamedTuple):
    """One row: what it is about, and its numbers in the units of the axes; None for what it has not.

    An interval, a bar or a band reaches from `low` to `high` along the axis whose column is empty.
    """

    kind: str  # what was drawn; or a title, the name of an axis, the name of a place on it, a note
    name: str = ""  # the text of a title, axis, place or note; of what was drawn, its entry in the legend
    x: float | None = None
    y: float | None = None
    low: float | None = None
    high: float | None = None
    value: float | None = None  # what a colour stands for


PANEL = "panel"  # the first column: the number of the panel, in reading order; empty for the title of the figure
NO_NUMBERS = DrawnRow("picture without numbers")


def rows_as_text(figure: Figure) -> list[list[str]]:
    """The header and the rows of a figure, panel by panel; a colour bar is no panel, its values are those of cells.

    Args:
        figure: with all that it shows.
    """
    names = _names_by_appearance(figure)
    number = count(1)
    rows = [
        [str(panel), *map(_as_text, row)]
        for axes in figure.axes
        if axes.get_label() != "<colorbar>" and axes.has_data()
        for panel in [next(number)]
        for row in _panel_rows(axes, names)
    ]
    title = [["", *map(_as_text, DrawnRow("title", figure.get_suptitle()))]] if figure.get_suptitle() else []
    return [[PANEL, *DrawnRow._fields], *title, *(rows or [["1", *map(_as_text, NO_NUMBERS)]])]


def _as_text(field: Any) -> str:
    if isinstance(field, str):
        return field.replace("\n", " ")
    return "" if field is None or not np.isfinite(field) else f"{field:.{DIGITS_OF_NUMBERS}g}"


def _panel_rows(axes: Axes, names: Mapping[Hashable, str]) -> Iterator[DrawnRow]:
    texts = {"title": axes.get_title(), "x axis": axes.get_xlabel(), "y axis": axes.get_ylabel()}
    yield from (DrawnRow(kind, text) for kind, text in texts.items() if text)
    yield from _named_places(axes)
    bars = {bar: each for each in axes.containers if isinstance(each, BarContainer) for bar in each.patches}
    caps = {cap for each in axes.containers if isinstance(each, ErrorbarContainer) for cap in each.lines[1]}
    for artist in axes.get_children():
        if artist is not axes.patch and artist not in caps and artist.get_visible():
            own = _label(bars.get(cast(Rectangle, artist), artist))
            same = [names[key] for key in _appearances(artist) if key in names]
            for row in _artist_rows(artist, axes, bars.get(cast(Rectangle, artist))):
                yield row if row.name else row._replace(name=own or (same[0] if same else ""))


def _named_places(axes: Axes) -> Iterator[DrawnRow]:
    """The places on an axis that have names of their own, such as those of methods."""
    for letter, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        formatter, places = axis.get_major_formatter(), axis.get_majorticklocs()
        if isinstance(axis.get_major_locator(), FixedLocator) and isinstance(formatter, FuncFormatter):
            for place, label in zip(places, formatter.format_ticks(list(places)), strict=True):
                if not _is_number(label):
                    yield DrawnRow(f"name on the {letter} axis", label, **{letter: float(place)})


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True


def _label(artist: Artist | Container) -> str:
    label = str(artist.get_label() or "")
    return "" if label.startswith("_") else label


def _names_by_appearance(figure: Figure) -> dict[Hashable, str]:
    """The entry in the legend of an appearance that one entry alone has.

    A figure names a series once, while its other panels, bands and intervals show it in the same style or colour.
    """
    found: dict[Hashable, set[str]] = {}
    for axes in figure.axes:
        named = [(artist, _label(artist)) for artist in axes.get_children()]
        named += [(artist, _label(each)) for each in axes.containers for artist in each.get_children()]
        for artist, name in named:
            for key in _appearances(artist) if name else ():
                found.setdefault(key, set()).add(name)
    return {key: next(iter(names)) for key, names in found.items() if len(names) == 1}


def _appearances(artist: Artist) -> list[Hashable]:
    """Colour, marker and style of a line; and the colour alone, unless it is grey or black, which many things share."""
    if isinstance(artist, Line2D):
        colour = to_hex(artist.get_color())
        styles: list[Hashable] = [(colour, str(artist.get_marker()), str(artist.get_linestyle()))]
    elif isinstance(artist, LineCollection | FillBetweenPolyCollection | PathCollection | Rectangle | Polygon):
        faces = [] if isinstance(artist, LineCollection) else artist.get_facecolor()
        colours = np.reshape(faces if len(faces) else artist.get_edgecolor(), (-1, 4))
        colour, styles = to_hex(colours[0]) if len(colours) else "#000000", []
    else:
        return []
    return [*styles, *([] if colour[1:3] == colour[3:5] == colour[5:] else [colour])]


def _artist_rows(artist: Artist, axes: Axes, bars: BarContainer | None) -> Iterator[DrawnRow]:
    if isinstance(artist, Line2D):
        return _line_rows(artist, axes)
    if isinstance(artist, FillBetweenPolyCollection):
        return _band_rows(artist)
    if isinstance(artist, LineCollection):
        return _segment_rows(artist)
    if isinstance(artist, PathCollection):
        return _point_rows(artist)
    if isinstance(artist, QuadMesh):
        corners = np.asarray(artist.get_coordinates())
        centres = (corners[:-1, :-1] + corners[1:, 1:]) / 2
        return _cell_rows(centres[..., 0], centres[..., 1], artist.get_array())
    if isinstance(artist, AxesImage):
        return _image_rows(artist)
    if isinstance(artist, Rectangle):
        return _rectangle_rows(artist, axes, bars)
    if isinstance(artist, Polygon):
        return (DrawnRow("corner of an area", x=x, y=y) for x, y in artist.get_xy())
    if isinstance(artist, Text) and artist in axes.texts and artist.get_text():
        return _note_rows(artist, axes)
    return iter(())


def _line_rows(line: Line2D, axes: Axes) -> Iterator[DrawnRow]:
    x, y = (_filled(values) for values in line.get_data(orig=False))
    if line.get_transform() is axes.get_yaxis_transform():
        yield DrawnRow("level", y=y[0])
    elif line.get_transform() is axes.get_xaxis_transform():
        yield DrawnRow("level", x=x[0])
    else:
        kind = "point" if line.get_linestyle() == "None" or len(x) == 1 else "line"
        yield from (DrawnRow(kind, x=each_x, y=each_y) for each_x, each_y in zip(x, y, strict=True))


def _band_rows(band: FillBetweenPolyCollection) -> Iterator[DrawnRow]:
    """One row per place, with the lowest and the highest value that the band has there."""
    direction = str(band.t_direction)  # type: ignore[attr-defined] # matplotlib's stubs do not know it
    along = "xy".index(direction)
    for path in band.get_paths():
        vertices = np.asarray(path.vertices)
        for place in np.unique(vertices[:, along]):
            values = vertices[vertices[:, along] == place, 1 - along]
            yield DrawnRow("band", **{direction: place}, low=values.min(), high=values.max())


def _segment_rows(segments: LineCollection) -> Iterator[DrawnRow]:
    for segment in segments.get_segments():
        (low_x, low_y), (high_x, high_y) = np.min(segment, axis=0), np.max(segment, axis=0)
        if low_x == high_x:
            yield DrawnRow("interval", x=low_x, low=low_y, high=high_y)
        elif low_y == high_y:
            yield DrawnRow("interval", y=low_y, low=low_x, high=high_x)
        else:
            yield from (DrawnRow("line", x=x, y=y) for x, y in segment)


def _point_rows(points: PathCollection) -> Iterator[DrawnRow]:
    places, values = _filled(points.get_offsets()), points.get_array()
    for (x, y), value in zip(places, [None] * len(places) if values is None else values, strict=True):
        yield DrawnRow("point", x=x, y=y, value=value)


def _rectangle_rows(rectangle: Rectangle, axes: Axes, bars: BarContainer | None) -> Iterator[DrawnRow]:
    (low_x, low_y), (high_x, high_y) = rectangle.get_bbox().min, rectangle.get_bbox().max
    if rectangle.get_data_transform() is axes.get_xaxis_transform():
        yield DrawnRow("range of x", low=low_x, high=high_x)
    elif rectangle.get_data_transform() is axes.get_yaxis_transform():
        yield DrawnRow("range of y", low=low_y, high=high_y)
    elif bars is None:
        yield from (DrawnRow("corner of an area", x=x, y=y) for x, y in rectangle.get_corners())
    elif bars.orientation == "horizontal":
        yield DrawnRow("bar", y=(low_y + high_y) / 2, low=low_x, high=high_x)
    else:
        yield DrawnRow("bar", x=(low_x + high_x) / 2, low=low_y, high=high_y)


def _image_rows(picture: AxesImage) -> Iterator[DrawnRow]:
    values = _filled(picture.get_array())
    if values.ndim == 3:
        return iter([DrawnRow("photograph", f"{values.shape[1]} x {values.shape[0]} pixels")])
    left, right, bottom, top = picture.get_extent()
    first, last = (bottom, top) if picture.origin == "lower" else (top, bottom)
    x, y = (
        begin + (np.arange(size) + 0.5) * (end - begin) / size
        for begin, end, size in ((left, right, values.shape[1]), (first, last, values.shape[0]))
    )
    grid_x, grid_y = np.meshgrid(x, y)
    return _cell_rows(grid_x, grid_y, values)


def _cell_rows(x: np.ndarray, y: np.ndarray, values: Any) -> Iterator[DrawnRow]:
    for each_x, each_y, value in zip(x.flat, y.flat, _filled(values).flat, strict=True):
        yield DrawnRow("cell", x=each_x, y=each_y, value=value)


def _note_rows(note: Text, axes: Axes) -> Iterator[DrawnRow]:
    """A text in the panel, with the place that it is about, unless that is a place on the paper."""
    if isinstance(note, Annotation):
        (x, y), in_units = note.xy, note.xycoords == "data"
    else:
        (x, y), in_units = note.get_position(), note.get_transform() is axes.transData
    yield DrawnRow("note", note.get_text(), x=x, y=y) if in_units else DrawnRow("note", note.get_text())


def _filled(values: Any) -> np.ndarray:
    return np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)
