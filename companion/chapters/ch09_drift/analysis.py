"""Analysis of the drift experiments: windowed metrics, delays, loss reductions and simultaneous intervals."""

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from companion.chapters.ch09_drift import bounds
from companion.chapters.ch09_drift.experiments import (
    PSEUDO_LABEL_SUFFIX,
    SUDDEN,
    Change,
    SystemWithRiskBound,
    TunedSystem,
)
from l2h.drift import detectors, monitoring
from l2h.drift.monitoring import WindowedMetrics
from l2h.drift.policies import EpisodeResult
from l2h.drift.streams import DRIFT_KINDS, Stream
from l2h.evaluation.intervals import Interval, pointwise_t_intervals, poisson_rate, t_interval
from l2h.evaluation.metrics import split_by_class, system_loss, window_means
from l2h.problem import Costs, Predictions, server_label

N_WINDOWS = 20  # of a stream; the change comes after the first half
MONITORED_QUANTITIES = {  # label -> field of `WindowedMetrics`
    "offload rate": "offload_rate",
    "system loss\n(mistakes of the client)": "loss",
    "calibration error of p(r)\n(5 bins)": "calibration_error",
    "distance of r (KS)": "ks_distance",
}
DETECTION_WINDOW = 1000  # inputs after the change within which an alarm counts
STATIONARY = "none"  # the stream without a change, beside `DRIFT_KINDS`
ESTIMATING_POLICIES = ("re-estimated", "recalibrated")  # each also with pseudo-labels
POLICIES_OVER_TIME = (  # in the figure of losses over time
    *("fixed", "budget", "recalibrated", "experts"),
    *("alarm r and e", "alarm r and e, retrained", "change known"),
)
Key = TypeVar("Key", bound=Hashable)
LossesAfterChange = Mapping[tuple[str, str, str], np.ndarray]  # (kind, speed, policy) -> (S,), one per seed
ResultsByChange = Mapping[Change, Mapping[str, Sequence[EpisodeResult]]]  # change -> policy -> one result per seed
Alarms = Mapping[tuple[str, str], Mapping[str, Sequence[np.ndarray]]]  # (signal, detector) -> kind -> steps, by seed


def monitor_systems(
    predictions_by_kind: Mapping[str, Sequence[Predictions]], systems: Sequence[TunedSystem], *, costs: Costs
) -> dict[str, list[WindowedMetrics]]:
    """Windowed metrics of every stream: kind -> one per seed."""
    width = len(next(iter(predictions_by_kind.values()))[0].y) // N_WINDOWS
    return {
        kind: [
            monitoring.monitor(predictions, system.tables["validation"], width=width, costs=costs)
            for predictions, system in zip(by_seed, systems, strict=True)
        ]
        for kind, by_seed in predictions_by_kind.items()
    }


def metric_bands(monitored: Mapping[str, Sequence[WindowedMetrics]]) -> dict[str, dict[str, Interval]]:
    """The monitored quantities over time, with bands over seeds: kind -> label -> (k,) means."""
    return {
        kind: {
            label: pointwise_t_intervals([getattr(metrics, field) for metrics in by_seed])
            for label, field in MONITORED_QUANTITIES.items()
        }
        for kind, by_seed in monitored.items()
    }


def strongest_condition(systems: Sequence[TunedSystem], conditions: Sequence[str], *, costs: Costs) -> str:
    """The condition under which the systems lose most, summed over seeds."""
    return max(conditions, key=lambda name: sum(system_loss(s.tables[name], costs=costs) for s in systems))


def detect_alarms(
    systems: Sequence[TunedSystem], predictions_by_kind: Mapping[str, Sequence[Predictions]]
) -> dict[tuple[str, str], dict[str, list[np.ndarray]]]:
    """The alarms of every detector on every signal: (signal, detector) -> kind -> rising steps, one array per seed."""
    return {
        (signal, detector): {
            kind: [
                detectors.detect(predictions, system.tables["validation"], signal=signal, detector=detector, seed=seed)
                for seed, (predictions, system) in enumerate(zip(by_seed, systems, strict=True))
            ]
            for kind, by_seed in predictions_by_kind.items()
        }
        for signal in detectors.SIGNALS
        for detector in detectors.DETECTORS
    }


