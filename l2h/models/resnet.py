"""Servers larger than LeNet: two residual networks, one for a training of minutes on two cores and one for a GPU.

They read float pixels (n, 3, 32, 32) in [-1, 1] and return scores (n,), or (n, K).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from l2h import checks
from l2h.models.layers import CHANNELS, ScoreHead


def conv_block(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution, batch normalisation and rectification.

    >>> conv_block(3, 8, stride=2)(torch.zeros(2, 3, 8, 8)).shape
    torch.Size([2, 8, 4, 4])
    """
    layer = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out_channels), nn.ReLU())


class ResidualBlock(nn.Module):
    """Two convolutions and a skip connection, x + f(x), with the same number of channels.

    Args:
        channels: of input and output.

    >>> ResidualBlock(8)(torch.zeros(2, 8, 4, 4)).shape
    torch.Size([2, 8, 4, 4])

    Source: He et al., Deep residual learning for image recognition, CVPR 2016.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(conv_block(channels, channels), conv_block(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Maps (n, channels, height, width) of the same shape."""
        return x + self.branch(x)


class ResidualNetwork(nn.Module):
    """Stages of residual blocks, each with half the height and width of the previous one, and a global maximum.

    Args:
        n_outputs: 1 for two classes with labels -1/+1, K for K classes.
        widths: channels of each stage.
        blocks: residual blocks of each stage.
        fold: side of the squares of pixels that become channels of the input; 2 needs a quarter of the operations.
        bounded: scores in (-1, 1).

    Raises:
        ValueError: if there is no output, or widths and blocks differ in length.

    >>> ResidualNetwork(10, widths=(8, 16), blocks=(0, 1), fold=2)(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5, 10])

    Source: He et al., Deep residual learning for image recognition, CVPR 2016, for the blocks.
    """

    def __init__(
        self, n_outputs: int = 1, *, widths: Sequence[int], blocks: Sequence[int], fold: int = 1, bounded: bool = False
    ) -> None:
        super().__init__()
        checks.at_least(1, n_outputs=n_outputs, fold=fold)
        checks.same_length(widths=widths, blocks=blocks)
        layers: list[nn.Module] = [conv_block(CHANNELS * fold**2, widths[0])]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            before = widths[max(stage - 1, 0)]
            layers += [conv_block(before, width), *(ResidualBlock(width) for _ in range(count))]
            layers += [nn.MaxPool2d(2)] if stage + 1 < len(widths) else []
        self.entry = nn.PixelUnshuffle(fold)
        self.features = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # faster on CPUs and on GPUs
        self.classifier = nn.Sequential(nn.Linear(widths[-1], n_outputs), ScoreHead(bounded=bounded))

    def forward(self, x: Tensor) -> Tensor:
        """Scores of images (n, 3, 32, 32)."""
        maps = self.features(self.entry(x).contiguous(memory_format=torch.channels_last))
        return self.classifier(maps.amax((2, 3)))


def residual_small(n_outputs: int = 1, *, bounded: bool = False) -> nn.Module:
    """The server of moderate size: half a million weights, 15 million multiplications an image.

    >>> residual_small(10)(torch.zeros(5, 3, 32, 32)).shape
    torch.Size([5, 10])
    """
    return ResidualNetwork(n_outputs, widths=(32, 64, 128), blocks=(0, 1, 1), fold=2, bounded=bounded)


def residual_large(n_outputs: int = 1, *, bounded: bool = False) -> nn.Module:
    """The server for a GPU: fourteen million weights, 0.7 billion multiplications an image.

    >>> sum(weight.numel() for weight in residual_large(10).parameters()) > 10_000_000
    True
    """
    return ResidualNetwork(n_outputs, widths=(64, 128, 256, 512), blocks=(2, 2, 2, 2), bounded=bounded)
