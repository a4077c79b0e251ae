"""An interactive figure that needs no server: HTML with a drawing, four sliders and a script of its own.

Python draws the first state, so that a page without scripts shows a figure; the script makes the sliders appear and
draws every other state by the same formulas, which the tests compare with `l2h.theory.bayes`. Nothing is
loaded from anywhere, and colours follow the page, light or dark; hatching says the same as colour.
"""

from dataclasses import dataclass
from typing import Any

from l2h import checks
from l2h.problem import Costs
from l2h.theory.bayes import ask_threshold, decision_regions, pointwise_bayes_risk, region_areas, server_error

SQUARE_SIDE, LEFT_MARGIN, TOP_MARGIN = 300, 46, 12  # the square in the drawing, in units of the viewBox
ACTION_DESCRIPTIONS = {"keep": "keep", "minus": "ask, answer −1", "plus": "ask, answer +1"}
REGION_LABELS = {"keep": "keep", "minus": "ask: −1", "plus": "ask: +1"}  # short enough for a small region
CAPTION = (
    "Solid: the border, where keeping and asking cost the same. Dashed: the lines p = η and p = 1 − η, on which every "
    "deterministic client lies. Dot: the marked point."
)
SLIDERS = {  # name -> words, highest value, step
    "c1": ("cost of a wrong answer of the server, <i>c</i><sub>1</sub>", 2, 0.05),
    "ce": ("cost of a question, <i>c</i><sub>e</sub>", 1, 0.01),
    "eta": ("the marked point: <i>η</i>", 1, 0.05),
    "p": ("the marked point: <i>p</i>", 1, 0.05),
}
STYLE = """
.l2h-regions { max-width: 34rem; color: inherit; line-height: 1.5; }
.l2h-regions svg { display: block; width: 100%; height: auto; color: inherit; }
.l2h-regions svg text { fill: currentColor; font-size: 15px; }
.l2h-regions .l2h-keep { fill: #0072B2; fill-opacity: 0.3; }
.l2h-regions .l2h-minus { fill: url(#l2h-hatch-minus); }
.l2h-regions .l2h-plus { fill: url(#l2h-hatch-plus); }
.l2h-regions .l2h-frame { fill: none; stroke: currentColor; }
.l2h-regions .l2h-border { fill: none; stroke: currentColor; stroke-width: 2.5; }
.l2h-regions .l2h-client { stroke: currentColor; stroke-dasharray: 5 5; opacity: 0.75; }
.l2h-regions .l2h-point { fill: #D55E00; stroke: currentColor; stroke-width: 1.5; }
.l2h-regions label { display: flex; flex-wrap: wrap; gap: 0 0.6rem; align-items: center; min-height: 2.75rem; }
.l2h-regions label span { flex: 1 1 15rem; }
.l2h-regions input { flex: 1 1 8rem; min-width: 6rem; min-height: 1.75rem; accent-color: #0072B2; }
.l2h-regions output { flex: 0 0 2.6rem; text-align: right; font-variant-numeric: tabular-nums; }
.l2h-regions table { width: 100%; border-collapse: collapse; margin: 0.5rem 0; color: inherit; }
.l2h-regions caption { text-align: left; color: inherit; }
.l2h-regions :is(th, td) { text-align: right; padding: 0.2rem 0.4rem; border-bottom: 1px solid; }
.l2h-regions :is(th, td):first-child { text-align: left; }
.l2h-regions [hidden] { display: none; }
"""
SCRIPT = """
(function () {
  function shares(c1, ce) {
    var keep = ce >= 1 ? 1 : ce + c1 / 2 <= 1 ? ce + c1 / 4 : 1 - (1 - ce) * (1 - ce) / c1;
    return {keep: keep, minus: (1 - keep) / 2, plus: (1 - keep) / 2};
  }
  function threshold(c1, ce) { return c1 + 2 * ce >= 1 ? (c1 + ce) / (1 + c1) : ce / (1 - c1); }
  function tent(c1, ce) {
    var bends = [0, 0.5, 1], reached = (1 - ce) / c1;
    if (ce < 1 && 1 < ce + c1 / 2) bends = [0, reached, 0.5, 1 - reached, 1];
    return bends.map(function (eta) { return [eta, Math.min(1, c1 * Math.min(eta, 1 - eta) + ce)]; });
  }
  function corners(points) {
    return points.map(function (at) {
      return (LEFT + SIDE * at[0]).toFixed(1) + "," + (TOP + SIDE * (1 - at[1])).toFixed(1);
    }).join(" ");
  }
  function start(root) {
    function part(name) { return root.querySelector("[data-part=" + name + "]"); }
    function value(name) { return Number(part(name).value); }
    function draw() {
      var c1 = value("c1"), ce = value("ce"), eta = value("eta"), p = value("p");
      var share = shares(c1, ce), border = tent(c1, ce), limit = threshold(c1, ce);
      var left = border.filter(function (at) { return at[0] <= 0.5; });
      var right = border.filter(function (at) { return at[0] >= 0.5; });
      var areas = {
        keep: border.concat([[1, 0], [0, 0]]),
        minus: left.concat([[0.5, 1], [0, 1]]),
        plus: right.concat([[1, 1], [0.5, 1]])
      };
      var cost = {keep: p, minus: c1 * eta + ce, plus: c1 * (1 - eta) + ce};
      var best = c1 * Math.min(eta, 1 - eta) + ce > p ? "keep" : eta >= 0.5 ? "plus" : "minus";
      Object.keys(areas).forEach(function (name) {
        part("area-" + name).setAttribute("points", corners(areas[name]));
        part("name-" + name).setAttribute("visibility", share[name] < 0.08 ? "hidden" : "visible");
        part("share-" + name).textContent = (100 * share[name]).toFixed(1) + " %";
        part("cost-" + name).textContent = cost[name].toFixed(2);
        root.dataset[name] = share[name];
      });
      part("name-keep").setAttribute("y", TOP + SIDE * (1 - Math.min(0.5, (ce + c1 / 2) / 2)));
      part("border").setAttribute("points", corners(border));
      part("point").setAttribute("cx", LEFT + SIDE * eta);
      part("point").setAttribute("cy", TOP + SIDE * (1 - p));
      ["c1", "ce", "eta", "p"].forEach(function (name) { part("is-" + name).textContent = value(name).toFixed(2); });
      root.dataset.threshold = limit;
      root.dataset.best = best;
      part("said").textContent = "At c1 = " + c1.toFixed(2) + " and ce = " + ce.toFixed(2) + " keeping is best on " +
        (100 * share.keep).toFixed(1) + " % of the square and asking on " + (100 * (1 - share.keep)).toFixed(1) +
        " %. " + (limit < 1 ? "A deterministic client should ask where p exceeds " + limit.toFixed(3) + "." :
        "A deterministic client should never ask.") + " At the marked point, eta = " + eta.toFixed(2) + " and p = " +
        p.toFixed(2) + ", the best action costs " + cost[best].toFixed(2) + ": " + NAMES[best] + ".";
    }
    root.querySelectorAll("input").forEach(function (slider) { slider.addEventListener("input", draw); });
    part("controls").hidden = false;
    part("still").hidden = true;
    root.dataset.ready = "yes";
    draw();
  }
  document.querySelectorAll(".l2h-regions:not([data-ready])").forEach(start);
})();
"""


