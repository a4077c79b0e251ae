r"""Queues with first in, first out, exactly: when each request starts and ends; and the formulas of queueing theory.

All times are seconds. Arrival times rise; a request is served by one server, without interruption.
The vectorised recursions handle ten million requests; `l2h.serving.simulation.simulate` feeds them.
"""

from collections import deque
from heapq import heapreplace
from typing import NamedTuple

import numpy as np
from scipy.stats import poisson

from l2h import checks


class Served(NamedTuple):
    """When requests are served."""

    start: np.ndarray  # (n,) seconds at which the service, or that of its batch, begins; NaN if it never does
    finish: np.ndarray  # (n,) seconds at which it ends, or at which a request that is not served leaves


def single_server(arrival: np.ndarray, service: np.ndarray) -> Served:
    r"""A queue with one server, by Lindley's recursion.

    .. math:: f_i = \max(a_i, f_{i-1}) + s_i = C_i + \max_{k \leq i} (a_k - C_{k-1}), \qquad C_i = \sum_{k \leq i} s_k

    Args:
        arrival: (n,) rising arrival times a, seconds.
        service: (n,) service times s >= 0, seconds.

    Returns:
        `Served`.

    Raises:
        ValueError: if an array has another shape, a time is not finite, arrivals fall or a service time is negative.

    >>> single_server(np.array([0.0, 1.0, 5.0]), np.array([2.0, 2.0, 2.0])).finish
    array([2., 4., 7.])
    """
    arrival, service = _checked(arrival, service)
    total = np.cumsum(service)
    finish = total + np.maximum.accumulate(arrival - total + service)
    return Served(np.maximum(finish - service, arrival), finish)  # rounding must not start a service before its arrival


def several_servers(
    arrival: np.ndarray,
    service: np.ndarray,
    *,
    servers: int,
    waiting: int | None = None,
    patience: float = np.inf,
) -> Served:
    """A queue with k servers, by the recursion of Kiefer and Wolfowitz; the first free server takes the next request.

    Args:
        arrival: (n,) rising arrival times, seconds.
        service: (n,) service times >= 0, seconds.
        servers: number k of servers, >= 1.
        waiting: the most requests that wait for a server; one that finds as many is refused. None: no limit.
        patience: seconds > 0 after which a request leaves the queue if its service has not begun.

    Returns:
        `Served`.

    Raises:
        ValueError: as `single_server`, or if a number is out of range.

    >>> several_servers(np.array([0.0, 1.0, 2.0]), np.array([4.0, 4.0, 4.0]), servers=2).start
    array([0., 1., 4.])
    """
    arrival, service = _checked(arrival, service)
    _check_queue(servers=servers, waiting=waiting, patience=patience)
    free = [-np.inf] * servers  # times at which the servers are free: a heap
    start: list[float] = []
    leaving: list[float] = []
    queued: deque[float] = deque()  # times at which those who wait leave the queue; they rise
    for now, seconds in zip(arrival.tolist(), service.tolist(), strict=True):
        begin = max(now, free[0])
        if waiting is not None and begin > now:
            while queued and queued[0] <= now:
                queued.popleft()
            if len(queued) >= waiting:
                start.append(np.nan)
                leaving.append(now)
                continue
            queued.append(min(begin, now + patience))
        served = begin - now < patience
        if served:
            heapreplace(free, begin + seconds)
        start.append(begin if served else np.nan)
        leaving.append(begin + seconds if served else now + patience)
    return Served(np.array(start), np.array(leaving))


def batching_servers(
    arrival: np.ndarray,
    service: np.ndarray,
    *,
    servers: int = 1,
    largest_batch: int,
    batch_seconds: float = 0.0,
    longest_wait: float = 0.0,
    waiting: int | None = None,
    patience: float = np.inf,
) -> Served:
    r"""A queue whose servers take several requests at a time.

    A free server takes the requests that wait, in order, at most `largest_batch`. It may wait for the batch to fill,
    at most until the first of them has waited `longest_wait`. A batch takes `batch_seconds` plus the sum of its
    service times, and all its requests end together.

    Args:
        arrival: (n,) rising arrival times, seconds.
        service: (n,) service times >= 0 of a request within a batch, seconds.
        servers: number of servers, >= 1.
        largest_batch: >= 1.
        batch_seconds: of a batch, whatever its size, >= 0.
        longest_wait: seconds, >= 0, less than `patience`; 0: a free server never waits.
        waiting: the most requests that wait; one that finds as many, and no free server for it, is refused.
        patience: as in `several_servers`.

    Returns:
        `Served`.

    Raises:
        ValueError: as `single_server`, or if a number is out of range.

    >>> served = batching_servers(np.array([0.0, 1.0, 2.0]), np.ones(3), largest_batch=2, batch_seconds=3.0)
    >>> served.finish
    array([4., 9., 9.])
    """
    arrival, service = _checked(arrival, service)
    _check_queue(servers=servers, waiting=waiting, patience=patience)
    checks.integer(1, largest_batch=largest_batch)
    checks.at_least(0, batch_seconds=batch_seconds, longest_wait=longest_wait)
    checks.positive(**{"patience - longest_wait": min(patience - longest_wait, 1.0)})
    batches = _Batches(arrival, service, [-np.inf] * servers, largest_batch, batch_seconds, longest_wait, patience)
    for i, now in enumerate(batches.arrival):
        batches.begin_until(now)
        batches.give_up_until(now)
        n = len(batches.queue)
        if waiting is None or n < waiting or n < sum(free <= now for free in batches.free):
            batches.queue.append(i)
        else:
            batches.finish[i] = now
    batches.begin_until(np.inf)
    return Served(batches.start, batches.finish)


