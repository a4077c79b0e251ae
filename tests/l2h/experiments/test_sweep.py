"""Sweeps: the same results, bitwise, whoever makes them; nothing is made twice or lost, whoever is killed."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import active_children

import dask
import numpy as np
import psutil
import pytest
from distributed import LocalCluster
from helpers.commands import forked
from helpers.sweeps import BASE, HELP, SLOW, is_alive, wait_until

from l2h.experiments import config as experiments_config
from l2h.experiments import run
from l2h.experiments import sweep as experiments_sweep
from l2h.experiments.run import run_key
from l2h.experiments.store import Store
from l2h.experiments.sweep import Task, map_in_processes, over_seeds, sweep, with_dependencies
from l2h.methods import registry
from l2h.methods.base import System, require_server_scores

CONFIGS = [replace(BASE, method=method, seed=seed) for seed in range(2) for method in ("confidence", "random")]
QUICK = [replace(HELP, method=method, seed=seed) for seed in range(2) for method in ("confidence", "learning_to_help")]


def content(store):
    """What the store holds, but for the seconds that it took."""
    kept = {path.stem: store.get(path.stem) for path in store.folder.glob("*.json")}
    return {
        name: {fact: value for fact, value in result.items() if fact != "cpu_seconds"} for name, result in kept.items()
    }


def files(store):
    """The bytes of every result; one that is made again would take other seconds, and differ."""
    return {path.name: path.read_bytes() for path in store.folder.glob("*.json")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("runs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("L2H_WORKERS", "1")
        return store, sweep(CONFIGS, store=store)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """All runs as this process makes them, one after the other."""
    store = Store(tmp_path_factory.mktemp("alone"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("L2H_WORKERS", "1")
        sweep([*QUICK, *SLOW], store=store)
    return content(store)


def expected(alone, configs):
    return {run_key(config): alone[run_key(config)] for config in with_dependencies(configs)}


def test_results_come_in_the_order_asked_for(made):
    assert [result.config for result in made[1]] == CONFIGS


def test_what_is_kept_is_not_made_again(made, monkeypatch):
    monkeypatch.setattr(run, "_compute", lambda *_: pytest.fail("made again"))
    assert len(sweep(CONFIGS, store=made[0])) == len(CONFIGS)


def test_any_executor_will_do(made, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        results = sweep(CONFIGS[:2], executor=pool, store=Store(tmp_path))
    assert np.array_equal(results[0].scores["test"]["r"], made[1][0].scores["test"]["r"])


def test_threads_of_one_process_give_bitwise_the_same(alone, tmp_path):
    store = Store(tmp_path)
    with ThreadPoolExecutor(4) as threads:
        sweep(QUICK, executor=threads, store=store)
    assert content(store) == expected(alone, QUICK)


BROKEN = replace(BASE, method="learning_to_help", alpha="released", ce=0.3)  # beyond the released formula's domain


@pytest.mark.parametrize("threads", [0, 1])
def test_a_failed_run_is_shown_and_the_others_are_made(tmp_path, monkeypatch, caplog, threads):
    monkeypatch.setenv("L2H_WORKERS", "1")
    store, pool = Store(tmp_path), ThreadPoolExecutor(1) if threads else None
    waiting = replace(BROKEN, method="confidence", server="learning_to_help")
    kept = f"3 of 5 runs were made and are kept in {tmp_path}; the same sweep makes the others"
    with pytest.raises(RuntimeError, match="1 of 5 runs failed, 1 that need them were not begun") as refused:
        sweep([waiting, BROKEN, CONFIGS[1]], executor=pool, store=store)
    assert f"; {kept}. The first that failed: {BROKEN}: ValueError(" in str(refused.value)
    assert "0.18" in str(refused.value)
    assert isinstance(refused.value.__cause__, ValueError)
    (failed,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert failed.getMessage() == f"failed: {BROKEN}"
    assert "Traceback" in caplog.text and "alpha_released" in caplog.text
    made = [config for config in with_dependencies([waiting, BROKEN, CONFIGS[1]]) if store.get(run_key(config))]
    assert made == with_dependencies([CONFIGS[1]])


def deadly(config, *, store):
    """A run that kills the process that makes it, if it is of "random"."""
    if config.method == "random":
        os.kill(os.getpid(), signal.SIGKILL)
    return run.run(config, store=store)


@pytest.mark.usefixtures("copied_workers")
def test_a_run_that_kills_its_workers_is_named_and_what_was_made_is_kept(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(experiments_sweep, "RESTARTS", 1)
    monkeypatch.setenv("L2H_WORKERS", "2")
    random = CONFIGS[1]
    kept = f"2 of 3 runs were made and are kept in {tmp_path}; the same sweep makes the others"
    with pytest.raises(RuntimeError, match=re.escape(f"workers died 2 times; {kept}")) as died:
        sweep([random], store=Store(tmp_path), task=Task(run=deadly))
    assert str(died.value).endswith(f"a worker died while these runs were made: {random}")
    assert caplog.text.count("the workers are started again") == 1
    assert not active_children()


def spoilt(error, method, config, *, store):
    """A run of one method raises an error."""
    if config.method == method:
        raise error
    return run.run(config, store=store)


def test_a_given_executor_that_breaks_says_how_to_go_on(tmp_path, caplog):
    task = Task(run=partial(spoilt, BrokenExecutor("killed"), "plain_server"))
    with ThreadPoolExecutor(1) as pool, pytest.raises(BrokenExecutor, match="method='plain_server'"):
        sweep(CONFIGS[:1], executor=pool, store=Store(tmp_path), task=task)
    assert f"1 of 3 runs were made and are kept in {tmp_path}; the same sweep makes the others" in caplog.text


def test_an_interruption_says_how_to_go_on(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("L2H_WORKERS", "1")
    with pytest.raises(KeyboardInterrupt):
        sweep(CONFIGS[:1], store=Store(tmp_path), task=Task(run=partial(spoilt, KeyboardInterrupt(), "confidence")))
    assert f"2 of 3 runs were made and are kept in {tmp_path}; the same sweep makes the others" in caplog.text


def test_a_worker_with_other_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments_sweep, "_work", lambda config, **_: "0" * 64)
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match="expected a worker with the same code"):
        sweep(CONFIGS[:1], executor=pool, store=Store(tmp_path))


def test_a_worker_that_keeps_its_results_elsewhere_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments_sweep, "_work", lambda config, **_: run_key(config))
    monkeypatch.setattr(experiments_sweep, "SHARED_WITHIN", 0.0)
    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError, match=f"share the folder {tmp_path}, got"):
        sweep(CONFIGS[:1], executor=pool, store=Store(tmp_path))


def test_a_bar_counts_what_is_made_and_what_failed(tmp_path, monkeypatch, caplog, capsys):
    monkeypatch.setenv("L2H_WORKERS", "1")
    sweep(CONFIGS[:1], store=Store(tmp_path))
    assert capsys.readouterr().err == ""  # no line is added to a notebook's output
    caplog.set_level(logging.INFO, logger="l2h.sweep")
    with pytest.raises(RuntimeError):
        sweep([CONFIGS[1], BROKEN], store=Store(tmp_path))
    assert re.search(r"runs: 100%\|.*\| 2/2 \[\d\d:\d\d<\d\d:\d\d,.*failed=1\]", capsys.readouterr().err)


KILLED = '''
"""Sweep in a child that is killed at a random moment, look at what it left, and again, until nothing is left to do.

