r"""How often Theorem 1 fails: exactly where the sample space is small, by simulation elsewhere.

The world is pure noise, where nothing can be learnt and every gap between risk and empirical risk is chance: X uniform,
P(M ≠ Y) = p and P(Y = 1) = 1/2 whatever x, independent of each other.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import beta, binom

from l2h import checks
from l2h.bounds import corrected, expected, stated
from l2h.problem import Costs
from l2h.walks import distinct_thresholds

FORMS = {"stated": stated, "corrected": corrected, "expected": expected}
ATOMS = {"constant": 0, "constants": 1, "atoms": 2}  # families that only see which of so many equal atoms x is in
FAMILIES = ("constants", "atoms", "thresholds", "two-sided thresholds")
BATCH = 2_000_000  # examples held at a time


class Case(NamedTuple):
    """A family, costs and a sample size at which a bound is put to the test."""

    family: str  # of rejectors and of servers
    costs: Costs
    n: int  # examples
    delta: float  # the probability of failure that the bound allows
    p: float = 0.5  # P(M != Y | x)
    factor: float = 1.0  # 2 where the complexity is defined with a factor 2


COUNTEREXAMPLES = {
    "one example": Case("constant", Costs(0.12, 0.12), n=1, delta=0.19, p=0.8),
    "hundred examples": Case("constant", Costs(0.05, 0.05), n=100, delta=0.05),
    "both constants": Case("constants", Costs(0.005, 0.005), n=400, delta=0.01),
    "both constants, complexity doubled": Case("constants", Costs(0.0005, 0.0005), n=2000, delta=1e-4, factor=2.0),
    "two atoms": Case("atoms", Costs(0.01, 0.01), n=100, delta=0.001),
}


class FailureRate(NamedTuple):
    """A measured rate of failure with its 99% interval of Clopper and Pearson."""

    rate: float
    low: float
    high: float
    draws: int


class _Draws(NamedTuple):
    gap: np.ndarray  # (draws,) sup over (r, e) of risk minus empirical risk
    rad: np.ndarray  # (draws,) or () empirical complexity of R and of E
    mean_rad: float  # its mean over samples


def _fails(case: Case, form: str, draws: _Draws) -> np.ndarray:
    rad = case.factor * (draws.mean_rad if form == "expected" else draws.rad)
    return draws.gap > FORMS[form](rad, rad, costs=case.costs, n=case.n, delta=case.delta).total


def _mean_distance(n: np.ndarray) -> np.ndarray:
    """E|S_n| = k P(S_k = 0) with k the even number among n and n + 1: an odd walk, away from 0, does not drift."""
    even = n + n % 2
    return even * binom.pmf(even // 2, even, 0.5)


def _complexity_on_atoms(counts: np.ndarray, n: int) -> np.ndarray:
    """All functions of an atom follow the majority of its signs."""
    return _mean_distance(counts).sum(0) / n


def _best_on_atom(errors: np.ndarray, positives: np.ndarray, count: np.ndarray, case: Case, atoms: int) -> np.ndarray:
    """The larger gap of keeping and of asking a server with the better label, on an atom of mass 1 / atoms."""
    c1, ce = case.costs.c1, case.costs.ce
    keep = case.p / atoms - errors / case.n
    wrong = np.minimum(positives, count - positives)
    ask = (ce + c1 / 2) / atoms - (ce * count + c1 * wrong) / case.n
    return np.maximum(keep, ask)


def exact_failure(case: Case, *, form: str = "stated") -> float:
    r"""The exact probability that some pair (r, e) of the family exceeds its bound.

    .. math:: P(\exists (r, e): R > \hat{R} + \text{penalty})

    For "constant" (always keep) it is P(Bin(n, p) < n (p - penalty)); for "constants" and "atoms" (all functions of one
    or of two atoms) the sum over all counts of client errors and labels.

    Args:
        case: with family "constant", "constants" or "atoms"; "atoms" takes about a second at n = 100.
        form: "stated", "corrected" or "expected".

    Returns:
        The probability; the bound promises at most delta.

    Raises:
        ValueError: if the family or the form is unknown.

    >>> round(exact_failure(COUNTEREXAMPLES["hundred examples"]), 6)
    0.184101
    """
    checks.one_of(ATOMS, family=case.family)
    checks.one_of(FORMS, form=form)
    checks.probabilities(p=case.p)
    counts = np.arange(case.n + 1)
    if case.family == "constant":
        gap, zero = case.p - counts / case.n, np.zeros(())
        return float(binom.pmf(counts, case.n, case.p)[_fails(case, form, _Draws(gap, zero, 0.0))].sum())
    if case.family == "constants":
        values, chance = _atom_law(case.n, case, 1)
        rad = _complexity_on_atoms(np.array([case.n]), case.n)
        return float(chance[_fails(case, form, _Draws(values, rad, float(rad)))].sum())
    return _exact_failure_on_two_atoms(case, form)


def _atom_law(count: int, case: Case, atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """The gaps on an atom that holds count examples, in increasing order, and their probabilities."""
    k = np.arange(count + 1)
    values = _best_on_atom(k[:, None], k[None, :], np.array(count), case, atoms).ravel()
    chance = np.outer(binom.pmf(k, count, case.p), binom.pmf(k, count, 0.5)).ravel()
    order = np.argsort(values)
    return values[order], chance[order]


def _exact_failure_on_two_atoms(case: Case, form: str) -> float:
    n = case.n
    weights = binom.pmf(np.arange(n + 1), n, 0.5)
    rads = _complexity_on_atoms(np.array([np.arange(n + 1), n - np.arange(n + 1)]), n)
    total = 0.0
    for count, weight in enumerate(weights):
        (left, p_left), (right, p_right) = (_atom_law(k, case, 2) for k in (count, n - count))
        rad = case.factor * (weights @ rads if form == "expected" else rads[count])
        penalty = FORMS[form](rad, rad, costs=case.costs, n=n, delta=case.delta).total
        above = np.append(p_right[::-1].cumsum()[::-1], 0.0)  # above[i] = P(right >= its i-th value)
        total += weight * (p_left @ above[np.searchsorted(right, penalty - left, side="right")])
    return float(total)


def failure_rate(case: Case, *, form: str, draws: int = 10_000, seed: int = 0) -> FailureRate:
    """The measured rate at which some pair (r, e) of the family exceeds its bound.

    Args:
        case: with a family of `FAMILIES`; the supremum over pairs is exact for each sample.
        form: "stated", "corrected" or "expected".
        draws: number of samples, >= 1.
        seed: of the samples.

    Returns:
        FailureRate; the bound promises a rate of at most delta.

    Raises:
        ValueError: if the family or the form is unknown, p is no probability, or draws < 1.

    >>> failure_rate(Case("constants", Costs(1.0, 0.1), n=50, delta=0.05), form="corrected", draws=100).rate
    0.0
    """
    checks.one_of(FAMILIES, family=case.family)
    checks.one_of(FORMS, form=form)
    checks.probabilities(p=case.p)
    checks.at_least(1, draws=draws)
    generator = np.random.default_rng(seed)
    sample = _draw_on_atoms if case.family in ATOMS else _draw_on_a_line
    size = max(1, BATCH // case.n)
    batches = (min(size, draws - start) for start in range(0, draws, size))
    failures = sum(int(_fails(case, form, sample(case, batch, generator)).sum()) for batch in batches)
    low = float(beta.ppf(0.005, failures, draws - failures + 1)) if failures else 0.0
    high = float(beta.isf(0.005, failures + 1, draws - failures)) if failures < draws else 1.0
    return FailureRate(failures / draws, low, high, draws)


def _draw_on_atoms(case: Case, draws: int, generator: np.random.Generator) -> _Draws:
    atoms, n = ATOMS[case.family], case.n
    counts = generator.multinomial(n, np.full(atoms, 1 / atoms), size=draws).T  # (atoms, draws)
    errors, positives = generator.binomial(counts, case.p), generator.binomial(counts, 0.5)
    gap = _best_on_atom(errors, positives, counts, case, atoms).sum(0)
    k = np.arange(n + 1)
    mean_rad = atoms * float(binom.pmf(k, n, 1 / atoms) @ _mean_distance(k)) / n
    return _Draws(gap, _complexity_on_atoms(counts, n), mean_rad)


def _draw_on_a_line(case: Case, draws: int, generator: np.random.Generator) -> _Draws:
    two_sided = case.family.startswith("two-sided")
    x = np.sort(generator.random((draws, case.n)), axis=1)
    errors = generator.random((draws, case.n)) < case.p
    y = generator.integers(0, 2, (draws, case.n)) * 2 - 1
    gap = _line_gap(x, errors, y, case, two_sided)
    if two_sided:
        mirrored = _line_gap(1 - x[:, ::-1], errors[:, ::-1], y[:, ::-1], case, two_sided)
        gap = np.maximum(gap, mirrored)
    rad = distinct_thresholds(case.n, two_sided=two_sided).value
    return _Draws(gap, np.array(rad), rad)


def _line_gap(x: np.ndarray, errors: np.ndarray, y: np.ndarray, case: Case, two_sided: bool) -> np.ndarray:
    """Supremum over rejectors that ask on [0, s] and servers of the family; x increases along each row, (draws, n)."""
    c1, ce = case.costs.c1, case.costs.ce
    zero = np.zeros((len(x), 1))
    asked = np.arange(case.n + 1)  # the k smallest are asked
    kept_errors = errors.sum(1, keepdims=True) - np.hstack([zero, errors.cumsum(1)])
    walk = np.hstack([zero, y.cumsum(1)])
    wrong = (asked - walk) / 2 + np.minimum.accumulate(walk, 1)  # -1 up to the best threshold, +1 beyond
    if two_sided:
        wrong = np.minimum(wrong, (asked + walk) / 2 - np.maximum.accumulate(walk, 1))
    empirical = (kept_errors + ce * asked + c1 * wrong) / case.n
    edges = np.hstack([zero, x, zero + 1])
    risk = case.p + edges * (c1 / 2 + ce - case.p)  # linear in s, so that the ends of a gap between points suffice
    return (np.maximum(risk[:, :-1], risk[:, 1:]) - empirical).max(1)


def score_counterexample(*, scale: float, costs: Costs, n: int, delta: float) -> tuple[float, float]:
    r"""Real-valued scores break the stated form with certainty: scaled down, they keep their decisions.

    .. math:: \hat{R} + \text{penalty} = c_e + (1 + c_1 + c_e) t
        + 3 (c_1 + c_e) \sqrt{\ln(2/\delta)/2n} < \frac{1}{2} = R

    X uniform, Y = 1, a client that errs half of the time, servers {+1}, rejectors t f for all f into {-1, +1}, whose
    complexity is t. The rejector that asks at the sample and keeps elsewhere has empirical risk ce and risk 1/2.

    Args:
        scale: t > 0.
        costs: c1 and ce.
        n: number of examples.
        delta: probability of failure that the bound allows.

    Returns:
        The bound's right-hand side, and the risk 1/2 that it should not be below.

    Raises:
        ValueError: if scale is not positive, or as `l2h.bounds.stated`.

    >>> right, risk = score_counterexample(scale=0.001, costs=Costs(1.0, 0.3), n=10_000, delta=0.05)
    >>> print(f"{right:.4f} < {risk}")
    0.3553 < 0.5
    """
    checks.positive(scale=scale)
    return costs.ce + float(stated(scale, 0.0, costs=costs, n=n, delta=delta).total), 0.5
