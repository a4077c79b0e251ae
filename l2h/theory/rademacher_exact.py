"""Exact empirical Rademacher complexities on a line, through the random walk of the signs.

Sorted by x, the signs form a walk P_k = sigma_1 + ... + sigma_k, and the best threshold is given by an extreme
of that walk. Points that coincide cannot be separated, so only the values of the walk between groups of equal x count.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from l2h import checks

MACHINE_EPSILON = float(np.finfo(float).eps)
TAIL_WIDTH = math.sqrt(90.0)  # P(|S_n| > TAIL_WIDTH * sqrt(n)) <= 2 e^-45 = 6e-20, by Hoeffding


class CertifiedEstimate(NamedTuple):
    """A number with a certified error: with probability >= 1 - delta the truth is within value ± half_width."""

    value: float  # the estimate
    half_width: float  # rounding and truncation of an exact form; sampling of a Monte-Carlo estimate
    delta: float  # 0 where nothing was sampled


def as_points(x: Any) -> np.ndarray:
    """A vector of finite numbers as a NumPy array, or an error.

    Args:
        x: (n,) numbers, n >= 1.

    Returns:
        (n,) float64.

    Raises:
        ValueError: if x is not a non-empty vector of finite numbers.

    >>> as_points([2, 1])
    array([2., 1.])
    """
    x = np.asarray(x, dtype=float)
    checks.one_dimensional(x=x)
    checks.finite(x=x)
    checks.at_least(1, n=len(x))
    return x


def _endpoint_probabilities(n: int) -> np.ndarray:
    """P(S_n = s) for s = -n, -n + 2, ..., n: ratios from the mode, normalised; the relative error is below 4 n eps."""
    middle = n // 2
    falling, rising = np.arange(middle, 0, -1), np.arange(middle, n)
    below = np.cumprod(falling / (n - falling + 1.0))[::-1]
    above = np.cumprod((n - rising) / (rising + 1.0))
    weights = np.concatenate([below, [1.0], above])  # (n + 1,)
    return weights / weights.sum()


def _truncation_length(n: int) -> int:
    """The number of levels that are followed for a walk of n steps."""
    return min(n, math.ceil(TAIL_WIDTH * math.sqrt(n)))


def distinct_threshold_complexity(n: int, *, two_sided: bool = False) -> CertifiedEstimate:
    r"""Empirical Rademacher complexity of thresholds on n distinct points, in closed form.

    .. math::
        \hat{R}_S(\{\mathrm{sign}(x - t)\}) = \frac{2}{n}\left(E|S_n| - \tfrac{1}{2} P(S_n \neq 0)\right), \quad
        \hat{R}_S(\{\pm\mathrm{sign}(x - t)\}) = \frac{1}{n}\Big(4 \sum_{v \geq 1} P(S_n = v)
        \sum_{u | v,\, v/u \text{ odd}} u - 1[n \text{ odd}]\Big)

    The first is twice E max_k P_k, by reflection at the maximum. The second sums `P(max_k |S_n - 2 P_k| > t)` over
    t = n mod 2, ...: reflected in a band of width u = t + 2, every end of the walk but the odd multiples of u cancels,
    so this probability is u P(S_n is an odd multiple of u).

    Args:
        n: number of points, >= 1.
        two_sided: whether both orientations belong to the family.

    Returns:
        CertifiedEstimate whose half-width bounds the rounding errors.

    Raises:
        ValueError: if n < 1.

    >>> [round(distinct_threshold_complexity(100, two_sided=both).value, 8) for both in (False, True)]
    [0.14997437, 0.18703448]
    """
    checks.at_least(1, n=n)
    ends = np.arange(-n, n + 1, 2)
    probability = _endpoint_probabilities(n)
    if two_sided:
        divisors = np.zeros(n + 1)  # of v: the sum of those whose cofactor is odd
        for divisor in range(1, n + 1):
            divisors[divisor :: 2 * divisor] += divisor
        total = 4 * (probability * divisors[np.abs(ends)])[ends > 0].sum() - n % 2
    else:
        total = 2 * (probability * np.abs(ends)).sum() - probability[ends != 0].sum()
    return CertifiedEstimate(float(total / n), float(16 * MACHINE_EPSILON * (total + 1)), 0.0)


def exact_threshold_complexity(x: Any, *, two_sided: bool = False) -> CertifiedEstimate:
    r"""Empirical Rademacher complexity of thresholds on points that may coincide.

    .. math:: \hat{R}_S(\{\mathrm{sign}(x - t)\}) = \frac{2}{n} E \max_k P_k, \quad
        \hat{R}_S(\{\pm\mathrm{sign}(x - t)\}) = \frac{1}{n} E \max_k |S_n - 2 P_k|

    with k at the ends of groups of equal x only. Distinct points: closed form. Ties, one-sided: Lindley's recursion
    W <- max(W + G, 0) over the groups, a second or two at n = 100,000. Ties, two-sided: for each t, the walks that
    stay within [-t, t], some seconds at n = 1,000.

    Args:
        x: (n,) finite numbers.
        two_sided: whether both orientations belong to the family.

    Returns:
        CertifiedEstimate whose half-width bounds rounding and truncation.

    Raises:
        ValueError: if x is not a vector of finite numbers, or two_sided with ties and more than 2,000 points.

    >>> [round(exact_threshold_complexity(x).value, 6) for x in ([1, 2, 3, 4], [1, 1, 3, 3], [1, 1, 1, 1])]
    [0.59375, 0.4375, 0.375]
    """
    x = as_points(x)
    sizes = np.unique(x, return_counts=True)[1]
    if len(sizes) == len(x):
        return distinct_threshold_complexity(len(x), two_sided=two_sided)
    return _tied_two_sided(sizes) if two_sided else _tied_one_sided(sizes)


def _tied_one_sided(sizes: np.ndarray) -> CertifiedEstimate:
    """Lindley's recursion from the last group to the first; the cap loses at most the overshoot that it cuts."""
    n = int(sizes.sum())
    truncation = _truncation_length(n)
    jumps = {size: np.zeros(2 * size + 1) for size in set(sizes.tolist())}  # P(G = g) for g = -size, ..., size
    for size, jump in jumps.items():
        jump[::2] = _endpoint_probabilities(size)
    probability, truncated_mass = np.zeros(truncation + 1), 0.0  # probability[w] = P(W = w)
    probability[0] = 1.0
    for size in sizes[::-1].tolist():
        convolved = np.convolve(probability, jumps[size])  # W + G from -size to truncation + size
        overshoot = convolved[size + truncation + 1 :]
        probability = convolved[size : size + truncation + 1]
        probability[0] += convolved[:size].sum()
        probability[truncation] += overshoot.sum()
        truncated_mass += float((overshoot * np.arange(1, size + 1)).sum())
    value = 2 / n * float((probability * np.arange(truncation + 1)).sum())
    return CertifiedEstimate(value + truncated_mass / n, truncated_mass / n + 8 * n * MACHINE_EPSILON * value, 0.0)