Computing is replaced by something quicker that notes its beginning, and the disk is a slow one, so that kills hit
writes, too; runs, keys and store are the real ones.
"""

import json, os, random, signal, sys, time
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from l2h.data.dataset import SPLITS
from l2h.experiments import run
from l2h.experiments.sweep import sweep, with_dependencies
from l2h.experiments.store import Store
from dataclasses import replace
from helpers.sweeps import BASE

folder, notes = Path(sys.argv[1]), Path(sys.argv[2])
CONFIGS = [replace(BASE, method="learning_to_help", seed=seed) for seed in range(40)]
KEYS = {run.run_key(config) for config in with_dependencies(CONFIGS)}
store, moments = Store(folder), random.Random(0)


def quick(config, earlier):
    with notes.open("a") as file:
        file.write(run.run_key(config) + "\\n")
    values = np.random.default_rng(config.seed).random(1000)
    arrays = {"client_scores": values} if config.method == "client" else dict.fromkeys("mrey", values)
    return run.RunResult(config, {}, dict.fromkeys(SPLITS, arrays), (), 0.0)


def begun():
    return notes.read_text().split() if notes.exists() else []


def slow(file):
    time.sleep(0.01)
    return written(file)


run._compute = quick
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


def run_script(text, folder, *arguments, stdin=None, **environment):
    """Execute a script that knows this package and these tests; with `stdin` as `python - < script` does."""
    script = folder / "script.py"
    script.write_text(text)
    command = [sys.executable, "-", *arguments] if stdin else [sys.executable, script, *arguments]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    return subprocess.run(command, env=env, input=text if stdin else None, capture_output=True, text=True, check=False)


def test_a_sweep_that_is_killed_at_any_moment_goes_on_where_it_stopped(tmp_path):
    done = run_script(KILLED, tmp_path, tmp_path / "runs", tmp_path / "notes", L2H_WORKERS="1")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["kills"] >= 20, "too few moments to show anything"
    assert counts["halves"] >= 1, "none of them hit a write"


@pytest.mark.usefixtures("copied_workers")
def test_a_killed_worker_costs_the_runs_under_way_and_nothing_else(alone, tmp_path, monkeypatch, caplog):
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
    assert "a worker died while these runs were made: ExperimentConfig(" in caplog.text
    assert len(SLOW) < len(before) < len(with_dependencies(SLOW))
    assert content(store) == expected(alone, SLOW)
    assert before.items() <= files(store).items()
    assert not active_children()


@contextmanager
def dask_cluster(count):
    with LocalCluster(
        n_workers=count, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=logging.CRITICAL
    ) as cluster:
        yield cluster


@pytest.mark.usefixtures("copied_workers")
def test_a_dask_cluster_loses_a_worker_and_nothing_else(alone, tmp_path, monkeypatch):
    store = Store(tmp_path)
    with dask_cluster(3) as cluster:
        monkeypatch.setenv("L2H_SCHEDULER", cluster.scheduler_address)
        before, at_work = {}, cluster.scheduler.workers.values()

        def kill():
            wait_until(lambda: len(files(store)) > len(SLOW))
            victim = wait_until(lambda: [worker.name for worker in at_work if worker.processing])[0]
            os.kill(cluster.workers[victim].pid, signal.SIGSTOP)
            before.update(files(store))
            os.kill(cluster.workers[victim].pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        sweep(SLOW, store=store)
        killer.join()
    assert len(SLOW) < len(before) < len(with_dependencies(SLOW))
    assert content(store) == expected(alone, SLOW)
    assert before.items() <= files(store).items()


def test_workers_end_with_the_sweep_that_is_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("L2H_WORKERS", "2")
    store = Store(tmp_path / "runs")
    with forked(tmp_path, lambda: sweep(SLOW, store=store)) as sweeping:
        wait_until(lambda: len(files(store)) > 1)

    wait_until(lambda: not is_alive(sweeping.pid))


UNGUARDED = """
import sys
from pathlib import Path
from l2h.experiments.sweep import over_seeds, sweep
from l2h.experiments.run import ExperimentConfig
from l2h.experiments.store import Store

