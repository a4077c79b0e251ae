"""The budget holds in every run of inputs, and is used in full."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2h.serving.budget import OffloadBudget


@given(st.data())
def test_a_budget_holds_in_every_run_of_inputs(data):
    share = data.draw(st.sampled_from([0.05, 0.1, 0.3, 1 / 3, 0.5, 0.9, 1.0]))
    window = data.draw(st.integers(int(np.ceil(1 / share)) + 1, 60))
    budget = OffloadBudget(share, window=window)
    batches = data.draw(st.lists(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))))
    granted = [budget.take(inputs=n, wanted=wanted) for n, wanted in batches]
    assert all(0 <= got <= wanted for got, (_, wanted) in zip(granted, batches, strict=True))
    for first in range(len(batches)):
        for last in range(first, len(batches)):
            n = sum(n for n, _ in batches[first : last + 1])
            assert sum(granted[first : last + 1]) <= Fraction(str(share)) * (n + window)


def test_a_budget_is_used_in_full_by_a_device_that_always_asks():
    budget = OffloadBudget(0.1, window=10)
    assert [budget.take(inputs=1, wanted=1) for _ in range(1000)] == [1, *[0] * 8, *([1] + [0] * 9) * 99, 1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"share": 0.0}, "expected a finite share > 0"),
        ({"share": 1.01}, r"expected share in \[0, 1\]"),
        ({"share": float("nan")}, "expected a finite share > 0"),
        ({"window": 0}, "expected a whole window >= 1"),
        ({"window": 9}, r"expected a finite share \* window >= 1"),
    ],
)
def test_arguments_out_of_range_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        OffloadBudget(**{"share": 0.1, "window": 100, **wrong})
