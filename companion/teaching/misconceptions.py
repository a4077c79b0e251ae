"""Graded questions with their cases and typical wrong solutions, read from `course/NN_name.yml`."""

import inspect
import json
import textwrap
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from companion.teaching import case_check
from companion.teaching.case_check import agree, values_of

MIN_MISCONCEPTIONS = 5  # per question
FORM: dict[str, tuple[type, str]] = {  # of a question: type of each field, and what it holds in words
    "function": (str, "a name"),
    "cases": (list, "a list of calls"),
    "misconceptions": (dict, "sentences with code"),
}
SHOWN_CASES = 1  # the first cases of a question stand in the student's notebook, with their values


@dataclass(frozen=True)
class Misconception:
    """A typical wrong solution.

    Args:
        sentence: the misconception, as the student reads it.
        code: a definition of the question's function that shows it.
    """

    sentence: str
    code: str


@dataclass(frozen=True)
class GradedQuestion:
    """What grades the function of one question.

    Args:
        name: of the question, such as "q1".
        function: its name in the notebook.
        cases: arguments as source, one text for each call.
        misconceptions: typical wrong solutions.
    """

    name: str
    function: str
    cases: tuple[str, ...]
    misconceptions: tuple[Misconception, ...]


def read_questions(path: Path) -> list[GradedQuestion]:
    """The graded questions of an assignment, in their order.

    Raises:
        ValueError: if the file is no YAML, or has another form; if a question has fewer than five misconceptions, or no
            case beside the shown one.
    """
    try:
        entries = yaml.safe_load(path.read_text("utf8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"expected YAML in {path}, got: {' '.join(str(error).split())}") from error
    if not isinstance(entries, dict) or not entries:
        raise ValueError(f"expected questions by name in {path}, got {_shortened(entries)}")
    return [_read_question(name, entry, path) for name, entry in entries.items()]


def _read_question(name: Any, entry: Any, path: Path) -> GradedQuestion:
    place = f"{name} of {path.name}"
    if not isinstance(entry, dict) or set(entry) != set(FORM):
        raise ValueError(f"expected the fields {', '.join(FORM)} for {place}, got {_shortened(entry)}")
    for field, (kind, words) in FORM.items():
        if not isinstance(entry[field], kind):
            raise ValueError(f"expected {words} as {field} for {place}, got {_shortened(entry[field])}")
    misconceptions = tuple(Misconception(str(sentence), code) for sentence, code in entry["misconceptions"].items())
    for misconception in misconceptions:
        if not isinstance(misconception.code, str):
            got = _shortened(misconception.code)
            raise ValueError(f"expected code for the misconception {misconception.sentence!r} of {place}, got {got}")
    if len(misconceptions) < MIN_MISCONCEPTIONS or len(entry["cases"]) <= SHOWN_CASES:
        raise ValueError(
            f"expected {MIN_MISCONCEPTIONS} misconceptions and {SHOWN_CASES + 1} cases or more for {place}, "
            f"got {len(misconceptions)} and {len(entry['cases'])}"
        )
    return GradedQuestion(str(name), entry["function"], tuple(map(str, entry["cases"])), misconceptions)


def _shortened(entry: Any) -> str:
    return textwrap.shorten(repr(entry), 80, placeholder=" ...")


def question_tests(question: GradedQuestion, solution: dict[str, Any]) -> tuple[str, str]:
    """The test that the student sees and the hidden one, as cells of Otter's exception-based format.

    Args:
        question: of the assignment.
        solution: the variables of the master notebook after its execution.

    Returns:
        Two sources; the first has the shown cases only, and no misconception.

    Raises:
        ValueError: if the cases do not distinguish the solution and all misconceptions from each other.
    """
    expected = values_of(solution[question.function], question.cases)
    wrong = []
    for misconception in question.misconceptions:
        env = dict(solution)
        exec(misconception.code, env)
        wrong.append([misconception.sentence, values_of(env[question.function], question.cases)])
    _require_distinct(question, expected, wrong)
    shown = slice(SHOWN_CASES)
    return (
        _test_cell(question, question.cases[shown], expected[shown], [], hidden=False),
        _test_cell(question, question.cases, expected, wrong, hidden=True),
    )


def _require_distinct(question: GradedQuestion, expected: list[Any], wrong: list[list[Any]]) -> None:
    """Refuse cases on which two of the solutions have the same values."""
    for (other, other_values), (sentence, values) in combinations([["the solution", expected], *wrong], 2):
        if agree(values, other_values):
            raise ValueError(f"expected cases of {question.name} that distinguish {sentence!r} from {other!r}")


def _test_cell(
    question: GradedQuestion, cases: tuple[str, ...], expected: list[Any], wrong: list[list[Any]], *, hidden: bool
) -> str:
    """A test cell: the data stand on a line of their own, because a report of an error quotes the line of the call."""
    data = json.dumps([list(cases), expected, wrong])
    return "\n".join(
        [
            f'""" # BEGIN TEST CONFIG\nhidden: {str(hidden).lower()}\n""" # END TEST CONFIG',
            f"def test_{question.name}_{'hidden' if hidden else 'shown'}(env):",
            "    import json",
            textwrap.indent(inspect.getsource(case_check), "    "),
            f"    data = json.loads({data!r})",
            f"    check_cases(env, {question.function!r}, *data)",
        ]
    )
