"""Recorded toy chapters, for the tests of summaries and of the audit."""

import pytest
from helpers.chapters import DOMAIN_RUNS, record_toy_runs, toy_environment


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


@pytest.fixture(scope="session")
def recorded_domains(tmp_path_factory):
    """The folders of a book with one chapter that makes runs as chapter 10 does, recorded once."""
    folder = tmp_path_factory.mktemp("domains")
    with toy_environment(folder):
        return record_toy_runs(folder, "92_domains", DOMAIN_RUNS)


@pytest.fixture(scope="module")
def toy_domains(recorded_domains):
    """The same folders, while commands find the store of this chapter."""
    with toy_environment(recorded_domains.book.parent):
        yield recorded_domains
