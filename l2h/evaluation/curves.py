"""Curves over all thresholds on r: accuracy and loss against coverage, and areas under curves.

Examples with equal scores are kept or asked together. A curve has one point for each distinct score and is linear in
between, which is the expectation when a random part of the tied examples is kept. Every curve is of the whole system:
it equals the server's value at coverage 0 and the client's at coverage 1, so it is defined even if a subset is empty
or a class is absent.
"""

from typing import Any, NamedTuple

import numpy as np

from l2h import checks
from l2h.evaluation.metrics import client_server_correctness
from l2h.problem import Costs, Predictions


class AccuracyCurve(NamedTuple):
    """Accuracy against coverage: one point per distinct score and one for "all asked", linear in between."""

    coverage: np.ndarray  # (G + 1,) share kept, rising from 0 (all asked) to 1 (all kept)
    accuracy: np.ndarray  # (G + 1,) share of the system's labels that are correct
    threshold: np.ndarray  # (G + 1,) falling; r > threshold keeps


class LossCurve(NamedTuple):
    """System loss against coverage, point by point as in `AccuracyCurve`."""

    coverage: np.ndarray  # (G + 1,) share kept, rising from 0 to 1
    loss: np.ndarray  # (G + 1,) mean generalized 0-1 loss, in mistakes of the client
    threshold: np.ndarray  # (G + 1,) falling; r > threshold keeps


def accuracy_coverage_curve(predictions: Predictions) -> AccuracyCurve:
    """Accuracy of the system at every coverage that a threshold on r can reach.

    The curve starts at the server's accuracy (all asked) and ends at the client's (all kept).

    Args:
        predictions: of n examples with G distinct scores r.

    Returns:
        The G + 1 points, from coverage 0 to coverage 1.

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([0.5, 0.1]), e=np.array([1.0, 1.0]), y=np.array([1, -1]))
    >>> accuracy_coverage_curve(p).accuracy.tolist()
    [0.5, 0.5, 0.5]
    """
    n, counts = len(predictions.y), _counts(predictions)
    return AccuracyCurve(counts.n_kept / n, (counts.client_correct + counts.server_correct) / n, counts.threshold)


def loss_curve(predictions: Predictions, *, costs: Costs) -> LossCurve:
    """System loss at every coverage that a threshold on r can reach, ties as in `accuracy_coverage_curve`.

    For c1 = ce = 0 it is the generalized risk P(kept and wrong) of selective classification, whose area is the AUGRC;
    for c1 = 1 and ce = 0 it is 1 - accuracy.

    Args:
        predictions: of n examples with G distinct scores r.
        costs: c1 and ce.

    Returns:
        The G + 1 points, from coverage 0 to coverage 1.

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([0.5, 0.1]), e=np.array([1.0, 1.0]), y=np.array([1, -1]))
    >>> loss_curve(p, costs=Costs(c1=0.0, ce=0.0)).loss.tolist()
    [0.0, 0.0, 0.5]

    Source: Traub et al. 2024, arXiv 2407.01032, for the generalized risk.
    """
    n, counts = len(predictions.y), _counts(predictions)
    asked = n - counts.n_kept
    mistakes = (counts.n_kept - counts.client_correct) + costs.c1 * (asked - counts.server_correct)
    return LossCurve(counts.n_kept / n, (mistakes + costs.ce * asked) / n, counts.threshold)


def area_under_curve(curve: AccuracyCurve | LossCurve) -> float:
    """Area under a curve over coverage 0 to 1 (trapezoids, exact for a piecewise linear curve).

    >>> area_under_curve(AccuracyCurve(np.array([0.0, 1.0]), np.array([0.9, 0.7]), np.array([0.0, -1.0])))
    0.8
    """
    return float(np.trapezoid(curve[1], curve.coverage))


def accuracy_at_coverage(predictions: Predictions, coverages: Any) -> np.ndarray:
    """Accuracy of the system at given coverages, by interpolation of the accuracy-coverage curve.

    Args:
        predictions: of n examples.
        coverages: (k,) shares kept, in [0, 1].

    Returns:
        (k,) accuracies.

    Raises:
        ValueError: if a coverage is outside [0, 1].
    """
    coverages = np.asarray(coverages, dtype=float)
    checks.probabilities(coverages=coverages)
    curve = accuracy_coverage_curve(predictions)
    return np.interp(coverages, curve.coverage, curve.accuracy)


