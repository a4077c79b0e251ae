"""Runs to sweep, and what tests of several processes need."""

import os
import time
from dataclasses import replace

from l2h.experiments.config import ExperimentConfig

BASE = ExperimentConfig(method="confidence", client="well_trained", source="digits", ce=0.1)
HELP = ExperimentConfig(method="learning_to_help", source="digits", ce=0.1)
SLOW = [replace(HELP, preset="released", seed=seed) for seed in range(4)]  # about a second each: time to be killed in


def wait_until(condition, seconds=300):
    latest = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < latest, "it did not happen"
        time.sleep(0.01)
    return found


def is_alive(group):
    """Whether a process of this group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
