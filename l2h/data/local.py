"""Images of a data set that torchvision reads, such as CIFAR-100, SVHN or ImageNet, for runs of a reader's own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from l2h import checks
from l2h.data.dataset import Split

IMAGE_SIZE = (32, 32)  # pixels, as the networks read them


def from_torchvision(dataset: Any, classes: Sequence[str]) -> Split:
    """The images of some classes of a torchvision data set, 32 x 32; no other image is opened.

    A larger image is scaled until its shorter side has 32 pixels, with a filter as wide as the new pixels (fine
    patterns do not turn into coarse ones), and cropped in the middle.

    Args:
        dataset: a data set of torchvision, without a transform, such as `torchvision.datasets.SVHN(root, "train")`.
        classes: at least two of its class names, in the order of the labels; of numbered classes "0", "1", ...

    Returns:
        x and y; two classes have the labels -1 and +1, more have 0..K-1.

    Raises:
        ValueError: if a class is unknown, comes twice or has no image, or an entry is not an image.

    >>> from torchvision.datasets import FakeData
    >>> numbers = FakeData(size=8, image_size=(3, 40, 48), num_classes=2)
    >>> numbers.targets = [int(numbers[i][1]) for i in range(8)]
    >>> x, y = from_torchvision(numbers, ("0", "1"))
    >>> x.shape, x.dtype
    (torch.Size([8, 3, 32, 32]), torch.uint8)
    """
    if isinstance(classes, str) or len(set(classes)) < max(2, len(classes)):
        raise ValueError(f"expected at least two classes, each once, got {classes!r}")
    class_numbers = np.asarray(dataset.labels if hasattr(dataset, "labels") else dataset.targets)  # (n,)
    known = _class_names(dataset, class_numbers)
    for name in classes:
        checks.one_of(known, **{"class": name})
    label = dict(zip(map(known.index, classes), range(len(classes)), strict=True))
    index = np.flatnonzero(np.isin(class_numbers, list(label)))
    y = torch.tensor([label[int(number)] for number in class_numbers[index]])
    for k, name in enumerate(classes):
        if not (y == k).any():
            raise ValueError(f"expected an image of class {name!r}, got none")
    x = torch.from_numpy(np.stack([_pixels(dataset, int(i)) for i in index]))  # (n, 3, 32, 32)
    return Split(x, 2 * y - 1 if len(classes) == 2 else y)


def _class_names(dataset: Any, class_numbers: np.ndarray) -> list[str]:
    """Names in the order of the numbers; the first of several names, as ImageNet has them; else the numbers."""
    names = getattr(dataset, "classes", None) or [str(k) for k in range(int(class_numbers.max()) + 1)]
    return [name if isinstance(name, str) else name[0] for name in names]


def _pixels(dataset: Any, index: int) -> np.ndarray:
    """The entry of a data set as (3, 32, 32) bytes."""
    from PIL import Image, ImageOps

    try:
        image = dataset[index][0]
    except OSError as error:  # Pillow's, for files that are not images or end early
        raise ValueError(f"expected entry {index} to be an image: {error}") from error
    if not isinstance(image, Image.Image):
        raise ValueError(f"expected images, from a data set without a transform, got a {type(image).__name__}")
    return np.asarray(ImageOps.fit(image.convert("RGB"), IMAGE_SIZE, Image.Resampling.BILINEAR)).transpose(2, 0, 1)
