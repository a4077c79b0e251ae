"""A rejector that combines the client's score and the scores of other rejectors, fitted on held-out data."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from l2h import checks
from l2h.evaluation.metrics import client_server_correctness
from l2h.problem import Costs, Predictions
from l2h.theory.bayes import bayes_rejector


class RejectorSignals(NamedTuple):
    """Values of n inputs that the device can compute before it decides."""

    client_scores: np.ndarray  # (n,) scores: the sign is the client's label, the absolute value its confidence
    rejector_scores: Sequence[np.ndarray]  # scores of rejectors, (n,) each; it may be empty


def with_stacked_rejector(
    calibration: Predictions,
    calibration_signals: RejectorSignals,
    predictions: Predictions,
    signals: RejectorSignals,
    *,
    costs: Costs,
) -> Predictions:
    r"""The same client and server, with a rejector that combines the signals.

    .. math:: r(x) = c_1 \hat p_e(x) + c_e - \hat p(x)

    Two logistic regressions on the signals, fitted on the calibration split, estimate the probabilities that the client
    (p) and the server (p_e) are wrong. The Bayes rule for this server uses both. The decision needs the client's score.

    Args:
        calibration: predictions of client and server on the calibration split; their r is not used.
        calibration_signals: of the same examples.
        predictions: predictions on other examples, such as the test split; their r is replaced.
        signals: of these examples, in the same order of rejectors.
        costs: c1 and ce.

    Returns:
        The given predictions with the new r.

    Raises:
        ValueError: if lengths differ, or the numbers of rejectors do.

    Source: this project; its rule is the Bayes rejector of a given server.
    """
    if len(calibration_signals.rejector_scores) != len(signals.rejector_scores):
        raise ValueError(
            f"expected the scores of the same rejectors twice, got {len(calibration_signals.rejector_scores)} "
            f"and {len(signals.rejector_scores)} of them"
        )
    calibration_features, new_features = _features(calibration_signals), _features(signals)
    checks.same_length(calibration=calibration.y, signals=calibration_features)
    checks.same_length(predictions=predictions.y, signals=new_features)
    p, p_e = (
        _error_probabilities(calibration_features, ~right, new_features)
        for right in client_server_correctness(calibration)
    )
    return Predictions(predictions.m, bayes_rejector(p_e, p, costs=costs), predictions.e, predictions.y)


def with_stacked_client_error(
    calibration: Predictions,
    calibration_signals: RejectorSignals,
    predictions: Predictions,
    signals: RejectorSignals,
    *,
    costs: Costs,
) -> Predictions:
    r"""The same client and server, with a rejector for a server that is wrong equally often everywhere.

    .. math:: r(x) = c_1 \bar\mu + c_e - \hat p(x)

    A logistic regression on the signals, fitted on the calibration split, estimates the probability p that the client
    is wrong; the share of server errors there is the same number for every input. It has fewer parameters than
    `with_stacked_rejector`, and orders better where the server's errors are too few to tell where they lie.

    Args:
        calibration: predictions of client and server on the calibration split; their r is not used.
        calibration_signals: of the same examples.
        predictions: predictions on other examples, such as the test split; their r is replaced.
        signals: of these examples, in the same order of rejectors.
        costs: c1 and ce.

    Returns:
        The given predictions with the new r.

    Raises:
        ValueError: if lengths differ, or the numbers of rejectors do.

    >>> p = Predictions(m=np.array([1, 1]), r=np.zeros(2), e=np.array([1.0, -1.0]), y=np.array([1, 1]))
    >>> signals = RejectorSignals(np.array([0.4, 2.0]), [])
    >>> with_stacked_client_error(p, signals, p, signals, costs=Costs(c1=1.0, ce=0.1)).r
    array([0.6, 0.6])

    Source: this project.
    """
    calibration_features, new_features = _features(calibration_signals), _features(signals)
    if calibration_features.shape[1] != new_features.shape[1]:
        raise ValueError(
            f"expected the scores of the same rejectors twice, got {len(calibration_signals.rejector_scores)} "
            f"and {len(signals.rejector_scores)} of them"
        )
    checks.same_length(calibration=calibration.y, signals=calibration_features)
    checks.same_length(predictions=predictions.y, signals=new_features)
    client_right, server_right = client_server_correctness(calibration)
    p = _error_probabilities(calibration_features, ~client_right, new_features)
    server_error = np.full(len(p), 1 - server_right.mean())
    return Predictions(predictions.m, bayes_rejector(server_error, p, costs=costs), predictions.e, predictions.y)


def _features(signals: RejectorSignals) -> np.ndarray:
    """(n, 2 + rejectors) features: the client's score, its absolute value, and the scores of the rejectors."""
    rejector_scores = {f"rejector_scores[{i}]": r for i, r in enumerate(signals.rejector_scores)}
    checks.one_dimensional(client_scores=signals.client_scores, **rejector_scores)
    score = 1.0 * signals.client_scores  # the absolute value of the least integer does not fit into its type
    return np.stack([score, np.abs(score), *signals.rejector_scores], axis=1)


def _error_probabilities(features: np.ndarray, wrong: np.ndarray, new_features: np.ndarray) -> np.ndarray:
    """P(wrong) of other examples; 0 or 1 where none or all of the calibration examples are wrong."""
    if wrong.all() or not wrong.any():
        return np.full(len(new_features), float(wrong[0]))
    classifier = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, wrong)
    return classifier.predict_proba(new_features)[:, 1]
