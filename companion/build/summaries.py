"""A summary of every run that a chapter rests on, in a file beside its executed notebook: `NN_name.runs.csv`.

One row per run: what differs from the defaults of `ExperimentConfig`, and what the trained system does on the test
images. `pandas.read_csv` reads it; `companion.build.audit` trains some of the runs again and compares. The rows of
chapter 10, whose runs are of another kind, are those of `domain_summaries`.
"""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from companion.build import domain_summaries
from companion.build.beside import RUN_SUMMARIES
from l2h.data.corruptions import CLEAN
from l2h.evaluation.curves import accuracy_coverage_curve, area_under_curve
from l2h.evaluation.metrics import accuracy, client_server_correctness, offload_rate, system_loss
from l2h.experiments import run, shifted
from l2h.experiments.config import ExperimentConfig, dependencies
from l2h.experiments.run_log import LoggedRun, read_run_log
from l2h.experiments.store import Store
from l2h.methods import registry
from l2h.problem import Predictions, server_label

CONFIG_FIELDS: dict[str, Field[Any]] = {field.name: field for field in fields(ExperimentConfig)}
# Of the system, its client and its server on the test images; the loss at the run's costs; the area under the
# accuracy-coverage curve.
METRICS = ("accuracy", "client_accuracy", "server_accuracy", "offload_rate", "system_loss", "area")
ACCURACY_ON = "accuracy on "  # and the name of a condition: one column each, of the runs on corrupted images
DIGITS_OF_KEY = 16  # of 64: enough to distinguish a few thousand runs
DECIMALS = 6


def text_of_log(log: Path) -> str:
    """The file of summaries of the runs that a notebook's log names.

    Args:
        log: that the execution of the notebook wrote; there is none where it has no runs.

    Raises:
        ValueError: if there are runs of both kinds, whose rows have different columns.
    """
    own, of_domains = summaries_text(read_run_log(log)), domain_summaries.read_domain_log(log)
    if own and of_domains:
        raise ValueError(f"expected runs of one kind in a chapter, got {of_domains[0]} beside those of experiments")
    return own or domain_summaries.domain_summaries_text(of_domains)


def summaries_text(runs: Iterable[LoggedRun], store: Store | None = None) -> str:
    """The file of summaries of some runs and of all the runs that these read.

    Args:
        runs: as a notebook's log names them.
        store: that holds the results; a run that it lacks is made.

    Returns:
        CSV, sorted by configuration; empty if there are no runs.
    """
    rows = [summarize(logged, store) for logged in runs_with_dependencies(runs)]
    if not rows:
        return ""
    table = pd.DataFrame(rows)
    used = [name for name in CONFIG_FIELDS if name == "method" or (table[name] != _default(name)).any()]
    others = [name for name in table.columns if name not in CONFIG_FIELDS]
    rest = [name for name in others if name in METRICS or not table[name].isna().all()]
    ordered = table[[*used, *rest]].sort_values([*used, "key"], key=lambda column: column.map(str))
    return str(ordered.to_csv(index=False))


def summarize(logged: LoggedRun, store: Store | None = None) -> dict[str, Any]:
    """The summary of one run.

    Args:
        logged: the run.
        store: that holds its result; if it lacks the result, the run is made.

    Returns:
        The fields of the configuration as text; METRICS, None where a run has none, as a client alone has no offload
        rate; `n`, the number of test images; the training loss of the last epoch; the processor seconds; the run's
        key. Of a run on corrupted images also `n_images`, as in `shifted.Conditions`, and its accuracy per condition.
    """
    config = logged.config
    result: Any
    row: dict[str, Any] = {name: str(getattr(config, name)) for name in CONFIG_FIELDS}
    if logged.conditions is None:
        result, key, clean = run.run(config, store=store), run.run_key(config), "test"
        history, n_images = result.history, None
    else:
        conditions = shifted.Conditions(**logged.conditions)
        result = shifted.run_under_corruption(config, conditions, store=store)
        key, clean, history = shifted.corruption_key(config, conditions), CLEAN, ()
        n_images = conditions.n_images
    row |= {"n_images": n_images, **_metrics(config, result.scores[clean])}
    row |= {"training_loss": round(history[-1], DECIMALS) if history else None}
    row |= {"cpu_seconds": round(result.cpu_seconds, 2), "key": key[:DIGITS_OF_KEY]}
    if logged.conditions is not None and "y" in result.scores[clean]:
        corrupted = [name for name in logged.conditions["names"] if name != CLEAN]
        row |= {f"{ACCURACY_ON}{name}": round(accuracy(result.predictions(name)), DECIMALS) for name in corrupted}
    return row


