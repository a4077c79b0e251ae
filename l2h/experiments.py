"""Sweeps: many runs, each made once, by any number of workers of any kind with the same results."""

import errno
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import replace
from functools import partial
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

import torch

from l2h import checks, progress, runs, vectorised, workers
from l2h.fingerprint import Definition, key
from l2h.methods import Parts
from l2h.progress import Progress
from l2h.runs import CODE, ExperimentConfig, Result, needs, run, run_key
from l2h.store import Store
from l2h.workers import Made, Workers

logger = logging.getLogger("l2h.sweep")

ATTEMPTS = 3  # at a run whose worker dies: it may have been killed, or the run may need too much memory
APART: dict[str, Any] = {"seed": 0, "c1": 1.0, "ce": 0.0, "alpha": 1.0, "estimate": "logistic", "client": "as_released"}
NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # errors after which no other result can be kept either
SHARED_WITHIN = 60.0  # seconds until a network's file system shows what another machine wrote


class Kind(NamedTuple):
    """What a sweep makes of a configuration, as functions that can travel to a worker."""

    run: Callable[..., Any] = run  # run(config, store=store) makes a result, or reads it
    key: Callable[[ExperimentConfig], str] = run_key  # under which the store keeps it


PLAIN = Kind()


def over_seeds(config: ExperimentConfig, seeds: int) -> list[ExperimentConfig]:
    """The same run with seeds 0, 1, ..., seeds - 1.

    >>> [one.seed for one in over_seeds(ExperimentConfig(method="random"), 3)]
    [0, 1, 2]
    """
    return [replace(config, seed=seed) for seed in range(seeds)]


def closure(configs: Iterable[ExperimentConfig]) -> list[ExperimentConfig]:
    """The runs and all earlier runs that they need, each once, every run after what it needs.

    >>> [one.method for one in closure([ExperimentConfig(method="oracle")])]
    ['client', 'plain_server', 'oracle']
    """
    ordered: dict[ExperimentConfig, None] = {}
    for config in configs:
        ordered.update(dict.fromkeys([*closure(needs(config)), config]))
    return list(ordered)


def sweep(
    configs: Iterable[ExperimentConfig],
    *,
    executor: Executor | None = None,
    store: Store | None = None,
    kind: Kind = PLAIN,
) -> list[Any]:
    """Make many runs, in parallel, each once; what the store holds already is not made again.

    A run starts as soon as the runs that it needs are made. Progress goes to the log `l2h.sweep`. Whatever stops
    a sweep, an interruption, a kill or a failure, the same call goes on where it stopped.

    Args:
        configs: the runs.
        executor: any `concurrent.futures.Executor`; by default the Dask cluster that L2H_SCHEDULER names, else
            L2H_WORKERS processes (one per core), and with one of them this process itself.
        store: where results are kept; by default the run store of this checkout.
        kind: of the runs; by default those of `runs`.

    Returns:
        The results in the order of the configurations, bitwise the same whoever made them.

    Raises:
        RuntimeError: if runs failed; it names the first, the log shows each with its traceback, and all others were
            made and kept.
        BrokenExecutor: if the given executor's workers died.
        OSError: if a cluster does not answer, or the disk takes no more results.
    """
    configs, store = list(configs), store or Store()
    missing = [config for config in closure(configs) if kind.key(config) not in store]
    if missing:
        known = progress.begin(missing)
        try:
            with workers.at_hand(executor, len(missing)) as hands:
                _make(missing, hands, store, known, kind)
        except (KeyboardInterrupt, BrokenExecutor, OSError) as stopped:
            logger.warning("%s: %s", type(stopped).__name__, progress.how_to_resume(known, store))
            raise
        progress.refuse_failures(known, store)
        _wait_for_files([kind.key(config) for config in missing], store)
    return [kind.run(config, store=store) for config in configs]


