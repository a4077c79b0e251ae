"""The experiment grid of chapter 08."""

from dataclasses import replace
from typing import Any

from companion.chapters.systems import CLASS_PAIRS, COMPARISON_CE, SYSTEMS, data_options
from l2h.experiments.config import ExperimentConfig


def cost_grid(settings: Any) -> dict[str, dict[Any, ExperimentConfig]]:
    """The runs of chapter 08 with seed 0: experiment -> its variable -> configuration.

    Args:
        settings: of the chapter.

    Returns:
        "grid" (setting, c1, ce), "once" (setting, name) of the systems whose thresholds are tuned again at other costs,
        "map" (alpha, beta), "rules" (setting, alpha rule, bounded), "estimates" (setting, estimator), "servers",
        "hidden", and "inputs" for `settings.rejector_input_client`. A setting is the name of a client, followed by the
        name of the pair for all pairs but the first.

    >>> from companion.chapters.parameters import settings_for
    >>> sorted(cost_grid(settings_for("08_costs", "quick")))
    ['estimates', 'grid', 'hidden', 'inputs', 'map', 'once', 'rules', 'servers']
    """
    base = ExperimentConfig("learning_to_help", ce=COMPARISON_CE, **data_options(settings))
    first = replace(base, client=settings.clients[0])
    configs_by_setting = {client: replace(base, client=client) for client in settings.clients}
    for pair in settings.pairs[1:]:
        classes = CLASS_PAIRS[base.source][pair]
        configs_by_setting |= {
            f"{client}, {pair}": replace(configs_by_setting[client], classes=classes) for client in settings.clients
        }
    once = ("learning to help", "two-stage", "confidence")
    return {
        "grid": {
            (setting, c1, ce): replace(config, c1=c1, ce=ce)
            for setting, config in configs_by_setting.items()
            for c1 in settings.c1_grid
            for ce in settings.ce_grid
        },
        "once": {
            (setting, name): replace(config, **SYSTEMS[name])
            for setting, config in configs_by_setting.items()
            for name in once
        },
        "map": {(a, b): replace(first, alpha=a, beta=b) for a in settings.alphas for b in settings.betas},
        "rules": {
            (setting, rule, bounded): replace(config, alpha=rule, bounded=bounded)
            for setting, config in configs_by_setting.items()
            for rule in settings.alpha_rules
            for bounded in (True, False)
        },
        "estimates": {
            (setting, name): replace(config, alpha="estimated", error_estimator=name)
            for setting, config in configs_by_setting.items()
            for name in settings.error_estimators
        },
        "servers": {name: replace(first, server_network=name) for name in settings.servers},
        "hidden": {units: replace(first, hidden_units=units) for units in settings.hidden_units},
        "inputs": {
            name: replace(base, client=settings.rejector_input_client, rejector=name)
            for name in settings.rejector_inputs
        },
    }
