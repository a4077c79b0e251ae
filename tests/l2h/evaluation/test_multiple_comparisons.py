"""Simultaneous paired differences, Holm's procedure, mean ranks, and cliques."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.samples import sample_runs
from hypothesis import given
from hypothesis import strategies as st
from oracles import evaluation
from scipy import stats
from scipy.stats import friedmanchisquare

from l2h.evaluation.comparisons import mean_difference
from l2h.evaluation.curves import auc_contributions
from l2h.evaluation.intervals import Interval
from l2h.evaluation.metrics import correctness
from l2h.evaluation.multiple_comparisons import (
    MeanRanks,
    cliques,
    comparison_outcome,
    equivalence_intervals,
    holm_intervals,
    mean_ranks,
    outcome_table,
    simultaneous_differences,
)
from l2h.problem import Predictions


@pytest.fixture(scope="module")
def systems():
    return {client: sample_runs(3, 300, client=client) for client in (0.5, 0.7, 0.9)}


def test_a_difference_is_the_paired_difference_with_a_wider_interval(systems):
    baselines = {"weak": systems[0.5], "strong": systems[0.9]}
    found = simultaneous_differences(systems[0.7], baselines, auc_contributions)
    for name, baseline in baselines.items():
        alone = mean_difference(systems[0.7], baseline, auc_contributions)
        assert found[name].estimate == pytest.approx(alone.estimate)
        assert found[name].high - found[name].low > alone.high - alone.low
    assert comparison_outcome(found["weak"]) == "better" and comparison_outcome(found["strong"]) == "worse"


def test_more_families_make_wider_intervals_and_a_system_does_not_differ_from_itself(systems):
    baselines = {"itself": systems[0.7], "weak": systems[0.5]}
    one, many = (
        simultaneous_differences(systems[0.7], baselines, auc_contributions, families=families) for families in (1, 6)
    )
    assert one["itself"] == many["itself"] == (0, 0, 0)
    assert comparison_outcome(one["itself"]) == "no significant difference"
    assert many["weak"].high - many["weak"].low > one["weak"].high - one["weak"].low


def test_simultaneous_differences_are_rarely_significant_where_there_are_none():
    """Ten baselines, all random like the reference: one family in twenty may show a difference, not one in two."""
    fooled, looks = 0, 60
    for look in range(looks):
        generator = np.random.default_rng(look)
        values = {name: [_coins(generator)] for name in range(11)}
        reference = values.pop(0)
        found = simultaneous_differences(reference, values, correctness)
        fooled += any(comparison_outcome(gap) != "no significant difference" for gap in found.values())
    assert fooled <= 9  # P(Bin(60, 0.05) > 9) < 0.001


def _coins(generator, n=200):
    y = np.ones(n)
    return Predictions(m=generator.choice([-1, 1], n), r=np.ones(n), e=y, y=y)


@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=3, max_size=6))
def test_ranks_are_those_counted_one_by_one(rows):
    scores = {str(i): row for i, row in enumerate(rows)}
    table = mean_ranks(scores)
    for name, expected in zip(scores, evaluation.mean_ranks(rows), strict=True):
        assert table.mean_rank[name] == pytest.approx(expected)
    assert list(table.mean_rank.values()) == sorted(table.mean_rank.values())
    assert table.blocks == 4
    assert sum(table.mean_rank.values()) == pytest.approx(len(rows) * (len(rows) + 1) / 2)


def test_the_critical_difference_and_the_test_are_the_published_ones():
    generator = np.random.default_rng(0)
    scores = {str(k): generator.normal(size=14).tolist() for k in range(4)}
    table = mean_ranks(scores)
    assert table.critical_difference == pytest.approx(
        2.569 * np.sqrt(4 * 5 / (6 * 14)), abs=1e-3
    )  # q of Demsar's table 5a
    assert table.p_value == pytest.approx(friedmanchisquare(*scores.values()).pvalue)
    assert mean_ranks({name: [1.0, 1.0] for name in "abc"}).p_value == 1


@given(
    st.lists(st.integers(0, 20).map(lambda k: k / 4), min_size=1, max_size=6).map(sorted),
    st.integers(0, 12).map(lambda k: k / 4),
)
def test_groups_are_the_largest_sets_within_the_difference(ranks, difference):
    table = MeanRanks({str(i): rank for i, rank in enumerate(ranks)}, difference, 0.5, 5)
    found = [{int(name) for name in group} for group in cliques(table)]
    assert sorted(map(sorted, found)) == sorted(map(sorted, evaluation.groups_alike(ranks, difference)))


def test_what_cannot_be_compared_is_refused(systems):
    with pytest.raises(ValueError, match=r"^expected at least one baseline, got none$"):
        simultaneous_differences(systems[0.5], {}, correctness)
    with pytest.raises(ValueError, match="families >= 1, got 0"):
        simultaneous_differences(systems[0.5], {"weak": systems[0.5]}, correctness, families=0)
    with pytest.raises(ValueError, match="1 - level > 0, got 0"):
        simultaneous_differences(systems[0.5], {"weak": systems[0.5]}, correctness, level=1)
    with pytest.raises(ValueError, match="at least three methods to rank, got 2"):
        mean_ranks({"a": [1.0], "b": [1.0]})
    with pytest.raises(ValueError, match="blocks >= 2, got 1"):
        mean_ranks({"a": [1.0], "b": [1.0], "c": [1.0]})
    with pytest.raises(ValueError, match="one length, got a: 2, b: 1"):
        mean_ranks({"a": [1.0, 2.0], "b": [1.0], "c": [1.0]})
    with pytest.raises(ValueError, match="expected finite scores"):
        mean_ranks({"a": [1.0, np.nan], "b": [1.0, 1.0], "c": [1.0, 1.0]})
    with pytest.raises(ValueError, match="level > 0, got -1"):
        mean_ranks({"a": [1.0, 2.0], "b": [1.0, 1.0], "c": [1.0, 1.0]}, level=-1)


def test_an_outcome_needs_the_whole_interval():
    assert [comparison_outcome(Interval(0, *limits)) for limits in ((0.1, 0.2), (-0.2, -0.1), (0.0, 0.1))] == [
        "better", "worse", "no significant difference",
    ]  # fmt: skip


def test_the_outcome_table_lists_baselines_by_setting_and_counts_settings():
    up, down, open_ = Interval(0.2, 0.1, 0.3), Interval(-0.2, -0.3, -0.1), Interval(0.01, -0.1, 0.1)
    found = outcome_table({"here": {"a": up, "b": down, "c": open_}, "there": {"b": up, "a": up}}, ["c", "b", "a"])
    assert found["here"] == {
        "better than": "a (+0.200)",
        "worse than": "b (-0.200)",
        "not significantly different from": "c (+0.010)",
    }
    assert found["there"] == {
        "better than": "b (+0.200), a (+0.200)",
        "worse than": "none",
        "not significantly different from": "none",
    }
    assert found["settings"] == {
        "better than": "b (1), a (2)",
        "worse than": "b (1)",
        "not significantly different from": "c (1)",
    }


def holm_rejections(p_values, alpha=0.05):
    """Holm's decisions by his adjusted p-values: the largest of (m - k + 1) p over the k smallest."""
    rejections = []
    for p in p_values:
        smaller = sorted(q for q in p_values if q <= p)
        rejections.append(max((len(p_values) - k) * q for k, q in enumerate(smaller)) < alpha)
    return rejections


