"""Jobs: chapters that papermill executes, two at a time, with a line of progress for each and one clear failure."""

import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import yaml
from nbformat import NotebookNode

from l2h import records

AT_ONCE = 2
HEARTBEAT = 30.0  # seconds between signs of life of a long chapter
PARTIAL = re.compile(r"\.(\d+)\.partial\.ipynb$")  # the number is that of the process which executes it
INLINE = "module://matplotlib_inline.backend_inline"
# Of the user's shell: they would run code in a kernel, change what its code does or prints, or replace the kernel.
LEFT_OUT = ("PYTHONSTARTUP", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "JUPYTER_PATH", "IPYKERNEL_CELL_NAME")


class Job(NamedTuple):
    """One chapter to execute: its source, what is injected, what it depends on, where it goes."""

    name: str
    notebook: NotebookNode
    parameters: dict[str, Any]
    output: Path
    key: str
    profile: str
    data: dict[str, Any] | None
    expected: float  # seconds


class Clock(NamedTuple):
    """Progress: when it all started, the expected seconds of unfinished chapters, and when those under way started."""

    started: float
    unfinished: dict[str, float]
    running: dict[str, float]


class ChapterError(RuntimeError):
    """A chapter failed; the message names it and its cell, and holds the traceback."""


async def execute_all(jobs: Sequence[Job], environment: dict[str, str]) -> None:
    """Execute chapters, the longest first, so that none runs alone at the end for long.

    Args:
        jobs: of distinct chapters.
        environment: of their kernels.

    Raises:
        ChapterError: if a chapter fails; what else is under way is stopped.
        OSError, ValueError: if a notebook cannot be written or read.
    """
    # Else a runner that is terminated would leave its kernels to compute on, unseen.
    own = cast(asyncio.Task[None], asyncio.current_task())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, own.cancel)
    clock = Clock(time.monotonic(), {job.name: job.expected for job in jobs}, {})
    gate = asyncio.Semaphore(AT_ONCE)
    try:
        async with asyncio.TaskGroup() as group:
            heart = group.create_task(_beat(clock))
            longest_first = sorted(jobs, key=lambda job: -job.expected)
            await asyncio.gather(*(group.create_task(_execute(job, gate, clock, environment)) for job in longest_first))
            heart.cancel()
    except* (ChapterError, OSError, ValueError) as failed:
        raise failed.exceptions[0] from None


def remove_partial(notebooks: Path) -> None:
    """Remove the half-executed notebooks of commands that have ended; those of commands under way are in use.

    Args:
        notebooks: one folder of executed notebooks per profile.
    """
    for path in notebooks.glob("*/*.partial.ipynb"):
        named = PARTIAL.search(path.name)
        if named and not _exists(int(named[1])):
            path.unlink(missing_ok=True)


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)  # sends nothing
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        pass
    return True


async def _execute(job: Job, gate: asyncio.Semaphore, clock: Clock, environment: dict[str, str]) -> None:
    async with gate:
        clock.running[job.name] = time.monotonic()
        say(f"{job.name}: started at {job.profile}; {_progress(clock)}")
        partial = job.output.with_suffix(f".{os.getpid()}.partial.ipynb")  # another command may execute it, too
        errors = await _papermill(job, partial, environment)
        done = records.read_notebook(partial)
        if errors or done is None:
            raise ChapterError(_failure(job, done, partial, errors))
        if fault := _incomplete(records.code_cells(done)):
            raise ChapterError(f"{job.name}: {fault}; the notebook so far: {partial}")
        if job.key != records.chapter_key(job.name, job.notebook, profile=job.profile, data=job.data):
            raise ChapterError(f"{job.name}: the code that it uses changed while it was executed; execute it again")
        seconds = time.monotonic() - clock.running.pop(job.name)
        del clock.unfinished[job.name]
        done.metadata["l2h"] = records.facts(job.key, profile=job.profile, data=job.data, seconds=seconds)
        records.write_notebook(job.output, records.executed(job.notebook, done))
        partial.unlink()
        say(f"{job.name}: done in {_minutes(seconds)}; {_progress(clock)}")


