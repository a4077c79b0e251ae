"""Bootstrap intervals of means over seeds and examples, from arrays of one value per seed and example.

An interval covers both sources of variation: the seeds of training and the test examples. Both are resampled, with
the same examples for every seed (the crossed or "pigeonhole" bootstrap).
"""

from typing import Any

import numpy as np

from l2h import checks
from l2h.evaluation.intervals import Interval, check_level

MAX_WEIGHTS_IN_MEMORY = 4_000_000  # 32 MB of resampling weights at a time, whatever the number of resamples
SPREAD_TOLERANCE = 1e-12  # a smaller spread of resampled means is rounding error


def paired_bootstrap(differences: Any, *, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> Interval:
    r"""Mean of paired differences with a percentile interval, seeds and examples both resampled.

    .. math:: T^* = \frac{1}{Sn} \sum_{s,i} a_s w_i d_{si} - \frac{1}{S} \sum_s (a_s - 1) \bar d_s
              + \tau \frac{\hat\sigma}{\sqrt S}

    with multinomial weights a of the S seeds and w of the n examples. Resampling a handful of seeds gives too short an
    interval. So the second term removes the variation between seeds, and the third replaces it by Student's
    distribution: sigma is the standard deviation of the seeds' means, and tau is drawn from t with S - 1 degrees of
    freedom. If only seeds vary, this is Student's interval, which is very wide for two seeds. A single seed is not
    resampled: the interval then holds for that trained system only.

    Args:
        differences: (S, n) one row per seed, one column per example.
        n_resamples: number of resamples.
        level: of confidence, in (0, 1).
        seed: of the resampling.

    Returns:
        Mean, lower and upper limit.

    Raises:
        ValueError: if the shape is not (S, n) with S, n >= 1, an entry is not finite, or an option is out of range.

    >>> paired_bootstrap([[0.5, 0.5], [0.5, 0.5]])
    Interval(estimate=0.5, low=0.5, high=0.5)

    Source: Owen 2007, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2).
    """
    values = np.asarray(differences, dtype=float)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"expected differences of shape (seeds, examples), got shape {values.shape}")
    return bootstrap_intervals(values[None], signed=True, n_resamples=n_resamples, level=level, seed=seed)[0]


