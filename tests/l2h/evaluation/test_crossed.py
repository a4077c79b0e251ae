"""Intervals of means over crossed seeds and examples: against a table computed cell by cell, and against simulation."""

import math

import numpy as np
import pytest
from oracles import theory
from scipy import stats

from l2h.evaluation import crossed
from l2h.evaluation.crossed import VarianceComponents, crossed_interval, crossed_intervals, variance_components
from l2h.evaluation.intervals import Interval

SEEDS, EXAMPLES = 4, 30


def effects(generator, seeds, n, sizes):
    """Values with mean 0 whose chance comes from the seed, from the example, and from both together."""
    of_seed, of_example, of_both = sizes
    rows, columns = of_seed * generator.normal(size=(seeds, 1)), of_example * generator.normal(size=(1, n))
    return rows + columns + of_both * generator.normal(size=(seeds, n))


def half_width(interval):
    assert interval.high - interval.estimate == pytest.approx(interval.estimate - interval.low, abs=1e-12)
    return (interval.high - interval.low) / 2


@pytest.fixture
def values():
    return 5 + effects(np.random.default_rng(3), SEEDS, EXAMPLES, (0.3, 1, 1))


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize(
    ("seeds", "n", "sizes"),
    [(2, 3, (0, 1, 1)), (3, 20, (1, 0, 1)), (4, 7, (0, 0, 1)), (5, 30, (0.3, 1, 1)), (5, 40, (0.1, 0.1, 2))],
)
def test_limits_are_those_of_a_table_computed_cell_by_cell(seeds, n, sizes, level):
    for seed in range(6):
        values = 2 + effects(np.random.default_rng(seed), seeds, n, sizes)
        interval = crossed_interval(values, level=level)
        assert interval.estimate == pytest.approx(values.mean())
        assert half_width(interval) == pytest.approx(theory.crossed_half_width(values.tolist(), level))


def test_a_known_table():
    """Means 2 and 4 of rows and of columns, and an interaction of 1: all mean squares are 4."""
    values = np.array([[0.0, 4.0], [4.0, 4.0]])
    # mean 3; rows -1, +1; columns -1, +1; residual -1, +1, +1, -1
    assert theory.mean_squares(values.tolist()) == pytest.approx((4, 4, 4))
    half = stats.t(1).ppf(0.975) * math.sqrt(4 / 4)
    assert crossed_interval(values) == pytest.approx((3, 3 - half, 3 + half))
    assert variance_components(values) == VarianceComponents(seed=0.0, example=0.0, interaction=4.0)


def test_components_are_those_of_the_mean_squares(values):
    of_seeds, of_examples, residual = theory.mean_squares(values.tolist())
    found = variance_components(values)
    assert found.interaction == pytest.approx(residual)
    assert found.example == pytest.approx((of_examples - residual) / SEEDS)
    assert found.seed == pytest.approx(max(of_seeds - residual, 0) / EXAMPLES)
    large = variance_components(effects(np.random.default_rng(0), 300, 400, (0.5, 1.0, 2.0)))
    assert large == pytest.approx((0.25, 1.0, 4.0), rel=0.15)


def test_components_below_zero_count_as_zero():
    square = np.array([[2.0, -2.0], [-2.0, 2.0]])
    assert variance_components(square) == VarianceComponents(0.0, 0.0, 16.0)
    assert half_width(crossed_interval(square)) == pytest.approx(2 * stats.t(1).ppf(0.975))


@pytest.mark.parametrize("wrong", [np.zeros((1, 5)), np.zeros((5, 1))])
def test_components_need_two_seeds_and_two_examples(wrong):
    with pytest.raises(ValueError, match="expected values of two seeds and two examples or more, got shape"):
        variance_components(wrong)


def test_components_of_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="expected finite values, got 1 entries"):
        variance_components([[0.0, 1.0], [np.nan, 1.0]])


def test_one_seed_is_students_interval_of_its_examples(values):
    interval = crossed_interval(values[:1])
    expected = stats.t(EXAMPLES - 1, loc=values[0].mean(), scale=stats.sem(values[0])).interval(0.95)
    assert interval == pytest.approx((values[0].mean(), *expected))


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_where_only_seeds_vary_it_is_students_interval(seeds):
    values = effects(np.random.default_rng(seeds), seeds, EXAMPLES, (1, 0, 0))
    expected = stats.t(seeds - 1, loc=values[:, 0].mean(), scale=stats.sem(values[:, 0])).interval(0.95)
    assert crossed_interval(values)[1:] == pytest.approx(expected)
    assert crossed_interval(values[:, :1])[1:] == pytest.approx(expected)


