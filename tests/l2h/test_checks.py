"""Every guard lets good input pass and names what it expected and what came."""

import numpy as np
import pytest
import torch

from l2h import checks


@pytest.mark.parametrize("array_of", [np.array, torch.tensor])
def test_good_input_passes(array_of):
    signs, scores = array_of([1, -1]), array_of([0.5, 2.0])
    checks.same_length(a=signs, b=scores)
    checks.one_dimensional(a=signs, b=scores)
    checks.binary_labels(y=signs)
    checks.finite(r=scores)
    checks.probabilities(p=array_of([0.0, 1.0]))
    checks.probabilities(p=0.5)
    checks.at_least(0, ce=0.0)
    checks.positive(beta=2.0)
    checks.one_of(("a", "b"), name="a")


@pytest.mark.parametrize("array_of", [np.array, torch.tensor])
@pytest.mark.parametrize(
    ("guard", "values", "message"),
    [
        (checks.one_dimensional, [[1.0, 2.0]], r"shape \(n,\), got shape \(1, 2\)"),
        (checks.binary_labels, [1, 0], r"in \{-1, \+1\}, got 0"),
        (checks.finite, [1.0, float("nan")], "finite a, got 1 entries"),
        (checks.finite, [float("inf"), float("-inf")], "finite a, got 2 entries"),
        (checks.probabilities, [0.5, 1.5], r"in \[0, 1\]"),
        (checks.probabilities, [0.5, float("nan")], r"in \[0, 1\]"),
    ],
)
def test_bad_arrays_are_refused(array_of, guard, values, message):
    with pytest.raises(ValueError, match=message):
        guard(a=array_of(values))


def test_lengths_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match="one length, got r: 1, y: 3"):
        checks.one_dimensional(r=torch.zeros(1), y=torch.zeros(3))


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_bad_bounds_are_refused(value):
    with pytest.raises(ValueError, match="finite ce >= 0"):
        checks.at_least(0, ce=value)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_not_positive_is_refused(value):
    with pytest.raises(ValueError, match="finite beta > 0"):
        checks.positive(beta=value)


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="one of 'a', 'b', got 'c'"):
        checks.one_of(("a", "b"), name="c")


@pytest.mark.parametrize("array_of", [np.array, torch.tensor])
def test_labels_are_numbers_of_classes(array_of):
    checks.class_labels(3, a=array_of([0, 1, 2]))
    for value in (-1, 3, 0.5):
        with pytest.raises(ValueError, match=rf"a in 0\.\.2, got {value}"):
            checks.class_labels(3, a=array_of([0, value]))
