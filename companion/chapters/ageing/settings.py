"""Settings of the page on a client that really ages."""

from dataclasses import dataclass, field

from companion.chapters.settings import TWO_SEEDS, ChapterSettings
from companion.claims import registry

COUNTERPARTS = {  # claim of this page -> the claim of chapter 09 on corruptions that it asks again
    "ageing-fixed-loses": "drift-fixed-loses",
    "ageing-offload-moves": "drift-offload-moves",
    "ageing-guarantee-breaks": "drift-guarantee-breaks",
    "ageing-policies-help": "drift-remedies-help",
    "ageing-policies-help-elsewhere": "drift-remedies-help-elsewhere",
    "ageing-detectors-find": "drift-detectors-find",
    "ageing-false-alarms": "drift-false-alarms",
    "ageing-regret": "drift-regret",
    "ageing-against-confidence": "drift-against-confidence",
    "ageing-refit-helps": "drift-refit-helps",
    "ageing-refit-beats-thresholds": "drift-refit-beats-thresholds",
    "ageing-pseudo-label-bias": "drift-answers-overrated",
    "ageing-answers-help": "drift-answers-help",
    "ageing-labels-beat-answers": "drift-labels-beat-answers",
    "ageing-answers-overask": "drift-answers-overask",
    "ageing-triggers-help": "drift-triggers-help",
    "ageing-server-alone": "drift-server-alone",
}


def verdicts_on_corruptions() -> tuple[tuple[str, str], ...]:
    """The counterparts in chapter 09 with their committed verdicts: a record that shows others is not fresh."""
    claims = registry.chapter_claims("09_drift")
    return tuple((name, claims[name].verdict) for name in COUNTERPARTS.values())


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Settings of the page on a client that really ages.

    Args:
        seeds: how many seeds of parts, trainings and orders, from 0 on.
        n_trees: of a server.
        n_readings: largest number of readings of a batch; the largest batch of the published set has 3,613.
        stationary_length: inputs in a stream of sensors that do not age.
        domain: the published data set that the page is about.
        corruption_verdicts: claims of chapter 09 with their committed verdicts.
    """

    seeds: int
    n_trees: int
    n_readings: int
    stationary_length: int = 10_000
    domain: str = "gas_drift"
    corruption_verdicts: tuple[tuple[str, str], ...] = field(default_factory=verdicts_on_corruptions)


PROFILES = (
    Settings("quick", seeds=3, n_trees=10, n_readings=200, stationary_length=2000),
    Settings("paper", seeds=8, n_trees=50, n_readings=4000),
    Settings("full", seeds=20, n_trees=200, n_readings=4000, stationary_length=40_000),
)
REQUIREMENTS = {"seeds": (TWO_SEEDS,)}
