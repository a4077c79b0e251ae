"""Training configurations, with their optimizers and learning rate schedules, and the presets."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from l2h import checks

WARMUP_SHARE = 0.25  # share of the steps in which a one-cycle schedule rises
# For residual networks: batch normalization allows for large steps and for products of low precision.
RESIDUAL_SETTINGS: dict[str, Any] = {
    "batch_size": 128,
    "optimizer": "sgd",
    "weight_decay": 5e-4,
    "flip": True,
    "bfloat16": True,
}


@dataclass(frozen=True)
class TrainConfig:
    """The configuration of a training.

    Args:
        epochs: passes over the data, >= 1.
        batch_size: examples per step, >= 1.
        lr: learning rate for the mean loss of a batch, > 0; the largest one of a one-cycle schedule.
        optimizer: "adam" or "sgd".
        momentum: of SGD, in [0, 1].
        betas: decay rates of Adam's two moving averages, in [0, 1).
        rejector_lr_factor: learning rate of a rejector that is trained with a server, divided by lr, > 0.
        weight_decay: L2 penalty's factor, >= 0.
        schedule: "one_cycle" (linear increase to lr, then linear decrease to zero) or "constant".
        flip: mirror each image with probability 1/2.
        max_translation: largest translation of an image in each direction, in pixels, with repeated edge, >= 0.
        bfloat16: multiply in bfloat16 where the processor supports it, except in double precision.

    Raises:
        ValueError: if a value is outside its range.

    >>> TrainConfig(epochs=0, batch_size=16, lr=0.1)
    Traceback (most recent call last):
    ValueError: expected a whole epochs >= 1, got 0
    """

    epochs: int
    batch_size: int
    lr: float
    optimizer: str = "adam"
    momentum: float = 0.9
    betas: tuple[float, float] = (0.9, 0.999)
    rejector_lr_factor: float = 1.0
    weight_decay: float = 0.0
    schedule: str = "one_cycle"
    flip: bool = False
    max_translation: int = 0
    bfloat16: bool = False

    def __post_init__(self) -> None:
        checks.integer(1, epochs=self.epochs, batch_size=self.batch_size)
        checks.integer(0, max_translation=self.max_translation)
        checks.positive(lr=self.lr, rejector_lr_factor=self.rejector_lr_factor)
        checks.one_of(("adam", "sgd"), optimizer=self.optimizer)
        checks.probabilities(momentum=self.momentum)
        for beta in self.betas:
            checks.at_least(0, **{"decay in betas": beta})
            checks.positive(**{"1 - decay in betas": 1 - beta})
        checks.at_least(0, weight_decay=self.weight_decay)
        checks.one_of(("one_cycle", "constant"), schedule=self.schedule)


# The notebook sums the loss over a batch of 16 at rate 1e-4, which equals the mean at rate 16e-4.
RELEASED_TRAINING = TrainConfig(epochs=30, batch_size=16, lr=16e-4, optimizer="sgd", schedule="constant")
# Chosen on calibration and validation images: as accurate as longer training for pairs, servers and classifiers on the
# device.
FAST_TRAINING = TrainConfig(epochs=6, batch_size=96, lr=6e-3, betas=(0.8, 0.99), rejector_lr_factor=0.2, flip=True)


def make_optimizer(network: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer of a network's weights, with a separate learning rate for a rejector trained with a server.

    Args:
        network: the network to train; its attribute `rejector`, if any, is the rejector.
        config: the training configuration.

    Returns:
        Adam or SGD.
    """
    rejector = getattr(network, "rejector", None)
    rejector_ids = (
        {id(w) for w in rejector.parameters()} if rejector is not None and config.rejector_lr_factor != 1 else set()
    )
    trainable = [w for w in network.parameters() if w.requires_grad]
    parameter_groups: list[dict[str, Any]] = [{"params": [w for w in trainable if id(w) not in rejector_ids]}]
    if rejector_ids:
        parameter_groups.append(
            {"params": [w for w in trainable if id(w) in rejector_ids], "lr": config.lr * config.rejector_lr_factor}
        )
    if config.optimizer == "adam":
        return torch.optim.Adam(
            parameter_groups, lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=True
        )
    return torch.optim.SGD(
        parameter_groups, lr=config.lr, momentum=config.momentum, weight_decay=config.weight_decay, fused=True
    )


def make_schedule(optimizer: torch.optim.Optimizer, config: TrainConfig, steps: int) -> LRScheduler:
    """The schedule of the learning rates, relative to the configured ones.

    Args:
        optimizer: its learning rates are scheduled.
        config: the training configuration.
        steps: number of steps of the whole training.

    Returns:
        A scheduler that is stepped once per batch.
    """
    warmup_steps = max(1, round(WARMUP_SHARE * steps))

    def one_cycle(step: int) -> float:
        return min((step + 1) / warmup_steps, (steps - step) / (steps - warmup_steps + 1))

    return LambdaLR(optimizer, one_cycle if config.schedule == "one_cycle" else lambda step: 1.0)


PRESETS = {
    "fast": FAST_TRAINING,
    "released": RELEASED_TRAINING,
    "moderate": TrainConfig(epochs=9, lr=0.1, max_translation=3, **RESIDUAL_SETTINGS),
    # one epoch more; the size of Adam's steps does not depend on that of the loss, and exponential losses can be large
    "fine_tuning": TrainConfig(epochs=1, batch_size=128, lr=5e-4, flip=True, max_translation=3),
    "large": TrainConfig(epochs=60, lr=0.1, max_translation=4, **RESIDUAL_SETTINGS),
}
