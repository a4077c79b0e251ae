"""Summaries of runs: predictions by seed, tuned thresholds, formatted means, and bands over seeds."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.samples import sample_runs

from companion.chapters.summaries import (
    COVERAGE_GRID,
    SweptRuns,
    accuracy_bands,
    format_mean,
    further_runs,
    metric_band,
    predictions_by_seed,
)
from l2h.evaluation.comparisons import mean_interval
from l2h.evaluation.curves import accuracy_at_coverage
from l2h.evaluation.metrics import accuracy, correctness, offload_rate
from l2h.evaluation.thresholds import tuned_on_validation
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.sweep import over_seeds
from l2h.problem import Costs

CONFIG = ExperimentConfig("learning_to_help")
SPLITS = {"test": sample_runs(3, 100), "validation": sample_runs(3, 80)}


def result(seed):
    return SimpleNamespace(predictions=lambda split="test": SPLITS[split][seed])


RESULTS = {config: result(seed) for seed, config in enumerate(over_seeds(CONFIG, 3))}


@pytest.mark.parametrize(("seeds", "found"), [(2, 2), (3, 3), (5, 3)])
def test_predictions_come_by_seed_and_missing_seeds_are_left_out(seeds, found):
    predictions = predictions_by_seed(RESULTS, CONFIG, seeds=seeds, split="validation")
    assert predictions == SPLITS["validation"][:found]


def test_swept_runs_tune_thresholds_on_the_validation_split():
    runs, costs = SweptRuns(RESULTS, 3), Costs(c1=1.0, ce=0.1)
    expected = tuned_on_validation(SPLITS["validation"], SPLITS["test"], costs=costs)
    tuned = runs.tuned(CONFIG, costs=costs)
    for first, second in zip(tuned, expected, strict=True):
        np.testing.assert_array_equal(first.r, second.r)
    assert runs.predictions(CONFIG) == SPLITS["test"]


def test_further_runs_are_those_of_their_seeds():
    runs = SweptRuns({}, 3, first_seed=1)
    assert further_runs(runs, range(9, 11)) == SweptRuns({}, 2, first_seed=9)
    assert further_runs(runs, range(9, 9)) == runs, "without further seeds the first ones stand in"


def test_a_formatted_mean_has_its_interval():
    estimate, low, high = mean_interval(SPLITS["test"], correctness)
    assert format_mean(SPLITS["test"], correctness) == f"{estimate:.3f} [{low:.3f}, {high:.3f}]"


def test_a_band_has_one_mean_per_system():
    band = metric_band([SPLITS["test"], SPLITS["validation"]], offload_rate)
    means = [np.mean([offload_rate(p) for p in SPLITS[split]]) for split in ("test", "validation")]
    np.testing.assert_allclose(band.estimate, means)
    assert (band.low <= band.estimate).all() and (band.estimate <= band.high).all()


def test_accuracy_bands_are_means_at_each_coverage():
    (band,) = accuracy_bands({"system": SPLITS["test"]}).values()
    expected = np.mean([accuracy_at_coverage(p, COVERAGE_GRID) for p in SPLITS["test"]], axis=0)
    np.testing.assert_allclose(band.estimate, expected)
    assert band.estimate[-1] == pytest.approx(np.mean([(p.m == p.y).mean() for p in SPLITS["test"]]))
    assert accuracy(SPLITS["test"][0]) <= 1