def test_where_only_examples_vary_it_is_students_interval():
    values = np.tile(effects(np.random.default_rng(0), 1, EXAMPLES, (0, 1, 0)), (SEEDS, 1))
    expected = stats.t(EXAMPLES - 1, loc=values[0].mean(), scale=stats.sem(values[0])).interval(0.95)
    assert crossed_interval(values)[1:] == pytest.approx(expected)


def test_a_single_value_and_equal_values_are_points():
    assert crossed_interval([[0.7]]) == Interval(0.7, 0.7, 0.7)
    assert crossed_interval(np.full((3, 7), 0.1)) == pytest.approx((0.1, 0.1, 0.1), abs=1e-15)
    low, high = crossed_interval(np.full((3, 7), 0.1))[1:]
    assert low == high
    tiny = 1e-9 * np.array([[0.0, 1.0], [1.0, 2.0]])
    assert half_width(crossed_interval(tiny)) > 0  # small values are not rounding errors of themselves


@pytest.mark.parametrize("simultaneous", [False, True])
def test_order_shift_and_unit_do_not_matter(values, simultaneous):
    family = np.stack([values, values**2])
    generator = np.random.default_rng(0)
    before = crossed_intervals(family, simultaneous=simultaneous)
    shuffled = family[:, generator.permutation(SEEDS)][:, :, generator.permutation(EXAMPLES)]
    for one, other in zip(crossed_intervals(shuffled, simultaneous=simultaneous), before, strict=True):
        assert one == pytest.approx(other)
    for one, other in zip(crossed_intervals(3 * family - 7, simultaneous=simultaneous), before, strict=True):
        assert one == pytest.approx(tuple(3 * limit - 7 for limit in other))
    mirrored = crossed_intervals(-family, simultaneous=simultaneous)
    assert mirrored[0] == pytest.approx((-before[0].estimate, -before[0].high, -before[0].low))


def test_a_mask_of_ones_changes_nothing(values):
    assert crossed_intervals(values[None], np.ones((1, *values.shape)))[0] == pytest.approx(crossed_interval(values))


def test_a_pooled_mean_has_the_spread_that_the_jackknife_gives_it():
    """Leaving out a seed, or an example, changes the ratio as its linearisation says."""
    generator = np.random.default_rng(1)
    values, mask = generator.normal(size=(40, 300)), (generator.random((40, 300)) < 0.4).astype(float)
    values += generator.normal(size=(40, 1)) + generator.normal(size=300)
    interval = crossed_intervals(values[None], mask[None])[0]
    assert interval.estimate == pytest.approx(np.average(values, weights=mask))

    def jackknife(axis):
        sums, sizes = (values * mask).sum(axis=axis), mask.sum(axis=axis)
        without = (sums.sum() - sums) / (sizes.sum() - sizes)
        return (len(without) - 1) * np.var(without)

    both = (values - interval.estimate) * mask / mask.mean()
    expected = jackknife(1) + jackknife(0) - theory.mean_squares(both.tolist())[2] / mask.size
    seeds_part = jackknife(1) / expected
    quantile = seeds_part * stats.t(39).ppf(0.975) + (1 - seeds_part) * stats.t(299).ppf(0.975)
    assert half_width(interval) == pytest.approx(quantile * math.sqrt(expected), rel=0.02)


def test_each_mean_of_a_mask_is_that_of_its_own_examples(values):
    masks = np.stack([values > 5, values <= 5]).astype(float)
    both = np.stack([values, values])
    for found, mask in zip(crossed_intervals(both, masks), masks, strict=True):
        assert found == pytest.approx(crossed_intervals(values[None], mask[None])[0])
        linear = mask * (values - found.estimate) / mask.mean()
        assert half_width(found) == pytest.approx(theory.crossed_half_width(linear.tolist(), 0.95))


def test_a_subset_that_is_empty_has_no_mean_and_one_of_a_single_value_is_a_point(values):
    empty, rare = np.zeros_like(values), np.zeros_like(values)
    rare[0, 0] = 1
    nothing, single, rest = crossed_intervals(np.stack([values] * 3), np.stack([empty, rare, 1 - rare]))
    assert all(math.isnan(value) for value in nothing)
    assert single == pytest.approx([values[0, 0]] * 3)
    assert rest.low < rest.high


