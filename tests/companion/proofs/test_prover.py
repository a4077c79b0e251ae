"""Both machines say yes, no and don't know, each where they should."""

from fractions import Fraction

import pytest
import z3
from hypothesis import given
from hypothesis import strategies as st

from companion.proofs.prover import (
    PROVED,
    REFUTED,
    UNDECIDED,
    as_fraction,
    enclosing_interval,
    interval_context,
    prove,
    prove_positive,
    refute_at,
)

x, y = z3.Reals("x y")


def test_the_solver_proves():
    certificate = prove("x^2 + y^2 >= 2xy", x * x + y * y >= 2 * x * y)
    assert (certificate.verdict, certificate.counterexample) == (PROVED, None)
    assert certificate.statement == "x^2 + y^2 >= 2xy"
    assert "z3" in certificate.method


def test_the_solver_refutes_with_numbers():
    certificate = prove("x y <= 1", x * y <= 1, assumptions=[x > 0, y > 0])
    assert certificate.verdict == REFUTED
    assert certificate.counterexample["x"] * certificate.counterexample["y"] > 1


def test_a_variable_that_does_not_matter_has_a_number_too():
    certificate = prove("x <= 1", z3.And(x <= 1, y == y), assumptions=[y * 0 == 0])
    assert certificate.verdict == REFUTED
    assert certificate.counterexample["x"] > 1


def test_an_example_is_checked():
    assert prove("x^2 >= x", x * x >= x, example={"x": "0.5"}).counterexample == {"x": Fraction(1, 2)}
    for outside in ({"x": 2}, {"x": "-0.5"}):
        certificate = prove("x^2 >= x", x * x >= x, assumptions=[x > 0], example=outside)
        assert certificate.verdict == UNDECIDED
        assert "does not break it" in certificate.reason
    incomplete = prove("x y <= 1", x * y <= 1, example={"x": 2})
    assert incomplete.verdict == UNDECIDED


def test_an_irrational_counterexample_is_not_passed_off_as_numbers():
    certificate = prove("x^2 is not 2", x * x != 2, assumptions=[x > 0])
    assert (certificate.verdict, certificate.counterexample) == (UNDECIDED, None)
    assert "irrational" in certificate.reason


def test_an_empty_domain_proves_nothing():
    certificate = prove("x = x + 1", x == x + 1, assumptions=[x > 1, x < 0])
    assert certificate.verdict == UNDECIDED
    assert "empty" in certificate.reason


def test_the_solver_gives_up_in_time():
    a = z3.Reals("a b c d e f g h")
    hard = z3.And(*[a[i] ** 3 * a[i - 1] + a[i - 2] ** 2 * a[i - 3] + a[i - 4] != i + 1 for i in range(8)])
    certificate = prove("a system of eight quartics", z3.Not(hard), milliseconds=1)
    assert certificate.verdict == UNDECIDED
    assert "gave up" in certificate.reason or "domain" in certificate.reason


@given(low=st.fractions(-100, 100), width=st.fractions(0, 10), at=st.fractions(0, 1))
def test_an_interval_encloses_its_numbers(low, width, at):
    number = low + at * width
    interval = enclosing_interval(low, low + width)
    assert _as_fraction(interval.a) <= number <= _as_fraction(interval.b)


def _as_fraction(end):
    sign, mantissa, exponent, _ = end._mpi_[0]
    return Fraction((-1) ** sign * int(mantissa)) * Fraction(2) ** exponent


def test_a_point_refutes_where_every_fact_is_certain():
    facts = {"e^2 > 7": lambda x: interval_context.exp(x) - 7, "x > 1": lambda x: x - 1}
    certificate = refute_at("e^x <= 7 up to x = 2", {"x": 2}, facts)
    assert certificate[1:] == (REFUTED, certificate.method, {"x": Fraction(2)}, "e^2 > 7; x > 1")
    uncertain = refute_at("e^x <= 7 up to x = 2", {"x": 2}, facts | {"x > 2": lambda x: x - 2})
    assert (uncertain.verdict, uncertain.counterexample) == (UNDECIDED, None)
    assert "x > 2 not certified" in uncertain.reason


def test_a_box_is_split_until_it_is_certain():
    def parabola(x, y):
        return x * x - x * y + y * y + enclosing_interval("0.001")  # the intervals alone are far too wide

    box = {"x": (-1, 1), "y": (-1, 1)}
    assert prove_positive("positive definite", parabola, box).verdict == PROVED
    assert prove_positive("positive definite", parabola, box, max_boxes=10).verdict == UNDECIDED
    assert prove_positive("a thin box", parabola, {"x": (0, 0), "y": ("-0.1", 1)}).verdict == PROVED


def test_a_box_is_refuted_by_a_point():
    certificate = prove_positive("x^2 > y on the unit square", lambda x, y: x * x - y, {"x": (0, 1), "y": (0, 1)})
    assert certificate.verdict == REFUTED
    assert certificate.counterexample["x"] ** 2 <= certificate.counterexample["y"]


def test_a_zero_stays_undecided():
    touching = prove_positive("x^2 > 0", lambda x: x * x, {"x": ("-0.3", 1)}, max_boxes=200)
    assert touching.verdict == UNDECIDED
    assert "enclose 0" in touching.reason


def test_doors():
    with pytest.raises(TypeError, match=r"got 0\.1"):
        as_fraction(0.1)
    with pytest.raises(ValueError, match="low <= high, got 1 and 0"):
        enclosing_interval(1, 0)
    with pytest.raises(ValueError, match="milliseconds >= 1"):
        prove("x = x", x == x, milliseconds=0)
    with pytest.raises(ValueError, match="pieces >= 1"):
        prove_positive("x > 0", lambda x: x, {"x": (1, 2)}, max_boxes=0)
