"""Calibration: the error is counted by hand, and inputs that are no probabilities or outcomes are refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import theory

from l2h.evaluation import calibration

forecasts = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 1.0]), st.booleans()), min_size=1, max_size=12
)


@given(pairs=forecasts, bins=st.integers(1, 5))
def test_the_calibration_error_is_counted_by_hand_and_does_not_depend_on_the_order(pairs, bins):
    p, outcomes = (np.array(column) for column in zip(*pairs, strict=True))
    expected = theory.calibration_error(p.tolist(), outcomes.tolist(), bins)
    assert calibration.calibration_error(p, outcomes, bins=bins) == pytest.approx(expected, abs=1e-12)
    assert calibration.calibration_error(p[::-1], outcomes[::-1], bins=bins) == pytest.approx(expected, abs=1e-12)
    assert calibration.reliability(p, outcomes, bins=bins).n.sum() == len(p)


def test_there_must_be_a_bin():
    with pytest.raises(ValueError, match="bins >= 1"):
        calibration.reliability(np.array([0.5]), np.array([1]), bins=0)


def test_honest_probabilities_are_nearly_calibrated_and_others_are_not():
    generator = np.random.default_rng(0)
    p = generator.random(50_000)
    outcomes = generator.random(50_000) < p
    assert calibration.calibration_error(p, outcomes) < 0.01
    assert calibration.calibration_error(p**2, outcomes) > 0.1


@pytest.mark.parametrize("score", [calibration.reliability, calibration.calibration_error])
def test_what_is_no_forecast_is_refused(score):
    with pytest.raises(ValueError, match=r"p in \[0, 1\]"):
        score(np.array([1.5]), np.array([1]))
    with pytest.raises(ValueError, match="one length"):
        score(np.array([0.5]), np.array([1, 0]))
    with pytest.raises(ValueError, match="examples >= 1"):
        score(np.array([]), np.array([]))


def test_forecasts_of_8_bits_count_as_the_numbers_they_are():
    p, outcomes = np.array([0, 1, 0], np.uint8), np.array([1, 1, 0], np.uint8)
    assert calibration.calibration_error(p, outcomes) == pytest.approx(calibration.calibration_error(1.0 * p, outcomes))


@pytest.mark.parametrize("score", [calibration.reliability, calibration.calibration_error])
@pytest.mark.parametrize("wrong", [-1, 2, 0.5, np.nan])
def test_what_is_no_event_is_refused(score, wrong):
    with pytest.raises(ValueError, match=rf"outcomes in \{{0, 1\}}, got {wrong}"):
        score(np.array([0.1, 0.2]), np.array([1, wrong]))
