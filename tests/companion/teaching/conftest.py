"""The built assignments, once for all tests of the coursework."""

import pytest

from companion.teaching import build


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The folder that holds the editions of every assignment."""
    folder = tmp_path_factory.mktemp("course")
    for name in build.assignment_names():
        build.build_assignment(name, folder / name)
    return folder
