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

COSTS, ADVICE = Costs(1.0, 0.1), FixedShareConfig(0.1, 0.05, 0.01, 25, 1)
RULES = {"costs": COSTS, "advice": ADVICE}
LAYERS = LastLayers(np.array([1.0, 0.5, 0.0]), np.array([1.0, -1.0, 0.5]))
CONDITIONS = ("clean", "unseen", *(f"{kind} {s}" for kind in streams.DRIFT_KINDS[:5] for s in range(1, 5)))


def toy(seed=0, kept=CONDITIONS):
    """A system whose client gets worse and whose scores move under every condition but the clean one."""
    y = np.tile([1, -1], 100)
    generator, tables, hidden = np.random.default_rng(seed), {}, {}
    for i, name in enumerate(("validation", *CONDITIONS)):
        changed = name not in ("validation", "clean")
        read = {k: generator.normal(size=(200, 2)) + 2.0 * changed for k in "re"}
        p = many(200, seed=100 * seed + i, client=0.4 if changed else 0.8, y=y)
        tables[name] = replace(
            p, r=last_layer_output(read["r"], LAYERS.r), e=np.where(p.e > 0, 1, -1) * (0.1 + read["e"][:, 0] ** 2)
        )
        hidden |= {name: read} if name in kept else {}
    return TunedSystem(tables, hidden, LAYERS, thresholds.threshold_grid(tables["validation"].r, 9))


@pytest.fixture(scope="module")
def several():
    return [toy(seed) for seed in range(2)]


@pytest.fixture(scope="module")
def courses(several):
    return experiments.sample_streams(several[0].tables, length=400, seeds=2)


def test_a_promise_is_made_beside_a_client_that_saw_no_validation_image(several):
    views = {
        ("learning_to_help", client): [one.tables for one in several] for client in ("as_released", "well_trained")
    }
    said = experiments.TunedSystems(views, several, (0, 0.0))
    found = experiments.systems_with_risk_bound(said, "well_trained", costs=COSTS)
    for one, given in zip(found, several, strict=True):
        assert one.risk_bound == bounds.risk_bound(given.tables["validation"], costs=COSTS, delta=0.05)
        assert one.risk_bound > system_loss(one.tables["validation"], costs=COSTS) and len(one.thresholds) > 1
    with pytest.raises(ValueError, match="expected a client that saw no validation image, got 'as_released'"):
        experiments.systems_with_risk_bound(said, "as_released", costs=COSTS)


def test_every_kind_comes_in_both_ways_with_every_seed(courses):
    assert set(courses) == {(kind, way) for kind in streams.DRIFT_KINDS for way in ("at once", "by degrees")}
    assert {c.change for (_, way), both in courses.items() if way == "at once" for c in both} == {200}
    assert {c.change for (_, way), both in courses.items() if way == "by degrees" for c in both} == {100}
    first, second = courses["fog", "at once"]
    assert len(first.place) == 400 and not np.array_equal(first.place, second.place)


def test_all_remedies_play_and_those_without_labels_order_none(several, courses):
    played = experiments.run_policies(several, courses["fog", "at once"], **RULES)
    assert {len(outcomes) for outcomes in played.values()} == {2}
    for name in ("re-estimated", "recalibrated"):
        told = played[name + experiments.PSEUDO_LABEL_SUFFIX]
        assert not any(o.labelled.any() for o in told) and all(o.labelled.any() for o in played[name])
        assert any((a.asked != b.asked).any() for a, b in zip(told, played[name], strict=True))
    alone = experiments.run_policies(several[:1], courses["fog", "at once"][:1], **RULES)
    assert all((alone[name][0].loss == played[name][0].loss).all() for name in alone)


