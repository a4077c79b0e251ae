"""The settings of chapter 11 at each profile."""

from dataclasses import dataclass, field

from companion.chapters.settings import QUICK_SPLIT_SIZES, TWO_SEEDS, ChapterSettings, pairs_digest


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Chapter 11, the deployment.

    Args:
        seeds: how many seeds, from 0 on.
        decision_seeds: how many further seeds decide the claim on a new threshold; where there are none, as at quick,
            the first ones stand in.
        client: form of the client.
        trained_ce: costs of asking for which systems are trained, the smallest first.
        devices: simulated devices where their number is not varied.
        many_devices: those of the largest simulation.
        device_counts: devices per server in the figure of capacity, rising.
        bisections: steps of the search for the most devices per server.
        queue_requests: requests of each queue that is compared with a formula.
        sizes: images in the four training splits of CIFAR-10; empty for all.
        data: "cifar10" or "digits".
        precision: of the trainings; "float64" at quick, so that tests can compare numbers on any processor.
        pairs: digest of the table of pairs of classes.
    """

    seeds: int
    decision_seeds: int = 0
    client: str = "as_released"
    trained_ce: tuple[float, ...] = (0.02, 0.1, 0.3)
    devices: int = 2000
    many_devices: int = 1_000_000
    device_counts: tuple[int, ...] = (200, 300, 400, 500, 700, 1000, 1400, 2000, 3000, 5000)
    bisections: int = 9
    queue_requests: int = 1_000_000
    sizes: tuple[int, ...] = ()
    data: str | None = None
    precision: str = "float32"
    pairs: str = field(default_factory=pairs_digest)


PROFILES = (
    Settings(
        "quick",
        seeds=2,
        many_devices=20_000,
        device_counts=(200, 500, 1000, 2000),
        bisections=5,
        queue_requests=100_000,
        sizes=QUICK_SPLIT_SIZES,
        precision="float64",
    ),
    Settings("paper", seeds=5, decision_seeds=12),
    Settings("full", seeds=20, decision_seeds=12, devices=5000),
)
REQUIREMENTS = {"seeds": (TWO_SEEDS,)}
