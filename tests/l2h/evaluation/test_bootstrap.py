"""Intervals of means over seeds and examples: against resampling by hand, and against the promise they make."""

import math

import numpy as np
import pytest
from oracles import theory
from scipy import stats

from l2h.evaluation import bootstrap
from l2h.evaluation.bootstrap import bootstrap_intervals, paired_bootstrap
from l2h.evaluation.intervals import Interval

SEEDS, EXAMPLES = 4, 30


def effects(generator, seeds, n, sizes):
    """Values with mean 0 whose chance comes from the seed, from the example, and from both together."""
    of_seed, of_example, of_both = sizes
    rows, columns = of_seed * generator.normal(size=(seeds, 1)), of_example * generator.normal(size=(1, n))
    return rows + columns + of_both * generator.normal(size=(seeds, n))


@pytest.fixture
def values():
    return effects(np.random.default_rng(3), SEEDS, EXAMPLES, (0.3, 1, 1))


@pytest.mark.parametrize("portion", [1.0, 0.4])
def test_limits_are_those_of_resampling_by_hand(values, portion):
    among = (np.random.default_rng(4).random(values.shape) < portion).astype(float)
    whole, drawn = theory.crossed_bootstrap(values, among, draws=3000, seed=0)
    interval = bootstrap_intervals(values[None], among[None], n_resamples=20_000, seed=1)[0]
    assert interval.estimate == pytest.approx(whole, abs=1e-9)
    width = interval.high - interval.low
    np.testing.assert_allclose(interval[1:], np.quantile(drawn, [0.025, 0.975]), atol=0.06 * width)


def test_one_seed_is_the_ordinary_bootstrap_of_its_examples(values):
    interval = paired_bootstrap(values[:1], n_resamples=20_000)
    standard_error = values[0].std() / math.sqrt(EXAMPLES)
    assert interval.estimate == pytest.approx(values[0].mean())
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * standard_error, rel=0.06)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_where_only_seeds_vary_it_is_students_interval(seeds):
    values = effects(np.random.default_rng(seeds), seeds, EXAMPLES, (1, 0, 0))
    mean, low, high = paired_bootstrap(values, n_resamples=40_000)
    expected = stats.t(seeds - 1, loc=mean, scale=stats.sem(values[:, 0])).interval(0.95)
    np.testing.assert_allclose([low, high], expected, atol=0.05 * (high - low))


@pytest.mark.parametrize(("seeds", "sizes"), [(1, (0, 1, 1)), (3, (0.1, 1, 1)), (5, (0.05, 1, 1)), (5, (0.3, 1, 1))])
def test_intervals_have_their_stated_coverage(seeds, sizes):
    generator, trials = np.random.default_rng(5), 1000
    found = [paired_bootstrap(effects(generator, seeds, 60, sizes), n_resamples=300, seed=i) for i in range(trials)]
    held = np.mean([low <= 0 <= high for _, low, high in found])
    # Percentiles of one seed's 60 examples are known to be a little short, by one part in a hundred.
    assert 0.94 - 3 * math.sqrt(0.95 * 0.05 / trials) <= held


def test_simultaneous_intervals_hold_together_where_single_ones_do_not():
    generator, trials, k = np.random.default_rng(6), 200, 10

    def all_hold(simultaneous, seed):
        values = np.stack([effects(np.random.default_rng([seed, j]), 1, 60, (0, 1, 1)) for j in range(k)])
        found = bootstrap_intervals(values, n_resamples=300, seed=seed, simultaneous=simultaneous)
        return all(low <= 0 <= high for _, low, high in found)

    seeds = generator.integers(10_000, size=trials)
    assert np.mean([all_hold(False, seed) for seed in seeds]) < 0.8
    assert np.mean([all_hold(True, seed) for seed in seeds]) >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / trials)


