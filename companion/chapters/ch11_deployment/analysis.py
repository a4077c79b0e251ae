"""Analysis of chapter 11: simulated deployments by link, policy, number of devices, and assumption."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from companion.chapters.ch11_deployment.deployments import (
    LIMIT_SECONDS,
    LINKS,
    POLICIES,
    RATE,
    RUNNING_PRICES,
    SERVICE_SECONDS,
    TARGET_LOAD,
    PolicyRule,
    deployed_link,
    deployment,
)
from l2h.evaluation.curves import accuracy_at_coverage
from l2h.evaluation.intervals import Interval, format_interval, pointwise_t_intervals
from l2h.problem import Predictions
from l2h.serving.simulation.links import Quantiles, Radio
from l2h.serving.simulation.outcomes import CapacityPoint, Summary, bands, capacity, most_devices, summary_of
from l2h.serving.simulation.scenario import Scenario, SimulatedServer
from l2h.serving.simulation.simulate import simulate_at_scale

SERVED = ("ask", "confidence", "learning to help", "budgeted")  # the policies that need a server
CAPACITY_INPUTS = 50  # images of each device where a server may be overloaded
MOST_DEVICES, SEARCHED_INPUTS = 10_000, 5000  # where the search for the most devices ends; inputs of a simulation
COUNTED_DEVICES = 1000  # in a simulation that gives the share that is sent
SHARES = np.linspace(0, 1, 401)
SystemsBySeed = Sequence[Mapping[str, Predictions]]


def simulated(scenario: Scenario) -> Summary:
    """The summary of a simulation at the chapter's prices; without requests no server is paid."""
    answers = simulate_at_scale(scenario)
    paid = RUNNING_PRICES if answers.sent.any() else replace(RUNNING_PRICES, server_second=0.0)
    return summary_of(scenario, answers, prices=paid)


def summaries_over_links(
    systems: SystemsBySeed, *, devices: int, radio: Radio, policies: Mapping[str, PolicyRule] = POLICIES
) -> dict[tuple[str, str], list[Summary]]:
    """Simulations of every policy over every link.

    Args:
        systems: per seed: name -> predictions.
        devices: how many.
        radio: of each device.
        policies: by name.

    Returns:
        (link, policy) -> one summary per seed.
    """
    found = {}
    for link_name in LINKS:
        link = deployed_link(link_name)
        for name, rule in policies.items():
            scenarios = [deployment(rule, seed, link, devices=devices, radio=radio) for seed in systems]
            found[link_name, name] = [simulated(scenario) for scenario in scenarios]
    return found


def deployed_policy_table(summaries: Mapping[tuple[str, str], Sequence[Summary]], link: str) -> pd.DataFrame:
    """What each policy achieves over one link: means over seeds, the accuracy with its interval.

    Args:
        summaries: (link, policy) -> one summary per seed.
        link: one of LINKS.

    Returns:
        One row per policy; seconds, joules and money per answer.
    """
    columns = ("sent_share", "fallback_share", "latency_p50", "latency_p99", "joules", "money")
    rows = {}
    for (link_name, policy), by_seed in summaries.items():
        if link_name == link:
            found = bands(by_seed)
            rows[policy] = {"accuracy": format_interval(found["accuracy"])}
            rows[policy] |= {name: found[name].estimate for name in columns}
    table = pd.DataFrame(rows).T.rename_axis("policy").rename(columns={"money": "money per million"})
    table["money per million"] *= 1e6
    names = {name: name.replace("_", " ").replace("latency p", "latency, s, p") for name in table}
    return table.rename(columns=names)


def bands_over_links(summaries: Mapping[tuple[str, str], Sequence[Summary]], quantity: str) -> dict[str, Interval]:
    """A quantity over all links: its mean over seeds, with pointwise intervals.

    Args:
        summaries: (link, policy) -> one summary per seed.
        quantity: a field of `Summary`.

    Returns:
        Policy -> means and limits, one entry per link.
    """
    values: dict[str, list[list[float]]] = {}
    for (_, policy), by_seed in summaries.items():
        values.setdefault(policy, []).append([getattr(summary, quantity) for summary in by_seed])
    return {policy: pointwise_t_intervals(np.transpose(by_link)) for policy, by_link in values.items()}


