"""Each verdict of each rule, on synthetic evidence."""

from types import SimpleNamespace

import pytest

from companion.claims.evidence import Evidence
from companion.claims.verdicts import (
    VERDICTS,
    ClaimRule,
    case_note,
    case_verdict,
    claim_verdict,
    interval_verdict,
    missing_evidence,
)
from l2h.evaluation.intervals import Interval

YES, NO, WIDE, NONE = Evidence(0.1, 0.05, 0.2), Evidence(-0.1, -0.2, -0.05), Evidence(0, -1, 1), Evidence.absent("no")
BROKEN = Evidence.exact(-1, counterexample={"p": "1/2"})
POSITIVE, USEFUL = {"above": 0}, {"above": 0, "margin": 0.01}


def measured(low, high, *, equivalence=None, **fields):
    """Evidence between limits, with the middle nine tenths for equivalence if none are given."""
    middle, half = (low + high) / 2, 0.45 * (high - low)
    narrow = equivalence or (middle - half, middle + half)
    return Evidence(middle, low, high, equivalence_low=narrow[0], equivalence_high=narrow[1], **fields)


SMALL, FAILS_BY_LITTLE = measured(-0.005, 0.006), measured(-0.008, -0.001)
FAILS, HELPS, UNCLEAR = measured(-0.08, -0.03), measured(0.02, 0.05), measured(-0.005, 0.02)


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
    useful = ClaimRule("holds", {"holds": USEFUL}, "", "")
    assert reached | {claim_verdict(useful, {"holds": SMALL})} == set(VERDICTS)


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


def test_a_rule_in_words():
    cases = {"a": {"above": 0}, "b": {"below": 1}, "c": {"above": -0.05, "below": 0.05}, "d": {"proved": True}}
    assert ClaimRule("conditions", cases, "", "").text() == "a > 0; b < 1; c in (-0.05, 0.05); d: proved"
    assert ClaimRule("holds", {"holds": {"proved": True}}, "", "").text() == "proved"
    assert ClaimRule("holds", {"holds": {"above": 0.5}}, "", "").text() == "> 0.5"
    assert ClaimRule("holds", {"holds": {"below": 0, "margin": 0.01}}, "", "").text() == "< 0 (margin 0.01)"
    single = ClaimRule("holds", {"holds": {"predicts": 0, "within": 0.15}}, "", "")
    assert single.text() == "0 in a prediction interval of half-width <= 0.15"


@pytest.mark.parametrize(
    ("low", "high", "equivalence", "bounds", "verdict"),
    [
        (0.001, 0.005, (0.002, 0.004), {"above": 0, "margin": 0.01}, "reproduced"),
        (-0.005, -0.001, (-0.004, -0.002), {"above": 0, "margin": 0.01}, "not reproduced"),
        (-0.005, 0.005, (-0.004, 0.004), {"above": 0, "margin": 0.01}, "no effect of the stated size"),
        (-0.012, 0.005, (-0.009, 0.003), {"above": 0, "margin": 0.01}, "no effect of the stated size"),
        (-0.012, 0.005, (-0.01, 0.003), {"above": 0, "margin": 0.01}, "inconclusive"),
        (-0.005, 0.012, (-0.003, 0.01), {"above": 0, "margin": 0.01}, "inconclusive"),
        (-0.005, 0.005, (-0.004, 0.004), {"above": 0}, "inconclusive"),
        (-0.005, 0.005, (-0.004, 0.004), {"below": 0, "margin": 0.01}, "no effect of the stated size"),
        (-0.005, -0.001, (-0.004, -0.002), {"below": 0, "margin": 0.01}, "reproduced"),
        (0.48, 0.52, (0.49, 0.51), {"below": 0.5, "margin": 0.02}, "no effect of the stated size"),
        (0.48, 0.52, (0.49, 0.51), {"below": 0.5, "margin": 0.01}, "inconclusive"),
        (0.0, 0.0, None, {"above": 0, "margin": 0.01}, "not reproduced"),
    ],
)
def test_a_margin_tells_no_effect_from_an_interval_that_is_too_wide(low, high, equivalence, bounds, verdict):
    assert case_verdict(measured(low, high, equivalence=equivalence), bounds) == verdict


@pytest.mark.parametrize(
    ("cases", "word"),
    [
        ((SMALL, SMALL), "no effect of the stated size"),
        ((HELPS, SMALL), "holds only under a condition"),
        ((HELPS, SMALL, UNCLEAR), "holds only under a condition"),
        ((HELPS, UNCLEAR), "inconclusive"),
        ((SMALL, FAILS_BY_LITTLE), "no effect of the stated size"),
        ((SMALL, FAILS), "not reproduced"),
        ((SMALL, FAILS, FAILS_BY_LITTLE), "not reproduced"),
        ((FAILS_BY_LITTLE, FAILS_BY_LITTLE), "not reproduced"),
        ((SMALL, UNCLEAR), "inconclusive"),
        ((FAILS, UNCLEAR), "not reproduced"),
        ((SMALL, FAILS, UNCLEAR), "not reproduced"),
        ((SMALL, NONE), "inconclusive"),
    ],
)
def test_several_conditions_with_a_margin(cases, word):
    names = [f"case {number}" for number in range(len(cases))]
    rule = ClaimRule("conditions", dict.fromkeys(names, USEFUL), "gain", "none")
    assert claim_verdict(rule, dict(zip(names, cases, strict=True))) == word


def test_a_margin_needs_limits_for_equivalence():
    assert missing_evidence(WIDE, POSITIVE) is None and missing_evidence(NONE, USEFUL) is None
    with pytest.raises(
        ValueError, match="expected evidence with the limits for equivalence, which a rule with a margin"
    ):
        case_verdict(WIDE, USEFUL)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.05, 0.1, "reproduced"),
        (0.0, 0.1, "reproduced"),
        (0.01, 0.1, "not reproduced"),
        (-0.1, -0.01, "not reproduced"),
        (-0.15, 0.15, "reproduced"),
        (-0.2, 0.15, "inconclusive"),
        (0.01, 0.9, "not reproduced"),
    ],
)
def test_a_single_result_lies_in_the_prediction_interval_of_a_new_run(low, high, verdict):
    bounds = {"predicts": 0, "within": 0.15}
    assert case_verdict(Evidence((low + high) / 2, low, high, units="seeds"), bounds) == verdict
    with pytest.raises(ValueError, match="expected evidence with the units of a prediction interval"):
        case_verdict(Evidence((low + high) / 2, low, high), bounds)


def test_a_note_says_that_an_effect_is_negligible_whatever_its_verdict():
    assert [case_note(item, USEFUL) for item in (SMALL, FAILS_BY_LITTLE)] == ["smaller than 0.01"] * 2
    assert [case_note(item, USEFUL) for item in (FAILS, HELPS, UNCLEAR, NONE)] == [""] * 4
    assert case_note(measured(0.49, 0.51), {"below": 0.5, "margin": 0.02}) == "less than 0.02 from 0.5"


def test_a_note_says_what_would_settle_an_inconclusive_case():
    settled = measured(-0.005, 0.02, units="pairs of classes", settled_by=60)
    assert case_note(settled, USEFUL) == "about 60 pairs of classes would settle it"
    assert case_note(measured(-0.005, 0.02, units="seeds"), USEFUL) == "ten times as many seeds would not settle it"
    assert case_note(measured(0.02, 0.05, units="seeds", settled_by=9), USEFUL) == ""
