"""Architectures of clients, rejectors and servers; nothing here trains.

Every network reads float pixels (n, 3, 32, 32) in [-1, 1] and returns scores (n,), or (n, K) for K > 1 outputs.
Initial weights come from torch's global generator: build networks inside `loop.seeded`.
"""

from torch import Tensor, nn

from l2h import checks
from l2h.models.layers import CHANNELS, IMAGE_SIDE, ConvPool, ScoreHead

LENET_HIDDEN_UNITS = 84  # of LeNet's last hidden layer
FEATURE_GAIN = 10.0  # of a rejector on the client's scores
INPUT_SIZE = CHANNELS * IMAGE_SIDE * IMAGE_SIDE


def linear_network(n_outputs: int = 1, *, bounded: bool = False) -> nn.Module:
    """One linear layer on the pixels: the legacy device's client.

    Args:
        n_outputs: 1 for two classes with labels -1/+1, K for K classes.
        bounded: scores in (-1, 1).

    Returns:
        A network from (n, 3, 32, 32) to (n,) or (n, K).

    Raises:
        ValueError: if there is no output.

    >>> import torch
    >>> linear_network()(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5])

    Source: the released notebook's client.
    """
    checks.at_least(1, n_outputs=n_outputs)
    return nn.Sequential(nn.Flatten(), nn.Linear(INPUT_SIZE, n_outputs), ScoreHead(bounded=bounded))


def mlp(hidden_units: int = 120, *, n_outputs: int = 1, bounded: bool = True) -> nn.Module:
    """One hidden layer of rectified units: small enough for the device that runs it.

    Args:
        hidden_units: number of hidden units.
        n_outputs: 1 for a rejector; as a classifier it may have more.
        bounded: scores in (-1, 1), as released; without it the rejector is unbounded, as in the theory.

    Returns:
        A network from (n, 3, 32, 32) to (n,), or (n, outputs) for more than one.

    Raises:
        ValueError: if there is no hidden unit or no output.

    >>> import torch
    >>> mlp()(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5])

    Source: the released notebook's rejector, 3072-120-1.
    """
    checks.at_least(1, hidden_units=hidden_units, n_outputs=n_outputs)
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(INPUT_SIZE, hidden_units),
        nn.ReLU(),
        nn.Linear(hidden_units, n_outputs),
        ScoreHead(bounded=bounded),
    )


class LinearOnFeatures(nn.Module):
    """One linear layer on a few features of the client's scores: next to nothing beside the client itself.

    It starts at zero, and its output is scaled up: a handful of weights must go further than those of a network
    on the image in as many steps of the same size.

    Args:
        features: how many there are.
        outputs: 1 for a rejector.
        squash: scores in (-1, 1).

    Raises:
        ValueError: if there is no feature or no output.

    >>> import torch
    >>> LinearOnFeatures(2)(torch.zeros(5, 2)).shape
    torch.Size([5])
    """

    def __init__(self, n_features: int, n_outputs: int = 1, *, bounded: bool = False) -> None:
        super().__init__()
        checks.at_least(1, n_features=n_features, n_outputs=n_outputs)
        self.layer, self.head = nn.Linear(n_features, n_outputs), ScoreHead(bounded=bounded)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Score features (n, features)."""
        return self.head(FEATURE_GAIN * self.layer(x))


class LeNet(nn.Module):
    """Two 5x5 convolutions with pooling, then 400-120-84-K: the released server, and the larger client.

    Args:
        outputs: 1 for two classes with labels -1/+1, K for K classes.
        squash: scores in (-1, 1), as the released server.

    Raises:
        ValueError: if there is no output.

    >>> import torch
    >>> LeNet(n_outputs=10)(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5, 10])

    Source: the released notebook's server.
    """

    def __init__(self, n_outputs: int = 1, *, bounded: bool = False) -> None:
        super().__init__()
        checks.at_least(1, n_outputs=n_outputs)
        self.features = nn.Sequential(ConvPool(CHANNELS, 6, tile=(4, 2)), ConvPool(6, 16, tile=(2, 2)))
        self.classifier = nn.Sequential(
            *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, LENET_HIDDEN_UNITS), nn.ReLU()),
            *(nn.Linear(LENET_HIDDEN_UNITS, n_outputs), ScoreHead(bounded=bounded)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Score images (n, 3, 32, 32)."""
        return self.classifier(self.convolved(x))

    def convolved(self, x: Tensor) -> Tensor:
        """The (n, 400) maps that the convolutions make of images."""
        maps = self.features(x.permute(1, 2, 3, 0).contiguous())  # (16, 5, 5, n)
        return maps.flatten(0, 2).t()


class HiddenActivations(nn.Module):
    """A LeNet up to its last linear layer: the activations of its 84 last hidden units.

    Args:
        network: whose layers are used, not copied.

    Raises:
        ValueError: if the network is no LeNet, and so has no such units.

    >>> import torch
    >>> HiddenActivations(LeNet(n_outputs=10))(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5, 84])
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        if not isinstance(network, LeNet):
            raise ValueError(f"expected a LeNet, which has a last hidden layer, got {type(network).__name__}")
        self.network, self.head = network, network.classifier[:-2]

    def forward(self, x: Tensor) -> Tensor:
        """Turn images (n, 3, 32, 32) into activations (n, 84), none negative."""
        return self.head(self.network.convolved(x))
