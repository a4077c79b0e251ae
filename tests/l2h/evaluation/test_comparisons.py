"""Several seeds of one or two systems together: what pairs, what does not, and what an interval then says."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from helpers.samples import columns, many, predictions, sample_runs
from hypothesis import given
from oracles import theory

from l2h.evaluation import metrics
from l2h.evaluation.comparisons import (
    accuracy_differences,
    client_difference_kept_asked,
    losses_at_costs,
    mean_difference,
    mean_interval,
    reference_losses_at_costs,
    server_difference_on_asked,
    subset_interval,
    table_one_intervals,
    with_other_server,
)
from l2h.evaluation.curves import accuracy_at_coverage, accuracy_coverage_curve, area_under_curve, auc_contributions
from l2h.problem import Costs, Predictions

GRID = [0.0, 0.25, 0.5, 1.0]


@pytest.fixture
def better():
    return sample_runs(3, 400, client=0.8, server=0.95, levels=9)


@pytest.fixture
def worse():
    return sample_runs(3, 400, client=0.6, server=0.85)


def test_a_mean_is_that_of_the_seeds(better):
    interval = mean_interval(better, metrics.correctness)
    assert interval.estimate == pytest.approx(np.mean([metrics.accuracy(p) for p in better]))
    assert interval.low < interval.estimate < interval.high
    areas = [area_under_curve(accuracy_coverage_curve(p)) for p in better]
    assert mean_interval(better, auc_contributions).estimate == pytest.approx(np.mean(areas))


def test_a_difference_in_loss_is_the_difference_of_the_mean_losses(better, worse):
    costs = Costs(c1=1, ce=0.1)
    interval = mean_difference(better, worse, partial(metrics.loss_per_example, costs=costs))
    first, second = (np.mean([metrics.system_loss(p, costs=costs) for p in system]) for system in (better, worse))
    assert interval.estimate == pytest.approx(first - second)
    assert interval.high < 0
    assert mean_difference(worse, better, auc_contributions).high < 0


def test_differences_at_coverages_are_those_of_the_curves(better, worse):
    expected = np.mean(
        [accuracy_at_coverage(a, GRID) - accuracy_at_coverage(b, GRID) for a, b in zip(better, worse, strict=True)],
        axis=0,
    )
    single, together = (accuracy_differences(better, worse, GRID, simultaneous=flag) for flag in (False, True))
    for found in (single, together):
        np.testing.assert_allclose([one.estimate for one in found], expected, atol=1e-9)
        assert all(one.low < one.estimate < one.high for one in found)
    assert sum(one.high - one.low for one in together) > sum(one.high - one.low for one in single)


def test_pairing_cancels_what_two_systems_share(better):
    same_server = [Predictions(p.m, -p.r, p.e, p.y) for p in better]
    at_all_asked, halfway = accuracy_differences(better, same_server, [0, 0.5], simultaneous=True)
    assert at_all_asked == (0, 0, 0)
    assert halfway.low > 0
    assert mean_difference(better, better, metrics.correctness) == (0, 0, 0)


def estimates(p):
    """The numbers of Table I of a single seed, kept and asked."""
    table = table_one_intervals([p])
    return metrics.TableOne(*(metrics.SubsetAccuracy(*(interval.estimate for interval in row)) for row in table))


@given(p=predictions())
def test_table_one_is_counted_by_hand(p):
    for row, expected in zip(estimates(p), theory.four_cells(*columns(p)), strict=True):
        assert row == pytest.approx(expected, abs=1e-9, nan_ok=True)


@given(p=predictions())
def test_the_tables_of_the_classes_add_up_to_that_of_all(p):
    tables = [estimates(class_predictions) for class_predictions in metrics.split_by_class(p).values()]
    for name in ("kept", "asked"):
        whole, rows = getattr(estimates(p), name), [getattr(table, name) for table in tables]
        assert sum(row.n for row in rows) == pytest.approx(whole.n)
        correct = sum(row.n * row.m for row in rows if row.n)
        assert whole.n == 0 or correct / whole.n == pytest.approx(whole.m)


def test_an_empty_subset_has_no_accuracy():
    p = Predictions(m=np.array([1, -1]), r=np.array([0.0, -1.0]), e=np.array([1.0, 1.0]), y=np.array([1, 1]))
    assert estimates(p).asked == (2, 0.5, 1.0, -0.5)
    assert estimates(p).kept.n == 0
    assert np.isnan(estimates(p).kept[1:]).all()


def test_table_one_of_many_classes():
    y = np.array([1, 1])
    p = Predictions(m=np.array([0, 0]), r=-np.ones(2), e=np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), y=y)
    assert estimates(p).asked == (2, 0.0, 0.5, -0.5)


def test_the_cells_of_one_seed_are_those_of_the_table(better):
    for cells, expected in zip(table_one_intervals(better[:1]), theory.four_cells(*columns(better[0])), strict=True):
        assert [interval.estimate for interval in cells] == pytest.approx(expected)
        assert all(interval.low < interval.estimate < interval.high for interval in cells)


def test_the_cells_of_several_seeds_are_pooled(better):
    kept, asked = table_one_intervals(better)
    tables = [theory.four_cells(*columns(p)) for p in better]  # rows kept and asked, columns n, m, e, difference
    assert kept.n.estimate == pytest.approx(np.mean([kept_row[0] for kept_row, _ in tables]))
    correct = sum(asked_row[0] * asked_row[1] for _, asked_row in tables)
    assert asked.m.estimate == pytest.approx(correct / sum(asked_row[0] for _, asked_row in tables))
    assert asked.difference.estimate == pytest.approx(asked.m.estimate - asked.e.estimate)
    assert asked.difference.high < 0


def test_one_cell_of_the_table_is_read_by_name(better):
    kept, asked = table_one_intervals(better)
    assert subset_interval(better, subset="kept", quantity="m") == kept.m
    assert subset_interval(better, subset="asked", quantity="difference") == asked.difference
    with pytest.raises(ValueError, match="expected subset to be one of 'kept', 'asked', got 'sent'"):
        subset_interval(better, subset="sent", quantity="m")
    with pytest.raises(ValueError, match="expected quantity to be one of 'n', 'm', 'e', 'difference', got 'accuracy'"):
        subset_interval(better, subset="kept", quantity="accuracy")


def test_the_client_apart_is_the_crosswise_difference(better):
    kept, asked = (cell.m for cell in table_one_intervals(better))
    apart = client_difference_kept_asked(better)
    assert apart.estimate == kept.estimate - asked.estimate
    assert apart.high - apart.low == pytest.approx(kept.high - kept.low + asked.high - asked.low)
    assert apart.low <= apart.estimate <= apart.high


def test_a_portion_that_every_seed_leaves_empty_has_no_accuracy(better):
    always = [Predictions(p.m, np.ones(len(p.y)), p.e, p.y) for p in better]
    kept, asked = table_one_intervals(always)
    assert asked.n == (0, 0, 0)
    assert kept.n == (400, 400, 400)
    assert np.isnan([asked.m, asked.e, asked.difference]).all()


def test_servers_are_compared_on_what_the_first_system_asks(better, worse):
    found = server_difference_on_asked(better, worse)
    asked = [p.r <= 0 for p in better]
    rights = [
        [(p.e >= 0)[ask] == (p.y > 0)[ask] for p, ask in zip(some, asked, strict=True)] for some in (better, worse)
    ]
    first, second = (np.mean(np.concatenate(one)) for one in rights)
    assert found.estimate == pytest.approx(first - second)
    assert found.low > 0
    turned = server_difference_on_asked([replace(p, e=q.e) for p, q in zip(better, worse, strict=True)], better)
    assert turned == pytest.approx((-found.estimate, -found.high, -found.low))
    never = [Predictions(p.m, np.ones(len(p.y)), p.e, p.y) for p in better]
    assert np.isnan(server_difference_on_asked(never, worse)).all()


def test_a_lower_level_of_a_difference_is_narrower(better, worse):
    estimate, low, high = mean_difference(better, worse, metrics.correctness)
    narrower = mean_difference(better, worse, metrics.correctness, level=0.5)
    assert narrower.estimate == estimate and low < narrower.low < narrower.high < high


def test_the_difference_of_two_servers_may_be_negative_though_the_first_was_never_worse():
    y = np.ones(6)
    first = [Predictions(m=y, r=-y, e=y, y=y)] * 2
    second = [replace(first[0], e=np.array([-1.0, 1, 1, 1, 1, 1])), first[0]]
    assert server_difference_on_asked(first, second).low < 0


def test_a_rejector_with_another_server_decides_as_before(better, worse):
    mixed = with_other_server(better, worse)
    for p, first, second in zip(mixed, better, worse, strict=True):
        np.testing.assert_array_equal(p.r, first.r)
        np.testing.assert_array_equal(p.e, second.e)
    with pytest.raises(ValueError, match="zip"):
        with_other_server(better, worse[:2])


def test_many_classes_compare_in_the_same_way():
    generator = np.random.default_rng(0)
    y = generator.integers(3, size=50)
    systems = [Predictions(m=0 * y, r=generator.normal(size=50), e=np.eye(3)[y], y=y) for _ in range(2)]
    assert mean_interval(systems, lambda p: metrics.client_server_correctness(p)[1]) == (1, 1, 1)
    assert accuracy_differences(systems, systems[::-1], [0])[0] == (0, 0, 0)


def test_what_does_not_pair_is_refused(better, worse):
    with pytest.raises(ValueError, match="expected arrays of one length, got first: 3, second: 2"):
        mean_difference(better, worse[:2], metrics.correctness)
    with pytest.raises(ValueError, match="expected all seeds on the same examples, got other labels y at index 1"):
        mean_interval([better[0], many(400)], metrics.correctness)
    with pytest.raises(ValueError, match="at index 3"):
        accuracy_differences(better, [many(400, seed=seed) for seed in range(3)], GRID)
    with pytest.raises(ValueError, match="expected the predictions of at least one seed, got none"):
        table_one_intervals([])


def two_examples(m, r, e):
    """Predictions on two examples of the class +1."""
    return Predictions(m=np.array(m), r=np.array(r), e=np.array(e), y=np.ones(2, int))


def test_losses_at_costs_are_those_of_the_thresholds_tuned_for_each():
    validation = [two_examples([1, -1], [2.0, 1.0], [1.0, 1.0]), two_examples([-1, -1], [2.0, 1.0], [1.0, 1.0])]
    test = [two_examples([-1, 1], [3.0, 0.5], [1.0, -1.0]), two_examples([1, 1], [3.0, 0.5], [1.0, 1.0])]
    grid = [Costs(c1=1.0, ce=0.25), Costs(c1=0.5, ce=0.25), Costs(c1=1.0, ce=2.0)]
    # The threshold of the first seed is 1, and it asks on the second example, where the server is wrong; that of the
    # second seed is 2, and it asks on the second example, too. Where asking costs 2, both keep everything.
    mean, low, high = losses_at_costs(grid, validation, test)
    first, second = np.array([2.25, 1.75, 1.0]) / 2, np.array([0.25, 0.25, 0.0]) / 2
    np.testing.assert_allclose(mean, (first + second) / 2)
    np.testing.assert_allclose(low, second)
    np.testing.assert_allclose(high, first)


def test_reference_losses_at_costs_are_means_over_seeds():
    seeds = [two_examples([-1, 1], [1.0, 1.0], [1.0, -1.0]), two_examples([1, 1], [1.0, 1.0], [1.0, 1.0])]
    found = reference_losses_at_costs([Costs(c1=1.0, ce=0.25), Costs(c1=0.5, ce=0.0), Costs(c1=1.0, ce=2.0)], seeds)
    expected = {  # the first seed's client and server err on one example of two, those of the second never
        "never ask": [1 / 4, 1 / 4, 1 / 4],
        "always ask": [(3 / 4 + 1 / 4) / 2, (1 / 4 + 0) / 2, (5 / 2 + 2) / 2],
        "random, best rate": [(1 / 2 + 0) / 2, (1 / 4 + 0) / 2, (1 / 2 + 0) / 2],
        "oracle": [(1 / 8 + 0) / 2, 0, (1 / 2 + 0) / 2],
    }
    assert found.keys() == expected.keys()
    for name, losses in expected.items():
        np.testing.assert_allclose(found[name], losses)
