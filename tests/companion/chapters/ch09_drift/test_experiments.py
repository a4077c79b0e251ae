"""Experiments of chapter 09: what is trained and stored, simulated policies, dependent inputs and devices."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.drift import COSTS, LAYERS, OPTIONS, toy_system
from oracles import drift

from companion.chapters.ch09_drift import bounds, experiments
from companion.chapters.parameters import settings_for
from l2h.drift import experts, streams
from l2h.drift.experts import FixedShareConfig
from l2h.drift.last_layer import LastLayers
from l2h.drift.policies import LastLayerInputs, simulate
from l2h.evaluation.metrics import system_loss
from l2h.problem import Costs, Predictions


def test_a_risk_bound_needs_a_client_that_saw_no_validation_image(systems):
    tables = {
        ("learning_to_help", client): [one.tables for one in systems] for client in ("as_released", "well_trained")
    }
    tuned = experiments.TunedSystems(tables, systems, (0, 0.0))
    found = experiments.systems_with_risk_bound(tuned, "well_trained", costs=COSTS)
    for one, given in zip(found, systems, strict=True):
        assert one.risk_bound == bounds.risk_bound(given.tables["validation"], costs=COSTS, delta=0.05)
        assert one.risk_bound > system_loss(one.tables["validation"], costs=COSTS) and len(one.thresholds) > 1
    with pytest.raises(ValueError, match="expected a client that saw no validation image, got 'as_released'"):
        experiments.systems_with_risk_bound(tuned, "as_released", costs=COSTS)


def test_every_kind_comes_at_both_speeds_with_every_seed(drift_streams):
    assert set(drift_streams) == {(kind, speed) for kind in streams.DRIFT_KINDS for speed in ("sudden", "gradual")}
    assert {c.change_point for (_, speed), both in drift_streams.items() if speed == "sudden" for c in both} == {200}
    assert {c.change_point for (_, speed), both in drift_streams.items() if speed == "gradual" for c in both} == {100}
    first, second = drift_streams["fog", "sudden"]
    assert len(first.image) == 400 and not np.array_equal(first.image, second.image)


def test_all_policies_are_simulated_and_those_with_pseudo_labels_order_no_label(systems, drift_streams):
    results = experiments.run_policies(systems, drift_streams["fog", "sudden"], **OPTIONS)
    assert {len(outcomes) for outcomes in results.values()} == {2}
    for name in ("re-estimated", "recalibrated"):
        pseudo = results[name + experiments.PSEUDO_LABEL_SUFFIX]
        assert not any(o.labelled.any() for o in pseudo) and all(o.labelled.any() for o in results[name])
        assert any((a.asked != b.asked).any() for a, b in zip(pseudo, results[name], strict=True))
    alone = experiments.run_policies(systems[:1], drift_streams["fog", "sudden"][:1], **OPTIONS)
    assert all((alone[name][0].loss == results[name][0].loss).all() for name in alone)


def test_layers_are_retrained_only_where_all_activations_were_stored(systems, drift_streams):
    few = [toy_system(0, stored=("clean", "fog 4"))]
    sudden, gradual = (
        experiments.run_policies(few, drift_streams["fog", speed][:1], **OPTIONS) for speed in experiments.CHANGE_SPEEDS
    )
    assert set(sudden) - set(gradual) == {f"alarm {w}, retrained" for w in ("r", "e", "r and e")}
    assert set(gradual) < set(sudden)


def test_alarms_of_any_detector_trigger_both_policies(systems, drift_streams):
    alarms = [np.array([210]), np.array([], dtype=int)]
    found = experiments.run_alarm_policies(systems, drift_streams["blur", "sudden"], alarms, **OPTIONS)
    assert list(found) == ["alarm r and e", "alarm r and e, retrained"]
    for first, second in found.values():
        assert first.labelled.sum() == 175 and not second.labelled.any()  # the stream ends before the burst
    fixed = experiments.run_policies(systems, drift_streams["blur", "sudden"], **OPTIONS)["fixed"]
    assert all((second.loss == fixed[1].loss).all() for _, second in found.values())


def test_regret_and_bound_are_those_of_the_whole_stream(systems, drift_streams):
    one = experiments.make_episode(systems[0], drift_streams["fog", "sudden"][0], seed=0, **OPTIONS)
    policy = experts.fixed_share_policy(systems[0].thresholds, **OPTIONS)
    outcome = one.simulate_policies({"experts": policy})["experts"]
    regret, bound = experiments.expert_regret(systems[0], one, outcome)
    keep, ask = drift.keep_and_ask(one.predictions.m, one.predictions.e, one.predictions.y, 1.0, 0.1)
    played = sum(q * a + (1 - q) * k for q, k, a in zip(outcome.propensity, keep, ask, strict=True))
    whole = [sum(drift.threshold_loss(one.predictions.r, keep, ask, t)) for t in systems[0].thresholds]
    assert regret[-1] >= played - min(whole) - 1e-9, "two thresholds in hindsight are at least as good as one"
    assert len(regret) == len(bound) == 400 and (np.diff(bound) >= -1e-12).all()


def test_every_system_is_checked_at_every_dwell_time(systems):
    options = {"length": 300, "width": 100, **OPTIONS}
    found = experiments.check_dependence_by_dwell_time(systems[:2], **options)
    assert list(found) == list(experiments.DWELL_TIMES) and {len(checks) for checks in found.values()} == {2}
    assert found[25][1] == experiments.check_dependence(systems[1], dwell_time=25, seed=1, **options)


def test_dependent_inputs_break_the_interval_and_not_the_regret_bound(systems):
    independent, dependent = (
        experiments.check_dependence(systems[0], dwell_time=dwell_time, length=3000, width=100, seed=0, **OPTIONS)
        for dwell_time in (1, 50)
    )
    assert (
        independent.outside_share <= 0.05 < 0.3 < dependent.outside_share
        and dependent.deviation > 3 * independent.deviation
    )
    assert set(independent.alarms) == {"ADWIN", "Page-Hinkley", "KSWIN"} and sum(dependent.alarms.values()) > sum(
        independent.alarms.values()
    )
    for one in (independent, dependent):
        assert one.regret < one.bound
    stay = streams.with_dwell_time(
        streams.sample_stream(systems[0].tables, None, length=3000, seed=0), dwell_time=50, seed=0
    )
    stream = streams.predictions_along(systems[0].tables, stay)
    wrong = np.where(stream.r <= 0, 0.1 + (np.where(stream.e >= 0, 1, -1) != stream.y), stream.m != stream.y)
    clean = systems[0].tables["clean"]
    expected = np.where(clean.r <= 0, 0.1 + (np.where(clean.e >= 0, 1, -1) != clean.y), clean.m != clean.y).mean()
    apart = wrong.reshape(30, 100).mean(axis=1) - expected
    assert dependent.deviation == pytest.approx(np.sqrt((apart**2).mean()))
    assert dependent.outside_share == pytest.approx((np.abs(apart) > 1.1 * np.sqrt(np.log(40) / 200)).mean())


def test_a_missing_table_is_an_error(systems, drift_streams):
    small = systems[0]._replace(tables={"clean": systems[0].tables["clean"]})
    with pytest.raises(KeyError, match="fog"):
        experiments.make_episode(small, drift_streams["fog", "sudden"][0], seed=0, **OPTIONS)


def test_systems_are_swept_with_their_dependencies_and_the_first_with_its_activations(monkeypatch):
    asked = []

    def sweep(configs, conditions):
        asked.append((configs, conditions))
        return [made(config, conditions) for config in configs]

    def made(config, conditions):
        one = toy_system(config.seed)
        p = {name: one.tables[name] for name in ("validation", *conditions.names)}
        scores = {name: {k: getattr(q, k) for k in "mrey"} for name, q in p.items()}
        layers = {"r": LAYERS.r, "e": LAYERS.e}
        return SimpleNamespace(
            config=config, scores=scores, predictions=lambda name: Predictions(**scores[name]), cpu_seconds=1.0,
            activations={name: one.activations[name] for name in conditions.with_activations}, last_layers=layers,
        )  # fmt: skip

    monkeypatch.setattr(experiments.shifted, "sweep_under_corruption", sweep)
    settings = replace(settings_for("09_drift", "quick"), seeds=2, clients=("as_released",), data="digits", sizes=())
    names = experiments.corruption_conditions(settings.severities)
    found = experiments.train_drift_systems(settings, experiments.drift_base_config(settings), names)
    assert list(found.tables) == [("learning_to_help", "as_released"), ("confidence", "as_released")]
    assert [len(view) for view in found.tables.values()] == [2, 2] == [len(found.first_systems), 2]
    # two clients, plain servers and joint trainings; confidence is not trained
    assert found.training_summary == (6, 6.0)
    stored = [conditions.with_activations for configs, conditions in asked if configs[-1].method == "learning_to_help"]
    assert stored == [found.first_systems[0].activations.keys() and tuple(found.first_systems[0].activations)]
    assert {"clean", "unseen", "noise 4", "contrast 1"} <= set(
        found.first_systems[0].activations
    ) and "noise 1" not in stored[0]
    for one, tables in zip(found.first_systems, found.tables["learning_to_help", "as_released"], strict=True):
        assert one.tables is tables and np.array_equal(one.layers.e, LAYERS.e) and len(one.thresholds) == 33


def test_only_policies_that_learn_from_labels_order_them():
    generator = np.random.default_rng(0)
    y = generator.choice([-1, 1], 1200)
    stream = Predictions(np.where(generator.random(1200) < 0.7, y, -y), generator.normal(size=1200), 1.0 * y, y)
    held_out = Predictions(stream.m[:300], stream.r[:300], stream.e[:300], stream.y[:300])
    costs, fixed_share = Costs(1.0, 0.25), FixedShareConfig(0.1, 0.05, 0.01, 25, 1)
    activations = LastLayerInputs(generator.normal(size=(1200, 2)), generator.normal(size=(1200, 1)))
    layers = LastLayers(np.ones(3), np.ones(2))
    system = experiments.TunedSystem({"validation": held_out}, {}, layers, np.array([-9.0, 0.0, 9.0]))
    episode = experiments.Episode(stream, activations, 600, costs, fixed_share, seed=0)
    policies = experiments.all_policies(system, episode, np.array([], dtype=int))
    ordered = {}
    for name, policy in policies.items():
        outcome = simulate(stream, policy, costs=costs, batch=25, delay=1, seed=0, activations=activations)
        ordered[name] = int(outcome.labelled.sum())
    assert all(ordered[name] == 0 for name in ordered if name.startswith(("fixed", "budget", "alarm")))
    triggered = {f"alarm {part}{end}" for part in ("r", "e", "r and e") for end in ("", ", retrained")}
    assert triggered == {name for name in ordered if name.startswith("alarm")}
    for name in ("re-estimated", "recalibrated"):  # the same policy: the simulation gives it pseudo-labels
        assert ordered[name + experiments.PSEUDO_LABEL_SUFFIX] == ordered[name] > 100
    assert ordered["change known"] == 200 and ordered["experts"] > 100 and ordered["recalibrated"] > 100


def test_the_losses_of_devices_follow_their_label_shares():
    generator = np.random.default_rng(0)
    y = generator.choice([-1, 1], 2000)
    m = np.where(generator.random(2000) < np.where(y == 1, 0.5, 1.0), y, -y)  # the client errs on one class only
    whole = Predictions(m, np.ones(2000), 1.0 * y, y)
    shares = np.array([0.0, 0.5, 1.0])
    found = experiments.device_losses(
        {"clean": whole, "validation": whole}, shares, length=4000, thresholds=np.array([0.0, 9.0]),
        costs=Costs(1.0, 0.2), seed=0,
    )  # fmt: skip
    np.testing.assert_allclose(found["fixed"], 0.5 * shares, atol=0.03)
    np.testing.assert_allclose(found["weighted"], [0.0, 0.2, 0.2], atol=0.03)  # it asks where that is cheaper
    assert set(found) == {"fixed", "budget", "weighted"}


def test_losses_on_devices_are_those_of_each_device(systems):
    shares, losses = experiments.losses_on_devices(systems, (0.1, 10.0), n_devices=2, costs=COSTS)
    assert set(shares) == set(losses) == {(a, seed) for a in (0.1, 10.0) for seed in (0, 1)}
    assert np.ptp(shares[10.0, 0]) < np.ptp(shares[0.1, 0]) + 1
    second = systems[1]
    alone = experiments.device_losses(
        second.tables, shares[0.1, 1], length=500, thresholds=second.thresholds, costs=COSTS, seed=1000
    )
    assert {name: values.tolist() for name, values in losses[0.1, 1].items()} == {
        name: values.tolist() for name, values in alone.items()
    }


def test_the_mean_regret_averages_the_kinds(systems, drift_streams):
    results = {
        (kind, "sudden"): experiments.run_policies(systems, drift_streams[kind, "sudden"], **OPTIONS)
        for kind in streams.DRIFT_KINDS
    }
    regret, bound = experiments.mean_expert_regret(systems, drift_streams, results, **OPTIONS)
    assert regret.shape == bound.shape == (2, 400)
    ends = []
    for kind in streams.DRIFT_KINDS:
        episode = experiments.make_episode(systems[1], drift_streams[kind, "sudden"][1], seed=1, **OPTIONS)
        ends.append([
            line[-1]
            for line in experiments.expert_regret(systems[1], episode, results[kind, "sudden"]["experts"][1])
        ])  # fmt: skip
    np.testing.assert_allclose([regret[1, -1], bound[1, -1]], np.mean(ends, axis=0))


@pytest.mark.parametrize("profile", ["quick", "paper", "full"])
def test_late_labels_make_up_more_than_half_of_the_worst_case_bound(profile):
    length = settings_for("09_drift", profile).length
    late = experiments.worst_case_regret_rates([length], costs=COSTS)[0]
    options = {"experts": experiments.N_EXPERTS, "costs": COSTS, "switches": 1, "steps": length}
    without_delay = experts.optimal_settings(batch=1, delay=0, **options)
    assert experts.fixed_share_regret_bound(without_delay, **options) / length < late / 2


def test_fixed_predictions_follow_the_streams(systems, drift_streams):
    found = experiments.sudden_predictions([system.tables for system in systems], drift_streams)
    assert list(found) == list(streams.DRIFT_KINDS)
    expected = streams.predictions_along(systems[1].tables, drift_streams["jpeg", "sudden"][1])
    assert np.array_equal(found["jpeg"][1].r, expected.r)
    stationary = experiments.stationary_predictions(systems, length=50)
    clean = systems[0].tables["clean"]
    assert len(stationary) == 2 and set(stationary[0].r) <= set(clean.r) and len(stationary[0].r) == 50
