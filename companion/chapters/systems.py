"""The lists of runs of the chapters that compare systems, so that they can be made ahead, and how results are read.

A place is a client and a pair of classes; at every place the same systems meet, with one client and one plain server
per seed for all of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from l2h.evaluation.resources import Size, Spending, count, spending
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.run import Result
from l2h.experiments.sweep import over_seeds, with_dependencies
from l2h.methods import base, registry
from l2h.methods.error_estimation import score_features
from l2h.methods.stacking import Signals, stacked
from l2h.models import networks
from l2h.problem import Costs, Predictions, server_label
from l2h.training import clients

CE = 0.1  # of every training of chapter 06
PAIRS: dict[str, dict[str, tuple[str, ...]]] = {
    "cifar10": {"easy pair": (), "hard pair": ("cat", "dog")},
    "digits": {"easy pair": (), "hard pair": ("3", "9")},
}
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
TEACHERS = {"Mozannar-Sontag": "mozannar_sontag", "one-vs-all": "one_vs_all", "realizable": "realizable"}
NOT_RIVALS = (*NEEDS_SERVER, "random", ALONE)  # of a rejector on the device, at a coverage
READ = {"scores": 2, "features": 2 + networks.UNITS}  # numbers: the client's score, its size, and its last hidden layer
Place = dict[str, list[Result]]  # name of a system -> its results, one per seed


class Answers(NamedTuple):
    """What the systems of one place say about one part of the data."""

    systems: dict[str, list[Predictions]]  # name -> one per seed
    scores: list[np.ndarray]  # the client's scores, one per seed


def runs(design: Mapping[Any, Mapping[Any, ExperimentConfig]], seeds: int) -> list[ExperimentConfig]:
    """All runs of a design with all their seeds and what they need, each once, in an order in which they can be made.

    Args:
        design: of `comparison` or `costs`.
        seeds: how many, from 0 on.

    Returns:
        Configurations, ready for `sweep.sweep`.
    """
    configs = [config for group in design.values() for config in group.values()]
    return with_dependencies(run for config in configs for run in over_seeds(config, seeds))


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
    decides_alone = config.method in registry.UNTRAINED or config.method == "confidence_specialist"
    own = none if name in NEEDS_SERVER or decides_alone else _size(config)
    return count(clients.CLIENTS[config.client][0](1)), own


def _size(config: ExperimentConfig) -> Size:
    if config.rejector in READ:  # by one linear layer
        return Size(parameters=READ[config.rejector] + 1, flops=2 * READ[config.rejector])
    build = networks.rejector(config.hidden) if config.rejector == "hidden" else None
    return count(build or base.SERVER_NETWORKS[config.rejector](squash=True))


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


NEEDS_SERVER_MULTICLASS = (*TEACHERS, "oracle")  # no device can decide so before it sends


@dataclass(frozen=True)
class Stacked:
    """A rejector that weighs others, trained for the same client and server, and the client's scores: ours."""

    weighed: tuple[ExperimentConfig, ...]
    method: ClassVar[str] = OURS

    @property
    def costs(self) -> Costs:
        """The costs of its rejectors."""
        return self.weighed[0].costs


Compared = ExperimentConfig | Stacked


def _signals(client: Result, rejectors: Sequence[Result], part: str) -> Signals:
    """What the device knows: of K scores the gap between the largest stands where the size of one score would.

    A client's scores come divided by their temperature, so none is fitted here.
    """
    *logs, gap, entropy = score_features(torch.from_numpy(client.scores[part]["score"]), 1.0).numpy().T
    return Signals(gap, [*logs, entropy, *(one.scores[part]["r"] for one in rejectors)])


READ_MULTICLASS = {
    "scores": 2,
    "features": 2 + networks.UNITS,
}  # numbers beside the K log-probabilities, see `base.REJECTORS`


def resource_use_multiclass(name: str, config: Compared, coverage: float) -> Spending:
    """What a system spends per image at a coverage; clients and networks with one score per class.

    Args:
        name: of the system in `experiments.systems`.
        config: its configuration; of ours what it weighs, all of which the device computes.
        coverage: share kept, in [0, 1].

    Returns:
        `Spending`.

    >>> one = ExperimentConfig("confidence", client="follow_up", classes=("a", "b", "c"))
    >>> resource_use_multiclass("confidence", one, 0.5).bytes_sent
    1536.0
    """
    weighed = config.weighed if isinstance(config, Stacked) else (config,)
    first, K = weighed[0], len(weighed[0].classes)
    own = _total(_own(one, K) for one in weighed if name not in NEEDS_SERVER_MULTICLASS)
    if isinstance(config, Stacked):  # two logistic regressions on the client's scores and the rejectors
        own = _total([own, _linear(K + READ_MULTICLASS["scores"] + len(weighed), 2)])
    reads_score = first.method == "confidence" or (
        first.method not in registry.UNTRAINED and first.rejector in READ_MULTICLASS
    )
    client = Size(0, 0) if name == ALONE else count(clients.CLIENTS[first.client][0](K))
    return spending(own, client, coverage, needs_score=reads_score, needs_server=name in NEEDS_SERVER_MULTICLASS)


def _own(config: ExperimentConfig, K: int) -> Size:
    """The size of the device's network beside the client's: of a rejector, or of a classifier of its own."""
    alone = config.server == "device_classifier"
    if config.method in registry.UNTRAINED and not alone:
        return Size(0, 0)
    outputs = K if alone else 2 if config.method == "two_sigmoid" else 1
    if config.rejector in READ_MULTICLASS:
        return _linear(K + READ_MULTICLASS[config.rejector], outputs)
    return count(base.SERVER_NETWORKS[config.rejector](outputs, squash=False))


def _linear(inputs: int, outputs: int) -> Size:
    return Size(parameters=(inputs + 1) * outputs, flops=2 * inputs * outputs)


def _total(sizes: Iterable[Size]) -> Size:
    several = list(sizes)
    return Size(sum(one.parameters for one in several), sum(one.flops for one in several))
