"""The recipes of training by the names under which a run asks for them."""

from typing import Any

from l2h.train import FAST, RELEASED, TrainConfig

# For residual networks: their batches are normalised, which allows for large steps and for products of few digits.
RESIDUAL: dict[str, Any] = {"batch_size": 128, "optimizer": "sgd", "weight_decay": 5e-4, "flip": True, "bfloat16": True}

RECIPES = {
    "fast": FAST,
    "released": RELEASED,
    "moderate": TrainConfig(epochs=9, lr=0.1, shift=3, **RESIDUAL),
    # one more pass over the data; Adam's steps keep their size whatever the loss, and exponentials can be large
    "one_more": TrainConfig(epochs=1, batch_size=128, lr=5e-4, flip=True, shift=3),
    "large": TrainConfig(epochs=60, lr=0.1, shift=4, **RESIDUAL),
}
