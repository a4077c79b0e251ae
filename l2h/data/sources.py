"""Where images come from: CIFAR-10, looked for, downloaded and checked, or scikit-learn's digits in its place."""

import errno
import hashlib
import logging
import os
import queue
import shutil
import socket
import ssl
import threading
import urllib.request
from collections.abc import Mapping
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.error import HTTPError, URLError

import numpy as np

from l2h import checks

CLASSES = {
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "digits": ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
}
SEED = 20240916  # of every split, and no parameter: all experiments with the same sizes share their parts
PATIENCE = 6.0  # seconds after which a silent host counts as out of reach
ROOM = 400_000_000  # bytes: the archive and the files unpacked from it lie side by side for a moment
FILES = "cifar-10-batches-py"
NO_ANSWER = (URLError, TimeoutError, ConnectionError, ssl.SSLError, HTTPException)
REMEDY = (
    f"Set L2H_DATA to a folder that holds {FILES}, unpacked from "
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz, or ask for source='digits'"
)


class Images(NamedTuple):
    """Training and test images (n, 3, 32, 32) uint8, with the numbers (n,) of their classes in CLASSES."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def read(source: str | None = None, folder: str | Path | None = None) -> tuple[str, Images]:
    """All images of a source; whoever needs only some of them keeps those and lets go of the rest.

    Args:
        source: "cifar10", "digits", or None: CIFAR-10 where it can be had, else digits, which the log announces.
        folder: where CIFAR-10 lies, as in `find`.

    Returns:
        The source that was read, and its images.

    Raises:
        ValueError: if the source is unknown, a folder comes with digits, or files are not CIFAR-10's.
        OSError: as `find`; also if the source is "cifar10" and nothing answers.

    >>> source, images = read("digits")
    >>> source, images.x.shape, images.x_test.shape
    ('digits', (1348, 3, 32, 32), (449, 3, 32, 32))

    Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009; scikit-learn, load_digits.
    """
    checks.one_of((None, *CLASSES), source=source)
    if source == "digits":
        if folder is not None:
            raise ValueError(f"expected no folder with source='digits', which reads none, got {folder}")
        return source, _digits()
    found, reason = _locate(folder)
    if found:
        return "cifar10", _cifar10(found)
    if source:
        raise FileNotFoundError(f"CIFAR-10 is not at hand ({reason}). {REMEDY}")
    _announce(reason)
    return "digits", _digits()


def find(folder: str | Path | None = None) -> Path | None:
    """The folder that holds cifar-10-batches-py: the argument, L2H_DATA, the user's cache, or a download into it.

    A folder that is named must hold CIFAR-10; it is only read. The download is tried once per process.

    Args:
        folder: None asks L2H_DATA, then the cache ($XDG_CACHE_HOME or ~/.cache, then l2h).

    Returns:
        An absolute path, or None where nothing answers to a download within PATIENCE seconds.

    Raises:
        ValueError: if the folder is named by a blank, or the download is not CIFAR-10.
        OSError: if files are missing, the cache cannot be written, or the disk is full.

    >>> find("/nowhere")
    Traceback (most recent call last):
    FileNotFoundError: no data_batch_1 in /nowhere/cifar-10-batches-py: complete or delete that folder. Set ...
    """
    return _locate(folder)[0]


def named(folder: str | Path | None = None, *, remedy: str = REMEDY) -> Path | None:
    """The folder that the argument names, or else L2H_DATA.

    Args:
        folder: None asks L2H_DATA.
        remedy: what the user can do, for the error.

    Returns:
        An absolute path, which need not exist; None where neither names one.

    Raises:
        ValueError: if the name is a blank.

    >>> str(named("/data"))
    '/data'
    """
    given = os.environ.get("L2H_DATA") if folder is None else folder
    if given is None:
        return None
    if not str(given).strip():
        raise ValueError(f"expected L2H_DATA or folder to name a folder, got a blank. {remedy}")
    return Path(given).expanduser().absolute()


def differing(checksums: Mapping[Path, str]) -> str:
    """Which files differ from those that were published, and how; empty where none does.

    Args:
        checksums: files, and the MD5 of their published form.

    Returns:
        The files with the MD5 and size that were found, in one line.

    Raises:
        OSError: if a file cannot be read.

    >>> differing({Path("/nowhere"): "d41d8cd98f00b204e9800998ecf8427e"})
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: '/nowhere'
    """
    wrong = []
    for file, expected in checksums.items():
        content = file.read_bytes()
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != expected:
            wrong.append(f"{file} has MD5 {found} ({len(content)} bytes) in place of {expected}")
    return "; ".join(wrong)


def stratified(labels: np.ndarray) -> np.ndarray:
    """A permutation, always the same, each stretch of which holds the classes in proportion.

    Args:
        labels: (n,) class numbers.

    Returns:
        (n,) positions.

    >>> np.array([5, 5, 5, 5, 7, 7])[stratified(np.array([5, 5, 5, 5, 7, 7]))].tolist()
    [5, 7, 5, 5, 7, 5]
    """
    random = np.random.default_rng(SEED)
    rank = np.empty(len(labels))
    for label in np.unique(labels):
        count = int((labels == label).sum())
        rank[labels == label] = (random.permutation(count) + 0.5) / count
    return np.argsort(rank, kind="stable")


def _locate(folder: str | Path | None) -> tuple[Path | None, str]:
    """What `find` returns, with the reason where that is None."""
    given = named(folder)
    if given is not None:
        return _complete(given), ""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "l2h"
    reason = "" if (cache / FILES).exists() else _download(cache)
    return (None, reason) if reason else (_complete(cache), "")


def _complete(folder: Path) -> Path:
    """The folder itself, if none of CIFAR-10's files is missing."""
    for file in _checksums(folder):
        if not file.is_file():
            raise FileNotFoundError(f"no {file.name} in {file.parent}: complete or delete that folder. {REMEDY}")
    return folder


