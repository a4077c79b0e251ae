"""Raw images, smaller ones, or features: what is left of the image, and what the server still knows of the label."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from l2h.data.dataset import Dataset, Split, scale_pixels
from l2h.evaluation.crossed import crossed_intervals
from l2h.evaluation.intervals import format_interval
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.run import dataset_for_config, run_environment
from l2h.models.networks import LeNet, mlp
from l2h.training import loop
from l2h.training.config import FAST_TRAINING

FEATURES = 120  # hidden units of the released rejector
DECODER_PENALTY = 1.0  # of the linear decoder's least squares


class Sent(NamedTuple):
    """One way to send an image, of one seed."""

    numbers: int  # that are sent
    restored: float  # share of the pixels' variance that a linear decoder restores
    correct: np.ndarray  # (n,) of the server's labels on the test images


def shrunk(x: Tensor, side: int) -> Tensor:
    """Images with fewer pixels, each the mean of a square, shown at the old size for the same network.

    Args:
        x: (n, 3, 32, 32) bytes.
        side: pixels of a side, a divisor of 32.

    Returns:
        (n, 3, 32, 32) bytes.
    """
    small = functional.adaptive_avg_pool2d(x.to(torch.get_default_dtype()), side)
    return functional.interpolate(small, size=x.shape[2:], mode="nearest").round().to(torch.uint8)


def restored_variance(sent: np.ndarray, pixels: np.ndarray, sent_test: np.ndarray, pixels_test: np.ndarray) -> float:
    r"""The share of the test pixels' variance that a linear decoder restores from what was sent.

    .. math:: 1 - \frac{\sum (x - \hat x)^2}{\sum (x - \bar x)^2}

    Args:
        sent: (n, d) numbers, on which the decoder is fitted.
        pixels: (n, p) what they came from.
        sent_test: (n_test, d) numbers of test images.
        pixels_test: (n_test, p).
    """
    center, mean = sent.mean(0), pixels.mean(0)
    coded = sent - center
    scale = DECODER_PENALTY * float((coded**2).mean())
    weights = np.linalg.solve(coded.T @ coded + scale * np.eye(coded.shape[1]), coded.T @ (pixels - mean))
    residual = pixels_test - mean - (sent_test - center) @ weights
    return float(1 - (residual**2).sum() / ((pixels_test - pixels_test.mean(0)) ** 2).sum())


def send_small_image(dataset: Dataset, side: int, *, seed: int) -> Sent:
    """Train the released server's network on images of a size, and restore the pixels from them.

    Args:
        dataset: two classes.
        side: pixels of a side.
        seed: of the training.
    """
    train, test = (Split(shrunk(split.x, side), split.y) for split in (dataset.train, dataset.test))
    correct = _trained_correctness(LeNet, train, test, seed)[1]
    if side == dataset.test.x.shape[-1]:
        return Sent(train.x[0].numel(), 1.0, correct)
    means, means_test = (
        functional.adaptive_avg_pool2d(scale_pixels(split.x), side).flatten(1).numpy() for split in (train, test)
    )
    restored = restored_variance(means, _pixels(dataset.train), means_test, _pixels(dataset.test))
    return Sent(means.shape[1], restored, correct)


def send_features(dataset: Dataset, *, seed: int) -> Sent:
    """Train a network as large as the rejector, of which the device sends the hidden units in place of the image.

    Args:
        dataset: two classes.
        seed: of the training.
    """
    network, correct = _trained_correctness(lambda: mlp(FEATURES), dataset.train, dataset.test, seed)
    hidden = nn.Sequential(*list(network.children())[:3])
    coded = [loop.predict_scores(hidden, split.x).numpy() for split in (dataset.train, dataset.test)]
    restored = restored_variance(coded[0], _pixels(dataset.train), coded[1], _pixels(dataset.test))
    return Sent(FEATURES, restored, correct)


def _trained_correctness(
    build: Callable[[], nn.Module], train: Split, test: Split, seed: int
) -> tuple[nn.Module, np.ndarray]:
    with loop.seeded(seed):
        network = build().to(torch.get_default_dtype())
    loop.fit(network, train.x, (train.y,), loop.classification_loss, config=FAST_TRAINING, seed=seed)
    return network, (torch.sign(loop.predict_scores(network, test.x)) == test.y).numpy()


def _pixels(split: Split) -> np.ndarray:
    return np.asarray(scale_pixels(split.x).flatten(1).numpy())


def sent_table(by_seed: Sequence[Mapping[str, Sent]]) -> pd.DataFrame:
    """What is sent, what is left of the image, and the accuracy of the server.

    Args:
        by_seed: the ways to send of each seed.
    """
    rows = {}
    for name in by_seed[0]:
        ways = [seed[name] for seed in by_seed]
        (accuracy,) = crossed_intervals(np.array([way.correct for way in ways], dtype=float)[None])
        rows[name] = {
            "numbers": ways[0].numbers,
            "pixel variance restored": np.mean([way.restored for way in ways]),
            "accuracy of the server": format_interval(accuracy),
        }
    return pd.DataFrame(rows).T.rename_axis("sent")


def ways_to_send(config: ExperimentConfig, sides: Sequence[int], *, seed: int) -> dict[str, Sent]:
    """Images of several sizes, and features.

    Args:
        config: of a run on two classes, with the data and the precision.
        sides: pixels of a side, the raw one first.
        seed: of the trainings.

    Returns:
        Name -> what was sent.
    """
    dataset = dataset_for_config(config)
    with run_environment(config):
        images = {f"{side} x {side} pixels": send_small_image(dataset, side, seed=seed) for side in sides}
        return images | {f"{FEATURES} features": send_features(dataset, seed=seed)}
