"""The runs of chapter 05."""

from dataclasses import replace
from itertools import product
from typing import Any

from companion.chapters.systems import data_options
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.sweep import over_seeds, with_dependencies

BASELINE_METHODS = ("confidence", "random", "oracle", "always_ask")
SERVERS = ("plain_server", "learning_to_help", "on_device_classifier")


def base_config(settings: Any) -> ExperimentConfig:
    """The configuration from which all others of the chapter differ: learning to help at ce = 0, as released.

    Args:
        settings: of the chapter.
    """
    return ExperimentConfig("learning_to_help", alpha="released", **data_options(settings))


def all_cifar10_configs(settings: Any) -> list[ExperimentConfig]:
    """All runs of the chapter with their seeds and dependencies, each once, in an order in which they can be made.

    Args:
        settings: of the chapter.

    Returns:
        Configurations, ready for `sweep.sweep`.
    """
    base, clients = base_config(settings), settings.clients
    as_released = over_seeds(replace(base, preset="released"), settings.released_seeds)
    swept = [replace(base, client=client, ce=ce) for client, ce in product(clients, settings.ce_grid)]
    compared = [
        replace(base, client=client, ce=ce, alpha=alpha)
        for client, ce, alpha in product(clients, settings.ce_compare, ("released", "client_error", "deterministic"))
    ]
    baselines = [
        replace(base, client=client, ce=ce, method=method, server=server)
        for client, ce, method, server in product(clients, settings.ce_compare, BASELINE_METHODS, SERVERS)
    ]
    seeded = [run for config in (*swept, *compared, *baselines) for run in over_seeds(config, settings.seeds)]
    return with_dependencies([*as_released, *seeded])
