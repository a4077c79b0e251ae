"""Where each policy of chapter 11 has the least price, over the seconds of a request and of the client on a board."""

from collections.abc import Mapping, Sequence

import numpy as np

from companion.chapters.ch11_deployment.deployments import POLICIES, RECEIVED_BYTES, REJECTOR, SENT_BYTES
from l2h.pricing import UnitPrices
from l2h.problem import Predictions, asks, server_label
from l2h.serving.simulation.boards import RESNET8, boards, network_on_board
from l2h.serving.simulation.links import Radio

# whose decision is a function of the input alone
STATELESS_POLICIES = ("keep", "confidence", "learning to help", "ask")
REQUEST_SECONDS = np.geomspace(0.01, 3.0, 121)
CLIENT_SECONDS = np.geomspace(0.005, 3.0, 101)


def relative_rejector_seconds() -> float:
    """Seconds of the rejector over those of the client, the median over the boards."""
    ratios = []
    for board in boards().values():
        client, rejector = (network_on_board(board, network).seconds for network in (RESNET8, REJECTOR))
        ratios.append(rejector / client)
    return float(np.median(ratios))


def mean_prices(
    systems: Sequence[Mapping[str, Predictions]],
    *,
    request_seconds: np.ndarray,
    client_seconds: np.ndarray,
    radio: Radio,
    prices: UnitPrices,
) -> dict[str, np.ndarray]:
    r"""The mean price of an answer without queues: mistakes, seconds, and what a request takes in bytes and joules.

    .. math:: \pi_m P(\text{kept}, m \neq Y) + \pi_e P(\text{asked}, e \neq Y) + \pi_t\, E[\text{latency}]
              + q \, (\pi_b \text{bytes} + \pi_J \text{joules})

    The energy of the board itself, thousandths of a joule, is left out.

    Args:
        systems: per seed: name -> predictions; the prices are means over seeds.
        request_seconds: (n,) of a request, the service included.
        client_seconds: (k,) of the client on its board; the rejector takes `relative_rejector_seconds` of it.
        radio: of the device.
        prices: unit prices.

    Returns:
        Policy -> (k, n) prices.
    """
    request, client = np.meshgrid(request_seconds, client_seconds)
    traffic = prices.byte * (SENT_BYTES + RECEIVED_BYTES)
    joules = radio.joules_per_byte_sent * SENT_BYTES + radio.joules_per_byte_received * RECEIVED_BYTES
    joules = joules + radio.watts * request + radio.tail_watts * radio.tail_seconds
    found = {}
    for name in STATELESS_POLICIES:
        kept_mistakes, asked_mistakes, share = np.mean([_shares(name, seed) for seed in systems], axis=0)
        rule = POLICIES[name]
        decision = client * (rule.client_first + rule.rejector * relative_rejector_seconds())
        latency = decision + share * request + (1 - share) * client * (not rule.client_first)
        mistakes = prices.client_mistake * kept_mistakes + prices.server_mistake * asked_mistakes
        found[name] = mistakes + 1000 * prices.millisecond * latency + share * (traffic + prices.joule * joules)
    return found


def least_price(prices: Mapping[str, np.ndarray]) -> np.ndarray:
    """Index of the policy of the least price, the first at a tie; the shape of the prices."""
    return np.argmin(list(prices.values()), axis=0)


def _shares(name: str, seed: Mapping[str, Predictions]) -> tuple[float, float, float]:
    """The share of inputs that are kept and wrong, that are asked and wrong, and that are asked."""
    predictions = seed[POLICIES[name].system]
    asked = {"keep": np.zeros(len(predictions.y), dtype=bool), "ask": np.ones(len(predictions.y), dtype=bool)}.get(
        name, np.asarray(asks(predictions.r))
    )
    client_wrong, server_wrong = predictions.m != predictions.y, server_label(predictions.e) != predictions.y
    return float((~asked & client_wrong).mean()), float((asked & server_wrong).mean()), float(asked.mean())
