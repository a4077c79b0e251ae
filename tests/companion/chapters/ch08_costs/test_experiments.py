"""The experiment grid of chapter 08: its size at each profile, and what each experiment varies."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from companion.chapters.ch08_costs.experiments import (
    CLAIMED_CLIENTS,
    all_cost_configs,
    cost_grid,
    deciding_runs,
    size_deciding_runs,
)
from companion.chapters.parameters import settings_for
from companion.chapters.settings import PROFILE_NAMES
from companion.chapters.systems import CLASS_PAIRS, COMPARISON_CE, all_configs
from l2h.experiments.config import ExperimentConfig

EXPERIMENTS = (
    "costs", "rethresholded", "alpha_beta", "alpha_rules", "error_estimators", "servers", "hidden_units",
    "rejector_inputs",
)  # fmt: skip
SIZES = {
    "quick": (4, 3, 2, 4, 1, 2, 2, 3),
    "paper": (18, 6, 12, 16, 6, 3, 3, 5),
    "full": (180, 18, 35, 48, 18, 3, 3, 5),
}


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_every_experiment_has_its_number_of_configurations(profile):
    grid = cost_grid(settings_for("08_costs", profile))
    assert {name: len(configs) for name, configs in grid.items()} == dict(zip(EXPERIMENTS, SIZES[profile], strict=True))
    assert all(len(set(configs.values())) == len(configs) for configs in grid.values())


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_configurations_have_the_options_that_name_them(profile):
    settings = settings_for("08_costs", profile)
    grid = cost_grid(settings)
    assert all((config.c1, config.ce) == (c1, ce) for (_, c1, ce), config in grid["costs"].items())
    assert all((config.alpha, config.beta) == pair for pair, config in grid["alpha_beta"].items())
    rules = grid["alpha_rules"].items()
    assert all((config.alpha, config.bounded) == (rule, bounded) for (_, rule, bounded), config in rules)
    estimators = grid["error_estimators"].items()
    assert all((config.alpha, config.error_estimator) == ("estimated", name) for (_, name), config in estimators)
    assert [config.server_network for config in grid["servers"].values()] == list(settings.servers)
    assert [config.hidden_units for config in grid["hidden_units"].values()] == list(settings.hidden_units)
    once = {name: config for (client, name), config in grid["rethresholded"].items() if client == settings.clients[0]}
    assert {name: config.method for name, config in once.items()} == {
        "learning to help": "learning_to_help", "two-stage": "two_stage", "confidence": "confidence",
    }  # fmt: skip
    assert {config.ce for name, configs in grid.items() if name != "costs" for config in configs.values()} == {
        COMPARISON_CE
    }


@pytest.mark.parametrize("profile", PROFILE_NAMES)
def test_one_client_has_all_inputs_of_a_rejector(profile):
    settings = settings_for("08_costs", profile)
    inputs = cost_grid(settings)["rejector_inputs"]
    assert [config.rejector for config in inputs.values()] == list(settings.rejector_inputs) == list(inputs)
    assert {config.client for config in inputs.values()} == {settings.rejector_input_client} == {"lenet"}
    assert {"scores", "features"} < set(inputs)


def test_a_second_pair_of_classes_is_named_behind_the_client():
    costs = cost_grid(settings_for("08_costs", "full"))["costs"]
    classes = {client: config.classes for (client, _, _), config in costs.items()}
    assert classes["lenet, hard pair"] == CLASS_PAIRS["cifar10"]["hard pair"] != classes["lenet"]


def test_an_unknown_client_is_refused():
    with pytest.raises(ValueError, match="client"):
        cost_grid(replace(settings_for("08_costs", "quick"), clients=("unknown",)))


def test_further_seeds_are_run_for_the_claims_that_they_decide_and_no_others():
    settings = replace(settings_for("08_costs", "paper"), seeds=2, decision_seeds=3, size_decision_seeds=4)
    grid = cost_grid(settings)
    configs = all_cost_configs(settings, grid)
    assert len(set(configs)) == len(configs) and set(all_configs(grid, 2)) <= set(configs)
    further = {replace(config, seed=0) for config in configs if config.seed >= 2 and config.method != "client"}
    assert further == {
        *grid["costs"].values(),
        *(grid["alpha_rules"][client, "deterministic", False] for client in CLAIMED_CLIENTS),
        grid["hidden_units"][4],
        grid["hidden_units"][480],
    }
    seeds_of = {one: {config.seed for config in configs if replace(config, seed=0) == one} for one in further}
    sizes = {grid["hidden_units"][4], grid["hidden_units"][480]}
    assert all(seeds <= set(range(5)) for one, seeds in seeds_of.items() if one not in sizes)
    assert all(seeds == {0, 1, *range(5, 9)} for one, seeds in seeds_of.items() if one in sizes)


def test_the_seeds_that_decide_are_not_those_of_the_first_look():
    results = {replace(config, seed=seed): SimpleNamespace(predictions=lambda split, seed=seed: seed)
               for config in [ExperimentConfig("learning_to_help")] for seed in range(5)}  # fmt: skip
    settings = replace(settings_for("08_costs", "paper"), seeds=2, decision_seeds=3)
    config = ExperimentConfig("learning_to_help")
    assert deciding_runs(results, settings).predictions(config) == [2, 3, 4]
    assert deciding_runs(results, replace(settings, decision_seeds=0)).predictions(config) == [0, 1]


def test_the_seeds_that_decide_on_the_size_come_after_all_others():
    config = ExperimentConfig("learning_to_help")
    results = {replace(config, seed=seed): SimpleNamespace(predictions=lambda split, seed=seed: seed)
               for seed in range(9)}  # fmt: skip
    settings = replace(settings_for("08_costs", "paper"), seeds=2, decision_seeds=3, size_decision_seeds=4)
    assert size_deciding_runs(results, settings).predictions(config) == [5, 6, 7, 8]
    assert size_deciding_runs(results, replace(settings, size_decision_seeds=0)).predictions(config) == [0, 1]
