"""Scores of clients and servers, from whatever a model gives: probabilities, decision functions, one or K columns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from l2h import checks
from l2h.problem import server_label

SMALLEST_PROBABILITY = 1e-12  # below, a probability counts as this one: its logarithm stays finite
ROW_SUM_TOLERANCE = 1e-3  # rows of numbers in [0, 1] whose sums are this close to 1 are probabilities


def are_probabilities(values: np.ndarray) -> bool:
    """Whether rows of K scores are probabilities: numbers in [0, 1] with sum 1.

    >>> are_probabilities(np.array([[0.25, 0.75]])), are_probabilities(np.array([[0.25, 2.0]]))
    (True, False)
    """
    if values.dtype.kind not in "fiu" or values.ndim != 2 or values.shape[1] < 2 or values.size == 0:
        return False
    in_range = (values >= 0).all() and (values <= 1).all()
    return bool(in_range and np.abs(values.sum(1) - 1).max() < ROW_SUM_TOLERANCE)


def as_scores(values: np.ndarray, n_classes: int, n: int, *, probabilities: bool) -> np.ndarray:
    """Scores or probabilities as float32 scores: (n,) for two classes, (n, K) for more.

    Args:
        values: (n, K), or (n,) or (n, 1) for two classes.
        n_classes: K.
        n: number of inputs.
        probabilities: whether rows are probabilities, whose logarithms are the scores.

    Raises:
        ValueError: if the shape is another, or a score is not finite.
    """
    values = np.asarray(values)
    if values.dtype.kind not in "fiu":
        raise ValueError(f"expected numbers as scores of the client, got {values.dtype}")
    if n_classes == 2 and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape not in ({(n, n_classes), (n,)} if n_classes == 2 else {(n, n_classes)}):
        wanted = f"({n},) or ({n}, 2)" if n_classes == 2 else f"({n}, {n_classes})"
        raise ValueError(f"expected scores of the client of shape {wanted}, got shape {values.shape}")
    checks.finite(**{"scores of the client": values})
    if probabilities and values.ndim == 2:
        if (values < 0).any() or (values > 1 + ROW_SUM_TOLERANCE).any():
            wrong = values[(values < 0) | (values > 1 + ROW_SUM_TOLERANCE)][0]
            raise ValueError(f"expected probabilities in [0, 1] of the client, as it gave before, got {wrong:g}")
        return scores_from_probabilities(values)
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
        values = values[:, 1] - values[:, 0] if values.shape == (n, 2) else values
    checks.finite(**{"scores of the client as float32": values})
    return values


def probabilities_from_scores(scores: np.ndarray) -> np.ndarray:
    """The logistic function of scores (n,) of two classes, or the softmax of scores (n, K) of more.

    >>> probabilities_from_scores(np.array([0.0, np.log(3)])), probabilities_from_scores(np.zeros((1, 4)))
    (array([0.5 , 0.75]), array([[0.25, 0.25, 0.25, 0.25]]))
    """
    return expit(scores) if scores.ndim == 1 else softmax(scores, axis=1)


def scores_from_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Logarithms of (n, K) probabilities, or for two classes their difference (n,), as float32.

    >>> scores_from_probabilities(np.array([[0.5, 0.5]]))
    array([0.], dtype=float32)
    """
    logs = np.log(np.clip(probabilities.astype(np.float64), SMALLEST_PROBABILITY, None))
    return (logs[:, 1] - logs[:, 0] if logs.shape[1] == 2 else logs).astype(np.float32)


def estimator_scores(
    estimator: Any, inputs: Any, columns: Sequence[int] | np.ndarray, n_classes: int
) -> np.ndarray | None:
    """Scores of a fitted scikit-learn classifier: logarithms of its probabilities, else its decision function.

    Args:
        estimator: fitted.
        inputs: (n, features).
        columns: of its classes, among all; a class that it does not know has the smallest probability.
        n_classes: K.

    Returns:
        (n,) for two classes, else (n, K), float32; None where it has neither, or decisions of another shape.
    """
    if hasattr(estimator, "predict_proba"):
        probabilities = np.zeros((len(inputs), n_classes))
        probabilities[:, columns] = estimator.predict_proba(inputs)
        return scores_from_probabilities(probabilities)
    if hasattr(estimator, "decision_function") and len(columns) == n_classes:
        decision = np.asarray(estimator.decision_function(inputs), dtype=np.float32)
        if decision.shape == ((len(inputs),) if n_classes == 2 else (len(inputs), n_classes)):
            return decision
    return None


def score_labels(scores: np.ndarray) -> np.ndarray:
    """Class indices of scores: the second class where a single score is >= 0 (convention C2), else the largest one.

    >>> score_labels(np.array([0.0, -1.0])), score_labels(np.array([[0.0, 2.0, 1.0]]))
    (array([1, 0]), array([1]))
    """
    labels: np.ndarray = server_label(scores)
    return (labels + 1) // 2 if scores.ndim == 1 else labels
