"""Evidence on means over all pairs of CIFAR-10's classes, from the table that chapter 06 keeps of them."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from companion.claims.evidence import EQUIVALENCE_LEVEL, Evidence
from companion.claims.power import LARGEST_FACTOR, LEVEL
from companion.claims.verdicts import INCONCLUSIVE, case_verdict
from l2h.evaluation.class_pairs import ClassPairsMean, class_pairs_mean
from l2h.evaluation.intervals import Interval

SMALLEST_EFFECT = 0.01  # the smallest effect of interest, in area and in accuracy


def by_pair(differences: pd.Series, client: str) -> tuple[list[tuple[str, str]], np.ndarray]:
    """A difference for every pair of classes and every seed.

    Args:
        differences: one per pair, client and seed.
        client: kind of client.

    Returns:
        The pairs, and (pairs, seeds) numbers.
    """
    table = differences.xs(client, level="client").dropna().unstack("seed")
    return [(first, second) for first, second in table.index.str.split("/")], table.to_numpy()


def secondary_evidence(
    differences: pd.Series, *, clients: Iterable[str], margin: float = SMALLEST_EFFECT
) -> dict[str, Evidence]:
    """Evidence on a secondary question over pairs, by client, without adjustment for other questions.

    Args:
        differences: one per pair, client and seed.
        clients: kinds of clients.
        margin: the smallest difference of interest.
    """
    seeds = differences.dropna().index.get_level_values("seed").nunique()
    evidence = {}
    for client in clients:
        pairs, values = by_pair(differences, client)
        mean = class_pairs_mean(pairs, values)
        narrower = mean.interval(level=EQUIVALENCE_LEVEL)
        evidence[client] = evidence_on_pairs(mean, mean.interval(), narrower, len(pairs), seeds, 1, margin)
    return evidence


def evidence_on_pairs(
    mean: ClassPairsMean,
    interval: Interval,
    equivalence: Interval,
    pairs: int,
    seeds: int,
    comparisons: int,
    margin: float = SMALLEST_EFFECT,
) -> Evidence:
    """Evidence on a mean over pairs of classes, with the pairs that would settle an unclear case.

    Args:
        mean: over the pairs.
        interval: of it, at the level of its question.
        equivalence: the narrower one of two one-sided tests.
        pairs: how many.
        seeds: of each pair.
        comparisons: how many questions share the error probability.
        margin: the smallest difference of interest.
    """
    return Evidence(
        *interval,
        seeds=seeds,
        equivalence_low=equivalence.low,
        equivalence_high=equivalence.high,
        comparisons=comparisons if comparisons > 1 else None,
        units="pairs of classes",
        settled_by=pairs_to_settle(mean, pairs, margin=margin, comparisons=comparisons),
    )


def pairs_to_settle(mean: ClassPairsMean, pairs: int, *, margin: float, comparisons: int = 1) -> int | None:
    r"""The least number of pairs, all pairs of K classes, with which a question would be decided.

    .. math:: \mathrm{Var}(\bar y) = \frac{4 \sigma_u^2}{K} + \frac{2 \sigma_v^2}{K(K - 1)} + \frac{\sigma_s^2}{S}

    with the estimate and the components as they are, and degrees of freedom in proportion to K - 1. The last part, that
    of the seeds, stays as it is.

    Args:
        mean: of the pairs at hand.
        pairs: how many these are.
        margin: the smallest difference of interest.
        comparisons: how many questions share the error probability; the levels are adjusted as for the first of them.

    Returns:
        A number of pairs, or None if ten times as many do not decide.
    """
    bounds = {"above": 0, "margin": margin}
    k = present = round((1 + (1 + 8 * pairs) ** 0.5) / 2)
    of_seeds = max(0.0, mean.standard_error**2 - _variance_of_classes_and_pairs(mean, present))
    while k * (k - 1) // 2 <= LARGEST_FACTOR * pairs:
        variance = _variance_of_classes_and_pairs(mean, k) + of_seeds
        larger = mean._replace(
            standard_error=variance**0.5, degrees_of_freedom=mean.degrees_of_freedom * (k - 1) / (present - 1)
        )
        interval, narrower = (
            larger.interval(level=1 - (1 - level) / comparisons) for level in (LEVEL, EQUIVALENCE_LEVEL)
        )
        evidence = Evidence(*interval, equivalence_low=narrower.low, equivalence_high=narrower.high)
        if case_verdict(evidence, bounds) != INCONCLUSIVE:
            return k * (k - 1) // 2
        k += 1
    return None


def _variance_of_classes_and_pairs(mean: ClassPairsMean, k: int) -> float:
    return 4 * mean.class_variance / k + 2 * mean.pair_variance / (k * (k - 1))
