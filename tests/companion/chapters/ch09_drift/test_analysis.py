"""Analysis of chapter 09: windowed metrics, delays, loss reductions and simultaneous intervals."""

import numpy as np
import pytest
from helpers.drift import COSTS, toy_system
from helpers.samples import many
from hypothesis import given
from hypothesis import strategies as st
from oracles import drift
from scipy.stats import t as student

from companion.chapters.ch09_drift import analysis, experiments
from l2h.drift import detectors, monitoring
from l2h.drift.policies import EpisodeResult
from l2h.drift.streams import DRIFT_KINDS, Stream
from l2h.evaluation.metrics import system_loss
from l2h.problem import Costs, Predictions

GENERATOR = np.random.default_rng(0)


def result(loss, asked=None):
    loss = np.asarray(loss, dtype=float)
    asked = loss > 1 if asked is None else np.asarray(asked)
    return EpisodeResult(loss, asked, asked, loss, loss)


def random_losses(names, speeds=experiments.CHANGE_SPEEDS, seeds=5):
    return {(k, speed, n): GENERATOR.random(seeds) for k in DRIFT_KINDS for speed in speeds for n in names}


def sudden_results(policies, seeds=2, length=8):
    """Random results of some policies after every kind of sudden change."""
    return {
        (kind, "sudden"): {
            name: [result(GENERATOR.random(length), GENERATOR.random(length) < 0.5) for _ in range(seeds)]
            for name in policies
        }
        for kind in DRIFT_KINDS
    }


def test_losses_count_from_the_change_on():
    stream = Stream(np.array(["clean"] * 4), np.zeros(4, dtype=int), 1)
    change = ("fog", "sudden")
    found = analysis.losses_after_change({change: {"fixed": [result([9, 1, 2, 3])]}}, {change: [stream]})
    assert {key: values.tolist() for key, values in found.items()} == {("fog", "sudden", "fixed"): [2.0]}


def test_a_loss_reduction_is_averaged_over_kinds_seed_by_seed():
    losses = random_losses(["fixed", "x", "z"])
    expected = np.mean([losses[k, "gradual", "fixed"] - losses[k, "gradual", "x"] for k in ("fog", "jpeg")], axis=0)
    np.testing.assert_allclose(analysis.mean_loss_reduction(losses, "x", "gradual", ["fog", "jpeg"]), expected)
    np.testing.assert_allclose(
        analysis.mean_loss_reduction(losses, "x", baseline="z"),
        np.mean([losses[k, "sudden", "z"] - losses[k, "sudden", "x"] for k in DRIFT_KINDS], axis=0),
    )


def test_the_reduction_without_the_strongest_change_leaves_out_the_largest_loss():
    losses = random_losses(["fixed", "x"])
    losses["blur", "sudden", "fixed"] += 1.0
    expected = analysis.mean_loss_reduction(losses, "x", kinds=[kind for kind in DRIFT_KINDS if kind != "blur"])
    np.testing.assert_allclose(analysis.reduction_without_strongest_change(losses, "x"), expected)


@pytest.mark.parametrize("count", [1, 60])
def test_intervals_are_student_s_each_at_its_share_of_the_level(count):
    values = {name: GENERATOR.normal(size=5) for name in range(count)}
    for name, interval in analysis.simultaneous_intervals(values).items():
        half = student.ppf(1 - 0.025 / count, 4) * values[name].std(ddof=1) / np.sqrt(5)
        np.testing.assert_allclose(interval, [values[name].mean() + k * half for k in (0, -1, 1)])


def test_simultaneous_intervals_cover_all_means_at_their_level():
    generator, all_cover = np.random.default_rng(1), []
    for _ in range(400):
        values = {k: generator.normal(size=(5, 3)) @ generator.normal(size=3) for k in range(12)}
        all_cover.append(all(i.low <= 0 <= i.high for i in analysis.simultaneous_intervals(values).values()))
    assert 0.92 <= np.mean(all_cover) <= 0.99


def test_loss_reductions_leave_out_policies_that_were_not_simulated():
    losses = random_losses(["fixed", "x"]) | {("fog", "gradual", "z"): np.ones(5)}
    columns = {"all": ("sudden", DRIFT_KINDS), "fog": ("gradual", ["fog"])}
    found = analysis.loss_reductions(losses, ["x", "z"], columns)
    assert set(found) == {("all", "x"), ("fog", "x"), ("fog", "z")}
    assert found["fog", "z"].estimate == pytest.approx((losses["fog", "gradual", "fixed"] - 1).mean())


