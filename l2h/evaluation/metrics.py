"""What one system does on one set of examples: its loss, its shares and the four-cell table.

A module of means over examples; what thresholds other than 0 would do stands in `curves`, and what several
seeds say together in `bootstrap`.
"""

from typing import Any, NamedTuple

import numpy as np

from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import Costs, Predictions, asks, server_label, system_output


class SubsetAccuracy(NamedTuple):
    """Both classifiers on one portion of the data; numbers, or one `Interval` each."""

    n: Any  # examples in the portion
    m: Any  # accuracy of the client, NaN if the portion is empty
    e: Any  # accuracy of the server, NaN if the portion is empty
    difference: Any  # m - e: below zero where the server is better


def keep_indicator(predictions: Predictions) -> np.ndarray:
    """1.0 where the device answers itself and 0.0 where it asks, (n,)."""
    return (~asks(predictions.r)).astype(float)


class TableOne(NamedTuple):
    """The paper's Table I: client and server, each on what is kept and on what is asked."""

    kept: SubsetAccuracy  # r > 0
    asked: SubsetAccuracy  # r <= 0


def client_server_correctness(predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Where the client's label is right, and where the server's is: (n,) booleans each, whoever was asked."""
    return predictions.m == predictions.y, server_label(predictions.e) == predictions.y


def loss_per_example(predictions: Predictions, *, costs: Costs) -> np.ndarray:
    """The generalized 0-1 loss of each example, (n,), in mistakes of the client."""
    return generalized_zero_one_loss(predictions.r, predictions.e, predictions.m, predictions.y, costs=costs)


def correctness(predictions: Predictions) -> np.ndarray:
    """1.0 where the system's label is right and 0.0 elsewhere, (n,)."""
    return (system_output(predictions) == predictions.y).astype(float)


def ask_indicator(predictions: Predictions) -> np.ndarray:
    """1.0 where the device asks and 0.0 where it answers itself, (n,)."""
    return asks(predictions.r).astype(float)


def system_loss(predictions: Predictions, *, costs: Costs) -> float:
    """Mean generalized 0-1 loss, in mistakes of the client.

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([1.0, -1.0]), e=np.array([2.0, 2.0]), y=np.array([1, 1]))
    >>> system_loss(p, costs=Costs(c1=1.0, ce=0.25))
    0.125
    """
    return float(loss_per_example(predictions, costs=costs).mean())


def accuracy(predictions: Predictions) -> float:
    """Share of the system's labels that are right."""
    return float(correctness(predictions).mean())


def coverage(predictions: Predictions) -> float:
    """Share of the examples that the device keeps."""
    return float(keep_indicator(predictions).mean())


def offload_rate(predictions: Predictions) -> float:
    """Share of the examples that are sent to the server, 1 - coverage."""
    return float(asks(predictions.r).mean())


class ReferenceLosses(NamedTuple):
    """System losses of what needs no rejector, and of the rejector that no other can beat."""

    never: float  # ask never: the client's error rate
    always: float  # ask always
    random: float  # ask at random, at the best rate: the smaller of both
    oracle: float  # ask where it is cheaper, knowing the truth


def reference_losses(predictions: Predictions, *, costs: Costs) -> ReferenceLosses:
    r"""The lines beside which a rejector's loss is to be read; one above the first three is dominated.

    .. math:: \bar w_m, \quad c_1 \bar w_e + c_e, \quad \min(\cdot, \cdot), \quad
              \overline{\min(w_m,\; c_1 w_e + c_e)}

    with w = 1 where client m or server e is wrong, and the bar a mean over the examples.

    Args:
        predictions: of n examples; their r is not read.
        costs: c1 and ce.

    Returns:
        `ReferenceLosses`.

    >>> p = Predictions(m=np.array([1, 1]), r=np.zeros(2), e=np.array([1.0, -1.0]), y=np.array([1, -1]))
    >>> reference_losses(p, costs=Costs(c1=1.0, ce=0.25))
    References(never=0.5, always=0.25, random=0.25, oracle=0.125)
    """
    kept_loss, server_wrong = (1.0 - right for right in client_server_correctness(predictions))
    asked_loss = costs.c1 * server_wrong + costs.ce
    never, always = float(kept_loss.mean()), float(asked_loss.mean())
    return ReferenceLosses(never, always, min(never, always), float(np.minimum(kept_loss, asked_loss).mean()))


def table_one(predictions: Predictions) -> TableOne:
    """Client and server on what is kept and on what is asked, with the paper's column "differ.".

    The paper calls "differ." the difference of accuracy between the classifiers on the same portion and
    states no sign; here it is client minus server.

    Args:
        predictions: of n examples.

    Returns:
        Counts and accuracies; the accuracies of an empty portion are NaN.

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([1.0, -1.0]), e=np.array([1.0, -1.0]), y=np.array([1, -1]))
    >>> table_one(p).asked
    Cell(n=1, m=0.0, e=1.0, differ=-1.0)
    """
    ask = asks(predictions.r)
    m_right, e_right = client_server_correctness(predictions)
    return TableOne(*(_subset_accuracy(m_right[subset], e_right[subset]) for subset in (~ask, ask)))


def split_by_class(predictions: Predictions) -> dict[int, Predictions]:
    """The predictions apart by true label, in the order of the labels; only labels that occur.

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([1.0, -1.0]), e=np.array([1.0, -1.0]), y=np.array([1, -1]))
    >>> {label: table_one(part).kept.n for label, part in split_by_class(p).items()}
    {-1: 0, 1: 1}
    """
    parts = {int(label): predictions.y == label for label in np.unique(predictions.y)}
    return {
        label: Predictions(
            predictions.m[in_class], predictions.r[in_class], predictions.e[in_class], predictions.y[in_class]
        )
        for label, in_class in parts.items()
    }


def _subset_accuracy(m_right: np.ndarray, e_right: np.ndarray) -> SubsetAccuracy:
    if len(m_right) == 0:
        return SubsetAccuracy(0, float("nan"), float("nan"), float("nan"))
    m, e = float(m_right.mean()), float(e_right.mean())
    return SubsetAccuracy(len(m_right), m, e, m - e)


def window_means(values: Any, width: int) -> np.ndarray:
    """Means of a value per example over consecutive stretches of a stream; what is left over at its end is left out.

    Args:
        values: (T,) in the order of time.
        width: examples per stretch, from 1 to T.

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
    whole = len(values) // width
    return values[: whole * width].reshape(whole, width).mean(axis=1)
