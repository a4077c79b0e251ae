r"""Intervals of means over seeds and examples that are crossed: every seed is evaluated on the same examples.

A value is the sum of an overall mean, an effect of its seed, one of its example, and one of both together:

.. math:: v_{si} = \mu + a_s + b_i + c_{si}

The mean squares of the two-way analysis of variance estimate the variance of the mean, and the intervals combine their
degrees of freedom by the formula of Cochran and Cox. No resampling is needed.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammaincinv, stdtrit

from l2h import checks
from l2h.evaluation.intervals import Interval, check_level

DRAWS = 4000  # simulated families, from which the common level of simultaneous intervals is computed
BISECTIONS = 20  # of the logarithm of that level's complement
ROUNDING = 1e-12  # a half-width below this share of the largest value is rounding error


class VarianceComponents(NamedTuple):
    """Variances of the effects of a seed, of an example, and of both together."""

    seed: float
    example: float
    interaction: float


class MeanParts(NamedTuple):
    """Deviations of k means' values; the row sums of squares are mean squares / (S n), parts of the means' variances.

    Args:
        seeds: (k, S).
        examples: (k, n).
        residual: (k, S n).
    """

    seeds: np.ndarray
    examples: np.ndarray
    residual: np.ndarray


def crossed_interval(differences: Any, *, level: float = 0.95) -> Interval:
    r"""Mean of paired differences over seeds and examples, with its interval.

    .. math:: \bar d \pm \frac{V_a\, t_{S - 1} + V_b\, t_{n - 1}}{\sqrt{V_a + V_b}}, \qquad
              V_a = \frac{\mathrm{MS}_{seeds}}{S n}, \quad
              V_b = \frac{\max(\mathrm{MS}_{examples} - \mathrm{MS}_{residual},\, 0)}{S n}

    with quantiles t of Student's distribution. Where the mean square of the seeds is at most the median of its
    distribution without an effect of the seed alone, that effect counts as zero: the residual mean square, with its
    (S - 1)(n - 1) degrees of freedom, takes its place. The interval is never shorter than that. If only seeds vary, it
    is Student's interval. For a single seed the variance is that of the examples alone, and the interval holds for that
    trained system only; a single value is its own interval.

    Args:
        differences: (S, n) one row per seed, one column per example.
        level: of confidence, in (0, 1).

    Returns:
        Mean, lower and upper limit.

    Raises:
        ValueError: if the shape is not (S, n) with S, n >= 1, an entry is not finite, or the level is out of range.

    >>> crossed_interval([[0.5, 0.5], [0.5, 0.5]])
    Interval(estimate=0.5, low=0.5, high=0.5)

    Source: Cochran and Cox 1957, Experimental Designs, section 4.14; Searle, Casella and McCulloch 1992, Variance
    Components, chapter 4.
    """
    return crossed_intervals(_table(differences)[None], signed=True, level=level)[0]


def crossed_intervals(
    values: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    signed: Any = False,
    simultaneous: bool = False,
    level: float = 0.95,
) -> list[Interval]:
    r"""Intervals of k means over seeds and examples, each as `crossed_interval` computes it.

    With `mask` w a mean is taken over the marked examples of all seeds together, and its interval is that of the mean
    of its linearisation:

    .. math:: \bar v = \frac{\sum_{s,i} w_{si} v_{si}}{\sum_{s,i} w_{si}}, \qquad
              z_{si} = \frac{w_{si} (v_{si} - \bar v)}{\bar w}

    A mean over no example is NaN, and so are its limits. The limits of values that are all 0 or 1 are clipped to
    [0, 1], and those of their differences to [-1, 1]. The argument `signed` says which of the two applies, because a
    sample of differences need not contain a -1.

    With `simultaneous` all k intervals cover their means at once with probability `level`: they are intervals of one
    higher level, at which simulated families with the estimated covariances are covered that often. Here the effect of
    the seed never counts as zero, and no interval is shorter than the one of its mean alone. A mean whose values are
    all equal has a point as its interval and does not affect the others.

    Args:
        values: (k, S, n) one row per seed, one column per example.
        mask: (k, S, n) 1 where an example belongs to the subset, 0 elsewhere; None for all examples.
        signed: whether values are differences, one boolean for all means or (k,).
        simultaneous: whether the intervals are simultaneous; for means over all examples only.
        level: of confidence, in (0, 1).

    Returns:
        k intervals.

    Raises:
        ValueError: if the shape is not (k, S, n) with k, S, n >= 1, an entry is not finite, the level is out of range,
            or both `mask` and `simultaneous` are given.

    >>> values = np.array([[[1.0, 0.0, 1.0, 0.0]]])
    >>> crossed_intervals(values, mask=values)
    [Interval(estimate=1.0, low=1.0, high=1.0)]
    """
    if values.ndim != 3 or values.size == 0:
        raise ValueError(f"expected values of shape (means, seeds, examples), got shape {values.shape}")
    if simultaneous and mask is not None:
        raise ValueError("expected means over all examples for simultaneous intervals, got a mask")
    checks.finite(values=values)
    check_level(level)
    estimates, centred = _centred(values, mask)
    parts = _mean_parts(centred)
    half = _half_widths(parts, level)
    half = np.where(half > ROUNDING * abs(values).max(axis=(1, 2)), half, 0 * half)  # NaN stays
    varies = half > 0
    if simultaneous and varies.sum() > 1:
        half[varies] = _simultaneous_half_widths(MeanParts(*(part[varies] for part in parts)), half[varies], level)
    bounded = np.isin(values, (-1, 0, 1)).all(axis=(1, 2))  # Student's distribution is unbounded
    lowest = np.where(signed | (values.min(axis=(1, 2)) < 0), -1.0, 0.0)
    low = np.maximum(estimates - half, np.where(bounded, lowest, -np.inf))
    high = np.minimum(estimates + half, np.where(bounded, 1.0, np.inf))
    return [Interval(*map(float, limits)) for limits in zip(estimates, low, high, strict=True)]


def variance_components(values: Any) -> VarianceComponents:
    r"""Estimates of the variances of the effects of seed, example, and both together, from mean squares.

    .. math:: \hat\sigma^2_a = \frac{\mathrm{MS}_{seeds} - \mathrm{MS}_{residual}}{n}, \quad
              \hat\sigma^2_b = \frac{\mathrm{MS}_{examples} - \mathrm{MS}_{residual}}{S}, \quad
              \hat\sigma^2_c = \mathrm{MS}_{residual}

    Args:
        values: (S, n) one row per seed, one column per example, S, n >= 2.

    Returns:
        `VarianceComponents`; a negative estimate counts as zero.

    Raises:
        ValueError: if the shape is another, or an entry is not finite.

    >>> [round(component, 6) for component in variance_components([[0.0, 2.0], [1.0, 3.0]])]
    [0.5, 2.0, 0.0]
    """
    table = _table(values)
    seeds, n = table.shape
    if min(seeds, n) < 2:
        raise ValueError(f"expected values of two seeds and two examples or more, got shape {table.shape}")
    checks.finite(values=table)
    parts = _mean_parts((table - table.mean())[None])
    of_seeds, of_examples, residual = (float(_squares(part)[0]) for part in parts)
    return VarianceComponents(
        seed=seeds * max(of_seeds - residual, 0.0),
        example=n * max(of_examples - residual, 0.0),
        interaction=seeds * n * residual,
    )


def _table(values: Any) -> np.ndarray:
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or table.size == 0:
        raise ValueError(f"expected values of shape (seeds, examples), got shape {table.shape}")
    return table


def _centred(values: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """The k means, and the values minus their mean, or with a mask their linearisation: (k, S, n), of mean zero."""
    weights = np.ones_like(values, dtype=float) if mask is None else np.asarray(mask, dtype=float)
    with np.errstate(invalid="ignore"):  # an empty subset: 0 / 0 is NaN
        means = (weights * values).sum(axis=(1, 2)) / weights.sum(axis=(1, 2))
        centred = weights * (values - means[:, None, None]) / weights.mean(axis=(1, 2), keepdims=True)
    return means, centred


def _mean_parts(centred: np.ndarray) -> MeanParts:
    """The deviations of k means' values from (k, S, n) values of mean zero."""
    k, seeds, n = centred.shape
    of_seed, of_example = centred.mean(axis=2), centred.mean(axis=1)
    residual = (centred - of_seed[:, :, None] - of_example[:, None]).reshape(k, -1)
    free_seeds, free_examples = max(seeds - 1, 1), max(n - 1, 1)  # a single row or column has no deviations
    return MeanParts(
        of_seed / np.sqrt(seeds * free_seeds),
        of_example / np.sqrt(n * free_examples),
        residual / np.sqrt(seeds * n * free_seeds * free_examples),
    )


