from itertools import combinations

import numpy as np
import pytest
from scipy.stats import t

from l2h.evaluation.class_pairs import ClassPairsMean, class_pairs_mean


def _simulated(k, class_deviation, pair_deviation, seed):
    generator = np.random.default_rng(seed)
    u = class_deviation * generator.normal(size=k)
    pairs = list(combinations(range(k), 2))
    return pairs, np.array([3.0 + u[a] + u[b] + pair_deviation * generator.normal() for a, b in pairs])


def _mean_squares_by_least_squares(k, pairs, y):
    """Sums of squares of two nested linear models, divided by the differences of their ranks."""
    design = np.column_stack([np.ones(len(pairs)), *([float(c in pair) for pair in pairs] for c in range(k))])
    residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    rank = np.linalg.matrix_rank(design)
    left, total = residual @ residual, ((y - y.mean()) ** 2).sum()
    return (total - left) / (rank - 1), left / (len(y) - rank)


@pytest.mark.parametrize("k", [4, 5, 10])
def test_components_are_those_of_an_analysis_of_variance(k):
    pairs, y = _simulated(k, 1.0, 0.5, seed=k)
    class_mean_square, pair_mean_square = _mean_squares_by_least_squares(k, pairs, y)
    mean = class_pairs_mean(pairs, y)
    assert mean.estimate == pytest.approx(y.mean())
    assert mean.pair_variance == pytest.approx(pair_mean_square)
    assert mean.class_variance == pytest.approx((class_mean_square - pair_mean_square) / (k - 2))
    # the variance of the mean, from the components: each class stands in a share 2 / k of the pairs
    expected = 4 * mean.class_variance / k + mean.pair_variance / len(pairs)
    assert mean.standard_error**2 == pytest.approx(expected)


def test_degrees_of_freedom_are_those_of_a_difference_of_mean_squares():
    pairs, y = _simulated(10, 1.0, 0.5, seed=0)
    class_part, pair_part = _mean_squares_by_least_squares(10, pairs, y)
    class_part, pair_part = 4 * class_part / 80, 2 * pair_part / 72
    expected = (class_part - pair_part) ** 2 / (class_part**2 / 9 + pair_part**2 / 35)
    assert 4.5 < expected < 9
    assert class_pairs_mean(pairs, y).degrees_of_freedom == pytest.approx(expected)


def test_degrees_of_freedom_have_a_lower_limit_where_classes_hardly_vary():
    for seed in range(200):
        pairs, y = _simulated(10, 0.15, 1.0, seed)
        df = class_pairs_mean(pairs, y).degrees_of_freedom
        assert 4.5 <= df <= 44
    least = min(class_pairs_mean(*_simulated(10, 0.15, 1.0, seed)).degrees_of_freedom for seed in range(200))
    assert least == 4.5


def test_without_variation_of_classes_pairs_count_as_independent_at_the_degrees_of_freedom_of_classes():
    pairs, y = next(
        (pairs, y)
        for pairs, y in (_simulated(6, 0.0, 1.0, seed) for seed in range(20))
        if np.less(*_mean_squares_by_least_squares(6, pairs, y))
    )
    mean = class_pairs_mean(pairs, y)
    assert mean.class_variance == 0
    assert mean.pair_variance == pytest.approx(y.var(ddof=1))
    assert mean.standard_error == pytest.approx(y.std(ddof=1) / np.sqrt(15))
    assert mean.degrees_of_freedom == 5


def test_order_and_scale():
    pairs, y = _simulated(5, 1.0, 0.5, seed=3)
    shuffled = np.random.default_rng(0).permutation(len(pairs))
    turned = [tuple(reversed(pairs[i])) for i in shuffled]
    assert class_pairs_mean(turned, y[shuffled]) == pytest.approx(class_pairs_mean(pairs, y))
    first, scaled = class_pairs_mean(pairs, y), class_pairs_mean(pairs, 10 * y + 1)
    assert scaled.standard_error == pytest.approx(10 * first.standard_error)
    assert scaled.degrees_of_freedom == pytest.approx(first.degrees_of_freedom)


def test_values_are_computed_in_double_precision():
    pairs, y = _simulated(5, 1.0, 0.5, seed=3)
    single = y.astype(np.float32)
    assert class_pairs_mean(pairs, single) == class_pairs_mean(pairs, single.astype(float))