def bootstrap_intervals(
    values: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    signed: Any = False,
    simultaneous: bool = False,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> list[Interval]:
    """Intervals of k means over seeds and examples, each as `paired_bootstrap` computes it.

    With `mask` a mean is taken over the marked examples of all seeds together: sum of values / number of marked
    examples. Resamples without a marked example are left out; a mean over no example is NaN, and so are its limits.
    The limits of values that are all 0 or 1 are clipped to [0, 1], and those of their differences to [-1, 1]. The
    argument `signed` says which of the two applies, because a sample of differences need not contain a -1.

    With `simultaneous` all k intervals cover their means at once with probability `level`: each symmetric pointwise
    interval is widened by one common factor, the quantile of the largest deviation in units of the half widths
    (max-t). A mean that is equal in all resamples has a point as its interval and does not affect the factor.

    Args:
        values: (k, S, n) one row per seed, one column per example.
        mask: (k, S, n) 1 where an example belongs to the subset, 0 elsewhere; None for all examples.
        signed: whether values are differences, one boolean for all means or (k,).
        simultaneous: whether the intervals are simultaneous; for means over all examples only.
        n_resamples: number of resamples.
        level: of confidence, in (0, 1).
        seed: of the resampling.

    Returns:
        k intervals.

    Raises:
        ValueError: if the shape is not (k, S, n) with k, S, n >= 1, an entry is not finite, an option is out of
            range, or both `mask` and `simultaneous` are given.

    >>> values = np.array([[[1.0, 0.0, 1.0, 0.0]]])
    >>> bootstrap_intervals(values, mask=values)
    [Interval(estimate=1.0, low=1.0, high=1.0)]
    """
    if values.ndim != 3 or values.size == 0:
        raise ValueError(f"expected values of shape (means, seeds, examples), got shape {values.shape}")
    if simultaneous and mask is not None:
        raise ValueError("expected means over all examples for simultaneous intervals, got a mask")
    checks.finite(values=values)
    checks.at_least(1, n_resamples=n_resamples)
    check_level(level)
    estimates, resampled = _resampled(values, mask, n_resamples=n_resamples, seed=seed)
    limits = (
        _simultaneous_limits(estimates, resampled, level)
        if simultaneous
        else [_percentile_limits(resamples, level) for resamples in resampled]
    )
    bounded = np.isin(values, (-1, 0, 1)).all(axis=(1, 2))  # Student's distribution is unbounded
    lower_bounds = np.where(signed | (values.min(axis=(1, 2)) < 0), -1.0, 0.0)
    limits = np.clip(limits, np.where(bounded, lower_bounds, -np.inf)[:, None], np.where(bounded, 1.0, np.inf)[:, None])
    return [Interval(float(t), float(low), float(high)) for t, (low, high) in zip(estimates, limits, strict=True)]


def _resampled(
    values: np.ndarray, mask: np.ndarray | None, *, n_resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k means (k,) and their resamples (k, n_resamples)."""
    k, seeds, n = values.shape
    generator = np.random.default_rng(seed)
    parts = values[None] if mask is None else np.stack([1.0 * values * mask, mask])  # numerators, denominators
    a = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=n_resamples)  # (n_resamples, S)
    weighted = _weighted_sums(parts.reshape(-1, n), n_resamples, generator).reshape(n_resamples, -1, k, seeds)
    both = _ratios(np.einsum("ds,dpks->pkd", a, weighted), seeds * n)
    seeds_only = _ratios(np.einsum("ds,pks->pkd", a, parts.sum(axis=-1)), seeds * n)
    estimates = _ratios(parts.sum(axis=(-1, -2)), seeds * n)
    return estimates, both - seeds_only + estimates[:, None] + _student(
        parts.sum(axis=-1), estimates, n, n_resamples, generator
    )


def _student(
    sums: np.ndarray, estimates: np.ndarray, n: int, n_resamples: int, generator: np.random.Generator
) -> np.ndarray | float:
    """Student-distributed deviations (k, n_resamples) of k means, correlated as the means of the seeds are."""
    seeds = sums.shape[-1]
    if seeds == 1:
        return 0.0
    sizes = sums[1] if len(sums) == 2 else np.full(sums[0].shape, n)
    with np.errstate(invalid="ignore"):  # an empty subset
        residuals = (sums[0] - estimates[:, None] * sizes) / sizes.mean(axis=-1, keepdims=True)  # (k, S) sum to 0
    tau = generator.normal(size=(seeds, n_resamples)) / np.sqrt(
        generator.chisquare(seeds - 1, size=n_resamples) / (seeds - 1)
    )
    return residuals @ tau / np.sqrt(seeds * (seeds - 1))


def _weighted_sums(rows: np.ndarray, n_resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Sums of (rows, n) values with multinomial weights of the n examples: (n_resamples, rows)."""
    n, sums = rows.shape[1], []
    for start in range(0, n_resamples, max(1, MAX_WEIGHTS_IN_MEMORY // n)):
        size = min(n_resamples - start, max(1, MAX_WEIGHTS_IN_MEMORY // n))
        indices = generator.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        weights = np.bincount(indices.ravel(), minlength=size * n).reshape(size, n)
        sums.append(weights.astype(float) @ rows.T)
    return np.concatenate(sums)


def _ratios(sums: np.ndarray, size: int) -> np.ndarray:
    if len(sums) == 1:
        return sums[0] / size
    with np.errstate(invalid="ignore"):  # an empty subset: 0 / 0 is NaN
        return sums[0] / sums[1]


def _percentile_limits(resampled: np.ndarray, level: float) -> np.ndarray:
    defined = resampled[~np.isnan(resampled)]
    return np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]) if len(defined) else np.full(2, np.nan)


def _simultaneous_limits(estimates: np.ndarray, resampled: np.ndarray, level: float) -> np.ndarray:
    deviations = np.abs(resampled - estimates[:, None])
    half = np.quantile(deviations, level, axis=1)
    varies = half > SPREAD_TOLERANCE
    stretch = np.quantile((deviations[varies] / half[varies, None]).max(axis=0), level) if varies.any() else 0
    return np.stack([estimates - stretch * half, estimates + stretch * half], axis=1)
