"""The built assignments and the variables of their masters, once for all tests of the coursework."""

from functools import cache

import pytest

from companion.build import notebooks
from companion.teaching import build


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The folder that holds the editions of every assignment."""
    folder = tmp_path_factory.mktemp("course")
    for name in build.assignment_names():
        build.build_assignment(name, folder / name)
    return folder


@pytest.fixture(scope="session")
def solutions():
    """The variables of every master after its execution, by the name of the assignment."""
    names = build.assignment_names()
    solved = {name: build.solution_variables(notebooks.read_source(name, build.COURSE)) for name in names}
    solved["05_intervals"]["experiment"] = cache(solved["05_intervals"]["experiment"])  # hundreds of calls, few seeds
    return solved
