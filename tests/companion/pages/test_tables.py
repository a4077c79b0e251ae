"""Tables: what their CSV holds, and what a chapter offers."""

import csv
import io

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from companion.pages import tables


def shown(html, **more):
    return {"output_type": "display_data", "data": {"text/html": html, **more}, "metadata": {}}


def chapter(*outputs):
    code = {"cell_type": "code", "source": "show()", "metadata": {}, "outputs": list(outputs)}
    return {"cells": [{"cell_type": "markdown", "source": "Text.", "metadata": {}}, code], "metadata": {}}


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"ce": [0.1, 0.2], "words": ["a, b", 'said "c"']}, index=pd.Index(["x", "y"], name="client")),
        pd.DataFrame([[1, 2], [3, 4]], columns=pd.MultiIndex.from_product([["loss"], ["mean", "width"]])),
        pd.DataFrame({"n": [1, 2, 3]}, index=pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])),
    ],
    ids=["named index", "two headers", "spanning rows"],
)
def test_the_csv_of_a_frame_holds_its_values(frame):
    text = tables.table_to_csv(BeautifulSoup(frame.to_html(), "html.parser").table)
    rows = list(csv.reader(io.StringIO(text)))
    assert len({len(row) for row in rows}) == 1
    width = frame.shape[1]
    assert [row[-width:] for row in rows[-len(frame) :]] == [list(map(str, row)) for row in frame.to_numpy()]
    assert [row[0] for row in rows[-len(frame) :]] == [
        str(at[0] if isinstance(at, tuple) else at) for at in frame.index
    ]


def test_each_table_of_a_chapter_can_be_downloaded_and_has_no_empty_header(tmp_path):
    frame = pd.DataFrame({"a": [1]}).to_html()
    picture = {"output_type": "display_data", "data": {"image/png": "AA=="}, "metadata": {}}
    notebook = chapter(shown([frame, frame]), picture, shown(f"{frame}<script>slide()</script>"), shown(frame))
    before = repr(notebook)
    outputs = tables.with_downloads(notebook, "05_x", tmp_path)["cells"][1]["outputs"]
    assert repr(notebook) == before and outputs[1:3] == notebook["cells"][1]["outputs"][1:3]
    links = [
        link for output in outputs for link in BeautifulSoup(output["data"].get("text/html", ""), "html.parser")("a")
    ]
    assert [link.text for link in links] == [f"Table {number} as CSV" for number in (1, 2, 3)]
    assert [(tmp_path / link["href"]).read_text() for link in links] == [",a\n0,1\n"] * 3
    assert "<th></th>" in frame and "<th></th>" not in outputs[0]["data"]["text/html"]


def test_the_numbers_of_each_figure_can_be_downloaded_below_it(tmp_path):
    picture = {"output_type": "display_data", "data": {"image/png": "AA=="}, "metadata": {}}
    notebook = chapter(picture, shown("<p>between</p>"), picture)
    before = repr(notebook)
    outputs = tables.with_figure_downloads(notebook, "05_x", tmp_path, ["x\n1\n", "x\n2\n"])["cells"][1]["outputs"]
    assert repr(notebook) == before
    assert [list(output["data"]) for output in outputs] == [
        ["image/png"], ["text/html"], ["text/html"], ["image/png"], ["text/html"]
    ]  # fmt: skip
    links = [BeautifulSoup(outputs[index]["data"]["text/html"], "html.parser").a for index in (1, 4)]
    assert [link.text for link in links] == ["Figure 1 as CSV", "Figure 2 as CSV"]
    assert [(tmp_path / link["href"]).read_text() for link in links] == ["x\n1\n", "x\n2\n"]
    assert tables.with_figure_downloads(notebook, "05_x", tmp_path, []) == notebook


def test_the_tables_beside_a_record_are_copied(tmp_path):
    book, staged = tmp_path / "book", tmp_path / "staged"
    book.mkdir()
    for name in ("06_x.runs.csv", "06_x.full.csv", "06_x.figures.csv", "06_x.ipynb", "07_y.runs.csv"):
        (book / name).write_text(name)
    assert tables.copy_committed_tables(book, "06_x", staged) == ["06_x.full.csv", "06_x.runs.csv"]
    assert (staged / tables.CSV_FOLDER / "06_x.full.csv").read_text() == "06_x.full.csv"
    assert not (staged / tables.CSV_FOLDER / "07_y.runs.csv").exists()
