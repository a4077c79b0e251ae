"""Data sets that a user may have, read from a folder of theirs and never downloaded: CIFAR-100, SVHN, ImageNet.

No chapter computes on them. Only images of the classes that are asked for are kept, and of ImageNet only those are
opened: reading 1.2 million files to keep two classes would be waste.
"""

import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from l2h import checks
from l2h.data.sources import Images, checksum_mismatches, configured_folder

SIDE = 32  # pixels, as in all other sources
PARTS = ("train", "val")  # ImageNet's test images have no public labels, so the validation images take their place
MANY = 100  # class names that an error lists; of more it shows some
REMEDIES = {
    "cifar100": (
        "Nothing is downloaded: set L2H_DATA, or folder, to a folder that holds cifar-100-python, unpacked from "
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    ),
    "svhn": (
        "Nothing is downloaded: set L2H_DATA, or folder, to a folder that holds train_32x32.mat and test_32x32.mat "
        "from http://ufldl.stanford.edu/housenumbers"
    ),
    "imagenet": (
        "Nothing is downloaded: set L2H_DATA, or folder, to a folder that holds train and val, each with one folder "
        "of images per class, such as train/n01440764; those who register get the archives from "
        "https://image-net.org, and torchvision.datasets.ImageNet unpacks them in this form"
    ),
}
OTHERS = tuple(REMEDIES)


def names(source: str, folder: str | Path | None = None) -> tuple[str, ...]:
    """The classes of a source, in the order of their numbers.

    Args:
        source: "cifar100" (its 100 fine classes), "svhn" (the ten digits), or "imagenet" (the folders in train).
        folder: where the data set lies; None asks L2H_DATA. SVHN's classes need none.

    Returns:
        Names.

    Raises:
        ValueError: if the source is unknown, the folder is named by a blank, or CIFAR-100's names are not the
            published ones.
        OSError: if no folder is named, or it does not hold the data set.

    >>> names("svhn")
    ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')

    Source: torchvision.datasets, whose order this is: CIFAR100, SVHN and ImageFolder.
    """
    checks.one_of(OTHERS, source=source)
    if source == "svhn":
        return tuple(map(str, range(10)))
    home = _home(source, folder)
    return _fine_names(home) if source == "cifar100" else _class_folders(home / PARTS[0])


def read(source: str, classes: Sequence[str], folder: str | Path | None = None) -> Images:
    """The images of some classes of a source, 32 x 32; of ImageNet no other image is opened.

    An image of ImageNet is scaled until its shorter side has 32 pixels, with a filter as wide as the pixels that
    arise (so that fine patterns do not turn into coarse ones), and cropped in the middle.

    Args:
        source: "cifar100", "svhn" (without its extra images), or "imagenet" (whose validation images are the test).
        classes: out of `names`.
        folder: where the data set lies; None asks L2H_DATA.

    Returns:
        Images, with the numbers of their classes in `names`.

    Raises:
        ValueError: if the source or a class is unknown, the folder is named by a blank, a file is not the published
            one (its MD5 differs), or not an image.
        OSError: if no folder is named, or it does not hold the data set, or no image of a class.

    >>> read("svhn", ("3", "5"), "/nowhere")
    Traceback (most recent call last):
    FileNotFoundError: no train_32x32.mat in /nowhere. Nothing is downloaded: set L2H_DATA, ...

    Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009; Netzer et al., Reading digits in
    natural images with unsupervised feature learning, 2011; Russakovsky et al., ImageNet large scale visual
    recognition challenge, 2015.
    """
    known = names(source, folder)
    refuse_unknown(classes, known, source)
    numbers = {name: known.index(name) for name in classes}
    home = _home(source, folder)
    if source == "imagenet":
        (x, y), (x_test, y_test) = (_shrunk(home / part, numbers) for part in PARTS)
    else:
        _check(source, _checksums(source, home))
        parts = _cifar100(home) if source == "cifar100" else _svhn(home)
        (x, y), (x_test, y_test) = (_kept(x, y, numbers) for x, y in parts)
    return Images(x, y, x_test, y_test)