def _squares(part: np.ndarray) -> np.ndarray:
    return (part**2).sum(axis=-1)


def _degrees_of_freedom(parts: MeanParts) -> tuple[int, int]:
    return max(parts.seeds.shape[1] - 1, 1), max(parts.examples.shape[1] - 1, 1)


def _half_widths(parts: MeanParts, level: float) -> np.ndarray:
    """Half-widths of the intervals of k means, each alone."""
    of_seeds, residual = _squares(parts.seeds), _squares(parts.residual)
    examples_alone = np.maximum(_squares(parts.examples) - residual, 0)
    df_seeds, df_examples = _degrees_of_freedom(parts)
    without_seeds = _combine(residual, df_seeds * df_examples, examples_alone, df_examples, level)
    with_seeds = _combine(of_seeds, df_seeds, examples_alone, df_examples, level)
    median_ratio = 2 * gammaincinv(df_seeds / 2, 0.5) / df_seeds  # of a chi-square to its degrees of freedom
    has_effect = of_seeds > median_ratio * residual
    return np.where(has_effect, np.maximum(with_seeds, without_seeds), without_seeds)


def _combine(first: Any, first_df: int, second: Any, second_df: int, level: float) -> np.ndarray:
    """The half-width of Cochran and Cox for a sum of two variances with degrees of freedom of their own."""
    quantiles = stdtrit([first_df, second_df], (1 + level) / 2)
    total = np.sqrt(first + second)
    return (first * quantiles[0] + second * quantiles[1]) / np.where(total > 0, total, 1)


