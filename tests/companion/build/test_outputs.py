"""The digest of outputs: the same in every form of one notebook, another once a reader would see something else."""

import copy
import json

import jupytext
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from companion.build import outputs
from companion.claims.registry import CLAIMS_MIME_TYPE


@pytest.fixture
def notebook():
    """An executed notebook with every kind of output."""
    stored = {"claims": {"gains": {"holds": {"estimate": 0.25, "low": 0.0, "high": 1.0, "n": 10}}}, "seeds": ["a", "b"]}
    table = {
        "text/plain": "   r\n0  0.2\n",
        "text/html": "<table>\n<tr><td>0.2</td></tr>\n</table>",
        CLAIMS_MIME_TYPE: stored,
    }
    cells = [
        new_markdown_cell("# A chapter"),
        new_code_cell('profile = "paper"', metadata={"tags": ["parameters"]}, execution_count=1),
        new_code_cell('profile = "quick"', metadata={"tags": ["injected-parameters"]}, execution_count=2),
        new_code_cell(
            "a = 1\nb = 2\nshow(a, b)",
            execution_count=3,
            outputs=[
                new_output("stream", name="stdout", text="0.1\n"),
                new_output("stream", name="stdout", text="0.2\n0.3\n"),
                new_output("stream", name="stderr", text="slow\n"),
                new_output("display_data", data={"image/png": "iVBORw0KGgo=\n", "text/plain": "<Figure>"}),
                new_output("execute_result", data=table, execution_count=3),
                new_output("error", ename="ValueError", evalue="expected two", traceback=["line 1", "line 2"]),
            ],
        ),
    ]
    executed = new_notebook(cells=cells, metadata={"l2h": {"key": "0" * 64, "seconds": 1.5}})
    outputs.write_digest(executed)
    return executed


def saved_by_jupyter(notebook):
    """As JavaScript writes it: one piece per stream, whole numbers without a point, new counts, other metadata."""
    other = copy.deepcopy(notebook)
    for number, cell in enumerate(other.cells):
        cell["id"] = f"other-{number}"
        cell.metadata["trusted"] = True
        if cell.cell_type == "code":
            cell.execution_count = number + 10
    first, second, *rest = other.cells[-1].outputs
    first.text += second.text
    other.cells[-1].outputs = [first, *rest]
    rest[1].metadata["width"] = 100
    return nbformat.reads(nbformat.writes(other).replace("1.0", "1").replace(": 0.0", ": 0"), as_version=4)


def test_every_form_of_a_notebook_has_the_same_digest(notebook):
    text = nbformat.writes(notebook)
    without = copy.deepcopy(notebook)
    del without.cells[2]
    forms = {
        "file": json.loads(text),
        "read": nbformat.reads(text, as_version=4),
        "jupytext": jupytext.reads(jupytext.writes(notebook, fmt="ipynb"), fmt="ipynb"),
        "jupyter": saved_by_jupyter(notebook),
        "without the injected cell": without,
    }
    assert isinstance(forms["file"]["cells"][-1]["source"], list)
    assert {form: outputs.outputs_digest(one) for form, one in forms.items()} == dict.fromkeys(
        forms, outputs.outputs_digest(notebook)
    )
    assert all(map(outputs.unchanged, forms.values()))


def test_prose_changes_nothing(notebook):
    notebook.cells[0].source = "# Another heading"
    assert outputs.unchanged(notebook)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.3\\n", "0.4\\n"),
        ('"stderr"', '"stdout"'),
        ("iVBORw0KGgo=", "iVBORw0KGgp="),
        ("0  0.2", "0  0.9"),
        ("<td>0.2", "<td>0.9"),
        ('"estimate": 0.25', '"estimate": 0.75'),
        ('"low": 0.0', '"low": 1.0'),
        ('"n": 10', '"n": 11'),
        ("text/html", "text/latex"),
        ("expected two", "expected three"),
        ("line 2", "line 3"),
        ("b = 2", "b = 3"),
    ],
)
def test_an_edited_output_or_line_of_code_is_seen(notebook, old, new):
    text = nbformat.writes(notebook)
    assert old in text
    assert not outputs.unchanged(json.loads(text.replace(old, new)))


@pytest.mark.parametrize("number", range(6))
def test_a_lost_or_moved_output_is_seen(notebook, number):
    shown = notebook.cells[-1].outputs
    lost = shown.pop(number)
    assert not outputs.unchanged(notebook)
    notebook.cells[1].outputs = [lost]
    assert not outputs.unchanged(notebook)


def test_pieces_of_two_streams_are_not_one(notebook):
    shown = notebook.cells[-1].outputs
    shown[1], shown[2] = shown[2], shown[1]
    assert not outputs.unchanged(notebook)


def test_a_notebook_without_a_digest_is_refused_with_the_remedy(notebook, tmp_path):
    outputs.check(notebook, tmp_path)
    del notebook.metadata.l2h["outputs"]
    assert not outputs.unchanged(notebook)
    with pytest.raises(ValueError, match=r"05_cifar10\.ipynb, where they were changed .* `git checkout` restores"):
        outputs.check(notebook, tmp_path / "05_cifar10.ipynb")
    assert not outputs.unchanged(new_notebook())
