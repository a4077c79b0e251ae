"""Evidence: numbers between their limits, or a reason; stored, read and told."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from companion.claims.evidence import Evidence, min_evidence

YES, NONE = Evidence(0.1, 0.05, 0.2), Evidence.absent("no")
BROKEN = Evidence.exact(-1, counterexample={"p": "1/2"})
SMALL = Evidence(0.001, -0.002, 0.004, equivalence_low=-0.001, equivalence_high=0.003)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((0.1, math.nan, 0.2), "expected a finite low, got nan; Evidence.absent says why"),
        ((0.1, 0.0, math.inf), "expected a finite high, got inf"),
        ((0.1, 0.2, 0.1), "expected a finite high >= 0.2, got 0.1"),
        ((0.1,), "expected an estimate with its limits, or Evidence.absent"),
        ((), "expected an estimate with its limits"),
    ],
)
def test_evidence_is_numbers_or_a_reason(numbers, message):
    with pytest.raises(ValueError, match=message):
        Evidence(*numbers)


def test_a_measured_interval_counts_seeds_and_examples():
    runs = [SimpleNamespace(y=np.ones(7))] * 3
    assert Evidence.measured(lambda one, other: (0.5, 0.4, 0.6), runs, runs, data="ab") == Evidence(
        0.5, 0.4, 0.6, n=7, seeds=3, data="ab"
    )
    assert Evidence.measured(lambda one, other: 1 / 0, runs, []).reason == "not run at this profile"
    assert Evidence.measured(lambda one: (math.nan, 0, 1), runs).reason == "there is no such example"


@pytest.mark.parametrize(
    ("verdict", "counterexample", "expected"),
    [
        ("proved", None, Evidence(1.0, 1.0, 1.0)),
        ("refuted", {"p": 0.5}, Evidence(0.0, 0.0, 0.0, counterexample={"p": "0.5"})),
        ("undecided", None, Evidence(0.5, 0.0, 1.0)),
    ],
)
def test_a_certificate_is_one_where_it_proves_and_zero_where_it_refutes(verdict, counterexample, expected):
    assert Evidence.certified(SimpleNamespace(verdict=verdict, counterexample=counterexample)) == expected


def test_an_interval_with_another_number_of_limits_for_equivalence_is_refused():
    runs = [SimpleNamespace(y=np.ones(7))] * 3
    for limits, message in (((0.4,), "shorter"), ((0.4, 0.6, 0.7), "longer")):
        with pytest.raises(ValueError, match=f"argument 2 is {message}"):
            Evidence.measured(
                lambda runs, level=0.95, limits=limits: (0.5, 0.3, 0.7) if level == 0.95 else (0.5, *limits),
                runs,
                equivalence=True,
            )


def test_evidence_survives_storage():
    rich = Evidence(
        np.float32(0.5), np.float64(0.25), 1, n=np.int64(7), seeds=3, data="ab", counterexample={"p": np.float64(0.5)}
    )
    for one in (rich, YES, NONE, BROKEN):
        assert Evidence(**one.as_json()) == one
    assert {type(value) for value in rich.as_json().values()} == {float, int, str, dict}
    assert rich.counterexample == {"p": "0.5"}
    limits = {"equivalence_low": np.float32(0.375), "equivalence_high": np.float32(0.625)}
    narrower = Evidence(0.5, 0.25, 0.75, **limits)
    assert [type(getattr(narrower, name)) for name in limits] == [float, float]


def test_evidence_in_words():
    assert Evidence(0.5, 0.4, 0.6, n=7, seeds=1).text() == "0.5 [0.4, 0.6], n = 7, 1 seed"
    assert Evidence(0.5, 0.4, 0.6, seeds=2).text() == "0.5 [0.4, 0.6], 2 seeds"
    assert Evidence.exact(0.25, counterexample={"p": 1}).text() == "0.25 at p = 1"
    assert Evidence(0.5, 0.4, 0.6, comparisons=2).text() == "0.5 [0.4, 0.6], adjusted for 2 comparisons"
    assert Evidence(0.5, 0.4, 0.6, comparisons=1).text() == "0.5 [0.4, 0.6]"


def test_the_least_of_several_has_the_least_limits():
    found = [Evidence(0.3, 0.1, 0.4, n=7), Evidence(0.2, 0.15, 0.6), Evidence(0.5, -0.2, 0.9)]
    assert min_evidence(found) == Evidence(0.2, -0.2, 0.4, n=7)
    with pytest.raises(ValueError, match="at least one"):
        min_evidence([])


def test_limits_for_equivalence_are_two_numbers_within_the_others():
    for limits in ({"equivalence_low": 0.0}, {"equivalence_low": 0.0, "equivalence_high": math.nan}):
        with pytest.raises(ValueError, match="expected two finite limits for equivalence, or neither"):
            Evidence(0.0, -1, 1, **limits)
    with pytest.raises(ValueError, match=r"expected limits for equivalence within \[0.0, 1.0\], got \[-0.5, 0.5\]"):
        Evidence(0.1, 0, 1, equivalence_low=-0.5, equivalence_high=0.5)
    assert Evidence(0.5, 0, 1, equivalence_low=0, equivalence_high=1).equivalence_high == 1
    with pytest.raises(ValueError, match=r"equivalence_high >= 0[.]5, got 0"):
        Evidence(0.1, 0, 1, equivalence_low=0.5, equivalence_high=0.2)
    adjusted = Evidence(0.1, 0, 1, equivalence_low=-0.5, equivalence_high=0.5, comparisons=2)
    assert adjusted.equivalence_low == -0.5


def test_evidence_that_was_stored_before_there_were_limits_for_equivalence_reads_unchanged():
    stored = {"estimate": 0.2, "low": 0.1, "high": 0.3, "n": 10, "seeds": 2, "data": "ab"}
    assert Evidence(**stored).as_json() == stored
    assert set(SMALL.as_json()) == {"estimate", "low", "high", "equivalence_low", "equivalence_high"}


def test_the_limits_for_equivalence_are_those_of_another_level():
    def interval(runs, level=0.95):
        return 0.5, 0.5 - level, 0.5 + level

    runs = [SimpleNamespace(y=np.ones(7))] * 3
    measured = Evidence.measured(interval, runs, equivalence=True)
    assert (measured.low, measured.equivalence_low, measured.equivalence_high) == (0.5 - 0.95, 0.5 - 0.9, 0.5 + 0.9)


def test_an_adjusted_interval_says_so():
    adjusted = Evidence(0.5, 0.4, 0.6, comparisons=4, n=7)
    assert adjusted.text() == "0.5 [0.4, 0.6], adjusted for 4 comparisons, n = 7"
    assert Evidence(0.5, 0.4, 0.6, comparisons=1).text() == "0.5 [0.4, 0.6]"
    assert SMALL.text() == "0.001 [-0.002, 0.004], for equivalence [-0.001, 0.003]"


def test_the_least_of_several_has_limits_for_equivalence_if_all_have():
    other = Evidence(0.002, -0.004, 0.008, equivalence_low=-0.003, equivalence_high=0.002)
    least = min_evidence([SMALL, other])
    assert (least.low, least.equivalence_low, least.equivalence_high) == (-0.004, -0.003, 0.002)
    assert min_evidence([YES, SMALL]).equivalence_low is None


def test_the_least_of_no_evidence_is_refused():
    with pytest.raises(ValueError, match=r"^expected evidence on at least one quantity, got none$"):
        min_evidence([])
