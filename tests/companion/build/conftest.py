"""A recorded toy chapter, for the tests of summaries and of the audit; loggers that are as before after each test."""

import logging

import pytest
from helpers.chapters import execute_toy_runs


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The folders of a book with one chapter that trains on digits, recorded, and its store."""
    folder = tmp_path_factory.mktemp("toy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("L2H_RUNS", str(folder / "runs"))
        yield execute_toy_runs(folder, patch)


@pytest.fixture(autouse=True)
def _loggers():
    """A command that is called in this process turns the packages' loggers up."""
    loggers = [logging.getLogger(name) for name in ("l2h", "companion")]
    before = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers
