"""Execute chapters: `python -m companion.build.execute quick|paper|full|record|reference [CHAPTER ...]`.

Papermill executes, two chapters at a time with one thread each, into `_build/notebooks/<profile>`. Fresh chapters are
not executed again. The mode `record` executes at `paper` and replaces the committed records in `book`; the mode
`reference` executes at `quick` on CIFAR-10 and on digits and replaces `tests/book/reference`. Where digits take the
place of CIFAR-10, chapters on other published data compute on their stand-in, too. Beside each executed notebook lie
a summary of every run that it rests on, and the numbers of its figures.
"""

import argparse
import asyncio
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import nbformat
import yaml
from nbformat import NotebookNode

from companion.build import console, figure_files, notebooks, outputs, summaries
from companion.build.beside import FILES_BESIDE, text_digest
from companion.build.notebooks import Folders
from companion.chapters.settings import PROFILE_NAMES
from l2h import checks
from l2h.cli import printable
from l2h.data import dataset, domains, sources
from l2h.data.published import NotAvailableError
from l2h.experiments import run_log, store

DEFAULT_SECONDS = 60.0  # seconds for a chapter that was never timed; only the order and the estimate depend on it
SINGLE_THREAD_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
MAX_PARALLEL_CHAPTERS = 2
PROGRESS_INTERVAL = 30.0  # seconds between the lines about a long chapter
PARTIAL = re.compile(r"\.(\d+)\.partial\.(ipynb|jsonl)$")  # the number is that of the process which executes it
# Papermill, which ends as soon as this command does, even if it is killed: its standard input then ends, too. The file
# with the kernel's ports and key lies in the kernel's folder, because papermill leaves it behind if it is terminated.
PAPERMILL = """import os, sys, tempfile, threading

tempfile.tempdir = sys.argv[sys.argv.index("--cwd") + 1]

def end_with_command():
    os.read(0, 1)
    os._exit(1)

threading.Thread(target=end_with_command, daemon=True).start()
from papermill.__main__ import papermill

papermill()
"""
INLINE = "module://matplotlib_inline.backend_inline"
# Of the user's shell: they would run code in a kernel, change what its code does or prints, or replace the kernel.
LEFT_OUT = ("PYTHONSTARTUP", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "JUPYTER_PATH", "IPYKERNEL_CELL_NAME")


def main(arguments: list[str] | None = None, folders: Folders | None = None) -> int:
    """The command: a line per chapter on stdout; an error on stderr, with exit code 1."""
    parser = argparse.ArgumentParser(
        prog="python -m companion.build.execute", description="Execute chapters of the book."
    )
    parser.add_argument("mode", choices=(*PROFILE_NAMES, "record", "reference"))
    parser.add_argument("chapters", nargs="*", help="names such as 05_cifar10; all, if none is given")
    options = parser.parse_args(arguments)
    return console.run_command(lambda: _execute_mode(options.mode, options.chapters, folders or Folders()))


def _execute_mode(mode: str, chapters: Sequence[str], folders: Folders) -> int:
    chapter_names = notebooks.chapter_names(folders.book)
    for name in chapters:
        checks.one_of(chapter_names, chapter=name)
    names = chapters or chapter_names
    if mode == "record":
        update_records(names, folders)
    elif mode == "reference":
        update_references(names, folders)
    else:
        execute_chapters(mode, names, folders)
    return 0


