"""One system at its own threshold: loss, shares and the four-cell table against their plain definitions."""

import math

import numpy as np
import pytest
from helpers.samples import columns, costs, many, predictions
from hypothesis import given
from hypothesis import strategies as st
from oracles import theory

from companion.chapters.ch01_problem import analysis
from l2h.evaluation import calibration, metrics
from l2h.evaluation.metrics import SubsetAccuracy, split_by_class, table_one
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


@given(p=predictions())
def test_the_four_cells_are_counts_by_hand(p):
    for cell, expected in zip(table_one(p), theory.four_cells(*columns(p)), strict=True):
        assert cell == pytest.approx(expected, abs=1e-9, nan_ok=True)


@given(p=predictions())
def test_the_four_cells_of_the_classes_add_up_to_those_of_all(p):
    parts = [table_one(part) for part in split_by_class(p).values()]
    for name in ("kept", "asked"):
        whole, cells = getattr(table_one(p), name), [getattr(part, name) for part in parts]
        assert sum(cell.n for cell in cells) == whole.n
        right = sum(cell.n * cell.m for cell in cells if cell.n)
        assert whole.n == 0 or right / whole.n == pytest.approx(whole.m)


def test_an_empty_portion_has_no_accuracy():
    p = Predictions(m=np.array([1, -1]), r=np.array([0.0, -1.0]), e=np.array([1.0, 1.0]), y=np.array([1, 1]))
    assert table_one(p).asked == SubsetAccuracy(2, 0.5, 1.0, -0.5)
    assert table_one(p).kept.n == 0
    assert all(math.isnan(value) for value in table_one(p).kept[1:])


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
    assert table_one(split_by_class(p)[1]).asked == SubsetAccuracy(2, 0.0, 0.5, -0.5)
    assert metrics.client_server_correctness(p)[1].tolist() == [True, True, False, False]


def test_what_questions_buy():
    p = Predictions(
        m=np.array([1, -1, -1, 1]), r=np.array([1.0, 1.0, -1.0, -1.0]), e=np.array([1.0, 1, 1, -1]), y=np.ones(4)
    )
    assert analysis.gain_over_client(p) == 0.0  # one question mends a mistake, the other makes one
    assert analysis.gain_of_always_ask(p) == 0.25


# --- probabilities ----------------------------------------------------------------------------------------------------

forecasts = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 1.0]), st.booleans()), min_size=1, max_size=12
)


@given(pairs=forecasts, bins=st.integers(1, 5))
def test_the_calibration_error_is_counted_by_hand_and_does_not_depend_on_the_order(pairs, bins):
    p, happened = (np.array(column) for column in zip(*pairs, strict=True))
    expected = theory.calibration_error(p.tolist(), happened.tolist(), bins)
    assert calibration.calibration_error(p, happened, bins=bins) == pytest.approx(expected, abs=1e-12)
    assert calibration.calibration_error(p[::-1], happened[::-1], bins=bins) == pytest.approx(expected, abs=1e-12)
    assert calibration.reliability(p, happened, bins=bins).n.sum() == len(p)


@given(pairs=forecasts)
def test_scores_of_probabilities_are_their_formulas(pairs):
    brier = sum((p - h) ** 2 for p, h in pairs) / len(pairs)
    nats = [-math.log(min(max(p if h else 1 - p, 1e-6), 1 - 1e-6)) for p, h in pairs]
    p, happened = (np.array(column) for column in zip(*pairs, strict=True))
    assert calibration.brier_score(p, happened) == pytest.approx(brier, abs=1e-12)
    assert calibration.log_loss(p, happened) == pytest.approx(sum(nats) / len(nats), rel=1e-9)


def test_honest_probabilities_are_nearly_calibrated_and_others_are_not():
    generator = np.random.default_rng(0)
    p = generator.random(50_000)
    happened = generator.random(50_000) < p
    assert calibration.calibration_error(p, happened) < 0.01
    assert calibration.calibration_error(p**2, happened) > 0.1
    assert calibration.brier_score(p, happened) < calibration.brier_score(p**2, happened)
    assert calibration.log_loss(p, happened) < calibration.log_loss(p**2, happened)


@pytest.mark.parametrize("score", [calibration.calibration_error, calibration.brier_score, calibration.log_loss])
def test_what_is_no_forecast_is_refused(score):
    with pytest.raises(ValueError, match=r"p in \[0, 1\]"):
        score(np.array([1.5]), np.array([1]))
    with pytest.raises(ValueError, match="one length"):
        score(np.array([0.5]), np.array([1, 0]))
    with pytest.raises(ValueError, match="examples >= 1"):
        score(np.array([]), np.array([]))


def test_there_must_be_a_bin():
    with pytest.raises(ValueError, match="bins >= 1"):
        calibration.reliability(np.array([0.5]), np.array([1]), bins=0)


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


def test_forecasts_of_8_bits_count_as_the_numbers_they_are():
    p, happened = np.array([0, 1, 0], np.uint8), np.array([1, 1, 0], np.uint8)
    assert calibration.brier_score(p, happened) == pytest.approx(1 / 3)
    assert calibration.calibration_error(p, happened) == pytest.approx(calibration.calibration_error(1.0 * p, happened))


@pytest.mark.parametrize(
    "score", [calibration.brier_score, calibration.log_loss, calibration.reliability, calibration.calibration_error]
)
@pytest.mark.parametrize("wrong", [-1, 2, 0.5, np.nan])
def test_what_is_no_event_is_refused(score, wrong):
    with pytest.raises(ValueError, match=rf"happened in \{{0, 1\}}, got {wrong}"):
        score(np.array([0.1, 0.2]), np.array([1, wrong]))
