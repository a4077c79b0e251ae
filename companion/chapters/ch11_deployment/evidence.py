"""Evidence for the claims of chapter 11."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from companion.chapters.ch11_deployment.deployments import LINKS, REJECTOR, deployed_link, missed_share, request_seconds
from companion.chapters.paired_evidence import (
    evidence_on_differences,
    least_difference_evidence,
    paired_evidence,
)
from companion.chapters.pairs_evidence import secondary_evidence
from companion.chapters.settings import PAIRS_TABLE
from companion.chapters.summaries import SweptRuns
from companion.claims.evidence import EQUIVALENCE_LEVEL, EQUIVALENCE_LIMITS, Evidence
from companion.claims.registry import bounds_by_claim
from l2h.evaluation.comparisons import differences_per_example
from l2h.evaluation.intervals import z_interval
from l2h.evaluation.metrics import loss_per_example
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Costs, Predictions, asks, server_label
from l2h.serving.simulation.boards import RESNET8, boards, network_on_board, rejector_on_board

CHAPTER = "11_deployment"
EQUAL_COVERAGE = "accuracy_at_80"  # where two systems send a fifth of the inputs each


def deployed_loss(predictions: Predictions, *, missed: float, costs: Costs) -> np.ndarray:
    r"""The expected loss of each example if a share of the requests has no answer within the limit.

    .. math:: 1_{r > 0}\, 1_{m \neq y}
              + 1_{r \leq 0} \big(c_e + (1 - \varphi)\, c_1 1_{e \neq y} + \varphi\, 1_{m \neq y}\big)

    Args:
        predictions: of a system.
        missed: that share, phi; the client answers in its place.
        costs: c1 and ce.

    Returns:
        (n,) losses.
    """
    client_wrong = predictions.m != predictions.y
    server_wrong = server_label(predictions.e) != predictions.y
    asked = costs.ce + (1 - missed) * costs.c1 * server_wrong + missed * client_wrong
    return np.where(asks(predictions.r), asked, client_wrong)


def deployed_correctness(predictions: Predictions, *, missed: float) -> np.ndarray:
    """The probability that each example gets its true label, (n,); arguments as `deployed_loss`."""
    return 1 - deployed_loss(predictions, missed=missed, costs=Costs(c1=1.0, ce=0.0))


def missed_shares(devices: int) -> dict[str, float]:
    """The share of requests without an answer within the limit, for each link."""
    return {name: missed_share(deployed_link(name), devices=devices) for name in LINKS}


def gains_of_deployments(
    runs: SweptRuns, systems: Mapping[str, ExperimentConfig], missed: Mapping[str, float], *, data: str
) -> dict[str, Evidence]:
    """Evidence on how much less learning to help loses than never and always asking, by link, and on boards' memory.

    Args:
        runs: of both systems.
        systems: name -> configuration.
        missed: share of requests without an answer in time, by link.
        data: SHA-256 of the data set.
    """
    config = systems["learning to help"]
    plain, helped = runs.predictions(systems["confidence"]), runs.tuned(config, costs=config.costs)
    constant = [[replace(p, r=np.full(len(p.y), sign)) for p in plain] for sign in (1.0, -1.0)]
    evidence = {}
    for link, share in missed.items():
        loss = partial(deployed_loss, missed=share, costs=config.costs)
        gains = [differences_per_example(fixed, helped, loss) for fixed in constant]
        bounds = bounds_by_claim(CHAPTER)["real-deployments"][link]
        evidence[link] = least_difference_evidence(gains, bounds=bounds, data=data)
    for size in (1, 4):
        fits = all(rejector_on_board(board, REJECTOR, bytes_per_number=size).fits for board in boards().values())
        evidence[f"fits on every board, {8 * size} bits"] = Evidence.exact(fits)
    return evidence


def simulated_over_measured(table: pd.DataFrame) -> dict[str, Evidence]:
    """Evidence on the latency of the simulator over that of the running service, minus 1, by regime and quantile.

    Args:
        table: that of `tables.service_validation_table`.
    """
    return {
        f"{regime}, {quantile}": Evidence(row["ratio"], row["low"], row["high"], n=row["answers"])
        for (regime, quantile), row in table.iterrows()
    }


def accuracy_gains_over_confidence(missed: float, table: Path = PAIRS_TABLE) -> dict[str, Evidence]:
    r"""Evidence on the accuracy of learning to help minus that of confidence with as many requests, by client.

    .. math:: (1 - \varphi) (A_{\text{learning to help}} - A_{\text{confidence}})

    with the accuracies A at coverage 0.8, since the client answers a share :math:`\varphi` of the requests of both.

    Args:
        missed: share of requests without an answer in time, phi.
        table: of all pairs of classes, with the accuracies of both systems.
    """
    accuracies = pd.read_csv(table).pivot(index=["classes", "client", "seed"], columns="system", values=EQUAL_COVERAGE)
    gains = (1 - missed) * (accuracies["learning to help"] - accuracies["confidence"])
    return secondary_evidence(gains, clients=bounds_by_claim(CHAPTER)["more-accuracy-from-the-same-servers"])


def time_saved_by_asking(n: int) -> dict[str, Evidence]:
    """Evidence on the seconds of the client minus those of the rejector and a request over LTE, by board.

    Args:
        n: simulated requests.
    """
    seconds = request_seconds(deployed_link("LTE"), n)
    evidence = {}
    for name in bounds_by_claim(CHAPTER)["old-boards-answer-sooner-by-asking"]:
        client, rejector = (network_on_board(boards()[name], network).seconds for network in (RESNET8, REJECTOR))
        saved = client - rejector - seconds
        limits = dict(zip(EQUIVALENCE_LIMITS, z_interval(saved, level=EQUIVALENCE_LEVEL)[1:], strict=True))
        evidence[name] = Evidence(*z_interval(saved), n=n, **limits)
    return evidence


def accuracy_lost_to_outages(
    runs: SweptRuns, config: ExperimentConfig, missed: Mapping[str, float], *, data: str
) -> dict[str, Evidence]:
    """Evidence on the accuracy without minus that with the outages of a trace, by link.

    Args:
        runs: of the system.
        config: of the system.
        missed: share of requests without an answer in time, by link.
        data: SHA-256 of the data set.
    """
    predictions = runs.predictions(config)
    evidence = {}
    for link, bounds in bounds_by_claim(CHAPTER)["outages-cost-accuracy"].items():
        without, with_outages = (
            np.array([deployed_correctness(p, missed=missed[name]) for p in predictions])
            for name in (LINKS[link][0], link)
        )
        evidence[link] = evidence_on_differences(without - with_outages, bounds=bounds, data=data)
    return evidence


def losses_of_wrong_training(
    runs: SweptRuns, deciding: SweptRuns, grid: Mapping[float, ExperimentConfig], *, data: str
) -> dict[str, dict[str, Evidence]]:
    """Evidence on the loss of systems trained for the wrong ce minus that of those trained for the true one.

    Args:
        runs: of the systems.
        deciding: of further seeds, which decide the claim on new thresholds.
        grid: ce of the training -> configuration.
        data: SHA-256 of the data set.

    Returns:
        Evidence by claim and case: at r = 0, and with thresholds from validation images.
    """
    evidence: dict[str, dict[str, Evidence]] = {"wrong-ce-raises-the-loss": {}, "a-new-threshold-mends-a-wrong-ce": {}}
    low, high = min(grid), max(grid)
    for trained, true in ((low, high), (high, low)):
        case, costs = f"trained for {trained:g} instead of {true:g}", Costs(c1=1.0, ce=true)
        untuned = [runs.predictions(grid[ce]) for ce in (trained, true)]
        tuned = [deciding.tuned(grid[ce], costs=costs) for ce in (trained, true)]
        for (claim, found), (first, second) in zip(evidence.items(), (untuned, tuned), strict=True):
            bounds = bounds_by_claim(CHAPTER)[claim][case]
            loss = partial(loss_per_example, costs=costs)
            found[case] = paired_evidence(first, second, loss, bounds=bounds, data=data)
    return evidence
