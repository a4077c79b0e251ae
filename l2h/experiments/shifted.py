"""Runs on corrupted images: the predictions of one trained system under every condition of `corruptions`.

A run of `run` keeps scores, not networks. Here the same client, rejector and server are trained again, from the same
configuration and therefore to the same last bit, and evaluated on the test images under every condition. On demand the
inputs of the last linear layers of both networks are kept, too, so that these layers can be fitted again.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook

from l2h import checks
from l2h.data import corruptions
from l2h.data.dataset import SPLITS, Split
from l2h.experiments import sweep as experiments_sweep
from l2h.experiments.config import ExperimentConfig, dependencies
from l2h.experiments.fingerprint import Definition, key
from l2h.experiments.run import (
    Scores,
    array_from_json,
    array_to_json,
    dataset_for_config,
    fit_client_scores,
    fit_system,
    key_facts,
    make_examples,
    run_environment,
    scores_from_json,
    scores_to_json,
    system_scores,
)
from l2h.experiments.run_log import log_run
from l2h.experiments.store import Store
from l2h.methods import base, registry
from l2h.models import layers as models_layers
from l2h.problem import Predictions

CLEAN_SPLITS = ("calibration", "validation")  # never corrupted: thresholds are set on them before a stream begins


class CorruptionResult(NamedTuple):
    """The result of one system: its scores on clean held-out splits, and on test images under each condition."""

    config: ExperimentConfig
    scores: Scores  # split or condition -> as in `run.RunResult`
    cpu_seconds: float
    activations: dict[str, dict[str, np.ndarray]]  # condition -> {"r", "e"}: (n, d) inputs of the last linear layers
    last_layers: dict[str, np.ndarray]  # {"r", "e"}: the (d + 1,) weights of these layers, the bias last

    def predictions(self, name: str = corruptions.CLEAN) -> Predictions:
        """The predictions on a held-out split, or on test images under a condition."""
        return Predictions(**self.scores[name])

    def predictions_by_condition(self) -> dict[str, Predictions]:
        """The predictions on test images under every condition."""
        return {name: self.predictions(name) for name in self.scores if name in corruptions.condition_names()}


@dataclass(frozen=True)
class Conditions:
    """The conditions under which a system is evaluated.

    Args:
        names: names in `corruptions.condition_names()`.
        n_images: number of test images, the first ones; 0 for all. The unseen class is not cut.
        with_activations: conditions under which the activations before the last layers are kept, about 200 numbers per
            image.

    Raises:
        ValueError: if a condition does not exist, or the number is negative.
    """

    names: tuple[str, ...] = corruptions.condition_names()
    n_images: int = 0
    with_activations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for condition in self.names:
            checks.one_of(corruptions.condition_names(), condition=condition)
        for condition in self.with_activations:
            checks.one_of(self.names, with_activations=condition)
        checks.at_least(0, n_images=self.n_images)


ALL_CONDITIONS = Conditions()


def run_under_corruption(
    config: ExperimentConfig, conditions: Conditions = ALL_CONDITIONS, *, store: Store | None = None
) -> CorruptionResult:
    """Train a system and evaluate it under every condition, or read its scores from the store.

    Args:
        config: what to run, as in `run.run`; two classes.
        conditions: the conditions.
        store: where results are kept; by default the store in `store.default_store_folder()`.

    Returns:
        The result; on the clean test images it equals the result of `run.run`.

    Raises:
        ValueError: if activations are asked for, and rejector or server is not a network with a last linear layer.
    """
    log_run(config, conditions)
    return _result_from_json(config, _stored_run(config, conditions, store or Store()))


def corruption_key(config: ExperimentConfig, conditions: Conditions = ALL_CONDITIONS) -> str:
    """The one rule of staleness, as in `run.run_key`: here the conditions and the unseen class count, too.

    Args:
        config: what to run.
        conditions: the conditions.

    Returns:
        The name under which the store keeps the result.
    """
    facts = {
        "conditions": asdict(_relevant_conditions(config, conditions)),
        "unseen_class": _unseen_class_digest(config.source),
        "earlier": [corruption_key(dependency, conditions) for dependency in dependencies(config)],
    }
    return key(**facts, **key_facts(config, Definition(__name__, "_compute_json")))


def sweep_under_corruption(
    configs: Iterable[ExperimentConfig],
    conditions: Conditions = ALL_CONDITIONS,
    *,
    executor: Executor | None = None,
    store: Store | None = None,
) -> list[CorruptionResult]:
    """Make many runs on corrupted images as `sweep.sweep` makes plain ones: in parallel, each once.

    Args:
        configs: what to run.
        conditions: the conditions.
        executor: as in `sweep.sweep`.
        store: as in `run_under_corruption`.

    Returns:
        The results in the order of the configurations.

    Raises:
        RuntimeError: if runs failed; and whatever else `sweep.sweep` raises.
    """
    task = experiments_sweep.Task(
        partial(run_under_corruption, conditions=conditions), partial(corruption_key, conditions=conditions)
    )
    return experiments_sweep.sweep(configs, executor=executor, store=store, task=task)


def _relevant_conditions(config: ExperimentConfig, conditions: Conditions) -> Conditions:
    """A client, or a server for other methods, is trained once, with or without activations of the systems."""
    reusable = config.method == "client" or config.method in registry.STANDALONE
    return replace(conditions, with_activations=()) if reusable else conditions


def _stored_run(config: ExperimentConfig, conditions: Conditions, store: Store) -> dict[str, Any]:
    """A run as the store keeps it; if it is not there, it is computed."""
    conditions = _relevant_conditions(config, conditions)
    stored = store.get(corruption_key(config, conditions))
    if stored is None:
        earlier = [_stored_run(dependency, conditions, store) for dependency in dependencies(config)]
        stored = _compute_json(config, conditions, earlier)
        store.put(corruption_key(config, conditions), stored)
    return stored


def _compute_json(
    config: ExperimentConfig, conditions: Conditions, stored_dependencies: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Compute a run from the earlier ones, all as the store keeps them: this function reaches all code of a run."""
    results = map(_result_from_json, dependencies(config), stored_dependencies)
    with run_environment(config):
        return _result_to_json(_compute(config, conditions, list(results)))


