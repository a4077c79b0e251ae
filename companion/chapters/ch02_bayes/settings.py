"""Settings of chapter 02, for each profile."""

from dataclasses import dataclass

from companion.chapters.settings import ChapterSettings, required_count

COARSE_CE_GRID = (0.0, 0.05, 0.15, 0.3, 0.5, 0.75)
FINE_CE_GRID = tuple(k / 40 for k in range(31))


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Chapter 02, the Bayes rules.

    Args:
        n_samples: examples simulated from each distribution.
        ce_grid: costs of asking at which risks are computed.
        n_distributions: random finite distributions on which the risk of every rule is computed.
        n_atoms: atoms of each of them.
    """

    n_samples: int
    ce_grid: tuple[float, ...]
    n_distributions: int
    n_atoms: int


PROFILES = (
    Settings("quick", n_samples=100_000, ce_grid=COARSE_CE_GRID, n_distributions=30, n_atoms=4),
    Settings("paper", n_samples=2_000_000, ce_grid=FINE_CE_GRID, n_distributions=400, n_atoms=5),
    Settings("full", n_samples=20_000_000, ce_grid=FINE_CE_GRID, n_distributions=2000, n_atoms=6),
)
REQUIREMENTS = {"n_samples": (required_count(100, "samples", "its normal intervals need errors of every rule"),)}
