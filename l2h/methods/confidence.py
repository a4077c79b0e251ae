"""Confidence: ask where the client itself is unsure, with any server or with one trained on what is sent."""

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

PROBABILITY_MEASURES = ("temperature", "softmax")  # they claim to be P(M = Y | x): Chow's rule names their threshold


def _temperature(parts: Splits) -> Callable[[Tensor], Tensor]:
    fitted = error_estimation.fit_temperature(parts.calibration.score, parts.calibration.y)
    return lambda score: error_estimation.class_probabilities(score, fitted).amax(1)


def _softmax(parts: Splits) -> Callable[[Tensor], Tensor]:
    return lambda score: error_estimation.class_probabilities(score).amax(1)


def _margin(parts: Splits) -> Callable[[Tensor], Tensor]:
    def gap(score: Tensor) -> Tensor:
        first, second = error_estimation.class_probabilities(score).topk(2, dim=1).values.unbind(1)
        return first - second

    return gap


def _entropy(parts: Splits) -> Callable[[Tensor], Tensor]:
    return lambda score: -error_estimation.entropy(error_estimation.class_probabilities(score))


CONFIDENCE_FUNCTIONS: dict[str, Callable[[Splits], Callable[[Tensor], Tensor]]] = {
    "temperature": _temperature,
    "softmax": _softmax,
    "margin": _margin,
    "entropy": _entropy,
}


def min_cost_threshold(confidence: Tensor, kept: Tensor, asked: Tensor) -> float:
    """The threshold t for which "keep where confidence > t" costs least on some examples.

    Args:
        confidence: (n,) values.
        kept: (n,) costs of keeping.
        asked: (n,) costs of asking.

    Returns:
        A value halfway between two neighbouring confidences, or below or above them all; the lowest of several.

    >>> min_cost_threshold(torch.tensor([0.25, 0.5, 1.0]), torch.tensor([1.0, 1.0, 0.0]), torch.full((3,), 0.2))
    0.75
    """
    levels, of = confidence.double().unique(return_inverse=True)  # sorted
    extra = torch.zeros(len(levels), dtype=torch.float64).index_add_(0, of, (asked - kept).double())
    total = np.concatenate([[0.0], extra.cumsum(0).numpy()])  # asking the first k levels costs this more than none
    k = int(total.argmin())
    edges = [levels[0].item() - 1, *levels.tolist(), levels[-1].item() + 1]
    return (edges[k] + edges[k + 1]) / 2


def confidence(parts: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    r"""Ask where the client is unsure: its confidence against a threshold.

    .. math:: r(x) = \max_k P_T(k | x) - (1 - c_e - c_1 P(label(e) \neq Y))

    Thresholding r traces the accuracy-coverage curve of the confidence. For probabilities ("temperature",
    "softmax") its zero is Chow's rule for a server whose error rate on the calibration part does not depend on x;
    for the gap of the two largest probabilities ("margin") and minus their entropy ("entropy") it is the threshold
    that costs least on the calibration part. With two classes all four order the examples alike.

    Args:
        parts: of the training data, with a server's scores on the calibration part.
        costs: c1 and ce.
        seed: not used.
        options: what confidence is measured by.

    Returns:
        A system that needs the client's scores.

    Raises:
        ValueError: if no server's scores are given.

    Source: Chow, IEEE Transactions on Information Theory 16, 1970; Guo et al., ICML 2017.
    """
    held_out = parts.calibration
    confident = CONFIDENCE_FUNCTIONS[options.confidence](parts)
    wrong = server_label(require_server_scores(held_out)) != held_out.y
    if options.confidence in PROBABILITY_MEASURES:
        keep_above = (
            1
            - costs.ce
            - costs.c1 * error_estimation.error_rate(server_label(require_server_scores(held_out)), held_out.y)
        )
    else:
        kept, asked = (held_out.m != held_out.y).double(), ask_cost(wrong.double(), costs=costs)
        keep_above = min_cost_threshold(confident(held_out.score), kept, asked)
    return System(lambda examples: confident(examples.score) - keep_above, require_server_scores, False, True)


def confidence_specialist(parts: Splits, *, costs: Costs, seed: int, options: Options) -> System:
    """The same confidence rule, with a server trained on nothing but what the rule sends.

    Args:
        parts: of the training data, with a server's scores on the calibration part, which set Chow's threshold.
        costs: c1 and ce.
        seed: of initial weights and batches.
        options: what confidence is measured by, network and recipe.

    Returns:
        A system that needs the client's scores; if the rule sends nothing, its server is trained on everything.

    Raises:
        ValueError: if no server's scores are given.
    """
    rule = confidence(parts, costs=costs, seed=seed, options=options)
    helper = parts.helper
    sent = asks(rule.r(helper))
    sent = sent if sent.any() else torch.ones_like(sent)
    with loop.seeded(seed):
        server = SERVER_NETWORKS[options.network](output_count(helper), squash=False)
    targets = (helper.y[sent],)
    history = loop.fit(server, helper.x[sent], targets, loop.classification_loss, config=options.recipe, seed=seed)
    return rule._replace(e=server_score_function(server), history=history.losses)
