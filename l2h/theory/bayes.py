"""Bayes-optimal servers and rejectors for known eta(x) = P(Y=1|x) and p(x) = P(M≠Y|x).

Asking the best server costs T = c1 mu + ce with mu = min(eta, 1 - eta), keeping costs p. Three kinds of client:
deterministic (M = m(x), p is mu or 1 - mu), independent (M is independent of Y given x, p lies between these) and
free (the client sees more than x, any p in [0, 1]).
"""

from typing import Any, NamedTuple

import numpy as np

from l2h import checks
from l2h.problem import Costs

PROBABILITY_TOLERANCE = 1e-12
CLIENT_KINDS = ("deterministic", "independent", "free")


def bayes_server(eta: Any) -> Any:
    r"""The Bayes server as a score; its label is +1 where the score is >= 0.

    .. math:: e^*(x) = 2\eta(x) - 1

    Args:
        eta: P(Y=1|x), a number or any shape, in [0, 1].

    Returns:
        e*, of the same shape, in [-1, 1]; 0 at eta = 1/2, where both labels err equally.

    Raises:
        ValueError: if eta leaves [0, 1].

    >>> bayes_server(np.array([0.0, 0.5, 0.75]))
    array([-1. ,  0. ,  0.5])

    Source: arXiv 2409.16253, Bayes classifier.
    """
    checks.probabilities(eta=eta)
    return 2.0 * eta - 1  # unsigned integers would wrap


def server_error(eta: Any) -> Any:
    r"""The error probability of the best server.

    .. math:: \mu(x) = \min(\eta(x), 1 - \eta(x))

    Args:
        eta: P(Y=1|x), a number or any shape, in [0, 1].

    Returns:
        mu, of the same shape, in [0, 1/2].

    Raises:
        ValueError: if eta leaves [0, 1].

    >>> server_error(np.array([0.0, 0.5, 0.75]))
    array([0.  , 0.5 , 0.25])

    Source: arXiv 2409.16253, Bayes classifier.
    """
    checks.probabilities(eta=eta)
    return np.minimum(eta, 1 - eta)


def bayes_rejector(mu: Any, p: Any, *, costs: Costs) -> Any:
    r"""The Bayes rejector as a score: the cost of asking minus the cost of keeping; keep where it is > 0.

    .. math:: r^*(x) = c_1\mu(x) + c_e - p(x)

    If mu is the error probability of another server, r* is the best rejector for that server.

    Args:
        mu: the server's error probability given x, any shape, in [0, 1]; `server_error(eta)` for the best server.
        p: P(M≠Y|x), of the same shape, in [0, 1].
        costs: c1 and ce.

    Returns:
        r*, of the same shape; at a tie it is 0, which asks (convention C1).

    Raises:
        ValueError: if a probability leaves [0, 1].

    >>> bayes_rejector(np.array([0.0, 0.5]), np.array([0.5, 0.5]), costs=Costs(c1=1.0, ce=0.25))
    array([-0.25,  0.25])

    Source: arXiv 2409.16253, Bayes rejector.
    """
    checks.probabilities(mu=mu, p=p)
    return 1.0 * costs.c1 * mu + costs.ce - p  # 1.0: unsigned integers would wrap


def pointwise_bayes_risk(mu: Any, p: Any, *, costs: Costs) -> Any:
    r"""The risk of the best decision at x.

    .. math:: R^*(x) = \min\big(p(x), c_1\mu(x) + c_e\big)

    Args:
        mu: the server's error probability given x, any shape, in [0, 1]; `server_error(eta)` for the best server.
        p: P(M≠Y|x), of the same shape, in [0, 1].
        costs: c1 and ce.

    Returns:
        Conditional risks, of the same shape, in [0, 1].

    Raises:
        ValueError: if a probability leaves [0, 1].

    >>> pointwise_bayes_risk(np.array([0.0, 0.5]), np.array([0.5, 0.5]), costs=Costs(c1=1.0, ce=0.25))
    array([0.25, 0.5 ])

    Source: arXiv 2409.16253, the risk of the Bayes rules.
    """
    checks.probabilities(mu=mu, p=p)
    return np.minimum(p, costs.c1 * mu + costs.ce)


def ask_threshold(costs: Costs) -> float:
    r"""The error probability p_t above which a deterministic client should ask.

    .. math:: p_t = \frac{c_1 + c_e}{1 + c_1} \text{ if } c_1 + 2 c_e \geq 1, \quad \frac{c_e}{1 - c_1} \text{ if not}

    A deterministic client has p in {mu, 1 - mu}, so the decision depends on D(p) = p - c1 min(p, 1 - p) - ce only.
    D has slope 1 - c1, then 1 + c1, and changes its sign once, at p_t.

    Args:
        costs: c1 and ce.

    Returns:
        p_t >= 0; at least 1 where ce >= 1, which no p exceeds.

    >>> round(ask_threshold(Costs(c1=1.0, ce=0.18)), 4)
    0.59

    Source: derived in the chapter on Bayes rules.
    """
    if costs.c1 + 2 * costs.ce >= 1:
        return (costs.c1 + costs.ce) / (1 + costs.c1)
    return costs.ce / (1 - costs.c1)


