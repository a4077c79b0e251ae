"""From milliseconds, bytes, money and the value of a right answer to the costs (c1, ce)."""

from dataclasses import dataclass, fields
from typing import NamedTuple

from l2h import checks
from l2h.problem import Costs

RATE_TOLERANCE = 1e-12


@dataclass(frozen=True)
class OffloadCost:
    """What one question to the server takes.

    Args:
        milliseconds: that the user waits longer than for an answer of the device, >= 0.
        bytes: that travel, both ways, >= 0.
        joules: that the radio draws from the battery, >= 0.
        fee: that the server charges, in money, >= 0.

    Raises:
        ValueError: if a number is negative or not finite.

    >>> OffloadCost(milliseconds=80.0, bytes=3072)
    Question(milliseconds=80.0, bytes=3072, joules=0.0, fee=0.0)
    """

    milliseconds: float = 0.0
    bytes: float = 0.0
    joules: float = 0.0
    fee: float = 0.0

    def __post_init__(self) -> None:
        checks.at_least(0, **{field.name: getattr(self, field.name) for field in fields(self)})


@dataclass(frozen=True)
class UnitPrices:
    """What things are worth, all in one currency.

    Args:
        client_mistake: what a wrong answer given by the device costs, > 0: the value of a right answer there.
        server_mistake: what a wrong answer given by the server costs, >= 0; more than `device_mistake` where an
            answer that was waited for has to be better, less where a person checks it.
        millisecond: of waiting, >= 0.
        byte: of traffic, >= 0.
        joule: of battery, >= 0.

    Raises:
        ValueError: if a number leaves its range.

    >>> UnitPrices(device_mistake=0.0, server_mistake=1.0)
    Traceback (most recent call last):
    ValueError: expected a finite device_mistake > 0, got 0.0
    """

    client_mistake: float
    server_mistake: float
    millisecond: float = 0.0
    byte: float = 0.0
    joule: float = 0.0

    def __post_init__(self) -> None:
        checks.positive(device_mistake=self.client_mistake)
        rest = [field.name for field in fields(self)[1:]]
        checks.at_least(0, **{name: getattr(self, name) for name in rest})


def costs_from_prices(offload: OffloadCost, prices: UnitPrices) -> Costs:
    r"""The costs of the generalized 0-1 loss, in units of one wrong answer of the device.

    .. math:: c_1 = \frac{v_{\mathrm{server}}}{v_{\mathrm{device}}}, \qquad
              c_e = \frac{t\,p_t + b\,p_b + w\,p_w + f}{v_{\mathrm{device}}}

    for a question of t milliseconds, b bytes, w joules and a fee f. Money divided by money has no unit: another
    currency gives the same costs.

    Args:
        offload: what a question takes.
        prices: what things are worth.

    Returns:
        (c1, ce).

    >>> prices = UnitPrices(device_mistake=8.0, server_mistake=8.0, millisecond=0.01)
    >>> costs_from_prices(OffloadCost(milliseconds=50.0, fee=0.25), prices)
    Costs(c1=1.0, ce=0.09375)
    """
    offload_price = offload.fee + offload.milliseconds * prices.millisecond
    offload_price += offload.bytes * prices.byte + offload.joules * prices.joule
    return Costs(c1=prices.server_mistake / prices.client_mistake, ce=offload_price / prices.client_mistake)


def break_even_client_error(costs: Costs, *, server_error: float) -> float:
    r"""The probability of a wrong answer of the device above which a question pays.

    .. math:: p > c_1 p_e + c_e

    Args:
        costs: c1 and ce.
        server_error: how often the server is wrong, in [0, 1].

    Returns:
        The right-hand side; from 1 on no question ever pays.

    Raises:
        ValueError: if the error is outside [0, 1].

    >>> break_even_client_error(Costs(c1=1.0, ce=0.25), server_error=0.125)
    0.375
    """
    checks.probabilities(server_error=server_error)
    return costs.c1 * server_error + costs.ce


class ReferenceLosses(NamedTuple):
    """The losses beside which that of a rejector is to be read; `metrics.reference_losses` measures the same."""

    never: float  # ask
    always: float
    random: float  # the better of the two
    oracle: float  # knows who is right


def reference_losses_from_rates(
    costs: Costs, *, client_error: float, server_error: float, both_wrong: float
) -> ReferenceLosses:
    r"""The losses that need no rejector, and that of an oracle, from error rates alone.

    .. math:: p_m, \quad c_1 p_e + c_e, \quad \min(\cdot, \cdot), \quad
              (p_m - p_{me}) \min(1, c_e) + p_{me} \min(1, c_1 + c_e)

    Args:
        costs: c1 and ce.
        client_error: how often the client is wrong, in [0, 1].
        server_error: how often the server is wrong on all images, in [0, 1].
        both_wrong: how often both are, between what the two rates leave possible; their product if independent.

    Returns:
        `ReferenceLosses`.

    Raises:
        ValueError: if a rate is outside its range.

    >>> reference_losses_from_rates(Costs(c1=1.0, ce=0.25), client_error=0.5, server_error=0.25, both_wrong=0.125)
    Levels(never=0.5, always=0.5, random=0.5, oracle=0.21875)
    """
    checks.probabilities(client_error=client_error, server_error=server_error, both_wrong=both_wrong)
    lowest, highest = max(0.0, client_error + server_error - 1), min(client_error, server_error)
    if not lowest - RATE_TOLERANCE <= both_wrong <= highest + RATE_TOLERANCE:
        raise ValueError(f"expected both_wrong in [{lowest:g}, {highest:g}], got {both_wrong:g}")
    always_ask = costs.c1 * server_error + costs.ce
    oracle = (client_error - both_wrong) * min(1.0, costs.ce) + both_wrong * min(1.0, costs.c1 + costs.ce)
    return ReferenceLosses(client_error, always_ask, min(client_error, always_ask), oracle)


def break_even_price(prices: UnitPrices, *, client_error: float, server_error: float) -> float:
    r"""The money that one question may take in all before it no longer pays for an average image.

    .. math:: (p - c_1 p_e)\, v_{\mathrm{device}} = p\, v_{\mathrm{device}} - p_e\, v_{\mathrm{server}}

    Args:
        prices: what things are worth.
        client_error: how often the device is wrong on what would be sent, in [0, 1].
        server_error: how often the server is wrong on it, in [0, 1].

    Returns:
        Money, 0 where asking would not pay even if it were free.

    Raises:
        ValueError: if an error is outside [0, 1].

    >>> break_even_price(UnitPrices(device_mistake=8.0, server_mistake=8.0), device_error=0.5, server_error=0.25)
    2.0
    """
    checks.probabilities(device_error=client_error, server_error=server_error)
    return max(0.0, client_error * prices.client_mistake - server_error * prices.server_mistake)
