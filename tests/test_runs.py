"""One run: deterministic, kept in the store under the one rule of staleness, on data that is stated."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from l2h import evaluate, runs
from l2h.runs import ExperimentConfig, needs, run
from l2h.store import Store

DIGITS = ExperimentConfig(method="learning_to_help", client="well_trained", source="digits", ce=0.1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("runs"))


def same(first, second):
    return all(
        np.array_equal(values, second.scores[part][name])
        for part, named in first.scores.items()
        for name, values in named.items()
    )


def test_a_run_is_bitwise_the_same_in_another_process_with_other_threads(store, tmp_path):
    here = run(DIGITS, store=store)
    code = (
        "from pathlib import Path; from l2h.runs import *; from l2h.store import Store;"
        f"run(ExperimentConfig(method='learning_to_help', client='well_trained', source='digits', ce=0.1),"
        f"store=Store(Path({str(tmp_path)!r})))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "OMP_NUM_THREADS": "2"})
    there = run(DIGITS, store=Store(tmp_path))
    assert same(here, there) and here.history == there.history


def test_a_kept_result_is_read_and_not_made_again(store, monkeypatch):
    first = run(DIGITS, store=store)
    monkeypatch.setattr(runs, "_computed", lambda *_: pytest.fail("made again"))
    again = run(DIGITS, store=store)
    assert same(first, again) and first.seconds == again.seconds


@pytest.mark.parametrize(
    "change",
    [
        {"ce": 0.2},
        {"seed": 1},
        {"alpha": "client_error"},
        {"squash": False},
        {"hidden": 7},
        {"alpha": 1.5},
        {"client": "lenet"},
        {"classes": ("3", "5")},
    ],
)
def test_whatever_may_change_a_result_changes_its_key(change):
    assert runs.run_key(DIGITS) != runs.run_key(replace(DIGITS, **change))


def test_changed_code_or_torch_makes_a_result_stale(monkeypatch):
    before = runs.run_key(DIGITS)
    monkeypatch.setattr(runs, "_code", lambda method: "other")
    assert runs.run_key(DIGITS) != before
    monkeypatch.undo()
    monkeypatch.setattr(torch, "__version__", "0")
    assert runs.run_key(DIGITS) != before


def test_the_threads_of_the_caller_are_given_back(store):
    before = torch.get_num_threads()
    run(DIGITS, store=store)
    assert torch.get_num_threads() == before


def test_every_result_says_what_it_was_made_from(store):
    result = run(DIGITS, store=store)
    assert result.config == DIGITS
    assert result.data["name"].startswith("digits") and len(result.data["sha256"]) == 64
    assert set(result.data["sizes"]) == {"client", "helper", "calibration", "validation", "test"}
    assert result.seconds > 0 and len(result.history) == runs.RECIPES["fast"].epochs


def test_predictions_are_of_parts_that_nothing_was_trained_on(store):
    result = run(DIGITS, store=store)
    dataset = runs.load(DIGITS)
    for part in runs.SERVED:
        assert result.predictions(part).y.tolist() == getattr(dataset, part).y.tolist()
    assert set(result.scores) == set(runs.SERVED)


def test_every_method_serves_the_same_client(store):
    methods = ("learning_to_help", "confidence", "random", "oracle", "always_keep", "always_ask")
    results = [run(replace(DIGITS, method=method), store=store).predictions() for method in methods]
    assert len({r.m.tobytes() for r in results}) == 1
    assert evaluate.coverage(results[4]) == 1 and evaluate.coverage(results[5]) == 0


def test_a_ready_made_rejector_gets_the_server_that_it_asks_for(store):
    joint = run(DIGITS, store=store).predictions()
    plain = run(replace(DIGITS, method="plain_server"), store=store)
    for server, e in (("learning_to_help", joint.e), ("plain_server", plain.scores["test"]["e"])):
        chosen = run(replace(DIGITS, method="confidence", server=server), store=store).predictions()
        assert np.array_equal(chosen.e, e)


def test_a_server_alone_has_no_client_to_predict_with(store):
    with pytest.raises(TypeError):
        run(replace(DIGITS, method="plain_server"), store=store).predictions()


def test_the_released_client_saw_everything_and_the_others_their_part(store, monkeypatch):
    seen = {}
    fit = runs.train.fit_client
    monkeypatch.setattr(
        runs.train, "fit_client", lambda part, **kind: seen.update({kind["form"]: len(part.y)}) or fit(part, **kind)
    )
    for client in ("as_released", "well_trained"):
        run(ExperimentConfig(method="client", client=client, source="digits", seed=7), store=store)
    dataset = runs.load(DIGITS)
    parts = (dataset.client, dataset.helper, dataset.calibration, dataset.validation)
    assert seen == {"as_released": sum(len(part.y) for part in parts), "well_trained": len(dataset.client.y)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "magic"}, "method"),
        ({"client": "magic"}, "client"),
        ({"alpha": "magic"}, "alpha"),
        ({"alpha": -1.0}, "alpha"),
        ({"hidden": 0}, "hidden"),
        ({"network": "magic"}, "network"),
        ({"recipe": "magic"}, "recipe"),
        ({"server_recipe": "magic"}, "server_recipe"),
        ({"start": "magic"}, "start"),
        ({"form": "magic"}, "form"),
        ({"refresh": 0}, "refresh"),
        ({"server": "magic"}, "server"),
        ({"source": "magic"}, "source"),
        ({"beta": 0.0}, "beta"),
        ({"ce": -0.1}, "ce"),
    ],
)
def test_bad_configurations_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(DIGITS, **change)


def test_a_joint_training_may_start_from_a_plain_server_of_another_recipe(store):
    config = replace(DIGITS, method="specialised", recipe="one_more", start="fast")
    client, plain = needs(config)
    assert (client.method, plain.method, plain.recipe, plain.client) == (
        "client",
        "plain_server",
        "fast",
        "as_released",
    )
    result = run(config, store=store)
    weights = run(plain, store=store).scores["weights"]["e"]
    assert weights.dtype == np.float32 and len(result.history) == 1
    apart = result.predictions().e - run(plain, store=store).scores["test"]["e"]
    assert 0 < np.abs(apart).max() < 5


def test_a_ready_made_rejector_gets_a_joint_server_by_its_own_recipes():
    served = {"server": "specialised", "server_recipe": "one_more", "start": "fast"}
    _, joint = needs(replace(DIGITS, method="confidence", **served))
    assert (joint.method, joint.recipe, joint.start, joint.ce) == ("specialised", "one_more", "fast", DIGITS.ce)
    _, plain = needs(replace(DIGITS, method="two_stage", server_recipe="moderate", start="fast"))
    assert (plain.method, plain.recipe, plain.start) == ("plain_server", "moderate", "")


def test_needs_end():
    assert needs(ExperimentConfig(method="client")) == needs(ExperimentConfig(method="plain_server")) == ()
