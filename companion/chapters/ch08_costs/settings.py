"""The settings of chapter 08 at each profile."""

from dataclasses import dataclass

from companion.chapters.settings import DIFFERENT_COSTS, QUICK_SPLIT_SIZES, ChapterSettings, Requirement


@dataclass(frozen=True)
class Settings(ChapterSettings):
    """Chapter 08, the costs.

    Args:
        seeds: how many seeds, from 0 on.
        decision_seeds: how many further seeds decide the claims whose rules were changed after a look at the first
            ones; where there are none, as at quick, the first ones stand in.
        size_decision_seeds: how many seeds after all of these decide on the size of the rejector.
        ce_grid: costs of asking for which systems are trained; at 0 the alpha for all clients may be infinite.
        c1_grid: costs of the server's mistakes, each with each of ce_grid.
        alphas: values of alpha in the map of alpha and beta.
        betas: values of beta in the same map.
        alpha_rules: rules for alpha, each with bounded and with unbounded networks.
        error_estimators: of p(x), names in `error_estimation.ERROR_ESTIMATORS`.
        servers: networks of the server, the smallest first.
        hidden_units: numbers of hidden units of the rejector, the smallest first.
        rejector_inputs: networks of the rejector, by their input.
        rejector_input_client: client of that comparison, which has every input, a last hidden layer included.
        clients: forms of the client; some comparisons use the first one alone.
        pairs: "easy pair" and "hard pair", names in `systems.CLASS_PAIRS`; some comparisons use the first one alone.
        sizes: images in the four training splits of CIFAR-10; empty for all.
        data: "cifar10" or "digits".
        precision: of the trainings; "float64" at quick, so that tests can compare numbers on any processor.
    """

    seeds: int
    decision_seeds: int = 0
    size_decision_seeds: int = 0
    ce_grid: tuple[float, ...] = (0.02, 0.1, 0.3)
    c1_grid: tuple[float, ...] = (0.5, 1.0, 1.5)
    alphas: tuple[float, ...] = (0.5, 2.0, 6.0, 18.0)
    betas: tuple[float, ...] = (2.0, 4.0, 8.0)
    alpha_rules: tuple[str, ...] = ("released", "client_error", "deterministic", "estimated")
    error_estimators: tuple[str, ...] = ("isotonic", "logistic", "network")
    servers: tuple[str, ...] = ("linear", "mlp", "lenet")
    hidden_units: tuple[int, ...] = (4, 120, 480)
    rejector_inputs: tuple[str, ...] = ("scores", "features", "linear", "mlp", "lenet")
    rejector_input_client: str = "lenet"
    clients: tuple[str, ...] = ("as_released", "well_trained")
    pairs: tuple[str, ...] = ("easy pair",)
    sizes: tuple[int, ...] = ()
    data: str | None = None
    precision: str = "float32"


PROFILES = (
    Settings(
        "quick",
        seeds=2,
        ce_grid=(0.02, 0.3),
        c1_grid=(0.5, 1.0),
        alphas=(0.5, 6.0),
        betas=(2.0,),
        alpha_rules=("released", "deterministic"),
        error_estimators=("isotonic",),
        servers=("linear", "lenet"),
        hidden_units=(4, 120),
        rejector_inputs=("scores", "features", "mlp"),
        clients=("as_released",),
        sizes=QUICK_SPLIT_SIZES,
        precision="float64",
    ),
    Settings("paper", seeds=3, decision_seeds=6, size_decision_seeds=16),
    Settings(
        "full",
        seeds=10,
        decision_seeds=20,
        size_decision_seeds=20,
        ce_grid=(0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
        c1_grid=(0.25, 0.5, 1.0, 1.5, 2.0),
        alphas=(0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0),
        betas=(0.5, 1.0, 2.0, 4.0, 8.0),
        clients=("as_released", "well_trained", "lenet"),
        pairs=("easy pair", "hard pair"),
    ),
)
POSITIVE_COSTS = Requirement(
    lambda costs: min(costs) > 0, "costs > 0", "at cost 0 the alpha for all clients may be infinite"
)
REQUIREMENTS = {"ce_grid": (POSITIVE_COSTS, DIFFERENT_COSTS)}
