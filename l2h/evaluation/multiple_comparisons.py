"""Multiple comparisons: simultaneous paired differences, Holm's procedure, mean ranks and critical differences.

Comparing one method with twelve baselines needs a multiplicity correction; the functions of this module apply one.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from l2h import checks
from l2h.evaluation.comparisons import differences_per_example
from l2h.evaluation.crossed import crossed_intervals
from l2h.evaluation.intervals import Interval, check_level
from l2h.problem import Predictions

OUTCOMES = ("better", "worse", "no significant difference")
OUTCOME_PHRASES = dict(zip(OUTCOMES, ("better than", "worse than", "not significantly different from"), strict=True))


def simultaneous_differences(
    reference: Sequence[Predictions],
    baselines: Mapping[str, Sequence[Predictions]],
    per_example: Callable[[Predictions], Any],
    *,
    level: float = 0.95,
    families: int = 1,
) -> dict[str, Interval]:
    r"""Paired differences (reference minus baseline) of a per-example metric, with simultaneous confidence intervals.

    Within one family (one client and one pair of classes) the intervals are simultaneous, as those of
    `crossed.crossed_intervals`. Families have different examples and are combined by Bonferroni: each has the level

    .. math:: 1 - \frac{1 - \mathrm{level}}{\mathrm{families}}

    Args:
        reference: predictions of one system, one per seed.
        baselines: name -> predictions of another, on the same seeds and examples.
        per_example: gives (n,) values, such as `curves.auc_contributions`.
        level: of confidence for all baselines of all families together, in (0, 1).
        families: number of such families, >= 1.

    Returns:
        Name -> interval of the difference.

    Raises:
        ValueError: if there is no baseline, seeds or examples do not pair, or an option is out of range.

    >>> reference = [Predictions(m=np.array([1]), r=np.array([1.0]), e=np.array([1.0]), y=np.array([1]))]
    >>> simultaneous_differences(reference, {"itself": reference}, lambda p: p.r)
    {'itself': Interval(estimate=0.0, low=0.0, high=0.0)}
    """
    values = np.stack(
        [differences_per_example(reference, predictions, per_example) for predictions in _nonempty(baselines).values()]
    )  # (k, S, n)
    family_level = _bonferroni_level(level, families)
    intervals = crossed_intervals(values, signed=True, simultaneous=True, level=family_level)
    return dict(zip(baselines, intervals, strict=True))


def _nonempty(baselines: Mapping[str, Sequence[Predictions]]) -> Mapping[str, Sequence[Predictions]]:
    if not baselines:
        raise ValueError("expected at least one baseline, got none")
    return baselines


def _bonferroni_level(level: float, families: int) -> float:
    checks.at_least(1, families=families)
    check_level(level)
    return 1 - (1 - level) / families


def holm_intervals(
    estimates: Any, standard_errors: Any, degrees_of_freedom: Any, *, level: float = 0.95
) -> list[Interval]:
    r"""Intervals of m effects, each at the level of its step in Holm's procedure: an interval excludes 0 if it rejects.

    .. math:: p_{(1)} \leq \dots \leq p_{(m)}, \qquad \alpha_{(k)} = \frac{1 - \mathrm{level}}{m - k + 1}

    with the two-sided p-values of Student's test. The effect of the k-th smallest has the level
    :math:`1 - \alpha_{(k)}`; after the first that is not rejected all others keep its level. The probability that the
    interval of any effect that is 0 excludes 0 is at most :math:`1 - \mathrm{level}`, whatever the dependence. The
    intervals serve this decision. They do not all cover their effects at once with probability `level`; those of
    `simultaneous_differences` do.

    Args:
        estimates: (m,) of the effects, m >= 1.
        standard_errors: (m,) of the estimates, >= 0.
        degrees_of_freedom: of the standard errors, > 0: (m,) or one number for all; inf for a normal distribution.
        level: 1 minus the family-wise error rate, in (0, 1).

    Returns:
        m intervals, in the order of the estimates.

    Raises:
        ValueError: if shapes differ, a number is out of range, or there is no effect.

    >>> first, second = holm_intervals([0.02, 0.03], [0.01, 0.01], 30)
    >>> [round(float(limit), 4) for limit in first], [round(float(limit), 4) for limit in second]
    ([0.02, -0.0004, 0.0404], [0.03, 0.0064, 0.0536])

    Source: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
    """
    estimate, error, df = _checked_family(estimates, standard_errors, degrees_of_freedom, level)
    p_values = 2 * stdtr(df, -_studentised(np.abs(estimate), error))
    half = stdtrit(df, 1 - _holm_alphas(p_values, 1 - level) / 2) * error
    return _intervals_around(estimate, half)


def equivalence_intervals(
    estimates: Any, standard_errors: Any, degrees_of_freedom: Any, *, margin: float, level: float = 0.95
) -> list[Interval]:
    r"""Intervals of m effects for two one-sided tests by Holm's procedure: one within the margin shows equivalence.

    .. math:: p = \max\Big\{P\Big(T > \frac{\hat d + \delta}{s}\Big), P\Big(T < \frac{\hat d - \delta}{s}\Big)\Big\}

    for the hypothesis that the effect is at least the margin :math:`\delta` in size. With Holm's
    :math:`\alpha_{(k)}` for the k-th smallest p (see `holm_intervals`) the interval has the level
    :math:`1 - 2\alpha_{(k)}`, and lies within :math:`(-\delta, \delta)` exactly where Holm's procedure rejects. For one
    effect and level 0.95 this is the 90 % interval. An effect of at least :math:`\delta` is called negligible in any of
    the m questions with probability at most :math:`1 - \mathrm{level}`.

    Args:
        estimates: (m,) of the effects, m >= 1.
        standard_errors: (m,) of the estimates, >= 0.
        degrees_of_freedom: of the standard errors, > 0: (m,) or one number for all; inf for a normal distribution.
        margin: the smallest effect of interest, > 0.
        level: 1 minus the family-wise error rate, in [0.5, 1).

    Returns:
        m intervals, in the order of the estimates.

    Raises:
        ValueError: if shapes differ, a number is out of range, or there is no effect.

    >>> (interval,) = equivalence_intervals([0.002], [0.004], 30, margin=0.01)
    >>> [round(float(limit), 4) for limit in interval]
    [0.002, -0.0048, 0.0088]

    Source: Schuirmann, A comparison of the two one-sided tests procedure and the power approach for assessing the
    equivalence of average bioavailability, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987.
    """
    estimate, error, df = _checked_family(estimates, standard_errors, degrees_of_freedom, level)
    checks.positive(margin=margin)
    checks.at_least(0.5, level=level)  # below, the interval of two one-sided tests does not hold its estimate
    p_values = stdtr(df, -_studentised(margin - np.abs(estimate), error))  # the larger of both tests
    half = stdtrit(df, 1 - _holm_alphas(p_values, 1 - level)) * error
    return _intervals_around(estimate, half)


def _checked_family(
    estimates: Any, standard_errors: Any, degrees_of_freedom: Any, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    estimate, error = np.asarray(estimates, dtype=float), np.asarray(standard_errors, dtype=float)
    if estimate.ndim != 1 or len(estimate) == 0 or error.shape != estimate.shape:
        raise ValueError(f"expected m estimates and m standard errors, got shapes {estimate.shape} and {error.shape}")
    df = np.asarray(degrees_of_freedom, dtype=float)
    if df.shape not in ((), estimate.shape) or not np.all(df > 0):
        raise ValueError(f"expected degrees_of_freedom > 0, one or as many as estimates, got {degrees_of_freedom}")
    checks.finite(estimates=estimate, standard_errors=error)
    checks.at_least(0, standard_errors=error.min())
    check_level(level)
    return estimate, error, np.broadcast_to(df, estimate.shape)


def _studentised(distance: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Distances in standard errors; an estimate without error is infinitely many away, or none."""
    infinite = np.where(distance == 0, 0.0, np.copysign(np.inf, distance))
    return np.divide(distance, error, out=infinite, where=error > 0)


