"""A log of the runs that a program uses: the variable L2H_RUN_LOG names a file, which gets one line per run.

The executor of a notebook learns from it which runs the notebook rests on, whether they were made or read.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from l2h.experiments.config import ExperimentConfig

RUN_LOG = "L2H_RUN_LOG"


class LoggedRun(NamedTuple):
    """A run that a program used."""

    config: ExperimentConfig
    conditions: Mapping[str, Any] | None  # the fields of `shifted.Conditions`; None for a run on the test images as is


def log_run(config: ExperimentConfig, conditions: Any = None) -> None:
    """Append one run to the log, if the environment names one; several processes may write to the same log.

    Args:
        config: of the run.
        conditions: a `shifted.Conditions`, if the run is one on corrupted images.
    """
    path = os.environ.get(RUN_LOG)
    if path:
        line = json.dumps({"config": asdict(config), "conditions": conditions and asdict(conditions)})
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def log_facts(kind: str, facts: Any) -> None:
    """Append a line on a run of another kind to the log, if the environment names one.

    Args:
        kind: of the run.
        facts: what JSON can hold.
    """
    path = os.environ.get(RUN_LOG)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps({kind: facts})}\n")


def read_facts(path: Path, kind: str) -> list[Any]:
    """What `log_facts` wrote on runs of one kind, each once, in the order of their first use; nothing without a log.

    Args:
        path: of the log.
        kind: of the runs.
    """
    return [line[kind] for line in _read_lines(path) if kind in line]


def read_run_log(path: Path) -> list[LoggedRun]:
    """The runs of a log, each once, in the order of their first use; none if there is no log.

    Args:
        path: of the log.

    Returns:
        The runs, without those of other kinds.
    """
    return [_logged_run(line) for line in _read_lines(path) if "config" in line]


def _read_lines(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in dict.fromkeys(lines)]


def _logged_run(line: dict[str, Any]) -> LoggedRun:
    conditions = line["conditions"]
    return LoggedRun(ExperimentConfig(**_with_tuples(line["config"])), conditions and _with_tuples(conditions))


def _with_tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
