"""Sweeps: many runs, in parallel, each made once, in any number of workers with the same results."""

import logging
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context

from l2h.runs import ExperimentConfig, Result, needs, run, run_key
from l2h.store import Store

logger = logging.getLogger(__name__)


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
    configs: Iterable[ExperimentConfig], *, executor: Executor | None = None, store: Store | None = None
) -> list[Result]:
    """Make many runs, in parallel, each once; what the store holds already is not made again.

    Args:
        configs: the runs.
        executor: any `concurrent.futures.Executor`; by default a pool of L2H_WORKERS processes (one per core).
        store: where results are kept; by default the run store of this checkout.

    Returns:
        The results in the order of the configurations.

    Raises:
        RuntimeError: if a run failed, with its configuration; all others were made and kept.
    """
    configs, store = list(configs), store or Store()
    missing = [config for config in closure(configs) if store.get(run_key(config)) is None]
    waves: dict[int, list[ExperimentConfig]] = {}
    for config in missing:
        waves.setdefault(_depth(config), []).append(config)
    with _executor(executor, len(missing)) as workers:
        for depth in sorted(waves):
            _make(waves[depth], workers, store)
    return [run(config, store=store) for config in configs]


def _depth(config: ExperimentConfig) -> int:
    return max((1 + _depth(earlier) for earlier in needs(config)), default=0)


def _make(wave: Sequence[ExperimentConfig], workers: Executor | None, store: Store) -> None:
    if workers is None:
        for config in wave:
            run(config, store=store)
        return
    started = time.monotonic()
    futures = {workers.submit(_run_and_keep, config, store): config for config in wave}
    failed = []
    for done, future in enumerate(as_completed(futures), 1):
        if error := future.exception():
            failed.append((futures[future], error))
        elapsed = time.monotonic() - started
        logger.info(
            "%d of %d runs, %.0f s, about %.0f s left", done, len(wave), elapsed, elapsed * (len(wave) / done - 1)
        )
    if failed:
        config, error = failed[0]
        raise RuntimeError(f"{len(failed)} of {len(wave)} runs failed, the first was {config}") from error


def _run_and_keep(config: ExperimentConfig, store: Store) -> None:
    # The result travels through the store, not through the pipe between processes.
    run(config, store=store)


@contextmanager
def _executor(given: Executor | None, runs: int) -> Iterator[Executor | None]:
    workers = min(int(os.environ.get("L2H_WORKERS", os.cpu_count() or 1)), runs)
    if given is not None or workers <= 1:
        yield given
    else:
        # spawn: a fork of a process whose torch has started its threads can hang
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield pool