def one_server(rule: PolicyRule, seed: Mapping[str, Predictions], devices: int = 1) -> Scenario:
    """Devices without a limit of time, on LTE and one server, where latency shows how long the queue is."""
    server = SimulatedServer(Quantiles.constant(SERVICE_SECONDS))
    link = deployed_link("LTE")
    scenario = deployment(rule, seed, link, devices=devices, server=server, inputs=CAPACITY_INPUTS)
    return replace(scenario, device=replace(scenario.device, deadline=None))


def capacity_bands(systems: SystemsBySeed, device_counts: Sequence[int]) -> dict[str, Interval]:
    """The 99th percentile of the latency of what is sent, against devices per server.

    Args:
        systems: per seed: name -> predictions.
        device_counts: devices of one server.

    Returns:
        Policy -> means over seeds in seconds, and limits, one entry per count.
    """
    found = {}
    for name in SERVED:
        points = [capacity(one_server(POLICIES[name], seed), device_counts) for seed in systems]
        found[name] = pointwise_t_intervals([_sent_p99(each) for each in points])
    return found


def _sent_p99(points: Sequence[CapacityPoint]) -> list[float]:
    return [point.summary.sent_p99 for point in points]


def most_devices_table(systems: SystemsBySeed, *, steps: int) -> pd.DataFrame:
    """The most devices of one server whose requests keep the limit in 99 of 100 cases, and what follows for a million.

    Args:
        systems: per seed: name -> predictions.
        steps: of the bisection.

    Returns:
        One row per policy; means over seeds.
    """
    rows = {}
    for name in SERVED:
        scenarios = [one_server(POLICIES[name], seed, COUNTED_DEVICES) for seed in systems]
        counts = [
            most_devices(scenario, sent_p99=LIMIT_SECONDS, upper=MOST_DEVICES, steps=steps, total=SEARCHED_INPUTS)
            for scenario in scenarios
        ]
        rows[name] = {
            "share that is sent": np.mean([simulated(scenario).sent_share for scenario in scenarios]),
            "devices per server": np.mean(counts),
            "servers for a million devices": np.mean(np.divide(1e6, counts)),
        }
    return pd.DataFrame(rows).T.rename_axis("policy")


def least_share(predictions: Predictions, accuracy: float) -> float:
    """The least share of inputs that a system has to send to reach an accuracy; NaN if no share does.

    Args:
        predictions: of the system, whose threshold is varied.
        accuracy: at least this one.
    """
    enough = SHARES[accuracy_at_coverage(predictions, 1 - SHARES) >= accuracy]
    return float(enough.min()) if len(enough) else float("nan")


def servers_at_equal_accuracy(systems: SystemsBySeed, shares: Sequence[float] = (0.1, 0.2, 0.3)) -> pd.DataFrame:
    """Servers for a million devices that give learning to help the accuracy of confidence.

    Args:
        systems: per seed: name -> predictions.
        shares: that confidence sends.

    Returns:
        One row per share; means over the seeds that reach the accuracy, and how many those are.
    """
    rows = {}
    for share in shares:
        targets = [float(accuracy_at_coverage(seed["confidence"], 1 - share)) for seed in systems]
        pairs = zip(systems, targets, strict=True)
        needed = np.array([least_share(seed["learning to help"], target) for seed, target in pairs])
        reached = needed[np.isfinite(needed)]
        mean = float(reached.mean()) if len(reached) else float("nan")
        rows[share] = {
            "accuracy": np.mean(targets),
            "servers, confidence": _servers_of_a_million(share),
            "learning to help sends": mean,
            "servers, learning to help": _servers_of_a_million(mean),
            "seeds that reach it": len(reached),
        }
    return pd.DataFrame(rows).T.rename_axis("confidence sends")


def _servers_of_a_million(share: float) -> float:
    return 1e6 * RATE * share * SERVICE_SECONDS / TARGET_LOAD


