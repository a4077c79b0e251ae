"""The log of the runs that a program uses."""

import pytest

from l2h.experiments.config import ExperimentConfig
from l2h.experiments.run import run
from l2h.experiments.run_log import RUN_LOG, LoggedRun, log_facts, log_run, read_facts, read_run_log
from l2h.experiments.shifted import Conditions, run_under_corruption
from l2h.experiments.store import Store

CONFIG = ExperimentConfig("random", source="digits", sizes=(200, 200, 100, 100), classes=("1", "8"))


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv(RUN_LOG, str(tmp_path / "runs.jsonl"))
    return tmp_path / "runs.jsonl"


def test_without_the_variable_nothing_is_logged(monkeypatch, tmp_path):
    monkeypatch.delenv(RUN_LOG, raising=False)
    monkeypatch.chdir(tmp_path)
    log_run(CONFIG)
    log_facts("other", {"seed": 1})
    assert list(tmp_path.iterdir()) == []


def test_each_run_is_read_once_with_its_tuples(log):
    conditions = Conditions(("clean", "noise 4"), 10)
    for _ in range(2):
        log_run(CONFIG)
        log_run(CONFIG, conditions)
    fields = {"names": ("clean", "noise 4"), "n_images": 10, "with_activations": ()}
    assert read_run_log(log) == [LoggedRun(CONFIG, None), LoggedRun(CONFIG, fields)]
    assert read_run_log(log.with_name("none")) == []


def test_runs_of_another_kind_are_read_by_their_kind_alone(log):
    log_run(CONFIG)
    for seed in (1, 2, 1):
        log_facts("other", {"seed": seed})
    assert read_facts(log, "other") == [{"seed": 1}, {"seed": 2}]
    assert read_facts(log, "none") == read_facts(log.with_name("none"), "other") == []
    assert read_run_log(log) == [LoggedRun(CONFIG, None)]


@pytest.mark.parametrize("stored", [False, True])
def test_runs_are_logged_whether_they_are_computed_or_read(log, tmp_path, stored):
    config, store = ExperimentConfig("random", ce=0.1, source="digits"), Store(tmp_path / "store")
    conditions = Conditions(("clean",), 5)
    if stored:
        run(config, store=store)
        run_under_corruption(config, conditions, store=store)
        log.unlink()
    run(config, store=store)
    run_under_corruption(config, conditions, store=store)
    read = [(logged.config, bool(logged.conditions)) for logged in read_run_log(log)]
    assert read == [(config, False), (config, True)]
