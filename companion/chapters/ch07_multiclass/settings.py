"""Settings of the chapter on many classes."""

from dataclasses import dataclass

from companion.chapters.settings import TWO_SEEDS, ChapterSettings


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Settings of chapter 07, many classes.

    Args:
        seeds: how many seeds, from 0 on.
        decision_seeds: how many further seeds of the small tasks decide the claims whose rules were changed after a
            look at the first ones; where there are none, the first ones do.
        server_decision_seeds: the same for the systems with the server of all ten classes, which take many times as
            long.
        form_decision_seeds: the same for two forms of the loss at the costs of the printed run.
        n_classes: in the main comparison.
        clients: forms of the client; the first is compared with all systems.
        server_network: of the server, a name in `base.SERVER_NETWORKS`.
        server_preset: of the plain server, a name in `config.PRESETS`.
        c1_grid: costs of the server's mistakes at which the forms of the loss are compared.
        class_counts: numbers of classes that are compared, on the same number of images.
        subset_sizes: images in the four training splits of that comparison.
        update_intervals: steps between updates of the device's copy of the server.
        group_counts: numbers of groups of the distribution on which a server must specialise.
        sizes: images in the four training parts of CIFAR-10; empty for all.
        data: "cifar10" or "digits".
        precision: of the trainings; at quick "float64", so that the tests can compare numbers on any processor.
    """

    seeds: int
    decision_seeds: int = 0
    server_decision_seeds: int = 0
    form_decision_seeds: int = 0
    n_classes: int = 10
    clients: tuple[str, ...] = ("follow_up", "lenet")
    server_network: str = "residual_small"
    server_preset: str = "moderate"
    c1_grid: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    class_counts: tuple[int, ...] = (2, 3, 5, 10)
    subset_sizes: tuple[int, ...] = (2000, 6000, 1000, 1000)
    update_intervals: tuple[int, ...] = (1, 10)
    group_counts: tuple[int, ...] = (1, 2, 5)
    sizes: tuple[int, ...] = ()
    data: str | None = None
    precision: str = "float32"


PROFILES = (
    Settings(
        "quick",
        seeds=2,
        n_classes=3,
        clients=("follow_up",),
        server_network="mlp",
        server_preset="fast",
        c1_grid=(0.0, 0.25, 0.75),
        class_counts=(2, 3),
        subset_sizes=(200, 400, 200, 200),
        update_intervals=(1,),
        sizes=(300, 900, 300, 300),
        precision="float64",
    ),
    Settings("paper", seeds=3, decision_seeds=5, form_decision_seeds=5),
    Settings(
        "full",
        seeds=5,
        decision_seeds=20,
        server_decision_seeds=5,
        form_decision_seeds=5,
        server_network="residual_large",
        server_preset="large",
    ),
)
REQUIREMENTS = {"seeds": (TWO_SEEDS,)}
