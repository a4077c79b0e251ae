"""A deployment, simulated: devices, a link and servers, with the predictions of a trained system.

What happens to an input, in this order:

1. It arrives at its device and waits until the device has decided on those before it.
2. The device computes r, and m as well if `client_first`; a policy decides whether to ask.
3. Kept: the device computes m, if it has not. That is the answer.
4. Asked: the input goes over the link to the servers, waits in their queue, is served, perhaps in a batch, and e comes
   back. If that has not happened by the deadline, or the servers refuse it, or the circuit breaker is open, the device
   computes m, if it has not, and answers with it: the fallback. The servers work on an input even if its device has
   stopped waiting, since they do not know.

The latency of an answer is the time from 1 until the device has its label, in seconds.

All that is random is drawn beforehand (`draw_workload`), so that two policies, or two engines, meet the same inputs,
delays and service times. Two engines compute it: `simulate_events`, event by event with SimPy, has everything above.
`simulate_at_scale` computes the same for a million devices in seconds. It needs devices that do not react to the
servers: no breaker, and no device that waits for an answer before it looks at its next input.

A simulated device with a deadline and `BreakerRule()` does as `l2h.serving.device`, with `one_at_a_time` as one that a
single thread calls; a `SimulatedServer` with limits of its queue and of a request's time as `l2h.serving.http.server`.
"""

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import simpy

from l2h import checks
from l2h.problem import Predictions, asks, server_label
from l2h.serving.breaker import Breaker, Permit
from l2h.serving.simulation import queues
from l2h.serving.simulation.links import Link, Quantiles, Radio

KEPT, SERVER, FALLBACK = range(3)  # where the label of an answer comes from
Events = Generator[simpy.Event, Any, Any]


class Situation(NamedTuple):
    """What a policy may look at; numbers, or in `simulate_at_scale` arrays with one entry per device."""

    example: Any  # index of the input in the arrays of `Predictions`
    r: Any  # the rejector's score of the input
    time: Any  # seconds since the start
    seen: Any  # number of inputs on which the device has decided before
    asked: Any  # number of those for which it decided to ask


# Whether to ask, from a `Situation`; one of the reader's own works in both engines if its operators work on arrays.
OffloadPolicy = Callable[[Situation], Any]


def keep_always(situation: Situation) -> Any:
    """The client alone."""
    return np.zeros(np.shape(situation.r), dtype=bool)


def ask_always(situation: Situation) -> Any:
    """The server for every input."""
    return np.ones(np.shape(situation.r), dtype=bool)


def follow_rejector(situation: Situation) -> Any:
    """Ask where r <= 0: learning to help, or any method that is trained to decide by the sign of r."""
    return asks(situation.r)


def ask_below(confidence: np.ndarray, threshold: float) -> OffloadPolicy:
    """Ask where the client's confidence is at most a threshold.

    Args:
        confidence: (n,) of the client on each example of the predictions.
        threshold: of it.
    """
    return lambda situation: asks(confidence[situation.example] - threshold)


def within_budget(share: float, window: int = 0) -> OffloadPolicy:
    """Ask where r <= 0, as long as at most share * (n + window) of the n inputs of a device so far are asked.

    Args:
        share: of inputs, in [0, 1].
        window: inputs whose budget a device has in advance, >= 0.
    """
    checks.probabilities(share=share)
    checks.integer(0, window=window)
    return lambda situation: asks(situation.r) & (situation.asked + 1 <= share * (situation.seen + 1 + window))


@dataclass(frozen=True)
class BreakerRule:
    """Options of each device's circuit breaker; `l2h.serving.breaker` defines it.

    Args:
        failures, window, pause: as `Breaker`; seconds for the last two.
    """

    failures: int = 3
    window: float = 3.0
    pause: float = 5.0


