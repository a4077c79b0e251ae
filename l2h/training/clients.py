"""Clients: the legacy classifiers, which are trained once and then frozen."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

from l2h import checks
from l2h.data.dataset import Split
from l2h.models.networks import LeNet, linear_network
from l2h.training.config import TrainConfig
from l2h.training.loop import classification_loss, fit, seeded


def released_client_loss(scores: Tensor, y: Tensor) -> Tensor:
    r"""The released client's loss: binary cross-entropy fed with -1/+1 where it expects 0/1.

    .. math:: \log(1 + e^{s}) - y s

    For y = -1 it has no lower bound as s falls, which biases the client towards -1. It is kept because the released
    client was trained with it.

    Args:
        scores: (n,) scores s.
        y: (n,) labels in {-1, +1}.

    Returns:
        (n,) losses.

    >>> import torch
    >>> released_client_loss(torch.tensor([-10.0]), torch.tensor([-1.0])).item() < -9
    True
    """
    return functional.binary_cross_entropy_with_logits(scores, y.to(scores.dtype), reduction="none")


CLIENTS: dict[str, tuple[Callable[[int], nn.Module], Callable[..., Tensor], TrainConfig]] = {
    "as_released": (
        linear_network,
        released_client_loss,
        TrainConfig(epochs=1, batch_size=16, lr=1e-3, optimizer="sgd", schedule="constant"),
    ),
    "well_trained": (
        linear_network,
        classification_loss,
        TrainConfig(epochs=60, batch_size=200, lr=1e-3, weight_decay=0.1),
    ),
    "lenet": (LeNet, classification_loss, TrainConfig(epochs=20, batch_size=64, lr=3e-3, flip=True)),
    "follow_up": (LeNet, classification_loss, TrainConfig(10, 16, 1e-3, optimizer="sgd", schedule="constant")),
}
CLIENTS_WITH_FEATURES = tuple(name for name, (build, *_) in CLIENTS.items() if build is LeNet)  # a last hidden layer


def fit_client(split: Split, *, kind: str, seed: int) -> nn.Module:
    """Train a client, which stays frozen afterwards.

    Args:
        split: images and labels to train on.
        kind: "as_released" (one linear layer, one epoch of the released loss), "well_trained" (the same
            layer, trained with correct targets to convergence), "lenet", or "follow_up" (LeNet as in the follow-up).
        seed: of initial weights and order.

    Returns:
        A network from float pixels to scores (n,), or (n, K) for K > 2 classes.

    Raises:
        ValueError: if the kind is unknown, or the data of the released loss have more than two classes.
    """
    checks.one_of(CLIENTS, kind=kind)
    build, loss, config = CLIENTS[kind]
    pair = bool((split.y < 0).any())
    if kind == "as_released" and not pair:
        raise ValueError("expected labels -1/+1 for the as_released client, got classes 0..K-1")
    with seeded(seed):
        client = build(1 if pair else int(split.y.max()) + 1)
    fit(client, split.x, (split.y,), loss, config=config, seed=seed)
    return client
