"""The experiment grid of chapter 06, and its evidence per setting."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from companion.chapters.systems import CE, FEW, PAIRS, SYSTEMS, Answers, _data
from companion.claims.evidence import Evidence
from l2h.evaluation.intervals import Interval
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Predictions
from l2h.training import clients

CLIENTS = ("as_released", "well_trained", "lenet")


def comparison(study: Any) -> dict[str, dict[str, ExperimentConfig]]:
    """The runs of chapter 06, seed 0 of each: place -> name -> configuration.

    Args:
        study: of the chapter.

    Returns:
        One dictionary of systems per client and pair; a rejector on features only where the client has some.

    >>> from companion.chapters.parameters import at_profile
    >>> places = comparison(at_profile("06_comparison", "paper"))
    >>> list(places)[:2], len(places["as_released, easy pair"]), len(places["lenet, hard pair"])
    (['as_released, easy pair', 'well_trained, easy pair'], 22, 23)
    """
    base = ExperimentConfig("learning_to_help", ce=CE, **_data(study))
    return {
        f"{client}, {pair}": {
            name: replace(base, client=client, classes=PAIRS[base.source][pair], **SYSTEMS[name])
            for name in (FEW if study.few else SYSTEMS)
            if client in clients.CLIENTS_WITH_FEATURES or SYSTEMS[name].get("rejector") != "features"
        }
        for pair in study.pairs
        for client in study.clients
    }


def evidence_by_place(
    found: Mapping[str, Interval | None] | Callable[[dict[str, list[Predictions]]], Interval],
    places: Mapping[str, Answers],
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
    for place in at_every_place():
        interval = found.get(place)
        if interval is None:
            evidence[place] = Evidence.absent("not run at this profile")
        else:
            runs = next(iter(places[place].systems.values()))
            evidence[place] = Evidence.measured(lambda _, limits=interval: limits, runs, data=data[place])
    return evidence


def at_every_place() -> list[str]:
    """The six places that claims of chapter 06 are about.

    >>> at_every_place()[-1]
    'lenet, hard pair'
    """
    return [f"{client}, {pair}" for pair in PAIRS["cifar10"] for client in CLIENTS]
