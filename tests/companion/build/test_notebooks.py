"""Chapters as files: what makes one stale, and what a record keeps of its execution."""

import copy
from importlib import import_module
from pathlib import Path

import jupytext
import nbformat
import pytest
from helpers.chapters import HEADER

from companion.build import notebooks, outputs
from companion.build.notebooks import (
    chapter_key,
    code_cells,
    execution_facts,
    is_fresh,
    read_source,
    same_source,
    with_outputs,
    without_local_details,
)
from l2h.experiments import run

OPENING = "```{code-cell} ipython3\n"
SOURCE = (
    HEADER.replace('"paper"', '"paper"  # how long').removesuffix(OPENING)
    + """Some prose.

```{code-cell} ipython3
---
l2h:
  tolerance: 0.02
  why: trained
---
from l2h.problem import asks

print(asks(-1))
```
"""
)


@pytest.fixture
def book(tmp_path):
    folder = tmp_path / "book"
    folder.mkdir()
    (folder / "91_toy.md").write_text(SOURCE)
    (folder / "index.md").write_text("# A plain page\n")
    return folder


@pytest.fixture
def source(book):
    return read_source("91_toy", book)


@pytest.fixture
def done(source):
    """The source as papermill leaves it: with an injected cell, its own notes, outputs and local paths."""
    notebook = copy.deepcopy(source)
    injected = nbformat.v4.new_code_cell('profile = "quick"', metadata={"tags": ["injected-parameters"]})
    notebook.cells.insert(2, injected)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(cells, 1):
        cell.update(execution_count=count)
        cell.metadata["papermill"] = {"duration": 0.1}
    home = f"{Path.home()}/data"
    picture = {"image/png": "iVBO/root/", "text/plain": f"<Figure> {home}", "text/html": f"<p>{notebooks.ROOT}/l2h"}
    cells[-1].outputs = [
        nbformat.v4.new_output("stream", text=f"{notebooks.ROOT}/l2h/x.py /tmp/ipykernel_12/3.py"),
        nbformat.v4.new_output("display_data", data=picture),
    ]
    notebook.metadata["papermill"] = {"input_path": "/a", "output_path": "/b", "duration": 1.5, "exception": None}
    key = chapter_key("91_toy", source, profile="paper", data=None)
    notebook.metadata["l2h"] = execution_facts(key, profile="paper", data=None, seconds=1.52)
    return notebook


def key(text, book, **changed):
    (book / "91_toy.md").write_text(text)
    return chapter_key("91_toy", read_source("91_toy", book), **{"profile": "paper", "data": None} | changed)


def test_chapters_are_the_pages_that_name_a_kernel(book):
    (book / "92_text.md").write_text("---\nlanguage: python\n---\n\nkernelspec:\n")
    (book / "93_empty.md").write_text("")
    (book / "94_line.md").write_text("A\nkernelspec:\n---\n")
    assert notebooks.chapter_names(book) == ["91_toy"]


def test_the_chapters_are_those_that_jupytext_gives_a_kernel():
    pages = (notebooks.ROOT / "book").glob("*.md")
    assert notebooks.chapter_names() == [
        page.stem for page in sorted(pages) if "kernelspec" in jupytext.read(page).metadata
    ]


def test_a_source_reads_the_same_each_time(book):
    assert read_source("91_toy", book) == read_source("91_toy", book)


@pytest.mark.parametrize(
    ("old", "new"), [("Some prose.", "Other prose."), ("# how long", "# why"), ("print(asks(-1))", "print( asks(-1) )")]
)
def test_prose_comments_and_layout_make_nothing_stale(book, old, new):
    assert key(SOURCE.replace(old, new), book) == key(SOURCE, book)


@pytest.mark.parametrize(("old", "new"), [("asks(-1)", "asks(1)"), ("problem import asks", "checks import one_of")])
def test_code_and_the_modules_it_uses_do(book, old, new):
    assert key(SOURCE.replace(old, new), book) != key(SOURCE, book)


def test_profile_data_and_torch_do(book, monkeypatch):
    data = {"source": "digits", "sha256": "0" * 64, "sizes": {}}
    before = key(SOURCE, book)
    assert key(SOURCE, book, profile="quick") != before
    assert key(SOURCE, book, data=data) != before
    assert key(SOURCE, book, data=data | {"sha256": "1" * 64}) != key(SOURCE, book, data=data)
    real = run.library_versions()
    monkeypatch.setattr(run, "library_versions", lambda: real | {"numpy": "9.9"})
    assert key(SOURCE, book) != before


def test_the_settings_of_a_chapter_count_and_those_of_others_do_not(monkeypatch):
    def key_at_quick():
        return chapter_key("01_problem", read_source("01_problem"), profile="quick", data=None)

    before = key_at_quick()
    for name, stale in (("ch05_cifar10", False), ("ch01_problem", True)):
        module = import_module(f"companion.chapters.{name}.settings")
        monkeypatch.setattr(module, "PROFILES", module.PROFILES[::-1])
        assert (key_at_quick() != before) is stale


def test_a_code_cell_that_is_not_python_is_refused(book):
    with pytest.raises(ValueError, match=r"expected plain Python in the code cells of 91_toy, got '%time 1"):
        key(SOURCE.replace("print(asks(-1))", "%time 1"), book)


def test_an_execution_is_put_under_the_present_text(book, done):
    (book / "91_toy.md").write_text(SOURCE.replace("Some prose.", "Other prose."))
    notebook = with_outputs(read_source("91_toy", book), done)
    assert notebook.cells[3].source == "Other prose."
    assert [cell.source for cell in notebook.cells if cell.cell_type == "code"][1] == 'profile = "quick"'
    assert code_cells(notebook)[-1].outputs == code_cells(done)[-1].outputs
    assert "papermill" not in code_cells(notebook)[-1].metadata
    assert notebook.metadata.papermill == {"duration": 1.5, "exception": None}


