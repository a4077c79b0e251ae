"""The number of units that settles a case, against intervals computed with SciPy's distributions."""

from math import inf, sqrt

import pytest
from scipy import stats

from companion.claims.power import units_to_settle


def half_width(n, deviation, df, *, level=0.95, other=0.0, prediction=False):
    variance = deviation**2 * (1 + 1 / n if prediction else 1 / n) + other
    return stats.t.ppf((1 + level) / 2, df) * sqrt(variance)


def test_the_interval_leaves_the_bound_at_that_number_and_not_before():
    n = units_to_settle(0.01, 0.03, 4, units=5, bounds={"above": 0})
    assert half_width(n, 0.03, n - 1) < 0.01 <= half_width(n - 1, 0.03, n - 2)
    assert units_to_settle(-0.01, 0.03, 4, units=5, bounds={"above": 0}) == n
    assert units_to_settle(0.51, 0.03, 4, units=5, bounds={"below": 0.5}) == n


def test_the_narrower_interval_lies_within_the_margin_at_that_number_and_not_before():
    n = units_to_settle(0.001, 0.02, 9, units=10, bounds={"above": 0, "margin": 0.01})
    assert half_width(n, 0.02, n - 1, level=0.9) < 0.009 <= half_width(n - 1, 0.02, n - 2, level=0.9)


def test_a_variance_that_units_do_not_reduce_may_leave_a_case_open():
    options = {"units": 10, "bounds": {"above": 0}}
    without, beside = (units_to_settle(0.01, 0.02, 9, other_variance=v, **options) for v in (0.0, 0.004**2))
    assert without < beside
    assert half_width(beside, 0.02, beside - 1, other=0.004**2) < 0.01
    assert units_to_settle(0.01, 0.02, 9, other_variance=0.01**2, **options) is None


def test_a_prediction_interval_never_becomes_narrower_than_one_run():
    bounds = {"predicts": 0, "within": 0.15}
    n = units_to_settle(0.01, 0.07, 4, units=5, bounds=bounds)
    widths = [half_width(size, 0.07, size - 1, prediction=True) for size in (n - 1, n)]
    assert widths[1] <= 0.15 < widths[0]
    assert units_to_settle(0.01, 0.08, 4, units=5, bounds=bounds) is None


def test_more_comparisons_need_more_units_and_no_number_is_below_the_present_one():
    one, several = (units_to_settle(0.01, 0.03, inf, units=20, bounds={"above": 0}, comparisons=m) for m in (1, 4))
    assert (one, several) == (35, 57)
    assert units_to_settle(1.0, 0.03, 19, units=20, bounds={"above": 0}) == 20


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"units": 1}, "units >= 2, got 1"),
        ({"bounds": {"proved": True}}, "expected bounds of a measured quantity"),
        ({"comparisons": 0}, "comparisons >= 1, got 0"),
        ({"other_variance": -1.0}, "other_variance >= 0, got -1"),
    ],
)
def test_bad_numbers_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        units_to_settle(0.01, 0.03, 4, **({"units": 5, "bounds": {"above": 0}} | changed))
    with pytest.raises(ValueError, match="degrees_of_freedom > 0, got 0"):
        units_to_settle(0.01, 0.03, 0, units=5, bounds={"above": 0})
