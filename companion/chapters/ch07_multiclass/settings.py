"""What chapter 07 computes at each profile."""

from dataclasses import dataclass

from companion.chapters.settings import ChapterSettings


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Chapter 07, many classes.

    Args:
        seeds: how many seeds, from 0 on.
        classes: how many classes the main comparison has.
        clients: forms of the client; every method meets the first one.
        network: of the server, a name in `base.SERVER_NETWORKS`.
        recipe: of the plain server, a name in `config.PRESETS`.
        c1_grid: costs of the server's mistakes at which the forms of the loss are compared.
        numbers: numbers of classes that are compared, on as many images.
        few: images in the four training parts of that comparison.
        refreshes: steps between renewals of the device's copy of the server.
        pairs: pairs of classes of the testbed that asks for a specialist.
        resamples: behind every interval of a table.
        sizes: images in the four training parts of CIFAR-10; empty for all.
        data: "cifar10" or "digits".
        precision: of the trainings; at quick "float64", so that the tests can compare numbers on any processor.
    """

    seeds: int
    classes: int = 10
    clients: tuple[str, ...] = ("follow_up", "lenet")
    network: str = "residual_small"
    recipe: str = "moderate"
    c1_grid: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    numbers: tuple[int, ...] = (2, 3, 5, 10)
    few: tuple[int, ...] = (2000, 6000, 1000, 1000)
    refreshes: tuple[int, ...] = (1, 10)
    pairs: tuple[int, ...] = (1, 2, 5)
    resamples: int = 2000
    sizes: tuple[int, ...] = ()
    data: str | None = None
    precision: str = "float32"
