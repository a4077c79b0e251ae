"""Settings of the page on a frozen model of one's own."""

from dataclasses import dataclass

from companion.chapters.settings import ChapterSettings


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """The page on a frozen model of one's own.

    Args:
        n_client: images on which the client is trained.
        n_fit: images on which its helper is fitted.
        n_test: images of the report and of the outage.
        n_requests: inputs in each of the three phases of the outage.
        data: "cifar10" or "digits".
    """

    n_client: int
    n_fit: int
    n_test: int
    n_requests: int
    data: str | None = None


PROFILES = (
    Settings("quick", n_client=600, n_fit=1000, n_test=600, n_requests=60),
    Settings("paper", n_client=1000, n_fit=5000, n_test=2000, n_requests=400),
    Settings("full", n_client=1000, n_fit=8000, n_test=2000, n_requests=2000),
)
