r"""Rates at which Theorem 1 is violated: exact where the sample space is small, by simulation elsewhere.

The samples are those of `generalization_gap`: pure noise, so every gap between risk and empirical risk is chance.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from companion.chapters.ch03_bound import generalization_gap
from companion.chapters.ch03_bound.generalization_gap import (
    ATOM_COUNTS,
    LINEAR_BALL,
    GapSamples,
    Setting,
    atom_complexity,
    max_atom_gap,
)
from l2h import checks
from l2h.evaluation.intervals import proportion_interval
from l2h.problem import Costs
from l2h.theory.generalization import Penalty, margin_bound, theorem1_corrected, theorem1_expected, theorem1_stated

BoundForm = Callable[..., Penalty]
BOUND_FORMS: dict[str, BoundForm] = {
    "stated": theorem1_stated,
    "corrected": theorem1_corrected,
    "expected": theorem1_expected,
}
MARGIN_FORMS: dict[str, BoundForm] = {"margin": partial(margin_bound, rho=generalization_gap.RHO)}  # for real scores
COUNTEREXAMPLES = {
    "one example": Setting("constant", Costs(0.12, 0.12), n=1, delta=0.19, p=0.8),
    "hundred examples": Setting("constant", Costs(0.05, 0.05), n=100, delta=0.05),
    "both constants": Setting("constants", Costs(0.005, 0.005), n=400, delta=0.01),
    "both constants, complexity doubled": Setting(
        "constants", Costs(0.0005, 0.0005), n=2000, delta=1e-4, complexity_factor=2.0
    ),
    "two atoms": Setting("atoms", Costs(0.01, 0.01), n=100, delta=0.001),
}


class ViolationRate(NamedTuple):
    """A measured violation rate with its 99% interval of Clopper and Pearson."""

    rate: float
    low: float
    high: float
    n_samples: int


def _violates(setting: Setting, form: str, samples: GapSamples) -> np.ndarray:
    complexity = setting.complexity_factor * (samples.mean_complexity if form == "expected" else samples.complexity)
    penalty = {**BOUND_FORMS, **MARGIN_FORMS}[form](
        complexity, complexity, costs=setting.costs, n=setting.n, delta=setting.delta
    )
    return samples.gap > penalty.total


def exact_violation_probability(setting: Setting, *, form: str = "stated") -> float:
    r"""The exact probability that some pair (r, e) of the family exceeds its bound.

    .. math:: P(\exists (r, e): R > \hat{R} + \text{penalty})

    For "constant" (always keep) it is P(Bin(n, p) < n (p - penalty)); for "constants" and "atoms" (all functions of one
    or of two atoms) the sum over all counts of client errors and labels.

    Args:
        setting: with family "constant", "constants" or "atoms"; "atoms" takes about a second at n = 100.
        form: "stated", "corrected" or "expected".

    Returns:
        The probability, which a valid bound keeps at most delta.

    Raises:
        ValueError: if the family or the form is unknown.

    >>> round(exact_violation_probability(COUNTEREXAMPLES["hundred examples"]), 6)
    0.184101
    """
    checks.one_of(ATOM_COUNTS, family=setting.family)
    checks.one_of(BOUND_FORMS, form=form)
    checks.probabilities(p=setting.p)
    counts = np.arange(setting.n + 1)
    if setting.family == "constant":
        gap, zero = setting.p - counts / setting.n, np.zeros(())
        return float(
            binom.pmf(counts, setting.n, setting.p)[_violates(setting, form, GapSamples(gap, zero, 0.0))].sum()
        )
    if setting.family == "constants":
        values, probabilities = _atom_gap_distribution(setting.n, setting, 1)
        complexity = atom_complexity(np.array([setting.n]), setting.n)
        return float(probabilities[_violates(setting, form, GapSamples(values, complexity, float(complexity)))].sum())
    return _exact_two_atom_violation(setting, form)


def _atom_gap_distribution(count: int, setting: Setting, n_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """The gaps on an atom that holds count examples, in increasing order, and their probabilities."""
    k = np.arange(count + 1)
    values = max_atom_gap(k[:, None], k[None, :], np.array(count), setting, n_atoms).ravel()
    probabilities = np.outer(binom.pmf(k, count, setting.p), binom.pmf(k, count, 0.5)).ravel()
    order = np.argsort(values)
    return values[order], probabilities[order]


def _exact_two_atom_violation(setting: Setting, form: str) -> float:
    n = setting.n
    weights = binom.pmf(np.arange(n + 1), n, 0.5)
    complexities = atom_complexity(np.array([np.arange(n + 1), n - np.arange(n + 1)]), n)
    total = 0.0
    for count, weight in enumerate(weights):
        (left, p_left), (right, p_right) = (_atom_gap_distribution(k, setting, 2) for k in (count, n - count))
        complexity = setting.complexity_factor * (weights @ complexities if form == "expected" else complexities[count])
        penalty = BOUND_FORMS[form](complexity, complexity, costs=setting.costs, n=n, delta=setting.delta).total
        above = np.append(p_right[::-1].cumsum()[::-1], 0.0)  # above[i] = P(right >= its i-th value)
        total += weight * (p_left @ above[np.searchsorted(right, penalty - left, side="right")])
    return float(total)


def violation_rates(setting: Setting, *, n_samples: int = 10_000, seed: int = 0) -> dict[str, ViolationRate]:
    """Measured violation rates of all forms that apply to a family, on the same samples.

    Args:
        setting: with a family of `generalization_gap.FAMILIES`; the supremum over pairs is exact except for the linear
            ball.
        n_samples: number of samples, >= 1.
        seed: of the samples.

    Returns:
        Form -> ViolationRate: "stated", "corrected" and "expected", or "margin" for the linear ball. A valid bound has
        a rate of at most delta.

    Raises:
        ValueError: if the family is unknown, p is no probability, or n_samples < 1.

    >>> list(violation_rates(Setting("atoms", Costs(1.0, 0.1), n=50, delta=0.05), n_samples=100))
    ['stated', 'corrected', 'expected']
    """
    samples = generalization_gap.sample_gaps(setting, n_samples, np.random.default_rng(seed))
    counts = {
        form: int(_violates(setting, form, samples).sum())
        for form in (MARGIN_FORMS if setting.family == LINEAR_BALL else BOUND_FORMS)
    }
    return {
        form: ViolationRate(*proportion_interval(count, n_samples, level=0.99), n_samples)
        for form, count in counts.items()
    }


def score_counterexample(*, scale: float, costs: Costs, n: int, delta: float) -> tuple[float, float]:
    r"""Real-valued scores violate the stated form with certainty: scaling them down changes no decision.

    .. math:: \hat{R} + \text{penalty} = c_e + (1 + c_1 + c_e) t
        + 3 (c_1 + c_e) \sqrt{\ln(2/\delta)/2n} < \frac{1}{2} = R

    X is uniform, Y = 1, the client errs with probability 1/2, the servers are {+1} and the rejectors t f for all f into
    {-1, +1}, whose complexity is t. The rejector that asks at the sample and keeps elsewhere has empirical risk ce and
    risk 1/2.

    Args:
        scale: t > 0.
        costs: c1 and ce.
        n: number of examples.
        delta: probability of failure that the bound allows.

    Returns:
        The bound's right-hand side, and the risk 1/2, which it should not be below.

    Raises:
        ValueError: if scale is not positive, or as `l2h.theory.generalization.theorem1_stated`.

    >>> right, risk = score_counterexample(scale=0.001, costs=Costs(1.0, 0.3), n=10_000, delta=0.05)
    >>> print(f"{right:.4f} < {risk}")
    0.3553 < 0.5
    """
    checks.positive(scale=scale)
    return costs.ce + float(theorem1_stated(scale, 0.0, costs=costs, n=n, delta=delta).total), 0.5
