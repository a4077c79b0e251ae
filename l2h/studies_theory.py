"""What chapters 02 and 03 compute at each profile, and what every chapter's study has; `studies` holds the others."""

from dataclasses import dataclass, field

PROFILES = ("quick", "paper", "full")
FEW_COSTS = (0.0, 0.05, 0.15, 0.3, 0.5, 0.75)
MANY_COSTS = tuple(k / 40 for k in range(31))
SIZES = (50, 100, 200, 400, 800)


@dataclass(frozen=True)
class Study:
    """What every chapter knows.

    Args:
        profile: "quick", "paper" (what the record holds) or "full".
        chapter: its name, a key of STUDIES; `at_profile` fills it in.
    """

    profile: str
    chapter: str = field(default="", kw_only=True, repr=False)


@dataclass(frozen=True)
class Study02(Study):
    """Chapter 02, the Bayes rules.

    Args:
        draws: examples simulated from each testbed.
        ce_grid: costs of asking at which risks are computed.
        spaces: random finite spaces on which every rule is priced.
        points: points of each such space.
    """

    draws: int
    ce_grid: tuple[float, ...]
    spaces: int
    points: int


@dataclass(frozen=True)
class Study03(Study):
    """Chapter 03, the bound.

    Args:
        draws: samples per family on which the bound is put to the test.
        n_grid: sample sizes at which both sides are compared.
        gap_draws: samples per family and size for that.
        families: random pairs of families on which the complexity of the losses is enumerated.
        images: training images that a network is made to memorise; 0 for all.
        erm_grid: sample sizes at which pairs of thresholds are fitted.
        erm_draws: samples per size for that.
        data: "cifar10" or "digits".
    """

    draws: int
    n_grid: tuple[int, ...]
    gap_draws: int
    families: int
    images: int
    erm_grid: tuple[int, ...]
    erm_draws: int
    data: str | None = None


@dataclass(frozen=True)
class Study04(Study):
    """Chapter 04, the surrogate.

    Args:
        seeds: how many samples of each size, from seed 0 on.
        ce_grid: costs of asking in the table of the released constant, at most 0.18.
        examples: sample sizes of the descent, rising.
        grid: values of mu and of p in the computed envelope.
        heat: values of alpha and of beta in the heat maps.
    """

    seeds: int
    ce_grid: tuple[float, ...] = (0.0, 0.01, 0.15, 0.16, 0.18)  # the released notebook's
    examples: tuple[int, ...] = (100, 1000, 10_000)
    grid: int = 101
    heat: tuple[int, int] = (16, 12)


HALF_DECADES = (100, 316, 1000, 3162, 10_000, 31_623, 100_000, 316_228, 1_000_000)
THEORY: dict[str, tuple[Study, ...]] = {
    "02_bayes": (
        Study02("quick", draws=100_000, ce_grid=FEW_COSTS, spaces=30, points=4),
        Study02("paper", draws=2_000_000, ce_grid=MANY_COSTS, spaces=400, points=5),
        Study02("full", draws=20_000_000, ce_grid=MANY_COSTS, spaces=2000, points=6),
    ),
    "03_bound": (
        Study03("quick", 1000, (50, 100, 200, 400), 100, 100, images=500, erm_grid=(100, 1000, 10_000), erm_draws=20),
        Study03("paper", 10_000, SIZES, 500, 1500, images=0, erm_grid=(*SIZES, 10_000, 100_000), erm_draws=200),
        Study03("full", 100_000, (*SIZES, 1600), 2000, 5000, images=0, erm_grid=(*SIZES, 100_000), erm_draws=1000),
    ),
    "04_surrogate": (
        Study04("quick", seeds=3),
        Study04("paper", seeds=10, examples=HALF_DECADES, grid=201, heat=(48, 36)),
        Study04("full", seeds=40, examples=HALF_DECADES, grid=401, heat=(96, 72)),
    ),
    "errata": (Study("quick"), Study("paper"), Study("full")),  # the same at every profile,
}
