"""Who is better than whom, many at once: gaps that hold together, mean ranks and their critical difference.

Whoever compares one method with a dozen rivals has a dozen chances to be fooled; both tools here charge for that.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from l2h import checks
from l2h.evaluation.bootstrap import bootstrap_intervals
from l2h.evaluation.comparisons import differences_per_example
from l2h.evaluation.curves import correctness_at_coverage
from l2h.evaluation.intervals import Interval
from l2h.problem import Predictions

OUTCOMES = ("better", "worse", "not told apart")
OUTCOME_PHRASES = dict(zip(OUTCOMES, ("better than", "worse than", "not told apart from"), strict=True))


def simultaneous_differences(
    reference: Sequence[Predictions],
    baselines: Mapping[str, Sequence[Predictions]],
    per_example: Callable[[Predictions], Any],
    *,
    level: float = 0.95,
    families: int = 1,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Interval]:
    r"""Differences reference - rival in the mean of a value per example, all of which hold together.

    Within one cell (a client and a pair of classes) max-t intervals share the resampled seeds and examples of all
    rivals. Cells have other examples, and are joined by Bonferroni: each gets

    .. math:: 1 - \frac{1 - \mathrm{level}}{\mathrm{cells}}

    Args:
        reference: predictions of one system, one per seed.
        baselines: name -> predictions of another, paired: the same seeds and examples.
        per_example: gives (n,) values, such as `curves.auc_contributions`.
        level: of confidence for all rivals of all cells together, in (0, 1).
        families: how many such families are looked at, >= 1.
        n_resamples: number of resamples.
        seed: of the resampling.

    Returns:
        Name -> interval of the difference.

    Raises:
        ValueError: if there is no rival, seeds or examples do not pair, or an option is out of range.

    >>> one = [Predictions(m=np.array([1]), r=np.array([1.0]), e=np.array([1.0]), y=np.array([1]))]
    >>> simultaneous_differences(one, {"itself": one}, lambda p: p.r)
    {'itself': Interval(estimate=0.0, low=0.0, high=0.0)}
    """
    if not baselines:
        raise ValueError("expected at least one rival, got none")
    family_level = _bonferroni_level(level, families)
    values = np.stack(
        [differences_per_example(reference, predictions, per_example) for predictions in baselines.values()]
    )  # (k, S, n)
    options: dict[str, Any] = {
        "signed": True,
        "simultaneous": True,
        "level": family_level,
        "draws": n_resamples,
        "seed": seed,
    }
    return dict(zip(baselines, bootstrap_intervals(values, **options), strict=True))


def simultaneous_accuracy_differences(
    reference: Sequence[Predictions],
    baselines: Mapping[str, Sequence[Predictions]],
    coverages: Any,
    *,
    level: float = 0.95,
    families: int = 1,
    n_resamples: int = 2000,
    seed: int = 0,
) -> dict[str, list[Interval]]:
    """Differences reference - rival in accuracy at k coverages; those of all rivals and coverages hold together.

    Args:
        reference: predictions of one system, one per seed.
        baselines: name -> predictions of another, paired: the same seeds and examples.
        coverages: (k,) shares kept, in [0, 1].
        level: of confidence, as in `simultaneous_differences`.
        families: how many such families are looked at, as in `simultaneous_differences`.
        n_resamples: number of resamples.
        seed: of the resampling.

    Returns:
        Name -> k intervals.

    Raises:
        ValueError: as `simultaneous_differences`, or if a coverage is outside [0, 1].
    """
    if not baselines:
        raise ValueError("expected at least one rival, got none")
    family_level = _bonferroni_level(level, families)
    values = [
        differences_per_example(reference, predictions, lambda p: correctness_at_coverage(p, coverages))
        for predictions in baselines.values()
    ]
    flat = np.concatenate(values, axis=1).swapaxes(0, 1)  # (rivals * k, S, n)
    flat_intervals = bootstrap_intervals(
        flat, signed=True, simultaneous=True, level=family_level, n_resamples=n_resamples, seed=seed
    )
    k = len(flat_intervals) // len(baselines)
    return {name: flat_intervals[index * k : (index + 1) * k] for index, name in enumerate(baselines)}


def _bonferroni_level(level: float, families: int) -> float:
    checks.at_least(1, cells=families)
    checks.positive(level=level, **{"1 - level": 1 - level})
    return 1 - (1 - level) / families


def comparison_outcome(difference: Interval) -> str:
    """What an interval of a difference says about the first system.

    Args:
        difference: of first - second, where more is better.

    Returns:
        One of OUTCOMES.

    >>> comparison_outcome(Interval(0.04, 0.01, 0.07)), comparison_outcome(Interval(0.04, -0.01, 0.09))
    ('better', 'not told apart')
    """
    return OUTCOMES[0] if difference.low > 0 else OUTCOMES[1] if difference.high < 0 else OUTCOMES[2]


def outcome_table(
    differences: Mapping[str, Mapping[str, Interval]], baselines: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Who is beaten where, and by how much, and at how many places.

    Args:
        differences: place -> rival -> difference reference - rival; not every place need have every rival.
        baselines: of the rivals, in the order in which they are told.

    Returns:
        Place -> "better than", "worse than" or "not told apart from" -> rivals with their differences, or "none";
        last "places" -> the same -> rivals with the number of places.

    >>> outcome_table({"here": {"a": Interval(0.2, 0.1, 0.3)}}, ["a"])["here"]["better than"]
    'a (+0.200)'
    """
    outcomes_by_setting = {
        setting: {name: comparison_outcome(difference) for name, difference in by_baseline.items()}
        for setting, by_baseline in differences.items()
    }

    def names_with(place: str, word: str) -> list[str]:
        return [
            f"{name} ({differences[place][name].estimate:+.3f})"
            for name in baselines
            if outcomes_by_setting[place].get(name) == word
        ]

    def count(word: str) -> list[str]:
        counts = {
            name: sum(outcomes.get(name) == word for outcomes in outcomes_by_setting.values()) for name in baselines
        }
        return [f"{name} ({number})" for name, number in counts.items() if number]

    rows = {setting: {word: names_with(setting, word) for word in OUTCOMES} for setting in differences}
    rows["places"] = {word: count(word) for word in OUTCOMES}
    return {
        row: {OUTCOME_PHRASES[word]: ", ".join(entries) or "none" for word, entries in columns.items()}
        for row, columns in rows.items()
    }


