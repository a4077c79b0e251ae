"""Fifty configurations made by two processes with one thread each, and the same configurations made by one process."""

import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

from benchmarks.figures import Figure
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.store import Store
from l2h.experiments.sweep import over_seeds, sweep, with_dependencies

BASE = ExperimentConfig("learning_to_help", sizes=(1000, 2000, 1000, 1000))
COSTS = tuple(0.02 * k for k in range(10))
CONFIGS = [config for ce in COSTS for config in over_seeds(replace(BASE, ce=ce), 5)]
BUDGET = 0.85 * 2  # least speed of two workers relative to one


def figures(configs: list[ExperimentConfig] = CONFIGS) -> Iterator[Figure]:
    """`runs_per_minute` of two processes, with one process as baseline, and `two_workers`, the ratio of both speeds.

    The measured time includes the start of the processes, in which each imports torch and reads the images.
    """
    alone, together = _minutes_of_one(configs), _minutes_of_two(configs)
    rates = [len(with_dependencies(configs)) / minutes for minutes in (together, alone)]
    yield Figure(
        "runs_per_minute", rates[0], "runs/minute", f"one process, the same {len(configs)} and clients", *rates
    )
    speed = rates[0] / rates[1]
    yield Figure("two_workers", speed, "ratio", "the budget: least speed of two workers relative to one", speed, BUDGET)


def _minutes_of_one(configs: list[ExperimentConfig]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as one:
            sweep(configs, executor=one, store=Store(Path(folder)))
        return (time.perf_counter() - start) / 60


def _minutes_of_two(configs: list[ExperimentConfig]) -> float:
    os.environ["L2H_WORKERS"] = "2"
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        sweep(configs, store=Store(Path(folder)))
        return (time.perf_counter() - start) / 60