def test_equal_values_are_a_point():
    mean = class_pairs_mean(list(combinations("abcd", 2)), np.full(6, 0.5))
    assert mean.interval() == (0.5, 0.5, 0.5)


def test_intervals_are_students():
    mean = ClassPairsMean(0.5, 0.1, 9.0, 0.02, 0.03)
    half = t.ppf(0.95, 9) * 0.1
    assert mean.interval(level=0.9) == pytest.approx((0.5, 0.5 - half, 0.5 + half))
    wide = t.ppf(0.975, 9) * np.sqrt(0.1**2 + 2 * 0.02 + 0.03)
    assert mean.new_pair_interval() == pytest.approx((0.5, 0.5 - wide, 0.5 + wide))
    with pytest.raises(ValueError, match="level"):
        mean.interval(level=1.0)


@pytest.mark.parametrize("class_deviation", [0.0, 0.4, 1.5])
def test_coverage_for_new_classes(class_deviation):
    covered = [
        low <= 3.0 <= high
        for _, low, high in (
            class_pairs_mean(*_simulated(10, class_deviation, 1.0, seed)).interval() for seed in range(1500)
        )
    ]
    assert 0.925 < np.mean(covered) < 0.985


@pytest.mark.parametrize(
    ("pairs", "values", "expected"),
    [
        (list(combinations("abc", 2)), [1, 2, 3], "classes"),
        (list(combinations("abcd", 2))[:-1], [1, 2, 3, 4, 5], "every pair of the 4 classes once"),
        ([*combinations("abcd", 2), ("b", "a")], range(7), "every pair of the 4 classes once"),
        (list(combinations("abcd", 2)), [1, 2], "one value per pair"),
        (list(combinations("abcd", 2)), [1, 2, 3, 4, 5, np.nan], "values"),
    ],
)
def test_refuses(pairs, values, expected):
    with pytest.raises(ValueError, match=expected):
        class_pairs_mean(pairs, values)


def test_seeds_that_pairs_share_add_their_variance():
    generator = np.random.default_rng(5)
    pairs, y = _simulated(6, 1.0, 0.5, seed=1)
    values = y[:, None] + 0.3 * generator.normal(size=(15, 4)) + np.array([0.0, 1.0, 2.0, 5.0])
    alone, found = class_pairs_mean(pairs, values.mean(axis=1)), class_pairs_mean(pairs, values)
    of_seeds = values.mean(axis=0).var(ddof=1) / 4  # the usual variance of a mean of four
    assert found.standard_error**2 == pytest.approx(alone.standard_error**2 + of_seeds)
    parts = alone.standard_error**2, of_seeds
    assert found.degrees_of_freedom == pytest.approx(
        sum(parts) ** 2 / (parts[0] ** 2 / alone.degrees_of_freedom + parts[1] ** 2 / 3)
    )
    assert found[3:] == alone[3:] and found.estimate == pytest.approx(alone.estimate)


def test_the_seeds_count_from_the_median_of_their_mean_square_on():
    pairs, y = _simulated(6, 1.0, 0.5, seed=1)
    counted = []
    for seed in range(1000):
        values = y[:, None] + np.random.default_rng(seed).normal(size=(15, 3))
        alone = class_pairs_mean(pairs, values.mean(axis=1))
        counted.append(class_pairs_mean(pairs, values).standard_error > alone.standard_error)
    assert 0.45 < np.mean(counted) < 0.55


def test_seeds_without_a_common_effect_add_nothing():
    pairs, y = _simulated(6, 1.0, 0.5, seed=1)
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(15, 3))
    values = y[:, None] + noise - noise.mean(axis=0)
    assert class_pairs_mean(pairs, values) == pytest.approx(class_pairs_mean(pairs, values.mean(axis=1)))
    assert class_pairs_mean(pairs, values[:, :1]) == pytest.approx(class_pairs_mean(pairs, values[:, 0]))


def test_coverage_for_new_classes_and_new_seeds():
    covered = []
    for seed in range(600):
        generator = np.random.default_rng(10_000 + seed)  # other numbers than those of the classes
        pairs, y = _simulated(10, 0.3, 1.0, seed)
        values = y[:, None] + 0.3 * generator.normal(size=3) + generator.normal(size=(45, 3))
        low, high = class_pairs_mean(pairs, values).interval()[1:]
        covered.append(low <= 3.0 <= high)
    assert 0.92 < np.mean(covered) < 0.99
