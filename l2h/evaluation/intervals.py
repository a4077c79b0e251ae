"""Confidence intervals of means over seeds, of rates and of exponents."""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import betainccinv, betaincinv, gammaincinv, ndtri, stdtrit

from l2h import checks


class Interval(NamedTuple):
    """An estimate with its lower and upper limit; numbers, or (k,) arrays for a band."""

    estimate: Any
    low: Any
    high: Any


def check_level(level: float) -> None:
    """Refuse a confidence level outside (0, 1).

    Raises:
        ValueError: if the level is out of range.
    """
    checks.positive(level=level, **{"1 - level": 1 - level})


def pointwise_t_intervals(values: Any, *, level: float = 0.95) -> Interval:
    """Means over seeds of k quantities, with Student's t interval of each mean, pointwise.

    For fewer than three seeds the limits are the smallest and the largest value: a range, not a confidence interval.
    Student's interval of two seeds is 13 times as wide as the distance between their values.

    Args:
        values: (S, k) one row per seed.
        level: of confidence, in (0, 1).

    Returns:
        (k,) means, lower and upper limits; not clipped to [0, 1].

    Raises:
        ValueError: if the shape is not (S, k) with S >= 1, a value is not finite, or the level is out of range.

    >>> pointwise_t_intervals([[0.5, 0.75], [0.75, 0.75]])
    Interval(estimate=array([0.625, 0.75 ]), low=array([0.5 , 0.75]), high=array([0.75, 0.75]))
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 2 or len(values) == 0:
        raise ValueError(f"expected values of shape (seeds, quantities), got shape {values.shape}")
    checks.finite(values=values)
    check_level(level)
    if len(values) < 3:
        return Interval(values.mean(axis=0), values.min(axis=0), values.max(axis=0))
    return _student_interval(values, level)


def t_interval(values: Any, *, level: float = 0.95) -> Interval:
    """Mean over seeds of one quantity, with Student's t interval; very wide for two seeds.

    Args:
        values: (S,) one number per seed, S >= 2: a single seed does not show the spread between seeds.
        level: of confidence, in (0, 1).

    Returns:
        Mean, lower and upper limit.

    Raises:
        ValueError: if there are fewer than two seeds, a value is not finite, or the level is out of range.

    >>> [round(limit, 2) for limit in t_interval([1.0, 2.0])]
    [1.5, -4.85, 7.85]
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"expected values of shape (seeds,) from two seeds or more, got shape {values.shape}")
    checks.finite(values=values)
    check_level(level)
    return Interval(*(float(limit) for limit in _student_interval(values, level)))


def prediction_interval(values: Any, *, level: float = 0.95) -> Interval:
    r"""The interval in which the result of one new run lies, from the results of S runs with other seeds.

    .. math:: \bar v \pm t_{S - 1} \sqrt{1 + \frac1S} \; s

    with the standard deviation s of the results. A single result can be compared with this interval, but not with the
    interval of the mean, which shrinks as S grows. The results are taken as normally distributed.

    Args:
        values: (S,) results of runs that differ in their seed only, S >= 3.
        level: probability that a new run lies inside, in (0, 1).

    Returns:
        Mean, lower and upper limit.

    Raises:
        ValueError: if there are fewer than three results, one is not finite, or the level is out of range.

    >>> [round(limit, 2) for limit in prediction_interval([1.0, 2.0, 3.0])]
    [2.0, -2.97, 6.97]

    Source: Hahn and Meeker, Statistical Intervals, 1991, section 4.7.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or len(values) < 3:
        raise ValueError(f"expected values of shape (seeds,) from three seeds or more, got shape {values.shape}")
    checks.finite(values=values)
    check_level(level)
    mean, low, high = _student_interval(values, level)
    stretch = np.sqrt(len(values) + 1)  # from the error of the mean to that of a new result beside it
    return Interval(float(mean), float(mean - (mean - low) * stretch), float(mean + (high - mean) * stretch))


def _student_interval(values: np.ndarray, level: float) -> Interval:
    """Student's t interval along the first axis; a point where all values are equal."""
    n, mean = len(values), values.mean(axis=0)
    half = stdtrit(n - 1, (1 + level) / 2) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def z_interval(values: Any, *, level: float = 0.95) -> Interval:
    r"""Mean of one large sample of independent values, with the interval of the central limit theorem.

    .. math:: \bar v \pm z \frac{s}{\sqrt n}

    It serves simulations with very many samples, for which resampling would be slow and change nothing.

    Args:
        values: (n,) independent and bounded, n >= 2.
        level: of confidence, in (0, 1).

    Returns:
        Mean, lower and upper limit.

    Raises:
        ValueError: if there are fewer than two values, one is not finite, or level is out of range.

    >>> z_interval([0.0, 1.0] * 50).low
    np.float64(0.401...)
    """
    values = np.asarray(values, dtype=float)
    checks.one_dimensional(values=values)
    checks.finite(values=values)
    checks.at_least(2, n=len(values))
    check_level(level)
    mean, half = values.mean(), ndtri((1 + level) / 2) * values.std(ddof=1) / np.sqrt(len(values))
    return Interval(mean, mean - half, mean + half)


