"""Intervals against their formulas and against SciPy, and how often they cover."""

import numpy as np
import pytest
from scipy import stats

from l2h.evaluation import intervals
from l2h.evaluation.intervals import pointwise_t_intervals, poisson_rate, power_law_exponent, proportion_interval


def test_bands_are_students_interval_of_the_mean():
    values = np.random.default_rng(0).normal(size=(5, 3))
    mean, low, high = pointwise_t_intervals(values, level=0.9)
    expected = stats.t(4, loc=values.mean(0), scale=stats.sem(values)).interval(0.9)
    np.testing.assert_allclose([mean, low, high], [values.mean(0), *expected])


@pytest.mark.parametrize("seeds", [1, 2])
def test_bands_of_fewer_than_three_seeds_are_their_range(seeds):
    values = np.random.default_rng(0).normal(size=(seeds, 3))
    np.testing.assert_array_equal(pointwise_t_intervals(values), [values.mean(0), values.min(0), values.max(0)])


def test_bands_refuse_other_shapes_and_levels():
    with pytest.raises(ValueError, match=r"expected values of shape \(seeds, quantities\), got shape \(3,\)"):
        pointwise_t_intervals([1, 2, 3])
    with pytest.raises(ValueError, match="1 - level > 0, got"):
        pointwise_t_intervals([[1, 2, 3]], level=95)


def test_a_prediction_interval_is_its_formula_and_refuses_too_few_results():
    values = np.random.default_rng(0).normal(size=5)
    half = stats.t.ppf(0.95, 4) * values.std(ddof=1) * np.sqrt(1 + 1 / 5)
    expected = values.mean() + half * np.array([0, -1, 1])
    np.testing.assert_allclose(intervals.prediction_interval(values, level=0.9), expected)
    for too_few in ([1.0, 2.0], np.ones((3, 2))):
        with pytest.raises(ValueError, match=r"expected values of shape \(seeds,\) from three seeds or more"):
            intervals.prediction_interval(too_few)


@pytest.mark.parametrize("seeds", [3, 5, 20])
def test_a_new_result_lies_in_the_prediction_interval_as_often_as_its_level_says(seeds):
    results = np.random.default_rng(seeds).normal(0.8, 0.03, size=(4000, seeds + 1))
    found = [intervals.prediction_interval(row[:-1]) for row in results]
    covered = [low <= new <= high for (_, low, high), new in zip(found, results[:, -1], strict=True)]
    assert 0.94 < np.mean(covered) < 0.96


def test_the_normal_interval_is_its_formula_and_keeps_its_level():
    values = np.random.default_rng(0).exponential(size=(2000, 300))
    mean, low, high = intervals.z_interval(values[0], level=0.9)
    half = 1.6448536269514722 * np.sqrt(((values[0] - values[0].mean()) ** 2).sum() / 299 / 300)
    np.testing.assert_allclose([mean, low, high], values[0].mean() + half * np.array([0, -1, 1]))
    covered = [low <= 1 <= high for _, low, high in map(intervals.z_interval, values)]
    assert 0.93 < np.mean(covered) < 0.965


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([0.5], {}, "n >= 2"),
        ([[0.5, 1.0]], {}, "of shape"),
        ([0.5, float("nan")], {}, "finite"),
        ([0.5, 1.0], {"level": 1.0}, "level"),
    ],
)
def test_the_normal_interval_refuses(values, options, message):
    with pytest.raises(ValueError, match=message):
        intervals.z_interval(values, **options)


def test_one_number_per_seed_has_students_interval():
    estimate, low, high = intervals.t_interval([1.0, 2.0, 4.0])
    expected = stats.t.interval(0.95, 2, loc=7 / 3, scale=stats.sem([1.0, 2.0, 4.0]))
    assert estimate == pytest.approx(7 / 3) and (low, high) == pytest.approx(expected)
    for few in ([], [0.5]):
        with pytest.raises(ValueError, match="from two seeds or more, got shape"):
            intervals.t_interval(few)


def test_a_power_law_is_found_with_its_spread():
    generator = np.random.default_rng(3)
    sizes, hits = np.array([10, 100, 1000, 10_000]), 0
    for _ in range(200):
        values = 3 * sizes**-0.7 * generator.gamma(2, 0.5, size=(12, 4))
        found = power_law_exponent(sizes, values)
        assert found.low < found.estimate < found.high
        hits += found.low < -0.7 < found.high
    assert 175 <= hits <= 199  # 95 % of 200, give or take


