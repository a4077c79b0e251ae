"""The generalized 0-1 loss against its case distinction, on NumPy arrays and on tensors."""

import hypothesis.extra.numpy as numpy_strategies
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from oracles import theory

from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import Costs

costs = st.builds(Costs, c1=st.floats(0, 3), ce=st.floats(0, 3))
examples = numpy_strategies.arrays(float, (4, 7), elements=st.floats(-5, 5))


@given(values=examples, costs=costs)
def test_the_loss_is_the_case_distinction(values, costs):
    r, e, m, y = torch.tensor(values, dtype=torch.float64)
    m, y = torch.where(m >= 0, 1, -1), torch.where(y >= 0, 1, -1)
    expected = theory.generalized_zero_one(r.numpy(), e.numpy(), m.numpy(), y.numpy(), costs.c1, costs.ce)
    np.testing.assert_allclose(generalized_zero_one_loss(r, e, m, y, costs=costs), expected, rtol=1e-6, atol=1e-30)
    in_numpy = generalized_zero_one_loss(r.numpy(), e.numpy(), m.numpy(), y.numpy(), costs=costs)
    np.testing.assert_allclose(in_numpy, expected, rtol=1e-12)


@pytest.mark.parametrize("longer", ["r", "e", "m", "y"])
def test_arrays_of_unequal_length_are_refused(longer):
    arrays = {name: torch.ones(3 if name == longer else 2) for name in "remy"}
    with pytest.raises(ValueError, match="one length"):
        generalized_zero_one_loss(**arrays, costs=Costs())


def test_scores_of_one_input_do_not_spread_over_all_labels():
    two = np.ones(2)
    with pytest.raises(ValueError, match="one length"):
        generalized_zero_one_loss(two, np.ones((1, 3)), np.zeros(2), np.zeros(2), costs=Costs())


@pytest.mark.parametrize("array_of", [np.array, torch.tensor])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"m": [0.0, 1.0]}, r"m in \{-1, \+1\}, got 0"),
        ({"y": [1.0, float("nan")]}, r"y in \{-1, \+1\}, got nan"),
        ({"r": [1.0, float("nan")]}, "finite r"),
        ({"e": [1.0, float("nan")]}, "finite e"),
        ({"e": [[0.0, 1.0], [1.0, 0.0]]}, r"in 0\.\.1, got -1"),
    ],
)
def test_other_codings_and_nan_are_refused(array_of, change, message):
    good = {"r": [1.0, -1.0], "e": [1.0, -1.0], "m": [-1.0, 1.0], "y": [1.0, -1.0]}
    with pytest.raises(ValueError, match=message):
        generalized_zero_one_loss(
            **{name: array_of(values) for name, values in {**good, **change}.items()}, costs=Costs()
        )
