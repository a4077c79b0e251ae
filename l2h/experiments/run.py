"""One run of one method: a configuration in, predictions on held-out images out.

A run reads the frozen client, and where it needs one the server trained beforehand, from earlier runs: one
client and one plain server per seed serve every method. `shifted` uses the same functions for corrupted images.
"""

import inspect
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import version
from textwrap import dedent
from typing import Any, NamedTuple

import numpy as np
import torch

from l2h.data import dataset as data_dataset
from l2h.data.dataset import SPLITS, Split
from l2h.experiments.config import PRECISIONS, ExperimentConfig, dependencies
from l2h.experiments.fingerprint import PACKAGE, Code, Definition, key
from l2h.experiments.run_log import log_run
from l2h.experiments.store import Store
from l2h.methods import base, error_estimation, fitting, registry
from l2h.problem import Predictions, server_label
from l2h.training import clients, device, loop
from l2h.training.config import PRESETS

EVALUATED_SPLITS = ("calibration", "validation", "test")  # nothing was trained on them: a run keeps its scores there
REGISTRIES = ("METHODS", "TWO_STAGE", "JOINT", "STANDALONE")  # they hold all methods; of these only one counts
CODE = Code(PACKAGE)
Scores = dict[str, dict[str, np.ndarray]]  # split -> name -> one value per example


class RunResult(NamedTuple):
    """The result of a run: data, not code."""

    config: ExperimentConfig
    data: dict[str, Any]  # name, split sizes and SHA-256
    # split -> {"m", "r", "e", "y"}; {"client_scores"} of a client, {"e"} of a server for other methods, and of these
    # two also "weights" -> the same name -> the weights of the network
    scores: Scores
    history: tuple[float, ...]  # mean training loss of each epoch
    cpu_seconds: float  # of one processor, in this process

    def predictions(self, split: str = "test") -> Predictions:
        """The predictions on an evaluated split, as `evaluation` takes them."""
        return Predictions(**self.scores[split])


def run(config: ExperimentConfig, *, store: Store | None = None) -> RunResult:
    """Make one run, or read it from the store; the earlier runs that it needs are made first.

    It computes on one thread, so that a result does not depend on how many workers share the machine.

    Args:
        config: what to run.
        store: where results are kept; by default the store in `store.default_store_folder()`.

    Returns:
        The result.
    """
    log_run(config)
    return result_from_json(_stored_run(config, store or Store()))


def run_key(config: ExperimentConfig) -> str:
    """The one rule of staleness: configuration, data, the libraries' versions, the code in use and the hardware.

    Args:
        config: what to run.

    Returns:
        The name under which the store keeps the result; it changes whenever the result might.
    """
    earlier = [run_key(dependency) for dependency in dependencies(config)]
    return key(earlier=earlier, **key_facts(config, Definition(__name__, "_compute_json")))


def key_facts(config: ExperimentConfig, root: Definition) -> dict[str, Any]:
    """The facts on which every run depends, the earlier runs aside.

    Args:
        config: what to run.
        root: the function that computes the run.

    Returns:
        Facts for `fingerprint.key`.
    """
    return {
        "config": asdict(config),
        "data": dataset_for_config(config).sha256,
        "code": _code_digest(registry.METHODS.get(config.method), root),
        "versions": library_versions(),
        "bfloat16": PRESETS[config.preset].bfloat16 and device.has_bfloat16(),
        "accelerator": device.accelerator_name(),
    }


def _stored_run(config: ExperimentConfig, store: Store) -> dict[str, Any]:
    """A run as the store keeps it; if it is not there, it is computed."""
    stored = store.get(run_key(config))
    if stored is None:
        stored = _compute_json(config, [_stored_run(dependency, store) for dependency in dependencies(config)])
        store.put(run_key(config), stored)
    return stored