def proportion_interval(successes: int, n: int, *, level: float = 0.95) -> Interval:
    r"""A proportion with the exact interval of Clopper and Pearson.

    .. math:: B^{-1}_{k,\, n - k + 1}(\tfrac{1 - c}{2}) \leq p \leq B^{-1}_{k + 1,\, n - k}(\tfrac{1 + c}{2})

    with the quantiles of the beta distribution; the limits are 0 for k = 0 and 1 for k = n.

    Args:
        successes: k, from 0 to n.
        n: number of independent trials, >= 1.
        level: of confidence c, in (0, 1).

    Returns:
        k / n, lower and upper limit.

    Raises:
        ValueError: if a number is out of range.

    >>> [round(limit, 3) for limit in proportion_interval(0, 10)]
    [0.0, 0.0, 0.308]

    Source: Clopper and Pearson, Biometrika 26, 1934.
    """
    checks.at_least(1, n=n)
    checks.at_least(0, successes=successes)
    checks.at_least(successes, n=n)
    check_level(level)
    tail = (1 - level) / 2
    low = float(betaincinv(successes, n - successes + 1, tail)) if successes else 0.0
    high = float(betainccinv(successes + 1, n - successes, tail)) if successes < n else 1.0
    return Interval(successes / n, low, high)


def poisson_rate(events: int, steps: int, *, per: int = 10_000, level: float = 0.95) -> Interval:
    r"""Number of events per unit of steps, with the exact interval of a Poisson rate.

    .. math:: \tfrac12 \chi^2_{2k}(\tfrac{1 - c}{2}) \leq \lambda \leq \tfrac12 \chi^2_{2k + 2}(\tfrac{1 + c}{2})

    Args:
        events: k >= 0 counted.
        steps: in which they were counted, >= 1.
        per: steps in one unit.
        level: of confidence c, in (0, 1).

    Returns:
        The rate, lower and upper limit.

    Raises:
        ValueError: if a number is out of range.

    >>> tuple(round(limit, 3) for limit in poisson_rate(0, 10_000))
    (0.0, 0.0, 3.689)

    Source: Garwood, Biometrika 28, 1936.
    """
    checks.at_least(0, events=events)
    checks.at_least(1, steps=steps)
    check_level(level)
    low = gammaincinv(events, (1 - level) / 2) if events else 0.0  # half a chi-square quantile
    high = gammaincinv(events + 1, (1 + level) / 2)
    return Interval(*(float(limit) * per / steps for limit in (events, low, high)))


def power_law_exponent(sizes: Any, values: Any, *, level: float = 0.95) -> Interval:
    r"""The exponent b of a power law for a mean over seeds, with Student's interval by the jackknife.

    .. math:: \log \frac1S \sum_s v_{s}(n) \approx a + b \log n, \qquad b_s = S b - (S - 1)\, b_{\text{without } s}

    The mean is taken before the logarithm, so single values may be 0. For fewer than three seeds the limits are the
    smallest and the largest b_s, as in `pointwise_t_intervals`.

    Args:
        sizes: (k,) distinct numbers > 0, k >= 2.
        values: (S, k) one row per seed, S >= 2, all >= 0; at each size at least two seeds have a value > 0.
        level: of confidence, in (0, 1).

    Returns:
        The exponent b, bias-corrected, with its limits.

    Raises:
        ValueError: if a shape or a value is not as above, or the level is out of range.

    >>> format_interval(power_law_exponent([10, 100], [[1.0, 0.1], [2.0, 0.2]]), digits=6)
    '-1.000000 [-1.000000, -1.000000]'

    Source: Efron and Stein 1981, "The jackknife estimate of variance", Annals of Statistics 9(3).
    """
    sizes, values = np.asarray(sizes, dtype=float), np.asarray(values, dtype=float)
    if values.ndim != 2 or len(values) < 2 or sizes.shape != values.shape[1:] or len(np.unique(sizes)) < 2:
        raise ValueError(f"expected sizes (k,) and values (seeds >= 2, k >= 2), got {sizes.shape} and {values.shape}")
    seeds, total = len(values), values.sum(axis=0)
    without_seed = total - values  # (S, k)
    if values.min() < 0 or sizes.min() <= 0 or without_seed.min() <= 0:
        raise ValueError(f"expected values >= 0, two of them > 0 at each size > 0, got {sizes} and {values}")
    slopes = np.polyfit(np.log(sizes), np.log(np.vstack([total, without_seed])).T, 1)[0]
    pseudo_values = seeds * slopes[0] - (seeds - 1) * slopes[1:]
    return Interval(*(float(limit[0]) for limit in pointwise_t_intervals(pseudo_values[:, None], level=level)))


def format_interval(interval: Interval, *, digits: int = 3) -> str:
    """An interval as text for a table.

    >>> format_interval(Interval(0.71234, 0.7, 0.725))
    '0.712 [0.700, 0.725]'
    """
    estimate, low, high = (f"{value:.{digits}f}" for value in interval)
    return f"{estimate} [{low}, {high}]"