@dataclass(frozen=True)
class SimulatedDevice:
    """What a device needs for its own computations, and how it treats the server.

    Args:
        rejector_seconds: for r, >= 0.
        client_seconds: for m, >= 0.
        rejector_joules: for r, >= 0; energy counts what is used beyond an idle device.
        client_joules: for m, >= 0.
        client_first: whether m is computed before each decision, so that a fallback is ready, and a policy may read the
            client's confidence; if not, m is computed only where it is the answer.
        deadline: seconds from the beginning of its computations until the server's answer has to be there; None: it
            waits. Without time for a request none is sent.
        one_at_a_time: whether it looks at its next input only when it has the answer to this one. Otherwise a
            fallback computes m beside the decisions on later inputs, in a thread of its own.
        breaker: None: it asks however often the servers failed.

    Raises:
        ValueError: if a number is out of range.
    """

    rejector_seconds: float
    client_seconds: float
    rejector_joules: float = 0.0
    client_joules: float = 0.0
    client_first: bool = True
    deadline: float | None = None
    one_at_a_time: bool = False
    breaker: BreakerRule | None = None

    def __post_init__(self) -> None:
        names = ("rejector_seconds", "client_seconds", "rejector_joules", "client_joules")
        checks.at_least(0, **{name: getattr(self, name) for name in names})
        checks.positive(deadline=1.0 if self.deadline is None else self.deadline)

    @property
    def decision_seconds(self) -> float:
        """Seconds until it has decided on an input."""
        return self.rejector_seconds + self.client_first * self.client_seconds

    @property
    def exchange_seconds(self) -> float:
        """Seconds that a decision leaves for an exchange with the servers, inf without a deadline."""
        return np.inf if self.deadline is None else max(0.0, self.deadline - self.decision_seconds)

    @property
    def label_seconds(self) -> float:
        """Seconds from the decision until it has m."""
        return 0.0 if self.client_first else self.client_seconds


@dataclass(frozen=True)
class SimulatedServer:
    """Servers with one queue, first in, first out.

    Args:
        seconds: service times of one input within a batch.
        servers: how many, >= 1.
        largest_batch: inputs that a server takes at a time, >= 1.
        batch_seconds: seconds of a batch beside those of its inputs, >= 0.
        longest_wait: seconds for which a free server waits for a batch to fill, >= 0.
        queue_limit: inputs that may wait; more are refused at once. None: no limit.
        request_seconds: from its arrival, after which a request is refused; until then it waits, and if its batch has
            begun, the server goes on with it. More than `longest_wait`. None: no limit.

    Raises:
        ValueError: if a number is out of range.
    """

    seconds: Quantiles
    servers: int = 1
    largest_batch: int = 1
    batch_seconds: float = 0.0
    longest_wait: float = 0.0
    queue_limit: int | None = None
    request_seconds: float | None = None

    def __post_init__(self) -> None:
        checks.integer(1, servers=self.servers, largest_batch=self.largest_batch)
        checks.at_least(0, batch_seconds=self.batch_seconds, longest_wait=self.longest_wait)
        checks.integer(0, queue_limit=0 if self.queue_limit is None else self.queue_limit)
        if self.request_seconds is not None:
            checks.positive(**{"request_seconds - longest_wait": self.request_seconds - self.longest_wait})

    @property
    def batches(self) -> bool:
        """Whether its service differs from one request after the other."""
        return self.largest_batch > 1 or self.batch_seconds > 0 or self.longest_wait > 0

    @property
    def patience(self) -> float:
        """`request_seconds`, inf without a limit."""
        return np.inf if self.request_seconds is None else self.request_seconds


