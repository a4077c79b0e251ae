"""The runs of chapter 10: computed once, and evaluated on right and wrong labels alone."""

from dataclasses import replace

import numpy as np
import pytest

from companion.chapters.ch10_domains import experiments
from companion.chapters.ch10_domains.experiments import DomainResult, DomainRun, MethodRun
from companion.chapters.ch10_domains.tasks import TASKS, task_splits
from companion.chapters.parameters import settings_for
from l2h.data import domains
from l2h.data.published import NotAvailableError
from l2h.evaluation.metrics import client_server_correctness
from l2h.experiments.run_log import read_facts
from l2h.experiments.store import Store
from l2h.serving.estimator.classifier import LearningToHelpClassifier

SMALL = DomainRun("wine", 1, n_client=54, n_fit=54, n_test=20, epochs=2)
PARTS = {
    "test": {
        "client_right": [1, 0, 1],
        "confidence": [0.9, 0.4, 0.8],
        "learning to help": {"r": [0.5, -0.5, 0.1], "server_right": [1, 1, 0]},
        "two-stage": {"r": [0.2, -0.1, -0.3], "server_right": [0, 1, 1]},
    }
}


def test_predictions_know_which_labels_are_right():
    result = DomainResult(SMALL, PARTS)
    ours, confidence = (result.predictions(system) for system in ("learning to help", "confidence"))
    assert [right.astype(int).tolist() for right in client_server_correctness(ours)] == [[1, 0, 1], [1, 1, 0]]
    assert [right.astype(int).tolist() for right in client_server_correctness(confidence)] == [[1, 0, 1], [0, 1, 1]]
    assert (ours.r.tolist(), confidence.r.tolist()) == ([0.5, -0.5, 0.1], [0.9, 0.4, 0.8])


def test_a_run_is_computed_once_and_is_the_same_again(tmp_path, monkeypatch):
    store = Store(tmp_path)
    first = experiments.run_domain(SMALL, store)
    assert set(first.parts) == {"validation", "test"}
    assert set(first.parts["test"]) == {"client_right", "confidence", *experiments.HELPER_METHODS}
    assert len(first.predictions("separate").y) == 20
    again = experiments.run_domain(SMALL, Store(tmp_path / "other"))
    assert again.parts == first.parts

    def refuse(config):
        raise AssertionError(f"computed again: {config}")

    monkeypatch.setattr(experiments, "compute", refuse)
    assert experiments.run_domain(SMALL, store).parts == first.parts
    with pytest.raises(AssertionError, match="computed again"):
        experiments.run_domain(replace(SMALL, seed=2), store)


@pytest.mark.parametrize("method", experiments.HELPER_METHODS.values())
@pytest.mark.parametrize("task", ["wine", "breast_cancer", "digits"])
def test_a_helper_is_the_one_that_the_public_estimator_fits(task, method):
    splits = task_splits(task, seed=3, n_client=60, n_fit=60, n_test=20)
    parts = experiments.fit_helper(splits, method, seed=3, epochs=2)
    estimator = LearningToHelpClassifier(method=method, c1=1.0, ce=0.1, random_state=3, epochs=2)
    estimator.fit(splits.fit.x, splits.fit.y, client_scores=splits.probabilities["fit"])
    x = splits.parts["test"].x
    assert np.array_equal(parts.rejector(x), estimator.rejector_(x))
    assert np.array_equal(parts.server(x), estimator.server_(x))
    assert parts.threshold == estimator.threshold_


@pytest.mark.parametrize("method", experiments.FURTHER_METHODS.values())
@pytest.mark.parametrize("task", ["wine", "breast_cancer", "digits"])
def test_a_further_method_is_the_one_that_the_public_estimator_fits(task, method):
    config = MethodRun(task, 3, n_client=60, n_fit=60, n_test=20, epochs=2, method=method)
    splits = task_splits(task, seed=3, n_client=60, n_fit=60, n_test=20)
    estimator = LearningToHelpClassifier(method=method, c1=1.0, ce=0.1, random_state=3, epochs=2)
    estimator.fit(splits.fit.x, splits.fit.y, client_scores=splits.probabilities["fit"])
    x, probabilities = splits.parts["test"].x, splits.probabilities["test"]
    found = experiments.compute_method(config)["test"]
    r = estimator.decision_function(x, client_scores=probabilities) + estimator.threshold_
    assert found["r"] == pytest.approx(r.tolist(), rel=1e-5, abs=1e-6)
    asked = estimator.server_(x)
    labels = asked.argmax(1) if asked.ndim == 2 else (asked > 0).astype(int)
    assert found["server_right"] == (labels == splits.parts["test"].y).astype(int).tolist()


