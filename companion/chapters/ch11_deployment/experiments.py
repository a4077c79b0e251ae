"""The runs of chapter 11, most of which chapters 06 and 08 make as well."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from companion.chapters.summaries import SweptRuns, further_runs
from companion.chapters.systems import COMPARISON_CE, SYSTEMS, all_configs, data_options, with_seeds
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.sweep import with_dependencies
from l2h.problem import Predictions

COMPARED = ("confidence", "learning to help")
SEEN_SEEDS = 9  # from 0 on: chapter 08 had trained for the same costs with them when the rule was changed


def deployment_grid(settings: Any) -> dict[str, dict[Any, ExperimentConfig]]:
    """The runs of chapter 11, seed 0 of each: experiment -> its setting -> configuration.

    Args:
        settings: of the chapter.

    Returns:
        "systems" (by name), and "costs" (ce of the training of learning to help).

    >>> from companion.chapters.parameters import settings_for
    >>> grid = deployment_grid(settings_for("11_deployment", "paper"))
    >>> list(grid["systems"]), list(grid["costs"])
    (['confidence', 'learning to help'], [0.02, 0.1, 0.3])
    """
    base = ExperimentConfig("learning_to_help", client=settings.client, ce=COMPARISON_CE, **data_options(settings))
    return {
        "systems": {name: replace(base, **SYSTEMS[name]) for name in COMPARED},
        "costs": {ce: replace(base, ce=ce) for ce in settings.trained_ce},
    }


def all_deployment_configs(settings: Any, grid: Mapping[str, Mapping[Any, ExperimentConfig]]) -> list[ExperimentConfig]:
    """All runs of the chapter, each once and after its dependencies: the grid, and the further seeds that decide.

    Args:
        settings: of the chapter.
        grid: of `deployment_grid`.

    Returns:
        Configurations for `sweep.sweep`.
    """
    extremes = [grid["costs"][ce] for ce in (min(settings.trained_ce), max(settings.trained_ce))]
    return with_dependencies([*all_configs(grid, settings.seeds), *with_seeds(extremes, _further_seeds(settings))])


def new_threshold_runs(runs: SweptRuns, settings: Any) -> SweptRuns:
    """The runs of the seeds that decide on a new threshold, after a look at others that did not.

    Args:
        runs: of the first seeds.
        settings: of the chapter.
    """
    return further_runs(runs, _further_seeds(settings))


def _further_seeds(settings: Any) -> range:
    first = max(settings.seeds, SEEN_SEEDS)
    return range(first, first + settings.decision_seeds)


def systems_by_seed(runs: SweptRuns, systems: Mapping[str, ExperimentConfig]) -> list[dict[str, Predictions]]:
    """The test predictions of the compared systems.

    Args:
        runs: of the chapter.
        systems: name -> configuration.

    Returns:
        One dictionary per seed: name of a system -> predictions.
    """
    by_system: list[Sequence[Predictions]] = [runs.predictions(systems[name]) for name in COMPARED]
    return [dict(zip(COMPARED, predictions, strict=True)) for predictions in zip(*by_system, strict=True)]
