"""Simulated experiments whose true mean is known, and how often the intervals of each method cover it.

The variance components are those of the record of chapter 06. Every simulated experiment takes the components of one of
its differences, all differences equally often.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri
from scipy.stats import binom

from companion.chapters.intervals.old_bootstrap import old_half_widths, old_simultaneous_half_widths
from l2h.evaluation.class_pairs import ClassPairsMean, class_pairs_mean
from l2h.evaluation.crossed import crossed_intervals
from l2h.evaluation.intervals import Interval, power_law_exponent, proportion_interval, t_interval

VALUES_AT_A_TIME = 4_000_000  # 32 MB of simulated values, whatever the number of experiments
RECORD_SEEDS, RECORD_IMAGES = 5, 2000  # of the record from which the covariances are estimated
DISAGREEMENT = 0.1  # share of images on which two simulated servers differ in being right
SEED_PART_PER_SHARE = 9e-4  # gives the effect of the seed about the share of the record, on average over its settings
SHARED_SEED_PART, OWN_SEED_PART = 0.1, 0.5  # variance of a seed's effect on all pairs, and on one, in units of a pair's
HEAVY_TAIL_DF = 3  # of the t distribution from which heavy-tailed effects are drawn


class Coverage(NamedTuple):
    """How often intervals covered the truth, and how wide they were.

    Args:
        covered: number of simulated experiments whose intervals cover it.
        n: number of simulated experiments.
        half_width: mean half-width in units of the true standard error; NaN where there is none.
    """

    covered: int
    n: int
    half_width: float

    def interval(self) -> Interval:
        """The share covered, with the exact 95 % interval."""
        return proportion_interval(self.covered, self.n)


def normal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Effects from the standard normal distribution."""
    return generator.normal(size=shape)


def heavy_tailed(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Effects from a t distribution of few degrees of freedom, scaled to variance 1."""
    return generator.standard_t(HEAVY_TAIL_DF, size=shape) / np.sqrt(HEAVY_TAIL_DF / (HEAVY_TAIL_DF - 2))


Effects = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def crossed_values(
    components: np.ndarray, *, seeds: int, n: int, generator: np.random.Generator, effects: Effects = normal
) -> np.ndarray:
    """Simulated values with mean 0 of k experiments: (k, S, n).

    Args:
        components: (k, 3) variances of the effects of seed, of example, and of both together.
        seeds: S.
        n: number of examples.
        generator: of random numbers.
        effects: draws effects of variance 1.
    """
    of_seed, of_example, of_both = np.sqrt(components.T)[:, :, None, None]
    k = len(components)
    return (
        of_seed * effects(generator, (k, seeds, 1))
        + of_example * effects(generator, (k, 1, n))
        + of_both * effects(generator, (k, seeds, n))
    )


def standard_errors(components: np.ndarray, *, seeds: int, n: int) -> np.ndarray:
    """The true standard errors of the means: (k,)."""
    return np.sqrt(components @ np.array([1 / seeds, 1 / n, 1 / (seeds * n)]))


def mean_coverage(
    components: np.ndarray, *, seeds: int, n: int, n_samples: int, effects: Effects = normal, old_resamples: int = 0
) -> Coverage:
    """Coverage of the interval of one mean over crossed seeds and examples.

    Args:
        components: (k, 3), each taken equally often.
        seeds: S.
        n: number of examples.
        n_samples: simulated experiments.
        effects: draws effects of variance 1.
        old_resamples: number of resamples of the old bootstrap, which is then checked instead.
    """
    generator = np.random.default_rng(seeds)
    chosen = np.resize(components, (n_samples, 3))
    covered, widths = 0, 0.0
    for part in _batches(chosen, VALUES_AT_A_TIME // (seeds * n)):
        values = crossed_values(part, seeds=seeds, n=n, generator=generator, effects=effects)
        if old_resamples:
            half = old_half_widths(values, n_resamples=old_resamples)
        else:
            half = half_widths(crossed_intervals(values))
        covered += int((abs(values.mean(axis=(1, 2))) <= half).sum())
        widths += float((half / standard_errors(part, seeds=seeds, n=n)).sum())
    return Coverage(covered, n_samples, widths / n_samples)


def _batches(rows: np.ndarray, size: int) -> list[np.ndarray]:
    return np.array_split(rows, -(-len(rows) // max(1, size)))


def half_widths(intervals: Sequence[Interval]) -> np.ndarray:
    """Half of the distance between the limits of each interval."""
    return np.array([(interval.high - interval.low) / 2 for interval in intervals])


def subset_coverage(share: float, *, seeds: int, n: int, n_samples: int) -> Coverage:
    """Coverage of a pooled difference in accuracy on the images that a system asks.

    A seed asks the images whose score is among the lowest; seed, image and both together bring a part of the score.
    The difference of two servers is -1, 0 or 1, with mean 0 whatever the score.

    Args:
        share: of the images that are asked, on average.
        seeds: S.
        n: number of images.
        n_samples: simulated experiments.
    """
    generator = np.random.default_rng(seeds)
    seed_part = SEED_PART_PER_SHARE / share
    score_parts, server_parts = np.array([[0.05, 0.65, 0.3]]), np.array([[seed_part, 0.1, 0.9 - seed_part]])
    limit, disagreement = ndtri(share), -ndtri(DISAGREEMENT / 2)
    covered = 0
    for part in _batches(np.ones((n_samples, 1)), VALUES_AT_A_TIME // (seeds * n)):
        k = len(part)
        score, latent = (
            crossed_values(np.repeat(parts, k, axis=0), seeds=seeds, n=n, generator=generator)
            for parts in (score_parts, server_parts)
        )
        values = np.where(abs(latent) > disagreement, np.sign(latent), 0.0)
        intervals = crossed_intervals(values, (score < limit).astype(float), signed=True)
        covered += sum(interval.low <= 0 <= interval.high for interval in intervals)
    return Coverage(covered, n_samples, np.nan)


def family_values(
    products: dict[str, np.ndarray], *, seeds: int, n: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Simulated values with mean 0 of one family of k differences: (k, S, n), and the true standard errors (k,).

    Args:
        products: "seeds", "images" and "residual" -> (k, k) mean squares and products; of `RECORD_SEEDS` seeds.
        seeds: S.
        n: number of images.
        generator: of random numbers.
    """
    residual = products["residual"]
    of_seed = _semidefinite(products["seeds"] - residual) / RECORD_IMAGES
    of_image = _semidefinite(products["images"] - residual) / RECORD_SEEDS
    k = len(residual)
    values = (
        (generator.normal(size=(seeds, 1, k)) @ _root(of_seed))
        + (generator.normal(size=(1, n, k)) @ _root(of_image))
        + (generator.normal(size=(seeds, n, k)) @ _root(residual))
    )
    components = np.stack([np.diag(of_seed), np.diag(of_image), np.diag(residual)], axis=1)
    return np.moveaxis(values, 2, 0), standard_errors(components, seeds=seeds, n=n)


def _semidefinite(matrix: np.ndarray) -> np.ndarray:
    eigenvalues, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(eigenvalues, 0)) @ vectors.T


