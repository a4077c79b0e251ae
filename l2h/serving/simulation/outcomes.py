"""What a simulated deployment achieves: accuracy, latency, energy, money and loss; capacity; implied costs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from l2h import checks
from l2h.evaluation.intervals import Interval, pointwise_t_intervals
from l2h.evaluation.metrics import system_loss
from l2h.evaluation.thresholds import tuned_on_validation
from l2h.pricing import OffloadCost, UnitPrices, costs_from_prices
from l2h.problem import Costs, Predictions
from l2h.serving.simulation.scenario import FALLBACK, SERVER, Engine, Scenario, SimulatedAnswers, keep_always
from l2h.serving.simulation.simulate import simulate_at_scale


@dataclass(frozen=True)
class RunningPrices:
    """What is paid for running a deployment, in one currency.

    Args:
        byte: of traffic, in either direction, >= 0.
        joule: from the battery, >= 0.
        request: fee of one request, >= 0.
        server_second: of one server, whether it works or not, >= 0.

    Raises:
        ValueError: if a price is negative or not finite.
    """

    byte: float = 0.0
    joule: float = 0.0
    request: float = 0.0
    server_second: float = 0.0

    def __post_init__(self) -> None:
        checks.at_least(0, **vars(self))


class Summary(NamedTuple):
    """Means over all answers of a simulation, unless stated otherwise."""

    accuracy: float  # share of answers with the true label
    latency: float  # seconds from the arrival of an input until its device has the label
    latency_p50: float  # its median
    latency_p99: float  # its 99th percentile
    sent_p99: float  # the 99th percentile of the inputs for which a request was sent; NaN without one
    sent_share: float  # share of inputs for which a request was sent
    server_share: float  # share of answers with the server's label
    fallback_share: float  # share of answers with the client's label though the policy decided to ask
    joules: float  # from the battery of the device, beyond an idle device: computation and radio
    bytes: float  # on the link, in both directions
    money: float  # paid for traffic, energy, requests and servers
    load: float  # seconds that a server works over those in which inputs arrive; above 1 in overload
    loss: float  # generalized 0-1 loss: an error of the client costs 1, one of the server c1, a request ce


def summary_of(
    scenario: Scenario, answers: SimulatedAnswers, *, costs: Costs = Costs(), prices: RunningPrices = RunningPrices()
) -> Summary:
    """Summarize the answers of a simulation.

    Args:
        scenario: of the simulation.
        answers: of an engine.
        costs: c1 and ce of the loss.
        prices: of the running deployment.

    Returns:
        `Summary`.
    """
    sent, from_server = answers.sent, answers.source == SERVER
    joules, traffic = joules_per_answer(scenario, answers).mean(), bytes_per_answer(scenario, answers).mean()
    server_seconds = scenario.server.servers * scenario.duration
    server_money = prices.server_second * server_seconds / len(sent)
    error_cost = np.where(from_server, costs.c1, 1.0) * ~answers.correct
    p50, p99 = np.percentile(answers.latency, [50, 99])
    return Summary(
        accuracy=float(answers.correct.mean()),
        latency=float(answers.latency.mean()),
        latency_p50=float(p50),
        latency_p99=float(p99),
        sent_p99=float(np.percentile(answers.latency[sent], 99)) if sent.any() else float("nan"),
        sent_share=float(sent.mean()),
        server_share=float(from_server.mean()),
        fallback_share=float((answers.source == FALLBACK).mean()),
        joules=float(joules),
        bytes=float(traffic),
        money=float(prices.byte * traffic + prices.joule * joules + prices.request * sent.mean() + server_money),
        load=answers.busy_seconds / server_seconds,
        loss=float((error_cost + costs.ce * sent).mean()),
    )


def joules_per_answer(scenario: Scenario, answers: SimulatedAnswers) -> np.ndarray:
    """Energy that each answer takes from its device's battery, beyond an idle device.

    It is that of r; of m, where it was computed; of the bytes; of the radio during the exchange; and of the radio's
    tail after it, which ends where the device's next exchange begins.

    Args:
        scenario: of the simulation.
        answers: of an engine.

    Returns:
        (n,) joules.
    """
    device, radio = scenario.device, scenario.radio
    joules = np.full(len(answers.latency), float(device.rejector_joules))
    joules += device.client_joules * (device.client_first | (answers.source != SERVER))
    sent = answers.sent
    joules[sent] += radio.joules_per_byte_sent * scenario.sent + radio.watts * answers.exchange[sent]
    joules[answers.source == SERVER] += radio.joules_per_byte_received * scenario.received
    if radio.tail_watts and radio.tail_seconds:
        joules[sent] += radio.tail_watts * _tails(answers, sent, radio.tail_seconds)
    return joules


def bytes_per_answer(scenario: Scenario, answers: SimulatedAnswers) -> np.ndarray:
    """Bytes of each answer's request and of the server's answer, if it came in time, (n,)."""
    return scenario.sent * answers.sent + scenario.received * (answers.source == SERVER)


def _tails(answers: SimulatedAnswers, sent: np.ndarray, tail_seconds: float) -> np.ndarray:
    """How long the radio of each sender stays awake after its exchange."""
    device, begin = answers.device[sent], answers.sent_at[sent]
    end = begin + answers.exchange[sent]
    order = np.lexsort((begin, device))
    gap = np.full(len(order), np.inf)
    following = device[order[1:]] == device[order[:-1]]
    gap[:-1][following] = (begin[order[1:]] - end[order[:-1]])[following]
    tails = np.empty_like(gap)
    tails[order] = np.clip(gap, 0.0, tail_seconds)
    return tails


def bands(summaries: Iterable[Summary], *, level: float = 0.95) -> dict[str, Interval]:
    """Each quantity's mean over simulations of systems trained with several seeds, with Student's t interval.

    Args:
        summaries: one per seed; for fewer than three seeds the limits are the smallest and the largest value.
        level: of confidence.

    Returns:
        Name of the quantity -> interval; quantities that are NaN for a seed are left out.
    """
    table = np.array([tuple(summary) for summary in summaries], dtype=float)
    checks.at_least(1, summaries=len(table))
    known = np.isfinite(table).all(axis=0)
    names = [name for name, present in zip(Summary._fields, known, strict=True) if present]
    columns = zip(*pointwise_t_intervals(table[:, known], level=level), strict=True)
    return {name: Interval(*map(float, limits)) for name, limits in zip(names, columns, strict=True)}


class CapacityPoint(NamedTuple):
    """A deployment of one size."""

    devices_per_server: float
    summary: Summary


def capacity(
    scenario: Scenario,
    devices: Sequence[int],
    *,
    costs: Costs = Costs(),
    prices: RunningPrices = RunningPrices(),
    engine: Engine = simulate_at_scale,
) -> list[CapacityPoint]:
    """What a growing number of devices gets from the same servers.

    Each device gets `scenario.inputs` inputs, so that all sizes are simulated for about the same time. Above capacity
    the queue, and with it the latency, grows until the last input: longer simulations then give larger numbers.

    Args:
        scenario: whose number of devices is replaced; call this once per policy.
        devices: numbers of devices.
        costs: of the loss.
        prices: of the running deployment.
        engine: `simulate_at_scale` or `simulate_events`.

    Returns:
        One point for each number of devices.
    """
    points = []
    for n in devices:
        sized = replace(scenario, devices=n)
        summary = summary_of(sized, engine(sized), costs=costs, prices=prices)
        points.append(CapacityPoint(n / scenario.server.servers, summary))
    return points


def most_devices(scenario: Scenario, *, sent_p99: float, upper: int, steps: int = 12, total: int = 20_000) -> int:
    """The most devices whose inputs for the server keep a 99th percentile of latency, by bisection.

    Args:
        scenario: whose number of devices is replaced.
        sent_p99: seconds, the largest allowed `Summary.sent_p99`.
        upper: number of devices at which the search ends, >= 2.
        steps: of the bisection on the logarithm.
        total: the least number of inputs of all devices together, >= 1: few devices get more than `scenario.inputs`,
            since a percentile of few latencies is not a property of the deployment.

    Returns:
        From 0 to `upper`; `upper` if that many still keep the limit, as do devices that never ask.
    """
    checks.positive(sent_p99=sent_p99)
    checks.integer(2, upper=upper)
    checks.integer(1, total=total)

    def keeps(n: int) -> bool:
        (point,) = capacity(replace(scenario, inputs=max(scenario.inputs, -(-total // n))), [n])
        return not point.summary.sent_p99 > sent_p99

    if keeps(upper):
        return upper
    if not keeps(1):
        return 0
    low, high = 1, upper
    for _ in range(steps):
        middle = round((low * high) ** 0.5)
        if middle in (low, high):
            break
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low


class ExtraPerRequest(NamedTuple):
    """What a request needs beyond an answer of the device alone; negative where asking needs less."""

    seconds: float
    bytes: float
    joules: float
    fee: float  # money


def extra_per_request(asking: Summary, keeping: Summary, *, fee: float = 0.0) -> ExtraPerRequest:
    r"""What one request needs, from two simulations of the same deployment.

    .. math:: \frac{\text{mean of the one that asks} - \text{mean of the one that never asks}}{\text{share of requests}}

    Args:
        asking: with any policy that sends requests.
        keeping: with `keep_always`, on a device without a rejector if its cost shall count.
        fee: of one request, money, >= 0.

    Returns:
        `ExtraPerRequest`.

    Raises:
        ValueError: if the first sent no request, or the second sent one.
    """
    checks.positive(**{"share of requests of asking": asking.sent_share})
    if keeping.sent_share:
        raise ValueError(f"expected keeping without requests, got a share of {keeping.sent_share:g}")
    checks.at_least(0, fee=fee)
    seconds, traffic, joules = (
        (getattr(asking, name) - getattr(keeping, name)) / asking.sent_share for name in ("latency", "bytes", "joules")
    )
    return ExtraPerRequest(seconds, traffic, joules, fee)


def implied_costs(extra: ExtraPerRequest, prices: UnitPrices) -> Costs:
    """The costs (c1, ce) that a link, a battery and prices imply; `l2h.pricing` defines them.

    Args:
        extra: what a request needs.
        prices: unit prices.

    Returns:
        (c1, ce).

    Raises:
        ValueError: if a request saves more than it costs, so that no ce >= 0 describes it.
    """
    price = extra.fee + 1000 * extra.seconds * prices.millisecond
    price += extra.bytes * prices.byte + extra.joules * prices.joule
    if price < 0:
        raise ValueError(f"expected a request with a price >= 0, got {price:g}: asking saves more than it costs")
    return costs_from_prices(OffloadCost(fee=price), prices)


class WrongCost(NamedTuple):
    """The loss of a system that was trained for one ce, at the true costs."""

    trained_ce: float
    loss: float  # with the rejector as trained
    retuned_loss: float  # with the threshold that has the smallest loss on validation data at the true costs
    excess: float  # of `loss` over the smallest `loss` of all systems


def losses_of_wrong_costs(
    test: Mapping[float, Predictions], validation: Mapping[float, Predictions], *, costs: Costs
) -> list[WrongCost]:
    """What it costs to have trained for a wrong ce, and what of it a new threshold recovers.

    Args:
        test: ce of the training -> predictions on the test split.
        validation: the same systems on the validation split.
        costs: the true c1 and ce.

    Returns:
        One entry for each ce of the training, rising.

    Raises:
        ValueError: if there is no system, or the two mappings name different ce.
    """
    if not test or set(test) != set(validation):
        raise ValueError(f"expected the same ce in both, at least one, got {sorted(test)} and {sorted(validation)}")
    trained = sorted(test)
    losses = [system_loss(test[ce], costs=costs) for ce in trained]
    retuned = tuned_on_validation([validation[ce] for ce in trained], [test[ce] for ce in trained], costs=costs)
    return [
        WrongCost(ce, loss, system_loss(tuned, costs=costs), loss - min(losses))
        for ce, loss, tuned in zip(trained, losses, retuned, strict=True)
    ]


def keep_baseline(scenario: Scenario) -> Scenario:
    """The same deployment without rejector and server: the client alone answers."""
    device = replace(scenario.device, rejector_seconds=0.0, rejector_joules=0.0)
    return scenario.with_policy(keep_always, device=device)
