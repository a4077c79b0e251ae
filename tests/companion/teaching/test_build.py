import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from functools import partial

import nbformat
import otter
import pytest
from helpers.commands import ended, forked
from helpers.sweeps import wait_until
from otter.assign.utils import AssignNotebookFormatException
from otter.test_files import ExceptionTestFile

from companion.build import console, notebooks
from companion.pages import render
from companion.teaching import build, grading, isolated
from companion.teaching.misconceptions import read_questions

NAMES = build.assignment_names()


def graded(built, name):
    """The test files of a built bundle, read as Otter reads them."""
    with zipfile.ZipFile(built / name / "autograder.zip") as archive:
        members = sorted(member for member in archive.namelist() if member.startswith("tests/"))
        return [ExceptionTestFile.from_string(archive.read(member).decode("utf8")) for member in members]


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_has_full_marks(built, name):
    env, notes = isolated.execute_cells(nbformat.read(built / name / "instructor" / f"{name}.ipynb", as_version=4))
    grades = isolated.grade_questions(graded(built, name), env)
    assert notes == []
    assert 4 <= len(grades) <= 8
    assert all(grade["score"] == grade["possible"] > 0 and not grade["message"] for grade in grades.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_solution_loses_its_question_alone_and_its_message_is_the_misconception(built, solutions, name):
    tests = graded(built, name)
    for question in read_questions(build.COURSE / f"{name}.yml"):
        for item in question.misconceptions:
            wrong = dict(solutions[name])
            exec(item.code, wrong)
            grades = isolated.grade_questions(tests, wrong)
            lost = {key: grade for key, grade in grades.items() if grade["score"] < grade["possible"]}
            assert list(lost) == [question.name], item.sentence
            assert lost[question.name] == {
                "score": 0, "possible": lost[question.name]["possible"], "message": f"Misconception: {item.sentence}",
            }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_students_edition_as_it_is_handed_out_has_no_point_and_says_why(built, name):
    env, notes = isolated.execute_cells(nbformat.read(built / name / "student" / f"{name}.ipynb", as_version=4))
    grades = isolated.grade_questions(graded(built, name), env)
    assert notes == []
    assert all(grade["score"] == 0 and "not answered" in grade["message"] for grade in grades.values())


@pytest.mark.parametrize("name", NAMES)
def test_an_assignment_has_what_a_teacher_needs(name):
    master = notebooks.read_source(name, build.COURSE)
    text = "\n".join(cell.source for cell in master.cells if cell.cell_type == "markdown")
    assert all(part in text for part in ("**Learning goals.**", "**Chapter.**", "**Time.**", "**Rules.**"))
    assert text.count("*Hint.*") >= len(read_questions(build.COURSE / f"{name}.yml"))
    assert text.count("**Rubric.**") == text.count("*Graded by:*") == 2


def test_the_page_for_teachers_names_title_time_and_libraries_of_every_assignment():
    page = (notebooks.ROOT / "book" / "teach.md").read_text("utf8")
    rows = re.findall(r"^\| (\d), (.+?) \| .+? \| (.+?) \|", page, re.MULTILINE)
    texts = [(build.COURSE / f"{name}.md").read_text("utf8") for name in NAMES]
    found = [
        re.search(r"^# Assignment (\d): ([^\n]+)\n.+?\*\*Time\.\*\* (.+?)[.;]", text, re.M | re.S) for text in texts
    ]
    assert rows == [match.groups() for match in found]
    installed = re.search(r"^pip install (.+)$", page, re.MULTILINE)[1].split()
    assert {re.match(r"[\w-]+", line)[0] for line in build.REQUIREMENTS} < set(installed)
    for chapter, heading in re.findall(r'{doc}`(\w+)` to the end of "(.+?)"', page):
        assert f"\n## {heading}\n" in (notebooks.ROOT / "book" / f"{chapter}.md").read_text("utf8")


@pytest.mark.parametrize("name", NAMES)
def test_the_points_are_those_that_the_head_states(built, name):
    text = (build.COURSE / f"{name}.md").read_text("utf8")
    possible = sum(test.possible for test in graded(built, name))
    by_hand = sum(map(int, re.findall(r"^points: (\d+)\nmanual: true$", text, re.MULTILINE)))
    assert f"**Points.** {possible:g} for code, {by_hand} for words." in text


@pytest.mark.parametrize(
    "leak",
    [
        "Look: `return np.asarray(r) <= 0`",  # a line of a solution
        "```python\nreturn np.abs(r) < 0.4\n```",  # a wrong one
        "A tie keeps. At r = 0 the device asks: the rule is r <= 0.",  # a misconception
        "Test it with np.array([0.3, 0.0, -2.0, 1e-9])",  # a hidden case
        "Random queries at 30 % gain 0.3 times 20, that is six points.",  # a model answer
        "**Rubric.** 1 point: always asks, accuracy 1 - q.",
        "x = 1  # SEED",
    ],
)
def test_a_students_file_with_a_secret_is_refused(tmp_path, leak):
    for suffix in ("md", "yml"):
        text = (build.COURSE / f"01_loss.{suffix}").read_text("utf8")
        (tmp_path / f"01_loss.{suffix}").write_text(text.replace("## The loss\n", f"## The loss\n\n{leak}\n"), "utf8")
    with pytest.raises(ValueError, match=r"expected no secret in the student's files of 01_loss, got: 01_loss\.ipynb"):
        build.build_assignment("01_loss", tmp_path / "built", tmp_path)
    assert not (tmp_path / "built").exists()


@pytest.mark.parametrize("name", NAMES)
def test_the_students_own_check_works_without_a_network(built, solutions, name, tmp_path, monkeypatch):
    shutil.copytree(built / name / "student", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    grader = otter.Notebook(f"{name}.ipynb")
    for question in read_questions(build.COURSE / f"{name}.yml"):
        assert grader.check(question.name, global_env=dict(solutions[name])).grade == 1
        assert grader.check(question.name, global_env={}).grade == 0


def test_questions_and_tests_that_do_not_match_are_refused(tmp_path):
    (tmp_path / "01_loss.md").write_text((build.COURSE / "01_loss.md").read_text("utf8"))
    questions = (build.COURSE / "01_loss.yml").read_text("utf8")
    (tmp_path / "01_loss.yml").write_text(questions[: questions.index("q6:")])
    with pytest.raises(ValueError, match=r"expected the questions .*'q6'"):
        build.build_assignment("01_loss", tmp_path / "built", tmp_path)


def test_otters_own_runner_gives_the_grades_of_the_local_one(built, tmp_path):
    """On Gradescope Otter executes the notebook in a kernel."""
    notebook = nbformat.read(built / "01_loss" / "instructor" / "01_loss.ipynb", as_version=4)
    question = read_questions(build.COURSE / "01_loss.yml")[0]
    cell = next(cell for cell in notebook.cells if f"def {question.function}(" in cell.source)
    cell.source = question.misconceptions[0].code
    nbformat.write(notebook, tmp_path / "wrong.ipynb")
    autograder = built / "01_loss" / "autograder.zip"
    command = [sys.executable, "-m", "otter", "run", "-a", str(autograder), "-o", str(tmp_path), "wrong.ipynb"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    results = (tmp_path / "results.json").read_text("utf8")
    grade = grading.grade_folder(autograder, tmp_path, workers=1)[0]
    scores = {test["name"]: test["score"] for test in json.loads(results)["tests"] if test["name"] in grade.scores}
    assert scores == grade.scores
    assert grade.scores == {"q1": 0, "q2": 2, "q3": 2, "q4": 2, "q5": 2, "q6": 2}
    assert question.misconceptions[0].sentence in json.dumps(json.loads(results), ensure_ascii=False)
    assert question.misconceptions[0].sentence in grade.message
    assert not any(case in results for case in question.cases[1:])  # a student sees this report


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """A folder for what the command builds, and a file that stands there once Otter has begun, which never ends."""

    def assign(*_, **__):
        tempfile.mkdtemp()  # as Otter does, which an interruption may keep from removing it
        (tmp_path / "begun").touch()
        time.sleep(600)

    monkeypatch.setattr(render, "BUILD_FOLDER", tmp_path / "_build")
    monkeypatch.setattr(build, "otter_master", lambda *_: nbformat.v4.new_notebook())
    monkeypatch.setattr(build, "otter_assign", assign)
    return tmp_path / "begun"


SIGNALS = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])


@SIGNALS
def test_an_interrupted_command_says_so_by_its_exit_code_and_leaves_no_files(
    begun, tmp_path, monkeypatch, number, code
):
    monkeypatch.setattr(tempfile, "tempdir", str(temporary := tmp_path / "temporary"))
    temporary.mkdir()
    with forked(tmp_path, lambda: build.main(["01_loss"])) as process:
        wait_until(lambda: begun.exists() or not process.is_alive())
        os.kill(process.pid, number)
        assert ended(process) == code
    assert [*(tmp_path / "_build" / "course").iterdir(), *temporary.iterdir()] == []
    assert (tmp_path / "stdout").read_text() == (tmp_path / "stderr").read_text() == ""


@SIGNALS
def test_an_interruption_in_a_cell_of_a_master_is_no_error_of_the_master(tmp_path, number, code):
    source = f"import pathlib, time\npathlib.Path({str(tmp_path / 'begun')!r}).touch()\ntime.sleep(600)"
    master = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    command = partial(console.run_command, lambda: len(build.solution_variables(master)))
    with forked(tmp_path, command) as process:
        wait_until(lambda: (tmp_path / "begun").exists() or not process.is_alive())
        os.kill(process.pid, number)
        assert ended(process) == code


@pytest.mark.parametrize(
    "cell",
    ["1 / 0", "raise SystemExit(3)", "from companion.teaching import isolated\nraise isolated.TimeLimitError('slow')"],
)
def test_a_master_with_an_error_is_refused(cell):
    master = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    with pytest.raises(ValueError, match="expected a master without errors, got Code cell 1: "):
        build.solution_variables(master)


def test_the_command_prints_the_folder_of_each_assignment(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(render, "BUILD_FOLDER", tmp_path)
    asked = []
    monkeypatch.setattr(build, "build_assignment", lambda name, target: asked.append((name, target)))
    assert build.main(["02_bayes", "01_loss"]) == 0
    assert asked == [(name, tmp_path / "course" / name) for name in ("02_bayes", "01_loss")]
    assert capsys.readouterr().out == "".join(f"{target}\n" for _, target in asked)
    asked.clear()
    assert build.main([]) == 0 and [name for name, _ in asked] == NAMES


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("expected a, got b"), "expected a, got b\n"),
        (OSError(28, "no space"), "[Errno 28] no space\n"),
        (AssignNotebookFormatException("Question has no name", None, 3), "Question has no name (cell number 4)\n"),
    ],
)
def test_an_error_is_one_sentence_and_the_exit_code_one(error, said, monkeypatch, capsys):
    def failing(*_):
        raise error

    monkeypatch.setattr(build, "build_assignment", failing)
    assert build.main(["01_loss"]) == 1
    assert capsys.readouterr() == ("", said)


def test_an_unknown_assignment_is_refused_with_the_names_of_all_and_nothing_is_built(monkeypatch, capsys):
    monkeypatch.setattr(build, "build_assignment", lambda *_: pytest.fail("was built"))
    assert build.main(["01_loss", "99_none"]) == 1
    assert re.fullmatch("expected assignments among 01_loss, .*, got 99_none\n", capsys.readouterr().err)


def test_building_again_replaces_the_folder_and_leaves_nothing_beside_it(built, tmp_path):
    (tmp_path / "01_loss").mkdir()
    (tmp_path / "01_loss" / "old.txt").write_text("old")
    build.build_assignment("01_loss", tmp_path / "01_loss")
    assert [path.name for path in tmp_path.iterdir()] == ["01_loss"]
    names = {path.name for path in (tmp_path / "01_loss").iterdir()}
    assert names == {"student", "student.zip", "autograder.zip", "instructor"}
