"""Learning to help for many configurations at once: their networks as one program of batched matrix products.

Each network computes what it would alone, from its own initial weights on its own batches, so that the results
agree with those of one training after the other but for rounding. It pays where one network leaves a processor idle.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil, prod

import torch
from torch import Tensor, nn
from torch.nn import functional

from l2h import losses, models, train
from l2h.augment import flipped
from l2h.methods_help import alpha_of
from l2h.optimize import TrainConfig, optimizer_of, schedule_of
from l2h.problem import Costs
from l2h.systems import ON_CLIENT, Device, Options, Parts, System, device, of_server, outputs, server_network


class Stack(nn.Module):
    """K networks of one architecture as one: what the k-th slice holds, the k-th network alone computes.

    Args:
        networks: K, of `models.linear`, `models.rejector` or `models.LeNet`, or of the layers that these consist of.

    Raises:
        ValueError: if the networks differ in architecture, or have a layer of another kind.

    >>> Stack([models.linear(), models.linear()])(torch.zeros(2, 5, 3, 32, 32)).shape
    torch.Size([2, 5])
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        if len(set(map(_architecture, networks))) != 1:
            raise ValueError(
                f"expected networks of one architecture, got {len(set(map(_architecture, networks)))} kinds"
            )
        self.networks = nn.ModuleList(networks)
        columns = zip(*(network.parameters() for network in networks), strict=True)
        self.weights = {name: column for (name, _), column in zip(networks[0].named_parameters(), columns, strict=True)}

    def forward(self, x: Tensor) -> Tensor:
        """Score images (K, n, 3, 32, 32): (K, n), or (K, n, outputs) for more than one."""
        stacked = {name: torch.stack(column) for name, column in self.weights.items()}
        return _through(self.networks[0], x, stacked, "")


def _architecture(network: nn.Module) -> tuple:
    layers = tuple((type(layer), getattr(layer, "squash", None)) for layer in network.modules())
    return layers, tuple(weight.shape for weight in network.parameters())


def _through(layer: nn.Module, x: Tensor, weights: dict[str, Tensor], path: str) -> Tensor:
    match layer:
        case models.LeNet():
            maps = x.permute(0, 2, 3, 4, 1).flatten(0, 1).contiguous()  # (K channels, height, width, n)
            maps = _through(layer.features, maps, weights, f"{path}features.")
            return _through(layer.classifier, maps.view(len(x), -1, x.shape[1]).mT, weights, f"{path}classifier.")
        case models.ConvPool():
            return _convolved(layer, x, weights[f"{path}convolution.weight"], weights[f"{path}convolution.bias"])
        case nn.Sequential():
            for name, inner in layer.named_children():
                x = _through(inner, x, weights, f"{path}{name}.")
            return x
        case nn.Flatten():
            return x.flatten(2)
        case nn.Linear():
            weight, bias = weights[f"{path}weight"], weights[f"{path}bias"]
            if layer.out_features > 1:
                return torch.baddbmm(bias[:, None], x, weight.mT)
            return torch.baddbmm(bias[..., None], weight, x.mT).mT  # rounds as one network alone does
        case nn.ReLU():
            return functional.relu(x)
        case models.Scores():
            # one after the other: on a CPU, rounding may depend on where in a tensor a number stands
            return torch.stack([layer(one) for one in x])
    raise ValueError(f"expected layers of linear, rejector and LeNet, got {type(layer).__name__}")


def _convolved(layer: models.ConvPool, maps: Tensor, kernels: Tensor, bias: Tensor) -> Tensor:
    """`models.ConvPool`, its one matrix product a batch of K: maps are (K channels, height, width, n) in and out."""
    count, windows = len(kernels), models.windows_of(maps, layer.tile)
    places = layer.places.to(maps.device)
    padded = functional.pad(kernels.flatten(1), (1, 0))
    matrices = padded.index_select(1, places.flatten()).view(count, *places.shape)
    tiles = matrices.mT @ windows.view(count, len(places), prod(windows.shape[3:]))
    quarters = tiles.view(count, 4, -1).transpose(0, 1)
    return models.pooled(quarters, bias.flatten(), tile=layer.tile, grid=windows.shape[3:])


