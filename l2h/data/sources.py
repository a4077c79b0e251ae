"""Sources of images: CIFAR-10, found or downloaded and checked, or else scikit-learn's digits."""

import errno
import hashlib
import logging
import os
import queue
import shutil
import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from l2h import checks

CLASSES = {
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "digits": ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
}
SPLIT_SEED = 20240916  # fixed, so that all experiments with the same sizes have the same splits
DOWNLOAD_TIMEOUT = 6.0  # seconds without an answer after which a host counts as unreachable
CHUNK_SIZE = 2**16  # bytes that are written at once
DISK_SPACE_NEEDED = 400_000_000  # bytes: the archive and its unpacked files exist at the same time
CIFAR10_FOLDER = "cifar-10-batches-py"
INSTALL_HINT = (
    f"Set L2H_DATA to a folder that holds {CIFAR10_FOLDER}, unpacked from "
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz, or ask for source='digits'"
)


class Images(NamedTuple):
    """Training and test images (n, 3, 32, 32) uint8, with the numbers (n,) of their classes in CLASSES."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def read_images(source: str | None = None, folder: str | Path | None = None) -> tuple[str, Images]:
    """All images of a source.

    Args:
        source: "cifar10", "digits", or None: CIFAR-10 where it is available, else digits, with a warning in the log.
        folder: that holds CIFAR-10, as in `find_cifar10`.

    Returns:
        The source that was read, and its images.

    Raises:
        ValueError: if the source is unknown, a folder comes with digits, or files are not CIFAR-10's.
        OSError: as `find_cifar10`; also if the source is "cifar10" and it is not available.

    >>> source, images = read_images("digits")
    >>> source, images.x.shape, images.x_test.shape
    ('digits', (1348, 3, 32, 32), (449, 3, 32, 32))

    Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009; scikit-learn, load_digits.
    """
    checks.one_of((None, *CLASSES), source=source)
    if source == "digits":
        if folder is not None:
            raise ValueError(f"expected no folder with source='digits', which reads none, got {folder}")
        return source, _read_digits()
    cifar10_folder, reason = _locate_cifar10(folder)
    if cifar10_folder:
        return "cifar10", _read_cifar10(cifar10_folder)
    if source:
        raise FileNotFoundError(f"CIFAR-10 is not available ({reason}). {INSTALL_HINT}")
    _warn_fallback(reason)
    return "digits", _read_digits()


def find_cifar10(folder: str | Path | None = None) -> Path | None:
    """The folder that holds cifar-10-batches-py: the argument, L2H_DATA, the user's cache, or a download into it.

    A folder that is named must hold CIFAR-10; it is only read. The download is tried once per process.

    Args:
        folder: None reads L2H_DATA, then uses the cache ($XDG_CACHE_HOME or ~/.cache, then l2h).

    Returns:
        An absolute path, or None if the download meets no answer within DOWNLOAD_TIMEOUT seconds or breaks off.

    Raises:
        ValueError: if the name of the folder is blank, or the download is not CIFAR-10.
        OSError: if files are missing, the cache cannot be written, or the disk is full.

    >>> find_cifar10("/nowhere")
    Traceback (most recent call last):
    FileNotFoundError: no data_batch_1 in /nowhere/cifar-10-batches-py: complete or delete that folder. Set ...
    """
    return _locate_cifar10(folder)[0]


def configured_folder(folder: str | Path | None = None) -> Path | None:
    """The folder that the argument names, or else L2H_DATA.

    Args:
        folder: None reads L2H_DATA.

    Returns:
        An absolute path, which need not exist; None where neither names one.

    Raises:
        ValueError: if the name is blank.

    >>> str(configured_folder("/data"))
    '/data'
    """
    folder_name = os.environ.get("L2H_DATA") if folder is None else folder
    if folder_name is None:
        return None
    if not str(folder_name).strip():
        raise ValueError(f"expected L2H_DATA or folder to name a folder, got a blank. {INSTALL_HINT}")
    return Path(folder_name).expanduser().absolute()


def checksum_mismatches(checksums: Mapping[Path, str]) -> str:
    """The files that differ from the published ones; empty if none does.

    Args:
        checksums: files, with the MD5 of the published ones.

    Returns:
        The files with their MD5 and size, in one line.

    Raises:
        OSError: if a file cannot be read.

    >>> checksum_mismatches({Path("/nowhere"): "d41d8cd98f00b204e9800998ecf8427e"})
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: '/nowhere'
    """
    mismatches = []
    for file, expected in checksums.items():
        content = file.read_bytes()
        actual = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if actual != expected:
            mismatches.append(f"{file} has MD5 {actual} ({len(content)} bytes) in place of {expected}")
    return "; ".join(mismatches)


def stratified_permutation(labels: np.ndarray) -> np.ndarray:
    """A fixed permutation; each contiguous section has the classes in proportion.

    Args:
        labels: (n,) class numbers.

    Returns:
        (n,) positions.

    >>> np.array([5, 5, 5, 5, 7, 7])[stratified_permutation(np.array([5, 5, 5, 5, 7, 7]))].tolist()
    [5, 7, 5, 5, 7, 5]
    """
    random = np.random.default_rng(SPLIT_SEED)
    rank = np.empty(len(labels))
    for label in np.unique(labels):
        count = int((labels == label).sum())
        rank[labels == label] = (random.permutation(count) + 0.5) / count
    return np.argsort(rank, kind="stable")


def _locate_cifar10(folder: str | Path | None) -> tuple[Path | None, str]:
    """The result of `find_cifar10`, with the reason where it is None."""
    configured = configured_folder(folder)
    if configured is not None:
        return _check_complete(configured), ""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "l2h"
    reason = "" if (cache / CIFAR10_FOLDER).exists() else _download(cache)
    return (None, reason) if reason else (_check_complete(cache), "")


def _check_complete(folder: Path) -> Path:
    """The folder, if none of CIFAR-10's files is missing."""
    for file in _cifar10_checksums(folder):
        if not file.is_file():
            raise FileNotFoundError(f"no {file.name} in {file.parent}: complete or delete that folder. {INSTALL_HINT}")
    return folder


