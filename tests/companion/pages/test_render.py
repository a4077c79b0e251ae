"""Rendering: what is staged, what is refused, and that the last good book survives a bad build."""

import errno
import json
import os
import shutil
import subprocess
import sys
from base64 import b64encode
from functools import partial

import pytest
from bs4 import BeautifulSoup
from helpers.small_book import cell, make_small_book, notebook

from companion.build import beside, notebooks, outputs
from companion.pages import render


@pytest.fixture
def root(tmp_path):
    """A repository with the smallest book: one plain page and one chapter, executed."""
    return make_small_book(tmp_path / "repository")


def executed(root, content):
    if "l2h" in content["metadata"]:
        outputs.write_digest(content)
    (root / "book" / "01_problem.ipynb").write_text(json.dumps(content))


def staged(root, tmp_path):
    render.stage_sources(root / "book", tmp_path / "staged", root=root)
    return tmp_path / "staged"


def test_contents_and_chapters_of_the_real_book():
    assert render.page_names()[:2] == ["index", "notation"]
    assert set(render.listed_chapters()) == set(notebooks.chapter_names())


def test_one_format_of_each_chapter_is_staged(root, tmp_path):
    folder = staged(root, tmp_path)
    assert {path.name for path in folder.iterdir() if path.suffix in (".md", ".ipynb")} == {
        "index.md",
        "status.md",
        "01_problem.ipynb",
    }
    assert "book/" not in (folder / "_toc.yml").read_text()
    assert "| {doc}`01_problem` |" in (folder / "status.md").read_text()


def test_a_staged_chapter_ends_with_its_provenance(root, tmp_path):
    executed(root, notebook(cell("1"), l2h={"profile": "quick", "seconds": 2.0}))
    last = json.loads((staged(root, tmp_path) / "01_problem.ipynb").read_text())["cells"][-1]
    assert "Executed at the `quick` profile in 2.0 s" in last["source"]


def test_the_ledger_is_put_where_a_plain_page_asks_for_it(root, tmp_path):
    (root / "book" / "index.md").write_text(f"# Index\n\n{render.LEDGER_MARKER}\n\nThe end.\n")
    text = (staged(root, tmp_path) / "index.md").read_text()
    assert '<th scope="row">open</th><td>1</td>' in text and text.endswith("\n\nThe end.\n")
    assert render.LEDGER_MARKER not in text
    names = {path.name for path in (tmp_path / "staged").rglob("*.yml")}
    assert names == {"_config.yml", "_toc.yml"}  # the ledger's files are no pages


def test_the_landing_page_shows_the_figure_of_the_record_where_there_is_one(root, tmp_path):
    def figure(png, profile):
        shown = {"output_type": "display_data", "data": {"image/png": b64encode(png).decode()}, "metadata": {}}
        metadata = {"tags": ["landing-figure"], "mystnb": {"image": {"alt": "Curves."}}}
        return notebook(cell("1", metadata=metadata, outputs=[shown]), l2h={"profile": profile, "seconds": 2.0})

    (root / "book" / "index.md").write_text(f"# Index\n\n{render.LEDGER_MARKER}\n")
    executed(root, figure(b"small", "quick"))
    quick = shutil.copytree(root / "book", tmp_path / "quick")
    executed(root, figure(b"large", "paper"))
    for number, (png, text) in enumerate([(b"large", "`paper` profile"), (b"small", "A small run")]):
        folder = tmp_path / f"staged{number}"
        render.stage_sources(quick, folder, root=root)
        assert (folder / "landing.png").read_bytes() == png and text in (folder / "index.md").read_text()
        (root / "book" / "01_problem.ipynb").unlink(missing_ok=True)


def test_the_title_of_a_chapter_is_its_first_heading():
    assert render.chapter_title({"cells": [{"source": ["# The problem\n", "\n", "Text."]}]}) == "The problem"


def test_a_missing_chapter_is_refused(root, tmp_path):
    (root / "book" / "01_problem.ipynb").unlink()
    with pytest.raises(FileNotFoundError, match=r"01_problem\.ipynb, found none; `make book`"):
        staged(root, tmp_path)


