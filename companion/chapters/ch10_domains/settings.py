"""The settings of chapter 10 at each profile."""

from dataclasses import dataclass, field

from companion.chapters.settings import TWO_SEEDS, ChapterSettings, pairs_digest

DOMAINS = ("cifar100", "clinc150", "fsdd", "smartwatch", "gas_drift")
PACKAGED_TABLES = ("digits", "segments", "breast_cancer", "wine")  # that installed packages ship


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Chapter 10, other domains.

    Args:
        seeds: how many seeds, from `experiments.FIRST_SEED` on.
        tasks: names in `tasks.TASKS`; on digits, where no data folder is read, those of PACKAGED_TABLES alone.
        method_tasks: those of the tasks that have the further methods, too; the others do not, to save processor time.
        n_client: most examples on which a client is trained.
        n_fit: most examples on which a helper is fitted.
        n_test: most examples of a part on which a system is evaluated.
        image_fit: most photographs on which a helper is fitted.
        image_epochs: passes over them in each training of rejector and server; on all other data the number is the
            estimator's.
        data: "cifar10" for the published data sets, "digits" for the tables of installed packages alone.
        pairs: digest of the table of pairs of classes.
    """

    seeds: int
    tasks: tuple[str, ...] = (*DOMAINS, *PACKAGED_TABLES)
    method_tasks: tuple[str, ...] = (*DOMAINS, *PACKAGED_TABLES)
    n_client: int = 2000
    n_fit: int = 3000
    n_test: int = 2000
    image_fit: int = 3000
    image_epochs: int = 10
    data: str | None = None
    pairs: str = field(default_factory=pairs_digest)


PROFILES = (
    Settings(
        "quick",
        seeds=3,
        tasks=("smartwatch", "gas_drift", *PACKAGED_TABLES),
        method_tasks=("breast_cancer", "wine"),
        n_client=200,
        n_fit=150,
        n_test=400,
        image_fit=150,
    ),
    Settings("paper", seeds=5),
    Settings("full", seeds=10, n_client=10_000, n_fit=10_000, n_test=10_000, image_fit=10_000),
)
REQUIREMENTS = {"seeds": (TWO_SEEDS,)}
