"""Accuracy and loss against coverage: ties, ends, areas and thresholds against their plain definitions."""

import time
from dataclasses import replace

import numpy as np
import pytest
from helpers.samples import columns, costs, many, predictions, tied
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracles import evaluation, theory
from sklearn.metrics import roc_auc_score

from l2h.evaluation import metrics
from l2h.evaluation.curves import (
    accuracy_at_coverage,
    accuracy_coverage_curve,
    area_under_curve,
    auc_contributions,
    correctness_at_coverage,
    error_auroc_contributions,
    loss_curve,
)
from l2h.evaluation.thresholds import min_loss_threshold, with_threshold
from l2h.problem import Costs, Predictions

shares = st.floats(0, 1)


@given(p=predictions(), share=shares)
def test_accuracy_at_a_coverage_is_the_expectation_over_lots_among_ties(p, share):
    expected = theory.accuracy_at(*columns(p), share)
    assert accuracy_at_coverage(p, [share])[0] == pytest.approx(expected, abs=1e-9)
    assert correctness_at_coverage(p, [share]).mean() == pytest.approx(expected, abs=1e-9)


@given(p=predictions(score=tied))
def test_the_curve_has_one_point_for_each_threshold(p):
    curve = accuracy_coverage_curve(p)
    assert len(curve.coverage) == len(set(p.r)) + 1
    for coverage, accuracy, threshold in zip(*curve, strict=True):
        assert coverage == pytest.approx(sum(r > threshold for r in p.r) / len(p.r), abs=1e-9)
        assert accuracy == pytest.approx(1 - theory.loss_above(*columns(p), threshold, c1=1, ce=0), abs=1e-9)


@given(p=predictions(), **costs)
def test_the_loss_curve_is_the_loss_at_each_threshold(p, c1, ce):
    curve = loss_curve(p, costs=Costs(c1=c1, ce=ce))
    for loss, threshold in zip(curve.loss, curve.threshold, strict=True):
        assert loss == pytest.approx(theory.loss_above(*columns(p), threshold, c1, ce), abs=1e-9)
        assert metrics.system_loss(with_threshold(p, threshold), costs=Costs(c1=c1, ce=ce)) == pytest.approx(
            loss, abs=1e-9
        )


@given(p=predictions())
def test_the_curve_runs_from_the_server_to_the_client(p):
    curve, (m_right, e_right) = accuracy_coverage_curve(p), metrics.client_server_correctness(p)
    assert (curve.coverage[0], curve.coverage[-1]) == (0, 1)
    assert (curve.accuracy[0], curve.accuracy[-1]) == pytest.approx((e_right.mean(), m_right.mean()))
    assert (np.diff(curve.coverage) > 0).all()
    assert (np.diff(curve.threshold) < 0).all()


@given(p=predictions())
def test_three_ways_to_one_area(p):
    area = area_under_curve(accuracy_coverage_curve(p))
    assert area == pytest.approx(theory.area(*columns(p)), abs=1e-9)
    assert auc_contributions(p).mean() == pytest.approx(area, abs=1e-9)
    assert 1 - area_under_curve(loss_curve(p, costs=Costs(c1=1, ce=0))) == pytest.approx(area, abs=1e-9)


@given(p=st.one_of(predictions(), predictions(score=tied)), **costs)
def test_the_area_under_the_loss_is_its_expectation_over_coverages_and_lots(p, c1, ce):
    for one in ((c1, ce), (0, 0)):  # the latter is the AUGRC
        area = area_under_curve(loss_curve(p, costs=Costs(*one)))
        assert area == pytest.approx(theory.loss_area(*columns(p), *one), abs=1e-9)


@given(p=predictions(), **costs)
def test_one_class_alone_is_like_any_other_slice(p, c1, ce):
    label = int(p.y[0])
    one = metrics.split_by_class(p)[label]
    assert set(one.y) == {label}
    assert area_under_curve(accuracy_coverage_curve(one)) == pytest.approx(theory.area(*columns(one)), abs=1e-9)
    area = area_under_curve(loss_curve(one, costs=Costs(c1, ce)))
    assert area == pytest.approx(theory.loss_area(*columns(one), c1, ce), abs=1e-9)


@pytest.mark.parametrize("r", [1.0, -1.0])
def test_an_empty_subset_leaves_no_curve_undefined(r):
    p = replace(many(50), r=np.full(50, r))
    assert metrics.coverage(p) == (r > 0)
    assert area_under_curve(accuracy_coverage_curve(p)) == pytest.approx(theory.area(*columns(p)), abs=1e-9)
    assert np.isfinite(accuracy_coverage_curve(p).accuracy).all()


@given(p=predictions(score=tied), seed=st.integers(0, 5))
def test_neither_the_order_of_examples_nor_the_scale_of_scores_matters(p, seed):
    order = np.random.default_rng(seed).permutation(len(p.y))
    moved = Predictions(p.m[order], np.exp(p.r[order]), p.e[order], p.y[order])
    grid = np.linspace(0, 1, 7)
    np.testing.assert_allclose(accuracy_at_coverage(moved, grid), accuracy_at_coverage(p, grid), atol=1e-12)
    np.testing.assert_allclose(
        correctness_at_coverage(moved, grid), correctness_at_coverage(p, grid)[:, order], atol=1e-12
    )


