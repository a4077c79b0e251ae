"""The whole list: every statement is decided, as expected, and each counterexample is exact."""

from fractions import Fraction

import pytest

from companion.proofs.prover import PROVED, REFUTED
from companion.proofs.statements import certificates

REFUTATIONS = {
    *("always-asking-free", "gain-grows-any-c1", "threshold-grows-any-ce", "literal-tie"),
    *("stage-weight-any-costs", "released-weight"),
    *("released-beta-1", "released-beta-4", "released-upper-range", "released-small-c1", "released-constant"),
    *("constant-0.18", "released-formula-beta-1", "released-formula-domain", "bounded-keeps"),
    *("upper-bound-negative-alpha", "upper-bound-negative-beta", "convex-in-the-logit"),
    *("theorem-1-range-stated", "theorem-1-one-example", "theorem-1-hundred-examples", "theorem-1-real-scores"),
    *("joint-stage-objective", "quadratic-transfer-of-alpha-p"),
    *("more-accurate-server", "average-server"),
}


@pytest.fixture(scope="module")
def found():
    return certificates()


def test_every_statement_is_decided_as_expected(found):
    assert {name for name, certificate in found.items() if certificate.verdict == REFUTED} == REFUTATIONS
    assert {certificate.verdict for certificate in found.values()} == {PROVED, REFUTED}
    assert all(certificate.statement and certificate.reason for certificate in found.values())


def test_no_statement_is_counted_twice(found):
    assert len({certificate.statement for certificate in found.values()}) == len(found)


def test_counterexamples_are_numbers_that_anyone_can_put_in(found):
    for certificate in found.values():
        numbers = certificate.counterexample
        assert (numbers is None) == (certificate.verdict == PROVED)
        assert all(isinstance(number, Fraction) for number in (numbers or {}).values())


def test_only_what_has_exponentials_or_no_rational_point_is_left_to_intervals(found):
    algebraic = sum(certificate.method.startswith("SMT") for certificate in found.values())
    analytic = sum(certificate.method.startswith("interval") for certificate in found.values())
    assert algebraic + analytic == len(found)
    assert algebraic > 4 * analytic