def _holm_alphas(p_values: np.ndarray, alpha: float) -> np.ndarray:
    """The error probability of each test in Holm's procedure, in the order of the p-values."""
    m, order = len(p_values), np.argsort(p_values, kind="stable")
    steps = alpha / np.arange(m, 0, -1)
    accepted = p_values[order] >= steps
    if accepted.any():
        first = int(np.argmax(accepted))
        steps[first:] = steps[first]
    alphas = np.empty(m)
    alphas[order] = steps
    return alphas


def _intervals_around(estimates: np.ndarray, half_widths: np.ndarray) -> list[Interval]:
    return [
        Interval(float(estimate), float(estimate - half), float(estimate + half))
        for estimate, half in zip(estimates, half_widths, strict=True)
    ]


def comparison_outcome(difference: Interval) -> str:
    """Whether the first system is significantly better or worse than the second.

    Args:
        difference: interval of first minus second in a metric for which larger is better.

    Returns:
        A member of `OUTCOMES`.

    >>> comparison_outcome(Interval(0.04, 0.01, 0.07)), comparison_outcome(Interval(0.04, -0.01, 0.09))
    ('better', 'no significant difference')
    """
    return OUTCOMES[0] if difference.low > 0 else OUTCOMES[1] if difference.high < 0 else OUTCOMES[2]


