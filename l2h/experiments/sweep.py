"""Sweeps: many runs, each made once, with the same results for any number and kind of workers.

A result is the same in every process: a run computes on one thread, alone in its process. The caller reads it from the
store, which writes each result whole or not at all, so that a worker may be killed at any moment.
"""

import errno
import logging
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from graphlib import TopologicalSorter
from multiprocessing import active_children, current_process, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple, TypeVar

from tqdm import tqdm

from l2h.experiments import run as experiments_run
from l2h.experiments.config import ExperimentConfig, dependencies
from l2h.experiments.run import run_key
from l2h.experiments.store import Store
from l2h.methods import registry
from l2h.training import device

logger = logging.getLogger("l2h.sweep")
Item = TypeVar("Item")
Made = TypeVar("Made")
RESTARTS = 3  # of the workers after one died: it may have been killed, or its run may need too much memory
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # errors after which no other result can be written either
SHARED_WITHIN = 60.0  # seconds until a network's file system shows the files that another machine wrote
UNGUARDED = os.EX_USAGE  # exit code of a worker that was asked to sweep while it imported the caller's script
GUARD = (
    'expected a script that calls sweep below `if __name__ == "__main__":`, got one that calls it at top level, '
    "where each worker process, which imports the script, would call it again"
)
_ONE_AT_A_TIME = threading.Lock()  # two threads of one process would share torch's generator and number of threads


class Task(NamedTuple):
    """The functions that a sweep calls for each configuration; it must be possible to pickle them."""

    run: Callable[..., Any] = experiments_run.run  # run(config, store=store) computes a result, or reads it
    key: Callable[[ExperimentConfig], str] = run_key  # under which the store keeps it


PLAIN_RUN = Task()


def over_seeds(config: ExperimentConfig, seeds: int) -> list[ExperimentConfig]:
    """The same run with seeds 0, 1, ..., seeds - 1.

    >>> [config.seed for config in over_seeds(ExperimentConfig(method="random"), 3)]
    [0, 1, 2]
    """
    return [replace(config, seed=seed) for seed in range(seeds)]


def with_dependencies(configs: Iterable[ExperimentConfig]) -> list[ExperimentConfig]:
    """The runs and all their dependencies, each once, every run after its dependencies.

    >>> [config.method for config in with_dependencies([ExperimentConfig(method="oracle")])]
    ['client', 'plain_server', 'oracle']
    """
    ordered: dict[ExperimentConfig, None] = {}
    for config in configs:
        ordered.update(dict.fromkeys([*with_dependencies(dependencies(config)), config]))
    return list(ordered)


def sweep(
    configs: Iterable[ExperimentConfig],
    *,
    executor: Executor | None = None,
    store: Store | None = None,
    task: Task = PLAIN_RUN,
) -> list[Any]:
    """Make many runs in parallel, each once; results in the store are not computed again.

    A run starts as soon as its dependencies are made. If a sweep is interrupted, killed or fails, the same call
    continues it. At a terminal, and where the log `l2h.sweep` shows INFO, a progress bar is written to stderr. A
    script must call `sweep` below `if __name__ == "__main__":`, because worker processes import the script. Runs of
    a method that is not defined in this package are made in this process, because workers do not know the method.

    Args:
        configs: the runs.
        executor: any `concurrent.futures.Executor`; by default the Dask cluster that L2H_SCHEDULER names, else
            L2H_WORKERS processes (one per core), and with one of them this process itself.
        store: where results are kept; by default the store in `store.default_store_folder()`.
        task: the functions for each configuration; by default those of `run`.

    Returns:
        The results in the order of the configurations, bitwise the same for all executors.

    Raises:
        RuntimeError: if runs failed. The message names the first, the log shows each with its traceback, and the
            results of all others are kept. Also if workers died more than RESTARTS times, or cannot import the script.
        BrokenExecutor: if the given executor's workers died.
        ValueError: if L2H_WORKERS is not a whole number >= 1, or the accelerator L2H_ACCELERATOR is missing.
        OSError: if a cluster does not answer, or the store's folder cannot be written.
    """
    if getattr(current_process(), "_inheriting", False):  # this is a worker that imports the caller's script
        raise SystemExit(
            UNGUARDED if executor is None else GUARD
        )  # the parent reports it, unless the caller made the pool
    configs, store = list(configs), store or Store()
    keys = {config: task.key(config) for config in with_dependencies(configs)}
    missing = {config: key for config, key in keys.items() if key not in store}
    if missing:
        _check_folder(store)
        _check_machine(executor, missing)
        try:
            failures = _make(missing, store, task, executor)
        except (KeyboardInterrupt, BrokenExecutor, OSError) as error:
            logger.warning("%s: %s", type(error).__name__, _kept(missing, store))
            raise
        _raise_failures(failures, missing, store)
        _wait_for_files(missing.values(), store)
    return [task.run(config, store=store) for config in configs]


