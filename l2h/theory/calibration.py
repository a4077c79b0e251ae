"""Calibration of the surrogate: the values of alpha for which its minimiser asks exactly where the Bayes rule asks."""

from typing import Any

import numpy as np

from l2h import checks
from l2h.problem import Costs
from l2h.theory.bayes import ask_threshold
from l2h.theory.conditional_risk import min_server_term, slope_at_zero

RELEASED_P = 0.18  # the constant that the released notebook uses for P(M≠Y|x), whatever x
SMALLEST_NORMAL = float(np.finfo(float).tiny)  # a cost below it counts as 0: dividing by it would overflow


def _calibrated_alpha(u: np.ndarray, *, costs: Costs, beta: float, bounded: bool) -> np.ndarray:
    """g(u): the slope of the two asking terms at r = 0, divided by the cost of asking; 1 where asking costs nothing."""
    ask_slope = beta / 2 * costs.c1 * min_server_term(u, beta=beta, bounded=bounded) + costs.ce
    cost = costs.c1 * u + costs.ce
    return np.divide(ask_slope, cost, out=np.ones_like(cost), where=cost >= SMALLEST_NORMAL)[()]


def alpha_from_mu(mu: Any, *, costs: Costs, beta: float, bounded: bool = False) -> np.ndarray:
    r"""Calibrated alpha as a function of the best server's error, for every client.

    .. math:: \alpha(\mu) = g(\mu), \quad g(u) = \frac{\beta c_1 s(u)/2 + c_e}{c_1 u + c_e}

    Then F'(0) = alpha (p - c1 mu - ce) for every p. Where c1 mu + ce = 0 (that is, below 2e-308) every alpha > 0
    is calibrated, and 1 is returned. With bounded scores and c1 > 0, however, no alpha is calibrated there.

    Args:
        mu: min(eta, 1 - eta), any shape, in [0, 1/2].
        costs: c1 and ce.
        beta: calibration parameter > 0.
        bounded: whether r and e are confined to [-1, 1].

    Returns:
        alpha > 0, of the same shape.

    Raises:
        ValueError: if mu leaves [0, 1/2], beta is not positive, or bounded scores would need alpha = inf:
            c1 mu + ce = 0 < c1.

    >>> alpha_from_mu(np.array([0.05, 0.3]), costs=Costs(c1=1.0, ce=0.15), beta=2.0).round(3)
    array([2.929, 2.37 ])

    Source: derived in the chapter on the surrogate, calibration (A).
    """
    mu = np.asarray(mu, dtype=float)
    if bounded and costs.c1 > 0 and np.any(costs.c1 * mu + costs.ce < SMALLEST_NORMAL):
        raise ValueError(f"expected c1 mu + ce > 0 with bounded scores, got mu = {mu.min():g} with {costs}")
    return _calibrated_alpha(mu, costs=costs, beta=beta, bounded=bounded)


def alpha_from_p(p: Any, *, costs: Costs, beta: float, bounded: bool = False) -> np.ndarray:
    r"""Calibrated alpha as a function of the client's error probability, for every mu.

    .. math:: \alpha(p) = g(u), \quad u = \mathrm{clip}\big((p - c_e)/c_1, 0, 1/2\big)

    For ce < p < ce + c1/2, alpha is (ce + beta sqrt((p - ce)(c1 - p + ce)))/p. For smaller p it is 1, for larger p
    it is (beta c1 + 2 ce)/(c1 + 2 ce). It is finite and positive for every p in [0, 1].

    Args:
        p: P(M≠Y|x), any shape, in [0, 1].
        costs: c1 and ce.
        beta: calibration parameter > 0.
        bounded: whether r and e are confined to [-1, 1].

    Returns:
        alpha > 0, of the same shape.

    Raises:
        ValueError: if p leaves [0, 1] or beta is not positive.

    >>> alpha_from_p(np.array([0.0, 0.18, 1.0]), costs=Costs(c1=1.0, ce=0.15), beta=2.0).round(4)
    array([1.    , 2.7287, 1.7692])

    Source: derived in the chapter on the surrogate, calibration (B); the released formula with its domain repaired.
    """
    p = np.asarray(p, dtype=float)
    checks.probabilities(p=p)
    clipped_gain = np.clip(p - costs.ce, 0, costs.c1 / 2)  # dividing after the clip cannot overflow
    u = clipped_gain / costs.c1 if costs.c1 > 0 else clipped_gain
    return _calibrated_alpha(u, costs=costs, beta=beta, bounded=bounded)


