"""Citations of pages: their version is the project's, their day can be set."""

import re
import tomllib

import yaml

from companion.build import sphinx_pages
from companion.build.notebooks import ROOT


def test_version_author_and_title_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))
    assert sphinx_pages.version() == project["version"] == cited["version"]
    assert cited["title"] == sphinx_pages.COMPANION_TITLE and cited["authors"] == [
        {"name": sphinx_pages.COMPANION_AUTHOR}
    ]


def test_the_day_is_that_of_the_build_unless_it_is_set(monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", sphinx_pages.build_day())
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86399")
    assert sphinx_pages.build_day() == "1970-01-01"


def test_pages_with_a_text_can_be_cited(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    contexts = [{"title": "The <code>l2h</code> package"}, {"title": "Search"}]
    sphinx_pages.add_citation(None, "api/l2h", "page.html", contexts[0], object())
    sphinx_pages.add_citation(None, "search", "search.html", contexts[1], None)
    assert "title = {{The l2h package}}" in contexts[0]["citation"]
    assert contexts[0]["citation"].startswith("@misc{l2h-companion-api-l2h,\n")
    assert "citation" not in contexts[1]
