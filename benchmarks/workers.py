"""Fifty configurations made by two one-thread processes, against the same ones made by one process alone."""

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.figures import Figure
from l2h.experiments import closure, over_seeds, sweep
from l2h.runs import ExperimentConfig
from l2h.store import Store

BASE = ExperimentConfig("learning_to_help", sizes=(500, 1280, 500, 500))
COSTS = tuple(0.02 * k for k in range(10))
CONFIGS = [one for ce in COSTS for one in over_seeds(replace(BASE, ce=ce), 5)]


def figures(configs: list[ExperimentConfig] = CONFIGS) -> Iterator[Figure]:
    """`runs_per_minute` of two processes, and `two_workers`, their speed in that of one; 2 is the most there can be.

    What one process makes, it makes without starting another: two start anew, and read the images each, on their time.
    """
    alone, together = (_minutes(configs, count) for count in (1, 2))
    rates = [len(closure(configs)) / minutes for minutes in (together, alone)]
    yield Figure(
        "runs_per_minute", rates[0], "runs/minute", f"one process, the same {len(configs)} and clients", *rates
    )
    yield Figure("two_workers", rates[0] / rates[1], "ratio", "runs per minute of one process", *rates)


def _minutes(configs: list[ExperimentConfig], count: int) -> float:
    before = os.environ.get("L2H_WORKERS", "")
    os.environ["L2H_WORKERS"] = str(count)
    try:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            sweep(configs, store=Store(Path(folder)))
            return (time.perf_counter() - start) / 60
    finally:
        os.environ["L2H_WORKERS"] = before
