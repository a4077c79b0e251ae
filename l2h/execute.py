"""Execute chapters: `python -m l2h.execute quick|paper|full|record|reference [CHAPTER ...]`.

Papermill executes, two chapters at a time with one thread each, into `_build/notebooks/<profile>`; what is fresh is not
executed again. `record` executes at `paper` and replaces the committed records in `book`; `reference` executes at
`quick` on CIFAR-10 and on digits and replaces `tests/reference`.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import nbformat

from l2h import checks, data, outputs, records, store
from l2h.jobs import AT_ONCE, Job, execute_all, remove_partial, say
from l2h.records import Folders
from l2h.studies import PROFILES

GUESS = 60.0  # seconds for a chapter that was never timed; only the order and the estimate depend on it
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def main(arguments: list[str] | None = None, folders: Folders | None = None) -> int:
    """The command: a line per chapter on stdout; an error on stderr, with exit code 1."""
    parser = argparse.ArgumentParser(prog="python -m l2h.execute", description="Execute chapters of the book.")
    parser.add_argument("mode", choices=(*PROFILES, "record", "reference"))
    parser.add_argument("chapters", nargs="*", help="names such as 05_cifar10; all, if none is given")
    options = parser.parse_args(arguments)
    folders = folders or Folders()
    try:
        known = records.chapters(folders.book)
        for name in options.chapters:
            checks.one_of(known, chapter=name)
        names = options.chapters or known
        if options.mode == "record":
            record(names, folders)
        elif options.mode == "reference":
            reference(names, folders)
        else:
            execute(options.mode, names, folders)
    except (OSError, ValueError, RuntimeError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130  # as a shell reports a command that Ctrl-C ended
    except asyncio.CancelledError:
        return 143  # and one that was terminated
    return 0


def execute(profile: str, names: Sequence[str], folders: Folders, *, source: str | None = None) -> Path:
    """Execute the chapters that are not fresh, and put the present text around the outputs of those that are.

    Args:
        profile: one of `PROFILES`.
        names: of chapters.
        folders: where they lie and where they go.
        source: "cifar10" or "digits"; None for what is at hand.

    Returns:
        The folder of the executed notebooks.

    Raises:
        ChapterError: if a chapter fails; what else is under way is stopped.
    """
    at_hand = "digits" if _cifar10() is None else "cifar10"
    source = source or at_hand
    output = folders.notebooks / (profile if source == at_hand else f"{profile}-{source}")
    if at_hand == "digits" and any(map(records.needs_data, names)):
        say("CIFAR-10 is not at hand: digits take its place. Set L2H_DATA to its folder, or try again when online.")
    remove_partial(folders.notebooks)
    jobs = [_job(name, profile, source, output, folders) for name in names]
    stale = [job for job in jobs if not _reused(job, folders)]
    for job in jobs:
        if job not in stale:
            say(f"{job.name}: fresh, not executed again")
    asyncio.run(execute_all(stale, _environment(len(stale))))
    return output


def record(names: Sequence[str], folders: Folders) -> None:
    """Execute at `paper` and replace the committed records.

    Args:
        names: of chapters.
        folders: where they lie and where they go.

    Raises:
        FileNotFoundError: without CIFAR-10, which the records are about.
        ChapterError: if a chapter fails; no record is replaced.
    """
    if _cifar10() is None:
        raise FileNotFoundError("expected CIFAR-10 for the records, found none; set L2H_DATA to its folder")
    output = execute("paper", names, folders)
    for name in names:
        _publish(output / f"{name}.ipynb", folders.book / f"{name}.ipynb")


def reference(names: Sequence[str], folders: Folders) -> None:
    """Execute at `quick` on CIFAR-10, if it is at hand, and on digits, and replace what the tests compare with.

    Args:
        names: of chapters.
        folders: where they lie and where they go.

    Raises:
        ChapterError: if a chapter fails.
    """
    for source in ("digits",) if _cifar10() is None else ("cifar10", "digits"):
        output = execute("quick", names, folders, source=source)
        for name in names:
            _publish(output / f"{name}.ipynb", folders.references / source / f"{name}.ipynb", images=False)


def _publish(executed: Path, path: Path, *, images: bool = True) -> None:
    notebook = nbformat.read(executed, as_version=4)
    records.write_notebook(path, records.publishable(notebook, images=images))
    say(f"wrote {path}")


@lru_cache(maxsize=1)
def _cifar10() -> Path | None:
    """Found once for all chapters: none of them waits for a network that does not answer."""
    return data.find()


@lru_cache(maxsize=2)
def _facts(source: str) -> dict[str, Any]:
    """Of the default task: its digest changes with the images as with the way they are split."""
    return data.load(source=source, folder=_cifar10() if source == "cifar10" else None).facts()


def _job(name: str, profile: str, source: str, output: Path, folders: Folders) -> Job:
    notebook = records.read_source(name, folders.book)
    facts = _facts(source) if records.needs_data(name) else None
    parameters = {"profile": profile} if profile != "paper" else {}  # a record shows its source as it stands
    if facts and source == "digits":
        parameters["data"] = source
    key = records.chapter_key(name, notebook, profile=profile, data=facts)
    path = output / f"{name}.ipynb"
    return Job(name, notebook, parameters, path, key, profile, facts, _expected(path, profile, folders))


def _expected(path: Path, profile: str, folders: Folders) -> float:
    places = [path, folders.book / path.name, *folders.references.glob(f"*/{path.name}")]
    known = [notebook.metadata.get("l2h", {}) for notebook in map(records.read_notebook, places) if notebook]
    return next((float(facts["seconds"]) for facts in known if facts.get("profile") == profile), GUESS)


def _reused(job: Job, folders: Folders) -> bool:
    """Whether an execution with this key was kept; the present prose is put around its outputs."""
    for path in (*folders.notebooks.glob(f"*/{job.output.name}"), folders.book / job.output.name):
        done = records.read_notebook(path)
        if done is not None and done.metadata.get("l2h", {}).get("key") == job.key:
            if outputs.unchanged(done):
                records.write_notebook(job.output, records.executed(job.notebook, done))
                return True
            say(f"{path}: not reused, its code or outputs were changed after its execution")
    return False


def _environment(chapters: int) -> dict[str, str]:
    """Of the kernels: one thread each; sweeps inside a chapter share the cores that are left."""
    workers = max(1, (os.cpu_count() or 1) // max(1, min(AT_ONCE, chapters)))
    images = _cifar10()
    found = {"L2H_DATA": str(images.absolute())} if images else {}
    runs = {"L2H_RUNS": str(store.default_folder())}  # absolute, as a kernel works in a folder of its own
    return {"L2H_WORKERS": str(workers), **os.environ, **ONE_THREAD, **found, **runs}


if __name__ == "__main__":
    sys.exit(main())
