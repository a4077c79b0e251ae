"""Runs on shifted images: what one trained system answers under every condition of `corruptions`, kept in the store.

A run of `runs` keeps scores, not networks. Here the same client, rejector and server are trained again, from the
same configuration and therefore to the same last bit, and answer the test images under every condition. On demand,
what the last linear layers of its two networks read is kept, too, so that these layers can be refitted.
"""

import hashlib
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
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
from l2h.data import dataset as data_dataset
from l2h.data.dataset import Split
from l2h.experiments import sweep as experiments_sweep
from l2h.experiments.config import PRECISIONS, ExperimentConfig, dependencies
from l2h.experiments.fingerprint import Definition, key
from l2h.experiments.run import CODE, SPLITS, dataset_for_config, library_versions
from l2h.experiments.store import Store
from l2h.methods import base, error_estimation, registry
from l2h.models import layers as models_layers
from l2h.problem import Predictions, server_label
from l2h.training import clients, loop

CLEAN_SPLITS = ("calibration", "validation")  # as they are, to set what a stream starts with


class CorruptionResult(NamedTuple):
    """What one system answers: on held-out parts as they are, and on test images under each condition."""

    config: ExperimentConfig
    scores: dict[str, dict[str, np.ndarray]]  # part or condition -> {"m", "r", "e", "y"}, or what a network alone says
    cpu_seconds: float
    activations: dict[
        str, dict[str, np.ndarray]
    ]  # condition -> {"r", "e"}: (n, d) activations, where they are asked for
    last_layers: dict[str, np.ndarray]  # {"r", "e"}: the (d + 1,) weights, then bias, that read those

    def predictions(self, name: str = corruptions.CLEAN) -> Predictions:
        """The predictions on a held-out part, or on test images under a condition."""
        return Predictions(**self.scores[name])

    def predictions_by_condition(self) -> dict[str, Predictions]:
        """The predictions on test images under every condition."""
        return {name: self.predictions(name) for name in self.scores if name not in CLEAN_SPLITS}


@dataclass(frozen=True)
class Conditions:
    """What the test images look like that a system is shown.

    Args:
        names: names in `corruptions.condition_names()`.
        n_images: how many test images, the first ones; 0 for all. The class never seen is not cut.
        with_activations: conditions under which the activations before the last layers are kept, about 200 numbers per image.

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
            checks.one_of(self.names, hidden=condition)
        checks.at_least(0, images=self.n_images)


ALL_CONDITIONS = Conditions()


def run_under_corruption(
    config: ExperimentConfig, conditions: Conditions = ALL_CONDITIONS, *, store: Store | None = None
) -> CorruptionResult:
    """Train a system and let it answer under every condition, or read that from the store.

    Args:
        config: what to run, as in `run.run`; two classes.
        conditions: the conditions.
        store: where results are kept; by default the run store of this checkout.

    Returns:
        The result; on the clean test images it equals the result of `run.run`.

    Raises:
        ValueError: if activations are asked for, and rejector or server is not a network with a last linear layer.
    """
    store, conditions = store or Store(), _relevant_conditions(config, conditions)
    stored = store.get(corruption_key(config, conditions))
    if stored is None:
        dependency_results = [
            run_under_corruption(dependency, conditions, store=store) for dependency in dependencies(config)
        ]
        stored = _made(config, conditions, dependency_results)
        store.put(corruption_key(config, conditions), stored)
    return _from_json(config, stored)


def corruption_key(config: ExperimentConfig, conditions: Conditions = ALL_CONDITIONS) -> str:
    """The one rule of staleness: configuration, data with the class never seen, versions and code.

    Args:
        config: what to run.
        conditions: the conditions.

    Returns:
        The name under which the store keeps the result.
    """
    hashes = [dataset_for_config(config).sha256, _unseen_class_digest(config.source)]
    facts = {"config": asdict(config), "viewing": asdict(_relevant_conditions(config, conditions))}
    return key(kind="shifted", **facts, data=hashes, versions=library_versions(), code=_code_digest())


def sweep_under_corruption(
    configs: Iterable[ExperimentConfig],
    conditions: Conditions = ALL_CONDITIONS,
    *,
    executor: Executor | None = None,
    store: Store | None = None,
) -> list[CorruptionResult]:
    """Make many shifted runs as `sweep.sweep` makes plain ones: in parallel, each once, to be resumed.

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
    """A client, or a server for others to use, is run once, whether activations of a system are asked for or not."""
    reusable = config.method == "client" or config.method in registry.STANDALONE
    return replace(conditions, with_activations=()) if reusable else conditions


def _made(config: ExperimentConfig, viewing: Conditions, earlier: Sequence[CorruptionResult]) -> dict[str, Any]:
    """A run as the store keeps it: all that its key must know of its code is reached from here."""
    with _run_environment(config):
        return _as_json(_compute(config, viewing, earlier))


