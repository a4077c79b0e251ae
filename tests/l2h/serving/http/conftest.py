"""The helper that most tests of the server use, and a server of it."""

import pytest
from helpers.serving import small_helper

from l2h.serving.http.server import serving


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The folder of a helper for two classes and three numbers; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("small") / "helper"
    small_helper(folder)
    return folder


@pytest.fixture(scope="module")
def url(folder):
    """Where a server of this helper answers, in a thread of this process."""
    with serving(folder) as url:
        yield url
