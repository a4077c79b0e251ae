"""Two engines that simulate a scenario: event by event, or all devices at once with arrays.

`simulate_events` has everything that `l2h.serving.simulation.scenario` describes, event by event with SimPy.
`simulate_at_scale` computes the same for a million devices in seconds. It needs devices that do not react to the
servers: no breaker, and no device that waits for an answer before it looks at its next input.
"""

from collections import deque
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
import simpy

from l2h.problem import server_label
from l2h.serving.breaker import Breaker, Permit
from l2h.serving.simulation import queues
from l2h.serving.simulation.scenario import (
    FALLBACK,
    KEPT,
    SERVER,
    Scenario,
    SimulatedAnswers,
    SimulatedServer,
    Situation,
    Workload,
    draw_workload,
)

Events = Generator[simpy.Event, Any, Any]


def simulate_at_scale(scenario: Scenario, workload: Workload | None = None) -> SimulatedAnswers:
    """Simulate a deployment whose devices do not react to the servers, exactly and with arrays.

    The requests of all devices merge into one stream, and the servers' queue is exact by the recursions of
    `l2h.serving.simulation.queues`.

    Args:
        scenario: without a breaker and with `one_at_a_time=False`.
        workload: of this scenario; drawn if None.

    Returns:
        `SimulatedAnswers`.

    Raises:
        ValueError: if the scenario needs `simulate_events`, or the policy's answer is not one boolean per device.
    """
    _refuse_feedback(scenario)
    work = draw_workload(scenario) if workload is None else workload
    device, outages = scenario.device, scenario.link.outages
    asked, decided = _decisions(scenario, work)
    answers, flat = _without_requests(scenario, work, decided), asked.ravel()
    sent = decided[asked]
    answers.source[flat] = FALLBACK
    if device.exchange_seconds == 0:
        return _with_labels(scenario, answers, busy_seconds=0.0)
    phase = np.broadcast_to(work.phase, asked.shape)[asked] if outages else 0.0
    reached = sent + work.up[asked] + (outages.wait(sent + phase) if outages else 0.0)
    left, refused, busy_seconds = _served(scenario.server, reached, work.service[asked])
    exchange = left + work.down[asked] + (outages.wait(left + phase) if outages else 0.0) - sent
    failed = refused | (exchange > device.exchange_seconds)
    exchange = np.minimum(exchange, device.exchange_seconds)
    answers.sent_at[flat], answers.exchange[flat] = sent, exchange
    answers.source[flat] = np.where(failed, FALLBACK, SERVER)
    answers.latency[flat] = sent + exchange + failed * device.label_seconds - work.arrival[asked]
    return _with_labels(scenario, answers, busy_seconds=busy_seconds)


def simulate_events(scenario: Scenario, workload: Workload | None = None) -> SimulatedAnswers:
    """Simulate a deployment event by event, with SimPy: everything that a scenario can have.

    Args:
        scenario: some ten thousand inputs take a few seconds.
        workload: of this scenario; drawn if None.

    Returns:
        `SimulatedAnswers`, the same as those of `simulate_at_scale` up to rounding where that engine applies.
    """
    return _Events(scenario, draw_workload(scenario) if workload is None else workload).run()