def _tied_two_sided(sizes: np.ndarray) -> CertifiedEstimate:
    """Sum over t of P(max_k |S_n - 2 P_k| > t), each from the walks S_n - 2 P_k that stay within [-t, t]."""
    n = int(sizes.sum())
    if n > 2000:
        raise ValueError(f"expected at most 2000 points where some coincide, got {n}: use monte_carlo_complexity")
    levels = np.arange(n % 2, _truncation_length(n), 2)
    outside = [1 - _stay_probability(int(t), sizes, n) for t in levels]
    return CertifiedEstimate((n % 2 + 2 * sum(outside)) / n, 8 * MACHINE_EPSILON * (len(levels) + 1), 0.0)


def _stay_probability(t: int, sizes: np.ndarray, n: int) -> float:
    """P(|S_n - 2 P_k| <= t at every end of a group); rows are the ends S_n >= 0, the others follow by symmetry."""
    ends = np.arange(n % 2, t + 1, 2)
    rows = np.arange(len(ends))
    probability = np.zeros((len(ends), t + 1))  # probability[row, i]: the walk is at 2 i - t
    probability[rows, (t + ends) // 2] = 1.0
    for size in sizes:
        convolved = np.zeros((len(ends), t + 1 + 2 * size))
        for ups, weight in enumerate(_endpoint_probabilities(size)):
            convolved[:, 2 * ups : 2 * ups + t + 1] += weight * probability
        probability = convolved[:, size : size + t + 1]
    return_probability = probability[rows, (t - ends) // 2]  # the walk from S_n has to end at -S_n
    return float(2 * return_probability.sum() - (return_probability[0] if n % 2 == 0 else 0.0))
