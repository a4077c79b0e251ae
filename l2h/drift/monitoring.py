"""Monitoring of a fixed system on a stream: windowed metrics, and its error probability as a function of r."""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit
from scipy.stats import ks_2samp

from l2h import checks
from l2h.evaluation.calibration import calibration_error
from l2h.evaluation.metrics import loss_per_example, window_means
from l2h.problem import Costs, Predictions, asks

CALIBRATION_BINS = 5  # of the calibration error of a window: with more, the few examples of a window dominate its bias
ERROR_CURVE_RIDGE = 1e-3  # keeps the error curve finite if no error was observed yet


class ErrorCurve(NamedTuple):
    """The client's error probability as a logistic function of r: p(r) = 1 / (1 + exp(-(intercept + slope r)))."""

    intercept: float
    slope: float

    def probability(self, r: Any) -> np.ndarray:
        """p(r), of the shape of r."""
        return expit(self.intercept + self.slope * np.asarray(r, dtype=float))


def fit_error_curve(r: np.ndarray, wrong: np.ndarray, *, weight: np.ndarray | None = None) -> ErrorCurve:
    r"""The error probability as a logistic function of a score, by maximum likelihood with a small ridge penalty.

    .. math:: \min_{a, b} \sum_i w_i \log(1 + e^{-z_i (a + b r_i)}) + \frac{\rho}{2} (a^2 + b^2), \quad z_i = \pm 1

    Args:
        r: (n,) scores.
        wrong: (n,) whether the client was wrong, or any other event.
        weight: (n,) weights >= 0, such as inverse ask probabilities; by default 1.

    Returns:
        The curve.

    Raises:
        ValueError: if shapes differ, there is no example, a score is not finite, an event is not 0 or 1, or a weight is
            negative.

    >>> curve = fit_error_curve(np.array([-1.0, -1.0, 1.0, 1.0] * 50), np.array([1, 1, 1, 0] * 50))
    >>> bool(curve.probability(-1.0) > 0.98), round(float(curve.probability(1.0)), 2)
    (True, 0.5)

    Source: Platt scaling (Platt 1999), here of errors on r.
    """
    weight = np.ones(len(r)) if weight is None else weight
    checks.one_dimensional(r=r, wrong=wrong, weight=weight)
    checks.events(wrong=wrong)
    checks.finite(r=r, weight=weight)
    checks.at_least(0, weight=weight.min(initial=0.0))
    if len(r) == 0:
        raise ValueError("expected at least one example, got none")
    design = np.stack([np.ones(len(r)), r])  # (2, n)
    coefficients, objective = np.zeros(2), np.inf
    for _ in range(50):  # Newton's method, damped
        p = expit(coefficients @ design)
        gradient = design @ (weight * (p - wrong)) + ERROR_CURVE_RIDGE * coefficients
        curvature = (design * (weight * p * (1 - p))) @ design.T + ERROR_CURVE_RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        coefficients, before = _damped_step(coefficients, step, design, wrong, weight), objective
        objective = _objective(coefficients, design, wrong, weight)
        if before - objective < 1e-10 * (1 + abs(objective)):
            break
    return ErrorCurve(float(coefficients[0]), float(coefficients[1]))


def _objective(coefficients: np.ndarray, design: np.ndarray, wrong: np.ndarray, weight: np.ndarray) -> float:
    z = coefficients @ design
    return float(weight @ (np.logaddexp(0, z) - wrong * z) + ERROR_CURVE_RIDGE / 2 * coefficients @ coefficients)


def _damped_step(
    start: np.ndarray, step: np.ndarray, design: np.ndarray, wrong: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """The first of the full Newton step, half of it, a quarter, ... that does not increase the objective."""
    current = _objective(start, design, wrong, weight)
    for halvings in range(30):
        candidate = start - step / 2**halvings
        if _objective(candidate, design, wrong, weight) <= current:
            return candidate
    return start


class WindowedMetrics(NamedTuple):
    """Metrics in consecutive windows of a stream, (k,) each.

    The labels are needed for `loss`, `observed_error` and `calibration_error`.
    """

    step: np.ndarray  # middle of the window
    offload_rate: np.ndarray
    loss: np.ndarray  # system loss
    predicted_error: np.ndarray  # mean of the client's error probabilities, by the error curve of held-out data
    observed_error: np.ndarray  # error rate of the client
    calibration_error: np.ndarray  # expected calibration error of the predicted error probabilities
    ks_distance: np.ndarray  # Kolmogorov-Smirnov distance between r in the window and held-out r
    ks_p_value: np.ndarray  # of the two-sample test that both have the same distribution


def monitor(predictions: Predictions, reference: Predictions, *, width: int, costs: Costs) -> WindowedMetrics:
    """Windowed metrics of a fixed system along a stream.

    Args:
        predictions: on T examples in the order of time.
        reference: on held-out examples from before the stream; the error curve is fitted to them.
        width: examples per window, from 1 to T.
        costs: c1 and ce.

    Returns:
        The metrics of each window.

    Raises:
        ValueError: if the width is out of range.
    """
    predicted = fit_error_curve(reference.r, reference.m != reference.y).probability(predictions.r)
    loss = window_means(loss_per_example(predictions, costs=costs), width)
    wrong = predictions.m != predictions.y
    r_windows, predicted_windows, wrong_windows = (
        values[: len(loss) * width].reshape(-1, width) for values in (predictions.r, predicted, wrong)
    )
    tests = [ks_2samp(window, reference.r, method="asymp") for window in r_windows]
    return WindowedMetrics(
        step=(np.arange(len(loss)) + 0.5) * width,
        offload_rate=window_means(asks(predictions.r), width),
        loss=loss,
        predicted_error=window_means(predicted, width),
        observed_error=window_means(wrong, width),
        calibration_error=np.array(
            [
                calibration_error(p, outcomes, bins=CALIBRATION_BINS)
                for p, outcomes in zip(predicted_windows, wrong_windows, strict=True)
            ]
        ),
        ks_distance=np.array([float(test.statistic) for test in tests]),
        ks_p_value=np.array([float(test.pvalue) for test in tests]),
    )
