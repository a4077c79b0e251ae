"""K classes: the Bayes rules, the excess risk of rules that use p alone, and the calibration of the losses.

For a known posterior, eta has one column per class. `bayes.bayes_rejector` and `bayes.pointwise_bayes_risk` take the
error of the best server, for any number of classes.
"""

from typing import Any

import numpy as np
from scipy.special import xlogy

from l2h import checks
from l2h.losses.stage_switching import stage_weights
from l2h.problem import Costs
from l2h.theory.bayes import bayes_rejector

POSTERIOR_TOLERANCE = 1e-9  # how far posteriors may sum from 1
P_GRID_SIZE = 20_001  # numbers of p in [0, 1] that are searched


def as_posterior(eta: Any) -> np.ndarray:
    """Posteriors as an array, checked.

    Args:
        eta: (..., K) with K >= 2, each row >= 0 with sum 1.

    Returns:
        The same as floats.

    Raises:
        ValueError: if there are fewer than two classes, an entry leaves [0, 1], or a row does not sum to 1.

    >>> as_posterior([[0.5, 0.6]])
    Traceback (most recent call last):
    ValueError: expected posteriors that sum to 1, got a sum of 1.1
    """
    eta = np.asarray(eta, dtype=float)
    if eta.ndim == 0 or eta.shape[-1] < 2:
        raise ValueError(f"expected eta of shape (..., K) with K >= 2, got shape {eta.shape}")
    checks.probabilities(upper=1 + POSTERIOR_TOLERANCE, eta=eta)
    sums = eta.sum(-1)
    not_normalized = np.abs(sums - 1) > POSTERIOR_TOLERANCE
    if not_normalized.any():
        raise ValueError(f"expected posteriors that sum to 1, got a sum of {sums[not_normalized].flat[0]:g}")
    return eta


def bayes_label(eta: Any) -> np.ndarray:
    r"""The Bayes server's label, the likeliest class.

    .. math:: e^*(x) = \arg\max_k \eta_k(x)

    Args:
        eta: (..., K) posteriors.

    Returns:
        Labels in 0..K-1, the first of several likeliest ones.

    Raises:
        ValueError: if eta is no posterior.

    >>> bayes_label([[0.2, 0.5, 0.3]])
    array([1])

    Source: derived in the chapter on many classes.
    """
    return as_posterior(eta).argmax(-1)


def multiclass_server_error(eta: Any) -> np.ndarray:
    r"""The error probability of the best server.

    .. math:: \mu(x) = 1 - \max_k \eta_k(x)

    Args:
        eta: (..., K) posteriors.

    Returns:
        mu in [0, 1 - 1/K], without the last axis.

    Raises:
        ValueError: if eta is no posterior.

    >>> multiclass_server_error([[0.2, 0.5, 0.3]])
    array([0.5])

    Source: derived in the chapter on many classes.
    """
    return 1 - as_posterior(eta).max(-1)


