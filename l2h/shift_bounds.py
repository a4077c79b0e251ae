r"""What can be promised when the data change: three bounds on the loss under Q from a sample of P, and one on regret.

With probability at least 1 - delta over n examples of P, for all (r, e) at once,

.. math:: R_Q(r, e) \leq \hat{R}_P(r, e) + \text{what separates Q from P} + \text{penalty},

where `bounds.corrected` gives the penalty. The last bound needs no distribution: it holds on any sequence.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from l2h import checks
from l2h.problem import Costs


def discrepancy(risks_p: Any, risks_q: Any) -> float:
    r"""How much larger the risk can be under Q than under P, over all pairs of a family.

    .. math:: \mathrm{disc}(P, Q) = \sup_{(r, e)} \big(R_Q(r, e) - R_P(r, e)\big)

    Args:
        risks_p: risks under P of the pairs, any shape.
        risks_q: risks under Q of the same pairs, in the same order.

    Returns:
        The supremum; negative where every pair does better under Q.

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


def transferred(empirical: Any, *, costs: Costs, separation: float, penalty: float, joint_error: float = 0.0) -> Any:
    r"""The bound on the risk under Q by a discrepancy.

    .. math:: \hat{R}_P + \mathrm{disc}(P, Q) + \max(1, c_1) \lambda + \text{penalty}

    With labels of both distributions lambda = 0. Without, labels are replaced by those of any fixed g, the
    discrepancy is taken with g's labels, and lambda = P_P(g != Y) + P_Q(g != Y): exchanging y for g(x) moves
    a loss by at most max(1, c1) where they differ.

    Args:
        empirical: empirical risk under P, a number or an array.
        costs: c1 and ce.
        separation: the discrepancy.
        penalty: of the bound for P, as `bounds.corrected(...).total`.
        joint_error: lambda >= 0.

    Returns:
        The bound, of the shape of the empirical risk.

    Raises:
        ValueError: if the penalty or lambda is negative.

    >>> print(f"{transferred(0.1, costs=Costs(), separation=0.05, penalty=0.2, joint_error=0.1):.2f}")
    0.45
    """
    checks.at_least(0, penalty=penalty, joint_error=joint_error)
    return empirical + separation + max(1, costs.c1) * joint_error + penalty


def label_weights(p: Any, q: Any) -> np.ndarray:
    """The importance weights of label shift, q(y) / p(y) for each label.

    Args:
        p: (K,) label probabilities under P.
        q: (K,) label probabilities under Q.

    Returns:
        (K,) weights; 0 for a label that neither has.

    Raises:
        ValueError: if these are not two distributions, or Q has a label that P lacks.

    >>> label_weights([0.5, 0.5], [0.1, 0.9])
    array([0.2, 1.8])
    """
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    checks.vectors(p=p, q=q)
    checks.probabilities(p=p, q=q)
    for name, distribution in (("p", p), ("q", q)):
        if abs(distribution.sum() - 1) > 1e-9:
            raise ValueError(f"expected {name} to sum to 1, got {distribution.sum()}")
    if (q[p == 0] > 0).any():
        raise ValueError("expected every label of q among those of p, got one that p lacks")
    return np.divide(q, p, out=np.zeros_like(q), where=p > 0)


def weighted(p: Any, q: Any, *, costs: Costs, functions: int, n: Any, delta: float) -> Any:
    r"""Penalty of the importance-weighted empirical risk under label shift, for finitely many pairs (r, e).

    .. math:: R_Q \leq \frac{1}{n} \sum_i \frac{q(y_i)}{p(y_i)} L_i
        + \max(1, c_1 + c_e) \sqrt{\frac{2 \ln(N/\delta)}{n} \sum_y \frac{q(y)^2}{p(y)}}

    for N pairs that were fixed before the sample was drawn. The sum is the second moment of the weights: it is 1
    without a shift, and says how many examples a shift costs.

    Args:
        p: (K,) label probabilities under P, which the sample comes from.
        q: (K,) label probabilities under Q.
        costs: c1 and ce.
        functions: N >= 1.
        n: number of examples >= 1, a number or an array.
        delta: probability of failure, in (0, 1].

    Returns:
        The penalty.

    Raises:
        ValueError: as `label_weights`, or if N or n is below 1, or delta is not in (0, 1].

    >>> print(f"{weighted([0.5, 0.5], [0.1, 0.9], costs=Costs(1.0, 0.0), functions=1, n=100, delta=0.05):.4f}")
    0.3135

    Source: the lower tail of non-negative variables (Maurer, JIPAM 4(1), 2003); the second moment of the weights as in
    Cortes, Mansour and Mohri, NeurIPS 2010.
    """
    moment = float((label_weights(p, q) * np.asarray(q, dtype=float)).sum())
    checks.at_least(1, functions=functions, n=np.min(n))
    checks.positive(delta=delta)
    checks.probabilities(delta=delta)
    largest = max(1.0, costs.c1 + costs.ce)
    return largest * np.sqrt(2 * math.log(functions / delta) * moment / n)


