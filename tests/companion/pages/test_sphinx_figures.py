"""The directive of the figures with sliders, built by Sphinx alone."""

import pytest
from bs4 import BeautifulSoup

from companion.build import notebooks
from companion.pages.sphinx_figures import FIGURES


@pytest.fixture
def build(build_page):
    """Build a page with one directive; the page and the warnings."""
    return lambda name: build_page("sphinx_figures", f"```{{interactive}} {name}\nMove the *sliders*.\n```")


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_follows_the_words_that_introduce_it(build, name):
    page, warnings = build(name)
    assert warnings == ""
    assert page.find("em", string="sliders").find_next(class_="l2h-figure")["aria-label"]
    assert str(BeautifulSoup(FIGURES[name](), "html.parser")).strip() in str(page)


def test_an_unknown_figure_is_an_error_of_the_build(build):
    assert "expected a figure among surrogate, coverage, got unknown" in build("unknown")[1]


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_stands_on_one_page(name):
    sources = [path.read_text("utf8") for path in (notebooks.ROOT / "book").glob("*.md")]
    assert sum(source.count(f"```{{interactive}} {name}\n") for source in sources) == 1
