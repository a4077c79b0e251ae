"""What a system would do at every threshold on r: accuracy and loss against coverage, areas, thresholds.

Examples of one score move together, so that no order among equals is invented: a curve has one point for
each distinct score, and is linear in between, which is the expectation of keeping a random part of a tie.
A curve is of the whole system: where nothing is kept it is the server's, where nothing is asked the client's, and no
portion's being empty, nor a class's being absent, leaves it undefined.
"""

from typing import Any, NamedTuple

import numpy as np

from l2h import checks
from l2h.evaluation.metrics import client_server_correctness
from l2h.problem import Costs, Predictions


class AccuracyCurve(NamedTuple):
    """Accuracy against coverage: one point per distinct score and one for "all asked", linear in between."""

    coverage: np.ndarray  # (G + 1,) share kept, rising from 0 (all asked) to 1 (all kept)
    accuracy: np.ndarray  # (G + 1,) share of the system's labels that are right
    threshold: np.ndarray  # (G + 1,) falling; r > threshold keeps


class LossCurve(NamedTuple):
    """System loss against coverage, point by point as in `AccuracyCurve`."""

    coverage: np.ndarray  # (G + 1,) share kept, rising from 0 to 1
    loss: np.ndarray  # (G + 1,) mean generalized 0-1 loss, in mistakes of the client
    threshold: np.ndarray  # (G + 1,) falling; r > threshold keeps


def accuracy_coverage_curve(predictions: Predictions) -> AccuracyCurve:
    """Accuracy of the system at every coverage that a threshold on r can reach.

    It starts at the server's accuracy (all asked) and ends at the client's (all kept).

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

    With c1 = ce = 0 it is the generalized risk P(kept and wrong) of selective classification, and the area
    under it the AUGRC; with c1 = 1 and ce = 0 it is 1 - accuracy.

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
    """Accuracy of the system at given coverages, read off the accuracy-coverage curve.

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
    """Expected correctness of the system on each example at given coverages; its mean over examples is `accuracy_at_coverage`.

    Args:
        predictions: of n examples.
        coverages: (k,) shares kept, in [0, 1], or a single one.

    Returns:
        (k, n), or (n,) for a single coverage: probabilities of a right label, 0 or 1, and between them where a random
        part of a tie is kept.

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
    """Each example's correctness averaged over all coverages; its mean over examples is the area under the curve.

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([0.5, 0.1]), e=np.array([1.0, 1.0]), y=np.array([1, -1]))
    >>> auc_contributions(p)
    array([1., 0.])
    """
    above, tied = _ranks(predictions.r)
    asked = (above + tied / 2) / len(above)  # (n,) share of all coverages at which the example is asked about
    m_right, e_right = client_server_correctness(predictions)
    return (1 - asked) * m_right + asked * e_right


def error_auroc_contributions(predictions: Predictions) -> np.ndarray:
    r"""How well r ranks the client's errors, by example; their mean is the area under the ROC curve.

    .. math:: A = P(r(X) < r(X')) + \tfrac12 P(r(X) = r(X')), \quad M \neq Y, \; M' = Y'

    for a wrong answer X and a right answer X' drawn apart. The value of an example is A plus its influence on A, which
    is (V - A) / share of its kind, with V its chance to be ranked rightly against one of the other kind; so a mean
    over resampled examples moves as the area does, to first order.

    Args:
        predictions: of n examples.

    Returns:
        (n,) values; all are 1/2, a ranking by chance, if the client is always right or always wrong.

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
    """How many of the ordered scores lie below each score, equal ones counted by half."""
    return (
        np.searchsorted(sorted_scores, scores, side="left") + np.searchsorted(sorted_scores, scores, side="right")
    ) / 2


class _Counts(NamedTuple):
    threshold: np.ndarray  # (G + 1,)
    n_kept: np.ndarray  # (G + 1,) number kept
    client_correct: np.ndarray  # (G + 1,) of these, right answers of the client
    server_correct: np.ndarray  # (G + 1,) of the others, right answers of the server


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
    """Distinct scores, falling (G,), the group of each example (n,), and the sizes of the groups (G,)."""
    negated, group, size = np.unique(-r, return_inverse=True, return_counts=True)
    return -negated, group, size


def _ranks(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many examples score higher than each one (n,), and how many the same, itself included (n,)."""
    _, group, size = _groups(r)
    return _cumulative_sums(size)[group], size[group]
