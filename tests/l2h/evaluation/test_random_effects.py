"""Random effects against a published example, an independent search, and simulated tasks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.evaluation import restricted_maximum_likelihood
from scipy.stats import chi2, t

from l2h.evaluation.random_effects import _restricted_likelihood, random_effects

# Thirteen trials of the BCG vaccine: ill and well of the vaccinated and of the others, and the latitude (Colditz et
# al., JAMA 271, 1994). The documentation of the R package metafor prints the results of their log risk ratios.
TRIALS = np.array(
    [
        [4, 119, 11, 128, 44], [6, 300, 29, 274, 55], [3, 228, 11, 209, 42], [62, 13536, 248, 12619, 52],
        [33, 5036, 47, 5761, 13], [180, 1361, 372, 1079, 44], [8, 2537, 10, 619, 19], [505, 87886, 499, 87892, 13],
        [29, 7470, 45, 7232, 27], [17, 1699, 65, 1600, 42], [186, 50448, 141, 27197, 18], [5, 2493, 3, 2338, 33],
        [27, 16886, 29, 17825, 33],
    ], float,
)  # fmt: skip


def risk_ratios():
    """Log risk ratios, their standard errors, and the latitudes."""
    ill, well, ill_others, well_others, latitude = TRIALS.T
    n, n_others = ill + well, ill_others + well_others
    return np.log(ill / n / (ill_others / n_others)), np.sqrt(1 / ill - 1 / n + 1 / ill_others - 1 / n_others), latitude


def test_the_mean_of_a_published_example():
    y, errors, _ = risk_ratios()
    effects = random_effects(y, errors)
    assert effects.tau_squared == pytest.approx(0.3132, abs=5e-5)
    assert effects.mean_interval().estimate == pytest.approx(-0.7145, abs=5e-5)
    assert effects.i_squared == pytest.approx(0.9222, abs=5e-5)
    assert effects.q == pytest.approx(152.2330, abs=5e-5)
    _, low, high = effects.tau_interval()
    assert (low**2, high**2) == (pytest.approx(0.1197, abs=5e-5), pytest.approx(1.1115, abs=5e-5))


def test_the_regression_of_a_published_example():
    effects = random_effects(*risk_ratios())
    assert effects.tau_squared == pytest.approx(0.0764, abs=6e-5)  # metafor ends its search at a precision of 1e-5
    assert effects.coefficients.tolist() == [pytest.approx(0.2515, abs=5e-5), pytest.approx(-0.0291, abs=5e-5)]
    assert effects.i_squared == pytest.approx(0.6839, abs=5e-5)
    assert effects.q == pytest.approx(30.7331, abs=5e-5)


def test_the_interval_of_hartung_and_knapp_is_that_of_their_formula():
    y, errors, _ = risk_ratios()
    effects = random_effects(y, errors)
    weights = 1 / (errors**2 + effects.tau_squared)
    mean = (weights * y).sum() / weights.sum()
    variance = (weights * (y - mean) ** 2).sum() / ((len(y) - 1) * weights.sum())
    half = t.ppf(0.975, len(y) - 1) * variance**0.5
    assert effects.mean_interval() == pytest.approx((mean, mean - half, mean + half))
    half = t.ppf(0.95, len(y) - 2) * (variance + effects.tau_squared + 0.3**2) ** 0.5
    assert effects.new_task_interval(standard_error=0.3, level=0.9) == pytest.approx((mean, mean - half, mean + half))


def test_the_limits_of_tau_are_where_q_has_its_quantiles():
    y, errors, latitude = risk_ratios()
    effects = random_effects(y, errors, latitude)
    for tau, quantile in zip(effects.tau_interval(level=0.9)[1:], (0.95, 0.05), strict=True):
        weights = 1 / (errors**2 + tau**2)
        slope, intercept = np.polyfit(latitude, y, 1, w=weights**0.5)
        q = (weights * (y - intercept - slope * latitude) ** 2).sum()
        assert q == pytest.approx(chi2.ppf(quantile, len(y) - 2), rel=1e-6)


@given(st.integers(0, 10_000), st.integers(4, 12), st.booleans(), st.sampled_from([0.0, 0.02, 0.5]))
def test_reml_is_the_largest_density_of_error_contrasts(seed, k, has_property, tau):
    random = np.random.default_rng(seed)
    errors, values = random.uniform(0.01, 0.1, k), random.normal(size=k)
    y = 0.1 + 0.05 * values * has_property + random.normal(size=k) * np.sqrt(tau**2 + errors**2)
    effects = random_effects(y, errors, values if has_property else None)
    expected = restricted_maximum_likelihood(y, errors**2, effects.design)
    assert effects.tau_squared == pytest.approx(expected, rel=1e-3, abs=1e-7)


def test_the_intervals_of_the_slope_and_of_tau_hold_their_estimates():
    latitude, noise = np.arange(6.0), np.array([0.02, -0.03, 0.04, -0.05, 0.03, -0.01])
    effects = random_effects(0.1 + 0.05 * latitude + noise, [0.01] * 6, latitude)
    slope, tau = effects.slope_interval(), effects.tau_interval()
    assert slope.estimate == pytest.approx(effects.coefficients[1]) and slope.low < slope.estimate < slope.high
    assert tau.estimate == pytest.approx(effects.tau_squared**0.5) and 0 < tau.low < tau.estimate < tau.high


def test_the_restricted_likelihood_is_largest_at_the_estimate():
    random = np.random.default_rng(5)
    errors = random.uniform(0.01, 0.1, 9)
    y = 0.1 + random.normal(size=9) * np.sqrt(0.1**2 + errors**2)
    effects = random_effects(y, errors)
    at = [
        _restricted_likelihood(y, errors**2, effects.design, factor * effects.tau_squared)
        for factor in (0.98, 1.0, 1.02)
    ]
    assert at[0] < at[1] > at[2]


def test_equal_standard_errors_give_students_interval():
    y = np.array([0.1, 0.4, 0.2, 0.9])
    effects = random_effects(y, np.full(4, 0.05))
    assert effects.tau_squared == pytest.approx(y.var(ddof=1) - 0.05**2)
    half = t.ppf(0.975, 3) * y.std(ddof=1) / 2
    assert effects.mean_interval() == pytest.approx((0.4, 0.4 - half, 0.4 + half))


def test_equal_estimates_leave_nothing_between_tasks():
    effects = random_effects([0.2, 0.2, 0.2], [0.1, 0.2, 0.3])
    assert (effects.tau_squared, effects.i_squared, effects.tau_interval().low) == (0.0, 0.0, 0.0)
    assert effects.mean_interval() == pytest.approx((0.2, 0.2, 0.2))


@pytest.mark.parametrize("tau", [0.0, 0.03])
def test_intervals_cover_in_simulated_tasks(tau):
    """Nine tasks with the standard errors of the chapter's; 500 simulations have a standard error of 1 %."""
    random, errors = np.random.default_rng(7), np.geomspace(0.004, 0.03, 9)
    covered = np.zeros(2)
    for _ in range(500):
        true = 0.02 + tau * random.normal(size=10)
        effects = random_effects(true[:9] + errors * random.normal(size=9), errors)
        new = true[9] + 0.01 * random.normal()
        intervals = effects.mean_interval(), effects.new_task_interval(standard_error=0.01)
        covered += [each.low <= target <= each.high for each, target in zip(intervals, (0.02, new), strict=True)]
    assert (covered / 500 > 0.92).all()
    assert covered[0] / 500 < 0.99


