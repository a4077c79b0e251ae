"""The conditional surrogate risk with both scores free, and the exact condition of calibration; for tests only."""

import numpy as np

from l2h.theory.bayes import bayes_rejector, server_error
from l2h.theory.conditional_risk import slope_at_zero

ROUNDINGS = 8


def conditional_risk(r, e, *, eta, p, costs, alpha, beta):
    """The risk W(r, e) given x; where both scores are infinite, the limit in e is taken first."""
    r, e, eta, p = (np.asarray(value, dtype=float) for value in (r, e, eta, p))
    limit_r = np.where(np.isinf(e), 0, r)

    def term(weight, exponent):
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(weight > 0, np.exp(np.log(weight) + exponent), 0)

    server_terms = term(costs.c1 * eta, -beta / 2 * (e + limit_r)) + term(
        costs.c1 * (1 - eta), beta / 2 * (e - limit_r)
    )
    return server_terms + term(np.asarray(costs.ce), -r) + term(p, alpha * r)


def is_calibrated(eta, p, *, costs, alpha, beta, bounded=False):
    """Whether sign F'(0) = sign(p - c1 mu - ce) or asking and keeping tie; a few roundings from 0 count as 0.

    A slope of 0 is not enough where asking is better: minimising sequences may then reach r = 0 from above, and keep.
    """
    slope = slope_at_zero(eta, p, costs=costs, alpha=alpha, beta=beta, bounded=bounded)
    loss = -bayes_rejector(server_error(np.asarray(eta, dtype=float)), np.asarray(p, dtype=float), costs=costs)
    scale = ROUNDINGS * np.finfo(float).eps
    tie = np.abs(loss) <= scale * (1 + costs.c1 + costs.ce)
    flat = np.abs(slope) <= scale * (alpha * p + beta * costs.c1 + costs.ce)
    return tie | (~flat & ((slope > 0) == (loss > 0)))
