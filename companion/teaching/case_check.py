"""The check behind every graded question; the build copies its source into the test files of an assignment."""

from typing import Any


def check_cases(
    env: dict[str, Any], name: str, cases: list[str], expected: list[Any], misconceptions: list[list[Any]]
) -> None:
    """Compare a student's function with the solution's values, and name the misconception that a wrong one shows.

    The function imports what it needs, because a test file holds its source alone.

    Args:
        env: the variables of the student's notebook.
        name: of the function that the question asks for.
        cases: arguments as source, such as "np.zeros(3), 0.5"; each call gets fresh ones.
        expected: the solution's value of each case, nested lists of numbers.
        misconceptions: pairs of a sentence and the values to which it leads, a text where it raises an error.

    Raises:
        AssertionError: if a value differs; it says what is wrong and quotes no expected value.

    >>> check_cases({"half": lambda x: x / 2}, "half", ["3"], [1.5], [])
    >>> check_cases({"half": lambda x: x // 2}, "half", ["3"], [1.5], [["It rounds down.", [1]]])
    Traceback (most recent call last):
    AssertionError: Misconception: It rounds down.
    """
    import difflib

    import numpy as np

    def agree(first: Any, second: Any) -> bool:
        if isinstance(first, str) or isinstance(second, str):
            return isinstance(first, str) and isinstance(second, str)
        first, second = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
        return first.shape == second.shape and np.allclose(first, second, rtol=1e-6, atol=1e-9, equal_nan=True)

    function = env.get(name)
    if not callable(function):
        functions = [key for key, value in env.items() if callable(value) and not key.startswith("_")]
        similar = difflib.get_close_matches(name, functions, 1)
        hint = f" Was it renamed to {similar[0]}?" if similar else ""
        raise AssertionError(f"The notebook defines no function {name}; the question is graded by this name.{hint}")
    values: list[Any] = []
    for case in cases:
        try:
            value = eval(f"function({case})", {"np": np, "function": function})
            values.append("nothing" if value is None else np.asarray(value, dtype=float).tolist())
        except Exception as error:
            values.append(f"{type(error).__name__}: {error}")
    right = [agree(value, solution) for value, solution in zip(values, expected, strict=True)]
    if all(right):
        return
    for sentence, wrong in misconceptions:
        if all(agree(value, other) for value, other in zip(values, wrong, strict=True)):
            raise AssertionError(f"Misconception: {sentence}")
    number = right.index(False)
    value = values[number]
    if value == "nothing":
        raise AssertionError(f"{name} returns nothing; the question is not answered.")
    if isinstance(value, str):
        raise AssertionError(f"{name} raised {value}")
    shapes = [np.shape(value), np.shape(expected[number])]
    shape = f" Its shape is {shapes[0]}, expected is {shapes[1]}." if shapes[0] != shapes[1] else ""
    raise AssertionError(f"{name} returns a wrong value in case {number + 1} of {len(cases)}.{shape}")
