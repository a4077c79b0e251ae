"""The settings of the page on how the intervals were checked, at each profile."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from companion.chapters.settings import ChapterSettings

RECORD_FOLDER = Path(__file__).parent  # components.csv, covariances.csv and seconds.csv


def tables_digest() -> str:
    """The SHA-256 of the three tables: a record with other variance components is not fresh."""
    texts = [path.read_bytes() for path in sorted(RECORD_FOLDER.glob("*.csv"))]
    return hashlib.sha256(b"".join(texts)).hexdigest()


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """The page on how the intervals were checked.

    Args:
        n_samples: simulated experiments for each method and number of seeds.
        n_families: simulated families of simultaneous intervals.
        n_resamples: of the old bootstrap.
        n_images: in a simulated experiment.
        tables: digest of the variance components.
    """

    n_samples: int
    n_families: int
    n_resamples: int
    n_images: int = 2000
    tables: str = field(default_factory=tables_digest)


PROFILES = (
    Settings("quick", n_samples=400, n_families=48, n_resamples=200, n_images=400),
    Settings("paper", n_samples=5000, n_families=6000, n_resamples=1000),
    Settings("full", n_samples=20_000, n_families=10_000, n_resamples=2000),
)
