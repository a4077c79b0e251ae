"""Costs, predictions and the sign rule."""

import numpy as np
import pytest
import torch

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
