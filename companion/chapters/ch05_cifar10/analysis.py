"""Analysis of chapter 05: tables of paired differences and of metrics, Table I by class, and the released notebook."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from companion.chapters.summaries import format_mean
from l2h.evaluation.comparisons import table_one_intervals
from l2h.evaluation.intervals import Interval, format_interval
from l2h.evaluation.metrics import (
    ask_indicator,
    client_correctness,
    client_server_correctness,
    correctness,
    loss_per_example,
    server_correctness,
    split_by_class,
)
from l2h.problem import Costs, Predictions

# Printed by the released notebook: accuracy of client and server by label (+1 is the first of its two classes).
PRINTED_TABLE_ONE = {
    (1, "kept"): (0.84, 0.96),
    (-1, "kept"): (0.92, 0.94),
    (1, "asked"): (0.39, 0.95),
    (-1, "asked"): (0.68, 0.88),
}
PRINTED_CLIENT = {"all": 0.71, "airplanes": 0.822, "automobiles": 0.612}  # accuracy
PRINTED_SYSTEM = {"accuracy": 0.90, "sent": 0.474}  # the second is 948 of 2,000 images
PRINTED_SERVER = 0.9385  # accuracy on all images
PRINTED_RESULTS = {
    "system accuracy": "0.90",
    "offload rate": "0.474",
    "server accuracy on all images": "0.939",
    "client accuracy on all images": "0.71",
}
NOTED_OFFLOAD_RATES = {0.0: 0.45, 0.01: 0.35, 0.15: 0.20, 0.16: 0.125, 0.18: 0.05}  # by cost ce, in its comments


def significant_coverages(coverages: Sequence[float], differences: Sequence[Interval]) -> dict[str, str]:
    """The coverages at which learning to help is significantly more, or less, accurate.

    Args:
        coverages: (k,) shares kept.
        differences: k intervals of the difference to a baseline.

    Returns:
        Two lists as text, "none" where a list is empty.

    >>> significant_coverages([0.25, 0.5], [Interval(0.2, 0.1, 0.3), Interval(0.0, -0.1, 0.1)])
    {'learning to help better at coverages': '0.25', 'worse at': 'none'}
    """
    paired = list(zip(coverages, differences, strict=True))
    better = [f"{coverage:.2f}" for coverage, difference in paired if difference.low > 0]
    worse = [f"{coverage:.2f}" for coverage, difference in paired if difference.high < 0]
    return {"learning to help better at coverages": ", ".join(better) or "none", "worse at": ", ".join(worse) or "none"}


def loss_and_rates(predictions: Sequence[Predictions], costs: Costs) -> dict[str, str]:
    """System loss, accuracy and offload rate with their intervals, as text.

    Args:
        predictions: of one system, one per seed.
        costs: c1 and ce of the loss.
    """
    return {
        "system loss": format_mean(predictions, partial(loss_per_example, costs=costs)),
        "accuracy": format_mean(predictions, correctness),
        "offload rate": format_mean(predictions, ask_indicator),
    }


def table_one_with_printed(
    predictions: Sequence[Predictions], classes: Sequence[str]
) -> dict[tuple[str, str], dict[str, Any]]:
    """The paper's Table I by class, beside the numbers that the released notebook prints.

    Args:
        predictions: of one system, one per seed.
        classes: names of the labels -1 and +1.

    Returns:
        (class, "kept" or "asked") -> count, accuracies and their difference as text, and the printed accuracies.
    """
    names = dict(zip((-1, 1), classes, strict=True))
    tables = {label: table_one_intervals([split_by_class(p)[label] for p in predictions]) for label in names}
    rows = {}
    for (label, subset), (printed_m, printed_e) in PRINTED_TABLE_ONE.items():
        measured = getattr(tables[label], subset)._asdict()
        row = {name: format_interval(interval, digits=2) for name, interval in measured.items()}
        rows[names[label], subset] = row | {"printed m": printed_m, "printed e": printed_e}
    return rows


def surest_images(predictions: Predictions, label: int, subset: str, count: int) -> np.ndarray:
    """The images of a class that the rejector keeps, or asks about, with the most extreme scores.

    Args:
        predictions: of one seed.
        label: -1 or +1.
        subset: "kept" or "asked".
        count: how many.

    Returns:
        Their indices, the most extreme first.
    """
    order = np.argsort(predictions.r if subset == "asked" else -predictions.r, kind="stable")
    return order[predictions.y[order] == label][:count]


def image_captions(predictions: Predictions, indices: np.ndarray, subset: str) -> list[str]:
    """For each image whether it is kept or asked about, and whether client and server are right.

    Args:
        predictions: of one seed.
        indices: of the images.
        subset: "kept" or "asked".
    """
    right = np.where(np.stack(client_server_correctness(predictions)), "right", "wrong")[:, indices]
    return [f"{subset}\nm {m}\ne {e}" for m, e in right.T]


def results_as_printed(predictions: Sequence[Predictions]) -> dict[str, str]:
    """The four results that the released notebook prints, with their intervals, as text.

    Args:
        predictions: of one system, one per seed.
    """
    metrics = (correctness, ask_indicator, server_correctness, client_correctness)
    return {name: format_mean(predictions, metric) for name, metric in zip(PRINTED_RESULTS, metrics, strict=True)}


def split_seeds_by_class(predictions: Sequence[Predictions]) -> dict[str, list[Predictions]]:
    """The predictions of every seed on airplanes, label -1, and on automobiles, label +1."""
    labels = {"airplanes": -1, "automobiles": 1}
    return {name: [split_by_class(p)[label] for p in predictions] for name, label in labels.items()}