def many_devices_table(systems: Mapping[str, Predictions], devices: int) -> pd.DataFrame:
    """All devices at once, on the servers that each policy needs at the target load.

    Args:
        systems: name -> predictions, of one seed.
        devices: how many.

    Returns:
        One row per policy.
    """
    rows = {}
    for name in ("ask", "learning to help"):
        scenario = deployment(POLICIES[name], systems, deployed_link("LTE"), devices=devices)
        summary = simulated(scenario)
        rows[name] = {
            "devices": devices,
            "answers": devices * scenario.inputs,
            "servers": scenario.server.servers,
            "load": summary.load,
            "accuracy": summary.accuracy,
            "latency, s, p50": summary.latency_p50,
            "latency, s, p99": summary.latency_p99,
            "within the limit": 1 - summary.fallback_share / summary.sent_share,
        }
    return pd.DataFrame(rows).T.rename_axis("policy")


class Variant(NamedTuple):
    """A change of one assumption of a deployment."""

    name: str
    change: Callable[[Scenario], Scenario]


VARIANTS = (
    Variant("all as assumed", lambda s: s),
    Variant("median latency for every message", lambda s: replace(s, link=s.link.without_variation())),
    Variant("no outages", lambda s: replace(s, link=replace(s.link, outages=None))),
    Variant("no losses", lambda s: replace(s, link=replace(s.link, loss=0.0))),
    Variant("exponential service times", lambda s: replace(s, server=replace(s.server, seconds=exponential()))),
    Variant("batches of up to 16", lambda s: replace(s, server=in_batches(s.server))),
    Variant("half the limit", lambda s: replace(s, device=replace(s.device, deadline=LIMIT_SECONDS / 2))),
    Variant("the client first", lambda s: replace(s, device=replace(s.device, client_first=True))),
    Variant("half the power of the radio", lambda s: replace(s, radio=scaled_power(s.radio, 0.5))),
    Variant("twice the power of the radio", lambda s: replace(s, radio=scaled_power(s.radio, 2.0))),
    Variant("a tail of the radio of 1 s", lambda s: replace(s, radio=replace(s.radio, tail_seconds=1.0))),
    Variant("no tail of the radio", lambda s: replace(s, radio=replace(s.radio, tail_watts=0.0))),
    Variant("four times slower inputs", lambda s: replace(s, rate=RATE / 4)),
)


def exponential(mean: float = SERVICE_SECONDS, n: int = 2000) -> Quantiles:
    """The exponential distribution by n quantiles, its tail cut at the last but one."""
    inner = np.arange(n) / n
    values = -mean * np.log1p(-np.append(inner, inner[-1]))
    return Quantiles((*(100 * inner), 100.0), tuple(values))


def in_batches(server: SimulatedServer) -> SimulatedServer:
    """Servers whose first image of a batch takes as long as before, and each further one half of it."""
    half = SERVICE_SECONDS / 2
    return replace(server, seconds=Quantiles.constant(half), batch_seconds=half, largest_batch=16)


def scaled_power(radio: Radio, factor: float) -> Radio:
    """A radio that needs `factor` times the energy for everything."""
    return Radio(**{name: value * (1.0 if name == "tail_seconds" else factor) for name, value in vars(radio).items()})


def sensitivity_table(systems: SystemsBySeed, *, devices: int, radio: Radio) -> pd.DataFrame:
    """Learning to help over LTE with outages, with one assumption changed at a time; means over seeds.

    Args:
        systems: per seed: name -> predictions.
        devices: how many.
        radio: of each device, as assumed.

    Returns:
        One row per assumption.
    """
    columns = ("accuracy", "fallback_share", "latency_p50", "latency_p99", "joules", "load")
    link, rule, rows = deployed_link("LTE, outages"), POLICIES["learning to help"], {}
    for variant in VARIANTS:
        scenarios = [deployment(rule, seed, link, devices=devices, radio=radio) for seed in systems]
        by_seed = [simulated(variant.change(scenario)) for scenario in scenarios]
        rows[variant.name] = {name: np.mean([getattr(summary, name) for summary in by_seed]) for name in columns}
    return pd.DataFrame(rows).T.rename_axis("assumption")
