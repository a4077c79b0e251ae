"""What the settings of every chapter share: the profiles' names, the base class, and limits of a chapter's parameters.

The settings of a chapter stand in the `settings` module of its folder: the class `Settings`, one instance per profile
in `PROFILES`, and, where it cannot compute with every valid value of a parameter, its `REQUIREMENTS`.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

PROFILE_NAMES = ("quick", "paper", "full")
QUICK_SPLIT_SIZES = (1000, 1000, 1000, 1000)  # images of the client, train, calibration and validation splits at quick
RELEASED_CE_GRID = (0.0, 0.01, 0.05, 0.10, 0.15, 0.16, 0.18)  # the released formula ends at its constant 0.18
PAIRS_TABLE = Path(__file__).resolve().parents[2] / "book" / "06_comparison.full.csv"  # all pairs of CIFAR-10's classes


def pairs_digest() -> str:
    """The SHA-256 of the table of pairs: a record of a chapter that read another one is not fresh."""
    return hashlib.sha256(PAIRS_TABLE.read_bytes()).hexdigest()


@dataclass(frozen=True)
class ChapterSettings:
    """The settings of a chapter at one profile.

    Args:
        profile: "quick", "paper" (what the record holds) or "full".
        chapter: its name, such as "05_cifar10"; `settings_for` fills it in.
    """

    profile: str
    chapter: str = field(default="", kw_only=True, repr=False)


class Requirement(NamedTuple):
    """A condition on a parameter, without which a chapter cannot compute all that it shows.

    Args:
        met: whether a value fulfils it.
        expected: the values that do, in words.
        reason: why the chapter needs one of them.
    """

    met: Callable[[Any], bool]
    expected: str
    reason: str


def required_count(count: int, noun: str, reason: str) -> Requirement:
    """The requirement of a least count, such as two seeds."""
    return Requirement(lambda value: value >= count, f"at least {count} {noun}", reason)


TWO_SEEDS = required_count(2, "seeds", "its intervals are computed from the spread over seeds")
RELEASED_COSTS = Requirement(
    lambda costs: max(costs) <= RELEASED_CE_GRID[-1],
    f"costs in [0, {RELEASED_CE_GRID[-1]:g}]",
    f"the released formula for alpha has no value above its constant {RELEASED_CE_GRID[-1]:g}",
)
DIFFERENT_COSTS = Requirement(
    lambda costs: len(set(costs)) >= 2,
    "at least two different costs",
    "it compares the systems of the smallest and of the largest",
)
