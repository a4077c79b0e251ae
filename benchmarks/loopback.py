"""The simulator against the running service: `python -m benchmarks.loopback [TABLE]` measures three regimes.

Devices of `l2h.serving.device`, a server in a process of its own and a TCP proxy between each device and the server
run on this machine. The client sleeps, the proxies hold messages back, and the server's model sleeps for the seconds
that the simulator draws for the same inputs; the simulator knows nothing of what HTTP, queues of the operating system
and a busy machine add. With a file name the table is written there, as chapter 11 shows it.
"""

import argparse
import platform
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.figures import machine
from l2h.problem import Predictions
from l2h.serving.device import Device
from l2h.serving.simulation.links import Link, Quantiles, measured_link
from l2h.serving.simulation.scenario import (
    FALLBACK,
    KEPT,
    SERVER,
    BreakerRule,
    Scenario,
    SimulatedDevice,
    SimulatedServer,
    Workload,
    ask_always,
    draw_workload,
    keep_always,
)
from l2h.serving.simulation.simulate import simulate_events
from tests.helpers.faults import Fault, Proxy, ServerProcess
from tests.helpers.serving import right_answers, small_helper

LIMIT = 1.0  # seconds of an exchange's deadline
BREAKER = BreakerRule(failures=3, window=3.5, pause=5.0)
QUEUE_SECONDS = 5.0  # after which the server refuses a request that still waits
SOURCES = {"client": KEPT, "server": SERVER, "fallback": FALLBACK}
RESAMPLES = 2000


class Regime(NamedTuple):
    """A scenario whose device, link and server are also run."""

    name: str
    scenario: Scenario


class Comparison(NamedTuple):
    """A quantile of the latency, measured and simulated."""

    regime: str
    quantile: str
    answers: int
    measured: float  # seconds
    simulated: float
    ratio: float  # simulated over measured, minus 1
    low: float  # limits of the ratio at 95 %, devices resampled
    high: float


def regimes(scale: float = 1.0) -> list[Regime]:
    """Kept, asked over the round trips of a measured LTE link, and more requests than the server can answer.

    Args:
        scale: of the number of inputs; 1 takes a quarter of an hour.
    """
    measured = measured_link("LTE")
    fast = Quantiles.constant(1e9)
    lte = replace(measured, up=fast, down=fast, loss=0.0)  # the proxy holds both ways back for half a round trip
    one = np.ones(1)
    unknown = Predictions(m=one, r=-one, e=one, y=one)

    def scenario(client: float, service: float, link: Link, devices: int, inputs: int, rate: float) -> Scenario:
        return Scenario(
            predictions=unknown,
            policy=ask_always,
            device=SimulatedDevice(0.0, client, deadline=LIMIT, one_at_a_time=True, breaker=BREAKER),
            link=link,
            server=SimulatedServer(Quantiles.constant(service), queue_limit=128, request_seconds=QUEUE_SECONDS),
            sent=0,
            received=0,
            devices=devices,
            inputs=max(2, round(scale * inputs)),
            rate=rate,
        )

    kept = scenario(0.1, 0.1, lte, devices=6, inputs=300, rate=2.0)
    return [
        Regime("kept", kept.with_policy(keep_always, predictions=replace(unknown, r=one))),
        Regime("asked", scenario(0.05, 0.1, lte, devices=6, inputs=300, rate=1.0)),
        Regime("overloaded", scenario(0.05, 0.2, Link.constant(0.2, rate=1e9), devices=12, inputs=150, rate=0.5)),
    ]


