"""The runs of chapter 05: complete at each profile, each once, every run after its dependencies."""

from dataclasses import replace
from itertools import product

import pytest

from companion.chapters.ch05_cifar10.experiments import BASELINE_METHODS, SERVERS, all_cifar10_configs, base_config
from companion.chapters.parameters import settings_for
from companion.chapters.settings import PROFILE_NAMES
from l2h.experiments.config import dependencies


@pytest.fixture(scope="module", params=PROFILE_NAMES)
def sweep(request):
    """The settings of a profile and its runs, listed once."""
    settings = settings_for("05_cifar10", request.param)
    return settings, all_cifar10_configs(settings)


def test_every_run_is_listed_once_and_after_its_dependencies(sweep):
    _, configs = sweep
    position = {config: index for index, config in enumerate(configs)}
    assert len(configs) == len(position)
    assert all(position[needed] < position[config] for config in configs for needed in dependencies(config))


def test_systems_are_trained_for_every_cost_and_rule_of_the_chapter(sweep):
    settings, runs = sweep
    trained = [config for config in runs if config.method == "learning_to_help" and config.preset != "released"]
    expected = {
        (client, ce, alpha)
        for client in settings.clients
        for alpha, costs in (
            ("released", (*settings.ce_grid, *settings.ce_compare)),
            ("client_error", settings.ce_compare),
            ("deterministic", settings.ce_compare),
        )
        for ce in costs
    }
    assert {(config.client, config.ce, config.alpha) for config in trained} == expected
    assert len(trained) == len(expected) * settings.seeds


def test_every_baseline_runs_with_every_server(sweep):
    settings, runs = sweep
    baselines = [config for config in runs if config.method in BASELINE_METHODS]
    found = {(config.client, config.ce, config.method, config.server) for config in baselines}
    assert found == set(product(settings.clients, settings.ce_compare, BASELINE_METHODS, SERVERS))
    assert len(baselines) == len(found) * settings.seeds


def test_the_released_training_has_seeds_of_its_own(sweep):
    settings, runs = sweep
    released = [config for config in runs if config.preset == "released" and config.method == "learning_to_help"]
    assert [config.seed for config in released] == list(range(settings.released_seeds))
    assert {config.ce for config in released} <= {0.0}


def test_the_base_configuration_is_learning_to_help_as_released():
    settings = replace(settings_for("05_cifar10", "quick"), data="digits", sizes=())
    base = base_config(settings)
    assert (base.method, base.alpha, base.ce, base.seed) == ("learning_to_help", "released", 0.0, 0)
    assert (base.source, base.sizes, base.precision) == ("digits", (), "float64")


def test_an_unknown_client_is_refused():
    with pytest.raises(ValueError, match="client"):
        all_cifar10_configs(replace(settings_for("05_cifar10", "quick"), clients=("unknown",)))
