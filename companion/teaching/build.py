"""Builds the coursework: `python -m companion.teaching.build [NN_name ...]`, or `make course`.

The master of an assignment is `course/NN_name.md`, a MyST notebook with the marks of Otter-Grader and with solutions;
`course/NN_name.yml` holds the cases and the misconceptions of its questions. `_build/course/NN_name` receives

    student/         the notebook for students, without solutions and hidden tests, and student.zip with the same
    autograder.zip   Otter's bundle, for Gradescope and for `companion.teaching.grading`
    instructor/      the notebook with solutions, and the misconceptions in words
"""

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode
from otter.assign import main as otter_assign
from otter.assign.utils import AssignNotebookFormatException

from companion.build import console, notebooks
from companion.pages import render
from companion.teaching import isolated, leaks
from companion.teaching.misconceptions import SHOWN_CASES, GradedQuestion, question_tests, read_questions
from l2h.cli import printable

COURSE = notebooks.ROOT / "course"
REQUIREMENTS = ("numpy>=2", "scipy", "scikit-learn>=1.5")  # of a student's notebook
CELL_ERRORS = (Exception, SystemExit, isolated.TimeLimitError)  # all but what interrupts the command
SOLUTION_BLOCK = re.compile(r"# BEGIN SOLUTION.*?# END SOLUTION", re.DOTALL)


def assignment_names() -> list[str]:
    """The names of the assignments: their masters."""
    return sorted(path.stem for path in COURSE.glob("[0-9][0-9]_*.md"))


def solution_variables(master: NotebookNode) -> dict[str, Any]:
    """The variables of a master after its execution.

    Raises:
        ValueError: if a cell fails.
    """
    env, notes = isolated.execute_cells(master, noted=CELL_ERRORS)
    if notes:
        raise ValueError(f"expected a master without errors, got {notes[0]}")
    return env


def secrets_of(master: NotebookNode, questions: Sequence[GradedQuestion]) -> set[str]:
    """The texts of an assignment that no student may see: lines of right and wrong solutions, answers, hidden cases."""
    blocks = [block for cell in master.cells for block in SOLUTION_BLOCK.findall(cell.source)]
    answers = [re.sub(r"(?<=[.;:]) ", "\n", cell.source) for cell in _solutions_in_words(master)]
    misconceptions = [item for question in questions for item in question.misconceptions]
    codes = [*blocks, *answers, *(item.code for item in misconceptions)]
    given = {line.strip() for cell in given_cells(master) for line in cell.source.splitlines()}
    cases = {case for question in questions for case in question.cases[SHOWN_CASES:]}
    long_cases = {case for case in cases if len(case) >= leaks.SHORTEST_LINE}
    lines = set().union(*map(leaks.secret_lines, codes)) - given
    return lines | long_cases | {item.sentence for item in misconceptions}


def given_cells(master: NotebookNode) -> list[NotebookNode]:
    """The code cells that students receive whole: those without a solution."""
    return [cell for cell in master.cells if cell.cell_type == "code" and not SOLUTION_BLOCK.search(cell.source)]


def _solutions_in_words(master: NotebookNode) -> list[NotebookNode]:
    """The text cells between the marks of a solution: model answers, with the rubric."""
    inside, cells = False, []
    for cell in master.cells:
        if cell.cell_type == "raw":
            inside = cell.source.startswith("# BEGIN SOLUTION")
        elif inside and cell.cell_type == "markdown":
            cells.append(cell)
    return cells


def otter_master(name: str, master: NotebookNode, questions: Sequence[GradedQuestion]) -> NotebookNode:
    """The master as Otter reads it: with its configuration, and with the tests of the graded questions.

    Raises:
        ValueError: if the questions of the notebook with code are not those of the list.
    """
    env = solution_variables(master)
    tests = {question.name: question_tests(question, env) for question in questions}
    cells, marked, question_name = [_raw("ASSIGNMENT CONFIG", _configuration(name))], [], None
    for cell in master.cells:
        if cell.cell_type == "raw" and cell.source.startswith("# BEGIN QUESTION"):
            configuration = yaml.safe_load(cell.source)
            question_name = None if configuration.get("manual") else configuration["name"]
            marked += [question_name] if question_name else []
        if cell.cell_type == "raw" and cell.source.startswith("# END QUESTION") and question_name in tests:
            sources = tests[question_name]
            cells += [_raw("BEGIN TESTS"), *map(nbformat.v4.new_code_cell, sources), _raw("END TESTS")]
        cells.append(cell)
    if marked != list(tests):
        raise ValueError(f"expected the questions {marked} of {name}.md in {name}.yml, got {list(tests)}")
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": master.metadata["kernelspec"]})


