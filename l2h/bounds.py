r"""Theorem 1: how far the risk may exceed the empirical risk for every pair (r, e), in four forms.

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
    """What a bound adds to the empirical risk."""

    complexity: Any  # the part with the Rademacher complexities of R and E
    deviation: Any  # the part with ln(1 / delta) / n

    @property
    def total(self) -> Any:
        """Complexity + deviation."""
        return self.complexity + self.deviation


def _check(rad_r: Any, rad_e: Any, n: Any, delta: float) -> None:
    checks.at_least(0, rad_r=np.min(rad_r), rad_e=np.min(rad_e))
    checks.at_least(1, n=np.min(n))
    checks.positive(delta=delta)
    checks.probabilities(delta=delta)


def stated(rad_r: Any, rad_e: Any, *, costs: Costs, n: Any, delta: float) -> Penalty:
    r"""Theorem 1 as stated: valid if c1 + ce >= 1, false for some families and small delta if c1 + ce < 1/3.

    .. math:: (1 + c_1 + c_e) \hat{R}_S(R) + c_1 \hat{R}_S(E) + 3 \sqrt{(c_1 + c_e)^2 \frac{\ln(2/\delta)}{2n}}

    Args:
        rad_r: empirical Rademacher complexity of the rejectors, functions into {-1, +1}; a number or an array.
        rad_e: the same of the servers.
        costs: c1 and ce.
        n: number of examples, >= 1; a number or an array.
        delta: probability of failure, in (0, 1].

    Returns:
        Penalty.

    Raises:
        ValueError: if a complexity is negative, n < 1, or delta is not in (0, 1].

    >>> print(f"{stated(0.0, 0.0, costs=Costs(0.12, 0.12), n=1, delta=0.19).total:.4f}")
    0.7811

    Source: arXiv 2409.16253, Theorem 1.
    """
    _check(rad_r, rad_e, n, delta)
    c1, ce = costs.c1, costs.ce
    return Penalty((1 + c1 + ce) * rad_r + c1 * rad_e, 3 * (c1 + ce) * np.sqrt(math.log(2 / delta) / (2 * n)))


def corrected(rad_r: Any, rad_e: Any, *, costs: Costs, n: Any, delta: float) -> Penalty:
    r"""Theorem 1 corrected: valid for all costs, because the loss lies in [0, max(1, c1 + ce)].

    .. math:: \max(1 - c_e, c_1 + c_e) \hat{R}_S(R) + c_1 \hat{R}_S(E)
        + 3 \max(1, c_1 + c_e) \sqrt{\frac{\ln(1/\delta)}{2n}}

    Args:
        rad_r: as in `stated`.
        rad_e: as in `stated`.
        costs: c1 and ce.
        n: number of examples, >= 1.
        delta: probability of failure, in (0, 1]; half of it for a bound of both signs.

    Returns:
        Penalty.

    Raises:
        ValueError: as `stated`.

    >>> print(f"{corrected(0.0, 0.0, costs=Costs(0.12, 0.12), n=1, delta=0.19).total:.4f}")
    2.7337
    """
    _check(rad_r, rad_e, n, delta)
    c1, ce = costs.c1, costs.ce
    deviation = 3 * max(1, c1 + ce) * np.sqrt(math.log(1 / delta) / (2 * n))
    return Penalty(max(1 - ce, c1 + ce) * rad_r + c1 * rad_e, deviation)


def expected(rad_r: Any, rad_e: Any, *, costs: Costs, n: Any, delta: float) -> Penalty:
    r"""Theorem 1 corrected, with the mean of the complexities over samples: a third of the deviation.

    .. math:: \max(1 - c_e, c_1 + c_e) R_n(R) + c_1 R_n(E) + \max(1, c_1 + c_e) \sqrt{\frac{\ln(1/\delta)}{2n}}

    Args:
        rad_r: R_n(R), the expected complexity of the rejectors.
        rad_e: the same of the servers.
        costs: c1 and ce.
        n: number of examples, >= 1.
        delta: probability of failure, in (0, 1].

    Returns:
        Penalty.

    Raises:
        ValueError: as `stated`.

    >>> print(f"{expected(0.0, 0.0, costs=Costs(0.12, 0.12), n=1, delta=0.19).total:.4f}")
    0.9112
    """
    complexity, deviation = corrected(rad_r, rad_e, costs=costs, n=n, delta=delta)
    return Penalty(complexity, deviation / 3)


def margin(rad_r: Any, rad_e: Any, *, costs: Costs, n: Any, delta: float, rho: float) -> Penalty:
    r"""The bound for real-valued scores, over the mean of `margin_loss` instead of the generalized 0-1 loss.

    .. math:: \frac{2 \max(1, c_e) + c_1}{\rho} \hat{R}_S(R) + \frac{c_1}{\rho} \hat{R}_S(E)
        + 3 (1 + c_1 + c_e) \sqrt{\frac{\ln(1/\delta)}{2n}}

    Args:
        rad_r: empirical complexity of the rejectors' scores.
        rad_e: the same of the servers.
        costs: c1 and ce.
        n: number of examples, >= 1.
        delta: probability of failure, in (0, 1].
        rho: margin > 0, fixed before the sample is seen.

    Returns:
        Penalty.

    Raises:
        ValueError: as `stated`, or if rho is not positive.

    >>> margin(0.01, 0.01, costs=Costs(1.0, 0.5), n=100, delta=1.0, rho=0.5)
    Penalty(complexity=0.08, deviation=np.float64(0.0))
    """
    _check(rad_r, rad_e, n, delta)
    checks.positive(rho=rho)
    c1, ce = costs.c1, costs.ce
    complexity = ((2 * max(1, ce) + c1) * rad_r + c1 * rad_e) / rho
    return Penalty(complexity, 3 * (1 + c1 + ce) * np.sqrt(math.log(1 / delta) / (2 * n)))


def margin_loss(r: Any, e: Any, m: Any, y: Any, *, costs: Costs, rho: float) -> np.ndarray:
    r"""The ramp loss above the generalized 0-1 loss: scores below the margin rho are charged in part.

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
    checks.vectors(r=r, e=e, m=m, y=y)
    checks.signs(m=m, y=y)
    checks.positive(rho=rho)
    kept = (m != y) * np.clip(1 + r / rho, 0, 1)  # (n,)
    asked = costs.ce * np.clip(1 - r / rho, 0, 1)
    served = costs.c1 * np.clip(1 - (e * y + r) / (2 * rho), 0, 1)
    return kept + asked + served


