"""Checks of arguments: each raises an error with the expected and the given value, or returns None.

They accept numbers, NumPy arrays and torch tensors, and import nothing of this package.
"""

from collections.abc import Collection, Iterable
from numbers import Integral
from typing import Any


def same_length(**arrays: Any) -> None:
    """Refuse arrays whose first axes differ: an (n, 1) against an (n,) would broadcast silently.

    Raises:
        ValueError: if the lengths differ.

    >>> same_length(r=[0.5, 1.0], y=[1, -1, 1])
    Traceback (most recent call last):
    ValueError: expected arrays of one length, got r: 2, y: 3
    """
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError("expected arrays of one length, got " + ", ".join(f"{k}: {v}" for k, v in lengths.items()))


def one_dimensional(**arrays: Any) -> None:
    """Refuse anything but one-dimensional arrays of one length.

    Raises:
        ValueError: if an argument is not of shape (n,) or the lengths differ.
    """
    for name, array in arrays.items():
        if not hasattr(array, "shape"):
            raise ValueError(f"expected {name} as an array of shape (n,), got a {type(array).__name__}")
        if len(array.shape) != 1:
            raise ValueError(f"expected {name} of shape (n,), got shape {tuple(array.shape)}")
    same_length(**arrays)


def binary_labels(**arrays: Any) -> None:
    """Refuse labels other than -1 and +1.

    Raises:
        ValueError: naming the first offending value.
    """
    for name, array in arrays.items():
        wrong = (array != 1) & (array != -1)
        if wrong.any():
            raise ValueError(f"expected {name} in {{-1, +1}}, got {array[wrong][0].item()}")


def class_labels(n_classes: int, **arrays: Any) -> None:
    """Refuse labels other than 0, 1, ..., n_classes - 1.

    Raises:
        ValueError: naming the first offending value.
    """
    for name, array in arrays.items():
        wrong = (array < 0) | (array >= n_classes) | (array != array.round())
        if wrong.any():
            raise ValueError(f"expected {name} in 0..{n_classes - 1}, got {array[wrong][0].item()}")


def events(**arrays: Any) -> None:
    """Refuse anything but booleans or numbers 0 and 1.

    Raises:
        ValueError: naming the first offending value.
    """
    for name, array in arrays.items():
        wrong = (array != 0) & (array != 1)
        if wrong.any():
            raise ValueError(f"expected {name} in {{0, 1}}, got {array[wrong][0].item()}")


def finite(**arrays: Any) -> None:
    """Refuse NaN and infinities.

    Raises:
        ValueError: with the number of entries that are not finite.
    """
    for name, array in arrays.items():
        wrong = ~(abs(array) < float("inf"))  # NaN compares false
        if wrong.any():
            raise ValueError(f"expected finite {name}, got {int(wrong.sum())} entries that are not")


def floating(**arrays: Any) -> None:
    """Refuse anything but floating-point numbers, since differences of integers of few bits wrap.

    Raises:
        ValueError: with the given type.

    >>> import numpy
    >>> floating(r=numpy.array([-128], dtype=numpy.int8))
    Traceback (most recent call last):
    ValueError: expected floating-point r, got int8
    """
    for name, array in arrays.items():
        kind = str(array.dtype).removeprefix("torch.")
        if not kind.startswith(("float", "bfloat")):
            raise ValueError(f"expected floating-point {name}, got {kind}")


def at_least(bound: float, **values: Any) -> None:
    """Refuse numbers below a bound (and NaN).

    Raises:
        ValueError: with the bound and the value.
    """
    for name, value in values.items():
        if isinstance(value, str) or not value >= bound or value == float("inf"):
            raise ValueError(f"expected a finite {name} >= {bound:g}, got {_shown(value)}")


def integer(bound: int, **values: Any) -> None:
    """Refuse anything but integers >= bound.

    Raises:
        ValueError: with the bound and the value.

    >>> integer(1, epochs=2.5)
    Traceback (most recent call last):
    ValueError: expected a whole epochs >= 1, got 2.5
    """
    for name, value in values.items():
        if not isinstance(value, Integral) or value < bound:
            raise ValueError(f"expected a whole {name} >= {bound}, got {value}")


def positive(**values: Any) -> None:
    """Refuse numbers that are not finite and > 0.

    Raises:
        ValueError: with the value.
    """
    for name, value in values.items():
        if isinstance(value, str) or not value > 0 or value == float("inf"):
            raise ValueError(f"expected a finite {name} > 0, got {_shown(value)}")


def probabilities(upper: float = 1.0, **arrays: Any) -> None:
    """Refuse numbers or arrays with an entry outside [0, upper] (and NaN).

    Raises:
        ValueError: with the expected range.
    """
    for name, array in arrays.items():
        inside = (array >= 0) & (array <= upper)
        if not (inside if isinstance(inside, bool) else inside.all()):
            raise ValueError(f"expected {name} in [0, {upper:g}], got {array}")


def one_of(options: Collection[Any] | Iterable[Any], **values: Any) -> None:
    """Refuse a value that is not one of the options.

    Raises:
        ValueError: with all options.

    >>> one_of(("quick", "paper"), profile="slow")
    Traceback (most recent call last):
    ValueError: expected profile to be one of 'quick', 'paper', got 'slow'
    """
    listed = list(options)
    for name, value in values.items():
        if value not in listed:
            raise ValueError(f"expected {name} to be one of {', '.join(map(repr, listed))}, got {value!r}")


def _shown(value: Any) -> str:
    """Text in quotation marks, since "1" is not 1."""
    return repr(value) if isinstance(value, str) else str(value)
