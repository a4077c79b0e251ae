"""A recorded toy chapter, for the tests of summaries and of the audit; a built page, for those of extensions."""

import pytest
from bs4 import BeautifulSoup
from helpers.chapters import record_toy_runs, toy_environment
from sphinx.testing.util import SphinxTestApp

CONF = "extensions = ['myst_parser', 'companion.build.{}']\nmyst_enable_extensions = ['dollarmath']\n"


@pytest.fixture(scope="session")
def recorded_toy(tmp_path_factory):
    """The folders of a book with one chapter that trains on digits, recorded once, and its store."""
    folder = tmp_path_factory.mktemp("toy")
    with toy_environment(folder):
        return record_toy_runs(folder)


@pytest.fixture(scope="module")
def toy(recorded_toy):
    """The same folders, while commands find the store of the toy chapter and no CIFAR-10."""
    with toy_environment(recorded_toy.book.parent):
        yield recorded_toy


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
