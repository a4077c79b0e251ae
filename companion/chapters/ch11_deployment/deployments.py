"""The deployments of chapter 11: links, devices, servers, policies, and what is assumed about them."""

from collections.abc import Mapping
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from l2h.evaluation.metrics import offload_rate
from l2h.pricing import UnitPrices
from l2h.problem import Predictions
from l2h.serving.simulation.boards import (
    KEYWORD_FEATURES,
    KEYWORD_NETWORK,
    RESNET8,
    NetworkNeeds,
    boards,
    dense_network,
    network_on_board,
)
from l2h.serving.simulation.links import Link, Quantiles, measured_link
from l2h.serving.simulation.outcomes import RunningPrices
from l2h.serving.simulation.scenario import (
    SERVER,
    OffloadPolicy,
    Scenario,
    SimulatedDevice,
    SimulatedServer,
    ask_always,
    follow_rejector,
    keep_always,
    within_budget,
)
from l2h.serving.simulation.simulate import simulate_at_scale

LINKS = {  # name -> radio mode of the round trips, and the trace of the outages
    **{name: (name, None) for name in ("5G", "LTE", "HSPA+", "4G", "3G")},
    "LTE, outages": ("LTE", "ATT-LTE-driving.up"),
    "HSPA+, outages": ("HSPA+", "TMobile-UMTS-driving.up"),
    "3G, outages": ("3G", "Verizon-EVDO-driving.up"),
}
BOARD = "NUCLEO-H7A3ZI-Q"
REJECTOR = dense_network(3072, 120, 1)  # the network of the rejector in the released code
HEAD_BYTES = 170  # of a request
SENT_BYTES, RECEIVED_BYTES = 3072 + HEAD_BYTES, 300  # an image of one byte per number; a label with its head
SERVICE_SECONDS = 0.01  # of one image on one server
RATE = 0.2  # images per second and device
INPUTS = 10  # images of each device
LIMIT_SECONDS = 1.0  # after which the device answers by itself
TARGET_LOAD = 0.7  # of the servers where their number is not varied
BUDGET, IN_ADVANCE = 0.1, 10  # share of inputs, and for how many a device has the budget at the beginning
RUNNING_PRICES = RunningPrices(byte=1e-9, joule=1e-5, server_second=0.5 / 3600)
USER_PRICES = UnitPrices(client_mistake=0.1, server_mistake=0.1, millisecond=1e-5, byte=1e-9, joule=1e-3)


class BoardTask(NamedTuple):
    """A task that was measured on the boards, with the networks of a device for it."""

    client: NetworkNeeds
    rejector: NetworkNeeds
    inputs: int  # numbers of one input, one byte each in a request


BOARD_TASKS = {
    "images": BoardTask(RESNET8, REJECTOR, 3072),
    "keywords": BoardTask(KEYWORD_NETWORK, dense_network(KEYWORD_FEATURES, 120, 1), KEYWORD_FEATURES),
}


class PolicyRule(NamedTuple):
    """A policy with the system whose predictions it reads, and what its device computes."""

    system: str
    decide: OffloadPolicy
    rejector: bool = False  # whether the device has one
    client_first: bool = False  # whether the decision needs the client's answer


POLICIES = {
    "keep": PolicyRule("confidence", keep_always),
    "ask": PolicyRule("confidence", ask_always),
    "confidence": PolicyRule("confidence", follow_rejector, client_first=True),
    "learning to help": PolicyRule("learning to help", follow_rejector, rejector=True),
    "budgeted": PolicyRule("learning to help", within_budget(BUDGET, IN_ADVANCE), rejector=True),
}


def deployed_link(name: str) -> Link:
    """A link by its name in LINKS."""
    mode, outages = LINKS[name]
    return measured_link(mode, outages=outages)


def deployed_device(rule: PolicyRule, board: str = BOARD) -> SimulatedDevice:
    """A board that runs ResNet-8 as the client and, where the policy needs it, the rejector; 8-bit integers.

    Args:
        rule: the policy's.
        board: one whose energy was measured.
    """
    client = network_on_board(boards()[board], RESNET8)
    rejector = network_on_board(boards()[board], REJECTOR)
    return SimulatedDevice(
        rejector_seconds=rejector.seconds if rule.rejector else 0.0,
        client_seconds=client.seconds,
        rejector_joules=(rejector.joules or 0.0) if rule.rejector else 0.0,
        client_joules=client.joules or 0.0,
        client_first=rule.client_first,
        deadline=LIMIT_SECONDS,
    )


def asked_share(rule: PolicyRule, predictions: Predictions) -> float:
    """The share of inputs that a policy sends; of a budget the largest."""
    shares: dict[OffloadPolicy, float] = {keep_always: 0.0, ask_always: 1.0, follow_rejector: offload_rate(predictions)}
    return shares.get(rule.decide, min(BUDGET * (1 + IN_ADVANCE / INPUTS), offload_rate(predictions)))


def servers_needed(share: float, devices: int) -> int:
    """Servers at the target load, at least one, for devices that send a share of their inputs."""
    return max(1, ceil(devices * RATE * share * SERVICE_SECONDS / TARGET_LOAD))


def deployment(
    rule: PolicyRule, systems: Mapping[str, Predictions], link: Link, *, devices: int, **changes: Any
) -> Scenario:
    """A deployment with as many servers as its policy needs, and a radio that needs no energy unless `changes` has one.

    Args:
        rule: the policy's.
        systems: name -> predictions, of one seed.
        link: of every device.
        devices: how many.
        changes: other fields of `Scenario`.

    Returns:
        The scenario.
    """
    predictions = systems[rule.system]
    servers = servers_needed(asked_share(rule, predictions), devices)
    options = {
        "device": deployed_device(rule),
        "server": SimulatedServer(Quantiles.constant(SERVICE_SECONDS), servers=servers),
        "sent": SENT_BYTES,
        "received": RECEIVED_BYTES,
        "inputs": INPUTS,
        "rate": RATE,
    }
    return Scenario(predictions, rule.decide, link=link, devices=devices, **{**options, **changes})


def missed_share(link: Link, *, devices: int) -> float:
    """The share of requests without an answer within the limit; it is the same for every input.

    Args:
        link: of every device.
        devices: simulated; each asks for all its inputs, on servers at the target load.
    """
    unknown = Predictions(m=np.ones(1), r=-np.ones(1), e=np.ones(1), y=np.ones(1))
    answers = simulate_at_scale(deployment(POLICIES["ask"], {"confidence": unknown}, link, devices=devices))
    return float((answers.source != SERVER).mean())


def request_seconds(link: Link, n: int, seed: int = 0, *, sent: float = SENT_BYTES) -> np.ndarray:
    """Seconds of n requests on a link without outages and with an idle server, (n,)."""
    delays = link.delays((n,), sent=sent, received=RECEIVED_BYTES, seed=seed)
    return delays.up + SERVICE_SECONDS + delays.down
