r"""A mean over tasks that speaks of new tasks: random effects, and their regression on a property of the task.

An estimate of task i is the sum of what its property explains, of an effect of the task, and of a sampling error:

.. math:: y_i = x_i^\top \beta + u_i + \varepsilon_i, \qquad u_i \sim N(0, \tau^2), \quad \varepsilon_i \sim N(0, v_i)

with known v. The variance between tasks is estimated by restricted maximum likelihood (REML).
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtri, stdtrit

from l2h import checks
from l2h.evaluation.intervals import Interval, check_level

GRID = np.concatenate([[0.0], np.geomspace(1e-6, 1e2, 49)])  # of tau^2, in units of the largest square of a deviation
SCORING_STEPS = 200  # of Fisher scoring, at most
PRECISION = 1e-12  # of tau^2, in the same units


class RandomEffects(NamedTuple):
    """Random effects of k tasks with p coefficients: the mean, or an intercept and the slope of one property."""

    coefficients: np.ndarray  # (p,)
    covariance: np.ndarray  # (p, p), of Hartung and Knapp
    tau_squared: float  # variance between tasks that the property does not explain
    i_squared: float  # its share in the variance of a typical estimate
    q: float  # the statistic of Cochran's test that tau is zero
    estimates: np.ndarray  # (k,)
    variances: np.ndarray  # (k,)
    design: np.ndarray  # (k, p)

    @property
    def degrees_of_freedom(self) -> int:
        """Number of tasks minus number of coefficients."""
        return len(self.estimates) - len(self.coefficients)

    def mean_interval(self, at: float | None = None, *, level: float = 0.95) -> Interval:
        """The mean over tasks, with Student's interval of Hartung and Knapp.

        Args:
            at: value of the property, where there is one.
            level: of confidence, in (0, 1).
        """
        point = self._point(at)
        return self._student(point, float(point @ self.covariance @ point), self.degrees_of_freedom, level)

    def slope_interval(self, *, level: float = 0.95) -> Interval:
        """The slope of the property, with its interval.

        Args:
            level: of confidence, in (0, 1).

        Raises:
            ValueError: if there is no property.
        """
        if len(self.coefficients) < 2:
            raise ValueError("expected random effects with a property of the tasks, got a mean alone")
        return self._student(np.array([0.0, 1.0]), float(self.covariance[1, 1]), self.degrees_of_freedom, level)

    def new_task_interval(
        self, at: float | None = None, *, standard_error: float = 0.0, level: float = 0.95
    ) -> Interval:
        r"""The prediction interval of a new task.

        .. math:: x^\top \hat\beta \pm t_{k - p - 1} \sqrt{\hat\tau^2 + \widehat{\mathrm{Var}}(x^\top \hat\beta) + s^2}

        Args:
            at: value of its property, where there is one.
            standard_error: s >= 0 of the estimate that is compared with the interval; 0 for the task's true effect.
            level: the probability that the interval contains it, in (0, 1).

        Source: Higgins, Thompson and Spiegelhalter 2009, "A re-evaluation of random-effects meta-analysis", Journal of
        the Royal Statistical Society A 172(1).
        """
        checks.at_least(0, standard_error=standard_error)
        point = self._point(at)
        variance = self.tau_squared + float(point @ self.covariance @ point) + standard_error**2
        return self._student(point, variance, self.degrees_of_freedom - 1, level)

    def tau_interval(self, *, level: float = 0.95) -> Interval:
        r"""The standard deviation between tasks, with the interval of the Q-profile.

        .. math:: Q(\tau^2) = \sum_i \frac{(y_i - x_i^\top \hat\beta(\tau^2))^2}{v_i + \tau^2} \sim \chi^2_{k - p}

        The limits are the values at which Q equals the quantiles of its distribution. The estimate is that of REML, and
        may lie outside where there are few tasks; the nearer limit then takes its place.

        Args:
            level: of confidence, in (0, 1).

        Source: Viechtbauer 2007, "Confidence intervals for the amount of heterogeneity in meta-analysis", Statistics in
        Medicine 26(1).
        """
        check_level(level)
        df = self.degrees_of_freedom
        low, high = (self._tau_squared_at(float(chdtri(df, tail))) for tail in ((1 - level) / 2, (1 + level) / 2))
        low, estimate, high = np.sqrt([low, min(max(self.tau_squared, low), high), high]).tolist()
        return Interval(estimate, low, high)

    def _tau_squared_at(self, q: float) -> float:
        """The variance between tasks at which Q, which falls as it grows, has this value; 0 if there is none."""
        if _generalised_q(self.estimates, self.variances, self.design, 0.0) <= q:
            return 0.0
        high = _scale(self.estimates)
        while _generalised_q(self.estimates, self.variances, self.design, high) > q:
            high *= 2
        return float(
            brentq(
                lambda tau_squared: _generalised_q(self.estimates, self.variances, self.design, tau_squared) - q,
                0,
                high,
            )
        )

    def _point(self, at: float | None) -> np.ndarray:
        if (at is None) != (len(self.coefficients) == 1):
            raise ValueError(f"expected {'no ' if at is not None else 'a '}value of the property, got {at}")
        return np.array([1.0] if at is None else [1.0, at])

    def _student(self, point: np.ndarray, variance: float, df: float, level: float) -> Interval:
        check_level(level)
        mean = float(point @ self.coefficients)
        half = float(stdtrit(df, (1 + level) / 2)) * variance**0.5
        return Interval(mean, mean - half, mean + half)


def random_effects(estimates: Any, standard_errors: Any, property_values: Any = None) -> RandomEffects:
    r"""Random effects of k tasks, or their regression on one property.

    .. math:: \widehat{\mathrm{Var}}(\hat\beta) = \frac{y^\top P y}{k - p} (X^\top W X)^{-1}, \qquad
              W = \mathrm{diag}\Big(\frac{1}{v_i + \hat\tau^2}\Big), \quad P = W - W X (X^\top W X)^{-1} X^\top W

    Args:
        estimates: (k,) one per task; k >= 3, or 4 with a property.
        standard_errors: (k,) of the estimates, > 0; their squares count as known.
        property_values: (k,) one number per task, not all equal; None for the mean alone.

    Returns:
        `RandomEffects`.

    Raises:
        ValueError: if shapes differ, there are too few tasks, or a number is out of range.

    >>> effects = random_effects([0.1, 0.2, 0.3, 0.4], [0.01, 0.01, 0.01, 0.01])
    >>> [round(float(limit), 3) for limit in effects.mean_interval()], round(effects.i_squared, 3)
    ([0.25, 0.045, 0.455], 0.994)

    Source: Hartung and Knapp 2001, "A refined method for the meta-analysis of controlled clinical trials with binary
    outcome", Statistics in Medicine 20(24); Knapp and Hartung 2003, "Improved tests for a random effects
    meta-regression with a single covariate", Statistics in Medicine 22(17); Viechtbauer 2005, "Bias and efficiency of
    meta-analytic variance estimators in the random-effects model", Journal of Educational and Behavioral Statistics
    30(3).
    """
    y, errors = np.asarray(estimates, dtype=float), np.asarray(standard_errors, dtype=float)
    checks.one_dimensional(estimates=y, standard_errors=errors)
    checks.same_length(estimates=y, standard_errors=errors)
    checks.finite(estimates=y, standard_errors=errors)
    if len(errors) and not errors.min() > 0:
        raise ValueError(f"expected standard errors > 0, got {errors.min():g}")
    design = _design(property_values, len(y))
    checks.at_least(design.shape[1] + 2, tasks=len(y))
    variances = errors**2
    tau_squared = _reml(y, variances, design)
    projection, weighted = _projection(variances + tau_squared, design)
    fixed, _ = _projection(variances, design)
    df = len(y) - design.shape[1]
    typical = df / np.trace(fixed)  # variance of a typical estimate
    return RandomEffects(
        coefficients=weighted @ (design.T @ (y / (variances + tau_squared))),
        covariance=float(y @ projection @ y) / df * weighted,
        tau_squared=tau_squared,
        i_squared=float(tau_squared / (tau_squared + typical)),
        q=float(y @ fixed @ y),
        estimates=y,
        variances=variances,
        design=design,
    )


def _design(property_values: Any, k: int) -> np.ndarray:
    if property_values is None:
        return np.ones((k, 1))
    values = np.asarray(property_values, dtype=float)
    checks.one_dimensional(property_values=values)
    checks.finite(property_values=values)
    if len(values) != k or np.ptp(values) == 0:
        raise ValueError(f"expected {k} values of the property that are not all equal, got {values.tolist()}")
    return np.column_stack([np.ones(k), values])


def _reml(y: np.ndarray, variances: np.ndarray, design: np.ndarray) -> float:
    """The variance between tasks of the largest restricted likelihood, by Fisher scoring from the best of a grid."""
    scale = _scale(y)
    if scale == 0:
        return 0.0
    likelihoods = [_restricted_likelihood(y, variances, design, tau_squared) for tau_squared in GRID * scale]
    tau_squared = float(GRID[int(np.argmax(likelihoods))] * scale)
    for _ in range(SCORING_STEPS):
        projection, _ = _projection(variances + tau_squared, design)
        residual = projection @ y
        step = float((residual @ residual - np.trace(projection)) / (projection**2).sum())
        previous, tau_squared = tau_squared, max(tau_squared + step, 0.0)
        if abs(tau_squared - previous) <= PRECISION * scale:
            break
    return tau_squared


def _scale(y: np.ndarray) -> float:
    return float(((y - y.mean()) ** 2).max())


def _restricted_likelihood(y: np.ndarray, variances: np.ndarray, design: np.ndarray, tau_squared: float) -> float:
    """The logarithm, without its constants."""
    total = variances + tau_squared
    projection, weighted = _projection(total, design)
    return float(-np.log(total).sum() + np.linalg.slogdet(weighted)[1] - y @ projection @ y) / 2


def _projection(variances: np.ndarray, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P of `random_effects`, and the inverse of X'WX."""
    weighted_design = design / variances[:, None]
    inverse = np.linalg.inv(design.T @ weighted_design)
    return np.diag(1 / variances) - weighted_design @ inverse @ weighted_design.T, inverse


def _generalised_q(y: np.ndarray, variances: np.ndarray, design: np.ndarray, tau_squared: float) -> float:
    projection, _ = _projection(variances + tau_squared, design)
    return float(y @ projection @ y)
