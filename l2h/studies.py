"""What each chapter computes at each profile: one frozen dataclass per chapter, one instance per profile.

To add a value to a chapter, add a field to its study.
"""

from dataclasses import dataclass, replace
from typing import Any

from l2h.studies_theory import PROFILES, THEORY, Study


@dataclass(frozen=True)
class Study01(Study):
    """Chapter 01, the problem.

    Args:
        seeds: how many seeds, from 0 on.
        sizes: images in the four training parts of CIFAR-10; empty for all.
        hidden: hidden units of the rejectors that are compared.
        ce_grid: costs of asking that are compared.
        data: "cifar10" or "digits".
        precision: of the trainings; at quick "float64", so that the tests can compare numbers on any processor.
    """

    seeds: int
    sizes: tuple[int, ...]
    hidden: tuple[int, ...] = (2, 20, 120)
    ce_grid: tuple[float, ...] = (0.3, 0.1, 0.01)
    data: str | None = None
    precision: str = "float32"


@dataclass(frozen=True)
class Study05(Study):
    """Chapter 05, the CIFAR-10 experiment.

    Args:
        seeds: how many seeds, from 0 on.
        ce_grid: costs of asking for the released alpha rule, at most its constant 0.18.
        ce_compare: costs of asking at which the other alpha rules and the rivals are compared.
        clients: forms of the client.
        released_seeds: how many seeds of the released notebook's own recipe, many times slower.
        sizes: images in the four training parts of CIFAR-10; empty for all.
        data: "cifar10" or "digits".
        precision: of the trainings; at quick "float64", so that the tests can compare numbers on any processor.
    """

    seeds: int
    ce_grid: tuple[float, ...]
    ce_compare: tuple[float, ...] = (0.0, 0.15)
    clients: tuple[str, ...] = ("as_released", "well_trained")
    released_seeds: int = 5
    sizes: tuple[int, ...] = ()
    data: str | None = None
    precision: str = "float32"


@dataclass(frozen=True)
class Study06(Study):
    """Chapter 06, the comparison.

    Args:
        seeds: how many seeds, from 0 on.
        clients: forms of the client.
        pairs: "easy pair" and "hard pair", names in `designs.PAIRS`.
        few: whether only those of `designs.SYSTEMS` compete that the chapter's claims are about.
        ce_grid: costs of asking for which every system is re-thresholded.
        sizes: images in the four training parts of CIFAR-10; empty for all.
        data: "cifar10" or "digits".
        precision: of the trainings; at quick "float64", so that the tests can compare numbers on any processor.
    """

    seeds: int
    few: bool = False
    clients: tuple[str, ...] = ("as_released", "well_trained", "lenet")
    pairs: tuple[str, ...] = ("easy pair", "hard pair")
    ce_grid: tuple[float, ...] = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
    sizes: tuple[int, ...] = ()
    data: str | None = None
    precision: str = "float32"


@dataclass(frozen=True)
class Study07(Study):
    """Chapter 07, many classes.

    Args:
        seeds: how many seeds, from 0 on.
        classes: how many classes the main comparison has.
        clients: forms of the client; every method meets the first one.
        network: of the server, a name in `systems.SERVER_NETWORKS`.
        recipe: of the plain server, a name in `recipes.RECIPES`.
        c1_grid: costs of the server's mistakes at which the forms of the loss are compared.
        numbers: numbers of classes that are compared, on as many images.
        few: images in the four training parts of that comparison.
        refreshes: steps between renewals of the device's copy of the server.
        pairs: pairs of classes of the testbed that asks for a specialist.
        resamples: behind every interval of a table.
        sizes: images in the four training parts of CIFAR-10; empty for all.
        data: "cifar10" or "digits".
        precision: of the trainings; at quick "float64", so that the tests can compare numbers on any processor.
    """

    seeds: int
    classes: int = 10
    clients: tuple[str, ...] = ("follow_up", "lenet")
    network: str = "residual_small"
    recipe: str = "moderate"
    c1_grid: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    numbers: tuple[int, ...] = (2, 3, 5, 10)
    few: tuple[int, ...] = (2000, 6000, 1000, 1000)
    refreshes: tuple[int, ...] = (1, 10)
    pairs: tuple[int, ...] = (1, 2, 5)
    resamples: int = 2000
    sizes: tuple[int, ...] = ()
    data: str | None = None
    precision: str = "float32"


@dataclass(frozen=True)
class Study08(Study):
    """Chapter 08, the costs.

    Args:
        seeds: how many seeds, from 0 on.
        ce_grid: costs of asking for which systems are trained; none 0, where one alpha for all clients may be infinite.
        c1_grid: costs of the server's mistakes, each with each of ce_grid.
        alphas: of the map of alpha and beta.
        betas: of the same map.
        rules: for alpha, each with and without squashing.
        estimates: of p(x), names in `estimate.ESTIMATORS`.
        servers: networks of the server, the smallest first.
        hidden: units of the rejector, the fewest first.
        inputs: networks of the rejector, by what they read and how.
        reader: client of that comparison: one that has all that a rejector may read, a last hidden layer included.
        clients: forms of the client; the first one alone where one is enough.
        pairs: "easy pair" and "hard pair", names in `designs.PAIRS`; the first one alone where one is enough.
        sizes: images in the four training parts of CIFAR-10; empty for all.
        data: "cifar10" or "digits".
        precision: of the trainings; at quick "float64", so that the tests can compare numbers on any processor.
    """

    seeds: int
    ce_grid: tuple[float, ...] = (0.02, 0.1, 0.3)
    c1_grid: tuple[float, ...] = (0.5, 1.0, 1.5)
    alphas: tuple[float, ...] = (0.5, 2.0, 6.0, 18.0)
    betas: tuple[float, ...] = (2.0, 4.0, 8.0)
    rules: tuple[str, ...] = ("released", "client_error", "deterministic", "estimated")
    estimates: tuple[str, ...] = ("isotonic", "logistic", "network")
    servers: tuple[str, ...] = ("linear", "one_hidden_layer", "lenet")
    hidden: tuple[int, ...] = (4, 120, 480)
    inputs: tuple[str, ...] = ("scores", "features", "linear", "hidden", "lenet")
    reader: str = "lenet"
    clients: tuple[str, ...] = ("as_released", "well_trained")
    pairs: tuple[str, ...] = ("easy pair",)
    sizes: tuple[int, ...] = ()
    data: str | None = None
    precision: str = "float32"


