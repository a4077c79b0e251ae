"""The surrogate risk at one input, and where it is smallest, with sliders for alpha, beta, p and eta."""

from pathlib import Path
from typing import Any

import numpy as np

from companion.chapters import html_figures
from companion.chapters.html_figures import Frame, Slider
from l2h import checks
from l2h.problem import Costs
from l2h.theory.bayes import server_error
from l2h.theory.calibration import alpha_from_mu, alpha_from_p
from l2h.theory.conditional_risk import minimiser, partial_min_risk, slope_at_zero

SURROGATE_FRAME = Frame(46, 12, 360, 264, left=-2, right=2, bottom=0, top=3)  # as in surrogate.svg
HIGHEST_DRAWN = 6.0  # above the frame, where the curve is cut off
SCORES = np.linspace(-2, 2, 81)
TIE = 1e-12  # two risks that differ by less are equal up to rounding
SURROGATE_CAPTION = (
    "Solid: the surrogate risk <i>F</i>(<i>r</i>). Dot: where it is smallest; a minimum beyond the axis is drawn at "
    "its end. Dashed: the risk of asking, on the left, and of keeping, on the right."
)
SURROGATE_RANGES = {  # name -> label, lowest and highest value, step, decimals
    "alpha": ("<i>α</i>", 0.1, 6.0, 0.05, 2),
    "beta": ("<i>β</i>", 0.5, 4.0, 0.1, 1),
    "p": ("error probability of the client, <i>p</i>", 0.0, 1.0, 0.01, 2),
    "eta": ("<i>η</i> = P(<i>Y</i> = 1 | <i>x</i>)", 0.0, 1.0, 0.01, 2),
}
ROWS = {
    "r": "minimiser, <i>r</i>",
    "e": "minimiser, <i>e</i>",
    "slope": "slope <i>F</i>′(0)",
    "gain": "gain of asking, <i>p</i> − <i>T</i>",
    "excess": "excess risk of the minimiser's decision",
    "from-mu": "calibrated <i>α</i>, choice A",
    "from-p": "calibrated <i>α</i>, choice B",
}


def surrogate_figure(costs: Costs, *, alpha: float = 1.0, beta: float = 2.0, p: float = 0.85, eta: float = 0.85) -> str:
    """The figure in HTML.

    Args:
        costs: c1 and ce > 0, which the sliders leave as they are.
        alpha: at first; like the others within the range of its slider.
        beta: at first.
        p: P(M≠Y|x) at first.
        eta: P(Y=1|x) at first.

    Returns:
        HTML, complete in itself.

    Raises:
        ValueError: if ce is 0, or a value lies outside its slider's range.

    >>> "surrogate is smallest at r = 0.03" in surrogate_figure(Costs(c1=1.0, ce=0.18))
    True
    """
    checks.positive(ce=costs.ce)
    values = {"alpha": alpha, "beta": beta, "p": p, "eta": eta}
    for name, value in values.items():
        _, lowest, highest, *_ = SURROGATE_RANGES[name]
        if not lowest <= value <= highest:
            raise ValueError(f"expected {name} in [{lowest:g}, {highest:g}], got {value:g}")
    numbers = surrogate_numbers(costs, **values)
    script = (Path(__file__).parent / "surrogate.js").read_text(encoding="utf-8")
    return html_figures.figure(
        "l2h-surrogate",
        label="The surrogate and its minimiser",
        drawing=_drawing(costs, numbers, **values),
        caption=SURROGATE_CAPTION,
        controls="".join(html_figures.slider(name, _slider(name, value)) for name, value in values.items()),
        summary=_summary(costs, numbers, **values),
        numbers=html_figures.table(
            f"The figure in numbers, at <i>c</i><sub>1</sub> = {costs.c1:g} and <i>c</i><sub>e</sub> = {costs.ce:g}",
            ("quantity", "value"),
            {f"{name}|{label}": (number_text(numbers[name]),) for name, label in ROWS.items()},
        ),
        script=script,
        data=f'{{"c1": {costs.c1}, "ce": {costs.ce}}}',
    )


