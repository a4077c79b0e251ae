"""The experiment grid of chapter 06, and its evidence per setting."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from companion.chapters.systems import (
    CLASS_PAIRS,
    COMPARISON_CE,
    SYSTEMS,
    SYSTEMS_IN_CLAIMS,
    SystemPredictions,
    data_options,
)
from companion.claims.evidence import Evidence
from l2h.evaluation.intervals import Interval
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Predictions
from l2h.training import clients

COMPARED_CLIENTS = ("as_released", "well_trained", "lenet")


def comparison_grid(settings: Any) -> dict[str, dict[str, ExperimentConfig]]:
    """The runs of chapter 06 with seed 0: setting -> name -> configuration.

    Args:
        settings: of the chapter.

    Returns:
        The systems of every client and pair of classes; a rejector on features only beside a client that has some.

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


def evidence_by_setting(
    intervals: Mapping[str, Interval | None] | Callable[[dict[str, list[Predictions]]], Interval],
    predictions_by_setting: Mapping[str, SystemPredictions],
    *,
    data: Mapping[str, str],
) -> dict[str, Evidence]:
    """The evidence for a claim about every client and pair; absent for settings or systems that were not run.

    Args:
        intervals: setting -> interval, None or missing where there is none; or a function that computes the interval
            from the predictions of all systems.
        predictions_by_setting: setting -> predictions on the test split.
        data: setting -> SHA-256 of its data set.

    Returns:
        Evidence for the six settings of the claims.
    """
    if callable(intervals):
        intervals = {
            setting: intervals(system_runs.predictions) for setting, system_runs in predictions_by_setting.items()
        }
    evidence = {}
    for setting in experimental_settings():
        interval = intervals.get(setting)
        if interval is None:
            evidence[setting] = Evidence.absent("not run at this profile")
        else:
            some_predictions = next(iter(predictions_by_setting[setting].predictions.values()))
            evidence[setting] = Evidence.measured(
                lambda _, limits=interval: limits, some_predictions, data=data[setting]
            )
    return evidence


def experimental_settings() -> list[str]:
    """The six settings of the claims of chapter 06.

    >>> experimental_settings()[-1]
    'lenet, hard pair'
    """
    return [f"{client}, {pair}" for pair in CLASS_PAIRS["cifar10"] for client in COMPARED_CLIENTS]
