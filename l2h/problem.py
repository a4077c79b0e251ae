"""The vocabulary of the paper: costs, predictions and the sign rule.

A rejector r(x) keeps the client's answer m(x) where r > 0 and asks the server e(x) where r <= 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from l2h import checks


@dataclass(frozen=True)
class Costs:
    """What mistakes and questions cost, in units of one mistake of the client.

    Args:
        c1: cost of a wrong answer of the server, >= 0.
        ce: cost of asking the server, >= 0.

    Raises:
        ValueError: if a cost is negative, infinite or NaN.

    >>> Costs(c1=1.0, ce=0.15)
    Costs(c1=1.0, ce=0.15)
    """

    c1: float = 1.0
    ce: float = 0.0

    def __post_init__(self) -> None:
        checks.at_least(0, c1=self.c1, ce=self.ce)


def asks(r: Any) -> Any:
    """Where the device asks the server: r <= 0 (convention C1; a tie asks).

    Args:
        r: rejector scores, any shape, NumPy or torch.

    Returns:
        Booleans of the same shape.

    >>> asks(np.array([0.3, 0.0, -2.0]))
    array([False,  True,  True])
    """
    return r <= 0


def server_label(e: Any) -> Any:
    """The label of server scores: +1 if e >= 0, else -1 (convention C2); the largest score for many classes.

    Args:
        e: server scores, (n,) for two classes with labels -1/+1 or (n, K) for K classes, NumPy or torch.

    Returns:
        Labels of shape (n,).

    >>> server_label(np.array([0.3, 0.0, -2.0]))
    array([ 1,  1, -1])
    """
    return 2 * (e >= 0) - 1 if e.ndim == 1 else e.argmax(-1)


@dataclass(frozen=True)
class Predictions:
    """What client, rejector and server said about n examples: the waist between learning and evidence.

    Args:
        m: (n,) the client's labels.
        r: (n,) the rejector's scores; r > 0 keeps, r <= 0 asks.
        e: (n,) the server's scores, or (n, K) for K classes.
        y: (n,) the true labels, coded as in m.

    Raises:
        ValueError: if lengths differ, there is no example, or a score is not finite.

    >>> Predictions(m=np.array([1]), r=np.array([0.2, 0.1]), e=np.array([0.5]), y=np.array([1]))
    Traceback (most recent call last):
    ValueError: expected arrays of one length, got m: 1, r: 2, y: 1
    """

    m: np.ndarray
    r: np.ndarray
    e: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        checks.vectors(m=self.m, r=self.r, y=self.y)
        checks.same_length(e=self.e, y=self.y)
        checks.finite(r=self.r, e=self.e)
        if len(self.y) == 0:
            raise ValueError("expected at least one example, got none")
        if self.e.ndim == 1:
            checks.signs(m=self.m, y=self.y)


def system_output(predictions: Predictions) -> np.ndarray:
    """The label that the whole system returns: m where it keeps, the server's label where it asks.

    Args:
        predictions: of n examples.

    Returns:
        Labels of shape (n,).

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([1.0, -1.0]), e=np.array([-3.0, -3.0]), y=np.array([1, -1]))
    >>> system_output(p)
    array([ 1, -1])
    """
    return np.where(asks(predictions.r), server_label(predictions.e), predictions.m)