def outcome_table(
    differences: Mapping[str, Mapping[str, Interval]], baselines: Sequence[str]
) -> dict[str, dict[str, str]]:
    """For each setting the baselines than which the reference is better, worse or not significantly different.

    Args:
        differences: setting -> baseline -> interval of reference minus baseline; a setting may lack some baselines.
        baselines: names of the baselines, in the order of the table.

    Returns:
        Setting -> "better than", "worse than" or "not significantly different from" -> baselines with their
        differences, or "none"; last "settings" -> the same -> baselines with the number of settings.

    >>> outcome_table({"easy pair": {"a": Interval(0.2, 0.1, 0.3)}}, ["a"])["easy pair"]["better than"]
    'a (+0.200)'
    """
    outcomes_by_setting = {
        setting: {name: comparison_outcome(difference) for name, difference in by_baseline.items()}
        for setting, by_baseline in differences.items()
    }

    def names_with(setting: str, outcome: str) -> list[str]:
        return [
            f"{name} ({differences[setting][name].estimate:+.3f})"
            for name in baselines
            if outcomes_by_setting[setting].get(name) == outcome
        ]

    def names_with_counts(outcome: str) -> list[str]:
        counts = {
            name: sum(outcomes.get(name) == outcome for outcomes in outcomes_by_setting.values()) for name in baselines
        }
        return [f"{name} ({count})" for name, count in counts.items() if count]

    rows = {setting: {outcome: names_with(setting, outcome) for outcome in OUTCOMES} for setting in differences}
    rows["settings"] = {outcome: names_with_counts(outcome) for outcome in OUTCOMES}
    return {
        row: {OUTCOME_PHRASES[outcome]: ", ".join(names) or "none" for outcome, names in columns.items()}
        for row, columns in rows.items()
    }


class MeanRanks(NamedTuple):
    """Mean ranks of k methods over blocks."""

    mean_rank: dict[str, float]  # 1 is best; methods in the order of their ranks
    critical_difference: float  # two mean ranks further apart than this differ significantly
    p_value: float  # of Friedman's test that all methods are equal
    blocks: int


def mean_ranks(scores: Mapping[str, Sequence[float]], *, level: float = 0.95) -> MeanRanks:
    r"""Mean ranks over blocks, with Friedman's test and Nemenyi's critical difference.

    .. math:: \mathrm{CD} = \frac{q_{\mathrm{level}}(k, \infty)}{\sqrt 2} \sqrt{\frac{k(k + 1)}{6N}}

    with the quantile q of the studentized range for k methods and N blocks. The blocks must be independent.

    Args:
        scores: name -> one score per block, larger is better; equal scores share their mean rank.
        level: of confidence for all pairs of methods together, in (0, 1).

    Returns:
        `MeanRanks`, best method first; methods of equal rank in the order of `scores`.

    Raises:
        ValueError: for fewer than three methods or two blocks, methods of unequal length, or scores not finite.

    >>> table = mean_ranks({"a": [0.9, 0.8, 0.7], "b": [0.5, 0.6, 0.6], "c": [0.1, 0.2, 0.3]})
    >>> {name: round(rank, 3) for name, rank in table.mean_rank.items()}
    {'a': 1.0, 'b': 2.0, 'c': 3.0}
    >>> round(table.critical_difference, 3)
    1.914

    Source: Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 7, 2006.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range  # slow to import, and only needed here

    if len(scores) < 3:
        raise ValueError(f"expected at least three methods to rank, got {len(scores)}")
    checks.same_length(**scores)
    table = np.array(list(scores.values()), dtype=float)  # (k, N)
    k, blocks = table.shape
    checks.at_least(2, blocks=blocks)
    checks.finite(scores=table)
    check_level(level)
    ranks = rankdata(-table, axis=0).sum(axis=1) / blocks  # (k,)
    best_first = np.argsort(ranks, kind="stable")
    equal = bool((table == table[0]).all())  # then Friedman's statistic is 0 / 0
    critical = studentized_range.ppf(level, k, np.inf) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * blocks))
    return MeanRanks(
        mean_rank={list(scores)[index]: float(ranks[index]) for index in best_first},
        critical_difference=float(critical),
        p_value=1.0 if equal else float(friedmanchisquare(*table).pvalue),
        blocks=blocks,
    )


def cliques(table: MeanRanks) -> list[tuple[str, ...]]:
    """The maximal groups of methods whose mean ranks lie within the critical difference of each other.

    Args:
        table: of `mean_ranks`.

    Returns:
        Groups of at least two names, best first; none is a subset of another.

    >>> cliques(MeanRanks({"a": 1.0, "b": 1.5, "c": 3.0}, critical_difference=1.6, p_value=0.01, blocks=9))
    [('a', 'b'), ('b', 'c')]
    """
    names, ranks = list(table.mean_rank), np.array(list(table.mean_rank.values()))
    ends = [int(np.searchsorted(ranks, rank + table.critical_difference, side="right")) for rank in ranks]
    # a group that starts later but ends at the same method is a subset of the earlier one
    starts = [0, *(index + 1 for index, (before, here) in enumerate(pairwise(ends)) if here > before)]
    return [tuple(names[start : ends[start]]) for start in starts if ends[start] - start > 1]
