"""Evidence for the claims of chapter 05."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from companion.chapters.ch05_cifar10.analysis import split_seeds_by_class
from companion.claims.evidence import Evidence
from l2h.evaluation.comparisons import client_difference_kept_asked, mean_difference, subset_interval
from l2h.evaluation.curves import auc_contributions
from l2h.evaluation.intervals import Interval
from l2h.evaluation.metrics import ask_indicator
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Predictions

PredictionsOf = Callable[..., Sequence[Predictions]]  # (config, **changes) -> one per seed
Measured = Callable[..., Evidence]  # `Evidence.measured`, given the data set's hash


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
            evidence[f"{client}, {name}"] = measured(difference, first, predictions(baseline, client=client))
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


def table_one_evidence(predictions: Sequence[Predictions], subset: str, measured: Measured) -> dict[str, Evidence]:
    """Evidence on the accuracy of client and server on one subset, by class.

    Args:
        predictions: of one system, one per seed.
        subset: "kept" or "asked".
        measured: gives the evidence.
    """
    evidence = {}
    for name, of_class in split_seeds_by_class(predictions).items():
        for classifier, quantity in (("client", "m"), ("server", "e")):
            interval = partial(subset_interval, subset=subset, quantity=quantity)
            evidence[f"{name}, {classifier}"] = measured(interval, of_class)
    return evidence
