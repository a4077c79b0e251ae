"""What chapter 02 computes at each profile."""

from dataclasses import dataclass

from companion.chapters.settings import ChapterSettings


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Chapter 02, the Bayes rules.

    Args:
        draws: examples simulated from each testbed.
        ce_grid: costs of asking at which risks are computed.
        spaces: random finite spaces on which every rule is priced.
        points: points of each such space.
    """

    draws: int
    ce_grid: tuple[float, ...]
    spaces: int
    points: int
