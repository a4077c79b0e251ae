"""Every claim of the page gets evidence, from the sensors alone; and verdicts stand beside those on corruptions."""

import numpy as np
import pytest

from companion.chapters.ageing import analysis, evidence, settings
from companion.chapters.ageing.experiments import Regret
from companion.chapters.parameters import settings_for
from companion.claims import registry
from l2h.drift.detectors import DETECTORS

THEOREMS = {"ageing-regret", "ageing-pseudo-label-bias"}


@pytest.fixture(scope="module")
def differences(deployments, runs):
    losses, asked = analysis.loss_trajectories(deployments, runs), analysis.asked_trajectories(deployments, runs)
    return evidence.differences_by_claim(deployments, runs, losses, asked)


def claims_of(differences, readings):
    regrets = {name: [Regret(0.1, 0.5), Regret(0.2, 0.5)] for name in ("random order", "order of the source")}
    return evidence.claim_evidence(
        differences, regrets=regrets, false_alarms=dict.fromkeys(DETECTORS, 0), stationary_inputs=100_000,
        bias_error=0.0, readings=readings,
    )  # fmt: skip


@pytest.fixture
def of_sensors(aged):
    return aged._replace(facts={**aged.facts, "name": "gas_drift", "sha256": "ab"})


def test_the_claims_are_those_of_the_ledger_case_by_case(differences, of_sensors):
    claims = registry.chapter_claims("ageing")
    found = claims_of(differences, of_sensors)
    assert set(found) == set(claims)
    assert all(registry.evidence_by_case(claims[name], stated) for name, stated in found.items())


def test_the_stand_in_is_evidence_for_theorems_alone(differences, aged):
    found = claims_of(differences, aged)
    absent = {name for name, stated in found.items() if stated is evidence.NOT_AT_HAND}
    assert set(found) - absent == THEOREMS


def test_exact_claims_are_the_theorems():
    kinds = {name: claim.kind for name, claim in registry.chapter_claims("ageing").items()}
    assert {name for name, kind in kinds.items() if kind in registry.EXACT_KINDS} == THEOREMS


def test_differences_have_a_row_for_each_seed_and_a_column_for_each_aged_batch(differences):
    shapes = {
        values.shape for claim, cases in differences.items() for values in cases.values() if "elsewhere" not in claim
    }
    assert shapes == {(2, 4)}


def test_elsewhere_leaves_out_the_batch_of_the_largest_loss(differences, deployments, runs):
    fixed = analysis.loss_trajectories(deployments, runs).means("fixed").mean(axis=0)
    others = [column for column in range(4) if column != fixed.argmax()]
    helped, elsewhere = differences["ageing-policies-help"], differences["ageing-policies-help-elsewhere"]
    assert all(np.array_equal(elsewhere[name], helped[name][:, others]) for name in helped)


def test_limits_of_a_share_stay_in_the_unit_interval(differences, of_sensors):
    shares = {**differences, "ageing-guarantee-breaks": {"holds": np.array([[0.0, 1.0, 0, 0], [0, 1.0, 1.0, 0]])}}
    found = claims_of(shares, of_sensors)["ageing-guarantee-breaks"]["holds"]
    assert found.low == 0 and 0 <= found.equivalence_low <= found.equivalence_high <= found.high <= 1


def test_an_open_case_says_how_many_batches_would_settle_it(differences, of_sensors):
    def evidence_on(values):
        changed = {**differences, "ageing-refit-helps": {"holds": np.tile(values, (2, 1))}}
        return claims_of(changed, of_sensors)["ageing-refit-helps"]["holds"]

    values = np.array([0.09, -0.02, 0.08, 0.01])
    found = evidence_on(values)
    assert found.units == "batches" and found.low < 0 < found.estimate
    assert found.settled_by is not None and 4 < found.settled_by < 40
    assert evidence_on(np.tile(values, found.settled_by // 4 + 1)).low > 0


def test_with_fixed_batches_the_seeds_alone_vary(differences, of_sensors):
    values = np.array([[0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.1, 1.0]])
    changed = {**differences, "ageing-refit-helps": {"holds": values}}
    found = claims_of(changed, of_sensors)
    crossed, fixed = (one["ageing-refit-helps"]["holds"] for one in (found, evidence.on_these_batches(changed, found)))
    assert crossed.low < 0 < fixed.low and fixed.estimate == pytest.approx(crossed.estimate)


def test_verdicts_stand_beside_those_of_chapter_09(differences, of_sensors):
    table = evidence.beside_corruptions(
        settings_for("ageing", "quick"), claims_of(differences, of_sensors), differences
    )
    assert list(table.index) == list(settings.COUNTERPARTS)
    there = registry.chapter_claims("09_drift")
    expected = [there[name].verdict for name in settings.COUNTERPARTS.values()]
    assert table["corruptions (chapter 09)"].tolist() == expected


def test_without_sensors_there_is_no_verdict_on_their_batches(differences, aged):
    table = evidence.beside_corruptions(settings_for("ageing", "quick"), claims_of(differences, aged), differences)
    measured = table.drop(index=list(THEOREMS))
    assert set(measured.iloc[:, :2].to_numpy().ravel()) == {"not testable here"}


def test_every_counterpart_is_a_claim_of_chapter_09():
    assert set(settings.COUNTERPARTS) <= set(registry.chapter_claims("ageing"))
    assert set(settings.COUNTERPARTS.values()) <= set(registry.chapter_claims("09_drift"))
