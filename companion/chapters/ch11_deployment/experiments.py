"""The runs of chapter 11, all of which chapters 06 and 08 make as well."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from companion.chapters.summaries import SweptRuns
from companion.chapters.systems import COMPARISON_CE, SYSTEMS, data_options
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Predictions

COMPARED = ("confidence", "learning to help")


def deployment_grid(settings: Any) -> dict[str, dict[Any, ExperimentConfig]]:
    """The runs of chapter 11, seed 0 of each: experiment -> its setting -> configuration.

    Args:
        settings: of the chapter.

    Returns:
        "systems" (client, system), and "costs" (ce of the training of learning to help, for the first client).

    >>> from companion.chapters.parameters import settings_for
    >>> grid = deployment_grid(settings_for("11_deployment", "paper"))
    >>> list(grid["systems"])[:2], list(grid["costs"])
    ([('as_released', 'confidence'), ('as_released', 'learning to help')], [0.02, 0.1, 0.3])
    """
    base = ExperimentConfig("learning_to_help", ce=COMPARISON_CE, **data_options(settings))
    first = replace(base, client=settings.clients[0])
    return {
        "systems": {
            (client, name): replace(base, client=client, **SYSTEMS[name])
            for client in settings.clients
            for name in COMPARED
        },
        "costs": {ce: replace(first, ce=ce) for ce in settings.trained_ce},
    }


def systems_by_seed(
    runs: SweptRuns, systems: Mapping[tuple[str, str], ExperimentConfig], client: str
) -> list[dict[str, Predictions]]:
    """The test predictions of the compared systems of a client.

    Args:
        runs: of the chapter.
        systems: (client, system) -> configuration.
        client: one of the chapter's.

    Returns:
        One dictionary per seed: name of a system -> predictions.
    """
    by_system: list[Sequence[Predictions]] = [runs.predictions(systems[client, name]) for name in COMPARED]
    return [dict(zip(COMPARED, predictions, strict=True)) for predictions in zip(*by_system, strict=True)]
