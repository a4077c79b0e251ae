"""Networks of the device and of the server for tables, images and sequences, or made from the user's module.

Each is a `Network`: it takes inputs flattened to (n, D, 1, 1), the form in which the registry's methods train it. Along
the last axis of such inputs a random flip, with which one of the methods augments images, changes nothing.
"""

from collections.abc import Callable
from copy import deepcopy
from math import prod

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from l2h import checks
from l2h.models.layers import ScoreHead

DEVICE_UNITS = 120  # hidden units of the rejector, as in the released one
SERVER_UNITS = 128  # hidden units of the server's last layers
FILTERS = (16, 32, 64)  # of the server's convolutions
SMALLEST_SIDE = 8  # images and sequences are halved only where they are at least this long
IMAGE_CHANNELS = (1, 3, 4)  # grey, colour, colour with transparency
Build = Callable[..., "Network"]  # build(n_outputs, bounded=...)


class Standardisation(nn.Module):
    r"""Columns, channels or features with the mean and standard deviation of a reference, which are stored.

    .. math:: (x - \bar x) / s

    Args:
        reference: (n, ...) floats, on which mean and deviation are computed; a constant entry is only centred.
        axes: of the reference, over which they are computed.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, reference: np.ndarray, axes: tuple[int, ...]) -> None:
        super().__init__()
        deviation = reference.std(axis=axes, keepdims=True, dtype=np.float64)
        mean = reference.mean(axis=axes, keepdims=True, dtype=np.float64)
        scale = np.where(deviation > 1e-6 * np.abs(mean), deviation, 1.0)
        scale = np.where(scale > 0, scale, 1.0)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Standardised inputs of the same shape."""
        return (x - self.mean) / self.scale


class AsImages(nn.Module):
    """Images as (n, channels, height, width): grey ones without channels get one, channels at the end come first."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.grey = len(shape) == 2
        self.last = not self.grey and shape[-1] in IMAGE_CHANNELS and shape[0] not in IMAGE_CHANNELS
        height_first = shape if self.grey else shape[:2] if self.last else shape[1:]
        self.channels = 1 if self.grey else shape[-1] if self.last else shape[0]
        self.sides = (height_first[0], height_first[1])

    def forward(self, x: Tensor) -> Tensor:
        """Images with their channels first."""
        return x.unsqueeze(1) if self.grey else x.permute(0, 3, 1, 2) if self.last else x


class Network(nn.Module):
    """A network of the user's or a default one, in the form in which the methods train it, with checked outputs.

    Args:
        body: from inputs (n, ...) to (n, K) or (n,).
        shape: of one input.
        n_outputs: 1 for scores (n,).
        bounded: scores in (-1, 1).
        role: "rejector" or "server", for the error.

    Raises:
        ValueError: if the body gives scores of another shape; a server for two classes may give two scores.
    """

    def __init__(self, body: nn.Module, shape: tuple[int, ...], n_outputs: int, *, bounded: bool, role: str) -> None:
        super().__init__()
        self.body, self.shape = body, shape
        self.head = ScoreHead(bounded=bounded)
        with torch.no_grad():
            given = tuple(_evaluated(body, torch.zeros(2, *shape)).shape)
        self.one_axis = given == (2,)
        self.difference = given == (2, 2) and n_outputs == 1 and role == "server"
        if given != (2, n_outputs) and not (n_outputs == 1 and (self.one_axis or self.difference)):
            wanted = "(n,) or (n, 1)" if n_outputs == 1 else f"(n, {n_outputs})"
            shown = ", ".join(["n" if axis == 0 else str(length) for axis, length in enumerate(given)])
            raise ValueError(f"expected the {role} to give scores of shape {wanted}, got ({shown})")

    def forward(self, x: Tensor) -> Tensor:
        """Scores (n,) or (n, K) of float inputs, flattened or not."""
        return self.scores(x.reshape(-1, *self.shape))

    def scores(self, x: Tensor) -> Tensor:
        """Scores of inputs (n, ...)."""
        outputs = self.body(x)
        if self.one_axis:
            outputs = outputs.unsqueeze(1)
        if self.difference:
            outputs = outputs[:, 1:] - outputs[:, :1]
        return self.head(outputs)


def _evaluated(body: nn.Module, x: Tensor) -> Tensor:
    """A module's outputs in evaluation mode; its mode afterwards is the one before."""
    training = body.training
    try:
        outputs = body.eval()(x)
    finally:
        body.train(training)
    if not isinstance(outputs, Tensor):
        raise ValueError(f"expected a module that gives a tensor of scores, got a {type(outputs).__name__}")
    return outputs


