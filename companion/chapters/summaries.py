"""Summaries of runs that several chapters show: predictions by seed, formatted means, and bands over seeds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from l2h.evaluation.comparisons import mean_interval
from l2h.evaluation.curves import accuracy_at_coverage
from l2h.evaluation.intervals import Interval, format_interval, pointwise_t_intervals
from l2h.evaluation.thresholds import tuned_on_validation
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.run import RunResult
from l2h.experiments.sweep import over_seeds
from l2h.problem import Costs, Predictions

PerExample = Callable[[Predictions], Any]  # a value of each example, (n,)
COVERAGE_GRID = np.linspace(0, 1, 41)


def predictions_by_seed(
    results: Mapping[ExperimentConfig, RunResult],
    config: ExperimentConfig,
    *,
    seeds: int,
    split: str = "test",
    first_seed: int = 0,
) -> list[Predictions]:
    """The predictions of a configuration, one per seed; seeds that were not run are left out.

    Args:
        results: configuration -> result, as `sweep.sweep` made them.
        config: with any seed.
        seeds: how many, from `first_seed` on.
        split: "calibration", "validation" or "test".
        first_seed: the first of them.

    Returns:
        At most `seeds` predictions.
    """
    runs = over_seeds(config, first_seed + seeds)[first_seed:]
    return [results[run].predictions(split) for run in runs if run in results]


@dataclass(frozen=True)
class SweptRuns:
    """The results of a sweep, read by configuration.

    Args:
        results: configuration -> result, as `sweep.sweep` made them.
        seeds: how many were run, from `first_seed` on.
        first_seed: the first of them.
    """

    results: Mapping[ExperimentConfig, RunResult]
    seeds: int
    first_seed: int = 0

    def predictions(self, config: ExperimentConfig, split: str = "test") -> list[Predictions]:
        """The predictions of a configuration on a split, one per seed."""
        return predictions_by_seed(self.results, config, seeds=self.seeds, split=split, first_seed=self.first_seed)

    def tuned(self, config: ExperimentConfig, *, costs: Costs) -> list[Predictions]:
        """The test predictions at the threshold of least loss on the validation split, one per seed."""
        return tuned_on_validation(self.predictions(config, "validation"), self.predictions(config), costs=costs)


def further_runs(runs: SweptRuns, seeds: range) -> SweptRuns:
    """The runs of further seeds, which decide a claim whose rule was changed after a look at the first ones.

    Args:
        runs: of the first seeds.
        seeds: the further ones; where there are none, as at quick, the first ones stand in.
    """
    return replace(runs, seeds=len(seeds), first_seed=seeds.start) if seeds else runs


def format_mean(predictions: Sequence[Predictions], per_example: Callable[[Predictions], Any]) -> str:
    """A mean over examples and seeds with its 95 % interval, as text.

    Args:
        predictions: of one system, one per seed.
        per_example: gives (n,) values, such as `metrics.correctness`.

    Returns:
        Such as "0.930 [0.917, 0.942]".
    """
    return format_interval(mean_interval(predictions, per_example))


def metric_band(systems: Iterable[Sequence[Predictions]], metric: Callable[[Predictions], float]) -> Interval:
    """A metric of k systems: its mean over seeds, with pointwise intervals.

    Args:
        systems: the predictions of each system, one per seed.
        metric: of one seed's predictions, such as `metrics.accuracy`.

    Returns:
        (k,) means, lower and upper limits.
    """
    return pointwise_t_intervals(np.transpose([[metric(p) for p in predictions] for predictions in systems]))


def accuracy_bands(
    systems: Mapping[str, Sequence[Predictions]], coverages: np.ndarray = COVERAGE_GRID
) -> dict[str, Interval]:
    """The accuracy of several systems at each coverage: its mean over seeds, with pointwise intervals.

    Args:
        systems: name -> predictions, one per seed.
        coverages: (k,) shares kept, in [0, 1]; by default 41 of them.

    Returns:
        Name -> (k,) means, lower and upper limits.
    """
    return {
        name: pointwise_t_intervals([accuracy_at_coverage(p, coverages) for p in predictions])
        for name, predictions in systems.items()
    }
