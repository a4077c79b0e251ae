"""Costs, predictions and the sign rule."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from l2h.problem import Costs, Predictions, asks, server_label, system_output


def test_a_tie_of_the_rejector_asks_and_a_tie_of_the_server_answers_plus_one():
    assert asks(np.array([0.0]))[0]
    assert server_label(np.array([0.0]))[0] == 1
    assert server_label(torch.tensor([-0.0]))[0] == 1


def test_the_label_of_many_classes_is_the_largest_score():
    scores = [[0.1, 0.7, 0.2], [3.0, 2.0, 1.0]]
    assert server_label(np.array(scores)).tolist() == server_label(torch.tensor(scores)).tolist() == [1, 0]


@pytest.mark.parametrize("costs", [{"c1": -1.0}, {"ce": -0.1}, {"ce": float("nan")}, {"c1": float("inf")}])
def test_bad_costs_are_refused(costs):
    with pytest.raises(ValueError, match=r"finite c[1e] >= 0"):
        Costs(**costs)


def test_the_system_answers_m_where_it_keeps_and_e_where_it_asks():
    p = Predictions(m=np.array([1, -1, 1]), r=np.array([1.0, 0.0, -1.0]), e=np.array([-1.0, 1.0, -1.0]), y=np.ones(3))
    assert system_output(p).tolist() == [1, 1, -1]


def test_many_classes_pass_through():
    p = Predictions(
        m=np.array([2, 0]), r=np.array([1.0, -1.0]), e=np.array([[1.0, 0, 0], [0, 0, 1.0]]), y=np.array([2, 2])
    )
    assert system_output(p).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"r": np.zeros(3)}, "one length"),
        ({"e": np.zeros(3)}, "one length"),
        ({"r": np.zeros((2, 1))}, r"shape \(n,\)"),
        ({"r": np.array([np.nan, 0.0])}, "finite r"),
        ({"e": np.array([np.inf, 0.0])}, "finite e"),
        ({"y": np.array([0, 1])}, r"y in \{-1, \+1\}, got 0"),
        ({"m": np.array([2, 1])}, r"m in \{-1, \+1\}, got 2"),
    ],
)
def test_bad_predictions_are_refused(change, message):
    good = {"m": np.array([1, -1]), "r": np.zeros(2), "e": np.zeros(2), "y": np.array([1, 1])}
    with pytest.raises(ValueError, match=message):
        Predictions(**{**good, **change})


def test_no_example_is_refused():
    empty = np.zeros(0)
    with pytest.raises(ValueError, match="at least one example"):
        Predictions(m=empty, r=empty, e=empty, y=empty)


WHOLE = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


def exact(kind):
    """Five integers of a type that float64 holds."""
    low, high = max(-(2**53), np.iinfo(kind).min), min(2**53, np.iinfo(kind).max)
    return arrays(kind, 5, elements=st.integers(int(low), int(high)))


def on(n, **scores):
    return Predictions(**{"m": np.ones(n), "r": np.zeros(n), "e": np.zeros(n), "y": np.ones(n), **scores})


@given(st.sampled_from(WHOLE).flatmap(exact))
def test_integer_scores_of_any_width_become_floats_of_the_same_value(scores):
    p = on(5, r=scores, e=np.stack([scores, scores], axis=1), m=np.zeros(5), y=np.zeros(5))
    assert p.r.dtype == p.e.dtype == np.float64
    assert p.r.tolist() == p.e[:, 1].tolist() == scores.tolist()


def test_integer_scores_of_torch_become_floats_too():
    p = on(2, r=torch.tensor([-128, 5], dtype=torch.int8))
    assert p.r.dtype == np.float64 and p.r.tolist() == [-128, 5]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floating_point_scores_stay_as_they_are(kind):
    scores = np.array([0.1, -0.2], dtype=kind)
    p = on(2, r=scores, e=scores)
    assert p.r is scores and p.e is scores


def test_scores_of_16_bits_are_widened_since_their_differences_overflow():
    scores = np.array([-60000.0, 60000.0], dtype=np.float16)
    assert on(2, r=scores).r.dtype == np.float64 and on(2, r=scores).r.tolist() == [-60000.0, 60000.0]


@pytest.mark.parametrize("name", ["r", "e"])
@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.array([True, False]), "real numbers as {}, got bool"),
        (np.array([1j, 0]), "real numbers as {}, got complex128"),
        (np.array([1, 2], dtype=object), "real numbers as {}, got object"),
        (np.array([0, 2**53 + 1]), r"integers from -2\^53 to 2\^53 as {}"),
        (np.array([0, -(2**63)]), r"integers from -2\^53 to 2\^53 as {}"),
        (np.array([0, 2**64 - 1], dtype=np.uint64), r"integers from -2\^53 to 2\^53 as {}"),
    ],
)
def test_scores_that_are_no_real_numbers_or_would_be_rounded_are_refused(name, scores, message):
    with pytest.raises(ValueError, match=message.format(name)):
        on(2, **{name: scores})


@pytest.mark.parametrize("name", ["m", "y"])
@pytest.mark.parametrize("labels", [[-1, 1], [1, 2], [0, 0.5], [0, 9], [0, np.nan]])
def test_labels_that_are_not_the_numbers_of_the_classes_are_refused(name, labels):
    with pytest.raises(ValueError, match=rf"{name} in 0\.\.1, got"):
        on(2, **{"m": np.zeros(2), "y": np.ones(2), "e": np.eye(2), name: np.array(labels)})


def test_scores_of_three_axes_are_refused():
    with pytest.raises(ValueError, match=r"shape \(n,\) or \(n, K\), got shape \(2, 2, 1\)"):
        on(2, e=np.zeros((2, 2, 1)))


@pytest.mark.parametrize("name", ["m", "r", "e", "y"])
def test_lists_are_refused_by_name(name):
    with pytest.raises(ValueError, match=rf"{name} as an array.*, got a list"):
        on(2, **{name: [1.0, 1.0]})


def test_costs_as_text_are_refused():
    with pytest.raises(ValueError, match="finite c1 >= 0, got '1'"):
        Costs(c1="1")
