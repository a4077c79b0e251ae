"""Tables and sentences of the drift chapter, generated from its results."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from companion.chapters.ch09_drift import experiments
from companion.chapters.ch09_drift.analysis import (
    ESTIMATING_POLICIES,
    LossesAfterChange,
    ResultsByChange,
    cost_of_change,
    halves,
    loss_reductions,
    losses_after_change,
    mean_loss_reduction,
    mean_over_changes,
    pseudo_label_bias,
    share_of_changes_found,
    simultaneous_intervals,
)
from companion.chapters.ch09_drift.bounds import BoundCheck
from companion.chapters.ch09_drift.experiments import (
    CHANGE_SPEEDS,
    COMBINED_ALARM_POLICIES,
    GRADUAL,
    PSEUDO_LABEL_SUFFIX,
    SUDDEN,
    Change,
    DependenceCheck,
    TunedSystem,
)
from l2h.drift.detectors import DETECTORS
from l2h.drift.experts import FixedShareConfig
from l2h.drift.monitoring import WindowedMetrics
from l2h.drift.streams import DRIFT_KINDS, Stream
from l2h.evaluation.intervals import Interval, format_interval, poisson_rate, t_interval
from l2h.evaluation.metrics import loss_per_example
from l2h.problem import Costs, Predictions

REPORTED_P_VALUE = 0.01  # of the two-sample test of a window's scores


def before_after_table(monitored: Mapping[str, Sequence[WindowedMetrics]]) -> pd.DataFrame:
    """Means of windowed metrics before and after the change, one row per kind."""
    rows = {}
    for kind, by_seed in monitored.items():
        windows = {
            "offload rate": [m.offload_rate for m in by_seed],
            "loss": [m.loss for m in by_seed],
            "calibration error": [m.calibration_error for m in by_seed],
            "client's error, observed minus predicted": [m.observed_error - m.predicted_error for m in by_seed],
            f"windows with p < {REPORTED_P_VALUE:g}": [m.ks_p_value < REPORTED_P_VALUE for m in by_seed],
        }
        rows[kind] = {
            (name, side): np.mean(half)
            for name, values in windows.items()
            for side, half in zip(("before", "after"), np.split(np.array(values), 2, axis=1), strict=True)
        }
    return pd.DataFrame(rows).T.round(3)


def policy_table(results: ResultsByChange, losses: LossesAfterChange) -> pd.DataFrame:
    """Losses, offload and label rates of all policies, averaged over the sudden changes, and their loss reductions."""
    before, after = halves(results)
    names = list(results[DRIFT_KINDS[0], SUDDEN])
    columns = {
        "loss before": ("loss", before),
        "loss after": ("loss", after),
        "offload rate": ("asked", slice(None)),
        "label rate": ("labelled", slice(None)),
    }
    table = pd.DataFrame(
        {
            column: {name: mean_over_changes(results, name, *source).mean() for name in names}
            for column, source in columns.items()
        }
    ).round(3)
    cost = cost_of_change(results).sum()
    table["share of cost recovered"] = [f"{mean_loss_reduction(losses, name).sum() / cost:.0%}" for name in names]
    retrained = [kind for kind in DRIFT_KINDS if "alarm r, retrained" in results[kind, GRADUAL]]
    groups: dict[str, tuple[str, Sequence[str]]] = {
        f"loss reduction, {speed}": (speed, DRIFT_KINDS) for speed in CHANGE_SPEEDS
    }
    groups |= {"loss reduction, gradual, kinds with retraining": (GRADUAL, retrained)}
    reductions = loss_reductions(losses, [name for name in names if name != "fixed"], groups)
    return table.join(interval_table(reductions)).fillna("")


def interval_table(intervals: Mapping[tuple[str, str], Interval]) -> pd.DataFrame:
    """Intervals as text, one row per policy.

    >>> interval_table({("loss reduction", "x"): Interval(0.1, 0.0, 0.2)}).loc["x", "loss reduction"]
    '0.100 [0.000, 0.200]'
    """
    columns: dict[str, dict[str, str]] = {}
    for (column, name), interval in intervals.items():
        columns.setdefault(column, {})[name] = format_interval(interval)
    return pd.DataFrame(columns)


def strongest_changes(losses: LossesAfterChange, policy: str) -> str:
    """The kinds of sudden change in the order of the fixed threshold's loss, and the largest reduction, in words."""
    fixed = {kind: losses[kind, SUDDEN, "fixed"].mean() for kind in DRIFT_KINDS}
    ordered = sorted(fixed, key=lambda kind: -fixed[kind])
    reductions = {kind: mean_loss_reduction(losses, policy, kinds=[kind]).mean() for kind in DRIFT_KINDS}
    best = max(reductions, key=lambda kind: reductions[kind])
    return (
        f"Loss of the fixed threshold after a sudden change: largest for {ordered[0]} ({fixed[ordered[0]]:.3f}) and "
        f"{ordered[1]} ({fixed[ordered[1]]:.3f}), smallest for {ordered[-1]} ({fixed[ordered[-1]]:.3f}).\n"
        f"Largest loss reduction of {policy}: {reductions[best]:.3f}, for {best}; "
        f"mean over the kinds {np.mean(list(reductions.values())):.3f}."
    )


