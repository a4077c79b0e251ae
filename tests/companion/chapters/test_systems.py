"""The runs of chapters 06 and 08, each listed once, and the predictions and resource use of their systems."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from companion.chapters import systems as chapters_systems
from companion.chapters.ch06_comparison import evidence as ch06_comparison_evidence
from companion.chapters.ch06_comparison import experiments as ch06_comparison_experiments
from companion.chapters.ch08_costs import experiments as ch08_costs_experiments
from companion.chapters.parameters import settings_for
from companion.chapters.settings import PROFILE_NAMES
from l2h.evaluation import comparisons, metrics, thresholds
from l2h.evaluation.curves import loss_curve
from l2h.evaluation.resources import IMAGE_BYTES, NetworkSize, network_size
from l2h.experiments import run, store
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.sweep import over_seeds, sweep
from l2h.methods import registry as methods_registry
from l2h.models.networks import LeNet, linear_network, mlp
from l2h.plotting.style import REFERENCE_STYLES
from l2h.problem import Costs

GRIDS = {"06_comparison": ch06_comparison_experiments.comparison_grid, "08_costs": ch08_costs_experiments.cost_grid}
TRAINED = ("learning to help", "separate", "two-stage", "confidence", "on-device classifier")


@pytest.mark.parametrize("profile", PROFILE_NAMES)
@pytest.mark.parametrize("chapter", GRIDS)
def test_every_profile_has_its_runs_each_once(chapter, profile):
    settings = settings_for(chapter, profile)
    grid = GRIDS[chapter](settings)
    configs = chapters_systems.all_configs(grid, settings.seeds)
    assert len(configs) == len(set(configs))
    for group in grid.values():
        assert all(run in configs for config in group.values() for run in over_seeds(config, settings.seeds))
    assert {config.precision for config in configs} == {settings.precision}


def test_chapter_08_uses_what_chapter_06_trained():
    comparison, costs = (
        chapters_systems.all_configs(grid(settings_for(chapter, "paper")), settings_for(chapter, "paper").seeds)
        for chapter, grid in GRIDS.items()
    )
    new = set(costs) - set(comparison)
    assert {config.method for config in new} == {"learning_to_help"}
    assert len(new) < 150


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A small comparison on digits, made once."""
    settings = replace(
        settings_for("06_comparison", "quick"),
        data="digits",
        sizes=(),
        clients=ch06_comparison_evidence.COMPARED_CLIENTS[:2],
    )
    patch = pytest.MonkeyPatch()
    patch.setenv("L2H_RUNS", str(tmp_path_factory.mktemp("runs")))
    grid = {
        setting: {name: systems[name] for name in TRAINED}
        for setting, systems in ch06_comparison_experiments.comparison_grid(settings).items()
    }
    configs = chapters_systems.all_configs(grid, settings.seeds)
    with ThreadPoolExecutor(1) as executor:
        results = dict(zip(configs, sweep(configs, executor=executor), strict=True))
    yield settings, grid, results
    patch.undo()


def test_runs_are_made_and_counted(digits):
    settings, grid, results = digits
    assert set(results) == set(chapters_systems.all_configs(grid, settings.seeds))
    number, seconds = run.training_summary(results.values())
    trained = [config for config in results if config.method not in methods_registry.TRAINING_FREE]
    assert number == len(trained) and seconds > 0
    assert len(list(store.Store().folder.rglob("*.json"))) > 0


@pytest.mark.parametrize("split", ["validation", "test"])
def test_predictions_are_of_every_system_and_of_the_stacked_rejector(digits, split):
    settings, grid, results = digits
    for setting, systems in grid.items():
        predictions = chapters_systems.system_predictions(results, systems, settings.seeds, split=split)
        assert list(predictions) == [*TRAINED, chapters_systems.STACKED_NAME]
        assert all(len(by_seed) == settings.seeds for by_seed in predictions.values())
        for stacked, separate in zip(
            predictions[chapters_systems.STACKED_NAME], predictions[chapters_systems.STACKED_ON], strict=True
        ):
            np.testing.assert_array_equal(stacked.m, separate.m, setting)
            np.testing.assert_array_equal(stacked.e, separate.e)
            assert not np.array_equal(stacked.r, separate.r)


def test_the_on_device_classifier_keeps_everything_whatever_the_costs(digits):
    settings, grid, results = digits
    on_device = chapters_systems.system_predictions(results, next(iter(grid.values())), settings.seeds)[
        chapters_systems.ON_DEVICE_CLASSIFIER
    ]
    for p in on_device:
        assert metrics.coverage(p) == 1
        wrong = (p.e >= 0) != (p.y > 0)
        assert metrics.system_loss(p, costs=Costs(c1=9, ce=9)) == pytest.approx(wrong.mean())


def test_an_exchange_takes_the_server_and_nothing_else(digits):
    settings, grid, results = digits
    predictions = chapters_systems.system_predictions(results, next(iter(grid.values())), settings.seeds)
    first, second = predictions["learning to help"], predictions["two-stage"]
    exchanged = comparisons.with_other_server(first, second)
    for with_rejector, with_server, new in zip(first, second, exchanged, strict=True):
        np.testing.assert_array_equal(new.r, with_rejector.r)
        np.testing.assert_array_equal(new.e, with_server.e)


