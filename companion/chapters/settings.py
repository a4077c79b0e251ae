"""What the settings of every chapter have, and the three profiles."""

from dataclasses import dataclass, field

PROFILES = ("quick", "paper", "full")


@dataclass(frozen=True)
class ChapterSettings:
    """What every chapter knows.

    Args:
        profile: "quick", "paper" (what the record holds) or "full".
        chapter: its name, a key of STUDIES; `at_profile` fills it in.
    """

    profile: str
    chapter: str = field(default="", kw_only=True, repr=False)
