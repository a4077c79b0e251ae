"""CIFAR-10H: human labels of CIFAR-10's test images, read from a local folder and never downloaded.

The licence, CC BY-NC-SA 4.0, allows readers to use it for themselves; this package contains none of it.
"""

import hashlib
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l2h import checks
from l2h.data import sources
from l2h.data.sources import CLASSES

CIFAR10H_FOLDER = "cifar10h"
CIFAR10H_SHA256 = {
    "cifar10h-probs.npy": "436ae98620e00073f9d08585ac870573b588853e7af9f54eb1647408114af77d",
    "cifar10h-counts.npy": "9b36b4550349af56c79083356312eb4af856cc5fd3caf1f669d40b9d0bbb69ff",
}
CIFAR10H_LICENCE = "CIFAR-10H, Peterson et al. 2019, CC BY-NC-SA 4.0, https://github.com/jcpeterson/cifar-10h"


class HumanLabels(NamedTuple):
    """Human labels of the test images of two classes, in the order of the test split."""

    eta: np.ndarray  # (n,) share of the class with label +1 among the annotations of the two classes
    entropy: np.ndarray  # (n,) entropy of the annotations over all ten classes, in bits
    other_class_share: np.ndarray  # (n,) share of the annotations with another class
    n_annotations: np.ndarray  # (n,) number of annotations


def load_human_labels(classes: tuple[str, str], *, folder: str | Path | None = None) -> HumanLabels | None:
    r"""Human label distributions of the test images of a pair.

    .. math:: \eta_H = \frac{h_{+1}}{h_{-1} + h_{+1}}, \qquad H = -\sum_{k} h_k \log_2 h_k

    with h the shares of an image's annotations; eta_H is 1/2 where no annotation has one of the two classes.

    Args:
        classes: the classes with labels -1 and +1, in this order.
        folder: that holds `cifar10h` and CIFAR-10; None uses the folder of `sources.find_cifar10`.

    Returns:
        `HumanLabels`, or None where CIFAR-10H or CIFAR-10 is not available.

    Raises:
        ValueError: if a class is not CIFAR-10's, or a file is not CIFAR-10H's.
        OSError: as `sources.find_cifar10`.

    >>> load_human_labels(("1", "8"))
    Traceback (most recent call last):
    ValueError: expected class of cifar10 to be one of 'airplane', ..., got '1'

    Source: Peterson, Battleday, Griffiths and Russakovsky, Human uncertainty makes classification more robust,
    ICCV 2019.
    """
    for name in classes:
        checks.one_of(CLASSES["cifar10"], **{"class of cifar10": name})
    cifar10_folder = sources.find_cifar10(folder)
    arrays = cifar10_folder and _read_arrays(cifar10_folder / CIFAR10H_FOLDER)
    return _pair_labels(*arrays, sources.read_images("cifar10", folder)[1].y_test, classes) if arrays else None


def _pair_labels(shares: np.ndarray, counts: np.ndarray, labels: np.ndarray, classes: tuple[str, str]) -> HumanLabels:
    low, high = (CLASSES["cifar10"].index(name) for name in classes)
    index = np.flatnonzero((labels == low) | (labels == high))  # the order of the test split
    h = shares[index]  # (n, 10)
    pair_share = h[:, low] + h[:, high]
    eta = np.where(pair_share > 0, h[:, high] / np.where(pair_share > 0, pair_share, 1), 0.5)
    entropy = -(h * np.log2(np.where(h > 0, h, 1))).sum(axis=1)
    return HumanLabels(eta, np.maximum(entropy, 0), np.maximum(1 - pair_share, 0), counts[index].sum(axis=1))


@lru_cache(maxsize=1)
def _read_arrays(folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Shares and counts of all 10,000 test images, (10000, 10) each, or None where a file is missing."""
    paths = [folder / name for name in CIFAR10H_SHA256]
    if not all(path.is_file() for path in paths):
        return None
    probs, counts = (_read_verified(path) for path in paths)
    return probs, counts


def _read_verified(path: Path) -> np.ndarray:
    content = path.read_bytes()
    actual = hashlib.sha256(content).hexdigest()
    if actual != CIFAR10H_SHA256[path.name]:
        raise ValueError(
            f"expected {path} with SHA-256 {CIFAR10H_SHA256[path.name]}, got {actual}: replace or delete it"
        )
    return np.asarray(np.load(BytesIO(content), allow_pickle=False), dtype=float)
