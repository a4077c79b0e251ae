"""What each chapter computes at each profile: one frozen dataclass per chapter, one instance per profile.

To add a value to a chapter, add a field to its study.
"""

from dataclasses import dataclass, field, replace
from typing import Any

PROFILES = ("quick", "paper", "full")


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
class Study01(Study):
    """Chapter 01, the problem.

    Args:
        seeds: how many seeds, from 0 on.
        sizes: images in the four training parts of CIFAR-10; empty for all.
        hidden: hidden units of the rejectors that are compared.
        ce_grid: costs of asking that are compared.
        data: "cifar10" or "digits".
        precision: of the trainings; at quick "float64", so that the tests can compare numbers on any processor.
    """

    seeds: int
    sizes: tuple[int, ...]
    hidden: tuple[int, ...] = (2, 20, 120)
    ce_grid: tuple[float, ...] = (0.3, 0.1, 0.01)
    data: str | None = None
    precision: str = "float32"


@dataclass(frozen=True)
class Study05(Study):
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
    released_seeds: int = 3
    sizes: tuple[int, ...] = ()
    data: str | None = None
    precision: str = "float32"


FEWER = (1000, 1000, 1000, 1000)  # images of the client, helper, calibration and validation parts at quick
RELEASED_COSTS = (0.0, 0.01, 0.05, 0.10, 0.15, 0.16, 0.18)  # the released formula ends at its constant 0.18

STUDIES: dict[str, tuple[Study, ...]] = {
    "01_problem": (
        Study01("quick", seeds=1, sizes=FEWER, precision="float64"),
        Study01("paper", seeds=3, sizes=()),
        Study01("full", seeds=10, sizes=()),
    ),
    "05_cifar10": (
        Study05(
            "quick",
            seeds=2,
            ce_grid=(0.0, 0.1),
            ce_compare=(0.1,),
            released_seeds=0,
            sizes=FEWER,
            precision="float64",
        ),
        Study05("paper", seeds=5, ce_grid=RELEASED_COSTS),
        Study05(
            "full",
            seeds=20,
            ce_grid=RELEASED_COSTS,
            released_seeds=20,
            clients=("as_released", "well_trained", "lenet"),
        ),
    ),
}


def at_profile(name: str, profile: str) -> Any:
    """The study of a chapter at a profile, with nothing changed.

    Args:
        name: of the chapter, a key of `STUDIES`.
        profile: one of `PROFILES`.

    Returns:
        A `Study`.

    >>> at_profile("05_cifar10", "paper").seeds
    5
    """
    return replace(STUDIES[name][PROFILES.index(profile)], chapter=name)
