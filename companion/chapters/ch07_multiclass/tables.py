"""Tables and sentences of the chapter on many classes, generated from its results."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from companion.chapters.ch07_multiclass import experiments
from companion.chapters.ch07_multiclass.experiments import MulticlassResults
from companion.chapters.ch07_multiclass.settings import Settings
from companion.chapters.summaries import PerExample
from companion.chapters.systems import ON_DEVICE_CLASSIFIER, ComparedSystem
from l2h.evaluation import metrics
from l2h.evaluation.comparisons import mean_interval
from l2h.evaluation.crossed import crossed_intervals
from l2h.evaluation.curves import area_under_curve, error_auroc_contributions, loss_curve
from l2h.evaluation.intervals import Interval, format_interval
from l2h.evaluation.metrics import (
    ask_indicator,
    client_correctness,
    client_server_correctness,
    correctness,
    loss_per_example,
    reference_losses,
    server_correctness,
    system_loss,
)
from l2h.evaluation.resources import ResourceUse
from l2h.losses.deferral import ask_cost
from l2h.problem import Costs, Predictions

PRINTED_ACCURACIES = {"client follow_up": "0.38–0.39", "server, plain": "0.60"}  # by the follow-up
PRINTED_OFFLOAD_RATE = 0.9194  # 9,194 of 10,000 images
PRINTED_SYSTEM_ERROR = 0.407  # rebuilt from its printed accuracies
PRINTED_CLIENT_ERRORS = (0.61, 0.62)
Row = dict[str, str]


def accuracy_table(
    results: MulticlassResults, settings: Settings, systems: Mapping[str, Sequence[Predictions]]
) -> pd.DataFrame:
    """Test accuracies of the clients and of the servers, beside those that the follow-up prints."""
    grid = experiments.multiclass_grid(settings)
    asked = {client: results.untuned(grid[client, "always ask"]) for client in settings.clients}
    measured = {
        f"client {client}": mean_interval(predictions, client_correctness) for client, predictions in asked.items()
    }
    measured["server, plain"] = mean_interval(asked[settings.clients[0]], correctness)
    for name in ("stage switching", *experiments.WEIGHTED_SERVER_SYSTEMS):
        measured[f"server, {name}"] = mean_interval(systems[name], server_correctness)
    table = {
        "test accuracy [95 % interval]": {name: format_interval(interval) for name, interval in measured.items()},
        "printed by the follow-up": PRINTED_ACCURACIES,
    }
    return pd.DataFrame(table).reindex(measured).fillna("")


def loss_table(results: MulticlassResults, systems: Mapping[str, ComparedSystem]) -> dict[str, Row]:
    """Loss, accuracy and offload rate of each system at its tuned threshold, and loss and offload rate at r = 0.

    Args:
        results: of the runs.
        systems: name -> configuration, whose costs count; all on the same examples.

    Returns:
        Name -> column -> number with its interval; at r = 0 without.
    """
    tuned = {name: results.tuned_on_validation(config) for name, config in systems.items()}
    untuned = {name: results.untuned(config) for name, config in systems.items()}
    losses = {name: partial(loss_per_example, costs=config.costs) for name, config in systems.items()}
    columns = {
        "system loss": _formatted_means([[losses[name](p) for p in tuned[name]] for name in systems]),
        "at r = 0": _formatted_means([[losses[name](p) for p in untuned[name]] for name in systems], limits=False),
        "accuracy": _formatted_means([[correctness(p) for p in tuned[name]] for name in systems]),
        "offload rate": _formatted_means([[ask_indicator(p) for p in tuned[name]] for name in systems]),
        "offload rate at r = 0": _formatted_means(
            [[ask_indicator(p) for p in untuned[name]] for name in systems], limits=False
        ),
    }
    return _rows(list(systems), columns)


def _rows(names: Sequence[str], columns: Mapping[str, Sequence[str]]) -> dict[str, Row]:
    return {name: {column: texts[index] for column, texts in columns.items()} for index, name in enumerate(names)}


def _formatted_means(values: Sequence[Sequence[np.ndarray]], *, limits: bool = True) -> list[str]:
    """Means over seeds and examples as text, with their intervals or without."""
    means = crossed_intervals(np.array(values, dtype=float))
    return [format_interval(interval) if limits else f"{interval.estimate:.3f}" for interval in means]


def reference_rows(predictions: Sequence[Predictions], *, costs: Costs) -> dict[str, Row]:
    """Rows for `loss_table` that need no trained rejector: constant and random decisions, and the oracle.

    Args:
        predictions: of one client and one server, one per seed; their r is not read.
        costs: c1 and ce.

    Returns:
        "always ask", "never ask", "random, best rate" (the cheaper of both, seed by seed) and "oracle" -> column ->
        number with its interval.
    """
    metrics: dict[str, PerExample] = {
        "system loss": partial(loss_per_example, costs=costs),
        "accuracy": correctness,
        "offload rate": ask_indicator,
    }
    references = {name: [replace(p, r=r(p, costs)) for p in predictions] for name, r in _REFERENCE_SCORES.items()}
    columns = {
        column: _formatted_means([[metric(p) for p in by_seed] for by_seed in references.values()])
        for column, metric in metrics.items()
    }
    return _rows(list(references), columns)


def _best_constant_scores(p: Predictions, costs: Costs) -> np.ndarray:
    losses = reference_losses(p, costs=costs)
    return np.full(len(p.y), -1.0 if losses.always < losses.never else 1.0)


def _oracle_scores(p: Predictions, costs: Costs) -> np.ndarray:
    client_wrong, server_wrong = (1.0 - right for right in client_server_correctness(p))
    return ask_cost(server_wrong, costs=costs) - client_wrong


_REFERENCE_SCORES: dict[str, Callable[[Predictions, Costs], np.ndarray]] = {
    "always ask": lambda p, costs: np.full(len(p.y), -1.0),
    "never ask": lambda p, costs: np.ones(len(p.y)),
    "random, best rate": _best_constant_scores,
    "oracle": _oracle_scores,
}


def ranking_metrics(predictions: Sequence[Predictions]) -> Row:
    """The AUGRC, and the AUROC of the client's errors, of one system: means over seeds, for any threshold."""
    selective = Costs(c1=0.0, ce=0.0)
    augrc = np.mean([area_under_curve(loss_curve(p, costs=selective)) for p in predictions])
    auroc = mean_interval(predictions, error_auroc_contributions).estimate
    return {"AUGRC": f"{augrc:.3f}", "AUROC": f"{auroc:.3f}"}


