"""Experiment grids of chapter 07: complete, with shared runs, and results at the right thresholds."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.samples import sample_runs

from companion.chapters import systems as chapters_systems
from companion.chapters.ch07_multiclass import experiments
from companion.chapters.ch07_multiclass import settings as ch07_multiclass_settings
from companion.chapters.parameters import settings_for
from l2h.evaluation import metrics
from l2h.evaluation.curves import error_auroc_contributions
from l2h.evaluation.thresholds import min_loss_threshold
from l2h.experiments.config import dependencies
from l2h.experiments.run import RunResult, dataset_for_config
from l2h.methods import base, registry
from l2h.problem import Costs
from l2h.training.config import PRESETS

PROFILES = [replace(settings_for("07_multiclass", profile), data="cifar10") for profile in ("quick", "paper", "full")]


@pytest.mark.parametrize("settings", PROFILES, ids=lambda settings: settings.profile)
def test_one_plain_server_of_each_seed_serves_every_method(settings):
    runs = experiments.all_multiclass_configs(settings, 47)
    plain = [one for one in runs if one.method == "plain_server" and one.server_network == settings.server_network]
    seeds = settings.seeds + max(settings.server_decision_seeds, settings.form_decision_seeds)
    assert len(plain) == seeds == len({one.seed for one in plain})
    assert {one.preset for one in plain} == {settings.server_preset}
    joint = [one for one in runs if one.method in registry.JOINT and one.server_network == settings.server_network]
    assert all(one.warm_start_preset == settings.server_preset and one.preset == "fine_tuning" for one in joint)
    assert (
        len(joint)
        == len(experiments.JOINT_SYSTEMS) * settings.seeds
        + (1 + len(experiments.WEIGHTED_SERVER_SYSTEMS)) * settings.server_decision_seeds
    )  # none is trained twice for a rejector of another kind


@pytest.mark.parametrize("settings", PROFILES, ids=lambda settings: settings.profile)
def test_every_run_comes_after_its_dependencies(settings):
    runs = experiments.all_multiclass_configs(settings, 47)
    position = {one: index for index, one in enumerate(runs)}
    assert all(position[earlier] < position[one] for one in runs for earlier in dependencies(one))


def test_the_comparison_names_every_method_of_the_package():
    runs = experiments.multiclass_grid(settings_for("07_multiclass", "paper"))
    named = {one.method for (client, _), one in runs.items() if client == "follow_up"}
    assert named >= set(registry.JOINT) | {"confidence", "random", "oracle", "separate", "two_stage", "two_sigmoid"}
    assert {client for client, _ in runs} == {"follow_up", "lenet"}


@pytest.mark.parametrize("settings", PROFILES, ids=lambda settings: settings.profile)
def test_each_system_is_compared_with_confidence_and_its_own_server(settings):
    systems = experiments.compared_systems(settings, settings.clients[0])
    beside = experiments.confidence_with_same_server(settings)
    assert list(beside) == list(systems)
    assert (
        beside[chapters_systems.STACKED_NAME]
        == beside[chapters_systems.ON_DEVICE_CLASSIFIER]
        == beside["two-stage"]
        == systems["confidence"]
    )
    for name, one in systems.items():
        if name in (chapters_systems.STACKED_NAME, chapters_systems.ON_DEVICE_CLASSIFIER):
            continue
        server = one if one.method in registry.JOINT else dependencies(one)[1]
        assert dependencies(beside[name]) == (dependencies(one)[0], server), name
        assert beside[name].method == "confidence" and beside[name].costs == one.costs


def test_later_clients_lack_systems_that_train_a_server_or_read_the_image():
    first, second = (experiments.compared_systems(PROFILES[1], client) for client in PROFILES[1].clients)
    assert set(first) - set(second) == set(experiments.IMAGE_REJECTOR_SYSTEMS) | set(experiments.JOINT_SYSTEMS) | {
        f"{name}, distilled" for name in chapters_systems.TEACHER_METHODS
    }
    assert set(second) < set(first)
    assert {one.client for name, one in second.items() if name != chapters_systems.STACKED_NAME} == {"lenet"}
    assert [one.rejector for one in first[chapters_systems.STACKED_NAME].rejector_configs] == [
        "scores",
        "features",
        "lenet",
    ]


def test_confidence_has_every_form_that_differs_from_the_others():
    systems = experiments.compared_systems(PROFILES[1], "lenet")
    forms = [one.confidence for one in systems.values() if one.method == "confidence"]
    assert sorted([*forms, "softmax"]) == sorted(base.CONFIDENCE_MEASURES)


def test_the_on_device_classifier_is_trained_once_for_every_client():
    runs = experiments.all_multiclass_configs(PROFILES[1], 47)
    alone = [one for one in runs if one.method == "on_device_classifier"]
    assert len(alone) == PROFILES[1].seeds and {(one.rejector, one.preset) for one in alone} == {("lenet", "fast")}


def test_distilled_systems_imitate_the_run_that_is_compared():
    runs = experiments.multiclass_grid(PROFILES[1])
    for name in chapters_systems.TEACHER_METHODS:
        imitates = runs["follow_up", f"{name}, distilled"]
        assert imitates.rejector == "scores" and dependencies(imitates)[1] == runs["follow_up", name]


def test_the_numbers_of_classes_differ_in_nothing_else():
    runs = experiments.class_count_grid(PROFILES[1])
    alike = {replace(one, classes=(), method="confidence") for one in runs.values()}
    assert len(alike) == 1
    assert sorted({len(one.classes) for one in runs.values()}) == [2, 3, 5, 10]


def test_digits_use_all_images():
    settings = replace(settings_for("07_multiclass", "quick"), data="digits", sizes=())
    assert {one.sizes for one in experiments.all_multiclass_configs(settings, 5)} == {()}
    assert (
        experiments.first_class_names("digits", 2) == ("1", "8")
        and len(set(experiments.first_class_names("digits", 10))) == 10
    )


def test_update_intervals_hold_every_step_an_epoch_and_never():
    runs = experiments.update_interval_grid(PROFILES[1], 47)
    assert list(runs) == [1, 10, 47, experiments.NEVER_UPDATED]
    assert {one.warm_start_preset for one in runs.values()} == {""}


def test_thresholds_are_tuned_on_the_validation_split_and_not_on_the_test_split():
    config = replace(experiments.multiclass_base_config(PROFILES[1]), method="random")
    scores = {"validation": sample_runs(2, 200), "test": sample_runs(2, 300, client=0.6)}
    results = {
        replace(one, seed=seed): RunResult(
            one, {}, {part: vars(by_seed[seed]) for part, by_seed in scores.items()}, (), 0.0
        )
        for one in (config, replace(config, method="always_ask"))
        for seed in (0, 1)
    }
    made = experiments.MulticlassResults(results, 2)
    raw, tuned = made.untuned(config), made.tuned_on_validation(config)
    for seed in (0, 1):
        threshold = min_loss_threshold(scores["validation"][seed], costs=config.costs)
        assert np.array_equal(tuned[seed].r, scores["test"][seed].r - threshold)
        assert np.array_equal(raw[seed].r, scores["test"][seed].r)
    expensive = made.tuned_on_validation(config, Costs(c1=1.0, ce=2.0))
    assert all(metrics.offload_rate(p) <= metrics.offload_rate(q) for p, q in zip(expensive, tuned, strict=True))
    assert np.array_equal(made.tuned_on_validation(replace(config, method="always_ask"))[0].r, raw[0].r)


def result(config, parts):
    return RunResult(config, {}, parts, (), 0.0)


def test_the_on_device_classifier_predicts_itself_and_never_asks():
    config = experiments.multiclass_grid(PROFILES[1])["follow_up", chapters_systems.ON_DEVICE_CLASSIFIER]
    p = sample_runs(1, 200)[0]
    made = experiments.MulticlassResults({config: result(config, {"test": vars(p)})}, 1)
    for (alone,) in (made.untuned(config), made.tuned_on_validation(config)):
        assert np.array_equal(alone.m, np.where(p.e >= 0, 1, -1)) and metrics.offload_rate(alone) == 0
        assert metrics.accuracy(alone) == metrics.client_server_correctness(p)[1].mean()


def of_classes(n, seed):
    """Three classes; half of the client's errors show in the gap of its scores, the others in a rejector."""
    generator = np.random.default_rng(seed)
    shown, hidden = generator.random((2, n)) < 0.25
    y = generator.integers(3, size=n)
    m = np.where(shown | hidden, (y + 1) % 3, y)
    score = np.eye(3)[m] * np.where(shown, generator.uniform(0, 1, n), generator.uniform(0.7, 3, n))[:, None]
    e = np.eye(3)[np.where(generator.random(n) < 0.9, y, (y + 1) % 3)]
    r = np.where(hidden, -1.0, 1.0) + generator.normal(size=n)
    return {"m": m, "r": r, "e": e, "y": y}, {"client_scores": score}


