"""Shifted runs: the same system as a run's, to the last bit, on every condition, kept under the rule of staleness."""

from dataclasses import replace

import numpy as np
import pytest

from l2h import runs, shifted_runs, shifts
from l2h.runs import ExperimentConfig, run
from l2h.shifted_runs import Viewing, run_all, run_shifted
from l2h.store import Store

HELP = ExperimentConfig("learning_to_help", client="well_trained", source="digits", ce=0.1)
CONFIDENCE = replace(HELP, method="confidence")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("config", [HELP, CONFIDENCE, replace(HELP, client="as_released", seed=1, precision="float64")])
def test_on_images_as_they_are_it_says_what_the_run_says(store, config):
    shifted, plain = run_shifted(config, store=store), run(config, store=store)
    for here, there in (("clean", "test"), ("validation", "validation"), ("calibration", "calibration")):
        for name in "mrey":
            ours = getattr(shifted.predictions(here), name)
            assert np.array_equal(ours, getattr(plain.predictions(there), name)), (here, name)


def test_there_is_one_table_per_condition_and_they_differ(store):
    tables = run_shifted(HELP, store=store).tables()
    assert tuple(tables) == shifts.conditions()
    assert len({table.e.tobytes() for table in tables.values()}) == len(tables)
    for name, table in tables.items():
        assert name == "unseen" or np.array_equal(table.y, tables["clean"].y)
    assert len(tables["unseen"].y) == len(shifts.unseen("digits").y)


def test_a_kept_result_is_read_and_not_made_again(store, monkeypatch):
    first = run_shifted(HELP, store=store)
    monkeypatch.setattr(shifted_runs, "_computed", lambda *_: pytest.fail("made again"))
    again = run_shifted(HELP, store=store)
    assert np.array_equal(first.predictions("fog 3").r, again.predictions("fog 3").r)


def test_whatever_may_change_a_result_changes_its_key(monkeypatch):
    before = shifted_runs.shifted_key(HELP)
    others = [shifted_runs.shifted_key(replace(HELP, seed=1)), shifted_runs.shifted_key(HELP, Viewing(images=9))]
    others += [shifted_runs.shifted_key(HELP, Viewing(("clean", "fog 3"))), runs.run_key(HELP)]
    assert len({before, *others}) == 5
    monkeypatch.setattr(shifted_runs, "_digest", lambda source: "other images")
    assert shifted_runs.shifted_key(HELP) != before
    monkeypatch.undo()
    monkeypatch.setattr(shifted_runs, "_code", lambda: "other code")
    assert shifted_runs.shifted_key(HELP) != before


def test_workers_change_nothing(store, tmp_path, monkeypatch):
    configs = [replace(HELP, method="client", ce=0.0, seed=seed) for seed in (0, 1)]
    one = run_all(configs, store=store)
    monkeypatch.setenv("L2H_WORKERS", "2")
    two = run_all(configs, store=Store(tmp_path))
    for first, second in zip(one, two, strict=True):
        assert first.config == second.config
        for condition in ("clean", "noise 3", "unseen"):
            assert np.array_equal(first.scores[condition]["score"], second.scores[condition]["score"])


def test_fewer_conditions_and_images_say_the_same_of_those(store):
    few = run_shifted(HELP, Viewing(("clean", "fog 3", "unseen"), images=20), store=store)
    tables, everything = few.tables(), run_shifted(HELP, store=store)
    assert list(tables) == ["clean", "fog 3", "unseen"] and len(tables["clean"].y) == 20
    np.testing.assert_allclose(tables["clean"].r, everything.predictions("clean").r[:20], rtol=1e-5)
    assert len(tables["unseen"].y) == len(everything.predictions("unseen").y)


@pytest.mark.parametrize(("wrong", "message"), [({"conditions": ("rain",)}, "condition"), ({"images": -1}, "images")])
def test_a_wrong_viewing_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Viewing(**wrong)


def test_a_rejector_on_features_is_refused_since_shifted_runs_keep_none(tmp_path):
    config = ExperimentConfig("two_stage", client="lenet", source="digits", rejector="features")
    with pytest.raises(ValueError, match=r"last hidden layer in examples\.features, got None"):
        run_shifted(config, Viewing(conditions=("clean",), images=20), store=Store(tmp_path))