def detection_table(
    delays: Mapping[tuple[str, str], np.ndarray], false_alarms: Mapping[tuple[str, str], Interval]
) -> pd.DataFrame:
    """Share of changes found, delays and false alarms, one row per signal and detector."""
    found = {source: t_interval(share_of_changes_found(values)) for source, values in delays.items()}
    table = pd.DataFrame({"changes found": {source: format_interval(interval) for source, interval in found.items()}})
    table["delay: median [range]"] = [format_range(values) for values in delays.values()]
    table["false alarms per 10,000"] = [format_interval(rate, digits=2) for rate in false_alarms.values()]
    return table


def format_range(delays: np.ndarray) -> str:
    """The median of the finite delays with the smallest and the largest, or "none".

    >>> format_range(np.array([100.0, np.nan, 300.0]))
    '200 [100, 300]'
    """
    finite = delays[np.isfinite(delays)]
    return f"{np.median(finite):.0f} [{finite.min():.0f}, {finite.max():.0f}]" if len(finite) else "none"


def detector_table(
    systems: Sequence[TunedSystem],
    streams_by_change: Mapping[Change, Sequence[Stream]],
    alarms: Mapping[str, Mapping[str, Sequence[np.ndarray]]],
    losses: LossesAfterChange,
    *,
    costs: Costs,
    fixed_share: FixedShareConfig,
) -> tuple[pd.DataFrame, dict[tuple[str, str], np.ndarray]]:
    """Loss reductions of the policies that the alarms of each detector on r trigger after sudden changes.

    Args:
        systems: one per seed.
        streams_by_change: (kind, speed) -> one stream per seed.
        alarms: detector -> kind -> alarms on r, one array per seed.
        losses: `losses_after_change` of the fixed system, at least.
        costs: c1 and ce.
        fixed_share: its batch and delay are used.

    Returns:
        A table with a row ("r", detector): loss reductions with simultaneous intervals, and offload and label rates
        with retrained layers; and the reductions, ("thresholds" or "layers", detector) -> (S,).
    """
    reductions: dict[tuple[str, str], np.ndarray] = {}
    rates: dict[str, dict[str, float]] = {}
    for detector, by_kind in alarms.items():
        results = {
            (kind, SUDDEN): experiments.run_alarm_policies(
                systems, streams_by_change[kind, SUDDEN], by_seed, costs=costs, fixed_share=fixed_share
            )
            for kind, by_seed in by_kind.items()
        }
        all_losses = {**losses, **losses_after_change(results, streams_by_change)}
        for part, policy in COMBINED_ALARM_POLICIES.items():
            reductions[part, detector] = mean_loss_reduction(all_losses, policy, kinds=list(by_kind))
        retrained = [
            result for by_policy in results.values() for result in by_policy[COMBINED_ALARM_POLICIES["layers"]]
        ]
        rates[detector] = {
            "offload rate": round(float(np.mean([result.asked.mean() for result in retrained])), 3),
            "label rate": round(float(np.mean([result.labelled.mean() for result in retrained])), 3),
        }
    intervals = simultaneous_intervals(reductions)
    rows = {
        ("r", detector): {
            f"loss reduction by {part}": format_interval(intervals[part, detector]) for part in COMBINED_ALARM_POLICIES
        }
        | rates[detector]
        for detector in alarms
    }
    return pd.DataFrame(rows).T, reductions


