"""The files of numbers: what an executed notebook gives up, and which file belongs to it."""

import pytest

from companion.build import beside, figure_files
from companion.build.beside import FIGURE_NUMBERS
from companion.build.figure_files import CSV, PICTURE


def shown(**data):
    return {"output_type": "display_data", "data": data, "metadata": {}}


def chapter(*outputs, **facts):
    cells = [{"cell_type": "markdown", "source": "Text."}, {"cell_type": "code", "outputs": list(outputs)}]
    return {"cells": cells, "metadata": {"l2h": facts}}


def figure(*values):
    return shown(**{PICTURE: "AA==", CSV: "\n".join(["kind,x", *(f"line,{value}" for value in values), ""])})


def test_numbers_are_taken_out_of_a_notebook_figure_by_figure():
    notebook = chapter(figure(0.5, 0.6), shown(**{"text/plain": "1"}), figure(0.7))
    text = figure_files.take_out(notebook)
    assert text == "figure,kind,x\n1,line,0.5\n1,line,0.6\n2,line,0.7\n"
    assert figure_files.by_figure(text) == ["kind,x\nline,0.5\nline,0.6\n", "kind,x\nline,0.7\n"]
    assert [list(output["data"]) for output in notebook["cells"][1]["outputs"]] == [
        [PICTURE], ["text/plain"], [PICTURE]
    ]  # fmt: skip
    assert figure_files.take_out(chapter(shown(**{"text/plain": "1"}))) == ""
    assert figure_files.by_figure("") == []


def test_a_figure_without_numbers_is_an_error():
    with pytest.raises(ValueError, match="numbers of figure 2 beside its picture, got none"):
        figure_files.take_out(chapter(figure(1), shown(**{PICTURE: "AA=="})))


def test_the_file_beside_a_notebook_is_the_one_of_its_execution(tmp_path):
    path, text = tmp_path / "c1.ipynb", "figure,kind,x\n1,line,0.5\n"
    notebook = chapter(shown(**{PICTURE: "AA=="}), figures=beside.text_digest(text))
    FIGURE_NUMBERS.write(path, text)
    assert (tmp_path / "c1.figures.csv").read_text() == text
    figure_files.check_numbers(notebook, path)
    assert figure_files.complete(notebook, path)

    FIGURE_NUMBERS.write(path, text.replace("0.5", "0.9"))
    with pytest.raises(ValueError, match=r"c1\.ipynb as they were executed, got a changed or missing c1\.figures\.csv"):
        figure_files.check_numbers(notebook, path)
    FIGURE_NUMBERS.write(path, "")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="changed or missing"):
        figure_files.check_numbers(notebook, path)
    assert not figure_files.complete(notebook, path)


def test_an_execution_that_kept_no_numbers_is_whole_and_not_complete(tmp_path):
    notebook = chapter(shown(**{PICTURE: "AA=="}))
    figure_files.check_numbers(notebook, tmp_path / "c1.ipynb")
    assert not figure_files.complete(notebook, tmp_path / "c1.ipynb")
    assert figure_files.complete(chapter(), tmp_path / "c1.ipynb")