def test_a_further_method_has_a_key_and_a_run_of_its_own():
    triage, budgeted = (
        replace(MethodRun(**vars(SMALL), method="budgeted"), method=method)
        for method in ("differentiable_triage", "budgeted")
    )
    keys = {experiments.domain_run_key(config) for config in (SMALL, triage, budgeted)}
    assert len(keys) == 3


def test_the_settings_say_which_runs_have_the_further_methods():
    settings = replace(settings_for("10_domains", "quick"), method_tasks=("wine",))
    runs = experiments.method_runs(settings, [SMALL, replace(SMALL, seed=2), replace(SMALL, task="digits")])
    assert {(run.task, run.seed) for run in runs} == {("wine", SMALL.seed), ("wine", 2)}
    assert [run.method for run in runs] == 2 * list(experiments.FURTHER_METHODS.values())


def test_the_systems_of_a_further_method_join_the_run_of_the_same_client():
    parts = {"test": {"client_right": [1, 0, 1], "r": [1.0, -1.0, 2.0], "server_right": [0, 1, 1]}}
    budgeted = DomainResult(MethodRun(**vars(SMALL), method="budgeted"), parts)
    alone = DomainResult(SMALL, PARTS)
    (joined,) = experiments.with_methods([budgeted, alone])
    assert joined.predictions("budgeted").r.tolist() == [1.0, -1.0, 2.0]
    assert joined.predictions("two-stage").r.tolist() == [0.2, -0.1, -0.3]
    assert "budgeted" not in alone.parts["test"]
    parts["test"]["client_right"] = [1, 1, 1]
    with pytest.raises(ValueError, match="expected the client of DomainRun"):
        experiments.with_methods([budgeted, alone])


def test_runs_are_logged_and_their_processor_time_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("L2H_RUN_LOG", str(tmp_path / "log"))
    first, again = (experiments.run_domain(SMALL, Store(tmp_path / "runs")) for _ in range(2))
    assert first.cpu_seconds == again.cpu_seconds > 0
    assert read_facts(tmp_path / "log", experiments.RUN_KIND) == [vars(SMALL)]


def test_a_key_depends_on_the_configuration_and_on_the_data(monkeypatch):
    key = experiments.domain_run_key(SMALL)
    assert experiments.domain_run_key(replace(SMALL, n_fit=53)) != key
    monkeypatch.setattr(experiments, "data_digest", lambda name: "other data")
    assert experiments.domain_run_key(SMALL) != key


def test_the_runs_of_a_chapter_leave_out_the_seeds_that_were_seen():
    settings = settings_for("10_domains", "paper")
    runs = experiments.domain_runs(settings, ["wine", "cifar100"])
    assert len(runs) == 2 * settings.seeds and min(run.seed for run in runs) == experiments.FIRST_SEED == 4
    assert {run.n_fit for run in runs if run.task == "cifar100"} == {settings.image_fit}
    assert {run.epochs for run in runs if run.task == "wine"} == {None}


def test_a_sweep_reads_what_the_store_has(tmp_path, monkeypatch):
    monkeypatch.setenv("L2H_RUNS", str(tmp_path))
    monkeypatch.setenv("L2H_WORKERS", "1")
    configs = [SMALL, replace(SMALL, epochs=1)]
    results = experiments.sweep_domains(configs)
    assert [result.config for result in results] == configs
    assert len(list(tmp_path.glob("*.json"))) == 2
    monkeypatch.setattr(experiments, "compute", None)
    assert [result.parts for result in experiments.sweep_domains(configs)] == [result.parts for result in results]


def test_a_task_without_data_is_left_out_and_said(monkeypatch):
    load = domains.load

    def only_packages(name):
        if name == "gas_drift":
            raise NotAvailableError("no gases")
        return load(name)

    monkeypatch.setattr(experiments.domains, "load", only_packages)
    settings = replace(settings_for("10_domains", "quick"), tasks=("gas_drift", "wine"), data="cifar10")
    assert experiments.available_tasks(settings) == ({"wine": TASKS["wine"]}, ("Left out: no gases.",))
    of_digits, (banner,) = experiments.available_tasks(replace(settings, data="digits"))
    assert list(of_digits) == ["wine"] and "No published data set" in banner


def test_confidence_is_stored_with_six_digits():
    assert experiments._rounded(np.array([1 / 3, 1e-9, 1.0])) == [0.333333, 1e-9, 1.0]
