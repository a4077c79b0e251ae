"""The lists of runs of the chapters that compare systems, so that they can be made ahead, and how results are read.

A place is a client and a pair of classes; at every place the same systems meet, with one client and one plain server
per seed for all of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from l2h.evaluation.resources import NetworkSize, ResourceUse, network_size, resource_use
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.run import RunResult
from l2h.experiments.sweep import over_seeds, with_dependencies
from l2h.methods import base, registry
from l2h.methods.error_estimation import score_features
from l2h.methods.stacking import RejectorSignals, with_stacked_rejector
from l2h.models import networks
from l2h.problem import Costs, Predictions, server_label
from l2h.training import clients as training_clients

COMPARISON_CE = 0.1  # of every training of chapter 06
CLASS_PAIRS: dict[str, dict[str, tuple[str, ...]]] = {
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
    "device classifier": {"method": "always_ask", "server": "on_device_classifier"},
}
SYSTEMS_IN_CLAIMS = (  # those that claims are about, and one whose decision needs the server
    *("learning to help", "L2H, estimated p", "L2H, linear rejector", "confidence", "separate", "two-stage"),
    *("two-stage, on scores", "two-stage, on features"),
    *("Mozannar-Sontag", "Mozannar-Sontag, distilled", "random", "device classifier"),
)
ON_DEVICE_CLASSIFIER = "device classifier"  # answers on the device, and sends nothing
STACKED_NAME = "stacked (ours)"
SERVER_DEPENDENT = ("Mozannar-Sontag", "one-vs-all", "realizable")  # no device can decide so before it sends
TEACHER_METHODS = {"Mozannar-Sontag": "mozannar_sontag", "one-vs-all": "one_vs_all", "realizable": "realizable"}
EXCLUDED_BASELINES = (*SERVER_DEPENDENT, "random", ON_DEVICE_CLASSIFIER)  # of a rejector on the device, at a coverage
REJECTOR_INPUT_SIZES = {
    "scores": 2,
    "features": 2 + networks.LENET_HIDDEN_UNITS,
}  # numbers: the client's score, its size, and its last hidden layer
ResultsBySystem = dict[str, list[RunResult]]  # name of a system -> its results, one per seed


class SystemPredictions(NamedTuple):
    """What the systems of one place say about one part of the data."""

    predictions: dict[str, list[Predictions]]  # name -> one per seed
    client_scores: list[np.ndarray]  # the client's scores, one per seed


def all_configs(grid: Mapping[Any, Mapping[Any, ExperimentConfig]], seeds: int) -> list[ExperimentConfig]:
    """All runs of a design with all their seeds and what they need, each once, in an order in which they can be made.

    Args:
        grid: of `comparison` or `costs`.
        seeds: how many, from 0 on.

    Returns:
        Configurations, ready for `sweep.sweep`.
    """
    configs = [config for group in grid.values() for config in group.values()]
    return with_dependencies(run for config in configs for run in over_seeds(config, seeds))


def system_predictions(
    results: Mapping[ExperimentConfig, RunResult],
    systems: Mapping[str, ExperimentConfig],
    seeds: int,
    *,
    split: str = "test",
) -> SystemPredictions:
    """What the systems of one place say about a part, ours added where its rejector was trained.

    The device's own classifier stands there as a client that never asks.

    Args:
        results: of every run of `all_configs`.
        systems: of one place of `comparison`.
        seeds: how many, from 0 on.
        split: "validation" or "test".

    Returns:
        `SystemPredictions`.
    """
    results_by_system = {
        name: [results[seeded_config] for seeded_config in over_seeds(config, seeds)]
        for name, config in systems.items()
    }
    clients = [_client_result(results, result.config) for result in next(iter(results_by_system.values()))]
    predictions = {
        name: [result.predictions(split) for result in results_of_system]
        for name, results_of_system in results_by_system.items()
    }
    if ON_DEVICE_CLASSIFIER in predictions:
        predictions[ON_DEVICE_CLASSIFIER] = [
            replace(p, m=server_label(p.e), r=np.ones(len(p.y))) for p in predictions[ON_DEVICE_CLASSIFIER]
        ]
    if "two-stage" in predictions:
        predictions[STACKED_NAME] = [
            _stacked_predictions(seeded_config, client, split)
            for seeded_config, client in zip(results_by_system["two-stage"], clients, strict=True)
        ]
    return SystemPredictions(predictions, [client.scores[split]["client_scores"] for client in clients])


def system_names(predictions_by_setting: Mapping[str, SystemPredictions]) -> list[str]:
    """The systems of any place; one that only some places have stands where these have it.

    Args:
        predictions_by_setting: place -> its answers; one of them has every system.

    Returns:
        Names, each once.

    >>> system_names({"a": SystemPredictions({"one": [], "three": []}, []), "b": SystemPredictions({"one": [], "two": [], "three": []}, [])})
    ['one', 'two', 'three']
    """
    return max(
        (list(setting_predictions.predictions) for setting_predictions in predictions_by_setting.values()), key=len
    )


def system_resource_use(name: str, config: ExperimentConfig, coverage: float) -> ResourceUse:
    """What a system of `SYSTEMS`, or ours, spends per image at a coverage.

    Args:
        name: of the system.
        config: its configuration; for ours that of "two-stage".
        coverage: share kept, in [0, 1].

    Returns:
        `ResourceUse`.

    >>> system_resource_use("confidence", ExperimentConfig("confidence"), 0.5)
    Spending(device_flops=6144.0, bytes_sent=1536.0)
    """
    client, own = device_sizes(name, config)
    reads_score = (
        name == STACKED_NAME or config.method.startswith("confidence") or config.rejector in REJECTOR_INPUT_SIZES
    )
    return resource_use(own, client, coverage, needs_score=reads_score, needs_server=name in SERVER_DEPENDENT)


def device_sizes(name: str, config: ExperimentConfig) -> tuple[NetworkSize, NetworkSize]:
    """The sizes of the client, and of the device's network that is there beside it.

    Args:
        name: of the system.
        config: its configuration; for ours that of "two-stage".

    Returns:
        Client and own network; (0, 0) for what is not there.
    """
    none = NetworkSize(0, 0)
    if name == ON_DEVICE_CLASSIFIER:
        return none, _device_network_size(config)
    decides_alone = config.method in registry.TRAINING_FREE or config.method == "confidence_specialist"
    own = none if name in SERVER_DEPENDENT or decides_alone else _device_network_size(config)
    return network_size(training_clients.CLIENTS[config.client][0](1)), own


def _device_network_size(config: ExperimentConfig) -> NetworkSize:
    if config.rejector in REJECTOR_INPUT_SIZES:  # by one linear layer
        return NetworkSize(
            parameters=REJECTOR_INPUT_SIZES[config.rejector] + 1, flops=2 * REJECTOR_INPUT_SIZES[config.rejector]
        )
    build = networks.mlp(config.hidden_units) if config.rejector == "mlp" else None
    return network_size(build or base.SERVER_NETWORKS[config.rejector](bounded=True))


def _stacked_predictions(two_stage: RunResult, client: RunResult, split: str) -> Predictions:
    def signals(split_name: str) -> RejectorSignals:
        return RejectorSignals(client.scores[split_name]["client_scores"], [two_stage.scores[split_name]["r"]])

    calibration = two_stage.predictions("calibration")
    return with_stacked_rejector(
        calibration, signals("calibration"), two_stage.predictions(split), signals(split), costs=two_stage.config.costs
    )


def _client_result(results: Mapping[ExperimentConfig, RunResult], config: ExperimentConfig) -> RunResult:
    same = ("client", "seed", "source", "classes", "sizes", "precision")
    return results[ExperimentConfig("client", **{name: getattr(config, name) for name in same})]


def _data_options(settings: Any) -> dict[str, Any]:
    return {"source": settings.data or "cifar10", "sizes": settings.sizes, "precision": settings.precision}


MULTICLASS_SERVER_DEPENDENT = (*TEACHER_METHODS, "oracle")  # no device can decide so before it sends


@dataclass(frozen=True)
class Stacked:
    """A rejector that weighs others, trained for the same client and server, and the client's scores: ours."""

    rejector_configs: tuple[ExperimentConfig, ...]
    method: ClassVar[str] = STACKED_NAME

    @property
    def costs(self) -> Costs:
        """The costs of its rejectors."""
        return self.rejector_configs[0].costs


