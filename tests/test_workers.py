"""Whoever makes runs: the same results, bitwise; and whoever is killed while making them, nothing is lost."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import active_children

import dask
import pytest
from distributed import LocalCluster

from l2h import workers
from l2h.experiments import closure, sweep
from l2h.runs import ExperimentConfig, run_key
from l2h.store import Store

BASE = ExperimentConfig(method="learning_to_help", source="digits", ce=0.1)
QUICK = [replace(BASE, method=method, seed=seed) for seed in range(2) for method in ("confidence", "learning_to_help")]
SLOW = [replace(BASE, recipe="released", seed=seed) for seed in range(4)]  # about a second each: time to be killed in


def content(store):
    """What the store holds, but for the seconds that it took."""
    kept = {path.stem: json.loads(path.read_bytes()) for path in store.folder.glob("*.json")}
    return {name: {fact: value for fact, value in result.items() if fact != "seconds"} for name, result in kept.items()}


def files(store):
    """Every result as it lies there; one that is made again would take other seconds, and differ."""
    return {path.name: path.read_bytes() for path in store.folder.glob("*.json")}


def wait_until(condition, seconds=300):
    latest = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < latest, "it did not happen"
        time.sleep(0.01)


def living(group):
    """Whether a process of this group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """All runs as this process makes them, one after the other."""
    store = Store(tmp_path_factory.mktemp("alone"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("L2H_WORKERS", "1")
        sweep([*QUICK, *SLOW], store=store)
    return content(store)


def expected(alone, configs):
    return {run_key(config): alone[run_key(config)] for config in closure(configs)}


@contextmanager
def dask_cluster(count):
    with LocalCluster(
        n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=logging.CRITICAL
    ) as cluster:
        yield cluster


def test_threads_of_one_process_give_bitwise_the_same(alone, tmp_path):
    store = Store(tmp_path)
    with ThreadPoolExecutor(4) as threads:
        sweep(QUICK, executor=threads, store=store)
    assert content(store) == expected(alone, QUICK)


def test_a_killed_process_costs_its_run_and_nothing_else(alone, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("L2H_WORKERS", "2")
    store, before = Store(tmp_path), {}

    def kill():
        wait_until(lambda: len(files(store)) > len(SLOW))  # the clients are made, and a run
        victim = active_children()[0].pid
        os.kill(victim, signal.SIGSTOP)
        before.update(files(store))
        os.kill(victim, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    sweep(SLOW, store=store)
    killer.join()
    assert "worker died that was making" in caplog.text
    assert len(SLOW) < len(before) < len(closure(SLOW))
    assert content(store) == expected(alone, SLOW)
    assert before.items() <= files(store).items()
    assert not active_children()


def test_a_dask_cluster_loses_a_worker_and_nothing_else(alone, tmp_path, monkeypatch):
    store = Store(tmp_path)
    with dask_cluster(3) as cluster:
        monkeypatch.setenv("L2H_SCHEDULER", cluster.scheduler_address)
        before, at_work = {}, cluster.scheduler.workers.values()

        def kill():
            wait_until(lambda: len(files(store)) > len(SLOW) and any(worker.processing for worker in at_work))
            victim = next(worker.name for worker in at_work if worker.processing)
            os.kill(cluster.workers[victim].pid, signal.SIGSTOP)
            before.update(files(store))
            os.kill(cluster.workers[victim].pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        sweep(SLOW, store=store)
        killer.join()
    assert len(SLOW) < len(before) < len(closure(SLOW))
    assert content(store) == expected(alone, SLOW)
    assert before.items() <= files(store).items()


SWEEPING = """
import sys
from pathlib import Path
from l2h.experiments import sweep
from l2h.store import Store
from test_workers import SLOW

if __name__ == "__main__":
    sweep(SLOW, store=Store(Path(sys.argv[1])))
"""


def test_processes_end_with_the_sweep_that_is_killed(tmp_path):
    store, script = Store(tmp_path / "runs"), tmp_path / "sweeping.py"
    script.write_text(SWEEPING)
    environment = {**os.environ, "L2H_WORKERS": "2", "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, script, store.folder], env=environment, start_new_session=True) as sweeping:
        wait_until(lambda: len(files(store)) > 1)
        sweeping.kill()

    wait_until(lambda: not living(sweeping.pid))


@pytest.mark.parametrize("text", ["0", "two", "-1", "1.5"])
def test_a_number_of_workers_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv("L2H_WORKERS", text)
    with pytest.raises(ValueError, match=f"expected L2H_WORKERS to be a whole number >= 1, got '{text}'"):
        workers.at_hand(None, 3)


def test_there_are_no_more_processes_than_runs(monkeypatch):
    monkeypatch.setenv("L2H_WORKERS", "64")
    with workers.at_hand(None, 1) as hands:
        assert hands.room([]) and not hands.room(["one"])
    assert not active_children()


def test_a_cluster_that_does_not_answer_is_an_error(monkeypatch):
    monkeypatch.setenv("L2H_SCHEDULER", "tcp://127.0.0.1:9")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "200ms"}),
        pytest.raises(OSError, match=r"127\.0\.0\.1:9"),
    ):
        sweep(QUICK)
