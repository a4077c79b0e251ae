"""The surrogate risk given x, minimised over e; its minimiser (r, e); and the slope at r = 0, which decides."""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, logit

from l2h import checks
from l2h.problem import Costs
from l2h.theory.bayes import server_error

MAX_RISK_EXPONENT = 700.0  # e^700 = 1e304, about the largest float64
STATIONARITY_STEPS = 12  # they reach 1e-12 for alpha in [1e-3, 1e3] and beta in [1e-3, 1e4]


def min_server_term(mu: Any, *, beta: float, bounded: bool = False) -> np.ndarray:
    r"""The server's part of the surrogate, minimised over e: s(mu); over `|e| <= 1` for bounded scores.

    .. math:: s(\mu) = \min_e \mu e^{\beta e/2} + (1 - \mu) e^{-\beta e/2} = 2\sqrt{\mu(1-\mu)}

    Args:
        mu: min(eta, 1 - eta), any shape, in [0, 1/2].
        beta: calibration parameter > 0.
        bounded: whether e is confined to [-1, 1]; then the minimum is larger for mu < 1/(1 + e^beta).

    Returns:
        s(mu), of the same shape, in [0, 1].

    Raises:
        ValueError: if mu leaves [0, 1/2] or beta is not positive.

    >>> min_server_term(np.array([0.0, 0.5]), beta=2.0)
    array([0., 1.])

    Source: the minimum over e of arXiv 2409.16253, surrogate loss.
    """
    mu = np.asarray(mu, dtype=float)
    checks.probabilities(upper=0.5, mu=mu)
    checks.positive(beta=beta)
    unbounded = 2 * np.sqrt(mu * (1 - mu))
    if not bounded:
        return unbounded
    edge = min(beta / 2, 700.0)  # beyond, no mu > 0 of float64 lies below expit(-beta)
    at_edge = mu * np.exp(edge) + (1 - mu) * np.exp(-edge)
    return np.where(mu < expit(-beta), at_edge, unbounded)[()]


class SurrogateMinimiser(NamedTuple):
    """The scores at which the conditional surrogate risk is smallest."""

    r: np.ndarray
    e: np.ndarray


