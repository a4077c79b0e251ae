"""A small deployment for the tests of the simulation."""

import numpy as np

from l2h.problem import Predictions
from l2h.serving.simulation import scenario as scenarios
from l2h.serving.simulation.links import Link, Quantiles, Radio

RADIO = Radio(joules_per_byte_sent=3.5e-6, watts=1.0, tail_watts=1.0, tail_seconds=10.0)


def predictions(n=500, seed=0):
    """A client with 80 % accuracy, a server with 95 %, and a rejector with some knowledge of the client's errors."""
    generator = np.random.default_rng(seed)
    y = 2 * generator.integers(0, 2, n) - 1
    m, e = (np.where(generator.random(n) < accuracy, y, -y) for accuracy in (0.8, 0.95))
    return Predictions(m=m, r=(m == y) - 0.4 + generator.normal(0, 0.5, n), e=e.astype(float), y=y)


def scenario(**changes):
    """Forty devices, one server, a link of 50 ms."""
    options = {
        "predictions": predictions(),
        "policy": scenarios.follow_rejector,
        "device": scenarios.SimulatedDevice(0.004, 0.1, client_first=False, deadline=0.5),
        "link": Link.constant(0.05),
        "server": scenarios.SimulatedServer(Quantiles.constant(0.01)),
        "sent": 3242,
        "received": 300,
        "devices": 40,
        "inputs": 15,
        "rate": 2.0,
    }
    return scenarios.Scenario(**{**options, **changes})