def sweep_together(
    configs: Iterable[ExperimentConfig], *, at_once: int = 64, store: Store | None = None
) -> list[Result]:
    """Make many runs of learning to help in one vectorised program, on a GPU if there is one.

    Their clients are made by `sweep`. The runs agree with those of `sweep` but for rounding, which depends on the
    device and on what is trained together: so they are kept under keys of their own, and no chapter reads them.

    Args:
        configs: runs of "learning_to_help" on images of two classes, with new servers.
        at_once: how many are trained together at most, which bounds the memory; only those that differ in nothing but
            seed, costs, alpha and client can be.
        store: where results are kept; by default the run store of this checkout.

    Returns:
        The results in the order of the configurations; their seconds are shares of a common time.

    Raises:
        ValueError: if a run is of another kind.
    """
    configs, store = list(configs), store or Store()
    checks.at_least(1, at_once=at_once)
    for config in configs:
        checks.one_of(("learning_to_help",), method=config.method)
        checks.one_of(("",), start=config.start)
    where = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    program = {"device": where.type, "program": CODE.fingerprint([Definition("l2h.vectorised", "learning_to_help")])}
    keys = {config: key(run=run_key(config), **program) for config in configs}
    results = {config: runs.from_json(kept) for config in keys if (kept := store.get(keys[config]))}
    missing = [config for config in keys if config not in results]
    sweep([one for config in missing for one in needs(config)], store=store)
    alike: dict[ExperimentConfig, list[ExperimentConfig]] = {}
    for config in missing:
        alike.setdefault(replace(config, **APART), []).append(config)
    for several in alike.values():
        for first in range(0, len(several), at_once):
            for result in _trained_together(several[first : first + at_once], where, store):
                kept = runs.as_json(result)
                store.put(keys[result.config], kept)
                results[result.config] = runs.from_json(kept)
    return [results[config] for config in configs]


def _trained_together(group: Sequence[ExperimentConfig], where: torch.device, store: Store) -> list[Result]:
    dataset = runs.load(group[0])
    with runs.computing_in(runs.PRECISIONS[group[0].precision]):
        earlier = [[run(one, store=store) for one in needs(config)] for config in group]
        known = [{part: runs.examples_of(part, dataset, one) for part in runs.PARTS[1:]} for one in earlier]
        start = time.monotonic()
        systems = vectorised.learning_to_help(
            [Parts(one["helper"], one["calibration"], one["validation"]) for one in known],
            costs=[config.costs for config in group],
            seeds=[config.seed for config in group],
            options=[config.options for config in group],
            where=where,
        )
        seconds = (time.monotonic() - start) / len(group)
        scores = [
            {part: runs.answers_of(system, one[part]) for part in runs.SERVED}
            for system, one in zip(systems, known, strict=True)
        ]
    told = zip(group, scores, systems, strict=True)
    return [Result(config, dataset.facts(), one, system.history, seconds) for config, one, system in told]


def _make(missing: Sequence[ExperimentConfig], hands: Workers, store: Store, known: Progress, kind: Kind) -> None:
    """Submit every run once what it needs is made, until none is left that can be."""
    order = TopologicalSorter({config: [one for one in needs(config) if one in known.left] for config in missing})
    order.prepare()
    ready: deque[ExperimentConfig] = deque()
    flight: dict[Future[Made], ExperimentConfig] = {}
    attempts = Counter(missing)
    while True:
        ready.extend(order.get_ready())
        while ready and hands.room(flight):
            config = ready.popleft()
            flight[hands.submit(partial(workers.work, config, store, **kind._asdict()))] = config
        progress.tell(known, hands.running(flight))
        if not flight:
            return
        for future in hands.finished(flight):
            config = flight.pop(future)
            error = _error(future, kind.key(config))
            if isinstance(error, OSError) and error.errno in NO_PLACE:
                raise error  # as all others would, after they were computed for nothing
            if isinstance(error, BrokenExecutor) and attempts[config] < ATTEMPTS:
                attempts[config] += 1
                logger.warning("the worker died that was making %s; it is made again", config)
                ready.append(config)
            elif error:
                progress.failed(known, config, error)
            else:
                progress.done(known, config, future.result().seconds)
                order.done(config)


def _error(future: Future[Made], expected: str) -> BaseException | None:
    if future.cancelled():
        return CancelledError("the cluster gave this run up")
    error = future.exception()
    if error is None and future.result().key != expected:
        return RuntimeError("expected a worker with the same code, data and torch, got one with others")
    return error


def _wait_for_files(keys: Sequence[str], store: Store) -> None:
    """Workers on other machines wrote the results: see that they arrive, rather than make them all again here."""
    latest = time.monotonic() + SHARED_WITHIN
    for one in keys:
        while one not in store:
            if time.monotonic() > latest:
                raise RuntimeError(f"expected workers that share the folder {store.folder}, got none of its files")
            time.sleep(1.0)