async def _papermill(job: Job, partial: Path, environment: dict[str, str]) -> str:
    """What papermill said if it failed, else nothing; it is stopped if we are."""
    records.write_notebook(partial, job.notebook)
    path = str(partial.absolute())
    command = [sys.executable, "-m", "papermill", path, path, "--no-progress-bar"]
    command += ["--start-timeout", "300"]  # two kernels that import torch on a busy laptop take their time
    command += ["-y", yaml.safe_dump(job.parameters)] if job.parameters else []
    pipe = asyncio.subprocess.PIPE
    with tempfile.TemporaryDirectory(prefix="l2h-kernel-", ignore_cleanup_errors=True) as folder:
        # matplotlib, IPython and Python's import look into the working folder first
        command += ["--cwd", folder]
        variables = _without_settings(environment, Path(folder))
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=variables)
        try:
            _, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.terminate()
                await process.communicate()
    return f"papermill: exit code {process.returncode}\n{errors.decode(errors='replace')}" if process.returncode else ""


def _without_settings(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """A kernel's environment without the user's settings of Python, IPython, Jupyter and matplotlib.

    Args:
        environment: of the command.
        folder: empty, and the kernel's working folder.
    """
    defaults = folder / "matplotlibrc"
    defaults.touch()  # a file without a line leaves matplotlib as it was released
    given = [str(Path(path).absolute()) for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    ours = {
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_PREFER_ENV_PATH": "1",  # not a kernel of this name in the user's home
        "MATPLOTLIBRC": str(defaults),
        "MPLBACKEND": INLINE,
        "PYTHONPATH": os.pathsep.join([str(records.ROOT), *given]),  # the package that this command is of
    }
    return {name: value for name, value in environment.items() if name not in LEFT_OUT} | ours


def _failure(job: Job, done: NotebookNode | None, partial: Path, errors: str) -> str:
    """Which cell was the last to begin, and how it failed: its traceback, or what papermill said if the kernel died."""
    # papermill notes what it starts; the execution count comes from the kernel, which may die before it says it
    begun = [cell for cell in (records.code_cells(done) if done else ()) if _begun(cell)]
    if not begun:
        return f"{job.name} failed before its first cell at {job.profile}\n\n{errors[-4000:]}"
    raised = [output.traceback for output in begun[-1].outputs if output.output_type == "error"]
    traceback = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(raised[0])) if raised else errors[-4000:]
    where = f"{job.name} failed in code cell {len(begun)} at {job.profile}; the notebook so far: {partial}"
    return f"{where}\n\n{begun[-1].source}\n\n{traceback}"


def _begun(cell: NotebookNode) -> bool:
    return cell.metadata.get("papermill", {}).get("start_time") is not None


def _incomplete(cells: Sequence[NotebookNode]) -> str | None:
    """What an execution without an error still lacks, or None."""
    if left := sum(bool(cell.source.strip()) and cell.execution_count is None for cell in cells):
        return f"{left} code cells were not executed"
    for number, cell in enumerate(cells, 1):
        if _describes_picture(cell) and not any("image/png" in output.get("data", ()) for output in cell.outputs):
            return f"code cell {number} has a text for its picture (mystnb.image.alt) and shows no image/png"
    return None


def _describes_picture(cell: NotebookNode) -> bool:
    return "alt" in cell.metadata.get("mystnb", {}).get("image", {})


async def _beat(clock: Clock) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT)
        say(f"{', '.join(clock.running)}: under way; {_progress(clock)}")


def _progress(clock: Clock) -> str:
    now = time.monotonic()
    left = [max(0.0, expected - (now - clock.running.get(name, now))) for name, expected in clock.unfinished.items()]
    remaining = max(sum(left) / AT_ONCE, *left, 0.0)
    overdue = clock.running and not remaining
    to_go = "longer than expected" if overdue else f"about {_minutes(remaining)} to go"
    return f"{_minutes(now - clock.started)} elapsed, {to_go}"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def say(line: str) -> None:
    """One line on stdout, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
