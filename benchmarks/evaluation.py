"""Curves and areas of a million predictions."""

import time
from collections.abc import Iterator
from statistics import median

import numpy as np

from benchmarks.figures import Figure
from l2h.evaluation.curves import accuracy_coverage_curve, area_under_curve, loss_curve
from l2h.problem import Costs, Predictions

BUDGET = 1.0  # seconds
REPEATS = 5


def figures(n: int = 1_000_000) -> Iterator[Figure]:
    """`million_predictions`: seconds for both curves and their areas. All scores differ, which is the slowest case."""
    generator = np.random.default_rng(0)
    labels = 2 * generator.integers(0, 2, (2, n)) - 1
    predictions = Predictions(m=labels[0], r=generator.normal(size=n), e=generator.normal(size=n), y=labels[1])
    seconds = median(_seconds(predictions) for _ in range(REPEATS))
    ratio_to = f"the budget for accuracy and loss curves of {n} predictions and their areas"
    yield Figure("million_predictions", seconds, "seconds", ratio_to, seconds, BUDGET)


def _seconds(predictions: Predictions) -> float:
    start = time.perf_counter()
    area_under_curve(accuracy_coverage_curve(predictions))
    area_under_curve(loss_curve(predictions, costs=Costs(c1=1.0, ce=0.1)))
    return time.perf_counter() - start