def pseudo_label_table(
    predictions_by_kind: Mapping[str, Sequence[Predictions]],
    results: ResultsByChange,
    losses: LossesAfterChange,
    *,
    costs: Costs,
) -> pd.DataFrame:
    """The bias of pseudo-labels before and after a sudden change, and offload rates and losses after it."""
    before, after = halves(results)
    rows: dict[str, dict[tuple[str, str], float]] = {}
    for kind, by_seed in predictions_by_kind.items():
        bias = np.array([pseudo_label_bias(predictions, costs=costs) for predictions in by_seed])
        row = {("bias", "before"): bias[:, before].mean(), ("bias", "after"): bias[:, after].mean()}
        for policy in ESTIMATING_POLICIES:
            names = {"labels": policy, "pseudo-labels": policy + PSEUDO_LABEL_SUFFIX}
            for source, name in names.items():
                asked = [result.asked[after].mean() for result in results[kind, SUDDEN][name]]
                row[f"{policy}: offload rate", source] = float(np.mean(asked))
            for source, name in names.items():
                row[f"{policy}: loss", source] = losses[kind, SUDDEN, name].mean()
        rows[kind] = row
    return pd.DataFrame(rows).T.round(3)


def pseudo_label_cost(table: pd.DataFrame, *, growth: float = 0.01) -> str:
    """The loss with pseudo-labels minus the loss with labels, where the bias grows by more than `growth` and elsewhere.

    Args:
        table: `pseudo_label_table`.
        growth: of the bias, in its unit.

    Returns:
        One line for either group of kinds.
    """
    extra = sum(
        table[f"{policy}: loss", "pseudo-labels"] - table[f"{policy}: loss", "labels"] for policy in ESTIMATING_POLICIES
    ) / len(ESTIMATING_POLICIES)
    grows = table["bias", "after"] - table["bias", "before"] > growth
    lines = [
        f"{title} ({', '.join(extra.index[kinds])}): {extra[kinds].mean():+.3f}"
        for title, kinds in (("where the bias grows", grows), ("elsewhere", ~grows))
        if kinds.any()
    ]
    return "\n".join(["Mean loss with pseudo-labels minus mean loss with labels", *lines])


def dependence_table(checks_by_dwell_time: Mapping[int, Sequence[DependenceCheck]], *, length: int) -> pd.DataFrame:
    """Losses, false alarms and regret on stationary streams, one column per mean dwell time."""
    columns: dict[int, dict[str, Any]] = {}
    for dwell_time, by_seed in checks_by_dwell_time.items():
        column: dict[str, Any] = {
            "deviation of a window's loss": round(float(np.mean([check.deviation for check in by_seed])), 3),
            "windows outside": format_interval(t_interval([check.outside_share for check in by_seed])),
        }
        for detector in DETECTORS:
            rate = poisson_rate(sum(check.alarms[detector] for check in by_seed), length * len(by_seed))
            column[f"{detector}: false alarms per 10,000"] = format_interval(rate, digits=2)
        column["regret"] = format_interval(t_interval([check.regret for check in by_seed]))
        column["bound"] = format_interval(t_interval([check.bound for check in by_seed]))
        columns[dwell_time] = column
    return pd.DataFrame(columns).rename_axis(columns="inputs an image stays")


def bound_check_table(bound_checks: Mapping[str, BoundCheck]) -> pd.DataFrame:
    """Violation rates of the bounds, with the penalty that would suffice and the penalty of the bound."""
    rows = {
        name: {
            "violation rate": format_interval(check.violation_rate),
            "required": round(check.required_penalty, 3),
            "penalty": round(check.penalty, 3),
        }
        for name, check in bound_checks.items()
    }
    return pd.DataFrame(rows).T


def device_spread_summary(spread: Mapping[str, Interval], clean: Predictions, *, costs: Costs) -> str:
    """The spread at the largest concentration beside the standard error of the mean loss of one device's inputs."""
    sampling = loss_per_example(clean, costs=costs).std() / np.sqrt(experiments.DEVICE_LENGTH)
    return (
        f"standard deviation between devices: {spread['fixed'].estimate[-1]:.3f} at the largest concentration, "
        f"{sampling:.3f} from {experiments.DEVICE_LENGTH} inputs alone"
    )
