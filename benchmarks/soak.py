"""`python -m benchmarks.soak`: minutes of a device, its server and the network between them, with every fault in turn.

Threads ask one device all the time, while the network breaks in all ways that the tests know and the server is
killed, frozen and started again, in an order that the seed decides. One line of JSON says for each phase what happened.
It ends with an error where an input has no answer, a wrong or a late one, the counters do not add up, or memory grows.
"""

import argparse
import json
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from l2h.serving.device import Counts, Device
from tests.helpers.faults import Fault, Proxy, ServerProcess
from tests.helpers.serving import right_answers, small_helper

THREADS = 4
TIMES = {"deadline": 0.5, "breaker_window": 3.0, "queue_timeout": 5.0, "pause": 0.2}
SLACK = 30.0  # seconds by which a busy machine may be late
GROWTH = 64.0  # megabytes that memory may grow by after the first phase, the figures of its garbage among them
FAULTS: dict[str, Fault | str] = {
    "a tenth is lost": Fault(drop=0.1),
    "all is lost": Fault(drop=1.0),
    "500 ms": Fault(delay=0.25),
    "one byte per second": Fault(rate=1.0),
    "reset": Fault(reset_after=100),
    "garbage": Fault(garbage=True),
    "a gigabyte": Fault(oversized=10**9),
    "another model": Fault(replaced=(b'"model_name":"server"', b'"model_name":"sarver"')),
    "server killed": "kill",
    "server frozen": "freeze",
}


class Phase(NamedTuple):
    """What happened to the inputs of one phase."""

    fault: str
    inputs: int
    kept: int
    asked: int
    fallback: dict[str, int]  # reasons that occurred -> inputs
    latest: float  # seconds of the slowest answer
    megabytes: float  # of this process, at the end of the phase


class _Asking:
    """Threads that ask a device until they are stopped, and check each answer."""

    def __init__(self, device: Device, folder: Path, *, pace: float) -> None:
        self.device, self.pace = device, pace
        self.x = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
        self.client, self.server, self.asks = right_answers(folder, self.x)
        self.stopped = threading.Event()
        self.answers, self.latest, self._lock = 0, 0.0, threading.Lock()

    def run(self, seed: int) -> None:
        """Ask until `stopped`, as one of the threads."""
        rows = random.Random(seed)
        while not self.stopped.is_set():
            row = rows.randrange(len(self.x))
            answer = self.device.answer(self.x[row])
            expected = self.server[row] if answer.source == "server" else self.client[row]
            if answer.label != expected or (answer.source == "client") == self.asks[row]:
                raise RuntimeError(f"expected {expected} as the answer for input {row}, got {answer}")
            if answer.latency > TIMES["deadline"] + SLACK:
                raise RuntimeError(f"expected an answer within the deadline, got one after {answer.latency:.1f} s")
            with self._lock:
                self.answers += 1
                self.latest = max(self.latest, answer.latency)
            time.sleep(self.pace)

    def latest_since(self) -> float:
        """Seconds of the slowest answer since the last call."""
        with self._lock:
            latest, self.latest = self.latest, 0.0
        return latest


def soak(seconds: float, *, seed: int = 0, phase: float = 4.0, pace: float = 0.002) -> Iterator[Phase]:
    """Phases with a fault and without one, in turn, until the time is over and each fault has been there.

    Args:
        seconds: length of all phases together; longer where the faults need it.
        seed: of the order of the faults, of what they hit, and of the inputs.
        phase: seconds of one phase.
        pace: seconds between two inputs of one thread.

    Yields:
        `Phase`, as each one ends.

    Raises:
        RuntimeError: if an answer is wrong or late, an input has none, the counters do not add up, or memory grows.
    """
    order = random.Random(seed)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory())) / "saved"
        small_helper(folder, classes=("cat", "dog", "newt"))
        server = opened.enter_context(ServerProcess(folder))
        proxy = opened.enter_context(Proxy(server.port, seed=seed))
        device = opened.enter_context(Device(folder, f"http://127.0.0.1:{proxy.port}", **TIMES))
        asking = _Asking(device, folder, pace=pace)
        threads = opened.enter_context(ThreadPoolExecutor(THREADS))
        opened.callback(asking.stopped.set)
        running = [threads.submit(asking.run, order.randrange(2**31)) for _ in range(THREADS)]
        end, first, to_come, before = time.monotonic() + seconds, None, list(FAULTS), device.counts
        order.shuffle(to_come)
        while to_come or time.monotonic() < end:
            for name in ("none", to_come.pop() if to_come else order.choice(list(FAULTS))):
                _suffer(name, server, proxy, phase)
                for thread in running:
                    if thread.done():
                        thread.result()
                now = device.counts
                happened = _phase(name, before, now, asking.latest_since())
                before, first = now, first or happened
                _check_memory(first, happened)
                yield happened
        asking.stopped.set()
        for thread in running:
            thread.result()
        if device.counts.inputs != asking.answers:
            raise RuntimeError(f"expected an answer for each of {device.counts.inputs} inputs, got {asking.answers}")


def _suffer(name: str, server: ServerProcess, proxy: Proxy, seconds: float) -> None:
    """Let a fault last for so long."""
    fault = FAULTS.get(name, Fault())
    if isinstance(fault, Fault):
        proxy.fault = fault
        time.sleep(seconds)
        proxy.fault = Fault()
    elif fault == "kill":
        server.kill()
        time.sleep(seconds)
        server.start()
    else:
        server.freeze()
        time.sleep(seconds)
        server.thaw()


def _phase(name: str, before: Counts, now: Counts, latest: float) -> Phase:
    """The difference of the counters, which have to add up."""
    if now.inputs != now.kept + now.asked + sum(now.fallback.values()):
        raise RuntimeError(f"expected counters that add up, got {now}")
    fallback = {reason: n - before.fallback[reason] for reason, n in now.fallback.items()}
    return Phase(
        name,
        now.inputs - before.inputs,
        now.kept - before.kept,
        now.asked - before.asked,
        {reason: n for reason, n in fallback.items() if n},
        round(latest, 3),
        _megabytes(),
    )


def _megabytes() -> float:
    """Resident memory of this process."""
    status = Path("/proc/self/status").read_text("utf8")
    (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return round(int(kilobytes) / 1024, 1)


def _check_memory(first: Phase, last: Phase) -> None:
    if last.megabytes > first.megabytes + GROWTH:
        raise RuntimeError(f"expected at most {first.megabytes + GROWTH:.0f} MB, got {last.megabytes} MB")


def main() -> None:
    """Print a line of JSON per phase."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="length (120)")
    parser.add_argument("--seed", type=int, default=0, help="order of the faults (0)")
    options = parser.parse_args()
    for happened in soak(options.seconds, seed=options.seed):
        print(json.dumps(happened._asdict()), flush=True)


if __name__ == "__main__":
    main()
