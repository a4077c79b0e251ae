"""The commands of the book end as a shell expects, and say in words what is wrong."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
from io import BytesIO, TextIOWrapper

import pytest

from companion.build import console, execute
from companion.build.console import run_command
from companion.pages import render
from companion.teaching import build

ENVIRONMENT = os.environ | {"PYTHONPATH": str(console.__file__).removesuffix("/companion/build/console.py")}


def raising(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize("code", [0, 1])
def test_a_command_that_ends_has_its_own_code(code):
    assert run_command(lambda: code) == code


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ValueError("expected a, got b"), 1, "expected a, got b\n"),
        (OSError(28, "no space"), 1, "[Errno 28] no space\n"),
        (RuntimeError(), 1, "RuntimeError\n"),
        (KeyboardInterrupt(), 130, ""),
        (asyncio.CancelledError(), 143, ""),
    ],
)
def test_an_error_is_one_sentence_and_an_interruption_none(error, code, said, capsys):
    assert run_command(raising(error)) == code
    assert capsys.readouterr() == ("", said)


def test_an_error_of_the_program_is_raised_and_a_command_may_expect_more():
    with pytest.raises(TypeError):
        run_command(raising(TypeError("x")))
    assert run_command(raising(TypeError("x")), (TypeError,)) == 1


def test_a_terminated_command_cleans_up_and_the_signal_means_afterwards_what_it_did_before():
    before, cleaned = signal.getsignal(signal.SIGTERM), []

    def command():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Exception:  # as code on the way may do
            return 0
        finally:
            cleaned.append(True)
        return 0

    assert run_command(command) == 143
    assert cleaned and signal.getsignal(signal.SIGTERM) is before


def test_a_thread_without_signals_runs_commands_too():
    codes = []
    thread = threading.Thread(target=lambda: codes.append(run_command(lambda: 0)))
    thread.start()
    thread.join()
    assert codes == [0]


def test_a_reader_that_goes_away_ends_a_command_without_a_word():
    program = (
        "import sys; from companion.build import console\n"
        "def command():\n"
        "    sys.stdin.read()\n"  # until the reader is gone
        "    for _ in range(100_000): sys.stdout.write('a line of many\\n')\n"
        "    return 0\n"
        "sys.exit(console.run_command(command))"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], env=ENVIRONMENT, **pipes) as process:
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_a_temporary_folder_is_gone_though_a_signal_comes_while_it_is_removed(tmp_path, monkeypatch):
    remove, calls = shutil.rmtree, []

    def interrupted_once(folder, **how):
        calls.append(folder)
        if len(calls) == 1:
            raise KeyboardInterrupt
        remove(folder, **how)

    monkeypatch.setattr(shutil, "rmtree", interrupted_once)
    with pytest.raises(KeyboardInterrupt), console.temporary_folder("x-", tmp_path) as folder:
        (folder / "file").touch()
        assert folder.parent == tmp_path and folder.name.startswith("x-")
    assert not list(tmp_path.iterdir())


def test_a_terminal_without_umlauts_shows_escapes_of_the_coursework_and_the_pages(tmp_path, monkeypatch):
    ascii_only = TextIOWrapper(BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_only)
    monkeypatch.setattr(render, "BUILD_FOLDER", tmp_path / "Büro")
    monkeypatch.setattr(render, "render", lambda folder, html: html / "index.html")
    monkeypatch.setattr(build, "build_assignment", lambda name, target: None)
    assert render.main(["--html", str(tmp_path / "Büro")]) == build.main(["01_loss"]) == 0
    execute.print_line("no verdict –")
    lines = ascii_only.buffer.getvalue().decode("ascii").splitlines()
    assert lines == [rf"{tmp_path}/B\xfcro/index.html", rf"{tmp_path}/B\xfcro/course/01_loss", r"no verdict \u2013"]
