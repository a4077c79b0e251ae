"""Sweeps: many runs, each made once, by any number of workers of any kind with the same results."""

import logging
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import replace
from graphlib import TopologicalSorter
from typing import NamedTuple

from l2h import workers
from l2h.runs import ExperimentConfig, Result, needs, run, run_key
from l2h.store import Store
from l2h.workers import Made, Workers

logger = logging.getLogger(__name__)

ATTEMPTS = 3  # at a run whose worker dies: it may have been killed, or the run may need too much memory
AT_MOST_EVERY = 1.0  # seconds between lines of progress while many do
SHARED_WITHIN = 60.0  # seconds until a network's file system shows what another machine wrote


class Failure(NamedTuple):
    """A run that failed, and why."""

    config: ExperimentConfig
    error: BaseException


class Progress(NamedTuple):
    """What the lines of progress are computed from."""

    started: float
    left: dict[ExperimentConfig, None]  # neither made nor failed
    seconds: dict[tuple[str, ...], list[float]]  # of the runs made, by kind
    failures: list[Failure]
    total: int
    told: list[float]  # when the last line was written


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

    A run starts as soon as the runs that it needs are made. Progress goes to this module's log. Whatever stops a
    sweep, an interruption, a kill or a failure, the same call goes on where it stopped.

    Args:
        configs: the runs.
        executor: any `concurrent.futures.Executor`; by default the Dask cluster that L2H_SCHEDULER names, else
            L2H_WORKERS processes (one per core), and with one of them this process itself.
        store: where results are kept; by default the run store of this checkout.

    Returns:
        The results in the order of the configurations, bitwise the same whoever made them.

    Raises:
        RuntimeError: if runs failed; it names the first, the log shows each with its traceback, and all others were
            made and kept.
        BrokenExecutor: if the given executor's workers died.
    """
    configs, store = list(configs), store or Store()
    missing = [config for config in closure(configs) if run_key(config) not in store]
    if missing:
        progress = Progress(time.monotonic(), dict.fromkeys(missing), {}, [], len(missing), [0.0])
        try:
            with workers.at_hand(executor, len(missing)) as hands:
                _make(missing, hands, store, progress)
        except (KeyboardInterrupt, BrokenExecutor) as stopped:
            logger.warning("%s: %s", type(stopped).__name__, _how_to_resume(progress, store))
            raise
        _refuse_failures(progress, store)
        _wait_for_files(missing, store)
    return [run(config, store=store) for config in configs]


def _make(missing: Sequence[ExperimentConfig], hands: Workers, store: Store, progress: Progress) -> None:
    """Submit every run once what it needs is made, until none is left that can be."""
    order = TopologicalSorter({config: [one for one in needs(config) if one in progress.left] for config in missing})
    order.prepare()
    ready: deque[ExperimentConfig] = deque()
    flight: dict[Future[Made], ExperimentConfig] = {}
    attempts = Counter(missing)
    while True:
        ready.extend(order.get_ready())
        while ready and hands.room(flight):
            config = ready.popleft()
            flight[hands.submit(config, store)] = config
        _tell(progress, hands.running(flight))
        if not flight:
            return
        for future in hands.finished(flight):
            config = flight.pop(future)
            error = _error(future, config)
            if isinstance(error, BrokenExecutor) and attempts[config] < ATTEMPTS:
                attempts[config] += 1
                logger.warning("the worker died that was making %s; it is made again", config)
                ready.append(config)
            elif error:
                _note_failure(config, error, progress)
            else:
                progress.seconds.setdefault(_kind(config), []).append(future.result().seconds)
                del progress.left[config]
                order.done(config)


def _error(future: Future[Made], config: ExperimentConfig) -> BaseException | None:
    if future.cancelled():
        return CancelledError("the cluster gave this run up")
    error = future.exception()
    if error is None and future.result().key != run_key(config):
        return RuntimeError("expected a worker with the same code, data and torch, got one with others")
    return error


def _note_failure(config: ExperimentConfig, error: BaseException, progress: Progress) -> None:
    logger.error("failed: %s", config, exc_info=error)
    progress.failures.append(Failure(config, error))
    del progress.left[config]


def _kind(config: ExperimentConfig) -> tuple[str, ...]:
    """Runs of one kind take about as long."""
    return (config.method, config.client if config.method == "client" else config.recipe)


def _tell(progress: Progress, running: int) -> None:
    now = time.monotonic()
    if progress.left and now - progress.told[0] < AT_MOST_EVERY:
        return
    progress.told[0] = now
    failed = len(progress.failures)
    logger.info(
        "%d of %d runs done, %d running, %d failed; %s elapsed, %s",
        *(progress.total - len(progress.left) - failed, progress.total, running, failed),
        *(_minutes(now - progress.started), _time_left(progress, running)),
    )


def _time_left(progress: Progress, running: int) -> str:
    """Each run left is expected to take as long as those of its kind, or as all, took so far."""
    of_all = [seconds for several in progress.seconds.values() for seconds in several]
    if not of_all:
        return "time left not known yet"
    kinds = Counter(map(_kind, progress.left))
    known = {kind: progress.seconds.get(kind, of_all) for kind in kinds}
    left = sum(count * sum(known[kind]) / len(known[kind]) for kind, count in kinds.items())
    return f"about {_minutes(left / max(1, running))} left"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _how_to_resume(progress: Progress, store: Store) -> str:
    made = progress.total - len(progress.left) - len(progress.failures)
    return f"{made} of {progress.total} runs were made and are kept in {store.folder}; the same sweep makes the others"


def _refuse_failures(progress: Progress, store: Store) -> None:
    if not progress.failures:
        return
    config, error = progress.failures[0]
    waiting = f", {len(progress.left)} that need them were not begun" if progress.left else ""
    raise RuntimeError(
        f"{len(progress.failures)} of {progress.total} runs failed{waiting}; {_how_to_resume(progress, store)}. "
        f"The first that failed: {config}: {error!r}"
    ) from error


def _wait_for_files(missing: Sequence[ExperimentConfig], store: Store) -> None:
    """Workers on other machines wrote the results: see that they arrive, rather than make them all again here."""
    latest = time.monotonic() + SHARED_WITHIN
    for config in missing:
        while run_key(config) not in store:
            if time.monotonic() > latest:
                raise RuntimeError(f"expected workers that share the folder {store.folder}, got none of its files")
            time.sleep(1.0)
