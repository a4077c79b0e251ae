"""Statements with exponentials, logarithms or irrational roots, refuted at a point by interval arithmetic."""

import math
from fractions import Fraction
from typing import Any

from companion.proofs.prover import Certificate, enclosing_interval, interval_context, refute_at

exp, log, sqrt = interval_context.exp, interval_context.ln, interval_context.sqrt


def half_min_server_term(mu: Any) -> Any:
    """The root of mu (1 - mu), which increases on [0, 1/2].

    >>> from companion.proofs.prover import enclosing_interval
    >>> half_min_server_term(enclosing_interval(0, "1/2")) == enclosing_interval(0, "1/2")
    True
    """
    low, high = (sqrt(end * (1 - end)) for end in (mu.a, mu.b))
    return interval_context.mpf([low.a, high.b])


def interval_slope(p: Any, mu: Any, c1: Any, ce: Any, alpha: Any, beta: Any) -> Any:
    r"""The slope of the surrogate at r = 0; the minimiser keeps where it is negative.

    .. math:: F'(0) = \alpha p - \beta c_1 \sqrt{\mu(1 - \mu)} - c_e

    >>> from companion.proofs.prover import enclosing_interval
    >>> interval_slope(*(enclosing_interval(number) for number in ("0.85", "0.15", 1, "0.18", 1, 2))).b < 0
    True
    """
    return alpha * p - beta * c1 * half_min_server_term(mu) - ce


def interval_released_alpha(p: Any, c1: Any, ce: Any, beta: Any) -> Any:
    """The released formula for alpha, where it is real.

    >>> from companion.proofs.prover import enclosing_interval
    >>> 1.0999 < interval_released_alpha(*(enclosing_interval(number) for number in ("0.5", 1, "0.3", 1))) < 1.1001
    True
    """
    return beta * (ce + 2 * sqrt((p - ce) * (c1 - p + ce))) / (2 * p)


def wrong_alphas() -> dict[str, Certificate]:
    """The printed counterexamples to the released choices of alpha, which keep although asking has a lower risk.

    Returns:
        Certificates "constant-0.18", "released-formula-beta-1", "released-formula-domain" and "bounded-keeps", all
        refuted.

    >>> {certificate.verdict for certificate in wrong_alphas().values()}
    {'refuted'}
    """
    gain = {"p - T > 0": lambda p, mu, c1, ce, **_: p - c1 * mu - ce}

    def keeps(p: Any, mu: Any, c1: Any, ce: Any, beta: Any) -> Any:
        return -interval_slope(p, mu, c1, ce, interval_released_alpha(p, c1, ce, beta), beta)

    return {
        "constant-0.18": refute_at(
            "alpha = 1, the released formula at p = 0.18, costs at most 0.11 above Bayes where E[p] = 0.18; "
            "c1 = 1, ce = 0.18, beta = 2, deterministic client",
            {"p": "0.85", "mu": "0.15", "c1": 1, "ce": "0.18", "beta": 2},
            {
                "F'(0) < 0 at an atom of mass 0.18/0.85": lambda **at: -interval_slope(alpha=1, **at),
                "and its regret, mass times p - T, exceeds 0.11": lambda p, mu, c1, ce, **_: (
                    enclosing_interval("0.18") / p * (p - c1 * mu - ce) - enclosing_interval("0.11")
                ),
            },
        ),
        "released-formula-beta-1": refute_at(
            "The released formula with the true p is calibrated at beta = 1",
            {"p": "0.7", "mu": "0.14", "c1": 1, "ce": "0.3", "beta": 1},
            {"F'(0) < 0": keeps, **gain},
        ),
        "released-formula-domain": refute_at(
            "The released formula with the true p is calibrated between ce + c1/2 and ce + c1; beta = 2",
            {"p": 1, "mu": "0.2", "c1": 1, "ce": "0.01", "beta": 2},
            {"F'(0) < 0": keeps, **gain},
        ),
        "bounded-keeps": refute_at(
            "alpha(p) stays calibrated where e is bounded to [-1, 1]; c1 = 1, beta = 2",
            {"p": "0.17", "mu": 0, "c1": 1, "ce": "0.15", "beta": 2},
            {"F'(0) < 0 with s(0) = exp(-beta/2)": _keeps_when_bounded, **gain},
        ),
    }


