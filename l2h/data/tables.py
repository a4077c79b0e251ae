"""Measurements: motion at a wrist, gas sensors that age, and small tables that installed packages ship."""

import re
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from l2h import checks

WINDOW_SAMPLES = 100  # 2 s at 50 Hz; windows of a recording do not overlap, and what is left at its end is dropped
N_ACCELERATIONS = 3  # the first three of six channels
N_GAS_FEATURES = 128
GASES = ("Ethanol", "Ethylene", "Ammonia", "Acetaldehyde", "Acetone", "Toluene")
GAS_DRIFT_MONTHS = {
    1: "1-2", 2: "3-10", 3: "11-13", 4: "14-15", 5: "16", 6: "17-20", 7: "21", 8: "22-23", 9: "24 and 30", 10: "36",
}  # fmt: skip


class Motion(NamedTuple):
    """Windows (n, 100, 6) float32 at 50 Hz; exercise (n,) in `exercises`; subject (n,) from 1."""

    x: np.ndarray
    exercise: np.ndarray
    subject: np.ndarray
    exercises: tuple[str, ...]


class GasReadings(NamedTuple):
    """Features (n, 128) float32 of 16 sensors; gas (n,) in GASES; batch (n,), a key of GAS_DRIFT_MONTHS."""

    x: np.ndarray
    gas: np.ndarray
    batch: np.ndarray


class PackagedTable(NamedTuple):
    """A table that an installed package ships: x (n, d) float32; y (n,) in `classes`."""

    x: np.ndarray
    y: np.ndarray
    classes: tuple[str, ...]


def read_smartwatch(folder: Path) -> Motion:
    """All whole windows of the recordings in checked files.

    Args:
        folder: with `watch_dataset.npy` as published, or `smartwatch.npz`.

    Returns:
        Windows in the order of the recordings. Channels: three accelerations (about 1 at rest, so in g), three rates
        of rotation (rad/s, by their magnitude); the source states no unit.

    Raises:
        OSError: if a file cannot be read.

    Source: Burns et al., Shoulder physiotherapy exercise recognition, 2018.
    """
    if (folder / "watch_dataset.npy").is_file():
        # The hash of this file is checked before: a pickle of an unknown origin could run code.
        held = np.load(folder / "watch_dataset.npy", allow_pickle=True).item()
        recordings, exercises = held["X"], held["y_labels"]
    else:
        held = dict(np.load(folder / "smartwatch.npz", allow_pickle=False))
        recordings = np.split(held["x"], np.cumsum(held["length"])[:-1])
        exercises = held["exercises"].tolist()
    windows = [cut_windows(recording) for recording in recordings]
    counts = [len(part) for part in windows]
    exercise, subject = (np.repeat(np.asarray(held[key], dtype=np.int64), counts) for key in ("y", "subject"))
    return Motion(np.concatenate(windows), exercise, subject, tuple(exercises))


def cut_windows(recording: np.ndarray) -> np.ndarray:
    """The whole windows of a recording.

    Args:
        recording: (samples, channels).

    Returns:
        (samples // 100, 100, channels) float32.

    >>> cut_windows(np.zeros((250, 6))).shape
    (2, 100, 6)
    """
    n_windows = len(recording) // WINDOW_SAMPLES
    used = np.asarray(recording[: n_windows * WINDOW_SAMPLES], dtype=np.float32)
    return used.reshape(n_windows, WINDOW_SAMPLES, recording.shape[1])


def mean_acceleration(x: np.ndarray) -> np.ndarray:
    """The mean of each acceleration over a window: how the wrist is held, not how it moves.

    Args:
        x: (n, samples, 6) windows, accelerations first.

    Returns:
        (n, 3), in the unit of x, g.
    """
    return x[:, :, :N_ACCELERATIONS].mean(axis=1)


def first_measurements(x: np.ndarray) -> np.ndarray:
    """The first quarter of the columns of a table, or of the rows of images, rounded up.

    Args:
        x: (n, d), or images (n, channels, rows, columns).

    Returns:
        (n, ceil(d / 4)), or (n, channels, ceil(rows / 4), columns).
    """
    return x[:, : -(-x.shape[1] // 4)] if x.ndim == 2 else x[:, :, : -(-x.shape[2] // 4)]


def read_gas_drift(folder: Path) -> GasReadings:
    """All readings in checked files, batch by batch in order of time.

    Args:
        folder: with `uci270.zip` as published, or `gas_drift.npz`.

    Returns:
        Eight features of each of 16 sensors, in the units of the source: their standard deviations differ
        more than 100,000-fold, so scale each column by the training part before use.

    Raises:
        OSError: if a file cannot be read.
        ValueError: if a line of a batch is not `gas;concentration 1:value ... 128:value`.

    Source: Vergara et al., Chemical gas sensor drift compensation using classifier ensembles, 2012.
    """
    if not (folder / "uci270.zip").is_file():
        held = np.load(folder / "gas_drift.npz", allow_pickle=False)
        return GasReadings(held["x"], held["y"].astype(np.int64), held["batch"].astype(np.int64))
    tables = {}
    with zipfile.ZipFile(folder / "uci270.zip") as archive:
        for member in archive.namelist():
            if found := re.search(r"(?:^|/)batch(\d+)\.dat$", member):
                tables[int(found[1])] = _parse_batch(archive.read(member).decode(), member)
    batches = sorted(tables)
    x, gas = (np.concatenate([tables[batch][k] for batch in batches]) for k in (0, 1))
    return GasReadings(x, gas, np.repeat(batches, [len(tables[batch][1]) for batch in batches]))


def read_wine() -> PackagedTable:
    """Thirteen chemical measurements of 178 wines of three cultivars, from scikit-learn."""
    from sklearn.datasets import load_wine

    return _packaged(load_wine())


def read_breast_cancer() -> PackagedTable:
    """Thirty measurements of the cell nuclei of 569 tumours, malignant or benign, from scikit-learn."""
    from sklearn.datasets import load_breast_cancer

    return _packaged(load_breast_cancer())


def read_segments() -> PackagedTable:
    """Eighteen measurements of 2,310 regions of outdoor images of seven kinds, from river.

    Raises:
        ModuleNotFoundError: if river is not installed.
    """
    try:
        from river.datasets import ImageSegments
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "image segments are shipped by river, which is not installed: install l2h[drift]", name=error.name
        ) from error
    rows, labels = zip(*((list(row.values()), label) for row, label in ImageSegments()), strict=True)
    classes, y = np.unique(labels, return_inverse=True)
    return PackagedTable(np.array(rows, dtype=np.float32), y, tuple(classes.tolist()))


def _packaged(bunch: dict) -> PackagedTable:
    return PackagedTable(bunch["data"].astype(np.float32), bunch["target"], tuple(map(str, bunch["target_names"])))


def _parse_batch(text: str, member: str) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, 128) and gases (n,) from 0 of the lines of a batch."""
    rows = [re.sub(r"[;:]", " ", line).split() for line in text.splitlines() if line.strip()]
    for number, row in enumerate(rows, 1):
        if row[2::2] != [str(k) for k in range(1, N_GAS_FEATURES + 1)] or len(row) != 2 + 2 * N_GAS_FEATURES:
            raise ValueError(f"expected gas;concentration 1:value ... 128:value in line {number} of {member}")
    gas = np.array([int(row[0]) - 1 for row in rows])
    checks.class_labels(len(GASES), **{f"gas - 1 in {member}": gas})
    return np.array([row[3::2] for row in rows], dtype=np.float64).astype(np.float32), gas