def _root(matrix: np.ndarray) -> np.ndarray:
    eigenvalues, vectors = np.linalg.eigh(matrix)
    return np.sqrt(np.maximum(eigenvalues, 0))[:, None] * vectors.T


def family_coverage(
    families: Sequence[dict[str, np.ndarray]],
    *,
    seeds: int,
    n: int,
    n_samples: int,
    level: float = 0.95,
    old_resamples: int = 0,
    stream: int = 1,
) -> Coverage:
    """Coverage of simultaneous intervals: how often all of a family cover their means.

    Args:
        families: matrices of mean squares and products, each family taken equally often.
        seeds: S.
        n: number of images.
        n_samples: simulated families.
        level: of a family.
        old_resamples: number of resamples of the old bootstrap, which is then checked instead.
        stream: of random numbers; another one gives other families.
    """
    generator = np.random.default_rng([stream, seeds])
    covered, widths = 0, 0.0
    for index in range(n_samples):
        values, errors = family_values(families[index % len(families)], seeds=seeds, n=n, generator=generator)
        if old_resamples:
            half = old_simultaneous_half_widths(values[None], n_resamples=old_resamples, level=level)[0]
        else:
            half = half_widths(crossed_intervals(values, simultaneous=True, level=level))
        covered += bool((abs(values.mean(axis=(1, 2))) <= half).all())
        widths += float((half / errors).mean())
    return Coverage(covered, n_samples, widths / n_samples)


def student_coverage(*, seeds: int, n_samples: int, effects: Effects = normal) -> Coverage:
    """Coverage of Student's interval of one number per seed.

    Args:
        seeds: S.
        n_samples: simulated experiments.
        effects: draws numbers of variance 1.
    """
    values = effects(np.random.default_rng(seeds), (n_samples, seeds))
    intervals = [t_interval(row) for row in values]
    covered = sum(interval.low <= 0 <= interval.high for interval in intervals)
    return Coverage(covered, n_samples, float(half_widths(intervals).mean() * np.sqrt(seeds)))


def proportion_coverage(n: int, p: float) -> float:
    """The coverage of the interval of Clopper and Pearson, exactly: the sum over all counts.

    Args:
        n: number of trials.
        p: true proportion, in (0, 1).
    """
    probabilities = binom.pmf(np.arange(n + 1), n, p)
    likely = np.flatnonzero(probabilities > 1e-12)
    intervals = {count: proportion_interval(int(count), n) for count in likely}
    return float(sum(probabilities[k] for k, interval in intervals.items() if interval.low <= p <= interval.high))


