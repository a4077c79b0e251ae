"""Builds and fits the networks of the device and of the server."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from l2h import checks
from l2h.losses.deferral import ask_cost, deferral_loss
from l2h.methods import error_estimation
from l2h.methods.base import (
    CLIENT_BASED_REJECTORS,
    SERVER_NETWORKS,
    Examples,
    Options,
    Splits,
    class_count,
    require_server_scores,
)
from l2h.models import networks
from l2h.problem import Costs, server_label
from l2h.training import clients, loop
from l2h.training import config as training_config


class RejectorNetwork(NamedTuple):
    """The network of a rejector on the device, and its inputs."""

    network: nn.Module
    network_inputs: Callable[[Examples], Tensor]
    needs_client_scores: bool

    def scores(self, examples: Examples) -> Tensor:
        """The network's scores of examples, (n,) or (n, outputs)."""
        return loop.predict_scores(self.network, self.network_inputs(examples))


def require_client_features(examples: Examples) -> Tensor:
    """The activations of the client's last hidden layer.

    Raises:
        ValueError: if there are none.
    """
    if examples.client_features is None:
        raise ValueError("expected the client's last hidden layer in examples.client_features, got None")
    return examples.client_features


def compute_client_features(x: Tensor, weights: Tensor, client_scores: Tensor, *, kind: str) -> Tensor:
    """The activations of a frozen client's last hidden layer on images.

    Args:
        x: (n, 3, 32, 32) uint8 images.
        weights: of the client, from `get_weights`.
        client_scores: its scores, (n,) or (n, K), which determine its number of outputs.
        kind: of the client, a name in `clients.CLIENTS_WITH_FEATURES`.

    Returns:
        (n, d) activations.

    Raises:
        ValueError: if such a client has no hidden layer, or the weights do not fit it.
    """
    checks.one_of(clients.CLIENTS_WITH_FEATURES, **{"kind of a client with features": kind})
    network = clients.CLIENTS[kind][0](1 if client_scores.ndim == 1 else client_scores.shape[1])
    set_weights(network, weights)
    return loop.predict_scores(networks.HiddenActivations(network), x)


def build_server(splits: Splits, options: Options, *, n_outputs: int, bounded: bool = False) -> nn.Module:
    """Build a server's network: with new weights, or with the server weights in the splits.

    Where it has more outputs than that server, only the first outputs start with the server's weights.

    Args:
        splits: of the training data, with or without weights.
        options: server_network.
        n_outputs: of the network.
        bounded: scores in (-1, 1).

    Returns:
        The network; new weights come from torch's global generator.

    Raises:
        ValueError: if the weights do not fit the network.
    """
    network = SERVER_NETWORKS[options.server_network](n_outputs, bounded=bounded)
    if splits.server_weights is not None:
        pretrained = SERVER_NETWORKS[options.server_network](
            1 if splits.train.client_scores.ndim == 1 else class_count(splits.train), bounded=False
        )
        set_weights(pretrained, splits.server_weights)
        for target, source in zip(_float_tensors(network), _float_tensors(pretrained), strict=True):
            rows = (
                torch.cat([-source / 2, source / 2]) if len(source) == 1 < len(target) else source
            )  # one column as two
            target[: len(rows)] = rows
    return network


def get_weights(network: nn.Module) -> Tensor:
    """All values of a network that training changes, as one vector: weights and running means.

    >>> get_weights(nn.Linear(3, 2)).shape
    torch.Size([8])
    """
    return torch.cat([values.flatten() for values in _float_tensors(network)])


def set_weights(network: nn.Module, weights: Tensor) -> None:
    """Set the weights of a network to those that `get_weights` took from a network of the same architecture.

    Args:
        network: changed in place.
        weights: (n,) of `get_weights`.

    Raises:
        ValueError: if the number of weights differs from the network's.
    """
    values = _float_tensors(network)
    sizes = [value.numel() for value in values]
    if len(weights) != sum(sizes):
        raise ValueError(f"expected {sum(sizes)} weights for this network, got {len(weights)}")
    for value, chunk in zip(values, weights.split(sizes), strict=True):
        value.copy_(chunk.view(value.shape))


def _float_tensors(network: nn.Module) -> list[Tensor]:
    return [values for values in network.state_dict().values() if values.is_floating_point()]


