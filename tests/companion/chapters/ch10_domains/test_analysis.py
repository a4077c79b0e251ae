"""Tables and the synthesis of chapter 10 against direct computations."""

from functools import partial

import numpy as np
import pytest
from helpers.domains import TASKS, results_of, task_results
from oracles.evaluation import auroc

from companion.chapters.ch10_domains import analysis
from companion.chapters.ch10_domains.experiments import HELPER_SYSTEMS
from l2h.evaluation.comparisons import mean_difference
from l2h.evaluation.curves import accuracy_coverage_curve, area_under_curve, auc_contributions
from l2h.evaluation.intervals import Interval
from l2h.evaluation.metrics import accuracy, loss_per_example, offload_rate, reference_losses, system_loss
from l2h.evaluation.multiple_comparisons import comparison_outcome
from l2h.evaluation.random_effects import random_effects
from l2h.evaluation.thresholds import tuned_on_validation
from l2h.problem import Costs

BY_TASK = results_of()
WINE = BY_TASK["wine"]


def area(predictions):
    return area_under_curve(accuracy_coverage_curve(predictions))


def test_results_are_grouped_by_task():
    mixed = [WINE[0], BY_TASK["digits"][0], WINE[1]]
    assert analysis.results_by_task(mixed) == {"wine": WINE, "digits": [BY_TASK["digits"][0]]}


def test_constant_policies_have_the_server_that_was_trained_alone():
    server_only = analysis.predictions_of(WINE, "server only")[0]
    assert accuracy(server_only) == np.mean(WINE[0].parts["test"]["two-stage"]["server_right"])
    client_only = analysis.tuned(WINE, "client only")[0]
    assert accuracy(client_only) == np.mean(WINE[0].parts["test"]["client_right"])


def test_thresholds_are_those_of_the_validation_part():
    ours = [[result.predictions("separate", part) for result in WINE] for part in ("validation", "test")]
    expected = tuned_on_validation(*ours, costs=Costs(1.0, 0.3))
    found = analysis.tuned(WINE, "separate", costs=Costs(1.0, 0.3))
    assert [each.r.tolist() for each in found] == [each.r.tolist() for each in expected]


def test_properties_are_means_over_seeds():
    properties = analysis.mean_properties(WINE)
    shares = [np.mean(result.parts["validation"]["client_right"]) for result in WINE]
    assert (properties.n, properties.client_accuracy) == (200, pytest.approx(np.mean(shares)))
    table = analysis.task_table({"wine": WINE})
    assert table["AUROC"].iloc[0] == properties.auroc
    assert table["server's lead on the test part"].iloc[0] == analysis.mean_properties(WINE, "test").server_lead


def test_the_table_of_systems_holds_means_over_seeds():
    table = analysis.system_table({"wine": WINE})
    assert list(table.index) == [("wine", system) for system in (*HELPER_SYSTEMS, "client only", "server only")]
    row, decided = table.loc["wine", "two-stage"], analysis.tuned(WINE, "two-stage")
    assert first_number(row.accuracy) == to_three_digits(np.mean([accuracy(p) for p in decided]))
    assert first_number(row.loss) == to_three_digits(
        np.mean([system_loss(p, costs=analysis.COMPARED_COSTS) for p in decided])
    )
    areas = [area(result.predictions("two-stage")) for result in WINE]
    assert first_number(row["area"]) == to_three_digits(np.mean(areas))
    assert row.coverage == to_three_digits(1 - np.mean([offload_rate(p) for p in decided]))


def first_number(text):
    return float(text.split(" [")[0])


def to_three_digits(number):
    return pytest.approx(number, abs=5.01e-4)


def test_differences_are_those_of_paired_intervals():
    table = analysis.difference_table({"smartwatch": BY_TASK["smartwatch"]})
    found = analysis.area_advantage(BY_TASK["smartwatch"], "confidence")
    ours, theirs = (analysis.predictions_of(BY_TASK["smartwatch"], name) for name in ("learning to help", "confidence"))
    assert found == mean_difference(ours, theirs, auc_contributions)
    row = table.loc["smartwatch", "confidence"]
    assert row["area"] == "{:+.3f} [{:+.3f}, {:+.3f}]".format(*found)
    assert row["by area"] == comparison_outcome(found)
    loss = analysis.loss_difference(BY_TASK["smartwatch"], "client only")
    tuned = [analysis.tuned(BY_TASK["smartwatch"], name) for name in ("learning to help", "client only")]
    assert loss == mean_difference(*tuned, partial(loss_per_example, costs=analysis.COMPARED_COSTS))
    assert loss.estimate < 0
    assert table.loc["smartwatch", "client only"]["by loss"] == comparison_outcome(
        Interval(-loss.estimate, -loss.high, -loss.low)
    )
    assert table.loc["smartwatch", "client only"]["area"] == ""


def test_the_table_of_costs_names_the_least_loss_or_none():
    table = analysis.cost_table({"wine": WINE})
    for (_, c1, ce), row in table.iterrows():
        costs = Costs(c1, ce)
        mean = np.mean([system_loss(p, costs=costs) for p in analysis.tuned(WINE, "confidence", costs=costs)])
        assert row.confidence == pytest.approx(mean)
        least = min(HELPER_SYSTEMS, key=lambda name: row[name])
        assert row["least"] == (least if row[least] < row["no rejector"] else "none")
        references = [reference_losses(p, costs=costs) for p in analysis.predictions_of(WINE, "confidence")]
        assert row.oracle == pytest.approx(np.mean([each.oracle for each in references]))


