"""What chapter 02 computes at each profile."""

from dataclasses import dataclass

from companion.chapters.settings import ChapterSettings


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Chapter 02, the Bayes rules.

    Args:
        n_samples: examples simulated from each testbed.
        ce_grid: costs of asking at which risks are computed.
        n_distributions: random finite spaces on which every rule is priced.
        n_atoms: points of each such space.
    """

    n_samples: int
    ce_grid: tuple[float, ...]
    n_distributions: int
    n_atoms: int
