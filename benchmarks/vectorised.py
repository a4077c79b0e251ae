"""What a configuration costs when many are trained at once; where there is a GPU, against one after the other."""

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
    """`configuration_of_K`, the cost of one of K at once, and on a GPU `configurations_at_once_K`, their speed.

    The cost is beside that of one of the first count. The speed is how many times less time one of K takes than one
    trained alone; the program is made for a GPU, and elsewhere its speed is not reported.
    """
    where = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    ways = (_together, _alone) if where.type == "cuda" else (_together,)
    costs = {}
    for count in counts:
        turns = [[_seconds(partial(way, count, where), where) / count for way in ways] for _ in range(REPEATS + 1)]
        together, *alone = zip(*turns[1:], strict=True)  # the first pays for torch's own start
        own = costs[count] = median(together)
        told = f"seconds per configuration of {counts[0]} at once, {IMAGES} images, on {where.type}"
        yield Figure(f"configuration_of_{count}", own, "seconds", told, own, costs[counts[0]])
        for apart in alone:
            ratio = median(one / other for one, other in zip(apart, together, strict=True))
            told = f"seconds per configuration one after the other, {IMAGES} images, on {where.type}"
            yield Figure(f"configurations_at_once_{count}", ratio, "ratio", told, own, median(apart))


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
