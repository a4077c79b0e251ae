"""Time and memory of the sweep of chapter 05: 7 costs x 5 seeds of learning to help, with an empty store."""

import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import psutil

from benchmarks.figures import Figure
from companion.chapters.settings import RELEASED_CE_GRID
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.store import Store
from l2h.experiments.sweep import over_seeds, sweep

BASE = ExperimentConfig("learning_to_help", alpha="released")
CONFIGS = [config for ce in RELEASED_CE_GRID for config in over_seeds(replace(BASE, ce=ce), 5)]


def figures() -> Iterator[Figure]:
    """`sweep_minutes` on two one-thread workers, and `peak_memory` of the three processes together."""
    os.environ["L2H_WORKERS"] = "2"
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as beside:
        done = Event()
        peak = beside.submit(_peak_memory, done)
        try:
            sweep(CONFIGS, store=Store(Path(folder)))
        finally:
            done.set()
    minutes = (time.perf_counter() - start) / 60
    yield Figure("sweep_minutes", minutes, "minutes", "the budget for 7 costs x 5 seeds", minutes, 5.0)
    memory = peak.result() / 2**30
    yield Figure("peak_memory", memory, "GiB", "the budget of the same sweep", memory, 2.0)


def _peak_memory(done: Event) -> int:
    """The peak memory in bytes of this process and its workers together; a shared page counts once."""
    peak = 0
    while not done.wait(0.1):
        peak = max(peak, sum(map(_proportional_set_size, (own := psutil.Process(), *own.children(recursive=True)))))
    return peak


def _proportional_set_size(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:  # it ended after it was listed
        return 0
