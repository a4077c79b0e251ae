"""What a rejector could gain over the client's confidence, what was to be expected before training, and what it gained.

The expectation is that of `l2h.evaluation.forecast.class_pair_regression`: a regression over pairs of CIFAR-10's
classes. Before training, `forecast_gain` gives the same forecast for a client, a server and labelled examples.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from l2h.evaluation.forecast import GainForecast, class_pair_regression, forecast_gain, observed_gain
from l2h.evaluation.intervals import Interval, format_interval
from l2h.evaluation.metrics import client_server_correctness
from l2h.problem import Costs, Predictions
from l2h.serving.scores import probabilities_from_scores

# On how many tasks of other data the interval from the class pairs was checked, and how often it contained the gain.
CHECKED_TASKS, COVERED_TASKS = 9, 6
LABELS_ONLY = "the client gives labels only, no probabilities of the classes"
ALL_RIGHT, ALL_WRONG = "the client is right on all of these examples", "the client is wrong on all of these examples"


class GainOverConfidence(NamedTuple):
    """The forecast of a gain over the client's confidence, beside the gain of a rejector on the same examples.

    All gains are differences of the area under the accuracy-coverage curve, with the helper's own server. The tasks of
    the expectation compare with a server that was trained alone.
    """

    forecast: GainForecast
    observed: Interval  # in area
    auroc_range: tuple[float, float]  # of the tasks that the expectation is learnt from

    @property
    def sentence(self) -> str:
        """The forecast, what was observed, and how far to trust the expectation."""
        low, high = self.auroc_range
        auroc = self.forecast.properties.auroc
        beyond = "" if low <= auroc <= high else f", which lie between {low:.2f} and {high:.2f} there"
        return (
            f"{self.forecast.sentence} The rejector gained {format_interval(self.observed)} in area. "
            f"The expected gain is learnt from pairs of CIFAR-10's classes and their AUROCs{beyond}; "
            f"of {CHECKED_TASKS} tasks on other data, {COVERED_TASKS} had a gain within such an interval."
        )

    @property
    def figures(self) -> Mapping[str, Interval]:
        """Name -> interval; that of the expected gain is for a new task, the others are for the examples."""
        return {
            "largest_gain_over_confidence": self.forecast.largest_gain,
            "largest_loss_reduction_over_confidence": self.forecast.largest_loss_reduction,
            "expected_gain_over_confidence": self.forecast.expected_gain,
            "gain_over_confidence": self.observed,
        }


class NoForecast(NamedTuple):
    """Why nothing can be said about a gain over the client's confidence."""

    reason: str

    @property
    def sentence(self) -> str:
        """The reason in plain words."""
        return f"There is no forecast of the gain over the client's confidence, because {self.reason}."

    @property
    def figures(self) -> Mapping[str, Interval]:
        """None."""
        return {}


def gain_over_confidence(
    predictions: Predictions, scores: np.ndarray | None, *, costs: Costs, level: float = 0.95
) -> GainOverConfidence | NoForecast:
    """Forecast and observed gain of a rejector over the client's confidence.

    Args:
        predictions: of n >= 2 examples.
        scores: (n,) or (n, K) of the client, whose logistic function or softmax are its probabilities; None where the
            client gives labels only.
        costs: c1 and ce.
        level: of the intervals, in (0, 1).

    Returns:
        Both, or why there is no forecast.

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([2.0, 1.0]), e=np.array([1.0, -1.0]), y=np.array([1, -1]))
    >>> gain_over_confidence(p, np.array([0.1, 0.2]), costs=Costs(1.0, 0.1)).observed.estimate
    0.25
    >>> gain_over_confidence(p, None, costs=Costs(1.0, 0.1)).reason
    'the client gives labels only, no probabilities of the classes'
    """
    client_right = client_server_correctness(predictions)[0]
    if scores is None:
        return NoForecast(LABELS_ONLY)
    if client_right.all() or not client_right.any():
        return NoForecast(ALL_RIGHT if client_right.all() else ALL_WRONG)
    confidence, regression = label_probability(scores), class_pair_regression()
    auroc = regression.design[:, 1]
    return GainOverConfidence(
        forecast_gain(replace(predictions, r=confidence), regression, costs=costs, level=level),
        observed_gain(predictions, confidence, level=level),
        (float(auroc.min()), float(auroc.max())),
    )


def label_probability(scores: np.ndarray) -> np.ndarray:
    """The largest probability of a class, (n,), from scores (n,) of two classes or (n, K) of more.

    >>> label_probability(np.array([0.0, -np.log(3)])).round(2), label_probability(np.zeros((1, 4)))
    (array([0.5 , 0.75]), array([0.25]))
    """
    scores = np.asarray(scores, dtype=float)  # in float32 more of the confident ones would be 1
    probabilities = probabilities_from_scores(np.abs(scores) if scores.ndim == 1 else scores)
    return probabilities if scores.ndim == 1 else probabilities.max(axis=1)