def test_a_record_converts_back_to_its_source_and_is_fresh(done, source):
    record = without_local_details(with_outputs(source, done))
    assert same_source(record, source)
    assert is_fresh("91_toy", record, source)
    assert not [cell for cell in record.cells if "injected-parameters" in cell.metadata.get("tags", ())]


def test_a_record_of_other_text_or_other_code_is_found(book, done, source):
    record = without_local_details(with_outputs(source, done))
    (book / "91_toy.md").write_text(SOURCE.replace("Some prose.", "Other prose."))
    assert not same_source(record, read_source("91_toy", book))
    assert is_fresh("91_toy", record, read_source("91_toy", book))
    (book / "91_toy.md").write_text(SOURCE.replace("asks(-1)", "asks(1)"))
    assert not is_fresh("91_toy", record, read_source("91_toy", book))
    (book / "91_toy.md").write_text(SOURCE.replace("tolerance: 0.02", "tolerance: 0.01"))
    assert not same_source(record, read_source("91_toy", book))


def test_every_form_that_is_kept_has_the_digest_of_its_own_outputs(done, source):
    notebook = with_outputs(source, done)
    forms = [notebook, without_local_details(notebook), without_local_details(notebook, images=False)]
    assert all(map(outputs.unchanged, forms))
    assert len({form.metadata.l2h.outputs for form in forms}) == 3  # with paths, without, and without pictures


def test_a_record_whose_outputs_were_edited_is_not_fresh(done, source):
    record = without_local_details(with_outputs(source, done))
    code_cells(record)[-1].outputs[0].text += "0.9\n"
    assert not is_fresh("91_toy", record, source)


def test_a_notebook_without_facts_is_not_fresh(source):
    assert not is_fresh("91_toy", source, source)


def test_a_record_names_no_path_of_this_machine_and_keeps_its_pictures(done, source):
    stream, picture = code_cells(without_local_details(with_outputs(source, done)))[-1].outputs
    assert stream.text == "l2h/x.py 3.py"
    assert picture.data == {"image/png": "iVBO/root/", "text/plain": "<Figure> ~/data", "text/html": "<p>l2h"}


@pytest.mark.parametrize("home", ["/", ""])
def test_a_home_that_is_the_root_hides_nothing_in_addresses_and_paths(done, source, monkeypatch, home):
    monkeypatch.setenv("HOME", home)
    code_cells(done)[-1].outputs[0].text = "https://a.org/x, //b.org and /data/y"
    stream, _ = code_cells(without_local_details(with_outputs(source, done)))[-1].outputs
    assert stream.text == "https://a.org/x, //b.org and /data/y"


def test_a_reference_does_without_pictures(done, source):
    _, picture = code_cells(without_local_details(with_outputs(source, done), images=False))[-1].outputs
    assert set(picture.data) == {"text/plain", "text/html"}


def test_facts_name_machine_and_versions():
    known = execution_facts("0" * 64, profile="quick", data=None, seconds=1.26)
    assert (known["seconds"], known["profile"], known["data"]) == (1.3, "quick", None)
    assert "cores" in known["machine"] and {"python", "torch", "numpy"} <= set(known["versions"])


def test_a_notebook_is_written_only_if_it_changed(tmp_path, source):
    path = tmp_path / "new" / "91_toy.ipynb"
    notebooks.write_notebook(path, source)
    before = path.stat().st_ino
    notebooks.write_notebook(path, source)
    assert path.stat().st_ino == before
    source.cells[0].source = "# Another"
    notebooks.write_notebook(path, source)
    assert notebooks.read_notebook(path).cells[0].source == "# Another"


def test_what_is_not_there_or_broken_is_no_notebook(tmp_path):
    (tmp_path / "broken.ipynb").write_text('{"cells": [')
    assert notebooks.read_notebook(tmp_path / "none.ipynb") is None
    assert notebooks.read_notebook(tmp_path / "broken.ipynb") is None


def test_a_key_depends_on_the_modules_as_they_are_now(book, monkeypatch):
    """Though they are read once for many chapters."""
    monkeypatch.setattr(notebooks, "ROOT", book.parent)
    (module := book.parent / "companion" / "toy.py").parent.mkdir()
    source, keys = SOURCE.replace("from l2h.problem import", "from companion.toy import"), []
    for threshold in (0, 10):
        module.write_text(f"def asks(r):\n    return r <= {threshold}\n")
        keys += [key(source, book), key(SOURCE, book), key(source, book)]
    assert keys[:3] == [keys[0], keys[1], keys[0]] and keys[3:] == [keys[3], keys[1], keys[3]] and len(set(keys)) == 3


def test_a_key_depends_on_the_tables_that_a_chapter_reads(book, monkeypatch):
    monkeypatch.setattr(notebooks, "ROOT", book.parent)
    without = key(SOURCE, book)
    (book / "91_toy.runs.csv").write_text("a\n1\n")  # a summary of its own runs
    assert key(SOURCE, book) == without
    (book / "91_toy.full.csv").write_text("a\n1\n")
    first = key(SOURCE, book)
    (book / "91_toy.full.csv").write_text("a\n2\n")
    assert len({without, first, key(SOURCE, book)}) == 3


@pytest.mark.parametrize("name", notebooks.EXCLUDED_FROM_KEYS)
def test_a_name_that_is_left_out_of_keys_is_that_of_one_function(name):
    paths = [path for package in ("l2h", "companion") for path in sorted((notebooks.ROOT / package).rglob("*.py"))]
    assert sum(f"\ndef {name}(" in path.read_text("utf8") for path in paths) == 1
