"""Intervals of means over seeds and examples, from arrays of one value per seed and example.

An interval covers both kinds of chance: another seed could have been drawn, and another set of test examples.
Both are resampled, the same examples for every seed (the crossed or "pigeonhole" bootstrap).
"""

from typing import Any

import numpy as np

from l2h import checks
from l2h.evaluation.intervals import Interval, _check_level

MAX_WEIGHTS_IN_MEMORY = 4_000_000  # 32 MB of resampling weights in memory, whatever the number of draws
SPREAD_TOLERANCE = 1e-12  # a smaller spread of shares is rounding, not chance


def paired_bootstrap(differences: Any, *, n_resamples: int = 2000, level: float = 0.95, seed: int = 0) -> Interval:
    r"""Mean of paired differences with a percentile interval, seeds and examples both resampled.

    .. math:: T^* = \frac{1}{Sn} \sum_{s,i} a_s w_i d_{si} - \frac{1}{S} \sum_s (a_s - 1) \bar d_s
              + \tau \frac{\hat\sigma}{\sqrt S}

    with multinomial weights a of the S seeds and w of the n examples. Resampling a handful of seeds alone gives
    too short an interval; so the second term takes out what comes from the seeds alone, and the third puts
    Student's distribution in its place: sigma is the standard deviation of the seeds' means, tau is drawn from t
    with S - 1 degrees of freedom. Where only seeds vary, this is Student's interval; two seeds give a very wide
    one, as they should. A single seed is taken as it is: the interval then speaks of that trained system only.

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
    """Intervals of k means over seeds and examples at once, as `paired_bootstrap` gives one.

    With `mask` a mean goes over the marked examples only, all seeds together: sum of values / number of
    examples. Resamples that mark none are left out; a mean over no example is NaN, and so are its limits.
    Of values that are all 0 or 1 the mean is a share, and of their differences it lies in [-1, 1]: so do the limits.
    Whether values are differences must be told: a sample in which no first one loses has no -1 that shows it.

    With `simultaneous` all k intervals hold together at the level: each symmetric single interval is stretched by
    one common factor, the quantile of the largest deviation in units of the half widths (max-t). A mean that is
    the same in every resample has itself for its limits and does not enter.

    Args:
        values: (k, S, n) one row per seed, one column per example.
        mask: (k, S, n) 1 where an example belongs to the portion, 0 elsewhere; None for all.
        signed: whether values are differences, one answer for all means or (k,).
        simultaneous: whether all intervals hold together; for means over all examples.
        n_resamples: number of resamples.
        level: of confidence, in (0, 1).
        seed: of the resampling.

    Returns:
        k intervals.

    Raises:
        ValueError: if the shape is not (k, S, n) with k, S, n >= 1, an entry is not finite, an option is out of
            range, or both `mask` and `simultaneous` are given.

    >>> values = np.array([[[1.0, 0.0, 1.0, 0.0]]])
    >>> bootstrap_intervals(values, among=values)
    [Interval(estimate=1.0, low=1.0, high=1.0)]
    """
    if values.ndim != 3 or values.size == 0:
        raise ValueError(f"expected values of shape (means, seeds, examples), got shape {values.shape}")
    if simultaneous and mask is not None:
        raise ValueError("expected means over all examples for simultaneous intervals, got a portion in among")
    checks.finite(values=values)
    checks.at_least(1, draws=n_resamples)
    _check_level(level)
    estimates, resampled = _resampled(values, mask, n_resamples=n_resamples, seed=seed)
    limits = (
        _simultaneous_limits(estimates, resampled, level)
        if simultaneous
        else [_percentile_limits(resamples, level) for resamples in resampled]
    )
    bounded = np.isin(values, (-1, 0, 1)).all(axis=(1, 2))  # Student's part for a few seeds knows nothing of bounds
    lower_bounds = np.where(signed | (values.min(axis=(1, 2)) < 0), -1.0, 0.0)
    limits = np.clip(limits, np.where(bounded, lower_bounds, -np.inf)[:, None], np.where(bounded, 1.0, np.inf)[:, None])
    return [Interval(float(t), float(low), float(high)) for t, (low, high) in zip(estimates, limits, strict=True)]


def _resampled(
    values: np.ndarray, mask: np.ndarray | None, *, n_resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k means (k,) and their resamples (k, draws)."""
    k, seeds, n = values.shape
    generator = np.random.default_rng(seed)
    parts = values[None] if mask is None else np.stack([1.0 * values * mask, mask])  # numerators, denominators
    a = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=n_resamples)  # (draws, S)
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
    """Deviations of k means by the choice of S seeds (k, draws): Student's, and correlated as the seeds' means are."""
    seeds = sums.shape[-1]
    if seeds == 1:
        return 0.0
    sizes = sums[1] if len(sums) == 2 else np.full(sums[0].shape, n)
    with np.errstate(invalid="ignore"):  # an empty portion
        residuals = (sums[0] - estimates[:, None] * sizes) / sizes.mean(axis=-1, keepdims=True)  # (k, S) sum to 0
    tau = generator.normal(size=(seeds, n_resamples)) / np.sqrt(
        generator.chisquare(seeds - 1, size=n_resamples) / (seeds - 1)
    )
    return residuals @ tau / np.sqrt(seeds * (seeds - 1))


def _weighted_sums(rows: np.ndarray, n_resamples: int, generator: np.random.Generator) -> np.ndarray:
    """Sums of (rows, n) values with multinomial weights of the n examples, one line per draw: (draws, rows)."""
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
    with np.errstate(invalid="ignore"):  # an empty portion: 0 / 0 is NaN
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
