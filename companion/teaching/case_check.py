"""The check behind every graded question; the build copies this file into the test files of an assignment.

It imports nothing from this project, because a student's machine has no checkout.
"""

import difflib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def values_of(function: Callable[..., Any], cases: Sequence[str]) -> list[Any]:
    """The values of a function on the cases: nested lists of numbers, or a text where it returns none.

    Args:
        function: as the question asks for it.
        cases: arguments as source, such as "np.zeros(3), 0.5"; each call gets fresh ones.

    Returns:
        A value for each case; "nothing" for None, the error if one is raised.

    >>> values_of(lambda x, y: x / y, ["np.ones(2), 2", "1, 0"])
    [[0.5, 0.5], 'ZeroDivisionError: division by zero']
    """
    values: list[Any] = []
    for case in cases:
        try:
            value = eval(f"function({case})", {"np": np, "function": function})
            values.append("nothing" if value is None else np.asarray(value, dtype=float).tolist())
        except Exception as error:
            values.append(f"{type(error).__name__}: {error}")
    return values


def agree(first: Sequence[Any], second: Sequence[Any]) -> bool:
    """Whether the values of two functions on the same cases are equal up to rounding; errors are by their type.

    >>> agree([[0.1, 0.2], 5.0], [[0.1, 0.2 + 1e-12], 5]), agree([[1.0]], [1.0])
    (True, False)
    """
    return all(_same(value, other) for value, other in zip(first, second, strict=True))


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, str) or isinstance(other, str):
        return str(value).partition(":")[0] == str(other).partition(":")[0]
    return np.shape(value) == np.shape(other) and np.allclose(value, other, rtol=1e-6, atol=1e-9, equal_nan=True)


def check_cases(
    env: dict[str, Any], name: str, cases: Sequence[str], expected: list[Any], misconceptions: Sequence[Sequence[Any]]
) -> None:
    """Compare a student's function with the solution's values, and name the misconception that a wrong one shows.

    Args:
        env: the variables of the student's notebook.
        name: of the function that the question asks for.
        cases: arguments as source.
        expected: `values_of` the solution.
        misconceptions: pairs of a sentence and `values_of` the wrong solution that shows it.

    Raises:
        AssertionError: if a value differs; it says what is wrong and quotes no expected value.

    >>> check_cases({"half": lambda x: x / 2}, "half", ["3"], [1.5], [])
    >>> check_cases({"half": lambda x: x // 2}, "half", ["3"], [1.5], [["It rounds down.", [1]]])
    Traceback (most recent call last):
    AssertionError: Misconception: It rounds down.
    """
    function = env.get(name)
    if not callable(function):
        functions = [key for key, value in env.items() if callable(value) and not key.startswith("_")]
        similar = difflib.get_close_matches(name, functions, 1)
        hint = f" Was it renamed to {similar[0]}?" if similar else ""
        raise AssertionError(f"The notebook defines no function {name}; the question is graded by this name.{hint}")
    values = values_of(function, cases)
    if agree(values, expected):
        return
    for sentence, wrong in misconceptions:
        if agree(values, wrong):
            raise AssertionError(f"Misconception: {sentence}")
    number = next(i for i, (value, right) in enumerate(zip(values, expected, strict=True)) if not _same(value, right))
    value = values[number]
    if value == "nothing":
        raise AssertionError(f"{name} returns nothing; the question is not answered.")
    if isinstance(value, str):
        raise AssertionError(f"{name} raised {value}")
    shapes = [np.shape(value), np.shape(expected[number])]
    shape = f" Its shape is {shapes[0]}, expected is {shapes[1]}." if shapes[0] != shapes[1] else ""
    raise AssertionError(f"{name} returns a wrong value in case {number + 1} of {len(cases)}.{shape}")
