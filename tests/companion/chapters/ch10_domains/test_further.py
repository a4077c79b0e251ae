"""The further methods of chapter 10: none of the registry is forgotten, and their rows are those of their runs."""

import numpy as np
import pytest
from helpers.domains import results_of, with_further_methods

from companion.chapters.ch10_domains import analysis, further
from companion.chapters.ch10_domains.experiments import FURTHER_METHODS, HELPER_METHODS
from l2h.evaluation.curves import accuracy_coverage_curve, area_under_curve
from l2h.evaluation.metrics import accuracy, offload_rate, system_loss
from l2h.evaluation.multiple_comparisons import comparison_outcome
from l2h.methods import registry
from l2h.serving.estimator.settings import METHOD_NAMES, REFUSED

BY_TASK = {name: with_further_methods(results) for name, results in results_of("wine", "digits", seeds=3).items()}


def test_every_method_of_the_registry_has_its_part_or_its_reason():
    table = further.methods_table()
    assert set(table.index) == set(METHOD_NAMES) and table.index.is_unique
    assert set(registry.METHODS) == {*table.index, *REFUSED}
    secondary = table.index[table["part on this page"] == further.SECONDARY]
    assert set(secondary) == set(FURTHER_METHODS.values())
    assert not set(secondary) & {*HELPER_METHODS.values(), *further.SCORED}
    text = further.describe_refused().data
    assert all(f"`{method}`" in text and reason in text for method, reason in REFUSED.items())


def test_a_new_method_of_the_registry_is_missed(monkeypatch):
    monkeypatch.setitem(registry.JOINT, "newest", registry.METHODS["learning_to_help"])
    with pytest.raises(ValueError, match="every method of the registry once, got another list for newest"):
        further.methods_table()


DIFFERENCE = "area of learning to help minus it"


def test_the_table_holds_means_and_differences_over_the_same_seeds():
    table = further.further_table(BY_TASK)
    quantities = ("area", "accuracy", "coverage", "loss", DIFFERENCE)
    assert list(table.index) == [(quantity, system) for quantity in quantities for system in FURTHER_METHODS]
    assert list(table.columns) == list(BY_TASK) and len(table) < 60, "pandas shows no more rows"
    column, results = table["wine"], BY_TASK["wine"]
    areas = [area_under_curve(accuracy_coverage_curve(result.predictions("triage"))) for result in results]
    assert column["area", "triage"] == pytest.approx(np.mean(areas), abs=5.01e-4)
    decided = analysis.tuned(results, "triage")
    assert column["accuracy", "triage"] == pytest.approx(np.mean([accuracy(p) for p in decided]), abs=5.01e-4)
    assert column["coverage", "triage"] == pytest.approx(1 - np.mean([offload_rate(p) for p in decided]), abs=5.01e-4)
    losses = [system_loss(p, costs=analysis.COMPARED_COSTS) for p in decided]
    assert column["loss", "triage"] == pytest.approx(np.mean(losses), abs=5.01e-4)
    advantage = analysis.area_advantage(results, "triage")
    assert column[DIFFERENCE, "triage"] == "{:+.3f} [{:+.3f}, {:+.3f}]".format(*advantage)


def test_the_sentence_counts_tasks_and_names_those_that_were_left_out():
    text = further.describe_further(BY_TASK).data
    outcomes = [comparison_outcome(analysis.area_advantage(each, "two sigmoids")) for each in BY_TASK.values()]
    assert f"two sigmoids ({outcomes.count('better')} and {outcomes.count('worse')})" in text
    assert "On how many of 2 tasks" in text and "not trained on" not in text
    more = BY_TASK | results_of("segments")
    assert "not trained on segments." in further.describe_further(more).data
    assert list(further.further_table(more).columns) == list(BY_TASK)
