"""Paired differences, tuned systems, the Pareto front, exchanged servers and rankings."""

import numpy as np
import pytest
from helpers.samples import sample_runs

from companion.chapters import systems as chapters_systems
from companion.chapters.ch06_comparison.analysis import (
    LEARNING_TO_HELP,
    AccuracyAndCost,
    absolute_interval,
    absolute_loss_difference,
    accuracy_and_cost,
    area_differences,
    areas,
    decompose_area_difference,
    loss_reduction,
    order_by_mean_difference,
    paired_difference,
    pareto_front,
    ranking_gains,
    table_one_by_class,
)
from companion.chapters.systems import STACKED_NAME, STACKED_ON
from l2h.evaluation.comparisons import server_difference_on_asked
from l2h.evaluation.curves import auc_contributions, loss_curve
from l2h.evaluation.intervals import Interval
from l2h.evaluation.metrics import correctness, coverage, system_loss
from l2h.evaluation.multiple_comparisons import simultaneous_differences
from l2h.evaluation.resources import ResourceUse
from l2h.evaluation.thresholds import tuned_on_validation
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Costs, Predictions


@pytest.fixture(scope="module")
def systems():
    """Three servers of increasing accuracy; the client is the same."""
    found = {name: sample_runs(3, 400, server=server) for name, server in (("a", 0.8), ("b", 0.9), ("random", 0.99))}
    return {name: [Predictions(found["a"][s].m, p.r, p.e, p.y) for s, p in enumerate(of)] for name, of in found.items()}


def test_a_paired_difference_is_the_only_one_of_its_setting(systems):
    found = paired_difference(systems, "b", "a", families=6)
    assert found == simultaneous_differences(systems["b"], {"a": systems["a"]}, auc_contributions, families=6)["a"]
    assert paired_difference(systems, "b", "a", correctness).estimate == pytest.approx(
        np.mean(
            [correctness(p).mean() - correctness(q).mean() for p, q in zip(systems["b"], systems["a"], strict=True)]
        )
    )


def test_a_loss_reduction_is_at_the_best_thresholds(systems):
    costs = Costs(c1=1.0, ce=0.05)
    found = loss_reduction(systems, systems, "b", "a", costs=costs)
    best = {name: np.mean([loss_curve(p, costs=costs).loss.min() for p in systems[name]]) for name in "ab"}
    assert found.estimate == pytest.approx(best["a"] - best["b"])
    assert found.estimate > 0


def test_accuracy_and_cost_are_at_the_threshold_of_the_validation_split(systems):
    costs, configs = Costs(c1=1.0, ce=0.05), {STACKED_ON: ExperimentConfig("separate", rejector="scores")}
    given = {STACKED_ON: systems["a"], STACKED_NAME: systems["b"]}
    found = accuracy_and_cost(given, given, configs, costs=costs)
    assert list(found) == list(given)
    for name, one in found.items():
        tuned = tuned_on_validation(given[name], given[name], costs=costs)
        assert one.parameters == 3
        assert one.resource_use == chapters_systems.system_resource_use(
            name, configs[STACKED_ON], float(np.mean([coverage(p) for p in tuned]))
        )
        assert one.accuracy.estimate == pytest.approx(np.mean([correctness(p).mean() for p in tuned]))


def test_exchanging_servers_decomposes_the_difference_without_a_rest(systems):
    whole, rejector, server, server_on_asked = decompose_area_difference(systems, "b", "a").values()
    assert whole.estimate == pytest.approx(rejector.estimate + server.estimate)
    assert server_on_asked == server_difference_on_asked(systems["b"], systems["a"])
    same_r = {
        "b": systems["b"],
        "a": [Predictions(p.m, p.r, q.e, p.y) for p, q in zip(systems["b"], systems["a"], strict=True)],
    }
    assert decompose_area_difference(same_r, "b", "a")["by the rejector"] == (0, 0, 0)


def test_a_ranking_gains_and_a_shuffled_one_does_not(systems):
    learnt, shuffled = ranking_gains(systems["b"]).values()
    assert learnt.low > 0
    assert shuffled.low < 0 < shuffled.high
    coin = np.mean([(np.mean(p.m == p.y) + np.mean((p.e >= 0) == (p.y > 0))) / 2 for p in systems["b"]])
    assert learnt.estimate == pytest.approx(np.mean([auc_contributions(p).mean() for p in systems["b"]]) - coin)


def test_absolute_loss_differences_are_symmetric(systems):
    costs = Costs(c1=1.0, ce=0.05)
    one, other = (np.mean([system_loss(p, costs=costs) for p in systems[name]]) for name in "ab")
    for first, second in ("ab", "ba"):
        assert absolute_loss_difference(systems[first], systems[second], costs=costs).estimate == pytest.approx(
            abs(one - other)
        )


def test_an_absolute_interval_has_no_sign():
    assert absolute_interval(Interval(0.1, 0.05, 0.2)) == (0.1, 0.05, 0.2)
    assert absolute_interval(Interval(-0.1, -0.3, 0.2)) == (0.1, 0.0, 0.3)


def test_only_systems_off_the_pareto_front_are_dominated(systems):
    generator = np.random.default_rng(0)
    used, right = generator.integers(0, 5, (2, 40))
    found = {
        str(k): AccuracyAndCost(0, ResourceUse(0.0, float(b)), Interval(*[float(a)] * 3))
        for k, (b, a) in enumerate(zip(used, right, strict=True))
    }
    ahead = pareto_front(found, 1)
    for name, one in found.items():
        beaten = any(
            found[front].resource_use[1] <= one.resource_use[1]
            and found[front].accuracy.estimate >= one.accuracy.estimate
            for front in ahead
        )
        assert beaten  # by itself, if it is ahead
        others = [other for front, other in found.items() if front != name]
        strictly = any(
            o.resource_use[1] <= one.resource_use[1] and o.accuracy.estimate > one.accuracy.estimate for o in others
        )
        assert not (name in ahead and strictly)
    assert pareto_front({}, 0) == []


def test_cells_of_a_class_are_those_of_its_examples(systems):
    found = table_one_by_class(systems["a"], ("minus", "plus"))
    for (name, subset), cell in found.items():
        where = [(p.y == {"minus": -1, "plus": 1}[name]) & ((p.r > 0) == (subset == "kept")) for p in systems["a"]]
        right = sum((p.m[w] == p.y[w]).sum() for p, w in zip(systems["a"], where, strict=True))
        assert cell.m.estimate == pytest.approx(right / np.sum(where))
        assert cell.n.estimate == pytest.approx(np.sum(where) / 3)


def test_areas_are_of_every_setting_and_seed(systems):
    found = areas({"one": systems, "two": {"a": systems["b"]}}, "a")
    expected = [auc_contributions(p).mean() for p in (*systems["a"], *systems["b"])]
    assert found == pytest.approx(expected)


def test_area_differences_are_to_every_other_system(systems):
    found = area_differences({LEARNING_TO_HELP: systems["b"], "a": systems["a"]}, families=2)
    assert found == simultaneous_differences(systems["b"], {"a": systems["a"]}, auc_contributions, families=2)


def test_baselines_are_ordered_by_their_mean_over_the_settings_that_have_them():
    def difference(estimate):
        return Interval(estimate, estimate, estimate)

    rows = {"x": {"a": difference(0.1), "b": difference(0.3)}, "y": {"a": difference(0.7)}}
    assert order_by_mean_difference(rows, ["b", "a"]) == ["a", "b"]
