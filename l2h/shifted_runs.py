"""Runs on shifted images: what one trained system answers under every condition of `shifts`, kept in the run store.

A run of `runs` keeps scores, not networks. Here the same client, rejector and server are trained again, from the
same configuration and therefore to the same last bit, and answer the test images under every condition.
"""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
import torch

from l2h import checks, data, estimate, methods, shifts, train
from l2h.data import Part
from l2h.problem import Predictions, server_label
from l2h.runs import PARTS, PRECISIONS, ExperimentConfig, load, needs
from l2h.store import Store, code_fingerprint, key, modules_in_use

HELD_OUT = ("calibration", "validation")  # as they are, to set what a stream starts with


class ShiftedResult(NamedTuple):
    """What one system answers: on held-out parts as they are, and on test images under each condition."""

    config: ExperimentConfig
    scores: dict[str, dict[str, np.ndarray]]  # part or condition -> {"m", "r", "e", "y"}, or what a network alone says
    seconds: float

    def predictions(self, where: str = shifts.CLEAN) -> Predictions:
        """The predictions on a held-out part, or on test images under a condition."""
        return Predictions(**self.scores[where])

    def tables(self) -> dict[str, Predictions]:
        """The predictions on test images under every condition."""
        return {where: self.predictions(where) for where in self.scores if where not in HELD_OUT}


@dataclass(frozen=True)
class Viewing:
    """What the test images look like that a system is shown.

    Args:
        conditions: names in `shifts.conditions()`.
        images: how many test images, the first ones; 0 for all. The class never seen is not cut.

    Raises:
        ValueError: if a condition does not exist, or the number is negative.
    """

    conditions: tuple[str, ...] = shifts.conditions()
    images: int = 0

    def __post_init__(self) -> None:
        for condition in self.conditions:
            checks.one_of(shifts.conditions(), condition=condition)
        checks.at_least(0, images=self.images)


EVERYTHING = Viewing()


def run_shifted(
    config: ExperimentConfig, viewing: Viewing = EVERYTHING, *, store: Store | None = None
) -> ShiftedResult:
    """Train a system and let it answer under every condition, or read that from the store.

    Args:
        config: what to run, as in `runs.run`; two classes.
        viewing: the conditions.
        store: where results are kept; by default the run store of this checkout.

    Returns:
        The result; on the clean test images it equals the result of `runs.run`.
    """
    store = store or Store()
    kept = store.get(shifted_key(config, viewing))
    if kept is None:
        earlier = [run_shifted(one, viewing, store=store) for one in needs(config)]
        with _like_a_run(config):
            kept = _as_json(_computed(config, viewing, earlier))
        store.put(shifted_key(config, viewing), kept)
    return _from_json(config, kept)


def shifted_key(config: ExperimentConfig, viewing: Viewing = EVERYTHING) -> str:
    """The one rule of staleness: configuration, data with the class never seen, torch version and the code in use.

    Args:
        config: what to run.
        viewing: the conditions.

    Returns:
        The name under which the store keeps the result.
    """
    hashes = [load(config).sha256, _digest(config.source)]
    facts = {"config": asdict(config), "viewing": asdict(viewing)}
    return key(kind="shifted", **facts, data=hashes, torch=torch.__version__, code=_code())


def run_all(
    configs: Iterable[ExperimentConfig], viewing: Viewing = EVERYTHING, *, store: Store | None = None
) -> list[ShiftedResult]:
    """Make many shifted runs, the seeds in parallel, each run once; the results do not depend on the workers.

    Args:
        configs: what to run.
        viewing: the conditions.
        store: as in `run_shifted`.

    Returns:
        The results in the order of the configurations.
    """
    configs, store = list(configs), store or Store()
    by_seed: dict[int, list[ExperimentConfig]] = {}
    for config in configs:
        if store.get(shifted_key(config, viewing)) is None:
            by_seed.setdefault(config.seed, []).append(config)
    workers = min(int(os.environ.get("L2H_WORKERS", os.cpu_count() or 1)), len(by_seed))
    if workers > 1:
        # spawn: a fork of a process whose torch has started its threads can hang
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for done in [pool.submit(_make, chain, viewing, store) for chain in by_seed.values()]:
                done.result()
    return [run_shifted(config, viewing, store=store) for config in configs]


