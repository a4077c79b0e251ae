"""Quick checks: questions with one right answer and a reason for each option, and where they stand on the pages.

The questions of a page are `book/quizzes/NAME.yml`. A chapter has them before its exercises, where rendering puts them,
so that neither the source nor the record changes with a question; a plain page has them where its marker stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

QUIZ_FOLDER = "quizzes"  # below the folder of the pages
MARKER = "% l2h: quick checks"  # a comment in a plain page; its quick checks take its place
EXERCISES = "## Exercises"
INTRODUCTION = "Choose an answer and check it. Each list of reasons explains every option."


@dataclass(frozen=True)
class Option:
    """An answer to choose.

    Args:
        text: of the answer, in MyST.
        reason: why it is right or wrong, in MyST.
        correct: whether it is the right one.
    """

    text: str
    reason: str
    correct: bool = False


@dataclass(frozen=True)
class Question:
    """A question with one right answer.

    Args:
        question: in MyST.
        sentence: words of the page from which the right answer follows.
        options: three or more answers.
    """

    question: str
    sentence: str
    options: tuple[Option, ...]


def read_quiz(path: Path) -> list[Question]:
    """The questions of a page.

    Args:
        path: of the YAML file.

    Returns:
        The questions in their order.

    Raises:
        ValueError: if the file is no YAML, or not a list of questions with exactly one right answer among three or more
            options, each with a reason.
    """
    try:
        entries = yaml.safe_load(path.read_text("utf8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"expected YAML in {path}, got: {' '.join(str(error).split())}") from error
    if not isinstance(entries, list):
        raise ValueError(f"expected a list of questions in {path.name}, got {type(entries).__name__}")
    return [_read_question(entry, f"question {number} of {path.name}") for number, entry in enumerate(entries, 1)]


def _read_question(entry: Any, where: str) -> Question:
    _check_fields(entry, ("question", "sentence", "options"), where)
    options = entry["options"]
    if not isinstance(options, list) or len(options) < 3:
        raise ValueError(f"expected a list of at least 3 options in {where}, got {options!r}")
    for letter, option in zip("abcdefgh", options, strict=False):
        _check_fields(option, ("text", "reason"), f"option {letter} of {where}", optional="correct")
    read = tuple(Option(option["text"], option["reason"], option.get("correct", False)) for option in options)
    n_correct = sum(option.correct is True for option in read)
    if n_correct != 1:
        raise ValueError(f"expected exactly one option with 'correct: true' in {where}, got {n_correct}")
    return Question(entry["question"], entry["sentence"], read)


def _check_fields(entry: Any, fields: tuple[str, ...], where: str, optional: str | None = None) -> None:
    names = set(entry) - {optional} if isinstance(entry, dict) else None
    if names != set(fields):
        raise ValueError(f"expected the fields {', '.join(fields)} in {where}, got {entry!r}")
    for field in fields:
        if field != "options" and not (isinstance(entry[field], str) and entry[field].strip()):
            raise ValueError(f"expected a text as {field} in {where}, got {entry[field]!r}")


def with_quiz(name: str, notebook: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A chapter with its quick checks before its exercises, if it has any.

    Args:
        name: of the chapter.
        notebook: executed, as JSON.
        folder: of the questions.

    Returns:
        A copy.

    Raises:
        ValueError: if there are questions, and not one heading of the exercises.
    """
    if not (folder / f"{name}.yml").exists():
        return dict(notebook)
    texts = ["".join(cell["source"]) if cell["cell_type"] == "markdown" else "" for cell in notebook["cells"]]
    found = [index for index, text in enumerate(texts) if f"\n{EXERCISES}\n" in f"\n{text}\n"]
    if len(found) != 1:
        raise ValueError(f"expected one heading '{EXERCISES}' in {name}, for its quick checks, got {len(found)}")
    before, heading, after = f"\n{texts[found[0]]}\n".partition(f"\n{EXERCISES}\n")
    cell = {**notebook["cells"][found[0]], "source": f"{before.rstrip()}\n\n{section(name)}{heading}{after}".strip()}
    cells = [*notebook["cells"][: found[0]], cell, *notebook["cells"][found[0] + 1 :]]
    return {**notebook, "cells": cells}


def section(name: str) -> str:
    """The part of a page with its quick checks, in MyST."""
    return f"## Quick checks\n\n```{{quiz}} {name}\n{INTRODUCTION}\n```\n"


def with_marker_replaced(name: str, text: str) -> str:
    """The text of a plain page with its quick checks in the place of the marker.

    >>> print(with_marker_replaced("index", MARKER).splitlines()[2])
    ```{quiz} index
    """
    return text.replace(MARKER, section(name))
