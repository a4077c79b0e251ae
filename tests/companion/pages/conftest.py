"""A built page, for the tests of extensions."""

import pytest
from bs4 import BeautifulSoup
from sphinx.testing.util import SphinxTestApp

CONF = "extensions = ['myst_parser', 'companion.pages.{}']\nmyst_enable_extensions = ['dollarmath']\n"


@pytest.fixture
def build_page(tmp_path):
    """Build a page with an extension of the book, by Sphinx alone; the page and the warnings."""

    def run(extension, text):
        (tmp_path / "conf.py").write_text(CONF.format(extension))
        (tmp_path / "index.md").write_text(f"# Page\n\n{text}\n")
        app = SphinxTestApp("html", srcdir=tmp_path)
        app.build()
        page = BeautifulSoup((app.outdir / "index.html").read_text("utf8"), "html.parser")
        warnings = app.warning.getvalue()
        app.cleanup()
        return page, warnings

    return run
