"""The parts of a fit's data."""

import numpy as np
import pytest

from l2h.serving.estimator.examples import split_rows


@pytest.mark.parametrize("n", [3, 10, 57, 400])
def test_the_parts_are_disjoint_stratified_and_complete(n):
    y = np.arange(n) % 2
    train, calibration, validation = split_rows(y, seed=3)
    parts = [train, validation] if np.array_equal(calibration, validation) else [train, calibration, validation]
    assert sorted(np.concatenate(parts)) == list(range(n)) and set(y[train]) == {0, 1}
    if n == 400:
        assert all(abs(y[part].mean() - 0.5) < 0.02 for part in parts)
