"""The settings of chapter 06 at each profile."""

from dataclasses import dataclass

from companion.chapters.settings import QUICK_SPLIT_SIZES, TWO_SEEDS, ChapterSettings


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Chapter 06, the comparison.

    Args:
        seeds: how many seeds, from 0 on.
        clients: forms of the client.
        pairs: "easy pair" and "hard pair", names in `systems.CLASS_PAIRS`.
        claimed_systems_only: whether only the systems of the chapter's claims are compared.
        ce_grid: costs of asking for which every system is re-thresholded.
        sizes: images in the four training splits of CIFAR-10; empty for all.
        data: "cifar10" or "digits".
        precision: of the trainings; "float64" at quick, so that tests can compare numbers on any processor.
    """

    seeds: int
    claimed_systems_only: bool = False
    clients: tuple[str, ...] = ("as_released", "well_trained", "lenet")
    pairs: tuple[str, ...] = ("easy pair", "hard pair")
    ce_grid: tuple[float, ...] = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
    sizes: tuple[int, ...] = ()
    data: str | None = None
    precision: str = "float32"


PROFILES = (
    Settings(
        "quick",
        seeds=2,
        claimed_systems_only=True,
        clients=("as_released",),
        pairs=("easy pair",),
        sizes=QUICK_SPLIT_SIZES,
        precision="float64",
    ),
    Settings("paper", seeds=5),
    Settings("full", seeds=20),
)
REQUIREMENTS = {"seeds": (TWO_SEEDS,)}