def surrogate(
    r: Tensor, e: Tensor, m: Tensor, y: Tensor, *, c1: Tensor, ce: Tensor, alpha: Tensor, beta: float
) -> Tensor:
    r"""The surrogate L_S where each configuration has its own costs; it is linear in them.

    .. math:: L_S(c_1, c_e) = c_1 L_S^{M = Y}(1, 0) + c_e L_S^{M = Y}(0, 1) + L_S(0, 0)

    Args:
        r: (K, n) rejector scores.
        e: (K, n) server scores.
        m: (K, n) clients' labels in {-1, +1}.
        y: (K, n) true labels in {-1, +1}.
        c1: (K, 1) costs of a wrong answer of the server.
        ce: (K, 1) costs of a question.
        alpha: (K, n) calibration parameters > 0.
        beta: calibration parameter > 0.

    Returns:
        (K, n) losses.

    Raises:
        ValueError: as `losses.surrogate`.
    """

    def part(answers: Tensor, one: float, other: float) -> Tensor:
        flat = (values.flatten() for values in (r, e, answers, y))
        costs = Costs(c1=one, ce=other)
        return losses.surrogate(*flat, costs=costs, alpha=alpha.flatten(), beta=beta).view(r.shape)

    return c1 * part(y, 1.0, 0.0) + ce * part(y, 0.0, 1.0) + part(m, 0.0, 0.0)


def fit_jointly(
    x: Tensor,
    y: Tensor,
    m: Tensor,
    *,
    rejectors: Sequence[nn.Module],
    servers: Sequence[nn.Module],
    costs: Sequence[Costs],
    alphas: Tensor,
    beta: float,
    config: TrainConfig,
    seeds: Sequence[int],
) -> list[train.History]:
    """`train.fit_jointly` on the surrogate L_S for K pairs of networks at once, on the device where the images lie.

    Args:
        x: (n, 3, 32, 32) uint8 images, of all.
        y: (n,) true labels in {-1, +1}, of all.
        m: (K, n) labels of each configuration's client.
        rejectors: K networks of one architecture, trained in place.
        servers: K networks of one architecture, trained in place.
        costs: K times c1 and ce.
        alphas: (K, n) calibration parameters.
        beta: of all.
        config: how to train; of what it may do to images, only flips.
        seeds: K seeds, each of the order of the examples and of the flips of one configuration.

    Returns:
        K histories.

    Raises:
        ValueError: if networks cannot be stacked, or images are to be shifted.
        FloatingPointError: if a loss is no longer finite; it names the places of the configurations.
    """
    if config.shift:
        raise ValueError(f"expected a recipe that does not shift images, got shift={config.shift}")
    r, e = Stack(rejectors), Stack(servers)
    both = nn.ModuleDict({"rejector": r, "server": e}).to(x.device).train()
    c1, ce = train.floats([[one.c1, one.ce] for one in costs]).to(x.device).T[..., None]  # (K, 1) each
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    steps = config.epochs * ceil(len(x) / config.batch_size)
    optimizer = optimizer_of(both, config)
    schedule = schedule_of(optimizer, config, steps)
    each, history = torch.arange(len(seeds), device=x.device)[:, None], []
    for epoch in range(config.epochs):
        total = torch.zeros(len(seeds), device=x.device)
        for batch, images in _batches(x, generators, config):
            told = {"c1": c1, "ce": ce, "alpha": alphas[each, batch], "beta": beta}
            values = surrogate(r(images), e(images), m[each, batch], y[batch], **told)  # (K, b)
            optimizer.zero_grad()
            (values.sum() / batch.shape[1]).backward()  # no weight stands in two configurations' losses
            optimizer.step()
            schedule.step()
            total += values.detach().sum(1)
        history.append(total.cpu() / len(x))
        _refuse_divergence(history[-1], epoch)
    both.eval()
    return [train.History(tuple(mean), steps) for mean in torch.stack(history, 1).tolist()]