@dataclass(frozen=True)
class Scenario:
    """A deployment to simulate.

    Args:
        predictions: of a trained system, on the examples from which the inputs are drawn, with replacement.
        policy: decides who is asked.
        device: of each device; all are alike.
        link: of each device to the servers; outages begin at another place of their pattern on each device.
        server: the servers.
        sent: bytes of a request, >= 0.
        received: bytes of an answer, >= 0.
        devices: how many, >= 1.
        inputs: how many each device gets, >= 1.
        rate: inputs per second and device, > 0. They arrive as a Poisson process of which it is known that exactly
            `inputs` of them arrive within `duration`, so that the rate is the same from the first second to the last.
        radio: energy of exchanges.
        seed: of everything random.

    Raises:
        ValueError: if a number is out of range.
    """

    predictions: Predictions
    policy: OffloadPolicy
    device: SimulatedDevice
    link: Link
    server: SimulatedServer
    sent: float
    received: float
    devices: int
    inputs: int
    rate: float
    radio: Radio = field(default_factory=Radio)
    seed: int = 0

    def __post_init__(self) -> None:
        checks.at_least(0, sent=self.sent, received=self.received)
        checks.integer(1, devices=self.devices, inputs=self.inputs)
        checks.integer(0, seed=self.seed)
        checks.positive(rate=self.rate)
        if not callable(self.policy):
            raise ValueError(f"expected a policy that can be called with a Situation, got {self.policy!r}")

    @property
    def duration(self) -> float:
        """Seconds within which all inputs arrive."""
        return self.inputs / self.rate

    def with_policy(self, policy: OffloadPolicy, **changes: Any) -> "Scenario":
        """The same deployment with another policy, and perhaps other changes; its random numbers stay."""
        return replace(self, policy=policy, **changes)


Engine = Callable[[Scenario], "SimulatedAnswers"]


class Workload(NamedTuple):
    """All random numbers of a simulation; arrays of shape (inputs, devices), times in seconds."""

    arrival: np.ndarray  # when the input arrives at its device
    example: np.ndarray  # index of the input in the predictions
    up: np.ndarray  # delay of its request, should it be sent
    down: np.ndarray  # delay of the answer
    service: np.ndarray  # service time
    phase: np.ndarray  # (devices,) where in the pattern of outages a device begins


class SimulatedAnswers(NamedTuple):
    """All n = inputs * devices answers of a simulation, (n,) each: the first inputs of all devices, then the second."""

    device: np.ndarray  # index of the device
    example: np.ndarray  # index of the input in the predictions
    arrival: np.ndarray  # seconds
    latency: np.ndarray  # seconds from the arrival until the device has its label
    source: np.ndarray  # KEPT, SERVER or FALLBACK
    correct: np.ndarray  # whether the label is the true one
    sent_at: np.ndarray  # seconds at which a request was sent; NaN without one
    exchange: np.ndarray  # seconds from there until the answer, a refusal or the deadline; 0 without a request
    busy_seconds: float  # time that the servers worked, all together

    @property
    def sent(self) -> np.ndarray:
        """Whether a request was sent, (n,)."""
        return np.isfinite(self.sent_at)


def draw_workload(scenario: Scenario) -> Workload:
    """Draw what is random; policy, device and number of servers do not change it.

    Args:
        scenario: with `inputs`, `devices`, `rate`, `seed`, and the distributions of link and server.

    Returns:
        `Workload`.
    """
    shape = (scenario.inputs, scenario.devices)
    # Not [seed, 1, 0], ...: NumPy takes it for [seed, 1], which is a stream of `Link.delays`.
    arrivals, examples, services, phases = np.random.default_rng(scenario.seed).spawn(4)
    delays = scenario.link.delays(shape, sent=scenario.sent, received=scenario.received, seed=scenario.seed)
    outages = scenario.link.outages
    # The share of the sum of n + 1 exponential numbers that the first k make up is the k-th of n sorted uniform ones.
    gaps = np.cumsum(arrivals.standard_exponential((scenario.inputs + 1, scenario.devices)), axis=0)
    return Workload(
        arrival=scenario.duration * gaps[:-1] / gaps[-1],
        example=examples.integers(len(scenario.predictions.y), size=shape),
        up=delays.up,
        down=delays.down,
        service=scenario.server.seconds.at(services.random(shape)),
        phase=phases.random(scenario.devices) * (outages.period if outages else 0.0),
    )


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
    """Simulate a deployment event by event, with SimPy: everything that the module describes.

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