def valid_pairs(costs: Costs, *, delta: float) -> float:
    r"""The number of pairs (r, e) up to which the stated form holds, whatever the distribution and n.

    .. math:: |R| |E| \leq 2 (2/\delta)^{9 (c_1 + c_e)^2 - 1}

    by Hoeffding's inequality for each pair; unlimited where c1 + ce >= 1.

    Args:
        costs: c1 and ce.
        delta: probability of failure, in (0, 1].

    Returns:
        The number, inf where there is no limit.

    Raises:
        ValueError: if delta is not in (0, 1].

    >>> valid_pairs(Costs(0.25, 0.25), delta=0.02)
    632.45...
    """
    checks.positive(delta=delta)
    checks.probabilities(delta=delta)
    total = costs.c1 + costs.ce
    return math.inf if total >= 1 else 2 * (2 / delta) ** (9 * total**2 - 1)


def breaking_cost(delta: float) -> float:
    r"""The c1 + ce below which one fixed pair breaks the stated form for all large n, by the central limit theorem.

    .. math:: \frac{\Phi^{-1}(1 - \delta)}{6 \sqrt{\ln(2/\delta) / 2}} \to \frac{1}{3} \quad (\delta \to 0)

    for a client that errs half of the time and a rejector that always keeps.

    Args:
        delta: probability of failure, in (0, 1/2].

    Returns:
        The cost.

    Raises:
        ValueError: if delta is not in (0, 1/2].

    >>> round(breaking_cost(0.05), 4)
    0.2019
    """
    checks.positive(delta=delta)
    checks.probabilities(upper=0.5, delta=delta)
    return float(norm.isf(delta)) / (6 * math.sqrt(math.log(2 / delta) / 2))
