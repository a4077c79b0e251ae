"""Shifted runs: the same system as a run's, to the last bit, on every condition, kept under the rule of staleness."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from l2h.data import corruptions
from l2h.experiments import config as experiments_config
from l2h.experiments import run as experiments_run
from l2h.experiments import shifted as experiments_shifted
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.run import run
from l2h.experiments.shifted import Conditions, run_under_corruption, sweep_under_corruption
from l2h.experiments.store import Store

HELP = ExperimentConfig("learning_to_help", client="well_trained", source="digits", ce=0.1)
CONFIDENCE = replace(HELP, method="confidence")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("config", [HELP, CONFIDENCE, replace(HELP, client="as_released", seed=1, precision="float64")])
def test_on_images_as_they_are_it_says_what_the_run_says(store, config):
    shifted, plain = run_under_corruption(config, store=store), run(config, store=store)
    for here, there in (("clean", "test"), ("validation", "validation"), ("calibration", "calibration")):
        for name in "mrey":
            ours = getattr(shifted.predictions(here), name)
            assert np.array_equal(ours, getattr(plain.predictions(there), name)), (here, name)


def test_there_is_one_table_per_condition_and_they_differ(store):
    tables = run_under_corruption(HELP, store=store).predictions_by_condition()
    assert tuple(tables) == corruptions.condition_names()
    assert len({table.e.tobytes() for table in tables.values()}) == len(tables)
    for name, table in tables.items():
        assert name == "unseen" or np.array_equal(table.y, tables["clean"].y)
    assert len(tables["unseen"].y) == len(corruptions.unseen_class_examples("digits").y)


def test_a_kept_result_is_read_and_not_made_again(store, monkeypatch):
    first = run_under_corruption(HELP, store=store)
    monkeypatch.setattr(experiments_shifted, "_compute", lambda *_: pytest.fail("made again"))
    again = run_under_corruption(HELP, store=store)
    assert np.array_equal(first.predictions("fog 3").r, again.predictions("fog 3").r)


def test_whatever_may_change_a_result_changes_its_key(monkeypatch):
    before = experiments_shifted.corruption_key(HELP)
    others = [
        experiments_shifted.corruption_key(replace(HELP, seed=1)),
        experiments_shifted.corruption_key(HELP, Conditions(n_images=9)),
    ]
    others += [experiments_shifted.corruption_key(HELP, Conditions(("clean", "fog 3"))), experiments_run.run_key(HELP)]
    assert len({before, *others}) == 5
    monkeypatch.setattr(experiments_shifted, "_unseen_class_digest", lambda source: "other images")
    assert experiments_shifted.corruption_key(HELP) != before
    monkeypatch.undo()
    monkeypatch.setattr(experiments_run, "_code_digest", lambda *_: "other code")
    assert experiments_shifted.corruption_key(HELP) != before


@pytest.mark.usefixtures("copied_workers")
def test_workers_change_nothing(store, tmp_path, monkeypatch):
    configs = [replace(HELP, method="client", ce=0.0, seed=seed) for seed in (0, 1)]
    one = sweep_under_corruption(configs, store=store)
    monkeypatch.setenv("L2H_WORKERS", "2")
    two = sweep_under_corruption(configs, store=Store(tmp_path))
    for first, second in zip(one, two, strict=True):
        assert first.config == second.config
        for condition in ("clean", "noise 3", "unseen"):
            assert np.array_equal(first.scores[condition]["client_scores"], second.scores[condition]["client_scores"])


def test_fewer_conditions_and_images_say_the_same_of_those(store):
    few = run_under_corruption(HELP, Conditions(("clean", "fog 3", "unseen"), n_images=20), store=store)
    tables, everything = few.predictions_by_condition(), run_under_corruption(HELP, store=store)
    assert list(tables) == ["clean", "fog 3", "unseen"] and len(tables["clean"].y) == 20
    np.testing.assert_allclose(tables["clean"].r, everything.predictions("clean").r[:20], rtol=1e-5)
    assert len(tables["unseen"].y) == len(everything.predictions("unseen").y)


def bounded_sigmoid(z):
    return 2 / (1 + np.exp(-z)) - 1


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_what_the_last_layers_read_gives_the_answers(store, precision):
    seen = Conditions(("clean", "fog 3"), n_images=20, with_activations=("fog 3",))
    config = replace(HELP, precision=precision)
    for _ in range(2):  # made, then read
        result = run_under_corruption(config, seen, store=store)
        assert list(result.activations) == ["fog 3"] and [len(result.last_layers[k]) for k in "re"] == [121, 85]
        for name in "re":
            read, layer = result.activations["fog 3"][name], result.last_layers[name]
            assert read.dtype == precision
            again = bounded_sigmoid(read @ layer[:-1] + layer[-1])
            np.testing.assert_allclose(again, getattr(result.predictions("fog 3"), name), rtol=1e-3, atol=1e-5)


def test_activations_change_no_answer_and_no_client(store):
    seen = Conditions(("clean",), n_images=20)
    closer = replace(seen, with_activations=("clean",))
    with_them, without = (run_under_corruption(HELP, viewing, store=store) for viewing in (closer, seen))
    assert np.array_equal(with_them.predictions().r, without.predictions().r) and not without.activations
    client = experiments_config.dependencies(HELP)[0]
    assert experiments_shifted.corruption_key(client, seen) == experiments_shifted.corruption_key(client, closer)


def test_a_system_without_networks_has_no_activations(store):
    with pytest.raises(ValueError, match="expected networks that end in a linear layer with one output"):
        run_under_corruption(CONFIDENCE, Conditions(("clean",), n_images=20, with_activations=("clean",)), store=store)


def test_another_runs_file_under_this_runs_name_is_refused(tmp_path, monkeypatch):
    empty = partial(experiments_shifted.CorruptionResult, scores={}, cpu_seconds=0.0, activations={}, last_layers={})
    monkeypatch.setattr(experiments_shifted, "_compute", lambda config, *_: empty(config))
    clients = [ExperimentConfig(method="client", client="well_trained", source="digits", seed=seed) for seed in (0, 1)]
    for client in clients:
        run_under_corruption(client, store=Store(tmp_path))
    asked, other = (tmp_path / f"{experiments_shifted.corruption_key(client)}.json" for client in clients)
    asked.write_bytes(other.read_bytes())
    with pytest.raises(ValueError, match=rf"{asked.name} is corrupt.*delete it"):
        run_under_corruption(clients[0], store=Store(tmp_path))


def test_a_sweep_takes_any_executor_and_tells(tmp_path, caplog, capsys):
    caplog.set_level("INFO")
    seen, store = Conditions(("clean",), n_images=20), Store(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        sweep_under_corruption([HELP], seen, executor=pool, store=store)
    assert "2/2" in capsys.readouterr().err
    with ThreadPoolExecutor(1) as pool:
        sweep_under_corruption([HELP], seen, executor=pool, store=store)
        assert not pool._threads, "made again"
    broken = replace(HELP, alpha="released", ce=0.3)
    with pytest.raises(RuntimeError, match="1 of 1 runs failed"):
        sweep_under_corruption([broken], seen, store=store)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"names": ("rain",)}, "condition"),
        ({"n_images": -1}, "n_images"),
        ({"names": ("clean",), "with_activations": ("fog 3",)}, "with_activations"),
    ],
)
def test_a_wrong_viewing_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Conditions(**wrong)


@pytest.mark.parametrize(
    "config",
    [
        ExperimentConfig("two_stage", client="lenet", source="digits", rejector="features"),
        ExperimentConfig("distilled", client="well_trained", source="digits", server="one_vs_all"),
        replace(HELP, bounded=False, preset="fine_tuning", warm_start_preset="fast"),
    ],
    ids=["features", "distilled", "warm start"],
)
def test_every_kind_of_run_has_a_counterpart_on_corrupted_images(store, config):
    corrupted, plain = (
        run_under_corruption(config, Conditions(("clean", "fog 3")), store=store),
        run(config, store=store),
    )
    for name in "mrey":
        assert np.array_equal(getattr(corrupted.predictions(), name), getattr(plain.predictions(), name))
    assert list(corrupted.predictions_by_condition()) == ["clean", "fog 3"]
