"""Batches: requests that wait run together, each gets its rows, and a failure reaches only those in its batch."""

import asyncio
import threading

import numpy as np
import pytest

from l2h.serving.http.batching import Batcher, Deadlines, ModelFailed, QueueFull


class Model:
    """Doubles its inputs; it stops in each batch until it may go on, and notes the sizes of batches."""

    def __init__(self, *, free=True, fails=lambda x: False):
        self.entered, self.free, self.fails = threading.Semaphore(0), threading.Event(), fails
        if free:
            self.free.set()

    def __call__(self, x):
        self.entered.release()
        self.free.wait()
        if self.fails(x):
            raise ValueError("no such input")
        return 2 * x


def batcher(model, sizes, **options):
    defaults = {"max_rows": 8, "delay": 0.0, "queue_length": 100, "workers": 1}
    return Batcher(model, observe=sizes.append, **{**defaults, **options})


def run(batch, scenario):
    async def started():
        batch.start()
        try:
            return await asyncio.wait_for(scenario(), 60)
        finally:
            await batch.close()

    return asyncio.run(started())


def rows(n, value):
    return np.full((n, 2), value, dtype=np.float32)


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


async def entered(model):
    await asyncio.to_thread(model.entered.acquire)


def test_requests_that_wait_run_together_in_order_and_each_gets_its_rows():
    model, sizes = Model(free=False), []
    batch = batcher(model, sizes)

    async def scenario():
        first = asyncio.create_task(batch(rows(1, 0)))
        await entered(model)
        others = [asyncio.create_task(batch(rows(n, n))) for n in (3, 4, 2, 8, 1)]
        await until(lambda: len(batch) == 5)
        model.free.set()
        return await asyncio.gather(first, *others)

    results = run(batch, scenario)
    assert sizes == [1, 7, 2, 8, 1]  # never more than 8, none overtakes
    for e, (n, value) in zip(results, [(1, 0), (3, 3), (4, 4), (2, 2), (8, 8), (1, 1)], strict=True):
        assert np.array_equal(e, rows(n, 2 * value))


def test_an_idle_worker_waits_for_more_where_a_delay_says_so():
    sizes = []
    batch = batcher(Model(), sizes, delay=0.2)

    async def scenario():
        return await asyncio.gather(*(batch(rows(1, k)) for k in range(5)))

    assert [e[0, 0] for e in run(batch, scenario)] == [0, 2, 4, 6, 8]
    assert sizes == [5]


def test_a_full_queue_refuses_at_once():
    model = Model(free=False)
    batch = batcher(model, [], queue_length=2)

    async def scenario():
        running = asyncio.create_task(batch(rows(1, 0)))
        await entered(model)
        waiting = [asyncio.create_task(batch(rows(1, k))) for k in range(2)]
        await until(lambda: len(batch) == 2)
        with pytest.raises(QueueFull, match="expected at most 2 requests that wait"):
            await batch(rows(1, 9))
        model.free.set()
        await asyncio.gather(running, *waiting)

    run(batch, scenario)
    assert len(batch) == 0


def test_a_request_that_is_given_up_leaves_the_queue():
    model, sizes = Model(free=False), []
    batch = batcher(model, sizes)

    async def scenario():
        running = asyncio.create_task(batch(rows(1, 0)))
        await entered(model)
        given_up = asyncio.create_task(batch(rows(5, 1)))
        await until(lambda: len(batch) == 1)
        given_up.cancel()
        running.cancel()  # its batch is under way, and nobody waits for it
        await until(lambda: len(batch) == 0)
        model.free.set()
        return await batch(rows(2, 3))

    assert np.array_equal(run(batch, scenario), rows(2, 6))
    assert sizes == [1, 2]


def test_a_failure_reaches_its_batch_alone(caplog):
    batch = batcher(Model(fails=lambda x: x[0, 0] == 1), [])

    async def scenario():
        with pytest.raises(ModelFailed, match="expected outputs for a batch of 1 inputs, but the model failed"):
            await batch(rows(1, 1))
        return await batch(rows(1, 2))

    assert np.array_equal(run(batch, scenario), rows(1, 4))
    assert "no such input" in caplog.text


def test_outputs_of_another_length_are_a_failure():
    batch = batcher(lambda x: x[:-1], [])

    async def scenario():
        with pytest.raises(ModelFailed):
            await batch(rows(2, 1))

    run(batch, scenario)


def test_several_workers_run_batches_at_once():
    model = Model(free=False)
    batch = batcher(model, [], workers=2)

    async def scenario():
        first = asyncio.create_task(batch(rows(1, 1)))
        await entered(model)
        second = asyncio.create_task(batch(rows(1, 2)))
        await entered(model)  # while the first is held
        model.free.set()
        return await asyncio.gather(first, second)

    assert [e[0, 0] for e in run(batch, scenario)] == [2, 4]


def test_the_end_waits_for_the_batch_under_way_and_cancels_who_still_waits():
    model = Model(free=False)
    batch = batcher(model, [])

    async def scenario():
        tasks = [asyncio.create_task(batch(rows(1, 1)))]
        await entered(model)
        tasks.append(asyncio.create_task(batch(rows(1, 1))))
        await until(lambda: len(batch) == 1)
        closing = asyncio.create_task(batch.close())
        await until(lambda: len(batch) == 0)
        model.free.set()
        await closing
        return await asyncio.gather(*tasks, return_exceptions=True)

    answered, waiting = run(batch, scenario)
    assert np.array_equal(answered, rows(1, 2))
    assert isinstance(waiting, asyncio.CancelledError)


@pytest.mark.parametrize("option", ["max_rows", "queue_length", "workers"])
def test_limits_below_one_are_refused(option):
    with pytest.raises(ValueError, match=f"expected a whole {option} >= 1, got 0"):
        batcher(Model(), [], **{option: 0})


def test_a_request_without_outputs_in_time_is_given_up_whether_it_waits_or_runs():
    model, sizes = Model(free=False), []
    batch = batcher(model, sizes)

    async def scenario():
        given_up = await asyncio.gather(*(batch(rows(1, k), 0.01) for k in range(3)), return_exceptions=True)
        assert [type(each) for each in given_up] == [TimeoutError] * 3 and len(batch) == 0
        model.free.set()
        return await batch(rows(2, 3), 60.0)

    assert np.array_equal(run(batch, scenario), rows(2, 6))


def test_one_timer_serves_all_and_keeps_no_future_that_is_done():
    async def scenario():
        loop, deadlines = asyncio.get_running_loop(), Deadlines()
        futures = [loop.create_future() for _ in range(5)]
        for future in futures[:4]:
            deadlines.watch(future, 0.01)
            future.set_result(None)
        assert len(deadlines) == 1
        deadlines.watch(futures[4], 0.01)
        assert len(deadlines) == 1
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(futures[4], 60)
        assert len(deadlines) == 0
        late = loop.create_future()
        deadlines.watch(late, 0.0)
        deadlines.close()
        await asyncio.sleep(0.01)
        assert not late.done() and len(deadlines) == 0

    asyncio.run(scenario())
