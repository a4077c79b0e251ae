"""Streams of predictions: what lands in them, what an observer sees, and what separates two distributions."""

import numpy as np
import pytest
from helpers.samples import many
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from oracles import drift, theory

from l2h.drift import monitoring, streams
from l2h.drift.streams import Stream
from l2h.evaluation import metrics, thresholds
from l2h.problem import Costs, Predictions

COSTS = Costs(1.0, 0.2)


def risks_at_thresholds(p, grid, *, costs):
    return np.array([metrics.system_loss(thresholds.with_threshold(p, t), costs=costs) for t in grid])


def test_a_stream_is_put_together_from_its_tables():
    tables = {"clean": many(20, seed=0), "noise 1": many(30, seed=1)}
    condition, position = np.array(["clean", "noise 1", "clean", "noise 1"]), np.array([3, 29, 3, 0])
    stream = streams.predictions_along(tables, Stream(condition, position, 1))
    for name in "mrey":
        expected = [getattr(tables[c], name)[i] for c, i in zip(condition, position, strict=True)]
        assert getattr(stream, name).tolist() == expected


def test_the_grid_reaches_from_always_keep_to_always_ask():
    p = many(500)
    grid = thresholds.threshold_grid(p.r, 11)
    losses = risks_at_thresholds(p, grid, costs=COSTS)
    assert len(grid) == 11 and (np.diff(grid) > 0).all()
    assert losses[0] == pytest.approx((p.m != p.y).mean())
    assert losses[-1] == pytest.approx(0.2 + (np.where(p.e >= 0, 1, -1) != p.y).mean())


@given(st.integers(0, 1000), st.integers(1, 40))
def test_the_error_curve_is_where_the_gradient_vanishes(seed, n):
    generator = np.random.default_rng(seed)
    r, wrong, weight = generator.normal(size=n), generator.random(n) < 0.4, generator.uniform(0, 5, n)
    curve = monitoring.fit_error_curve(r, wrong, weight=weight)
    residual = weight * (1 / (1 + np.exp(-(curve.intercept + curve.slope * r))) - wrong)
    gradient = [
        residual.sum() + monitoring.ERROR_CURVE_RIDGE * curve.intercept,
        residual @ r + monitoring.ERROR_CURVE_RIDGE * curve.slope,
    ]
    np.testing.assert_allclose(gradient, 0, atol=1e-3)


def test_the_error_curve_finds_the_law_and_survives_one_outcome():
    generator = np.random.default_rng(0)
    r = generator.normal(size=50_000)
    curve = monitoring.fit_error_curve(r, generator.random(len(r)) < 1 / (1 + np.exp(1 + 2 * r)))
    assert curve.intercept == pytest.approx(-1, abs=0.05) and curve.slope == pytest.approx(-2, abs=0.06)
    assert monitoring.fit_error_curve(r[:50], np.zeros(50)).probability(0.0) < 0.01


def test_what_is_watched_is_what_happened():
    stream, reference = many(1000, seed=1), many(400, seed=2)
    seen = monitoring.monitor(stream, reference, width=250, costs=COSTS)
    for k in range(4):
        part = slice(250 * k, 250 * (k + 1))
        window = Predictions(stream.m[part], stream.r[part], stream.e[part], stream.y[part])
        assert seen.offload_rate[k] == pytest.approx(metrics.offload_rate(window))
        assert seen.loss[k] == pytest.approx(metrics.system_loss(window, costs=COSTS))
        assert seen.observed_error[k] == pytest.approx((window.m != window.y).mean())
        assert seen.ks_distance[k] == pytest.approx(drift.largest_gap(window.r, reference.r))
        assert abs(seen.predicted_error[k] - seen.observed_error[k]) < 0.1 and seen.ks_p_value[k] > 1e-4
        stated = monitoring.fit_error_curve(reference.r, reference.m != reference.y).probability(window.r)
        assert seen.calibration_error[k] == pytest.approx(theory.calibration_error(stated, window.m != window.y, 5))
    assert seen.step.tolist() == [125, 375, 625, 875]