def correctness_at_coverage(predictions: Predictions, coverages: Any) -> np.ndarray:
    """Expected correctness of the system on each example at given coverages.

    The mean over examples is `accuracy_at_coverage`.

    Args:
        predictions: of n examples.
        coverages: (k,) shares kept, in [0, 1], or a single one.

    Returns:
        (k, n), or (n,) for a single coverage: probabilities of a correct label; 0 or 1, except where a random part of
        tied examples is kept.

    Raises:
        ValueError: if a coverage is outside [0, 1].

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([0.5, 0.5]), e=np.array([1.0, -1.0]), y=np.array([1, -1]))
    >>> correctness_at_coverage(p, [0.25])
    array([[1.  , 0.75]])
    """
    coverages = np.asarray(coverages, dtype=float)
    checks.probabilities(coverages=coverages)
    above, tied = _ranks(predictions.r)
    share = np.clip((coverages[..., None] * len(above) - above) / tied, 0, 1)  # (k, n) probability to be kept
    m_right, e_right = client_server_correctness(predictions)
    return share * m_right + (1 - share) * e_right


def auc_contributions(predictions: Predictions) -> np.ndarray:
    """Correctness of each example averaged over all coverages; the mean over examples is the area under the curve.

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([0.5, 0.1]), e=np.array([1.0, 1.0]), y=np.array([1, -1]))
    >>> auc_contributions(p)
    array([1., 0.])
    """
    above, tied = _ranks(predictions.r)
    asked = (above + tied / 2) / len(above)  # (n,) share of all coverages at which the example is asked
    m_right, e_right = client_server_correctness(predictions)
    return (1 - asked) * m_right + asked * e_right


def error_auroc_contributions(predictions: Predictions) -> np.ndarray:
    r"""Per-example contributions to the area under the ROC curve of r as a detector of the client's errors.

    .. math:: A = P(r(X) < r(X')) + \tfrac12 P(r(X) = r(X')), \quad M \neq Y, \; M' = Y'

    for independent examples X with a wrong and X' with a correct label of the client. The mean of the contributions is
    A. The contribution of an example is A plus its influence on A, (V - A) / (share of its group), where the two groups
    are the wrong and the correct examples and V is the probability that the example is ranked correctly against one of
    the other group. So the mean over resampled examples equals the area of the resample to first order.

    Args:
        predictions: of n examples.

    Returns:
        (n,) values; all are 1/2, as for a random ranking, if the client is always correct or always wrong.

    >>> p = Predictions(m=np.array([1, 1, 1]), r=np.array([0.5, 0.1, 0.3]), e=np.ones(3), y=np.array([1, -1, -1]))
    >>> error_auroc_contributions(p)
    array([1., 1., 1.])

    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44, 1988.
    """
    right = client_server_correctness(predictions)[0]
    wrong_scores, right_scores = np.sort(predictions.r[~right]), np.sort(predictions.r[right])
    n = len(right)
    if not 0 < right.sum() < n:
        return np.full(n, 0.5)
    value = np.where(
        right,
        _count_below(wrong_scores, predictions.r) / len(wrong_scores),
        1 - _count_below(right_scores, predictions.r) / len(right_scores),
    )
    area = value[right].sum() / len(right_scores)
    return area + (value - area) * n / np.where(right, len(right_scores), len(wrong_scores))


def _count_below(sorted_scores: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Number of sorted scores below each score; equal ones count by half."""
    return (
        np.searchsorted(sorted_scores, scores, side="left") + np.searchsorted(sorted_scores, scores, side="right")
    ) / 2


class _Counts(NamedTuple):
    threshold: np.ndarray  # (G + 1,)
    n_kept: np.ndarray  # (G + 1,) number of kept examples
    client_correct: np.ndarray  # (G + 1,) number of kept examples on which the client is correct
    server_correct: np.ndarray  # (G + 1,) number of asked examples on which the server is correct


def _counts(predictions: Predictions) -> _Counts:
    score, group, size = _groups(predictions.r)
    m_right, e_right = (
        _cumulative_sums(np.bincount(group, weights=right)) for right in client_server_correctness(predictions)
    )
    lowest = score[-1] - max(1.0, abs(score[-1]))
    return _Counts(np.append(score, lowest), _cumulative_sums(size), m_right, e_right[-1] - e_right)


def _cumulative_sums(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)])


def _groups(r: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct scores in falling order (G,), the group of each example (n,), and the sizes of the groups (G,)."""
    negated, group, size = np.unique(-r, return_inverse=True, return_counts=True)
    return -negated, group, size


def _ranks(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of examples that score higher than each one (n,), and that score the same, itself included (n,)."""
    _, group, size = _groups(r)
    return _cumulative_sums(size)[group], size[group]