def measure(regime: Regime, work: Workload, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Run devices and server with the delays of a workload.

    Args:
        regime: the scenario.
        work: its draws.
        folder: of a saved helper.

    Returns:
        (inputs, devices) seconds from an input's arrival until its answer, and sources as in `SimulatedAnswers`.
    """
    scenario = regime.scenario
    x = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    asked = right_answers(folder, x)[2]
    row = x[np.flatnonzero(asked == (regime.name != "kept"))[0]]
    latency, source = np.zeros(work.arrival.shape), np.zeros(work.arrival.shape, dtype=int)

    def client(x: np.ndarray) -> np.ndarray:
        time.sleep(scenario.device.client_seconds)
        return np.zeros(len(x), dtype=np.int64)

    def run(d: int, device: Device, proxy: Proxy, start: float) -> None:
        for j, arrival in enumerate(work.arrival[:, d]):
            time.sleep(max(0.0, start + arrival - time.monotonic()))
            proxy.fault = Fault(latency=work.up[j, d])
            source[j, d] = SOURCES[device.answer(row).source]
            latency[j, d] = time.monotonic() - start - arrival

    with ExitStack() as opened:
        server = opened.enter_context(_server(folder, scenario.server))
        pairs = [opened.enter_context(_device(folder, server.port, client, scenario)) for _ in range(scenario.devices)]
        threads = opened.enter_context(ThreadPoolExecutor(scenario.devices))
        start = time.monotonic() + 0.5
        for done in [threads.submit(run, d, *pair, start) for d, pair in enumerate(pairs)]:
            done.result()
    return latency, source


@contextmanager
def _device(folder: Path, port: int, client: Any, scenario: Scenario) -> Iterator[tuple[Device, Proxy]]:
    """A device with a proxy of its own, through which it asks the server at a port."""
    rule = scenario.device.breaker
    with Proxy(port) as proxy:
        device = Device(
            folder,
            f"http://127.0.0.1:{proxy.port}",
            client=client,
            deadline=scenario.device.deadline,
            queue_timeout=scenario.server.request_seconds,
            failures=rule.failures,
            breaker_window=rule.window,
            pause=rule.pause,
        )
        with device:
            yield device, proxy


def _server(folder: Path, server: SimulatedServer) -> ServerProcess:
    """The server that a `SimulatedServer` with one input per batch describes."""
    limits = {"queue_length": server.queue_limit, "request_seconds": server.request_seconds}
    return ServerProcess(folder, slow=server.seconds.mean(), max_batch=1, max_rows=1, **limits)


def compare(regime: Regime, measured: np.ndarray, simulated: np.ndarray) -> Iterator[Comparison]:
    """Median and 99th percentile of both, with limits from devices drawn with replacement.

    Args:
        regime: the scenario.
        measured: (inputs, devices) seconds.
        simulated: the same of the simulator.
    """
    generator = np.random.default_rng(0)
    devices = measured.shape[1]
    drawn = generator.integers(devices, size=(RESAMPLES, devices))
    for percent in (50, 99):
        ratios = [np.percentile(simulated[:, d], percent) / np.percentile(measured[:, d], percent) - 1 for d in drawn]
        real, model = float(np.percentile(measured, percent)), float(np.percentile(simulated, percent))
        low, high = (float(limit) for limit in np.quantile(ratios, (0.025, 0.975)))
        yield Comparison(regime.name, f"p{percent}", measured.size, real, model, model / real - 1, low, high)


def comparisons(scale: float = 1.0) -> Iterator[Comparison]:
    """All regimes, one after another."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "helper"
        small_helper(folder)
        for regime in regimes(scale):
            work = draw_workload(regime.scenario)
            simulated = simulate_events(regime.scenario, work).latency.reshape(work.arrival.shape)
            yield from compare(regime, measure(regime, work, folder)[0], simulated)


def main(arguments: list[str] | None = None) -> None:
    """Print the table, and write it where a file is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loopback", description=__doc__)
    parser.add_argument("table", nargs="?", type=Path, help="a CSV file to write")
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of inputs")
    options = parser.parse_args(arguments)
    table = pd.DataFrame(comparisons(options.scale))
    table["machine"], table["day"] = f"{machine()}, {platform.system()}", date.today().isoformat()
    if options.table:
        table.to_csv(options.table, index=False, float_format="%.4f")
    print(table.drop(columns=["machine", "day"]).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
