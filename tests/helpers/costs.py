"""Runs in place of those of chapter 08, whose offload rate falls from configuration to configuration."""

from dataclasses import replace
from types import SimpleNamespace

from helpers.samples import sample_runs

from companion.chapters.summaries import SweptRuns
from l2h.evaluation.thresholds import with_threshold
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.sweep import over_seeds

SEEDS, CLIENT = 3, "as_released"
BASE = ExperimentConfig("learning_to_help", client=CLIENT)
GRID = {(CLIENT, c1, ce): replace(BASE, c1=c1, ce=ce) for c1 in (0.5, 1.0) for ce in (0.1, 0.3)}
ONCE = {(CLIENT, name): replace(BASE, ce=0.1, method=method)
        for name, method in (("learning to help", "learning_to_help"), ("two-stage", "two_stage"),
                             ("confidence", "confidence"))}  # fmt: skip
MAP = {(alpha, beta): replace(BASE, alpha=alpha, beta=beta) for alpha in (6.0, 0.5) for beta in (2.0, 1.0)}
ALL = list(dict.fromkeys([*GRID.values(), *ONCE.values(), *MAP.values()]))


def result(number, seed):
    splits = {split: sample_runs(SEEDS, n)[seed] for split, n in (("test", 200), ("validation", 150))}
    shifted = {split: with_threshold(p, 0.3 - 0.1 * number) for split, p in splits.items()}
    return SimpleNamespace(predictions=lambda split="test": shifted[split])


RUNS = SweptRuns(
    {
        run: result(number, seed)
        for number, config in enumerate(ALL)
        for seed, run in enumerate(over_seeds(config, SEEDS))
    },
    SEEDS,
)
