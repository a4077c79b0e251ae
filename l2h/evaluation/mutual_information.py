r"""Mutual information of two discrete variables: what one of them reveals of the other, in bits.

The estimate from frequencies is too large, even for independent variables, unless one variable follows from the other;
the correction of Miller and Madow subtracts the first term of its bias, which depends on the number of combinations.
"""

from typing import Any, NamedTuple

import numpy as np

from l2h import checks
from l2h.evaluation.intervals import Interval, check_level, z_interval


class _Frequencies(NamedTuple):
    """Of n pairs: how often each pair's combination, first and second value occurs."""

    joint: np.ndarray
    first: np.ndarray
    second: np.ndarray
    kinds: tuple[int, int, int]  # how many combinations, first and second values occur


def pointwise_information(first: Any, second: Any) -> np.ndarray:
    r"""The information of each pair, whose mean is the mutual information of the frequencies.

    .. math:: i = \log_2 \frac{\hat p(a, b)}{\hat p(a)\, \hat p(b)}

    Args:
        first: (n,) whole numbers or labels.
        second: (n,) of the same examples.

    Returns:
        (n,) bits, negative where a combination is rarer than among independent variables.

    Raises:
        ValueError: if the lengths differ or there is no example.

    >>> pointwise_information([0, 0, 1, 1], [5, 5, 7, 7])
    array([1., 1., 1., 1.])
    """
    counts = _frequencies(first, second)
    return np.log2(counts.joint * len(counts.joint) / (counts.first * counts.second))


def bias_of_frequencies(first: Any, second: Any) -> float:
    r"""By how much the mutual information of frequencies is too large, in bits, to the first order.

    .. math:: \frac{K_{ab} - K_a - K_b + 1}{2 n \ln 2}

    for K combinations and values that occur.

    Args:
        first: (n,) whole numbers or labels.
        second: (n,) of the same examples.

    Source: Miller, Note on the bias of information estimates, 1955.
    """
    joint, a, b = _frequencies(first, second).kinds
    return float((joint - a - b + 1) / (2 * len(np.asarray(first)) * np.log(2)))


def mutual_information(first: Any, second: Any, *, level: float = 0.95) -> Interval:
    """The mutual information in bits, corrected for its bias, with an interval.

    The limits are those of the mean of `pointwise_information`, moved by the correction; they are not below 0.

    Args:
        first: (n,) whole numbers or labels, n >= 2.
        second: (n,) of the same examples.
        level: of confidence.

    Returns:
        Estimate and limits, each >= 0.

    Raises:
        ValueError: if the lengths differ, there are fewer than two examples, or the level is not in (0, 1).

    >>> round(float(mutual_information([0, 1] * 500, [0, 1] * 500).estimate), 3)
    1.001
    """
    check_level(level)
    interval, bias = z_interval(pointwise_information(first, second), level=level), bias_of_frequencies(first, second)
    return Interval(*(max(0.0, float(limit) - bias) for limit in interval))


def entropy_bits(labels: Any) -> float:
    """The entropy of the frequencies of labels, (n,), in bits.

    >>> entropy_bits(["cat", "dog"])
    1.0
    """
    return float(pointwise_information(labels, labels).mean())


def share_of_entropy(revealing: Any, labels: Any) -> np.ndarray:
    r"""One value per example whose mean is the share of the labels' entropy that another variable reveals.

    .. math:: \rho + \frac{i - \rho\, h}{H}, \qquad \rho = \frac{\hat I - \text{bias}}{H}, \quad
              h = -\log_2 \hat p(b)

    These are the values of the linearised ratio, so that the spread of their mean is that of the share.

    Args:
        revealing: (n,) such as whether a device asked.
        labels: (n,) of more than one kind.

    Returns:
        (n,) values.

    Raises:
        ValueError: if all labels are alike.
    """
    information, surprise = pointwise_information(revealing, labels), pointwise_information(labels, labels)
    checks.positive(**{"entropy of the labels": float(surprise.mean())})
    share = (information.mean() - bias_of_frequencies(revealing, labels)) / surprise.mean()
    uncorrected = information.mean() / surprise.mean()
    return np.asarray(share + (information - uncorrected * surprise) / surprise.mean())


def _frequencies(first: Any, second: Any) -> _Frequencies:
    first, second = np.asarray(first), np.asarray(second)
    checks.one_dimensional(first=first, second=second)
    checks.same_length(first=first, second=second)
    checks.at_least(1, examples=len(first))
    (values_a, a), (values_b, b) = (np.unique(values, return_inverse=True) for values in (first, second))
    joint = np.zeros((len(values_a), len(values_b)))
    np.add.at(joint, (a, b), 1.0)
    kinds = (int((joint > 0).sum()), len(values_a), len(values_b))
    return _Frequencies(joint[a, b], joint.sum(1)[a], joint.sum(0)[b], kinds)
