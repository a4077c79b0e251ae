"""CIFAR-100 as published, or the losslessly packed part of it that developers have."""

import gzip
import json
import pickle
from pathlib import Path
from typing import NamedTuple

import numpy as np


class HundredClasses(NamedTuple):
    """Images (n, 3, 32, 32) uint8 of the official training and test parts, with classes 0..99 and 20 superclasses."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...]
    superclasses: tuple[str, ...]
    superclass_of: tuple[int, ...]  # superclass of each class


def read_cifar100(folder: Path) -> HundredClasses:
    """All images in checked files.

    Args:
        folder: with `train`, `test` and `meta` as published, or with mosaics and `index.json.gz`.

    Raises:
        OSError: if a file cannot be read.
        ValueError: if images of one class are in two superclasses.

    Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009.
    """
    return _read_mosaics(folder) if (folder / "index.json.gz").is_file() else _read_pickles(folder)


def _read_pickles(folder: Path) -> HundredClasses:
    # The hashes of these files are checked before: a pickle of an unknown origin could run code.
    train, test, meta = (
        pickle.loads((folder / name).read_bytes(), encoding="latin1") for name in ("train", "test", "meta")
    )
    images = [part["data"].reshape(-1, 3, 32, 32) for part in (train, test)]
    fine, fine_test = (np.array(part["fine_labels"]) for part in (train, test))
    pairs = sorted(set(zip(train["fine_labels"], train["coarse_labels"], strict=True)))
    if [k for k, _ in pairs] != list(range(len(meta["fine_label_names"]))):
        raise ValueError(f"expected one superclass for each class of {folder}, got {len(pairs)} pairs")
    superclass_of = tuple(coarse for _, coarse in pairs)
    classes, superclasses = tuple(meta["fine_label_names"]), tuple(meta["coarse_label_names"])
    return HundredClasses(images[0], fine, images[1], fine_test, classes, superclasses, superclass_of)


def _read_mosaics(folder: Path) -> HundredClasses:
    with gzip.open(folder / "index.json.gz") as file:
        index = json.load(file)
    classes = tuple(index["fine_label_names"])
    (x, y), (x_test, y_test) = (_mosaics(folder / part, classes) for part in ("train", "test"))
    superclasses, superclass_of = tuple(index["coarse_label_names"]), tuple(index["coarse_of_fine"])
    return HundredClasses(x, y, x_test, y_test, classes, superclasses, superclass_of)


def _mosaics(folder: Path, classes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The images of one part, class by class, with their labels."""
    tiles = [_tiles(folder / f"{name}.webp") for name in classes]
    return np.concatenate(tiles), np.repeat(np.arange(len(classes)), [len(tile) for tile in tiles])


def _tiles(file: Path) -> np.ndarray:
    """The images of a mosaic, row by row."""
    from PIL import Image

    with Image.open(file) as image:
        pixels = np.asarray(image.convert("RGB"))  # (32 rows, 32 columns, 3)
    rows, columns = pixels.shape[0] // 32, pixels.shape[1] // 32
    return pixels.reshape(rows, 32, columns, 32, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, 32, 32)