ComparedSystem = ExperimentConfig | Stacked


def _stacking_signals(client: RunResult, rejectors: Sequence[RunResult], split: str) -> RejectorSignals:
    """What the device knows: of K scores the gap between the largest stands where the size of one score would.

    A client's scores come divided by their temperature, so none is fitted here.
    """
    *logs, margin, entropy = score_features(torch.from_numpy(client.scores[split]["client_scores"]), 1.0).numpy().T
    return RejectorSignals(margin, [*logs, entropy, *(rejector.scores[split]["r"] for rejector in rejectors)])


MULTICLASS_REJECTOR_INPUT_SIZES = {
    "scores": 2,
    "features": 2 + networks.LENET_HIDDEN_UNITS,
}  # numbers beside the K log-probabilities, see `base.REJECTORS`


def multiclass_resource_use(name: str, config: ComparedSystem, coverage: float) -> ResourceUse:
    """What a system spends per image at a coverage; clients and networks with one score per class.

    Args:
        name: of the system in `experiments.systems`.
        config: its configuration; of ours what it weighs, all of which the device computes.
        coverage: share kept, in [0, 1].

    Returns:
        `ResourceUse`.

    >>> one = ExperimentConfig("confidence", client="follow_up", classes=("a", "b", "c"))
    >>> multiclass_resource_use("confidence", one, 0.5).bytes_sent
    1536.0
    """
    weighed = config.rejector_configs if isinstance(config, Stacked) else (config,)
    first, K = weighed[0], len(weighed[0].classes)
    own = _total_size(
        _own_network_size(each_config, K) for each_config in weighed if name not in MULTICLASS_SERVER_DEPENDENT
    )
    if isinstance(config, Stacked):  # two logistic regressions on the client's scores and the rejectors
        own = _total_size([own, _linear_size(K + MULTICLASS_REJECTOR_INPUT_SIZES["scores"] + len(weighed), 2)])
    reads_score = first.method == "confidence" or (
        first.method not in registry.TRAINING_FREE and first.rejector in MULTICLASS_REJECTOR_INPUT_SIZES
    )
    client = (
        NetworkSize(0, 0)
        if name == ON_DEVICE_CLASSIFIER
        else network_size(training_clients.CLIENTS[first.client][0](K))
    )
    return resource_use(
        own, client, coverage, needs_score=reads_score, needs_server=name in MULTICLASS_SERVER_DEPENDENT
    )


def _own_network_size(config: ExperimentConfig, K: int) -> NetworkSize:
    """The size of the device's network beside the client's: of a rejector, or of a classifier of its own."""
    is_classifier = config.server == "on_device_classifier"
    if config.method in registry.TRAINING_FREE and not is_classifier:
        return NetworkSize(0, 0)
    outputs = K if is_classifier else 2 if config.method == "two_sigmoid" else 1
    if config.rejector in MULTICLASS_REJECTOR_INPUT_SIZES:
        return _linear_size(K + MULTICLASS_REJECTOR_INPUT_SIZES[config.rejector], outputs)
    return network_size(base.SERVER_NETWORKS[config.rejector](outputs, bounded=False))


def _linear_size(inputs: int, outputs: int) -> NetworkSize:
    return NetworkSize(parameters=(inputs + 1) * outputs, flops=2 * inputs * outputs)


def _total_size(sizes: Iterable[NetworkSize]) -> NetworkSize:
    size_list = list(sizes)
    return NetworkSize(sum(size.parameters for size in size_list), sum(size.flops for size in size_list))
