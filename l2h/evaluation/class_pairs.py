"""A mean over all pairs of K classes, as a statement about pairs of new classes.

Two pairs that share a class are not independent: the class brings its difficulty and its test images into both. So
classes are a random effect, crossed with each other, and the pairs are a sample of tasks.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from scipy.special import fdtri, stdtrit

from l2h import checks
from l2h.evaluation.intervals import Interval, check_level


class ClassPairsMean(NamedTuple):
    """The mean of a quantity over pairs of classes, and how much of its variation is that of the classes."""

    estimate: float
    standard_error: float  # for new classes, and for new seeds where the values name the seeds
    degrees_of_freedom: float
    class_variance: float  # of the effect that a class has on each of its pairs
    pair_variance: float  # of what remains: the pair's own effect, seeds, and the images of this pair alone

    def interval(self, *, level: float = 0.95) -> Interval:
        """Student's interval of the mean.

        Args:
            level: of confidence, in (0, 1).
        """
        return self._student(self.standard_error, level)

    def new_pair_interval(self, *, level: float = 0.95) -> Interval:
        """The prediction interval of one new pair of new classes, measured with as many seeds.

        Its coverage was simulated: see the page "How the intervals were checked".

        Args:
            level: the probability of that, in (0, 1).
        """
        return self._student(
            float(np.sqrt(self.standard_error**2 + 2 * self.class_variance + self.pair_variance)), level
        )

    def _student(self, deviation: float, level: float) -> Interval:
        check_level(level)
        half = float(stdtrit(self.degrees_of_freedom, (1 + level) / 2)) * deviation
        return Interval(self.estimate, self.estimate - half, self.estimate + half)


def class_pairs_mean(pairs: Sequence[tuple[Any, Any]], values: Any) -> ClassPairsMean:
    r"""The mean over all pairs of K classes, with the standard error of a mean over pairs of new classes.

    .. math:: y_{ab} = \mu + u_a + u_b + v_{ab}, \qquad
              \widehat{\mathrm{Var}}(\bar y) = \frac{4\, MS_u}{K(K - 2)} - \frac{2\, MS_v}{(K - 1)(K - 2)}
              + \frac{MS_s}{S K(K - 1) / 2}

    with independent class effects u and pair effects v, and the mean squares of classes (K - 1 degrees of freedom) and
    of pairs (K(K - 3)/2). The degrees of freedom are Satterthwaite's, at least (K - 1)/2: the difference of two mean
    squares may be close to zero, where the approximation fails. Where the classes vary no more than the pairs, the
    usual variance of a mean of independent pairs is taken, still with K - 1 degrees of freedom: with more, intervals of
    high levels fail too often. The coverage was simulated: see the page "How the intervals were checked".

    The last term is for S seeds that all pairs share, such as the same initial weights: with the mean square of the
    seeds in the table of pairs and seeds, whose degrees of freedom are S - 1. It is left out if it is at most the
    median of its distribution without an effect of the seeds, or if there is one seed. All parts are combined by
    Satterthwaite's formula.

    Args:
        pairs: all pairs of K >= 4 classes, each once, in either order.
        values: (K(K - 1)/2,) one finite number per pair, or (K(K - 1)/2, S) one per pair and seed.

    Returns:
        The mean with its standard error and the components of variance; a component is never below zero.

    Raises:
        ValueError: if a pair is missing or given twice, there are fewer than four classes, or a value is not finite.

    >>> letters = list(combinations("abcd", 2))
    >>> mean = class_pairs_mean(letters, [1.0, 2.0, 3.0, 2.0, 3.0, 4.0])
    >>> mean.estimate, round(mean.class_variance, 3), round(mean.standard_error, 3)
    (2.5, 0.917, 0.957)

    Source: Griffing 1956, "Concept of general and specific combining ability", Australian Journal of Biological
    Sciences 9, method 4, model II; Satterthwaite 1946, Biometrics Bulletin 2(6).
    """
    classes = sorted({name for pair in pairs for name in pair})
    k, y = len(classes), np.asarray(values, dtype=float)
    checks.at_least(4, classes=k)
    if sorted(tuple(sorted(pair)) for pair in pairs) != list(combinations(classes, 2)):
        raise ValueError(f"expected every pair of the {k} classes once, got {len(pairs)} pairs: {list(pairs)}")
    if y.ndim not in (1, 2) or len(y) != len(pairs) or y.size == 0:
        raise ValueError(
            f"expected one value per pair, or one row, got {len(pairs)} pairs and values of shape {y.shape}"
        )
    checks.finite(values=y)
    if y.ndim == 2:
        return _with_seeds(class_pairs_mean(pairs, y.mean(axis=1)), y)
    mean = y.mean()
    in_pair = np.array([[name in pair for pair in pairs] for name in classes])  # (K, pairs)
    class_deviations = in_pair @ (y - mean)  # (K,)
    class_squares = float((class_deviations**2).sum() / (k - 2))
    total_squares = float(((y - mean) ** 2).sum())
    class_df, pair_df = k - 1, k * (k - 3) / 2
    class_mean_square = class_squares / class_df
    pair_mean_square = max(total_squares - class_squares, 0.0) / pair_df
    if class_mean_square <= pair_mean_square:
        variance = total_squares / (len(y) - 1)
        return ClassPairsMean(float(mean), float(np.sqrt(variance / len(y))), float(class_df), 0.0, variance)
    from_classes = 4 * class_mean_square / (k * (k - 2))
    from_pairs = 2 * pair_mean_square / ((k - 1) * (k - 2))
    variance = from_classes - from_pairs
    satterthwaite = variance**2 / (from_classes**2 / class_df + from_pairs**2 / pair_df)
    class_variance = (class_mean_square - pair_mean_square) / (k - 2)
    df = max(satterthwaite, class_df / 2)
    return ClassPairsMean(float(mean), float(np.sqrt(variance)), float(df), class_variance, pair_mean_square)


def _with_seeds(mean: ClassPairsMean, values: np.ndarray) -> ClassPairsMean:
    """The mean with the variance that seeds bring to all pairs alike."""
    pairs, seeds = values.shape
    if seeds == 1:
        return mean
    by_seed = values.mean(axis=0)
    residual = values - by_seed - values.mean(axis=1, keepdims=True) + values.mean()
    residual_mean_square = (residual**2).sum() / ((pairs - 1) * (seeds - 1))
    seed_mean_square, seed_df = pairs * by_seed.var(ddof=1), seeds - 1
    if seed_mean_square <= fdtri(seed_df, (pairs - 1) * seed_df, 0.5) * residual_mean_square:
        return mean
    seed_variance = seed_mean_square / (pairs * seeds)
    variance = mean.standard_error**2 + seed_variance
    df = variance**2 / (mean.standard_error**4 / mean.degrees_of_freedom + seed_variance**2 / (seeds - 1))
    return mean._replace(standard_error=float(np.sqrt(variance)), degrees_of_freedom=float(df))
