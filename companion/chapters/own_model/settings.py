"""Settings of the page on a frozen model of one's own."""

from dataclasses import dataclass

from companion.chapters.settings import ChapterSettings


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """The page on a frozen model of one's own.

    Args:
        sizes: images for the client, for fitting, for the report, and for the outage's inputs in turn.
        n_requests: inputs in each of the three phases of the outage.
        data: "cifar10" or "digits".
    """

    sizes: tuple[int, ...]
    n_requests: int
    data: str | None = None


PROFILES = (
    Settings("quick", sizes=(600, 1000, 600), n_requests=60),
    Settings("paper", sizes=(1000, 5000, 2000), n_requests=400),
    Settings("full", sizes=(1000, 8000, 2000), n_requests=2000),
)