def _raw(mark: str, text: str = "") -> NotebookNode:
    return nbformat.v4.new_raw_cell(f"# {mark}\n{text}".strip())


def _configuration(name: str) -> str:
    """Otter's configuration of an assignment; hidden tests are shown on Gradescope, because they explain errors."""
    return yaml.safe_dump(
        {
            "name": name,
            "check_all_cell": True,
            "export_cell": {"pdf": False, "run_tests": False, "ignore_log": True},
            "generate": {"show_hidden": True, "show_stdout": False},
            "tests": {"ok_format": False},
            "requirements": list(REQUIREMENTS),
            "show_question_points": True,
        }
    )


def build_assignment(name: str, target: Path, course: Path = COURSE) -> None:
    """Build one assignment.

    Args:
        name: of its master.
        target: the folder that receives the three editions; it is replaced as a whole.
        course: the folder of the masters.

    Raises:
        ValueError: if the master is wrong, or if a file for students holds what only the instructor may see.
    """
    master, questions = notebooks.read_source(name, course), read_questions(course / f"{name}.yml")
    target.parent.mkdir(parents=True, exist_ok=True)
    with console.temporary_folder(".build-", target.parent) as folder:
        path, result, built = folder / f"{name}.ipynb", folder / "result", folder / "built"
        nbformat.write(otter_master(name, master, questions), path)
        with _temporary_files_in(folder):
            otter_assign(str(path), str(result), no_pdfs=True, no_run_tests=True)
        shutil.copytree(result / "student", built / "student")
        shutil.make_archive(str(built / "student"), "zip", built / "student")
        if found := leaks.find_leaks(built, secrets_of(master, questions)):
            raise ValueError(f"expected no secret in the student's files of {name}, got: {'; '.join(found)}")
        next((result / "autograder").glob("*.zip")).replace(built / "autograder.zip")
        (built / "instructor").mkdir()
        (result / "autograder" / f"{name}.ipynb").replace(built / "instructor" / f"{name}.ipynb")
        (built / "instructor" / "misconceptions.md").write_text(_misconceptions_text(name, questions), "utf8")
        render.replace_folder(built, target)


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Let a library put its temporary files into a folder: those that an interruption leaves go with it."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _misconceptions_text(name: str, questions: Sequence[GradedQuestion]) -> str:
    """The typical wrong solutions of an assignment, for the instructor."""
    parts = [f"# {name}: typical wrong solutions\n"]
    for question in questions:
        parts.append(f"## {question.name}, `{question.function}`\n")
        parts += [f"{item.sentence}\n\n```python\n{item.code.strip()}\n```\n" for item in question.misconceptions]
    return "\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """The command: builds assignments, and prints their folders; it ends as `console.run_command` says."""
    parser = argparse.ArgumentParser(prog="python -m companion.teaching.build", description="Build the coursework.")
    parser.add_argument("names", nargs="*", help="assignments such as 01_loss; all, if none is given")
    options = parser.parse_args(arguments)
    errors = (*console.EXPECTED_ERRORS, AssignNotebookFormatException)
    return console.run_command(lambda: _build_assignments(options.names or assignment_names()), errors)


def _build_assignments(names: Sequence[str]) -> int:
    if unknown := [name for name in names if name not in assignment_names()]:
        raise ValueError(f"expected assignments among {', '.join(assignment_names())}, got {', '.join(unknown)}")
    for name in names:
        target = render.BUILD_FOLDER / "course" / name
        build_assignment(name, target)
        sys.stdout.write(f"{printable(str(target))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
