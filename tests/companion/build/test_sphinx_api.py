"""What the API reference leaves out of a class."""

from typing import NamedTuple

from companion.build.sphinx_api import skip_field


class Pair(NamedTuple):
    """Two numbers."""

    x: int

    def total(self):
        """Their sum."""


def test_fields_of_a_named_tuple_are_left_out_and_autodoc_decides_on_the_rest():
    assert skip_field(None, "class", "x", Pair.x, False, None) is True
    assert skip_field(None, "class", "total", Pair.total, False, None) is None
