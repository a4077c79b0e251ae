"""The experiment grid of chapter 08."""

from dataclasses import replace
from typing import Any

from companion.chapters.systems import CLASS_PAIRS, COMPARISON_CE, SYSTEMS, _data_options
from l2h.experiments.config import ExperimentConfig


def cost_grid(study: Any) -> dict[str, dict[Any, ExperimentConfig]]:
    """The runs of chapter 08, seed 0 of each: experiment -> its setting -> configuration.

    Args:
        study: of the chapter.

    Returns:
        "grid" (place, c1, ce), "once" (place, name) for the systems that are re-thresholded, "map" (alpha, beta),
        "rules" (place, rule, squash), "estimates" (place, estimator), "servers", "hidden", and "inputs" for the
        client `study.reader`. A place is a client, with the pair's name behind it for pairs after the first.

    >>> from companion.chapters.parameters import settings_for
    >>> sorted(cost_grid(settings_for("08_costs", "quick")))
    ['estimates', 'grid', 'hidden', 'inputs', 'map', 'once', 'rules', 'servers']
    """
    base = ExperimentConfig("learning_to_help", ce=COMPARISON_CE, **_data_options(study))
    first = replace(base, client=study.clients[0])
    each = {client: replace(base, client=client) for client in study.clients}
    for pair in study.pairs[1:]:
        classes = CLASS_PAIRS[base.source][pair]
        each |= {f"{client}, {pair}": replace(each[client], classes=classes) for client in study.clients}
    once = ("learning to help", "two-stage", "confidence")
    return {
        "grid": {
            (place, c1, ce): replace(one, c1=c1, ce=ce)
            for place, one in each.items()
            for c1 in study.c1_grid
            for ce in study.ce_grid
        },
        "once": {(place, name): replace(one, **SYSTEMS[name]) for place, one in each.items() for name in once},
        "map": {(a, b): replace(first, alpha=a, beta=b) for a in study.alphas for b in study.betas},
        "rules": {
            (place, rule, squash): replace(one, alpha=rule, squash=squash)
            for place, one in each.items()
            for rule in study.rules
            for squash in (True, False)
        },
        "estimates": {
            (place, name): replace(one, alpha="estimated", estimate=name)
            for place, one in each.items()
            for name in study.estimates
        },
        "servers": {name: replace(first, network=name) for name in study.servers},
        "hidden": {hidden: replace(first, hidden=hidden) for hidden in study.hidden},
        "inputs": {name: replace(base, client=study.reader, rejector=name) for name in study.inputs},
    }
