"""The crossed bootstrap that the project used until November 2026, kept for the comparison on this page only."""

import numpy as np

RESAMPLES_AT_A_TIME = 100  # resamples whose weights are in memory together


def old_half_widths(values: np.ndarray, *, n_resamples: int, level: float = 0.95, seed: int = 0) -> np.ndarray:
    """Half-widths of k symmetric bootstrap intervals, each for its mean alone.

    Args:
        values: (k, S, n) one row per seed, one column per example.
        n_resamples: number of resamples.
        level: of confidence, in (0, 1).
        seed: of the resampling.

    Returns:
        (k,) quantiles of the absolute deviations of the resampled means.
    """
    return np.quantile(abs(resampled_deviations(values, n_resamples=n_resamples, seed=seed)), level, axis=1)


def old_simultaneous_half_widths(
    values: np.ndarray, *, n_resamples: int, level: float = 0.95, seed: int = 0
) -> np.ndarray:
    """Half-widths of f families of k bootstrap intervals, each family widened by one factor (max-t).

    Args:
        values: (f, k, S, n).
        n_resamples: number of resamples.
        level: of confidence of each family, in (0, 1).
        seed: of the resampling.

    Returns:
        (f, k) half-widths.
    """
    families, k = values.shape[:2]
    flat = values.reshape(-1, *values.shape[2:])
    deviations = abs(resampled_deviations(flat, n_resamples=n_resamples, seed=seed)).reshape(families, k, -1)
    alone = np.quantile(deviations, level, axis=2)
    factors = np.quantile((deviations / alone[:, :, None]).max(axis=1), level, axis=1)
    return alone * factors[:, None]


def resampled_deviations(values: np.ndarray, *, n_resamples: int, seed: int) -> np.ndarray:
    r"""Deviations of resampled means from their means.

    .. math:: \frac{1}{Sn} \sum_{s,i} a_s w_i v_{si} - \frac1S \sum_s a_s \bar v_s + \tau \frac{\hat\sigma}{\sqrt S}

    with multinomial weights a of seeds and w of examples, the standard deviation of the seeds' means, and tau from
    Student's distribution with S - 1 degrees of freedom.

    Args:
        values: (k, S, n).
        n_resamples: number of resamples.
        seed: of the resampling.

    Returns:
        (k, n_resamples).
    """
    k, seeds, n = values.shape
    generator = np.random.default_rng(seed)
    by_seed = values.mean(axis=2)  # (k, S)
    flat, parts = values.reshape(-1, n).T, []
    for start in range(0, n_resamples, RESAMPLES_AT_A_TIME):
        size = min(RESAMPLES_AT_A_TIME, n_resamples - start)
        indices = generator.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        weights = np.bincount(indices.ravel(), minlength=size * n).reshape(size, n) / n
        parts.append((weights @ flat).reshape(size, k, seeds))
    chosen = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=n_resamples) / seeds  # (n_resamples, S)
    deviations = np.einsum("ds,dks->kd", chosen, np.concatenate(parts)) - by_seed @ chosen.T
    if seeds == 1:
        return deviations
    tau = generator.normal(size=(seeds, n_resamples)) / np.sqrt(
        generator.chisquare(seeds - 1, size=n_resamples) / (seeds - 1)
    )
    residuals = by_seed - by_seed.mean(axis=1, keepdims=True)
    return deviations + residuals @ tau / np.sqrt(seeds * (seeds - 1))
