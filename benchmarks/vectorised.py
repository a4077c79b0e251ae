"""What a configuration costs when many are trained at once, against one after the other, on the device at hand."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import median

import torch
from torch import Tensor, nn

from benchmarks import recipe
from benchmarks.figures import Figure
from l2h import models, train, vectorised

COUNTS = (1, 8, 64)
IMAGES = 640
CONFIG = replace(train.FAST, epochs=1)
REPEATS = 3


def figures(counts: tuple[int, ...] = COUNTS) -> Iterator[Figure]:
    """`configurations_at_once_K` for each K: how many times less time one of K takes than one trained alone."""
    where = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for count in counts:
        pairs = [
            (_seconds(partial(_together, count, where), where), _seconds(partial(_alone, count, where), where))
            for _ in range(REPEATS + 1)
        ][1:]  # the first pays for torch's own start
        own, baseline = (median(column) / count for column in zip(*pairs, strict=True))
        ratio = median(alone / together for together, alone in pairs)
        told = f"seconds per configuration one after the other, {IMAGES} images, on {where.type}"
        yield Figure(f"configurations_at_once_{count}", ratio, "ratio", told, own, baseline)


def _together(count: int, where: torch.device) -> None:
    x, y, m = _images(where)
    rejectors, servers = zip(*map(_networks, range(count)), strict=True)
    vectorised.fit_jointly(
        *(x, y, m.expand(count, -1)),
        rejectors=rejectors,
        servers=servers,
        costs=[recipe.COSTS] * count,
        alphas=torch.full((count, IMAGES), recipe.ALPHA, device=where),
        beta=recipe.BETA,
        config=CONFIG,
        seeds=range(count),
    )


def _alone(count: int, where: torch.device) -> None:
    x, y, m = _images(where)
    for seed in range(count):
        r, e = (network.to(where) for network in _networks(seed))
        train.fit_jointly(x, y, m, rejector=r, server=e, loss=recipe.loss, config=CONFIG, seed=seed, alpha=recipe.ALPHA)


def _networks(seed: int) -> tuple[nn.Module, nn.Module]:
    with train.seeded(seed):
        return models.rejector(), models.LeNet(squash=True)


def _images(where: torch.device) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = 2 * torch.randint(0, 2, (2, IMAGES), generator=generator) - 1
    return tuple(values.to(where) for values in (x, *labels))


def _seconds(work: Callable[[], None], where: torch.device) -> float:
    start = time.perf_counter()
    work()
    if where.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
