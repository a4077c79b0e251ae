"""Sweeps: nothing made twice, failures told, killed at any moment and resumed."""

import json
import logging
import os
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from l2h import experiments, progress, runs, workers
from l2h.experiments import closure, sweep, sweep_together
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


def test_what_is_kept_is_not_made_again(made, monkeypatch):
    monkeypatch.setattr(runs, "_computed", lambda *_: pytest.fail("made again"))
    assert len(sweep(CONFIGS, store=made[0])) == len(CONFIGS)


def test_any_executor_will_do(made, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        results = sweep(CONFIGS[:2], executor=pool, store=Store(tmp_path))
    assert np.array_equal(results[0].scores["test"]["r"], made[1][0].scores["test"]["r"])


BROKEN = replace(BASE, method="learning_to_help", alpha="released", ce=0.3)  # beyond the released formula's domain


@pytest.mark.parametrize("threads", [0, 1])
def test_a_failed_run_is_shown_and_the_others_are_made(tmp_path, monkeypatch, caplog, threads):
    monkeypatch.setenv("L2H_WORKERS", "1")
    store, pool = Store(tmp_path), ThreadPoolExecutor(1) if threads else None
    waiting = replace(BROKEN, method="confidence", server="learning_to_help")
    with pytest.raises(RuntimeError, match=r"1 of 5 runs failed, 1 that need them were not begun.*ce=0\.3.*0\.18"):
        sweep([waiting, BROKEN, CONFIGS[1]], executor=pool, store=store)
    (failed,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert failed.getMessage() == f"failed: {BROKEN}"
    assert "Traceback" in caplog.text and "alpha_released" in caplog.text
    made = [config for config in closure([waiting, BROKEN, CONFIGS[1]]) if store.get(runs.run_key(config))]
    assert made == [config for config in closure([CONFIGS[1]])]


def test_a_run_that_kills_its_worker_is_given_up(made, tmp_path, monkeypatch, caplog):
    tried = Counter()

    def work(config, store, **kind):
        tried[config.method] += 1
        if config.method == "random":
            raise BrokenExecutor("killed")
        return made_by_hand(config, store, **kind)

    made_by_hand = workers.work
    monkeypatch.setattr(workers, "work", work)
    monkeypatch.setenv("L2H_WORKERS", "1")
    with pytest.raises(RuntimeError, match="1 of 4 runs failed"):
        sweep(CONFIGS[:2], store=Store(tmp_path))
    assert tried == {"client": 1, "plain_server": 1, "confidence": 1, "random": experiments.ATTEMPTS}
    assert caplog.text.count("it is made again") == experiments.ATTEMPTS - 1


def test_a_given_executor_that_breaks_says_how_to_go_on(tmp_path, monkeypatch, caplog):
    def work(config, store, **kind):
        if config.method == "plain_server":
            pool._broken = "a worker was killed"  # as an executor marks itself, refusing all that is submitted later
            raise BrokenExecutor("killed")
        return made_by_hand(config, store, **kind)

    made_by_hand = workers.work
    monkeypatch.setattr(workers, "work", work)
    with ThreadPoolExecutor(1) as pool, pytest.raises(BrokenExecutor):
        sweep(CONFIGS[:1], executor=pool, store=Store(tmp_path))
    assert f"1 of 3 runs were made and are kept in {tmp_path}; the same sweep makes the others" in caplog.text


def test_a_worker_with_other_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "work", lambda config, store, **kind: workers.Made("0" * 64, 1.0))
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="expected a worker with the same code"):
        sweep(CONFIGS[:1], executor=pool, store=Store(tmp_path))


def test_a_worker_that_keeps_its_results_elsewhere_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "work", lambda config, store, **kind: workers.Made(runs.run_key(config), 1.0))
    monkeypatch.setattr(experiments, "SHARED_WITHIN", 0.0)
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match=f"share the folder {tmp_path}, got"):
        sweep(CONFIGS[:1], executor=pool, store=Store(tmp_path))


