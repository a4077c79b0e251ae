"""What a rejector can gain for a client, before any rejector is trained.

A client's answers, a server's answers and some labelled examples say how much any rejector can gain over asking by the
client's confidence (Chow's rule): an oracle that knows which of the two is right is an upper bound. How much of it to
expect is learnt from other tasks, by a regression of their gains on a property of the client.

`class_pair_gains.csv` holds such tasks: all 45 pairs of CIFAR-10's classes, with the linear client of the paper's
released code. Each row has the area of learning to help minus that of the client's confidence with a server that was
trained alone, as the mean over five trainings with its standard error, and the AUROC of the confidence for the client's
errors. It is computed from the committed table of the book's comparison, which a test repeats.
"""

import csv
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l2h import checks
from l2h.evaluation.calibration import calibration_error
from l2h.evaluation.crossed import crossed_interval
from l2h.evaluation.curves import auc_contributions, error_auroc_contributions
from l2h.evaluation.intervals import Interval, format_interval
from l2h.evaluation.metrics import client_server_correctness, loss_per_example
from l2h.evaluation.random_effects import RandomEffects, random_effects
from l2h.evaluation.thresholds import min_loss_threshold, with_threshold
from l2h.problem import Costs, Predictions

CLASS_PAIR_GAINS = Path(__file__).with_name("class_pair_gains.csv")


class ClientProperties(NamedTuple):
    """What labelled examples say of a client and of a server that could help it."""

    n: int
    client_accuracy: float
    server_accuracy: float
    auroc: float  # of the client's confidence as a detector of its own errors
    calibration_error: float  # of its confidence

    @property
    def server_lead(self) -> float:
        """Accuracy of the server minus that of the client."""
        return self.server_accuracy - self.client_accuracy


class GainForecast(NamedTuple):
    """What a rejector can gain over asking by the client's confidence, before it is trained.

    The two limits on any rejector are for this server: a rejector that is trained together with a server of its own
    may exceed them. Their intervals are for the examples; the expected gain has a prediction interval for a new task.
    """

    properties: ClientProperties
    largest_gain: Interval  # in area, of an oracle
    largest_loss_reduction: Interval  # in system loss, of an oracle, with the best threshold on the confidence
    expected_gain: Interval  # in area

    @property
    def sentence(self) -> str:
        """The forecast in plain words."""
        return (
            f"On {self.properties.n} examples no rejector for this server gains more than "
            f"{format_interval(self.largest_gain)} in area over the client's confidence, nor more than "
            f"{format_interval(self.largest_loss_reduction)} in loss; expect {format_interval(self.expected_gain)} in "
            f"area, because the confidence finds the client's errors with an AUROC of {self.properties.auroc:.3f}."
        )


def client_properties(by_confidence: Predictions) -> ClientProperties:
    """The properties of a client and a server.

    Args:
        by_confidence: predictions whose r is the client's confidence, a probability in [0, 1].

    Returns:
        `ClientProperties`.

    Raises:
        ValueError: if a confidence is outside [0, 1].

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([0.9, 0.6]), e=np.array([1.0, 1.0]), y=np.array([1, -1]))
    >>> client_properties(p).auroc, client_properties(p).server_lead
    (1.0, 0.0)
    """
    client, server = client_server_correctness(by_confidence)
    return ClientProperties(
        n=len(client),
        client_accuracy=float(client.mean()),
        server_accuracy=float(server.mean()),
        auroc=float(error_auroc_contributions(by_confidence).mean()),
        calibration_error=calibration_error(by_confidence.r, client),
    )


def oracle_predictions(predictions: Predictions) -> Predictions:
    """Client and server with an oracle: it asks first where the server alone is right, last where the client alone is.

    Args:
        predictions: r is not used.
    """
    client, server = client_server_correctness(predictions)
    return replace(predictions, r=client.astype(float) - server.astype(float))


