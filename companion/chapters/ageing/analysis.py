"""Analysis of the policies on sensors that age: means of each aged batch, their differences, and tables."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from companion.chapters.ageing.experiments import (
    COSTS,
    PSEUDO_SUFFIX,
    Deployment,
    PolicyRuns,
)
from companion.chapters.ageing.readings import Readings
from l2h.drift.detectors import DETECTORS
from l2h.evaluation.crossed import crossed_intervals, variance_components
from l2h.evaluation.intervals import Interval, format_interval, pointwise_t_intervals, poisson_rate
from l2h.losses.deferral import ask_cost
from l2h.problem import asks

ALARM_WINDOW = 1000  # inputs of a batch within which an alarm counts
DELTA = 0.05  # with this probability Hoeffding's bound fails
FEWEST_OF_A_GAS = 10  # held-out readings of a gas that is compared by itself
FIXED = "fixed"


class Trajectories(NamedTuple):
    """Values along the streams of all seeds, name -> (T,) values by seed, with the batch of each input."""

    values: Mapping[str, Sequence[np.ndarray]]
    batches: Sequence[np.ndarray]

    def means(self, name: str, *, aged: bool = True) -> np.ndarray:
        """(S, B) means of each aged batch, or with aged=False those of the held-out readings first, (S, 1 + B)."""
        return np.array(
            [
                [values[batch == number].mean() for number in np.unique(batch)[int(aged) :]]
                for values, batch in zip(self.values[name], self.batches, strict=True)
            ]
        )


def loss_trajectories(deployments: Sequence[Deployment], runs: PolicyRuns) -> Trajectories:
    """The loss of each input: of all policies, of the client alone, of always asking, and of the client's confidence.

    Args:
        deployments: one per seed.
        runs: of `experiments.simulate_all_policies`.

    Returns:
        Losses by name; "retrained, DETECTOR" is the policy that retrains the layer after alarms of that detector.
    """
    losses = {name: [result.loss for result in by_seed] for name, by_seed in runs.results.items()}
    losses |= {f"retrained, {name}": [result.loss for result in by_seed] for name, by_seed in runs.triggered.items()}
    losses["client alone"] = [(d.m != d.y).astype(float) for d in deployments]
    losses["always ask"] = [ask_cost(d.e != d.y, costs=COSTS) for d in deployments]
    losses["confidence"] = [
        np.where(asks(d.confidence), ask_cost(d.e != d.y, costs=COSTS), d.m != d.y) for d in deployments
    ]
    return Trajectories(losses, [d.batch for d in deployments])


def asked_trajectories(deployments: Sequence[Deployment], runs: PolicyRuns) -> Trajectories:
    """Whether each input is asked, by policy."""
    asked = {name: [result.asked for result in by_seed] for name, by_seed in runs.results.items()}
    return Trajectories(asked, [d.batch for d in deployments])


def accuracy_trajectories(deployments: Sequence[Deployment], all_feedback: Sequence[np.ndarray]) -> Trajectories:
    """Correctness of client and servers on each input, and the client's certainty.

    Args:
        deployments: one per seed.
        all_feedback: labels of the server that knows the labels of all earlier batches, one array per seed.
    """
    values = {
        "client": [d.m == d.y for d in deployments],
        "client's certainty": [d.certainty for d in deployments],
        "frozen server": [d.e == d.y for d in deployments],
        "server with all earlier labels": [e == d.y for e, d in zip(all_feedback, deployments, strict=True)],
    }
    return Trajectories(values, [d.batch for d in deployments])


def batch_bands(trajectories: Trajectories, names: Sequence[str]) -> dict[str, Interval]:
    """Means of the held-out readings and of each aged batch, with Student's bands over seeds: name -> (1 + B,)."""
    return {name: pointwise_t_intervals(trajectories.means(name, aged=False)) for name in names}