class Advice(NamedTuple):
    """Settings of prediction with expert advice on a stream that comes in batches."""

    eta: float  # learning rate > 0
    gamma: float  # probability in (0, 1] to ask whatever the advice: the price of knowing
    sigma: float  # share in [0, 1) of the weight that is spread evenly after each batch
    batch: int  # inputs per batch >= 1
    delay: int  # labels of a batch come this many batches after the next one starts, >= 0

    @property
    def steps_late(self) -> int:
        """The largest number of earlier inputs whose labels are not known yet."""
        return (self.delay + 1) * self.batch - 1


def price_of_experts(experts: int, *, batches: int, switches: int, sigma: float) -> float:
    r"""The price, times eta, of not knowing which threshold is best between which batches.

    .. math:: (S + 1) \ln N + S \ln \tfrac{1}{\sigma} + (J - 1 - S) \ln \tfrac{1}{1 - \sigma}

    Args:
        experts: N >= 1.
        batches: J >= 1.
        switches: S, from 0 to J - 1.
        sigma: share that is spread evenly, in [0, 1); 0 allows no switches.

    Returns:
        The price; infinite for switches without sharing.

    Raises:
        ValueError: if a number is out of range.

    >>> price_of_experts(1, batches=10, switches=0, sigma=0.0)
    0.0

    Source: Herbster and Warmuth, Machine Learning 32, 1998.
    """
    checks.at_least(1, experts=experts, batches=batches)
    checks.at_least(0, switches=switches, sigma=sigma)
    checks.positive(**{"1 - sigma": 1 - sigma})
    checks.at_least(switches, **{"batches - 1": batches - 1})
    switched = 0.0 if switches == 0 else math.inf if sigma == 0 else switches * math.log(1 / sigma)
    return (switches + 1) * math.log(experts) + switched - (batches - 1 - switches) * math.log1p(-sigma)


def tuned(*, costs: Costs, experts: int, steps: int, switches: int, batch: int, delay: int) -> Advice:
    r"""The settings for which `regret` is least, with a share sigma of one over the number of batches.

    .. math:: \eta = \sqrt{\frac{C}{G^2 T (1 / (2 \gamma) + D)}}

    for each gamma, and gamma by a search.

    Args:
        costs: c1 and ce.
        experts: N thresholds.
        steps: T inputs, in more than two batches.
        switches: S of the comparison.
        batch: inputs per batch.
        delay: of labels, in batches.

    Returns:
        The settings.

    Raises:
        ValueError: if a number is out of range.

    >>> round(tuned(costs=Costs(1.0, 0.0), experts=10, steps=10**6, switches=0, batch=1, delay=0).gamma, 3)
    0.012
    """
    batches = -(-steps // batch)
    checks.at_least(3, batches=batches)
    price = price_of_experts(experts, batches=batches, switches=switches, sigma=1 / batches)
    largest = max(1 - costs.ce, costs.c1 + costs.ce)

    def at(log_gamma: float) -> Advice:
        late = 1 / (2 * math.exp(log_gamma)) + (delay + 1) * batch - 1
        return Advice(math.sqrt(price / (steps * late)) / largest, math.exp(log_gamma), 1 / batches, batch, delay)

    def bound(log_gamma: float) -> float:
        return regret(at(log_gamma), costs=costs, experts=experts, steps=steps, switches=switches)

    found = minimize_scalar(bound, bounds=(-20.0, 0.0), method="bounded", options={"xatol": 1e-9})
    return at(float(found.x))


def regret(advice: Advice, *, costs: Costs, experts: int, steps: int, switches: int = 0) -> float:
    r"""Bound on the expected regret against the best thresholds with S switches, on any sequence fixed in advance.

    .. math:: \frac{C}{\eta} + \eta G^2 T \Big(\frac{1}{2 \gamma} + D\Big) + \sigma d G T + \gamma (c_1 + c_e) T,
        \quad G = \max(1 - c_e, c_1 + c_e)

    with C = `price_of_experts`, D = `Advice.steps_late` and d the delay in batches.

    Args:
        advice: settings.
        costs: c1 and ce.
        experts: N thresholds.
        steps: T inputs.
        switches: S of the comparison.

    Returns:
        The bound, in mistakes of the client over all T inputs.

    Raises:
        ValueError: if a setting is out of range.

    >>> print(round(regret(Advice(0.01, 0.1, 0.0, 1, 0), costs=Costs(1.0, 0.0), experts=10, steps=1000)))
    380
    """
    eta, gamma, sigma, batch, delay = advice
    checks.positive(eta=eta, gamma=gamma)
    checks.probabilities(gamma=gamma)
    checks.at_least(1, batch=batch, steps=steps)
    checks.at_least(0, delay=delay)
    price = price_of_experts(experts, batches=-(-steps // batch), switches=switches, sigma=sigma)
    largest = max(1 - costs.ce, costs.c1 + costs.ce)
    learning = price / eta + eta * largest**2 * steps * (1 / (2 * gamma) + advice.steps_late)
    return learning + sigma * delay * largest * steps + gamma * (costs.c1 + costs.ce) * steps
