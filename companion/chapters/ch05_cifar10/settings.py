"""The settings of chapter 05 at each profile."""

from dataclasses import dataclass

from companion.chapters.settings import (
    DIFFERENT_COSTS,
    QUICK_SPLIT_SIZES,
    RELEASED_CE_GRID,
    RELEASED_COSTS,
    ChapterSettings,
    Requirement,
)


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Chapter 05, the CIFAR-10 experiment.

    Args:
        seeds: how many seeds, from 0 on.
        ce_grid: costs of asking for the released alpha rule, at most its constant 0.18.
        ce_compare: costs of asking at which the other alpha rules and the baselines are compared.
        clients: forms of the client.
        released_seeds: how many seeds of the released notebook's training configuration, which is many times slower.
        sizes: images in the four training splits of CIFAR-10; empty for all.
        data: "cifar10" or "digits".
        precision: of the trainings; "float64" at quick, so that tests can compare numbers on any processor.
    """

    seeds: int
    ce_grid: tuple[float, ...]
    ce_compare: tuple[float, ...] = (0.0, 0.15)
    clients: tuple[str, ...] = ("as_released", "well_trained")
    released_seeds: int = 10
    sizes: tuple[int, ...] = ()
    data: str | None = None
    precision: str = "float32"


PROFILES = (
    Settings(
        "quick",
        seeds=2,
        ce_grid=(0.0, 0.1),
        ce_compare=(0.1,),
        released_seeds=0,
        sizes=QUICK_SPLIT_SIZES,
        precision="float64",
    ),
    Settings("paper", seeds=5, ce_grid=RELEASED_CE_GRID),
    Settings(
        "full",
        seeds=20,
        ce_grid=RELEASED_CE_GRID,
        released_seeds=20,
        clients=("as_released", "well_trained", "lenet"),
    ),
)
ZERO_COST = Requirement(
    lambda costs: 0 in costs, "a cost 0", "its figures and claims use the systems trained at cost 0"
)
REQUIREMENTS = {"ce_grid": (RELEASED_COSTS, ZERO_COST, DIFFERENT_COSTS)}