def test_parts_that_lie_apart_have_rows_of_their_own():
    none = analysis.apart_table({"wine": WINE})
    assert none.index.tolist() == [("none", "no task here has such a part", "")]
    results = task_results("digits", extra=("out_of_scope_test", "unseen_speaker"))
    table = analysis.apart_table({"digits": results})
    assert len(table) == 2 * len(HELPER_SYSTEMS)
    outside = table.loc["digits", "out_of_scope_test", "separate"]
    assert (outside.accuracy, outside["area"]) == ("no right answer", "")
    asked = np.mean([offload_rate(p) for p in analysis.tuned(results, "separate", "out_of_scope_test")])
    assert first_number(outside.asked) == to_three_digits(asked)
    unseen = np.mean([accuracy(p) for p in analysis.tuned(results, "separate", "unseen_speaker")])
    assert first_number(table.loc["digits", "unseen_speaker", "separate"].accuracy) == to_three_digits(unseen)


def test_effects_of_tasks_and_their_standard_errors():
    effects = analysis.task_effects(BY_TASK, "confidence")
    assert effects.tasks == TASKS
    for name, estimate in zip(TASKS, effects.estimates, strict=True):
        assert estimate == analysis.area_advantage(BY_TASK[name], "confidence").estimate
    rest = effects.without(1)
    assert rest.tasks == (TASKS[0], *TASKS[2:]) and rest.estimates.tolist() == np.delete(effects.estimates, 1).tolist()


def test_the_standard_error_is_that_of_repeated_draws():
    """The task is drawn anew 100 times, seeds and examples alike; the deviation of the effects has an error of 7 %."""
    repeated = [analysis.task_effects({"wine": task_results("wine", seed)}, "confidence") for seed in range(100)]
    deviation = np.std([each.estimates[0] for each in repeated], ddof=1)
    mean_variance = np.mean([each.standard_errors[0] ** 2 for each in repeated])
    assert mean_variance**0.5 == pytest.approx(deviation, rel=0.25)


def test_equal_systems_have_a_standard_error_above_zero():
    result = task_results("wine")
    for each in result:
        each.parts["test"]["learning to help"] = each.parts["test"]["two-stage"]
    effects = analysis.task_effects({"wine": result}, "two-stage")
    assert (effects.estimates[0], effects.standard_errors[0]) == (0.0, 1 / 200)


def test_the_synthesis_is_that_of_random_effects():
    effects = analysis.task_effects(BY_TASK, "confidence")
    expected = random_effects(effects.estimates, effects.standard_errors)
    row = analysis.synthesis_table(BY_TASK).loc["minus confidence"]
    assert row["mean"] == "{:+.3f} [{:+.3f}, {:+.3f}]".format(*expected.mean_interval())
    assert row["a new task"] == "[{:+.3f}, {:+.3f}]".format(*expected.new_task_interval()[1:])
    assert (row["tasks"], row["I squared"]) == (6, round(expected.i_squared, 2))


def test_the_property_that_made_the_effects_explains_them():
    """The tasks differ by the noise of their confidence, so by its AUROC."""
    table = analysis.property_table(results_of(n=2000))
    first = table.iloc[0]
    assert first["slope per 0.1"].startswith("-") and int(first.explained.rstrip("%")) > 70
    assert len(table) == 3


def test_the_reasons_are_how_well_errors_are_found_and_how_good_the_servers_are():
    row = analysis.reason_table({"wine": WINE}).loc["wine"]
    right = [result.parts["test"] for result in WINE]
    assert row["joint server"] == pytest.approx(np.mean([each["learning to help"]["server_right"] for each in right]))
    assert row["server trained alone"] == pytest.approx(np.mean([each["two-stage"]["server_right"] for each in right]))
    aurocs = [auroc(each["confidence"], each["client_right"]) for each in right]
    assert row["AUROC, confidence"] == pytest.approx(np.mean(aurocs))


def test_the_synthesis_is_described_with_its_numbers():
    text = analysis.describe_synthesis(BY_TASK).data
    effects = analysis.synthesis(analysis.task_effects(BY_TASK, "two-stage"))
    assert "{:+.3f} [{:+.3f}, {:+.3f}]".format(*effects.mean_interval()) in text
    outcomes = [comparison_outcome(analysis.area_advantage(each, "two-stage")) for each in BY_TASK.values()]
    counts = f"better on {outcomes.count('better')} of them and worse on {outcomes.count('worse')}"
    assert text.count("Compared with") == 3 and counts in text


def test_runs_with_a_much_worse_joint_server_are_named():
    assert analysis.describe_servers(BY_TASK).data.startswith("In 0 of 12 runs")
    failed = task_results("wine")
    failed[1].parts["test"]["learning to help"]["server_right"] = [0] * 200
    alone = np.mean(failed[1].parts["test"]["two-stage"]["server_right"])
    text = analysis.describe_servers({"wine": failed}).data
    assert text.startswith("In 1 of 2 runs") and f"(wine, seed 1: 0.000 and {alone:.3f})" in text
