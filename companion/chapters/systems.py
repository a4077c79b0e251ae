"""The systems that chapters compare, how their predictions are read from results, and their use of resources.

A setting is a client with a pair of classes. In each setting all systems have the same client and, where they need one,
the same plain server, one of each per seed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch

from l2h.evaluation.resources import NetworkSize, ResourceUse, network_size, resource_use
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.run import RunResult
from l2h.experiments.sweep import over_seeds, with_dependencies
from l2h.methods import base, registry
from l2h.methods.error_estimation import score_features
from l2h.methods.stacking import RejectorSignals, with_stacked_client_error
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
    "on-device classifier": {"method": "always_ask", "server": "on_device_classifier"},
}
SYSTEMS_IN_CLAIMS = (  # the systems that claims are about, and one whose decision needs the server
    *("learning to help", "L2H, estimated p", "L2H, linear rejector", "confidence", "separate", "two-stage"),
    *("two-stage, on scores", "two-stage, on features"),
    *("Mozannar-Sontag", "Mozannar-Sontag, distilled", "random", "on-device classifier"),
)
ON_DEVICE_CLASSIFIER = "on-device classifier"  # it predicts on the device and never asks
STACKED_NAME = "stacked"
STACKED_ON = "separate"  # the system whose rejector it weighs with the client's score; ch06_comparison.variant_choice
TEACHER_METHODS = {"Mozannar-Sontag": "mozannar_sontag", "one-vs-all": "one_vs_all", "realizable": "realizable"}
SERVER_DEPENDENT = (*TEACHER_METHODS, "oracle")  # their decision needs the server, so that every image is sent to it
# Inputs of a linear rejector: two summaries of the client's scores, and its last hidden layer. With more than two
# classes the log-probabilities of all classes come on top.
REJECTOR_INPUT_SIZES = {"scores": 2, "features": 2 + networks.LENET_HIDDEN_UNITS}


@dataclass(frozen=True)
class Stacked:
    """The configuration of our stacked rejector: the rejectors that it weighs beside the client's scores."""

    rejector_configs: tuple[ExperimentConfig, ...]  # with the same client and server
    method: ClassVar[str] = STACKED_NAME

    @property
    def costs(self) -> Costs:
        """The costs of its rejectors."""
        return self.rejector_configs[0].costs


ComparedSystem = ExperimentConfig | Stacked


def all_configs(grid: Mapping[Any, Mapping[Any, ExperimentConfig]], seeds: int) -> list[ExperimentConfig]:
    """All runs of an experiment grid with all seeds and all dependencies, each once and after its dependencies.

    Args:
        grid: group -> name -> configuration, such as `ch06_comparison.experiments.comparison_grid`.
        seeds: number of seeds, from 0 on.

    Returns:
        Configurations for `sweep.sweep`.
    """
    configs = [config for group in grid.values() for config in group.values()]
    return with_dependencies(run for config in configs for run in over_seeds(config, seeds))


def with_seeds(configs: Iterable[ExperimentConfig], seeds: Iterable[int]) -> list[ExperimentConfig]:
    """Every configuration with every seed.

    Args:
        configs: with any seed.
        seeds: which.
    """
    return [replace(config, seed=seed) for config in configs for seed in seeds]


def system_predictions(
    results: Mapping[ExperimentConfig, RunResult],
    systems: Mapping[str, ExperimentConfig],
    seeds: int,
    *,
    split: str = "test",
) -> dict[str, list[Predictions]]:
    """The predictions of the systems of a setting; the stacked rejector is added where STACKED_ON was trained.

    The on-device classifier is shown as a client that never asks.

    Args:
        results: of every run of `all_configs`.
        systems: of one setting of the grid.
        seeds: number of seeds, from 0 on.
        split: "validation" or "test".

    Returns:
        Name -> predictions, one per seed.
    """
    results_by_system = {
        name: [results[seeded_config] for seeded_config in over_seeds(config, seeds)]
        for name, config in systems.items()
    }
    clients = [client_result(results, result.config) for result in next(iter(results_by_system.values()))]
    predictions = {
        name: [result.predictions(split) for result in results_of_system]
        for name, results_of_system in results_by_system.items()
    }
    if ON_DEVICE_CLASSIFIER in predictions:
        predictions[ON_DEVICE_CLASSIFIER] = [never_asking(p) for p in predictions[ON_DEVICE_CLASSIFIER]]
    if STACKED_ON in predictions:
        pairs = zip(results_by_system[STACKED_ON], clients, strict=True)
        predictions[STACKED_NAME] = [stacked_predictions(system, client, split) for system, client in pairs]
    return predictions


def never_asking(predictions: Predictions) -> Predictions:
    """The predictions of an on-device classifier e, as those of a client that never asks."""
    return replace(predictions, m=server_label(predictions.e), r=np.ones(len(predictions.y)))


