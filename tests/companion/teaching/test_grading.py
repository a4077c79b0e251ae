import csv
import io
import os
import shutil
import signal
import zipfile

import nbformat
import psutil
import pytest
from helpers.commands import ended, forked
from helpers.sweeps import wait_until

from companion.teaching import grading
from companion.teaching.grading import SUBMISSION_SECONDS


@pytest.fixture(scope="module")
def submissions(built, tmp_path_factory):
    """What students hand in: the solution, and everything that must not stop the grading."""
    folder = tmp_path_factory.mktemp("submissions")
    source = built / "01_loss" / "instructor" / "01_loss.ipynb"

    def write(name, change):
        notebook = nbformat.read(source, as_version=4)
        change(notebook, next(cell for cell in notebook.cells if "def asks(" in cell.source))
        nbformat.write(notebook, folder / f"{name}.ipynb")

    def insert(text):
        return lambda notebook, cell: notebook.cells.insert(2, nbformat.v4.new_code_cell(text))

    write("solution", lambda notebook, cell: None)
    write("exception", insert("1 / 0"))
    write("deleted", lambda notebook, cell: notebook.cells.remove(cell))
    write("renamed", lambda notebook, cell: cell.update(source=cell.source.replace("asks", "ask")))
    write("environment", insert("import os; SECRET = os.environ['L2H_TEST_SECRET']"))
    write("killed", insert("import os; os._exit(0)"))
    write("greedy", insert("import numpy as np; x = np.ones(2**40)"))
    write("uncheckable", lambda notebook, cell: setattr(notebook, "cells", []))
    write("children", insert(f"import subprocess; subprocess.Popen(['sleep', '{os.getpid() + 10_000}'])"))
    with zipfile.ZipFile(folder / "exported.zip", "w") as archive:
        archive.write(folder / "solution.ipynb", "some/01_loss.ipynb")
    with zipfile.ZipFile(folder / "none.zip", "w") as archive:
        archive.writestr("readme.txt", "")
    (folder / "broken.zip").write_bytes(b"PK no archive")
    (folder / "garbage.ipynb").write_bytes(b"\xff\x00 no notebook")
    (folder / "notes.txt").write_text("no submission")
    return folder


@pytest.fixture(scope="module")
def rows(built, submissions):
    """The table of grades, by the names of the files."""
    os.environ["L2H_TEST_SECRET"] = "of the teacher"
    try:
        grades = grading.grade_folder(built / "01_loss" / "autograder.zip", submissions)
    finally:
        del os.environ["L2H_TEST_SECRET"]
    table = list(csv.DictReader(io.StringIO(grading.grades_table(grades))))
    return {row["submission"]: row for row in table}


FULL = {"points": "12", "q1": "2"}
WITHOUT_Q1 = {"points": "10", "q1": "0", "q6": "2"}
NOTHING = {"points": "0", "q1": "0"}


@pytest.mark.parametrize(
    ("name", "points", "message"),
    [
        ("solution.ipynb", FULL, ""),
        ("exported.zip", FULL, ""),
        ("exception.ipynb", FULL, "Code cell 1: ZeroDivisionError"),
        ("deleted.ipynb", WITHOUT_Q1, "q1: The notebook defines no function asks"),
        ("renamed.ipynb", WITHOUT_Q1, "graded by this name. Was it renamed to ask?"),
        ("environment.ipynb", FULL, "Code cell 1 uses os.environ: look at it before you accept the grade."),
        ("killed.ipynb", NOTHING, "Not graded: the notebook ended its own process"),
        ("greedy.ipynb", FULL, "MemoryError"),
        ("uncheckable.ipynb", NOTHING, "q1: The notebook defines no function asks"),
        ("children.ipynb", FULL, "Code cell 1 uses subprocess"),
        ("none.zip", NOTHING, "Not graded: expected one notebook in the archive, got 0"),
        ("broken.zip", NOTHING, "Not graded: File is not a zip file"),
        ("garbage.ipynb", NOTHING, "Not graded: the notebook ended its own process, or is no notebook"),
    ],
)  # fmt: skip
def test_every_submission_has_a_grade_and_a_message(rows, name, points, message):
    assert {key: rows[name][key] for key in points} == points
    assert rows[name]["possible"] == "12"
    assert message in rows[name]["message"] and bool(message) == bool(rows[name]["message"])


def test_the_variables_of_the_teacher_do_not_reach_a_submission(rows):
    assert "KeyError: 'L2H_TEST_SECRET'" in rows["environment.ipynb"]["message"]


def test_every_submission_has_a_row_and_other_files_have_none(rows, submissions):
    assert set(rows) == {path.name for path in submissions.iterdir()} - {"notes.txt"}


def test_what_a_submission_started_is_ended(rows):
    commands = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert len(commands) > 1 and ["sleep", str(os.getpid() + 10_000)] not in commands


