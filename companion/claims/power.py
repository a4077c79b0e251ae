"""How many seeds, pairs of classes or images would settle a case that is inconclusive."""

from collections.abc import Mapping
from math import inf, sqrt
from typing import Any

from scipy.special import stdtrit

from companion.claims.evidence import EQUIVALENCE_LEVEL, Evidence
from companion.claims.verdicts import INCONCLUSIVE, PREDICTS, PROOF_REQUIRED, case_verdict
from l2h import checks

LEVEL = 0.95  # of the interval that decides
LARGEST_FACTOR = 10  # an experiment that is more than ten times as large is not proposed


def units_to_settle(
    estimate: float,
    standard_deviation: float,
    degrees_of_freedom: float,
    *,
    units: int,
    bounds: Mapping[str, Any],
    other_variance: float = 0.0,
    comparisons: int = 1,
) -> int | None:
    r"""The least number of units with which a case would be decided, if the estimate stayed what it is.

    .. math:: h(n) = t_{d(n)} \sqrt{\frac{s^2}{n} + v}, \qquad d(n) = d \, \frac{n - 1}{\mathrm{units} - 1}

    with the half-width h of n units, their standard deviation s, and the variance v that they do not reduce. The
    half-width of a prediction interval is :math:`t_{d(n)} s \sqrt{1 + 1/n}`.

    Args:
        estimate: of the quantity.
        standard_deviation: s >= 0 of one unit, such as of the mean of one seed.
        degrees_of_freedom: d > 0 of the present interval; inf for a normal distribution.
        units: how many there are, >= 2.
        bounds: of the case; see `verdicts.ClaimRule`.
        other_variance: v >= 0 of the estimate, such as that of the test images where the units are seeds.
        comparisons: how many questions share the error probability; the levels are adjusted as for the first of them.

    Returns:
        A number from `units` on, or None if ten times as many do not decide.

    Raises:
        ValueError: if a number is out of range, or the case is decided by a prover.

    >>> units_to_settle(0.01, 0.02, 4, units=5, bounds={"above": 0})
    18
    >>> units_to_settle(0.001, 0.05, 4, units=5, bounds={"above": 0, "margin": 0.01}) is None
    True

    Source: Lakens, Scheel and Isager, Equivalence testing for psychological research, AMPPS 1(2), 2018.
    """
    checks.at_least(2, units=units)
    checks.at_least(0, standard_deviation=standard_deviation, other_variance=other_variance)
    checks.at_least(1, comparisons=comparisons)
    if not degrees_of_freedom > 0:
        raise ValueError(f"expected degrees_of_freedom > 0, got {degrees_of_freedom}")
    if PROOF_REQUIRED in bounds:
        raise ValueError("expected bounds of a measured quantity, got those of a proof")

    def is_decided(n: int) -> bool:
        df = inf if degrees_of_freedom == inf else degrees_of_freedom * (n - 1) / (units - 1)
        variance = standard_deviation**2 * (1 + 1 / n if PREDICTS in bounds else 1 / n) + other_variance
        widths = [
            float(stdtrit(df, 1 - (1 - level) / (2 * comparisons))) * sqrt(variance)
            for level in (LEVEL, EQUIVALENCE_LEVEL)
        ]
        low, high, *equivalence = [estimate + sign * width for width in widths for sign in (-1, 1)]
        evidence = Evidence(
            estimate,
            low,
            high,
            equivalence_low=equivalence[0],
            equivalence_high=equivalence[1],
            comparisons=comparisons,
            units="units",
        )
        return case_verdict(evidence, bounds) != INCONCLUSIVE

    if not is_decided(LARGEST_FACTOR * units):
        return None
    undecided, decided = units - 1, LARGEST_FACTOR * units
    while decided - undecided > 1:  # more units never make a decided case inconclusive
        middle = (undecided + decided) // 2
        undecided, decided = (undecided, middle) if is_decided(middle) else (middle, decided)
    return decided