def server_error_range(p: Any, *, classes: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Bounds of the best server's error, for a deterministic client that errs with probability p.

    .. math:: \min(p, 1 - p) \leq \mu \leq \min\Big(p, 1 - \frac{p}{K - 1}\Big)

    For two classes the bounds agree, so p determines mu. For more classes they differ where p > 1/2.

    Args:
        p: P(M≠Y|x), any shape, in [0, 1].
        classes: K >= 2.

    Returns:
        Lower and upper bound, each attained.

    Raises:
        ValueError: if p leaves [0, 1] or there are fewer than two classes.

    >>> [float(bound) for bound in server_error_range(0.75, classes=4)]
    [0.25, 0.75]

    Source: derived in the chapter on many classes.
    """
    p = np.asarray(p, dtype=float)
    checks.probabilities(p=p)
    checks.at_least(2, classes=classes)
    return np.minimum(p, 1 - p), np.minimum(p, 1 - p / (classes - 1))


def max_confidence_excess_risk(*, classes: int, costs: Costs) -> float:
    r"""The largest excess risk of the best rule that uses p(x) alone, for a deterministic client.

    .. math:: \sup_p \frac{a b}{a + b}, \quad a = c_1\overline\mu(p) + c_e - p, \; b = p - c_1\underline\mu(p) - c_e,
              \qquad \sup_{c_e} \sup_p \frac{a b}{a + b} = \frac{c_1}{4} \frac{K - 2}{K - 1}

    The bounds of mu are those of `server_error_range`: a is the largest loss by asking at p, b the largest
    gain, and a p is ambiguous only if both are positive. For two classes the value is 0: there p determines the Bayes
    rule.

    Args:
        classes: K >= 2.
        costs: c1 and ce.

    Returns:
        The supremum of the excess risk over all distributions; it is searched on a grid of p, to about 1e-6.

    Raises:
        ValueError: if there are fewer than two classes.

    >>> [round(max_confidence_excess_risk(classes=K, costs=Costs(c1=1.0, ce=0.75)), 4) for K in (2, 3)]
    [0.0, 0.125]

    Source: derived in the chapter on many classes.
    """
    checks.at_least(2, classes=classes)
    p = np.union1d(np.linspace(0, 1, P_GRID_SIZE), [1 - 1 / classes])  # the bound of mu has a kink there
    low, high = server_error_range(p, classes=classes)
    largest_loss = np.maximum(bayes_rejector(high, p, costs=costs), 0)
    largest_gain = np.maximum(-bayes_rejector(low, p, costs=costs), 0)
    ambiguous = (largest_loss > 0) & (largest_gain > 0)
    return float(
        np.divide(largest_loss * largest_gain, largest_loss + largest_gain, out=np.zeros_like(p), where=ambiguous).max()
    )


def confidence_excess_risk(mass: Any, p: Any, mu: Any, *, costs: Costs) -> float:
    r"""Excess risk of the best rule that uses p(x) alone, on a finite distribution.

    .. math:: \sum_{v} \min\big(E[g_+ ; p = v], E[g_- ; p = v]\big), \quad g = p - c_1\mu - c_e

    Args:
        mass: (n,) probabilities of the atoms.
        p: (n,) P(M≠Y|x); the rule cannot distinguish points of equal p.
        mu: (n,) the best server's error.
        costs: c1 and ce.

    Returns:
        The excess risk >= 0.

    Raises:
        ValueError: if lengths differ or a probability leaves [0, 1].

    >>> round(confidence_excess_risk([0.5, 0.5], [0.6, 0.6], [0.4, 0.6], costs=Costs(c1=1.0, ce=0.15)), 3)
    0.025

    Source: derived in the chapter on many classes.
    """
    mass, p, mu = (np.asarray(values, dtype=float) for values in (mass, p, mu))
    checks.one_dimensional(mass=mass, p=p, mu=mu)
    checks.probabilities(mass=mass)
    gain = -bayes_rejector(mu, p, costs=costs)
    _, group = np.unique(p, return_inverse=True)
    gains, losses = (np.bincount(group, weights=mass * np.maximum(sign * gain, 0)) for sign in (1, -1))
    return float(np.minimum(gains, losses).sum())


def multiclass_min_server_term(eta: Any) -> np.ndarray:
    r"""The server's part of the surrogate for K classes, minimised over its scores.

    .. math:: s_K(\eta) = \min_e \sum_y \eta_y \sum_{k \neq y} e^{\frac{\beta}{2}(e_k - e_y)}
              = \Big(\sum_k \sqrt{\eta_k}\Big)^2 - 1

    It is attained at e_k = log(eta_k) / beta up to a constant, and equals 2 sqrt(mu (1 - mu)) for two classes.

    Args:
        eta: (..., K) posteriors.

    Returns:
        s_K in [0, K - 1], without the last axis.

    Raises:
        ValueError: if eta is no posterior.

    >>> multiclass_min_server_term([[0.5, 0.5], [1.0, 0.0]]).round(12)
    array([1., 0.])

    Source: derived in the chapter on many classes.
    """
    return np.sqrt(as_posterior(eta)).sum(-1) ** 2 - 1


def alpha_from_posterior(eta: Any, *, costs: Costs, beta: float) -> np.ndarray:
    r"""The alpha for which the surrogate for K classes is calibrated, for every client.

    .. math:: \alpha(\eta) = \frac{\beta c_1 s_K(\eta)/2 + c_e}{c_1\mu(\eta) + c_e}

    Then the slope at r = 0 is F'(0) = alpha (p - c1 mu - ce). Where asking costs nothing, every alpha > 0 is
    calibrated, and 1 is returned.

    Args:
        eta: (..., K) posteriors.
        costs: c1 and ce.
        beta: calibration parameter > 0.

    Returns:
        alpha > 0, without the last axis.

    Raises:
        ValueError: if eta is no posterior or beta is not positive.

    >>> round(float(alpha_from_posterior([0.95, 0.05], costs=Costs(c1=1.0, ce=0.15), beta=2.0)), 3)
    2.929

    Source: derived in the chapter on many classes; for two classes it is calibration (A) of the surrogate.
    """
    checks.positive(beta=beta)
    ask_slope = beta / 2 * costs.c1 * multiclass_min_server_term(eta) + costs.ce
    cost = costs.c1 * multiclass_server_error(eta) + costs.ce
    return np.divide(ask_slope, cost, out=np.ones_like(cost), where=cost > 0)[()]


def stage_minimiser(p: Any, server_error: Any, *, costs: Costs, form: str) -> np.ndarray:
    r"""The rejector that minimises the stage-switching loss given x, for a server with a given error.

    .. math:: r^* = \log \frac{A}{B}, \quad A = E[w_{keep}|x], \; B = E[w_{ask}|x]

    It is infinite where a weight is <= 0: with B < 0 the risk falls without bound as r grows, which keeps.

    Args:
        p: P(M≠Y|x), any shape, in [0, 1].
        server_error: P(e≠Y|x) of any server, likewise; `multiclass_server_error(eta)` for the best one.
        costs: c1 and ce.
        form: one of `stage_switching.STAGE_SWITCHING_FORMS`.

    Returns:
        r*, of the same shape, infinite where the infimum is at infinity; 0 at a tie, which asks.

    Raises:
        ValueError: if a probability leaves [0, 1] or the form is unknown.

    >>> forms = ("paper", "nonnegative", "released")
    >>> [round(float(stage_minimiser(0.3, 0.5, costs=Costs(1.0, 0.25), form=form)), 2) for form in forms]
    [1.03, 0.64, -0.58]

    Source: derived in the chapter on many classes.
    """
    p, server_error = (np.asarray(value, dtype=float) for value in (p, server_error))
    checks.probabilities(p=p, server_error=server_error)
    keep, ask = np.broadcast_arrays(*stage_weights(p, server_error, costs=costs, form=form))
    with np.errstate(divide="ignore", invalid="ignore"):
        log_odds = np.log(keep) - np.log(ask)
    cases = [(keep > 0) & (ask > 0), (ask < 0) | (keep > 0), ask > 0]
    return np.select(cases, [log_odds, np.inf, -np.inf], 0.0)[()]


def min_joint_stage_risk(eta: Any, p: Any, label: int, *, costs: Costs) -> float:
    r"""The infimum of the stage-switching risk over servers with a given label, if their label in the weight varies.

    .. math:: \inf_{\arg\max e = j} E[-\log \mathrm{softmax}(e)_Y] + (A + B) H\Big(\frac{A}{A + B}\Big), \quad
              A = 1 - p, \; B = 1 - c_e - c_1(1 - \eta_j)

    The infimum ties class j with the classes that are likelier than their common mean.

    Args:
        eta: (K,) posterior at x.
        p: P(M≠Y|x).
        label: j, the server's label at x.
        costs: c1 and ce, with A, B >= 0.

    Returns:
        The infimum.

    Raises:
        ValueError: if eta is no posterior, p leaves [0, 1], or B < 0, where there is no infimum.

    >>> values = [min_joint_stage_risk([0.55, 0.45], 0.5, j, costs=Costs(c1=0.8, ce=0.05)) for j in (0, 1)]
    >>> values[0] > values[1]  # the wrong label has the smaller risk
    True

    Source: derived in the chapter on many classes.
    """
    eta = as_posterior(eta)
    checks.probabilities(p=p)
    keep, ask = stage_weights(p, 1 - eta[label], costs=costs, form="paper")
    checks.at_least(0, **{"the weight of asking": ask})
    tied = [eta[label]]
    for other in np.sort(np.delete(eta, label))[::-1]:
        if other * len(tied) > sum(tied):
            tied.append(other)
    untied = np.sort(np.delete(eta, label))[::-1][len(tied) - 1 :]
    cross_entropy = -xlogy(sum(tied), sum(tied) / len(tied)) - xlogy(untied, untied).sum()
    return float(cross_entropy + xlogy(keep + ask, keep + ask) - xlogy(keep, keep) - xlogy(ask, ask))