def detection_delays(alarms: Alarms, *, change_point: int) -> dict[tuple[str, str], np.ndarray]:
    """Inputs from the change to the first alarm, NaN for none in time: (signal, detector) -> (kinds, S)."""
    options = {"change": change_point, "length": 2 * change_point, "window": DETECTION_WINDOW}
    return {
        source: np.array(
            [
                [detectors.score_alarms(steps, **options).delay for steps in by_seed]
                for kind, by_seed in by_kind.items()
                if kind != STATIONARY
            ]
        )
        for source, by_kind in alarms.items()
    }


def score_alarms_after_change(alarms: Alarms) -> dict[str, dict[str, Sequence[np.ndarray]]]:
    """The alarms on the scores r, on the streams with a change: detector -> kind -> rising steps, by seed."""
    return {
        detector: {kind: by_seed for kind, by_seed in alarms["r", detector].items() if kind != STATIONARY}
        for detector in detectors.DETECTORS
    }


def share_of_changes_found(delays: np.ndarray) -> np.ndarray:
    """The share of the kinds of change that were found in time, (S,), from delays of shape (kinds, S)."""
    return np.isfinite(delays).mean(axis=0)


def false_alarm_rates(alarms: Alarms, *, length: int) -> dict[tuple[str, str], Interval]:
    """Alarms per 10,000 inputs of the stationary streams, whose T inputs are `length`."""
    return {
        source: poisson_rate(sum(len(steps) for steps in by_kind[STATIONARY]), length * len(by_kind[STATIONARY]))
        for source, by_kind in alarms.items()
    }


def losses_after_change(
    results: ResultsByChange, streams_by_change: Mapping[Change, Sequence[Stream]]
) -> dict[tuple[str, str, str], np.ndarray]:
    """The mean loss of every policy from the change point on: (kind, speed, policy) -> (S,)."""
    return {
        (*change, policy): np.array(
            [
                result.loss[stream.change_point :].mean()
                for result, stream in zip(by_seed, streams_by_change[change], strict=True)
            ]
        )
        for change, by_policy in results.items()
        for policy, by_seed in by_policy.items()
    }


def mean_loss_reduction(
    losses: LossesAfterChange,
    policy: str,
    speed: str = SUDDEN,
    kinds: Sequence[str] = DRIFT_KINDS,
    *,
    baseline: str = "fixed",
) -> np.ndarray:
    """Loss of a baseline minus loss of a policy after the change, averaged over kinds of change: (S,), one per seed.

    >>> one = np.ones(2)
    >>> losses = {("fog", "sudden", "fixed"): 3 * one, ("fog", "sudden", "x"): one}
    >>> mean_loss_reduction(losses, "x", kinds=["fog"])
    array([2., 2.])
    """
    return np.mean([losses[kind, speed, baseline] - losses[kind, speed, policy] for kind in kinds], axis=0)


def reduction_without_strongest_change(losses: LossesAfterChange, policy: str) -> np.ndarray:
    """The loss reduction without the sudden change that costs the fixed threshold most: (S,), one per seed."""
    strongest = max(DRIFT_KINDS, key=lambda kind: losses[kind, SUDDEN, "fixed"].sum())
    return mean_loss_reduction(losses, policy, kinds=[kind for kind in DRIFT_KINDS if kind != strongest])


def simultaneous_intervals(values: Mapping[Key, np.ndarray], *, level: float = 0.95) -> dict[Key, Interval]:
    r"""Means over seeds with simultaneous confidence intervals: Student's, by Bonferroni.

    .. math:: \text{each of } k \text{ at the level } 1 - (1 - c) / k

    One common quantile of the largest deviation would give shorter intervals, and too short ones: with a handful of
    seeds each mean has an estimate of its spread with an error of its own, and a few of many are far too small.

    Args:
        values: name -> (S,) one value per seed.
        level: c, of all intervals together.

    Returns:
        Intervals by name.

    Raises:
        ValueError: if level is out of range.

    >>> alone, both = {"a": np.arange(5.0)}, {"a": np.arange(5.0), "b": np.zeros(5)}
    >>> simultaneous_intervals(alone)["a"].high < simultaneous_intervals(both)["a"].high
    True
    """
    return {name: t_interval(by_seed, level=1 - (1 - level) / len(values)) for name, by_seed in values.items()}


