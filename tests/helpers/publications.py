"""Small files in the format of each published data set, which count as the published ones."""

import gzip
import hashlib
import io
import json
import pickle
import wave
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from l2h.data import published

SPEAKERS = ("george", "yweweler")
DOMAINS = {"home": ["lights", "thermostat"], "kitchen_and_dining": ["recipe"], "utility": ["time"], "work": ["pto"]}
QUERIES = {
    "train": [["lights on", "lights"], ["it is cold", "thermostat"], ["cook what", "recipe"], ["what time", "time"],
              ["days off", "pto"], ["lamp off", "lights"]],
    "val": [["time please", "time"], ["vacation", "pto"]],
    "test": [["how to bake", "recipe"], ["how late is it", "time"], ["lights off please", "lights"]],
    "oos_train": [["who won", "oos"]],
    "oos_val": [["sing", "oos"]],
    "oos_test": [["dow jones", "oos"], ["overdraft", "oos"]],
}  # fmt: skip


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def npz(**arrays):
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    return packed.getvalue()


def zipped(files, prefix=""):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(prefix + name), content)  # without the time, for equal bytes
    return packed.getvalue()


def webp(images):
    """A mosaic of 2 x 2 images (4, 32, 32, 3)."""
    packed = io.BytesIO()
    pixels = images.reshape(2, 2, 32, 32, 3).swapaxes(1, 2).reshape(64, 64, 3)
    Image.fromarray(pixels).save(packed, "webp", lossless=True, exact=True)
    return packed.getvalue()


def cifar100_images():
    """Three classes in two superclasses, four images of each in each part: (3, 4, 32, 32, 3)."""
    random = np.random.default_rng(0)
    return {part: random.integers(0, 256, (3, 4, 32, 32, 3), dtype=np.uint8) for part in ("train", "test")}


@cache
def cifar100_part():
    names = ["apple", "baby", "pear"]
    index = {"fine_label_names": names, "coarse_label_names": ["fruit", "people"], "coarse_of_fine": [0, 1, 0]}
    files = {"index.json.gz": gzip.compress(json.dumps(index).encode(), mtime=0)}
    for part, images in cifar100_images().items():
        files |= {f"{part}/{name}.webp": webp(tiles) for name, tiles in zip(names, images, strict=True)}
    sums = "".join(f"{sha256(content)}  ./{name}\n" for name, content in files.items())
    return {**files, "SHA256SUMS": sums.encode()}


@cache
def cifar100_python():
    files = {}
    for part, images in cifar100_images().items():
        rows = images.reshape(12, 32, 32, 3).transpose(0, 3, 1, 2).reshape(12, 3072)
        fine = np.repeat(np.arange(3), 4).tolist()
        files[part] = {"data": rows, "fine_labels": fine, "coarse_labels": [[0, 1, 0][k] for k in fine]}
    files["meta"] = {"fine_label_names": ["apple", "baby", "pear"], "coarse_label_names": ["fruit", "people"]}
    return {name: pickle.dumps(held) for name, held in files.items()}


@cache
def clinc150():
    return {"data_full.json": json.dumps(QUERIES).encode(), "domains.json": json.dumps(DOMAINS).encode()}


def word(digit, speaker, take):
    """Samples of a recording: none is 0, and the length differs."""
    random = np.random.default_rng([digit, SPEAKERS.index(speaker), take])
    return random.integers(1, 1000, 1000 + 100 * take).astype("<i2")


@cache
def recordings(takes=(0, 5, 12)):
    files = {}
    for digit, speaker, take in ((d, s, t) for d in range(10) for s in SPEAKERS for t in takes):
        packed = io.BytesIO()
        with wave.open(packed, "wb") as recording:
            recording.setnchannels(1)
            recording.setsampwidth(2)
            recording.setframerate(8000)
            recording.writeframes(word(digit, speaker, take).tobytes())
        files[f"recordings/{digit}_{speaker}_{take}.wav"] = packed.getvalue()
    return files


def motion():
    """One recording of 250 samples for each of ten subjects and seven exercises."""
    random = np.random.default_rng(0)
    pairs = [(exercise, subject) for exercise in range(7) for subject in range(1, 11)]
    return [random.normal(size=(250, 6)) for _ in pairs], np.array(pairs).T


EXERCISES = ["PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"]


@cache
def watch_npy():
    x, (y, subject) = motion()
    packed = io.BytesIO()
    np.save(packed, np.array({"X": x, "y": y, "subject": subject, "y_labels": EXERCISES}, dtype=object))
    return {"watch_dataset.npy": packed.getvalue()}


@cache
def watch_npz():
    x, (y, subject) = motion()
    length = np.array([len(recording) for recording in x], np.int32)
    joined = np.concatenate(x).astype(np.float32)
    content = npz(x=joined, length=length, y=y.astype(np.uint8), subject=subject.astype(np.uint8), exercises=EXERCISES)
    return {"smartwatch.npz": content}


def gas_readings():
    """Two readings of each gas in batches 1, 2, 3, 4 and 10, with six decimals as in the source."""
    batch = np.repeat([1, 2, 3, 4, 10], 12)
    x = np.random.default_rng(0).normal(0, 1000, (60, 128)).round(6)
    return x, np.tile(np.repeat(np.arange(6), 2), 5), batch


@cache
def gas_zip():
    x, y, batch = gas_readings()
    lines = {k: "" for k in np.unique(batch).tolist()}
    for row, gas, k in zip(x, y, batch.tolist(), strict=True):
        lines[k] += f"{gas + 1};10.000000 " + " ".join(f"{i}:{value:.6f}" for i, value in enumerate(row, 1)) + " \n"
    return {"uci270.zip": zipped({f"Dataset/batch{k}.dat": text.encode() for k, text in lines.items()})}


@cache
def gas_npz():
    x, y, batch = gas_readings()
    return {"gas_drift.npz": npz(x=x.astype(np.float32), y=y.astype(np.uint8), batch=batch.astype(np.uint8))}


@cache
def fsdd():
    return {"recordings.zip": zipped(recordings())}


# The editions of each set, in the order of published.PUBLICATIONS.
FILES = {
    "cifar100": (cifar100_python, cifar100_part),
    "clinc150": (clinc150,),
    "fsdd": (fsdd,),
    "smartwatch": (watch_npy, watch_npz),
    "gas_drift": (gas_zip, gas_npz),
}


def write(folder, name, edition=0):
    """Write a small edition into a data folder; returns the folder of the set."""
    home = Path(folder) / published.PUBLICATIONS[name].editions[edition].folder
    for file, content in FILES[name][edition]().items():
        (home / file).parent.mkdir(parents=True, exist_ok=True)
        (home / file).write_bytes(content)
    return home


def count_as_published(monkeypatch, scratch):
    """Let the small files have the hashes of the published ones."""
    for name, publication in list(published.PUBLICATIONS.items()):
        editions = []
        for number, edition in enumerate(publication.editions):
            home = write(scratch / f"{name}-{number}", name, number)
            kinds = {file: known_hash.partition(":")[0] for file, known_hash in edition.hashes.items()}
            hashes = {file: f"{kind}:{published.file_hash(home / file, kind)}" for file, kind in kinds.items()}
            editions.append(edition._replace(hashes=hashes))
        monkeypatch.setitem(published.PUBLICATIONS, name, publication._replace(editions=tuple(editions)))