def _checked_arrays(eta: Any, p: Any, alpha: Any, beta: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eta, p and alpha as arrays, after a check of their ranges."""
    eta, p, alpha = (np.asarray(value, dtype=float) for value in (eta, p, alpha))
    checks.probabilities(eta=eta, p=p)
    checks.finite(alpha=alpha)
    checks.positive(alpha=alpha.min(), beta=beta)
    return eta, p, alpha


def _weighted_exponential(weight: Any, exponent: Any) -> np.ndarray:
    """The product weight e^exponent, which is 0 where the weight is 0, whatever the exponent."""
    positive_weight = weight > 0
    log_terms = np.where(
        positive_weight, np.log(np.where(positive_weight, weight, 1)) + np.where(positive_weight, exponent, 0), -np.inf
    )
    if not (log_terms <= MAX_RISK_EXPONENT).all():
        raise ValueError(
            f"expected scores with every term of the risk below e^{MAX_RISK_EXPONENT}, got e^{log_terms.max():g}"
        )
    return np.exp(log_terms)


def partial_min_risk(
    r: Any, *, eta: Any, p: Any, costs: Costs, alpha: Any, beta: float, bounded: bool = False
) -> np.ndarray:
    r"""The surrogate risk given x, minimised over e; convex in r.

    .. math:: F(r) = \min_e W(r, e) = c_1 s(\mu) e^{-\beta r/2} + c_e e^{-r} + p e^{\alpha r}

    Args:
        r: rejector scores, any shape.
        eta: P(Y=1|x), of the same shape or a number, in [0, 1].
        p: P(M≠Y|x), likewise.
        costs: c1 and ce.
        alpha: calibration parameter > 0, likewise.
        beta: calibration parameter > 0.
        bounded: whether e is confined to [-1, 1].

    Returns:
        Risks, of the same shape, >= 0.

    Raises:
        ValueError: if an argument leaves its range, or a term of the risk exceeds e^700.

    >>> float(partial_min_risk(0.0, eta=1.0, p=0.5, costs=Costs(c1=1.0, ce=0.25), alpha=2.0, beta=2.0))
    0.75

    Source: derived in the chapter on the surrogate.
    """
    eta, p, alpha = _checked_arrays(eta, p, alpha, beta)
    s = min_server_term(server_error(eta), beta=beta, bounded=bounded)
    r = np.asarray(r, dtype=float)
    return (
        _weighted_exponential(costs.c1 * s, -beta / 2 * r)
        + _weighted_exponential(np.asarray(costs.ce), -r)
        + _weighted_exponential(p, alpha * r)
    )


def slope_at_zero(eta: Any, p: Any, *, costs: Costs, alpha: Any, beta: float, bounded: bool = False) -> np.ndarray:
    r"""The slope of the conditional risk at r = 0; the minimiser keeps (r > 0) exactly where it is negative.

    .. math:: F'(0) = \alpha p - \tfrac{\beta}{2} c_1 s(\mu) - c_e

    Args:
        eta: P(Y=1|x), any shape, in [0, 1].
        p: P(M≠Y|x), of the same shape or a number, in [0, 1].
        costs: c1 and ce.
        alpha: calibration parameter > 0, likewise.
        beta: calibration parameter > 0.
        bounded: whether r and e are confined to [-1, 1].

    Returns:
        Slopes, of the same shape.

    Raises:
        ValueError: if an argument leaves its range.

    >>> float(slope_at_zero(0.85, 0.85, costs=Costs(c1=1.0, ce=0.18), alpha=1.0, beta=2.0).round(4))
    -0.0441

    Source: derived in the chapter on the surrogate.
    """
    eta, p, alpha = _checked_arrays(eta, p, alpha, beta)
    return alpha * p - beta / 2 * costs.c1 * min_server_term(server_error(eta), beta=beta, bounded=bounded) - costs.ce


def _stationary_score(
    server_weight: np.ndarray, ce: float, log_client_weight: np.ndarray, alpha: np.ndarray, beta: float
) -> np.ndarray:
    """The r with w_s e^{-beta r/2} + ce e^{-r} = w_c e^{alpha r}, by Newton's method on the logarithms of both sides.

    The difference of the logarithms is concave and increasing, so every step but the first approaches the root from
    below.
    """
    with np.errstate(divide="ignore"):
        log_server_weight, log_ce = np.log(server_weight), np.log(ce)
    r = np.zeros(np.broadcast(log_server_weight, log_client_weight, alpha).shape)
    for _ in range(STATIONARITY_STEPS):
        total = np.logaddexp(log_server_weight - beta / 2 * r, log_ce - r)
        server_share = np.exp(log_server_weight - beta / 2 * r - total)
        r = r - (log_client_weight + alpha * r - total) / (alpha + server_share * beta / 2 + 1 - server_share)
    return r


def minimiser(eta: Any, p: Any, *, costs: Costs, alpha: Any, beta: float, bounded: bool = False) -> SurrogateMinimiser:
    r"""The (r, e) that minimises the conditional surrogate risk.

    .. math:: e = \frac{1}{\beta}\ln\frac{\eta}{1 - \eta}, \qquad F'(r) = 0

    The minimum may lie at infinity: e at eta in {0, 1}; r = +inf where p = 0, r = -inf where asking costs nothing
    (c1 s(mu) = ce = 0). Where every weight is 0, r = 0. For bounded scores both are clipped to [-1, 1], which gives
    the minimiser of the convex risk over the square.

    Args:
        eta: P(Y=1|x), any shape, in [0, 1].
        p: P(M≠Y|x), of the same shape or a number, in [0, 1].
        costs: c1 and ce.
        alpha: calibration parameter > 0, likewise.
        beta: calibration parameter > 0.
        bounded: whether r and e are confined to [-1, 1].

    Returns:
        SurrogateMinimiser(r, e).

    Raises:
        ValueError: if an argument leaves its range.

    >>> best = minimiser(0.85, 0.85, costs=Costs(c1=1.0, ce=0.18), alpha=1.0, beta=2.0)
    >>> float(best.r.round(4)), float(best.e.round(4))
    (0.0253, 0.8673)

    Source: derived in the chapter on the surrogate.
    """
    eta, p, alpha = _checked_arrays(eta, p, alpha, beta)
    server_weight = beta / 2 * costs.c1 * min_server_term(server_error(eta), beta=beta, bounded=bounded)
    client_errs, ask_costs = p > 0, server_weight + costs.ce > 0
    log_client_weight = np.log(alpha) + np.log(np.where(client_errs, p, 1))
    stationary_r = _stationary_score(np.where(ask_costs, server_weight, 1), costs.ce, log_client_weight, alpha, beta)
    r = np.where(
        client_errs & ask_costs, stationary_r, np.where(client_errs, -np.inf, np.where(ask_costs, np.inf, 0.0))
    )
    e = np.broadcast_to(logit(eta) / beta, r.shape)
    return SurrogateMinimiser(np.clip(r, -1, 1), np.clip(e, -1, 1)) if bounded else SurrogateMinimiser(r[()], e[()])