def reductions_by_kind(losses: LossesAfterChange, policies: Sequence[str]) -> dict[str, dict[str, Interval]]:
    """Loss reductions after each kind of sudden change, with simultaneous intervals: kind -> policy -> interval."""
    found = simultaneous_intervals(
        {(kind, name): mean_loss_reduction(losses, name, kinds=[kind]) for kind in DRIFT_KINDS for name in policies}
    )
    return {kind: {name: found[kind, name] for name in policies} for kind in DRIFT_KINDS}


def loss_reductions(
    losses: LossesAfterChange, policies: Sequence[str], columns: Mapping[str, tuple[str, Sequence[str]]]
) -> dict[tuple[str, str], Interval]:
    """Loss reductions of policies in the cells of one table, with simultaneous intervals.

    Args:
        losses: `losses_after_change`.
        policies: names.
        columns: name of a column -> the speed of the change, and the kinds over which the column averages.

    Returns:
        (column, policy) -> interval; only for policies that were simulated on all kinds of the column.
    """
    return simultaneous_intervals(
        {
            (column, name): mean_loss_reduction(losses, name, speed, kinds)
            for column, (speed, kinds) in columns.items()
            for name in policies
            if all((kind, speed, name) in losses for kind in kinds)
        }
    )


def window_bands(results: Mapping[str, Sequence[EpisodeResult]], field: str) -> dict[str, Interval]:
    """A field of the results in the windows of the stream, with bands over seeds: policy -> (k,) means."""
    return {
        name: pointwise_t_intervals(
            [window_means(getattr(result, field), len(result.loss) // N_WINDOWS) for result in results[name]]
        )
        for name in POLICIES_OVER_TIME
    }


def mean_over_changes(results: ResultsByChange, policy: str, field: str, part: slice = slice(None)) -> np.ndarray:
    """The mean of a field of the results on a part of the streams with a sudden change, over the kinds: (S,)."""
    return np.mean(
        [[getattr(result, field)[part].mean() for result in results[kind, SUDDEN][policy]] for kind in DRIFT_KINDS],
        axis=0,
    )


def cost_of_change(results: ResultsByChange) -> np.ndarray:
    """The loss of the fixed threshold after a sudden change minus before it, averaged over the kinds: (S,)."""
    before, after = halves(results)
    return mean_over_changes(results, "fixed", "loss", after) - mean_over_changes(results, "fixed", "loss", before)


def offload_rate_shift(results: ResultsByChange) -> np.ndarray:
    """The absolute change of the fixed threshold's offload rate, averaged over the kinds: (S,)."""
    before, after = halves(results)
    return np.mean(
        [
            [abs(result.asked[after].mean() - result.asked[before].mean()) for result in results[kind, SUDDEN]["fixed"]]
            for kind in DRIFT_KINDS
        ],
        axis=0,
    )


def halves(results: ResultsByChange) -> tuple[slice, slice]:
    """The inputs before and after a sudden change."""
    half = len(results[DRIFT_KINDS[0], SUDDEN]["fixed"][0].loss) // 2
    return slice(half), slice(half, None)


def pseudo_label_bias(predictions: Predictions, *, costs: Costs) -> np.ndarray:
    r"""The apparent gain of an offload, with the server's label taken for the true one, minus its actual gain.

    .. math:: \underbrace{1[m \neq \hat{y}_e]}_{\text{apparent}} - \underbrace{(1[m \neq y] - c_1 1[\hat{y}_e \neq y])}
        _{\text{actual}} = (1 + c_1) 1[m = y \neq \hat{y}_e] - (1 - c_1) 1[m \neq y, \hat{y}_e \neq y]

    The right-hand side is for two classes: there, client and server agree where both are wrong.

    Args:
        predictions: on n examples of two classes.
        costs: c1 and ce, which is part of both gains.

    Returns:
        (n,) the left-hand side.

    >>> p = Predictions(m=np.array([1, 1, -1]), r=np.zeros(3), e=np.array([1.0, -1.0, -1.0]), y=np.array([1, 1, 1]))
    >>> pseudo_label_bias(p, costs=Costs(c1=1.5, ce=0.1))
    array([0. , 2.5, 0.5])
    """
    label = server_label(predictions.e)
    actual_gain = (predictions.m != predictions.y) - costs.c1 * (label != predictions.y)
    return (predictions.m != label) - actual_gain


def pseudo_label_offload_increase(results: ResultsByChange, policy: str) -> np.ndarray:
    """The offload rate after the change with pseudo-labels minus with true labels, over the kinds: (S,)."""
    _, after = halves(results)
    pseudo = mean_over_changes(results, policy + PSEUDO_LABEL_SUFFIX, "asked", after)
    return pseudo - mean_over_changes(results, policy, "asked", after)


def losses_and_bounds_under_shift(
    systems: Sequence[SystemWithRiskBound], kind: str, severities: Sequence[int], *, costs: Costs
) -> dict[str, np.ndarray]:
    """The measured loss at each severity, and three bounds: name -> (S, 1 + k), the clean images first."""
    rows = [
        bounds.losses_under_shift(
            [system.tables[name] for name in ("clean", *(f"{kind} {severity}" for severity in severities))],
            system.thresholds,
            costs=costs,
        )
        for system in systems
    ]
    risk_bounds = np.array([[system.risk_bound] for system in systems])
    loss = np.array([row.loss for row in rows])
    return {
        "measured loss": loss,
        "bound without a shift": risk_bounds + np.zeros_like(loss),
        "discrepancy": risk_bounds + np.array([row.labelled for row in rows]),
        "server's labels": risk_bounds + np.array([row.label_free for row in rows]),
    }


def bound_violation_share(lines_by_kind: Mapping[str, Mapping[str, np.ndarray]]) -> np.ndarray:
    """The share of corruptions and severities at which the loss exceeds the bound without a shift: (S,)."""
    exceeded = [
        lines["measured loss"][:, 1:] > lines["bound without a shift"][:, 1:] for lines in lines_by_kind.values()
    ]
    return np.mean(exceeded, axis=(0, 2))


def losses_of_all_devices(
    shares: Mapping[tuple[float, int], np.ndarray],
    losses_by_device: Mapping[tuple[float, int], Mapping[str, np.ndarray]],
    *,
    seed: int,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The devices of one seed at all concentrations: (d,) shares of label +1, and policy -> (d,) losses."""
    groups = [key for key in shares if key[1] == seed]
    names = losses_by_device[groups[0]]
    return np.concatenate([shares[key] for key in groups]), {
        name: np.concatenate([losses_by_device[key][name] for key in groups]) for name in names
    }


def device_spread(
    losses_by_device: Mapping[tuple[float, int], Mapping[str, np.ndarray]], concentrations: Sequence[float], seeds: int
) -> dict[str, Interval]:
    """The standard deviation of the loss between devices at each concentration: policy -> (k,) means with bands."""
    names = next(iter(losses_by_device.values()))
    return {
        name: pointwise_t_intervals(
            [[losses_by_device[a, seed][name].std() for a in concentrations] for seed in range(seeds)]
        )
        for name in names
    }


def class_losses(predictions: Predictions, *, costs: Costs) -> list[float]:
    """The system loss on each class, in the order of the labels."""
    return [system_loss(part, costs=costs) for part in split_by_class(predictions).values()]


def fixed_loss_after_change(predictions_by_kind: Mapping[str, Sequence[Predictions]], *, costs: Costs) -> np.ndarray:
    """The loss of a fixed system in the second half of the streams, averaged over the kinds: (S,)."""
    return np.mean(
        [
            [system_loss(_second_half(predictions), costs=costs) for predictions in by_seed]
            for by_seed in predictions_by_kind.values()
        ],
        axis=0,
    )


def _second_half(predictions: Predictions) -> Predictions:
    half = len(predictions.y) // 2
    return Predictions(*(getattr(predictions, name)[half:] for name in ("m", "r", "e", "y")))
