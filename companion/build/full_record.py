"""The record over all pairs of classes: `python -m companion.build.full_record` makes it, and takes hours.

It writes two files beside chapter 06: `06_comparison.full.csv`, one row per pair, client, seed and system, from which
the chapter reads its primary answers, and `06_comparison.full.runs.csv`, a summary of every run, from which the audit
draws. The command can be interrupted and started again: finished runs are in the store.
"""

import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from companion.build import console, execute, summaries
from companion.build.beside import RUN_SUMMARIES
from companion.build.execute import print_line
from companion.build.notebooks import Folders
from companion.chapters.ch06_comparison import class_pairs, human_uncertainty
from l2h.data.cifar10h import HumanLabels
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.run_log import LoggedRun
from l2h.experiments.store import write_atomically
from l2h.experiments.sweep import sweep, with_dependencies


def main(folders: Folders | None = None) -> int:
    """The command: a line per seed on stdout; it ends as `console.run_command` says."""

    def made() -> int:
        make_full_record((folders or Folders()).book)
        return 0

    return console.run_command(made)


def make_full_record(book: Path) -> None:
    """Make all runs, and write both files.

    Args:
        book: folder of the records.

    Raises:
        FileNotFoundError: without CIFAR-10, or without the human labels of its test images.
    """
    if execute.cifar10_folder() is None:
        raise FileNotFoundError("expected CIFAR-10 for the record, found none; set L2H_DATA to its folder")
    if human_uncertainty.load_labels(ExperimentConfig("client")) is None:
        raise FileNotFoundError("expected CIFAR-10H for the record, found none; set L2H_DATA to its folder")
    rows: list[dict[str, Any]] = []
    logged: list[LoggedRun] = []
    for seed in range(class_pairs.PAIR_SEEDS):
        configs = class_pairs.runs_of_seed(seed)
        sweep(configs)
        rows += [row for group in class_pairs.groups_of_seed(seed) for row in rows_of_group(group)]
        logged += [LoggedRun(config, None) for config in configs]
        print_line(f"seed {seed}: {len(configs)} runs")
    path = class_pairs.pairs_table_path(book)
    write_atomically(path, pd.DataFrame(rows).to_csv(index=False))
    RUN_SUMMARIES.write(path, summaries.summaries_text(logged))
    print_line(f"wrote {path}")


def rows_of_group(group: Mapping[str, ExperimentConfig]) -> list[dict[str, Any]]:
    """The rows of one pair, client and seed, each with the key of what it depends on.

    Args:
        group: of `class_pairs.pair_systems`; its runs are made where the store lacks them.
    """
    needed = with_dependencies(group.values())
    results = dict(zip(needed, sweep(needed), strict=True))
    labels = _labels_of_classes(group["two-stage"].classes, group["two-stage"].source)
    key = class_pairs.group_key(group)
    return [row | {"key": key} for row in class_pairs.pair_rows(results, group, labels)]


@cache
def _labels_of_classes(classes: tuple[str, ...], source: str) -> HumanLabels | None:
    """Read once per pair: every reading checks the digests of all files of CIFAR-10."""
    return human_uncertainty.load_labels(ExperimentConfig("client", classes=classes, source=source))


if __name__ == "__main__":
    sys.exit(main())