def test_the_stacked_rejector_uses_the_rejectors_and_scores_of_its_own_seed():
    ours = experiments.compared_systems(PROFILES[1], "lenet")[chapters_systems.STACKED_NAME]
    scores, features = ours.rejector_configs
    parts = {"calibration": 1, "validation": 2, "test": 3}
    results = {}
    for seed in (0, 1):
        drawn = {part: of_classes(1500, 10 * seed + offset) for part, offset in parts.items()}
        one, other = (replace(config, seed=seed) for config in (scores, features))
        results[dependencies(one)[0]] = result(
            dependencies(one)[0], {part: score for part, (_, score) in drawn.items()}
        )
        results[one] = result(one, {part: of | {"r": np.zeros(1500)} for part, (of, _) in drawn.items()})
        results[other] = result(other, {part: of for part, (of, _) in drawn.items()})
    made = experiments.MulticlassResults(results, 2)
    for seed, weighed in enumerate(made.untuned(ours)):
        given, score = (
            results[replace(features, seed=seed)].predictions(),
            of_classes(1500, 10 * seed + 3)[1]["client_scores"],
        )
        assert all(np.array_equal(getattr(weighed, name), getattr(given, name)) for name in "mey")
        apart = [given, replace(given, r=score.max(1))]  # its largest score is the gap: the others are zero
        both, *alone = (error_auroc_contributions(p).mean() for p in (weighed, *apart))
        assert both > max(alone) + 0.05
        known = metrics.reference_losses(given, costs=ours.costs)
        assert known.oracle < metrics.system_loss(weighed, costs=ours.costs) < known.random
    held_out = made.untuned(ours, "validation")
    for p, validation, tuned in zip(made.untuned(ours), held_out, made.tuned_on_validation(ours), strict=True):
        assert np.array_equal(tuned.r, p.r - min_loss_threshold(validation, costs=ours.costs))


