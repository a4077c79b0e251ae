"""A command in a process of its own that begins at once: a copy of this one, which has imported what it needs."""

import os
import signal
import sys
from contextlib import contextmanager
from multiprocessing import get_context


@contextmanager
def forked(folder, command):
    """A process in a session of its own that ends with the exit code of `command()`.

    `folder` gets its files `stdout` and `stderr`. Tests use one thread, so that a copy of their process can compute.
    """
    process = get_context("fork").Process(target=_run, args=(folder, command))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def _run(folder, command):
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell starts tests that ignore interrupts
    for name in ("stdout", "stderr"):
        stream = (folder / name).open("w", buffering=1)
        os.dup2(stream.fileno(), {"stdout": 1, "stderr": 2}[name])
        setattr(sys, name, stream)
    sys.exit(command())


def ended(process, seconds=300):
    """The exit code of a process, which ends by itself within some time."""
    process.join(seconds)
    assert process.exitcode is not None, "it did not end"
    return process.exitcode