def test_a_power_law_by_hand():
    """Two sizes: the slope is the logarithm of the ratio of the sums, and its pseudo-values are plain arithmetic."""
    values = np.array([[4.0, 1.0], [2.0, 1.0], [3.0, 2.0]])
    slopes = [np.log(b / a) / np.log(10) for a, b in ((9, 4), (5, 3), (7, 3), (6, 2))]
    pseudo = [3 * slopes[0] - 2 * slope for slope in slopes[1:]]
    found = power_law_exponent([1, 10], values)
    assert found.estimate == pytest.approx(np.mean(pseudo))
    half = 4.302652729911275 * np.std(pseudo, ddof=1) / np.sqrt(3)  # Student's quantile, 2 degrees of freedom
    assert found.high - found.estimate == pytest.approx(half)


def test_single_zeros_do_no_harm_to_a_power_law():
    assert np.isfinite(power_law_exponent([1, 10], [[1.0, 0.0], [1.0, 0.2], [2.0, 0.1]])).all()


@pytest.mark.parametrize(
    ("sizes", "values", "message"),
    [
        ([1, 10], [[1.0, 0.5]], "seeds >= 2"),
        ([1, 10, 100], [[1.0, 0.5], [1.0, 0.5]], "seeds >= 2"),
        ([10, 10], [[1.0, 0.5], [1.0, 0.5]], "seeds >= 2"),
        ([1, 10], [[1.0, 0.0], [1.0, 0.5]], "two of them > 0"),
        ([1, 10], [[1.0, -0.5], [1.0, 0.5], [1.0, 0.5]], "values >= 0"),
        ([0, 10], [[1.0, 0.5], [1.0, 0.5]], "size > 0"),
    ],
)
def test_a_power_law_needs_positive_sums(sizes, values, message):
    with pytest.raises(ValueError, match=message):
        power_law_exponent(sizes, values)
    with pytest.raises(ValueError, match="level"):
        power_law_exponent([1, 10], [[1.0, 0.5], [1.0, 0.5]], level=1.5)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_values_of_seeds_that_are_not_finite_are_refused(wrong):
    with pytest.raises(ValueError, match="finite values, got 1 entries"):
        intervals.pointwise_t_intervals([[0.5], [wrong], [0.5]])
    with pytest.raises(ValueError, match="finite values, got 1 entries"):
        intervals.t_interval([0.5, wrong])


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 20), (3, 20), (20, 20), (1, 10_000)])
def test_a_proportion_has_the_limits_at_which_its_count_becomes_unlikely(successes, n, level):
    estimate, low, high = proportion_interval(successes, n, level=level)
    assert estimate == successes / n
    tail = (1 - level) / 2
    assert low == 0 if successes == 0 else stats.binom.sf(successes - 1, n, low) == pytest.approx(tail)
    assert high == 1 if successes == n else stats.binom.cdf(successes, n, high) == pytest.approx(tail)
    exact = stats.binomtest(successes, n).proportion_ci(level, method="exact")
    assert (low, high) == pytest.approx((exact.low, exact.high), abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 0), "n >= 1"),
        ((-1, 3), "successes >= 0"),
        ((4, 3), "n >= 4, got 3"),
        ((1, 3, 1.0), "1 - level > 0"),
    ],
)
def test_impossible_proportions_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        proportion_interval(*arguments[:2], level=arguments[2] if len(arguments) > 2 else 0.95)


@pytest.mark.parametrize("events", [0, 1, 7, 300])
def test_a_poisson_rate_has_the_limits_at_which_its_count_becomes_unlikely(events):
    rate, low, high = poisson_rate(events, 50, per=50)
    assert rate == events
    assert low == 0 if events == 0 else stats.poisson.sf(events - 1, low) == pytest.approx(0.025)
    assert stats.poisson.cdf(events, high) == pytest.approx(0.025)
    assert poisson_rate(events, 100, per=50) == pytest.approx((rate / 2, low / 2, high / 2))


def test_a_poisson_rate_is_had_from_a_single_step():
    assert poisson_rate(0, 1, per=2) == pytest.approx((0, 0, -2 * np.log(0.025)))  # exp(-high) = 0.025 for no event


@pytest.mark.parametrize(
    ("events", "steps", "level", "message"),
    [
        (0, 0, 0.95, "expected a finite steps >= 1, got 0"),
        (0, -5, 0.95, "expected a finite steps >= 1, got -5"),
        (0, np.nan, 0.95, "expected a finite steps >= 1, got nan"),
        (-1, 1, 0.95, "expected a finite events >= 0, got -1"),
        (0, 1, 1.0, "expected a finite 1 - level > 0, got 0.0"),
    ],
)
def test_a_poisson_rate_refuses_counts_and_levels_out_of_range(events, steps, level, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        poisson_rate(events, steps, level=level)


def test_equal_values_have_a_point_for_their_interval():
    assert intervals.t_interval([0.5] * 4) == (0.5, 0.5, 0.5)
    assert np.array_equal(pointwise_t_intervals([[0.5]] * 4), [[0.5]] * 3)
