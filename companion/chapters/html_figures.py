"""Parts of the figures with sliders: HTML that loads nothing from elsewhere.

Python draws the first state, so that a page without scripts shows a figure, too. The figure's script redraws it for
other values, by the same formulas; tests compare its numbers with those of Python.
"""

import html
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

STYLE = (Path(__file__).parent / "html_figures.css").read_text(encoding="utf-8")
SHARED_SCRIPT = (Path(__file__).parent / "html_figures.js").read_text(encoding="utf-8")


class Slider(NamedTuple):
    """A range that a reader sets: its label in HTML, lowest and highest value, step, first value and its text."""

    label: str
    lowest: float
    highest: float
    step: float
    value: float
    text: str


class Frame(NamedTuple):
    """The rectangle of a drawing in which values are shown, and the values at its edges."""

    x: float
    y: float
    width: float
    height: float
    left: float
    right: float
    bottom: float
    top: float

    def position(self, x: float, y: float) -> tuple[float, float]:
        """Coordinates in the drawing.

        >>> Frame(40, 10, 100, 50, left=0, right=1, bottom=0, top=2).position(0.5, 2)
        (90.0, 10.0)
        """
        across, upwards = (x - self.left) / (self.right - self.left), (y - self.bottom) / (self.top - self.bottom)
        return self.x + self.width * across, self.y + self.height * (1 - upwards)

    def points(self, corners: Iterable[tuple[float, float]]) -> str:
        """The attribute `points` of a line through values."""
        return " ".join("{:.1f},{:.1f}".format(*self.position(*corner)) for corner in corners)


def drawn(drawing: str, attributes: Mapping[str, Mapping[str, object]]) -> str:
    """A drawing with attributes of its named parts set.

    Args:
        drawing: SVG, whose parts are named by `data-part`.
        attributes: name of a part -> attribute -> value, a number or a text.

    Returns:
        SVG, without its namespace, to stand in HTML.
    """
    svg = ElementTree.fromstring(drawing.replace(' xmlns="http://www.w3.org/2000/svg"', ""))
    parts = {element.get("data-part"): element for element in svg.iter()}
    for name, values in attributes.items():
        for attribute, value in values.items():
            parts[name].set(attribute, f"{value:.1f}" if isinstance(value, float) else str(value))
    return ElementTree.tostring(svg, encoding="unicode")


def table(caption: str, head: Iterable[str], rows: Mapping[str, tuple[str, ...]]) -> str:
    """A table whose cells a script can change.

    Args:
        caption: of the table.
        head: the columns' names.
        rows: `NAME|label` -> the texts of the row's cells, which are named `NAME-0`, `NAME-1` and so on.

    Returns:
        HTML. Labels and texts may hold marks such as `<i>`.
    """
    header = "".join(f'<th scope="col">{name}</th>' for name in head)
    lines = []
    for key, cells in rows.items():
        name, _, label = key.partition("|")
        shown = "".join(f'<td data-part="{name}-{i}">{cell}</td>' for i, cell in enumerate(cells))
        lines.append(f'<tr><th scope="row">{label}</th>{shown}</tr>')
    return (  # it may scroll on a narrow screen, and so must be reached by keyboard
        '<div class="l2h-table" role="group" aria-label="Table" tabindex="0">'
        f"<table><caption>{caption}</caption><thead><tr>{header}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def figure(
    kind: str,
    *,
    label: str,
    drawing: str,
    caption: str,
    controls: str,
    summary: str,
    numbers: str,
    script: str,
    data: str,
) -> str:
    """The whole figure.

    Args:
        kind: the script's name for it, a class in HTML.
        label: names it for screen readers.
        drawing: SVG of the first state.
        caption: what the drawing's lines mean.
        controls: sliders and choices, shown only where scripts run.
        summary: says what is to be seen; the script keeps it up to date and screen readers hear it.
        numbers: a `table`.
        script: JavaScript that calls `l2hFigure`, which stands before it.
        data: JSON that the script reads.

    Returns:
        HTML.
    """
    stored = f'<script type="application/json" data-part="data">{data}</script>'
    return (
        f'<div class="l2h-figure {kind}" role="group" aria-label="{html.escape(label)}"><style>\n{STYLE}</style>'
        f'{drawing}<p>{caption}</p><div data-part="controls" hidden>{controls}</div>'
        '<p data-part="no-script">The sliders of this figure need a script; without one the figure is static.</p>'
        f'<p data-part="summary" role="status" aria-live="polite">{summary}</p>{numbers}{stored}</div>'
        f"<script>\n{SHARED_SCRIPT}{script}</script>"
    )


def slider(name: str, control: Slider) -> str:
    """A labelled slider with its value as text."""
    return (
        f"<label><span>{control.label}</span>"
        f'<input type="range" min="{control.lowest:g}" max="{control.highest:g}" step="{control.step:g}" '
        f'value="{control.value:g}" data-part="{name}">'
        f'<output data-part="value-{name}">{control.text}</output></label>'
    )


def choice(name: str, label: str, options: Iterable[str], chosen: str) -> str:
    """A labelled list from which a reader chooses one entry."""
    entries = "".join(
        f'<option value="{html.escape(option)}"{" selected" if option == chosen else ""}>{html.escape(option)}</option>'
        for option in options
    )
    return f'<label><span>{label}</span><select data-part="{name}">{entries}</select></label>'