@pytest.mark.parametrize(
    ("estimates", "errors", "values", "message"),
    [
        ([0.1, 0.2], [0.1, 0.1], None, "expected a finite tasks >= 3, got 2"),
        ([0.1, 0.2, 0.3], [0.1, 0.0, 0.1], None, "standard errors > 0, got 0"),
        ([0.1, 0.2, 0.3], [0.1, 0.1, 0.1], [1, 2, 3], "expected a finite tasks >= 4, got 3"),
        ([0.1, 0.2, 0.3, 0.4], [0.1] * 4, [1, 1, 1, 1], "not all equal"),
        ([0.1, np.nan, 0.3], [0.1] * 3, None, "finite"),
        ([0.1, 0.2, 0.3], [0.1] * 2, None, "length"),
    ],
)
def test_what_is_refused(estimates, errors, values, message):
    with pytest.raises(ValueError, match=message):
        random_effects(estimates, errors, values)


def test_a_property_needs_its_value_and_a_mean_none():
    mean = random_effects([0.1, 0.2, 0.3], [0.1] * 3)
    regression = random_effects([0.1, 0.2, 0.4, 0.3], [0.1] * 4, range(4))
    with pytest.raises(ValueError, match="expected no value of the property, got 1"):
        mean.mean_interval(1.0)
    with pytest.raises(ValueError, match="expected a value of the property, got None"):
        regression.new_task_interval()
    with pytest.raises(ValueError, match="a mean alone"):
        mean.slope_interval()
