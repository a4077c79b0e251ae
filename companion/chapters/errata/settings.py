"""The settings of the errata, which are the same at every profile."""

from dataclasses import dataclass

from companion.chapters.settings import PROFILE_NAMES, ChapterSettings


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """The errata, which compute everything at every profile."""


PROFILES = tuple(Settings(profile) for profile in PROFILE_NAMES)