def test_a_failed_chapter_is_refused(root, tmp_path):
    executed(root, notebook(cell("1 / 0"), papermill={"exception": True}))
    with pytest.raises(ValueError, match="whose execution failed"):
        staged(root, tmp_path)


def test_a_chapter_that_was_never_executed_is_refused(root, tmp_path):
    executed(root, notebook(cell("1", execution_count=None)))
    with pytest.raises(ValueError, match="never executed"):
        staged(root, tmp_path)


def test_a_chapter_with_edited_outputs_is_refused(root, tmp_path):
    shown = {"output_type": "stream", "name": "stdout", "text": ["0.2\n"]}
    executed(root, notebook(cell("1", outputs=[shown]), l2h={"profile": "paper", "seconds": 2.0}))
    path = root / "book" / "01_problem.ipynb"
    path.write_text(path.read_text().replace("0.2", "0.9"))
    with pytest.raises(ValueError, match=r"01_problem\.ipynb, where they were changed after its execution"):
        staged(root, tmp_path)


def test_a_chapter_with_edited_numbers_of_figures_is_refused(root, tmp_path):
    executed(
        root, notebook(cell("1"), l2h={"profile": "paper", "seconds": 2.0, "figures": beside.text_digest("x\n1\n")})
    )
    (root / "book" / "01_problem.figures.csv").write_text("x\n2\n")
    with pytest.raises(ValueError, match=r"got a changed or missing 01_problem\.figures\.csv"):
        staged(root, tmp_path)


def test_the_digest_depends_on_every_staged_file(root, tmp_path):
    folder = staged(root, tmp_path)
    before = render.input_digest(folder)
    assert render.input_digest(folder) == before
    (folder / "index.md").write_text("# Index, changed\n")
    changed = render.input_digest(folder)
    (folder / "index.md").rename(folder / "other.md")
    assert len({before, changed, render.input_digest(folder)}) == 3


STAGE = """
import sys
from pathlib import Path
from companion.pages import render
render.stage_sources(render.ROOT / "book", Path(sys.argv[1]))
print(render.input_digest(Path(sys.argv[1])))
"""


def test_the_real_book_is_staged_alike_whatever_the_order_of_sets(tmp_path):
    digests, texts = [], []
    for seed in ("1", "2"):
        run = [sys.executable, "-c", STAGE, str(tmp_path / seed)]
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(notebooks.ROOT)}
        digests.append(subprocess.run(run, env=environment, check=True, capture_output=True, text=True).stdout)
        files = [path for path in (tmp_path / seed).rglob("*") if path.is_file()]
        texts.append({path.relative_to(tmp_path / seed): path.read_bytes() for path in files})
    assert texts[0].keys() == texts[1].keys()
    assert [path.name for path in texts[0] if texts[0][path] != texts[1][path]] == []
    assert digests[0] == digests[1] and len(digests[0].strip()) == 64


def test_a_book_is_built_once_kept_on_failure_and_replaced_when_good(root, tmp_path, monkeypatch):
    html = tmp_path / "out" / "html"
    html.mkdir(parents=True)  # an empty folder loses nothing
    monkeypatch.setattr(render, "stage_sources", partial(render.stage_sources, root=root))
    index = render.render(root / "book", html)
    assert index == html / "index.html" and "<h1>Index" in index.read_text()
    home = BeautifulSoup((html / "01_problem.html").read_text("utf8"), "html.parser").select("a.navbar-brand")
    assert [(link["href"], link.parent.name, link.parent.get("aria-label")) for link in home] == [
        ("index.html", "nav", "Home")
    ]
    first = index.stat().st_ino

    render.render(root / "book", html)
    assert index.stat().st_ino == first  # nothing changed, nothing was built

    (root / "book" / "index.md").write_text("# Index\n\nSee {doc}`nowhere`.\n")
    with pytest.raises(RuntimeError, match=r"the last good one is kept(.|\n)*nowhere"):
        render.render(root / "book", html)
    assert index.stat().st_ino == first

    (root / "book" / "index.md").write_text("# Another index\n\nSee {doc}`01_problem`.\n")
    render.render(root / "book", html)
    assert "<h1>Another index" in index.read_text()
    assert sorted(path.name for path in html.parent.iterdir()) == ["html"]  # nothing is left lying about


