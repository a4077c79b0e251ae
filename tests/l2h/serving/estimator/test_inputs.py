"""Inputs as the user gives them, and whether a fit used them before."""

import warnings

import numpy as np
import pandas
import pytest
import torch

from l2h.serving.estimator.inputs import as_given, digest, provenance, validation_options
from l2h.serving.estimator.report import UNKNOWN, UNUSED, row_hashes

X = np.arange(20, dtype=np.float32).reshape(10, 2)
Y = np.arange(10) % 2


def test_tensors_become_arrays_and_all_else_is_left_as_it_is():
    tensor = torch.ones(2, 3, requires_grad=True)
    assert isinstance(as_given(tensor), np.ndarray) and as_given(tensor).shape == (2, 3)
    table = pandas.DataFrame(X)
    assert as_given(table) is table


@pytest.mark.parametrize(
    ("inputs", "bytes_are_images", "dtype", "is_table"),
    [
        (X, True, np.float32, True),
        (X.tolist(), True, np.float32, True),
        (pandas.DataFrame(X), True, np.float32, True),
        (np.zeros((2, 8, 8), np.uint8), True, np.uint8, False),
        (torch.zeros((2, 8, 8), dtype=torch.uint8), True, np.uint8, False),
        (np.zeros((2, 8, 8), np.uint8), False, np.float32, False),
        (np.zeros((2, 8), np.uint8), True, np.float32, True),
    ],
)
def test_only_bytes_of_images_stay_bytes(inputs, bytes_are_images, dtype, is_table):
    options = validation_options(inputs, bytes_are_images=bytes_are_images)
    assert options == {"dtype": dtype, "ensure_2d": is_table, "allow_nd": not is_table}


def test_the_digest_changes_with_each_input_and_label():
    other_x, other_y = X.copy(), Y.copy()
    other_x[3, 1] += 1
    other_y[3] = 1 - other_y[3]
    assert digest(X, Y) == digest(X[::1].copy(), Y.copy())
    assert len({digest(X, Y), digest(other_x, Y), digest(X, other_y)}) == 3


def known(x=X, y=Y):
    return {"facts": {"sha256": digest(x, y)}, "known_rows": np.sort(row_hashes(x))}


def test_new_rows_are_unused_and_those_of_a_loaded_helper_unknown():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert provenance(X + 100, Y, **known()) == UNUSED
        assert provenance(X + 100, Y, facts=known()["facts"], known_rows=np.empty(0, "<u8")) == UNKNOWN


def test_rows_that_fit_used_are_refused_or_named():
    for rows in (X, X[::-1].copy()):
        with pytest.raises(ValueError, match="expected examples that fit did not use, got 10 of 10 rows that it used"):
            provenance(rows, Y, **known())
    with pytest.raises(ValueError, match="got 10 of 10 rows that it used"):
        provenance(X, Y, facts=known()["facts"], known_rows=np.empty(0, "<u8"))
    some = np.concatenate([X[:2], X + 100])
    with pytest.warns(UserWarning, match="2 of the 12 rows were used by fit, so that the report is too favourable"):
        assert provenance(some, np.zeros(12), **known()) == f"{UNUSED}, but 2 of them"


def test_rows_of_few_values_may_be_new_though_they_are_equal():
    few = np.tile(X[:2], (5, 1))
    with pytest.warns(UserWarning, match="3 of the 3 rows are equal to rows that fit used; whether they are new"):
        text = provenance(few[:3], Y[:3], **known(few))
    assert text == "examples of which 3 are equal to rows that fit used"