def test_a_process_that_takes_too_long_is_ended_with_a_message(built, submissions, tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("while True: pass")])
    nbformat.write(notebook, tmp_path / "hang.ipynb")
    (tmp_path / "tests").mkdir()
    possible = grading.unpack_tests(built / "01_loss" / "autograder.zip", tmp_path / "tests")
    grade = grading.grade_submission_file(
        tmp_path / "hang.ipynb", tests=tmp_path / "tests", possible=possible, seconds=0.5
    )
    assert set(grade.scores.values()) == {0} and grade.message == "Not graded: the notebook was stopped after 0.5 s"


def test_a_notebook_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(grading, "LARGEST_NOTEBOOK", 2**20)
    (tmp_path / "large.ipynb").write_bytes(b" " * (2**20 + 1))
    with pytest.raises(ValueError, match="expected a notebook of at most 1 MiB"):
        grading.notebook_bytes(tmp_path / "large.ipynb")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("no bundle", "expected an autograder bundle, a zip file, got"),
        ("no tests", "expected tests in .*, got none"),
        ("no submissions", "expected notebooks .* or archives .*, got none"),
    ],
)
def test_what_cannot_be_graded_is_refused_before_the_first_submission(built, tmp_path, wrong, message):
    (tmp_path / "bundle").mkdir()
    autograder = tmp_path / "bundle" / "a.zip"
    autograder.write_bytes((built / "01_loss" / "autograder.zip").read_bytes() if wrong == "no submissions" else b"")
    if wrong == "no tests":
        zipfile.ZipFile(autograder, "w").close()
    if wrong != "no submissions":
        (tmp_path / "a.ipynb").write_text("{}")
    with pytest.raises(ValueError, match=message):
        grading.grade_folder(autograder, tmp_path)


def test_the_command_writes_the_table(built, submissions, tmp_path):
    (tmp_path / "one").mkdir()
    shutil.copy(submissions / "exported.zip", tmp_path / "one")
    arguments = [built / "01_loss" / "autograder.zip", tmp_path / "one", tmp_path / "grades.csv"]
    assert grading.main(list(map(str, arguments))) == 0
    header, row = (tmp_path / "grades.csv").read_text("utf8").splitlines()
    assert header == "submission,points,possible,q1,q2,q3,q4,q5,q6,message"
    assert row == "exported.zip,12,12,2,2,2,2,2,2,"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_ends_with_its_submissions_and_writes_no_table(built, tmp_path, number, code):
    begun = tmp_path / "begun"
    endless = f"""import pathlib, signal, time
signal.setitimer(signal.ITIMER_REAL, 0)  # the limit of a cell
pathlib.Path({str(begun)!r}).touch()
time.sleep({SUBMISSION_SECONDS:g} + 600)"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(endless)])
    (tmp_path / "folder").mkdir()
    for name in ("a", "b", "c"):
        nbformat.write(notebook, tmp_path / "folder" / f"{name}.ipynb")
    arguments = [built / "01_loss" / "autograder.zip", tmp_path / "folder", tmp_path / "grades.csv", "--workers", "1"]
    with forked(tmp_path, lambda: grading.main(list(map(str, arguments)))) as process:
        wait_until(lambda: begun.exists() or not process.is_alive())
        os.kill(process.pid, number)
        assert ended(process, SUBMISSION_SECONDS / 2) == code
    assert (tmp_path / "stdout").read_text() == (tmp_path / "stderr").read_text() == ""
    assert not (tmp_path / "grades.csv").exists()


@pytest.mark.parametrize("content", [b"def test_q1(:\n", b"x = 1\n", b"\xff\x00"])
def test_a_bundle_with_a_test_in_another_form_is_one_sentence(tmp_path, content):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("tests/q1.py", content)
    with pytest.raises(ValueError, match=r"expected an autograder bundle of Otter, got .*a\.zip, where ") as raised:
        grading.unpack_tests(tmp_path / "a.zip", tmp_path)
    assert "\n" not in str(raised.value)


def test_a_damaged_bundle_is_one_sentence(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tests/q1.py", "x = 12345\n")
    path.write_bytes(path.read_bytes().replace(b"x = 12345", b"x = 99999"))
    with pytest.raises(ValueError, match=r"a\.zip, where BadZipFile: Bad CRC-32 for file 'tests/q1\.py'"):
        grading.unpack_tests(path, tmp_path)


def test_the_command_names_what_it_cannot_read(tmp_path, capsys):
    arguments = [tmp_path / "no.zip", tmp_path, tmp_path / "grades.csv"]
    (tmp_path / "a.ipynb").write_text("{}")
    assert grading.main(list(map(str, arguments))) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("expected an autograder bundle, a zip file, got") and err.count("\n") == 1
    assert not (tmp_path / "grades.csv").exists()