def test_layers_are_refitted_only_where_all_that_they_read_was_kept(several, courses):
    few = [toy(0, kept=("clean", "fog 4"))]
    at_once, by_degrees = (
        experiments.run_policies(few, courses["fog", way][:1], **RULES) for way in experiments.CHANGE_SPEEDS
    )
    assert set(at_once) - set(by_degrees) == {f"alarm {w}, refitted" for w in ("r", "e", "r and e")}
    assert set(by_degrees) < set(at_once)


def test_alarms_of_any_detector_set_both_networks_anew(several, courses):
    alarms = [np.array([210]), np.array([], dtype=int)]
    found = experiments.run_alarm_policies(several, courses["blur", "at once"], alarms, **RULES)
    assert list(found) == ["alarm r and e", "alarm r and e, refitted"]
    for first, second in found.values():
        assert first.labelled.sum() == 175 and not second.labelled.any()  # the stream ends before the burst
    fixed = experiments.run_policies(several, courses["blur", "at once"], **RULES)["fixed"]
    assert all((second.loss == fixed[1].loss).all() for _, second in found.values())


def test_regret_and_bound_are_those_of_the_whole_stream(several, courses):
    one = experiments.make_episode(several[0], courses["fog", "at once"][0], seed=0, **RULES)
    policy = experts.fixed_share_policy(several[0].grid, **RULES)
    outcome = one.simulate_policies({"experts": policy})["experts"]
    regret, bound = experiments.expert_regret(several[0], one, outcome)
    keep, ask = drift.keep_and_ask(one.predictions.m, one.predictions.e, one.predictions.y, 1.0, 0.1)
    played = sum(q * a + (1 - q) * k for q, k, a in zip(outcome.propensity, keep, ask, strict=True))
    whole = [sum(drift.threshold_loss(one.predictions.r, keep, ask, t)) for t in several[0].grid]
    assert regret[-1] >= played - min(whole) - 1e-9, "two thresholds in hindsight are at least as good as one"
    assert len(regret) == len(bound) == 400 and (np.diff(bound) >= -1e-12).all()


def test_what_depends_on_its_neighbours_strays_while_the_regret_keeps_its_bound(several):
    free, bound_ = (
        experiments.check_dependence(several[0], dwell_time=stay, length=3000, width=100, seed=0, **RULES)
        for stay in (1, 50)
    )
    assert free.outside_share <= 0.05 < 0.3 < bound_.outside_share and bound_.deviation > 3 * free.deviation
    assert set(free.alarms) == {"ADWIN", "Page-Hinkley", "KSWIN"} and sum(bound_.alarms.values()) > sum(
        free.alarms.values()
    )
    for one in (free, bound_):
        assert one.regret < one.bound
    course = streams.with_dwell_time(
        streams.sample_stream(several[0].tables, None, length=3000, seed=0), dwell_time=50, seed=0
    )
    stream = streams.predictions_along(several[0].tables, course)
    wrong = np.where(stream.r <= 0, 0.1 + (np.where(stream.e >= 0, 1, -1) != stream.y), stream.m != stream.y)
    clean = several[0].tables["clean"]
    expected = np.where(clean.r <= 0, 0.1 + (np.where(clean.e >= 0, 1, -1) != clean.y), clean.m != clean.y).mean()
    apart = wrong.reshape(30, 100).mean(axis=1) - expected
    assert bound_.deviation == pytest.approx(np.sqrt((apart**2).mean()))
    assert bound_.outside_share == pytest.approx((np.abs(apart) > 1.1 * np.sqrt(np.log(40) / 200)).mean())


def test_a_system_without_a_table_is_missed(several, courses):
    small = several[0]._replace(tables={"clean": several[0].tables["clean"]})
    with pytest.raises(KeyError, match="fog"):
        experiments.make_episode(small, courses["fog", "at once"][0], seed=0, **RULES)


def test_systems_are_swept_with_all_that_they_need_and_the_first_with_its_activations(monkeypatch):
    asked = []

    def sweep(configs, viewing):
        asked.append((configs, viewing))
        return [made(config, viewing) for config in configs]

    def made(config, viewing):
        one = toy(config.seed)
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
