"""What the API reference leaves out of a class."""

from typing import NamedTuple

from companion.pages.sphinx_api import skip_member
from l2h.serving.estimator.classifier import LearningToHelpClassifier


class Pair(NamedTuple):
    """Two numbers."""

    x: int

    def total(self):
        """Their sum."""


def test_fields_of_a_named_tuple_are_left_out_and_autodoc_decides_on_the_rest():
    assert skip_member(None, "class", "x", Pair.x, False, None) is True
    assert skip_member(None, "class", "total", Pair.total, False, None) is None


def test_methods_that_scikit_learn_adds_to_an_estimator_are_left_out():
    added = [name for name in dir(LearningToHelpClassifier) if name.startswith("set_") and name.endswith("_request")]
    assert "set_fit_request" in added
    for name in added:
        assert skip_member(None, "class", name, getattr(LearningToHelpClassifier, name), False, None) is True
    assert skip_member(None, "class", "report", LearningToHelpClassifier.report, False, None) is None
