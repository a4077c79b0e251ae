"""Dynamic batching: requests that wait while the model is busy run together, in a worker thread."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from l2h import checks

logger = logging.getLogger(__name__)


class QueueFull(RuntimeError):
    """As many requests wait as may wait."""


class ModelFailed(RuntimeError):
    """The model raised an error on a batch; the log has it."""


class Deadlines:
    """One timer for many futures: each that is not done after its time fails with a TimeoutError.

    The times of all must be the same, so that the oldest is due first. All its methods belong to one event loop.
    """

    def __init__(self) -> None:
        self._due: deque[tuple[float, asyncio.Future[Any]]] = deque()  # in the order of their times
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """The number of futures that it keeps."""
        return len(self._due)

    def watch(self, future: asyncio.Future[Any], seconds: float) -> None:
        """Let a future fail after so many seconds unless it is done by then."""
        while self._due and self._due[0][1].done():
            self._due.popleft()
        loop = future.get_loop()
        self._due.append((loop.time() + seconds, future))
        if self._timer is None:
            self._timer = loop.call_at(self._due[0][0], self._expire, loop)

    def close(self) -> None:
        """Forget all futures."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._due and (self._due[0][1].done() or self._due[0][0] <= loop.time()):
            future = self._due.popleft()[1]
            if not future.done():
                future.set_exception(TimeoutError())
        self._timer = loop.call_at(self._due[0][0], self._expire, loop) if self._due else None


class Batcher:
    """A queue in front of a model. All its methods belong to one event loop.

    Args:
        run: (n, ...) inputs -> (n, ...) outputs; called in worker threads.
        max_rows: largest number of inputs in a batch, >= 1. A single request may not have more.
        delay: seconds that a request waits for others while a worker is idle, >= 0.
        queue_length: largest number of requests that wait, >= 1.
        workers: batches that run at once, >= 1.
        observe: called with the number of inputs of each batch.
    """

    def __init__(
        self,
        run: Callable[[np.ndarray], np.ndarray],
        *,
        max_rows: int,
        delay: float,
        queue_length: int,
        workers: int,
        observe: Callable[[int], None],
    ) -> None:
        checks.integer(1, max_rows=max_rows, queue_length=queue_length, workers=workers)
        checks.at_least(0, delay=delay)
        self._run, self._max_rows, self._delay, self._queue_length = run, max_rows, delay, queue_length
        self._n_workers, self._observe = workers, observe
        self._waiting: dict[asyncio.Future[np.ndarray], np.ndarray] = {}  # in the order of arrival
        self._deadlines = Deadlines()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    def __len__(self) -> int:
        """The number of requests that wait."""
        return len(self._waiting)

    def start(self) -> None:
        """Start the workers, on the running event loop."""
        self._arrived = asyncio.Event()
        self._pool = ThreadPoolExecutor(self._n_workers, thread_name_prefix="batch")
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._n_workers)]

    async def close(self) -> None:
        """Stop the workers after the batches under way; requests that still wait are cancelled."""
        self._closed = True
        for future in self._waiting:
            future.cancel()
        self._arrived.set()
        await asyncio.gather(*self._tasks)
        self._deadlines.close()
        self._pool.shutdown(wait=True)

    async def __call__(self, x: np.ndarray, seconds: float | None = None) -> np.ndarray:
        """The model's outputs for the inputs of one request.

        Args:
            x: (n, ...), 1 <= n <= max_rows.
            seconds: after which it is given up, the same for all requests; None waits without end.

        Raises:
            QueueFull: if as many requests wait as may wait.
            TimeoutError: if there are no outputs in time.
            ModelFailed: if the model raises an error on the batch.
        """
        if len(self._waiting) >= self._queue_length:
            raise QueueFull(f"expected at most {self._queue_length} requests that wait")
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = x
        if seconds is not None:
            self._deadlines.watch(future, seconds)
        self._arrived.set()
        try:
            return await future
        finally:
            self._waiting.pop(future, None)  # where the request was given up before its batch

    async def _work(self) -> None:
        while not self._closed:
            await self._arrived.wait()
            if self._delay and sum(map(len, self._waiting.values())) < self._max_rows:
                await asyncio.sleep(self._delay)
            if not self._closed and (batch := self._take()):
                await self._answer(batch)

    def _take(self) -> dict[asyncio.Future[np.ndarray], np.ndarray]:
        """The oldest requests, as many as fit into one batch."""
        batch: dict[asyncio.Future[np.ndarray], np.ndarray] = {}
        n_rows = 0
        for future, x in self._waiting.items():
            n_rows += len(x)
            if batch and n_rows > self._max_rows:
                break
            batch[future] = x
        for future in batch:
            del self._waiting[future]
        if not self._waiting:
            self._arrived.clear()
        return batch

    async def _answer(self, batch: dict[asyncio.Future[np.ndarray], np.ndarray]) -> None:
        """Run a batch and give each request its rows; a failure of the model is each request's failure."""
        inputs = list(batch.values())
        x = inputs[0] if len(inputs) == 1 else np.concatenate(inputs)
        self._observe(len(x))
        outputs: list[np.ndarray] | ModelFailed
        try:
            outputs = await asyncio.get_running_loop().run_in_executor(self._pool, self._run_and_split, x, inputs)
        except Exception:  # whatever the model raises, the worker has to go on
            logger.exception("the model failed on a batch of shape %s", x.shape)
            outputs = ModelFailed(f"expected outputs for a batch of {len(x)} inputs, but the model failed")
        for i, future in enumerate(batch):
            if future.done():  # given up
                continue
            if isinstance(outputs, ModelFailed):
                future.set_exception(outputs)
            else:
                future.set_result(outputs[i])

    def _run_and_split(self, x: np.ndarray, inputs: list[np.ndarray]) -> list[np.ndarray]:
        outputs = self._run(x)
        if len(outputs) != len(x):
            raise ValueError(f"expected {len(x)} rows of outputs, got {len(outputs)}")
        return np.split(outputs, np.cumsum([len(rows) for rows in inputs])[:-1])
