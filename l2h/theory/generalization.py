r"""Theorem 1: bounds of the risk minus the empirical risk for every pair (r, e), in four forms.

Each form is a penalty: with probability at least 1 - delta over a sample of n examples, for all (r, e) in R x E,

.. math:: R(r, e) \leq \hat{R}(r, e) + \text{complexity} + \text{deviation}.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm

from l2h import checks
from l2h.problem import Costs


class Penalty(NamedTuple):
    """The term that a bound adds to the empirical risk."""

    complexity: Any  # the part with the Rademacher complexities of R and E
    deviation: Any  # the part with ln(1 / delta) / n

    @property
    def total(self) -> Any:
        """Complexity + deviation."""
        return self.complexity + self.deviation


def _check_bound_arguments(rademacher_r: Any, rademacher_e: Any, n: Any, delta: float) -> None:
    checks.at_least(0, rademacher_r=np.min(rademacher_r), rademacher_e=np.min(rademacher_e))
    checks.at_least(1, n=np.min(n))
    checks.positive(delta=delta)
    checks.probabilities(delta=delta)


def theorem1_stated(rademacher_r: Any, rademacher_e: Any, *, costs: Costs, n: Any, delta: float) -> Penalty:
    r"""Theorem 1 as stated: valid if c1 + ce >= 1, false for some families and small delta if c1 + ce < 1/3.

    .. math:: (1 + c_1 + c_e) \hat{R}_S(R) + c_1 \hat{R}_S(E) + 3 \sqrt{(c_1 + c_e)^2 \frac{\ln(2/\delta)}{2n}}

    Args:
        rademacher_r: empirical Rademacher complexity of the rejectors, functions into {-1, +1}; a number or an array.
        rademacher_e: the same of the servers.
        costs: c1 and ce.
        n: number of examples, >= 1; a number or an array.
        delta: probability of failure, in (0, 1].

    Returns:
        Penalty.

    Raises:
        ValueError: if a complexity is negative, n < 1, or delta is not in (0, 1].

    >>> print(f"{theorem1_stated(0.0, 0.0, costs=Costs(0.12, 0.12), n=1, delta=0.19).total:.4f}")
    0.7811

    Source: arXiv 2409.16253, Theorem 1.
    """
    _check_bound_arguments(rademacher_r, rademacher_e, n, delta)
    c1, ce = costs.c1, costs.ce
    return Penalty(
        (1 + c1 + ce) * rademacher_r + c1 * rademacher_e, 3 * (c1 + ce) * np.sqrt(math.log(2 / delta) / (2 * n))
    )


def theorem1_corrected(rademacher_r: Any, rademacher_e: Any, *, costs: Costs, n: Any, delta: float) -> Penalty:
    r"""Theorem 1 corrected: valid for all costs, because the loss lies in [0, max(1, c1 + ce)].

    .. math:: \max(1 - c_e, c_1 + c_e) \hat{R}_S(R) + c_1 \hat{R}_S(E)
        + 3 \max(1, c_1 + c_e) \sqrt{\frac{\ln(1/\delta)}{2n}}

    Args:
        rademacher_r: as in `theorem1_stated`.
        rademacher_e: as in `theorem1_stated`.
        costs: c1 and ce.
        n: number of examples, >= 1.
        delta: probability of failure, in (0, 1]; half of it for a bound of both signs.

    Returns:
        Penalty.

    Raises:
        ValueError: as `theorem1_stated`.

    >>> print(f"{theorem1_corrected(0.0, 0.0, costs=Costs(0.12, 0.12), n=1, delta=0.19).total:.4f}")
    2.7337
    """
    _check_bound_arguments(rademacher_r, rademacher_e, n, delta)
    c1, ce = costs.c1, costs.ce
    deviation = 3 * max(1, c1 + ce) * np.sqrt(math.log(1 / delta) / (2 * n))
    return Penalty(max(1 - ce, c1 + ce) * rademacher_r + c1 * rademacher_e, deviation)


def theorem1_expected(rademacher_r: Any, rademacher_e: Any, *, costs: Costs, n: Any, delta: float) -> Penalty:
    r"""Theorem 1 corrected, with the mean of the complexities over samples: a third of the deviation.

    .. math:: \max(1 - c_e, c_1 + c_e) R_n(R) + c_1 R_n(E) + \max(1, c_1 + c_e) \sqrt{\frac{\ln(1/\delta)}{2n}}

    Args:
        rademacher_r: R_n(R), the expected complexity of the rejectors.
        rademacher_e: the same of the servers.
        costs: c1 and ce.
        n: number of examples, >= 1.
        delta: probability of failure, in (0, 1].

    Returns:
        Penalty.

    Raises:
        ValueError: as `theorem1_stated`.

    >>> print(f"{theorem1_expected(0.0, 0.0, costs=Costs(0.12, 0.12), n=1, delta=0.19).total:.4f}")
    0.9112
    """
    complexity, deviation = theorem1_corrected(rademacher_r, rademacher_e, costs=costs, n=n, delta=delta)
    return Penalty(complexity, deviation / 3)


def margin_bound(rademacher_r: Any, rademacher_e: Any, *, costs: Costs, n: Any, delta: float, rho: float) -> Penalty:
    r"""The bound for real-valued scores, over the mean of `margin_loss` instead of the generalized 0-1 loss.

    .. math:: \frac{2 \max(1, c_e) + c_1}{\rho} \hat{R}_S(R) + \frac{c_1}{\rho} \hat{R}_S(E)
        + 3 (1 + c_1 + c_e) \sqrt{\frac{\ln(1/\delta)}{2n}}

    Args:
        rademacher_r: empirical complexity of the rejectors' scores.
        rademacher_e: the same of the servers.
        costs: c1 and ce.
        n: number of examples, >= 1.
        delta: probability of failure, in (0, 1].
        rho: margin > 0, fixed before the sample is seen.

    Returns:
        Penalty.

    Raises:
        ValueError: as `theorem1_stated`, or if rho is not positive.

    >>> margin_bound(0.01, 0.01, costs=Costs(1.0, 0.5), n=100, delta=1.0, rho=0.5)
    Penalty(complexity=0.08, deviation=np.float64(0.0))
    """
    _check_bound_arguments(rademacher_r, rademacher_e, n, delta)
    checks.positive(rho=rho)
    c1, ce = costs.c1, costs.ce
    complexity = ((2 * max(1, ce) + c1) * rademacher_r + c1 * rademacher_e) / rho
    return Penalty(complexity, 3 * (1 + c1 + ce) * np.sqrt(math.log(1 / delta) / (2 * n)))


def margin_loss(r: Any, e: Any, m: Any, y: Any, *, costs: Costs, rho: float) -> np.ndarray:
    r"""A ramp loss above the generalized 0-1 loss; it penalises scores below the margin rho in part.

    .. math:: L_\rho = 1[m \neq y] \Phi(r/\rho) + c_e \Phi(-r/\rho) + c_1 \Phi(-(ey + r)/(2\rho)), \quad
        \Phi(t) = \min(\max(1 + t, 0), 1)

    Args:
        r: (n,) rejector scores.
        e: (n,) server scores.
        m: (n,) the client's labels in {-1, +1}.
        y: (n,) true labels in {-1, +1}.
        costs: c1 and ce.
        rho: margin > 0.

    Returns:
        (n,) losses, each at least the generalized 0-1 loss and at most 1 + c1 + ce.

    Raises:
        ValueError: if shapes differ, labels are not -1/+1, or rho is not positive.

    >>> one = np.ones(2)
    >>> margin_loss(np.array([0.5, -2.0]), one, -one, one, costs=Costs(1.0, 0.25), rho=1.0)
    array([1.375, 1.25 ])
    """
    checks.one_dimensional(r=r, e=e, m=m, y=y)
    checks.binary_labels(m=m, y=y)
    checks.positive(rho=rho)
    keep_loss = (m != y) * np.clip(1 + r / rho, 0, 1)  # (n,)
    ask_cost = costs.ce * np.clip(1 - r / rho, 0, 1)
    server_loss = costs.c1 * np.clip(1 - (e * y + r) / (2 * rho), 0, 1)
    return keep_loss + ask_cost + server_loss


def critical_cost(delta: float) -> float:
    r"""The c1 + ce below which one fixed pair violates the stated form for all large n, by the central limit theorem.

    .. math:: \frac{\Phi^{-1}(1 - \delta)}{6 \sqrt{\ln(2/\delta) / 2}} \to \frac{1}{3} \quad (\delta \to 0)

    for a client that errs half of the time and a rejector that always keeps.

    Args:
        delta: probability of failure, in (0, 1/2].

    Returns:
        The cost.

    Raises:
        ValueError: if delta is not in (0, 1/2].

    >>> round(critical_cost(0.05), 4)
    0.2019
    """
    checks.positive(delta=delta)
    checks.probabilities(upper=0.5, delta=delta)
    return float(norm.isf(delta)) / (6 * math.sqrt(math.log(2 / delta) / 2))


def discrepancy(risks_p: Any, risks_q: Any) -> float:
    r"""The largest increase of the risk from P to Q over all pairs of a family.

    .. math:: \mathrm{disc}(P, Q) = \sup_{(r, e)} \big(R_Q(r, e) - R_P(r, e)\big)

    Args:
        risks_p: risks under P of the pairs, any shape.
        risks_q: risks under Q of the same pairs, in the same order.

    Returns:
        The supremum; negative where every pair has less risk under Q.

    Raises:
        ValueError: if the shapes differ, there is no pair, or a risk is not finite.

    >>> discrepancy([0.1, 0.25], [0.2, 0.5])
    0.25

    Source: Mohri and Munoz Medina, ALT 2012, for this form with labels; Mansour, Mohri and Rostamizadeh, COLT 2009.
    """
    risks_p, risks_q = np.asarray(risks_p, dtype=float), np.asarray(risks_q, dtype=float)
    if risks_p.shape != risks_q.shape or risks_p.size == 0:
        raise ValueError(f"expected risks of the same pairs, got shapes {risks_p.shape} and {risks_q.shape}")
    checks.finite(risks_p=risks_p, risks_q=risks_q)
    return float((risks_q - risks_p).max())


def label_shift_weights(p: Any, q: Any) -> np.ndarray:
    """The importance weights of label shift, q(y) / p(y) for each label.

    Args:
        p: (K,) label probabilities under P.
        q: (K,) label probabilities under Q.

    Returns:
        (K,) weights; 0 for a label of probability 0 under both.

    Raises:
        ValueError: if these are not two distributions, or Q has a label that P lacks.

    >>> label_shift_weights([0.5, 0.5], [0.1, 0.9])
    array([0.2, 1.8])
    """
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    checks.one_dimensional(p=p, q=q)
    checks.probabilities(p=p, q=q)
    for name, distribution in (("p", p), ("q", q)):
        if abs(distribution.sum() - 1) > 1e-9:
            raise ValueError(f"expected {name} to sum to 1, got {distribution.sum()}")
    if (q[p == 0] > 0).any():
        raise ValueError("expected every label of q among those of p, got one that p lacks")
    return np.divide(q, p, out=np.zeros_like(q), where=p > 0)


def importance_weighted_penalty(p: Any, q: Any, *, costs: Costs, n_pairs: int, n: Any, delta: float) -> Any:
    r"""Penalty of the importance-weighted empirical risk under label shift, for finitely many pairs (r, e).

    .. math:: R_Q \leq \frac{1}{n} \sum_i \frac{q(y_i)}{p(y_i)} L_i
        + \max(1, c_1 + c_e) \sqrt{\frac{2 \ln(N/\delta)}{n} \sum_y \frac{q(y)^2}{p(y)}}

    for N pairs that were fixed before the sample was drawn. The sum is the second moment of the weights: it is 1
    without a shift; with a shift, the bound needs that many times more examples.

    Args:
        p: (K,) label probabilities under P, which the sample comes from.
        q: (K,) label probabilities under Q.
        costs: c1 and ce.
        n_pairs: N >= 1.
        n: number of examples >= 1, a number or an array.
        delta: probability of failure, in (0, 1].

    Returns:
        The penalty.

    Raises:
        ValueError: as `label_shift_weights`, or if N or n is below 1, or delta is not in (0, 1].

    >>> costs = Costs(1.0, 0.0)
    >>> penalty = importance_weighted_penalty([0.5, 0.5], [0.1, 0.9], costs=costs, n_pairs=1, n=100, delta=0.05)
    >>> print(f"{penalty:.4f}")
    0.3135

    Source: the lower tail of non-negative variables (Maurer, JIPAM 4(1), 2003); the second moment of the weights as in
    Cortes, Mansour and Mohri, NeurIPS 2010.
    """
    second_moment = float((label_shift_weights(p, q) * np.asarray(q, dtype=float)).sum())
    checks.at_least(1, n_pairs=n_pairs, n=np.min(n))
    checks.positive(delta=delta)
    checks.probabilities(delta=delta)
    max_loss = max(1.0, costs.c1 + costs.ce)
    return max_loss * np.sqrt(2 * math.log(n_pairs / delta) * second_moment / n)