def _compute(
    config: ExperimentConfig, conditions: Conditions, dependency_results: Sequence[CorruptionResult]
) -> CorruptionResult:
    dataset, start = dataset_for_config(config), time.process_time()
    splits = {split: getattr(dataset, split) for split in SPLITS if split != "test"}
    dataset_arguments = (config.source, config.classes, config.sizes, conditions.n_images)
    splits |= {name: _corrupted_split(*dataset_arguments, name) for name in conditions.names}
    if config.method == "client":
        return CorruptionResult(config, _client_scores(config, dataset, splits), time.process_time() - start, {}, {})
    evaluated = (*CLEAN_SPLITS, *conditions.names)
    examples = {name: _make_examples(name, split, dependency_results) for name, split in splits.items()}
    method_splits = base.Splits(examples["helper"], examples["calibration"], examples["validation"])
    system = registry.METHODS[config.method](
        method_splits, costs=config.costs, seed=config.seed, options=config.options
    )
    activations: dict[str, dict[str, np.ndarray]] = {}
    last_layers: dict[str, np.ndarray] = {}
    if config.method in registry.STANDALONE:
        scores = {name: {"e": system.e(examples[name]).numpy()} for name in evaluated}
        scores |= {} if system.out_of_fold_scores is None else {"helper": {"e": system.out_of_fold_scores.numpy()}}
    else:
        scores = {name: _prediction_arrays(system, examples[name]) for name in evaluated}
        for name, (which, network) in product(conditions.with_activations, (("r", system.r), ("e", system.e))):
            activations.setdefault(name, {})[which], last_layers[which] = _last_layer_inputs(network, examples[name])
    return CorruptionResult(config, scores, time.process_time() - start, activations, last_layers)


def _client_scores(
    config: ExperimentConfig, dataset: data_dataset.Dataset, splits: Mapping[str, Split]
) -> dict[str, dict[str, np.ndarray]]:
    client_split = data_dataset.all_training_examples(dataset) if config.client == "as_released" else dataset.client
    client = clients.fit_client(client_split, kind=config.client, seed=config.seed)
    scores = {name: loop.predict_scores(client, split.x) for name, split in splits.items()}
    if config.client != "as_released":  # as in `runs`: the released client's scores are left as they came
        temperature = error_estimation.fit_temperature(scores["calibration"], dataset.calibration.y)
        scores = {name: score / temperature for name, score in scores.items()}
    return {name: {"score": score.numpy()} for name, score in scores.items()}


def _make_examples(name: str, split: Split, dependency_results: Sequence[CorruptionResult]) -> base.Examples:
    client_scores = (
        torch.from_numpy(dependency_results[0].scores[name]["score"])
        if dependency_results
        else torch.zeros(len(split.y))
    )
    server_result = dependency_results[1].scores.get(name, {}) if len(dependency_results) > 1 else {}
    server_scores = torch.from_numpy(server_result["e"]) if "e" in server_result else None
    return base.Examples(split.x, split.y, server_label(client_scores), client_scores, server_scores)


def _prediction_arrays(system: base.System, examples: base.Examples) -> dict[str, np.ndarray]:
    arrays = {"m": examples.m, "r": system.r(examples), "e": system.e(examples), "y": examples.y}
    return {name: values.numpy() for name, values in arrays.items()}


def _last_layer_inputs(score_function: Callable[..., Tensor], examples: base.Examples) -> tuple[np.ndarray, np.ndarray]:
    """What the linear layer right before a network's `Scores` reads while it answers, (n, d), and its (d + 1,) weights.

    A system is a pair of functions, so its networks are watched from outside: torch calls the hook after every module.
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


@lru_cache(maxsize=32)  # all conditions of one data set: several systems look at the same images
def _corrupted_split(
    source: str, classes: tuple[str, ...], sizes: tuple[int, ...], n_images: int, condition: str
) -> Split:
    x, y = dataset_for_config(ExperimentConfig("client", source=source, classes=classes, sizes=sizes)).test
    test_split = Split(x[:n_images], y[:n_images]) if n_images else Split(x, y)
    return corruptions.under_condition(test_split, condition, source=source)


@lru_cache(maxsize=2)
def _unseen_class_digest(source: str) -> str:
    return hashlib.sha256(corruptions.unseen_class_examples(source).x.numpy().tobytes()).hexdigest()


@lru_cache(maxsize=1)
def _code_digest() -> str:
    """All methods count; who makes runs, and in which order, does not."""
    return CODE.fingerprint([Definition(__name__, "_made"), Definition(__name__, "_from_json")])


@contextmanager
def _run_environment(config: ExperimentConfig) -> Iterator[None]:
    """On one thread, so that a result does not depend on who else computes, and in the precision that is asked for."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(PRECISIONS[config.precision])
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)


def _as_json(result: CorruptionResult) -> dict[str, Any]:
    scores = {name: {k: v.tolist() for k, v in named.items()} for name, named in result.scores.items()}
    activations = {name: {k: _packed(v) for k, v in named.items()} for name, named in result.activations.items()}
    last_layers = {k: v.tolist() for k, v in result.last_layers.items()}
    return {"scores": scores, "seconds": result.cpu_seconds, "hidden": activations, "layers": last_layers}


def _from_json(config: ExperimentConfig, stored: dict[str, Any]) -> CorruptionResult:
    scores = {
        name: {k: np.array(v, dtype=np.int64 if k in "my" else np.float64) for k, v in named.items()}
        for name, named in stored["scores"].items()
    }
    activations = {name: {k: _unpacked(v) for k, v in named.items()} for name, named in stored["hidden"].items()}
    return CorruptionResult(
        config, scores, stored["seconds"], activations, {k: np.array(v) for k, v in stored["layers"].items()}
    )


def _packed(values: np.ndarray) -> dict[str, Any]:
    """Many numbers that nobody reads, as they are in memory: as text they would take several times the room."""
    little_endian = values.astype(values.dtype.newbyteorder("<"))
    return {
        "dtype": little_endian.dtype.str,
        "shape": little_endian.shape,
        "bytes": b64encode(little_endian.tobytes()).decode(),
    }


def _unpacked(stored: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(b64decode(stored["bytes"]), dtype=stored["dtype"]).reshape(stored["shape"])
