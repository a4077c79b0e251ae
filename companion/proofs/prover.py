"""Two provers decide statements for all reals: an SMT solver for algebra, interval arithmetic for the rest.

`companion.proofs.statements` gathers the statements of the theory.
"""

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import z3
from mpmath.ctx_iv import MPIntervalContext
from z3.z3util import get_vars

from l2h import checks

PROVED, REFUTED, UNDECIDED = "proved", "refuted", "undecided"
SOLVER_METHOD = f"SMT: z3 {z3.get_version_string()}, nonlinear real arithmetic"
interval_context = MPIntervalContext()  # a separate context, so that no other code changes its precision
interval_context.dps = 30
INTERVAL_METHOD = f"interval arithmetic: mpmath, {interval_context.dps} digits"


class Certificate(NamedTuple):
    """The result of a prover for a statement."""

    statement: str  # in words, with its domain
    verdict: str  # "proved", "refuted" or "undecided"
    method: str  # which prover
    counterexample: dict[str, Fraction] | None  # exact numbers for which a refuted statement is false
    reason: str  # what was checked, or why it stays undecided


def as_fraction(number: Any) -> Fraction:
    """A number as the fraction that its decimal digits mean.

    Args:
        number: a Fraction, an int, or decimal digits as a string; floats are refused, for 0.1 is not a tenth.

    Returns:
        The fraction.

    Raises:
        TypeError: if number is none of these.

    >>> as_fraction("0.15")
    Fraction(3, 20)
    """
    if not isinstance(number, Fraction | int | str):
        raise TypeError(f"expected a Fraction, an int or decimal digits, got {number!r}")
    return Fraction(number)


def _refutes(point: Mapping[str, Fraction], claim: z3.BoolRef, assumptions: Iterable[z3.BoolRef]) -> bool:
    """Whether the numbers satisfy what is given and break the claim, by exact arithmetic alone."""
    values = [(z3.Real(name), z3.RealVal(str(number))) for name, number in point.items()]
    negation = z3.And(*assumptions, z3.Not(claim))
    return z3.is_true(z3.simplify(z3.substitute(negation, *values)))


def prove(
    statement: str,
    claim: z3.BoolRef,
    *,
    assumptions: Iterable[z3.BoolRef] = (),
    example: Mapping[str, Any] | None = None,
    milliseconds: int = 20_000,
) -> Certificate:
    """Decide a claim about all reals: proved if its negation has no solution, refuted with a counterexample.

    Args:
        statement: the claim in words, with its domain.
        claim: the claim in z3's terms, polynomial in its variables.
        assumptions: the domain, conditions in z3's terms.
        example: numbers that should break the claim, readable ones instead of the solver's own.
        milliseconds: the solver's time limit, >= 1.

    Returns:
        Certificate; every counterexample has been put into the claim by exact arithmetic.

    Raises:
        ValueError: if milliseconds < 1.
        TypeError: if a number of the example is not exact.

    >>> x = z3.Real("x")
    >>> prove("x^2 >= 0", x * x >= 0).verdict
    'proved'
    >>> prove("x^2 >= x for x > 0", x * x >= x, assumptions=[x > 0], example={"x": "0.5"}).counterexample
    {'x': Fraction(1, 2)}
    """
    checks.at_least(1, milliseconds=milliseconds)
    assumptions = list(assumptions)
    if example is not None:
        counterexample = {name: as_fraction(number) for name, number in example.items()}
        if _refutes(counterexample, claim, assumptions):
            return Certificate(
                statement, REFUTED, SOLVER_METHOD, counterexample, "these numbers break it, by exact arithmetic"
            )
        return Certificate(statement, UNDECIDED, SOLVER_METHOD, None, f"the example {example} does not break it")
    context = z3.Context()  # the solver's path depends on earlier queries; each proof has a new context
    solver = z3.SolverFor("QF_NRA", ctx=context)
    solver.set("timeout", milliseconds)
    solver.add(*(condition.translate(context) for condition in assumptions))
    if solver.check() != z3.sat:
        return Certificate(
            statement, UNDECIDED, SOLVER_METHOD, None, "no point of the domain was found: a proof would be empty"
        )
    solver.add(z3.Not(claim).translate(context))
    result = solver.check()
    if result == z3.unsat:
        return Certificate(statement, PROVED, SOLVER_METHOD, None, "its negation has no solution in the reals")
    if result == z3.unknown:
        return Certificate(statement, UNDECIDED, SOLVER_METHOD, None, f"the solver gave up: {solver.reason_unknown()}")
    counterexample = _rational_model(
        solver.model(), [name.translate(context) for name in get_vars(z3.And(*assumptions, claim))]
    )
    if _refutes(counterexample, claim, assumptions):
        return Certificate(
            statement, REFUTED, SOLVER_METHOD, counterexample, "found by the solver, confirmed by exact arithmetic"
        )
    return Certificate(statement, UNDECIDED, SOLVER_METHOD, None, f"the counterexample is irrational: {solver.model()}")


