"""Random changes of training images that leave their labels as they are."""

import torch
from torch import Tensor

from l2h import checks


def augmented(x: Tensor, generator: torch.Generator, *, flip: bool = False, shift: int = 0) -> Tensor:
    """Images as a training sees them: mirrored and moved at random, or as they are.

    Args:
        x: (n, channels, height, width) images; anything else may only stay as it is.
        generator: of the choices.
        flip: mirror each image with probability 1/2.
        shift: move each image by up to so many pixels in each direction, its edge repeated, >= 0.

    Returns:
        Images of the same shape.

    Raises:
        ValueError: if something else than images is to be changed, or the shift is negative.

    >>> augmented(torch.arange(3).view(1, 1, 1, 3), torch.Generator().manual_seed(0), flip=True)
    tensor([[[[2, 1, 0]]]])
    """
    checks.at_least(0, shift=shift)
    if (flip or shift) and x.ndim != 4:
        raise ValueError(f"expected images (n, channels, height, width) to flip or shift, got shape {tuple(x.shape)}")
    if flip:
        mirror = torch.rand(len(x), generator=generator, dtype=torch.float32).to(x.device) < 0.5  # (n,)
        x = torch.where(mirror[:, None, None, None], x.flip(-1), x)
    return _shifted(x, shift, generator) if shift else x


def _shifted(x: Tensor, furthest: int, generator: torch.Generator) -> Tensor:
    n, _, height, width = x.shape
    moves = torch.randint(-furthest, furthest + 1, (2, n, 1), generator=generator).to(x.device)
    rows = (torch.arange(height, device=x.device) + moves[0]).clamp(0, height - 1)  # (n, height)
    columns = (torch.arange(width, device=x.device) + moves[1]).clamp(0, width - 1)
    each = torch.arange(n, device=x.device)[:, None, None]
    return x.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)
