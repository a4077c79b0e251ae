"""The figure of accuracy against coverage as text: its first state and its numbers. Browser tests move it."""

import json
import re

import numpy as np
import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from companion.chapters.choosing.interactive import COVERAGE_RANGES, coverage_figure, coverage_numbers, read_systems
from l2h.problem import Costs, Predictions

SYSTEMS = read_systems()
SMALL = Predictions(
    m=np.array([1, -1, 1, -1]), r=np.array([0.4, 0.1, 0.1, -0.2]), e=np.array([1.0, 1, -1, -1]), y=np.ones(4, dtype=int)
)


def test_four_images_by_hand():
    numbers = coverage_numbers(SMALL, 0.25, Costs(1.0, 0.1))
    assert numbers.threshold == -0.2 and numbers.cells == {"kept": (3, 2, 2), "asked": (1, 0, 0)}
    assert (numbers.accuracy, numbers.coverage) == (0.5, 0.75)
    assert numbers.loss == pytest.approx((1 + 1 + 0.1) / 4)
    assert (numbers.never, numbers.always) == (0.5, pytest.approx(0.6))
    assert (numbers.least, numbers.least_coverage) == (0.5, 1)


def test_equal_scores_are_sent_together():
    numbers = coverage_numbers(SMALL, 0.5, Costs(1.0, 0.1))
    assert numbers.threshold == 0.1 and numbers.coverage == 0.25
    assert numbers.cells == {"kept": (1, 1, 1), "asked": (3, 1, 1)}


@given(st.sampled_from(list(SYSTEMS)), st.integers(0, 200), st.integers(0, 40).map(lambda i: i / 20), st.floats(0, 1))
def test_cells_accuracy_and_loss_agree(name, position, c1, ce):
    numbers = coverage_numbers(SYSTEMS[name], position / 200, Costs(c1, ce))
    (n_kept, client_kept, _), (n_asked, _, server_asked) = numbers.cells["kept"], numbers.cells["asked"]
    assert n_kept + n_asked == 2000 and numbers.coverage == n_kept / 2000
    assert numbers.accuracy == pytest.approx((client_kept + server_asked) / 2000)
    assert numbers.loss == pytest.approx((n_kept - client_kept + c1 * (n_asked - server_asked) + ce * n_asked) / 2000)
    assert numbers.least <= min(numbers.loss, numbers.never, numbers.always) + 1e-12


def test_the_first_state_shows_its_numbers():
    numbers = coverage_numbers(SYSTEMS["confidence"], 0.3, Costs(1.0, 0.1))
    page = BeautifulSoup(coverage_figure("confidence"), "html.parser")
    summary = page.find(attrs={"data-part": "summary"}).text
    assert f"accuracy {100 * numbers.accuracy:.2f} %, system loss {numbers.loss:.4f} at c1 = 1.00" in summary
    assert page.find(attrs={"data-part": "accuracy-0"}).text == f"{numbers.accuracy:.4f}"
    assert page.find(attrs={"data-part": "kept-0"}).text == str(numbers.cells["kept"][0])
    assert page.select_one("option[selected]").text == "confidence"
    corners = [tuple(map(float, pair.split(","))) for pair in page.polyline["points"].split()]
    assert len(corners) > 190 and all(56 <= x <= 406 and 12 <= y <= 276 for x, y in corners)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_curve_lies_within_the_drawing(name):
    corners = BeautifulSoup(coverage_figure(name), "html.parser").polyline["points"].split()
    assert all(12 <= float(corner.split(",")[1]) <= 276 for corner in corners)


def test_it_loads_nothing_its_script_finds_its_parts_and_it_is_small():
    html = coverage_figure()
    page = BeautifulSoup(html, "html.parser")
    assert not page.find_all(["link", "img", "iframe"]) and not page.find_all(src=True)
    assert not re.search(r"https?:|import|fetch|XMLHttpRequest|url\(", html)
    parts = [tag["data-part"] for tag in page.find_all(attrs={"data-part": True})]
    assert len(parts) == len(set(parts))
    assert set(re.findall(r'part\("([\w-]+)"\)', html)) <= set(parts)
    assert list(json.loads(page.find(attrs={"data-part": "data"}).text)) == list(SYSTEMS)
    assert len(html) < 200_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"system": "oracle"}, "expected a system among learning to help, .*, got oracle"),
        ({"share": 1.2}, r"expected share in \[0, 1\], got 1.2"),
        ({"costs": Costs(1.0, 1.5)}, r"expected ce in \[0, 1\]"),
        ({"costs": Costs(COVERAGE_RANGES["c1"][1] + 1, 0.1)}, r"expected c1 in \[0, 2\]"),
    ],
)
def test_what_the_controls_cannot_show_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        coverage_figure(**arguments)
