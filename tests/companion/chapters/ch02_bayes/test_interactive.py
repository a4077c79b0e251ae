"""The interactive figure as text: its first state, its doors, and that it loads nothing. The browser tests move it."""

import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from companion.chapters.ch02_bayes.interactive import ASSETS, SLIDERS, interactive_regions, read_asset
from l2h.problem import Costs
from l2h.theory.bayes import ask_threshold, region_areas

VOID = {"input", "rect", "line", "circle", "polygon", "polyline"}


class Nesting(HTMLParser):
    """Whether every element that was opened is closed in its place."""

    def __init__(self):
        super().__init__()
        self.open, self.parts, self.sources = [], [], []

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.parts += [named["data-part"]] if "data-part" in named else []
        self.sources += [named[key] for key in ("src", "href") if key in named]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert tag in VOID
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(html):
    reader = Nesting()
    reader.feed(html)
    assert reader.open == []
    return reader


@given(c1=st.floats(0, 2), ce=st.floats(0, 1), eta=st.floats(0, 1), p=st.floats(0, 1))
def test_the_first_state_shows_the_numbers_of_the_rules(c1, ce, eta, p):
    costs = Costs(c1, ce)
    page = interactive_regions(costs, eta=eta, p=p)
    keep, threshold = region_areas(costs).keep, ask_threshold(costs)
    assert f"keeping is best on {100 * keep:.1f} % of the square" in page.text
    assert (f"p exceeds {threshold:.3f}." in page.text) == (threshold < 1)
    assert f"the smallest risk is {min(p, c1 * min(eta, 1 - eta) + ce):.2f}: " in page.text
    assert repr(page) == page.text and page.text in page._repr_html_()


def test_it_is_one_whole_piece_that_loads_nothing():
    page = interactive_regions(Costs(1.0, 0.15))
    reader = read(page.html)
    assert reader.sources == []
    assert not re.search(r"https?:|import|fetch|XMLHttpRequest|url\((?!#l2h-)", page.html)
    assert len(reader.parts) == len(set(reader.parts))
    wanted = set(re.findall(r'part\("([\w-]+)"\)', page.html))
    assert wanted <= set(reader.parts)
    assert {name + part for name in ("area-", "name-", "share-", "cost-") for part in ("keep", "minus", "plus")} <= set(
        reader.parts
    )


def test_without_a_script_there_is_a_drawing_a_text_and_a_table_but_no_dead_slider():
    html = interactive_regions(Costs(1.0, 0.15)).html
    still = re.sub(r"<script>.*</script>", "", html, flags=re.DOTALL)
    assert '<div data-part="controls" hidden>' in still
    assert "without one the figure is static" in still
    assert 'aria-live="polite">At c1 = 1.00 and ce = 0.15 keeping is best on 40.0 %' in still
    assert still.count("<td") == 9 and still.count("<polygon") == 3
    numbers = re.search(r'data-part="area-keep" points="([^"]*)"', still).group(1)
    corners = np.array([[float(one) for one in corner.split(",")] for corner in numbers.split()])
    assert (corners >= 0).all() and (corners <= 400).all()


@pytest.mark.parametrize("name", ASSETS)
def test_the_digest_of_a_file_is_part_of_the_code(name):
    assert hashlib.sha256(read_asset(name).encode()).hexdigest().startswith(ASSETS[name])
    assert len(ASSETS[name]) == 16


@pytest.mark.parametrize("name", SLIDERS)
def test_a_value_beyond_its_slider_is_refused(name):
    values = {"c1": 1.0, "ce": 0.1, "eta": 0.5, "p": 0.5} | {name: SLIDERS[name][1] + 0.1}
    with pytest.raises(ValueError, match=rf"expected {name} in \[0, {SLIDERS[name][1]}\]"):
        interactive_regions(Costs(values["c1"], values["ce"]), eta=values["eta"], p=values["p"])