def execute_chapters(
    profile: str, names: Sequence[str], folders: Folders, *, source: str | None = None, reuse: bool = True
) -> Path:
    """Execute the chapters that are not fresh, and put the present text around the outputs of those that are.

    Args:
        profile: one of `PROFILE_NAMES`.
        names: of chapters.
        folders: where they lie and where they go.
        source: "cifar10" or "digits"; None for what is at hand.
        reuse: whether an earlier execution with the same key may stand for a new one.

    Returns:
        The folder of the executed notebooks.

    Raises:
        ChapterError: if a chapter fails; what else is under way is stopped.
    """
    available_source = "digits" if cifar10_folder() is None else "cifar10"
    source = source or available_source
    output = folders.notebooks / (profile if source == available_source else f"{profile}-{source}")
    if available_source == "digits" and any(map(notebooks.needs_data, names)):
        print_line(
            "CIFAR-10 is not at hand: digits take its place. Set L2H_DATA to its folder, or try again when online."
        )
    remove_partial(folders.notebooks)
    jobs = [_job(name, profile, source, output, folders) for name in names]
    stale_jobs = [job for job in jobs if not (reuse and _reuse_execution(job, folders))]
    for job in jobs:
        if job not in stale_jobs:
            print_line(f"{job.name}: fresh, not executed again")
    before = signal.getsignal(signal.SIGTERM)
    try:
        asyncio.run(execute_all(stale_jobs, _environment(len(stale_jobs))))
    finally:
        signal.signal(signal.SIGTERM, before)  # the event loop leaves the default
    return output


def update_records(names: Sequence[str], folders: Folders) -> None:
    """Execute at `paper` and replace the committed records.

    Args:
        names: of chapters.
        folders: where they lie and where they go.

    Raises:
        FileNotFoundError: without CIFAR-10 or another published data set which the records are about.
        ChapterError: if a chapter fails; no record is replaced.
    """
    if cifar10_folder() is None:
        raise FileNotFoundError("expected CIFAR-10 for the records, found none; set L2H_DATA to its folder")
    _require_domains(names)
    output = execute_chapters("paper", names, folders)
    for name in names:
        _publish(output / f"{name}.ipynb", folders.book / f"{name}.ipynb")


def update_references(names: Sequence[str], folders: Folders) -> None:
    """Execute at `quick` on CIFAR-10, if it is at hand, and on digits, and replace what the tests compare with.

    Args:
        names: of chapters.
        folders: where they lie and where they go.

    Raises:
        FileNotFoundError: with CIFAR-10, but without another published data set of a chapter.
        ChapterError: if a chapter fails.
    """
    if cifar10_folder() is not None:
        _require_domains(names)
    for source in ("digits",) if cifar10_folder() is None else ("cifar10", "digits"):
        output = execute_chapters("quick", names, folders, source=source)
        for name in names:
            _publish(output / f"{name}.ipynb", folders.references / source / f"{name}.ipynb", images=False)


def _publish(executed: Path, path: Path, *, images: bool = True) -> None:
    notebook = nbformat.read(executed, as_version=4)
    notebooks.write_notebook(path, notebooks.without_local_details(notebook, images=images))
    if images:
        _copy_files_beside(executed, path)
    print_line(f"wrote {path}")


@lru_cache(maxsize=1)
def cifar10_folder() -> Path | None:
    """Found once for all chapters: none of them waits for a network that does not answer."""
    return sources.find_cifar10()


@lru_cache(maxsize=2)
def _data_facts(source: str) -> dict[str, Any]:
    """Of the default task: its digest changes with the images as with the way they are split."""
    return dataset.load_dataset(source=source, folder=cifar10_folder() if source == "cifar10" else None).metadata()


@lru_cache(maxsize=8)
def domain_facts(name: str) -> dict[str, Any] | None:
    """Of a published data set beside images; None where it is not at hand."""
    try:
        return domains.load(name).metadata()
    except NotAvailableError:
        return None


def _require_domains(names: Sequence[str]) -> None:
    for name in names:
        needed = notebooks.domain(name)
        if needed and domain_facts(needed) is None:
            raise FileNotFoundError(f"expected {needed} for {name}, found none; set L2H_DATA to the folder that has it")


class Job(NamedTuple):
    """One chapter to execute: its source, what is injected, what it depends on, where it goes."""

    name: str
    notebook: NotebookNode
    parameters: dict[str, Any]
    output: Path
    key: str
    profile: str
    data: dict[str, Any] | None
    expected_seconds: float
    stand_in: bool = False  # whether a stand-in takes the place of a published data set, though it may be at hand