def system_names(predictions_by_setting: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Names of all systems, in the order of the setting that has most of them.

    Args:
        predictions_by_setting: setting -> name of a system -> predictions; one of the settings has every system.

    Returns:
        Names, each once.

    >>> system_names({"a": {"x": [], "z": []}, "b": {"x": [], "y": [], "z": []}})
    ['x', 'y', 'z']
    """
    return max((list(systems) for systems in predictions_by_setting.values()), key=len)


def system_resource_use(name: str, config: ComparedSystem, coverage: float) -> ResourceUse:
    """The resource use of a system per image at a coverage.

    Args:
        name: of the system.
        config: its configuration; chapter 06 passes that of STACKED_ON for its stacked rejector.
        coverage: in [0, 1].

    Returns:
        `ResourceUse`.

    >>> system_resource_use("confidence", ExperimentConfig("confidence"), 0.5).bytes_sent
    1536.0
    """
    first = config.rejector_configs[0] if isinstance(config, Stacked) else config
    client, others = device_sizes(name, config)
    on_scores = first.rejector in REJECTOR_INPUT_SIZES and first.method not in registry.TRAINING_FREE
    needs_scores = name == STACKED_NAME or first.method.startswith("confidence") or on_scores
    return resource_use(others, client, coverage, needs_score=needs_scores, needs_server=name in SERVER_DEPENDENT)


def device_sizes(name: str, config: ComparedSystem) -> tuple[NetworkSize, NetworkSize]:
    """The sizes of the client, and of all other networks on the device together.

    Args:
        name: of the system.
        config: as in `system_resource_use`.

    Returns:
        Client and others; (0, 0) for networks that are absent.
    """
    configs = config.rejector_configs if isinstance(config, Stacked) else (config,)
    n_scores = _score_count(configs[0])
    client = network_size(training_clients.CLIENTS[configs[0].client][0](n_scores))
    others = [_device_network_size(each_config) for each_config in configs if name not in SERVER_DEPENDENT]
    if isinstance(config, Stacked):  # two logistic regressions on the client's scores and the rejectors
        others.append(_linear_size(n_scores + REJECTOR_INPUT_SIZES["scores"] + len(configs), 2))
    return NetworkSize(0, 0) if name == ON_DEVICE_CLASSIFIER else client, _total_size(others)


def _device_network_size(config: ExperimentConfig) -> NetworkSize:
    """The size of a rejector, or of an on-device classifier."""
    is_classifier, n_scores = config.server == "on_device_classifier", _score_count(config)
    if config.method in (*registry.TRAINING_FREE, "confidence_specialist") and not is_classifier:
        return NetworkSize(0, 0)
    n_outputs = 2 if config.method == "two_sigmoid" else 1
    if n_scores > 1 and is_classifier:
        n_outputs = n_scores
    if config.rejector in REJECTOR_INPUT_SIZES:
        log_probabilities = n_scores if n_scores > 1 else 0
        return _linear_size(log_probabilities + REJECTOR_INPUT_SIZES[config.rejector], n_outputs)
    if config.rejector == "mlp":
        return network_size(networks.mlp(config.hidden_units, n_outputs=n_outputs))
    return network_size(base.SERVER_NETWORKS[config.rejector](n_outputs, bounded=False))


def _score_count(config: ExperimentConfig) -> int:
    """The number of a client's scores: one for two classes, else one per class."""
    return len(config.classes) if len(config.classes) > 2 else 1


def _linear_size(n_inputs: int, n_outputs: int) -> NetworkSize:
    return NetworkSize(parameters=(n_inputs + 1) * n_outputs, flops=2 * n_inputs * n_outputs)


def _total_size(sizes: Sequence[NetworkSize]) -> NetworkSize:
    return NetworkSize(sum(size.parameters for size in sizes), sum(size.flops for size in sizes))


def stacked_predictions(system: RunResult, client: RunResult, split: str) -> Predictions:
    """The predictions of a system whose rejector is weighed with the client's score.

    Args:
        system: result of STACKED_ON.
        client: result of its client.
        split: "validation" or "test".
    """

    def signals(split_name: str) -> RejectorSignals:
        return RejectorSignals(client.scores[split_name]["client_scores"], [system.scores[split_name]["r"]])

    calibration = system.predictions("calibration")
    return with_stacked_client_error(
        calibration, signals("calibration"), system.predictions(split), signals(split), costs=system.config.costs
    )


def multiclass_stacking_signals(client: RunResult, rejectors: Sequence[RunResult], split: str) -> RejectorSignals:
    """The inputs of a stacked rejector with K classes.

    The margin between the two largest scores takes the position of the single score of two classes; the
    log-probabilities and the entropy follow. A client's scores are already divided by their temperature.
    """
    scores = torch.from_numpy(client.scores[split]["client_scores"])
    *logs, margin, entropy = score_features(scores, 1.0).numpy().T
    return RejectorSignals(margin, [*logs, entropy, *(rejector.scores[split]["r"] for rejector in rejectors)])


def client_result(results: Mapping[ExperimentConfig, RunResult], config: ExperimentConfig) -> RunResult:
    """The result of the client of a system.

    Args:
        results: of every run.
        config: of the system.
    """
    same = ("client", "seed", "source", "classes", "sizes", "precision")
    return results[ExperimentConfig("client", **{name: getattr(config, name) for name in same})]


def data_options(settings: Any) -> dict[str, Any]:
    """The fields of `ExperimentConfig` that state the data and the precision of a chapter."""
    return {"source": settings.data or "cifar10", "sizes": settings.sizes, "precision": settings.precision}