def _compute_json(config: ExperimentConfig, stored_dependencies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Compute a run from the earlier ones, all as the store keeps them: this function reaches all code of a run."""
    with run_environment(config):
        return result_to_json(_compute(config, [result_from_json(stored) for stored in stored_dependencies]))


def _compute(config: ExperimentConfig, dependency_results: Sequence[RunResult]) -> RunResult:
    dataset, start = dataset_for_config(config), time.process_time()
    splits = {name: getattr(dataset, name) for name in SPLITS}
    history: tuple[float, ...] = ()
    if config.method == "client":
        scores = fit_client_scores(config, splits)
    else:
        dependency_scores = [result.scores for result in dependency_results]
        examples = make_examples(config, splits, dependency_scores)
        system = fit_system(config, examples, dependency_scores)
        scores, history = system_scores(config, system, examples, EVALUATED_SPLITS), system.history
    return RunResult(config, dataset.metadata(), scores, history, time.process_time() - start)


def fit_client_scores(config: ExperimentConfig, splits: Mapping[str, Split]) -> Scores:
    """Train a client, and compute its scores.

    Args:
        config: of the client.
        splits: name -> examples; the splits of the data among them.

    Returns:
        name -> {"client_scores"}, divided by a temperature that is fitted on the calibration split; the scores of the
        released client are not calibrated. "weights" -> its weights.
    """
    dataset = dataset_for_config(config)
    client_split = data_dataset.all_training_examples(dataset) if config.client == "as_released" else dataset.client
    client = clients.fit_client(client_split, kind=config.client, seed=config.seed)
    scores = {name: loop.predict_scores(client, split.x) for name, split in splits.items()}
    if config.client != "as_released":
        temperature = error_estimation.fit_temperature(scores["calibration"], dataset.calibration.y)
        scores = {name: split_scores / temperature for name, split_scores in scores.items()}
    scores["weights"] = fitting.get_weights(client)
    return {name: {"client_scores": split_scores.numpy()} for name, split_scores in scores.items()}


def make_examples(
    config: ExperimentConfig, splits: Mapping[str, Split], dependency_scores: Sequence[Scores]
) -> dict[str, base.Examples]:
    """The examples that a method gets, with the scores of the earlier runs.

    Args:
        config: of the method.
        splits: name -> examples; the client split is left out, because no method but the client sees it.
        dependency_scores: scores of the runs of `dependencies`: of no run, of a client, or of a client and a server.

    Returns:
        name -> examples. The activations of the client's last hidden layer are computed for a rejector on "features".
    """
    names = [name for name in splits if name != "client"]
    return {name: _examples(config, name, splits[name], dependency_scores) for name in names}


def _examples(config: ExperimentConfig, name: str, split: Split, dependency_scores: Sequence[Scores]) -> base.Examples:
    n_classes = len(dataset_for_config(config).classes)
    scores = torch.zeros(len(split.y)) if n_classes == 2 else torch.zeros(len(split.y), n_classes)
    features = None
    if dependency_scores:
        scores = torch.from_numpy(dependency_scores[0][name]["client_scores"])
    if dependency_scores and config.rejector == "features":
        weights = torch.from_numpy(dependency_scores[0]["weights"]["client_scores"])
        features = fitting.compute_client_features(split.x, weights, scores, kind=config.client)
    arrays = dependency_scores[1].get(name, {}) if len(dependency_scores) > 1 else {}
    server_scores, teacher_scores = (torch.from_numpy(arrays[k]) if k in arrays else None for k in ("e", "r"))
    return base.Examples(split.x, split.y, server_label(scores), scores, server_scores, teacher_scores, features)


def fit_system(
    config: ExperimentConfig, examples: Mapping[str, base.Examples], dependency_scores: Sequence[Scores]
) -> base.System:
    """Train a rejector and a server by the method of a configuration.

    Args:
        config: what to run, not a client.
        examples: of `make_examples`.
        dependency_scores: as there; a server with a warm start begins with the weights among them.

    Returns:
        The system.
    """
    warm_started = config.warm_start_preset and config.method in registry.JOINT
    weights = torch.from_numpy(dependency_scores[1]["weights"]["e"]) if warm_started else None
    splits = base.Splits(examples["train"], examples["calibration"], examples["validation"], weights)
    return registry.METHODS[config.method](splits, costs=config.costs, seed=config.seed, options=config.options)


def system_scores(
    config: ExperimentConfig, system: base.System, examples: Mapping[str, base.Examples], evaluated: Iterable[str]
) -> Scores:
    """The scores of a system that its result keeps.

    Args:
        config: of the system.
        system: of `fit_system`.
        examples: of `make_examples`.
        evaluated: names of the examples to be scored.

    Returns:
        name -> {"m", "r", "e", "y"}, of a teacher also for the train split. A server for other methods has {"e"},
        "train" -> its out-of-fold scores and "weights" -> its weights.
    """
    if config.method in registry.STANDALONE:
        others = {"train": system.out_of_fold_scores, "weights": system.server_weights}
        kept = {name: {"e": values.numpy()} for name, values in others.items() if values is not None}
        return kept | {name: {"e": system.e(examples[name]).numpy()} for name in evaluated}
    names = ("train", *evaluated) if config.method in registry.TEACHERS else evaluated
    return {name: prediction_arrays(system, examples[name]) for name in names}


def prediction_arrays(system: base.System, examples: base.Examples) -> dict[str, np.ndarray]:
    """The labels of the client, the scores of the system and the true labels, as a result keeps them."""
    arrays = {"m": examples.m, "r": system.r(examples), "e": system.e(examples), "y": examples.y}
    return {name: values.numpy() for name, values in arrays.items()}


def result_to_json(result: RunResult) -> dict[str, Any]:
    """A result as the store keeps it."""
    return {**result._asdict(), "config": asdict(result.config), "scores": scores_to_json(result.scores)}


def result_from_json(stored: dict[str, Any]) -> RunResult:
    """A result as `result_to_json` wrote it."""
    config: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored["config"].items()
    }
    scores, history = scores_from_json(stored["scores"]), tuple(stored["history"])
    return RunResult(ExperimentConfig(**config), stored["data"], scores, history, stored["cpu_seconds"])


def scores_to_json(scores: Scores) -> dict[str, Any]:
    """Scores as the store keeps them: lists that a person can read, and packed weights, which are always float32."""
    return {
        name: {k: array_to_json(v.astype("f4")) if name == "weights" else v.tolist() for k, v in arrays.items()}
        for name, arrays in scores.items()
    }


def scores_from_json(stored: dict[str, Any]) -> Scores:
    """Scores as `scores_to_json` wrote them; labels are int64, all other values float64 again."""
    return {
        name: {
            k: array_from_json(v) if name == "weights" else np.array(v, dtype=np.int64 if k in "my" else np.float64)
            for k, v in arrays.items()
        }
        for name, arrays in stored.items()
    }


def array_to_json(values: np.ndarray) -> dict[str, Any]:
    """Many numbers that nobody reads, as bytes: a list of decimal numbers would be several times as long."""
    little_endian = values.astype(values.dtype.newbyteorder("<"))
    text = b64encode(little_endian.tobytes()).decode()
    return {"dtype": little_endian.dtype.str, "shape": little_endian.shape, "bytes": text}


def array_from_json(stored: dict[str, Any]) -> np.ndarray:
    """An array as `array_to_json` wrote it."""
    return np.frombuffer(b64decode(stored["bytes"]), dtype=stored["dtype"]).reshape(stored["shape"]).copy()


@lru_cache(maxsize=4)
def _dataset(source: str, classes: tuple[str, ...], sizes: tuple[int, ...]) -> data_dataset.Dataset:
    return data_dataset.load_dataset(
        classes or None, source=source, sizes=data_dataset.SplitSizes(*sizes) if sizes else None
    )


def dataset_for_config(config: ExperimentConfig) -> data_dataset.Dataset:
    """The data set of a run, read once per process."""
    return _dataset(config.source, config.classes, config.sizes)


@lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    """The versions of the libraries that compute a run.

    >>> sorted(library_versions())
    ['numpy', 'scikit-learn', 'scipy', 'torch']
    """
    names = ("torch", "numpy", "scipy", "scikit-learn")
    return {name: version(name).split("+")[0] for name in names}  # the builds for CPU and CUDA give the same results


@lru_cache(maxsize=64)
def _code_digest(method: Callable[..., Any] | None, root: Definition) -> str:
    """The code of a run: the function that computes it, its method, and all that these reach, but no other method."""
    code, roots = code_of_run(method, root)
    return code.fingerprint(roots, without=REGISTRIES)


def code_of_run(method: Callable[..., Any] | None, root: Definition | None = None) -> tuple[Code, list[Definition]]:
    """The definitions from which all code of a run is reached.

    Args:
        method: the method in use; None for a run that trains a client.
        root: the function that computes the run; by default that of `run`.

    Returns:
        The sources, and the definitions: the root and the method.
    """
    roots, code = [root or Definition(__name__, "_compute_json")], CODE
    if method and method.__module__.startswith(f"{PACKAGE.name}."):
        roots.append(Definition(method.__module__, method.__name__))
    elif method:  # a reader's own method
        code = Code(PACKAGE)
        roots.append(code.add("own", _method_source(method), _names_around(method)))
    return code, roots


def _method_source(method: Callable[..., Any]) -> str:
    """The source of the module of a reader's own method, with its helpers; in a notebook only the method itself."""
    try:
        return inspect.getsource(sys.modules[method.__module__])
    except (OSError, TypeError):  # a notebook's __main__ is no file
        return dedent(inspect.getsource(method))


def _names_around(method: Callable[..., Any]) -> dict[str, str]:
    """The dotted names behind the global names of a reader's method; in a notebook another cell imported them."""
    around = getattr(method, "__globals__", {}).items()
    modules = {name: value.__name__ for name, value in around if inspect.ismodule(value)}
    return modules | {
        name: f"{value.__module__}.{value.__qualname__}"
        for name, value in around
        if inspect.isfunction(value) or inspect.isclass(value)
    }


@contextmanager
def run_environment(config: ExperimentConfig) -> Iterator[None]:
    """One thread, so that a result does not depend on other computations, and the precision of the configuration."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(PRECISIONS[config.precision])
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)


def training_summary(results: Iterable[RunResult]) -> tuple[int, float]:
    """The number of results that needed a training, and the processor seconds of these.

    >>> training_summary([])
    (0, 0.0)
    """
    trained = [result for result in results if result.config.method not in registry.TRAINING_FREE]
    return len(trained), float(sum(result.cpu_seconds for result in trained))
