"""One run: deterministic, kept in the store under the one rule of staleness, on data that is stated."""

import importlib
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from l2h.evaluation import metrics
from l2h.experiments import run as experiments_run
from l2h.experiments.config import ExperimentConfig, dependencies
from l2h.experiments.fingerprint import PACKAGE
from l2h.experiments.run import run
from l2h.experiments.store import Store
from l2h.methods import registry
from l2h.training import config as training_config

ROOT = PACKAGE.parent
DIGITS = ExperimentConfig(method="learning_to_help", client="well_trained", source="digits", ce=0.1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("runs"))


def _code(method):
    code, roots = experiments_run.code_of_run(method)
    return code.fingerprint(roots, without=experiments_run.REGISTRIES)


def same(first, second):
    return all(
        np.array_equal(values, second.scores[part][name])
        for part, named in first.scores.items()
        for name, values in named.items()
    )


def test_a_run_is_bitwise_the_same_in_another_process_with_other_threads(store, tmp_path):
    here = run(DIGITS, store=store)
    code = (
        "from pathlib import Path; from l2h.experiments.run import *; from l2h.experiments.store import Store;"
        f"run(ExperimentConfig(method='learning_to_help', client='well_trained', source='digits', ce=0.1),"
        f"store=Store(Path({str(tmp_path)!r})))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "OMP_NUM_THREADS": "2"})
    there = run(DIGITS, store=Store(tmp_path))
    assert same(here, there) and here.history == there.history


def test_a_kept_result_is_read_and_not_made_again(store, monkeypatch):
    first = run(DIGITS, store=store)
    monkeypatch.setattr(experiments_run, "_compute", lambda *_: pytest.fail("made again"))
    again = run(DIGITS, store=store)
    assert same(first, again) and first.cpu_seconds == again.cpu_seconds


def test_another_runs_file_under_this_runs_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(
        experiments_run, "_compute", lambda config, _: experiments_run.RunResult(config, {}, {}, (), 0.0)
    )
    clients = [ExperimentConfig(method="client", client="well_trained", source="digits", seed=seed) for seed in (0, 1)]
    assert [run(client, store=Store(tmp_path)).config for client in clients] == clients
    asked, other = (tmp_path / f"{experiments_run.run_key(client)}.json" for client in clients)
    asked.write_bytes(other.read_bytes())
    with pytest.raises(ValueError, match=rf"{asked.name} is corrupt.*delete it"):
        run(clients[0], store=Store(tmp_path))
    assert run(clients[1], store=Store(tmp_path)).config == clients[1]


@pytest.mark.parametrize(
    "change",
    [
        {"ce": 0.2},
        {"seed": 1},
        {"alpha": "client_error"},
        {"bounded": False},
        {"hidden_units": 7},
        {"alpha": 1.5},
        {"client": "lenet"},
        {"classes": ("3", "5")},
    ],
)
def test_whatever_may_change_a_result_changes_its_key(change):
    assert experiments_run.run_key(DIGITS) != experiments_run.run_key(replace(DIGITS, **change))


def test_bfloat16_makes_another_result_only_if_the_preset_asks_for_it(monkeypatch):
    configs = [DIGITS, replace(DIGITS, preset="moderate")]
    keys = []
    for has in (False, True):
        monkeypatch.setattr(experiments_run.device, "has_bfloat16", lambda has=has: has)
        keys.append([experiments_run.run_key(config) for config in configs])
    assert keys[0][0] == keys[1][0] and keys[0][1] != keys[1][1]


def test_what_an_accelerator_computed_has_a_key_of_its_own(monkeypatch):
    keys = set()
    for name in ("", "cpu", "cuda"):
        monkeypatch.setenv("L2H_ACCELERATOR", name)
        keys.add(experiments_run.run_key(ExperimentConfig(method="client", source="digits")))
    assert len(keys) == 2


def test_changed_code_or_torch_makes_a_result_stale(monkeypatch):
    before, versions = experiments_run.run_key(DIGITS), experiments_run.library_versions()
    monkeypatch.setattr(experiments_run, "_code_digest", lambda *_: "other")
    assert experiments_run.run_key(DIGITS) != before
    monkeypatch.undo()
    monkeypatch.setattr(experiments_run, "library_versions", lambda: {**versions, "torch": "0"})
    assert experiments_run.run_key(DIGITS) != before


def test_the_threads_of_the_caller_are_given_back(store):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run(DIGITS, store=store)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_every_result_says_what_it_was_made_from(store):
    result = run(DIGITS, store=store)
    assert result.config == DIGITS
    assert result.data["name"].startswith("digits") and len(result.data["sha256"]) == 64
    assert set(result.data["sizes"]) == {"client", "train", "calibration", "validation", "test"}
    assert result.cpu_seconds > 0 and len(result.history) == training_config.PRESETS["fast"].epochs


def test_predictions_are_of_splits_that_nothing_was_trained_on(store):
    result = run(DIGITS, store=store)
    dataset = experiments_run.dataset_for_config(DIGITS)
    for part in experiments_run.EVALUATED_SPLITS:
        assert result.predictions(part).y.tolist() == getattr(dataset, part).y.tolist()
    assert set(result.scores) == set(experiments_run.EVALUATED_SPLITS)


def test_every_method_serves_the_same_client(store):
    names = ("learning_to_help", "confidence", "random", "oracle", "always_keep", "always_ask")
    results = [run(replace(DIGITS, method=name), store=store).predictions() for name in names]
    assert len({r.m.tobytes() for r in results}) == 1
    assert metrics.coverage(results[4]) == 1 and metrics.coverage(results[5]) == 0


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
    fit = experiments_run.clients.fit_client
    monkeypatch.setattr(
        experiments_run.clients,
        "fit_client",
        lambda part, **kind: seen.update({kind["kind"]: len(part.y)}) or fit(part, **kind),
    )
    for client in ("as_released", "well_trained"):
        run(ExperimentConfig(method="client", client=client, source="digits", seed=7), store=store)
    dataset = experiments_run.dataset_for_config(DIGITS)
    splits = (dataset.client, dataset.train, dataset.calibration, dataset.validation)
    assert seen == {"as_released": sum(len(part.y) for part in splits), "well_trained": len(dataset.client.y)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "magic"}, "method"),
        ({"client": "magic"}, "client"),
        ({"alpha": "magic"}, "alpha"),
        ({"alpha": -1.0}, "alpha"),
        ({"hidden_units": 0}, "hidden_units"),
        ({"server_network": "magic"}, "server_network"),
        ({"preset": "magic"}, "preset"),
        ({"server_preset": "magic"}, "server_preset"),
        ({"warm_start_preset": "magic"}, "warm_start_preset"),
        ({"form": "magic"}, "form"),
        ({"update_every": 0}, "update_every"),
        ({"update_every": 1.5}, "expected a whole update_every >= 1, got 1.5"),
        ({"seed": 0.5}, "expected a whole seed >= 0, got 0.5"),
        ({"method": "on_device_classifier", "rejector": "scores"}, "classifier that reads the image, got .*scores"),
        ({"method": "always_ask", "server": "on_device_classifier", "rejector": "scores"}, "reads the image"),
        ({"alpha": "posterior"}, "expected a warm_start_preset for alpha 'posterior'"),
        (
            {"warm_start_preset": "fast"},
            "bounded=False where a server starts from another one, got warm_start_preset='fast'",
        ),
        ({"server": "magic"}, "server"),
        ({"rejector": "features"}, "client whose features are read to be one of 'lenet', 'follow_up', got 'well_"),
        ({"source": "magic"}, "source"),
        ({"beta": 0.0}, "beta"),
        ({"ce": -0.1}, "ce"),
    ],
)
def test_bad_configurations_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(DIGITS, **change)


