"""Summaries of the runs of chapter 10, which are no runs of `l2h.experiments`: the same files, with rows of their own.

One row per run and system: the run of a client with three helpers has a row for each, and one for the client's
confidence; the run of a further method has one row.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from companion.chapters.ch10_domains.experiments import (
    FURTHER_METHODS,
    HELPER_SYSTEMS,
    RUN_KIND,
    DomainRun,
    MethodRun,
    domain_run_key,
    run_domain,
)
from companion.chapters.ch10_domains.tasks import data_digest
from l2h.data.published import NotAvailableError
from l2h.evaluation.curves import accuracy_coverage_curve, area_under_curve
from l2h.evaluation.metrics import client_server_correctness
from l2h.experiments.run_log import read_facts
from l2h.experiments.store import Store

TEXT_COLUMNS = ("task", "method", "system", "data", "key")
NUMBER_COLUMNS = ("seed", "n_client", "n_fit", "n_test", "epochs")
DIGEST_DIGITS = 16  # of 64, of a key and of data
AREA_DECIMALS = 6  # of an area and of accuracies


class DomainSystem(NamedTuple):
    """One system of a run: what a row is about."""

    run: DomainRun
    system: str


def read_domain_log(path: Path) -> list[DomainRun]:
    """The runs of chapter 10 that a log names, each once; none if there is no log.

    Args:
        path: of the log.
    """
    return [_run(facts) for facts in read_facts(path, RUN_KIND)]


def _run(facts: Mapping[str, Any]) -> DomainRun:
    own = {name: value for name, value in facts.items() if name != "method"}
    return MethodRun(**own, method=facts["method"]) if facts.get("method") else DomainRun(**own)


def domain_summaries_text(runs: Iterable[DomainRun], store: Store | None = None) -> str:
    """The file of summaries of some runs.

    Args:
        runs: of either kind.
        store: that holds the results; a run that it lacks is made.

    Returns:
        CSV, sorted by task, seed and system; empty if there are no runs.
    """
    rows = [summarize_system(DomainSystem(run, name), store) for run in runs for name in systems_of(run)]
    if not rows:
        return ""
    ordered = pd.DataFrame(rows).sort_values(["task", "seed", "method", "system"])
    return str(ordered.to_csv(index=False))


def systems_of(run: DomainRun) -> tuple[str, ...]:
    """The systems that a run has a result of."""
    if not isinstance(run, MethodRun):
        return HELPER_SYSTEMS
    return tuple(name for name, method in FURTHER_METHODS.items() if method == run.method)


def summarize_system(one: DomainSystem, store: Store | None = None) -> dict[str, Any]:
    """The summary of one system of a run on the test part.

    Args:
        one: run and system.
        store: that holds the result; if it lacks it, the run is made.

    Returns:
        The fields of the run; the number of test examples; the accuracies of client and server and the area under the
        accuracy-coverage curve, which need no threshold; the processor seconds of the whole run, where the store knows
        them; and the first digits of the SHA-256 of the data and of the run's key.
    """
    result = run_domain(one.run, store)
    predictions = result.predictions(one.system)
    client, server = client_server_correctness(predictions)
    return {
        **asdict(one.run),
        "method": getattr(one.run, "method", ""),
        "system": one.system,
        "n": len(client),
        "client_accuracy": round(float(client.mean()), AREA_DECIMALS),
        "server_accuracy": round(float(server.mean()), AREA_DECIMALS),
        "area": round(area_under_curve(accuracy_coverage_curve(predictions)), AREA_DECIMALS),
        "cpu_seconds": result.cpu_seconds,
        "data": data_digest(one.run.task)[:DIGEST_DIGITS],
        "key": domain_run_key(one.run)[:DIGEST_DIGITS],
    }


def domain_system(row: Mapping[str, Any]) -> DomainSystem:
    """The run and the system that a row of a file is about.

    Args:
        row: as `summaries.read_summaries` gives it.

    >>> row = {"task": "wine", "seed": 1.0, "n_client": 9.0, "n_fit": 9.0, "n_test": 9.0, "method": ""}
    >>> domain_system(row | {"epochs": float("nan"), "system": "separate"}).run.epochs is None
    True
    """
    numbers = {name: None if math.isnan(row[name]) else int(row[name]) for name in NUMBER_COLUMNS}
    return DomainSystem(_run({"task": row["task"], "method": row["method"], **numbers}), row["system"])


def has_its_data(row: Mapping[str, Any]) -> bool:
    """Whether the data of a row's run are at hand, and the same as those of the record.

    Args:
        row: as `summaries.read_summaries` gives it.
    """
    try:
        return data_digest(row["task"])[:DIGEST_DIGITS] == row["data"]
    except NotAvailableError:
        return False