def _job(name: str, profile: str, source: str, output: Path, folders: Folders) -> Job:
    notebook = notebooks.read_source(name, folders.book)
    facts, domain = _data_facts(source) if notebooks.needs_data(name) else None, notebooks.domain(name)
    parameters = {"profile": profile} if profile != "paper" else {}  # a record shows its source as it stands
    if facts and source == "digits":
        parameters["data"] = source
    if domain and source != "digits":
        facts = domain_facts(domain)
    key = notebooks.chapter_key(name, notebook, profile=profile, data=facts)
    path = output / f"{name}.ipynb"
    stand_in = domain is not None and facts is None
    return Job(name, notebook, parameters, path, key, profile, facts, _expected(path, profile, folders), stand_in)


def _expected(path: Path, profile: str, folders: Folders) -> float:
    paths = [path, folders.book / path.name, *folders.references.glob(f"*/{path.name}")]
    metadata_list = [notebook.metadata.get("l2h", {}) for notebook in map(notebooks.read_notebook, paths) if notebook]
    return next(
        (float(facts["seconds"]) for facts in metadata_list if facts.get("profile") == profile), DEFAULT_SECONDS
    )


def _reuse_execution(job: Job, folders: Folders) -> bool:
    """Whether an execution with this key was kept; the present prose is put around its outputs."""
    for path in (*folders.notebooks.glob(f"*/{job.output.name}"), folders.book / job.output.name):
        executed_notebook = notebooks.read_notebook(path)
        if executed_notebook is not None and executed_notebook.metadata.get("l2h", {}).get("key") == job.key:
            fault = _fault_of_earlier(executed_notebook, path)
            if fault is None:
                notebooks.write_notebook(job.output, notebooks.with_outputs(job.notebook, executed_notebook))
                _copy_files_beside(path, job.output)
                return True
            print_line(f"{path}: not reused, {fault}")
    return False


def _fault_of_earlier(executed_notebook: NotebookNode, path: Path) -> str | None:
    """Why an earlier execution cannot stand for a new one; None if it can."""
    if not (
        outputs.unchanged(executed_notebook) and all(each.belongs_to(executed_notebook, path) for each in FILES_BESIDE)
    ):
        return "its code, outputs, summaries or numbers of figures were changed after its execution"
    if not figure_files.complete(executed_notebook, path):
        return "the numbers of its figures were not kept"
    return None


def _copy_files_beside(source: Path, target: Path) -> None:
    if source != target:
        for each in FILES_BESIDE:
            each.write(target, each.read(source))


def _environment(chapters: int) -> dict[str, str]:
    """Of the kernels: one thread each; sweeps inside a chapter share the cores that are left."""
    workers = max(1, (os.cpu_count() or 1) // max(1, min(MAX_PARALLEL_CHAPTERS, chapters)))
    images = cifar10_folder()
    data_variables = {"L2H_DATA": str(images.absolute())} if images else {}
    runs = {"L2H_RUNS": str(store.default_store_folder())}  # absolute, as a kernel works in a folder of its own
    return {"L2H_WORKERS": str(workers), **os.environ, **SINGLE_THREAD_ENVIRONMENT, **data_variables, **runs}


class ProgressClock(NamedTuple):
    """The start of the command, the expected seconds of unfinished chapters, and the starts of chapters under way."""

    started: float
    expected_seconds: dict[str, float]
    started_at: dict[str, float]


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
    current_task = cast(asyncio.Task[None], asyncio.current_task())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, current_task.cancel)
    clock = ProgressClock(time.monotonic(), {job.name: job.expected_seconds for job in jobs}, {})
    semaphore = asyncio.Semaphore(MAX_PARALLEL_CHAPTERS)
    try:
        async with asyncio.TaskGroup() as group:
            progress_task = group.create_task(_report_progress(clock))
            longest_first = sorted(jobs, key=lambda job: -job.expected_seconds)
            await asyncio.gather(
                *(group.create_task(_execute(job, semaphore, clock, environment)) for job in longest_first)
            )
            progress_task.cancel()
    except* (ChapterError, OSError, ValueError) as errors:
        raise errors.exceptions[0] from None