def map_in_processes(function: Callable[[Item], Made], items: Sequence[Item]) -> list[Made]:
    """The results of a function for several items, for computations that are no runs of a configuration.

    Args:
        function: that can be pickled; its results must not depend on the process.
        items: its arguments.

    Returns:
        One result per item, in their order, from L2H_WORKERS processes (one per core), which end with this one; where
        one process would do, this one computes them.

    Raises:
        ValueError: if L2H_WORKERS is not a whole number >= 1.

    >>> map_in_processes(abs, [-2])
    [2]
    """
    count = min(_worker_count(), len(items))
    if count <= 1:
        return [function(item) for item in items]
    with _processes(count) as pool:
        return list(pool.map(function, items))


def _make(
    missing: Mapping[ExperimentConfig, str], store: Store, task: Task, executor: Executor | None
) -> dict[ExperimentConfig, BaseException]:
    """Make every run whose dependencies can be made, and return the errors of the failed runs."""
    failures: dict[ExperimentConfig, BaseException] = {}
    restarts, shown = 0, logger.isEnabledFor(logging.INFO) or sys.stderr.isatty()
    with tqdm(total=len(missing), desc="runs", unit="run", mininterval=1.0, disable=not shown) as bar:
        while True:
            left = {config: key for config, key in missing.items() if key not in store and _can_begin(config, failures)}
            try:
                with _executor(executor, missing) as pool, closing(_outcomes(left, store, task, pool)) as outcomes:
                    for config, error in outcomes:
                        if error:
                            failures[config] = error
                            bar.clear()
                            logger.error("failed: %s", config, exc_info=error)
                            bar.set_postfix(failed=len(failures), refresh=False)
                        bar.update()
                return failures
            except BrokenProcessPool as error:
                if executor is not None:
                    raise
                if restarts == RESTARTS:
                    raise RuntimeError(
                        f"workers died {restarts + 1} times; {_kept(missing, store)}. A run may need more memory than "
                        f"there is. The last time {error}"
                    ) from error
                restarts += 1
                bar.clear()
                logger.warning("%s; the workers are started again", error)
                bar.update(sum(key in store for key in missing.values()) + len(failures) - bar.n)


def _can_begin(config: ExperimentConfig, failures: Mapping[ExperimentConfig, BaseException]) -> bool:
    return failures.keys().isdisjoint(with_dependencies([config]))


def _outcomes(
    configs: Mapping[ExperimentConfig, str], store: Store, task: Task, executor: Executor | None
) -> Generator[tuple[ExperimentConfig, BaseException | None], None, None]:
    """Make runs, each after its dependencies, and yield each with its error, or None."""
    order = TopologicalSorter({config: filter(configs.__contains__, dependencies(config)) for config in configs})
    order.prepare()
    work = partial(_work, store=store, task=task)
    here: deque[ExperimentConfig] = deque()
    flight: dict[Future[str], ExperimentConfig] = {}
    try:
        while True:
            for config in order.get_ready():
                if executor is None or _stays_here(config):
                    here.append(config)
                else:
                    flight[executor.submit(work, config)] = config
            if here:
                config = here.popleft()
                flight[_made_here(work, config)] = config
            if not flight:
                return
            for future in wait(flight, return_when=FIRST_COMPLETED).done:
                error = _error(future, configs[flight[future]])
                if isinstance(error, BrokenExecutor):
                    left = [str(config) for config in flight.values() if configs[config] not in store]
                    under_way = "; ".join(left[: _worker_count()])  # workers take runs in the order of submission
                    raise type(error)(f"a worker died while these runs were made: {under_way}") from error
                if isinstance(error, OSError) and error.errno in NO_SPACE:
                    raise error  # all other runs would be computed and then lost likewise
                config = flight.pop(future)
                if error is None:
                    order.done(config)
                yield config, error
    finally:
        for future in flight:
            future.cancel()


def _work(config: ExperimentConfig, *, store: Store, task: Task) -> str:
    """Make one run, keep it, and return its key, which shows whether this worker has the same code, data and torch."""
    with _ONE_AT_A_TIME:
        task.run(config, store=store)
    return task.key(config)


def _made_here(work: Callable[[ExperimentConfig], str], config: ExperimentConfig) -> Future[str]:
    """Make one run in this process."""
    future: Future[str] = Future()
    try:
        future.set_result(work(config))
    except Exception as error:
        future.set_exception(error)
    return future


