"""A data set: images of some classes with coded labels, in four disjoint training splits and the test split.

The client has its own split: on data that it was trained on it makes almost no errors, so a rejector could not learn
them. Images are uint8 until `scale_pixels` scales them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from l2h import checks
from l2h.data import sources
from l2h.data.sources import CLASSES

# 1/8 is the pair of digits on which a linear client errs most; a test measures all 45 pairs.
DEFAULT_PAIRS = {"cifar10": ("airplane", "automobile"), "digits": ("1", "8")}
SOURCES = tuple(CLASSES)


class Split(NamedTuple):
    """Examples: x (n, 3, 32, 32) uint8; y (n,) int64, -1/+1 for two classes, 0..K-1 for more."""

    x: Tensor
    y: Tensor


class SplitSizes(NamedTuple):
    """The number of training images of each split, over all classes."""

    client: int
    train: int
    calibration: int
    validation: int


SPLITS = (*SplitSizes._fields, "test")


@dataclass(frozen=True)
class Dataset:
    """A data set with its splits: no choice is made on images that a model was fitted on.

    Args:
        source: a name in SOURCES.
        classes: names in the order of the labels.
        client: fits m.
        train: fits r and e.
        calibration: fits p(x) and temperatures.
        validation: thresholds and all other choices are made here.
        test: evaluated once, for the reported results.
        sha256: of the bytes of x and y of these five splits, in this order.
    """

    source: str
    classes: tuple[str, ...]
    client: Split
    train: Split
    calibration: Split
    validation: Split
    test: Split
    sha256: str

    @property
    def name(self) -> str:
        """Source and classes, as in "cifar10 airplane/automobile"."""
        return f"{self.source} {'/'.join(self.classes)}"

    def metadata(self) -> dict[str, Any]:
        """The description of the data in a result, for JSON: name, source, classes, sizes, sha256."""
        sizes = {split: len(getattr(self, split).y) for split in SPLITS}
        return dict(name=self.name, source=self.source, classes=list(self.classes), sizes=sizes, sha256=self.sha256)


def load_dataset(
    classes: Sequence[str] | None = None,
    *,
    source: str | None = None,
    folder: str | Path | None = None,
    sizes: SplitSizes | None = None,
) -> Dataset:
    """Read a data set: two classes become labels -1/+1 in the given order, more classes become 0..K-1.

    Args:
        classes: names in `sources.CLASSES[source]`; None is DEFAULT_PAIRS[source].
        source: "cifar10", "digits", or None: CIFAR-10 where it is available, else digits, with a warning in the log.
        folder: that holds CIFAR-10, as in `find_cifar10`; None reads L2H_DATA.
        sizes: numbers of training images, stratified by class; None takes 20, 60, 10 and 10 % of them.

    Returns:
        The split data set, the same at every call.

    Raises:
        ValueError: if the source or a class is unknown, a class comes twice, the sizes exceed the images, a folder
            comes with digits, or files are not those that were published.
        OSError: as `find_cifar10`; also if CIFAR-10 is asked for and not available.

    >>> dataset = load_dataset(("3", "8"), source="digits")
    >>> dataset.name, tuple(dataset.client.x.shape), dataset.client.y.unique().tolist()
    ('digits 3/8', (53, 3, 32, 32), [-1, 1])

    Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009; scikit-learn, load_digits.
    """
    checks.one_of((None, *SOURCES), source=source)
    source, images = sources.read_images(source, folder)
    classes = _selected_classes(classes, source)
    index, y = _index_and_labels(images.y, classes, source)
    index_test, y_test = _index_and_labels(images.y_test, classes, source)
    arrays = [(images.x[index[split_index]], y[split_index]) for split_index in _split_indices(y, sizes)]
    arrays.append((images.x_test[index_test], y_test))
    digest = hashlib.sha256()
    for array in (array for pair in arrays for array in pair):
        digest.update(array)
    splits = dict(zip(SPLITS, (Split(torch.from_numpy(x), torch.from_numpy(y)) for x, y in arrays), strict=True))
    return Dataset(source=source, classes=classes, sha256=digest.hexdigest(), **splits)


def all_training_examples(dataset: Dataset) -> Split:
    """The four training splits together, on which the released client is trained.

    Args:
        dataset: from `load_dataset`.

    Returns:
        The client, train, calibration and validation splits, in this order.

    >>> len(all_training_examples(load_dataset(source="digits")).y)
    267
    """
    splits = (dataset.client, dataset.train, dataset.calibration, dataset.validation)
    return Split(torch.cat([split.x for split in splits]), torch.cat([split.y for split in splits]))


def scale_pixels(x: Tensor) -> Tensor:
    r"""Scale bytes to [-1, 1], as the paper's notebook does.

    .. math:: (x / 255 - 0.5) / 0.5

    Args:
        x: uint8, any shape, on any device.

    Returns:
        Floats of the same shape, on the same device, of torch's default type (float32 unless changed).

    Raises:
        TypeError: if x is not uint8, for example because it is already scaled.

    >>> scale_pixels(torch.tensor([0, 255], dtype=torch.uint8))
    tensor([-1.,  1.])

    Source: the released notebook, ToTensor and Normalize with mean and deviation 0.5.
    """
    if x.dtype != torch.uint8:
        raise TypeError(f"expected pixels of type uint8, got {x.dtype}")
    return x.to(torch.get_default_dtype()).div_(255).sub_(0.5).div_(0.5)


def _selected_classes(classes: Sequence[str] | None, source: str) -> tuple[str, ...]:
    if classes is None:
        return DEFAULT_PAIRS[source]
    if isinstance(classes, str) or len(set(classes)) < max(2, len(classes)):
        raise ValueError(f"expected at least two classes, each once, got {classes!r}")
    for name in classes:
        checks.one_of(CLASSES[source], **{f"class of {source}": name})
    return tuple(classes)


def _index_and_labels(
    class_numbers: np.ndarray, classes: tuple[str, ...], source: str
) -> tuple[np.ndarray, np.ndarray]:
    """The indices of the images of these classes, and their labels."""
    label = np.full(len(CLASSES[source]), -1)
    label[[CLASSES[source].index(name) for name in classes]] = np.arange(len(classes))
    index = np.flatnonzero(label[class_numbers] >= 0)
    labels = label[class_numbers[index]]
    return index, 2 * labels - 1 if len(classes) == 2 else labels


def _split_indices(labels: np.ndarray, sizes: SplitSizes | None) -> list[np.ndarray]:
    """Disjoint indices of the four training splits."""
    n = len(labels)
    if sizes is None:
        sizes = SplitSizes(n // 5, n - n // 5 - 2 * (n // 10), n // 10, n // 10)
    if not all(isinstance(size, int) and size > 0 for size in sizes) or sum(sizes) > n:
        raise ValueError(f"expected whole numbers >= 1 that sum up to at most {n} training images, got {sizes}")
    return [
        np.sort(split_index) for split_index in np.split(sources.stratified_permutation(labels), np.cumsum(sizes))[:-1]
    ]