@dataclass(frozen=True, repr=False)
class HtmlFigure:
    """A piece of HTML that a notebook shows, and the text that stands for it where HTML is not shown.

    Args:
        html: the piece, complete in itself.
        text: what it says at first.

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
    """Where in the square of (eta, p) each action is best, with sliders for the costs and for a marked point.

    Args:
        costs: at first; c1 in [0, 2] and ce in [0, 1], the ranges of the sliders.
        eta: of the marked point at first, in [0, 1].
        p: of the marked point at first, in [0, 1].

    Returns:
        The figure as a page.

    Raises:
        ValueError: if a value lies outside its slider's range.

    >>> interactive_regions(Costs(c1=1.0, ce=0.25))
    At c1 = 1.00 and ce = 0.25 keeping is best on 50.0 % of the square and asking on 50.0 %. A deterministic ...
    """
    values = {"c1": costs.c1, "ce": costs.ce, "eta": eta, "p": p}
    for name, value in values.items():
        checks.probabilities(upper=SLIDERS[name][1], **{name: value})
    text = _summary(costs, eta, p)
    controls = "".join(_slider(name, value) for name, value in values.items())
    html = (
        f'<div class="l2h-regions" role="group" aria-label="Where each action is best"><style>{STYLE}</style>'
        f"{_drawing(costs, eta, p)}<p>{CAPTION}</p>"
        f'<div data-part="controls" hidden>{controls}</div>'
        '<p data-part="still">The sliders of this figure need a script; without one it stands still.</p>'
        f'<p data-part="said" aria-live="polite">{text}</p>{_table(costs, eta, p)}</div>'
        f"<script>{_script()}</script>"
    )
    return HtmlFigure(html, text)


def _script() -> str:
    names = ", ".join(f'{name}: "{description}"' for name, description in ACTION_DESCRIPTIONS.items())
    constants = f"var SIDE = {SQUARE_SIDE}, LEFT = {LEFT_MARGIN}, TOP = {TOP_MARGIN}, NAMES = {{{names}}};\n"
    return SCRIPT.replace("(function () {\n", f"(function () {{\n  {constants}", 1)


def _position(eta: float, p: float) -> tuple[float, float]:
    """A point of the square in the drawing."""
    return LEFT_MARGIN + SQUARE_SIDE * eta, TOP_MARGIN + SQUARE_SIDE * (1 - p)


def _corners(points: Any) -> str:
    return " ".join("{:.1f},{:.1f}".format(*_position(*point)) for point in points)


def _costs_at(costs: Costs, eta: float, p: float) -> dict[str, float]:
    return {"keep": p, "minus": costs.c1 * eta + costs.ce, "plus": costs.c1 * (1 - eta) + costs.ce}


def _summary(costs: Costs, eta: float, p: float) -> str:
    keep, threshold = region_areas(costs).keep, ask_threshold(costs)
    action_costs = _costs_at(costs, eta, p)
    min_risk = pointwise_bayes_risk(server_error(eta), p, costs=costs)
    ask_action = "plus" if eta >= 1 / 2 else "minus"
    best = ask_action if action_costs[ask_action] <= p else "keep"
    deterministic = f"should ask where p exceeds {threshold:.3f}." if threshold < 1 else "should never ask."
    return (
        f"At c1 = {costs.c1:.2f} and ce = {costs.ce:.2f} keeping is best on {100 * keep:.1f} % of the square and "
        f"asking on {100 * (1 - keep):.1f} %. A deterministic client {deterministic} At the marked point, "
        f"eta = {eta:.2f} and p = {p:.2f}, the best action costs {min_risk:.2f}: {ACTION_DESCRIPTIONS[best]}."
    )


def _slider(name: str, value: float) -> str:
    label, highest, step = SLIDERS[name]
    return (
        f"<label><span>{label}</span>"
        f'<input type="range" min="0" max="{highest}" step="{step}" value="{value}" data-part="{name}">'
        f'<output data-part="is-{name}">{value:.2f}</output></label>'
    )


def _table(costs: Costs, eta: float, p: float) -> str:
    action_costs, areas = _costs_at(costs, eta, p), region_areas(costs)._asdict()
    rows = "".join(
        f'<tr><td>{description}</td><td data-part="share-{name}">{100 * areas[name]:.1f} %</td>'
        f'<td data-part="cost-{name}">{action_costs[name]:.2f}</td></tr>'
        for name, description in ACTION_DESCRIPTIONS.items()
    )
    head = '<tr><th scope="col">action</th><th scope="col">best on</th><th scope="col">cost at the point</th></tr>'
    return f"<table><caption>The figure in numbers</caption><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _drawing(costs: Costs, eta: float, p: float) -> str:
    """The square, its three regions, and the two lines on which a deterministic client lives."""
    corners, region_share = decision_regions(costs), region_areas(costs)
    names = {"keep": (0.5, min(0.5, (costs.ce + costs.c1 / 2) / 2)), "minus": (0.16, 0.94), "plus": (0.84, 0.94)}
    polygons_html = "".join(
        f'<polygon class="l2h-{name}" data-part="area-{name}" points="{_corners(getattr(corners, name))}"/>'
        for name in ACTION_DESCRIPTIONS
    )
    lines = "".join(
        '<line class="l2h-client" x1="{}" y1="{}" x2="{}" y2="{}"/>'.format(
            *_position(0, start), *_position(1, 1 - start)
        )
        for start in (0, 1)
    )
    labels = "".join(
        f'<text data-part="name-{name}" x="{_position(*names[name])[0]}" y="{_position(*names[name])[1]}" '
        f'text-anchor="middle" visibility="{"hidden" if getattr(region_share, name) < 0.08 else "visible"}">{label}</text>'
        for name, label in REGION_LABELS.items()
    )
    x, y = _position(eta, p)
    return (
        f'<svg viewBox="0 0 {LEFT_MARGIN + SQUARE_SIDE + 14} {TOP_MARGIN + SQUARE_SIDE + 46}" role="img" aria-label="Square of eta, across, and p, '
        "upwards. Below a tent-shaped border it is best to keep; above it to ask, for the answer −1 on the left and "
        f'+1 on the right.">{_hatches()}{polygons_html}'
        f'<rect class="l2h-frame" x="{LEFT_MARGIN}" y="{TOP_MARGIN}" width="{SQUARE_SIDE}" height="{SQUARE_SIDE}"/>{lines}'
        f'<polyline class="l2h-border" data-part="border" points="{_corners(corners.keep[:-2])}"/>'
        f'<circle class="l2h-point" data-part="point" cx="{x}" cy="{y}" r="6"/>{labels}{_axes()}</svg>'
    )


def _hatches() -> str:
    """Level stripes for -1 and upright ones for +1, so that the regions differ without colour."""
    return (
        "<defs>"
        + "".join(
            f'<pattern id="l2h-hatch-{name}" width="9" height="9" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate({angle})"><rect width="9" height="9" fill="{colour}" fill-opacity="0.22"/>'
            f'<line x1="0" y1="0" x2="0" y2="9" stroke="{colour}" stroke-width="2.5" stroke-opacity="0.55"/></pattern>'
            for name, angle, colour in (("minus", 90, "#009E73"), ("plus", 0, "#E69F00"))
        )
        + "</defs>"
    )


def _axes() -> str:
    ticks = "".join(
        f'<text x="{_position(tick, 0)[0]}" y="{TOP_MARGIN + SQUARE_SIDE + 19}" text-anchor="middle">{tick:g}</text>'
        f'<text x="{LEFT_MARGIN - 7}" y="{_position(0, tick)[1] + 5}" text-anchor="end">{tick:g}</text>'
        for tick in (0, 0.5, 1)
    )
    middle = TOP_MARGIN + SQUARE_SIDE / 2
    return (
        f'{ticks}<text x="{LEFT_MARGIN + SQUARE_SIDE / 2}" y="{TOP_MARGIN + SQUARE_SIDE + 39}" text-anchor="middle">η = P(Y = 1 | x)</text>'
        f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">p = P(M ≠ Y | x)</text>'
    )
