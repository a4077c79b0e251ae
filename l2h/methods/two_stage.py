"""Two-stage methods: the server is trained first and stays fixed; only the rejector is trained for it."""

import torch
from torch import Tensor

from l2h.losses.deferral import ask_cost, deferral_loss
from l2h.methods import error_estimation
from l2h.methods.base import Examples, Options, Splits, System, require_server_scores
from l2h.methods.fitting import RejectorNetwork, build_rejector, fit_rejector
from l2h.problem import Costs, server_label
from l2h.training import loop


def _server_wrong(examples: Examples) -> Tensor:
    return server_label(require_server_scores(examples)) != examples.y


def _build_rejector(splits: Splits, options: Options, seed: int, *, n_outputs: int = 1) -> RejectorNetwork:
    with loop.seeded(seed):
        return build_rejector(splits, options, n_outputs=n_outputs)


def _as_binary_labels(is_positive: Tensor) -> Tensor:
    return 2 * is_positive.long() - 1


def separate(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    r"""A rejector trained to predict the errors of the client, independent of the errors of the server.

    .. math:: r(x) = c_e + c_1 P(label(e) \neq Y) - \sigma(a(x)), \quad \sigma(a(x)) \approx P(M \neq Y | x)

    It is the Bayes rejector only for a server whose error rate, estimated on the calibration split, is the same for
    every x.

    Args:
        splits: of the training data, with a server's scores on the calibration split.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: rejector, hidden_units and training.

    Returns:
        A system that decides on the device.

    Raises:
        ValueError: if no server's scores are given.
    """
    train_examples, calibration_examples = splits.train, splits.calibration
    expected_ask_cost = ask_cost(
        error_estimation.error_rate(server_label(require_server_scores(calibration_examples)), calibration_examples.y),
        costs=costs,
    )
    rejector = _build_rejector(splits, options, seed)
    targets = (_as_binary_labels(train_examples.m != train_examples.y),)
    history = fit_rejector(rejector, train_examples, targets, loop.classification_loss, options=options, seed=seed)
    return System(
        lambda examples: expected_ask_cost - torch.sigmoid(rejector.scores(examples)),
        require_server_scores,
        False,
        rejector.needs_client_scores,
        history,
    )


def two_stage(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    r"""A rejector trained on the cost of each decision with the fixed server.

    .. math:: L = 1[m \neq y] \log(1 + e^{r}) + (c_e + c_1 1[label(e) \neq y]) \log(1 + e^{-r})

    The minimiser r = log((c_e + c_1 P(label(e) != Y|x)) / P(M != Y|x)) is the Bayes rejector for this server,
    for all c1, ce >= 0. The server's scores on the train split are the out-of-fold scores of `plain_server`.

    Args:
        splits: of the training data, with a server's scores on the train split.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: rejector, hidden_units and training.

    Returns:
        A system that decides on the device.

    Raises:
        ValueError: if no server's scores are given.

    Source: Mao, Mohri, Mohri and Zhong, Two-stage learning to defer with multiple experts, NeurIPS 2023.
    """
    train_examples, rejector = splits.train, _build_rejector(splits, options, seed)
    targets = (
        loop.as_float(train_examples.m != train_examples.y),
        ask_cost(loop.as_float(_server_wrong(train_examples)), costs=costs),
    )
    history = fit_rejector(rejector, train_examples, targets, deferral_loss, options=options, seed=seed)
    return System(rejector.scores, require_server_scores, False, rejector.needs_client_scores, history)


def two_sigmoid(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    r"""Two probabilities on the device, of an error of the client and of the server; the decision adds the costs.

    .. math:: r(x) = c_e + c_1 \sigma(b(x)) - \sigma(a(x))

    The logistic loss calibrates both, so one training is valid for every (c1, ce).

    Args:
        splits: of the training data, with a server's scores on the train split.
        costs: c1 and ce, for the decision only.
        seed: of initial weights and batches.
        options: rejector, hidden_units and training.

    Returns:
        A system that decides on the device.

    Raises:
        ValueError: if no server's scores are given.
    """
    train_examples, rejector = splits.train, _build_rejector(splits, options, seed, n_outputs=2)
    targets = (
        _as_binary_labels(train_examples.m != train_examples.y),
        _as_binary_labels(_server_wrong(train_examples)),
    )

    def loss(scores: Tensor, client_wrong: Tensor, server_wrong: Tensor) -> Tensor:
        return loop.classification_loss(scores[:, 0], client_wrong) + loop.classification_loss(
            scores[:, 1], server_wrong
        )

    def r(examples: Examples) -> Tensor:
        client_error, server_error = torch.sigmoid(rejector.scores(examples)).unbind(1)
        return ask_cost(server_error, costs=costs) - client_error

    history = fit_rejector(rejector, train_examples, targets, loss, options=options, seed=seed)
    return System(r, require_server_scores, False, rejector.needs_client_scores, history)


def distilled(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    r"""A rejector for the device that imitates a decision which needs the server.

    .. math:: L = \max(0, -t) \log(1 + e^{r}) + \max(0, t) \log(1 + e^{-r})

    with t(x) the teacher's score, its estimate of the cost of asking minus that of keeping. The minimiser has the sign
    of E[t|z] for the inputs z of the rejector; where z is x itself, this is the teacher's decision.

    Args:
        splits: of the training data, with the teacher's scores r and e on the train split.
        costs: not used; they are contained in the teacher's scores.
        seed: of initial weights and batches.
        options: rejector, hidden_units and training.

    Returns:
        A system that decides on the device.

    Raises:
        ValueError: if there is no teacher.
    """
    train_examples, rejector = splits.train, _build_rejector(splits, options, seed)
    if train_examples.teacher_scores is None:
        raise ValueError("expected the decisions of a method to imitate in examples.teacher_scores, got None")
    cost_difference = loop.as_float(train_examples.teacher_scores)
    targets = (torch.relu(-cost_difference), torch.relu(cost_difference))
    history = fit_rejector(rejector, train_examples, targets, deferral_loss, options=options, seed=seed)
    return System(rejector.scores, require_server_scores, False, rejector.needs_client_scores, history)