def _stays_here(config: ExperimentConfig) -> bool:
    """Whether a run, or one of its dependencies, is of a method outside this package, which no other process knows."""
    used = (registry.METHODS.get(earlier.method) for earlier in with_dependencies([config]))
    return not all(method is None or method.__module__.startswith("l2h.") for method in used)


def _error(future: Future[str], key: str) -> BaseException | None:
    if future.cancelled():
        return CancelledError("the cluster gave this run up")
    error = future.exception()
    if error is None and future.result() != key:
        return RuntimeError("expected a worker with the same code, data and torch, got one with others")
    return error


@contextmanager
def _executor(executor: Executor | None, runs: Iterable[ExperimentConfig]) -> Iterator[Executor | None]:
    """The given executor, else a Dask cluster, else processes; None means this process itself."""
    address = os.environ.get("L2H_SCHEDULER")
    if executor is not None:
        yield executor
    elif address:
        from distributed import Client  # here, because every worker imports this module and few need a cluster

        with Client(address) as client:
            yield client.get_executor(pure=False)
    elif (count := _process_count(runs)) > 1:
        with _processes(count) as pool:
            yield pool
    else:
        yield None


def _process_count(runs: Iterable[ExperimentConfig]) -> int:
    """The number of processes on this machine: at most the number of runs that another process can make."""
    return min(_worker_count(), sum(not _stays_here(config) for config in runs))


def _worker_count() -> int:
    text = os.environ.get("L2H_WORKERS") or str(os.cpu_count() or 1)
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"expected L2H_WORKERS to be a whole number >= 1, got {text!r}")
    return int(text)


@contextmanager
def _processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes on this machine, which end as soon as the context ends or this process is killed."""
    context = get_context("spawn")  # a fork of a process whose torch has started its threads can hang
    alive, held_here = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_end_with_sweep, initargs=(alive,))
    others, started = set(active_children()), set[BaseProcess]()
    try:
        with _without_interrupts():
            for _ in range(count):
                pool.submit(os.getpid)  # each submission starts a process, as none is idle yet
        started.update(set(active_children()) - others)
        yield pool
    except BrokenProcessPool:
        pool.shutdown()
        if any(process.exitcode == UNGUARDED for process in started):
            raise RuntimeError(GUARD) from None
        raise
    finally:
        held_here.close()
        pool.shutdown(cancel_futures=True)
        alive.close()


def _end_with_sweep(alive: Connection) -> None:
    """Make this worker end as soon as the sweeping process ends, or closes the other end of the pipe."""

    def watch() -> None:
        alive.poll(None)  # no data ever come: it returns at the end of the stream
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start processes that ignore Ctrl-C, which a terminal delivers to all: the sweeping process ends its workers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _check_folder(store: Store) -> None:
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=store.folder):
            pass
    except OSError as error:
        message = f"expected a folder where results can be kept (L2H_RUNS), got {store.folder}: {error.strerror}"
        raise OSError(error.errno, message) from error


def _check_machine(executor: Executor | None, runs: Iterable[ExperimentConfig]) -> None:
    """If this machine makes the runs, refuse a missing accelerator, and a script that workers cannot import."""
    if executor is not None or os.environ.get("L2H_SCHEDULER"):
        return
    device.requested_accelerator()
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)  # "<stdin>" for `python - < script`
    if path and getattr(main, "__spec__", None) is None and not Path(path).exists() and _process_count(runs) > 1:
        raise RuntimeError(
            f"expected a script in a file, which worker processes can import, got {path}; save the script, call sweep "
            'below `if __name__ == "__main__":`, and run the file; or set L2H_WORKERS=1'
        )


def _kept(missing: Mapping[ExperimentConfig, str], store: Store) -> str:
    made = sum(key in store for key in missing.values())
    kept = f"{made} of {len(missing)} runs were made and are kept in {store.folder}"
    return f"{kept}; the same sweep makes the others"


def _raise_failures(
    failures: Mapping[ExperimentConfig, BaseException], missing: Mapping[ExperimentConfig, str], store: Store
) -> None:
    if not failures:
        return
    blocked = sum(not _can_begin(config, failures) for config in missing) - len(failures)
    waiting = f", {blocked} that need them were not begun" if blocked else ""
    first, error = next(iter(failures.items()))
    raise RuntimeError(
        f"{len(failures)} of {len(missing)} runs failed{waiting}; {_kept(missing, store)}. "
        f"The first that failed: {first}: {error!r}"
    ) from error


def _wait_for_files(keys: Iterable[str], store: Store) -> None:
    """Wait until the results that other machines wrote appear; otherwise all would be computed again here."""
    latest = time.monotonic() + SHARED_WITHIN
    for key in keys:
        while key not in store:
            if time.monotonic() > latest:
                raise RuntimeError(f"expected workers that share the folder {store.folder}, got none of its files")
            time.sleep(1.0)