def families(seed=0, count=300):
    """Estimates, standard errors and degrees of freedom of five effects, many of them near a decision."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        error = generator.uniform(0.002, 0.01, size=5)
        df = generator.choice([3, 10, 40, np.inf], size=5)
        yield error * generator.normal(scale=3, size=5), error, df


def test_an_interval_excludes_zero_exactly_where_holms_procedure_rejects():
    counts = set()
    for estimates, errors, df in families():
        p_values = [
            2 * stats.t.sf(abs(estimate) / error, d) for estimate, error, d in zip(estimates, errors, df, strict=True)
        ]
        found = [interval.low > 0 or interval.high < 0 for interval in holm_intervals(estimates, errors, df)]
        assert found == holm_rejections(p_values)
        counts.add(sum(found))
    assert counts == set(range(6))


def test_an_interval_lies_within_the_margin_exactly_where_holms_procedure_rejects():
    margin, counts = 0.02, set()
    for estimates, errors, df in families():
        p_values = [
            max(stats.t.sf((estimate + margin) / error, d), stats.t.cdf((estimate - margin) / error, d))
            for estimate, error, d in zip(estimates, errors, df, strict=True)
        ]
        intervals = equivalence_intervals(estimates, errors, df, margin=margin)
        found = [-margin < interval.low and interval.high < margin for interval in intervals]
        assert found == holm_rejections(p_values)
        counts.add(sum(found))
    assert counts == set(range(6))


def test_one_effect_has_the_usual_intervals():
    (difference,) = holm_intervals([0.3], [0.1], 7)
    np.testing.assert_allclose(difference[1:], stats.t(7, loc=0.3, scale=0.1).interval(0.95))
    (equivalence,) = equivalence_intervals([0.3], [0.1], 7, margin=1)
    np.testing.assert_allclose(equivalence[1:], stats.t(7, loc=0.3, scale=0.1).interval(0.9))


def test_a_standard_error_may_have_less_than_one_degree_of_freedom():
    (difference,) = holm_intervals([0.3], [0.1], 0.5)
    np.testing.assert_allclose(difference[1:], stats.t(0.5, loc=0.3, scale=0.1).interval(0.95))


def correlated_families(effects, count=3000, seeds=6):
    """Means and standard errors of effects whose errors share a part, such as that of the same test images."""
    generator = np.random.default_rng(1)
    for _ in range(count):
        shared, own = generator.normal(size=(seeds, 1)), generator.normal(size=(seeds, len(effects)))
        values = effects + (shared + own) / np.sqrt(2)
        yield values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(seeds)


def test_the_family_wise_error_of_differences_is_at_most_five_percent():
    errors = [
        any(interval.low > 0 or interval.high < 0 for interval in holm_intervals(*family, 5)[:3])
        for family in correlated_families(np.array([0.0, 0.0, 0.0, 3.0]))
    ]
    assert 0.02 < np.mean(errors) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(errors))


def test_the_family_wise_error_of_equivalence_is_at_most_five_percent():
    errors = [
        any(interval.low > -2 and interval.high < 2 for interval in equivalence_intervals(*family, 5, margin=2)[:3])
        for family in correlated_families(np.array([2.0, -2.0, 2.0, 0.0]))
    ]
    assert 0.02 < np.mean(errors) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(errors))


def test_an_estimate_without_error_is_its_own_interval():
    assert holm_intervals([0.0, 1.0], [0.0, 0.0], 3) == [Interval(0.0, 0.0, 0.0), Interval(1.0, 1.0, 1.0)]
    assert equivalence_intervals([0.5, 1.0], [0.0, 0.0], 3, margin=1)[1] == Interval(1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [], 3), r"expected m estimates and m standard errors, got shapes \(0,\) and \(0,\)"),
        (([1.0], [1.0, 2.0], 3), r"got shapes \(1,\) and \(2,\)"),
        (([1.0], [1.0], 0), "expected degrees_of_freedom > 0"),
        (([1.0, 2.0], [1.0, 1.0], [3, 4, 5]), "one or as many as estimates"),
        (([1.0], [1.0], np.nan), "expected degrees_of_freedom > 0"),
        (([[1.0]], [[1.0]], 3), r"got shapes \(1, 1\) and \(1, 1\)"),
        (([np.nan], [1.0], 3), "^expected finite estimates, got 1 entries that are not$"),
        (([1.0, 2.0], [1.0, np.nan], 3), "^expected finite standard_errors, got 1 entries that are not$"),
        (([1.0, 2.0], [1.0, np.inf], 3), "^expected finite standard_errors, got 1 entries that are not$"),
        (([1.0], [-1.0], 3), "standard_errors >= 0, got -1"),
    ],
)
def test_bad_families_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        holm_intervals(*arguments)
    with pytest.raises(ValueError, match=message):
        equivalence_intervals(*arguments, margin=1)


def test_bad_margins_and_levels_are_refused():
    with pytest.raises(ValueError, match="margin > 0, got 0"):
        equivalence_intervals([0.1], [0.1], 3, margin=0)
    with pytest.raises(ValueError, match=r"level >= 0\.5, got 0\.3"):
        equivalence_intervals([0.1], [0.1], 3, margin=1, level=0.3)
    with pytest.raises(ValueError, match="1 - level"):
        holm_intervals([0.1], [0.1], 3, level=95)


def test_a_simultaneous_difference_may_be_negative_though_the_first_was_never_worse():
    y = np.ones(6)
    first = [Predictions(m=y, r=y, e=y, y=y)] * 2
    once_wrong = replace(first[0], m=np.array([-1.0, 1, 1, 1, 1, 1]))
    found = simultaneous_differences(first, {"once": [once_wrong, first[0]], "never": first}, correctness)
    assert found["once"].low < 0 < found["once"].estimate and found["never"] == (0, 0, 0)