class _Events:
    """One run of the event-by-event engine."""

    def __init__(self, scenario: Scenario, work: Workload) -> None:
        self.scenario, self.work, self.env = scenario, work, simpy.Environment()
        self.servers = _Servers(self.env, scenario.server)
        self.answers = _without_requests(scenario, work, decided=np.zeros(work.arrival.shape))
        self.r = scenario.predictions.r[work.example]

    def run(self) -> SimulatedAnswers:
        for d in range(self.scenario.devices):
            self.env.process(self.device(d))
        self.env.run()
        return _with_labels(self.scenario, self.answers, busy_seconds=self.servers.busy_seconds)

    def device(self, d: int) -> Events:
        """The life of one device."""
        env, device, work, asked = self.env, self.scenario.device, self.work, 0
        rule = device.breaker
        breaker = Breaker(**vars(rule), clock=lambda: env.now) if rule else None
        for j in range(self.scenario.inputs):
            yield env.timeout(max(0.0, work.arrival[j, d] - env.now))
            yield env.timeout(device.decision_seconds)
            ask = bool(self.scenario.policy(Situation(work.example[j, d], self.r[j, d], env.now, j, asked)))
            asked += ask
            may_send = ask and device.exchange_seconds > 0
            permit = breaker.permit() if breaker and may_send else None
            if may_send and (breaker is None or permit is not None):
                exchange = env.process(self.exchange(j, d, breaker, permit))
                if device.one_at_a_time:
                    yield exchange
            else:
                yield env.timeout(device.label_seconds)
                self.answer(j, d, FALLBACK if ask else KEPT)

    def exchange(self, j: int, d: int, breaker: Breaker | None, permit: Permit | None) -> Events:
        """Ask the servers until the deadline; then answer."""
        env, device, i = self.env, self.scenario.device, self.index(j, d)
        self.answers.sent_at[i] = env.now
        label = env.process(self.round_trip(j, d))
        yield label if device.deadline is None else label | env.timeout(device.exchange_seconds)
        succeeded = bool(label.triggered and label.value)
        self.answers.exchange[i] = env.now - self.answers.sent_at[i]
        if breaker and permit is not None:
            breaker.record(permit, succeeded=succeeded)
        if not succeeded:
            yield env.timeout(device.label_seconds)
        self.answer(j, d, SERVER if succeeded else FALLBACK)

    def round_trip(self, j: int, d: int) -> Events:
        """The way to the servers and back; its value is whether they answered the request."""
        yield self.env.timeout(self.outage(d) + self.work.up[j, d])
        answered = yield from self.servers.request(self.work.service[j, d])
        yield self.env.timeout(self.outage(d) + self.work.down[j, d])
        return answered

    def outage(self, d: int) -> float:
        outages = self.scenario.link.outages
        return float(outages.wait(np.array(self.env.now + self.work.phase[d]))) if outages else 0.0

    def index(self, j: int, d: int) -> int:
        return j * self.scenario.devices + d

    def answer(self, j: int, d: int, source: int) -> None:
        i = self.index(j, d)
        self.answers.latency[i] = self.env.now - self.work.arrival[j, d]
        self.answers.source[i] = source


class _Servers:
    """The servers of the event-by-event engine: one queue, from which each takes a batch at a time."""

    def __init__(self, env: simpy.Environment, server: SimulatedServer) -> None:
        self.env, self.server, self.idle, self.busy_seconds = env, server, server.servers, 0.0
        self.queue: deque[_Request] = deque()
        self.arrival = env.event()  # of the next request
        self.turn = simpy.Resource(env)  # one server at a time fills its batch
        for _ in range(server.servers):
            env.process(self.work())

    def request(self, seconds: float) -> Events:
        """Wait for the end of a request with this service time; the value is whether it was answered."""
        limit = self.server.queue_limit
        if limit is not None and len(self.queue) >= limit and len(self.queue) >= self.idle:
            return False
        request = _Request(self.env.now, seconds, self.env.event())
        self.queue.append(request)
        arrival, self.arrival = self.arrival, self.env.event()
        arrival.succeed()
        if self.server.request_seconds is None:
            yield request.done
        else:
            yield request.done | self.env.timeout(self.server.request_seconds)
        if request in self.queue:
            self.queue.remove(request)
        return request.done.triggered

    def work(self) -> Events:
        """The life of one server."""
        while True:
            with self.turn.request() as turn:
                yield turn
                yield from self.fill()
                batch = [self.queue.popleft() for _ in range(min(len(self.queue), self.server.largest_batch))]
                self.idle -= 1
            seconds = self.server.batch_seconds + sum(request.seconds for request in batch)
            self.busy_seconds += seconds
            yield self.env.timeout(seconds)
            self.idle += 1
            for request in batch:
                request.done.succeed()

    def fill(self) -> Events:
        """Wait for a request, then until the batch is full or the first has waited long enough."""
        while not self.queue:
            yield self.arrival
        remaining = self.queue[0].arrival + self.server.longest_wait - self.env.now
        if remaining > 0:
            enough = self.env.timeout(remaining)
            while len(self.queue) < self.server.largest_batch and not enough.processed:
                yield self.arrival | enough


