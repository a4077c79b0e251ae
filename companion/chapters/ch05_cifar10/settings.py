"""What chapter 05 computes at each profile."""

from dataclasses import dataclass

from companion.chapters.settings import ChapterSettings


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Chapter 05, the CIFAR-10 experiment.

    Args:
        seeds: how many seeds, from 0 on.
        ce_grid: costs of asking for the released alpha rule, at most its constant 0.18.
        ce_compare: costs of asking at which the other alpha rules and the rivals are compared.
        clients: forms of the client.
        released_seeds: how many seeds of the released notebook's own recipe, many times slower.
        sizes: images in the four training parts of CIFAR-10; empty for all.
        data: "cifar10" or "digits".
        precision: of the trainings; at quick "float64", so that the tests can compare numbers on any processor.
    """

    seeds: int
    ce_grid: tuple[float, ...]
    ce_compare: tuple[float, ...] = (0.0, 0.15)
    clients: tuple[str, ...] = ("as_released", "well_trained")
    released_seeds: int = 5
    sizes: tuple[int, ...] = ()
    data: str | None = None
    precision: str = "float32"
