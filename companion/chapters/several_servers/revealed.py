"""What the offload decision alone reveals of the label, as mutual information."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from companion.chapters.several_servers.experts import ExpertTask
from companion.chapters.several_servers.routing import TRAINED, Routed
from companion.chapters.systems import COMPARISON_CE, data_options
from l2h.evaluation.crossed import crossed_intervals
from l2h.evaluation.intervals import format_interval
from l2h.evaluation.mutual_information import (
    bias_of_frequencies,
    entropy_bits,
    pointwise_information,
    share_of_entropy,
)
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Predictions, asks

SIMULATIONS = 400  # of each estimate whose bias is shown
KNOWN_JOINT = np.array([[0.3, 0.25, 0.05], [0.05, 0.15, 0.2]])  # a bit against three labels
INDEPENDENT_JOINT = np.outer([0.3, 0.7], [0.1] * 10)  # a bit against ten labels that it knows nothing of
SharesByCase = dict[str, np.ndarray]  # case -> (number of seeds, n) values, whose mean is a share of the entropy


def offload_config(settings: Any) -> ExperimentConfig:
    """Learning to help for the page's client, a run that chapter 06 makes as well."""
    return ExperimentConfig("learning_to_help", ce=COMPARISON_CE, client=settings.client, **data_options(settings))


def revealed_shares(
    predictions: Sequence[Predictions], task: ExpertTask, by_seed: Sequence[Mapping[tuple[str, str], Routed]]
) -> SharesByCase:
    """The share of the label's entropy that is revealed by whether, and whom, a device asks.

    Args:
        predictions: of learning to help on images of two classes, one per seed.
        task: the queries.
        by_seed: the systems that answer them; of those with three experts the trained rejector counts.
    """
    domain = task.domain_of[task.y_test]
    actions = [seed["three experts", TRAINED].actions for seed in by_seed]
    return {
        "whether it asks, of two classes": np.array([share_of_entropy(asks(p.r), p.y) for p in predictions]),
        "whether it asks, of the domain": np.array([share_of_entropy(action > 0, domain) for action in actions]),
        "whom it asks, of the domain": np.array([share_of_entropy(action, domain) for action in actions]),
    }


def revealed_table(shares: SharesByCase, entropies: Mapping[str, float]) -> pd.DataFrame:
    """Shares of the entropy with intervals over seeds and examples, and in bits.

    Args:
        shares: of `revealed_shares`.
        entropies: of the labels in bits, by the end of a case's name.
    """
    rows = {}
    for case, values in shares.items():
        (interval,) = crossed_intervals(values[None], signed=True)
        bits = entropies[case.rpartition(", ")[2]]
        rows[case] = {
            "entropy, bits": bits,
            "revealed, bits": bits * interval.estimate,
            "share": format_interval(interval),
        }
    return pd.DataFrame(rows).T.rename_axis("what is seen")


def label_entropies(predictions: Sequence[Predictions], task: ExpertTask) -> dict[str, float]:
    """The entropies of the labels that `revealed_table` needs, in bits."""
    return {
        "of two classes": entropy_bits(predictions[0].y),
        "of the domain": entropy_bits(task.domain_of[task.y_test]),
    }


def bias_table(sizes: Sequence[int] = (100, 1000), *, seed: int = 0) -> pd.DataFrame:
    """Mean estimates of the mutual information of known distributions, from frequencies and corrected.

    Args:
        sizes: numbers of examples.
        seed: of the draws.
    """
    generator, rows = np.random.default_rng(seed), {}
    for name, joint in {"dependent": KNOWN_JOINT, "independent": INDEPENDENT_JOINT}.items():
        independent = np.outer(joint.sum(1), joint.sum(0))
        truth = float((joint * np.log2(joint / independent)).sum())
        for n in sizes:
            cells = generator.choice(joint.size, size=(SIMULATIONS, n), p=joint.ravel())
            pairs = [np.unravel_index(row, joint.shape) for row in cells]
            raw = np.array([pointwise_information(*pair).mean() for pair in pairs])
            corrected = raw - [bias_of_frequencies(*pair) for pair in pairs]
            rows[name, n] = {"truth": truth, "from frequencies": raw.mean(), "corrected": corrected.mean()}
    return pd.DataFrame(rows).T.rename_axis(["variables", "examples"])