def _rational_model(model: z3.ModelRef, variables: Iterable[z3.ArithRef]) -> dict[str, Fraction]:
    """The model's numbers; an irrational one is rounded to 20 digits."""
    values = ((str(variable), model.eval(variable, model_completion=True)) for variable in variables)
    return {name: (v if z3.is_rational_value(v) else v.approx(20)).as_fraction() for name, v in values}


def enclosing_interval(low: Any, high: Any | None = None) -> Any:
    """The interval from low to high, or the narrowest one around low.

    Args:
        low: exact number, as for `as_fraction`.
        high: exact number >= low.

    Returns:
        An interval of `interval_context`.

    Raises:
        TypeError: if a number is not exact.
        ValueError: if high < low.

    >>> third = enclosing_interval(Fraction(1, 3))
    >>> 3 * third.a <= 1 <= 3 * third.b
    True
    """
    low = as_fraction(low)
    high = low if high is None else as_fraction(high)
    if high < low:
        raise ValueError(f"expected low <= high, got {low} and {high}")
    ends = [interval_context.mpf(end.numerator) / end.denominator for end in (low, high)]
    return interval_context.mpf([ends[0].a, ends[1].b])


def refute_at(
    statement: str, point: Mapping[str, Any], contradictions: Mapping[str, Callable[..., Any]]
) -> Certificate:
    """Refute a statement at one point, where every fact that contradicts it is certainly positive.

    Args:
        statement: the claim in words, with its domain.
        point: exact numbers by name.
        contradictions: facts that contradict the claim, in words, each with a function of the point's intervals that is
            positive where the fact holds.

    Returns:
        Certificate: refuted, or undecided with the fact that could not be certified.

    Raises:
        TypeError: if a number of the point is not exact.

    >>> refute_at("exp(x) <= 3 for x <= 2", {"x": 2}, {"exp(2) > 3": lambda x: interval_context.exp(x) - 3}).verdict
    'refuted'
    """
    numbers = {name: as_fraction(number) for name, number in point.items()}
    box = {name: enclosing_interval(number) for name, number in numbers.items()}
    for description, contradiction in contradictions.items():
        value = contradiction(**box)
        if not value.a > 0:
            return Certificate(
                statement, UNDECIDED, INTERVAL_METHOD, None, f"{description} not certified: it encloses {value}"
            )
    return Certificate(statement, REFUTED, INTERVAL_METHOD, numbers, "; ".join(contradictions))


def prove_positive(
    statement: str, expression: Callable[..., Any], box: Mapping[str, tuple[Any, Any]], *, max_boxes: int = 10_000
) -> Certificate:
    """Decide whether an expression is positive on a whole box, by splitting the box until every piece is decided.

    Args:
        statement: the claim in words, with its domain.
        expression: function of intervals by name, whose value encloses the expression's range.
        box: exact ends (low, high) by name.
        max_boxes: the number of pieces at which to give up, >= 1.

    Returns:
        Certificate: proved; refuted with the middle of a piece, where the expression is certainly <= 0; or undecided.

    Raises:
        TypeError: if an end is not exact.
        ValueError: if pieces < 1 or an end is on the wrong side.

    >>> prove_positive("exp(x) > x on [-1, 1]", lambda x: interval_context.exp(x) - x, {"x": (-1, 1)}).verdict
    'proved'
    """
    checks.at_least(1, pieces=max_boxes)
    pending = [{name: (as_fraction(low), as_fraction(high)) for name, (low, high) in box.items()}]
    widths = {name: high - low or 1 for name, (low, high) in pending[0].items()}
    n_boxes = 0
    while pending and n_boxes < max_boxes:
        sub_box, n_boxes = pending.pop(), n_boxes + 1
        if expression(**{name: enclosing_interval(*ends) for name, ends in sub_box.items()}).a > 0:
            continue
        middle = {name: (low + high) / 2 for name, (low, high) in sub_box.items()}
        if expression(**{name: enclosing_interval(number) for name, number in middle.items()}).b <= 0:
            return Certificate(
                statement, REFUTED, INTERVAL_METHOD, middle, "not positive there, by interval arithmetic"
            )
        widest = max(sub_box, key=lambda name: (sub_box[name][1] - sub_box[name][0]) / widths[name])
        low, high = sub_box[widest]
        pending += [{**sub_box, widest: half} for half in ((low, middle[widest]), (middle[widest], high))]
    if pending:
        return Certificate(statement, UNDECIDED, INTERVAL_METHOD, None, f"some of {n_boxes} pieces enclose 0")
    return Certificate(statement, PROVED, INTERVAL_METHOD, None, f"positive on each of the pieces, {n_boxes} in all")