def alpha_deterministic(*, costs: Costs, beta: float, bounded: bool = False) -> float:
    r"""The single alpha that is calibrated for a deterministic client, whatever its p(x).

    .. math:: \alpha^* = \frac{\beta c_1 s(\min(p_t, 1 - p_t))/2 + c_e}{p_t}
              = \beta c_1 \sqrt{(1 - p_t)/p_t} + c_e/p_t

    No other alpha is calibrated where 0 < p_t < 1, except at c1 = 1, ce = 0: there every alpha >= beta is, and beta is
    returned. With c1 = 0, or ce >= 1 (never ask), alpha = 1 is calibrated and returned.

    Args:
        costs: c1 and ce.
        beta: calibration parameter > 0.
        bounded: whether r and e are confined to [-1, 1].

    Returns:
        alpha > 0.

    Raises:
        ValueError: if beta is not positive, or 0 < c1 < 1 with ce = 0: there asking is better for every p > 0, which
            would need alpha = inf.

    >>> round(alpha_deterministic(costs=Costs(c1=1.0, ce=0.18), beta=2.0), 5)
    1.97232

    Source: derived in the chapter on the surrogate.
    """
    checks.positive(beta=beta)
    if costs.c1 == 0 or costs.ce >= 1:
        return 1.0
    p = ask_threshold(costs)
    if p < SMALLEST_NORMAL:
        raise ValueError(f"expected ce > 0 or c1 >= 1 (no finite alpha suits every client), got {costs}")
    ask_slope = beta / 2 * costs.c1 * min_server_term(min(p, 1 - p), beta=beta, bounded=bounded) + costs.ce
    return float(ask_slope / p)


def alpha_released(p: Any, *, costs: Costs, beta: float) -> np.ndarray:
    r"""The formula for alpha in the authors' released code, which is calibrated only for beta = 2 or ce = 0.

    .. math:: \alpha = \frac{\beta \big(c_e + 2\sqrt{(p - c_e)(c_1 - p + c_e)}\big)}{2p}

    Args:
        p: P(M≠Y|x), or the constant `RELEASED_P` that the released code uses for it; any shape, in [ce, ce + c1] and
            (0, 1].
        costs: c1 and ce.
        beta: calibration parameter > 0.

    Returns:
        alpha >= 0, of the same shape; 0 only where ce = 0 and p = c1.

    Raises:
        ValueError: if p leaves [0, 1], p = 0, or the square root has no real value: p < ce or p > ce + c1.

    >>> alpha_released(np.array([0.18]), costs=Costs(c1=1.0, ce=0.0), beta=2.0).round(4)
    array([4.2687])

    Source: the released notebook; its radicand 4 c1 (p - ce) - 4 p^2 + 8 ce p - 4 ce^2 is 4 (p - ce)(c1 - p + ce).
    """
    p = np.asarray(p, dtype=float)
    checks.probabilities(p=p)
    checks.positive(beta=beta)
    low, high = costs.ce, costs.ce + costs.c1
    outside = (p < low) | (p > high) | (p == 0)
    if outside.any():
        raise ValueError(f"expected p > 0 in [ce, ce + c1] = [{low:g}, {high:g}], got {p[outside][0]:g}")
    root = np.sqrt((p - low) * (high - p))
    return beta * (costs.ce + 2 * root) / (2 * p)


def asks_at_minimum(eta: Any, p: Any, *, costs: Costs, alpha: Any, beta: float, bounded: bool = False) -> np.ndarray:
    """Whether the surrogate's minimiser asks, that is F'(0) >= 0 (at a minimum at r = 0 it asks, convention C1).

    Args:
        eta: P(Y=1|x), any shape, in [0, 1].
        p: P(M≠Y|x), of the same shape or a number, in [0, 1].
        costs: c1 and ce.
        alpha: calibration parameter > 0, likewise.
        beta: calibration parameter > 0.
        bounded: whether r and e are confined to [-1, 1].

    Returns:
        Booleans of the same shape.

    Raises:
        ValueError: if an argument leaves its range.

    >>> bool(asks_at_minimum(0.85, 0.85, costs=Costs(c1=1.0, ce=0.18), alpha=1.0, beta=2.0))
    False

    Source: derived in the chapter on the surrogate.
    """
    return slope_at_zero(eta, p, costs=costs, alpha=alpha, beta=beta, bounded=bounded) >= 0
