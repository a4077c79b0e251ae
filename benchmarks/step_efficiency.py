"""Floating-point rate of a training step over that of a large matrix product, both in float32.

Only the operations of matrix products and convolutions count, as torch counts them when they are executed.
LeNet's tile matrices hold structural zeros, which are multiplied like any other entry. `step_efficiency` leaves them
out: its count is that of the same step with torch's own convolutions. `step_efficiency_executed` includes them.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import fast_training, released
from benchmarks.figures import Figure
from l2h.models import networks
from l2h.training import loop

SIDE = 4096
PAIRS = 15
STEPS = 20  # of training, in each measurement


def figures() -> list[Figure]:
    """Both ratios, each the median over interleaved pairs of measurements."""
    batch = _batch()
    r, e = _networks()
    own = _operations(lambda: _train(r, e, batch))
    necessary = _operations(lambda: _train(released.rejector(), released.server(), batch))
    a, b = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    pairs = [(_seconds(lambda: _train(r, e, batch)), _seconds(lambda: a @ b)) for _ in range(PAIRS + 1)][1:]
    return [_figure("step_efficiency", necessary, pairs), _figure("step_efficiency_executed", own, pairs)]


def _figure(name: str, operations: int, pairs: list[tuple[float, float]]) -> Figure:
    rates = [(operations / step / 1e9, 2 * SIDE**3 / product / 1e9) for step, product in pairs]
    own, baseline = (median(column) for column in zip(*rates, strict=True))
    ratio = median(step / product for step, product in rates)
    return Figure(name, ratio, "ratio", f"GFLOP/s of a {SIDE} x {SIDE} float32 matrix product", own, baseline)


def _networks() -> tuple[nn.Module, nn.Module]:
    with loop.seeded(0):
        return networks.mlp(), networks.LeNet(bounded=True)


def _batch() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    n = STEPS * fast_training.TRAINING.batch_size
    x = torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=generator)
    y, m = (2 * torch.randint(0, 2, (n,), generator=generator) - 1 for _ in range(2))
    return x, y, m


def _train(r: nn.Module, e: nn.Module, batch: tuple[Tensor, Tensor, Tensor]) -> None:
    config = replace(fast_training.TRAINING, epochs=1)
    loop.fit_jointly(
        *batch, rejector=r, server=e, loss=fast_training.loss, config=config, seed=0, alpha=fast_training.ALPHA
    )


def _operations(work: Callable[[], None]) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
