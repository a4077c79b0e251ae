"""What the tests of training share."""

import pytest
import torch

from l2h.data.dataset import Split


@pytest.fixture
def images():
    """Sixty-four noisy images whose brightness tells the class."""
    generator = torch.Generator().manual_seed(0)
    y = torch.where(torch.arange(64) % 2 == 0, 1, -1)
    x = 128 + 40 * y[:, None, None, None] + torch.randint(-80, 81, (64, 3, 32, 32), generator=generator)
    return Split(x.to(torch.uint8), y)
