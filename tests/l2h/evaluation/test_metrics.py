"""One system at its own threshold: loss, accuracy and coverage against their plain definitions."""

import numpy as np
import pytest
from helpers.samples import columns, costs, many, predictions
from hypothesis import given
from hypothesis import strategies as st
from oracles import theory

from l2h.evaluation import metrics
from l2h.evaluation.metrics import split_by_class
from l2h.problem import Costs, Predictions


@given(p=predictions(), **costs)
def test_the_system_loss_is_the_mean_of_the_case_distinction(p, c1, ce):
    expected = theory.loss_above(*columns(p), threshold=0, c1=c1, ce=ce)
    assert metrics.system_loss(p, costs=Costs(c1=c1, ce=ce)) == pytest.approx(expected, abs=1e-9)
    assert metrics.loss_per_example(p, costs=Costs(c1=c1, ce=ce)).shape == p.y.shape


@given(p=predictions())
def test_accuracy_is_one_less_the_loss_where_both_mistakes_cost_one_and_questions_nothing(p):
    assert metrics.accuracy(p) == pytest.approx(1 - theory.loss_above(*columns(p), threshold=0, c1=1, ce=0), abs=1e-9)
    assert metrics.correctness(p).mean() == metrics.accuracy(p)


@given(p=predictions())
def test_what_is_kept_and_what_is_sent_are_everything(p):
    assert metrics.coverage(p) == pytest.approx(sum(r > 0 for r in p.r) / len(p.r))
    assert metrics.coverage(p) + metrics.offload_rate(p) == pytest.approx(1)
    assert metrics.keep_indicator(p).tolist() == [float(r > 0) for r in p.r]
    assert (metrics.keep_indicator(p) + metrics.ask_indicator(p) == 1).all()


def test_only_the_classes_that_occur_are_listed():
    p = many(10, y=np.ones(10, dtype=int))
    assert list(split_by_class(p)) == [1]
    for name in "mrey":
        np.testing.assert_array_equal(getattr(split_by_class(p)[1], name), getattr(p, name))
    assert list(split_by_class(many(100))) == [-1, 1]


def test_many_classes_keep_the_rows_of_their_scores():
    e = np.eye(3)[[0, 1, 2, 0]]
    p = Predictions(m=np.array([0, 0, 0, 0]), r=np.array([1.0, -1.0, -1.0, 1.0]), e=e, y=np.array([0, 1, 1, 2]))
    assert split_by_class(p)[1].e.tolist() == [[0, 1, 0], [0, 0, 1]]
    assert metrics.client_server_correctness(p)[1].tolist() == [True, True, False, False]


@given(rows=st.lists(st.tuples(*[st.integers(0, 2)] * 3, st.floats(-1, 1)), min_size=1, max_size=8), **costs)
def test_who_is_right_is_all_that_the_loss_depends_on(rows, c1, ce):
    m, e, y, r = map(np.array, zip(*rows, strict=True))
    coded = metrics.predictions_from_correctness(m == y, r, e == y)
    of_labels = Predictions(m=m, r=r, e=np.eye(3)[e], y=y)
    found, expected = (metrics.loss_per_example(p, costs=Costs(c1=c1, ce=ce)) for p in (coded, of_labels))
    assert np.array_equal(found, expected)
    assert np.array_equal(metrics.correctness(coded), metrics.correctness(of_labels))


@given(p=predictions(), **costs)
def test_the_reference_losses_are_those_of_fixed_and_all_knowing_decisions(p, c1, ce):
    found = metrics.reference_losses(p, costs=Costs(c1=c1, ce=ce))
    wrong_m = [m != y for m, y in zip(p.m, p.y, strict=True)]
    wrong_e = [theory.label(e) != y for e, y in zip(p.e, p.y, strict=True)]
    asked = [c1 * w + ce for w in wrong_e]
    n = len(wrong_m)
    assert found.never == pytest.approx(sum(wrong_m) / n)
    assert found.always == pytest.approx(sum(asked) / n)
    assert found.random == min(found.never, found.always)
    assert found.oracle == pytest.approx(sum(min(float(w), a) for w, a in zip(wrong_m, asked, strict=True)) / n)
    loss = metrics.system_loss(p, costs=Costs(c1=c1, ce=ce))
    assert found.oracle <= loss + 1e-9 and found.oracle <= found.random + 1e-9


def test_windows_of_one_step_are_the_values_and_a_rest_is_left_out():
    assert metrics.window_means([0.0, 1.0, 3.0], 1).tolist() == [0.0, 1.0, 3.0]
    assert metrics.window_means([0.0, 1.0, 3.0], 2).tolist() == [0.5]
    assert metrics.window_means([0.0, 1.0, 5.0], 3).tolist() == [2.0]


def test_the_correctness_of_each_part_is_one_or_zero_for_each_example():
    p = many(50, seed=3)
    client_right, server_right = metrics.client_server_correctness(p)
    for found, right in (
        (metrics.client_correctness(p), client_right),
        (metrics.server_correctness(p), server_right),
        (metrics.client_error_indicator(p), ~client_right),
    ):
        assert found.dtype == np.float64 and found.tolist() == [float(one) for one in right]