def _checksums(folder: Path) -> dict[Path, str]:
    """CIFAR-10's files and their MD5."""
    from torchvision.datasets import CIFAR10  # slow to import, and digits do without

    listed = [*CIFAR10.train_list, *CIFAR10.test_list, (CIFAR10.meta["filename"], CIFAR10.meta["md5"])]
    return {folder / FILES / name: md5 for name, md5 in listed}


@lru_cache
def _download(cache: Path) -> str:
    """Fetch CIFAR-10 into the cache, whole or not at all; say why where nothing answers."""
    from torchvision.datasets import CIFAR10

    before = socket.getdefaulttimeout()
    try:
        _reach(CIFAR10.url)
        socket.setdefaulttimeout(PATIENCE)  # torchvision sets none of its own
        _fetch(cache)
    except NO_ANSWER as error:
        return str(error) or type(error).__name__
    except OSError as error:
        raise OSError(error.errno, f"cannot keep CIFAR-10 in {cache} ({error.strerror}). {REMEDY}") from error
    except RuntimeError as error:
        raise ValueError(f"{CIFAR10.url} sent something else than CIFAR-10 (its MD5 differs). {REMEDY}") from error
    finally:
        socket.setdefaulttimeout(before)
    return ""


def _reach(url: str) -> None:
    """Raise what keeps us from url. In a thread, since looking up a host's name has no time limit."""
    outcome: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            urllib.request.urlopen(url, timeout=PATIENCE).close()
            outcome.put(None)
        except (OSError, HTTPException) as error:
            if isinstance(error, HTTPError):
                error.close()  # such an error is an open response
            outcome.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        error = outcome.get(timeout=PATIENCE)
    except queue.Empty:
        error = TimeoutError(f"no answer within {PATIENCE:g} s")
    if error:
        raise error


def _fetch(cache: Path) -> None:
    """Download next to the place and move there: another process may do the same, and any may be interrupted."""
    from torchvision.datasets import CIFAR10

    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache) as scratch:
        if shutil.disk_usage(scratch).free < ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        CIFAR10(scratch, download=True)
        if not (cache / FILES).exists():
            (Path(scratch) / FILES).rename(cache / FILES)


@lru_cache
def _announce(reason: str) -> None:
    """Say it once per process."""
    logging.getLogger(__name__).warning("CIFAR-10 is not at hand (%s): digits take its place. %s", reason, REMEDY)


def _cifar10(folder: Path) -> Images:
    from torchvision.datasets import CIFAR10

    try:
        # One file at a time: all at once would need twice the memory of the images while they are joined.
        files = [type("OneFile", (CIFAR10,), {"train_list": [file]}) for file in CIFAR10.train_list]
        x, y = np.empty((0, 3, 32, 32), dtype=np.uint8), list[int]()
        for file in files:
            part = file(folder)
            x = x if len(x) else np.empty((len(files) * len(part), 3, 32, 32), dtype=np.uint8)
            x[len(y) : len(y) + len(part)] = part.data.transpose(0, 3, 1, 2)
            y += part.targets
        test = CIFAR10(folder, train=False)
    except RuntimeError as error:  # torchvision found a wrong MD5, and does not say where
        raise ValueError(
            f"not CIFAR-10: {differing(_checksums(folder))}. Replace or delete that folder. {REMEDY}"
        ) from error
    return Images(x, np.array(y), test.data.transpose(0, 3, 1, 2), np.array(test.targets))


@lru_cache(maxsize=1)
def _digits() -> Images:
    """All ten digits, 8x8 enlarged to 32x32 and grey as three equal channels, so that every network runs unchanged."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = np.rint(bunch.images * (255 / 16)).astype(np.uint8)  # (n, 8, 8)
    x = np.repeat(grey.repeat(4, axis=1).repeat(4, axis=2)[:, None], 3, axis=1)  # (n, 3, 32, 32)
    order = stratified(bunch.target)
    test, train = (np.sort(where) for where in np.split(order, [len(order) // 4]))
    return Images(x[train], bunch.target[train], x[test], bunch.target[test])