def held_out_bound(losses: Trajectories) -> np.ndarray:
    r"""Hoeffding's bound on the loss of the fixed system, from n held-out readings of the second batch: (S,).

    .. math:: \hat R + \max(1, c_1 + c_e) \sqrt{\ln(1 / \delta) / (2 n)}
    """
    held_out = losses.means(FIXED, aged=False)[:, 0]
    n = np.array([(batch == batch[0]).sum() for batch in losses.batches])
    return held_out + max(1.0, COSTS.c1 + COSTS.ce) * np.sqrt(math.log(1 / DELTA) / (2 * n))


def rise_with_gases_equal(deployments: Sequence[Deployment], losses: Trajectories) -> np.ndarray:
    """The rise of the fixed system's loss, averaged over gases: (S, B).

    A gas counts if it has at least `FEWEST_OF_A_GAS` held-out readings and occurs in the batch.
    """
    rises = []
    for deployment, loss in zip(deployments, losses.values[FIXED], strict=True):
        before = deployment.batch == deployment.batch[0]
        gases, counts = np.unique(deployment.y[before], return_counts=True)
        row = []
        for number in deployment.aged_batches:
            now = deployment.batch == number
            row.append(
                np.mean(
                    [
                        loss[now & (deployment.y == gas)].mean() - loss[before & (deployment.y == gas)].mean()
                        for gas in gases[counts >= FEWEST_OF_A_GAS]
                        if (now & (deployment.y == gas)).any()
                    ]
                )
            )
        rises.append(row)
    return np.array(rises)


def alarm_in_batch(deployments: Sequence[Deployment], alarms: Sequence[np.ndarray]) -> np.ndarray:
    """Whether there is an alarm within the first `ALARM_WINDOW` inputs of each aged batch: (S, B), 0 or 1."""
    return np.array(
        [
            [
                np.isin(np.flatnonzero(deployment.batch == number)[:ALARM_WINDOW], steps).any()
                for number in deployment.aged_batches
            ]
            for deployment, steps in zip(deployments, alarms, strict=True)
        ],
        dtype=float,
    )


def pseudo_label_bias_error(deployment: Deployment) -> float:
    r"""The largest distance, over batches, between the two sides of the identity on pseudo-labels with K classes.

    .. math:: 1[m \neq \hat y_e] - (1[m \neq y] - c_1 1[\hat y_e \neq y])
              = (1 + c_1) 1[m = y \neq \hat y_e] - (1 - c_1) 1[m = \hat y_e \neq y]
              + c_1 1[m \neq y, \hat y_e \neq y, m \neq \hat y_e]
    """
    m, e, y, c1 = deployment.m, deployment.e, deployment.y, COSTS.c1
    bias = (m != e) - ((m != y) - c1 * (e != y))
    stated = (1 + c1) * ((m == y) & (e != y)) - (1 - c1) * ((m == e) & (e != y))
    stated = stated + c1 * ((m != y) & (e != y) & (m != e))
    return max(abs(float((bias - stated)[deployment.batch == number].mean())) for number in np.unique(deployment.batch))


