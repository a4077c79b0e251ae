"""Metrics of one system on one set of examples: loss, accuracy, coverage, and the reference losses.

`curves` evaluates every threshold on r; `comparisons` averages over seeds and compares systems.
"""

from typing import Any, NamedTuple

import numpy as np

from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import Costs, Predictions, asks, server_label, system_output

REFERENCE_NAMES = ("never ask", "always ask", "random, best rate", "oracle")  # in the order of `ReferenceLosses`


class SubsetAccuracy(NamedTuple):
    """Accuracy of both classifiers on one subset of the examples; numbers, or one `Interval` each."""

    n: Any  # examples in the subset
    m: Any  # accuracy of the client, NaN if the subset is empty
    e: Any  # accuracy of the server, NaN if the subset is empty
    difference: Any  # m - e: below zero where the server is better


class TableOne(NamedTuple):
    """The paper's Table I: accuracy of client and server on the kept and on the asked examples."""

    kept: SubsetAccuracy  # r > 0
    asked: SubsetAccuracy  # r <= 0


class ReferenceLosses(NamedTuple):
    """System losses of three policies that need no rejector, and of the oracle."""

    never: float  # never ask: the client's error rate
    always: float  # always ask
    random: float  # ask at random at the best rate: the smaller of the two above
    oracle: float  # ask exactly where asking has the smaller loss


def keep_indicator(predictions: Predictions) -> np.ndarray:
    """1.0 where the client's label is kept and 0.0 where the server is asked, (n,)."""
    return (~asks(predictions.r)).astype(float)


def ask_indicator(predictions: Predictions) -> np.ndarray:
    """1.0 where the server is asked and 0.0 where the client's label is kept, (n,)."""
    return asks(predictions.r).astype(float)


def client_server_correctness(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Whether the client's label is correct and whether the server's is, on every example: (n,) booleans each."""
    return predictions.m == predictions.y, server_label(predictions.e) == predictions.y


def predictions_from_correctness(client_right: Any, r: Any, server_right: Any) -> Predictions:
    """Predictions of which it is known only who is right: +1 for a right label and -1 for a wrong one, y = 1.

    All metrics but those by class are the same as for the labels themselves, whatever the number of classes.

    Args:
        client_right: (n,) whether the client's label is right.
        r: (n,) scores of the rejector.
        server_right: (n,) whether the server's label is right.

    >>> p = predictions_from_correctness([True, False], [0.1, 0.2], [False, True])
    >>> p.m.tolist(), p.e.tolist(), p.y.tolist()
    ([1, -1], [-1.0, 1.0], [1, 1])
    """
    m, e = (np.where(np.asarray(right, dtype=bool), 1, -1) for right in (client_right, server_right))
    return Predictions(m=m, r=np.asarray(r, dtype=float), e=e.astype(float), y=np.ones(len(m), dtype=int))


def client_correctness(predictions: Predictions) -> np.ndarray:
    """1.0 where the client's label is right and 0.0 elsewhere, (n,), whether the device keeps or asks."""
    return (predictions.m == predictions.y).astype(float)


def server_correctness(predictions: Predictions) -> np.ndarray:
    """1.0 where the server's label is right and 0.0 elsewhere, (n,), whether the device keeps or asks."""
    return (server_label(predictions.e) == predictions.y).astype(float)


def client_error_indicator(predictions: Predictions) -> np.ndarray:
    """1.0 where the client's label is wrong and 0.0 elsewhere, (n,), whether the device keeps or asks."""
    return (predictions.m != predictions.y).astype(float)


def loss_per_example(predictions: Predictions, *, costs: Costs) -> np.ndarray:
    """The generalized 0-1 loss of each example, (n,), in mistakes of the client."""
    return generalized_zero_one_loss(predictions.r, predictions.e, predictions.m, predictions.y, costs=costs)


def correctness(predictions: Predictions) -> np.ndarray:
    """1.0 where the system's label is correct and 0.0 elsewhere, (n,)."""
    return (system_output(predictions) == predictions.y).astype(float)


def system_loss(predictions: Predictions, *, costs: Costs) -> float:
    """Mean generalized 0-1 loss, in mistakes of the client.

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([1.0, -1.0]), e=np.array([2.0, 2.0]), y=np.array([1, 1]))
    >>> system_loss(p, costs=Costs(c1=1.0, ce=0.25))
    0.125
    """
    return float(loss_per_example(predictions, costs=costs).mean())


def accuracy(predictions: Predictions) -> float:
    """Share of the examples on which the system's label is correct."""
    return float(correctness(predictions).mean())


def coverage(predictions: Predictions) -> float:
    """Share of the examples that are kept on the device."""
    return float(keep_indicator(predictions).mean())


def offload_rate(predictions: Predictions) -> float:
    """Share of the examples on which the server is asked, 1 - coverage."""
    return float(asks(predictions.r).mean())


def reference_losses(predictions: Predictions, *, costs: Costs) -> ReferenceLosses:
    r"""System losses with the same client and server but without the rejector.

    .. math:: \bar w_m, \quad c_1 \bar w_e + c_e, \quad \min(\cdot, \cdot), \quad
              \overline{\min(w_m,\; c_1 w_e + c_e)}

    with w = 1 where client m or server e is wrong, and the bar a mean over the examples. A rejector with a larger loss
    than one of the first three is dominated by a constant policy; none has a smaller loss than the oracle.

    Args:
        predictions: of n examples; r is not used.
        costs: c1 and ce.

    Returns:
        `ReferenceLosses`.

    >>> p = Predictions(m=np.array([1, 1]), r=np.zeros(2), e=np.array([1.0, -1.0]), y=np.array([1, -1]))
    >>> reference_losses(p, costs=Costs(c1=1.0, ce=0.25))
    ReferenceLosses(never=0.5, always=0.25, random=0.25, oracle=0.125)
    """
    kept_loss, server_wrong = (1.0 - right for right in client_server_correctness(predictions))
    asked_loss = costs.c1 * server_wrong + costs.ce
    never, always = float(kept_loss.mean()), float(asked_loss.mean())
    return ReferenceLosses(never, always, min(never, always), float(np.minimum(kept_loss, asked_loss).mean()))


def split_by_class(predictions: Predictions) -> dict[int, Predictions]:
    """The predictions of each true class, in the order of the labels; only labels that occur.

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([1.0, -1.0]), e=np.array([1.0, -1.0]), y=np.array([1, -1]))
    >>> {label: coverage(class_predictions) for label, class_predictions in split_by_class(p).items()}
    {-1: 0.0, 1: 1.0}
    """
    masks = {int(label): predictions.y == label for label in np.unique(predictions.y)}
    return {
        label: Predictions(*(getattr(predictions, name)[in_class] for name in "mrey"))
        for label, in_class in masks.items()
    }


def window_means(values: Any, width: int) -> np.ndarray:
    """Means of a per-example value over consecutive windows of a stream; an incomplete last window is left out.

    Args:
        values: (T,) in the order of time.
        width: examples per window, from 1 to T.

    Returns:
        (T // width,) means.

    Raises:
        ValueError: if the width is below 1 or above T.

    >>> window_means([0.0, 1.0, 1.0, 1.0, 0.0], 2)
    array([0.5, 1. ])
    """
    values = np.asarray(values, dtype=float)
    if not 1 <= width <= len(values):
        raise ValueError(f"expected a width from 1 to {len(values)}, got {width}")
    n_windows = len(values) // width
    return values[: n_windows * width].reshape(n_windows, width).mean(axis=1)
