"""What a system asks of the device and of the link: parameters and operations of its networks, bytes that it sends."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from l2h import checks
from l2h.models.layers import CHANNELS, IMAGE_SIDE, KERNEL_SIDE, ConvPool

IMAGE_BYTES = CHANNELS * IMAGE_SIDE * IMAGE_SIDE  # one byte per pixel and channel, as the images are stored


class NetworkSize(NamedTuple):
    """A network's size."""

    parameters: int  # trained numbers
    flops: int  # operations per image; a multiplication and an addition are two


def network_size(network: nn.Module) -> NetworkSize:
    """The size of a network, its operations counted layer by layer on one image.

    Linear layers and convolutions count; biases, rectification, pooling and squashing are cheap beside them and do
    not. A convolution counts as its definition has it, however it is computed.

    Args:
        network: from float pixels (n, 3, 32, 32).

    Returns:
        `NetworkSize`.

    >>> from l2h.models.networks import linear_network
    >>> from l2h.models.networks import mlp
    >>> network_size(linear_network()), network_size(mlp(120))
    (Size(parameters=3073, flops=6144), Size(parameters=368881, flops=737520))
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
    """What a system spends per image, on average; numbers, or (k,) arrays at k coverages."""

    device_flops: Any  # on the device
    bytes_sent: Any  # over the link


def resource_use(
    rejector: NetworkSize, client: NetworkSize, coverage: Any, *, needs_score: bool, needs_server: bool
) -> ResourceUse:
    r"""What a system spends per image at a coverage C.

    .. math:: F_r + F_m \cdot (C \text{ or } 1), \qquad B \cdot (1 - C \text{ or } 1)

    The rejector computes for every image. The client computes for what is kept, or for every image where the
    decision reads its score. Images travel where they are sent, or all of them where the decision reads the server's
    answer: such a system saves nothing on the link, whatever its coverage.

    Args:
        rejector: size of what decides; (0, 0) where nothing but a comparison is made.
        client: size of the client.
        coverage: share kept, in [0, 1], a number or an array.
        needs_score: whether deciding reads the client's score.
        needs_server: whether deciding reads the server's answer.

    Returns:
        `ResourceUse`.

    Raises:
        ValueError: if a coverage is outside [0, 1].

    >>> resource_use(NetworkSize(0, 0), NetworkSize(3073, 6144), 0.75, needs_score=True, needs_server=False)
    Spending(device_flops=6144.0, bytes_sent=768.0)
    """
    checks.probabilities(coverage=coverage)
    client_share = coverage * 0 + 1.0 if needs_score else coverage
    asked_share = coverage * 0 + 1.0 if needs_server else 1 - coverage
    return ResourceUse(rejector.flops + client.flops * client_share, IMAGE_BYTES * asked_share)
