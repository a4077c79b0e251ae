"""An interactive figure that needs no server: HTML with a drawing, four sliders and a script of its own.

Script, style and drawing are the files `regions.js`, `regions.css` and `regions.svg` beside this module. Python draws
the first state, so a page without scripts shows a figure, too. The script redraws it for other values of the sliders,
by the same formulas, which the tests compare with `l2h.theory.bayes`. The page loads nothing from elsewhere.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from l2h import checks
from l2h.problem import Costs
from l2h.theory.bayes import ask_threshold, decision_regions, pointwise_bayes_risk, region_areas, server_error

# SHA-256, abridged, of the files; these are part of the definitions, so a page becomes stale when a file changes
ASSETS = {"regions.js": "bcef11f8de148d9d", "regions.css": "ebf7fbb9176ffc31", "regions.svg": "838830a9805e38be"}
SQUARE_SIDE, LEFT_MARGIN, TOP_MARGIN = 300, 46, 12  # the frame in regions.svg
MIN_LABELLED_AREA = 0.08  # smaller regions have no label
ACTIONS = {"keep": "keep", "minus": "ask, label −1", "plus": "ask, label +1"}
CAPTION = (
    "Solid: the boundary, where keeping and asking have the same risk. Dashed: the lines p = η and p = 1 − η, which "
    "contain every deterministic client. Dot: the marked point."
)
SLIDERS = {  # name -> label, highest value, step
    "c1": ("cost of an error of the server, <i>c</i><sub>1</sub>", 2, 0.05),
    "ce": ("cost of asking, <i>c</i><sub>e</sub>", 1, 0.01),
    "eta": ("the marked point: <i>η</i>", 1, 0.05),
    "p": ("the marked point: <i>p</i>", 1, 0.05),
}


@dataclass(frozen=True, repr=False)
class HtmlFigure:
    """A piece of HTML that a notebook shows, and a text for readers without HTML.

    Args:
        html: the piece, complete in itself.
        text: describes its first state.

    >>> HtmlFigure(html="<b>one</b>", text="one")
    one
    """

    html: str
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def interactive_regions(costs: Costs, *, eta: float = 0.7, p: float = 0.5) -> HtmlFigure:
    """Decision regions in the square of (eta, p), with sliders for the costs and for a marked point.

    Args:
        costs: at first; c1 in [0, 2] and ce in [0, 1], the ranges of the sliders.
        eta: of the marked point at first, in [0, 1].
        p: of the marked point at first, in [0, 1].

    Returns:
        The figure, which a notebook shows.

    Raises:
        ValueError: if a value lies outside its slider's range.

    >>> interactive_regions(Costs(c1=1.0, ce=0.25))
    At c1 = 1.00 and ce = 0.25 keeping is best on 50.0 % of the square and asking on 50.0 %. A deterministic ...
    """
    values = {"c1": costs.c1, "ce": costs.ce, "eta": eta, "p": p}
    for name, value in values.items():
        checks.probabilities(upper=SLIDERS[name][1], **{name: value})
    script, style, drawing = (read_asset(name) for name in ASSETS)
    risks = {"keep": p, "minus": costs.c1 * eta + costs.ce, "plus": costs.c1 * (1 - eta) + costs.ce}
    text = _summary(costs, eta, p, risks)
    controls = "".join(_slider(name, value) for name, value in values.items())
    html = (
        f'<div class="l2h-regions" role="group" aria-label="Decision regions"><style>\n{style}</style>'
        f"{_first_state(drawing, costs, eta, p)}<p>{CAPTION}</p>"
        f'<div data-part="controls" hidden>{controls}</div>'
        '<p data-part="no-script">The sliders of this figure need a script; without one the figure is static.</p>'
        f'<p data-part="summary" aria-live="polite">{text}</p>{_table(costs, risks)}</div>'
        f"<script>\n{script}</script>"
    )
    return HtmlFigure(html, text)


def read_asset(name: str) -> str:
    """The text of a file beside this module, one of `ASSETS`."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _first_state(drawing: str, costs: Costs, eta: float, p: float) -> str:
    """The drawing with the regions, labels and marked point of these values."""
    svg = ElementTree.fromstring(drawing.replace(' xmlns="http://www.w3.org/2000/svg"', ""))
    parts = {element.get("data-part"): element for element in svg.iter()}
    regions, areas = decision_regions(costs), region_areas(costs)
    for name in ACTIONS:
        parts[f"area-{name}"].set("points", _points(getattr(regions, name)))
        visible = getattr(areas, name) >= MIN_LABELLED_AREA
        parts[f"name-{name}"].set("visibility", "visible" if visible else "hidden")
    parts["boundary"].set("points", _points(regions.keep[:-2]))
    x, y = _position(eta, p)
    parts["point"].set("cx", f"{x:g}")
    parts["point"].set("cy", f"{y:g}")
    parts["name-keep"].set("y", f"{_position(0.5, min(0.5, (costs.ce + costs.c1 / 2) / 2))[1]:g}")
    return ElementTree.tostring(svg, encoding="unicode")


def _position(eta: float, p: float) -> tuple[float, float]:
    """The coordinates of a point of the square in the drawing."""
    return LEFT_MARGIN + SQUARE_SIDE * eta, TOP_MARGIN + SQUARE_SIDE * (1 - p)


def _points(corners: Any) -> str:
    return " ".join("{:.1f},{:.1f}".format(*_position(*corner)) for corner in corners)


def _summary(costs: Costs, eta: float, p: float, risks: dict[str, float]) -> str:
    keep, threshold = region_areas(costs).keep, ask_threshold(costs)
    ask_action = "plus" if eta >= 1 / 2 else "minus"
    best = ask_action if risks[ask_action] <= p else "keep"
    client = f"should ask where p exceeds {threshold:.3f}" if threshold < 1 else "should never ask"
    min_risk = pointwise_bayes_risk(server_error(eta), p, costs=costs)
    return (
        f"At c1 = {costs.c1:.2f} and ce = {costs.ce:.2f} keeping is best on {100 * keep:.1f} % of the square and "
        f"asking on {100 * (1 - keep):.1f} %. A deterministic client {client}. At the marked point, "
        f"eta = {eta:.2f} and p = {p:.2f}, the smallest risk is {min_risk:.2f}: {ACTIONS[best]}."
    )


def _slider(name: str, value: float) -> str:
    label, highest, step = SLIDERS[name]
    return (
        f"<label><span>{label}</span>"
        f'<input type="range" min="0" max="{highest}" step="{step}" value="{value}" data-part="{name}">'
        f'<output data-part="value-{name}">{value:.2f}</output></label>'
    )


def _table(costs: Costs, risks: dict[str, float]) -> str:
    areas = region_areas(costs)._asdict()
    rows = "".join(
        f'<tr><td data-part="action-{name}">{action}</td><td data-part="share-{name}">{100 * areas[name]:.1f} %</td>'
        f'<td data-part="cost-{name}">{risks[name]:.2f}</td></tr>'
        for name, action in ACTIONS.items()
    )
    head = '<tr><th scope="col">action</th><th scope="col">best on</th><th scope="col">risk at the point</th></tr>'
    return f"<table><caption>The figure in numbers</caption><thead>{head}</thead><tbody>{rows}</tbody></table>"
