"""The experiment grid of chapter 08."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from companion.chapters.summaries import SweptRuns, further_runs
from companion.chapters.systems import CLASS_PAIRS, COMPARISON_CE, SYSTEMS, all_configs, data_options, with_seeds
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.run import RunResult
from l2h.experiments.sweep import with_dependencies

CLAIMED_CLIENTS = ("as_released", "well_trained")


def cost_grid(settings: Any) -> dict[str, dict[Any, ExperimentConfig]]:
    """The runs of chapter 08, seed 0 of each: experiment -> its setting -> configuration.

    A client name has the pair's name behind it for pairs after the first.

    Args:
        settings: of the chapter.

    Returns:
        "costs" (client, c1, ce), "rethresholded" (client, system), "alpha_beta" (alpha, beta), "alpha_rules" (client,
        rule, bounded), "error_estimators" (client, estimator), "servers", "hidden_units", and "rejector_inputs" for the
        client `settings.rejector_input_client`.

    >>> from companion.chapters.parameters import settings_for
    >>> sorted(cost_grid(settings_for("08_costs", "quick")))[:4]
    ['alpha_beta', 'alpha_rules', 'costs', 'error_estimators']
    """
    base = ExperimentConfig("learning_to_help", ce=COMPARISON_CE, **data_options(settings))
    first = replace(base, client=settings.clients[0])
    configs_by_setting = {client: replace(base, client=client) for client in settings.clients}
    for pair in settings.pairs[1:]:
        classes = CLASS_PAIRS[base.source][pair]
        configs_by_setting |= {
            f"{client}, {pair}": replace(configs_by_setting[client], classes=classes) for client in settings.clients
        }
    compared = ("learning to help", "two-stage", "confidence")
    return {
        "costs": {
            (setting, c1, ce): replace(config, c1=c1, ce=ce)
            for setting, config in configs_by_setting.items()
            for c1 in settings.c1_grid
            for ce in settings.ce_grid
        },
        "rethresholded": {
            (setting, name): replace(config, **SYSTEMS[name])
            for setting, config in configs_by_setting.items()
            for name in compared
        },
        "alpha_beta": {(a, b): replace(first, alpha=a, beta=b) for a in settings.alphas for b in settings.betas},
        "alpha_rules": {
            (setting, rule, bounded): replace(config, alpha=rule, bounded=bounded)
            for setting, config in configs_by_setting.items()
            for rule in settings.alpha_rules
            for bounded in (True, False)
        },
        "error_estimators": {
            (setting, name): replace(config, alpha="estimated", error_estimator=name)
            for setting, config in configs_by_setting.items()
            for name in settings.error_estimators
        },
        "servers": {name: replace(first, server_network=name) for name in settings.servers},
        "hidden_units": {units: replace(first, hidden_units=units) for units in settings.hidden_units},
        "rejector_inputs": {
            name: replace(base, client=settings.rejector_input_client, rejector=name)
            for name in settings.rejector_inputs
        },
    }


def all_cost_configs(settings: Any, grid: Mapping[str, Mapping[Any, ExperimentConfig]]) -> list[ExperimentConfig]:
    """All runs of the chapter, each once and after its dependencies: the grid, and the further seeds that decide.

    Args:
        settings: of the chapter.
        grid: of `cost_grid`.

    Returns:
        Configurations for `sweep.sweep`.
    """
    decided = [
        *(config for (client, _, _), config in grid["costs"].items() if client in CLAIMED_CLIENTS),
        *(
            config
            for (client, rule, _), config in grid["alpha_rules"].items()
            if client in CLAIMED_CLIENTS and rule == "deterministic"
        ),
    ]
    sizes = [grid["hidden_units"][units] for units in (min(settings.hidden_units), max(settings.hidden_units))]
    deciding, size_deciding = _further_seeds(settings)
    further = [*with_seeds(decided, deciding), *with_seeds(sizes, size_deciding)]
    return with_dependencies([*all_configs(grid, settings.seeds), *further])


def _further_seeds(settings: Any) -> tuple[range, range]:
    """The seeds that decide most changed claims, and after these the ones that decide on the size of the rejector."""
    middle = settings.seeds + settings.decision_seeds
    return range(settings.seeds, middle), range(middle, middle + settings.size_decision_seeds)


def deciding_runs(results: Mapping[ExperimentConfig, RunResult], settings: Any) -> SweptRuns:
    """The runs of the seeds that decide the claims whose rules were changed after a look at the first seeds.

    Args:
        results: of all runs of the chapter.
        settings: of the chapter.
    """
    return further_runs(SweptRuns(results, settings.seeds), _further_seeds(settings)[0])


def size_deciding_runs(results: Mapping[ExperimentConfig, RunResult], settings: Any) -> SweptRuns:
    """The runs of the seeds that decide on the size of the rejector, after two looks at others that did not.

    Args:
        results: of all runs of the chapter.
        settings: of the chapter.
    """
    return further_runs(SweptRuns(results, settings.seeds), _further_seeds(settings)[1])