def remove_partial(notebooks: Path) -> None:
    """Remove the half-executed notebooks of commands that have ended; those of commands under way are in use.

    Args:
        notebooks: one folder of executed notebooks per profile.
    """
    for path in notebooks.glob("*/*.partial.*"):
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


async def _execute(job: Job, semaphore: asyncio.Semaphore, clock: ProgressClock, environment: dict[str, str]) -> None:
    async with semaphore:
        clock.started_at[job.name] = time.monotonic()
        print_line(f"{job.name}: started at {job.profile}; {_progress(clock)}")
        partial = job.output.with_suffix(f".{os.getpid()}.partial.ipynb")  # another command may execute it, too
        log = partial.with_suffix(".jsonl")
        log.unlink(missing_ok=True)
        errors = await _papermill(job, partial, environment | {run_log.RUN_LOG: str(log.absolute())})
        executed_notebook = notebooks.read_notebook(partial)
        if errors or executed_notebook is None:
            raise ChapterError(_failure(job, executed_notebook, partial, errors))
        if fault := _incomplete(notebooks.code_cells(executed_notebook)):
            raise ChapterError(f"{job.name}: {fault}; the notebook so far: {partial}")
        if job.key != notebooks.chapter_key(job.name, job.notebook, profile=job.profile, data=job.data):
            raise ChapterError(f"{job.name}: the code that it uses changed while it was executed; execute it again")
        try:
            numbers = figure_files.take_out(executed_notebook)
        except ValueError as error:
            raise ChapterError(f"{job.name}: {error}; the notebook so far: {partial}") from error
        text = await asyncio.to_thread(summaries.text_of_log, log)
        seconds = time.monotonic() - clock.started_at.pop(job.name)
        del clock.expected_seconds[job.name]
        executed_notebook.metadata["l2h"] = notebooks.execution_facts(
            job.key, profile=job.profile, data=job.data, seconds=seconds
        )
        for each, content in zip(FILES_BESIDE, (text, numbers), strict=True):
            if content:
                executed_notebook.metadata["l2h"][each.digest_name] = text_digest(content)
            each.write(job.output, content)
        notebooks.write_notebook(job.output, notebooks.with_outputs(job.notebook, executed_notebook))
        partial.unlink()
        log.unlink(missing_ok=True)
        print_line(f"{job.name}: done in {_minutes(seconds)}; {_progress(clock)}")


async def _papermill(job: Job, partial: Path, environment: dict[str, str]) -> str:
    """Execute a notebook by papermill, which is stopped if this command is; return its errors if it failed, else ""."""
    notebooks.write_notebook(partial, job.notebook)
    path = str(partial.absolute())
    command = [sys.executable, "-c", PAPERMILL, path, path, "--no-progress-bar"]
    command += ["--start-timeout", "300"]  # two kernels that import torch on a busy laptop take their time
    command += ["-y", yaml.safe_dump(job.parameters)] if job.parameters else []
    pipe = asyncio.subprocess.PIPE
    with tempfile.TemporaryDirectory(prefix="l2h-kernel-", ignore_cleanup_errors=True) as folder:
        # matplotlib, IPython and Python's import look into the working folder first
        command += ["--cwd", folder]
        variables = _without_settings(environment, Path(folder))
        if job.stand_in:
            variables["L2H_DATA"] = folder  # in which there are no data
        alive, held_here = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=alive, stdout=pipe, stderr=pipe, env=variables
            )
            try:
                _, errors = await process.communicate()
            finally:
                if process.returncode is None:
                    process.terminate()
                    await process.communicate()
        finally:
            os.close(alive)
            os.close(held_here)
    return f"papermill: exit code {process.returncode}\n{errors.decode(errors='replace')}" if process.returncode else ""


