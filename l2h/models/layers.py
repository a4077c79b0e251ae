"""Layers of several networks: the output scores, and a convolution with pooling that is fast on CPUs."""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from l2h import checks

CHANNELS, IMAGE_SIDE = 3, 32
KERNEL_SIDE = 5  # side of LeNet's convolutions


class ScoreHead(nn.Module):
    r"""The last step of every network: drop the axis of a single output, and bound the scores if requested.

    .. math:: t \mapsto 2 \sigma(t) - 1 = \tanh(t / 2) \in (-1, 1)

    Args:
        bounded: map the scores to (-1, 1), as the released code does.

    >>> ScoreHead(bounded=True)(torch.tensor([[0.0], [50.0]]))
    tensor([0., 1.])
    """

    def __init__(self, *, bounded: bool) -> None:
        super().__init__()
        self.bounded = bounded

    def forward(self, t: Tensor) -> Tensor:
        """Turn (n, K) activations into (n, K) scores, or (n,) for K = 1."""
        scores = 2 * torch.sigmoid(t) - 1 if self.bounded else t
        return scores.squeeze(1) if scores.shape[1] == 1 else scores


class _TileWindows(torch.autograd.Function):
    """Overlapping windows of maps (channels, height, width, n), one per tile of the convolution's output.

    Autograd's backward of `unfold` visits each entry separately; this one adds whole blocks of a tile.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, tile: tuple[int, int]) -> Tensor:
        ctx.shape, ctx.tile = maps.shape, tile
        (high, wide), margin = tile, KERNEL_SIDE - 1
        windows = maps.unfold(1, high + margin, high).unfold(2, wide + margin, wide)
        return windows.permute(0, 4, 5, 1, 2, 3).contiguous()  # (channels, window, window, rows, columns, n)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), (high, wide) = gradients, ctx.tile
        channels, height, width, n = ctx.shape
        _, window_high, window_wide, rows, columns, _ = gradient.shape
        blocks = gradient.view(channels, window_high // high, high, window_wide // wide, wide, rows, columns, n)
        total = gradient.new_zeros(channels, height // high, high, width // wide, wide, n)
        for i, j in product(range(window_high // high), range(window_wide // wide)):
            total[:, i : i + rows, :, j : j + columns].add_(blocks[:, i, :, j].permute(0, 3, 1, 4, 2, 5))
        return total.view(ctx.shape), None


class _MaxOfFour(torch.autograd.Function):
    """The largest of four quarters (4, ...); the first one at a tie, as in nn.MaxPool2d."""

    @staticmethod
    def forward(ctx: Any, quarters: Tensor) -> Tensor:
        largest = quarters.amax(0)
        ctx.save_for_backward(quarters, largest)
        return largest

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (rest,), (quarters, largest) = gradients, ctx.saved_tensors
        gradient = torch.empty_like(quarters)
        for quarter, mask in zip(quarters[:3], gradient, strict=False):
            torch.eq(quarter, largest, out=mask).mul_(rest)  # comparing into floats is faster than masking
            rest = rest - mask
        gradient[3] = rest
        return gradient


def tile_windows(maps: Tensor, tile: tuple[int, int]) -> Tensor:
    """The windows of the input on which the tiles of a 5x5 convolution's output depend.

    Args:
        maps: (channels, height, width, n) of n images.
        tile: height and width of a tile, each 2 or 4.

    Returns:
        (channels, window's height, window's width, rows, columns, n).

    Raises:
        ValueError: if the tiles do not divide the maps.
    """
    for side, step in zip(maps.shape[1:3], tile, strict=True):
        if side % step or (side - KERNEL_SIDE + 1) % step:
            raise ValueError(f"expected maps whose sides fit tiles {tile}, got {tuple(maps.shape[1:3])}")
    return _TileWindows.apply(maps, tile)


def pool_tiles(quarters: Tensor, bias: Tensor, *, tile: tuple[int, int], grid: Sequence[int]) -> Tensor:
    """The maximum of each 2x2 square of a convolution's output, plus the bias, rectified.

    Args:
        quarters: (4, ...) the four positions of a square, then in the order of the tiles.
        bias: of each output channel.
        tile: height and width of a tile.
        grid: rows, columns and n, the last three axes of `tile_windows`.

    Returns:
        (channels, height, width, n) maps.
    """
    rows, columns, n = grid
    largest = _MaxOfFour.apply(quarters).view(-1, tile[0] // 2, tile[1] // 2, rows, columns, n)
    maps = largest.permute(0, 3, 1, 4, 2, 5).reshape(len(largest), rows * tile[0] // 2, columns * tile[1] // 2, n)
    return functional.relu(maps + bias.view(-1, 1, 1, 1))


class ConvPool(nn.Module):
    r"""A 5x5 convolution, 2x2 pooling and rectification, as one matrix product over tiles of the output.

    Values and gradients equal those of nn.Conv2d, nn.MaxPool2d(2) and nn.ReLU up to rounding, and it is about twice as
    fast on a CPU for the few channels of LeNet. Each tile of the output depends linearly on one window of the input:
    a sparse matrix, built from the kernel, maps windows to tiles. The images are the last axis, which makes the inner
    loops long.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        tile: height and width of a tile, each 2 or 4.

    Raises:
        ValueError: if a tile has another size, or does not divide the sides of the maps and of their convolution.

    >>> ConvPool(3, 6, tile=(4, 2))(torch.zeros(3, 32, 32, 5)).shape
    torch.Size([6, 14, 14, 5])
    """

    kernel_index: Tensor

    def __init__(self, in_channels: int, out_channels: int, *, tile: tuple[int, int]) -> None:
        super().__init__()
        checks.one_of((2, 4), **{"height of a tile": tile[0], "width of a tile": tile[1]})
        self.convolution = nn.Conv2d(in_channels, out_channels, KERNEL_SIDE)
        self.tile = tile
        self.register_buffer("kernel_index", self._kernel_index(), persistent=False)

    def _kernel_index(self) -> Tensor:
        """The position in the kernel of each entry of the matrix, counted from 1; 0 for entries that are zero.

        Rows are (channel, y, x) of a window, columns (y mod 2, x mod 2, channel, y div 2, x div 2) of a tile.
        """
        (high, wide), kernel = self.tile, self.convolution.weight
        kernel_positions = torch.arange(1, kernel.numel() + 1).view(kernel.shape)
        padded = functional.pad(kernel_positions, (wide - 1, wide - 1, high - 1, high - 1))
        # a later window of the padded kernel contains the kernel further to the left
        kernel_windows = padded.unfold(2, high + KERNEL_SIDE - 1, 1).unfold(3, wide + KERNEL_SIDE - 1, 1).flip(2, 3)
        parities = kernel_windows.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))  # (outputs, channels, y, 2, x, 2, window)
        return parities.permute(1, 6, 7, 3, 5, 0, 2, 4).reshape(-1, high * wide * len(kernel))

    def matrix(self) -> Tensor:
        """The sparse matrix from windows to tiles, as a function of the kernel."""
        kernel = functional.pad(self.convolution.weight.flatten(), (1, 0))
        return kernel.index_select(0, self.kernel_index.flatten()).view(self.kernel_index.shape)

    def forward(self, maps: Tensor) -> Tensor:
        """Turn maps (channels, height, width, n) into maps of half the remaining height and width."""
        windows, bias = tile_windows(maps, self.tile), self.convolution.bias
        assert bias is not None
        tiles = self.matrix().t() @ windows.view(-1, prod(windows.shape[3:]))
        return pool_tiles(tiles.view(4, -1), bias, tile=self.tile, grid=windows.shape[3:])
