"""A recorded toy chapter, for the tests of summaries and of the audit."""

import pytest
from helpers.chapters import execute_toy_runs


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The folders of a book with one chapter that trains on digits, recorded, and its store."""
    folder = tmp_path_factory.mktemp("toy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("L2H_RUNS", str(folder / "runs"))
        yield execute_toy_runs(folder, patch)