def test_reductions_by_kind_are_simultaneous_over_kinds_and_policies():
    losses = random_losses(["fixed", "x", "z"])
    found = analysis.reductions_by_kind(losses, ["x", "z"])
    values = losses["fog", "sudden", "fixed"] - losses["fog", "sudden", "z"]
    half = student.ppf(1 - 0.025 / (2 * len(DRIFT_KINDS)), 4) * values.std(ddof=1) / np.sqrt(5)
    assert found["fog"]["z"].high == pytest.approx(values.mean() + half) and list(found) == list(DRIFT_KINDS)


def test_metrics_are_measured_in_twentieths_of_the_stream():
    systems = [toy_system(seed) for seed in range(2)]
    drift_streams = experiments.sample_streams(systems[0].tables, length=400, seeds=2)
    predictions = experiments.sudden_predictions([system.tables for system in systems], drift_streams)
    monitored = analysis.monitor_systems({"fog": predictions["fog"]}, systems, costs=COSTS)
    second = monitoring.monitor(predictions["fog"][1], systems[1].tables["validation"], width=20, costs=COSTS)
    assert np.array_equal(monitored["fog"][1].loss, second.loss) and len(second.loss) == 20
    bands = analysis.metric_bands(monitored)["fog"]
    expected = (monitored["fog"][0].ks_distance + second.ks_distance) / 2
    assert bands["distance of r (KS)"].estimate == pytest.approx(expected)


def test_the_strongest_condition_has_the_largest_loss():
    systems = [toy_system(seed) for seed in range(2)]
    names = experiments.corruption_conditions([3, 4])
    totals = {name: sum(system_loss(s.tables[name], costs=COSTS) for s in systems) for name in names}
    assert totals[analysis.strongest_condition(systems, names, costs=COSTS)] == max(totals.values())


def test_delays_are_nan_where_nothing_was_found_and_false_alarms_count_without_a_change():
    alarms = {("r", "ADWIN"): {"fog": [np.array([5, 130]), np.array([])], "none": [np.array([7, 8]), np.array([9])]}}
    delays = analysis.detection_delays(alarms, change_point=100)["r", "ADWIN"]
    np.testing.assert_array_equal(delays, [[30.0, np.nan]])
    assert analysis.share_of_changes_found(delays).tolist() == [1.0, 0.0]
    assert analysis.false_alarm_rates(alarms, length=1000)["r", "ADWIN"].estimate == pytest.approx(15.0)


def test_alarms_are_those_of_each_detector_with_the_seed_of_the_system():
    systems = [toy_system(seed) for seed in range(2)]
    stationary = {"none": experiments.stationary_predictions(systems, length=400)}
    alarms = analysis.detect_alarms(systems, stationary)
    assert set(alarms) == {(signal, name) for signal in detectors.SIGNALS for name in detectors.DETECTORS}
    expected = detectors.detect(
        stationary["none"][1], systems[1].tables["validation"], signal="r", detector="KSWIN", seed=1
    )
    assert np.array_equal(alarms["r", "KSWIN"]["none"][1], expected)
    assert analysis.score_alarms_after_change(alarms) == {name: {} for name in detectors.DETECTORS}


def test_kswin_needs_the_distance_that_the_chapter_states():
    assert detectors._critical_distance(60, 1e-5) / 60 == pytest.approx(0.45, abs=0.02)


def test_means_over_changes_cost_and_offload_rates_are_those_of_the_results():
    results = sudden_results(["fixed", "x"])
    losses = np.array([[r.loss for r in results[k, "sudden"]["fixed"]] for k in DRIFT_KINDS])  # (kinds, S, T)
    asked = np.array([[r.asked for r in results[k, "sudden"]["fixed"]] for k in DRIFT_KINDS])
    cost = losses[:, :, 4:].mean(axis=(0, 2)) - losses[:, :, :4].mean(axis=(0, 2))
    np.testing.assert_allclose(analysis.cost_of_change(results), cost)
    shift = np.abs(asked[:, :, 4:].mean(axis=2) - asked[:, :, :4].mean(axis=2)).mean(axis=0)
    np.testing.assert_allclose(analysis.offload_rate_shift(results), shift)
    np.testing.assert_allclose(analysis.mean_over_changes(results, "fixed", "asked"), asked.mean(axis=(0, 2)))


