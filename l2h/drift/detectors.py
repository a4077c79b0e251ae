"""Drift detectors of `river` on signals that need no labels, and the evaluation of their alarms."""

import random
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from river import drift as river
from scipy.stats import ks_2samp

from l2h import checks
from l2h.problem import Predictions, asks, server_label

# Chosen on Gaussian noise, before any stream of images was used: with their default parameters Page-Hinkley and KSWIN
# raise several alarms in 10,000 steps of noise; with a slack of 0.1 deviations and a level of 1e-5, less than one.
DETECTORS: dict[str, Callable[[int], Any]] = {
    "ADWIN": lambda seed: river.ADWIN(delta=0.002),
    "Page-Hinkley": lambda seed: river.PageHinkley(delta=0.1, threshold=50.0),
    "KSWIN": lambda seed: river.KSWIN(alpha=1e-5, window_size=200, stat_size=60, seed=seed),
}
KSWIN_BATCH = 1000  # number of KSWIN tests that are computed together
SIGNALS: dict[str, Callable[[Predictions], np.ndarray]] = {
    "r": lambda p: p.r,
    "disagreement": lambda p: (p.m != server_label(p.e)).astype(float),
}


def detector_alarms(signal: np.ndarray, reference: np.ndarray, *, detector: str, seed: int = 0) -> np.ndarray:
    """The steps at which a detector raises an alarm; it is reset after each alarm.

    Args:
        signal: (T,) monitored values in the order of time, such as r.
        reference: (n,) held-out values of the signal; their mean and standard deviation standardize it (a deviation of
            0 counts as 1).
        detector: a name in `DETECTORS`.
        seed: of the subsamples of KSWIN.

    Returns:
        (k,) rising steps; the alarm of step t is raised after the input of step t.

    Raises:
        ValueError: if the detector does not exist, values are not finite, or there is no reference.

    >>> signal = np.append(np.zeros(300), np.ones(300))
    >>> bool(detector_alarms(signal, np.array([-1.0, 1.0]), detector="ADWIN")[0] >= 300)
    True

    Source: Bifet and Gavalda, SDM 2007 (ADWIN); Page, Biometrika 41, 1954; Raab, Heusinger and Schleif,
    Neurocomputing 416, 2020 (KSWIN); the implementations of `river`.
    """
    checks.one_of(DETECTORS, detector=detector)
    checks.one_dimensional(signal=signal)
    checks.one_dimensional(reference=reference)
    checks.finite(signal=signal, reference=reference)
    checks.at_least(1, **{"values in reference": len(reference)})
    standardized = (signal - reference.mean()) / (reference.std() or 1.0)
    first = _first_kswin_alarm if detector == "KSWIN" else _first_alarm
    steps: list[int] = []
    while (
        step := first(standardized[steps[-1] + 1 if steps else 0 :], DETECTORS[detector](seed + len(steps)))
    ) is not None:
        steps.append(step + (steps[-1] + 1 if steps else 0))
    return np.array(steps, dtype=int)


def _first_alarm(values: np.ndarray, detector: Any) -> int | None:
    """The step of a detector's first alarm."""
    for step, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            return step
    return None


def _first_kswin_alarm(values: np.ndarray, detector: Any) -> int | None:
    """As `_first_alarm`, with many tests at a time: river computes an exact p-value at every step, which takes minutes.

    The p-value decreases with the distance, so the distance alone determines the alarm.
    """
    size, n_candidates, generator = (
        detector.stat_size,
        detector.window_size - detector.stat_size,
        random.Random(detector.seed),
    )
    critical = _critical_distance(size, detector.alpha)
    for start in range(0, len(values) - detector.window_size + 1, KSWIN_BATCH):
        windows = np.lib.stride_tricks.sliding_window_view(values[start:], detector.window_size)[:KSWIN_BATCH]
        indices = np.array([generator.sample(range(n_candidates), size) for _ in windows])
        distances = _ks_distances(np.take_along_axis(windows, indices, axis=1), windows[:, n_candidates:])
        hits = np.flatnonzero(distances >= critical)
        if len(hits):
            return start + int(hits[0]) + detector.window_size - 1
    return None


def _ks_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Kolmogorov-Smirnov distances of k pairs of samples of n values each, times n: (k,)."""
    both = np.concatenate([first, second], axis=1)  # (k, 2n)
    order = both.argsort(axis=1)
    step = np.where(order < first.shape[1], 1, -1).cumsum(axis=1)
    ranked = np.take_along_axis(both, order, axis=1)
    ends = np.append(
        ranked[:, 1:] > ranked[:, :-1], np.ones((len(both), 1), dtype=bool), axis=1
    )  # of runs of equal values
    return np.where(ends, np.abs(step), 0).max(axis=1)


@lru_cache(maxsize=8)
def _critical_distance(size: int, alpha: float) -> int:
    """The smallest distance, times n, at which river's KSWIN raises an alarm: p <= alpha and a distance above 0.1."""
    distances = (k for k in range(1, size + 1) if 10 * k > size)
    ranks = np.arange(size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=RuntimeWarning)  # as river does
        return next((k for k in distances if ks_2samp(ranks, ranks + k - 0.5).pvalue <= alpha), size + 1)


def detect(predictions: Predictions, held_out: Predictions, *, signal: str, detector: str, seed: int = 0) -> np.ndarray:
    """The steps at which a detector raises an alarm on a signal that needs no labels.

    Args:
        predictions: on T examples in the order of time.
        held_out: on examples from before the stream.
        signal: "r", the score of every input, or "disagreement", whether client and server disagree, which is known for
            the inputs that the sign rule asks.
        detector: a name in `DETECTORS`.
        seed: of the subsamples of KSWIN.

    Returns:
        (k,) rising steps.

    Raises:
        ValueError: if the signal or the detector does not exist.
    """
    checks.one_of(SIGNALS, signal=signal)
    signal_of = SIGNALS[signal]
    observed = np.arange(len(predictions.r)) if signal == "r" else np.flatnonzero(asks(predictions.r))
    return observed[
        detector_alarms(signal_of(predictions)[observed], signal_of(held_out), detector=detector, seed=seed)
    ]


class DetectionReport(NamedTuple):
    """False alarms and detection delay of the alarms in one stream."""

    false_alarms: int  # number of alarms before the change
    stationary_steps: int  # number of steps before the change
    delay: float  # steps from the change to the first alarm; NaN if there is none within the window


def score_alarms(alarms: np.ndarray, *, change: int, length: int, window: int) -> DetectionReport:
    """Compare alarms with the true change point.

    Args:
        alarms: (k,) rising steps of alarms.
        change: first step after the change, from 0 to length; length if nothing changes.
        length: T steps.
        window: number of steps after the change within which an alarm counts as a detection, >= 1.

    Returns:
        False alarms and delay.

    Raises:
        ValueError: if the change lies outside the stream, or the window is below 1.

    >>> score_alarms(np.array([10, 130]), change=100, length=200, window=50)
    DetectionReport(false_alarms=1, stationary_steps=100, delay=30.0)
    """
    checks.at_least(0, change=change)
    checks.at_least(change, length=length)
    checks.at_least(1, window=window)
    after = alarms[(alarms >= change) & (alarms < change + window)]
    return DetectionReport(
        int((alarms < change).sum()), change, float(after[0] - change) if len(after) else float("nan")
    )
