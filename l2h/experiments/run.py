"""One run of one method: a configuration in, predictions on held-out images out.

A run reads the frozen client, and where it needs one the server trained beforehand, from earlier runs: one
client and one plain server per seed serve every method.
"""

import inspect
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import version
from textwrap import dedent
from typing import Any, NamedTuple

import numpy as np
import torch

from l2h.data import dataset as data_dataset
from l2h.experiments.config import PRECISIONS, ExperimentConfig, dependencies
from l2h.experiments.fingerprint import PACKAGE, Code, Definition, key
from l2h.experiments.store import Store
from l2h.methods import base, error_estimation, fitting, registry
from l2h.problem import Predictions, server_label
from l2h.training import clients, device, loop
from l2h.training.config import PRESETS

SPLITS = ("client", "helper", "calibration", "validation", "test")
EVALUATED_SPLITS = (
    "calibration",
    "validation",
    "test",
)  # parts that were not trained on: a run keeps its answers to them
# Of the methods only the one in use counts; the groups hold them all.
REGISTRIES = ("METHODS", "GIVEN", "JOINT", "ALONE")
TRAINING_FREE = registry.TRAINING_FREE
CODE = Code(PACKAGE)


class RunResult(NamedTuple):
    """What a run leaves behind: data, not code. A client and a server have one more part of scores, their "weights"."""

    config: ExperimentConfig
    data: dict[str, Any]  # name, split sizes and SHA-256
    scores: dict[str, dict[str, np.ndarray]]  # part -> {"m", "r", "e", "y"}; {"score"} of a client, {"e"} of a server
    history: tuple[float, ...]  # mean training loss of each epoch
    cpu_seconds: float  # of one processor, as far as this process used it

    def predictions(self, split: str = "test") -> Predictions:
        """The predictions on an evaluated part, as `evaluate` takes them."""
        return Predictions(**self.scores[split])


def run(config: ExperimentConfig, *, store: Store | None = None) -> RunResult:
    """Make one run, or read it from the store; the earlier runs that it needs are made first.

    It computes on one thread, so that a result does not depend on how many workers share the machine.

    Args:
        config: what to run.
        store: where results are kept; by default the run store of this checkout.

    Returns:
        The result.
    """
    store = store or Store()
    stored = store.get(run_key(config))
    if stored is None:
        stored = _compute_json(config, [run(dependency, store=store) for dependency in dependencies(config)])
        store.put(run_key(config), stored)
    return result_from_json(stored)


def run_key(config: ExperimentConfig) -> str:
    """The one rule of staleness: configuration, data, the libraries' versions, the code in use and what computes.

    Args:
        config: what to run.

    Returns:
        The name under which the store keeps the result; it changes whenever the result might.
    """
    facts = {
        "data": dataset_for_config(config).sha256,
        "code": _code_digest(registry.METHODS.get(config.method)),
        "versions": library_versions(),
    }
    low = PRESETS[config.preset].bfloat16 and device.has_bfloat16()
    computed = {"bfloat16": low, "accelerator": device.accelerator_name()}
    return key(
        config=asdict(config), earlier=[run_key(dependency) for dependency in dependencies(config)], **computed, **facts
    )


def _compute_json(config: ExperimentConfig, dependency_results: Sequence[RunResult]) -> dict[str, Any]:
    """A run as the store keeps it: all that its key must know of its code is reached from here."""
    with _single_thread(), default_dtype(PRECISIONS[config.precision]):
        return result_to_json(_compute(config, dependency_results))


def _compute(config: ExperimentConfig, dependency_results: Sequence[RunResult]) -> RunResult:
    dataset, start = dataset_for_config(config), time.process_time()
    history: tuple[float, ...] = ()
    if config.method == "client":
        scores = _client_scores(config, dataset)
    else:
        scores, history = _system_scores(config, dataset, dependency_results)
    return RunResult(config, dataset.metadata(), scores, history, time.process_time() - start)


