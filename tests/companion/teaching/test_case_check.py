import json

import numpy as np
import pytest

from companion.teaching.case_check import check_cases, values_of

CASES = ["np.array([1.0, 2.0])", "np.array([0.0])"]
EXPECTED = [[2.0, 4.0], [0.0]]


def message(function, misconceptions=(), **others):
    with pytest.raises(AssertionError) as raised:
        check_cases({"double": function, **others}, "double", CASES, EXPECTED, list(misconceptions))
    return str(raised.value)


@pytest.mark.parametrize("function", [lambda x: 2 * x, lambda x: list(2 * x), lambda x: tuple(x + x * (1 + 1e-12))])
def test_a_right_function_passes_whatever_type_it_returns(function):
    check_cases({"double": function}, "double", CASES, EXPECTED, [])


def test_a_misconception_is_named_only_if_all_its_values_agree():
    square = ["It squares.", [[1.0, 4.0], [0.0]]]
    assert message(lambda x: x**2, [square]) == "Misconception: It squares."
    assert message(lambda x: x**2 + (x == 0), [square]) == "double returns a wrong value in case 1 of 2."


def test_a_misconception_that_raises_an_error_is_recognised():
    crash = ["It divides by zero.", values_of(lambda x: 1 / 0, CASES)]
    assert message(lambda x: 1 // 0, [crash]) == "Misconception: It divides by zero."
    assert message(lambda x: [][0], [crash]).startswith("double raised IndexError")
    assert "not answered" in message(lambda x: None, [crash])


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda x: None, "double returns nothing; the question is not answered."),
        (lambda x: 1 // 0, "double raised ZeroDivisionError: "),
        (lambda x: np.sum(2 * x), r"Its shape is (), expected is (2,)."),
        (lambda x: "text", "double raised ValueError: "),
        (lambda: 3, "double raised TypeError: "),
        (lambda x: 2 * x + 1j, "double raised "),
        (lambda x: np.nan * x, "wrong value in case 1 of 2"),
    ],
)
def test_a_message_says_what_is_wrong_and_quotes_no_expected_value(function, sentence):
    text = message(function)
    assert sentence in text
    assert json.dumps(EXPECTED[0]) not in text


def test_a_renamed_function_is_named():
    assert "no function double" in message(None)
    assert "Was it renamed to doubel?" in message(3, doubel=lambda x: 2 * x)


def test_a_function_that_changes_its_argument_does_not_spoil_the_next_case():
    def double(x):
        x *= 2
        return x

    check_cases({"double": double}, "double", [CASES[0], CASES[0]], [EXPECTED[0], EXPECTED[0]], [])
