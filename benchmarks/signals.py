"""SIGINT and SIGTERM at random moments: `python -m benchmarks signals`, or `... benchmarks.signals [COMMAND ...]`.

Each command works on a small book, and is interrupted again and again in one folder, at moments that a seed draws from
the time of a whole run. SIGINT goes to every process of the command, as a terminal sends it; SIGTERM to the command
alone. After each interruption no process and no temporary file is left, no file is lost, and none is half-written; the
next command begins with what is there, and the last one does all of its work.
"""

import argparse
import json
import multiprocessing
import os
import random
import re
import signal
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import nbformat
import psutil

from benchmarks.figures import Figure
from companion.build import console, execute, outputs, sweep, verify
from companion.build.beside import RUN_SUMMARIES
from companion.build.notebooks import Folders
from companion.pages import render
from companion.teaching import build as course
from l2h.experiments.store import Store
from tests.helpers.chapters import HEADER, write_assessment
from tests.helpers.small_book import make_small_book

SEED, INTERRUPTIONS = 14, 20
SIGNALS = (signal.SIGINT, signal.SIGTERM)
BEFORE_ITS_WORK = (-signal.SIGINT, -signal.SIGTERM)  # exit codes of a command that has not begun to look for signals
EXPECTED_CODES = (0, console.INTERRUPTED, console.TERMINATED, *BEFORE_ITS_WORK)
PATIENCE = 120.0  # seconds in which processes that were stopped end, on a machine of any load
RUN_FILE = re.compile(r"[0-9a-f]{64}\.json")
ASSIGNMENT = "01_loss"
TRAINING = (
    HEADER
    + """from l2h.experiments.config import ExperimentConfig
from l2h.experiments.sweep import over_seeds, sweep
```

```{code-cell} ipython3
runs = sweep(over_seeds(ExperimentConfig(method="random", source="digits"), 2))
```
"""
)


class Command(NamedTuple):
    """A command on a small book in a folder."""

    prepare: Callable[[Path, int], None]  # writes its inputs; with another number, there is something to do anew
    run: Callable[[Path], int]


def _folders(folder: Path) -> Folders:
    return Folders(folder / "book", folder / "notebooks", folder / "references")


def _write_chapter(folder: Path, number: int) -> None:
    write_assessment(folder / "book", folder / "claims", low=f"0.1 / {number + 1}", kind="theorem")


def _write_training(folder: Path, _: int) -> None:
    (folder / "book").mkdir(exist_ok=True)
    (folder / "book" / "91_toy.md").write_text(TRAINING)
    for path in (folder / "runs").glob("*.json"):
        path.unlink()


def _write_book(folder: Path, number: int) -> None:
    if number == 0:
        make_small_book(folder)
    (folder / "book" / "index.md").write_text(f"# Index\n\nSee {{doc}}`status`, {number}.\n")


def _execute(folder: Path) -> int:
    return execute.main(["quick"], _folders(folder))


def _record(folder: Path) -> int:
    with mock.patch.object(execute, "cifar10_folder", lambda: folder):  # no chapter here reads it
        return execute.main(["record"], _folders(folder))


def _sweep(folder: Path) -> int:
    return sweep.main(["quick", "91_toy"], _folders(folder))


def _verify(folder: Path) -> int:
    return verify.main(["paper"], _folders(folder), folder / "claims", folder / "claims.json")


def _render(folder: Path) -> int:
    stage = render.stage_sources
    with mock.patch.object(render, "stage_sources", lambda executed, staged: stage(executed, staged, root=folder)):
        return render.main([str(folder / "book"), "--html", str(folder / "html")])


def _course(folder: Path) -> int:
    with mock.patch.object(render, "BUILD_FOLDER", folder):
        return course.main([ASSIGNMENT])


COMMANDS = {
    "execute": Command(_write_chapter, _execute),
    "sweep": Command(_write_training, _sweep),
    "render": Command(_write_book, _render),
    "record": Command(_write_chapter, _record),
    "verify": Command(_write_chapter, _verify),
    "course": Command(lambda *_: None, _course),
}


