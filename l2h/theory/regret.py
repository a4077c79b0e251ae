"""Regret of the surrogate's minimiser for a choice of alpha: at a point, on a distribution, and in the worst case."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from l2h import checks
from l2h.problem import Costs
from l2h.theory.bayes import CLIENT_KINDS, ask_threshold, bayes_rejector, server_error
from l2h.theory.calibration import (
    RELEASED_P,
    alpha_deterministic,
    alpha_from_mu,
    alpha_from_p,
    alpha_released,
    asks_at_minimum,
)
from l2h.theory.conditional_risk import slope_at_zero
from l2h.theory.distributions import Distribution

AlphaRule = Callable[[np.ndarray, np.ndarray], Any]  # (mu, p) -> alpha


def alpha_rules(*, costs: Costs, beta: float, bounded: bool = False) -> dict[str, AlphaRule]:
    """The rules for alpha that are compared, as functions of mu and p.

    Args:
        costs: c1 and ce.
        beta: calibration parameter > 0.
        bounded: whether r and e are confined to [-1, 1]; the released constant does not depend on it.

    Returns:
        "from mu", "from p", "single" (for a deterministic client) and "released at 0.18". A rule without a value at
        these costs raises an error when it is called.

    >>> rule = alpha_rules(costs=Costs(c1=1.0, ce=0.18), beta=2.0)["released at 0.18"]
    >>> rule(np.zeros(2), np.ones(2))
    1.0

    Source: derived in the chapter on the surrogate; the constant is that of the released notebook.
    """
    return {
        "from mu": lambda mu, p: alpha_from_mu(mu, costs=costs, beta=beta, bounded=bounded),
        "from p": lambda mu, p: alpha_from_p(p, costs=costs, beta=beta, bounded=bounded),
        "single": lambda mu, p: alpha_deterministic(costs=costs, beta=beta, bounded=bounded),
        "released at 0.18": lambda mu, p: float(alpha_released(RELEASED_P, costs=costs, beta=beta)),
    }


def pointwise_regret(eta: Any, p: Any, *, costs: Costs, alpha: Any, beta: float, bounded: bool = False) -> np.ndarray:
    r"""Excess risk given x of the decision of the surrogate's minimiser over the Bayes decision.

    .. math:: |p - c_1\mu - c_e| \; 1[\text{the decisions differ}]

    Args:
        eta: P(Y=1|x), any shape, in [0, 1].
        p: P(M≠Y|x), of the same shape or a number, in [0, 1].
        costs: c1 and ce.
        alpha: calibration parameter > 0, likewise.
        beta: calibration parameter > 0.
        bounded: whether r and e are confined to [-1, 1].

    Returns:
        Regrets, of the same shape, >= 0.

    Raises:
        ValueError: if an argument leaves its range.

    >>> float(pointwise_regret(0.85, 0.85, costs=Costs(c1=1.0, ce=0.18), alpha=1.0, beta=2.0).round(4))
    0.52

    Source: derived in the chapter on the surrogate.
    """
    ask = asks_at_minimum(eta, p, costs=costs, alpha=alpha, beta=beta, bounded=bounded)
    gain = -bayes_rejector(server_error(np.asarray(eta, dtype=float)), np.asarray(p, dtype=float), costs=costs)
    return np.maximum(np.where(ask, -gain, gain), 0)[()]


def expected_regret(
    alpha_rule: AlphaRule, distribution: Distribution, *, costs: Costs, beta: float, bounded: bool = False
) -> float:
    r"""Excess risk of the surrogate's minimiser over the Bayes rule, on a distribution.

    .. math:: R(r_{\min}, e^*) - R^*

    Args:
        alpha_rule: (mu, p) -> alpha > 0, both (n,); for a constant, `lambda mu, p: 2.0`.
        distribution: with known eta and p.
        costs: c1 and ce.
        beta: calibration parameter > 0.
        bounded: whether r and e are confined to [-1, 1].

    Returns:
        The excess risk, >= 0 up to about 1e-10.

    Raises:
        ValueError: if alpha or beta leaves its range.

    >>> from l2h.theory.distributions import gaussians
    >>> costs = Costs(c1=1.0, ce=0.15)
    >>> round(expected_regret(lambda mu, p: 2.7287, gaussians(t=0.42642), costs=costs, beta=2.0), 5)
    0.00887

    Source: derived in the chapter on the surrogate.
    """

    def r(x: np.ndarray) -> np.ndarray:
        eta, p = distribution.eta(x), distribution.p(x)
        alpha = alpha_rule(server_error(eta), p)
        return -slope_at_zero(eta, p, costs=costs, alpha=alpha, beta=beta, bounded=bounded)

    return distribution.risk(r, costs=costs) - float(distribution.bayes_risk(costs))


def effective_threshold(alpha: float, *, costs: Costs, beta: float) -> float:
    r"""The error probability above which a constant alpha asks, for a deterministic client.

    .. math:: (\alpha^2 + B) p^2 - (2\alpha c_e + B) p + c_e^2 = 0, \quad B = (\beta c_1)^2

    The surrogate's minimiser asks iff alpha p - ce >= beta c1 sqrt(p (1 - p)); the larger root is where this begins.

    Args:
        alpha: calibration parameter > 0.
        costs: c1 and ce.
        beta: calibration parameter > 0.

    Returns:
        The threshold in [0, 1]; 1 where alpha <= ce, which never asks (but for a tie at p = 1).

    Raises:
        ValueError: if alpha or beta is not positive.

    >>> round(effective_threshold(1.0, costs=Costs(c1=1.0, ce=0.18), beta=2.0), 4)
    0.8645

    Source: derived in the chapter on the surrogate.
    """
    checks.positive(alpha=alpha, beta=beta)
    if alpha <= costs.ce:
        return 1.0
    square = (beta * costs.c1) ** 2
    middle = 2 * alpha * costs.ce + square
    root = np.sqrt(square * (square + 4 * costs.ce * (alpha - costs.ce)))
    return float((middle + root) / (2 * (alpha**2 + square)))


def worst_regret(p: Any, *, alpha: float, costs: Costs, beta: float, client: str) -> np.ndarray:
    r"""The largest regret of a constant alpha at p, over every mu that the client admits.

    .. math:: \sup_\mu |p - c_1\mu - c_e| \; 1[\text{the decisions differ}]

    The minimiser asks for mu up to the mu_0 with beta c1 s(mu_0)/2 = alpha p - ce and keeps beyond, so the
    supremum lies at mu_0 or at the largest admissible mu.

    Args:
        p: P(M≠Y|x), any shape, in [0, 1].
        alpha: calibration parameter > 0, one number.
        costs: c1 and ce.
        beta: calibration parameter > 0.
        client: "deterministic", "independent" or "free".

    Returns:
        Suprema, of the same shape, >= 0.

    Raises:
        ValueError: if the client is unknown or an argument leaves its range.

    >>> worst_regret(np.array([0.85]), alpha=1.0, costs=Costs(c1=1.0, ce=0.18), beta=2.0, client="free").round(4)
    array([0.5412])

    Source: derived in the chapter on the surrogate.
    """
    checks.one_of(CLIENT_KINDS, client=client)
    checks.positive(alpha=alpha, beta=beta)
    p = np.asarray(p, dtype=float)
    if client == "deterministic":
        return pointwise_regret(p, p, costs=costs, alpha=alpha, beta=beta)
    checks.probabilities(p=p)
    largest_mu = np.full_like(p, 0.5) if client == "free" else server_error(p)
    margin, largest_margin = alpha * p - costs.ce, beta * costs.c1 / 2
    level = np.clip(margin, 0, largest_margin) / largest_margin if largest_margin > 0 else 1.0 * (margin >= 0)
    mu = (1 - np.sqrt(1 - level**2)) / 2
    ask_regret = np.where(margin >= 0, costs.c1 * np.minimum(mu, largest_mu) + costs.ce - p, 0)
    keep_regret = np.where((margin < 0) | (mu < largest_mu), p - costs.c1 * mu - costs.ce, 0)
    return np.maximum(np.maximum(ask_regret, keep_regret), 0)[()]


def concave_hull(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Vertices of the least concave majorant of the points.

    Args:
        x: (n,) abscissae, finite.
        y: (n,) ordinates, finite.

    Returns:
        Indices of the vertices, by increasing x.

    Raises:
        ValueError: if the shapes differ.

    >>> concave_hull(np.array([0.0, 1.0, 2.0]), np.array([0.0, -1.0, 1.0]))
    array([0, 2])

    Source: the monotone chain, upper half.
    """
    checks.one_dimensional(x=x, y=y)
    hull: list[int] = []
    for k in np.lexsort((-y, x)):
        if hull and x[k] == x[hull[-1]]:
            continue  # the sort puts the highest point of each abscissa first
        while len(hull) > 1:
            i, j = hull[-2:]
            if (x[j] - x[i]) * (y[k] - y[i]) < (y[j] - y[i]) * (x[k] - x[i]):
                break
            hull.pop()
        hull.append(int(k))
    return np.array(hull)


