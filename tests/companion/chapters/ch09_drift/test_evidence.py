"""Evidence of chapter 09: complete for its claims, and computed as its rules say."""

from functools import partial

import numpy as np
import pytest
from helpers.drift import COSTS, toy_system
from hypothesis import given
from hypothesis import strategies as st

from companion.chapters.ch09_drift import analysis, evidence, experiments
from companion.chapters.ch09_drift.bounds import BoundCheck
from companion.chapters.ch09_drift.experiments import DependenceCheck
from companion.claims import registry
from l2h.drift.detectors import DETECTORS
from l2h.drift.streams import DRIFT_KINDS
from l2h.evaluation.intervals import Interval
from l2h.problem import Costs

GENERATOR = np.random.default_rng(0)
CLAIMS = registry.chapter_claims("09_drift")
by_seed = partial(evidence.evidence_by_seed, data="ab")


def assert_all_cases(found):
    assert {claim: set(cases) for claim, cases in found.items()} == {
        claim: set(CLAIMS[claim].rule.cases) for claim in found
    }


def test_every_claim_about_policies_gets_evidence_for_each_case():
    names = ["fixed", "budget", "experts"]
    names += [f"alarm {part}{end}" for part in ("r", "e", "r and e") for end in ("", ", retrained")]
    names += [f"{name}{end}" for name in ("re-estimated", "recalibrated") for end in ("", ", pseudo-labels")]
    losses = {
        (k, speed, n): GENERATOR.random(5) for k in DRIFT_KINDS for speed in experiments.CHANGE_SPEEDS for n in names
    }
    found = evidence.policy_evidence(losses, by_seed)
    assert_all_cases(found)
    better = found["drift-labels-beat-answers"]["recalibrated"]
    differences = [
        losses[k, "sudden", "recalibrated, pseudo-labels"] - losses[k, "sudden", "recalibrated"] for k in DRIFT_KINDS
    ]
    assert better.estimate == pytest.approx(np.mean(differences)) and better.seeds == 5 and better.data == "ab"
    alone = found["drift-server-alone"]["refitted"].estimate
    assert alone == pytest.approx(analysis.mean_loss_reduction(losses, "alarm e, retrained").mean())
    elsewhere = found["drift-remedies-help-elsewhere"]["budget"].estimate
    assert elsewhere == pytest.approx(analysis.reduction_without_strongest_change(losses, "budget").mean())


@given(st.integers(0, 1000), st.floats(0, 2))
def test_both_sides_of_the_pseudo_label_bias_agree(seed, c1):
    assert evidence.pseudo_label_bias_evidence([toy_system(seed % 3)], costs=Costs(c1, 0.1)).high < 1e-12


def test_detectors_are_judged_on_the_scores():
    found = {(signal, name): GENERATOR.random(3) for signal in ("r", "disagreement") for name in DETECTORS}
    rates = {source: Interval(1.0, 0.0, 2.0) for source in found}
    reductions = {(part, name): GENERATOR.random(3) for part in ("thresholds", "layers") for name in DETECTORS}
    handed_in = evidence.detector_evidence(found, rates, reductions, by_seed)
    assert_all_cases(handed_in)
    assert handed_in["drift-detectors-find"]["KSWIN"].estimate == pytest.approx(found["r", "KSWIN"].mean())
    assert handed_in["drift-triggers-help"]["ADWIN"].estimate == pytest.approx(reductions["layers", "ADWIN"].mean())


def test_dependent_inputs_give_evidence_of_the_interval_and_of_the_regret():
    checks = [DependenceCheck(0.1, share, {}, 0.05, 0.2) for share in (0.2, 0.4)]
    found = evidence.dependence_evidence(checks, by_seed)
    assert found["drift-dependence-breaks-concentration"].estimate == pytest.approx(0.3)
    assert found["drift-dependence-keeps-regret"].estimate == pytest.approx(0.15)


def test_corruption_is_compared_with_clean_images_and_a_new_threshold_with_the_old_one():
    systems = [toy_system(seed) for seed in range(3)]
    found = evidence.corruption_evidence(systems, "fog 4", costs=COSTS, data="ab")
    assert found["shift-costs-accuracy"].low > 0 and found["shift-costs-accuracy"].n == 200
    assert found["retuning-helps-under-shift"].n == 100 and found["retuning-helps-under-shift"].seeds == 3


def test_clients_that_were_not_run_are_absent():
    systems = [toy_system(seed) for seed in range(2)]
    tables = [system.tables for system in systems]
    drift_streams = experiments.sample_streams(tables[0], length=200, seeds=2)
    all_tables = {(method, "as_released"): tables for method in ("learning_to_help", "confidence")}
    found = evidence.against_confidence_evidence(all_tables, drift_streams, by_seed, costs=COSTS)
    assert found["as_released"].estimate == 0.0 and "not run" in found["well_trained"].reason
    assert set(found) == set(CLAIMS["drift-against-confidence"].rule.cases)


def test_proved_bounds_hand_in_their_violation_rates():
    checks = {name: BoundCheck(Interval(0.01, 0.0, 0.03), 0.1, 0.2) for name in (*evidence.PROVED_BOUNDS, "other")}
    found = evidence.bound_evidence(checks, n_samples=40)
    assert set(found) == set(CLAIMS["drift-shift-bounds"].rule.cases) and found["label-free"].n == 40
