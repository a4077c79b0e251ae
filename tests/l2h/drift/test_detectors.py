"""Detectors: quiet where nothing changes, loud where something does, and scored as said."""

import numpy as np
import pytest
from helpers.samples import many
from oracles import drift
from scipy.stats import ks_2samp, poisson

from l2h.drift import detectors
from l2h.evaluation import intervals
from l2h.problem import Predictions, asks

REFERENCE = np.random.default_rng(99).normal(3, 2, 500)


def signal(shift, *, seed=0, length=2000):
    values = np.random.default_rng(seed).normal(3, 2, length)
    values[length // 2 :] += 2 * shift
    return values


@pytest.mark.parametrize("name", detectors.DETECTORS)
def test_a_change_of_one_deviation_is_found_and_nothing_else(name):
    at = detectors.detector_alarms(signal(1.0), REFERENCE, detector=name)
    found = detectors.score_alarms(at, change=1000, length=2000, window=500)
    assert found.false_alarms == 0 and 0 <= found.delay < 200
    assert len(detectors.detector_alarms(signal(0.0), REFERENCE, detector=name)) == 0


@pytest.mark.parametrize("name", detectors.DETECTORS)
def test_alarms_do_not_depend_on_the_unit_and_repeat(name):
    one = detectors.detector_alarms(signal(1.0), REFERENCE, detector=name)
    other = detectors.detector_alarms(signal(1.0) * 8 - 1, REFERENCE * 8 - 1, detector=name)
    assert one.tolist() == other.tolist() == detectors.detector_alarms(signal(1.0), REFERENCE, detector=name).tolist()


def test_a_reference_that_does_not_vary_leaves_the_unit():
    steps = np.repeat([0.0, 1.0], 500)
    same = [
        detectors.detector_alarms(steps, reference, detector="ADWIN").tolist()
        for reference in (np.ones(4), np.array([1.0, -1.0]))
    ]
    assert same[0] == same[1] != []


@pytest.mark.parametrize("digits", [8, 0])  # without and with ties
@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_many_tests_at_once_raise_the_alarms_of_river(digits, shift):
    values = np.round(signal(shift, seed=3, length=900), digits)
    unit = (values - REFERENCE.mean()) / REFERENCE.std()
    expected, one = [], detectors.DETECTORS["KSWIN"](7)
    for step, value in enumerate(unit.tolist()):
        one.update(value)
        if one.drift_detected:
            expected.append(step)
            one = detectors.DETECTORS["KSWIN"](7 + len(expected))
    assert detectors.detector_alarms(values, REFERENCE, detector="KSWIN", seed=7).tolist() == expected
    assert bool(expected) == bool(shift)


def test_the_least_alarming_distance_is_the_least():
    first, second = np.random.default_rng(0).normal(size=(2, 40, 30)).round(1)
    gaps = detectors._ks_distances(first, second)
    assert gaps.tolist() == [round(30 * drift.largest_gap(*pair)) for pair in zip(first, second, strict=True)]
    critical = detectors._critical_distance(60, 1e-5)
    ranks = np.arange(60)
    p = [ks_2samp(ranks, ranks + k - 0.5).pvalue for k in (critical - 1, critical)]
    assert p[0] > 1e-5 >= p[1]
    assert detectors._critical_distance(5, 1e-9) == 6, "no distance alarms"


def test_a_detector_starts_afresh_after_an_alarm():
    twice = np.concatenate([signal(1.0), signal(-1.0, seed=1)[1000:]])
    at = detectors.detector_alarms(twice, REFERENCE, detector="ADWIN")
    assert len(at) >= 2 and at[0] < 2000 < at[-1]


def test_alarms_are_scored():
    score = detectors.score_alarms
    assert score(np.array([], dtype=int), change=10, length=10, window=1) == (
        0,
        10,
        pytest.approx(np.nan, nan_ok=True),
    )
    assert score(np.array([3, 9, 12, 15]), change=10, length=20, window=5) == (2, 10, 2.0)
    assert np.isnan(score(np.array([19]), change=10, length=20, window=5).delay)
    assert score(np.array([10]), change=10, length=20, window=5).delay == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: detectors.detector_alarms(np.zeros(3), REFERENCE, detector="dog"), "detector"),
        (lambda: detectors.detector_alarms(np.zeros((3, 1)), REFERENCE, detector="ADWIN"), "signal"),
        (lambda: detectors.detector_alarms(np.array([np.nan]), REFERENCE, detector="ADWIN"), "finite"),
        (lambda: detectors.detector_alarms(np.zeros(3), np.ones(0), detector="ADWIN"), "reference"),
        (lambda: detectors.score_alarms(np.array([]), change=-1, length=2, window=1), "change"),
        (lambda: detectors.score_alarms(np.array([]), change=3, length=2, window=1), "length"),
        (lambda: detectors.score_alarms(np.array([]), change=1, length=2, window=0), "window >= 1"),
        (lambda: detectors.detect(many(9), many(9), signal="smell", detector="ADWIN"), "signal"),
        (lambda: intervals.poisson_rate(-1, 10), "events"),
        (lambda: intervals.poisson_rate(1, 0), "steps"),
        (lambda: intervals.poisson_rate(1, 10, level=1.0), "1 - level"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("events", [0, 1, 7])
def test_the_limits_of_a_rate_are_those_at_which_the_count_is_just_rare(events):
    estimate, low, high = intervals.poisson_rate(events, 5000)
    assert estimate == 2 * events
    assert poisson.cdf(events, high / 2) == pytest.approx(0.025)
    assert events == low == 0 or poisson.sf(events - 1, low / 2) == pytest.approx(0.025)


def test_disagreement_is_known_for_sent_inputs_only():
    held_out, first, second = many(500, seed=1), many(3000, seed=2), many(3000, seed=3, client=0.2)
    join = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in "mey"}
    stream = Predictions(r=np.concatenate([first.r, first.r]), **join)
    at = detectors.detect(stream, held_out, signal="disagreement", detector="ADWIN")
    assert len(at) and asks(stream.r[at]).all() and 3000 <= at[0] < 4000
    assert len(detectors.detect(stream, held_out, signal="r", detector="ADWIN")) == 0
