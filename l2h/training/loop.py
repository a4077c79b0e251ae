"""The training loop, for one network or for rejector and server together, and the prediction of scores.

The loss is an argument; the only input from the client are its labels m(x). A result depends on the data, the
configuration, the seed, the initial weights, the number of threads and torch's default float type, and on no other
global state; with bfloat16 it also depends on the processor. If L2H_ACCELERATOR names an accelerator, as in "cuda",
training and scoring run on it, and networks and results return to the CPU.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil, isfinite
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from l2h import checks
from l2h.data.dataset import scale_pixels
from l2h.training.augment import random_flip, random_translation
from l2h.training.config import TrainConfig, make_optimizer, make_schedule
from l2h.training.device import has_bfloat16, requested_accelerator


class History(NamedTuple):
    """The record of a training."""

    losses: tuple[float, ...]  # mean over the examples of each epoch
    steps: int


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw initial weights from a seed, and restore torch's global generator afterwards.

    >>> from l2h.models.networks import linear_network
    >>> with seeded(0): a = linear_network()
    >>> with seeded(0): b = linear_network()
    >>> bool((a[1].weight == b[1].weight).all())
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def preprocess(x: Tensor) -> Tensor:
    """The inputs of a network: bytes are scaled to pixels, floats are returned unchanged.

    >>> preprocess(torch.tensor([0, 255], dtype=torch.uint8))
    tensor([-1.,  1.])
    """
    return scale_pixels(x) if x.dtype == torch.uint8 else x


def standardize(values: Tensor, reference: Tensor) -> Tensor:
    r"""Standardize columns by the mean and standard deviation of a reference.

    .. math:: \frac{v_j - \bar k_j}{s_j}, \qquad s_j^2 = \frac1{n'} \sum_i (k_{ij} - \bar k_j)^2

    Args:
        values: (n, d).
        reference: (n', d) values k, n' >= 1; a column that is constant in it is only centred.

    Returns:
        (n, d).

    Raises:
        ValueError: if the reference is empty, or the numbers of columns differ.

    >>> standardize(torch.tensor([[4.0, 7.0]]), torch.tensor([[0.0, 5.0], [2.0, 5.0]]))
    tensor([[3., 2.]])
    """
    if len(reference) == 0 or values.shape[1:] != reference.shape[1:]:
        raise ValueError(f"expected columns as in the reference {tuple(reference.shape)}, got {tuple(values.shape)}")
    deviation = reference.std(0, correction=0)
    return (values - reference.mean(0)) / torch.where(deviation > 0, deviation, 1.0)


def as_float(values: Any) -> Tensor:
    """Booleans or numbers as floats of torch's default type, in which networks compute.

    >>> as_float(torch.tensor([True, False]))
    tensor([1., 0.])
    """
    return torch.as_tensor(values, dtype=torch.get_default_dtype())


def fit(
    network: nn.Module,
    x: Tensor,
    targets: Sequence[Tensor],
    loss: Callable[..., Tensor],
    *,
    config: TrainConfig,
    seed: int,
) -> History:
    """Train a network in place; every training of this package calls this loop.

    Args:
        network: from float inputs to outputs of any kind.
        x: (n, ...) uint8 images or float inputs.
        targets: tensors of n entries each, split into the same batches as x.
        loss: `loss(outputs, *targets)` of a batch, one value per example.
        config: the training configuration.
        seed: of the order of the examples and of the augmentation.

    Returns:
        The mean loss of each epoch and the number of steps; the network is left in evaluation mode.

    Raises:
        ValueError: if lengths differ, the loss is not one value per example, x is augmented and not images, or the
            requested accelerator is not available.
        FloatingPointError: if the loss is not finite.

    >>> from l2h.training.config import RELEASED_TRAINING
    >>> x, y = torch.randn(64, 2), torch.ones(64)
    >>> fit(nn.Linear(2, 1), x, (y,), lambda e, y: (e[:, 0] - y) ** 2, config=RELEASED_TRAINING, seed=0).steps
    120
    """
    checks.same_length(x=x, **{f"targets[{i}]": target for i, target in enumerate(targets)})
    if (config.flip or config.max_translation) and x.ndim != 4:
        raise ValueError(
            f"expected images (n, channels, height, width) to flip or translate, got shape {tuple(x.shape)}"
        )
    generator, original_device, accelerator = torch.Generator().manual_seed(seed), x.device, requested_accelerator()
    x, *targets = (tensor.to(accelerator or original_device) for tensor in (x, *targets))
    steps = config.epochs * ceil(len(x) / config.batch_size)
    network.to(x.device).train()
    optimizer = make_optimizer(network, config)
    schedule = make_schedule(optimizer, config, steps)
    losses = []
    for epoch in range(config.epochs):
        total = torch.zeros((), device=x.device)
        for batch in torch.randperm(len(x), generator=generator).to(x.device).split(config.batch_size):
            images = x.index_select(0, batch)
            if config.flip:
                images = random_flip(images, generator)
            if config.max_translation:
                images = random_translation(images, config.max_translation, generator)
            outputs = _outputs(network, images, low_precision=config.bfloat16)
            batch_losses = loss(outputs, *(target[batch] for target in targets))
            if batch_losses.shape != batch.shape:
                raise ValueError(f"expected a loss of shape {tuple(batch.shape)}, got {tuple(batch_losses.shape)}")
            optimizer.zero_grad()
            batch_losses.mean().backward()
            optimizer.step()
            schedule.step()
            total += batch_losses.detach().sum()
        losses.append(total.item() / len(x))
        if not isfinite(losses[-1]):
            raise FloatingPointError(f"training diverged in epoch {epoch + 1}: the mean loss is {losses[-1]}; lower lr")
    network.eval().to(original_device)
    return History(tuple(losses), steps)


def _outputs(network: nn.Module, x: Tensor, *, low_precision: bool) -> Any:
    """A network's outputs, in full precision; `low_precision` computes them in bfloat16 where that is faster."""
    if not (low_precision and torch.get_default_dtype() == torch.float32 and has_bfloat16()):
        return network(preprocess(x))
    with torch.autocast(x.device.type, torch.bfloat16):
        outputs = network(preprocess(x))
    output_tuple = outputs if isinstance(outputs, tuple) else (outputs,)
    full_precision = tuple(None if output is None else as_float(output) for output in output_tuple)
    return full_precision if isinstance(outputs, tuple) else full_precision[0]


def batch_mean(values: Tensor) -> Tensor:
    """The mean over a batch, for losses with a term of the whole batch.

    >>> batch_mean(torch.tensor([0.0, 1.0]))
    tensor(0.5000)
    """
    return values.mean()


def classification_loss(scores: Tensor, y: Tensor) -> Tensor:
    r"""The logistic loss of scores, or cross-entropy for many classes.

    .. math:: \log(1 + e^{-y e}) \quad\text{or}\quad -\log \mathrm{softmax}(e)_y

    Args:
        scores: (n,) with labels in {-1, +1}, or (n, K) with labels 0..K-1.
        y: (n,) labels.

    Returns:
        (n,) losses.

    >>> classification_loss(torch.zeros(1), torch.ones(1))
    tensor([0.6931])
    """
    if scores.ndim == 1:
        return functional.softplus(-y * scores)
    return functional.cross_entropy(scores, y, reduction="none")


class JointModule(nn.Module):
    """Rejector and server as one network, so that one loop trains both.

    Args:
        rejector: trained with the server, with the learning rate of a rejector.
        server: reads x.
        rejector_reads_x: whether the rejector reads x; the loss applies one that reads something else.

    >>> r, e = JointModule(nn.Linear(2, 1), nn.Linear(2, 3))(torch.zeros(5, 2))
    >>> r.shape, e.shape
    (torch.Size([5, 1]), torch.Size([5, 3]))
    """

    def __init__(self, rejector: nn.Module, server: nn.Module, *, rejector_reads_x: bool = True) -> None:
        super().__init__()
        self.rejector, self.server, self.rejector_reads_x = rejector, server, rejector_reads_x

    def forward(self, x: Tensor) -> tuple[Any, ...]:
        """Scores of the rejector, None where it does not read x, and of the server."""
        return self.rejector(x) if self.rejector_reads_x else None, self.server(x)


def fit_jointly(
    x: Tensor,
    y: Tensor,
    m: Tensor,
    *,
    rejector: nn.Module,
    server: nn.Module,
    loss: Callable[..., Tensor],
    config: TrainConfig,
    seed: int,
    alpha: Any = 1.0,
    rejector_inputs: Tensor | None = None,
) -> History:
    """Train rejector and server together on one loss: learning to help.

    Args:
        x: (n, 3, 32, 32) uint8 images or float pixels.
        y: (n,) true labels.
        m: (n,) labels of the frozen client.
        rejector: network to (n,) scores r, trained in place.
        server: network to scores e, trained in place.
        loss: loss(r, e, m, y, alpha) of a batch, one value per example.
        config: the training configuration.
        seed: of the order of the examples.
        alpha: calibration parameter, a number or (n,) values, for losses that have one.
        rejector_inputs: (n, ...) inputs of a rejector that does not read x, such as the client's scores.

    Returns:
        The history of the joint training.

    Raises:
        ValueError: if lengths differ.
    """
    alphas = alpha if isinstance(alpha, Tensor) and alpha.ndim else torch.full((len(x),), float(alpha), device=x.device)
    joint = JointModule(rejector, server, rejector_reads_x=rejector_inputs is None)
    if rejector_inputs is None:
        return fit(
            joint, x, (m, y, alphas), lambda outputs, *targets: loss(*outputs, *targets), config=config, seed=seed
        )
    return fit(
        joint,
        x,
        (rejector_inputs, m, y, alphas),
        lambda outputs, inputs, *targets: loss(rejector(inputs), outputs[1], *targets),
        config=config,
        seed=seed,
    )


@torch.no_grad()
def predict_scores(network: nn.Module, x: Tensor, *, batch_size: int = 500) -> Tensor:
    """A network's scores of all images, in evaluation mode and without gradients.

    Args:
        network: from float pixels to scores.
        x: (n, 3, 32, 32) uint8 images or float inputs.
        batch_size: number of images per batch, which bounds the memory.

    Returns:
        (n,) or (n, K) scores.

    >>> from l2h.models.networks import linear_network
    >>> predict_scores(linear_network(), torch.zeros(7, 3, 32, 32, dtype=torch.uint8)).shape
    torch.Size([7])
    """
    checks.at_least(1, batch_size=batch_size)
    compute_device = requested_accelerator() or x.device
    network.eval().to(compute_device)
    outputs = torch.cat([network(preprocess(batch.to(compute_device))) for batch in x.split(batch_size)])
    network.to(x.device)
    return outputs.to(x.device)
