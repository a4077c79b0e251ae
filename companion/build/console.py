"""How the commands of the book end: with an exit code, and with one sentence where something is wrong."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FAILED, INTERRUPTED, PIPE_CLOSED, TERMINATED = 1, 130, 141, 143  # the last three as a shell reports the signals
EXPECTED_ERRORS = (OSError, ValueError, RuntimeError)


class Terminated(BaseException):
    """The process was asked to end; no error, so that nothing on the way takes it for one."""


def run_command(command: Callable[[], int], errors: tuple[type[Exception], ...] = EXPECTED_ERRORS) -> int:
    """Run a command, and end it as a shell and a reader expect.

    Args:
        command: does the work, and returns the exit code.
        errors: what is said in words, on stderr; any other exception is an error of the program, and raised.

    Returns:
        The exit code of the command; `FAILED` after one of the errors, `INTERRUPTED` after Ctrl-C, `TERMINATED` after
        SIGTERM, when temporary files and other processes are gone, and `PIPE_CLOSED` if nothing reads stdout any more.

    >>> run_command(lambda: 0)
    0
    """
    with _raised_when_terminated():
        try:
            code = command()
            sys.stdout.flush()
            return code
        except BrokenPipeError:
            # Python writes the rest of stdout when it ends, which would fail once more
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return PIPE_CLOSED
        except errors as error:
            sys.stderr.write(f"{str(error) or type(error).__name__}\n")
            return FAILED
        except KeyboardInterrupt:
            return INTERRUPTED
        except (Terminated, asyncio.CancelledError):
            return TERMINATED


@contextmanager
def temporary_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A new folder that is removed afterwards, even if a signal comes in the midst of its removal.

    Args:
        prefix: of its name.
        parent: the folder that it lies in; by default that of temporary files.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    try:
        yield folder
    finally:
        try:
            shutil.rmtree(folder)
        except (KeyboardInterrupt, Terminated):
            shutil.rmtree(folder, ignore_errors=True)  # a second signal may stop it
            raise


@contextmanager
def _raised_when_terminated() -> Iterator[None]:
    def leave(*_: Any) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():  # which has no signals
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