def test_simultaneous_intervals_are_centred_and_wider_and_leave_out_what_cannot_vary(values):
    together = bootstrap_intervals(np.stack([values, 0 * values, 2 * values]), simultaneous=True)
    assert together[1] == Interval(0.0, 0.0, 0.0)
    single = bootstrap_intervals(values[None], simultaneous=True)[0]
    assert together[0] == pytest.approx(single)  # the other two bring no chance of their own
    for estimate, low, high in together:
        assert high - estimate == pytest.approx(estimate - low)
    assert bootstrap_intervals(0 * values[None], simultaneous=True) == [Interval(0.0, 0.0, 0.0)]


def test_a_portion_that_is_empty_has_no_mean_and_one_that_is_rare_leaves_out_empty_resamples(values):
    empty, rare = np.zeros_like(values), np.zeros_like(values)
    rare[0, 0] = 1
    nothing, single = bootstrap_intervals(np.stack([values, values]), np.stack([empty, rare]))
    assert all(math.isnan(value) for value in nothing)
    assert single == pytest.approx([values[0, 0]] * 3)


def test_the_same_seed_gives_the_same_interval_and_memory_does_not_depend_on_the_draws(values, monkeypatch):
    before = paired_bootstrap(values, seed=7)
    assert paired_bootstrap(values, seed=7) == before
    assert paired_bootstrap(values, seed=8) != before
    monkeypatch.setattr(bootstrap, "MAX_WEIGHTS_IN_MEMORY", 2 * EXAMPLES + 1)
    np.testing.assert_allclose(paired_bootstrap(values, seed=7), before, atol=0.1)


def test_a_higher_level_is_wider(values):
    narrow, wide = (paired_bootstrap(values, level=level) for level in (0.5, 0.99))
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high


@pytest.mark.parametrize("wrong", [np.zeros(3), np.zeros((0, 3)), np.zeros((3, 0)), np.zeros((1, 2, 3))])
def test_differences_of_another_shape_are_refused(wrong):
    with pytest.raises(ValueError, match=r"expected differences of shape \(seeds, examples\), got shape"):
        paired_bootstrap(wrong)


def test_values_of_another_shape_and_values_that_are_not_finite_are_refused(values):
    with pytest.raises(ValueError, match=r"expected values of shape \(means, seeds, examples\), got shape \(4, 30\)"):
        bootstrap_intervals(values)
    with pytest.raises(ValueError, match="expected finite values, got 1 entries that are not"):
        bootstrap_intervals(np.array([[[1.0, np.nan]]]))
    with pytest.raises(ValueError, match="over all examples for simultaneous intervals"):
        bootstrap_intervals(values[None], values[None], simultaneous=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"n_resamples": 0}, "n_resamples >= 1"), ({"level": 0.0}, "level > 0"), ({"level": 1.0}, "1 - level > 0")],
)
def test_options_out_of_range_are_refused(values, options, message):
    with pytest.raises(ValueError, match=message):
        paired_bootstrap(values, **options)


def test_a_share_stays_a_share_however_few_the_seeds():
    generator = np.random.default_rng(0)
    marks = (generator.random((3, 200)) < np.array([[0.2], [0.9], [0.95]])).astype(float)
    low, high = bootstrap_intervals(marks[None])[0][1:]
    assert low >= 0 and high == 1.0  # Student's interval of these three seeds ends beyond 1
    high = paired_bootstrap(marks - marks[::-1])[2]
    assert high <= 1
    assert paired_bootstrap(2 * marks)[2] > 2  # other values have no bounds that are known


def test_a_difference_may_be_below_zero_though_no_value_is():
    wins = np.zeros((3, 400))
    wins[0, :20] = wins[1, :2] = 1
    share, difference = bootstrap_intervals(np.stack([wins, wins]), signed=[False, True])
    assert share.low == 0 > difference.low
    assert paired_bootstrap(wins) == pytest.approx(difference)
    assert paired_bootstrap(2 * wins).low == pytest.approx(2 * difference.low)