def test_a_joint_training_may_start_from_a_plain_server_of_another_preset(store):
    config = replace(DIGITS, method="weighted_server", preset="fine_tuning", warm_start_preset="fast")
    client, plain = dependencies(config)
    assert (client.method, plain.method, plain.preset, plain.client) == (
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


def test_a_trained_rejector_gets_a_joint_server_by_its_own_presets():
    served = {"server": "weighted_server", "server_preset": "fine_tuning", "warm_start_preset": "fast"}
    _, joint = dependencies(replace(DIGITS, method="confidence", **served))
    assert (joint.method, joint.preset, joint.warm_start_preset, joint.ce) == (
        "weighted_server",
        "fine_tuning",
        "fast",
        DIGITS.ce,
    )
    _, plain = dependencies(replace(DIGITS, method="two_stage", server_preset="moderate", warm_start_preset="fast"))
    assert (plain.method, plain.preset, plain.warm_start_preset) == ("plain_server", "moderate", "")


@pytest.mark.parametrize("classes", [(), ("1", "3", "8")], ids=["two classes", "three classes"])
@pytest.mark.parametrize("method", ["two_stage", "learning_to_help"])
def test_a_rejector_on_features_runs_and_its_features_give_the_scores_of_the_client(store, classes, method):
    alpha = 2.0 if classes else "deterministic"
    config = replace(DIGITS, method=method, client="lenet", classes=classes, rejector="features", alpha=alpha)
    result, dataset, client = (
        run(config, store=store),
        experiments_run.dataset_for_config(config),
        run(dependencies(config)[0], store=store),
    )
    assert result.predictions().r.shape == dataset.test.y.shape
    test = {"test": dataset.test}
    examples = experiments_run.make_examples(config, test, [client.scores])["test"]
    outputs = len(classes) or 1
    weights = torch.from_numpy(client.scores["weights"]["client_scores"])[-outputs * 85 :]  # of the last layer
    raw = examples.client_features.double() @ weights[:-outputs].view(outputs, 84).double().T + weights[-outputs:]
    scale = raw.flatten() / examples.client_scores.double().flatten()  # the kept scores are divided by a temperature
    torch.testing.assert_close(scale, scale[:1].expand_as(scale), rtol=1e-3, atol=1e-3)
    assert (
        experiments_run.make_examples(replace(config, rejector="scores"), test, [client.scores])["test"].client_features
        is None
    )
    assert not np.array_equal(
        result.predictions().r, run(replace(config, rejector="scores"), store=store).predictions().r
    )


def test_needs_end():
    assert (
        dependencies(ExperimentConfig(method="client")) == dependencies(ExperimentConfig(method="plain_server")) == ()
    )


# --- every method -----------------------------------------------------------------------------------------------------

SERVER_OF = {"distilled": "mozannar_sontag"}
WITH_CLIENT = [name for name in registry.METHODS if name not in registry.STANDALONE]


def config_of(name, **options):
    return replace(DIGITS, method=name, server=SERVER_OF.get(name, "plain_server"), **options)


@pytest.mark.parametrize(
    ("classes", "precision"), [((), "float32"), (("1", "3", "8"), "float64")], ids=["two classes", "three classes"]
)
@pytest.mark.parametrize("name", WITH_CLIENT)
def test_every_method_runs_on_two_classes_and_on_more(store, name, classes, precision):
    alpha = {"alpha": 2.0} if name == "learning_to_help" and classes else {}
    result = run(config_of(name, classes=classes, precision=precision, **alpha), store=store)
    predictions = result.predictions()
    assert predictions.e.shape == ((len(predictions.y), 3) if classes else predictions.y.shape)
    assert 0 <= metrics.system_loss(predictions, costs=result.config.costs) <= 2.1
    assert ("train" in result.scores) == (name in registry.TEACHERS)
    assert bool(result.history) == (name not in registry.TRAINING_FREE)


def test_a_plain_server_scores_the_train_split_out_of_fold(store):
    result = run(config_of("plain_server", classes=("1", "3", "8")), store=store)
    dataset = experiments_run.dataset_for_config(result.config)
    assert result.scores["train"]["e"].shape == (len(dataset.train.y), 3)
    assert "train" not in run(config_of("on_device_classifier"), store=store).scores


def test_two_stages_are_trained_on_answers_given_out_of_fold(store, monkeypatch):
    seen = {}
    real = registry.METHODS["two_stage"]
    spy = lambda splits, **irrelevant: seen.update(server=splits.train.server_scores) or real(splits, **irrelevant)  # noqa: E731
    spy.__module__, spy.__name__ = real.__module__, real.__name__
    monkeypatch.setitem(registry.TWO_STAGE, "two_stage", spy)
    run(config_of("two_stage", seed=5), store=store)
    plain = run(config_of("plain_server", seed=5), store=store)
    assert seen["server"].numpy().tolist() == plain.scores["train"]["e"].tolist()


def test_a_student_learns_from_the_run_of_its_teacher(store):
    student = run(config_of("distilled"), store=store).predictions()
    teacher = run(config_of("mozannar_sontag"), store=store).predictions()
    assert np.array_equal(student.e, teacher.e) and not np.array_equal(student.r, teacher.r)


def test_an_earlier_run_does_not_receive_irrelevant_options():
    irrelevant = replace(config_of("two_stage"), hidden_units=7, rejector="linear", ce=0.3, client="lenet", alpha=2.0)
    assert [one.method for one in dependencies(irrelevant)] == ["client", "plain_server"]
    assert dependencies(irrelevant)[1] == dependencies(config_of("confidence"))[1]
    student = replace(config_of("distilled"), hidden_units=7, rejector="linear", budget=0.3)
    assert dependencies(student) == dependencies(config_of("distilled")) and dependencies(student)[1].ce == DIGITS.ce
    swept = [
        dependencies(replace(config_of("confidence"), server="learning_to_help", ce=ce))[1].ce for ce in (0.1, 0.2)
    ]
    assert swept == [0.1, 0.2]


@pytest.mark.parametrize(
    ("method", "server"),
    [("two_stage", "learning_to_help"), ("two_sigmoid", "on_device_classifier"), ("distilled", "plain_server")],
)
def test_a_server_without_answers_that_can_be_trained_on_is_refused(method, server):
    with pytest.raises(ValueError, match=f"expected server of {method} to be one of"):
        replace(DIGITS, method=method, server=server)


def test_the_code_of_another_method_makes_no_run_stale():
    def modules_of(name):
        code, roots = experiments_run.code_of_run(registry.METHODS.get(name))
        return {definition.module for definition in code.reached(roots, without=experiments_run.REGISTRIES)}

    used = {name: modules_of(name) for name in ("client", "two_stage", "learning_to_help")}
    assert {"l2h.experiments.run", "l2h.training.loop", "l2h.data.dataset", "l2h.methods.error_estimation"} < used[
        "client"
    ]
    assert {"l2h.methods.two_stage", "l2h.losses.deferral", "l2h.methods.base"} < used["two_stage"]
    assert {"l2h.methods.learning_to_help", "l2h.losses.surrogate", "l2h.theory.calibration"} < used["learning_to_help"]
    own = {
        name: {module for module in modules if module in {method.__module__ for method in registry.METHODS.values()}}
        for name, modules in used.items()
    }
    assert own == {
        "client": set(),
        "two_stage": {"l2h.methods.two_stage"},
        "learning_to_help": {"l2h.methods.learning_to_help"},
    }


def test_a_changed_earlier_run_makes_those_stale_that_read_it(monkeypatch):
    before = {name: experiments_run.run_key(config_of(name)) for name in ("learning_to_help", "distilled", "two_stage")}
    code = experiments_run._code_digest
    changed = registry.METHODS["mozannar_sontag"]
    monkeypatch.setattr(
        experiments_run, "_code_digest", lambda method, root: "other" if method is changed else code(method, root)
    )
    after = {name: experiments_run.run_key(config_of(name)) for name in before}
    assert {name for name in before if before[name] != after[name]} == {"distilled"}


# --- the worked example of CONTRIBUTING.md ----------------------------------------------------------------------------


@pytest.fixture
def darkness(tmp_path, monkeypatch):
    """The method that CONTRIBUTING.md shows, as a module outside the package, registered for one test."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n((?:(?!```).)*def darkness.*?)```", text, flags=re.DOTALL)
    (tmp_path / "darkness_for_test.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    method = importlib.import_module("darkness_for_test").darkness
    monkeypatch.setitem(registry.TWO_STAGE, "darkness", method)
    yield code
    sys.modules.pop("darkness_for_test")


def test_the_worked_example_of_a_method_runs_and_is_short(darkness, store):
    result = run(replace(DIGITS, method="darkness", budget=0.25), store=store)
    validation = result.predictions("validation")
    assert metrics.offload_rate(validation) == pytest.approx(0.25, abs=1 / len(validation.y))
    light = experiments_run.dataset_for_config(DIGITS).validation.x.flatten(1).sum(1).numpy()
    asked = validation.r <= 0
    assert light[asked].max() <= light[~asked].min()
    body = [line for line in darkness.splitlines() if line.strip() and "import" not in line]
    assert len(body) <= 20


def test_a_method_of_the_readers_own_has_its_code_in_the_key(darkness):
    config = replace(DIGITS, method="darkness")
    own = registry.METHODS["darkness"]
    assert _code(own) not in (
        _code(None),
        _code(registry.METHODS["random"]),
    )
    assert experiments_run.run_key(config) != experiments_run.run_key(replace(config, method="random"))


def test_a_constant_beside_a_readers_own_method_is_in_its_key(tmp_path, monkeypatch):
    codes = set()
    monkeypatch.syspath_prepend(tmp_path)
    for threshold in ("0.1", "0.9"):
        (tmp_path / "readers.py").write_text(f"from l2h.problem import asks\nT = {threshold}\ndef own(): T\n")
        monkeypatch.delitem(sys.modules, "readers", raising=False)
        importlib.invalidate_caches()
        codes.add(_code(importlib.import_module("readers").own))
    assert len(codes) == 2


def test_a_method_in_a_notebook_counts_by_its_own_lines(monkeypatch):
    def own():
        return None

    monkeypatch.setattr(own, "__module__", "__main__")
    monkeypatch.setitem(sys.modules, "__main__", type(sys)("__main__"))
    assert experiments_run._method_source(own) == "def own():\n    return None\n"
