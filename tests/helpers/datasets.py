"""Small data sets in the folders and files of CIFAR-100, SVHN and ImageNet, as a user would have them."""

import hashlib
import pickle

import numpy as np
from PIL import Image
from scipy.io import savemat
from torchvision.datasets import CIFAR100, SVHN

FINE = ["apple", "baby", *(f"class_{k:02}" for k in range(2, 98)), "maple_tree", "oak_tree"]  # as many as published


def md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def cifar100(folder, monkeypatch, per_class=5):
    """CIFAR-100 with few images of each class, which counts as the published one; returns what its files hold."""
    home, random, held = folder / "cifar-100-python", np.random.default_rng(0), {}
    home.mkdir(parents=True)
    for name, count in (("train", per_class), ("test", 1)):
        fine = random.permutation(np.repeat(np.arange(100), count)).tolist()
        images = random.integers(0, 256, (len(fine), 3072), dtype=np.uint8)
        held[name] = {"data": images, "fine_labels": fine, "coarse_labels": [label // 5 for label in fine]}
        (home / name).write_bytes(pickle.dumps(held[name]))
    (home / "meta").write_bytes(pickle.dumps({"fine_label_names": FINE, "coarse_label_names": ["x"] * 20}))
    monkeypatch.setattr(CIFAR100, "train_list", [["train", md5(home / "train")]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", md5(home / "test")]])
    monkeypatch.setattr(CIFAR100, "meta", {**CIFAR100.meta, "md5": md5(home / "meta")})
    return held


def svhn(folder, monkeypatch, per_class=5):
    """SVHN in the same way: images are (32, 32, 3, n), and the digit 0 is numbered 10."""
    random, held, listed = np.random.default_rng(0), {}, dict(SVHN.split_list)
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", per_class), ("test", 1)):
        y = random.permutation(np.repeat(np.arange(1, 11, dtype=np.uint8), count))
        held[split] = {"X": random.integers(0, 256, (32, 32, 3, len(y)), dtype=np.uint8), "y": y[:, None]}
        file = folder / f"{split}_32x32.mat"
        savemat(file, held[split])
        listed[split] = [listed[split][0], file.name, md5(file)]
    monkeypatch.setattr(SVHN, "split_list", listed)
    return held


def imagenet(folder, per_class=12, classes=("n01440764", "n02102040", "n03000684")):
    """ImageNet with few images, 40 x 48, as PNG, which loses nothing: bright ones of the first class, and so on."""
    random = np.random.default_rng(0)
    for part, count in (("train", per_class), ("val", 3)):
        for number, name in enumerate(classes):
            home = folder / part / name
            home.mkdir(parents=True)
            for k in range(count):
                pixels = random.integers(0, 100, (40, 48, 3)) + 155 - 60 * number
                Image.fromarray(pixels.astype(np.uint8)).save(home / f"{name}_{k:02}.png")
    return classes
