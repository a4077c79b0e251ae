"""The configuration of a run, and the earlier runs that it depends on."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import torch

from l2h import checks
from l2h.data import dataset
from l2h.methods import base, registry
from l2h.problem import Costs
from l2h.training import clients
from l2h.training.config import PRESETS

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
OPTION_FIELDS = tuple(field.name for field in fields(base.MethodOptions))
# The fields that matter to a method whose server other methods use; all other fields keep their defaults in its run.
SERVER_CONFIG_FIELDS = {
    "plain_server": ("server_network",),
    "on_device_classifier": ("rejector", "hidden_units"),
    **dict.fromkeys(registry.TEACHERS, ("client", "c1", "ce", "server_network")),
}
SERVER_METHODS = (*registry.STANDALONE, *registry.JOINT)
# Methods that are trained on a server's scores for the train split, and the servers whose scores there can be trusted.
ALLOWED_SERVERS = {
    "two_stage": ("plain_server",),
    "two_sigmoid": ("plain_server",),
    "stage_rejector": ("plain_server",),
    "distilled": registry.TEACHERS,
}


@dataclass(frozen=True, repr=False)
class ExperimentConfig(base.MethodOptions):
    """One complete run: the same configuration on the same data gives bitwise the same result.

    The options of the method are inherited from `MethodOptions`, so that each of them has one default and one check,
    and `replace(config, ce=0.2, beta=4.0)` changes costs and options alike.

    Args:
        method: "client" (train and freeze it) or a name in `registry.METHODS`.
        client: kind of client, a name in `clients.CLIENTS`.
        seed: of client, server, rejector and batches.
        c1, ce: the costs.
        preset: training preset of the networks that the method itself trains, a name in `PRESETS`.
        server: the method that trains the server of a method in `registry.TWO_STAGE`, a name in `SERVER_METHODS`; for
            "distilled" the teacher.
        server_preset: training preset of the run that trains this server; empty for the same preset.
        warm_start_preset: training preset of the plain server from whose weights a method in `registry.JOINT` starts;
            empty for random weights.
        source: a name in `dataset.SOURCES`; those that are never downloaded must lie in the folder L2H_DATA.
        classes: names of the classes; empty for the data's default pair, which ImageNet lacks.
        sizes: images of the client, train, calibration and validation splits; empty for all.
        precision: "float32", or "float64", which takes longer and whose results agree between processors: the
            rounding errors that differ are too small to grow into another prediction.

    Raises:
        ValueError: if a name is unknown, a number out of range, the rejector reads features that the client lacks, or
            an option needs or forbids another one.

    >>> ExperimentConfig(method="confidence", ce=0.1)
    ExperimentConfig(method='confidence', ce=0.1)
    >>> ExperimentConfig(method="confidence", ce=0.1).server
    'plain_server'
    """

    method: str
    client: str = "as_released"
    seed: int = 0
    c1: float = 1.0
    ce: float = 0.0
    preset: str = "fast"
    server: str = "plain_server"
    server_preset: str = ""
    warm_start_preset: str = ""
    source: str = "cifar10"
    classes: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    precision: str = "float32"

    def __post_init__(self) -> None:
        super().__post_init__()
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
            raise ValueError("expected a warm_start_preset for alpha 'posterior', which needs a trained server, got ''")
        if self.method == "learning_to_help" and self.warm_start_preset and self.bounded:
            raise ValueError(
                "expected bounded=False where a server starts from another one, "
                f"got warm_start_preset={self.warm_start_preset!r}"
            )
        _ = self.costs

    def __repr__(self) -> str:
        """The method and all that differs from the defaults."""
        names = ("method", *(field.name for field in fields(self) if field.name != "method"))
        changed = [name for name in names if getattr(self, name) != getattr(type(self), name, None)]
        return f"ExperimentConfig({', '.join(f'{name}={getattr(self, name)!r}' for name in changed)})"

    @property
    def costs(self) -> Costs:
        """The costs c1 and ce."""
        return Costs(c1=self.c1, ce=self.ce)

    @property
    def options(self) -> base.Options:
        """The options of the method, with the training configuration of the preset."""
        return base.Options(**_field_values(self, OPTION_FIELDS), training=PRESETS[self.preset])


def dependencies(config: ExperimentConfig) -> tuple[ExperimentConfig, ...]:
    """The earlier runs that a run reads; fields that do not matter to them have their defaults.

    >>> [earlier.method for earlier in dependencies(ExperimentConfig(method="random"))]
    ['client', 'plain_server']
    """
    if config.method == "client" or config.method in registry.STANDALONE:
        return ()
    shared = _field_values(config, ("seed", "source", "classes", "sizes", "precision"))
    client = ExperimentConfig("client", client=config.client, **shared)
    if config.method in registry.JOINT and not config.warm_start_preset:
        return (client,)
    if config.method in registry.JOINT:
        preset, network = config.warm_start_preset, config.server_network
        return client, ExperimentConfig("plain_server", server_network=network, preset=preset, **shared)
    kwargs = _field_values(config, SERVER_CONFIG_FIELDS.get(config.server, ("client", "c1", "ce", *OPTION_FIELDS)))
    warm_start_preset = config.warm_start_preset if config.server in registry.JOINT else ""
    preset = config.server_preset or config.preset
    server = ExperimentConfig(config.server, preset=preset, warm_start_preset=warm_start_preset, **kwargs, **shared)
    return client, server


def _field_values(config: ExperimentConfig, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(config, name) for name in names}
