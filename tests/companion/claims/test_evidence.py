"""Each verdict of each rule, on synthetic evidence."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from companion.claims.evidence import (
    VERDICTS,
    ClaimRule,
    Evidence,
    case_verdict,
    claim_verdict,
    interval_verdict,
    min_evidence,
)
from l2h.evaluation.intervals import Interval

YES, NO, WIDE, NONE = Evidence(0.1, 0.05, 0.2), Evidence(-0.1, -0.2, -0.05), Evidence(0, -1, 1), Evidence.absent("no")
BROKEN = Evidence.exact(-1, counterexample={"p": "1/2"})
POSITIVE = {"above": 0}


@pytest.mark.parametrize(
    ("low", "high", "bounds", "verdict"),
    [
        (0.01, 0.05, {"above": 0}, "reproduced"),
        (-0.05, -0.01, {"above": 0}, "not reproduced"),
        (-0.01, 0.05, {"above": 0}, "inconclusive"),
        (0.0, 0.05, {"above": 0}, "inconclusive"),
        (0.0, 0.0, {"above": 0}, "not reproduced"),
        (0.1, 0.2, {"below": 0.3}, "reproduced"),
        (0.4, 0.5, {"below": 0.3}, "not reproduced"),
        (0.2, 0.5, {"below": 0.3}, "inconclusive"),
        (-0.01, 0.01, {"above": -0.02, "below": 0.02}, "reproduced"),
        (0.03, 0.04, {"above": -0.02, "below": 0.02}, "not reproduced"),
        (-0.04, -0.03, {"above": -0.02, "below": 0.02}, "not reproduced"),
        (-0.03, 0.03, {"above": -0.02, "below": 0.02}, "inconclusive"),
    ],
)
def test_the_interval_decides(low, high, bounds, verdict):
    assert interval_verdict(Interval((low + high) / 2, low, high), **bounds) == verdict
    assert verdict in VERDICTS


def test_no_bound_and_no_interval_are_refused():
    with pytest.raises(ValueError, match="a bound"):
        interval_verdict(Interval(0.0, -1.0, 1.0))
    with pytest.raises(ValueError, match="high"):
        interval_verdict(Interval(float("nan"), float("nan"), float("nan")), above=0)


@pytest.mark.parametrize(
    ("evidence", "word"),
    [(YES, "reproduced"), (NO, "not reproduced"), (WIDE, "inconclusive"), (NONE, "not testable here")],
)
def test_one_case(evidence, word):
    assert claim_verdict(ClaimRule("holds", {"holds": POSITIVE}, "gain", "none"), {"holds": evidence}) == word


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        (YES, YES, "reproduced"),
        (YES, NO, "holds only under a condition"),
        (NO, YES, "holds only under a condition"),
        (NO, NO, "not reproduced"),
        (WIDE, WIDE, "inconclusive"),
        (YES, WIDE, "inconclusive"),
        (NO, WIDE, "not reproduced"),
        (NONE, NONE, "not testable here"),
        (YES, NONE, "inconclusive"),
        (NO, NONE, "not reproduced"),
        (WIDE, NONE, "inconclusive"),
    ],
)
def test_several_conditions(first, second, word):
    rule = ClaimRule("conditions", {"a": POSITIVE, "b": POSITIVE}, "gain", "none")
    assert claim_verdict(rule, {"a": first, "b": second}) == word


def test_a_case_that_holds_and_one_that_fails_decide_whatever_a_third_is():
    rule = ClaimRule("conditions", dict.fromkeys("abc", POSITIVE), "gain", "none")
    assert claim_verdict(rule, {"a": YES, "b": WIDE, "c": NO}) == "holds only under a condition"


@pytest.mark.parametrize(
    ("stated", "corrected", "word"),
    [
        (YES, NO, "reproduced"),
        (YES, YES, "reproduced"),
        (NO, YES, "reproduced with a correction"),
        (BROKEN, YES, "reproduced with a correction"),
        (BROKEN, NO, "false"),
        (BROKEN, None, "false"),
        (NO, NO, "not reproduced"),
        (NO, None, "not reproduced"),
        (WIDE, YES, "inconclusive"),
        (BROKEN, WIDE, "inconclusive"),
        (BROKEN, NONE, "inconclusive"),
        (NONE, YES, "not testable here"),
    ],
)
def test_a_theorem(stated, corrected, word):
    cases = {"stated": stated} | ({} if corrected is None else {"corrected": corrected})
    assert claim_verdict(ClaimRule("theorem", dict.fromkeys(cases, POSITIVE), "gain", "none"), cases) == word


def test_what_cannot_be_tested_needs_no_evidence():
    assert claim_verdict(ClaimRule("absent", {}, "x", "x", reason="no device"), {}) == "not testable here"


def test_every_verdict_is_reached_by_some_rule():
    rules = [("holds", {"holds": POSITIVE}), ("conditions", {"a": POSITIVE, "b": POSITIVE})]
    rules += [("theorem", {"stated": POSITIVE, "corrected": POSITIVE})]
    kinds = (YES, NO, WIDE, NONE, BROKEN)
    reached = {
        claim_verdict(ClaimRule(form, cases, "", ""), dict(zip(cases, (one, other), strict=False)))
        for form, cases in rules
        for one in kinds
        for other in kinds
    }
    assert reached == set(VERDICTS)


def test_a_provers_word_is_a_number():
    words = {"proved": "reproduced", "refuted": "not reproduced", "undecided": "inconclusive"}
    for word, expected in words.items():
        certificate = SimpleNamespace(verdict=word, counterexample={"p": 0.5} if word == "refuted" else None)
        assert case_verdict(Evidence.certified(certificate), {"proved": True}) == expected
    assert Evidence.certified(SimpleNamespace(verdict="refuted", counterexample={"p": 2})).text() == "refuted at p = 2"


def test_evidence_for_other_cases_is_refused():
    rule = ClaimRule("conditions", {"a": POSITIVE, "b": POSITIVE}, "gain", "none")
    with pytest.raises(ValueError, match="expected evidence for a, b, got it for a"):
        claim_verdict(rule, {"a": YES})
    with pytest.raises(ValueError, match="got it for none"):
        claim_verdict(rule, {})


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((0.1, math.nan, 0.2), "expected a finite low, got nan; Evidence.absent says why"),
        ((0.1, 0.0, math.inf), "expected a finite high, got inf"),
        ((0.1, 0.2, 0.1), "expected a finite high >= 0.2, got 0.1"),
        ((0.1,), "expected an estimate with its limits, or Evidence.absent"),
        ((), "expected an estimate with its limits"),
    ],
)
def test_evidence_is_numbers_or_a_reason(numbers, message):
    with pytest.raises(ValueError, match=message):
        Evidence(*numbers)


def test_a_measured_interval_counts_seeds_and_examples():
    runs = [SimpleNamespace(y=np.ones(7))] * 3
    assert Evidence.measured(lambda one, other: (0.5, 0.4, 0.6), runs, runs, data="ab") == Evidence(
        0.5, 0.4, 0.6, n=7, seeds=3, data="ab"
    )
    assert Evidence.measured(lambda one, other: 1 / 0, runs, []).reason == "not run at this profile"
    assert Evidence.measured(lambda one: (math.nan, 0, 1), runs).reason == "there is no such example"


def test_evidence_survives_storage():
    rich = Evidence(
        np.float32(0.5), np.float64(0.25), 1, n=np.int64(7), seeds=3, data="ab", counterexample={"p": np.float64(0.5)}
    )
    for one in (rich, YES, NONE, BROKEN):
        assert Evidence(**one.as_json()) == one
    assert {type(value) for value in rich.as_json().values()} == {float, int, str, dict}


def test_evidence_in_words():
    assert Evidence(0.5, 0.4, 0.6, n=7, seeds=1).text() == "0.5 [0.4, 0.6], n = 7, 1 seed"
    assert Evidence(0.5, 0.4, 0.6, seeds=2).text() == "0.5 [0.4, 0.6], 2 seeds"
    assert Evidence.exact(0.25, counterexample={"p": 1}).text() == "0.25 at p = 1"


def test_a_rule_in_words():
    cases = {"a": {"above": 0}, "b": {"below": 1}, "c": {"above": -0.05, "below": 0.05}, "d": {"proved": True}}
    assert ClaimRule("conditions", cases, "", "").text() == "a > 0; b < 1; c in (-0.05, 0.05); d: proved"
    assert ClaimRule("holds", {"holds": {"proved": True}}, "", "").text() == "proved"
    assert ClaimRule("holds", {"holds": {"above": 0.5}}, "", "").text() == "> 0.5"


def test_the_least_of_several_has_the_least_limits():
    found = [Evidence(0.3, 0.1, 0.4, n=7), Evidence(0.2, 0.15, 0.6), Evidence(0.5, -0.2, 0.9)]
    assert min_evidence(found) == Evidence(0.2, -0.2, 0.4, n=7)
    with pytest.raises(ValueError, match="at least one"):
        min_evidence([])