def build_rejector(splits: Splits, options: Options, *, n_outputs: int = 1, bounded: bool = False) -> RejectorNetwork:
    """Build the network of the rejector; initial weights come from torch's global generator.

    Args:
        splits: of the training data; the temperature of the client's scores, and the mean and deviation of its last
            hidden layer, come from the calibration split.
        options: rejector and hidden_units.
        n_outputs: of the network.
        bounded: scores in (-1, 1).

    Returns:
        The network, untrained, with its inputs.

    Raises:
        ValueError: if the rejector reads the client's last hidden layer and the splits do not have it.
    """
    if options.rejector in CLIENT_BASED_REJECTORS:
        network_inputs = _client_inputs(splits.calibration, hidden_layer=options.rejector == "features")
        network: nn.Module = networks.LinearOnFeatures(
            network_inputs(splits.calibration).shape[1], n_outputs, bounded=bounded
        )
        return RejectorNetwork(network, network_inputs, needs_client_scores=True)
    if options.rejector == "mlp":
        network = networks.mlp(options.hidden_units, n_outputs=n_outputs, bounded=bounded)
    else:
        network = SERVER_NETWORKS[options.rejector](n_outputs, bounded=bounded)
    return RejectorNetwork(network, lambda examples: examples.x, needs_client_scores=False)


def _client_inputs(calibration_examples: Examples, *, hidden_layer: bool) -> Callable[[Examples], Tensor]:
    temperature = error_estimation.fit_temperature(calibration_examples.client_scores, calibration_examples.y)

    def score_inputs(examples: Examples) -> Tensor:
        return error_estimation.score_features(examples.client_scores, temperature)

    if not hidden_layer:
        return score_inputs
    reference = require_client_features(calibration_examples)

    def score_and_feature_inputs(examples: Examples) -> Tensor:
        units = loop.standardize(require_client_features(examples), reference)
        limit = error_estimation.MAX_FEATURE  # a unit may vary far more here than on the calibration split
        # all d units together count about as much as one feature of the scores, for which FEATURE_GAIN is chosen
        units = units.clamp(-limit, limit) / units.shape[1] ** 0.5
        return torch.cat([score_inputs(examples), loop.as_float(units)], dim=1)

    return score_and_feature_inputs


def fit_rejector(
    rejector: RejectorNetwork,
    examples: Examples,
    targets: tuple[Tensor, ...],
    loss: Callable[..., Tensor],
    *,
    options: Options,
    seed: int,
) -> tuple[float, ...]:
    """Train the rejector's network alone.

    Args:
        rejector: the network, trained in place, with its inputs.
        examples: to train on.
        targets: tensors of n entries each.
        loss: `loss(scores, *targets)` of a batch, one value per example.
        options: training; augmentation is skipped when the rejector reads scores.
        seed: of the batches.

    Returns:
        The mean loss of each epoch.
    """
    x = rejector.network_inputs(examples)
    config = (
        replace(options.training, flip=False, max_translation=0) if rejector.needs_client_scores else options.training
    )
    return loop.fit(rejector.network, x, targets, loss, config=config, seed=seed).losses


def warm_start(rejector: RejectorNetwork, splits: Splits, *, costs: Costs, seed: int) -> None:
    r"""Train the rejector for the server that a joint training starts from, as the two-stage method does.

    .. math:: L = 1[m \neq y] \log(1 + e^{r}) + (c_e + c_1 1[label(e) \neq y]) \log(1 + e^{-r})

    Args:
        rejector: trained in place, with its inputs.
        splits: of the training data, with that server's out-of-fold scores on the train split.
        costs: c1 and ce.
        seed: of the batches.

    Raises:
        ValueError: if no server's scores are given.
    """
    train_examples = splits.train
    server_wrong = server_label(require_server_scores(train_examples)) != train_examples.y
    targets = (loop.as_float(train_examples.m != train_examples.y), ask_cost(loop.as_float(server_wrong), costs=costs))
    fit_rejector(
        rejector,
        train_examples,
        targets,
        deferral_loss,
        options=Options(training=training_config.FAST_TRAINING),
        seed=seed,
    )


def fit_rejector_and_server(
    rejector: RejectorNetwork,
    server: nn.Module,
    examples: Examples,
    loss: Callable[..., Tensor],
    *,
    options: Options,
    seed: int,
    alpha: float | Tensor = 1.0,
) -> tuple[float, ...]:
    """Train a rejector and a server together on one loss.

    Args:
        rejector: trained in place, with its inputs.
        server: trained in place, on the images.
        examples: to train on.
        loss: loss(r, e, m, y, alpha) of a batch, one value per example.
        options: training.
        seed: of the batches.
        alpha: a number or (n,) values, an argument of the loss.

    Returns:
        The mean loss of each epoch.
    """
    x, y, m, *_ = examples
    history = loop.fit_jointly(
        *(x, y, m),
        rejector=rejector.network,
        server=server,
        loss=loss,
        config=options.training,
        seed=seed,
        alpha=alpha,
        rejector_inputs=rejector.network_inputs(examples) if rejector.needs_client_scores else None,
    )
    return history.losses


def server_score_function(server: nn.Module) -> Callable[[Examples], Tensor]:
    """The scores e of a server that reads the images."""
    return lambda examples: loop.predict_scores(server, examples.x)
