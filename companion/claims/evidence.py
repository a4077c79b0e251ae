"""Evidence for claims, their rules, and the verdicts that follow from both.

A rule is fixed before the claim's first run. A verdict is computed from the evidence alone, and never stored.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import inf, isfinite
from typing import Any, Protocol

from l2h import checks

VERDICTS = (
    "reproduced",
    "reproduced with a correction",
    "holds only under a condition",
    "not reproduced",
    "false",
    "inconclusive",
    "not testable here",
)
REPRODUCED, NOT_REPRODUCED, INCONCLUSIVE, NOT_TESTABLE = (
    "reproduced",
    "not reproduced",
    "inconclusive",
    "not testable here",
)  # of one case
PROOF_REQUIRED = "proved"  # the bounds of a case that a prover decides
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


@dataclass(frozen=True)
class Evidence:
    """A number between its limits, with its sample size; exact and certified numbers are their own limits.

    Args:
        estimate: finite; 1 where a prover proved, 0 where it refuted.
        low: lower limit.
        high: upper limit, >= low.
        n: number of examples.
        seeds: number of seeds.
        data: SHA-256 of the data set.
        counterexample: numbers by name for which the statement is false.
        reason: the reason why there is no number; see `absent`.

    Raises:
        ValueError: if a number is missing or not finite, or high < low.

    >>> Evidence(0.04, 0.01, 0.07, n=2000, seeds=5).text()
    '0.04 [0.01, 0.07], n = 2000, 5 seeds'
    """

    estimate: Any = None
    low: Any = None
    high: Any = None
    n: int | None = None
    seeds: int | None = None
    data: str | None = None
    counterexample: Mapping[str, Any] | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        numbers = {"estimate": self.estimate, "low": self.low, "high": self.high}
        if self.reason is not None:
            return
        if any(number is None for number in numbers.values()):
            raise ValueError(f"expected an estimate with its limits, or Evidence.absent(reason), got {numbers}")
        for name, number in numbers.items():
            if not isfinite(float(number)):
                raise ValueError(f"expected a finite {name}, got {float(number)}; Evidence.absent says why none is had")
            object.__setattr__(self, name, float(number))
        checks.at_least(self.low, high=self.high)
        for name in ("n", "seeds"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, int(getattr(self, name)))
        if self.counterexample is not None:
            object.__setattr__(self, "counterexample", {k: str(v) for k, v in self.counterexample.items()})

    @classmethod
    def exact(cls, number: Any, *, counterexample: Mapping[str, Any] | None = None) -> "Evidence":
        """A number that is its own limits.

        >>> Evidence.exact(0.25).text()
        '0.25'
        """
        return cls(number, number, number, counterexample=counterexample)

    @classmethod
    def certified(cls, certificate: Any) -> "Evidence":
        """The evidence of a `prover.Certificate`, or of any object with its verdict and counterexample.

        >>> from companion.proofs.losses import released_stage_weight
        >>> Evidence.certified(released_stage_weight()["released-weight"]).text()
        'refuted at p = 1/10, of_e = 1/2, c1 = 1, ce = 1/5'
        """
        low, high = {PROOF_REQUIRED: (1, 1), "refuted": (0, 0)}.get(certificate.verdict, (0, 1))
        counterexample = certificate.counterexample
        return cls(
            (low + high) / 2,
            low,
            high,
            counterexample=counterexample and {k: str(v) for k, v in counterexample.items()},
        )

    @classmethod
    def measured(cls, interval: Callable[..., Any], *predictions: Any, data: str | None = None) -> "Evidence":
        """An interval over seeds and examples, with their numbers; absent if there is no run or no such example.

        Args:
            interval: computes (estimate, low, high) from the predictions, such as `comparisons.mean_interval`.
            predictions: the predictions of each system, one per seed.
            data: SHA-256 of the data set.

        Returns:
            The evidence.

        >>> Evidence.measured(lambda runs: (0.5, 0.4, 0.6), []).text()
        'none: not run at this profile'
        """
        if not all(map(len, predictions)):
            return cls.absent("not run at this profile")
        estimate, low, high = (float(limit) for limit in interval(*predictions))
        if not all(map(isfinite, (estimate, low, high))):
            return cls.absent("there is no such example")
        return cls(estimate, low, high, n=len(predictions[0][0].y), seeds=len(predictions[0]), data=data)

    @classmethod
    def absent(cls, reason: str) -> "Evidence":
        """No evidence, with the reason.

        >>> Evidence.absent("CIFAR-10H is not at hand").text()
        'none: CIFAR-10H is not at hand'
        """
        return cls(reason=reason)

    def as_json(self) -> dict[str, Any]:
        """The fields that are set, for storage."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def text(self) -> str:
        """One line for readers."""
        if self.reason is not None:
            return f"none: {self.reason}"
        number = "refuted" if self.counterexample and self.low == self.high == 0 else f"{self.estimate:.6g}"
        limits_text = ""
        if self.low < self.high:
            number, limits_text = f"{self.estimate:.4g}", f" [{self.low:.4g}, {self.high:.4g}]"
        counterexample_text = (
            f" at {', '.join(f'{k} = {v}' for k, v in self.counterexample.items())}" if self.counterexample else ""
        )
        seeds_text = f", {self.seeds} seed{'s' if self.seeds > 1 else ''}" if self.seeds else ""
        counts = (f", n = {self.n}" if self.n else "") + seeds_text
        return f"{number}{limits_text}{counts}{counterexample_text}"


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