def _make(chain: Sequence[ExperimentConfig], viewing: Viewing, store: Store) -> None:
    for config in chain:
        run_shifted(config, viewing, store=store)


def _computed(config: ExperimentConfig, viewing: Viewing, earlier: Sequence[ShiftedResult]) -> ShiftedResult:
    dataset, start = load(config), time.perf_counter()
    seen = {part: getattr(dataset, part) for part in PARTS if part != "test"}
    at_hand = (config.source, config.classes, config.sizes, viewing.images)
    seen |= {name: _shifted(*at_hand, name) for name in viewing.conditions}
    if config.method == "client":
        return ShiftedResult(config, _client_scores(config, dataset, seen), time.perf_counter() - start)
    served = (*HELD_OUT, *viewing.conditions)
    known = {name: _examples(name, part, earlier) for name, part in seen.items()}
    parts = methods.Parts(known["helper"], known["calibration"], known["validation"])
    system = methods.METHODS[config.method](parts, costs=config.costs, seed=config.seed, options=config.options)
    if config.method in methods.ALONE:
        scores = {name: {"e": system.e(known[name]).numpy()} for name in served}
        scores |= {} if system.held_out is None else {"helper": {"e": system.held_out.numpy()}}
    else:
        scores = {name: _answers(system, known[name]) for name in served}
    return ShiftedResult(config, scores, time.perf_counter() - start)


def _client_scores(
    config: ExperimentConfig, dataset: data.Dataset, seen: Mapping[str, Part]
) -> dict[str, dict[str, np.ndarray]]:
    part = data.training(dataset) if config.client == "as_released" else dataset.client
    client = train.fit_client(part, form=config.client, seed=config.seed)
    scores = {name: train.scores(client, one.x) for name, one in seen.items()}
    if config.client != "as_released":  # as in `runs`: the released client's scores are left as they came
        temperature = estimate.temperature(scores["calibration"], dataset.calibration.y)
        scores = {name: score / temperature for name, score in scores.items()}
    return {name: {"score": score.numpy()} for name, score in scores.items()}


def _examples(name: str, part: Part, earlier: Sequence[ShiftedResult]) -> methods.Examples:
    score = torch.from_numpy(earlier[0].scores[name]["score"]) if earlier else torch.zeros(len(part.y))
    given = earlier[1].scores.get(name, {}) if len(earlier) > 1 else {}
    server = torch.from_numpy(given["e"]) if "e" in given else None
    return methods.Examples(part.x, part.y, server_label(score), score, server)


def _answers(system: methods.System, examples: methods.Examples) -> dict[str, np.ndarray]:
    answers = {"m": examples.m, "r": system.r(examples), "e": system.e(examples), "y": examples.y}
    return {name: values.numpy() for name, values in answers.items()}


@lru_cache(maxsize=32)  # all conditions of one data set: several systems look at the same images
def _shifted(source: str, classes: tuple[str, ...], sizes: tuple[int, ...], images: int, condition: str) -> Part:
    x, y = load(ExperimentConfig("client", source=source, classes=classes, sizes=sizes)).test
    few = Part(x[:images], y[:images]) if images else Part(x, y)
    return shifts.under(few, condition, source=source)


@lru_cache(maxsize=2)
def _digest(source: str) -> str:
    return hashlib.sha256(shifts.unseen(source).x.numpy().tobytes()).hexdigest()


@lru_cache(maxsize=1)
def _code() -> str:
    return code_fingerprint(modules_in_use(["l2h.shifted_runs"]))


@contextmanager
def _like_a_run(config: ExperimentConfig) -> Iterator[None]:
    """On one thread, so that a result does not depend on who else computes, and in the precision that is asked for."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(PRECISIONS[config.precision])
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)


def _as_json(result: ShiftedResult) -> dict[str, Any]:
    scores = {where: {k: v.tolist() for k, v in named.items()} for where, named in result.scores.items()}
    return {"scores": scores, "seconds": result.seconds}


def _from_json(config: ExperimentConfig, kept: dict[str, Any]) -> ShiftedResult:
    scores = {
        where: {k: np.array(v, dtype=np.int64 if k in "my" else np.float64) for k, v in named.items()}
        for where, named in kept["scores"].items()
    }
    return ShiftedResult(config, scores, kept["seconds"])