@pytest.mark.parametrize(
    ("seeds", "sizes"),
    [(1, (0, 1, 1)), (3, (0, 0.5, 1)), (3, (0.2, 1, 1)), (5, (0, 0, 1)), (5, (0.1, 0, 1)), (5, (0.3, 1, 1))],
)
def test_intervals_cover_as_often_as_stated(seeds, sizes):
    """The band that the page on intervals asks for, three standard errors of a thousand trials wider."""
    generator, trials = np.random.default_rng(5), 1000
    found = [crossed_interval(effects(generator, seeds, 60, sizes)) for _ in range(trials)]
    covered = np.mean([low <= 0 <= high for _, low, high in found])
    assert 0.93 - 3 * math.sqrt(0.93 * 0.07 / trials) <= covered <= 0.975 + 3 * math.sqrt(0.975 * 0.025 / trials)


def family(generator, k, seeds, n, sizes):
    """k means whose values share half of their variance."""
    shared = effects(generator, seeds, n, sizes)
    return np.stack([(shared + effects(generator, seeds, n, sizes)) / math.sqrt(2) for _ in range(k)])


@pytest.mark.parametrize(("seeds", "sizes"), [(1, (0, 1, 1)), (5, (0.2, 0.5, 1))])
def test_simultaneous_intervals_cover_together_where_single_ones_do_not(seeds, sizes, monkeypatch):
    monkeypatch.setattr(crossed, "DRAWS", 1000)
    generator, trials = np.random.default_rng(6), 200

    def all_cover(values, simultaneous):
        found = crossed_intervals(values, signed=True, simultaneous=simultaneous)
        return all(low <= 0 <= high for _, low, high in found)

    families = [family(generator, 10, seeds, 60, sizes) for _ in range(trials)]
    assert np.mean([all_cover(values, False) for values in families]) < 0.85
    covered = np.mean([all_cover(values, True) for values in families])
    assert 0.95 - 3 * math.sqrt(0.95 * 0.05 / trials) <= covered <= 0.99


@pytest.mark.parametrize(
    ("seeds", "sizes", "level"),
    [(3, (0.1, 0.6, 1), 0.9), (5, (0.5, 0.5, 1), 0.95), (6, (0, 0, 1), 0.8), (4, (0, 1, 0.3), 0.95)],
)
def test_simultaneous_limits_are_those_of_families_simulated_by_hand(seeds, sizes, level):
    generator = np.random.default_rng(8)
    values = np.stack([factor * effects(generator, seeds, 40, sizes) for factor in (1, 1, 2, 3, 1, 1)])
    values[4:] += values[0]
    halves = [half_width(found) for found in crossed_intervals(values, simultaneous=True, level=level)]
    expected = theory.simultaneous_half_widths(values, level, draws=20_000, seed=1)
    alone = [half_width(found) for found in crossed_intervals(values, level=level)]
    assert halves == pytest.approx(np.maximum(expected, alone), rel=0.05)


def test_simultaneous_intervals_lie_between_single_ones_and_those_of_bonferroni():
    values = family(np.random.default_rng(2), 12, 5, 200, (0.3, 1, 1))
    alone, together = crossed_intervals(values), crossed_intervals(values, simultaneous=True)
    level = 1 - 0.05 / 12
    for single, joint, table in zip(alone, together, values, strict=True):
        assert joint.estimate == single.estimate
        assert half_width(single) < half_width(joint)
        of_seeds, of_examples, residual = theory.mean_squares(table.tolist())
        first, second = max(of_seeds, residual), max(of_examples - residual, 0)
        quantile = (first * stats.t(4).ppf((1 + level) / 2) + second * stats.t(199).ppf((1 + level) / 2)) / (
            first + second
        )
        assert half_width(joint) < quantile * math.sqrt((first + second) / 1000)


def test_for_one_seed_simultaneous_intervals_have_the_quantile_of_the_largest_of_normal_deviations():
    values = np.random.default_rng(4).normal(size=(8, 1, 4000))
    halves = [half_width(found) for found in crossed_intervals(values, simultaneous=True)]
    errors = values.std(axis=2, ddof=1)[:, 0] / math.sqrt(4000)
    expected = stats.norm.ppf((1 + 0.95 ** (1 / 8)) / 2)  # of eight independent ones
    assert np.divide(halves, errors) == pytest.approx(expected, rel=0.02)