class MeanRanks(NamedTuple):
    """Mean ranks of k methods over blocks."""

    mean_rank: dict[str, float]  # 1 is best; methods in the order of their ranks
    critical_difference: float  # critical difference: ranks further apart than this differ
    p_value: float  # Friedman's test that no method differs from another
    blocks: int


def mean_ranks(scores: Mapping[str, Sequence[float]], *, level: float = 0.95) -> MeanRanks:
    r"""Mean ranks over blocks, with Friedman's test and Nemenyi's critical difference.

    .. math:: \mathrm{CD} = \frac{q_{\mathrm{level}}(k, \infty)}{\sqrt 2} \sqrt{\frac{k(k + 1)}{6N}}

    with the quantile q of the studentized range for k methods and N blocks. It supposes independent blocks.

    Args:
        scores: name -> one score per block, more is better; equal scores share their ranks.
        level: of confidence for all pairs of methods together, in (0, 1).

    Returns:
        `MeanRanks`, best method first; equal ranks in the order given.

    Raises:
        ValueError: for fewer than three methods or two blocks, methods of unequal length, or scores not finite.

    >>> table = mean_ranks({"a": [0.9, 0.8, 0.7], "b": [0.5, 0.6, 0.6], "c": [0.1, 0.2, 0.3]})
    >>> {name: round(rank, 3) for name, rank in table.rank.items()}
    {'a': 1.0, 'b': 2.0, 'c': 3.0}
    >>> round(table.difference, 3)
    1.914

    Source: Demšar, Statistical comparisons of classifiers over multiple data sets, JMLR 7, 2006.
    """
    if len(scores) < 3:
        raise ValueError(f"expected at least three methods to rank, got {len(scores)}")
    checks.same_length(**scores)
    table = np.array(list(scores.values()), dtype=float)  # (k, N)
    k, blocks = table.shape
    checks.at_least(2, blocks=blocks)
    checks.finite(scores=table)
    checks.positive(level=level, **{"1 - level": 1 - level})
    ranks = rankdata(-table, axis=0).sum(axis=1) / blocks  # (k,)
    best_first = np.argsort(ranks, kind="stable")
    equal = bool((table == table[0]).all())  # all ranks tie in every block: Friedman's statistic is 0 / 0
    critical = studentized_range.ppf(level, k, np.inf) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * blocks))
    return MeanRanks(
        mean_rank={list(scores)[index]: float(ranks[index]) for index in best_first},
        critical_difference=float(critical),
        p_value=1.0 if equal else float(friedmanchisquare(*table).pvalue),
        blocks=blocks,
    )


def cliques(table: MeanRanks) -> list[tuple[str, ...]]:
    """The largest groups of methods whose ranks lie within the critical difference of each other.

    Args:
        table: of `mean_ranks`.

    Returns:
        Groups of at least two names, best first; none is part of another.

    >>> cliques(MeanRanks({"a": 1.0, "b": 1.5, "c": 3.0}, difference=1.6, p_value=0.01, blocks=9))
    [('a', 'b'), ('b', 'c')]
    """
    names, ranks = list(table.mean_rank), np.array(list(table.mean_rank.values()))
    ends = [int(np.searchsorted(ranks, rank + table.critical_difference, side="right")) for rank in ranks]
    # a start whose reach is no longer than its predecessor's adds nothing
    starts = [0, *(index + 1 for index, (before, here) in enumerate(pairwise(ends)) if here > before)]
    return [tuple(names[start : ends[start]]) for start in starts if ends[start] - start > 1]
