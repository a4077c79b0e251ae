"""A Sphinx extension: how each page can be cited."""

import os
import re
import time
import tomllib
from datetime import UTC, datetime
from typing import Any

from sphinx.application import Sphinx

from companion.build.notebooks import ROOT

COMPANION_TITLE = "Learning To Help: the executable companion"
COMPANION_AUTHOR = "the authors of the Learning To Help companion"


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension; Sphinx calls this."""
    app.connect("html-page-context", add_citation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_citation(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Give the template the page's citation; pages without a text of their own, such as the search, have none.

    Args:
        app: unused, as is `templatename`.
        pagename: path of the page without suffix.
        templatename: of the template.
        context: of the template, to which `citation` is added.
        doctree: of the page; None if it has none.
    """
    if doctree is not None:
        title = re.sub(r"<[^>]+>", "", context["title"])
        context["citation"] = citation(pagename, title, version=version(), day=build_day())


def citation(page: str, title: str, *, version: str, day: str) -> str:
    r"""An entry of BibTeX for a page of the book.

    Args:
        page: path of the page without suffix.
        title: of the page.
        version: of the companion.
        day: of the rendering, as year-month-day.

    Returns:
        The entry.

    >>> print(citation("04_surrogate", "The surrogate", version="0.1.0", day="2026-11-30"))
    @misc{l2h-companion-04-surrogate,
      author = {{the authors of the Learning To Help companion}},
      title = {{The surrogate}},
      howpublished = {Learning To Help: the executable companion, page \texttt{04\_surrogate}},
      note = {Version 0.1.0, rendered on 2026-11-30},
      year = {2026}
    }
    """
    path = page.replace("_", r"\_")
    fields = {
        "author": f"{{{COMPANION_AUTHOR}}}",
        "title": f"{{{title}}}",
        "howpublished": rf"{COMPANION_TITLE}, page \texttt{{{path}}}",
        "note": f"Version {version}, rendered on {day}",
        "year": day[:4],
    }
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{l2h-companion-{re.sub('[^a-z0-9]+', '-', page)},\n{lines}\n}}"


def version() -> str:
    """The companion's version, of the checkout."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
    return str(project["version"])


def build_day() -> str:
    """Today, or the day of `SOURCE_DATE_EPOCH`, as year-month-day."""
    seconds = float(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