def test_other_costs_take_the_best_threshold_of_the_validation_split(digits):
    settings, grid, results = digits
    systems, costs = next(iter(grid.values())), Costs(c1=1.0, ce=0.02)
    validation, test = (
        chapters_systems.system_predictions(results, systems, settings.seeds, split=split)["two-stage"]
        for split in ("validation", "test")
    )
    tuned = thresholds.tuned_on_validation(validation, validation, costs=costs)
    for untuned, p in zip(validation, tuned, strict=True):
        assert metrics.system_loss(p, costs=costs) == pytest.approx(loss_curve(untuned, costs=costs).loss.min())
    assert len(thresholds.tuned_on_validation(validation, test, costs=costs)) == settings.seeds


def test_losses_over_costs_have_reference_losses_of_the_same_systems(digits):
    settings, grid, results = digits
    systems, costs_grid = next(iter(grid.values())), [Costs(c1=1.0, ce=ce) for ce in (0.0, 0.1, 0.6)]
    validation, test = (
        chapters_systems.system_predictions(results, systems, settings.seeds, split=split)
        for split in ("validation", "test")
    )
    for name in TRAINED:
        mean, low, high = comparisons.losses_at_costs(costs_grid, validation[name], test[name])
        tuned = [thresholds.tuned_on_validation(validation[name], test[name], costs=costs) for costs in costs_grid]
        expected = [
            np.mean([metrics.system_loss(p, costs=costs) for p in by_seed])
            for costs, by_seed in zip(costs_grid, tuned, strict=True)
        ]
        assert mean == pytest.approx(expected) and (low <= mean).all() and (mean <= high).all()
    reference = comparisons.reference_losses_at_costs(costs_grid, test["confidence"])
    assert list(reference) == list(REFERENCE_STYLES)
    assert reference["never ask"] == pytest.approx([np.mean([p.m != p.y for p in test["confidence"]])] * 3)
    server_error = np.mean([(p.e >= 0) != (p.y > 0) for p in test["confidence"]])
    assert reference["always ask"] == pytest.approx([server_error, server_error + 0.1, server_error + 0.6])
    assert (reference["oracle"] <= reference["random, best rate"]).all()


@pytest.mark.parametrize(
    ("name", "options", "flops", "bytes_sent"),
    [
        ("learning to help", {}, network_size(mlp(120)).flops + 3072, IMAGE_BYTES / 2),
        ("L2H, linear rejector", {}, network_size(linear_network()).flops + 3072, IMAGE_BYTES / 2),
        ("two-stage, on scores", {}, 4 + 6144, IMAGE_BYTES / 2),
        ("two-stage, on features", {"client": "lenet"}, 2 * (84 + 2) + network_size(LeNet()).flops, IMAGE_BYTES / 2),
        ("confidence", {}, 6144, IMAGE_BYTES / 2),
        ("confidence, specialist", {"client": "lenet"}, network_size(LeNet()).flops, IMAGE_BYTES / 2),
        ("random", {}, 3072, IMAGE_BYTES / 2),
        ("Mozannar-Sontag", {}, 3072, IMAGE_BYTES),
        ("Mozannar-Sontag, distilled", {}, network_size(mlp(120)).flops + 3072, IMAGE_BYTES / 2),
    ],
)
def test_resource_use_at_half_coverage(name, options, flops, bytes_sent):
    config = ExperimentConfig(**chapters_systems.SYSTEMS[name], **options)
    assert chapters_systems.system_resource_use(name, config, 0.5) == (flops, bytes_sent)


def test_the_stacked_rejector_needs_the_scores_and_the_on_device_classifier_no_bytes():
    two_stage, separate, on_device = (
        ExperimentConfig(**chapters_systems.SYSTEMS[name])
        for name in ("two-stage", chapters_systems.STACKED_ON, chapters_systems.ON_DEVICE_CLASSIFIER)
    )
    assert chapters_systems.system_resource_use(chapters_systems.STACKED_NAME, separate, 0.5) == (
        network_size(mlp(120)).flops + 6144,
        IMAGE_BYTES / 2,
    )
    assert chapters_systems.system_resource_use(chapters_systems.ON_DEVICE_CLASSIFIER, on_device, 1.0) == (
        network_size(mlp(120)).flops,
        0,
    )
    assert chapters_systems.device_sizes(chapters_systems.ON_DEVICE_CLASSIFIER, on_device)[0] == NetworkSize(0, 0)
    for name, n_inputs in (("scores", 2), ("features", 86)):
        rejector = chapters_systems.device_sizes("two-stage", replace(two_stage, client="lenet", rejector=name))[1]
        assert rejector == NetworkSize(parameters=n_inputs + 1, flops=2 * n_inputs)
    assert chapters_systems.device_sizes("two-stage", replace(two_stage, rejector="lenet"))[1] == network_size(LeNet())


def test_two_sigmoids_are_two_outputs_of_one_network():
    one, two = (
        chapters_systems.device_sizes(name, ExperimentConfig(method))[1]
        for name, method in (("two-stage", "two_stage"), ("two sigmoids", "two_sigmoid"))
    )
    assert two.parameters - one.parameters == ExperimentConfig("two_sigmoid").hidden_units + 1