def surrogate_numbers(costs: Costs, *, alpha: float, beta: float, p: float, eta: float) -> dict[str, float]:
    """The numbers of the figure's table, by the names of `ROWS`, for one state of the sliders."""
    given: dict[str, Any] = {"costs": costs, "alpha": alpha, "beta": beta}
    mu = server_error(np.asarray(eta))
    best, slope = minimiser(eta, p, **given), float(slope_at_zero(eta, p, **given))
    gain = p - (costs.c1 * float(mu) + costs.ce)
    wrong = asks_by_slope(slope) != (gain >= -TIE) and abs(gain) > TIE
    return {
        "r": float(best.r),
        "e": float(best.e),
        "slope": slope,
        "gain": gain,
        "excess": abs(gain) if wrong else 0.0,
        "from-mu": float(alpha_from_mu(mu, costs=costs, beta=beta)),
        "from-p": float(alpha_from_p(p, costs=costs, beta=beta)),
    }


def asks_by_slope(slope: float) -> bool:
    """Whether the minimiser asks, by the slope of the risk at r = 0; a tie asks."""
    return slope >= -TIE


def number_text(value: float) -> str:
    """A number with two decimals, with a sign that is read as such.

    >>> number_text(-0.5), number_text(float("inf")), number_text(-0.001)
    ('−0.50', '∞', '0.00')
    """
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    text = f"{abs(value):.2f}"
    return f"−{text}" if value < 0 and float(text) > 0 else text


def _slider(name: str, value: float) -> Slider:
    label, lowest, highest, step, decimals = SURROGATE_RANGES[name]
    return Slider(label, lowest, highest, step, value, f"{value:.{decimals}f}")


def _drawing(costs: Costs, numbers: dict[str, float], *, alpha: float, beta: float, p: float, eta: float) -> str:
    given: dict[str, Any] = {"eta": eta, "p": p, "costs": costs, "alpha": alpha, "beta": beta}
    risks = np.minimum(partial_min_risk(SCORES, **given), HIGHEST_DRAWN)
    shown_r = min(max(numbers["r"], SURROGATE_FRAME.left), SURROGATE_FRAME.right)
    shown_risk = min(float(partial_min_risk(shown_r, **given)), SURROGATE_FRAME.top)
    x, y = SURROGATE_FRAME.position(shown_r, shown_risk)
    asked, kept = SURROGATE_FRAME.position(0, p - numbers["gain"])[1], SURROGATE_FRAME.position(0, p)[1]
    svg = (Path(__file__).parent / "surrogate.svg").read_text(encoding="utf-8")
    return html_figures.drawn(
        svg,
        {
            "curve": {"points": SURROGATE_FRAME.points(zip(SCORES, risks, strict=True))},
            "asked": {"y1": asked, "y2": asked},
            "kept": {"y1": kept, "y2": kept},
            "point": {"cx": x, "cy": y},
        },
    )


def _summary(costs: Costs, numbers: dict[str, float], *, alpha: float, beta: float, p: float, eta: float) -> str:
    minimiser_action, bayes_action = (
        "ask" if asking else "keep" for asking in (asks_by_slope(numbers["slope"]), numbers["gain"] >= -TIE)
    )
    agreement = (
        "as the Bayes rule does"
        if numbers["excess"] == 0
        else f"where the Bayes rule would {bayes_action}, with an excess risk of {number_text(numbers['excess'])}"
    )
    return (
        f"At alpha = {alpha:.2f}, beta = {beta:.1f}, p = {p:.2f} and eta = {eta:.2f} the surrogate is smallest at "
        f"r = {number_text(numbers['r'])} and e = {number_text(numbers['e'])}: its minimiser would {minimiser_action}, "
        f"{agreement}."
    )
