"""A million devices with ten inputs each, simulated exactly; one server, and servers that batch."""

import time
from collections.abc import Iterator

import numpy as np

from benchmarks.figures import Figure
from l2h.problem import Predictions
from l2h.serving.simulation.links import Quantiles, measured_link
from l2h.serving.simulation.outcomes import summary_of
from l2h.serving.simulation.scenario import Engine, Scenario, SimulatedDevice, SimulatedServer, follow_rejector
from l2h.serving.simulation.simulate import simulate_at_scale, simulate_events

BUDGET = 60.0  # seconds
EVENT_DEVICES = 1000  # of the event-by-event engine, whose time per input is the baseline
ASKED = 0.3  # share of the examples
LOAD = 0.8  # of the servers
RATE = 0.1  # inputs per second and device


def figures(devices: int = 1_000_000, event_devices: int = EVENT_DEVICES) -> Iterator[Figure]:
    """Processor seconds for a million devices over the budget, and inputs per second over those of SimPy.

    The engines use one thread, and the processor's time does not depend on what else runs.
    """
    ratio_to = f"the budget for {devices} devices with ten inputs each"
    seconds = _seconds(one_server(devices), simulate_at_scale)
    yield Figure("million_devices", seconds / BUDGET, "ratio", ratio_to, seconds, BUDGET)
    batching = _seconds(batching_servers(devices), simulate_at_scale)
    yield Figure("million_devices_in_batches", batching / BUDGET, "ratio", ratio_to, batching, BUDGET)
    events = _seconds(one_server(event_devices), simulate_events)
    rates = 10 * devices / seconds, 10 * event_devices / events
    yield Figure("inputs_per_second", rates[0] / rates[1], "ratio", "inputs per second event by event", *rates)


def one_server(devices: int) -> Scenario:
    """One server, as fast as the number of devices asks for."""
    seconds = LOAD / (devices * RATE * ASKED)
    return _scenario(devices, SimulatedServer(Quantiles((0, 100), (0.0, 2 * seconds))))


def batching_servers(devices: int) -> Scenario:
    """Four servers that take up to 16 inputs at a time."""
    seconds = 4 * LOAD / (devices * RATE * ASKED)
    server = SimulatedServer(Quantiles.constant(seconds / 2), servers=4, largest_batch=16, batch_seconds=seconds / 2)
    return _scenario(devices, server)


def _scenario(devices: int, server: SimulatedServer) -> Scenario:
    generator = np.random.default_rng(0)
    n = 2000
    y = 2 * generator.integers(0, 2, n) - 1
    e = np.where(generator.random(n) < 0.95, y, -y).astype(float)
    r = generator.permutation(np.linspace(-ASKED, 1 - ASKED, n, endpoint=False) + 0.5 / n)
    return Scenario(
        predictions=Predictions(m=np.where(generator.random(n) < 0.8, y, -y), r=r, e=e, y=y),
        policy=follow_rejector,
        device=SimulatedDevice(rejector_seconds=0.005, client_seconds=0.1, deadline=1.0),
        link=measured_link("LTE", outages="ATT-LTE-driving.up"),
        server=server,
        sent=3242,
        received=300,
        devices=devices,
        inputs=10,
        rate=RATE,
    )


def _seconds(scenario: Scenario, engine: Engine) -> float:
    start = time.process_time()
    summary_of(scenario, engine(scenario))
    return time.process_time() - start