def _client_scores(config: ExperimentConfig, dataset: data_dataset.Dataset) -> dict[str, dict[str, np.ndarray]]:
    client_split = data_dataset.all_training_examples(dataset) if config.client == "as_released" else dataset.client
    client = clients.fit_client(client_split, kind=config.client, seed=config.seed)
    scores = {split: loop.predict_scores(client, getattr(dataset, split).x) for split in SPLITS}
    if config.client != "as_released":  # the released client's scores are left as they came
        temperature = error_estimation.fit_temperature(scores["calibration"], dataset.calibration.y)
        scores = {split: score / temperature for split, score in scores.items()}
    scores["weights"] = fitting.get_weights(client)
    return {split: {"score": score.numpy()} for split, score in scores.items()}


def _system_scores(
    config: ExperimentConfig, dataset: data_dataset.Dataset, dependency_results: Sequence[RunResult]
) -> tuple[dict[str, dict[str, np.ndarray]], tuple[float, ...]]:
    examples = {split: make_examples(split, dataset, dependency_results, config.rejector) for split in SPLITS[1:]}
    warm_started = config.warm_start_preset and config.method in registry.JOINT
    weights = torch.from_numpy(dependency_results[1].scores["weights"]["e"]) if warm_started else None
    splits = base.Splits(examples["helper"], examples["calibration"], examples["validation"], weights)
    system = registry.METHODS[config.method](splits, costs=config.costs, seed=config.seed, options=config.options)
    if config.method in registry.STANDALONE:
        scores = {split: {"e": system.e(examples[split]).numpy()} for split in EVALUATED_SPLITS}
        others = {"helper": system.out_of_fold_scores, "weights": system.server_weights}
        server_arrays = {split: {"e": values.numpy()} for split, values in others.items() if values is not None}
        return server_arrays | scores, system.history
    evaluated = ("helper", *EVALUATED_SPLITS) if config.method in registry.TEACHERS else EVALUATED_SPLITS
    return {split: prediction_arrays(system, examples[split]) for split in evaluated}, system.history


def make_examples(
    split: str, dataset: data_dataset.Dataset, dependency_results: Sequence[RunResult], rejector: str = ""
) -> base.Examples:
    """What a method is told about a part of the data, from the earlier runs' results: a client, then a server.

    Args:
        split: a name in PARTS, not "client".
        dataset: whose part it is.
        dependency_results: results of the runs of `dependencies`.
        rejector: the device's own network, if any; for "features" the client's last hidden layer is computed.

    Returns:
        The examples.
    """
    x, y = getattr(dataset, split)
    no_scores = torch.zeros(len(y)) if len(dataset.classes) == 2 else torch.zeros(len(y), len(dataset.classes))
    client_scores = torch.from_numpy(dependency_results[0].scores[split]["score"]) if dependency_results else no_scores
    server_result = dependency_results[1].scores.get(split, {}) if len(dependency_results) > 1 else {}
    server_scores, teacher_scores = (
        torch.from_numpy(server_result[name]) if name in server_result else None for name in ("e", "r")
    )
    features = None
    if rejector == "features" and dependency_results:
        weights = torch.from_numpy(dependency_results[0].scores["weights"]["score"])
        features = fitting.compute_client_features(x, weights, client_scores, kind=dependency_results[0].config.client)
    return base.Examples(x, y, server_label(client_scores), client_scores, server_scores, teacher_scores, features)


def prediction_arrays(system: base.System, examples: base.Examples) -> dict[str, np.ndarray]:
    """What a system says about examples, as a result keeps it."""
    answers = {"m": examples.m, "r": system.r(examples), "e": system.e(examples), "y": examples.y}
    return {name: values.numpy() for name, values in answers.items()}


def result_to_json(result: RunResult) -> dict[str, Any]:
    """A result as the store keeps it."""
    scores = {split: {k: _packed_scores(v, split) for k, v in named.items()} for split, named in result.scores.items()}
    return {**result._asdict(), "config": asdict(result.config), "scores": scores}