def network_builder(given: nn.Module | None, x: np.ndarray, *, role: str) -> Build:
    """The function that makes the network of the device or of the server, as the methods of the registry call it.

    Args:
        given: the user's module, which is copied and stays untouched; None for a default of the kind of data.
        x: (n, ...) inputs of the train part, uint8 or float32, for sizes and standardisation.
        role: "rejector" or "server".

    Returns:
        `build(n_outputs=1, *, bounded)`, which gives a `Network`.
    """

    def build(n_outputs: int = 1, *, bounded: bool) -> Network:
        body = deepcopy(given) if given is not None else default_network(x, n_outputs, role=role)
        return Network(body, x.shape[1:], n_outputs, bounded=bounded, role=role)

    return build


def data_kind(shape: tuple[int, ...], dtype: np.dtype | str) -> str:
    """What inputs are: "table", "sequences" or "images".

    A table has one axis beside the examples. Two axes are pixels of a grey image where they are bytes, and else a
    sequence (steps, features). Three axes are an image.

    Args:
        shape: of one input.
        dtype: its type.

    Raises:
        ValueError: for more axes than an image has.

    >>> data_kind((13,), "float32"), data_kind((8, 8), "uint8"), data_kind((50, 3), "float32")
    ('table', 'images', 'sequences')
    """
    if len(shape) not in (1, 2, 3):
        raise ValueError(
            "expected inputs of shape (n, features), (n, steps, features) or (n, channels, height, width), "
            f"got (n, {', '.join(map(str, shape))})"
        )
    return {1: "table", 2: "images" if np.dtype(dtype) == np.uint8 else "sequences", 3: "images"}[len(shape)]


def default_network(x: np.ndarray, n_outputs: int, *, role: str) -> nn.Module:
    """The default network for this kind of data: one hidden layer for the device, a larger one for the server.

    Tables, sequences and images of floats are standardised inside the network by the train part; bytes become pixels in
    [-1, 1] before it.

    Args:
        x: (n, ...) inputs of the train part.
        n_outputs: of the network.
        role: "rejector" or "server".

    Returns:
        A module from (n, ...) floats to (n, n_outputs).
    """
    checks.one_of(("rejector", "server"), role=role)
    kind, shape = data_kind(x.shape[1:], x.dtype), x.shape[1:]
    axes = {"table": (0,), "sequences": (0, 1), "images": tuple(range(x.ndim))}[kind]
    layers: list[nn.Module] = [] if x.dtype == np.uint8 else [Standardisation(x, axes)]
    if role == "rejector":
        size = prod(shape)
        layers += [nn.Flatten(), nn.Linear(size, DEVICE_UNITS), nn.ReLU(), nn.Linear(DEVICE_UNITS, n_outputs)]
    elif kind == "table":
        layers += [nn.Linear(shape[0], SERVER_UNITS), nn.ReLU(), nn.Linear(SERVER_UNITS, SERVER_UNITS), nn.ReLU()]
        layers += [nn.Linear(SERVER_UNITS, n_outputs)]
    elif kind == "images":
        layers += _image_layers(shape, n_outputs)
    else:
        layers += _sequence_layers(shape, n_outputs)
    return nn.Sequential(*layers)


def _image_layers(shape: tuple[int, ...], n_outputs: int) -> list[nn.Module]:
    images = AsImages(shape)
    layers: list[nn.Module] = [images]
    channels, (height, width) = images.channels, images.sides
    for filters in FILTERS:
        layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU()]
        channels = filters
        if min(height, width) >= SMALLEST_SIDE:
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
    return [*layers, *_last_layers(channels * height * width, n_outputs)]


def _sequence_layers(shape: tuple[int, ...], n_outputs: int) -> list[nn.Module]:
    steps, channels = shape
    layers: list[nn.Module] = [Transposition()]
    for filters in FILTERS:
        layers += [nn.Conv1d(channels, filters, 3, padding=1), nn.ReLU()]
        channels = filters
        if steps >= SMALLEST_SIDE:
            layers.append(nn.MaxPool1d(2))
            steps = steps // 2
    return [*layers, *_last_layers(channels * steps, n_outputs)]