def test_the_area_under_the_generalized_risk_is_known_for_a_perfect_and_a_useless_score():
    m, y, e = np.array([1, 1, 1, -1]), np.ones(4), np.ones(4)
    nothing = Costs(c1=0, ce=0)
    perfect = loss_curve(Predictions(m, np.array([4.0, 3.0, 2.0, 1.0]), e, y), costs=nothing)
    assert area_under_curve(perfect) == pytest.approx(0.25**2 / 2)  # rises only over the last quarter
    useless = loss_curve(Predictions(m, np.zeros(4), e, y), costs=nothing)
    assert area_under_curve(useless) == pytest.approx(0.25 / 2)


def test_one_score_for_all_is_a_straight_line():
    p = replace(many(100), r=np.zeros(100))
    m_right, e_right = (right.mean() for right in metrics.client_server_correctness(p))
    np.testing.assert_allclose(accuracy_at_coverage(p, [0, 0.3, 1]), [e_right, 0.7 * e_right + 0.3 * m_right, m_right])


@pytest.mark.parametrize("function", [accuracy_at_coverage, correctness_at_coverage])
@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_a_coverage_outside_0_and_1_is_refused(function, wrong):
    with pytest.raises(ValueError, match=r"expected coverages in \[0, 1\]"):
        function(many(10), [0.5, wrong])


@pytest.mark.parametrize("levels", [None, 100])
def test_a_million_predictions_take_less_than_a_second(levels):
    p = many(1_000_000, levels=levels)
    start = time.process_time()  # of this process alone: the machine may be busy
    area = area_under_curve(accuracy_coverage_curve(p))
    loss = area_under_curve(loss_curve(p, costs=Costs(c1=1, ce=0)))
    assert time.process_time() - start < 1
    assert area + loss == pytest.approx(1, abs=1e-9)


@given(p=predictions())
def test_the_ranking_of_errors_is_counted_pair_by_pair(p):
    values = error_auroc_contributions(p)
    assert values.shape == p.y.shape
    assert values.mean() == pytest.approx(evaluation.auroc(p.r, p.m == p.y), abs=1e-9)


def test_the_ranking_of_errors_agrees_with_scikit_learn_and_its_spread_with_resampling():
    p = many(400, levels=15)
    wrong = p.m != p.y
    values = error_auroc_contributions(p)
    assert values.mean() == pytest.approx(roc_auc_score(wrong, -p.r))
    generator = np.random.default_rng(0)
    draws = [generator.integers(400, size=400) for _ in range(600)]
    resampled = np.array([roc_auc_score(wrong[draw], -p.r[draw]) for draw in draws])
    linear = np.array([values[draw].mean() for draw in draws])
    assert np.std(linear) == pytest.approx(np.std(resampled), rel=0.05)
    assert np.corrcoef(linear, resampled)[0, 1] > 0.99


@st.composite
def quantised(draw):
    """Predictions whose scores are integers of 8 bits, and the same with scores in double precision."""
    p = draw(predictions())
    kind = draw(st.sampled_from(["int8", "uint8"]))
    r = draw(arrays(kind, len(p.r)))
    return replace(p, r=r), replace(p, r=r.astype(float))


@given(pair=quantised(), **costs)
def test_scores_of_8_bits_count_as_the_numbers_they_are(pair, c1, ce):
    priced = Costs(c1=c1, ce=ce)
    for p, exact in (pair, pair[::-1]):
        for curve, same in (
            (accuracy_coverage_curve(p), accuracy_coverage_curve(exact)),
            (loss_curve(p, costs=priced), loss_curve(exact, costs=priced)),
        ):
            assert all(np.array_equal(one, other) for one, other in zip(curve, same, strict=True))
            assert (np.diff(curve.threshold) < 0).all()
        assert min_loss_threshold(p, costs=priced) == min_loss_threshold(exact, costs=priced)
        for function in (auc_contributions, error_auroc_contributions):
            assert np.array_equal(function(p), function(exact))
        threshold = pair[0].r[0].astype("int8")
        assert np.array_equal(with_threshold(p, threshold).r, exact.r - float(threshold))


def test_the_lowest_score_of_8_bits_does_not_come_first():
    p = Predictions(m=np.ones(3), r=np.array([-128, 0, 9], np.int8), e=np.ones(3), y=np.ones(3))
    assert accuracy_coverage_curve(p).threshold.tolist() == [9, 0, -128, -256]


@given(p=predictions(), coverage=st.floats(0, 1))
def test_a_single_coverage_is_taken_as_one_of_many(p, coverage):
    assert np.array_equal(correctness_at_coverage(p, coverage), correctness_at_coverage(p, [coverage])[0])