def _metrics(config: ExperimentConfig, scores: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """METRICS of a run on the test images, and the number of these images."""
    values: dict[str, Any] = dict.fromkeys(METRICS)
    if config.method == "client" or config.method in registry.STANDALONE:
        (answers,) = scores.values()
        y = run.dataset_for_config(config).test.y.numpy()[: len(answers)]
        whose = "client_accuracy" if config.method == "client" else "server_accuracy"
        values[whose] = float(np.mean(server_label(answers) == y))
        return {"n": len(y), **_rounded(values)}
    predictions = Predictions(**scores)
    client, server = client_server_correctness(predictions)
    values |= {"accuracy": accuracy(predictions), "offload_rate": offload_rate(predictions)}
    values |= {"client_accuracy": float(client.mean()), "server_accuracy": float(server.mean())}
    values |= {"system_loss": system_loss(predictions, costs=config.costs)}
    values |= {"area": area_under_curve(accuracy_coverage_curve(predictions))}
    return {"n": len(predictions.y), **_rounded(values)}


def read_summaries(notebook: Path) -> pd.DataFrame:
    """The summaries beside an executed notebook.

    Args:
        notebook: its path.

    Returns:
        One row per run; configurations as text, all else as numbers, NaN where a run has none.
    """
    table = pd.read_csv(RUN_SUMMARIES.path(notebook), dtype=str, keep_default_na=False)
    text_columns = domain_summaries.TEXT_COLUMNS if is_of_domains(table.columns) else (*CONFIG_FIELDS, "key")
    for name in table.columns:
        if name not in text_columns:
            table[name] = pd.to_numeric(table[name])
    return table


def is_of_domains(names: Iterable[str]) -> bool:
    """Whether summaries with these columns are of the runs of chapter 10."""
    return "task" in names


def logged_run(row: Mapping[str, Any]) -> LoggedRun:
    """The run that a row of `read_summaries` is about.

    Args:
        row: one row.

    Returns:
        The run; a run on corrupted images with the conditions that the row has.

    >>> logged_run({"method": "confidence", "ce": "0.1", "accuracy": 0.9}).config.ce
    0.1
    """
    config = ExperimentConfig(**{name: _value(row[name]) for name in CONFIG_FIELDS if name in row})
    if np.isnan(row.get("n_images", np.nan)):
        return LoggedRun(config, None)
    names = tuple(name.removeprefix(ACCURACY_ON) for name in row if name.startswith(ACCURACY_ON))
    return LoggedRun(config, {"names": (CLEAN, *names), "n_images": int(row["n_images"])})


def runs_with_dependencies(runs: Iterable[LoggedRun]) -> list[LoggedRun]:
    """The runs, and before each the runs that it reads; each once.

    Args:
        runs: of any kind.

    Returns:
        The runs; a run that several notebooks used with other activations counts once.
    """
    found: dict[tuple[Any, ...], LoggedRun] = {}
    for logged in runs:
        earlier = runs_with_dependencies(LoggedRun(config, logged.conditions) for config in dependencies(logged.config))
        for each in [*earlier, logged]:
            found.setdefault(identity(each), each)
    return list(found.values())


def identity(logged: LoggedRun) -> tuple[Any, ...]:
    """The facts that distinguish runs: the configuration, and the corrupted images on which it is evaluated."""
    conditions = logged.conditions
    return logged.config, conditions and tuple(sorted(conditions["names"])), conditions and conditions["n_images"]


def _rounded(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, DECIMALS) for name, value in values.items()}


def _default(name: str) -> str | None:
    default = CONFIG_FIELDS[name].default
    return None if default is MISSING else str(default)


def _value(text: str) -> Any:
    """A field's value from its text: numbers, truth values and tuples are literals, all else is a name."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text
