"""Parts of the figures with sliders."""

import pytest
from bs4 import BeautifulSoup

from companion.chapters import html_figures

FRAME = html_figures.Frame(40, 10, 100, 50, left=-1, right=1, bottom=0, top=2)
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><line data-part="level" y1="0"/><circle data-part="point"/></svg>'


def test_values_have_their_places_in_the_frame():
    assert FRAME.position(-1, 0) == (40, 60) and FRAME.position(1, 2) == (140, 10)
    assert FRAME.points([(-1, 0), (0, 1)]) == "40.0,60.0 90.0,35.0"


def test_named_parts_of_a_drawing_are_set():
    drawn = html_figures.drawn(SVG, {"level": {"y1": 3.14159}, "point": {"class": "a"}})
    assert drawn == '<svg><line data-part="level" y1="3.1" /><circle data-part="point" class="a" /></svg>'


def test_a_part_that_the_drawing_lacks_is_an_error():
    with pytest.raises(KeyError):
        html_figures.drawn(SVG, {"curve": {"points": ""}})


def test_controls_are_labelled_and_tables_have_headers():
    slider = html_figures.Slider("the <i>cost</i>", 0, 2, 0.05, 0.15, "0.15")
    page = BeautifulSoup(
        html_figures.slider("ce", slider)
        + html_figures.choice("system", "the system", ["a", "b & c"], "b & c")
        + html_figures.table("Cells", ["images", "right"], {"kept|kept images": ("1", "2")}),
        "html.parser",
    )
    assert page.input.find_parent("label").span.text == "the cost" and page.input["max"] == "2"
    assert page.select_one("option[selected]").text == "b & c" and page.find("select").find_parent("label")
    assert {head["scope"] for head in page.find_all("th")} == {"row", "col"}
    assert page.find("td", attrs={"data-part": "kept-1"}).text == "2" and page.caption.text == "Cells"