def comparison_table(results: MulticlassResults, systems: Mapping[str, ComparedSystem]) -> dict[str, Row]:
    """The rows of `loss_table` with the `ranking_metrics` of each system."""
    rows = loss_table(results, systems)
    return {name: row | ranking_metrics(results.tuned_on_validation(systems[name])) for name, row in rows.items()}


def client_tables(
    results: MulticlassResults, settings: Settings, gains: Mapping[str, Mapping[str, Interval]]
) -> pd.DataFrame:
    """The `comparison_table` of every client, sorted by loss; the first client's with its gains over confidence."""
    blocks = {}
    for client in settings.clients:
        systems = experiments.compared_systems(settings, client)
        rows = comparison_table(results, systems)
        if client == settings.clients[0]:
            for column, by_system in gains.items():
                for name, interval in by_system.items():
                    rows[name][column] = format_interval(interval)
        blocks[client] = pd.DataFrame(rows).T.sort_values("system loss")
    return pd.concat(blocks).fillna("")


def comparison_summary(
    results: MulticlassResults, settings: Settings, gains: Mapping[str, Mapping[str, Interval]]
) -> str:
    """Sentences about the table of the clients: the significant gains, the forms of confidence, the lowest losses."""
    excluded = experiments.MULTICLASS_EXCLUDED_BASELINES
    better = [n for n, gain in gains["gain in loss"].items() if gain.low > 0 and n not in excluded]
    lines = [f"Rejectors on the device with a significant gain in loss over confidence: {', '.join(better) or 'none'}."]
    forms = [gains["gain in loss"][f"confidence, {form}"] for form in ("margin", "entropy")]
    lines += [f"Gain in loss of margin {forms[0].estimate:+.3f}, of entropy {forms[1].estimate:+.3f}."]
    for client in settings.clients:
        systems = experiments.compared_systems(settings, client)
        on_device = {
            name: _mean_metrics(results.tuned_on_validation(config), config.costs)
            for name, config in systems.items()
            if name not in excluded or name == ON_DEVICE_CLASSIFIER
        }
        classifier = on_device.pop(ON_DEVICE_CLASSIFIER, None)
        best = min(on_device, key=lambda name: on_device[name].loss)
        client_accuracy = np.mean([client_correctness(p).mean() for p in results.untuned(systems[best])])
        lines.append(
            f"Client {client} (accuracy {client_accuracy:.2f}): lowest loss of a rejector on the device "
            f"{on_device[best].loss:.3f} ({best})."
        )
        if classifier is not None:
            gain = gains["gain in loss"][ON_DEVICE_CLASSIFIER]
            significant = "significant" if gain.low > 0 or gain.high < 0 else "no significant"
            lines.append(
                f"The {ON_DEVICE_CLASSIFIER} has accuracy {classifier.accuracy:.2f} and loss {classifier.loss:.3f}: "
                f"{significant} difference from confidence."
            )
    return "\n".join(lines)


