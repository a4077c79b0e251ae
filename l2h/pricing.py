"""The costs (c1, ce) from milliseconds, bytes, money and the value of a correct label."""

from dataclasses import dataclass, fields

from l2h import checks
from l2h.evaluation.metrics import ReferenceLosses
from l2h.problem import Costs

RATE_TOLERANCE = 1e-12  # rounding error of a product of rates


@dataclass(frozen=True)
class OffloadCost:
    """Resources that one offload to the server uses.

    Args:
        milliseconds: additional waiting time compared with a label from the device, >= 0.
        bytes: traffic in both directions, >= 0.
        joules: energy of the radio, >= 0.
        fee: price of one request to the server, in money, >= 0.

    Raises:
        ValueError: if a number is negative or not finite.

    >>> OffloadCost(milliseconds=80.0, bytes=3072)
    OffloadCost(milliseconds=80.0, bytes=3072, joules=0.0, fee=0.0)
    """

    milliseconds: float = 0.0
    bytes: float = 0.0
    joules: float = 0.0
    fee: float = 0.0

    def __post_init__(self) -> None:
        checks.at_least(0, **{field.name: getattr(self, field.name) for field in fields(self)})


@dataclass(frozen=True)
class UnitPrices:
    """Unit prices, all in one currency.

    Args:
        client_mistake: cost of a wrong label from the client, > 0.
        server_mistake: cost of a wrong label from the server, >= 0; larger than `client_mistake` if users expect more
            after waiting, smaller if a person checks the server's labels.
        millisecond: price of a millisecond of waiting, >= 0.
        byte: price of a byte of traffic, >= 0.
        joule: price of a joule from the battery, >= 0.

    Raises:
        ValueError: if a number leaves its range.

    >>> UnitPrices(client_mistake=0.0, server_mistake=1.0)
    Traceback (most recent call last):
    ValueError: expected a finite client_mistake > 0, got 0.0
    """

    client_mistake: float
    server_mistake: float
    millisecond: float = 0.0
    byte: float = 0.0
    joule: float = 0.0

    def __post_init__(self) -> None:
        checks.positive(client_mistake=self.client_mistake)
        checks.at_least(0, **{field.name: getattr(self, field.name) for field in fields(self)[1:]})


def costs_from_prices(offload: OffloadCost, prices: UnitPrices) -> Costs:
    r"""The costs of the generalized 0-1 loss, in units of one mistake of the client.

    .. math:: c_1 = \frac{v_{\mathrm{server}}}{v_{\mathrm{client}}}, \qquad
              c_e = \frac{t\,p_t + b\,p_b + w\,p_w + f}{v_{\mathrm{client}}}

    for an offload of t milliseconds, b bytes, w joules and a fee f. The costs are ratios of amounts of money, so they
    do not depend on the currency.

    Args:
        offload: resources of one offload.
        prices: unit prices.

    Returns:
        (c1, ce).

    >>> prices = UnitPrices(client_mistake=8.0, server_mistake=8.0, millisecond=0.01)
    >>> costs_from_prices(OffloadCost(milliseconds=50.0, fee=0.25), prices)
    Costs(c1=1.0, ce=0.09375)
    """
    offload_price = offload.fee + offload.milliseconds * prices.millisecond
    offload_price += offload.bytes * prices.byte + offload.joules * prices.joule
    return Costs(c1=prices.server_mistake / prices.client_mistake, ce=offload_price / prices.client_mistake)


def break_even_client_error(costs: Costs, *, server_error: float) -> float:
    r"""The client's error probability above which asking has the smaller expected loss.

    .. math:: p > c_1 p_e + c_e

    Args:
        costs: c1 and ce.
        server_error: error rate of the server, in [0, 1].

    Returns:
        The right-hand side; if it is at least 1, asking never has the smaller expected loss.

    Raises:
        ValueError: if the error is outside [0, 1].

    >>> break_even_client_error(Costs(c1=1.0, ce=0.25), server_error=0.125)
    0.375
    """
    checks.probabilities(server_error=server_error)
    return costs.c1 * server_error + costs.ce


def reference_losses_from_rates(
    costs: Costs, *, client_error: float, server_error: float, both_wrong: float
) -> ReferenceLosses:
    r"""The reference losses from error rates alone; `metrics.reference_losses` computes them from predictions.

    .. math:: p_m, \quad c_1 p_e + c_e, \quad \min(\cdot, \cdot), \quad
              (p_m - p_{me}) \min(1, c_e) + p_{me} \min(1, c_1 + c_e)

    Args:
        costs: c1 and ce.
        client_error: error rate p_m of the client, in [0, 1].
        server_error: error rate p_e of the server on all inputs, in [0, 1].
        both_wrong: rate p_me at which both are wrong, within the range that the two rates allow; their product if the
            errors are independent.

    Returns:
        `ReferenceLosses`.

    Raises:
        ValueError: if a rate is outside its range.

    >>> reference_losses_from_rates(Costs(c1=1.0, ce=0.25), client_error=0.5, server_error=0.25, both_wrong=0.125)
    ReferenceLosses(never=0.5, always=0.5, random=0.5, oracle=0.21875)
    """
    checks.probabilities(client_error=client_error, server_error=server_error, both_wrong=both_wrong)
    lowest, highest = max(0.0, client_error + server_error - 1), min(client_error, server_error)
    if not lowest - RATE_TOLERANCE <= both_wrong <= highest + RATE_TOLERANCE:
        raise ValueError(f"expected both_wrong in [{lowest:g}, {highest:g}], got {both_wrong:g}")
    always_ask = costs.c1 * server_error + costs.ce
    oracle = (client_error - both_wrong) * min(1.0, costs.ce) + both_wrong * min(1.0, costs.c1 + costs.ce)
    return ReferenceLosses(client_error, always_ask, min(client_error, always_ask), oracle)


def break_even_price(prices: UnitPrices, *, client_error: float, server_error: float) -> float:
    r"""The largest total price of one offload at which asking does not increase the expected loss of an average input.

    .. math:: (p - c_1 p_e)\, v_{\mathrm{client}} = p\, v_{\mathrm{client}} - p_e\, v_{\mathrm{server}}

    Args:
        prices: unit prices.
        client_error: error rate p of the client on the inputs that would be asked, in [0, 1].
        server_error: error rate p_e of the server on them, in [0, 1].

    Returns:
        An amount of money; 0 if asking would increase the expected loss even without a price.

    Raises:
        ValueError: if an error is outside [0, 1].

    >>> break_even_price(UnitPrices(client_mistake=8.0, server_mistake=8.0), client_error=0.5, server_error=0.25)
    2.0
    """
    checks.probabilities(client_error=client_error, server_error=server_error)
    return max(0.0, client_error * prices.client_mistake - server_error * prices.server_mistake)