def _batches(x: Tensor, generators: Sequence[torch.Generator], config: TrainConfig) -> Iterator[tuple[Tensor, Tensor]]:
    """Which examples come next in each configuration (K, b), and their pixels, drawn as `train.fit` draws them."""
    orders = torch.stack([torch.randperm(len(x), generator=generator) for generator in generators])
    for batch in orders.to(x.device).split(config.batch_size, 1):
        images = x[batch]
        if config.flip:
            sides = torch.arange(2).expand(batch.shape[1], 1, 1, 2)  # mirrored like an image, they tell which is
            mirror = torch.stack([flipped(sides, generator)[:, 0, 0, 0] for generator in generators])
            images = torch.where(mirror.to(x.device)[..., None, None, None] == 1, images.flip(-1), images)
        yield batch, train.inputs(images)


def _refuse_divergence(losses: Tensor, epoch: int) -> None:
    diverged = (~torch.isfinite(losses)).nonzero().flatten().tolist()
    if diverged:
        raise FloatingPointError(f"training diverged in epoch {epoch + 1} of configurations {diverged}; lower lr")


def learning_to_help(
    parts: Sequence[Parts],
    *,
    costs: Sequence[Costs],
    seeds: Sequence[int],
    options: Sequence[Options],
    where: torch.device | None = None,
) -> list[System]:
    """`methods.learning_to_help` for K configurations, trained together.

    Args:
        parts: K times the same images, with the labels and scores of each configuration's client.
        costs: K times c1 and ce.
        seeds: K seeds of initial weights and batches.
        options: K times; they may differ in alpha and estimate alone.
        where: the device that trains; by default the one where the images lie.

    Returns:
        K systems, which decide on the device, their networks where the images lie.

    Raises:
        ValueError: if images or options differ, rejectors read what the client computed, servers start from another
            one, or there are more than two classes.
    """
    x, y, *_ = parts[0].helper
    if any(one.weights is not None or outputs(one.helper) > 1 for one in parts):
        raise ValueError("expected two classes and servers that start anew, got weights or more classes")
    kinds = {replace(one, alpha=1.0, estimate="logistic") for one in options}
    if len(kinds) > 1 or any(one.helper.x is not x for one in parts):
        raise ValueError("expected one set of images, and options that differ in alpha and estimate alone, got others")
    (shared,) = kinds
    if shared.rejector in ON_CLIENT:
        raise ValueError(f"expected rejectors that read the image, got {shared.rejector!r}")
    on, servers = zip(*(_networks(one, seed, shared) for one, seed in zip(parts, seeds, strict=True)), strict=True)
    given = zip(parts, costs, options, strict=True)
    alphas = [train.floats(alpha_of(o.alpha, part, cost, o.beta, options=o)).expand(len(y)) for part, cost, o in given]
    m = torch.stack([one.helper.m for one in parts])
    histories = fit_jointly(
        *(values.to(where) for values in (x, y, m)),
        rejectors=[device.network for device in on],
        servers=servers,
        costs=costs,
        alphas=torch.stack(alphas).to(where),
        beta=shared.beta,
        config=shared.recipe,
        seeds=seeds,
    )
    nn.ModuleList([*(device.network for device in on), *servers]).to(x.device)
    return [
        System(device.scores, of_server(server), False, False, history.losses)
        for device, server, history in zip(on, servers, histories, strict=True)
    ]


def _networks(parts: Parts, seed: int, options: Options) -> tuple[Device, nn.Module]:
    with train.seeded(seed):
        rejector = device(parts, options, squash=options.squash)
        return rejector, server_network(parts, options, outputs=1, squash=options.squash)
