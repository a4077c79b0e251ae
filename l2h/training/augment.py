"""Data augmentation: random flips and translations of images."""

import torch
from torch import Tensor


def random_flip(x: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror each image with probability 1/2.

    Args:
        x: (n, channels, height, width) images, on any device.
        generator: of the random numbers, on the CPU.

    Returns:
        Images of the same shape and type.

    >>> random_flip(torch.arange(3).expand(1, 1, 1, 3), torch.Generator().manual_seed(0)).flatten().tolist()
    [2, 1, 0]
    """
    mirror = torch.rand(len(x), generator=generator).to(x.device) < 0.5  # (n,)
    return torch.where(mirror[:, None, None, None], x.flip(-1), x)


def random_translation(x: Tensor, max_translation: int, generator: torch.Generator) -> Tensor:
    """Translate each image by a few random pixels in each direction; the edge is repeated.

    Args:
        x: (n, channels, height, width) images, on any device.
        max_translation: pixels, >= 0.
        generator: of the random numbers, on the CPU.

    Returns:
        Images of the same shape and type.

    >>> random_translation(torch.arange(3).expand(1, 1, 1, 3), 0, torch.Generator()).flatten().tolist()
    [0, 1, 2]
    """
    n, _, height, width = x.shape
    offsets = torch.randint(-max_translation, max_translation + 1, (2, n, 1), generator=generator).to(x.device)
    rows = (torch.arange(height, device=x.device) + offsets[0]).clamp(0, height - 1)  # (n, height)
    columns = (torch.arange(width, device=x.device) + offsets[1]).clamp(0, width - 1)
    index = torch.arange(n, device=x.device)[:, None, None]
    return x.permute(0, 2, 3, 1)[index, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)