class WorstCase(NamedTuple):
    """A distribution of p on at most two points, and the excess risk of a constant alpha on it."""

    excess: float
    p: np.ndarray
    mass: np.ndarray


def worst_excess_risk(
    alpha: float, *, client_risk: float, costs: Costs, beta: float, client: str, grid_size: int = 4001
) -> WorstCase:
    """The worst excess risk of a constant alpha over all distributions with a given error rate of the client.

    The excess is an expectation of `worst_regret`, so its supremum over E p(X) = client_risk is the concave hull of
    that function at client_risk. Two points attain it, or approach it where mu or p lies at a jump.

    Args:
        alpha: calibration parameter > 0, one number.
        client_risk: P(M≠Y), in (0, 1).
        costs: c1 and ce.
        beta: calibration parameter > 0.
        client: "deterministic", "independent" or "free".
        grid_size: number of values of p, besides the points where the decision changes.

    Returns:
        WorstCase(excess, p, mass), to about 1e-6.

    Raises:
        ValueError: if the client is unknown or an argument leaves its range.

    >>> worst = worst_excess_risk(1.0, client_risk=0.18, costs=Costs(c1=1.0, ce=0.18), beta=2.0, client="deterministic")
    >>> round(worst.excess, 4), worst.p.round(4)
    (0.1143, array([0.    , 0.8645]))

    Source: derived in the chapter on the surrogate.
    """
    checks.positive(client_risk=client_risk, **{"1 - client_risk": 1 - client_risk})
    jump = effective_threshold(alpha, costs=costs, beta=beta)
    change_points = np.array([jump, ask_threshold(costs), costs.ce / alpha, (costs.ce + beta * costs.c1 / 2) / alpha])
    nearby = np.clip(np.concatenate([change_points - 1e-9, change_points, change_points + 1e-9]), 0, 1)
    p = np.union1d(np.linspace(0, 1, grid_size), nearby)
    y = worst_regret(p, alpha=alpha, costs=costs, beta=beta, client=client)
    hull = concave_hull(p, y)
    right = int(np.searchsorted(p[hull], client_risk))
    pair = hull[right - 1 : right + 1]
    upper_mass = (client_risk - p[pair[0]]) / (p[pair[1]] - p[pair[0]])
    mass = np.array([1 - upper_mass, upper_mass])
    return WorstCase(float(mass @ y[pair]), p[pair], mass)
