"""Citations of pages: they are those of the project, and their day can be set."""

import re
import tomllib
from types import SimpleNamespace

import yaml
from helpers.small_book import make_small_book

from companion.build.notebooks import ROOT
from companion.pages import render, sphinx_pages

APP = SimpleNamespace(srcdir=ROOT)


def cited(page, title, doctree=True):
    """What a template receives."""
    context = {"title": title}
    sphinx_pages.add_citation(APP, page, "page.html", context, doctree or None)
    return context.get("citation")


def test_version_author_and_title_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    companion = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))
    assert project["version"] == companion["version"]
    text = cited("index", "Index")
    assert f"author = {{{{{companion['authors'][0]['name']}}}}}," in text
    assert f"howpublished = {{{companion['title']}, page" in text and f"Version {companion['version']}," in text


def test_the_day_is_that_of_the_build_unless_it_is_set(monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert re.search(r"rendered on \d{4}-\d\d-\d\d}", cited("index", "Index"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86399")
    assert "rendered on 1970-01-01}" in cited("index", "Index") and "year = {1970}" in cited("index", "Index")


def test_pages_with_a_text_can_be_cited():
    text = cited("api/l2h", "The <code>l2h</code> package &lt;1")
    assert "title = {{The l2h package <1}}" in text
    assert text.startswith("@misc{l2h-companion-api-l2h,\n")
    assert cited("search", "Search", doctree=False) is None


def test_another_version_is_another_book(tmp_path):
    digests = set()
    for version in ("0.1.0", "0.2.0"):
        root = make_small_book(tmp_path / version)
        path = root / sphinx_pages.CITATION_FILE
        path.write_text(path.read_text("utf8").replace("version: 0.1.0", f"version: {version}"), "utf8")
        render.stage_sources(root / "book", tmp_path / f"staged-{version}", root=root)
        digests.add(render.input_digest(tmp_path / f"staged-{version}"))
    assert len(digests) == 2
