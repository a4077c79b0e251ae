"""Losses of chapter 10 by group: means over the examples of a group, and how far they lie apart."""

import numpy as np
import pytest
from helpers.domains import results_of

from companion.chapters.ch10_domains import analysis, groups
from l2h.evaluation.metrics import loss_per_example

SUBJECTS = np.repeat([8, 9, 10], [50, 50, 100])


@pytest.fixture
def by_task(monkeypatch):
    """Two tasks, one of them split by subjects."""
    monkeypatch.setattr(groups, "part_groups", lambda name, part, n_test: SUBJECTS)
    return results_of("wine", "smartwatch")


def test_a_loss_is_the_mean_over_the_examples_of_a_group_and_over_seeds(by_task):
    table = groups.group_table(by_task)
    assert {task for task, _ in table.index} == {"smartwatch"}
    decided = analysis.tuned(by_task["smartwatch"], "separate")
    losses = np.array([loss_per_example(p, costs=analysis.COMPARED_COSTS) for p in decided])
    found = [table.loc[("smartwatch", f"subject {each}"), "separate"] for each in (8, 9, 10)]
    expected = [losses[:, each == SUBJECTS].mean() for each in (8, 9, 10)]
    assert found == pytest.approx(expected, abs=5.1e-5)
    assert np.average(found, weights=[50, 50, 100]) == pytest.approx(losses.mean(), abs=5.1e-5)
    assert table.loc[("smartwatch", groups.SPREAD), "separate"] == pytest.approx(
        max(expected) - min(expected), abs=1.1e-4
    )
    assert table["examples"].tolist() == [50, 50, 100, ""]


def test_months_are_named_and_the_sentence_has_both_ends(monkeypatch):
    monkeypatch.setattr(groups, "part_groups", lambda name, part, n_test: np.repeat([4, 9], 100))
    by_task = results_of("gas_drift")
    table = groups.group_losses(by_task["gas_drift"])
    assert table.index.tolist() == ["month 14-15", "month 24 and 30"]
    text = groups.describe_groups(by_task).data
    ours = table["learning to help"]
    assert f"is {ours.min():.3f} for {ours.idxmin()} and {ours.max():.3f} for {ours.idxmax()}" in text
    assert f"of confidence in {int((ours < table['confidence']).sum())}" in text


def test_without_groups_one_row_and_one_sentence_say_so():
    by_task = results_of("wine")
    assert groups.group_table(by_task).index.tolist() == [("none", groups.NO_GROUPS)]
    assert groups.describe_groups(by_task).data == "No task here is split by groups."