def _compute(
    config: ExperimentConfig, conditions: Conditions, dependency_results: Sequence[CorruptionResult]
) -> CorruptionResult:
    dataset, start = dataset_for_config(config), time.process_time()
    splits = {name: getattr(dataset, name) for name in SPLITS if name != "test"}
    test_images = (config.source, config.classes, config.sizes, conditions.n_images)
    splits |= {name: _corrupted_split(*test_images, name) for name in conditions.names}
    activations: dict[str, dict[str, np.ndarray]] = {}
    last_layers: dict[str, np.ndarray] = {}
    if config.method == "client":
        scores = fit_client_scores(config, splits)
    else:
        dependency_scores = [result.scores for result in dependency_results]
        examples = make_examples(config, splits, dependency_scores)
        system = fit_system(config, examples, dependency_scores)
        scores = system_scores(config, system, examples, (*CLEAN_SPLITS, *conditions.names))
        for name, (k, network) in product(conditions.with_activations, (("r", system.r), ("e", system.e))):
            activations.setdefault(name, {})[k], last_layers[k] = _last_layer_inputs(network, examples[name])
    return CorruptionResult(config, scores, time.process_time() - start, activations, last_layers)


def _last_layer_inputs(score_function: Callable[..., Tensor], examples: base.Examples) -> tuple[np.ndarray, np.ndarray]:
    """The (n, d) inputs of the linear layer right before a network's `ScoreHead`, and its (d + 1,) weights.

    A system is a pair of functions that hide their networks; torch calls the hook after every module.
    """
    latest: list[tuple[nn.Linear, Tensor]] = []
    layer_inputs: list[tuple[nn.Linear, Tensor]] = []

    def watch(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, models_layers.ScoreHead) and latest and latest[-1][0].out_features == 1:
            layer_inputs.append(latest[-1])
        latest[:] = [(module, inputs[0])] if isinstance(module, nn.Linear) else []

    handle = register_module_forward_hook(watch)
    try:
        score_function(examples)
    finally:
        handle.remove()
    if not layer_inputs:
        raise ValueError("expected networks that end in a linear layer with one output, got a system without")
    last = layer_inputs[0][0]
    inputs_read = torch.cat([batch for _, batch in layer_inputs])
    weights = torch.cat([last.weight.flatten(), last.bias])
    return inputs_read.cpu().numpy(), weights.detach().numpy().copy()


@lru_cache(maxsize=32)  # all conditions of one data set: several systems are evaluated on the same images
def _corrupted_split(
    source: str, classes: tuple[str, ...], sizes: tuple[int, ...], n_images: int, condition: str
) -> Split:
    x, y = dataset_for_config(ExperimentConfig("client", source=source, classes=classes, sizes=sizes)).test
    test_split = Split(x[:n_images], y[:n_images]) if n_images else Split(x, y)
    return corruptions.under_condition(test_split, condition, source=source)


@lru_cache(maxsize=2)
def _unseen_class_digest(source: str) -> str:
    return hashlib.sha256(corruptions.unseen_class_examples(source).x.numpy().tobytes()).hexdigest()


def _result_to_json(result: CorruptionResult) -> dict[str, Any]:
    activations = {
        name: {k: array_to_json(v) for k, v in arrays.items()} for name, arrays in result.activations.items()
    }
    last_layers = {k: v.tolist() for k, v in result.last_layers.items()}
    return {
        "scores": scores_to_json(result.scores),
        "cpu_seconds": result.cpu_seconds,
        "activations": activations,
        "last_layers": last_layers,
    }


def _result_from_json(config: ExperimentConfig, stored: dict[str, Any]) -> CorruptionResult:
    activations = {
        name: {k: array_from_json(v) for k, v in arrays.items()} for name, arrays in stored["activations"].items()
    }
    last_layers = {k: np.array(v) for k, v in stored["last_layers"].items()}
    return CorruptionResult(config, scores_from_json(stored["scores"]), stored["cpu_seconds"], activations, last_layers)
