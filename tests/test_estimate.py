"""Estimates from calibration data."""

import numpy as np
import pytest
import torch
from scipy.special import expit

from l2h import estimate


def test_temperature_recovers_the_scale_of_overconfident_scores():
    random = np.random.default_rng(0)
    logit = random.normal(0, 2, 40_000)
    y = np.where(random.random(40_000) < expit(logit), 1, -1)
    found = estimate.temperature(torch.tensor(3 * logit), torch.tensor(y))
    assert found == pytest.approx(3, rel=0.05)


def test_temperature_of_a_classifier_without_mistakes_is_as_cold_as_allowed():
    y = torch.tensor([1, -1, 1])
    assert estimate.temperature(y * 2.0, y) < 0.05


def test_the_error_rate_counts():
    assert estimate.error_rate(torch.tensor([1, -1, 1]), torch.tensor([1, 1, -1])) == 2 / 3


@pytest.mark.parametrize("function", [estimate.error_rate, estimate.temperature])
def test_lengths_must_agree(function):
    with pytest.raises(ValueError, match="one length"):
        function(torch.zeros(2), torch.ones(3))


def test_an_empty_part_has_no_error_rate():
    with pytest.raises(ValueError, match="at least one example"):
        estimate.error_rate(torch.zeros(0), torch.zeros(0))


def test_bad_labels_and_scores_have_no_temperature():
    with pytest.raises(ValueError, match=r"y in \{-1, \+1\}"):
        estimate.temperature(torch.zeros(2), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="finite score"):
        estimate.temperature(torch.tensor([0.0, float("nan")]), torch.tensor([1, 1]))
