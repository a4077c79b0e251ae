"""The primary experiment of chapter 06: all pairs of CIFAR-10's classes as a sample of tasks."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from companion.chapters.systems import COMPARISON_CE, SYSTEMS
from l2h.data.dataset import DEFAULT_PAIRS
from l2h.data.sources import CLASSES
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.sweep import with_dependencies

CLIENTS = ("as_released", "well_trained", "lenet")
SEEDS = 5
SYSTEMS_OF_PAIRS = ("learning to help", "confidence", "separate", "two-stage", "two-stage, on scores")
SMALL_REJECTOR, SMALL_REJECTOR_SEEDS = "L2H, linear rejector", 2  # it trains a server of its own, which takes long


def class_pairs() -> list[tuple[str, str]]:
    """All pairs of CIFAR-10's classes.

    >>> len(class_pairs()), class_pairs()[0]
    (45, ('airplane', 'automobile'))
    """
    return list(combinations(CLASSES["cifar10"], 2))


def pair_systems(pair: tuple[str, str], client: str, seed: int) -> dict[str, ExperimentConfig]:
    """The systems that are trained for one pair, client and seed.

    Args:
        pair: names of two classes.
        client: kind of client.
        seed: the seed.

    Returns:
        Name of a system -> configuration.
    """
    # the configuration of the default pair names no classes, so that both experiments share its runs
    classes = () if pair == DEFAULT_PAIRS["cifar10"] else pair
    names = (*SYSTEMS_OF_PAIRS, *([SMALL_REJECTOR] if seed < SMALL_REJECTOR_SEEDS else []))
    base = ExperimentConfig("learning_to_help", ce=COMPARISON_CE, client=client, seed=seed, classes=classes)
    return {name: replace(base, **SYSTEMS[name]) for name in names}


def runs_by_seed(seeds: int = SEEDS) -> Iterator[list[ExperimentConfig]]:
    """All runs, seed by seed: a sweep that ends early leaves whole seeds.

    Args:
        seeds: how many, from 0 on.

    Yields:
        The runs of one seed, each after those that it reads.
    """
    for seed in range(seeds):
        groups = [pair_systems(pair, client, seed) for pair in class_pairs() for client in CLIENTS]
        yield with_dependencies(config for group in groups for config in group.values())
