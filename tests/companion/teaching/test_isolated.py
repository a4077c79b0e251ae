import nbformat
import pytest
from otter.test_files import ExceptionTestFile

from companion.teaching import isolated

TEST = """
from otter.test_files import test_case
OK_FORMAT = False
name = "q1"
points = 2
all_or_nothing = True

@test_case(points=None, hidden=True)
def test(env):
    assert env["f"]() == 3, "f is not 3"
"""


def execute(*sources, seconds=20.0):
    return isolated.execute_cells(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources]), seconds
    )


def grade(env, seconds=20.0):
    return isolated.grade_questions([ExceptionTestFile.from_string(TEST)], env, seconds)["q1"]


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ("1 / 0", "Code cell 1: ZeroDivisionError: division by zero"),
        ("def f(:", "Code cell 1: SyntaxError: "),
        ("raise SystemExit(3)", "Code cell 1: SystemExit: 3"),
        ("raise KeyboardInterrupt", "Code cell 1: KeyboardInterrupt: "),
        ("def g(): g()\ng()", "Code cell 1: RecursionError: "),
    ],
)
def test_an_error_is_noted_and_the_next_cell_is_executed(source, note):
    env, (found,) = execute(source, "x = 3")
    assert found.startswith(note) and len(found) <= 200 and env["x"] == 3


def test_an_endless_cell_is_stopped_although_it_catches_exceptions():
    loop = "while True:\n    try:\n        pass\n    except Exception:\n        pass"
    env, notes = execute(loop, "x = 3", seconds=0.2)
    assert notes == ["Code cell 1: TimeLimitError: stopped after 0.2 s"] and env["x"] == 3


@pytest.mark.parametrize(
    "use", ["import os\nx = os.environ", "import subprocess", "import os\nos.system('true')", "from os import environ"]
)
def test_a_cell_that_uses_the_operating_system_is_named(use):
    _, (note,) = execute(use)
    assert "look at it before you accept the grade" in note


def test_magics_shell_commands_and_otters_cells_do_nothing():
    env, notes = execute("%matplotlib inline\n!exit 1\nx = 3", "# Initialize Otter\n1 / 0", "grader.check('q1')")
    assert notes == [] and env["x"] == 3


@pytest.mark.parametrize(
    ("function", "score", "message"),
    [
        (lambda: 3, 2, ""),
        (lambda: 4, 0, "f is not 3"),
        (lambda: 1 // 0, 0, "ZeroDivisionError: "),
        (lambda: exit(1), 0, "SystemExit: 1"),
    ],
)
def test_a_question_has_a_score_and_a_message(function, score, message):
    found = grade({"f": function})
    assert (found["score"], found["possible"]) == (score, 2) and found["message"].startswith(message)
    assert bool(found["message"]) == bool(message)


def test_an_endless_question_is_stopped():
    def endless():
        while True:
            pass

    assert grade({"f": endless}, seconds=0.2)["message"] == "TimeLimitError: stopped after 0.2 s"
