"""Architectures of clients, rejectors and servers; nothing here trains.

Every network reads float pixels (n, 3, 32, 32) in [-1, 1] and returns scores (n,), or (n, K) for K > 1 outputs.
Initial weights come from torch's global generator: build networks inside `train.seeded`.
"""

import torch
from torch import Tensor, nn

from l2h import checks

CHANNELS, SIDE = 3, 32
PIXELS = CHANNELS * SIDE * SIDE


class Scores(nn.Module):
    r"""The last step of every network: drop the axis of a single output, and squash on demand.

    .. math:: \mathrm{squash}(t) = 2 \sigma(t) - 1 \in (-1, 1)

    Args:
        squash: map the scores into (-1, 1) as the released code does.

    >>> Scores(squash=True)(torch.tensor([[0.0], [50.0]]))
    tensor([0., 1.])
    """

    def __init__(self, *, squash: bool) -> None:
        super().__init__()
        self.squash = squash

    def forward(self, t: Tensor) -> Tensor:
        """Turn (n, K) activations into (n, K) scores, or (n,) for K = 1."""
        scores = 2 * torch.sigmoid(t) - 1 if self.squash else t
        return scores.squeeze(1) if scores.shape[1] == 1 else scores


def linear(outputs: int = 1, *, squash: bool = False) -> nn.Module:
    """One linear layer on the pixels: the legacy device's client.

    Args:
        outputs: 1 for two classes with labels -1/+1, K for K classes.
        squash: scores in (-1, 1).

    Returns:
        A network from (n, 3, 32, 32) to (n,) or (n, K).

    Raises:
        ValueError: if there is no output.

    >>> linear()(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5])

    Source: the released notebook's client.
    """
    checks.at_least(1, outputs=outputs)
    return nn.Sequential(nn.Flatten(), nn.Linear(PIXELS, outputs), Scores(squash=squash))


def rejector(hidden: int = 120, *, squash: bool = True) -> nn.Module:
    """One hidden layer of rectified units: small enough for the device that runs it.

    Args:
        hidden: number of hidden units.
        squash: scores in (-1, 1), as released; without it the rejector is unbounded, as in the theory.

    Returns:
        A network from (n, 3, 32, 32) to (n,).

    Raises:
        ValueError: if there is no hidden unit.

    >>> rejector()(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5])

    Source: the released notebook's rejector, 3072-120-1.
    """
    checks.at_least(1, hidden=hidden)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(PIXELS, hidden), nn.ReLU(), nn.Linear(hidden, 1), Scores(squash=squash)
    )


class LeNet(nn.Sequential):
    """Two 5x5 convolutions with pooling, then 400-120-84-K: the released server, and the larger client.

    Args:
        outputs: 1 for two classes with labels -1/+1, K for K classes.
        squash: scores in (-1, 1), as the released server.

    Raises:
        ValueError: if there is no output.

    >>> LeNet(outputs=10)(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5, 10])

    Source: the released notebook's server.
    """

    def __init__(self, outputs: int = 1, *, squash: bool = False) -> None:
        checks.at_least(1, outputs=outputs)
        super().__init__(
            *(nn.Conv2d(CHANNELS, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
            *(nn.Linear(84, outputs), Scores(squash=squash)),
        )