def test_simultaneous_intervals_leave_out_what_cannot_vary_and_need_two_to_widen(values):
    varied = np.stack([values, 0 * values, values[::-1] ** 2])
    with_constant = crossed_intervals(varied, simultaneous=True)
    assert with_constant[1] == Interval(0.0, 0.0, 0.0)
    without = crossed_intervals(varied[[0, 2]], simultaneous=True)
    assert with_constant[0] == pytest.approx(without[0]) and with_constant[2] == pytest.approx(without[1])
    single = crossed_intervals(np.stack([values, 0 * values]), simultaneous=True)[0]
    assert single == pytest.approx(crossed_interval(values))
    assert crossed_intervals(0 * values[None], simultaneous=True) == [Interval(0.0, 0.0, 0.0)]


def test_simultaneous_intervals_of_equal_means_are_hardly_wider_than_one():
    values = effects(np.random.default_rng(3), 5, 200, (1, 1, 1))  # the seeds have an effect
    alone, together = half_width(crossed_interval(values)), crossed_intervals(np.stack([values] * 6), simultaneous=True)
    assert [half_width(found) for found in together] == pytest.approx([alone] * 6, rel=0.05)


def test_the_same_values_give_the_same_simultaneous_intervals_whatever_the_random_state(values, monkeypatch):
    pair = np.stack([values, values**2])
    before = crossed_intervals(pair, simultaneous=True)
    np.random.default_rng().normal()
    assert crossed_intervals(pair, simultaneous=True) == before
    monkeypatch.setattr(crossed, "DRAWS", 20_000)
    more = crossed_intervals(pair, simultaneous=True)
    assert half_width(more[0]) == pytest.approx(half_width(before[0]), rel=0.05)


def test_a_higher_level_is_wider(values):
    narrow, wide = (crossed_interval(values, level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high
    pair = np.stack([values, values**2])
    narrow, wide = (crossed_intervals(pair, simultaneous=True, level=level)[0] for level in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high


@pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros((0, 3)), np.zeros((3, 0)), np.zeros((1, 2, 3))])
def test_differences_of_another_shape_are_refused(wrong):
    for function in (crossed_interval, variance_components):
        with pytest.raises(ValueError, match=r"expected values of shape \(seeds, examples\), got shape"):
            function(wrong)


def test_values_of_another_shape_and_values_that_are_not_finite_are_refused(values):
    for wrong in (values, np.zeros((0, 2, 3))):
        with pytest.raises(ValueError, match=r"expected values of shape \(means, seeds, examples\), got shape"):
            crossed_intervals(wrong)
    with pytest.raises(ValueError, match="expected finite values, got 1 entries that are not"):
        crossed_intervals(np.array([[[1.0, np.nan]]]))
    with pytest.raises(ValueError, match="over all examples for simultaneous intervals"):
        crossed_intervals(values[None], values[None], simultaneous=True)


@pytest.mark.parametrize(("level", "message"), [(0.0, "level > 0"), (1.0, "1 - level > 0")])
def test_a_level_out_of_range_is_refused(values, level, message):
    with pytest.raises(ValueError, match=message):
        crossed_interval(values, level=level)


def test_a_share_stays_a_share_however_few_the_seeds():
    generator = np.random.default_rng(0)
    marks = (generator.random((3, 200)) < np.array([[0.2], [0.9], [0.95]])).astype(float)
    low, high = crossed_intervals(marks[None])[0][1:]
    assert low >= 0 and high == 1.0  # Student's interval of these three seeds ends beyond 1
    low, high = crossed_interval(marks - marks[::-1])[1:]
    assert low == -1 and high == 1
    assert crossed_intervals(-marks[None])[0].low == -1
    assert crossed_interval(2 * marks)[2] > 2  # other values have no bounds that are known
    assert crossed_interval(2 * marks)[1] < 0


def test_a_difference_may_be_below_zero_though_no_value_is():
    wins = np.zeros((3, 400))
    wins[0, :20] = wins[1, :2] = 1
    share, difference = crossed_intervals(np.stack([wins, wins]), signed=[False, True])
    assert share.low == 0 > difference.low
    assert crossed_interval(wins) == pytest.approx(difference)
    assert crossed_interval(2 * wins).low == pytest.approx(2 * difference.low)


def test_a_share_stays_a_share_beside_a_difference():
    share, difference = np.zeros((2, 3)), np.zeros((2, 3))
    share[0, 0], difference[0, 0] = 1, -1
    of_share, of_difference = crossed_intervals(np.stack([share, difference]))
    assert of_share.low == 0 and of_difference.low < of_difference.estimate < 0