@pytest.mark.parametrize("made", ["thesis.tex", "photos/one.png", "html/.inputs.sha256"])
def test_a_folder_with_files_of_others_is_refused_before_anything_is_built(tmp_path, made):
    mine = tmp_path / "mine" / made
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(FileExistsError, match=rf"an empty folder or a book built before, got {tmp_path / 'mine'}"):
        render.render(tmp_path / "no notebooks", tmp_path / "mine")
    assert mine.read_text() == "mine" and [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_file_or_a_link_to_nothing_in_the_place_of_the_book_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError, match=f"got {tmp_path / name}"):
            render.render(tmp_path / "no notebooks", tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine" and (tmp_path / "link").is_symlink()


def test_the_old_book_comes_back_if_the_new_one_cannot_be_put_in_its_place(tmp_path):
    html = tmp_path / "html"
    html.mkdir()
    (html / "index.html").write_text("old")
    (tmp_path / "work").mkdir()
    with pytest.raises(FileNotFoundError):
        render.replace_folder(tmp_path / "work" / "missing", html)
    assert (html / "index.html").read_text() == "old"


@pytest.mark.parametrize(("replaced", "kept"), [(1, "old"), (2, "new")])
def test_a_book_is_there_if_a_signal_comes_right_after_a_replacement(tmp_path, monkeypatch, replaced, kept):
    html, fresh = tmp_path / "html", tmp_path / "work" / "fresh"
    replacements = []

    def replace(path, target):
        path.rename(target)
        replacements.append(path)
        if len(replacements) == replaced:
            raise KeyboardInterrupt

    for folder, text in ((html, "old"), (fresh, "new")):
        folder.mkdir(parents=True)
        (folder / "index.html").write_text(text)
    monkeypatch.setattr(render.Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        render.replace_folder(fresh, html)
    assert (html / "index.html").read_text() == kept


@pytest.mark.parametrize("moment", ["moved away", "replaced"])
def test_two_commands_that_replace_a_book_at_once_both_succeed(tmp_path, monkeypatch, moment):
    html, fresh, other = tmp_path / "html", tmp_path / "work" / "fresh", tmp_path / "other"
    for folder, text in ((html, "old"), (fresh, "new"), (other, "the other's")):
        folder.mkdir(parents=True)
        (folder / "index.html").write_text(text)
    moves = []

    def replace(path, target):
        moves.append(path)
        if moment == "moved away" and moves == [html]:
            html.rename(tmp_path / "moved")  # by the other command, which then puts its own there
        path.rename(target)
        if moment == "replaced" and moves == [html]:
            other.rename(html)

    monkeypatch.setattr(render.Path, "replace", replace)
    render.replace_folder(fresh, html)
    assert (html / "index.html").read_text() == "new" and not fresh.exists()


def test_a_place_that_stays_taken_is_an_error_in_the_end(tmp_path, monkeypatch):
    fresh = tmp_path / "work" / "fresh"
    fresh.mkdir(parents=True)
    moves = []

    def replace(path, target):
        moves.append(path)
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(target))

    monkeypatch.setattr(render.Path, "replace", replace)
    with pytest.raises(OSError, match="not empty"):
        render.replace_folder(fresh, tmp_path / "html")
    assert len(moves) == render.MAX_ATTEMPTS + 1


def test_the_command_prints_the_path(root, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(render, "render", lambda folder, html: html / "index.html")
    assert render.main([str(root), "--html", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'index.html'}\n"


def test_the_command_tells_an_error_in_words(tmp_path, capsys):
    assert render.main([str(tmp_path / "nothing"), "--html", str(tmp_path / "html")]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("expected an executed chapter") and "Traceback" not in err
