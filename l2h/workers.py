"""Who makes the runs of a sweep: this process, processes of this machine, a Dask cluster, or any executor.

A result is the same wherever it is made: every run computes on one thread, alone in its process, and travels through
the store, which is written in one piece. So a worker may be killed at any moment.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from l2h.runs import ExperimentConfig
from l2h.store import Store

logger = logging.getLogger("l2h.sweep")

Flight = Collection[Future[Any]]

HEARTBEAT = 30.0  # seconds after which `finished` returns, even if nothing has

_ALONE = threading.Lock()  # two threads of one process would share torch's generator and its number of threads


class Made(NamedTuple):
    """What a worker says about a run that it made."""

    key: str  # under which it keeps the result: another one if its code, data or torch are others
    seconds: float


class Workers(NamedTuple):
    """Whoever makes runs."""

    submit: Callable[[Callable[[], Made]], Future[Made]]
    room: Callable[[Flight], bool]  # given what is under way: may another run be submitted?
    running: Callable[[Flight], int]  # of what is under way, how many runs are being made now
    finished: Callable[[Flight], Collection[Future[Made]]]  # waits for the first one, or for a heartbeat


def work(
    config: ExperimentConfig, store: Store, *, run: Callable[..., Any], key: Callable[[ExperimentConfig], str]
) -> Made:
    """Make one run and keep it; what a worker executes.

    Args:
        config: what to run.
        store: where the result is kept, a folder that the worker shares with whoever asks.
        run: run(config, store=store) makes it.
        key: the key of its result.

    Returns:
        The result's key and the seconds that it took.
    """
    start = time.monotonic()
    with _ALONE:
        run(config, store=store)
    return Made(key(config), time.monotonic() - start)


def at_hand(executor: Executor | None, runs: int) -> AbstractContextManager[Workers]:
    """The workers to use: those given; else a Dask cluster, L2H_SCHEDULER; else L2H_WORKERS processes, one per core.

    Args:
        executor: any `concurrent.futures.Executor`, or None.
        runs: how many are to be made; there are not more processes than that.

    Returns:
        Workers that end with their context; an executor that was given is left as it is.

    Raises:
        ValueError: if L2H_WORKERS is not a whole number >= 1.

    >>> with at_hand(None, 1) as workers: workers.room([])
    True
    """
    if executor is not None:
        return given(executor)
    if address := os.environ.get("L2H_SCHEDULER"):
        return cluster(address)
    text = os.environ.get("L2H_WORKERS") or str(os.cpu_count() or 1)
    if not text.isdecimal() or int(text) == 0:
        raise ValueError(f"expected L2H_WORKERS to be a whole number >= 1, got {text!r}")
    count = min(int(text), runs)
    return processes(count) if count > 1 else in_process()


@contextmanager
def in_process() -> Iterator[Workers]:
    """This process itself, one run after the other."""
    begun: list[tuple[Future[Made], Callable[[], Made]]] = []

    def submit(job: Callable[[], Made]) -> Future[Made]:
        begun.append((Future(), job))
        return begun[-1][0]

    def finished(flight: Flight) -> Collection[Future[Made]]:
        future, job = begun.pop()
        try:
            future.set_result(job())
        except Exception as error:
            future.set_exception(error)
        return [future]

    yield Workers(submit, lambda flight: not flight, len, finished)


@contextmanager
def processes(count: int) -> Iterator[Workers]:
    """Processes of this machine, each a pool of its own: when one is killed, only its run is disturbed.

    Where the context ends in an error, in an interruption or because we are killed, they end at once.

    Args:
        count: how many, >= 1.

    Yields:
        The workers; a future of one that was killed holds a BrokenExecutor, and the next run gets a new process.
    """
    context = get_context("spawn")  # a fork of a process whose torch has started its threads can hang
    alive, held_here = context.Pipe(duplex=False)

    def pool() -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, mp_context=context, initializer=_live_with, initargs=(alive,))

    slots: list[tuple[ProcessPoolExecutor, Future[Made] | None]] = [(pool(), None) for _ in range(count)]

    def submit(job: Callable[[], Made]) -> Future[Made]:
        free = next(i for i, (_, last) in enumerate(slots) if last is None or last.done())
        worker, _ = slots[free]
        with _without_interrupts():
            try:
                future = worker.submit(job)
            except BrokenExecutor:
                logger.warning("a worker died that was making nothing; another one takes its place")
                worker = pool()
                future = worker.submit(job)
        slots[free] = worker, future
        return future

    try:
        yield Workers(submit, lambda flight: len(flight) < count, len, _first)
    finally:
        held_here.close()
        for worker, _ in slots:
            worker.shutdown()
        alive.close()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C reaches every process of a terminal: a process that is begun in here never takes notice of it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _live_with(alive: Connection) -> None:
    """Make this process end as soon as the sweeping process does, or lets go of the other end of the pipe."""

    def watch() -> None:
        alive.poll(None)  # nothing is ever sent: it returns at the end of the stream
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def cluster(address: str) -> Iterator[Workers]:
    """The workers of a Dask cluster, which must share the store's folder; the cluster is left as it is.

    Args:
        address: of its scheduler, as in "tcp://10.0.0.1:8786".

    Yields:
        The workers. Dask gives a run whose worker was killed to another one; as whatever was kept is not made again,
        nothing that had finished is run twice.

    Raises:
        OSError: if no scheduler answers.
    """
    from distributed import Client  # here, because every worker process imports this module and few need a cluster

    with Client(address) as client:
        executor = client.get_executor(pure=False)

        def running(flight: Flight) -> int:
            return min(len(flight), sum(client.nthreads().values()))

        yield Workers(executor.submit, lambda flight: True, running, _first)


@contextmanager
def given(executor: Executor) -> Iterator[Workers]:
    """Any executor; it is not shut down, but what it has not begun when the context ends is withdrawn.

    Args:
        executor: of threads (which take turns), of processes, of a cluster.

    Yields:
        The workers.
    """
    submitted: list[Future[Made]] = []

    def submit(job: Callable[[], Made]) -> Future[Made]:
        submitted.append(executor.submit(job))
        return submitted[-1]

    def running(flight: Flight) -> int:
        return sum(future.running() for future in flight) or len(flight)  # Dask's futures do not tell

    try:
        yield Workers(submit, lambda flight: True, running, _first)
    finally:
        for future in submitted:
            future.cancel()


def _first(flight: Flight) -> Collection[Future[Made]]:
    return wait(flight, timeout=HEARTBEAT, return_when=FIRST_COMPLETED).done
