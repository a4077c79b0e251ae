"""The numbers of figures: each kind of what chapters draw, and names from the legend."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from l2h.plotting import images, lines
from l2h.plotting.drawn_numbers import NO_NUMBERS, rows_as_text


@pytest.fixture
def figure():
    figure = plt.figure()
    yield figure
    plt.close(figure)


def rows(figure):
    """Each row without empty fields, as numbers and texts by the names of the columns."""
    header, *body = rows_as_text(figure)
    assert header == ["panel", "kind", "name", "x", "y", "low", "high", "value"]
    return [
        {
            name: field if name in ("kind", "name") else float(field)
            for name, field in zip(header, row, strict=True)
            if field and name != "panel"
        }
        for row in body
    ]


def of_kind(figure, kind):
    return [
        {name: field for name, field in row.items() if name != "kind"} for row in rows(figure) if row["kind"] == kind
    ]


DRAWN = {
    "a line": (lambda ax: ax.plot([1, 2], [0.1, np.nan], label="a"), "line", [
        {"name": "a", "x": 1, "y": 0.1}, {"name": "a", "x": 2}]),
    "points": (lambda ax: ax.plot([1, 2], [3, 4], "o"), "point", [{"x": 1, "y": 3}, {"x": 2, "y": 4}]),
    "a point in the style of its line": (lambda ax: ax.plot(1, 3, "o-"), "point", [{"x": 1, "y": 3}]),
    "scattered points": (lambda ax: ax.scatter([1], [3], c=[0.5]), "point", [{"x": 1, "y": 3, "value": 0.5}]),
    "a level": (lambda ax: ax.axhline(0.25), "level", [{"y": 0.25}]),
    "a place": (lambda ax: ax.axvline(7), "level", [{"x": 7}]),
    "a range": (lambda ax: ax.axvspan(1, 2), "range of x", [{"low": 1, "high": 2}]),
    "a range of the other axis": (lambda ax: ax.axhspan(1, 2), "range of y", [{"low": 1, "high": 2}]),
    "a band": (lambda ax: ax.fill_between([1, 2], [0, 1], [5, 6]), "band", [
        {"x": 1, "low": 0, "high": 5}, {"x": 2, "low": 1, "high": 6}]),
    "a band of the other axis": (lambda ax: ax.fill_betweenx([1, 2], [0, 1], [5, 6]), "band", [
        {"y": 1, "low": 0, "high": 5}, {"y": 2, "low": 1, "high": 6}]),
    "an interval": (lambda ax: ax.vlines([4], [1], [2]), "interval", [{"x": 4, "low": 1, "high": 2}]),
    "an interval that lies": (lambda ax: ax.hlines([4], [2], [1]), "interval", [{"y": 4, "low": 1, "high": 2}]),
    "error bars": (lambda ax: ax.errorbar([1], [5], yerr=[[1], [2]], capsize=3, label="b"), "interval", [
        {"name": "b", "x": 1, "low": 4, "high": 7}]),
    "the points of error bars": (lambda ax: ax.errorbar([1], [5], yerr=1, capsize=3, fmt="o"), "point", [
        {"x": 1, "y": 5}]),
    "bars": (lambda ax: ax.bar([1, 2], [3, -4], width=0.5, label="c"), "bar", [
        {"name": "c", "x": 1, "low": 0, "high": 3}, {"name": "c", "x": 2, "low": -4, "high": 0}]),
    "bars that lie": (lambda ax: ax.barh([1], [3]), "bar", [{"y": 1, "low": 0, "high": 3}]),
    "an area": (lambda ax: ax.fill([0, 1, 1], [0, 0, 2]), "corner of an area", [
        {"x": 0, "y": 0}, {"x": 1, "y": 0}, {"x": 1, "y": 2}, {"x": 0, "y": 0}]),
    "an image": (lambda ax: ax.imshow([[1.0, 2.0], [3.0, np.nan]]), "cell", [
        {"x": 0, "y": 0, "value": 1}, {"x": 1, "y": 0, "value": 2}, {"x": 0, "y": 1, "value": 3}, {"x": 1, "y": 1}]),
    "an image from below": (lambda ax: ax.imshow([[1.0], [2.0]], origin="lower", extent=(0, 2, 10, 14)), "cell", [
        {"x": 1, "y": 11, "value": 1}, {"x": 1, "y": 13, "value": 2}]),
    "a mesh": (lambda ax: ax.pcolormesh([0, 2, 4], [0, 1], [[0.5, 0.7]]), "cell", [
        {"x": 1, "y": 0.5, "value": 0.5}, {"x": 3, "y": 0.5, "value": 0.7}]),
    "a note": (lambda ax: [ax.plot([0], [0]), ax.text(1, 2, "n = 3\nof 4")], "note", [
        {"name": "n = 3 of 4", "x": 1, "y": 2}]),
    "a note on the paper": (lambda ax: [ax.plot([0], [0]), ax.text(0.5, 0.5, "ask", transform=ax.transAxes)], "note", [
        {"name": "ask"}]),
    "a note at a point": (lambda ax: [ax.plot([0], [0]), ax.annotate("b", (3, 4), xytext=(5, 5))], "note", [
        {"name": "b", "x": 3, "y": 4}]),
    "names of places": (lambda ax: [ax.plot([0], [0]), ax.set_yticks([0, 1], ["no", "yes"])], "name on the y axis", [
        {"name": "no", "y": 0}, {"name": "yes", "y": 1}]),
}  # fmt: skip


@pytest.mark.parametrize("drawn", DRAWN)
def test_the_numbers_are_those_that_were_drawn(figure, drawn):
    draw, kind, expected = DRAWN[drawn]
    draw(figure.add_subplot())
    assert of_kind(figure, kind) == expected


def test_names_of_axes_and_numbers_on_their_ticks(figure):
    ax = figure.add_subplot()
    ax.plot([0.1], [0.2])
    ax.set(title="two\nlines", xlabel="cost", ylabel="loss")
    assert [(row["kind"], row["name"]) for row in rows(figure)[:3]] == [
        ("title", "two lines"), ("x axis", "cost"), ("y axis", "loss")
    ]  # fmt: skip
    assert not of_kind(figure, "name on the x axis")
    ax.set_xticks([0.1, 0.2], ["0.1", "0.2"])
    assert not of_kind(figure, "name on the x axis")


def test_panels_are_counted_without_colour_bars_legends_and_empty_axes(figure):
    first, empty, last = figure.subplots(1, 3)
    figure.colorbar(first.imshow([[1.0]]), ax=first)
    empty.set_axis_off()
    last.plot([0], [1], label="a")
    last.legend()
    assert {row[0] for row in rows_as_text(figure)[1:]} == {"1", "2"}


def test_a_series_that_one_panel_names_has_its_name_in_all(figure):
    first, second = figure.subplots(1, 2)
    bands = {"a": ([1, 2], [0, 1], [2, 3]), "b": ([5, 6], [4, 5], [6, 7])}
    for ax in (first, second):
        lines.plot_bands(ax, [0, 1], bands, xlabel="x", ylabel="y")
    for line in second.lines:
        line.set_label("_nolegend_")
    assert [row["name"] for row in of_kind(figure, "line")] == ["a", "a", "b", "b"] * 2
    assert [row["name"] for row in of_kind(figure, "band")] == ["a", "a", "b", "b"] * 2


def test_black_and_shared_colours_name_nothing(figure):
    ax = figure.add_subplot()
    ax.plot([0], [1], "k*", label="printed")
    ax.plot([0, 1], [1, 1], "r-", label="a")
    ax.plot([0, 1], [1, 1], "r--", label="b")
    ax.vlines([0, 1], [0, 0], [1, 1], colors=["black", "red"])
    ax.vlines([2], [0], [1], colors="red")
    ax.plot([5, 6], [0, 0], "r--")
    assert [row.get("name") for row in of_kind(figure, "interval")] == [None] * 3
    assert [row["name"] for row in of_kind(figure, "line")][-2:] == ["b", "b"]


def test_photographs_have_a_size_and_no_numbers(figure):
    images.plot_images(figure.subplots(1, 2), np.zeros((1, 3, 32, 24), np.uint8), ["cat"])
    assert rows(figure) == [{"kind": "title", "name": "cat"}, {"kind": "photograph", "name": "24 x 32 pixels"}]


def test_the_title_of_a_figure_belongs_to_no_panel(figure):
    figure.add_subplot().plot([0], [1])
    figure.suptitle("Both")
    assert rows_as_text(figure)[1] == ["", "title", "Both", "", "", "", "", ""]


def test_a_drawing_without_axes_says_that_it_has_no_numbers(figure):
    assert rows(figure) == [{"kind": NO_NUMBERS.kind}]


def test_hidden_parts_are_left_out(figure):
    figure.add_subplot().plot([0], [1])[0].set_visible(False)
    assert not of_kind(figure, "line") and not of_kind(figure, "point")
