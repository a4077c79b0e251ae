"""Settings of chapter 04, for each profile."""

from dataclasses import dataclass

from companion.chapters.settings import RELEASED_COSTS, ChapterSettings

HALF_DECADES = (100, 316, 1000, 3162, 10_000, 31_623, 100_000, 316_228, 1_000_000)


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Chapter 04, the surrogate.

    Args:
        seeds: number of samples of each size, from seed 0 on.
        ce_grid: costs of asking in the table of the released constant, at most 0.18.
        sample_sizes: sample sizes of the descent, increasing.
        grid: number of values of mu and of p in the computed envelope.
        heat_map_shape: numbers of values of alpha and of beta in the heat maps.
    """

    seeds: int
    ce_grid: tuple[float, ...] = (0.0, 0.01, 0.15, 0.16, 0.18)  # the released notebook's
    sample_sizes: tuple[int, ...] = (100, 1000, 10_000)
    grid: int = 101
    heat_map_shape: tuple[int, int] = (16, 12)


PROFILES = (
    Settings("quick", seeds=3),
    Settings("paper", seeds=10, sample_sizes=HALF_DECADES, grid=201, heat_map_shape=(48, 36)),
    Settings("full", seeds=40, sample_sizes=HALF_DECADES, grid=401, heat_map_shape=(96, 72)),
)
REQUIREMENTS = {"ce_grid": (RELEASED_COSTS,)}
