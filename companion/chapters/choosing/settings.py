"""The settings of the page on choosing the costs at each profile."""

from dataclasses import dataclass

from companion.chapters.settings import ChapterSettings


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """The page on choosing the costs.

    Args:
        n_samples: validation parts that are drawn to see whether a budget is kept; the rule of its claim says how many.
    """

    n_samples: int = 4000


PROFILES = (
    Settings("quick"),
    Settings("paper"),
    Settings("full"),
)
