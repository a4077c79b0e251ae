"""Architectures of clients, rejectors and servers.

Every network reads float pixels (n, 3, 32, 32) in [-1, 1] and returns scores (n,), or (n, K) for K > 1 outputs.
Initial weights come from torch's global generator, so build networks inside `loop.seeded`.
"""

from torch import Tensor, nn

from l2h import checks
from l2h.models.layers import CHANNELS, IMAGE_SIDE, ConvPool, ScoreHead

LENET_HIDDEN_UNITS = 84  # of LeNet's last hidden layer
FEATURE_GAIN = 10.0  # of a rejector on the client's scores
INPUT_SIZE = CHANNELS * IMAGE_SIDE * IMAGE_SIDE


def linear_network(n_outputs: int = 1, *, bounded: bool = False) -> nn.Module:
    """One linear layer on the pixels: the client of the legacy device.

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
    """One hidden layer of rectified units, small enough for the device.

    Args:
        hidden_units: number of hidden units.
        n_outputs: 1 for a rejector; as a classifier it may have more.
        bounded: scores in (-1, 1), as released; False gives unbounded scores, as in the theory.

    Returns:
        A network from (n, 3, 32, 32) to (n,), or (n, n_outputs) for more than one output.

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
    """One linear layer on a few features of the client's scores, with far fewer operations than the client.

    Its weights start at zero and its output is multiplied by FEATURE_GAIN: the few weights must change more than those
    of a network on the image, in the same number of steps of the same size.

    Args:
        n_features: number of features.
        n_outputs: 1 for a rejector.
        bounded: scores in (-1, 1).

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
        """Scores of features (n, n_features)."""
        return self.head(FEATURE_GAIN * self.layer(x))


class LeNet(nn.Module):
    """Two 5x5 convolutions with pooling, then 400-120-84-K: the released server, and the larger client.

    Args:
        n_outputs: 1 for two classes with labels -1/+1, K for K classes.
        bounded: scores in (-1, 1), as in the released server.

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
        """Scores of images (n, 3, 32, 32)."""
        return self.classifier(self.convolved(x))

    def convolved(self, x: Tensor) -> Tensor:
        """The outputs (n, 400) of the convolutions."""
        maps = self.features(x.permute(1, 2, 3, 0).contiguous())  # (16, 5, 5, n)
        return maps.flatten(0, 2).t()


class HiddenActivations(nn.Module):
    """A LeNet up to its last linear layer: the activations of its 84 last hidden units.

    Args:
        network: the LeNet; its layers are shared, not copied.

    Raises:
        ValueError: if the network is not a LeNet.

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
        """Non-negative activations (n, 84) of images (n, 3, 32, 32)."""
        return self.head(self.network.convolved(x))