def _simultaneous_half_widths(parts: MeanParts, alone: np.ndarray, level: float) -> np.ndarray:
    """Half-widths of k intervals of a common level at which simulated families are covered with probability `level`."""
    of_seeds, residual = _squares(parts.seeds), _squares(parts.residual)
    seeds_or_residual = np.maximum(of_seeds, residual)
    examples_alone = np.maximum(_squares(parts.examples) - residual, 0)
    df_seeds, df_examples = _degrees_of_freedom(parts)
    generator = np.random.default_rng(0)
    # Few seeds say little about correlations, so they are pooled with the residual's, each by its degrees of freedom.
    pooled = parts.seeds @ parts.seeds.T + df_examples * parts.residual @ parts.residual.T
    seed_root = _root(pooled, seeds_or_residual)
    example_root = _root(parts.examples @ parts.examples.T - parts.residual @ parts.residual.T, examples_alone)
    shape = (DRAWS, len(alone))
    deviations = abs(generator.normal(size=shape) @ seed_root + generator.normal(size=shape) @ example_root)
    simulated = np.zeros(shape)  # mean squares of the seeds
    for _ in range(df_seeds):
        simulated += (generator.normal(size=shape) @ seed_root) ** 2 / df_seeds
    simulated = np.maximum(simulated, residual)

    def covered(miss: float) -> float:
        half = _combine(simulated, df_seeds, examples_alone, df_examples, 1 - miss)
        return float((deviations <= half).all(axis=1).mean())

    enough, too_much = (1 - level) / (10 * len(alone)), 1 - level
    for _ in range(BISECTIONS):
        middle = np.sqrt(enough * too_much)
        enough, too_much = (middle, too_much) if covered(middle) >= level else (enough, middle)
    return np.maximum(alone, _combine(seeds_or_residual, df_seeds, examples_alone, df_examples, 1 - enough))


def _root(covariance: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """A matrix whose rows span the nearest positive semidefinite covariance, scaled to given variances: (k, k).

    Standard normal rows times this matrix have these variances and correlations.
    """
    eigenvalues, vectors = np.linalg.eigh(covariance)
    root = np.sqrt(np.maximum(eigenvalues, 0))[:, None] * vectors.T
    norms = np.sqrt((root**2).sum(axis=0))
    return root * np.sqrt(variances) / np.where(norms > 0, norms, 1)
