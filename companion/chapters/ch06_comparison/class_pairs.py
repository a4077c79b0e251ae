"""The primary experiment of chapter 06: all pairs of CIFAR-10's classes as a sample of tasks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from companion.chapters.ch06_comparison.human_uncertainty import easy_and_hard
from companion.chapters.settings import PAIRS_TABLE
from companion.chapters.systems import (
    COMPARISON_CE,
    STACKED_NAME,
    STACKED_ON,
    SYSTEMS,
    client_result,
    stacked_predictions,
)
from l2h.data.cifar10h import HumanLabels
from l2h.data.dataset import DEFAULT_PAIRS
from l2h.data.sources import CLASSES
from l2h.evaluation.curves import (
    accuracy_coverage_curve,
    area_under_curve,
    correctness_at_coverage,
    error_auroc_contributions,
)
from l2h.evaluation.metrics import ask_indicator, client_server_correctness, system_loss
from l2h.evaluation.thresholds import tuned_on_validation
from l2h.experiments import run
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.fingerprint import PACKAGE, Code, Definition, key
from l2h.experiments.run import RunResult
from l2h.experiments.sweep import with_dependencies
from l2h.problem import Costs, Predictions

BOOK = PACKAGE.parent / "book"
PAIR_COLUMNS = ("classes", "client", "seed", "system")  # they name a row
COVERAGE_PERCENT = tuple(range(10, 100, 10))
TABLE_DECIMALS = 6
HARDWARE_FACTS = ("bfloat16", "accelerator")  # of `run.key_facts`
GROUP_KEY_DIGITS = 16  # of 64: enough to tell a few hundred groups apart
PAIR_CLIENTS = ("as_released", "well_trained", "lenet")
PAIR_SEEDS = 5
SYSTEMS_OF_PAIRS = ("learning to help", "confidence", "separate", "two-stage", "two-stage, on scores")
SMALL_REJECTOR, SMALL_REJECTOR_SEEDS = "L2H, linear rejector", 1  # it trains a server of its own, which takes long


def class_pairs() -> list[tuple[str, str]]:
    """All pairs of CIFAR-10's classes.

    >>> len(class_pairs()), class_pairs()[0]
    (45, ('airplane', 'automobile'))
    """
    return list(combinations(CLASSES["cifar10"], 2))


def pair_systems(pair: tuple[str, str], client: str, seed: int) -> dict[str, ExperimentConfig]:
    """The systems that are trained for one pair, client and seed.

    Args:
        pair: names of two classes.
        client: kind of client.
        seed: the seed.

    Returns:
        Name of a system -> configuration.
    """
    # the configuration of the default pair names no classes, so that both experiments share its runs
    classes = () if pair == DEFAULT_PAIRS["cifar10"] else pair
    names = (*SYSTEMS_OF_PAIRS, *([SMALL_REJECTOR] if seed < SMALL_REJECTOR_SEEDS else []))
    base = ExperimentConfig("learning_to_help", ce=COMPARISON_CE, client=client, seed=seed, classes=classes)
    return {name: replace(base, **SYSTEMS[name]) for name in names}


def groups_of_seed(seed: int, pairs: Sequence[tuple[str, str]] | None = None) -> Iterator[dict[str, ExperimentConfig]]:
    """The systems of every pair and client for one seed.

    Args:
        seed: the seed.
        pairs: of classes; all by default.

    Yields:
        One dictionary of `pair_systems` per pair and client.
    """
    for pair in pairs or class_pairs():
        for client in PAIR_CLIENTS:
            yield pair_systems(pair, client, seed)


def runs_of_seed(seed: int, pairs: Sequence[tuple[str, str]] | None = None) -> list[ExperimentConfig]:
    """All runs of one seed, each after those that it reads.

    Args:
        seed: the seed.
        pairs: of classes; all by default.
    """
    return with_dependencies(config for group in groups_of_seed(seed, pairs) for config in group.values())


def group_key(group: Mapping[str, ExperimentConfig]) -> str:
    """What the rows of one pair, client and seed depend on: its runs, and the code that describes them.

    The kind of processor is no part of it, because the committed table is read on any machine.

    Args:
        group: of `pair_systems`.

    Returns:
        16 hexadecimal digits.
    """
    computation = Definition(run.__name__, "_compute_json")
    runs = [
        {name: fact for name, fact in run.key_facts(config, computation).items() if name not in HARDWARE_FACTS}
        for config in with_dependencies(group.values())
    ]
    return key(runs=runs, code=_code_digest())[:GROUP_KEY_DIGITS]


@lru_cache(maxsize=1)
def _code_digest() -> str:
    return Code(PACKAGE, PACKAGE.parent / "companion").fingerprint([Definition(__name__, "pair_rows")])


def pairs_table_path(book: Path = BOOK) -> Path:
    """Where the committed table lies.

    Args:
        book: folder of the records.
    """
    return book / PAIRS_TABLE.name


def read_pairs_table(book: Path = BOOK) -> pd.DataFrame:
    """The committed table: one row per pair, client, seed and system.

    Args:
        book: folder of the records.

    Returns:
        The columns of PAIR_COLUMNS, the numbers of `system_row`, and the key.

    Raises:
        FileNotFoundError: if it was never made.
    """
    return pd.read_csv(pairs_table_path(book))


def pair_rows(
    results: Mapping[ExperimentConfig, RunResult],
    systems: Mapping[str, ExperimentConfig],
    human_labels: HumanLabels | None,
) -> list[dict[str, Any]]:
    """What the systems of one pair, client and seed do on the test images, one row per system.

    Args:
        results: of the systems' runs and of those that they read.
        systems: of `pair_systems`.
        human_labels: of the test images, None where they are not at hand.

    Returns:
        Rows of `system_row`; the stacked rejector is one of the systems.
    """
    test, validation = (pair_predictions(results, systems, split) for split in ("test", "validation"))
    plain = test["confidence"]
    return [
        {
            "classes": "/".join(results[systems["two-stage"]].data["classes"]),
            "client": systems["two-stage"].client,
            "seed": systems["two-stage"].seed,
            "system": name,
            **system_row(validation[name], predictions, plain, human_labels),
        }
        for name, predictions in test.items()
    ]


def pair_predictions(
    results: Mapping[ExperimentConfig, RunResult], systems: Mapping[str, ExperimentConfig], split: str
) -> dict[str, Predictions]:
    """The predictions of the systems of one pair, client and seed, and of the stacked rejector.

    Args:
        results: as in `pair_rows`.
        systems: of `pair_systems`.
        split: "validation" or "test".

    Returns:
        Name of a system -> predictions.
    """
    read = results[systems[STACKED_ON]]
    predictions = {name: results[config].predictions(split) for name, config in systems.items()}
    return predictions | {STACKED_NAME: stacked_predictions(read, client_result(results, read.config), split)}


def system_row(
    validation: Predictions, test: Predictions, plain: Predictions, human_labels: HumanLabels | None
) -> dict[str, Any]:
    """What one system does on the test images.

    Args:
        validation: predictions on the validation split, on which the threshold is tuned.
        test: predictions on the test split.
        plain: predictions of a system with the server trained alone, on the same images.
        human_labels: of these images, or None.

    Returns:
        The area under the accuracy-coverage curve; the accuracy at each coverage; system loss and share sent at the
        threshold of least loss on the validation images; accuracies of the client and of the server; the area under
        the ROC curve of r for the client's errors; on the half of the images with the lowest r the accuracy of the
        system's server and of the plain one; and, of images that are hard for people minus those that are easy, the
        share sent.
    """
    costs = Costs(c1=1.0, ce=COMPARISON_CE)
    (tuned,) = tuned_on_validation([validation], [test], costs=costs)
    client, server = client_server_correctness(test)
    asked_half = np.argsort(test.r, kind="stable")[: len(test.y) // 2]
    asked = ask_indicator(tuned)
    accuracies = correctness_at_coverage(test, np.array(COVERAGE_PERCENT) / 100).mean(axis=1)
    row = {
        "area": area_under_curve(accuracy_coverage_curve(test)),
        **{f"accuracy_at_{percent}": value for percent, value in zip(COVERAGE_PERCENT, accuracies, strict=True)},
        "system_loss": system_loss(tuned, costs=costs),
        "sent": asked.mean(),
        "client_accuracy": client.mean(),
        "server_accuracy": server.mean(),
        "auroc": error_auroc_contributions(test).mean(),
        "server_on_half": server[asked_half].mean(),
        "plain_on_half": client_server_correctness(plain)[1][asked_half].mean(),
    }
    if human_labels is not None:
        easy, hard = easy_and_hard(human_labels)
        row["hard_minus_easy"] = asked[hard].mean() - asked[easy].mean()
    return {name: round(float(value), TABLE_DECIMALS) for name, value in row.items()}
