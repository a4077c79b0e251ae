"""Forecast and observed gain over the client's confidence: bounds, their order, and the reasons where there is none."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.samples import many

from l2h.evaluation.forecast import class_pair_regression, forecast_gain
from l2h.problem import Costs
from l2h.serving.estimator import gain

COSTS = Costs(1.0, 0.1)


def unsure(n=400, seed=0, scale=1.0):
    """Predictions of a good rejector for a client whose scores say little of its errors."""
    generator = np.random.default_rng(seed)
    p = many(n, seed=seed)
    right = p.m == p.y
    return p, p.m * (np.abs(generator.normal(size=n)) + 0.1 * right) * scale


def test_the_forecast_is_the_one_before_training():
    p, scores = unsure()
    found = gain.gain_over_confidence(p, scores, costs=COSTS)
    by_confidence = replace(p, r=gain.label_probability(scores))
    assert found.forecast == forecast_gain(by_confidence, class_pair_regression(), costs=COSTS)
    other_rejector = gain.gain_over_confidence(replace(p, r=-p.r), scores, costs=COSTS)
    assert other_rejector.forecast == found.forecast and other_rejector.observed != found.observed


@pytest.mark.parametrize("seed", range(5))
def test_no_rejector_gains_more_than_the_oracle(seed):
    p, scores = unsure(seed=seed)
    found = gain.gain_over_confidence(p, scores, costs=COSTS)
    assert 0 < found.observed.estimate < found.forecast.largest_gain.estimate
    oracle = replace(p, r=(p.m == p.y).astype(float) - (np.sign(p.e) == p.y))
    best = gain.gain_over_confidence(oracle, scores, costs=COSTS)
    assert best.observed == found.forecast.largest_gain


def test_the_confidence_itself_gains_nothing():
    p, scores = unsure()
    found = gain.gain_over_confidence(replace(p, r=np.abs(scores)), scores, costs=COSTS)
    assert found.observed == (0, 0, 0)


def test_scores_that_float32_cannot_tell_from_certainty_keep_their_order():
    scores = np.float32([20.0, 25.0, -30.0])
    assert (np.diff(gain.label_probability(scores)) > 0).all()
    two = np.column_stack([np.zeros(3), scores]).astype(np.float32)
    assert gain.label_probability(two) == pytest.approx(gain.label_probability(scores))


def test_the_sentence_has_the_numbers_and_how_far_to_trust_them():
    p, scores = unsure()
    found = gain.gain_over_confidence(p, scores, costs=COSTS)
    assert found.sentence.startswith(found.forecast.sentence)
    assert f"The rejector gained {found.observed.estimate:.3f} [" in found.sentence
    assert "of 9 tasks on other data, 6 had a gain within such an interval" in found.sentence
    assert set(found.figures.values()) == {
        found.forecast.largest_gain,
        found.forecast.largest_loss_reduction,
        found.forecast.expected_gain,
        found.observed,
    }


def test_an_auroc_beyond_those_of_the_tasks_is_named():
    p, scores = unsure()
    inside = gain.gain_over_confidence(p, scores, costs=COSTS)
    assert 0.53 < inside.forecast.properties.auroc < 0.77 and "which lie between" not in inside.sentence
    outside = gain.gain_over_confidence(p, p.m * np.where(p.m == p.y, 2.0, 1.0), costs=COSTS)
    assert outside.forecast.properties.auroc == 1.0
    assert "their AUROCs, which lie between 0.53 and 0.77 there;" in outside.sentence


def test_without_probabilities_or_errors_the_reason_is_given():
    p, scores = unsure()
    labels_only = gain.gain_over_confidence(p, None, costs=COSTS)
    assert labels_only.figures == {} and "because the client gives labels only" in labels_only.sentence
    right, wrong = (gain.gain_over_confidence(replace(p, m=m), scores, costs=COSTS) for m in (p.y, -p.y))
    assert "the client is right on all" in right.sentence and "the client is wrong on all" in wrong.sentence
