"""Losses, maps and budgets of chapter 08 against direct computations."""

import numpy as np
import pandas as pd
import pytest
from helpers.costs import CLIENT, GRID, MAP, ONCE, RUNS
from helpers.samples import sample_runs

from companion.chapters.ch08_costs.analysis import (
    bands_over_costs,
    budget_table,
    describe_dominated,
    gains_over_constant_policies,
    loss_by_costs_table,
    loss_rates_and_area,
    metric_map,
)
from l2h.evaluation.metrics import accuracy, coverage, offload_rate, system_loss
from l2h.evaluation.thresholds import budget_threshold, tuned_on_validation
from l2h.problem import Costs, Predictions


@pytest.fixture(scope="module")
def systems():
    """Three servers of increasing accuracy; the client is the same."""
    found = {name: sample_runs(3, 400, server=server) for name, server in (("a", 0.8), ("b", 0.9))}
    return {name: [Predictions(found["a"][s].m, p.r, p.e, p.y) for s, p in enumerate(of)] for name, of in found.items()}


def test_gains_are_those_over_never_and_over_always_asking(systems):
    costs = Costs(c1=1.0, ce=0.05)
    tuned = tuned_on_validation(systems["b"], systems["b"], costs=costs)
    over_never, over_always = gains_over_constant_policies(tuned, costs=costs)
    never = np.mean([(p.m != p.y).mean() for p in tuned])
    always = 0.05 + np.mean([(np.where(p.e >= 0, 1, -1) != p.y).mean() for p in tuned])
    lost = np.mean([system_loss(p, costs=costs) for p in tuned])
    assert (over_never.mean(), over_always.mean()) == pytest.approx((never - lost, always - lost))
    assert over_never.shape == over_always.shape == (3, 400)


def test_a_system_that_never_asks_gains_nothing_over_never_asking(systems):
    keeping = [Predictions(p.m, np.ones(len(p.y)), p.e, p.y) for p in systems["a"]]
    over_never, _ = gains_over_constant_policies(keeping, costs=Costs(c1=1.0, ce=0.9))
    assert not over_never.any()


@pytest.mark.parametrize(("quantity", "metric"), [("offload rate", offload_rate), ("accuracy", accuracy)])
def test_bands_have_one_line_per_c1(quantity, metric):
    bands = bands_over_costs(RUNS, GRID, CLIENT, quantity)
    assert list(bands) == ["$c_1$ = 0.5", "$c_1$ = 1"]
    expected = [np.mean([metric(p) for p in RUNS.predictions(GRID[CLIENT, 1.0, ce])]) for ce in (0.1, 0.3)]
    np.testing.assert_allclose(bands["$c_1$ = 1"].estimate, expected)


def test_the_loss_of_a_band_is_at_the_costs_of_its_training():
    (loss,) = bands_over_costs(RUNS, {(CLIENT, 0.5, 0.3): GRID[CLIENT, 0.5, 0.3]}, CLIENT, "system loss").values()
    runs = RUNS.predictions(GRID[CLIENT, 0.5, 0.3])
    assert loss.estimate[0] == pytest.approx(np.mean([system_loss(p, costs=Costs(c1=0.5, ce=0.3)) for p in runs]))


def test_the_table_of_losses_compares_tuned_systems():
    table = loss_by_costs_table(RUNS, GRID, ONCE)
    row, costs = table.loc[CLIENT, 1.0, 0.3], Costs(c1=1.0, ce=0.3)
    config = GRID[CLIENT, 1.0, 0.3]
    tuned = tuned_on_validation(RUNS.predictions(config, "validation"), RUNS.predictions(config), costs=costs)
    assert row["trained for these costs"] == pytest.approx(np.mean([system_loss(p, costs=costs) for p in tuned]))
    assert row["least"] in table.columns[1:5]
    assert (row["r = 0 is"] == "dominated") == (row["trained for these costs, r = 0"] > row["no rejector"])


def test_dominated_rows_are_counted_and_named():
    table = pd.DataFrame(
        {"trained for these costs, r = 0": [0.2, 0.1], "trained for these costs": [0.1, 0.1], "no rejector": 0.15},
        index=pd.MultiIndex.from_tuples([("x", 1.0, 0.02), ("x", 1.0, 0.3)], names=["client", "c1", "ce"]),
    )
    text = describe_dominated(table).data
    assert "dominated in 1 of 2 rows (x at c1 = 1, ce = 0.02)" in text and text.endswith("images in 0.")
    assert "(" not in describe_dominated(table.iloc[1:]).data


def test_a_map_keeps_the_order_of_its_grid():
    table = metric_map(RUNS, MAP, coverage, "validation")
    assert (list(table.index), list(table.columns)) == ([6.0, 0.5], [2.0, 1.0])
    expected = np.mean([coverage(p) for p in RUNS.predictions(MAP[0.5, 2.0], "validation")])
    assert table.loc[0.5, 2.0] == pytest.approx(expected)


def test_a_row_has_loss_rates_and_area():
    row = loss_rates_and_area(RUNS.predictions(GRID[CLIENT, 1.0, 0.1]), costs=Costs(c1=1.0, ce=0.1))
    assert list(row) == ["system loss", "accuracy", "offload rate", "area"]


def test_budgets_are_kept_on_the_validation_images():
    row = budget_table(RUNS, ONCE, [0.2]).loc[CLIENT, "two-stage", 0.2]
    config = ONCE[CLIENT, "two-stage"]
    thresholds = [budget_threshold(p.r, budget=0.2).threshold for p in RUNS.predictions(config, "validation")]
    rates = [(p.r <= t).mean() for p, t in zip(RUNS.predictions(config), thresholds, strict=True)]
    assert row["offload rate on validation images"] <= 0.2
    assert row["largest of a seed"] == pytest.approx(max(rates))