def min_evidence(evidence: Sequence[Evidence]) -> Evidence:
    """The smallest of several quantities, none of them named beforehand.

    Its lower limit is the smallest lower limit, which holds whenever the lower limit of the smallest quantity does.

    Args:
        evidence: evidence on each, none of it absent.

    Returns:
        The smallest estimate, between the smallest lower and the smallest upper limit; the rest is the first one's.

    Raises:
        ValueError: if there is none.

    >>> min_evidence([Evidence(0.1, 0.0, 0.2), Evidence(0.2, -0.1, 0.5)]).text()
    '0.1 [-0.1, 0.2]'
    """
    if not evidence:
        raise ValueError("expected evidence on at least one quantity, got none")
    names = ("estimate", "low", "high")
    return replace(evidence[0], **{name: min(getattr(item, name) for item in evidence) for name in names})


@dataclass(frozen=True)
class ClaimRule:
    """What must hold for a claim, case by case.

    Args:
        form: "holds" (one case), "conditions" (several that may hold or not), "theorem" (the statement as quoted, and
            as corrected) or "absent" (it cannot be tested here).
        cases: bounds by case: {"above": number, "below": number} or either, or {"proved": True}.
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
    if len(bounds) == 2:
        return f" in ({bounds['above']:g}, {bounds['below']:g})"
    return f" > {bounds['above']:g}" if "above" in bounds else f" < {bounds['below']:g}"


def case_verdict(evidence: Evidence, bounds: Mapping[str, Any]) -> str:
    """The verdict on one case.

    Args:
        evidence: of the case.
        bounds: as in `ClaimRule`.

    Returns:
        "reproduced", "not reproduced", "inconclusive" or "not testable here".

    >>> case_verdict(Evidence.exact(1), {"proved": True}), case_verdict(Evidence.absent("no labels"), {"above": 0})
    ('reproduced', 'not testable here')
    """
    if evidence.reason is not None:
        return NOT_TESTABLE
    return interval_verdict(evidence, above=0.5) if PROOF_REQUIRED in bounds else interval_verdict(evidence, **bounds)


def claim_verdict(rule: ClaimRule, evidence: Mapping[str, Evidence]) -> str:
    """The verdict on a claim.

    One case has its own verdict. Conditions are reproduced if all hold, "holds only under a condition" if some hold and
    others certainly do not, not reproduced if some certainly do not and none holds, and else inconclusive. A theorem
    holds as stated or with its correction; it is false if neither holds and there is a counterexample.

    Args:
        rule: of the claim.
        evidence: by case, one per case of the rule.

    Returns:
        One of VERDICTS.

    Raises:
        ValueError: if the cases are not those of the rule.

    >>> rule = ClaimRule("conditions", {"small": {"above": 0}, "large": {"above": 0}}, "gain", "Student's t")
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
    return _conditions_verdict(list(verdicts.values()))


def _conditions_verdict(verdicts: list[str]) -> str:
    if len(set(verdicts)) == 1:
        return verdicts[0]
    if (
        NOT_REPRODUCED in verdicts
    ):  # one case that certainly fails decides about "in all cases", whatever the unclear ones are
        return "holds only under a condition" if REPRODUCED in verdicts else NOT_REPRODUCED
    return INCONCLUSIVE


def _theorem_verdict(verdicts: dict[str, str], has_counterexample: bool) -> str:
    stated, corrected = verdicts["stated"], verdicts.get("corrected", NOT_REPRODUCED)
    if stated != NOT_REPRODUCED:
        return stated
    if corrected == REPRODUCED:
        return "reproduced with a correction"
    if corrected != NOT_REPRODUCED:
        return INCONCLUSIVE
    return "false" if has_counterexample else NOT_REPRODUCED
