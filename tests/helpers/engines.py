"""The engines that serve a helper: our server in a thread or a process of its own, and Triton where it is installed."""

import os
import queue
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

from l2h.serving.http.server import serving
from l2h.serving.http.triton import write_triton_repository

ROOT = Path(__file__).resolve().parents[2]
WAIT = 120  # seconds, on a machine of any load

SERVE = """
import sys
from l2h.serving.http.server import serve
serve(sys.argv[1], announce=lambda url, fault: print(fault or url, flush=True), port=int(sys.argv[2]))
"""


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
        repository = write_triton_repository(folder, scratch)
        with triton_process(repository) as (_, url):
            yield url


@contextmanager
def server_process(folder, *, port=0, script=SERVE):
    """Our server in a process of its own, once it is ready: (process, URL)."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with announced([sys.executable, "-c", script, str(folder), str(port)], "http", environment) as started:
        yield started


@contextmanager
def triton_process(repository):
    """Triton in a process of its own, once it is ready: (process, URL)."""
    port, metrics_port = map(str, free_ports())
    ports = ["--port", port, "--metrics-port", metrics_port]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with announced([str(triton_python()), str(repository / "run.py"), *ports], "ready on ", environment) as started:
        yield started


@contextmanager
def announced(command, prefix, environment):
    """A process that has announced its URL on a line that begins with a prefix."""
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    lines, seen = queue.SimpleQueue(), []

    def read():
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    reader = threading.Thread(target=read)
    reader.start()
    try:
        while not seen or not seen[-1].startswith(prefix):
            seen.append(lines.get(timeout=WAIT))
            if not seen[-1]:
                raise RuntimeError(f"expected a line that begins with {prefix!r}, got {''.join(seen)}")
        yield process, seen[-1].strip().removeprefix("ready on ")
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
