"""Offload rates by the uncertainty of human labels, and the Bayes rule under human labels."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from l2h import checks
from l2h.data.cifar10h import HumanLabels, load_human_labels
from l2h.evaluation.comparisons import mean_interval
from l2h.evaluation.crossed import crossed_intervals
from l2h.evaluation.intervals import Interval
from l2h.evaluation.metrics import ask_indicator, loss_per_example
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.run import dataset_for_config
from l2h.problem import Costs, Predictions
from l2h.theory.bayes import bayes_rejector, bayes_server, server_error

QUINTILES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
HUMAN_BAYES_NAME = "Bayes, human labels"


class HumanComparison(NamedTuple):
    """Decisions of several systems beside human labels of the same images."""

    edges: np.ndarray  # (k + 1,) limits of k groups of images, in bits of human entropy; k is 5 unless many tie
    shares: np.ndarray  # (k,) share of the images in each group: a fifth, or more where many tie
    rates: dict[str, list[Interval]]  # name -> offload rate in each group; the Bayes rule comes last
    hard_minus_easy: dict[str, Interval]  # name -> offload rate in the most uncertain fifth minus that in the least
    agreement_with_bayes: dict[str, Interval]  # name -> share of images with the Bayes rule's decision
    losses: dict[str, Interval]  # name -> system loss; the Bayes rule has a server that knows the human labels


def load_labels(config: ExperimentConfig) -> HumanLabels | None:
    """Human labels of the test images of a run; None on digits, and where CIFAR-10H is not available.

    Args:
        config: of the run.
    """
    if config.source != "cifar10":
        return None
    negative, positive = dataset_for_config(config).classes
    return load_human_labels((negative, positive))


def compare_with_human_labels(
    systems: Mapping[str, Sequence[Predictions]], human_labels: HumanLabels, *, costs: Costs
) -> HumanComparison:
    """Compare the decisions of several systems with human labels of the same test images.

    Args:
        systems: name -> predictions of one client on the test split, one per seed; all names with the same seeds.
        human_labels: in the order of the test split.
        costs: c1 and ce of the Bayes rule.

    Returns:
        `HumanComparison`.

    Raises:
        ValueError: if there is no system, or the human labels are not of these images.
    """
    if not systems:
        raise ValueError("expected at least one system, got none")
    first = next(iter(systems.values()))
    checks.same_length(predictions=first[0].y, people=human_labels.eta)
    bayes_predictions = [
        human_label_bayes_rule(human_labels, seed_predictions, costs=costs) for seed_predictions in first
    ]
    all_systems = {**systems, HUMAN_BAYES_NAME: bayes_predictions}
    asked = {
        name: np.stack([ask_indicator(p) for p in system_runs]) for name, system_runs in all_systems.items()
    }  # (S, n)
    edges = np.unique(np.quantile(human_labels.entropy, QUINTILES))
    group = np.searchsorted(edges[1:-1], human_labels.entropy, side="left")  # (n,) an image on a limit belongs below
    groups = np.eye(len(edges) - 1)[group].T  # (k, n)
    easy, hard = easy_and_hard(human_labels)
    contrast = len(easy) * (hard / hard.sum() - easy / easy.sum())  # (n,)
    return HumanComparison(
        edges,
        groups.sum(axis=1) / groups.size * len(groups),
        {name: _offload_by_group(values, groups) for name, values in asked.items()},
        {name: crossed_intervals((values * contrast)[None])[0] for name, values in asked.items()},
        {
            name: crossed_intervals((values == asked[HUMAN_BAYES_NAME])[None].astype(float))[0]
            for name, values in asked.items()
        },
        {name: mean_interval(ps, lambda p: loss_per_example(p, costs=costs)) for name, ps in all_systems.items()},
    )


def easy_and_hard(human_labels: HumanLabels) -> tuple[np.ndarray, np.ndarray]:
    """Which images people agree on most, and on which they disagree most.

    Args:
        human_labels: of n images.

    Returns:
        (n,) whether an image lies in the fifth of least entropy, and (n,) in that of most; with ties, in more.
    """
    low, high = np.quantile(human_labels.entropy, [QUINTILES[1], QUINTILES[-2]])
    return human_labels.entropy <= low, human_labels.entropy >= high


def human_label_bayes_rule(human_labels: HumanLabels, predictions: Predictions, *, costs: Costs) -> Predictions:
    r"""The Bayes rule if the shares of human labels are P(Y|x), for a client whose label is known.

    .. math:: \eta = \eta_H, \quad p = 1[m = -1]\,\eta_H + 1[m = +1]\,(1 - \eta_H), \quad
              r^* = c_1 \min(\eta_H, 1 - \eta_H) + c_e - p

    Args:
        human_labels: of n images.
        predictions: predictions on these images; m and y are taken.
        costs: c1 and ce.

    Returns:
        Predictions with the Bayes rejector and server.

    Source: arXiv 2409.16253, Bayes rules, with CIFAR-10H's labels.
    """
    p = np.where(predictions.m > 0, 1 - human_labels.eta, human_labels.eta)
    r = bayes_rejector(server_error(human_labels.eta), p, costs=costs)
    return Predictions(predictions.m, r, bayes_server(human_labels.eta), predictions.y)


def _offload_by_group(asked: np.ndarray, groups: np.ndarray) -> list[Interval]:
    values = np.broadcast_to(asked, (len(groups), *asked.shape))  # (k, S, n)
    mask = np.broadcast_to(groups[:, None], values.shape)
    return crossed_intervals(values.astype(float), mask)