def refuse_unknown(classes: Sequence[str], known: Sequence[str], source: str) -> None:
    """Refuse a class that a source does not have.

    Args:
        classes: what was asked for.
        known: what there is.
        source: its name, for the error.

    Raises:
        ValueError: with the classes that there are, or with the first of many.

    >>> refuse_unknown(("3", "x"), ("3", "5"), "svhn")
    Traceback (most recent call last):
    ValueError: expected class of svhn to be one of '3', '5', got 'x'
    """
    for name in classes:
        if name not in known:
            listed = ", ".join(map(repr, known if len(known) <= MANY else known[:10]))
            rest = "" if len(known) <= MANY else f", ... ({len(known)} in all)"
            raise ValueError(f"expected class of {source} to be one of {listed}{rest}, got {name!r}")


def _home(source: str, folder: str | Path | None) -> Path:
    home = configured_folder(folder, hint=REMEDIES[source])
    if home is None:
        raise FileNotFoundError(f"{source} is not at hand: neither folder nor L2H_DATA is set. {REMEDIES[source]}")
    return home


def _checksums(source: str, home: Path) -> dict[Path, str]:
    """The files of a source and their MD5."""
    from torchvision.datasets import CIFAR100, SVHN  # slow to import, and the other sources do without

    if source == "svhn":
        return {home / name: md5 for _, name, md5 in (SVHN.split_list["train"], SVHN.split_list["test"])}
    return _meta(home) | {
        home / CIFAR100.base_folder / name: md5 for name, md5 in (*CIFAR100.train_list, *CIFAR100.test_list)
    }


def _meta(home: Path) -> dict[Path, str]:
    """The file of CIFAR-100 that holds the names, and its MD5."""
    from torchvision.datasets import CIFAR100

    return {home / CIFAR100.base_folder / CIFAR100.meta["filename"]: CIFAR100.meta["md5"]}


def _check(source: str, checksums: Mapping[Path, str]) -> None:
    """Refuse files that are missing or are others than those that were published."""
    for file in checksums:
        if not file.is_file():
            raise FileNotFoundError(f"no {file.name} in {file.parent}. {REMEDIES[source]}")
    if wrong := checksum_mismatches(checksums):
        raise ValueError(f"not {source} as published: {wrong}. Replace what differs. {REMEDIES[source]}")


def _fine_names(home: Path) -> tuple[str, ...]:
    _check("cifar100", _meta(home))  # before it is unpickled, which could run any code
    (file,) = _meta(home)
    return tuple(pickle.loads(file.read_bytes(), encoding="latin1")["fine_label_names"])


def _class_folders(train: Path) -> tuple[str, ...]:
    found = sorted(entry.name for entry in train.iterdir() if entry.is_dir()) if train.is_dir() else []
    if not found:
        raise FileNotFoundError(f"no folder of a class in {train}. {REMEDIES['imagenet']}")
    return tuple(found)


def _cifar100(home: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from torchvision.datasets import CIFAR100

    for train in (True, False):
        part = CIFAR100(home, train=train)
        yield part.data.transpose(0, 3, 1, 2), np.array(part.targets)


def _svhn(home: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from torchvision.datasets import SVHN

    for split in ("train", "test"):
        part = SVHN(home, split=split)
        yield part.data, part.labels


def _kept(x: np.ndarray, y: np.ndarray, numbers: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """A copy of the images of some classes, so that the rest can be let go."""
    where = np.isin(y, list(numbers.values()))
    return np.ascontiguousarray(x[where]), y[where]


def _shrunk(part: Path, numbers: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """The images of some classes, in the order of their paths."""
    from torchvision.datasets.folder import IMG_EXTENSIONS, make_dataset

    files = make_dataset(str(part), dict(numbers), IMG_EXTENSIONS, allow_empty=True)
    y = np.array([number for _, number in files], dtype=np.int64)
    for name, number in numbers.items():
        if number not in y:
            raise FileNotFoundError(f"no image in {part / name}. {REMEDIES['imagenet']}")
    x = np.empty((len(files), 3, SIDE, SIDE), dtype=np.uint8)
    for i, (path, _) in enumerate(files):
        x[i] = _image(path)
    return x, y


def _image(path: str) -> np.ndarray:
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            small = ImageOps.fit(image.convert("RGB"), (SIDE, SIDE), Image.Resampling.BILINEAR)
    except OSError as error:  # Pillow's, for files that are no images or break off
        raise ValueError(f"expected an image in {path}: {error}. Replace or delete that file.") from error
    return np.asarray(small).transpose(2, 0, 1)
