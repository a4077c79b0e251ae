"""Exact empirical risk minimisation over pairs of thresholds on a line, by sorting and cumulative sums."""

from typing import NamedTuple

import numpy as np

from l2h import checks
from l2h.problem import Costs
from l2h.theory.rademacher_exact import as_points


class Threshold(NamedTuple):
    """The function direction * (x - location): positive right of the location for +1, left of it for -1."""

    location: float
    direction: int

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Values of the function at x.

        >>> Threshold(location=1.0, direction=-1).scores(np.array([0.0, 3.0]))
        array([ 1., -2.])
        """
        return self.direction * (x - self.location)


class EmpiricalMinimiser(NamedTuple):
    """A pair of thresholds that minimises the empirical risk."""

    r: Threshold
    e: Threshold
    empirical_risk: float


def best_thresholds(x: np.ndarray, m: np.ndarray, y: np.ndarray, *, costs: Costs) -> EmpiricalMinimiser:
    r"""A pair of two-sided thresholds that minimises the mean generalized 0-1 loss on a sample.

    .. math:: (\hat{r}, \hat{e}) \in \arg\min_{r, e} \frac{1}{n} \sum_i L(r, e, x_i, y_i)

    Args:
        x: (n,) distinct finite numbers.
        m: (n,) the client's labels in {-1, +1}.
        y: (n,) true labels in {-1, +1}.
        costs: c1 and ce.

    Returns:
        EmpiricalMinimiser; thresholds lie halfway between points, or beyond them by 1.

    Raises:
        ValueError: if shapes differ, labels are not -1/+1, numbers are not finite, or two are equal.

    >>> x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 1, -1, 1])
    >>> best_thresholds(x, np.ones(4), y, costs=Costs(c1=1.0, ce=0.25)).empirical_risk
    0.125
    """
    x = as_points(x)
    checks.one_dimensional(x=x, m=m, y=y)
    checks.binary_labels(m=m, y=y)
    order = np.argsort(x, kind="stable")
    x, m, y = x[order], m[order], y[order]
    if (np.diff(x) == 0).any():
        raise ValueError("expected distinct points, got two that are equal")
    upward = _best_pair_asking_left(x, m != y, y, costs)
    downward = _best_pair_asking_left(-x[::-1], (m != y)[::-1], y[::-1], costs)
    if upward.empirical_risk <= downward.empirical_risk:
        return upward
    r, e, risk = downward
    return EmpiricalMinimiser(Threshold(-r.location, -r.direction), Threshold(-e.location, -e.direction), risk)


def _midpoint(x: np.ndarray, k: int) -> float:
    """A threshold above the k smallest points and below the others."""
    padded = np.concatenate([[x[0] - 2], x, [x[-1] + 2]])
    return float((padded[k] + padded[k + 1]) / 2)


def _best_pair_asking_left(x: np.ndarray, errors: np.ndarray, y: np.ndarray, costs: Costs) -> EmpiricalMinimiser:
    """The best pair whose rejector asks about the k smallest points, for some k; x increases."""
    n = len(x)
    walk = np.concatenate([[0], np.cumsum(y)])
    n_asked = np.arange(n + 1)
    rising = (n_asked - walk) / 2 + np.minimum.accumulate(walk)  # errors of the best server -1, then +1, on the k first
    falling = (n_asked + walk) / 2 - np.maximum.accumulate(walk)
    keep_losses = errors.sum() - np.concatenate([[0], np.cumsum(errors)])
    losses = keep_losses + costs.ce * n_asked + costs.c1 * np.minimum(rising, falling)
    k = int(np.argmin(losses))
    direction = 1 if rising[k] <= falling[k] else -1
    server_index = int(np.argmin(direction * walk[: k + 1]))
    r = Threshold(_midpoint(x, k), 1)  # r > 0, keep, to the right
    return EmpiricalMinimiser(r, Threshold(_midpoint(x, server_index), direction), float(losses[k] / n))