class _MeanMetrics(NamedTuple):
    loss: float
    accuracy: float
    offload_rate: float


def _mean_metrics(predictions: Sequence[Predictions], costs: Costs) -> _MeanMetrics:
    return _MeanMetrics(
        float(np.mean([system_loss(p, costs=costs) for p in predictions])),
        float(np.mean([metrics.accuracy(p) for p in predictions])),
        float(np.mean([metrics.offload_rate(p) for p in predictions])),
    )


def operations_table(resources: Mapping[str, ResourceUse]) -> pd.DataFrame:
    """Operations on the device and bytes sent, per image."""
    rows = {
        name: {
            "million operations on the device": use.device_flops / 1e6,
            "kilobytes sent": use.bytes_sent / 1e3,
        }
        for name, use in resources.items()
    }
    return pd.DataFrame(rows).T.round(3)


def follow_up_table(results: MulticlassResults, settings: Settings) -> pd.DataFrame:
    """The systems at the costs of the follow-up's tables, and the rows that need no trained rejector."""
    asked = results.untuned(experiments.multiclass_grid(settings)[settings.clients[0], "always ask"])
    rows: dict[tuple[str, str], Row] = {}
    for costs, systems in _systems_by_costs(settings).items():
        title = f"c1 = {costs.c1:g}, ce = {costs.ce:g}"
        block = loss_table(results, systems)
        block |= reference_rows(asked, costs=costs)
        if costs == experiments.FOLLOW_UP_COSTS:
            block["printed by the follow-up"] = {
                "at r = 0": "0.667 (rebuilt)",
                "accuracy": "0.593 (rebuilt)",
                "offload rate at r = 0": "0.919",
            }
        rows |= {(title, name): row for name, row in block.items()}
    return pd.DataFrame(rows).T.fillna("")


def _systems_by_costs(settings: Settings) -> dict[Costs, dict[str, ComparedSystem]]:
    by_costs: dict[Costs, dict[str, ComparedSystem]] = {}
    for (costs, name), config in experiments.follow_up_table_grid(settings).items():
        by_costs.setdefault(costs, {})[name] = config
    return by_costs


def follow_up_summary(results: MulticlassResults, settings: Settings) -> str:
    """For each pair of costs: the oracle's gain over the best constant decision, and the largest gain of a rejector.

    And the offload rates at r = 0 and the tuned losses of the released and of the nonnegative form.
    """
    asked = results.untuned(experiments.multiclass_grid(settings)[settings.clients[0], "always ask"])
    lines = []
    for costs, systems in _systems_by_costs(settings).items():
        constant, oracle = np.mean([reference_losses(p, costs=costs)[2:] for p in asked], axis=0)
        tuned = {
            name: _mean_metrics(results.tuned_on_validation(config), costs).loss for name, config in systems.items()
        }
        rates = [
            np.mean([metrics.offload_rate(p) for p in results.untuned(systems[f"stage, {form}"])])
            for form in ("released", "nonnegative")
        ]
        lines.append(
            f"c1 = {costs.c1:g}, ce = {costs.ce:g}: gain over the best constant decision {constant - oracle:.3f} "
            f"(oracle), {constant - min(tuned.values()):.3f} (best rejector); released and nonnegative form: offload "
            f"rate at r = 0 {rates[0]:.2f} and {rates[1]:.2f}, tuned loss {tuned['stage, released']:.3f} and "
            f"{tuned['stage, nonnegative']:.3f}"
        )
    return "\n".join(lines)


def printed_loss_range() -> tuple[float, float]:
    """The least and the largest system loss that agree with the follow-up's printed totals.

    Every error of the system is one of the client on a kept image, which costs 1, or one of the server, which costs 1
    and c1 - 1 more.

    >>> [round(loss, 3) for loss in printed_loss_range()]
    [0.656, 0.672]
    """
    costs, error = experiments.FOLLOW_UP_COSTS, PRINTED_SYSTEM_ERROR
    fewest_server_errors = error - (1 - PRINTED_OFFLOAD_RATE)  # the client is wrong on every kept image
    low, high = (
        costs.ce * PRINTED_OFFLOAD_RATE + error + (costs.c1 - 1) * server_errors
        for server_errors in (fewest_server_errors, error)
    )
    return low, high
