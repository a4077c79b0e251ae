"""Evidence: the numbers that a claim rests on, with their limits, or why there are none."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import Any

from l2h import checks

EQUIVALENCE_LEVEL = 0.9  # of the interval of two one-sided tests at 5 % each
EQUIVALENCE_LIMITS = ("equivalence_low", "equivalence_high")


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
        equivalence_low: lower limit of the narrower interval of two one-sided tests: 90 % where the other limits are
            those of 95 %. A rule with a margin needs it.
        equivalence_high: upper limit of the same interval.
        comparisons: how many questions share the error probability; both intervals are then at levels that are
            adjusted for as many, as `multiple_comparisons.holm_intervals` computes them.
        units: what more of would narrow the interval: "seeds", "pairs of classes" or "images".
        settled_by: how many of these units would settle an inconclusive case, as `power.units_to_settle` computes it;
            None with units where no number up to ten times as many would.

    Raises:
        ValueError: if a number is missing or not finite, a lower limit exceeds its upper one, only one limit of the
            narrower interval is given, or, without adjustment, it does not lie within the other interval.

    >>> Evidence(0.04, 0.01, 0.07, n=2000, seeds=5).text()
    '0.04 [0.01, 0.07], n = 2000, 5 seeds'
    >>> Evidence(0.001, -0.002, 0.004, equivalence_low=-0.001, equivalence_high=0.003, comparisons=4).text()
    '0.001 [-0.002, 0.004], for equivalence [-0.001, 0.003], adjusted for 4 comparisons'
    """

    estimate: Any = None
    low: Any = None
    high: Any = None
    n: int | None = None
    seeds: int | None = None
    data: str | None = None
    counterexample: Mapping[str, Any] | None = None
    reason: str | None = None
    equivalence_low: Any = None
    equivalence_high: Any = None
    comparisons: int | None = None
    units: str | None = None
    settled_by: int | None = None

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
        self._check_equivalence()
        for name in ("n", "seeds", "comparisons", "settled_by"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, int(getattr(self, name)))
        if self.counterexample is not None:
            object.__setattr__(self, "counterexample", {k: str(v) for k, v in self.counterexample.items()})

    def _check_equivalence(self) -> None:
        limits = (self.equivalence_low, self.equivalence_high)
        if limits == (None, None):
            return
        if None in limits or not all(isfinite(float(limit)) for limit in limits):
            raise ValueError(f"expected two finite limits for equivalence, or neither, got {limits}")
        low, high = map(float, limits)
        checks.at_least(low, equivalence_high=high)
        if (self.comparisons or 1) == 1 and not self.low <= low <= high <= self.high:
            # Adjusted levels may differ between the two intervals, so that neither need lie within the other.
            raise ValueError(f"expected limits for equivalence within [{self.low}, {self.high}], got [{low}, {high}]")
        object.__setattr__(self, "equivalence_low", low)
        object.__setattr__(self, "equivalence_high", high)

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
        low, high = {"proved": (1, 1), "refuted": (0, 0)}.get(certificate.verdict, (0, 1))
        counterexample = certificate.counterexample
        return cls(
            (low + high) / 2,
            low,
            high,
            counterexample=counterexample and {k: str(v) for k, v in counterexample.items()},
        )

    @classmethod
    def measured(
        cls, interval: Callable[..., Any], *predictions: Any, data: str | None = None, equivalence: bool = False
    ) -> "Evidence":
        """An interval over seeds and examples, with their numbers; absent if there is no run or no such example.

        Args:
            interval: computes (estimate, low, high) from the predictions, such as `comparisons.mean_interval`.
            predictions: the predictions of each system, one per seed.
            data: SHA-256 of the data set.
            equivalence: whether the limits at `EQUIVALENCE_LEVEL` are computed, too; the interval then takes a `level`.

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
        limits = {}
        if equivalence:
            _, *narrower = interval(*predictions, level=EQUIVALENCE_LEVEL)
            limits = dict(zip(EQUIVALENCE_LIMITS, narrower, strict=True))
        return cls(estimate, low, high, n=len(predictions[0][0].y), seeds=len(predictions[0]), data=data, **limits)

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
        if self.equivalence_low is not None:
            limits_text += f", for equivalence [{self.equivalence_low:.4g}, {self.equivalence_high:.4g}]"
        if self.comparisons and self.comparisons > 1:
            limits_text += f", adjusted for {self.comparisons} comparisons"
        counterexample_text = (
            f" at {', '.join(f'{k} = {v}' for k, v in self.counterexample.items())}" if self.counterexample else ""
        )
        seeds_text = f", {self.seeds} seed{'s' if self.seeds > 1 else ''}" if self.seeds else ""
        counts = (f", n = {self.n}" if self.n else "") + seeds_text
        return f"{number}{limits_text}{counts}{counterexample_text}"


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
    names = ["estimate", "low", "high"]
    if all(item.equivalence_low is not None for item in evidence):
        names += EQUIVALENCE_LIMITS
    return replace(evidence[0], **{name: min(getattr(item, name) for item in evidence) for name in names})
