"""Executes and grades one submission in a process of its own; `grading` starts it.

    python -m companion.teaching.isolated NOTEBOOK TESTS RESULT

A cell or a question that takes too long is stopped; an error in a cell does not keep the next one from its execution.
"""

import json
import os
import re
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from otter.test_files import ExceptionTestFile

CELL_SECONDS = 10.0  # for a cell, and for a question
MEMORY = 4 * 2**30  # bytes of address space
OTTER_CELL = re.compile(r"# Initialize Otter|grader\.|# Save your notebook first")
SYSTEM_CALL = re.compile(
    r"\bos\.(environ|getenv|system|popen|exec\w+|spawn\w+|fork)\b|\bfrom os import\b|\bsubprocess\b|\bsocket\b"
)


class TimeLimitError(BaseException):
    """A cell or a question took too long; no `except Exception` of a student catches it."""


class NoShell:
    """Stands in for IPython's shell: magics and shell commands of a notebook do nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: None


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeLimitError` in the block after this time, and again each second, in case that it is caught."""

    def stop(*_: Any) -> None:
        raise TimeLimitError(f"stopped after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def execute_cells(
    notebook: nbformat.NotebookNode,
    seconds: float = CELL_SECONDS,
    noted: type[BaseException] | tuple[type[BaseException], ...] = BaseException,
) -> tuple[dict[str, Any], list[str]]:
    """Execute the code cells of a notebook, except those that call Otter.

    Args:
        notebook: a student's, or a master.
        seconds: for each cell.
        noted: what a cell may raise without an end of the execution; of a student everything, SystemExit, too.

    Returns:
        The variables, and a sentence for each cell that failed or that uses the operating system.
    """
    env: dict[str, Any] = {"__name__": "__main__", "get_ipython": NoShell}
    notes = []
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code" and not OTTER_CELL.match(cell.source)]
    for number, source in enumerate(cells, start=1):
        if use := SYSTEM_CALL.search(source):
            notes.append(f"Code cell {number} uses {use[0]}: look at it before you accept the grade.")
        try:
            with time_limit(seconds):
                exec(compile(TransformerManager().transform_cell(source), f"<cell {number}>", "exec"), env)
        except noted as error:
            notes.append(f"Code cell {number}: {_sentence(error)}")
    return env, notes


def grade_questions(
    tests: list[ExceptionTestFile], env: dict[str, Any], seconds: float = CELL_SECONDS
) -> dict[str, dict[str, Any]]:
    """Run Otter's test files on a notebook's variables.

    Args:
        tests: one test file for each question.
        env: the variables of the notebook.
        seconds: for each question.

    Returns:
        For each question its `score`, what is `possible`, and a `message`, empty if all is right.
    """
    grades = {}
    for test in tests:
        score, message = 0.0, ""
        try:
            with time_limit(seconds):
                test.run(env)
            score, failed = test.score, [result for result in test.test_case_results if not result.passed]
            message = _reason(failed[-1].message) if failed else ""  # the hidden test knows the misconceptions
        except BaseException as error:
            message = _sentence(error)
        grades[test.name] = {"score": score, "possible": test.possible, "message": message}
    return grades


def _reason(report: str) -> str:
    """The sentence in a report of Otter on a failed test."""
    return report.partition("AssertionError: ")[2].strip() or report.strip().splitlines()[-1]


def _sentence(error: BaseException) -> str:
    """What was raised, in one line of at most 200 characters."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:200]


def main(notebook: Path, tests: Path, result: Path) -> None:
    """Grade a notebook and write questions and notes to a JSON file."""
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    files = [ExceptionTestFile.from_file(str(path)) for path in sorted(tests.glob("*.py"))]
    env, notes = execute_cells(nbformat.read(notebook, as_version=4))
    grade = {"questions": grade_questions(files, env), "notes": notes}
    result.write_text(json.dumps(grade), "utf8")
    sys.stdout.flush()
    os._exit(0)  # a student's threads and exit handlers do not keep the process


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
