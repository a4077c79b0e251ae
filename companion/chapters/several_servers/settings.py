"""The settings of the page on several servers at each profile."""

from dataclasses import dataclass

from companion.chapters.settings import QUICK_SPLIT_SIZES, TWO_SEEDS, ChapterSettings


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """The page on several servers.

    Args:
        seeds: how many seeds, from 0 on.
        decision_seeds: how many further seeds decide the claim on the trained rejector; where there are none, as at
            quick, the first ones stand in.
        client: form of the client whose requests reveal something.
        expert_ce: cost of asking an expert.
        big_ce: cost of asking the server that knows everything.
        big_ce_grid: further costs of the latter, for the figure.
        image_seeds: how many of the seeds train servers on smaller images.
        sides: of the images that are sent, in pixels, the raw one first.
        sizes: images in the four training splits of CIFAR-10; empty for all.
        data: "cifar10", which stands for the published sets, CLINC150 among them, or "digits".
        precision: of the trainings; "float64" at quick, so that tests can compare numbers on any processor.
    """

    seeds: int
    decision_seeds: int = 0
    client: str = "as_released"
    expert_ce: float = 0.05
    big_ce: float = 0.15
    big_ce_grid: tuple[float, ...] = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
    image_seeds: int = 3
    sides: tuple[int, ...] = (32, 16, 8, 4)
    sizes: tuple[int, ...] = ()
    data: str | None = None
    precision: str = "float32"


PROFILES = (
    Settings("quick", seeds=2, sizes=QUICK_SPLIT_SIZES, precision="float64"),
    Settings("paper", seeds=5, decision_seeds=30),
    Settings("full", seeds=10, decision_seeds=30, image_seeds=10),
)
REQUIREMENTS = {"seeds": (TWO_SEEDS,)}
