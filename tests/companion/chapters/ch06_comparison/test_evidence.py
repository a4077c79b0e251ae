"""Evidence of chapter 06 by setting, on twelve images whose answers are known."""

from fractions import Fraction

import numpy as np
import pytest
from helpers.samples import sample_runs

from companion.chapters.ch06_comparison import evidence
from companion.chapters.ch06_comparison.analysis import LEARNING_TO_HELP
from companion.chapters.ch06_comparison.specialist import (
    pair_of_least_error,
    pair_of_least_risk,
    servers_with_best_rejectors,
)
from companion.chapters.systems import ON_DEVICE_CLASSIFIER
from companion.claims import registry
from l2h.evaluation.intervals import Interval
from l2h.problem import Costs, Predictions

SETTINGS = ("as_released, easy pair", "well_trained, easy pair")
DATA = dict.fromkeys(SETTINGS, "abc")
COSTS = Costs(c1=1.0, ce=0.1)
Y = np.tile([-1, 1], 6)
N = len(Y)


def labels(*wrong):
    """Labels of the twelve images that are right but for these."""
    return np.where(np.isin(range(N), wrong), -Y, Y)


def two_seeds(r, *, client_errors=(0, 1), server_errors=(8, 9, 10)):
    return [Predictions(labels(*client_errors), np.asarray(r, float), labels(*server_errors), Y)] * 2


def asking(*images):
    return np.where(np.isin(range(N), images), -1, 1)


SYSTEMS = {  # the client errs on images 0 and 1
    LEARNING_TO_HELP: two_seeds(asking(0, 1, 2, 3)),
    "two-stage": two_seeds(asking(0, 1), server_errors=(0, 2, 3)),
    "confidence": two_seeds(np.zeros(N)),
    "L2H, estimated p": two_seeds(np.ones(N)),
    ON_DEVICE_CLASSIFIER: two_seeds(np.ones(N), client_errors=(4, 5, 6), server_errors=(4, 5, 6)),
}


def test_evidence_is_measured_in_every_setting_or_absent():
    intervals = {SETTINGS[0]: Interval(0.1, 0.0, 0.2), SETTINGS[1]: None}
    test = dict.fromkeys(SETTINGS, SYSTEMS)
    found = evidence.evidence_by_setting(intervals, test, data=DATA)
    assert list(found) == ["as_released, easy pair", "well_trained, easy pair", "lenet, easy pair",
                           "as_released, hard pair", "well_trained, hard pair", "lenet, hard pair"]  # fmt: skip
    measured = found.pop(SETTINGS[0])
    assert (measured.estimate, measured.low, measured.high) == (0.1, 0.0, 0.2)
    assert (measured.n, measured.seeds, measured.data) == (N, 2, "abc")
    assert {absent.reason for absent in found.values()} == {"not run at this profile"}
    assert evidence.setting_evidence(test, DATA)(intervals) == evidence.evidence_by_setting(intervals, test, data=DATA)


def test_a_function_gives_the_interval_of_each_setting():
    test = {SETTINGS[0]: SYSTEMS, SETTINGS[1]: {"confidence": SYSTEMS["confidence"]}}
    found = evidence.evidence_by_setting(
        lambda systems: Interval(0.5, 0.4, 0.6) if LEARNING_TO_HELP in systems else None, test, data=DATA
    )
    assert [item.estimate for item in found.values()] == [0.5, None, None, None, None, None]


def test_an_interval_of_a_setting_without_predictions_is_refused():
    with pytest.raises(KeyError, match="lenet, hard pair"):
        evidence.evidence_by_setting({"lenet, hard pair": Interval(0.1, 0.0, 0.2)}, {}, data=DATA)


def test_settings_are_the_cases_of_the_claims():
    rule = registry.chapter_claims("06_comparison")["beats-the-device-alone"].rule
    assert evidence.experimental_settings() == list(rule.cases)


def test_client_and_server_differ_on_kept_and_asked_images():
    # 4 images are asked: the joint server is right on all, the client on 2.
    assert evidence.difference_on_asked(SYSTEMS).estimate == pytest.approx(-0.5)
    assert evidence.difference_on_kept(SYSTEMS).estimate == pytest.approx(3 / 8)


def test_the_auroc_counts_ties_as_one_half():
    # Of 10 images on which the client is right, 8 are ranked above its errors and 2 tie with them.
    assert evidence.rejector_auroc(SYSTEMS).estimate == pytest.approx(0.9)
    assert evidence.rejector_auroc_gain(SYSTEMS).estimate == pytest.approx(0.4)


def test_the_loss_is_reduced_from_the_on_device_classifier():
    test = dict.fromkeys(SETTINGS, SYSTEMS)
    found = evidence.loss_reductions_from_on_device(test, test, costs=COSTS)
    assert list(found) == list(SETTINGS)
    assert found[SETTINGS[0]].estimate == pytest.approx(3 / 12 - 4 * 0.1 / 12)


def test_the_dependence_on_the_estimate_is_an_absolute_difference():
    found = evidence.dependence_on_error_estimate(SYSTEMS, costs=COSTS, data="abc")
    assert found.estimate == pytest.approx(2 / 12 - 4 * 0.1 / 12)
    assert (found.n, found.seeds, found.data) == (N, 2, "abc")


def test_the_gain_from_joint_training_is_exact():
    pairs = servers_with_best_rejectors(Fraction(1), Fraction(3, 20))
    found = evidence.gain_from_joint_training(pair_of_least_risk(pairs), pair_of_least_error(pairs))
    assert found.estimate == found.low == found.high == float(Fraction(11, 40) - Fraction(7, 80))


def test_the_learnt_ranking_gains_and_the_shuffled_one_does_not():
    found = evidence.ranking_evidence(sample_runs(3, 200), data="abc")
    learnt, shuffled = found.values()
    assert list(found) == ["learnt rejector gains", "shuffled rejector gains nothing"]
    assert learnt.low > 0 and shuffled.low < 0 < shuffled.high
    assert (learnt.n, learnt.seeds, learnt.data) == (200, 3, "abc")


def test_a_setting_without_a_system_is_refused():
    with pytest.raises(KeyError, match="confidence"):
        evidence.rejector_auroc_gain({LEARNING_TO_HELP: SYSTEMS[LEARNING_TO_HELP]})
