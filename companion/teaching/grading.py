"""Grades a folder of submissions into a CSV file.

    python -m companion.teaching.grading AUTOGRADER.zip FOLDER GRADES.csv

A submission is a notebook, or the archive that a student's notebook exports. Every file gets a row with its points and
a message, whatever it does.
"""

import argparse
import csv
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from otter.test_files import ExceptionTestFile

from companion.build import console
from l2h.experiments import store
from l2h.experiments.fingerprint import PACKAGE

SUBMISSION_SECONDS = 120.0  # for a submission, its start included
LARGEST_NOTEBOOK = 20 * 2**20  # bytes
VARIABLES = ("PATH", "LANG", "LC_ALL")  # of the environment, what a submission's process receives


@dataclass(frozen=True)
class Grade:
    """The grade of one submission.

    Args:
        submission: the name of its file.
        scores: points of each question.
        possible: points that each question gives.
        message: what was wrong, for the student.
    """

    submission: str
    scores: dict[str, float]
    possible: dict[str, float]
    message: str


def unpack_tests(autograder: Path, folder: Path) -> dict[str, float]:
    """Write the test files of Otter's bundle into a folder.

    Returns:
        The points that each question gives.

    Raises:
        ValueError: if the file is no bundle of Otter.
    """
    if not zipfile.is_zipfile(autograder):
        raise ValueError(f"expected an autograder bundle, a zip file, got {autograder}")
    try:
        with zipfile.ZipFile(autograder) as archive:
            members = [name for name in archive.namelist() if name.startswith("tests/") and name.endswith(".py")]
            for name in members:
                (folder / Path(name).name).write_bytes(archive.read(name))
        tests = [ExceptionTestFile.from_file(str(path)) for path in sorted(folder.glob("*.py"))]
    except Exception as error:  # what Otter raises for a test in another form depends on the form
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"expected an autograder bundle of Otter, got {autograder}, where {reason}") from error
    if not members:
        raise ValueError(f"expected tests in {autograder}, got none")
    return {test.name: test.possible for test in tests}


def notebook_bytes(submission: Path) -> bytes:
    """The bytes of a submitted notebook, or of the only notebook in a submitted archive.

    Raises:
        ValueError: if the archive holds no notebook or more than one, or if the notebook is too large.
    """
    if submission.suffix != ".zip":
        content = submission.read_bytes() if submission.stat().st_size <= LARGEST_NOTEBOOK else None
    else:
        with zipfile.ZipFile(submission) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".ipynb")]
            if len(members) != 1:
                raise ValueError(f"expected one notebook in the archive, got {len(members)}")
            content = archive.read(members[0]) if members[0].file_size <= LARGEST_NOTEBOOK else None
    if content is None:
        raise ValueError(f"expected a notebook of at most {LARGEST_NOTEBOOK >> 20} MiB, got a larger one")
    return content


def grade_submission_file(
    submission: Path,
    *,
    tests: Path,
    possible: dict[str, float],
    seconds: float = SUBMISSION_SECONDS,
    running: set[int] | None = None,
) -> Grade:
    """Grade one file in a process of its own, which ends after `seconds` at the latest.

    Args:
        submission: the file.
        tests: folder of the test files.
        possible: the points that each question gives.
        seconds: for the submission, its start included.
        running: has the process's number while it runs.

    Returns:
        The grade.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        problem = ""
        try:
            (folder / "submission.ipynb").write_bytes(notebook_bytes(submission))
            problem = _run_isolated(folder, tests, seconds, set() if running is None else running)
            scores, message = _read_result(folder / "result.json", possible)
        except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
            # The file holds no notebook, or the process wrote no result.
            scores, message = dict.fromkeys(possible, 0.0), f"Not graded: {problem or error}"
        return Grade(submission.name, scores, possible, message)


def _read_result(path: Path, possible: dict[str, float]) -> tuple[dict[str, float], str]:
    """The points of each question and the message, from the file that `isolated` writes."""
    result = json.loads(path.read_text("utf8"))
    questions = result["questions"]
    messages = [f"{name}: {questions[name]['message']}" for name in possible if questions[name]["message"]]
    scores = {name: float(questions[name]["score"]) for name in possible}
    return scores, "\n".join([*messages, *result["notes"]])


def _run_isolated(folder: Path, tests: Path, seconds: float, running: set[int]) -> str:
    """Start `isolated` with few variables and without input; what went wrong, for the case that there is no result."""
    arguments = [str(folder / "submission.ipynb"), str(tests), str(folder / "result.json")]
    variables = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    with (folder / "errors.txt").open("w+", encoding="utf8", errors="replace") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "companion.teaching.isolated", *arguments],
            env={**variables, "PYTHONPATH": str(PACKAGE.parent), "HOME": str(folder), "OMP_NUM_THREADS": "1"},
            cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
        )  # fmt: skip
        running.add(process.pid)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return f"the notebook was stopped after {seconds:g} s"
        finally:
            _end(process.pid)
            process.wait()
            running.discard(process.pid)
        errors.seek(0)
        last = errors.read().strip().splitlines()[-1:]
        return f"the notebook ended its own process, or is no notebook ({' '.join(last) or process.returncode})"


def _end(process: int) -> None:
    """End a submission's process, and what the notebook started."""
    with suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)


def grade_folder(autograder: Path, folder: Path, *, workers: int | None = None) -> list[Grade]:
    """Grade all notebooks and archives of a folder.

    Args:
        autograder: Otter's bundle of the assignment.
        folder: with one file for each submission.
        workers: submissions graded at the same time; the number of cores if None.

    Returns:
        The grades, by the names of the files.

    Raises:
        ValueError: if the bundle is none, or if the folder holds no submission.
    """
    submissions = sorted(path for path in folder.iterdir() if path.suffix in (".ipynb", ".zip"))
    if not submissions:
        raise ValueError(f"expected notebooks (.ipynb) or archives (.zip) in {folder}, got none")
    with tempfile.TemporaryDirectory() as name:
        possible = unpack_tests(autograder, Path(name))
        running: set[int] = set()
        grade = partial(grade_submission_file, tests=Path(name), possible=possible, running=running)
        with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
            try:
                return list(pool.map(grade, submissions))
            except BaseException:  # an interruption ends what is under way, which the pool would wait for
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list(running):
                    _end(process)
                raise


def grades_table(grades: Sequence[Grade]) -> str:
    """Grades as CSV: the file, the sum of points, what is possible, the points of each question, the message."""
    questions = list(grades[0].possible)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["submission", "points", "possible", *questions, "message"])
    for grade in grades:
        points = [grade.scores[question] for question in questions]
        row = [grade.submission, f"{sum(points):g}", f"{sum(grade.possible.values()):g}", *(f"{x:g}" for x in points)]
        writer.writerow([*row, grade.message])
    return text.getvalue()


def main(arguments: list[str] | None = None) -> int:
    """The command: write the table of grades; it ends as `console.run_command` says."""
    parser = argparse.ArgumentParser(prog="python -m companion.teaching.grading", description=__doc__)
    parser.add_argument("autograder", type=Path, help="_build/course/NN_name/autograder.zip")
    parser.add_argument("folder", type=Path, help="one notebook or archive for each submission")
    parser.add_argument("grades", type=Path, help="the CSV file to write")
    parser.add_argument("--workers", type=int, help="submissions at the same time (default: the cores)")
    options = parser.parse_args(arguments)

    def graded() -> int:
        grades = grade_folder(options.autograder, options.folder, workers=options.workers)
        store.write_atomically(options.grades, grades_table(grades))
        return 0

    return console.run_command(graded)


if __name__ == "__main__":
    sys.exit(main())
