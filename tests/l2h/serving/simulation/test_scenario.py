"""What is drawn is independent and the same for all that is compared; parts of a scenario out of range are refused."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.deployment import scenario

from l2h.serving.simulation import scenario as scenarios
from l2h.serving.simulation.links import Link, Quantiles, measured_link
from l2h.serving.simulation.scenario import SimulatedDevice, SimulatedServer


def test_what_is_drawn_depends_on_nothing_that_is_compared():
    case = scenario(link=measured_link("LTE", outages="ATT-LTE-driving.up"))
    first = scenarios.draw_workload(case)
    other = case.with_policy(scenarios.ask_always, device=SimulatedDevice(0, 0), server=replace(case.server, servers=9))
    assert all(np.array_equal(a, b) for a, b in zip(first, scenarios.draw_workload(other), strict=True))
    again = scenarios.draw_workload(replace(case, seed=1))
    assert not np.array_equal(first.arrival, again.arrival) and not np.array_equal(first.up, again.up)


def test_what_is_drawn_for_an_input_is_independent_from_its_first_on():
    """Streams of random numbers that are the same are so for the first inputs only, where none has been refused."""
    wide = Quantiles((0, 100), (1.0, 2.0))
    link = Link(Quantiles.constant(0.0), up=wide, down=wide)
    case = scenario(link=link, server=SimulatedServer(wide), devices=1, inputs=20)
    works = [scenarios.draw_workload(replace(case, seed=seed)) for seed in range(200)]
    drawn = [
        np.concatenate([np.diff(work.arrival, axis=0, prepend=0.0) for work in works]),
        *(np.concatenate([getattr(work, name) for work in works]) for name in ("example", "up", "down", "service")),
    ]
    correlations = np.corrcoef(np.array(drawn)[:, :, 0])
    assert np.abs(correlations - np.eye(5)).max() < 0.08  # five standard errors of independent draws


def test_arrivals_rise_and_have_one_rate():
    work = scenarios.draw_workload(scenario(devices=5000, inputs=10, rate=2.0))
    assert (np.diff(work.arrival, axis=0) > 0).all()
    counts, _ = np.histogram(work.arrival, bins=5, range=(0, 5))
    assert counts == pytest.approx(10_000, rel=0.05) and counts.sum() == 50_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": 0}, "whole devices >= 1, got 0"),
        ({"rate": -1.0}, "rate > 0, got -1"),
        ({"inputs": 2.5}, "whole inputs >= 1, got 2.5"),
        ({"sent": float("nan")}, "finite sent >= 0, got nan"),
        ({"policy": "ask"}, "a policy that can be called with a Situation, got 'ask'"),
        ({"seed": -1}, "whole seed >= 0"),
    ],
)
def test_bad_scenarios_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        scenario(**changes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SimulatedDevice(-1.0, 0.0), "rejector_seconds >= 0, got -1"),
        (lambda: SimulatedDevice(0.0, 0.0, deadline=0.0), "deadline > 0, got 0"),
        (lambda: SimulatedServer(Quantiles.constant(0.01), servers=0), "servers >= 1"),
        (lambda: SimulatedServer(Quantiles.constant(0.01), queue_limit=-1), "queue_limit >= 0"),
        (lambda: SimulatedServer(Quantiles.constant(0.01), longest_wait=-1.0), "longest_wait >= 0"),
        (
            lambda: SimulatedServer(Quantiles.constant(0.01), longest_wait=2.0, request_seconds=1.0),
            "request_seconds - longest_wait > 0",
        ),
        (lambda: scenarios.within_budget(1.5), r"share in \[0, 1\], got 1.5"),
    ],
)
def test_bad_parts_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
