"""The surrogate's figure as text: its first state, its numbers, and that it loads nothing. Browser tests move it."""

import re

import numpy as np
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from companion.chapters.ch04_surrogate.interactive import (
    ROWS,
    SURROGATE_FRAME,
    SURROGATE_RANGES,
    surrogate_figure,
    surrogate_numbers,
)
from l2h.problem import Costs
from l2h.theory.conditional_risk import partial_min_risk
from l2h.theory.regret import pointwise_regret

COSTS = Costs(c1=1.0, ce=0.18)
STATES = {
    "alpha": st.floats(0.1, 6),
    "beta": st.floats(0.5, 4),
    "p": st.floats(0.001, 0.999),
    "eta": st.floats(0.001, 0.999),
}


@given(**STATES)
def test_the_numbers_are_those_of_a_numerical_minimum_and_of_the_regret(alpha, beta, p, eta):
    numbers = surrogate_numbers(COSTS, alpha=alpha, beta=beta, p=p, eta=eta)
    given_values = {"eta": eta, "p": p, "costs": COSTS, "alpha": alpha, "beta": beta}
    found = minimize_scalar(lambda r: float(partial_min_risk(r, **given_values)), bracket=(-1, 1))
    assert numbers["r"] == pytest.approx(found.x, abs=1e-5)
    assert numbers["excess"] == pytest.approx(float(pointwise_regret(**given_values)), abs=1e-9)
    assert numbers["gain"] == pytest.approx(p - min(eta, 1 - eta) - 0.18)
    for name in ("from-mu", "from-p"):
        calibrated = surrogate_numbers(COSTS, alpha=numbers[name], beta=beta, p=p, eta=eta)
        assert calibrated["excess"] < 1e-9


def test_the_first_state_shows_its_numbers_as_text_and_in_the_drawing():
    page = BeautifulSoup(surrogate_figure(COSTS, alpha=1.0, beta=2.0, p=0.85, eta=0.85), "html.parser")
    summary = page.find(attrs={"data-part": "summary"})
    assert summary.text.endswith(
        "r = 0.03 and e = 0.87: its minimiser would keep, where the Bayes rule would ask, with an excess risk of 0.52."
    )
    assert summary["aria-live"] == "polite"
    assert [page.find(attrs={"data-part": f"{name}-0"}).text for name in ROWS] == [
        "0.03", "0.87", "−0.04", "0.52", "0.52", "2.71", "1.74",
    ]  # fmt: skip
    corners = [tuple(map(float, pair.split(","))) for pair in page.polyline["points"].split()]
    lowest = min(corners, key=lambda corner: -corner[1])
    point = page.find(attrs={"data-part": "point"})
    assert abs(float(point["cx"]) - lowest[0]) <= 360 / 80 and float(point["cy"]) == pytest.approx(lowest[1], abs=0.5)
    kept = page.find(attrs={"data-part": "kept"})
    assert float(kept["y1"]) == float(kept["y2"]) == pytest.approx(SURROGATE_FRAME.position(0, 0.85)[1], abs=0.05)


@pytest.mark.parametrize(("p", "eta"), [(0.0, 0.5), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
def test_scores_at_infinity_are_shown_as_such_at_the_edge_of_the_drawing(p, eta):
    page = BeautifulSoup(surrogate_figure(COSTS, p=p, eta=eta), "html.parser")
    numbers = surrogate_numbers(COSTS, alpha=1.0, beta=2.0, p=p, eta=eta)
    assert np.isinf(numbers["r"]) == (p == 0) and np.isinf(numbers["e"]) == (eta in (0, 1))
    assert (page.find(attrs={"data-part": "r-0"}).text == "∞") == (p == 0)
    x, y = (float(page.find(attrs={"data-part": "point"})[name]) for name in ("cx", "cy"))
    assert 46 <= x <= 406 and 12 <= y <= 276


def test_a_tie_asks_and_has_no_excess_risk():
    numbers = surrogate_numbers(Costs(1.0, 0.5), alpha=1.0, beta=2.0, p=0.5, eta=1.0)
    assert numbers["slope"] == 0 and numbers["gain"] == 0 and numbers["excess"] == 0


def test_it_loads_nothing_and_its_script_finds_its_parts():
    html = surrogate_figure(COSTS)
    page = BeautifulSoup(html, "html.parser")
    assert not page.find_all(["link", "img", "iframe"]) and not page.find_all(src=True)
    assert not re.search(r"https?:|import|fetch|XMLHttpRequest|url\((?!#l2h-)", html.replace('clip-path="', ""))
    parts = [tag["data-part"] for tag in page.find_all(attrs={"data-part": True})]
    assert len(parts) == len(set(parts))
    assert set(re.findall(r'part\("([\w-]+)"\)', html)) <= set(parts)


def test_without_a_script_there_are_no_dead_sliders():
    page = BeautifulSoup(surrogate_figure(COSTS), "html.parser")
    assert page.find(attrs={"data-part": "controls"}).has_attr("hidden")
    assert not page.find(attrs={"data-part": "no-script"}).has_attr("hidden")
    assert len(page.find_all("input")) == len(SURROGATE_RANGES) == 4


@pytest.mark.parametrize("name", SURROGATE_RANGES)
def test_a_value_beyond_its_slider_is_refused(name):
    with pytest.raises(ValueError, match=rf"expected {name} in \["):
        surrogate_figure(COSTS, **{name: SURROGATE_RANGES[name][2] + 0.1})


def test_asking_must_cost_something():
    with pytest.raises(ValueError, match="ce"):
        surrogate_figure(Costs(1.0, 0.0))
