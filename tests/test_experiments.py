"""Sweeps: the same results in any number of workers, nothing made twice, failures told."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from l2h import experiments, runs
from l2h.experiments import closure, sweep
from l2h.runs import ExperimentConfig
from l2h.store import Store

BASE = ExperimentConfig(method="confidence", client="well_trained", source="digits", ce=0.1)
CONFIGS = [replace(BASE, method=method, seed=seed) for seed in range(2) for method in ("confidence", "random")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("runs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("L2H_WORKERS", "1")
        return store, sweep(CONFIGS, store=store)


def test_results_come_in_the_order_asked_for(made):
    assert [result.config for result in made[1]] == CONFIGS


def test_two_processes_give_bitwise_the_same(made, tmp_path, monkeypatch):
    monkeypatch.setenv("L2H_WORKERS", "2")
    for one, other in zip(made[1], sweep(CONFIGS, store=Store(tmp_path)), strict=True):
        for name in "mrey":
            assert np.array_equal(one.scores["test"][name], other.scores["test"][name])


def test_what_is_kept_is_not_made_again(made, monkeypatch):
    monkeypatch.setattr(runs, "_computed", lambda *_: pytest.fail("made again"))
    assert len(sweep(CONFIGS, store=made[0])) == len(CONFIGS)


def test_any_executor_will_do(made, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        results = sweep(CONFIGS[:2], executor=pool, store=Store(tmp_path))
    assert np.array_equal(results[0].scores["test"]["r"], made[1][0].scores["test"]["r"])


def test_a_failed_run_is_named_and_the_others_are_kept(tmp_path, monkeypatch):
    broken = replace(BASE, method="learning_to_help", alpha="released", ce=0.3)
    store = Store(tmp_path)
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match=r"1 of 2 runs failed.*ce=0\.3"):
        sweep([broken, CONFIGS[1]], executor=pool, store=store)
    monkeypatch.setattr(runs, "_computed", lambda *_: pytest.fail("made again"))
    assert len(sweep([CONFIGS[1]], store=store)) == 1


def test_a_failed_run_in_process_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("L2H_WORKERS", "1")
    with pytest.raises(ValueError, match=r"0\.18"):
        sweep([replace(BASE, method="learning_to_help", alpha="released", ce=0.3)], store=Store(tmp_path))


def test_one_client_and_one_server_serve_every_method():
    made = closure([replace(BASE, method=method) for method in ("confidence", "random", "oracle", "learning_to_help")])
    assert sorted(config.method for config in made) == [
        "client", "confidence", "learning_to_help", "oracle", "plain_server", "random",
    ]  # fmt: skip


def test_every_run_comes_after_what_it_needs():
    ordered = closure([replace(BASE, server="learning_to_help")])
    for i, config in enumerate(ordered):
        assert set(runs.needs(config)) <= set(ordered[:i])
    assert experiments.closure(ordered) == ordered