def _keeps_when_bounded(p: Any, mu: Any, c1: Any, ce: Any, beta: Any) -> Any:
    """Minus the slope at mu = 0, where the best e within the box is its corner."""
    client_term = ce + beta * c1 * half_min_server_term((p - ce) / c1)  # alpha(p) times p
    return beta / 2 * c1 * exp(-beta / 2) + ce - client_term


def surrogate_shape() -> dict[str, Certificate]:
    """Limits of the surrogate: it is no upper bound for negative parameters, and not convex in the logit.

    Returns:
        Certificates "upper-bound-negative-alpha", "upper-bound-negative-beta" and "convex-in-the-logit", all refuted.

    >>> {certificate.verdict for certificate in surrogate_shape().values()}
    {'refuted'}
    """

    def at_logit(z: Any, alpha: Any) -> Any:
        return exp(alpha * (2 / (1 + exp(-z)) - 1))

    return {
        "upper-bound-negative-alpha": refute_at(
            "L <= L_S for alpha < 0; m != y",
            {"r": 5, "e": 50, "y": 1, "c1": 1, "ce": 0, "alpha": "-0.5", "beta": 2},
            {
                "L = 1 > L_S": lambda r, e, y, c1, ce, alpha, beta: (
                    1 - c1 * exp(beta / 2 * (-e * y - r)) - ce * exp(-r) - exp(alpha * r)
                )
            },
        ),
        "upper-bound-negative-beta": refute_at(
            "L <= L_S for beta < 0; m = y",
            {"r": "-0.5", "e": -1, "y": 1, "c1": 1, "ce": 0, "beta": -1},
            {"L = 1 > L_S": lambda r, e, y, c1, ce, beta: 1 - c1 * exp(beta / 2 * (-e * y - r)) - ce * exp(-r)},
        ),
        "convex-in-the-logit": refute_at(
            "exp(alpha r) is convex in the logit z where r = 2 sigmoid(z) - 1",
            {"z": 2, "step": 1, "alpha": 1},
            {
                "its second difference is negative": lambda z, step, alpha: (
                    2 * at_logit(z, alpha) - at_logit(z - step, alpha) - at_logit(z + step, alpha)
                )
            },
        ),
    }


def _penalty(c: Any, n: int, delta: Any) -> Any:
    """The stated deviation: all of the stated penalty for one pair (r, e)."""
    return 3 * c * sqrt(log(2 / delta) / (2 * n))


def stated_bound() -> dict[str, Certificate]:
    """Theorem 1 as stated, refuted by one example, by a hundred, and by real-valued scores.

    Returns:
        Certificates "theorem-1-one-example", "theorem-1-hundred-examples" and "theorem-1-real-scores".

    >>> {certificate.verdict for certificate in stated_bound().values()}
    {'refuted'}
    """
    tail = Fraction(sum(math.comb(100, k) for k in range(46)), 2**100)  # P(Bin(100, 1/2) <= 45)
    return {
        "theorem-1-one-example": refute_at(
            "Theorem 1 as stated; one pair that always keeps, n = 1",
            {"p": "0.8", "c1": "0.12", "ce": "0.12", "delta": "0.19"},
            {
                "without an error, R - R_hat = p exceeds the penalty": lambda p, c1, ce, delta: (
                    p - _penalty(c1 + ce, 1, delta)
                ),
                "with probability 1 - p > delta": lambda p, delta, **_: 1 - p - delta,
            },
        ),
        "theorem-1-hundred-examples": refute_at(
            "Theorem 1 as stated; one pair that always keeps, n = 100",
            {"p": "0.5", "c1": "0.05", "ce": "0.05", "delta": "0.05"},
            {
                "with at most 45 errors, R - R_hat exceeds the penalty": lambda p, c1, ce, delta: (
                    p - enclosing_interval("0.45") - _penalty(c1 + ce, 100, delta)
                ),
                "with probability P(Bin(100, 1/2) <= 45) > delta": lambda delta, **_: enclosing_interval(tail) - delta,
            },
        ),
        "theorem-1-real-scores": refute_at(
            "Theorem 1 as stated for rejectors into {-t, +t}; n = 10,000",
            {"t": "0.001", "c1": 1, "ce": "0.3", "delta": "0.05"},
            {
                "R = 1/2 > R_hat + penalty": lambda t, c1, ce, delta: (
                    enclosing_interval("1/2") - ce - (1 + c1 + ce) * t - _penalty(c1 + ce, 10_000, delta)
                )
            },
        ),
    }


