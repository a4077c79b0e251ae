"""Baselines: server only, on-device classifier, always and never ask, random, oracle, and the Bayes rules."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from l2h import checks
from l2h.losses.deferral import ask_cost
from l2h.methods.base import SERVER_NETWORKS, Examples, Options, Splits, System, output_count, require_server_scores
from l2h.methods.fitting import build_rejector, fit_rejector, get_weights, server_score_function
from l2h.problem import Costs, server_label
from l2h.training import loop

SERVER_FOLDS = 2  # of the train split, for a server's scores on examples that it was not trained on


def plain_server(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """The server's network, trained alone on the whole train split; every input is offloaded to it.

    A rejector that is trained for this server must see its errors, and on the train split it makes too few. So
    two more servers are trained, each on one half, and each scores the other half.

    Args:
        splits: of the training data.
        costs: not used; the server knows no costs.
        seed: of initial weights and batches.
        options: server_network and training.

    Returns:
        A system that always asks.
    """
    train_examples = splits.train
    network, history = _fit_server(train_examples.x, train_examples.y, output_count(train_examples), seed, options)
    system = _always_ask_system(
        server_score_function(network), history, out_of_fold_scores=_out_of_fold_scores(train_examples, seed, options)
    )
    return system._replace(server_weights=get_weights(network))


def _fit_server(
    x: Tensor, y: Tensor, n_outputs: int, seed: int, options: Options
) -> tuple[nn.Module, tuple[float, ...]]:
    with loop.seeded(seed):
        network = SERVER_NETWORKS[options.server_network](n_outputs, bounded=False)
    history = loop.fit(network, x, (y,), loop.classification_loss, config=options.training, seed=seed)
    return network, history.losses


def _out_of_fold_scores(train_examples: Examples, seed: int, options: Options) -> Tensor:
    fold = torch.randperm(len(train_examples.y), generator=torch.Generator().manual_seed(seed)) % SERVER_FOLDS  # (n,)
    scores = torch.zeros(len(train_examples.y), output_count(train_examples))
    for k in range(SERVER_FOLDS):
        in_fold = fold == k
        network, _ = _fit_server(
            train_examples.x[~in_fold], train_examples.y[~in_fold], output_count(train_examples), seed, options
        )
        scores[in_fold] = loop.predict_scores(network, train_examples.x[in_fold]).view(int(in_fold.sum()), -1)
    return scores.squeeze(1) if output_count(train_examples) == 1 else scores


def on_device_classifier(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """The rejector's network, trained as a classifier that runs on the device, without any offload.

    Args:
        splits: of the training data.
        costs: not used.
        seed: of initial weights and batches.
        options: rejector, hidden_units and training.

    Returns:
        A system whose e is the classifier on the device.
    """
    train_examples = splits.train
    with loop.seeded(seed):
        rejector = build_rejector(splits, options, n_outputs=output_count(train_examples))
    history = fit_rejector(
        rejector, train_examples, (train_examples.y,), loop.classification_loss, options=options, seed=seed
    )
    return _always_ask_system(rejector.scores, history)


def _always_ask_system(
    e: Callable[[Examples], Tensor], history: tuple[float, ...] = (), out_of_fold_scores: Tensor | None = None
) -> System:
    return System(lambda examples: -torch.ones(len(examples.y)), e, False, False, history, out_of_fold_scores)


def always_ask(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """Offload every input to the server."""
    return _always_ask_system(require_server_scores)


def always_keep(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """Never ask: the client alone."""
    return System(lambda examples: torch.ones(len(examples.y)), require_server_scores, False, False)


def random(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """Ask at random, with the budget as offload rate (1/2 by default); thresholding r gives any other rate.

    Args:
        splits: not used.
        costs: not used.
        seed: of the random scores.
        options: budget, the offload rate.

    Returns:
        A system whose decision reads neither x nor any score.
    """

    def r(examples: Examples) -> Tensor:
        return torch.rand(len(examples.y), generator=torch.Generator().manual_seed(seed)) - options.budget

    return System(r, require_server_scores, False, False)


def oracle(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    r"""Ask exactly where asking has the lower cost, given y: the limit of every rejector for this client and server.

    .. math:: r = c_1 1[label(e) \neq y] + c_e - 1[m \neq y]

    Args:
        splits: not used.
        costs: c1 and ce.
        seed: not used.
        options: not used.

    Returns:
        A system whose decision needs the server and the true label.
    """

    def r(examples: Examples) -> Tensor:
        server_wrong = (server_label(require_server_scores(examples)) != examples.y).double()
        return ask_cost(server_wrong, costs=costs) - (examples.m != examples.y).double()

    return System(r, require_server_scores, True, False)


def bayes_rejector_and_server(eta: Tensor, m: Tensor, *, costs: Costs) -> tuple[Tensor, Tensor]:
    r"""The Bayes rejector and server for a known P(Y|x), such as that of images with many human labels.

    .. math:: e^* = \eta, \quad r^*(x) = c_e + c_1 (1 - \max_k \eta_k(x)) - (1 - \eta_{m(x)}(x))

    The client is deterministic: it is wrong where Y differs from m(x).

    Args:
        eta: (n, K) probabilities P(Y = k | x).
        m: (n,) the client's labels, 0..K-1; for two classes coded -1/+1 use (m + 1) // 2.
        costs: c1 and ce.

    Returns:
        Scores r (n,), keep where > 0, and e (n, K).

    Raises:
        ValueError: if lengths differ, rows are not probabilities, or labels are not 0..K-1.

    >>> eta, m = torch.tensor([[0.5, 0.375, 0.125]]), torch.tensor([1])
    >>> r, e = bayes_rejector_and_server(eta, m, costs=Costs(c1=1.0, ce=0.0625))
    >>> r, server_label(e)
    (tensor([-0.0625]), tensor([0]))

    Source: arXiv 2409.16253, Bayes rules, for K classes.
    """
    checks.one_dimensional(m=m)
    checks.same_length(eta=eta, m=m)
    checks.probabilities(eta=eta)
    if not torch.allclose(eta.sum(1), torch.ones_like(eta[:, 0])):
        raise ValueError("expected rows of eta that sum to 1, got " + f"{eta.sum(1).min():g} to {eta.sum(1).max():g}")
    checks.class_labels(eta.shape[1], m=m)
    client_right = eta.gather(1, m[:, None])[:, 0]
    return ask_cost(1 - eta.amax(1), costs=costs) - (1 - client_right), eta