class _Request(NamedTuple):
    """A request in the queue."""

    arrival: float
    seconds: float  # of service
    done: simpy.Event


def _decisions(scenario: Scenario, work: Workload) -> tuple[np.ndarray, np.ndarray]:
    """Which inputs are asked, and when each decision was made, (inputs, devices)."""
    device, r = scenario.device, scenario.predictions.r
    asked, decided = np.empty(work.arrival.shape, dtype=bool), np.empty(work.arrival.shape)
    free, n_asked = np.zeros(scenario.devices), np.zeros(scenario.devices, dtype=int)
    sends = device.exchange_seconds > 0
    for j in range(scenario.inputs):
        decided[j] = np.maximum(work.arrival[j], free) + device.decision_seconds
        answer = scenario.policy(Situation(work.example[j], r[work.example[j]], decided[j], j, n_asked))
        if np.shape(answer) != (scenario.devices,) or np.asarray(answer).dtype != bool:
            raise ValueError(
                f"expected a policy that answers with {scenario.devices} booleans for as many devices, got {answer!r}"
            )
        asked[j] = answer
        n_asked = n_asked + asked[j]
        free = decided[j] + np.where(asked[j] & sends, 0.0, device.label_seconds)
    return asked, decided


def _without_requests(scenario: Scenario, work: Workload, decided: np.ndarray) -> SimulatedAnswers:
    """The answers if all inputs are kept; an engine replaces those of the inputs that are asked."""
    latency = (decided + scenario.device.label_seconds - work.arrival).ravel()
    n = len(latency)
    device = np.tile(np.arange(scenario.devices), scenario.inputs)
    source, sent_at, exchange = np.full(n, KEPT, dtype=np.int8), np.full(n, np.nan), np.zeros(n)
    nothing = np.zeros(0, dtype=bool)
    return SimulatedAnswers(
        device, work.example.ravel(), work.arrival.ravel(), latency, source, nothing, sent_at, exchange, 0.0
    )


def _with_labels(scenario: Scenario, answers: SimulatedAnswers, busy_seconds: float) -> SimulatedAnswers:
    """The answers with their correctness."""
    p = scenario.predictions
    right_m, right_e = p.m == p.y, server_label(p.e) == p.y
    correct = np.where(answers.source == SERVER, right_e[answers.example], right_m[answers.example])
    return answers._replace(correct=correct, busy_seconds=busy_seconds)


def _served(server: SimulatedServer, arrival: np.ndarray, service: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """When each request has its answer or refusal, which it is, and how long the servers worked."""
    order = np.argsort(arrival, kind="stable")
    start, finish = _queue(server, arrival[order], service[order])
    spans = np.stack([start, finish], axis=1)[np.isfinite(start)]
    if server.batches:  # all requests of a batch have its times
        spans = np.unique(spans, axis=0)
    given_up = arrival[order] + server.patience
    left, refused = np.empty_like(arrival), np.empty(len(arrival), dtype=bool)
    left[order] = np.minimum(finish, given_up)
    refused[order] = np.isnan(start) | (finish > given_up)
    return left, refused, float((spans[:, 1] - spans[:, 0]).sum())


def _queue(server: SimulatedServer, arrival: np.ndarray, service: np.ndarray) -> queues.Served:
    k, waiting, patience = server.servers, server.queue_limit, server.patience
    if server.batches:
        return queues.batching_servers(
            arrival,
            service,
            servers=k,
            largest_batch=server.largest_batch,
            batch_seconds=server.batch_seconds,
            longest_wait=server.longest_wait,
            waiting=waiting,
            patience=patience,
        )
    if k == 1 and waiting is None and server.request_seconds is None:
        return queues.single_server(arrival, service)
    return queues.several_servers(arrival, service, servers=k, waiting=waiting, patience=patience)


def _refuse_feedback(scenario: Scenario) -> None:
    reasons = {
        "breaker=None": scenario.device.breaker is not None,
        "one_at_a_time=False": scenario.device.one_at_a_time,
    }
    if found := [name for name, present in reasons.items() if present]:
        raise ValueError(f"expected {', '.join(found)} at scale; simulate_events has the others")
