"""What is read from the games of chapter 09: savings, intervals that hold together, and the evidence for claims."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student
from test_designs_drift import RULES, toy

from companion.chapters.ch09_drift import analysis, experiments
from companion.claims import registry
from l2h.drift import streams
from l2h.drift.policies import EpisodeResult
from l2h.drift.streams import Stream
from l2h.problem import Costs

GENERATOR = np.random.default_rng(0)


def outcome(loss):
    loss = np.asarray(loss, dtype=float)
    return EpisodeResult(loss, loss > 1, loss > 1, loss, loss)


def lost_by(names, ways=experiments.CHANGE_SPEEDS, seeds=5):
    return {(k, w, n): GENERATOR.random(seeds) for k in streams.DRIFT_KINDS for w in ways for n in names}


def test_losses_count_from_the_change_on():
    course = Stream(np.array(["clean"] * 4), np.zeros(4, dtype=int), 1)
    found = analysis.losses_after_change(
        {("fog", "at once"): {"fixed": [outcome([9, 1, 2, 3])]}}, {("fog", "at once"): [course]}
    )
    assert {place: value.tolist() for place, value in found.items()} == {("fog", "at once", "fixed"): [2.0]}


def test_what_is_saved_is_averaged_over_kinds_seed_by_seed():
    lost = lost_by(["fixed", "x", "z"])
    expected = np.mean([lost[k, "by degrees", "fixed"] - lost[k, "by degrees", "x"] for k in ("fog", "jpeg")], axis=0)
    np.testing.assert_allclose(analysis.mean_loss_reduction(lost, "x", "by degrees", ["fog", "jpeg"]), expected)
    np.testing.assert_allclose(
        analysis.mean_loss_reduction(lost, "x", baseline="z"),
        np.mean([lost[k, "at once", "z"] - lost[k, "at once", "x"] for k in streams.DRIFT_KINDS], axis=0),
    )


@pytest.mark.parametrize("count", [1, 60])
def test_intervals_are_student_s_each_at_its_share_of_the_level(count):
    values = {name: GENERATOR.normal(size=5) for name in range(count)}
    for name, interval in analysis.simultaneous_intervals(values).items():
        half = student.ppf(1 - 0.025 / count, 4) * values[name].std(ddof=1) / np.sqrt(5)
        np.testing.assert_allclose(interval, [values[name].mean() + k * half for k in (0, -1, 1)])


def test_intervals_hold_together_as_often_as_they_say():
    generator, all_cover = np.random.default_rng(1), []
    for _ in range(400):
        values = {k: generator.normal(size=(5, 3)) @ generator.normal(size=3) for k in range(12)}
        all_cover.append(all(i.low <= 0 <= i.high for i in analysis.simultaneous_intervals(values).values()))
    assert 0.92 <= np.mean(all_cover) <= 0.99


def test_savings_leave_out_what_was_not_played():
    lost = lost_by(["fixed", "x"]) | {("fog", "by degrees", "z"): np.ones(5)}
    columns = {"all": ("at once", streams.DRIFT_KINDS), "fog": ("by degrees", ["fog"])}
    found = analysis.loss_reductions(lost, ["x", "z"], columns)
    assert set(found) == {("all", "x"), ("fog", "x"), ("fog", "z")}
    assert found["fog", "z"].estimate == pytest.approx((lost["fog", "by degrees", "fixed"] - 1).mean())


def test_every_claim_about_remedies_gets_evidence_for_each_case():
    ends = ("", ", refitted")
    names = ["fixed", "budget", "experts", *(f"alarm {w}{end}" for w in ("r", "e", "r and e") for end in ends)]
    names += [f"{name}{end}" for name in ("re-estimated", "recalibrated") for end in ("", ", from answers")]
    lost = lost_by(names)
    found = analysis.policy_evidence(lost, partial(analysis.evidence_by_seed, data="ab"))
    known = registry.chapter_claims("09_drift")
    assert {name: set(cases) for name, cases in found.items()} == {name: set(known[name].rule.cases) for name in found}
    better = found["drift-labels-beat-answers"]["recalibrated"]
    apart = [
        lost[k, "at once", "recalibrated, from answers"] - lost[k, "at once", "recalibrated"]
        for k in streams.DRIFT_KINDS
    ]
    assert better.estimate == pytest.approx(np.mean(apart)) and better.seeds == 5 and better.data == "ab"
    alone = found["drift-server-alone"]["refitted"].estimate
    assert alone == pytest.approx(analysis.mean_loss_reduction(lost, "alarm e, refitted").mean())


@given(st.integers(0, 1000), st.floats(0, 2))
def test_both_sides_of_what_answers_overrate_are_one(seed, c1):
    assert analysis.pseudo_label_bias_evidence([toy(seed % 3)], costs=Costs(c1, 0.1)).high < 1e-12


def test_each_detector_s_alarms_are_put_to_both_uses():
    several = [toy(seed) for seed in range(2)]
    courses = experiments.sample_streams(several[0].tables, length=600, seeds=2)
    kinds = ("fog", "blur")
    played = {(k, "at once"): experiments.run_policies(several, courses[k, "at once"], **RULES) for k in kinds}
    lost = analysis.losses_after_change(played, courses)
    none, some = np.array([], dtype=int), np.array([310])
    heard = {"deaf": {k: [none] * 2 for k in kinds}, "quick": {k: [some] * 2 for k in kinds}}
    table, values = analysis.detector_table(several, courses, heard, lost, **RULES)
    assert list(table.index) == [("r", "deaf"), ("r", "quick")]
    assert (values["layers", "deaf"] == 0).all() and (values["thresholds", "quick"] != 0).all()
    assert table.loc[("r", "deaf"), "labelled"] == 0 and table.loc[("r", "quick"), "labelled"] == pytest.approx(
        1 / 3, abs=0.001
    )
    found = experiments.run_alarm_policies(several, courses["fog", "at once"], [some] * 2, **RULES)["alarm r and e"]
    other = experiments.run_alarm_policies(several, courses["blur", "at once"], [some] * 2, **RULES)["alarm r and e"]
    after = [[o.loss[300:].mean() for o in pair] for pair in (found, other)]
    fixed = [lost[k, "at once", "fixed"] for k in kinds]
    np.testing.assert_allclose(values["thresholds", "quick"], np.mean(np.subtract(fixed, after), axis=0))


def test_delays_are_told_as_a_range():
    assert analysis.format_range(np.array([[np.nan, 40.0], [10.0, 20.0]])) == "20 [10, 40]"
    assert analysis.format_range(np.array([np.nan])) == "none"
