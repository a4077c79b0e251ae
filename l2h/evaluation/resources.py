"""Resource use of a system: parameters and operations of its networks on the device, bytes sent over the link."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from l2h import checks
from l2h.models.layers import CHANNELS, IMAGE_SIDE, KERNEL_SIDE, ConvPool

IMAGE_BYTES = CHANNELS * IMAGE_SIDE * IMAGE_SIDE  # one byte per pixel and channel, as the images are stored


class NetworkSize(NamedTuple):
    """The size of a network."""

    parameters: int  # number of trained parameters
    flops: int  # operations per image; a multiplication and an addition are two operations


def network_size(network: nn.Module) -> NetworkSize:
    """The size of a network, with the operations on one image counted layer by layer.

    Linear layers and convolutions are counted. Biases, ReLU, pooling and bounded outputs are not: they need few
    operations in comparison. A convolution is counted by its definition, however it is computed.

    Args:
        network: takes float pixels (n, 3, 32, 32).

    Returns:
        `NetworkSize`.

    >>> from l2h.models.networks import linear_network, mlp
    >>> network_size(linear_network()), network_size(mlp(120))
    (NetworkSize(parameters=3073, flops=6144), NetworkSize(parameters=368881, flops=737520))
    """
    operations: list[int] = []

    def dense(layer: nn.Module, inputs: tuple[Tensor, ...], result: Tensor) -> None:
        operations.append(2 * inputs[0].shape[-1] * result.shape[-1])

    def convolution(layer: nn.Module, inputs: tuple[Tensor, ...], result: Tensor) -> None:
        channels, height, width, _ = inputs[0].shape
        positions = (height - KERNEL_SIDE + 1) * (width - KERNEL_SIDE + 1)
        operations.append(2 * channels * KERNEL_SIDE * KERNEL_SIDE * len(result) * positions)

    hooks = [
        layer.register_forward_hook(dense if isinstance(layer, nn.Linear) else convolution)
        for layer in network.modules()
        if isinstance(layer, nn.Linear | ConvPool)
    ]
    try:
        with torch.no_grad():
            network(torch.zeros(1, CHANNELS, IMAGE_SIDE, IMAGE_SIDE))
    finally:
        for hook in hooks:
            hook.remove()
    return NetworkSize(sum(weight.numel() for weight in network.parameters()), sum(operations))


class ResourceUse(NamedTuple):
    """Mean resource use per image; numbers, or (k,) arrays at k coverages."""

    device_flops: Any  # operations on the device
    bytes_sent: Any  # bytes over the link


def resource_use(
    rejector: NetworkSize, client: NetworkSize, coverage: Any, *, needs_score: bool, needs_server: bool
) -> ResourceUse:
    r"""Mean resource use of a system per image at a coverage C.

    .. math:: F_r + F_m \cdot (C \text{ or } 1), \qquad B \cdot (1 - C \text{ or } 1)

    The rejector runs on every image. The client runs on kept images, or on every image if the decision uses its score.
    An image is sent over the link if the server is asked. If the decision uses the server's output, every image is
    sent, whatever the coverage.

    Args:
        rejector: size of the rejector; (0, 0) if the decision is only a comparison.
        client: size of the client.
        coverage: share kept, in [0, 1], a number or an array.
        needs_score: whether the decision uses the client's score.
        needs_server: whether the decision uses the server's output.

    Returns:
        `ResourceUse`.

    Raises:
        ValueError: if a coverage is outside [0, 1].

    >>> resource_use(NetworkSize(0, 0), NetworkSize(3073, 6144), 0.75, needs_score=True, needs_server=False)
    ResourceUse(device_flops=6144.0, bytes_sent=768.0)
    """
    checks.probabilities(coverage=coverage)
    client_share = coverage * 0 + 1.0 if needs_score else coverage
    asked_share = coverage * 0 + 1.0 if needs_server else 1 - coverage
    return ResourceUse(rejector.flops + client.flops * client_share, IMAGE_BYTES * asked_share)
