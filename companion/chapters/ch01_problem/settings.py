"""The settings of chapter 01 at each profile."""

from dataclasses import dataclass

from companion.chapters.settings import QUICK_SPLIT_SIZES, ChapterSettings


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Chapter 01, the problem.

    Args:
        seeds: how many seeds, from 0 on.
        sizes: images in the four training splits of CIFAR-10; empty for all.
        hidden_units: numbers of hidden units of the compared rejectors.
        servers: networks of the compared servers.
        ce_grid: compared costs of asking.
        data: "cifar10" or "digits".
        precision: of the trainings; "float64" at quick, so that tests can compare numbers on any processor.
    """

    seeds: int
    sizes: tuple[int, ...]
    hidden_units: tuple[int, ...] = (2, 20, 120)
    servers: tuple[str, ...] = ("linear", "mlp", "lenet")
    ce_grid: tuple[float, ...] = (0.3, 0.1, 0.01)
    data: str | None = None
    precision: str = "float32"


PROFILES = (
    Settings("quick", seeds=1, sizes=QUICK_SPLIT_SIZES, precision="float64"),
    Settings("paper", seeds=3, sizes=()),
    Settings("full", seeds=10, sizes=()),
)