@dataclass(frozen=True)
class StudyChoosing(Study):
    """The page on choosing the costs.

    Args:
        draws: validation parts that are drawn to see whether a budget is kept; the rule of its claim says how many.
    """

    draws: int = 4000


@dataclass(frozen=True)
class Study09(Study):
    """Chapter 09, data that change.

    Args:
        seeds: how many seeds of systems and streams, from 0 on.
        draws: samples on which the bounds are tried.
        length: inputs in a stream that changes.
        quiet: inputs in a stream that does not.
        severities: degrees of the corruptions; 1 to 4 at least.
        images: test images that a stream draws from; 0 for all.
        devices: how many devices have label distributions of their own.
        clients: forms of the client; the first is helped throughout, the others in one comparison.
        sizes: images in the four training parts of CIFAR-10; empty for all.
        data: "cifar10" or "digits".
        precision: of the trainings; at quick "float64", so that the tests can compare numbers on any processor.
    """

    seeds: int
    draws: int
    length: int = 6000
    quiet: int = 10_000
    severities: tuple[int, ...] = (1, 2, 3, 4, 5)
    images: int = 0
    devices: int = 60
    clients: tuple[str, ...] = ("as_released", "well_trained")
    sizes: tuple[int, ...] = ()
    data: str | None = None
    precision: str = "float32"


FEWER = (1000, 1000, 1000, 1000)  # images of the client, helper, calibration and validation parts at quick
RELEASED_COSTS = (0.0, 0.01, 0.05, 0.10, 0.15, 0.16, 0.18)  # the released formula ends at its constant 0.18

STUDIES: dict[str, tuple[Study, ...]] = {
    "01_problem": (
        Study01("quick", seeds=1, sizes=FEWER, precision="float64"),
        Study01("paper", seeds=3, sizes=()),
        Study01("full", seeds=10, sizes=()),
    ),
    **THEORY,
    "05_cifar10": (
        Study05(
            "quick",
            seeds=2,
            ce_grid=(0.0, 0.1),
            ce_compare=(0.1,),
            released_seeds=0,
            sizes=FEWER,
            precision="float64",
        ),
        Study05("paper", seeds=5, ce_grid=RELEASED_COSTS),
        Study05(
            "full",
            seeds=20,
            ce_grid=RELEASED_COSTS,
            released_seeds=20,
            clients=("as_released", "well_trained", "lenet"),
        ),
    ),
    "06_comparison": (
        Study06(
            "quick",
            seeds=2,
            few=True,
            clients=("as_released",),
            pairs=("easy pair",),
            sizes=FEWER,
            precision="float64",
        ),
        Study06("paper", seeds=5),
        Study06("full", seeds=20),
    ),
    "07_multiclass": (
        Study07(
            "quick",
            seeds=2,
            classes=3,
            clients=("follow_up",),
            network="one_hidden_layer",
            recipe="fast",
            c1_grid=(0.0, 0.25, 0.75),
            numbers=(2, 3),
            few=(200, 400, 200, 200),
            refreshes=(1,),
            resamples=400,
            sizes=(300, 900, 300, 300),
            precision="float64",
        ),
        Study07("paper", seeds=3),
        Study07("full", seeds=5, network="residual_large", recipe="large"),
    ),
    "08_costs": (
        Study08(
            "quick",
            seeds=2,
            ce_grid=(0.02, 0.3),
            c1_grid=(0.5, 1.0),
            alphas=(0.5, 6.0),
            betas=(2.0,),
            rules=("released", "deterministic"),
            estimates=("isotonic",),
            servers=("linear", "lenet"),
            hidden=(4, 120),
            inputs=("scores", "features", "hidden"),
            clients=("as_released",),
            sizes=FEWER,
            precision="float64",
        ),
        Study08("paper", seeds=3),
        Study08(
            "full",
            seeds=10,
            ce_grid=(0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
            c1_grid=(0.25, 0.5, 1.0, 1.5, 2.0),
            alphas=(0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
            betas=(0.5, 1.0, 2.0, 4.0, 8.0),
            clients=("as_released", "well_trained", "lenet"),
            pairs=("easy pair", "hard pair"),
        ),
    ),
    "choosing": (StudyChoosing("quick"), StudyChoosing("paper"), StudyChoosing("full")),
    "09_drift": (
        Study09(
            "quick",
            seeds=3,
            draws=200,
            length=1200,
            quiet=1000,
            severities=(1, 2, 3, 4),
            images=200,
            devices=15,
            sizes=FEWER,
            precision="float64",
        ),
        Study09("paper", seeds=5, draws=2000),
        Study09("full", seeds=20, draws=10_000, length=20_000),
    ),
}


def at_profile(name: str, profile: str) -> Any:
    """The study of a chapter at a profile, with nothing changed.

    Args:
        name: of the chapter, a key of `STUDIES`.
        profile: one of `PROFILES`.

    Returns:
        A `Study`.

    >>> at_profile("05_cifar10", "paper").seeds
    5
    """
    return replace(STUDIES[name][PROFILES.index(profile)], chapter=name)