def half_written(folder: Path) -> list[str]:
    """The files below a folder that do not have all of their content; partial notebooks are left out, by their name."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not execute.PARTIAL.search(path.name)]
    return [str(path.relative_to(folder)) for path in paths if not _is_whole(path)]


def _is_whole(path: Path) -> bool:
    try:
        if RUN_FILE.fullmatch(path.name):
            return Store(path.parent).get(path.stem) is not None
        match path.suffix:
            case ".json":
                json.loads(path.read_text("utf8"))
            case ".ipynb":
                notebook = nbformat.read(path, as_version=4)
                if "l2h" in notebook.metadata:  # an execution
                    return outputs.unchanged(notebook) and RUN_SUMMARIES.belongs_to(notebook, path)
            case ".html" if not {"_static", "_templates"} & {*path.parts}:  # parts of pages
                return path.read_text("utf8").rstrip().endswith("</html>")
            case ".zip":
                with zipfile.ZipFile(path) as archive:
                    return archive.testzip() is None
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
    return True


def faults_after(folder: Path, before: set[str], whole: set[str]) -> list[str]:
    """What an interrupted command did wrong in a folder.

    Args:
        folder: in which it worked.
        before: paths that were there.
        whole: paths that are there after a whole run.
    """
    now = path_names(folder)
    left = {name for name in now - before - whole if not execute.PARTIAL.search(name)}
    return [
        *(f"half-written: {name}" for name in half_written(folder)),
        *(f"lost: {name}" for name in sorted(before - now) if not execute.PARTIAL.search(name)),
        *(f"left behind: {name}" for name in sorted(left)),
    ]


def path_names(folder: Path) -> set[str]:
    """The paths of all files and folders below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def _processes_of(temporary: Path) -> list[str]:
    """The processes that were started with this folder for their temporary files."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(temporary):
                found.append(f"process {process.pid}: {' '.join(process.cmdline())[:200]}")
        except psutil.Error:  # it has ended, or is another user's
            continue
    return found


class Rig:
    """A command in a folder of its own, run in a copy of this process, which has imported everything."""

    def __init__(self, command: Command, base: Path) -> None:
        self.command, self.folder, self.temporary, self.log = command, base / "work", base / "tmp", base / "output.log"
        self.folder.mkdir()
        self.temporary.mkdir()
        self.number, self.whole = 0, set[str]()

    def prepare(self) -> set[str]:
        """Write new inputs, and return the paths that are there now."""
        self.command.prepare(self.folder, self.number)
        self.number += 1
        return path_names(self.folder)

    def start(self) -> BaseProcess:
        """Begin."""
        process = multiprocessing.get_context("fork").Process(target=self._run)
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # until the copy is ready for them
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        return process

    def run_whole(self) -> float:
        """The seconds of a whole run.

        Raises:
            RuntimeError: if it does not do all of its work.
        """
        self.prepare()
        started = time.monotonic()
        process = self.start()
        process.join()
        now = path_names(self.folder)
        faults = half_written(self.folder) + sorted(now ^ (self.whole or now))
        if process.exitcode != 0 or faults:
            raise RuntimeError(f"whole run: exit code {process.exitcode}, {faults}\n{self._output()}")
        self.whole = now
        return time.monotonic() - started

    def interrupt(self, seconds: float, number: signal.Signals) -> int | None:
        """The exit code of a command that got a signal after some seconds; it may have ended before.

        Raises:
            RuntimeError: naming what is left behind, lost or half-written, or an exit code that says something else.
        """
        before = self.prepare()
        process = self.start()
        process.join(seconds)
        if process.is_alive():
            _send(process, number)
        process.join(PATIENCE)
        if process.is_alive():
            os.killpg(process.pid, signal.SIGKILL)
            raise RuntimeError(f"it did not end within {PATIENCE} s after {number.name}\n{self._output()}")
        latest = time.monotonic() + PATIENCE
        while (left := self._left()) and time.monotonic() < latest:
            time.sleep(0.2)
        faults = left + faults_after(self.folder, before, self.whole)
        if process.exitcode not in EXPECTED_CODES or faults or "Traceback" in self._output():
            raise RuntimeError(f"exit code {process.exitcode} after {number.name}, {faults}\n{self._output()}")
        return process.exitcode

    def _left(self) -> list[str]:
        return _processes_of(self.temporary) + [str(path) for path in self.temporary.iterdir()]

    def _output(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    def _run(self) -> None:
        os.setsid()  # a group of its own, as a shell makes it
        with self.log.open("w", buffering=1) as log:
            for stream in (1, 2):
                os.dup2(log.fileno(), stream)
            sys.stdout = sys.stderr = log
            signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
                code = self.command.run(self.folder)
            except KeyboardInterrupt:  # before or after its work: then Python ends by the signal
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                os.kill(os.getpid(), signal.SIGINT)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            sys.exit(code)


def _send(process: BaseProcess, number: signal.Signals) -> None:
    if process.pid is None:
        return
    try:
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    except ProcessLookupError:  # it has no group yet
        os.kill(process.pid, number)


def interrupt(name: str, command: Command, times: int, seed: int = SEED) -> Iterator[tuple[str, int | None]]:
    """Interrupt a command at random moments, and yield a line and the exit code for each time.

    Raises:
        RuntimeError: with what was wrong, and with the number of the interruption.
    """
    rng = random.Random(f"{seed} {name}")
    with tempfile.TemporaryDirectory(prefix="l2h-signals-") as text:
        base = Path(text).resolve()
        variables = {
            "TMPDIR": str(base / "tmp"),
            "TORCHINDUCTOR_CACHE_DIR": str(base / "inductor"),  # a cache is there to be left
            "L2H_RUNS": str(base / "work" / "runs"),
            "L2H_WORKERS": "2",
        }
        patches = (
            mock.patch.dict(os.environ, variables),
            mock.patch.object(tempfile, "tempdir", str(base / "tmp")),
            mock.patch.object(execute, "cifar10_folder", lambda: None),
        )
        with patches[0], patches[1], patches[2]:
            rig = Rig(command, base)
            rig.run_whole()
            seconds = rig.run_whole()  # with caches
            for number in range(times):
                moment, sent = rng.uniform(0, seconds), rng.choice(SIGNALS)
                try:
                    code = rig.interrupt(moment, sent)
                except RuntimeError as error:
                    raise RuntimeError(f"{name} {number}, at {moment:.2f} of {seconds:.1f} s: {error}") from None
                yield f"{name} {number}: {sent.name} at {moment:.2f} of {seconds:.1f} s, exit code {code}", code
            rig.run_whole()


def figures(times: int = INTERRUPTIONS) -> Iterator[Figure]:
    """How many interruptions of each command end well: all, or there is an error.

    Raises:
        RuntimeError: naming the interruption that does not.
    """
    for name, command in COMMANDS.items():
        codes = [code for _, code in interrupt(name, command, times)]
        yield Figure(f"signals_{name}", 1.0, "interruptions that end well", "all", float(len(codes)), float(times))


def main(arguments: list[str] | None = None) -> None:
    """Interrupt the named commands, or all, and print a line for each time."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.signals", description=__doc__.partition("\n")[0])
    parser.add_argument("commands", nargs="*", help=f"some of {', '.join(COMMANDS)}; all, if none is given")
    parser.add_argument("--times", type=int, default=INTERRUPTIONS, help=f"interruptions of each ({INTERRUPTIONS})")
    options = parser.parse_args(arguments)
    if unknown := set(options.commands) - set(COMMANDS):
        parser.error(f"expected names among {', '.join(COMMANDS)}, got {', '.join(sorted(unknown))}")
    for name in options.commands or COMMANDS:
        for line, _ in interrupt(name, COMMANDS[name], options.times):
            print(line, flush=True)
        print(f"{name}: all of its work after {options.times} interruptions", flush=True)


if __name__ == "__main__":
    main()
