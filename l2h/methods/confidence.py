"""Confidence: ask where the client is unsure, with any server or with one trained on the offloaded examples."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from l2h.losses.deferral import ask_cost
from l2h.methods import error_estimation
from l2h.methods.base import SERVER_NETWORKS, Options, Splits, System, output_count, require_server_scores
from l2h.methods.fitting import server_score_function
from l2h.problem import Costs, asks, server_label
from l2h.training import loop

PROBABILITY_MEASURES = ("temperature", "softmax")  # estimates of P(M = Y | x), for Chow's rule


def _temperature(splits: Splits) -> Callable[[Tensor], Tensor]:
    fitted_temperature = error_estimation.fit_temperature(splits.calibration.client_scores, splits.calibration.y)
    return lambda score: error_estimation.class_probabilities(score, fitted_temperature).amax(1)


def _softmax(splits: Splits) -> Callable[[Tensor], Tensor]:
    return lambda score: error_estimation.class_probabilities(score).amax(1)


def _margin(splits: Splits) -> Callable[[Tensor], Tensor]:
    def margin(score: Tensor) -> Tensor:
        first, second = error_estimation.class_probabilities(score).topk(2, dim=1).values.unbind(1)
        return first - second

    return margin


def _entropy(splits: Splits) -> Callable[[Tensor], Tensor]:
    return lambda score: -error_estimation.entropy(error_estimation.class_probabilities(score))


CONFIDENCE_FUNCTIONS: dict[str, Callable[[Splits], Callable[[Tensor], Tensor]]] = {
    "temperature": _temperature,
    "softmax": _softmax,
    "margin": _margin,
    "entropy": _entropy,
}


def min_cost_threshold(confidence: Tensor, keep_costs: Tensor, ask_costs: Tensor) -> float:
    """The threshold t at which "keep where confidence > t" has the lowest total cost on the given examples.

    Args:
        confidence: (n,) values.
        keep_costs: (n,) costs of keeping.
        ask_costs: (n,) costs of asking.

    Returns:
        A value halfway between two neighbouring confidences, or below or above all of them; the lowest minimiser.

    >>> min_cost_threshold(torch.tensor([0.25, 0.5, 1.0]), torch.tensor([1.0, 1.0, 0.0]), torch.full((3,), 0.2))
    0.75
    """
    levels, index = confidence.double().unique(return_inverse=True)  # sorted
    cost_differences = torch.zeros(len(levels), dtype=torch.float64).index_add_(
        0, index, (ask_costs - keep_costs).double()
    )
    total = np.concatenate(
        [[0.0], cost_differences.cumsum(0).numpy()]
    )  # cost of asking on the k lowest levels, minus that of never asking
    k = int(total.argmin())
    edges = [levels[0].item() - 1, *levels.tolist(), levels[-1].item() + 1]
    return (edges[k] + edges[k + 1]) / 2


def confidence(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    r"""Ask where the confidence of the client is at most a threshold.

    .. math:: r(x) = \max_k P_T(k | x) - (1 - c_e - c_1 P(label(e) \neq Y))

    Thresholding r traces the accuracy-coverage curve of the confidence. For probabilities ("temperature",
    "softmax") its zero is Chow's rule for a server whose error rate, estimated on the calibration split, does not
    depend on x. For the difference of the two largest probabilities ("margin") and minus their entropy ("entropy") it
    is the threshold of lowest cost on the calibration split. With two classes all four order the examples alike.

    Args:
        splits: of the training data, with a server's scores on the calibration split.
        costs: c1 and ce.
        seed: not used.
        options: confidence, the measure.

    Returns:
        A system that needs the client's scores.

    Raises:
        ValueError: if no server's scores are given.

    Source: Chow, IEEE Transactions on Information Theory 16, 1970; Guo et al., ICML 2017.
    """
    calibration_examples = splits.calibration
    confidence_function = CONFIDENCE_FUNCTIONS[options.confidence](splits)
    server_wrong = server_label(require_server_scores(calibration_examples)) != calibration_examples.y
    if options.confidence in PROBABILITY_MEASURES:
        threshold = (
            1
            - costs.ce
            - costs.c1
            * error_estimation.error_rate(
                server_label(require_server_scores(calibration_examples)), calibration_examples.y
            )
        )
    else:
        keep_costs, ask_costs = (
            (calibration_examples.m != calibration_examples.y).double(),
            ask_cost(server_wrong.double(), costs=costs),
        )
        threshold = min_cost_threshold(confidence_function(calibration_examples.client_scores), keep_costs, ask_costs)
    return System(
        lambda examples: confidence_function(examples.client_scores) - threshold, require_server_scores, False, True
    )


def confidence_specialist(splits: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """The confidence rule, with a server trained only on the examples that the rule offloads.

    Args:
        splits: of the training data, with a server's scores on the calibration split, for Chow's threshold.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: confidence, server_network and training.

    Returns:
        A system that needs the client's scores; if the rule offloads nothing, its server is trained on all examples.

    Raises:
        ValueError: if no server's scores are given.
    """
    system = confidence(splits, costs=costs, seed=seed, options=options)
    train_examples = splits.train
    asked = asks(system.r(train_examples))
    asked = asked if asked.any() else torch.ones_like(asked)
    with loop.seeded(seed):
        server = SERVER_NETWORKS[options.server_network](output_count(train_examples), bounded=False)
    targets = (train_examples.y[asked],)
    history = loop.fit(
        server, train_examples.x[asked], targets, loop.classification_loss, config=options.training, seed=seed
    )
    return system._replace(e=server_score_function(server), history=history.losses)
