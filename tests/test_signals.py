"""The judgement on interrupted commands finds what is half-written, lost or left; the commands are in `make bench`."""

import json
import signal
import time
import zipfile

import pytest
from helpers.small_book import cell, notebook

from benchmarks import signals
from l2h.experiments.store import Store

KEY = "0" * 64


def write_whole(folder):
    """One file of each kind, in a new folder."""
    Store(folder / "runs").put(KEY, {"accuracy": [0.5]})
    (folder / "claims.json").write_text(json.dumps([{"id": "gains"}]))
    (folder / "index.html").write_text("<html><p>A page</p></html>\n")
    (folder / "chapter.ipynb").write_text(json.dumps(notebook(cell("1 + 1"))))
    with zipfile.ZipFile(folder / "student.zip", "w") as archive:
        archive.writestr("notebook.ipynb", "{}")


FILES = ("chapter.ipynb", "claims.json", "index.html", f"runs/{KEY}.json", "student.zip")


def test_whole_files_are_no_fault(tmp_path):
    write_whole(tmp_path)
    assert signals.half_written(tmp_path) == []
    assert set(FILES) < signals.path_names(tmp_path)


@pytest.mark.parametrize("share", [0, 0.5, 0.95])
@pytest.mark.parametrize("name", FILES)
def test_a_half_written_file_is_found(tmp_path, name, share):
    write_whole(tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    assert signals.half_written(tmp_path) == [name]


def test_an_execution_with_outputs_that_are_not_its_own_is_found(tmp_path):
    executed = notebook(cell("1 + 1"), l2h={"key": "x", "outputs": "another digest"})
    (tmp_path / "chapter.ipynb").write_text(json.dumps(executed))
    assert signals.half_written(tmp_path) == ["chapter.ipynb"]


def test_a_partial_notebook_says_by_its_name_that_it_is_none(tmp_path):
    (tmp_path / "01_problem.123.partial.ipynb").write_text("{")
    assert signals.faults_after(tmp_path, set(), set()) == []


def test_lost_files_and_those_left_behind_are_faults(tmp_path):
    for name in ("kept", "made", ".made.0a1b"):
        (tmp_path / name).touch()
    faults = signals.faults_after(tmp_path, {"kept", "gone"}, {"kept", "made"})
    assert faults == ["lost: gone", "left behind: .made.0a1b"]


def _prepare(folder, number):
    (folder / "input").write_text(str(number))


def test_a_command_that_ends_well_is_interrupted_as_often_as_asked():
    command = signals.Command(_prepare, lambda folder: signals.console.run_command(lambda: time.sleep(0.2) or 0))
    codes = [code for _, code in signals.interrupt("sleep", command, 3)]
    assert len(codes) == 3 and set(codes) <= set(signals.EXPECTED_CODES)


def ended_by_itself(folder, later):
    """A command that does nothing in a whole run, and something else later, judged as if it had been interrupted."""
    command = signals.Command(_prepare, lambda work: later(work) if (work / "input").read_text() == "1" else 0)
    rig = signals.Rig(command, folder)
    rig.run_whole()
    return rig.interrupt(600, signal.SIGTERM)


def _leave(work):
    (work / "left").touch()
    return 143


def _traceback(work):
    print("Traceback (most recent call last):")
    return 130


@pytest.mark.parametrize(
    ("later", "fault"),
    [
        (_leave, "143 .*'left behind: left'"),
        (_traceback, "130 after SIGTERM, .*Traceback"),
        (lambda work: 1, "1 after"),
    ],
)
def test_a_bad_end_is_refused(tmp_path, later, fault):
    with pytest.raises(RuntimeError, match=f"(?s)^exit code {fault}"):
        ended_by_itself(tmp_path, later)


def test_a_good_end_is_none(tmp_path):
    assert ended_by_itself(tmp_path, lambda work: 143) == 143


def test_a_whole_run_that_does_less_than_the_first_is_refused(tmp_path):
    made = signals.Command(_prepare, lambda work: (work / "made").touch() or 0)
    rig = signals.Rig(made, tmp_path)
    rig.run_whole()
    rig.command = signals.Command(lambda work, _: (work / "made").unlink(), lambda work: 0)
    with pytest.raises(RuntimeError, match=r"whole run: exit code 0, .*made"):
        rig.run_whole()


def test_an_unknown_command_is_refused_with_the_names_of_those_that_exist(capsys):
    with pytest.raises(SystemExit) as refused:
        signals.main(["execute", "bake"])
    assert refused.value.code == 2
    assert capsys.readouterr().err.endswith(
        "expected names among execute, sweep, render, record, verify, course, got bake\n"
    )
