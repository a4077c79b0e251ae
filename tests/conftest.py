"""What all tests share."""

import os
from contextlib import suppress

# Before NumPy and torch are imported, here and in child processes: on small arrays the second thread of a pool only
# waits, and a waiting thread is a busy one. Tests of threads ask for their number.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import matplotlib
import matplotlib.pyplot as plt
import pytest
from helpers.engines import ENGINES
from hypothesis import settings

from companion.build import execute, notebooks
from companion.pages import render
from companion.pages.browser import NAMES, find_browser
from l2h.data import sources as data_sources
from l2h.plotting import style

matplotlib.use("Agg")

# The same examples in every run; a busy machine is no failure.
settings.register_profile("book", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("book")

CHROMIUM = None
with suppress(FileNotFoundError):
    CHROMIUM = find_browser()
BROWSER_TESTS = [f"book/{name}.py" for name in ("test_browser", "test_browser_figures", "test_reading")]
# Without a browser its tests do not exist, and the summary says so; L2H_BROWSER=required makes that a failure.
collect_ignore = [] if CHROMIUM or os.environ.get("L2H_BROWSER") == "required" else BROWSER_TESTS


def pytest_terminal_summary(terminalreporter):
    if collect_ignore:
        terminalreporter.section("browser")
        terminalreporter.write_line("The browser part did not run: no Chromium is installed.")
    if "triton" not in ENGINES:
        terminalreporter.section("triton")
        terminalreporter.write_line(
            "Triton did not run: its wheel is not installed (see .ci/triton), only a stub of it."
        )


@pytest.fixture(scope="session")
def chromium():
    """The installed browser."""
    assert CHROMIUM, f"L2H_BROWSER=required, but none of {', '.join(NAMES)} is on the PATH"
    return CHROMIUM


@pytest.fixture(scope="session")
def quick():
    """The folders of all chapters executed at `quick`, for the data at hand and for digits."""
    sources = ("digits",) if data_sources.find_cifar10() is None else ("cifar10", "digits")
    folders = notebooks.Folders()
    return {
        source: execute.execute_chapters("quick", notebooks.chapter_names(), folders, source=source)
        for source in sources
    }


@pytest.fixture(scope="session")
def built_book(quick, tmp_path_factory):
    """The folder of the rendered pages, of the chapters executed at `quick` on the data at hand."""
    executed = quick.get("cifar10", quick["digits"])
    return render.render(executed, tmp_path_factory.mktemp("book") / "html").parent


@pytest.fixture
def ax():
    """Axes in the book's style, drawn once at the end, so that a warning while drawing fails."""
    with style.style():
        figure, axes = plt.subplots()
        yield axes
        figure.canvas.draw()
    plt.close(figure)
