r"""Empirical Rademacher complexity of a family H on a sample: exact where the family is finite, else by Monte Carlo.

.. math:: \hat{R}_S(H) = E_\sigma \sup_{h \in H} \frac{1}{n} \sum_i \sigma_i h(x_i)

`l2h.theory.rademacher_exact` has the exact forms on a line.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from l2h import checks
from l2h.theory.rademacher_exact import MACHINE_EPSILON, CertifiedEstimate, as_points

MAX_EXACT_POINTS = 22  # 2^22 sign vectors
MAX_SIGN_ELEMENTS = 4_000_000  # signs held at a time


def exact_finite_complexity(predictions: Any) -> CertifiedEstimate:
    """Complexity of a finite family by all 2^n sign vectors, without error for integer values.

    Args:
        predictions: (size, n) values h(x_i), one row per function; n <= 22.

    Returns:
        CertifiedEstimate whose half-width bounds rounding: 0 for integer values such as labels.

    Raises:
        ValueError: if predictions are not a non-empty matrix of finite numbers, or n > 22.

    >>> exact_finite_complexity([[1, 1], [-1, -1]])
    CertifiedEstimate(value=0.5, half_width=0.0, delta=0.0)
    """
    values = as_matrix(predictions)
    n = values.shape[1]
    if n > MAX_EXACT_POINTS:
        raise ValueError(f"expected at most {MAX_EXACT_POINTS} points, got {n}: use monte_carlo_complexity")
    left, right = (_all_signs(part.shape[1]) @ part.T for part in np.array_split(values, 2, axis=1))
    # one half of the points at a time: 2^11 rows against 2^11 rows instead of 2^22 by n
    total = sum(float((right + half).max(1).sum()) for half in left)
    rounding = 0.0 if (values == np.rint(values)).all() else 2 * n * MACHINE_EPSILON * float(np.abs(values).max())
    return CertifiedEstimate(total / 2**n / n, rounding, 0.0)


def _all_signs(n: int) -> np.ndarray:
    """Every vector of n signs, (2^n, n)."""
    return 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1) - 1


class Family(NamedTuple):
    """A family of functions on n fixed points, as far as its empirical complexity is concerned."""

    n: int  # number of points
    sum_of_max_squares: float  # sum over the points of sup_h h(x_i)^2: n for labels -1/+1
    supremum: Callable[[np.ndarray], np.ndarray]  # signs (samples, n) -> sup_h sum_i sigma_i h(x_i), (samples,)


def monte_carlo_complexity(family: Family, *, n_samples: int, delta: float, seed: int) -> CertifiedEstimate:
    r"""Complexity of any family from random signs, with a certified half-width.

    .. math:: \frac{1}{n} \sqrt{\frac{2 \ln(2 / \delta)}{m} \sum_i \sup_h h(x_i)^2}

    for m samples of signs. Flipping one of the nm signs changes the average by at most `2 sup_h |h(x_i)| / (nm)`,
    so McDiarmid's inequality applies. One sample at n = 1,000,000 takes about a tenth of a second for thresholds, once
    the points are sorted.

    Args:
        family: on n points.
        n_samples: m >= 1.
        delta: the probability, in (0, 1], that the half-width fails.
        seed: of the signs.

    Returns:
        CertifiedEstimate.

    Raises:
        ValueError: if n_samples < 1 or delta is not in (0, 1].

    >>> estimate = monte_carlo_complexity(threshold_family(range(100)), n_samples=1000, delta=0.01, seed=0)
    >>> abs(estimate.value - 0.14997437) <= estimate.half_width
    True
    """
    checks.at_least(1, n_samples=n_samples)
    checks.positive(delta=delta)
    checks.probabilities(delta=delta)
    generator = np.random.default_rng(seed)
    size = max(1, MAX_SIGN_ELEMENTS // family.n)
    total = 0.0
    for start in range(0, n_samples, size):
        signs = generator.integers(0, 2, (min(size, n_samples - start), family.n), dtype=np.int8) * 2 - 1
        total += float(family.supremum(signs).sum(dtype=float))
    half_width = math.sqrt(2 * math.log(2 / delta) * family.sum_of_max_squares / n_samples) / family.n
    return CertifiedEstimate(total / n_samples / family.n, half_width, delta)


def as_matrix(x: Any) -> np.ndarray:
    """A non-empty matrix of finite numbers as a NumPy array, or an error.

    Args:
        x: (rows, columns) numbers.

    Returns:
        (rows, columns) float64.

    Raises:
        ValueError: if x is not a non-empty matrix of finite numbers.

    >>> as_matrix([[1, 2]])
    array([[1., 2.]])
    """
    x = np.asarray(x, dtype=float)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"expected a non-empty matrix, got shape {x.shape}")
    checks.finite(x=x)
    return x


def finite_family(predictions: Any) -> Family:
    """A finite family, given by its values on the sample.

    Args:
        predictions: (size, n) values h(x_i), one row per function.

    Returns:
        The family.

    Raises:
        ValueError: if predictions are not a non-empty matrix of finite numbers.

    >>> finite_family([[1, 1], [-1, -1]]).supremum(np.array([[1, 1], [1, -1]]))
    array([2., 0.])
    """
    values = as_matrix(predictions)
    return Family(values.shape[1], float((values**2).max(0).sum()), lambda signs: (signs @ values.T).max(1))


def _sorted_groups(x: Any) -> tuple[np.ndarray, np.ndarray]:
    """The sorting order of x, and the last index of each group of equal values in it."""
    x = as_points(x)
    order = np.argsort(x, kind="stable")
    return order, np.append(np.flatnonzero(np.diff(x[order])), len(x) - 1)


def _group_end_sums(signs: np.ndarray, order: np.ndarray, last: np.ndarray) -> np.ndarray:
    """P_k at the ends of the groups, (samples, groups)."""
    sums = signs[:, order].cumsum(1, dtype=np.int32)
    return sums if len(last) == len(order) else sums[:, last]


def threshold_family(x: Any, *, two_sided: bool = False) -> Family:
    r"""Thresholds sign(x - t), both constants among them; equal points stay together.

    .. math:: \sup_h \sum_i \sigma_i h(x_i) = \max_k (S_n - 2 P_k), \quad \text{two-sided: } \max_k |S_n - 2 P_k|

    Args:
        x: (n,) finite numbers.
        two_sided: whether sign(t - x) belongs to the family too.

    Returns:
        The family.

    Raises:
        ValueError: if x is not a vector of finite numbers.

    >>> threshold_family([3, 1, 2]).supremum(np.array([[1, -1, -1], [-1, 1, 1]])).tolist()
    [3, 1]
    """
    order, last = _sorted_groups(x)

    def supremum(signs: np.ndarray) -> np.ndarray:
        sums = _group_end_sums(signs, order, last)
        end = sums[:, -1]
        upward = end - 2 * np.minimum(sums.min(1), 0)
        return np.maximum(upward, 2 * np.maximum(sums.max(1), 0) - end) if two_sided else upward

    return Family(len(order), float(len(order)), supremum)


def stump_family(x: Any) -> Family:
    """Decision stumps: two-sided thresholds on any one feature; O(dn) per sample of signs, after sorting.

    Args:
        x: (n, d) finite numbers.

    Returns:
        The family.

    Raises:
        ValueError: if x is not a non-empty matrix of finite numbers.

    >>> stump_family([[1, 1], [2, 1], [3, 2]]).supremum(np.array([[1, -1, 1], [1, 1, -1]])).tolist()
    [1, 3]
    """
    features = [threshold_family(feature, two_sided=True) for feature in as_matrix(x).T]
    n = features[0].n
    return Family(n, float(n), lambda signs: np.max([feature.supremum(signs) for feature in features], axis=0))


def linear_family(x: Any, *, norm: int, radius: float = 1.0) -> Family:
    r"""Linear functions w.x (real-valued scores) with w in an L1 or an L2 ball.

    .. math:: \sup_{\|w\|_1 \leq B} \sum_i \sigma_i w x_i = B \|\textstyle\sum_i \sigma_i x_i\|_\infty, \quad
        \sup_{\|w\|_2 \leq B} \sum_i \sigma_i w x_i = B \|\textstyle\sum_i \sigma_i x_i\|_2

    Args:
        x: (n, d) finite numbers.
        norm: 1 or 2.
        radius: B > 0.

    Returns:
        The family.

    Raises:
        ValueError: if x is not a non-empty matrix of finite numbers, norm is not 1 or 2, or radius is not positive.

    >>> linear_family([[3.0, 4.0]], norm=2).supremum(np.array([[1], [-1]]))
    array([5., 5.])
    """
    x = as_matrix(x)
    checks.one_of((1, 2), norm=norm)
    checks.positive(radius=radius)
    dual_order = np.inf if norm == 1 else 2
    sum_of_max_squares = radius**2 * float((np.linalg.norm(x, ord=dual_order, axis=1) ** 2).sum())
    return Family(len(x), sum_of_max_squares, lambda signs: radius * np.linalg.norm(signs @ x, ord=dual_order, axis=1))