sweep(over_seeds(ExperimentConfig("random", source="digits"), 2), store=Store(Path(sys.argv[1])))
"""
SWEEPING = """
import sys
from pathlib import Path
from l2h.experiments.sweep import sweep
from l2h.experiments.store import Store
from helpers.sweeps import SLOW

if __name__ == "__main__":
    sweep(SLOW, store=Store(Path(sys.argv[1])))
"""
TO_WRITE = 'below `if __name__ == "__main__":`'


def test_a_script_that_sweeps_at_top_level_gets_one_message_with_the_solution(tmp_path):
    done = run_script(UNGUARDED, tmp_path, tmp_path / "runs", L2H_WORKERS="2")
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert error.startswith("RuntimeError: expected a script that calls sweep") and TO_WRITE in error
    assert done.stderr.count("Traceback") == 1 and len(done.stderr.splitlines()) < 20
    assert not files(Store(tmp_path / "runs"))


@pytest.mark.parametrize("text", [UNGUARDED, SWEEPING], ids=["without a guard", "with one"])
def test_a_script_that_is_no_file_gets_one_message(tmp_path, text):
    done = run_script(text, tmp_path, tmp_path / "runs", stdin=True, L2H_WORKERS="2")
    assert done.returncode == 1
    error = done.stderr.splitlines()[-1]
    assert error.startswith("RuntimeError: expected a script in a file") and TO_WRITE in error and "<stdin>" in error
    assert done.stderr.count("Traceback") == 1 and len(done.stderr.splitlines()) < 20


def darkness(parts, *, costs, seed, options):
    """A method as a reader adds it in a notebook: it asks about dark images."""
    return System(lambda examples: examples.x.flatten(1).double().mean(1) - 77, require_server_scores, False, False)


def test_a_method_of_the_readers_own_is_made_in_this_process(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.TWO_STAGE, "darkness", darkness)
    monkeypatch.setenv("L2H_WORKERS", "2")
    store, made = Store(tmp_path), []
    computed = run._compute
    monkeypatch.setattr(run, "_compute", lambda config, earlier: made.append(config) or computed(config, earlier))
    configs = over_seeds(replace(BASE, method="darkness"), 2)
    results = sweep(configs, store=store)
    # The clients and servers were made by the workers, in any order.
    assert sorted(made, key=lambda config: config.seed) == configs
    assert [result.config for result in results] == configs and len(files(store)) == 6
    asked = results[0].scores["test"]["r"] <= 0
    assert asked.any() and not asked.all()


def test_a_run_that_reads_one_of_the_readers_own_stays_here_too(monkeypatch):
    monkeypatch.setitem(registry.JOINT, "own", darkness)
    monkeypatch.setattr(experiments_config, "SERVER_METHODS", (*registry.STANDALONE, *registry.JOINT))
    assert experiments_sweep._stays_here(replace(BASE, server="own"))
    assert not experiments_sweep._stays_here(BASE)


@pytest.mark.parametrize("text", ["0", "two", "-1", "1.5"])
def test_a_number_of_workers_that_is_none_is_refused(tmp_path, monkeypatch, text):
    monkeypatch.setenv("L2H_WORKERS", text)
    with pytest.raises(ValueError, match=f"expected L2H_WORKERS to be a whole number >= 1, got '{text}'"):
        sweep(CONFIGS, store=Store(tmp_path))


def test_there_are_no_more_processes_than_runs(monkeypatch):
    monkeypatch.setenv("L2H_WORKERS", "64")
    with experiments_sweep._executor(None, CONFIGS[:1]) as executor:
        assert executor is None and not active_children()


def test_an_accelerator_that_is_not_there_is_refused_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("L2H_ACCELERATOR", "abacus")
    with pytest.raises(ValueError, match=r"expected L2H_ACCELERATOR to be one of .* got 'abacus'"):
        sweep(CONFIGS, store=Store(tmp_path))
    assert "failed" not in caplog.text and not active_children()


def test_a_folder_that_takes_no_results_is_refused_once(tmp_path, monkeypatch, caplog):
    (file := tmp_path / "file").write_text("")
    monkeypatch.setenv("L2H_RUNS", str(file))
    monkeypatch.setattr(run, "_compute", lambda *_: pytest.fail("computed for nothing"))
    with pytest.raises(OSError, match=rf"expected a folder where results can be kept \(L2H_RUNS\), got {file}"):
        sweep(CONFIGS)
    assert "failed" not in caplog.text


def test_a_cluster_that_does_not_answer_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("L2H_SCHEDULER", "tcp://127.0.0.1:9")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "200ms"}),
        pytest.raises(OSError, match=r"127\.0\.0\.1:9"),
    ):
        sweep(QUICK, store=Store(tmp_path))


def test_a_full_disk_ends_a_sweep_at_once(tmp_path, monkeypatch):
    begun = []

    def full(*_):
        begun.append(True)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Store, "put", full)
    monkeypatch.setenv("L2H_WORKERS", "1")
    with pytest.raises(OSError, match="No space left"):
        sweep([replace(BASE, method="random", seed=seed) for seed in range(3)], store=Store(tmp_path))
    assert len(begun) == 1


def test_one_client_and_one_server_serve_every_method():
    configs = [replace(BASE, method=method) for method in ("confidence", "random", "oracle", "learning_to_help")]
    assert sorted(config.method for config in with_dependencies(configs)) == [
        "client", "confidence", "learning_to_help", "oracle", "plain_server", "random",
    ]  # fmt: skip


def test_every_run_comes_after_what_it_needs():
    ordered = with_dependencies([replace(BASE, server="learning_to_help")])
    for i, config in enumerate(ordered):
        assert set(experiments_config.dependencies(config)) <= set(ordered[:i])
    assert with_dependencies(ordered) == ordered


def process_of(item):
    return item, os.getpid()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_results_of_a_function_come_in_order_from_as_many_processes_as_asked_for(workers, monkeypatch):
    monkeypatch.setenv("L2H_WORKERS", workers)
    found = map_in_processes(process_of, [3, 1, 2])
    assert [item for item, _ in found] == [3, 1, 2]
    assert {process == os.getpid() for _, process in found} == {workers == "1"}
    assert map_in_processes(process_of, [7]) == [(7, os.getpid())] and map_in_processes(process_of, []) == []


@pytest.mark.parametrize("workers", ["0", "-1", "two", "1.5"])
def test_a_wrong_number_of_processes_is_refused(workers, monkeypatch):
    monkeypatch.setenv("L2H_WORKERS", workers)
    with pytest.raises(ValueError, match="whole number >= 1, got"):
        map_in_processes(process_of, [1, 2])


def two(processes):
    """A list of two, or nothing yet."""
    found = list(processes)
    return found if len(found) == 2 else []


def test_the_processes_of_a_function_end_with_the_one_that_is_killed():
    code = "import time; from l2h.experiments.sweep import map_in_processes; map_in_processes(time.sleep, [600, 600])"
    environment = os.environ | {"L2H_WORKERS": "2"}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True) as child:
        process = psutil.Process(child.pid)
        workers = wait_until(lambda: two(one for one in process.children() if "spawn_main" in " ".join(one.cmdline())))
        child.kill()
    wait_until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in workers))
