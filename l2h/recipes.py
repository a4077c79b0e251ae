"""The recipes of training by the names under which a run asks for them."""

from typing import Any

from l2h.train import FAST, RELEASED, TrainConfig

# For residual networks: their batches are normalised, which allows for large steps.
RESIDUAL: dict[str, Any] = {"batch_size": 128, "optimizer": "sgd", "weight_decay": 5e-4, "flip": True}

RECIPES = {
    "fast": FAST,
    "released": RELEASED,
    "moderate": TrainConfig(epochs=9, lr=0.1, shift=3, **RESIDUAL),
    "one_more": TrainConfig(epochs=1, lr=0.01, shift=3, **RESIDUAL),
    "large": TrainConfig(epochs=60, lr=0.1, shift=4, **RESIDUAL),
}