def _without_settings(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """A kernel's environment without the user's settings of Python, IPython, Jupyter and matplotlib.

    Args:
        environment: of the command.
        folder: empty, and the kernel's working folder.
    """
    defaults = folder / "matplotlibrc"
    defaults.touch()  # a file without a line leaves matplotlib as it was released
    profile = folder / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    extensions = f"c.InteractiveShellApp.extensions = [{figure_files.EXTENSION!r}]\n"
    (profile / "ipython_kernel_config.py").write_text(extensions, "utf8")
    import_paths = [str(Path(path).absolute()) for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    replaced = {
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_PREFER_ENV_PATH": "1",  # not a kernel of this name in the user's home
        "MATPLOTLIBRC": str(defaults),
        "MPLBACKEND": INLINE,
        "PYTHONPATH": os.pathsep.join([str(notebooks.ROOT), *import_paths]),  # the package that this command is of
    }
    return {name: value for name, value in environment.items() if name not in LEFT_OUT} | replaced


def _failure(job: Job, executed_notebook: NotebookNode | None, partial: Path, errors: str) -> str:
    """Which cell was the last to begin, and how it failed: its traceback, or what papermill said if the kernel died."""
    # papermill notes each start; the execution count comes from the kernel, which may die before it sends the count
    started_cells = [
        cell for cell in (notebooks.code_cells(executed_notebook) if executed_notebook else ()) if _was_started(cell)
    ]
    if not started_cells:
        return f"{job.name} failed before its first cell at {job.profile}\n\n{errors[-4000:]}"
    raised = [output.traceback for output in started_cells[-1].outputs if output.output_type == "error"]
    traceback = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(raised[0])) if raised else errors[-4000:]
    location = f"{job.name} failed in code cell {len(started_cells)} at {job.profile}; the notebook so far: {partial}"
    return f"{location}\n\n{started_cells[-1].source}\n\n{traceback}"


def _was_started(cell: NotebookNode) -> bool:
    return cell.metadata.get("papermill", {}).get("start_time") is not None


def _incomplete(cells: Sequence[NotebookNode]) -> str | None:
    """The fault of an execution that raised no error, such as a figure cell without a figure; None without a fault."""
    if left := sum(bool(cell.source.strip()) and cell.execution_count is None for cell in cells):
        return f"{left} code cells were not executed"
    for number, cell in enumerate(cells, 1):
        if _describes_picture(cell) and not any("image/png" in output.get("data", ()) for output in cell.outputs):
            return f"code cell {number} has a text for its picture (mystnb.image.alt) and shows no image/png"
    return None


def _describes_picture(cell: NotebookNode) -> bool:
    return "alt" in cell.metadata.get("mystnb", {}).get("image", {})


async def _report_progress(clock: ProgressClock) -> None:
    while True:
        await asyncio.sleep(PROGRESS_INTERVAL)
        print_line(f"{', '.join(clock.started_at)}: under way; {_progress(clock)}")


def _progress(clock: ProgressClock) -> str:
    now = time.monotonic()
    seconds_left = [
        max(0.0, expected - (now - clock.started_at.get(name, now)))
        for name, expected in clock.expected_seconds.items()
    ]
    remaining = max(sum(seconds_left) / MAX_PARALLEL_CHAPTERS, *seconds_left, 0.0)
    overdue = clock.started_at and not remaining
    remaining_text = "longer than expected" if overdue else f"about {_minutes(remaining)} to go"
    return f"{_minutes(now - clock.started)} elapsed, {remaining_text}"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def print_line(line: str) -> None:
    """One line on stdout, at once."""
    sys.stdout.write(f"{printable(line)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
