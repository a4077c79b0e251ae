"""Evidence for the claims of chapter 05."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import nan
from typing import Any, NamedTuple

import numpy as np

from companion.chapters.ch05_cifar10.analysis import (
    PRINTED_CLIENT,
    PRINTED_SERVER,
    PRINTED_SYSTEM,
    PRINTED_TABLE_ONE,
    split_seeds_by_class,
)
from companion.claims.evidence import Evidence
from companion.claims.power import units_to_settle
from companion.claims.registry import bounds_by_claim
from companion.claims.verdicts import SINGLE_CASE
from l2h.evaluation.comparisons import client_difference_kept_asked, mean_difference, subset_interval
from l2h.evaluation.curves import auc_contributions
from l2h.evaluation.intervals import Interval, prediction_interval
from l2h.evaluation.metrics import (
    accuracy,
    ask_indicator,
    client_correctness,
    keep_indicator,
    offload_rate,
    server_correctness,
)
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Predictions

PredictionsOf = Callable[..., Sequence[Predictions]]  # (config, **changes) -> one per seed
Measured = Callable[..., Evidence]  # `Evidence.measured`, given the data set's hash
MIN_RUNS = 3  # of a prediction interval


class PrintedNumber(NamedTuple):
    """A printed number, and the runs whose result it is compared with."""

    runs: Sequence[Predictions]  # one per seed
    result: Callable[[Predictions], float]  # of one run; NaN where it has no such example
    printed: float


def measured_on(data: str) -> Measured:
    """`Evidence.measured` for results on one data set, given by its SHA-256."""
    return partial(Evidence.measured, data=data)


def difference_on(subset: str) -> Callable[[Sequence[Predictions]], Interval]:
    """The interval of the difference in accuracy, client minus server, on "kept" or on "asked" inputs."""
    return partial(subset_interval, subset=subset, quantity="difference")


def area_gains(
    predictions: PredictionsOf,
    system: ExperimentConfig,
    baselines: Mapping[str, ExperimentConfig],
    clients: Sequence[str],
    measured: Measured,
) -> dict[str, Evidence]:
    """Evidence on the difference in area under the accuracy-coverage curve, by client and baseline.

    Args:
        predictions: gives the predictions of a configuration.
        system: the system whose gain is measured.
        baselines: name -> configuration.
        clients: forms of the client.
        measured: gives the evidence.
    """
    difference = partial(mean_difference, per_example=auc_contributions)
    evidence = {}
    for client in clients:
        first = predictions(system, client=client)
        for name, baseline in baselines.items():
            second = predictions(baseline, client=client)
            evidence[f"{client}, {name}"] = measured(difference, first, second, equivalence=True)
    return evidence


def errors_found(
    predictions: PredictionsOf, config: ExperimentConfig, clients: Sequence[str], measured: Measured
) -> dict[str, Evidence]:
    """Evidence on the client's accuracy on kept images minus that on asked images, by client."""
    return {client: measured(client_difference_kept_asked, predictions(config, client=client)) for client in clients}


def offload_reductions_by_client(
    predictions: PredictionsOf,
    cheap: ExperimentConfig,
    expensive: ExperimentConfig,
    clients: Sequence[str],
    measured: Measured,
) -> dict[str, Evidence]:
    """Evidence on the offload rate at a low cost of asking minus that at a high cost, by client."""
    difference = partial(mean_difference, per_example=ask_indicator)
    return {
        client: measured(difference, predictions(cheap, client=client), predictions(expensive, client=client))
        for client in clients
    }


def printed_evidence(
    released: Sequence[Predictions], client_runs: Sequence[Predictions], *, data: str
) -> dict[str, dict[str, Evidence]]:
    """Evidence on the numbers that the released notebook prints, by claim and case.

    Args:
        released: predictions of the released configuration at ce = 0, one per seed.
        client_runs: predictions with the same client, one per seed.
        data: SHA-256 of the data set.
    """
    bounds, clients = bounds_by_claim("05_cifar10"), {"all": client_runs, **split_seeds_by_class(client_runs)}
    numbers: dict[str, dict[str, PrintedNumber]] = {
        "printed-client": {
            name: PrintedNumber(clients[name], _mean_of(client_correctness), printed)
            for name, printed in PRINTED_CLIENT.items()
        },
        "printed-system": {
            "accuracy": PrintedNumber(released, accuracy, PRINTED_SYSTEM["accuracy"]),
            "sent": PrintedNumber(released, offload_rate, PRINTED_SYSTEM["sent"]),
        },
        "printed-server": {SINGLE_CASE: PrintedNumber(released, _mean_of(server_correctness), PRINTED_SERVER)},
        "printed-kept": _table_one_numbers(released, "kept"),
        "printed-sent": _table_one_numbers(released, "asked"),
    }
    return {
        claim: {case: new_run_minus_printed(number, bounds[claim][case], data=data) for case, number in cases.items()}
        for claim, cases in numbers.items()
    }


def _mean_of(per_example: Callable[[Predictions], np.ndarray]) -> Callable[[Predictions], float]:
    return lambda predictions: float(per_example(predictions).mean())


def _table_one_numbers(released: Sequence[Predictions], subset: str) -> dict[str, PrintedNumber]:
    members = {"kept": keep_indicator, "asked": ask_indicator}[subset]
    classifiers = {"client": client_correctness, "server": server_correctness}

    def accuracy_on_subset(per_example: Callable[[Predictions], np.ndarray]) -> Callable[[Predictions], float]:
        return lambda p: float(per_example(p)[members(p) == 1].mean()) if members(p).any() else nan

    numbers = {}
    for (name, of_class), label in zip(split_seeds_by_class(released).items(), (-1, 1), strict=True):
        for classifier, printed in zip(classifiers, PRINTED_TABLE_ONE[label, subset], strict=True):
            result = accuracy_on_subset(classifiers[classifier])
            numbers[f"{name}, {classifier}"] = PrintedNumber(of_class, result, printed)
    return numbers


def new_run_minus_printed(number: PrintedNumber, bounds: Mapping[str, Any], *, data: str) -> Evidence:
    """Evidence on the result of one new run minus a printed number, with the limits of the prediction interval.

    All runs are evaluated on the same test images as the printed one, so that only the seeds differ.

    Args:
        number: with its runs.
        bounds: of the rule, which holds the largest half-width that says anything.
        data: SHA-256 of the data set.
    """
    results = np.array([number.result(p) for p in number.runs])
    if not len(results):
        return Evidence.absent("not run at this profile")
    if len(results) < MIN_RUNS:
        return Evidence.absent(f"a prediction interval needs {MIN_RUNS} runs, this profile has {len(results)}")
    if np.isnan(results).any():
        return Evidence.absent("there is no such example")
    difference = prediction_interval(results - number.printed)
    settled_by = units_to_settle(
        difference.estimate, results.std(ddof=1), len(results) - 1, units=len(results), bounds=bounds
    )
    n, seeds = len(number.runs[0].y), len(results)
    return Evidence(*difference, n=n, seeds=seeds, data=data, units="seeds", settled_by=settled_by)
