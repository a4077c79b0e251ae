"""The lists of runs of the chapters that compare systems, so that they can be made ahead, and how results are read.

A place is a client and a pair of classes; at every place the same systems meet, with one client and one plain server
per seed for all of them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from l2h import methods, models, train
from l2h.bootstrap import Interval, bands
from l2h.budgets import Size, Spending, count, spending
from l2h.curves import shifted, threshold_for_loss
from l2h.evaluate import reference_losses, system_loss
from l2h.experiments import over_seeds, with_dependencies
from l2h.problem import Costs, Predictions, server_label
from l2h.runs import ExperimentConfig, Result
from l2h.stacking import Signals, stacked
from l2h.verdicts import Evidence

CE = 0.1  # of every training of chapter 06
PAIRS: dict[str, dict[str, tuple[str, ...]]] = {
    "cifar10": {"easy pair": (), "hard pair": ("cat", "dog")},
    "digits": {"easy pair": (), "hard pair": ("3", "9")},
}
CLIENTS = ("as_released", "well_trained", "lenet")
SYSTEMS: dict[str, dict[str, Any]] = {
    "learning to help": {"method": "learning_to_help"},
    "L2H, released alpha": {"method": "learning_to_help", "alpha": "released"},
    "L2H, estimated p": {"method": "learning_to_help", "alpha": "estimated"},
    "L2H, linear rejector": {"method": "learning_to_help", "rejector": "linear"},
    "confidence": {"method": "confidence"},
    "confidence, joint server": {"method": "confidence", "server": "learning_to_help"},
    "confidence, specialist": {"method": "confidence_specialist"},
    "separate": {"method": "separate"},
    "two-stage": {"method": "two_stage"},
    "two-stage, linear": {"method": "two_stage", "rejector": "linear"},
    "two-stage, on scores": {"method": "two_stage", "rejector": "scores"},
    "two-stage, on features": {"method": "two_stage", "rejector": "features"},
    "two sigmoids": {"method": "two_sigmoid"},
    "Mozannar-Sontag": {"method": "mozannar_sontag"},
    "Mozannar-Sontag, distilled": {"method": "distilled", "server": "mozannar_sontag"},
    "one-vs-all": {"method": "one_vs_all"},
    "one-vs-all, distilled": {"method": "distilled", "server": "one_vs_all"},
    "realizable": {"method": "realizable"},
    "realizable, distilled": {"method": "distilled", "server": "realizable"},
    "triage": {"method": "differentiable_triage"},
    "budgeted": {"method": "budgeted"},
    "random": {"method": "random"},
    "device classifier": {"method": "always_ask", "server": "device_classifier"},
}
FEW = (  # those that claims are about, and one whose decision needs the server
    *("learning to help", "L2H, estimated p", "L2H, linear rejector", "confidence", "separate", "two-stage"),
    *("two-stage, on scores", "two-stage, on features"),
    *("Mozannar-Sontag", "Mozannar-Sontag, distilled", "random", "device classifier"),
)
ALONE = "device classifier"  # answers on the device, and sends nothing
OURS = "stacked (ours)"
NEEDS_SERVER = ("Mozannar-Sontag", "one-vs-all", "realizable")  # no device can decide so before it sends
NOT_RIVALS = (*NEEDS_SERVER, "random", ALONE)  # of a rejector on the device, at a coverage
READ = {"scores": 2, "features": 2 + models.UNITS}  # numbers: the client's score, its size, and its last hidden layer

Place = dict[str, list[Result]]  # name of a system -> its results, one per seed


class Answers(NamedTuple):
    """What the systems of one place say about one part of the data."""

    systems: dict[str, list[Predictions]]  # name -> one per seed
    scores: list[np.ndarray]  # the client's scores, one per seed


def comparison(study: Any) -> dict[str, dict[str, ExperimentConfig]]:
    """The runs of chapter 06, seed 0 of each: place -> name -> configuration.

    Args:
        study: of the chapter.

    Returns:
        One dictionary of systems per client and pair; a rejector on features only where the client has some.

    >>> from l2h.studies import at_profile
    >>> places = comparison(at_profile("06_comparison", "paper"))
    >>> list(places)[:2], len(places["as_released, easy pair"]), len(places["lenet, hard pair"])
    (['as_released, easy pair', 'well_trained, easy pair'], 22, 23)
    """
    base = ExperimentConfig("learning_to_help", ce=CE, **_data(study))
    return {
        f"{client}, {pair}": {
            name: replace(base, client=client, classes=PAIRS[base.source][pair], **SYSTEMS[name])
            for name in (FEW if study.few else SYSTEMS)
            if client in train.CLIENTS_WITH_FEATURES or SYSTEMS[name].get("rejector") != "features"
        }
        for pair in study.pairs
        for client in study.clients
    }


def costs(study: Any) -> dict[str, dict[Any, ExperimentConfig]]:
    """The runs of chapter 08, seed 0 of each: experiment -> its setting -> configuration.

    Args:
        study: of the chapter.

    Returns:
        "grid" (place, c1, ce), "once" (place, name) for the systems that are re-thresholded, "map" (alpha, beta),
        "rules" (place, rule, squash), "estimates" (place, estimator), "servers", "hidden", and "inputs" for the
        client `study.reader`. A place is a client, with the pair's name behind it for pairs after the first.

    >>> from l2h.studies import at_profile
    >>> sorted(costs(at_profile("08_costs", "quick")))
    ['estimates', 'grid', 'hidden', 'inputs', 'map', 'once', 'rules', 'servers']
    """
    base = ExperimentConfig("learning_to_help", ce=CE, **_data(study))
    first = replace(base, client=study.clients[0])
    each = {client: replace(base, client=client) for client in study.clients}
    for pair in study.pairs[1:]:
        classes = PAIRS[base.source][pair]
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


def runs(design: Mapping[Any, Mapping[Any, ExperimentConfig]], seeds: int) -> list[ExperimentConfig]:
    """All runs of a design with all their seeds and what they need, each once, in an order in which they can be made.

    Args:
        design: of `comparison` or `costs`.
        seeds: how many, from 0 on.

    Returns:
        Configurations, ready for `experiments.sweep`.
    """
    configs = [config for group in design.values() for config in group.values()]
    return with_dependencies(run for config in configs for run in over_seeds(config, seeds))


def training(results: Iterable[Result]) -> tuple[int, float]:
    """How many of some results took a training, and the seconds that these took.

    >>> training([])
    (0, 0.0)
    """
    trained = [result for result in results if result.config.method not in methods.UNTRAINED]
    return len(trained), float(sum(result.seconds for result in trained))


def answers(
    results: Mapping[ExperimentConfig, Result],
    systems: Mapping[str, ExperimentConfig],
    seeds: int,
    *,
    part: str = "test",
) -> Answers:
    """What the systems of one place say about a part, ours added where its rejector was trained.

    The device's own classifier stands there as a client that never asks.

    Args:
        results: of every run of `runs`.
        systems: of one place of `comparison`.
        seeds: how many, from 0 on.
        part: "validation" or "test".

    Returns:
        `Answers`.
    """
    found = {name: [results[one] for one in over_seeds(config, seeds)] for name, config in systems.items()}
    clients = [_client(results, result.config) for result in next(iter(found.values()))]
    said = {name: [result.predictions(part) for result in of] for name, of in found.items()}
    if ALONE in said:
        said[ALONE] = [replace(p, m=server_label(p.e), r=np.ones(len(p.y))) for p in said[ALONE]]
    if "two-stage" in said:
        said[OURS] = [_ours(one, client, part) for one, client in zip(found["two-stage"], clients, strict=True)]
    return Answers(said, [client.scores[part]["score"] for client in clients])


def names(places: Mapping[str, Answers]) -> list[str]:
    """The systems of any place; one that only some places have stands where these have it.

    Args:
        places: place -> its answers; one of them has every system.

    Returns:
        Names, each once.

    >>> names({"a": Answers({"one": [], "three": []}, []), "b": Answers({"one": [], "two": [], "three": []}, [])})
    ['one', 'two', 'three']
    """
    return max((list(said.systems) for said in places.values()), key=len)


def spent(name: str, config: ExperimentConfig, coverage: float) -> Spending:
    """What a system of `SYSTEMS`, or ours, spends per image at a coverage.

    Args:
        name: of the system.
        config: its configuration; for ours that of "two-stage".
        coverage: share kept, in [0, 1].

    Returns:
        `Spending`.

    >>> spent("confidence", ExperimentConfig("confidence"), 0.5)
    Spending(device_flops=6144.0, bytes_sent=1536.0)
    """
    client, own = device_sizes(name, config)
    reads_score = name == OURS or config.method.startswith("confidence") or config.rejector in READ
    return spending(own, client, coverage, needs_score=reads_score, needs_server=name in NEEDS_SERVER)


def device_sizes(name: str, config: ExperimentConfig) -> tuple[Size, Size]:
    """The sizes of the client, and of the device's network that is there beside it.

    Args:
        name: of the system.
        config: its configuration; for ours that of "two-stage".

    Returns:
        Client and own network; (0, 0) for what is not there.
    """
    none = Size(0, 0)
    if name == ALONE:
        return none, _size(config)
    decides_alone = config.method in methods.UNTRAINED or config.method == "confidence_specialist"
    own = none if name in NEEDS_SERVER or decides_alone else _size(config)
    return count(train.CLIENTS[config.client][0](1)), own


def _size(config: ExperimentConfig) -> Size:
    if config.rejector in READ:  # by one linear layer
        return Size(parameters=READ[config.rejector] + 1, flops=2 * READ[config.rejector])
    build = models.rejector(config.hidden) if config.rejector == "hidden" else None
    return count(build or methods.SERVER_NETWORKS[config.rejector](squash=True))


def _ours(two_stage: Result, client: Result, part: str) -> Predictions:
    def signals(of: str) -> Signals:
        return Signals(client.scores[of]["score"], [two_stage.scores[of]["r"]])

    calibration = two_stage.predictions("calibration")
    return stacked(
        calibration, signals("calibration"), two_stage.predictions(part), signals(part), costs=two_stage.config.costs
    )


def _client(results: Mapping[ExperimentConfig, Result], config: ExperimentConfig) -> Result:
    same = ("client", "seed", "source", "classes", "sizes", "precision")
    return results[ExperimentConfig("client", **{name: getattr(config, name) for name in same})]


def _data(study: Any) -> dict[str, Any]:
    return {"source": study.data or "cifar10", "sizes": study.sizes, "precision": study.precision}


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


def swapped(decides: Sequence[Predictions], answers: Sequence[Predictions]) -> list[Predictions]:
    """The rejector of one system with the server of another, seed by seed.

    Args:
        decides: whose m, r and y are taken.
        answers: whose e is taken: the same seeds and examples.

    Returns:
        One prediction per seed.
    """
    return [replace(one, e=other.e) for one, other in zip(decides, answers, strict=True)]


def losses_at(priced: Sequence[Costs], chosen_on: Sequence[Predictions], given: Sequence[Predictions]) -> Interval:
    """System loss of one training at several costs, each with its own threshold, with a band over seeds.

    Args:
        priced: k pairs of costs.
        chosen_on: predictions on the validation part, one per seed.
        given: of the same systems on the test part.

    Returns:
        (k,) means, lower and upper limits, as `bootstrap.bands`.
    """
    rows = [[system_loss(p, costs=c) for p in at_costs(chosen_on, given, costs=c)] for c in priced]
    return bands(np.transpose(rows))


def levels_at(priced: Sequence[Costs], given: Sequence[Predictions]) -> dict[str, np.ndarray]:
    """The reference losses of a client and a server at several costs, averaged over seeds.

    Args:
        priced: k pairs of costs.
        given: predictions with this client and server, one per seed.

    Returns:
        "never ask", "always ask", "random, best rate" and "oracle" -> (k,) losses.
    """
    found = np.array([[reference_losses(p, costs=c) for c in priced] for p in given])  # (S, k, 4)
    names = ("never ask", "always ask", "random, best rate", "oracle")
    return {name: bands(found[:, :, place]).estimate for place, name in enumerate(names)}


def at_costs(chosen_on: Sequence[Predictions], given: Sequence[Predictions], *, costs: Costs) -> list[Predictions]:
    """One training for other costs: the threshold of least loss on validation data, seed by seed.

    Args:
        chosen_on: predictions on the validation part, one per seed.
        given: of the same systems on the test part.
        costs: c1 and ce.

    Returns:
        The given predictions, shifted.
    """
    pairs = zip(chosen_on, given, strict=True)
    return [shifted(test, threshold_for_loss(validation, costs=costs)) for validation, test in pairs]