def exponent_coverage(*, seeds: int, n_samples: int, exponent: float = -1.0) -> Coverage:
    """Coverage of the exponent of a power law for a mean over seeds, by the jackknife.

    The value of a seed is its mean times a chi-square number with one degree of freedom, as the excess risk is that of
    an estimate with a normal error.

    Args:
        seeds: S.
        n_samples: simulated experiments.
        exponent: of the power law.
    """
    generator = np.random.default_rng(seeds)
    sizes = np.array([30.0, 100.0, 300.0, 1000.0, 3000.0])
    values = sizes**exponent * generator.chisquare(1, size=(n_samples, seeds, len(sizes)))
    intervals = [power_law_exponent(sizes, table) for table in values]
    covered = sum(interval.low <= exponent <= interval.high for interval in intervals)
    return Coverage(covered, n_samples, float(half_widths(intervals).mean()))


class ClassPairsExperiment(NamedTuple):
    """One simulated experiment on all pairs of classes."""

    mean: ClassPairsMean  # its true value is 0
    new_pair: float  # the value of one new pair of new classes, with other seeds


def class_pair_experiments(
    class_share: float, *, classes: int, n_samples: int, seeds: int = 1, effects: Effects = normal
) -> Iterator[ClassPairsExperiment]:
    """Simulated experiments on all pairs of classes.

    With several seeds, a seed adds a tenth of a pair's variance to all pairs alike, and half of it to each pair alone.

    Args:
        class_share: share of the variance of a pair that is due to its two classes, in [0, 1).
        classes: K.
        n_samples: simulated experiments.
        seeds: S, that all pairs share.
        effects: draws effects of variance 1.
    """
    generator = np.random.default_rng(classes)
    pairs: list[tuple[Any, Any]] = list(combinations(range(classes), 2))
    for_all, for_one = _seed_parts(seeds)
    first, second = np.array([*pairs, (classes, classes + 1)]).T  # the last pair is the new one
    for _ in range(n_samples):
        of_class = np.sqrt(class_share / 2) * effects(generator, (classes + 2,))
        of_pair = of_class[first] + of_class[second] + np.sqrt(1 - class_share) * effects(generator, (len(first),))
        shared = np.sqrt(for_all) * effects(generator, (2, seeds))[[0] * len(pairs) + [1]]
        values = of_pair[:, None] + shared + np.sqrt(for_one) * effects(generator, (len(first), seeds))
        yield ClassPairsExperiment(class_pairs_mean(pairs, values[:-1]), float(values[-1].mean()))


def class_pair_coverage(
    class_share: float, *, classes: int, n_samples: int, seeds: int = 1, level: float = 0.95, effects: Effects = normal
) -> Coverage:
    """Coverage of a mean over all pairs of classes, for new classes.

    Args:
        class_share: as in `class_pair_experiments`.
        classes: as there.
        n_samples: as there.
        seeds: as there.
        level: of confidence.
        effects: as there.
    """
    experiments = class_pair_experiments(
        class_share, classes=classes, n_samples=n_samples, seeds=seeds, effects=effects
    )
    intervals = [experiment.mean.interval(level=level) for experiment in experiments]
    for_all, for_one = _seed_parts(seeds)
    n_pairs = classes * (classes - 1) / 2
    true_error = np.sqrt(2 * class_share / classes + (1 - class_share + for_one / seeds) / n_pairs + for_all / seeds)
    covered = sum(interval.low <= 0 <= interval.high for interval in intervals)
    return Coverage(covered, n_samples, float(half_widths(intervals).mean() / true_error))


def new_pair_coverage(
    class_share: float, *, classes: int, n_samples: int, seeds: int = 1, effects: Effects = normal
) -> Coverage:
    """Coverage of the 95 % prediction interval of one new pair of new classes, measured with as many seeds.

    Args:
        class_share: as in `class_pair_experiments`.
        classes: as there.
        n_samples: as there.
        seeds: as there.
        effects: as there.
    """
    covered = 0
    for mean, value in class_pair_experiments(
        class_share, classes=classes, n_samples=n_samples, seeds=seeds, effects=effects
    ):
        interval = mean.new_pair_interval()
        covered += bool(interval.low <= value <= interval.high)
    return Coverage(covered, n_samples, float("nan"))


def _seed_parts(seeds: int) -> tuple[float, float]:
    """The variances of a seed's effects on all pairs, and on one; one seed's effects count as those of the pairs."""
    return (SHARED_SEED_PART, OWN_SEED_PART) if seeds > 1 else (0.0, 0.0)
