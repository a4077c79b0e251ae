"""What chapter 03 computes at each profile."""

from dataclasses import dataclass

from companion.chapters.settings import ChapterSettings


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Chapter 03, the bound.

    Args:
        n_samples: samples per family on which the bound is put to the test.
        n_grid: sample sizes at which both sides are compared.
        n_gap_samples: samples per family and size for that.
        families: random pairs of families on which the complexity of the losses is enumerated.
        images: training images that a network is made to memorise; 0 for all.
        erm_grid: sample sizes at which pairs of thresholds are fitted.
        n_erm_samples: samples per size for that.
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
