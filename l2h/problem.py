"""The problem of the paper: costs, predictions and the sign rule.

A rejector r(x) keeps the client's label m(x) where r > 0 and asks the server e(x) where r <= 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from l2h import checks

LARGEST_WHOLE = 2**53  # up to here float64 holds every integer


@dataclass(frozen=True)
class Costs:
    """The costs of errors and of offloading, in units of one error of the client.

    Args:
        c1: cost of an error of the server, >= 0.
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


def labels_of(e: Any, **labels: Any) -> None:
    """Refuse labels without the coding of the scores: -1/+1 for scores (n,), 0..K-1 for scores (n, K).

    Raises:
        ValueError: if the scores have another shape or a label another coding; it names the first such label.

    >>> labels_of(np.zeros((2, 3)), y=np.array([0, 3]))
    Traceback (most recent call last):
    ValueError: expected y in 0..2, got 3
    """
    if e.ndim == 1:
        checks.binary_labels(**labels)
    elif e.ndim == 2:
        checks.class_labels(e.shape[1], **labels)
    else:
        raise ValueError(f"expected scores of shape (n,) or (n, K), got shape {tuple(e.shape)}")


@dataclass(frozen=True)
class Predictions:
    """Predictions of client, rejector and server on n examples; the evaluation reads nothing else of a system.

    Args:
        m: (n,) the client's labels.
        r: (n,) the rejector's scores; r > 0 keeps, r <= 0 asks. Integers and 16-bit floats become float64, since
            differences of integers wrap and those of 16-bit floats overflow.
        e: (n,) the server's scores, or (n, K) for K classes; converted as r is.
        y: (n,) the true labels, with the coding of m: -1/+1, or 0..K-1 for K classes.

    Raises:
        ValueError: if lengths differ, there is no example, a label has another coding, or a score is not a finite real
            number: booleans and integers without an exact float64 are refused, too.

    >>> Predictions(m=np.array([1]), r=np.array([0.2, 0.1]), e=np.array([0.5]), y=np.array([1]))
    Traceback (most recent call last):
    ValueError: expected arrays of one length, got m: 1, r: 2, y: 1
    """

    m: np.ndarray
    r: np.ndarray
    e: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        checks.one_dimensional(m=self.m, r=self.r, y=self.y)
        checks.same_length(e=self.e, y=self.y)
        for name in ("r", "e"):
            object.__setattr__(self, name, _as_scores(name, getattr(self, name)))  # the class is frozen
        checks.finite(r=self.r, e=self.e)
        if len(self.y) == 0:
            raise ValueError("expected at least one example, got none")
        labels_of(self.e, m=self.m, y=self.y)


def _as_scores(name: str, values: Any) -> Any:
    """Scores of a type in which their differences neither wrap nor overflow; float32 and wider are unchanged."""
    if not hasattr(values, "shape"):
        raise ValueError(f"expected {name} as an array, got a {type(values).__name__}")
    numbers = np.asarray(values)
    if numbers.dtype.kind == "f" and numbers.dtype.itemsize > 2:
        return values
    if numbers.dtype.kind not in "iuf":
        raise ValueError(f"expected real numbers as {name}, got {numbers.dtype}")
    if numbers.dtype.kind != "f" and ((numbers > LARGEST_WHOLE) | (numbers < -LARGEST_WHOLE)).any():
        raise ValueError(f"expected integers from -2^53 to 2^53 as {name}, got larger ones")
    return numbers.astype(np.float64)


def system_output(predictions: Predictions) -> np.ndarray:
    """The output labels of the system: m where it keeps, the server's label where it asks.

    Args:
        predictions: of n examples.

    Returns:
        Labels of shape (n,).

    >>> p = Predictions(m=np.array([1, 1]), r=np.array([1.0, -1.0]), e=np.array([-3.0, -3.0]), y=np.array([1, -1]))
    >>> system_output(p)
    array([ 1, -1])
    """
    return np.where(asks(predictions.r), server_label(predictions.e), predictions.m)