def test_an_epoch_has_a_step_for_every_batch():
    settings = replace(settings_for("07_multiclass", "quick"), data="digits", sizes=())
    config = experiments.update_interval_grid(settings, 1)[1]
    n_images = len(dataset_for_config(config).train.y)
    assert experiments.epoch_steps(settings) == -(-n_images // PRESETS["fast"].batch_size)


def test_each_profile_has_a_server_network():
    networks = [settings.server_network for settings in ch07_multiclass_settings.PROFILES]
    assert networks == ["mlp", "residual_small", "residual_large"]


def test_further_seeds_are_run_for_the_claims_that_they_decide():
    settings = replace(PROFILES[1], seeds=2, decision_seeds=3, server_decision_seeds=1, form_decision_seeds=2)
    runs = experiments.all_multiclass_configs(settings, 47)
    assert len(runs) == len(set(runs))
    deciding = experiments.MulticlassResults(dict.fromkeys(runs), 2).deciding(3)
    needed = [
        *(config for (_, name), config in experiments.class_count_grid(settings).items() if name != "oracle"),
        *(experiments.update_interval_grid(settings, 47)[steps] for steps in (1, 47)),
    ]
    assert all(replace(config, seed=seed) in deciding.results for config in needed for seed in (2, 3, 4))
    systems = experiments.multiclass_grid(settings)
    for name in ("stage switching", *experiments.WEIGHTED_SERVER_SYSTEMS):
        seeds = {run.seed for run in runs if replace(run, seed=0) == systems["follow_up", name]}
        assert seeds == {0, 1, 2}
    forms = experiments.printed_run_forms(settings)
    assert {config.form for config in forms.values()} == {"released", "nonnegative"}
    assert all(replace(config, seed=seed) in deciding.results for config in forms.values() for seed in (2, 3))
    first = experiments.MulticlassResults({}, 2)
    assert first.deciding(0) == first and first.deciding(3) == experiments.MulticlassResults({}, 3, first_seed=2)
