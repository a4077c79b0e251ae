"""One run of one method: a configuration in, predictions on held-out images out.

A run reads the frozen client, and where it needs one the server trained beforehand, from earlier runs: one
client and one plain server per seed serve every method.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch

from l2h import checks, data, estimate, methods, train
from l2h.problem import Costs, Predictions
from l2h.store import Store, code_fingerprint, key, modules_in_use

RECIPES = {"fast": train.FAST, "released": train.RELEASED}
PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
PARTS = ("client", "helper", "calibration", "validation", "test")
SERVED = ("calibration", "validation", "test")  # parts that were not trained on: a run keeps its answers to them
ALONE = ("plain_server", "device_classifier")  # trained without a client: a run keeps their answers e only
SERVERS = (*ALONE, "learning_to_help")
READY_MADE = ("confidence", "random", "oracle", "always_ask", "always_keep")  # methods that use a given server


@dataclass(frozen=True)
class ExperimentConfig:
    """One run, completely: the same configuration on the same data gives bitwise the same result.

    Args:
        method: "client" (train and freeze it) or a name in `methods.METHODS`.
        client: form of the client, a name in `train.CLIENTS`.
        seed: of client, server, rejector and batches.
        c1, ce: the costs.
        alpha: rule for alpha, a name in `methods.ALPHA_RULES`, or a number > 0.
        beta: calibration parameter > 0.
        squash: r and e in (-1, 1), as released.
        hidden: hidden units of the rejector.
        network: of the server, a name in `methods.SERVER_NETWORKS`.
        recipe: "fast" or "released".
        server: whose answers a ready-made rejector gets, a name in `SERVERS`.
        source: "cifar10" or "digits".
        classes: names of the classes; empty for the data's default pair.
        sizes: images of the client, helper, calibration and validation parts; empty for all.
        precision: "float32", or "float64", which takes longer and whose results agree between processors: the
            roundings that differ are too small to grow into another answer.

    Raises:
        ValueError: if a name is unknown or a number out of range.

    >>> ExperimentConfig(method="confidence", ce=0.1).server
    'plain_server'
    """

    method: str
    client: str = "as_released"
    seed: int = 0
    c1: float = 1.0
    ce: float = 0.0
    alpha: str | float = "deterministic"
    beta: float = 2.0
    squash: bool = True
    hidden: int = 120
    network: str = "lenet"
    recipe: str = "fast"
    server: str = "plain_server"
    source: str = "cifar10"
    classes: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    precision: str = "float32"

    def __post_init__(self) -> None:
        checks.one_of(("client", *methods.METHODS), method=self.method)
        checks.one_of(train.CLIENTS, client=self.client)
        checks.one_of(RECIPES, recipe=self.recipe)
        checks.one_of(SERVERS, server=self.server)
        checks.one_of(("cifar10", "digits"), source=self.source)
        checks.one_of(PRECISIONS, precision=self.precision)
        _ = self.costs, self.options

    @property
    def costs(self) -> Costs:
        """The costs c1 and ce."""
        return Costs(c1=self.c1, ce=self.ce)

    @property
    def options(self) -> methods.Options:
        """What the method is told."""
        told = {name: getattr(self, name) for name in ("alpha", "beta", "squash", "hidden", "network")}
        return methods.Options(**told, recipe=RECIPES[self.recipe])


class Result(NamedTuple):
    """What a run leaves behind: data, not code."""

    config: ExperimentConfig
    data: dict[str, Any]  # name, split sizes and SHA-256
    scores: dict[str, dict[str, np.ndarray]]  # part -> {"m", "r", "e", "y"}; {"score"} of a client, {"e"} of a server
    history: tuple[float, ...]  # mean training loss of each epoch
    seconds: float

    def predictions(self, part: str = "test") -> Predictions:
        """The predictions on an evaluated part, as `evaluate` takes them."""
        return Predictions(**self.scores[part])


def needs(config: ExperimentConfig) -> tuple[ExperimentConfig, ...]:
    """The earlier runs that a run reads, with what does not matter to them set to its default.

    >>> [earlier.method for earlier in needs(ExperimentConfig(method="random"))]
    ['client', 'plain_server']
    """
    same_data = {name: getattr(config, name) for name in ("seed", "source", "classes", "sizes", "precision")}
    client = ExperimentConfig(method="client", client=config.client, **same_data)
    alone = ExperimentConfig(
        method=config.server, recipe=config.recipe, hidden=config.hidden, network=config.network, **same_data
    )
    if config.method == "client" or config.method in ALONE:
        return ()
    if config.method not in READY_MADE:
        return (client,)
    return (client, alone if config.server in ALONE else replace(config, method=config.server, server=SERVERS[0]))


def run(config: ExperimentConfig, *, store: Store | None = None) -> Result:
    """Make one run, or read it from the store; the earlier runs that it needs are made first.

    It computes on one thread, so that a result does not depend on how many workers share the machine.

    Args:
        config: what to run.
        store: where results are kept; by default the run store of this checkout.

    Returns:
        The result.
    """
    store = store or Store()
    kept = store.get(run_key(config))
    if kept is None:
        earlier = [run(one, store=store) for one in needs(config)]
        with _one_thread(), _floats(PRECISIONS[config.precision]):
            kept = _as_json(_computed(config, earlier))
        store.put(run_key(config), kept)
    return _from_json(kept)


def run_key(config: ExperimentConfig) -> str:
    """The one rule of staleness: configuration, data, torch version and the code in use.

    Args:
        config: what to run.

    Returns:
        The name under which the store keeps the result; it changes whenever the result might.
    """
    dataset = load(config)
    return key(config=asdict(config), data=dataset.sha256, torch=torch.__version__, code=_code())


def _computed(config: ExperimentConfig, earlier: Sequence[Result]) -> Result:
    dataset, start = load(config), time.perf_counter()
    history: tuple[float, ...] = ()
    if config.method == "client":
        scores = _client_scores(config, dataset)
    else:
        scores, history = _system_scores(config, dataset, earlier)
    return Result(config, dataset.facts(), scores, history, time.perf_counter() - start)


def _client_scores(config: ExperimentConfig, dataset: data.Dataset) -> dict[str, dict[str, np.ndarray]]:
    seen = data.training(dataset) if config.client == "as_released" else dataset.client
    client = train.fit_client(seen, form=config.client, seed=config.seed)
    scores = {part: train.scores(client, getattr(dataset, part).x) for part in PARTS}
    if config.client != "as_released":  # the released client's scores are left as they came
        temperature = estimate.temperature(scores["calibration"], dataset.calibration.y)
        scores = {part: score / temperature for part, score in scores.items()}
    return {part: {"score": score.numpy()} for part, score in scores.items()}


def _system_scores(
    config: ExperimentConfig, dataset: data.Dataset, earlier: Sequence[Result]
) -> tuple[dict[str, dict[str, np.ndarray]], tuple[float, ...]]:
    known = {part: _examples(part, dataset, earlier) for part in PARTS[1:]}
    parts = methods.Parts(known["helper"], known["calibration"], known["validation"])
    system = methods.METHODS[config.method](parts, costs=config.costs, seed=config.seed, options=config.options)
    if config.method in ALONE:
        return {part: {"e": system.e(known[part]).numpy()} for part in SERVED}, system.history
    return {part: _answers(system, known[part]) for part in SERVED}, system.history


def _examples(part: str, dataset: data.Dataset, earlier: Sequence[Result]) -> methods.Examples:
    x, y = getattr(dataset, part)
    score = torch.from_numpy(earlier[0].scores[part]["score"]) if earlier else torch.zeros(len(y))
    server = earlier[1].scores.get(part) if len(earlier) > 1 else None
    e = torch.from_numpy(server["e"]) if server else None
    return methods.Examples(x, y, 2 * (score >= 0).long() - 1, score, e)


def _answers(system: methods.System, examples: methods.Examples) -> dict[str, np.ndarray]:
    answers = {"m": examples.m, "r": system.r(examples), "e": system.e(examples), "y": examples.y}
    return {name: values.numpy() for name, values in answers.items()}


def _as_json(result: Result) -> dict[str, Any]:
    scores = {part: {k: v.tolist() for k, v in named.items()} for part, named in result.scores.items()}
    return {**result._asdict(), "config": asdict(result.config), "scores": scores}


def _from_json(kept: dict[str, Any]) -> Result:
    config: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in kept["config"].items()
    }
    scores = {
        part: {k: np.array(v, dtype=np.int64 if k in "my" else np.float64) for k, v in named.items()}
        for part, named in kept["scores"].items()
    }
    return Result(ExperimentConfig(**config), kept["data"], scores, tuple(kept["history"]), kept["seconds"])


@lru_cache(maxsize=4)
def _dataset(source: str, classes: tuple[str, ...], sizes: tuple[int, ...]) -> data.Dataset:
    return data.load(classes or None, source=source, sizes=data.Sizes(*sizes) if sizes else None)


def load(config: ExperimentConfig) -> data.Dataset:
    """The data of a run, read once per process."""
    return _dataset(config.source, config.classes, config.sizes)


@lru_cache(maxsize=1)
def _code() -> str:
    return code_fingerprint(modules_in_use(["l2h.runs"]))


@contextmanager
def _floats(dtype: torch.dtype) -> Iterator[None]:
    """Networks, pixels and scores of one type, wherever they are made."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