def admissible(mu: Any, p: Any, *, client: str) -> Any:
    """Whether a client of this kind can have error probability p where the best server has error probability mu.

    Args:
        mu: min(eta, 1 - eta), any shape, in [0, 1/2].
        p: P(M≠Y|x), of the same shape, in [0, 1].
        client: "deterministic" (p is mu or 1 - mu, up to 1e-12), "independent" (mu <= p <= 1 - mu) or "free" (any p).

    Returns:
        Booleans of the same shape.

    Raises:
        ValueError: if the client is unknown or a probability leaves its range.

    >>> [bool(admissible(0.2, 0.5, client=client)) for client in CLIENT_KINDS]
    [False, True, True]

    Source: derived in the chapter on Bayes rules.
    """
    checks.one_of(CLIENT_KINDS, client=client)
    checks.probabilities(p=p)
    checks.probabilities(upper=0.5, mu=mu)
    inside = np.minimum(p - mu, 1 - mu - p)  # how far p lies inside [mu, 1 - mu]
    if client == "deterministic":
        return np.abs(inside) <= PROBABILITY_TOLERANCE
    return inside >= (-PROBABILITY_TOLERANCE if client == "independent" else -1)


class OptimalActions(NamedTuple):
    """Whether an action is strictly better than the other for some admissible (mu, p)."""

    ask: bool
    keep: bool


def ever_optimal(costs: Costs, *, client: str) -> OptimalActions:
    r"""Whether each action is strictly optimal for some admissible (mu, p).

    .. math:: \text{ask: } c_e < 1, \qquad \text{keep: } c_e > 0 \text{ or } c_1 > 1 \;(\text{free client: } c_1 > 0)

    The advantage of asking is largest at mu = 0, p = 1. The advantage of keeping is largest at p = 0 for a free client,
    and at p = mu otherwise. So with ce = 0 and c1 <= 1 a client that sees no more than x should always ask.

    Args:
        costs: c1 and ce.
        client: "deterministic", "independent" or "free".

    Returns:
        OptimalActions(ask, keep).

    Raises:
        ValueError: if the client is unknown.

    >>> ever_optimal(Costs(c1=1.0, ce=0.0), client="deterministic")
    OptimalActions(ask=True, keep=False)

    Source: derived in the chapter on Bayes rules.
    """
    checks.one_of(CLIENT_KINDS, client=client)
    c1_limit = 0 if client == "free" else 1
    return OptimalActions(ask=costs.ce < 1, keep=costs.ce > 0 or costs.c1 > c1_limit)


class DecisionRegions(NamedTuple):
    """For each of the three actions, the area of its region or the corners of its polygon."""

    keep: Any
    minus: Any  # ask; the server's label is -1
    plus: Any  # ask; the server's label is +1


def decision_boundary(costs: Costs) -> np.ndarray:
    r"""The boundary between keeping and asking, from eta = 0 to eta = 1.

    .. math:: p = \min\big(1, c_1 \min(\eta, 1 - \eta) + c_e\big)

    Args:
        costs: c1 and ce.

    Returns:
        (k, 2) corners (eta, p) of the boundary, which is linear between neighbours; one corner has eta = 1/2.

    >>> decision_boundary(Costs(c1=1.0, ce=0.25)).tolist()
    [[0.0, 0.25], [0.5, 0.75], [1.0, 0.25]]

    Source: derived in the chapter on Bayes rules.
    """
    corners = {0.0, 0.5, 1.0}
    if costs.ce < 1 < costs.ce + costs.c1 / 2:  # the boundary reaches p = 1, the upper side of the square
        eta_at_one = (1 - costs.ce) / costs.c1
        corners |= {eta_at_one, 1 - eta_at_one}
    eta = np.array(sorted(corners))
    return np.column_stack([eta, np.minimum(1, bayes_rejector(server_error(eta), 0 * eta, costs=costs))])


def decision_regions(costs: Costs) -> DecisionRegions:
    """The three regions as polygons; a region has no area if its action is never optimal.

    Args:
        costs: c1 and ce.

    Returns:
        DecisionRegions of (k, 2) corners (eta, p).

    >>> decision_regions(Costs(c1=1.0, ce=0.25)).minus.tolist()
    [[0.0, 0.25], [0.5, 0.75], [0.5, 1.0], [0.0, 1.0]]
    """
    boundary = decision_boundary(costs)
    left, right = boundary[boundary[:, 0] <= 0.5], boundary[boundary[:, 0] >= 0.5]
    return DecisionRegions(
        keep=np.vstack([boundary, [[1.0, 0.0], [0.0, 0.0]]]),
        minus=np.vstack([left, [[0.5, 1.0], [0.0, 1.0]]]),
        plus=np.vstack([right, [[1.0, 1.0], [0.5, 1.0]]]),
    )


def region_areas(costs: Costs) -> DecisionRegions:
    r"""The area of the region of each action in the unit square; ties have no area.

    .. math:: \text{keep} = 2 \int_0^{1/2} \min(1, c_1 u + c_e) \, du =
        \begin{cases} 1 & c_e \geq 1 \\ c_e + c_1 / 4 & c_e + c_1 / 2 \leq 1 \\
        1 - (1 - c_e)^2 / c_1 & \text{else} \end{cases}

    Args:
        costs: c1 and ce.

    Returns:
        DecisionRegions of numbers in [0, 1] with sum 1.

    >>> region_areas(Costs(c1=1.0, ce=0.25))
    DecisionRegions(keep=0.5, minus=0.25, plus=0.25)

    Source: derived in the chapter on Bayes rules.
    """
    c1, ce = costs.c1, costs.ce
    if ce >= 1:
        keep = 1.0
    elif ce + c1 / 2 <= 1:
        keep = ce + c1 / 4
    else:
        keep = 1 - (1 - ce) ** 2 / c1
    return DecisionRegions(keep, (1 - keep) / 2, (1 - keep) / 2)
