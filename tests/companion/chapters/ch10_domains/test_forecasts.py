"""Forecasts of chapter 10: made from other tasks, and compared with what was observed."""

from itertools import combinations

import numpy as np
import pytest
from helpers.domains import pairs_of_letters, results_of

from companion.build import notebooks
from companion.chapters.ch10_domains import analysis, forecasts
from companion.claims.registry import CLAIMS_MIME_TYPE
from l2h.evaluation.class_pairs import class_pairs_mean
from l2h.evaluation.forecast import class_pair_regression
from l2h.evaluation.intervals import Interval
from l2h.evaluation.random_effects import random_effects
from l2h.serving.estimator.gain import CHECKED_TASKS, COVERED_TASKS


def test_the_jackknife_of_additive_effects_is_the_interval_over_classes():
    """Without an effect of the pair alone both variances are 4 s^2 / K, with K - 1 degrees of freedom."""
    effects = dict(zip("abcdefg", np.random.default_rng(0).normal(size=7), strict=True))
    pairs = list(combinations(effects, 2))
    values = np.array([effects[first] + effects[second] for first, second in pairs])
    found = forecasts.class_jackknife(pairs, lambda index: float(values[index].mean()))
    mean = class_pairs_mean(pairs, values)
    assert found == pytest.approx(mean._replace(degrees_of_freedom=6.0).interval())


def test_the_slope_over_pairs_is_found():
    slope = forecasts.slope_over_pairs(pairs_of_letters(slope=-0.2))
    assert slope.low < -0.2 < slope.high < 0


def test_pairs_are_read_from_the_committed_table():
    pairs = forecasts.pairs_of_classes("confidence")
    assert len(pairs.pairs) == 45 and pairs.seeds.shape[0] == 45 and np.isfinite(pairs.seeds).all()
    assert ((pairs.auroc > 0.4) & (pairs.auroc < 1)).all()
    assert pairs.mean().estimate == pytest.approx(pairs.advantages.mean())
    table = forecasts.pairs_table("confidence", "two-stage")
    assert table.loc["minus confidence", "mean"].startswith(f"{pairs.advantages.mean():+.3f} [")


def test_the_regression_that_the_package_ships_is_that_of_the_committed_table():
    shipped, fitted = class_pair_regression(), forecasts.pairs_of_classes("confidence").regression()
    for name in ("estimates", "variances", "design", "coefficients", "covariance", "tau_squared"):
        assert getattr(shipped, name) == pytest.approx(getattr(fitted, name), rel=1e-4, abs=1e-8)
    assert shipped.new_task_interval(0.65) == pytest.approx(fitted.new_task_interval(0.65), abs=1e-6)


def test_how_often_the_package_says_that_the_forecast_held_is_in_the_record():
    record = notebooks.read_notebook(notebooks.Folders().book / "10_domains.ipynb")
    outputs = [output for cell in notebooks.code_cells(record) for output in cell.outputs]
    data = [output.get("data", {}) for output in outputs]
    claims = [each[CLAIMS_MIME_TYPE]["claims"] for each in data if CLAIMS_MIME_TYPE in each]
    (cases,) = (each["forecast-covers-tasks-left-out"] for each in claims if "forecast-covers-tasks-left-out" in each)
    found = cases["fitted on pairs of CIFAR-10"]
    assert (found["n"], found["estimate"]) == (CHECKED_TASKS, pytest.approx(COVERED_TASKS / CHECKED_TASKS, abs=1e-3))


def test_a_table_of_pairs_is_read_by_client_and_system(tmp_path):
    rows = ["classes,client,seed,system,area,auroc"]
    for classes, client, seed in (("a/b", "old", 0), ("a/b", "old", 1), ("a/b", "new", 0)):
        rows += [f"{classes},{client},{seed},learning to help,{0.9 + seed / 100},0.8"]
        rows += [f"{classes},{client},{seed},confidence,0.8,{0.6 + seed / 10}"]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(rows))
    found = forecasts.pairs_of_classes("confidence", table=path, client="old")
    assert found.pairs == [("a", "b")]
    assert found.seeds.tolist() == [[pytest.approx(0.1), pytest.approx(0.11)]]
    assert found.auroc.tolist() == [pytest.approx(0.65)]


def test_a_forecast_does_not_see_its_own_task():
    by_task = results_of()
    effects, auroc = analysis.task_effects(by_task, "confidence"), analysis.property_values(by_task, "auroc")
    third = forecasts.forecasts_from_other_tasks(by_task)[2]
    others = [0, 1, 3, 4, 5]
    regression = random_effects(effects.estimates[others], effects.standard_errors[others], auroc[others])
    expected = regression.new_task_interval(auroc[2], standard_error=effects.standard_errors[2])
    assert (third.task, third.forecast, third.observed) == ("digits", expected, effects.estimates[2])
    assert forecasts.forecasts_from_other_tasks(results_of("wine", "digits", "segments", "gas_drift")) == []


def test_a_forecast_covers_what_lies_between_its_limits():
    interval = Interval(0.0, -0.1, 0.1)
    covered = [forecasts.TaskForecast("wine", interval, observed).covers for observed in (-0.11, -0.1, 0.05, 0.2)]
    assert covered == [False, True, True, False]


def test_the_table_of_forecasts_says_what_was_missed():
    by_task, pairs = results_of("wine", "digits", "segments", "gas_drift", "smartwatch"), pairs_of_letters()
    table = forecasts.forecast_table(by_task, pairs)
    from_pairs = {each.task: each.covers for each in forecasts.forecasts_from_pairs(by_task, pairs)}
    for task, row in table.iterrows():
        assert row["from pairs of CIFAR-10"].endswith("contains it" if from_pairs[task] else "misses it")
    few = forecasts.forecast_table(results_of("wine", "digits"), pairs)
    assert set(few["from the other tasks"]) == {"too few tasks"}
