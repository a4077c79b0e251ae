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
    _data_options,
)
from companion.claims.evidence import Evidence
from l2h.evaluation.intervals import Interval
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Predictions
from l2h.training import clients

COMPARED_CLIENTS = ("as_released", "well_trained", "lenet")


def comparison_grid(study: Any) -> dict[str, dict[str, ExperimentConfig]]:
    """The runs of chapter 06, seed 0 of each: place -> name -> configuration.

    Args:
        study: of the chapter.

    Returns:
        One dictionary of systems per client and pair; a rejector on features only where the client has some.

    >>> from companion.chapters.parameters import settings_for
    >>> places = comparison_grid(settings_for("06_comparison", "paper"))
    >>> list(places)[:2], len(places["as_released, easy pair"]), len(places["lenet, hard pair"])
    (['as_released, easy pair', 'well_trained, easy pair'], 22, 23)
    """
    base = ExperimentConfig("learning_to_help", ce=COMPARISON_CE, **_data_options(study))
    return {
        f"{client}, {pair}": {
            name: replace(base, client=client, classes=CLASS_PAIRS[base.source][pair], **SYSTEMS[name])
            for name in (SYSTEMS_IN_CLAIMS if study.few else SYSTEMS)
            if client in clients.CLIENTS_WITH_FEATURES or SYSTEMS[name].get("rejector") != "features"
        }
        for pair in study.pairs
        for client in study.clients
    }


def evidence_by_setting(
    found: Mapping[str, Interval | None] | Callable[[dict[str, list[Predictions]]], Interval],
    places: Mapping[str, SystemPredictions],
    *,
    data: Mapping[str, str],
) -> dict[str, Evidence]:
    """What a claim about every client and pair rests on; absent where a place or a system was not run.

    Args:
        found: place -> interval, None or missing where there is none; or what gives the interval of some systems.
        places: place -> answers on the test part.
        data: place -> SHA-256 of its data set.

    Returns:
        Evidence for the six places of the ledger.
    """
    if callable(found):
        found = {place: found(said.systems) for place, said in places.items()}
    evidence = {}
    for place in experimental_settings():
        interval = found.get(place)
        if interval is None:
            evidence[place] = Evidence.absent("not run at this profile")
        else:
            runs = next(iter(places[place].systems.values()))
            evidence[place] = Evidence.measured(lambda _, limits=interval: limits, runs, data=data[place])
    return evidence


def experimental_settings() -> list[str]:
    """The six places that claims of chapter 06 are about.

    >>> experimental_settings()[-1]
    'lenet, hard pair'
    """
    return [f"{client}, {pair}" for pair in CLASS_PAIRS["cifar10"] for client in COMPARED_CLIENTS]
