"""The rules of claims, and the verdicts that follow from rule and evidence.

A rule is fixed before the claim's first run. A verdict is computed from the evidence alone, and never stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from companion.claims.evidence import Evidence
from l2h import checks

VERDICTS = (
    "reproduced",
    "reproduced with a correction",
    "holds only under a condition",
    "not reproduced",
    "no effect of the stated size",
    "false",
    "inconclusive",
    "not testable here",
)
REPRODUCED, NOT_REPRODUCED, NO_EFFECT, INCONCLUSIVE, NOT_TESTABLE = (
    "reproduced",
    "not reproduced",
    "no effect of the stated size",
    "inconclusive",
    "not testable here",
)  # of one case
PROOF_REQUIRED = "proved"  # the bounds of a case that a prover decides
MARGIN, PREDICTS, WITHIN = "margin", "predicts", "within"  # of a rule's bounds, beside "above" and "below"
RULE_FORMS = ("holds", "conditions", "theorem", "absent")
SINGLE_CASE = "holds"  # the name of the only case of a rule that has one


class IntervalLike(Protocol):
    """Anything with an estimate between its limits, as `intervals.Interval`."""

    @property
    def low(self) -> Any:
        """The lower limit."""

    @property
    def high(self) -> Any:
        """The upper limit."""


def interval_verdict(interval: IntervalLike, *, above: float | None = None, below: float | None = None) -> str:
    """The verdict on a claim that a quantity lies above, or below, a bound, or between the two.

    The claim is reproduced if the whole interval lies on its side, not reproduced if the whole interval lies on the
    other side, and inconclusive otherwise.

    Args:
        interval: of the quantity.
        above: bound that the quantity is claimed to exceed.
        below: bound that the quantity is claimed to stay under.

    Returns:
        One of VERDICTS.

    Raises:
        ValueError: if there is no bound, or the interval is not finite.

    >>> interval_verdict(Evidence(0.04, 0.01, 0.07), above=0), interval_verdict(Evidence(0.04, -0.01, 0.09), above=0)
    ('reproduced', 'inconclusive')
    >>> interval_verdict(Evidence(0.04, 0.03, 0.05), above=-0.02, below=0.02)
    'not reproduced'
    """
    if above is None and below is None:
        raise ValueError("expected a bound: above, below or both, got none")
    low, high = float(interval.low), float(interval.high)
    checks.at_least(low, high=high)
    lowest, highest = -inf if above is None else above, inf if below is None else below
    if lowest < low and high < highest:
        return REPRODUCED
    return NOT_REPRODUCED if high <= lowest or low >= highest else INCONCLUSIVE


@dataclass(frozen=True)
class ClaimRule:
    """What must hold for a claim, case by case.

    Args:
        form: "holds" (one case), "conditions" (several that may hold or not), "theorem" (the statement as quoted, and
            as corrected) or "absent" (it cannot be tested here).
        cases: bounds by case: {"above": number, "below": number} or either; either with {"margin": number > 0}, the
            smallest effect of interest; {"predicts": number, "within": number > 0}, a single result and the largest
            half-width of a prediction interval that says anything about it; or {"proved": True}.
        estimand: the number, in words.
        method: the computation of its limits, in words.
        reason: of an absent rule.
    """

    form: str
    cases: Mapping[str, Mapping[str, Any]]
    estimand: str
    method: str
    reason: str | None = None

    def text(self) -> str:
        """The bounds in words.

        >>> ClaimRule("theorem", {"stated": {"below": 0.05}, "corrected": {"proved": True}}, "", "").text()
        'stated < 0.05; corrected: proved'
        """
        case_texts = [(name, _bounds_text(bounds)) for name, bounds in self.cases.items()]
        return "; ".join(
            f"{'' if name == SINGLE_CASE else name}{words}".removeprefix(": ").strip() for name, words in case_texts
        )


def _bounds_text(bounds: Mapping[str, Any]) -> str:
    if PROOF_REQUIRED in bounds:
        return ": proved"
    if PREDICTS in bounds:
        return f": {bounds[PREDICTS]:g} in a prediction interval of half-width <= {bounds[WITHIN]:g}"
    if {"above", "below"} <= set(bounds):
        return f" in ({bounds['above']:g}, {bounds['below']:g})"
    margin = f" (margin {bounds[MARGIN]:g})" if MARGIN in bounds else ""
    return (f" > {bounds['above']:g}" if "above" in bounds else f" < {bounds['below']:g}") + margin


def case_verdict(evidence: Evidence, bounds: Mapping[str, Any]) -> str:
    """The verdict on one case.

    With a margin, an interval that reaches over the bound is no effect of the stated size where two one-sided tests
    show that the quantity is less than the margin away from the bound. A single result is reproduced where it lies in
    the prediction interval of a new run, unless that interval is too wide to say anything.

    Args:
        evidence: of the case.
        bounds: as in `ClaimRule`.

    Returns:
        "reproduced", "not reproduced", "no effect of the stated size", "inconclusive" or "not testable here".

    Raises:
        ValueError: if the evidence lacks what the bounds need; see `missing_evidence`.

    >>> case_verdict(Evidence.exact(1), {"proved": True}), case_verdict(Evidence.absent("no labels"), {"above": 0})
    ('reproduced', 'not testable here')
    >>> small = Evidence(0.001, -0.002, 0.004, equivalence_low=-0.001, equivalence_high=0.003)
    >>> case_verdict(small, {"above": 0, "margin": 0.01}), case_verdict(small, {"above": 0, "margin": 0.002})
    ('no effect of the stated size', 'inconclusive')
    """
    if evidence.reason is not None:
        return NOT_TESTABLE
    if missing := missing_evidence(evidence, bounds):
        raise ValueError(f"expected evidence with {missing}, got {evidence.text()}")
    if PROOF_REQUIRED in bounds:
        return interval_verdict(evidence, above=0.5)
    if PREDICTS in bounds:
        return _prediction_verdict(evidence, bounds)
    verdict = interval_verdict(evidence, above=bounds.get("above"), below=bounds.get("below"))
    return NO_EFFECT if verdict == INCONCLUSIVE and is_negligible(evidence, bounds) else verdict


def missing_evidence(evidence: Evidence, bounds: Mapping[str, Any]) -> str | None:
    """What evidence lacks that bounds of this kind need, in words; None if it lacks nothing.

    >>> missing_evidence(Evidence(0.2, 0.1, 0.3), {"above": 0, "margin": 0.01})
    'the limits for equivalence, which a rule with a margin needs'
    """
    if evidence.reason is not None or evidence.low == evidence.high:
        return None
    if MARGIN in bounds and evidence.equivalence_low is None:
        return "the limits for equivalence, which a rule with a margin needs"
    if PREDICTS in bounds and evidence.units is None:
        return "the units of a prediction interval, which a rule about a single result needs"
    return None


def is_negligible(evidence: Evidence, bounds: Mapping[str, Any]) -> bool:
    """Whether the quantity is less than the margin away from the bound, by two one-sided tests.

    Args:
        evidence: of a case, not absent.
        bounds: of the case; without a margin nothing is negligible.
    """
    if MARGIN not in bounds:
        return False
    bound, margin = bounds["above"] if "above" in bounds else bounds["below"], bounds[MARGIN]
    if evidence.equivalence_low is None:  # an exact number
        return bool(abs(evidence.estimate - bound) < margin)
    return bool(bound - margin < evidence.equivalence_low and evidence.equivalence_high < bound + margin)


def _prediction_verdict(evidence: Evidence, bounds: Mapping[str, Any]) -> str:
    if not evidence.low <= bounds[PREDICTS] <= evidence.high:
        return NOT_REPRODUCED
    return REPRODUCED if (evidence.high - evidence.low) / 2 <= bounds[WITHIN] else INCONCLUSIVE


def case_note(evidence: Evidence, bounds: Mapping[str, Any]) -> str:
    """What a reader has to know beside the numbers of a case: that the effect is negligible, or what would settle it.

    >>> wide = Evidence(0.01, -0.02, 0.04, units="seeds", settled_by=47)
    >>> case_note(wide, {"above": 0})
    'about 47 seeds would settle it'
    >>> small = Evidence(0.004, 0.001, 0.007, equivalence_low=0.002, equivalence_high=0.006)
    >>> case_note(small, {"above": 0, "margin": 0.01})
    'smaller than 0.01'
    """
    verdict = case_verdict(evidence, bounds)
    if verdict == NOT_TESTABLE:
        return ""
    if is_negligible(evidence, bounds):
        bound = bounds["above"] if "above" in bounds else bounds["below"]
        return f"less than {bounds[MARGIN]:g} from {bound:g}" if bound else f"smaller than {bounds[MARGIN]:g}"
    if verdict != INCONCLUSIVE or evidence.units is None:
        return ""
    if evidence.settled_by is None:
        return f"ten times as many {evidence.units} would not settle it"
    return f"about {evidence.settled_by} {evidence.units} would settle it"


def claim_verdict(rule: ClaimRule, evidence: Mapping[str, Evidence]) -> str:
    """The verdict on a claim.

    One case has its own verdict. Conditions have the verdict of their cases if all agree. They are "holds only under a
    condition" if some hold and others certainly do not, because they fail or have no effect of the stated size. If none
    holds and none is unclear, there is no effect of the stated size if every case lies within its margin, also one that
    fails; else they are not reproduced. If none holds and some are unclear, they are not reproduced if some fail, and
    else inconclusive. A theorem holds as stated or with its correction; it is false if neither holds and there is a
    counterexample.

    Args:
        rule: of the claim.
        evidence: by case, one per case of the rule.

    Returns:
        One of VERDICTS.

    Raises:
        ValueError: if the cases are not those of the rule.

    >>> rule = ClaimRule("conditions", {"small": {"above": 0}, "large": {"above": 0}}, "gain", "interval")
    >>> claim_verdict(rule, {"small": Evidence(0.1, 0.05, 0.15), "large": Evidence(-0.1, -0.15, -0.05)})
    'holds only under a condition'
    """
    if rule.form == "absent":
        return NOT_TESTABLE
    if set(evidence) != set(rule.cases):
        raise ValueError(f"expected evidence for {', '.join(rule.cases)}, got it for {', '.join(evidence) or 'none'}")
    verdicts = {case: case_verdict(evidence[case], bounds) for case, bounds in rule.cases.items()}
    if rule.form == "theorem":
        return _theorem_verdict(verdicts, evidence["stated"].counterexample is not None)
    failed_cases_negligible = all(
        is_negligible(evidence[case], rule.cases[case]) for case, word in verdicts.items() if word == NOT_REPRODUCED
    )
    return _conditions_verdict(set(verdicts.values()), failed_cases_negligible)


def _conditions_verdict(verdicts: set[str], failed_cases_negligible: bool) -> str:
    if len(verdicts) == 1:
        return next(iter(verdicts))
    if REPRODUCED in verdicts:
        # One case that certainly fails decides about "in all cases", whatever the unclear ones are.
        return "holds only under a condition" if verdicts & {NOT_REPRODUCED, NO_EFFECT} else INCONCLUSIVE
    if verdicts == {NOT_REPRODUCED, NO_EFFECT}:
        return NO_EFFECT if failed_cases_negligible else NOT_REPRODUCED
    return NOT_REPRODUCED if NOT_REPRODUCED in verdicts else INCONCLUSIVE


def _theorem_verdict(verdicts: dict[str, str], has_counterexample: bool) -> str:
    stated, corrected = verdicts["stated"], verdicts.get("corrected", NOT_REPRODUCED)
    if stated != NOT_REPRODUCED:
        return stated
    if corrected == REPRODUCED:
        return "reproduced with a correction"
    if corrected != NOT_REPRODUCED:
        return INCONCLUSIVE
    return "false" if has_counterexample else NOT_REPRODUCED
