"""Analysis of chapter 08: losses over costs, maps of alpha and beta, and budgets on trained systems."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from IPython.display import Markdown

from companion.chapters.summaries import SweptRuns, format_mean
from l2h.evaluation.comparisons import differences_per_example, reference_losses_at_costs
from l2h.evaluation.curves import auc_contributions
from l2h.evaluation.intervals import Interval, pointwise_t_intervals
from l2h.evaluation.metrics import accuracy, ask_indicator, correctness, loss_per_example, offload_rate, system_loss
from l2h.evaluation.thresholds import budget_threshold, with_threshold
from l2h.experiments.config import ExperimentConfig
from l2h.problem import Costs, Predictions

RETHRESHOLDED = ("learning to help", "two-stage", "confidence")
CostGrid = Mapping[tuple[str, float, float], ExperimentConfig]  # (client, c1, ce) -> configuration


def bands_over_costs(runs: SweptRuns, grid: CostGrid, client: str, quantity: str) -> dict[str, Interval]:
    """A quantity of the systems trained for each pair of costs, averaged over seeds, with pointwise intervals.

    Args:
        runs: of the grid.
        grid: (client, c1, ce) -> configuration.
        client: form of the client.
        quantity: "offload rate", "accuracy" or "system loss".

    Returns:
        One entry per c1: means and limits over the values of ce.
    """
    values: dict[str, list[list[float]]] = {}
    for (name, c1, _), config in grid.items():
        if name == client:
            by_seed = [_quantity(quantity, p, config.costs) for p in runs.predictions(config)]
            values.setdefault(f"$c_1$ = {c1:g}", []).append(by_seed)
    return {label: pointwise_t_intervals(np.transpose(by_ce)) for label, by_ce in values.items()}


def _quantity(name: str, predictions: Predictions, costs: Costs) -> float:
    if name == "system loss":
        return system_loss(predictions, costs=costs)
    return offload_rate(predictions) if name == "offload rate" else accuracy(predictions)


def loss_by_costs_table(
    runs: SweptRuns, grid: CostGrid, rethresholded: Mapping[tuple[str, str], ExperimentConfig]
) -> pd.DataFrame:
    """System losses at every pair of costs: of the systems trained for them, and of systems trained once.

    Args:
        runs: of both grids.
        grid: (client, c1, ce) -> configuration trained for these costs.
        rethresholded: (client, system) -> configuration trained once.

    Returns:
        One row per client and pair of costs; the last columns name the least loss of the systems with tuned thresholds,
        and the rows in which the system is dominated at r = 0.
    """
    rows = {}
    for (client, c1, ce), config in grid.items():
        costs = config.costs
        systems = {
            "trained for these costs, r = 0": runs.predictions(config),
            "trained for these costs": runs.tuned(config, costs=costs),
        }
        for name in RETHRESHOLDED:
            systems[f"{name}, once"] = runs.tuned(rethresholded[client, name], costs=costs)
        losses = {name: np.mean([system_loss(p, costs=costs) for p in seeds]) for name, seeds in systems.items()}
        reference = reference_losses_at_costs([costs], systems["confidence, once"])
        losses["no rejector"] = reference["random, best rate"][0]
        rows[client, c1, ce] = losses | {"oracle": reference["oracle"][0]}
    table = pd.DataFrame(rows).T.rename_axis(["client", "c1", "ce"])
    dominated = np.where(table["trained for these costs, r = 0"] > table["no rejector"], "dominated", "")
    return table.assign(least=table.iloc[:, 1:5].idxmin(axis=1), **{"r = 0 is": dominated})


def describe_dominated(table: pd.DataFrame) -> Markdown:
    """A sentence on the pairs of costs at which the trained system loses more than no rejector at all.

    Args:
        table: of `loss_by_costs_table`.
    """
    at_zero = table["trained for these costs, r = 0"] > table["no rejector"]
    tuned = table["trained for these costs"] > table["no rejector"]
    rows = ", ".join(f"{client} at c1 = {c1:g}, ce = {ce:g}" for client, c1, ce in table.index[at_zero])
    return Markdown(
        f"At r = 0 the system that was trained for its costs is dominated in {at_zero.sum()} of {len(table)} rows"
        + (f" ({rows})" if rows else "")
        + f"; with a threshold from the validation images in {tuned.sum()}."
    )


def metric_map(
    runs: SweptRuns,
    grid: Mapping[tuple[float, float], ExperimentConfig],
    metric: Callable[[Predictions], float],
    split: str = "test",
) -> pd.DataFrame:
    """A metric for each alpha (rows) and beta (columns), averaged over seeds.

    Args:
        runs: of the grid.
        grid: (alpha, beta) -> configuration.
        metric: of one seed's predictions.
        split: "validation" or "test".
    """
    means = {pair: np.mean([metric(p) for p in runs.predictions(config, split)]) for pair, config in grid.items()}
    alphas, betas = (list(dict.fromkeys(values)) for values in zip(*grid, strict=True))
    return pd.Series(means).unstack().loc[alphas, betas]


def loss_rates_and_area(predictions: Sequence[Predictions], *, costs: Costs) -> dict[str, str]:
    """System loss, accuracy, offload rate and area with their intervals, as text.

    Args:
        predictions: of one system, one per seed.
        costs: c1 and ce of the loss.
    """
    metrics: dict[str, Callable[[Predictions], np.ndarray]] = {
        "system loss": partial(loss_per_example, costs=costs),
        "accuracy": correctness,
        "offload rate": ask_indicator,
        "area": auc_contributions,
    }
    return {name: format_mean(predictions, metric) for name, metric in metrics.items()}


def budget_table(
    runs: SweptRuns, rethresholded: Mapping[tuple[str, str], ExperimentConfig], budgets: Sequence[float]
) -> pd.DataFrame:
    """Offload rates and accuracy of trained systems whose thresholds guarantee a budget.

    Args:
        runs: of the systems.
        rethresholded: (client, system) -> configuration.
        budgets: largest allowed offload rates.

    Returns:
        One row per client, system and budget; means over seeds, and the largest rate on the test images.
    """
    rows = {}
    for (client, name), config in rethresholded.items():
        validation, test = runs.predictions(config, "validation"), runs.predictions(config)
        for budget in budgets:
            controlled = [budget_threshold(p.r, budget=budget) for p in validation]
            systems = [with_threshold(p, found.threshold) for p, found in zip(test, controlled, strict=True)]
            rates = [offload_rate(p) for p in systems]
            rows[client, name, budget] = {
                "offload rate on validation images": np.mean([found.offload_rate for found in controlled]),
                "offload rate on test images": np.mean(rates),
                "largest of a seed": max(rates),
                "accuracy": np.mean([accuracy(p) for p in systems]),
            }
    return pd.DataFrame(rows).T.rename_axis(["client", "system", "budget"])


def gains_over_constant_policies(predictions: Sequence[Predictions], *, costs: Costs) -> list[np.ndarray]:
    r"""Losses of never and of always asking, each minus the loss of a system; where one is below 0, it is dominated.

    .. math:: L_{\mathrm{never}} - L(r, e), \qquad L_{\mathrm{always}} - L(r, e)

    Args:
        predictions: of the system, one per seed.
        costs: c1 and ce.

    Returns:
        Two arrays (S, n) of differences per seed and example.

    Source: arXiv 2409.16253, the generalized 0-1 loss, for a rejector of one sign.
    """
    loss = partial(loss_per_example, costs=costs)
    constant = ([replace(p, r=np.full(len(p.y), sign)) for p in predictions] for sign in (1.0, -1.0))
    return [differences_per_example(fixed, predictions, loss) for fixed in constant]