def joint_stage_objective() -> dict[str, Certificate]:
    r"""Without a stop-gradient the multi-class objective prefers a server with the wrong label.

    .. math:: J = -\sum_k \eta_k \ln \mathrm{softmax}(e)_k + (A + B) H\Big(\frac{A}{A + B}\Big), \quad A = 1 - p, \;
        B = 1 - c_e - c_1 P(\text{label} \neq Y|x)

    Every server with the right label has J >= H(eta) + its r-part; those that tend to the tie with the wrong label
    tend to ln 2 + theirs.

    Returns:
        Certificate "joint-stage-objective" (refuted).

    >>> joint_stage_objective()["joint-stage-objective"].verdict
    'refuted'
    """

    def rejector_part(keep: Any, ask: Any) -> Any:
        return (keep + ask) * log(keep + ask) - keep * log(keep) - ask * log(ask)

    def gap(eta: Any, p: Any, c1: Any, ce: Any) -> Any:
        right, wrong = (rejector_part(1 - p, 1 - ce - c1 * error) for error in (1 - eta, eta))
        return -eta * log(eta) - (1 - eta) * log(1 - eta) + right - log(enclosing_interval(2)) - wrong

    return {
        "joint-stage-objective": refute_at(
            "The joint multi-class objective is least for a server with the likelier label; K = 2",
            {"eta": "0.55", "p": "0.5", "c1": "0.8", "ce": "0.05"},
            {"the right label costs more than the wrong one": gap},
        )
    }


def quartic_excess_risk() -> dict[str, Certificate]:
    r"""With alpha(p) the excess surrogate risk can be as small as the fourth power of the regret.

    .. math:: \mu = \tfrac12, \; p = c_e + \tfrac{c_1}{2} - c_1 t: \quad
        F(0) - \min F \approx 0.62802\, t^4 \text{ at a regret of } t \quad (c_1 = 1, c_e = 0.15, \beta = 2)

    Returns:
        Certificate "quadratic-transfer-of-alpha-p" (refuted).

    >>> quartic_excess_risk()["quadratic-transfer-of-alpha-p"].verdict
    'refuted'
    """

    def excess(t: Any, ce: Any) -> Any:
        p = ce + enclosing_interval("1/2") - t
        alpha = (ce + 2 * half_min_server_term(enclosing_interval("1/2") - t)) / p
        r = log((1 + ce) / (alpha * p)) / (1 + alpha)  # the minimiser at beta = 2
        return (1 + ce) * (1 - exp(-r)) + p * (1 - exp(alpha * r))

    return {
        "quadratic-transfer-of-alpha-p": refute_at(
            "With alpha(p), F(0) - min F >= (p - T)^2 / 10^9; free client, c1 = 1, ce = 0.15, beta = 2",
            {"t": "0.00001", "ce": "0.15"},
            {
                "F(0) - min F < 0.62803 t^4": lambda t, ce: enclosing_interval("0.62803") * t**4 - excess(t, ce),
                "F(0) - min F > 0.62801 t^4": lambda t, ce: excess(t, ce) - enclosing_interval("0.62801") * t**4,
                "0.62803 t^4 < t^2 / 10^9": lambda t, ce: t**2 / 10**9 - enclosing_interval("0.62803") * t**4,
            },
        )
    }