def result_from_json(stored: dict[str, Any]) -> RunResult:
    """A result as `result_to_json` wrote it."""
    config: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored["config"].items()
    }
    scores = {split: {k: _unpacked_scores(v, k) for k, v in named.items()} for split, named in stored["scores"].items()}
    return RunResult(ExperimentConfig(**config), stored["data"], scores, tuple(stored["history"]), stored["seconds"])


def _packed_scores(values: np.ndarray, split: str) -> Any:
    """Numbers as a list, or as bytes where they are many and nobody reads them."""
    return b64encode(values.astype("<f4").tobytes()).decode() if split == "weights" else values.tolist()


def _unpacked_scores(stored: Any, name: str) -> np.ndarray:
    if isinstance(stored, str):
        return np.frombuffer(b64decode(stored), dtype="<f4").copy()
    return np.array(stored, dtype=np.int64 if name in "my" else np.float64)


@lru_cache(maxsize=4)
def _dataset(source: str, classes: tuple[str, ...], sizes: tuple[int, ...]) -> data_dataset.Dataset:
    return data_dataset.load_dataset(
        classes or None, source=source, sizes=data_dataset.SplitSizes(*sizes) if sizes else None
    )


def dataset_for_config(config: ExperimentConfig) -> data_dataset.Dataset:
    """The data of a run, read once per process."""
    return _dataset(config.source, config.classes, config.sizes)


@lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    """Of the libraries that compute a run.

    >>> sorted(library_versions())
    ['numpy', 'scikit-learn', 'scipy', 'torch']
    """
    names = ("torch", "numpy", "scipy", "scikit-learn")
    return {name: version(name).split("+")[0] for name in names}  # the CPU and the CUDA build compute the same


@lru_cache(maxsize=64)
def _code_digest(method: Callable[..., Any] | None) -> str:
    """The code of a run: how runs are made, the method in use, and what these reach; other methods do not matter."""
    package_code, roots = code_of_run(method)
    return package_code.fingerprint(roots, without=REGISTRIES)


def code_of_run(method: Callable[..., Any] | None) -> tuple[Code, list[Definition]]:
    """Where the code of a run begins: what makes any run, and its method.

    Args:
        method: the method in use; None for a run that trains a client.

    Returns:
        The sources, and the definitions that the run begins with.
    """
    roots, code = [Definition(__name__, "_made"), Definition(__name__, "from_json")], CODE
    if method and method.__module__.startswith(f"{PACKAGE.name}."):
        roots.append(Definition(method.__module__, method.__name__))
    elif method:  # a reader's own method
        code = Code(PACKAGE)
        roots.append(code.add("own", _method_source(method), _names_around(method)))
    return code, roots


def _method_source(method: Callable[..., Any]) -> str:
    """The module of a reader's own method, so that its helpers and constants count; in a notebook the method alone."""
    try:
        return inspect.getsource(sys.modules[method.__module__])
    except (OSError, TypeError):  # a notebook's __main__ is no file
        return dedent(inspect.getsource(method))


def _names_around(method: Callable[..., Any]) -> dict[str, str]:
    """What the names around a reader's method stand for: in a notebook they were imported in another cell."""
    around = getattr(method, "__globals__", {}).items()
    modules = {name: value.__name__ for name, value in around if inspect.ismodule(value)}
    return modules | {
        name: f"{value.__module__}.{value.__qualname__}"
        for name, value in around
        if inspect.isfunction(value) or inspect.isclass(value)
    }


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Networks, pixels and scores of one type, wherever they are made."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def _single_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def training_summary(results: Iterable[RunResult]) -> tuple[int, float]:
    """How many of some results took a training, and the seconds that these took.

    >>> training_summary([])
    (0, 0.0)
    """
    trained = [result for result in results if result.config.method not in registry.TRAINING_FREE]
    return len(trained), float(sum(result.cpu_seconds for result in trained))