def _cifar10_checksums(folder: Path) -> dict[Path, str]:
    """CIFAR-10's files and their MD5."""
    from torchvision.datasets import CIFAR10  # slow to import, and digits do without

    listed = [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]
    return {folder / CIFAR10_FOLDER / name: md5 for name, md5 in listed}


@lru_cache
def _download(cache: Path) -> str:
    """Download CIFAR-10 into the cache, completely or not at all; returns the reason where the network is to blame."""
    from requests import RequestException
    from requests.exceptions import ChunkedEncodingError
    from torchvision.datasets import CIFAR10

    try:
        _check_reachable(CIFAR10.url)
        _download_atomically(cache)
    except ChunkedEncodingError as error:
        return f"the transfer broke off: {error}"
    except (RequestException, TimeoutError) as error:
        return str(error) or type(error).__name__
    except OSError as error:
        raise OSError(error.errno, f"cannot write CIFAR-10 to {cache} ({error.strerror}). {INSTALL_HINT}") from error
    except ValueError as error:
        raise ValueError(
            f"{CIFAR10.url} sent something else than CIFAR-10 (its MD5 differs). {INSTALL_HINT}"
        ) from error
    return ""


def _check_reachable(url: str) -> None:
    """Raise the error that a request meets. It runs in a thread, since the look-up of a name has no time limit."""
    import requests

    outcome: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def request() -> None:
        try:
            with requests.get(url, stream=True, timeout=DOWNLOAD_TIMEOUT) as response:
                response.raise_for_status()
            outcome.put(None)
        except requests.RequestException as error:
            outcome.put(error)

    threading.Thread(target=request, daemon=True).start()
    try:
        error = outcome.get(timeout=DOWNLOAD_TIMEOUT)
    except queue.Empty:
        error = TimeoutError(f"no answer within {DOWNLOAD_TIMEOUT:g} s")
    if error:
        raise error


def _download_atomically(cache: Path) -> None:
    """Download beside the destination, then rename: another process may do the same, and any may be interrupted."""
    import pooch
    from torchvision.datasets import CIFAR10

    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache) as scratch:
        if shutil.disk_usage(scratch).free < DISK_SPACE_NEEDED:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        pooch.retrieve(
            CIFAR10.url,
            known_hash=f"md5:{CIFAR10.tgz_md5}",
            path=scratch,
            processor=pooch.Untar(extract_dir="."),
            downloader=pooch.HTTPDownloader(progressbar=True, chunk_size=CHUNK_SIZE, timeout=DOWNLOAD_TIMEOUT),
        )
        if not (cache / CIFAR10_FOLDER).exists():
            (Path(scratch) / CIFAR10_FOLDER).rename(cache / CIFAR10_FOLDER)


@lru_cache
def _warn_fallback(reason: str) -> None:
    """Log the warning once per process."""
    logging.getLogger(__name__).warning(
        "CIFAR-10 is not available (%s): the digits are used instead. %s", reason, INSTALL_HINT
    )


def _read_cifar10(folder: Path) -> Images:
    from torchvision.datasets import CIFAR10

    try:
        # One file at a time: reading all at once needs twice the memory of the images while they are joined.
        files = [type("OneFile", (CIFAR10,), {"train_list": [file]}) for file in CIFAR10.train_list]
        x, y = np.empty((0, 3, 32, 32), dtype=np.uint8), list[int]()
        for file in files:
            part = file(folder)
            x = x if len(x) else np.empty((len(files) * len(part), 3, 32, 32), dtype=np.uint8)
            x[len(y) : len(y) + len(part)] = part.data.transpose(0, 3, 1, 2)
            y += part.targets
        test = CIFAR10(folder, train=False)
    except RuntimeError as error:  # torchvision found a wrong MD5 and does not name the file
        raise ValueError(
            f"not CIFAR-10: {checksum_mismatches(_cifar10_checksums(folder))}. "
            f"Replace or delete that folder. {INSTALL_HINT}"
        ) from error
    return Images(x, np.array(y), test.data.transpose(0, 3, 1, 2), np.array(test.targets))


@lru_cache(maxsize=1)
def _read_digits() -> Images:
    """The ten digits, enlarged from 8x8 to 32x32, with three equal channels, as all networks expect."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = np.rint(bunch.images * (255 / 16)).astype(np.uint8)  # (n, 8, 8)
    x = np.repeat(grey.repeat(4, axis=1).repeat(4, axis=2)[:, None], 3, axis=1)  # (n, 3, 32, 32)
    order = stratified_permutation(bunch.target)
    test, train = (np.sort(image_index) for image_index in np.split(order, [len(order) // 4]))
    return Images(x[train], bunch.target[train], x[test], bunch.target[test])
