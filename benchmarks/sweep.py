"""The sweep of the CIFAR-10 chapter: 7 costs x 5 seeds of learning to help, from nothing, and the memory it takes."""

import os
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.figures import Figure
from l2h.experiments import over_seeds, sweep
from l2h.runs import ExperimentConfig
from l2h.store import Store
from l2h.studies import RELEASED_COSTS

BASE = ExperimentConfig("learning_to_help", alpha="released")
CONFIGS = [one for ce in RELEASED_COSTS for one in over_seeds(replace(BASE, ce=ce), 5)]


def figures() -> Iterator[Figure]:
    """`sweep_minutes` on two one-thread workers, and `peak_memory` of this process and its largest worker together."""
    os.environ["L2H_WORKERS"] = "2"
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        sweep(CONFIGS, store=Store(Path(folder)))
    minutes = (time.perf_counter() - start) / 60
    yield Figure("sweep_minutes", minutes, "minutes", "the budget for 7 costs x 5 seeds", minutes, 5.0)
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    # Linux counts in KiB; the second worker is at most as large as the largest
    memory = (peaks[0] + 2 * peaks[1]) / 2**20
    yield Figure("peak_memory", memory, "GiB", "the budget of the same sweep", memory, 2.0)
