"""Calibration: how well predicted probabilities agree with observed frequencies."""

from typing import NamedTuple

import numpy as np

from l2h import checks


class Reliability(NamedTuple):
    """Predicted probabilities and observed frequencies in bins of about equally many examples."""

    mean_probability: np.ndarray  # (B,) mean predicted probability of each bin
    frequency: np.ndarray  # (B,) share of its examples on which the event occurred
    n: np.ndarray  # (B,) number of its examples


def reliability(p: np.ndarray, outcomes: np.ndarray, *, bins: int = 15) -> Reliability:
    """The points of a reliability diagram: mean predicted probability and observed frequency of each bin.

    The examples are ordered by p and divided into bins of equal size. Examples with equal p share a bin, so the result
    does not depend on the order of the examples, and there are fewer bins where many probabilities are equal.

    Args:
        p: (n,) predicted probabilities.
        outcomes: (n,) whether the event occurred, booleans or 0/1.
        bins: largest number of bins, >= 1.

    Returns:
        Mean probability, frequency and size of each bin, in the order of p.

    Raises:
        ValueError: if lengths differ, there is no example or no bin, a probability is outside [0, 1], or an outcome is
            not 0 or 1.

    >>> reliability(np.array([0.1, 0.1, 0.8]), np.array([0, 1, 1]), bins=2).n
    array([2, 1])

    Source: Guo et al., ICML 2017, with bins of equal size.
    """
    _check_probabilities(p, outcomes)
    checks.at_least(1, bins=bins)
    _, group_index, counts = np.unique(p, return_inverse=True, return_counts=True)
    mid_rank = np.cumsum(counts) - counts / 2  # (values,) mean rank of equal probabilities
    bin_of = np.minimum((mid_rank * bins / len(p)).astype(int), bins - 1)[group_index]
    n = np.bincount(bin_of, minlength=bins)
    nonempty = n > 0
    mean_probability, frequency = (
        np.bincount(bin_of, weights=values, minlength=bins) for values in (p, outcomes * 1.0)
    )
    return Reliability(mean_probability[nonempty] / n[nonempty], frequency[nonempty] / n[nonempty], n[nonempty])


def calibration_error(p: np.ndarray, outcomes: np.ndarray, *, bins: int = 15) -> float:
    r"""Expected calibration error over bins of about equally many examples.

    .. math:: \mathrm{ECE} = \sum_b \frac{n_b}{n} \big| \overline{p}_b - \overline{z}_b \big|

    with z the outcomes. The estimate is biased upwards: perfectly calibrated probabilities p have about
    0.8 sqrt(B p (1 - p) / n).

    Args:
        p: (n,) predicted probabilities.
        outcomes: (n,) whether the event occurred, booleans or 0/1.
        bins: largest number of bins B, >= 1.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: as `reliability`.

    >>> calibration_error(np.array([0.5, 0.5]), np.array([1, 1]))
    0.5
    """
    mean_probability, frequency, n = reliability(p, outcomes, bins=bins)
    return float((n * np.abs(mean_probability - frequency)).sum() / n.sum())


def _check_probabilities(p: np.ndarray, outcomes: np.ndarray) -> None:
    checks.one_dimensional(p=p, outcomes=outcomes)
    checks.probabilities(p=p)
    checks.events(outcomes=outcomes)
    checks.at_least(1, examples=len(p))
