"""The experiment grid of chapter 06: its systems in each setting, and their predictions by setting."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from helpers.samples import many

from companion.chapters import systems as chapters_systems
from companion.chapters.ch06_comparison.experiments import comparison_grid, predictions_by_setting
from companion.chapters.parameters import settings_for
from companion.chapters.settings import PROFILE_NAMES
from l2h.methods import registry

SIZES = {"quick": [11], "paper": [22, 22, 23] * 2, "full": [22, 22, 23] * 2}


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_every_setting_has_its_number_of_systems(profile):
    settings = settings_for("06_comparison", profile)
    grid = comparison_grid(settings)
    assert list(grid) == [f"{client}, {pair}" for pair in settings.pairs for client in settings.clients]
    assert [len(systems) for systems in grid.values()] == SIZES[profile]
    assert all(len(set(systems.values())) == len(systems) for systems in grid.values())


def test_the_comparison_is_between_every_method_at_one_pair_of_costs():
    settings = settings_for("06_comparison", "paper")
    grid = comparison_grid(settings)
    on_features = {"two-stage, on features"}
    for setting, systems in grid.items():
        assert set(chapters_systems.SYSTEMS) - set(systems) == (set() if setting.startswith("lenet") else on_features)
    assert set(chapters_systems.SYSTEMS_IN_CLAIMS) < set(chapters_systems.SYSTEMS)
    assert len(grid) == 6 and settings.seeds >= 5
    configs = [config for systems in grid.values() for config in systems.values()]
    not_compared = set(registry.METHODS) - {config.method for config in configs} - {
        "plain_server", "on_device_classifier",
    }  # fmt: skip
    lines, multiclass = {"oracle", "always_keep"}, {"stage_switching", "weighted_server", "stage_rejector"}
    assert not_compared == lines | multiclass  # lines are drawn from the client and the server alone
    assert {(config.c1, config.ce) for config in configs} == {(1.0, chapters_systems.COMPARISON_CE)}


def test_one_server_per_seed_and_pair_is_shared_by_all_clients():
    settings = settings_for("06_comparison", "paper")
    configs = chapters_systems.all_configs(comparison_grid(settings), settings.seeds)
    n_settings = len(settings.pairs) * len(settings.clients)
    assert sum(config.method == "plain_server" for config in configs) == settings.seeds * len(settings.pairs)
    assert sum(config.method == "client" for config in configs) == settings.seeds * n_settings


def test_an_unknown_client_or_pair_is_refused():
    settings = settings_for("06_comparison", "quick")
    with pytest.raises(ValueError, match="client"):
        comparison_grid(replace(settings, clients=("unknown",)))
    with pytest.raises(KeyError, match="unknown pair"):
        comparison_grid(replace(settings, pairs=("unknown pair",)))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_predictions_are_of_every_setting_system_and_seed(split):
    settings = replace(settings_for("06_comparison", "quick"), clients=("as_released", "lenet"))
    grid = {
        setting: {name: systems[name] for name in ("confidence", "random")}
        for setting, systems in comparison_grid(settings).items()
    }
    configs = chapters_systems.all_configs(grid, settings.seeds)
    by_split = {
        config: {name: many(5, seed=2 * index + k) for k, name in enumerate(("validation", "test"))}
        for index, config in enumerate(configs)
    }
    results = {config: SimpleNamespace(config=config, predictions=by_split[config].get) for config in configs}
    found = predictions_by_setting(results, grid, settings.seeds, split=split)
    assert {setting: list(systems) for setting, systems in found.items()} == {
        setting: ["confidence", "random"] for setting in grid
    }
    for setting, systems in found.items():
        for name, predictions in systems.items():
            seeded = [replace(grid[setting][name], seed=seed) for seed in range(settings.seeds)]
            assert all(p is by_split[config][split] for p, config in zip(predictions, seeded, strict=True))
    with pytest.raises(KeyError):
        predictions_by_setting(results, grid, settings.seeds + 1, split=split)
