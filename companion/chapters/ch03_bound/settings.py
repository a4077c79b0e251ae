"""Settings of chapter 03, for each profile."""

from dataclasses import dataclass

from companion.chapters.settings import ChapterSettings

SAMPLE_SIZES = (50, 100, 200, 400, 800)


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Chapter 03, the bound.

    Args:
        n_samples: samples per family for the violation rates.
        n_grid: sample sizes for gaps and penalties.
        n_gap_samples: samples per family and size for gaps and penalties.
        families: number of random pairs of families whose loss class is enumerated.
        images: training images that the network memorizes; 0 for all.
        erm_grid: sample sizes at which pairs of thresholds are fitted.
        n_erm_samples: samples per size for the fitted thresholds.
        data: "cifar10" or "digits".
    """

    n_samples: int
    n_grid: tuple[int, ...]
    n_gap_samples: int
    families: int
    images: int
    erm_grid: tuple[int, ...]
    n_erm_samples: int
    data: str | None = None


PROFILES = (
    Settings("quick", 1000, (50, 100, 200, 400), 100, 100, images=500, erm_grid=(100, 1000, 10_000), n_erm_samples=20),
    Settings(
        "paper",
        10_000,
        SAMPLE_SIZES,
        500,
        1500,
        images=0,
        erm_grid=(*SAMPLE_SIZES, 10_000, 100_000),
        n_erm_samples=200,
    ),
    Settings(
        "full",
        100_000,
        (*SAMPLE_SIZES, 1600),
        2000,
        5000,
        images=0,
        erm_grid=(*SAMPLE_SIZES, 100_000),
        n_erm_samples=1000,
    ),
)
