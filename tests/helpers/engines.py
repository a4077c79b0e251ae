"""The engines that serve a helper: our server in a thread, and Triton where it is installed."""

import os
import queue
import socket
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

from l2h.serving.http.server import serving
from l2h.serving.http.triton import write_triton_repository

ROOT = Path(__file__).resolve().parents[2]
WAIT = 120  # seconds, on a machine of any load
READY = "ready on "  # then the URL: what Triton's run.py announces


def triton_python():
    """The Python of Triton's environment, or None: L2H_TRITON, else what `.ci/triton` builds."""
    path = Path(os.environ.get("L2H_TRITON") or ROOT / "_build/triton/bin/python")
    return path if path.exists() else None


ENGINES = ("own", "triton") if triton_python() else ("own",)


@contextmanager
def engine(name, folder, scratch):
    """The URL of a running engine for a helper's folder; a Triton repository goes into the folder `scratch`."""
    if name == "own":
        with serving(folder) as url:
            yield url
    else:
        with triton_process(write_triton_repository(folder, scratch)) as url:
            yield url


def triton_command(repository):
    """What starts Triton at two free ports, without our packages, as arguments of `subprocess`."""
    port, metrics_port = map(str, free_ports())
    ports = ["--port", port, "--metrics-port", metrics_port]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {"args": [str(triton_python()), str(repository / "run.py"), *ports], "env": environment, "text": True}


@contextmanager
def triton_process(repository):
    """The URL of Triton in a process of its own, once it is ready."""
    process = subprocess.Popen(
        **triton_command(repository), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace"
    )
    lines, seen = queue.SimpleQueue(), []

    def read():
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    reader = threading.Thread(target=read)
    reader.start()
    try:
        while not seen or not seen[-1].startswith(READY):
            seen.append(lines.get(timeout=WAIT))
            if not seen[-1]:
                raise RuntimeError(f"expected a line that begins with {READY!r}, got {''.join(seen)}")
        yield seen[-1].strip().removeprefix(READY)
    finally:
        process.terminate()
        try:
            process.wait(WAIT)
        finally:
            process.kill()
            reader.join()
            process.stdout.close()


def free_ports():
    """Two ports that are free now."""
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
