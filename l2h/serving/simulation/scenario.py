"""What is simulated: policies, devices and servers, a scenario of them, all that is random in it, and its answers.

What happens to an input, in this order:

1. It arrives at its device and waits until the device has decided on those before it.
2. The device computes r, and m as well if `client_first`; a policy decides whether to ask.
3. Kept: the device computes m, if it has not. That is the answer.
4. Asked: the input goes over the link to the servers, waits in their queue, is served, perhaps in a batch, and e comes
   back. If that has not happened by the deadline, or the servers refuse it, or the circuit breaker is open, the device
   computes m, if it has not, and answers with it: the fallback. The servers work on an input even if its device has
   stopped waiting, since they do not know.

The latency of an answer is the time from 1 until the device has its label, in seconds.

All that is random is drawn beforehand (`draw_workload`), so that two policies, or two engines of
`l2h.serving.simulation.simulate`, meet the same inputs, delays and service times.

A simulated device with a deadline and `BreakerRule()` does as `l2h.serving.device`, with `one_at_a_time` as one that a
single thread calls; a `SimulatedServer` with limits of its queue and of a request's time as `l2h.serving.http.server`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from l2h import checks
from l2h.problem import Predictions, asks
from l2h.serving.simulation.links import Link, Quantiles, Radio

KEPT, SERVER, FALLBACK = range(3)  # where the label of an answer comes from


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