def reductions_by_batch(losses: Trajectories, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Loss of the fixed threshold with the frozen server minus that of each policy: name -> (S, B)."""
    return {name: losses.means(FIXED) - losses.means(name) for name in names}


def bonferroni_intervals(differences: Mapping[str, np.ndarray], *, level: float = 0.95) -> dict[str, Interval]:
    r"""Crossed intervals of k means over seeds and batches, simultaneous by Bonferroni.

    .. math:: \text{each of } k \text{ at the level } 1 - (1 - c) / k

    Args:
        differences: name -> (S, B).
        level: c, of all intervals together.
    """
    single = 1 - (1 - level) / len(differences)
    intervals = crossed_intervals(np.stack(list(differences.values())), signed=True, level=single)
    return dict(zip(differences, intervals, strict=True))


def spread_summary(reductions: Mapping[str, np.ndarray]) -> str:
    """The standard deviations of loss reductions between batches and between seeds, averaged over policies, in words.

    Args:
        reductions: policy -> (S, B).
    """
    components = [variance_components(values) for values in reductions.values()]
    batches = np.mean([math.sqrt(component.example) for component in components])
    seeds = np.mean([math.sqrt(component.seed + component.interaction) for component in components])
    return f"Standard deviation of a loss reduction: {batches:.3f} between batches, {seeds:.3f} between seeds"


def adaptive_policies(runs: PolicyRuns) -> list[str]:
    """The names of all policies but the fixed threshold with the frozen server."""
    return [name for name in runs.results if name != FIXED]


def batch_table(
    readings: Readings, accuracies: Trajectories, losses: Trajectories, asked: Trajectories
) -> pd.DataFrame:
    """What ages: accuracies, the offload rate and the loss of the frozen system on each batch, averaged over seeds."""
    columns = {name: accuracies.means(name, aged=False) for name in accuracies.values}
    columns["offload rate, fixed"] = asked.means(FIXED, aged=False)
    columns |= {f"loss, {name}": losses.means(name, aged=False) for name in (FIXED, "client alone", "always ask")}
    numbers = np.unique(losses.batches[0])
    held_out, *aged = [f"{number} ({readings.months[int(number)]})" for number in numbers]
    table = pd.DataFrame({name: values.mean(axis=0) for name, values in columns.items()}).round(3)
    return table.set_axis(pd.Index([f"{held_out}, held out", *aged], name="batch (months)"))


def aged_policy_table(losses: Trajectories, asked: Trajectories, runs: PolicyRuns) -> pd.DataFrame:
    """Losses, offload and label rates on the aged batches, each batch counted equally, and loss reductions."""
    labelled = Trajectories({name: [r.labelled for r in by_seed] for name, by_seed in runs.results.items()},
                            losses.batches)  # fmt: skip
    references = ("client alone", "always ask")
    rows = {
        name: {
            "loss": losses.means(name).mean(),
            "offload rate": asked.means(name).mean() if name in asked.values else float(name == "always ask"),
            "label rate": labelled.means(name).mean() if name in labelled.values else 0.0,
        }
        for name in (*references, *runs.results)
    }
    table = pd.DataFrame(rows).T.round(3)
    reductions = bonferroni_intervals(reductions_by_batch(losses, adaptive_policies(runs)))
    table["loss reduction"] = pd.Series({name: format_interval(interval) for name, interval in reductions.items()})
    return table.fillna("")


def aged_detector_table(
    deployments: Sequence[Deployment], runs: PolicyRuns, losses: Trajectories, counts: Mapping[str, int], *, inputs: int
) -> pd.DataFrame:
    """Shares of batches with an alarm, false alarms, and the loss reduction of what the alarms trigger.

    Args:
        deployments: one per seed.
        runs: of all policies.
        losses: `loss_trajectories`.
        counts: detector -> false alarms of all seeds together.
        inputs: in which they were counted.
    """
    reductions = reductions_by_batch(losses, [f"retrained, {name}" for name in DETECTORS])
    intervals = bonferroni_intervals(reductions)
    rows = {}
    for name in DETECTORS:
        found = crossed_intervals(alarm_in_batch(deployments, runs.alarms[name])[None], signed=False)[0]
        rows[name] = {
            "batches with an alarm": format_interval(found),
            "alarms per stream": round(float(np.mean([len(steps) for steps in runs.alarms[name]])), 1),
            "false alarms per 10,000": format_interval(poisson_rate(counts[name], inputs), digits=2),
            "loss reduction, layer retrained": format_interval(intervals[f"retrained, {name}"]),
        }
    return pd.DataFrame(rows).T


def aged_pseudo_label_table(losses: Trajectories, asked: Trajectories) -> pd.DataFrame:
    """Losses and offload rates on the aged batches with true labels and with the server's."""
    rows = {}
    for name in ("re-estimated", "recalibrated"):
        for source, policy in {"true labels": name, "pseudo-labels": name + PSEUDO_SUFFIX}.items():
            rows[name, source] = {
                "loss": losses.means(policy).mean(),
                "offload rate": asked.means(policy).mean(),
            }
    return pd.DataFrame(rows).T.round(3)