def test_progress_counts_and_estimates(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(progress, "AT_MOST_EVERY", 0.0)
    monkeypatch.setenv("L2H_WORKERS", "1")
    sweep(CONFIGS[:2], store=Store(tmp_path))
    lines = [record.getMessage() for record in caplog.records if record.name == "l2h.sweep"]
    form = r"(\d) of 4 runs done, (\d) running, 0 failed; 0:\d\d elapsed, (time left not known yet|about 0:\d\d left)"
    counts = [re.fullmatch(form, line).groups() for line in lines]
    assert [(int(done), int(running)) for done, running, _ in counts] == [(0, 1), (1, 1), (2, 1), (3, 1), (4, 0)]
    assert counts[0][2] == "time left not known yet"


def test_an_interruption_says_how_to_go_on(tmp_path, monkeypatch, caplog):
    def work(config, store, **kind):
        if config.method == "confidence":
            raise KeyboardInterrupt
        return made_by_hand(config, store, **kind)

    made_by_hand = workers.work
    monkeypatch.setattr(workers, "work", work)
    monkeypatch.setenv("L2H_WORKERS", "1")
    with pytest.raises(KeyboardInterrupt):
        sweep(CONFIGS[:1], store=Store(tmp_path))
    assert f"2 of 3 runs were made and are kept in {tmp_path}; the same sweep makes the others" in caplog.text


TOGETHER = [
    replace(BASE, method="learning_to_help", ce=ce, seed=seed, alpha=alpha, client=client)
    for seed, ce, alpha, client in ((0, 0.0, "released", "well_trained"), (1, 0.1, "estimated", "as_released"))
]


def test_runs_that_are_trained_together_agree_with_those_that_are_not(tmp_path):
    configs, store = [*TOGETHER, replace(TOGETHER[0], hidden=20), TOGETHER[0]], Store(tmp_path)
    for one, alone in zip(sweep_together(configs, store=store), sweep(configs, store=store), strict=True):
        assert one.config == alone.config and one.data == alone.data
        assert one.history == pytest.approx(alone.history, abs=1e-4)
        for part in runs.SERVED:
            for name in "mrey":
                assert np.allclose(one.scores[part][name], alone.scores[part][name], rtol=0, atol=1e-4)


def test_runs_that_are_trained_together_are_kept_apart_and_not_made_again(tmp_path, monkeypatch):
    store = Store(tmp_path)
    first = sweep_together(TOGETHER, at_once=1, store=store)
    assert not any(runs.run_key(config) in store for config in TOGETHER)
    monkeypatch.setattr(experiments.vectorised, "learning_to_help", lambda *_, **__: pytest.fail("made again"))
    again = sweep_together(TOGETHER, store=store)
    assert [one.seconds for one in again] == [one.seconds for one in first]


def test_only_learning_to_help_is_trained_together(tmp_path):
    with pytest.raises(ValueError, match="expected method to be one of 'learning_to_help', got 'random'"):
        sweep_together([replace(BASE, method="random")], store=Store(tmp_path))
    with pytest.raises(ValueError, match="expected start to be one of '', got 'fast'"):
        sweep_together([replace(TOGETHER[0], start="fast", squash=False)], store=Store(tmp_path))
    with pytest.raises(ValueError, match="expected a finite at_once >= 1, got 0"):
        sweep_together(TOGETHER, at_once=0, store=Store(tmp_path))


KILLED = '''
"""Sweep in a child that is killed at a random moment, look at what it left, and again, until nothing is left to do.

Computing is replaced by something quicker that notes its beginning, and the disk is a slow one, so that kills hit
writes, too; runs, keys and store are the real ones.
"""

import json, os, random, signal, sys, time
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from l2h import runs
from l2h.experiments import closure, sweep
from l2h.store import Store
from test_experiments import BASE, replace

folder, notes = Path(sys.argv[1]), Path(sys.argv[2])
CONFIGS = [replace(BASE, method="learning_to_help", seed=seed) for seed in range(40)]
KEYS = {runs.run_key(config) for config in closure(CONFIGS)}
store, moments = Store(folder), random.Random(0)


def quick(config, earlier):
    with notes.open("a") as file:
        file.write(runs.run_key(config) + "\\n")
    values = np.random.default_rng(config.seed).random(1000)
    parts = {part: {"score": values} if config.method == "client" else dict.fromkeys("mrey", values)
             for part in runs.PARTS}
    return runs.Result(config, {}, parts, (), 0.0)


def begun():
    return notes.read_text().split() if notes.exists() else []


def slow(file):
    time.sleep(0.01)
    return written(file)


runs._computed = quick
written, os.fsync = os.fsync, slow
kills, halves, left = 0, 0, set(KEYS)
while left:
    before = len(begun())
    child = get_context("fork").Process(target=sweep, args=(CONFIGS,), kwargs={"store": store})
    child.start()
    some, latest = before + moments.randrange(5), time.monotonic() + 60
    while len(begun()) < some and child.is_alive():
        assert time.monotonic() < latest, "the sweep stands still"
    time.sleep(moments.uniform(0, 0.02))
    child.kill()
    child.join()
    kills += child.exitcode == -signal.SIGKILL
    assert set(begun()[before:]) <= left, "made again, though it was finished"
    halves += len(list(folder.glob(".*")))  # it was killed while it wrote
    left = {key for key in left if store.get(key) is None}  # get refuses what is not whole
print(json.dumps({"kills": kills, "halves": halves}))
'''


def test_a_sweep_that_is_killed_at_any_moment_goes_on_where_it_stopped(tmp_path):
    script, paths = tmp_path / "killed.py", os.pathsep.join(sys.path)
    script.write_text(KILLED)
    environment = {**os.environ, "PYTHONPATH": paths, "L2H_WORKERS": "1"}
    command = [sys.executable, script, tmp_path / "runs", tmp_path / "notes"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kills"] >= 20, "too few moments to show anything"
    assert told["halves"] >= 1, "none of them hit a write"


def test_a_full_disk_ends_a_sweep_at_once(tmp_path, monkeypatch):
    begun = []

    def full(*_):
        begun.append(True)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Store, "put", full)
    monkeypatch.setenv("L2H_WORKERS", "1")
    with pytest.raises(OSError, match="No space left"):
        experiments.sweep([replace(BASE, method="random", seed=seed) for seed in range(3)], store=Store(tmp_path))
    assert len(begun) == 1


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
