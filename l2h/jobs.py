"""Jobs: chapters that papermill executes, two at a time, with a line of progress for each and one clear failure."""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import yaml
from nbformat import NotebookNode

from l2h import records

AT_ONCE = 2
HEARTBEAT = 30.0  # seconds between signs of life of a long chapter


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


async def _execute(job: Job, gate: asyncio.Semaphore, clock: Clock, environment: dict[str, str]) -> None:
    async with gate:
        clock.running[job.name] = time.monotonic()
        say(f"{job.name}: started at {job.profile}; {_progress(clock)}")
        partial = job.output.with_suffix(f".{os.getpid()}.partial.ipynb")  # another command may execute it, too
        errors = await _papermill(job, partial, environment)
        done = records.read_notebook(partial)
        if errors or done is None:
            raise ChapterError(_failure(job, done, partial, errors))
        if left := sum(_left_out(cell) for cell in records.code_cells(done)):
            raise ChapterError(f"{job.name}: {left} code cells were not executed; the notebook so far: {partial}")
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
    command = [sys.executable, "-m", "papermill", str(partial), str(partial), "--no-progress-bar"]
    command += ["--start-timeout", "300"]  # two kernels that import torch on a busy laptop take their time
    command += ["-y", yaml.safe_dump(job.parameters)] if job.parameters else []
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=environment)
    try:
        _, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()
    return f"papermill: exit code {process.returncode}\n{errors.decode(errors='replace')}" if process.returncode else ""


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


def _left_out(cell: NotebookNode) -> bool:
    return bool(cell.source.strip()) and cell.execution_count is None


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
