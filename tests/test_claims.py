"""Each verdict of each rule, on synthetic evidence."""

import pytest

from l2h.bootstrap import Interval
from l2h.claims import VERDICTS, judge


@pytest.mark.parametrize(
    ("low", "high", "bounds", "verdict"),
    [
        (0.01, 0.05, {"above": 0}, "reproduced"),
        (-0.05, -0.01, {"above": 0}, "not reproduced"),
        (-0.01, 0.05, {"above": 0}, "inconclusive"),
        (0.0, 0.05, {"above": 0}, "inconclusive"),
        (0.0, 0.0, {"above": 0}, "not reproduced"),
        (0.1, 0.2, {"below": 0.3}, "reproduced"),
        (0.4, 0.5, {"below": 0.3}, "not reproduced"),
        (0.2, 0.5, {"below": 0.3}, "inconclusive"),
        (-0.01, 0.01, {"above": -0.02, "below": 0.02}, "reproduced"),
        (0.03, 0.04, {"above": -0.02, "below": 0.02}, "not reproduced"),
        (-0.04, -0.03, {"above": -0.02, "below": 0.02}, "not reproduced"),
        (-0.03, 0.03, {"above": -0.02, "below": 0.02}, "inconclusive"),
    ],
)
def test_the_interval_decides(low, high, bounds, verdict):
    assert judge(Interval((low + high) / 2, low, high), **bounds) == verdict
    assert verdict in VERDICTS


def test_no_bound_and_no_interval_are_refused():
    with pytest.raises(ValueError, match="a bound"):
        judge(Interval(0.0, -1.0, 1.0))
    with pytest.raises(ValueError, match="high"):
        judge(Interval(float("nan"), float("nan"), float("nan")), above=0)