def _last_layers(size: int, n_outputs: int) -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(size, SERVER_UNITS), nn.ReLU(), nn.Linear(SERVER_UNITS, n_outputs)]


class Transposition(nn.Module):
    """Sequences (n, steps, features) as (n, features, steps), for convolutions over the steps."""

    def forward(self, x: Tensor) -> Tensor:
        """The two last axes exchanged."""
        return x.transpose(1, 2)


class DeployedNetwork(nn.Module):
    """What runs after the training: bytes or floats of the user's shape in, scores out.

    Args:
        network: a trained `Network`.
        scale: whether the inputs are bytes, which become pixels in [-1, 1] in the graph.
        decision: from the network's scores to r, or the server's scores to e; None where they are the same.
    """

    def __init__(self, network: Network, *, scale: bool, decision: nn.Module | None = None) -> None:
        super().__init__()
        self.network, self.scale, self.decision = network, scale, decision or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Scores r (n,) or e (n,), (n, K)."""
        pixels = (x.to(torch.float32) / 255 - 0.5) / 0.5 if self.scale else x
        return self.decision(self.network.scores(pixels))


class ErrorDecision(nn.Module):
    r"""From a score of the client's error, and one of the server's, to the difference of the two expected costs.

    .. math:: r = c_e + c_1 \sigma(b) - \sigma(a) \quad\text{or}\quad r = \text{cost of asking} - \sigma(a)

    Args:
        ce: cost of asking, or the whole expected cost of asking where there is one score only.
        c1: cost of an error of the server.
        pair: whether there are two scores.
    """

    def __init__(self, ce: float, c1: float = 0.0, *, pair: bool) -> None:
        super().__init__()
        self.ce, self.c1, self.pair = ce, c1, pair

    def forward(self, scores: Tensor) -> Tensor:
        """Scores r (n,)."""
        errors = torch.sigmoid(scores)
        return self.ce + self.c1 * errors[:, 1] - errors[:, 0] if self.pair else self.ce - errors


class DeferralScores(nn.Module):
    """The server's scores of K + 1 scores, the last of which is for keeping: of two classes their difference."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.pair = n_classes == 2

    def forward(self, scores: Tensor) -> Tensor:
        """Scores e (n,) or (n, K)."""
        return scores[:, 1] - scores[:, 0] if self.pair else scores[:, :-1]


class Constant(nn.Module):
    """A rejector that always keeps (value > 0) or always asks.

    Args:
        value: r of every input.
    """

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        """The value, once per input (n,)."""
        return x.reshape(x.shape[0], -1)[:, 0].to(torch.float32) * 0 + self.value


class ScoreRejector(nn.Module):
    """A rejector that reads the client's scores: one linear layer on `error_estimation.score_features`.

    Args:
        layer: `LinearOnFeatures`.
        temperature: of the client's scores.
        limit: the features lie in [-limit, limit].
    """

    def __init__(self, layer: nn.Module, temperature: float, limit: float) -> None:
        super().__init__()
        self.layer, self.temperature, self.limit = layer, temperature, limit

    def forward(self, client_scores: Tensor) -> Tensor:
        """Scores r of the client's scores (n,) or (n, K)."""
        scores = client_scores / self.temperature
        if scores.ndim == 1:
            features = torch.stack([scores, scores.abs()], dim=1)
        else:
            logs = torch.log_softmax(scores, dim=1)
            largest = logs.topk(2, dim=1).values
            entropy = -(logs.exp() * logs).sum(1, keepdim=True)
            features = torch.cat([logs, largest[:, :1] - largest[:, 1:], entropy], dim=1)
        scored: Tensor = self.layer(features.clamp(-self.limit, self.limit))
        return scored


class ConfidenceRejector(nn.Module):
    r"""Keep where the client's confidence is above a threshold.

    .. math:: r = \max_k P_T(k | x) - t

    Args:
        temperature: of the client's scores.
        threshold: t.
    """

    def __init__(self, temperature: float, threshold: float) -> None:
        super().__init__()
        self.temperature, self.threshold = temperature, threshold

    def forward(self, client_scores: Tensor) -> Tensor:
        """Scores r (n,) of the client's scores (n,) or (n, K)."""
        scores = client_scores / self.temperature
        if scores.ndim == 1:
            return torch.sigmoid(scores.abs()) - self.threshold
        return functional.softmax(scores, dim=1).amax(1) - self.threshold