def test_what_changed_is_seen():
    before, after = many(1000, seed=1), many(1000, seed=2, client=0.3)
    seen = monitoring.monitor(after, before, width=500, costs=COSTS)
    assert (seen.ks_p_value < 1e-4).all()
    assert (seen.observed_error > 0.6).all() and (seen.predicted_error < seen.observed_error).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: thresholds.threshold_grid(np.ones(3), 2), "n_thresholds >= 3"),
        (lambda: thresholds.retuned(many(5), n_labels=5, costs=COSTS), "others"),
        (lambda: thresholds.retuned(many(5), n_labels=0, costs=COSTS), "labels"),
        (lambda: thresholds.threshold_grid(np.array([np.nan]), 3), "finite"),
        (lambda: monitoring.fit_error_curve(np.ones(2), np.ones(3)), "one length"),
        (lambda: monitoring.fit_error_curve(np.ones(0), np.ones(0)), "at least one"),
        (lambda: monitoring.fit_error_curve(np.ones(1), np.ones(1), weight=-np.ones(1)), "weight"),
        (lambda: monitoring.fit_error_curve(np.array([np.inf]), np.ones(1)), "finite"),
        (lambda: monitoring.monitor(many(5), many(5), width=6, costs=COSTS), "width"),
        (lambda: metrics.window_means([1.0], 0), "width"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_missing_table_is_missed():
    with pytest.raises(KeyError, match="fog"):
        streams.predictions_along({}, Stream(np.array(["fog 1"]), np.array([0]), 1))


def test_the_tuned_system_decides_at_its_best_threshold():
    metrics_text = {"validation": many(300, seed=1), "clean": many(300, seed=2)}
    tables = thresholds.tables_tuned_on_validation(metrics_text, costs=COSTS)
    shift = metrics_text["clean"].r - tables["clean"].r
    assert np.ptp(shift) < 1e-12 and np.ptp(metrics_text["validation"].r - tables["validation"].r) < 1e-12
    best = risks_at_thresholds(metrics_text["validation"], np.unique(metrics_text["validation"].r), costs=COSTS).min()
    assert metrics.system_loss(tables["validation"], costs=COSTS) <= best + 1e-12


def test_a_stream_of_a_kind_is_its_plan_filled():
    tables = {"clean": many(50, seed=1), "fog 2": many(50, seed=2)}
    stream = streams.predictions_along(tables, streams.sample_stream(tables, "fog", length=40, severity=2, seed=3))
    assert set(stream.r[:20]) <= set(tables["clean"].r) and set(stream.r[20:]) <= set(tables["fog 2"].r)


def test_setting_the_threshold_anew_uses_the_labelled_and_is_judged_on_the_others():
    p = many(400, client=0.3)
    moved = Predictions(p.m, p.r + 5, p.e, p.y)  # it keeps everything
    as_it_was, anew = thresholds.retuned(moved, n_labels=100, costs=COSTS, seed=1)
    order = np.random.default_rng(1).permutation(400)
    assert as_it_was.r.tolist() == moved.r[np.sort(order[100:])].tolist()
    assert metrics.system_loss(anew, costs=COSTS) < metrics.system_loss(as_it_was, costs=COSTS) - 0.1
    few = np.sort(order[:100])
    best = risks_at_thresholds(
        Predictions(p.m[few], p.r[few] + 5, p.e[few], p.y[few]), np.unique(p.r[few] + 5), costs=COSTS
    )
    chosen = as_it_was.r[0] - anew.r[0]
    assert best.min() == pytest.approx(best[np.argmin(np.abs(np.unique(p.r[few] + 5) - chosen))])


@given(st.sampled_from(["int8", "uint8"]).flatmap(lambda kind: arrays(kind, st.integers(1, 20))))
def test_a_grid_on_scores_of_8_bits_is_that_of_the_numbers_they_are(r):
    grid = thresholds.threshold_grid(r, 7)
    assert np.array_equal(grid, thresholds.threshold_grid(r.astype(float), 7))
    assert grid[0] < r.min() and grid[-1] > r.max()


def test_an_error_curve_on_scores_of_8_bits_is_that_of_the_numbers_they_are():
    r, wrong = np.array([-128, -128, 127, 127] * 9, np.int8), np.array([1, 0, 0, 0] * 9, np.uint8)
    assert monitoring.fit_error_curve(r, wrong) == monitoring.fit_error_curve(r.astype(float), wrong.astype(float))


@pytest.mark.parametrize("wrong", [-1, 2, np.nan])
def test_an_error_curve_of_what_is_no_event_is_refused(wrong):
    with pytest.raises(ValueError, match=rf"wrong in \{{0, 1\}}, got {wrong}"):
        monitoring.fit_error_curve(np.array([0.1, 0.2]), np.array([1, wrong]))
