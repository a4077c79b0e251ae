"""Systems and games of chapter 09: what is trained and kept, who plays, and what dependent inputs do."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.samples import many
from oracles import drift

from companion.chapters.ch09_drift import bounds, experiments
from companion.chapters.ch09_drift.experiments import TunedSystem
from companion.chapters.parameters import settings_for
from l2h.drift import experts, streams
from l2h.drift.experts import FixedShareConfig
from l2h.drift.last_layer import LastLayers
from l2h.drift.policies import last_layer_output
from l2h.evaluation import thresholds
from l2h.evaluation.metrics import system_loss
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Costs, Predictions

@pytest.fixture(scope="module")
def systems():
    return [toy_system(seed) for seed in range(2)]


@pytest.fixture(scope="module")
def drift_streams(systems):
    return experiments.sample_streams(systems[0].tables, length=400, seeds=2)


def test_a_promise_is_made_beside_a_client_that_saw_no_validation_image(systems):
    views = {
        ("learning_to_help", client): [one.tables for one in systems] for client in ("as_released", "well_trained")
    }
    said = experiments.TunedSystems(views, systems, (0, 0.0))
    found = experiments.systems_with_risk_bound(said, "well_trained", costs=COSTS)
    for one, given in zip(found, systems, strict=True):
        assert one.risk_bound == bounds.risk_bound(given.tables["validation"], costs=COSTS, delta=0.05)
        assert one.risk_bound > system_loss(one.tables["validation"], costs=COSTS) and len(one.thresholds) > 1
    with pytest.raises(ValueError, match="expected a client that saw no validation image, got 'as_released'"):
        experiments.systems_with_risk_bound(said, "as_released", costs=COSTS)


def test_every_kind_comes_in_both_ways_with_every_seed(drift_streams):
    assert set(drift_streams) == {(kind, way) for kind in streams.DRIFT_KINDS for way in ("sudden", "gradual")}
    assert {c.change_point for (_, way), both in drift_streams.items() if way == "sudden" for c in both} == {200}
    assert {c.change_point for (_, way), both in drift_streams.items() if way == "gradual" for c in both} == {100}
    first, second = drift_streams["fog", "sudden"]
    assert len(first.image) == 400 and not np.array_equal(first.image, second.image)


def test_all_remedies_play_and_those_without_labels_order_none(systems, drift_streams):
    played = experiments.run_policies(systems, drift_streams["fog", "sudden"], **OPTIONS)
    assert {len(outcomes) for outcomes in played.values()} == {2}
    for name in ("re-estimated", "recalibrated"):
        told = played[name + experiments.PSEUDO_LABEL_SUFFIX]
        assert not any(o.labelled.any() for o in told) and all(o.labelled.any() for o in played[name])
        assert any((a.asked != b.asked).any() for a, b in zip(told, played[name], strict=True))
    alone = experiments.run_policies(systems[:1], drift_streams["fog", "sudden"][:1], **OPTIONS)
    assert all((alone[name][0].loss == played[name][0].loss).all() for name in alone)


def test_layers_are_refitted_only_where_all_that_they_read_was_kept(systems, drift_streams):
    few = [toy_system(0, stored=("clean", "fog 4"))]
    at_once, by_degrees = (
        experiments.run_policies(few, drift_streams["fog", way][:1], **OPTIONS) for way in experiments.CHANGE_SPEEDS
    )
    assert set(at_once) - set(by_degrees) == {f"alarm {w}, retrained" for w in ("r", "e", "r and e")}
    assert set(by_degrees) < set(at_once)


def test_alarms_of_any_detector_set_both_networks_anew(systems, drift_streams):
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


def test_what_depends_on_its_neighbours_strays_while_the_regret_keeps_its_bound(systems):
    free, bound_ = (
        experiments.check_dependence(systems[0], dwell_time=stay, length=3000, width=100, seed=0, **OPTIONS)
        for stay in (1, 50)
    )
    assert free.outside_share <= 0.05 < 0.3 < bound_.outside_share and bound_.deviation > 3 * free.deviation
    assert set(free.alarms) == {"ADWIN", "Page-Hinkley", "KSWIN"} and sum(bound_.alarms.values()) > sum(
        free.alarms.values()
    )
    for one in (free, bound_):
        assert one.regret < one.bound
    course = streams.with_dwell_time(
        streams.sample_stream(systems[0].tables, None, length=3000, seed=0), dwell_time=50, seed=0
    )
    stream = streams.predictions_along(systems[0].tables, course)
    wrong = np.where(stream.r <= 0, 0.1 + (np.where(stream.e >= 0, 1, -1) != stream.y), stream.m != stream.y)
    clean = systems[0].tables["clean"]
    expected = np.where(clean.r <= 0, 0.1 + (np.where(clean.e >= 0, 1, -1) != clean.y), clean.m != clean.y).mean()
    apart = wrong.reshape(30, 100).mean(axis=1) - expected
    assert bound_.deviation == pytest.approx(np.sqrt((apart**2).mean()))
    assert bound_.outside_share == pytest.approx((np.abs(apart) > 1.1 * np.sqrt(np.log(40) / 200)).mean())


def test_a_system_without_a_table_is_missed(systems, drift_streams):
    small = systems[0]._replace(tables={"clean": systems[0].tables["clean"]})
    with pytest.raises(KeyError, match="fog"):
        experiments.make_episode(small, drift_streams["fog", "sudden"][0], seed=0, **OPTIONS)


def test_systems_are_swept_with_all_that_they_need_and_the_first_with_its_activations(monkeypatch):
    asked = []

    def sweep(configs, viewing):
        asked.append((configs, viewing))
        return [made(config, viewing) for config in configs]

    def made(config, viewing):
        one = toy_system(config.seed)
        p = {name: one.tables[name] for name in ("validation", *viewing.conditions)}
        scores = {name: {k: getattr(q, k) for k in "mrey"} for name, q in p.items()}
        layers = {"r": LAYERS.r, "e": LAYERS.e}
        return SimpleNamespace(
            config=config, scores=scores, predictions=lambda name: Predictions(**scores[name]), seconds=1.0,
            hidden={name: one.hidden[name] for name in viewing.hidden}, layers=layers,
        )  # fmt: skip

    monkeypatch.setattr(experiments.shifted_runs, "sweep", sweep)
    study = replace(settings_for("09_drift", "quick"), seeds=2, clients=("as_released",))
    base = ExperimentConfig("learning_to_help", ce=0.1, source="digits")
    conditions = [f"{kind} {s}" for kind in streams.DRIFT_KINDS[:5] for s in study.severities]
    found = experiments.train_drift_systems(study, base, conditions)
    assert list(found.tables) == [("learning_to_help", "as_released"), ("confidence", "as_released")]
    assert [len(view) for view in found.tables.values()] == [2, 2] == [len(found.first_systems), 2]
    assert found.training_summary == (
        6,
        6.0,
    )  # two clients, plain servers and joint trainings; confidence is not trained
    close = [viewing.hidden for configs, viewing in asked if configs[-1].method == "learning_to_help"]
    assert close == [found.first_systems[0].activations.keys() and tuple(found.first_systems[0].activations)]
    assert {"clean", "unseen", "noise 4", "contrast 1"} <= set(
        found.first_systems[0].activations
    ) and "noise 1" not in close[0]
    for one, tables in zip(found.first_systems, found.tables["learning_to_help", "as_released"], strict=True):
        assert one.tables is tables and np.array_equal(one.layers.e, LAYERS.e) and len(one.thresholds) == 33
