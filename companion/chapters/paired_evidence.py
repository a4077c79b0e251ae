"""Evidence on paired differences over seeds and test images: both intervals of a case, and what would settle it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from companion.chapters.summaries import PerExample
from companion.claims.evidence import EQUIVALENCE_LEVEL, EQUIVALENCE_LIMITS, Evidence, min_evidence
from companion.claims.power import LEVEL, units_to_settle
from companion.claims.verdicts import INCONCLUSIVE, case_verdict
from l2h.evaluation.comparisons import differences_per_example
from l2h.evaluation.crossed import crossed_intervals
from l2h.problem import Predictions

Bounds = Mapping[str, Any]  # of a case; see `verdicts.ClaimRule`
NOT_RUN = Evidence.absent("not run at this profile")


def paired_evidence(
    first: Sequence[Predictions], second: Sequence[Predictions], per_example: PerExample, *, bounds: Bounds, data: str
) -> Evidence:
    """Evidence on the difference first - second of two systems in the mean of a value per example.

    Args:
        first: predictions of one system, one per seed.
        second: predictions of the other, on the same seeds and examples.
        per_example: gives (n,) values.
        bounds: of the case.
        data: SHA-256 of the data set.
    """
    if not first or not second:
        return NOT_RUN
    return evidence_on_differences(differences_per_example(first, second, per_example), bounds=bounds, data=data)


def evidence_on_differences(
    differences: np.ndarray, mask: np.ndarray | None = None, *, bounds: Bounds, data: str
) -> Evidence:
    """Evidence on the mean of paired differences, with the seeds that would settle the case.

    Args:
        differences: (S, n) one row per seed, one column per example.
        mask: (S, n) 1 where an example belongs to the subset, 0 elsewhere; None for all examples.
        bounds: of the case.
        data: SHA-256 of the data set.
    """
    masks = None if mask is None else mask[None]
    (estimate, low, high), (_, *equivalence) = (
        crossed_intervals(differences[None], masks, signed=True, level=level)[0] for level in (LEVEL, EQUIVALENCE_LEVEL)
    )
    if np.isnan(estimate):
        return Evidence.absent("there is no such example")
    seeds, n = differences.shape
    evidence = Evidence(
        estimate, low, high, n=n, seeds=seeds, data=data, **dict(zip(EQUIVALENCE_LIMITS, equivalence, strict=True))
    )
    if seeds == 1:
        return evidence
    if mask is not None:  # the mean over a subset varies as the mean of its linearisation
        differences = mask * (differences - estimate) / mask.mean()
    return replace(evidence, units="seeds", settled_by=_seeds_to_settle(estimate, differences, bounds))


def least_difference_evidence(differences: Sequence[np.ndarray], *, bounds: Bounds, data: str) -> Evidence:
    r"""Evidence on the least of k mean differences, none of them named beforehand.

    .. math:: \Big[\min_j l_j,\; \min_j u_j\Big], \qquad P(\theta_j < l_j) \leq 2.5\,\%, \quad
              P(\theta_j > u_j) \leq \frac{2.5}{k}\,\%

    The least lower limit needs no correction: it exceeds the least difference only if the lower limit of that very
    difference does. The least upper limit is below it as soon as any upper limit is, so that these have the levels of
    Bonferroni.

    Args:
        differences: k arrays (S, n), on the same seeds and examples.
        bounds: of the case, which holds for the least.
        data: SHA-256 of the data set.

    Source: Berger 1982, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24(4).
    """
    values = np.stack(differences)  # (k, S, n)
    k, seeds, n = values.shape
    alone, adjusted = (crossed_intervals(values, signed=True, level=level) for level in (LEVEL, 1 - (1 - LEVEL) / k))
    each = [
        Evidence(one.estimate, one.low, other.high, n=n, seeds=seeds, data=data)
        for one, other in zip(alone, adjusted, strict=True)
    ]
    if seeds == 1:
        return min_evidence(each)
    numbers = [
        _seeds_to_settle(item.estimate, one, bounds, comparisons=k)
        for item, one in zip(each, values, strict=True)
        if case_verdict(item, bounds) == INCONCLUSIVE
    ]
    settled_by = None if None in numbers else max((number for number in numbers if number), default=None)
    return replace(min_evidence(each), units="seeds", settled_by=settled_by)


def _seeds_to_settle(estimate: float, values: np.ndarray, bounds: Bounds, *, comparisons: int = 1) -> int | None:
    """The number of seeds that would settle a case, from (S, n) values of two seeds or more."""
    deviation, image_variance = _seed_deviation_and_image_variance(values)
    return units_to_settle(
        estimate,
        deviation,
        len(values) - 1,
        units=len(values),
        bounds=bounds,
        other_variance=image_variance,
        comparisons=comparisons,
    )


def _seed_deviation_and_image_variance(values: np.ndarray) -> tuple[float, float]:
    """The standard deviation of a seed's mean, and the variance of the overall mean that more seeds do not reduce."""
    seeds, n = values.shape
    of_seed, of_image = values.mean(axis=1), values.mean(axis=0)
    residual = values - of_seed[:, None] - of_image + values.mean()
    residual_square = (residual**2).sum() / ((seeds - 1) * max(n - 1, 1))
    image_square = seeds * of_image.var(ddof=1) if n > 1 else 0.0
    return float(of_seed.std(ddof=1)), float(max(image_square - residual_square, 0.0) / (seeds * n))
