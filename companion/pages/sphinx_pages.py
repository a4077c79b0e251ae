"""A Sphinx extension: how each page can be cited, by the companion's `CITATION.cff`, which lies beside the pages."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup
from sphinx.application import Sphinx
from sphinx.util.i18n import format_date

CITATION_FILE = "CITATION.cff"


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the extension; Sphinx calls this."""
    app.connect("html-page-context", add_citation)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def add_citation(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Give the template the page's citation; pages without a text of their own, such as the search, have none.

    The day is today, or that of `SOURCE_DATE_EPOCH`.

    Args:
        app: whose folder of sources has the companion's citation.
        pagename: path of the page without suffix.
        templatename: unused.
        context: of the template, to which `citation` is added.
        doctree: of the page; None if it has none.
    """
    if doctree is not None:
        companion = yaml.safe_load((Path(app.srcdir) / CITATION_FILE).read_text("utf8"))
        title, day = Markup(context["title"]).striptags(), format_date("%Y-%m-%d", language="en")
        context["citation"] = citation(pagename, title, companion, day=day)


def citation(page: str, title: str, companion: Mapping[str, Any], *, day: str) -> str:
    r"""An entry of BibTeX for a page of the book.

    Args:
        page: path of the page without suffix.
        title: of the page.
        companion: title, authors and version, as in `CITATION.cff`.
        day: of the rendering, as year-month-day.

    Returns:
        The entry.

    >>> companion = {"title": "The companion", "authors": [{"name": "its authors"}], "version": "0.1.0"}
    >>> print(citation("04_surrogate", "The surrogate", companion, day="2026-11-30"))
    @misc{l2h-companion-04-surrogate,
      author = {{its authors}},
      title = {{The surrogate}},
      howpublished = {The companion, page \texttt{04\_surrogate}},
      note = {Version 0.1.0, rendered on 2026-11-30},
      year = {2026}
    }
    """
    path = page.replace("_", r"\_")
    fields = {
        "author": " and ".join(f"{{{author['name']}}}" for author in companion["authors"]),
        "title": f"{{{title}}}",
        "howpublished": rf"{companion['title']}, page \texttt{{{path}}}",
        "note": f"Version {companion['version']}, rendered on {day}",
        "year": day[:4],
    }
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{l2h-companion-{re.sub('[^a-z0-9]+', '-', page)},\n{lines}\n}}"
