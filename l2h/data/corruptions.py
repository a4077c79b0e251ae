"""Distribution shifts of test images: corruptions of five severities, and a class that was not trained on.

All are deterministic: random numbers come from NumPy's generator, seeded by kind, severity and seed, so that the same
images are corrupted in the same way in every process and on every machine.
"""

import io
from collections.abc import Callable
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from l2h import checks
from l2h.data import sources
from l2h.data.dataset import Split

SEVERITIES = (1, 2, 3, 4, 5)
CLEAN, UNSEEN = "clean", "unseen"
# The class that enters the stream, and the label of the more similar class of the pair: a truck drives on roads, as an
# automobile does; a 7 is a stroke, as a 1 is.
UNSEEN_CLASSES = {"cifar10": ("truck", 1), "digits": ("7", -1)}
Corruption = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def noise(x: np.ndarray, sigma: float, generator: np.random.Generator) -> np.ndarray:
    """Independent Gaussian noise of standard deviation sigma on every pixel."""
    return x + sigma * generator.standard_normal(x.shape)


def blur(x: np.ndarray, sigma: float, generator: np.random.Generator) -> np.ndarray:
    """Convolution with a Gaussian of standard deviation sigma pixels; borders are mirrored."""
    reach = ceil(3 * sigma)
    weights = torch.exp(-(torch.arange(-reach, reach + 1, dtype=torch.float64) ** 2) / (2 * sigma**2))
    kernel = (weights / weights.sum()).view(1, 1, 1, -1)
    images = torch.from_numpy(x).flatten(0, 1)[:, None]  # (3n, 1, height, width)
    for _ in range(2):
        padded = functional.pad(images, (reach, reach, 0, 0), mode="reflect")
        images = functional.conv2d(padded, kernel).transpose(2, 3)
    return images.numpy().reshape(x.shape)


def contrast(x: np.ndarray, factor: float, generator: np.random.Generator) -> np.ndarray:
    """Reduce the contrast of each image around its mean grey level to the share `factor`."""
    grey = x.sum(axis=(1, 2, 3), keepdims=True) / x[0].size
    return grey + factor * (x - grey)


def fog(x: np.ndarray, density: float, generator: np.random.Generator) -> np.ndarray:
    """Mix each image with white; the density varies smoothly, by random grids of 2, 4, 8 and 16 cells."""
    size, veil = x.shape[-1], np.zeros((len(x), 1, *x.shape[2:]))
    for cells in (2, 4, 8, 16):
        grid = torch.from_numpy(generator.random((len(x), 1, cells, cells)))
        spread = functional.interpolate(grid, size=(size, size), mode="bilinear", align_corners=True)
        veil += spread.numpy() / cells
    thickness = density * veil / veil.max(axis=(2, 3), keepdims=True)
    return x * (1 - thickness) + thickness


def jpeg(x: np.ndarray, quality: float, generator: np.random.Generator) -> np.ndarray:
    """Compress each image by JPEG, with a quality of 1 to 100, and decode it."""
    return np.stack([_jpeg_compressed(image, int(quality)) for image in _to_bytes(x).transpose(0, 2, 3, 1)]) / 255


def _jpeg_compressed(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file)).transpose(2, 0, 1)


CORRUPTIONS: dict[str, tuple[Corruption, tuple[float, ...]]] = {
    "noise": (noise, (0.04, 0.08, 0.12, 0.18, 0.26)),
    "blur": (blur, (0.5, 0.75, 1.0, 1.5, 2.0)),
    "contrast": (contrast, (0.75, 0.55, 0.4, 0.25, 0.15)),
    "fog": (fog, (0.2, 0.35, 0.5, 0.65, 0.8)),
    "jpeg": (jpeg, (50, 30, 18, 10, 5)),
}


def condition_names() -> tuple[str, ...]:
    """The names of all conditions: "clean", each corruption with its severity as in "noise 3", and "unseen".

    >>> condition_names()[:3], len(condition_names())
    (('clean', 'noise 1', 'noise 2'), 27)
    """
    corrupted = (f"{kind} {severity}" for kind in CORRUPTIONS for severity in SEVERITIES)
    return (CLEAN, *corrupted, UNSEEN)


def corrupt(x: Tensor, kind: str, *, severity: int, seed: int = 0) -> Tensor:
    """Corrupt images.

    Args:
        x: (n, 3, height, width) uint8 images.
        kind: a name in `CORRUPTIONS`.
        severity: 0 (unchanged) to 5.
        seed: of noise and fog.

    Returns:
        (n, 3, height, width) uint8 images.

    Raises:
        TypeError: if x is not uint8.
        ValueError: if x is not a batch of images, or the kind or the severity does not exist.

    >>> x = torch.full((1, 3, 32, 32), 100, dtype=torch.uint8)
    >>> bool((corrupt(x, "contrast", severity=5) == x).all()), corrupt(x, "noise", severity=1).float().std() > 5
    (True, tensor(True))

    Source: the idea, not the code or the parameters, of Hendrycks and Dietterich, ICLR 2019.
    """
    if x.dtype != torch.uint8:
        raise TypeError(f"expected images of type uint8, got {x.dtype}")
    if x.ndim != 4 or x.shape[1] != 3:
        raise ValueError(f"expected images of shape (n, 3, height, width), got shape {tuple(x.shape)}")
    checks.one_of(CORRUPTIONS, kind=kind)
    checks.one_of((0, *SEVERITIES), severity=severity)
    if severity == 0:
        return x
    corruption, strengths = CORRUPTIONS[kind]
    generator = np.random.default_rng((seed, list(CORRUPTIONS).index(kind), severity))
    return torch.from_numpy(_to_bytes(corruption(x.numpy() / 255, strengths[severity - 1], generator)))


def under_condition(split: Split, condition: str, *, source: str, seed: int = 0) -> Split:
    """The examples of a split under a condition.

    Args:
        split: uint8 images and labels -1/+1.
        condition: a name in `condition_names()`.
        source: "cifar10" or "digits", which determines the unseen class.
        seed: of noise and fog.

    Returns:
        Corrupted images with their labels; for "unseen" the images of the unseen class instead.

    Raises:
        ValueError: if the condition does not exist.

    >>> split = Split(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([1, -1]))
    >>> under_condition(split, "fog 3", source="digits").y
    tensor([ 1, -1])
    """
    checks.one_of(condition_names(), condition=condition)
    if condition == CLEAN:
        return split
    if condition == UNSEEN:
        return unseen_class_examples(source)
    kind, severity = condition.split()
    return Split(corrupt(split.x, kind, severity=int(severity), seed=seed), split.y)


@lru_cache(maxsize=2)
def unseen_class_examples(source: str) -> Split:
    """Test images of a class that neither client nor server was trained on, labelled as the most similar class.

    Args:
        source: "cifar10" (trucks, labelled as automobiles) or "digits" (7, labelled as 1).

    Returns:
        The images and their labels, which are all equal.

    Raises:
        ValueError: if the source is unknown.

    >>> unseen_class_examples("digits").y.unique()
    tensor([-1])
    """
    checks.one_of(UNSEEN_CLASSES, source=source)
    name, label = UNSEEN_CLASSES[source]
    _, images = sources.read_images(source)
    is_unseen = images.y_test == sources.CLASSES[source].index(name)
    return Split(torch.from_numpy(images.x_test[is_unseen]), torch.full((int(is_unseen.sum()),), label))


def _to_bytes(x: Any) -> np.ndarray:
    return np.rint(np.clip(x, 0, 1) * 255).astype(np.uint8)
