"""The experiment grid of chapter 06."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from companion.chapters.systems import (
    CLASS_PAIRS,
    COMPARISON_CE,
    SYSTEMS,
    SYSTEMS_IN_CLAIMS,
    data_options,
    system_predictions,
)
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.run import RunResult
from l2h.problem import Predictions
from l2h.training import clients


def comparison_grid(settings: Any) -> dict[str, dict[str, ExperimentConfig]]:
    """The runs of chapter 06, seed 0 of each: setting -> name of a system -> configuration.

    Args:
        settings: of the chapter.

    Returns:
        One dictionary of systems per client and pair; the feature-based rejector is included only for clients with a
        hidden layer.

    >>> from companion.chapters.parameters import settings_for
    >>> grid = comparison_grid(settings_for("06_comparison", "paper"))
    >>> list(grid)[:2], len(grid["as_released, easy pair"]), len(grid["lenet, hard pair"])
    (['as_released, easy pair', 'well_trained, easy pair'], 22, 23)
    """
    base = ExperimentConfig("learning_to_help", ce=COMPARISON_CE, **data_options(settings))
    return {
        f"{client}, {pair}": {
            name: replace(base, client=client, classes=CLASS_PAIRS[base.source][pair], **SYSTEMS[name])
            for name in (SYSTEMS_IN_CLAIMS if settings.claimed_systems_only else SYSTEMS)
            if client in clients.CLIENTS_WITH_FEATURES or SYSTEMS[name].get("rejector") != "features"
        }
        for pair in settings.pairs
        for client in settings.clients
    }


def predictions_by_setting(
    results: Mapping[ExperimentConfig, RunResult],
    grid: Mapping[str, Mapping[str, ExperimentConfig]],
    seeds: int,
    *,
    split: str = "test",
) -> dict[str, dict[str, list[Predictions]]]:
    """The predictions of all systems in every setting on one split.

    Args:
        results: of every run.
        grid: of `comparison_grid`.
        seeds: how many, from 0 on.
        split: "validation" or "test".

    Returns:
        Setting -> name of a system -> predictions, one per seed.
    """
    return {setting: system_predictions(results, systems, seeds, split=split) for setting, systems in grid.items()}
