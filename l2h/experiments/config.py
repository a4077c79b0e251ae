"""What a run is made of: the one configuration, and the earlier runs that it needs."""

from dataclasses import dataclass, replace

import torch

from l2h import checks
from l2h.data import dataset
from l2h.methods import base, registry
from l2h.problem import Costs
from l2h.training import clients
from l2h.training.config import PRESETS

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
OPTION_FIELDS = (
    *("alpha", "beta", "bounded", "hidden_units", "server_network", "rejector", "confidence", "error_estimator", "budget"),
    *("form", "update_every"),
)
# What a method is told that trains a server for others to use; other fields are set to their default for its run.
SERVER_CONFIG_FIELDS = {
    "plain_server": ("server_network",),
    "on_device_classifier": ("rejector", "hidden_units"),
    **dict.fromkeys(registry.TEACHERS, ("client", "c1", "ce", "server_network")),
}
SERVER_METHODS = (*registry.STANDALONE, *registry.JOINT)
# Methods that are trained on a server's answers to the helper part, and whose servers give some that can be trusted.
ALLOWED_SERVERS = {
    "two_stage": ("plain_server",),
    "two_sigmoid": ("plain_server",),
    "stage_rejector": ("plain_server",),
    "distilled": registry.TEACHERS,
}


@dataclass(frozen=True)
class ExperimentConfig:
    """One run, completely: the same configuration on the same data gives bitwise the same result.

    Args:
        method: "client" (train and freeze it) or a name in `registry.METHODS`.
        client: form of the client, a name in `clients.CLIENTS`.
        seed: of client, server, rejector and batches.
        c1, ce: the costs.
        alpha: rule for alpha, a name in `methods.ALPHA_RULES`, or a number > 0.
        beta: calibration parameter > 0.
        bounded: r and e in (-1, 1), as released.
        hidden_units: hidden units of the rejector.
        server_network: of the server, a name in `methods.SERVER_NETWORKS`.
        preset: of what the method itself trains, a name in RECIPES.
        server: whose answers a method in `registry.TWO_STAGE` gets, a name in `SERVER_METHODS`; of "distilled" the teacher.
        rejector: the device's own network, a name in `methods.REJECTORS`; "features" only beside a client in
            `clients.CLIENTS_WITH_FEATURES`.
        confidence: what confidence is measured by, a name in `methods.CONFIDENCES`.
        error_estimator: of P(M != Y | x) for alpha "estimated", a name in `error_estimation.ERROR_ESTIMATORS`.
        budget: share of questions of "budgeted" and "random".
        form: of the stage-switching loss, a name in `base.STAGE_SWITCHING_FORMS`.
        update_every: steps after which the device's copy of the server is renewed.
        server_preset: of the run that trains the given server; empty for the same recipe.
        warm_start_preset: recipe of the plain server from whose weights a method in `registry.JOINT` starts; empty for new ones.
        source: a name in `dataset.SOURCES`; those that are never downloaded must lie in the folder L2H_DATA.
        classes: names of the classes; empty for the data's default pair, which ImageNet lacks.
        sizes: images of the client, helper, calibration and validation parts; empty for all.
        precision: "float32", or "float64", which takes longer and whose results agree between processors: the
            roundings that differ are too small to grow into another answer.

    Raises:
        ValueError: if a name is unknown, a number out of range, the rejector reads what the client has not, or an
            option needs or forbids another one.

    >>> ExperimentConfig(method="confidence", ce=0.1).server
    'plain_server'
    """

    method: str
    client: str = "as_released"
    seed: int = 0
    c1: float = 1.0
    ce: float = 0.0
    alpha: str | float = "deterministic"
    beta: float = 2.0
    bounded: bool = True
    hidden_units: int = 120
    server_network: str = "lenet"
    preset: str = "fast"
    server: str = "plain_server"
    rejector: str = "hidden"
    confidence: str = "temperature"
    error_estimator: str = "logistic"
    budget: float = 0.5
    form: str = "shifted"
    update_every: int = 1
    server_preset: str = ""
    warm_start_preset: str = ""
    source: str = "cifar10"
    classes: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    precision: str = "float32"

    def __post_init__(self) -> None:
        checks.one_of(("client", *registry.METHODS), method=self.method)
        checks.one_of(clients.CLIENTS, client=self.client)
        checks.one_of(PRESETS, preset=self.preset)
        checks.one_of(("", *PRESETS), server_preset=self.server_preset, warm_start_preset=self.warm_start_preset)
        checks.one_of(ALLOWED_SERVERS.get(self.method, SERVER_METHODS), **{f"server of {self.method}": self.server})
        checks.one_of(dataset.SOURCES, source=self.source)
        checks.one_of(PRECISIONS, precision=self.precision)
        checks.integer(0, seed=self.seed)
        if self.rejector == "features":
            checks.one_of(clients.CLIENTS_WITH_FEATURES, **{"client whose features are read": self.client})
        if "on_device_classifier" in (self.method, self.server) and self.rejector in base.CLIENT_BASED_REJECTORS:
            raise ValueError(f"expected an on_device_classifier that reads the image, got rejector={self.rejector!r}")
        if self.method == "learning_to_help" and self.alpha == "posterior" and not self.warm_start_preset:
            raise ValueError("expected the recipe of a server trained beforehand as start of alpha 'posterior', got ''")
        if self.method == "learning_to_help" and self.warm_start_preset and self.bounded:
            raise ValueError(
                f"expected bounded=False where a server starts from another one, got warm_start_preset={self.warm_start_preset!r}"
            )
        _ = self.costs, self.options

    @property
    def costs(self) -> Costs:
        """The costs c1 and ce."""
        return Costs(c1=self.c1, ce=self.ce)

    @property
    def options(self) -> base.Options:
        """What the method is told."""
        kwargs = {name: getattr(self, name) for name in OPTION_FIELDS}
        return base.Options(**kwargs, training=PRESETS[self.preset])


def dependencies(config: ExperimentConfig) -> tuple[ExperimentConfig, ...]:
    """The earlier runs that a run reads, with what does not matter to them set to its default.

    >>> [earlier.method for earlier in dependencies(ExperimentConfig(method="random"))]
    ['client', 'plain_server']
    """
    shared = {name: getattr(config, name) for name in ("seed", "source", "classes", "sizes", "precision")}
    if config.method == "client" or config.method in registry.STANDALONE:
        return ()
    client = ExperimentConfig(method="client", client=config.client, **shared)
    if config.method in registry.JOINT:
        server_config = replace(
            client,
            method="plain_server",
            server_network=config.server_network,
            preset=config.warm_start_preset or config.preset,
        )
        return (
            (client, replace(server_config, client=ExperimentConfig.client)) if config.warm_start_preset else (client,)
        )
    kwargs = {
        name: getattr(config, name)
        for name in SERVER_CONFIG_FIELDS.get(config.server, ("client", "c1", "ce", *OPTION_FIELDS))
    }
    warm_start_preset = config.warm_start_preset if config.server in registry.JOINT else ""
    preset = config.server_preset or config.preset
    return (
        client,
        ExperimentConfig(method=config.server, preset=preset, warm_start_preset=warm_start_preset, **kwargs, **shared),
    )
