"""Means of aged batches, counted by hand, and intervals whose coverage with few batches is simulated."""

from types import SimpleNamespace

import numpy as np
import pytest

from companion.chapters.ageing import analysis
from companion.chapters.ageing.analysis import Trajectories
from l2h.evaluation.crossed import crossed_intervals

BATCH = np.array([2, 2, 3, 3, 3, 4])


def test_each_aged_batch_counts_equally():
    values = [np.array([0.0, 1.0, 1.0, 1.0, 4.0, 7.0]), np.zeros(6)]
    trajectories = Trajectories({"x": values}, [BATCH, BATCH])
    assert trajectories.means("x").tolist() == [[2.0, 7.0], [0.0, 0.0]]
    assert trajectories.means("x", aged=False).tolist() == [[0.5, 2.0, 7.0], [0.0, 0.0, 0.0]]


def test_the_bound_has_the_held_out_loss_and_its_number():
    losses = Trajectories({"fixed": [np.repeat([0.2, 0.9], 50)]}, [np.repeat([2, 3], 50)])
    assert analysis.held_out_bound(losses) == pytest.approx(0.2 + 1.1 * np.sqrt(np.log(20) / 100))


def test_with_gases_equal_the_mix_of_a_batch_does_not_matter():
    gas = np.repeat([0, 1, 2, 0, 1, 0, 1], [10, 10, 9, 1, 9, 5, 5])
    batch = np.repeat([2, 3, 4], [29, 10, 10])
    deployment = SimpleNamespace(batch=batch, y=gas, aged_batches=np.array([3, 4]))
    loss = np.where(gas == 0, 0.2, 0.6) + np.where(batch == 2, 0.0, 0.1)
    losses = Trajectories({"fixed": [loss]}, [batch])
    # The third gas has too few held-out readings, and does not occur later.
    assert analysis.rise_with_gases_equal([deployment], losses) == pytest.approx(np.full((1, 2), 0.1))
    assert np.ptp(losses.means("fixed")) > 0.1


def test_an_alarm_counts_in_its_batch_and_within_the_window(monkeypatch):
    monkeypatch.setattr(analysis, "ALARM_WINDOW", 2)
    deployment = SimpleNamespace(batch=BATCH, aged_batches=np.array([3, 4]))
    found = [analysis.alarm_in_batch([deployment], [np.array(steps)])[0].tolist() for steps in ([1], [4], [3, 5])]
    assert found == [[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]]


def test_the_identity_on_pseudo_labels_has_its_five_cases():
    m, e, y = (values.ravel() for values in np.meshgrid(*[np.arange(3)] * 3))
    for batch in (np.zeros(27), np.arange(27)):  # on the mean of all cases, and in each alone
        deployment = SimpleNamespace(m=m, e=e, y=y, batch=batch)
        assert analysis.pseudo_label_bias_error(deployment) < 1e-12


def test_the_identity_fails_with_the_form_for_two_classes():
    m, e, y = np.array([0]), np.array([1]), np.array([2])
    two_class_side = 2.0 * ((m == y) & (e != y))
    apparent_minus_actual = (m != e) - ((m != y) - 1.0 * (e != y))
    assert (apparent_minus_actual - two_class_side).tolist() == [1.0]


def test_reductions_are_against_the_fixed_threshold():
    losses = Trajectories({"fixed": [np.ones(6)], "x": [np.full(6, 0.25)]}, [BATCH])
    assert analysis.reductions_by_batch(losses, ["x"])["x"].tolist() == [[0.75, 0.75]]


def test_simultaneous_intervals_are_wider_than_one_alone():
    values = np.random.default_rng(0).normal(size=(4, 6))
    alone = analysis.bonferroni_intervals({"a": values})["a"]
    both = analysis.bonferroni_intervals({"a": values, "b": 2 * values})["a"]
    assert both.low < alone.low < alone.high < both.high


def test_the_spread_tells_batches_from_seeds():
    of_batches = np.array([[0.0, 2.0], [0.0, 2.0]])
    assert "1.414 between batches, 0.000 between seeds" in analysis.spread_summary({"x": of_batches})
    assert "0.000 between batches, 1.414 between seeds" in analysis.spread_summary({"x": of_batches.T})


@pytest.mark.parametrize("deviations", [(0.1, 1.0, 0.5), (0.5, 1.0, 1.0), (1.0, 0.3, 1.0), (0.0, 1.0, 0.1)])
def test_the_crossed_interval_covers_with_eight_seeds_and_six_batches(deviations):
    generator = np.random.default_rng(0)
    of_seed, of_batch, of_both = (
        deviation * generator.normal(size=shape)
        for deviation, shape in zip(deviations, [(4000, 8, 1), (4000, 1, 6), (4000, 8, 6)], strict=True)
    )
    intervals = crossed_intervals(of_seed + of_batch + of_both, signed=True)
    assert np.mean([low <= 0 <= high for _, low, high in intervals]) > 0.935


def test_tables_have_a_row_for_each_policy_and_batch(aged, deployments, runs):
    losses, asked = analysis.loss_trajectories(deployments, runs), analysis.asked_trajectories(deployments, runs)
    table = analysis.aged_policy_table(losses, asked, runs)
    assert list(table.index) == ["client alone", "always ask", *runs.results]
    assert table.loc["fixed", "loss reduction"] == "" and table.loc["client alone", "offload rate"] == 0
    assert table.loc["always ask", "offload rate"] == 1
    assert table.loc["fixed", "loss"] == pytest.approx(losses.means("fixed").mean(), abs=5e-4)
    everything = [d.y for d in deployments]
    accuracies = analysis.accuracy_trajectories(deployments, everything)
    batches = analysis.batch_table(aged, accuracies, losses, asked)
    assert len(batches) == 5 and (batches["server with all earlier labels"] == 1).all()
    pseudo = analysis.aged_pseudo_label_table(losses, asked)
    assert pseudo.loc[("recalibrated", "true labels"), "loss"] == table.loc["recalibrated", "loss"]


def test_a_detector_without_an_alarm_changes_nothing(deployments, runs):
    quiet = runs._replace(
        alarms={name: [np.array([], int)] * 2 for name in runs.alarms},
        triggered={name: runs.results["fixed"] for name in runs.triggered},
    )
    losses = analysis.loss_trajectories(deployments, quiet)
    table = analysis.aged_detector_table(deployments, quiet, losses, dict.fromkeys(runs.alarms, 0), inputs=10_000)
    assert set(table["batches with an alarm"]) == {"0.000 [0.000, 0.000]"}
    assert set(table["loss reduction, layer retrained"]) == {"0.000 [0.000, 0.000]"}
    assert set(table["alarms per stream"]) == {0.0}
