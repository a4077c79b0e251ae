"""What a rejector can gain, against enumeration of all rejectors on a few examples."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest

from l2h.evaluation.curves import accuracy_coverage_curve, area_under_curve
from l2h.evaluation.forecast import (
    class_pair_regression,
    client_properties,
    forecast_gain,
    largest_gain,
    largest_loss_reduction,
    observed_gain,
)
from l2h.evaluation.metrics import system_loss
from l2h.evaluation.random_effects import random_effects
from l2h.problem import Costs, Predictions

COSTS = Costs(c1=1.0, ce=0.25)


def sample(n=6, seed=0):
    """Client, server and confidence of n examples."""
    random = np.random.default_rng(seed)
    signs = [2 * random.integers(0, 2, n) - 1 for _ in range(3)]
    return Predictions(m=signs[0], r=random.uniform(0.5, 1, n), e=signs[1].astype(float), y=signs[2])


@pytest.mark.parametrize("seed", range(5))
def test_no_order_of_the_examples_has_more_area_than_the_oracle(seed):
    predictions = sample(seed=seed)
    orders = (replace(predictions, r=np.array(order, float)) for order in permutations(range(6)))
    best = max(area_under_curve(accuracy_coverage_curve(each)) for each in orders)
    gain = largest_gain(predictions).estimate
    assert gain == pytest.approx(best - area_under_curve(accuracy_coverage_curve(predictions)))


@pytest.mark.parametrize("seed", range(5))
def test_no_decision_has_a_smaller_loss_than_the_oracle(seed):
    predictions = sample(seed=seed)
    decisions = (replace(predictions, r=np.array(signs)) for signs in product((-1.0, 1.0), repeat=6))
    least = min(system_loss(each, costs=COSTS) for each in decisions)
    thresholds = [-1.0, *predictions.r]
    chow = min(system_loss(replace(predictions, r=predictions.r - each), costs=COSTS) for each in thresholds)
    assert largest_loss_reduction(predictions, costs=COSTS).estimate == pytest.approx(chow - least)


@pytest.mark.parametrize("seed", range(5))
def test_the_observed_gain_is_the_difference_of_the_areas_and_never_the_largest(seed):
    by_confidence, rejector = sample(50, seed), np.random.default_rng(seed + 99).normal(size=50)
    predictions = replace(by_confidence, r=rejector)
    areas = [area_under_curve(accuracy_coverage_curve(each)) for each in (predictions, by_confidence)]
    gain = observed_gain(predictions, by_confidence.r)
    assert gain.estimate == pytest.approx(areas[0] - areas[1])
    assert gain.low < gain.estimate < gain.high and gain.estimate < largest_gain(by_confidence).estimate


def test_the_cited_tasks_are_all_pairs_of_ten_classes():
    regression = class_pair_regression()
    assert len(regression.estimates) == 45
    assert regression.slope_interval().high < 0  # the better the confidence, the less is left to gain


def test_properties_of_a_client():
    p = Predictions(
        m=np.array([1, 1, -1, -1]), r=np.array([0.9, 0.6, 0.8, 0.7]), e=np.ones(4), y=np.array([1, -1, -1, 1])
    )
    properties = client_properties(p)
    assert (properties.n, properties.client_accuracy, properties.server_accuracy) == (4, 0.5, 0.5)
    assert (properties.auroc, properties.server_lead) == (1.0, 0.0)
    assert properties.calibration_error == pytest.approx((0.1 + 0.2 + 0.6 + 0.7) / 4)


def test_a_forecast_states_the_limits_and_the_expected_gain():
    regression = random_effects([0.05, 0.03, 0.02, 0.0, 0.01], [0.01] * 5, [0.5, 0.6, 0.7, 0.8, 0.75])
    predictions = sample(200)
    forecast = forecast_gain(predictions, regression, costs=COSTS)
    assert forecast.expected_gain == regression.new_task_interval(forecast.properties.auroc)
    assert forecast.largest_gain == largest_gain(predictions)
    narrower = forecast_gain(predictions, regression, costs=COSTS, level=0.5)
    assert narrower.largest_gain == largest_gain(predictions, level=0.5)
    assert narrower.largest_loss_reduction == largest_loss_reduction(predictions, costs=COSTS, level=0.5)
    assert narrower.expected_gain == regression.new_task_interval(forecast.properties.auroc, level=0.5)
    assert "On 200 examples" in forecast.sentence and f"{forecast.properties.auroc:.3f}" in forecast.sentence


def test_scores_that_are_no_probabilities_are_refused():
    regression = random_effects([0.05, 0.03, 0.02, 0.0], [0.01] * 4, [0.5, 0.6, 0.7, 0.8])
    with pytest.raises(ValueError, match=r"expected p in \[0, 1\]|probabilit"):
        forecast_gain(replace(sample(), r=np.arange(6.0)), regression, costs=COSTS)