def largest_gain(by_confidence: Predictions, *, level: float = 0.95) -> Interval:
    """The area of an oracle minus that of confidence, for the same client and server.

    Args:
        by_confidence: predictions whose r is the client's confidence.
        level: of confidence, in (0, 1).

    Returns:
        The difference with its interval over examples; no rejector for this server gains more on them.

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([0.6, 0.9]), e=np.array([1.0, -1.0]), y=np.array([1, -1]))
    >>> largest_gain(p).estimate
    0.25
    """
    difference = auc_contributions(oracle_predictions(by_confidence)) - auc_contributions(by_confidence)
    return crossed_interval(difference[None], level=level)


def largest_loss_reduction(by_confidence: Predictions, *, costs: Costs, level: float = 0.95) -> Interval:
    """The loss of confidence with its best threshold on these examples, minus that of an oracle.

    Args:
        by_confidence: predictions whose r is the client's confidence.
        costs: c1 and ce.
        level: of confidence, in (0, 1).
    """
    tuned = with_threshold(by_confidence, min_loss_threshold(by_confidence, costs=costs))
    client, server = client_server_correctness(by_confidence)
    least = np.minimum(1.0 - client, costs.c1 * (1.0 - server) + costs.ce)
    return crossed_interval((loss_per_example(tuned, costs=costs) - least)[None], level=level)


def forecast_gain(
    by_confidence: Predictions, regression: RandomEffects, *, costs: Costs, level: float = 0.95
) -> GainForecast:
    """What a rejector can gain over the client's confidence, and what to expect.

    Args:
        by_confidence: predictions on labelled examples, about 1,000, that neither client nor server was trained on; r
            is the client's confidence, a probability in [0, 1].
        regression: of the gains of other tasks, in area, on the AUROC of their clients' confidence.
        costs: c1 and ce.
        level: of the intervals, in (0, 1).

    Returns:
        `GainForecast`.

    Raises:
        ValueError: if there are fewer than two examples, or a confidence is outside [0, 1].
    """
    checks.at_least(2, examples=len(by_confidence.y))
    properties = client_properties(by_confidence)
    return GainForecast(
        properties,
        largest_gain(by_confidence, level=level),
        largest_loss_reduction(by_confidence, costs=costs, level=level),
        regression.new_task_interval(properties.auroc, level=level),
    )


def observed_gain(predictions: Predictions, confidence: np.ndarray, *, level: float = 0.95) -> Interval:
    """The area of a rejector minus that of confidence, for the same client and server.

    Args:
        predictions: of the rejector.
        confidence: (n,) the client's confidence, on the same examples.
        level: of confidence, in (0, 1).

    Returns:
        The difference with its interval over examples; it is never more than `largest_gain`.

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([2.0, 1.0]), e=np.array([1.0, -1.0]), y=np.array([1, -1]))
    >>> observed_gain(p, np.array([0.6, 0.9])).estimate, observed_gain(p, np.array([0.9, 0.6])).estimate
    (0.25, 0.0)
    """
    by_confidence = replace(predictions, r=confidence)
    difference = auc_contributions(predictions) - auc_contributions(by_confidence)
    return crossed_interval(difference[None], level=level)


def class_pair_regression() -> RandomEffects:
    """The gain in area on the AUROC of the client's confidence, over the pairs of CIFAR-10's classes.

    Returns:
        The regression that `forecast_gain` takes; its property is the AUROC, in the second column of `design`.

    >>> regression = class_pair_regression()
    >>> len(regression.estimates), [round(float(limit), 3) for limit in regression.new_task_interval(0.7)]
    (45, [0.024, 0.006, 0.043])
    """
    with CLASS_PAIR_GAINS.open(encoding="utf8", newline="") as file:
        rows = list(csv.DictReader(file))
    gains, errors, auroc = ([float(row[name]) for row in rows] for name in ("gain", "standard_error", "auroc"))
    return random_effects(gains, errors, auroc)