def test_pseudo_labels_change_the_offload_rate_by_the_difference_after_the_change():
    results = sudden_results(["fixed", "recalibrated", "recalibrated, pseudo-labels"])
    after = [
        np.mean([[r.asked[4:].mean() for r in results[k, "sudden"][name]] for k in DRIFT_KINDS], axis=0)
        for name in ("recalibrated, pseudo-labels", "recalibrated")
    ]
    np.testing.assert_allclose(analysis.pseudo_label_offload_increase(results, "recalibrated"), after[0] - after[1])


def test_windows_of_the_stream_have_a_band_per_policy():
    results = {name: [result(np.arange(40.0)), result(np.arange(40.0) + 1)] for name in analysis.POLICIES_OVER_TIME}
    bands = analysis.window_bands(results, "loss")
    assert list(bands) == list(results) and bands["fixed"].estimate.tolist() == [2.0 * k + 1 for k in range(20)]


@given(st.integers(0, 10_000), st.floats(0, 3), st.floats(0, 1))
def test_the_bias_of_pseudo_labels_is_apparent_minus_actual_gain(seed, c1, ce):
    m, e, y = np.random.default_rng(seed).choice([-1, 1], (3, 20))
    p = Predictions(m, np.zeros(20), 1.0 * e, y)
    spoiled, lost = (m == y) & (e != y), (m != y) & (e != y)
    apparent, actual = drift.worth(m, e, y, c1, ce)
    ours = analysis.pseudo_label_bias(p, costs=Costs(c1, ce))
    np.testing.assert_allclose(ours, (1 + c1) * spoiled - (1 - c1) * lost, atol=1e-12)
    np.testing.assert_allclose(ours, np.subtract(apparent, actual), atol=1e-12)


def test_bounds_under_shift_add_their_terms_to_the_risk_bound():
    systems = [experiments.SystemWithRiskBound(toy_system(s).tables, np.array([-1.0, 0.0, 1.0]), 0.4) for s in (0, 1)]
    lines = analysis.losses_and_bounds_under_shift(systems, "fog", (1, 2), costs=COSTS)
    assert {values.shape for values in lines.values()} == {(2, 3)}
    assert (lines["bound without a shift"] == 0.4).all() and (lines["discrepancy"][:, 0] == 0.4).all()
    assert lines["measured loss"][1, 2] == system_loss(systems[1].tables["fog 2"], costs=COSTS)
    share = analysis.bound_violation_share({"fog": lines})
    np.testing.assert_allclose(share, (lines["measured loss"][:, 1:] > 0.4).mean(axis=1))


def test_devices_of_one_seed_are_joined_and_their_spread_is_taken_per_concentration():
    shares = {(a, s): np.array([a, s]) for a in (0.1, 1.0) for s in (0, 1)}
    losses = {key: {"fixed": np.array([0.0, key[0] + key[1]])} for key in shares}
    joined, by_policy = analysis.losses_of_all_devices(shares, losses, seed=1)
    assert joined.tolist() == [0.1, 1.0, 1.0, 1.0] and by_policy["fixed"].tolist() == [0.0, 1.1, 0.0, 2.0]
    spread = analysis.device_spread(losses, (0.1, 1.0), 2)
    np.testing.assert_allclose(spread["fixed"].estimate, [(0.05 + 0.55) / 2, (0.5 + 1.0) / 2])


def test_the_fixed_loss_counts_the_second_half():
    p = many(10)
    later = Predictions(p.m[5:], p.r[5:], p.e[5:], p.y[5:])
    found = analysis.fixed_loss_after_change({"fog": [p], "blur": [p]}, costs=COSTS)
    assert found.tolist() == [pytest.approx(system_loss(later, costs=COSTS))]
    assert analysis.class_losses(p, costs=COSTS)[0] == pytest.approx(
        system_loss(Predictions(*(v[p.y == -1] for v in (p.m, p.r, p.e, p.y))), costs=COSTS)
    )