class _Batches:
    """The state of `batching_servers` while it goes through the arrivals."""

    def __init__(
        self,
        arrival: np.ndarray,
        service: np.ndarray,
        free: list[float],
        largest_batch: int,
        batch_seconds: float,
        longest_wait: float,
        patience: float,
    ) -> None:
        self.arrival, self.service, self.free = arrival.tolist(), service.tolist(), free  # free: a heap
        self.largest_batch, self.batch_seconds = largest_batch, batch_seconds
        self.longest_wait, self.patience = longest_wait, patience
        self.queue: deque[int] = deque()
        self.start, self.finish = np.full(len(arrival), np.nan), np.empty(len(arrival))

    def begin_until(self, time: float) -> None:
        """Begin all batches that begin before a time, with the requests that wait."""
        queue = self.queue
        while queue and (now := self._next_begin()) < time:
            first = self.arrival[queue[0]]
            if now - first >= self.patience:
                self.finish[queue.popleft()] = first + self.patience
                continue
            batch = [queue.popleft() for _ in range(min(len(queue), self.largest_batch))]
            done = now + (self.batch_seconds + sum(self.service[i] for i in batch))
            heapreplace(self.free, done)
            self.start[batch], self.finish[batch] = now, done

    def give_up_until(self, time: float) -> None:
        """Take the requests whose patience ends before a time out of the queue, where they leave room for others."""
        while self.queue and (end := self.arrival[self.queue[0]] + self.patience) < time:
            self.finish[self.queue.popleft()] = end

    def _next_begin(self) -> float:
        queue = self.queue
        begin = self.arrival[queue[0]] + self.longest_wait
        if len(queue) >= self.largest_batch:
            begin = min(begin, self.arrival[queue[self.largest_batch - 1]])
        return max(self.free[0], begin)


def pollaczek_khinchine(rate: float, service_mean: float, service_variance: float) -> float:
    r"""Mean waiting time of an M/G/1 queue: Poisson arrivals, one server, any service times.

    .. math:: E[W] = \frac{\lambda E[S^2]}{2 (1 - \lambda E[S])}

    Args:
        rate: of arrivals, per second, > 0.
        service_mean: seconds, > 0.
        service_variance: seconds squared, >= 0.

    Returns:
        Seconds before the service begins.

    Raises:
        ValueError: if a number is out of range, or the load rate * service_mean is 1 or more.

    >>> pollaczek_khinchine(0.5, 1.0, 0.0)
    0.5
    """
    checks.positive(rate=rate, service_mean=service_mean)
    checks.at_least(0, service_variance=service_variance)
    load = _stable(rate * service_mean)
    return rate * (service_variance + service_mean**2) / (2 * (1 - load))


def erlang_c(rate: float, service_mean: float, servers: int) -> float:
    r"""Probability that a request waits in an M/M/k queue.

    .. math:: C = \frac{a^k / k! \cdot 1 / (1 - \rho)}{\sum_{j<k} a^j / j! + a^k / k! \cdot 1 / (1 - \rho)},
              \qquad a = \lambda E[S], \quad \rho = a / k

    The mean waiting time is C E[S] / (k - a).

    Args:
        rate: of arrivals, per second, > 0.
        service_mean: seconds, > 0, of exponential service times.
        servers: k >= 1.

    Returns:
        C, in [0, 1).

    Raises:
        ValueError: if a number is out of range, or the load of a server is 1 or more.

    >>> round(erlang_c(0.5, 1.0, 1), 12)
    0.5
    """
    checks.positive(rate=rate, service_mean=service_mean)
    checks.integer(1, servers=servers)
    offered = rate * service_mean
    load = _stable(offered / servers)

    # Probabilities of a Poisson distribution are the terms over e^a, so that none overflows.
    waits = float(poisson.pmf(servers, offered)) / (1 - load)
    return waits / (float(poisson.cdf(servers - 1, offered)) + waits)


def fluid_answered_share(rate: float, service_mean: float, servers: int) -> float:
    r"""Share of requests that servers with a bounded queue answer in the fluid limit; the others are refused.

    .. math:: \min\left(1, \frac{k}{\lambda E[S]}\right)

    Args:
        rate: of arrivals, per second, > 0.
        service_mean: seconds, > 0.
        servers: k >= 1.

    Returns:
        In (0, 1].

    >>> fluid_answered_share(rate=20.0, service_mean=0.1, servers=1)
    0.5
    """
    checks.positive(rate=rate, service_mean=service_mean)
    checks.integer(1, servers=servers)
    return min(1.0, servers / (rate * service_mean))


def _stable(load: float) -> float:
    if load >= 1:
        raise ValueError(f"expected a load below 1, since the queue grows without end otherwise, got {load:g}")
    return load


def _check_queue(*, servers: int, waiting: int | None, patience: float) -> None:
    checks.integer(1, servers=servers)
    checks.integer(0, waiting=0 if waiting is None else waiting)
    checks.positive(patience=min(patience, 1.0))


def _checked(arrival: np.ndarray, service: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    arrival, service = np.asarray(arrival, dtype=float), np.asarray(service, dtype=float)
    checks.one_dimensional(arrival=arrival, service=service)
    checks.finite(arrival=arrival, service=service)
    if (service < 0).any():
        raise ValueError(f"expected service times >= 0, got {service.min():g}")
    if (arrival[1:] < arrival[:-1]).any():
        raise ValueError("expected arrival times that rise, got one before its predecessor")
    return arrival, service
