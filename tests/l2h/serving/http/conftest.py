"""The helper that most tests of the server use."""

import pytest
from helpers.serving import small_helper


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The folder of a helper for two classes and three numbers; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("small") / "helper"
    small_helper(folder)
    return folder
