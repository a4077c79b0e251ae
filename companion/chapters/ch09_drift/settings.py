"""Settings of the drift chapter."""

from dataclasses import dataclass

from companion.chapters.settings import QUICK_SPLIT_SIZES, TWO_SEEDS, ChapterSettings


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Settings of chapter 09, data that change.

    Args:
        seeds: how many seeds of systems and streams, from 0 on.
        n_samples: samples on which the bounds are checked.
        length: inputs in a stream that changes.
        stationary_length: inputs in a stream without a change.
        severities: of the corruptions; 1 to 4 at least.
        n_images: test images that a stream draws from; 0 for all.
        n_devices: how many devices have label distributions of their own.
        clients: forms of the client; the first everywhere, the others for the comparison with confidence.
        sizes: images in the four training parts of CIFAR-10; empty for all.
        data: "cifar10" or "digits".
        precision: of the trainings; at quick "float64", so that the tests can compare numbers on any processor.
    """

    seeds: int
    n_samples: int
    length: int = 6000
    stationary_length: int = 10_000
    severities: tuple[int, ...] = (1, 2, 3, 4, 5)
    n_images: int = 0
    n_devices: int = 60
    clients: tuple[str, ...] = ("as_released", "well_trained")
    sizes: tuple[int, ...] = ()
    data: str | None = None
    precision: str = "float32"


PROFILES = (
    Settings(
        "quick",
        seeds=3,
        n_samples=200,
        length=1200,
        stationary_length=1000,
        severities=(1, 2, 3, 4),
        n_images=200,
        n_devices=15,
        sizes=QUICK_SPLIT_SIZES,
        precision="float64",
    ),
    Settings("paper", seeds=5, n_samples=2000),
    Settings("full", seeds=20, n_samples=10_000, length=20_000),
)
REQUIREMENTS = {"seeds": (TWO_SEEDS,)}
