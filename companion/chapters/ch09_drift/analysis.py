"""What the games of the chapter on changing data say: savings, intervals that hold together, evidence for claims."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from companion.chapters.ch09_drift import experiments
from companion.chapters.ch09_drift.experiments import (
    COMBINED_ALARM_POLICIES,
    GRADUAL,
    SUDDEN,
    TunedSystem,
    mean_over_stream,
    run_alarm_policies,
)
from companion.claims.evidence import Evidence
from l2h.drift import streams
from l2h.drift.experts import FixedShareConfig
from l2h.drift.policies import EpisodeResult
from l2h.drift.streams import DRIFT_KINDS, Stream
from l2h.evaluation.intervals import Interval, format_interval, t_interval
from l2h.evaluation.metrics import client_server_correctness
from l2h.problem import Costs, Predictions, server_label

POLICIES_IN_CLAIM = ("budget", "re-estimated", "recalibrated", "experts", "alarm r", "alarm r and e")  # in a claim
Key = TypeVar("Key", bound=Hashable)
LossesAfterChange = Mapping[tuple[str, str, str], np.ndarray]  # (kind, way, remedy) -> (S,), one per seed


def evidence_by_seed(values: Any, *, data: str) -> Evidence:
    """Evidence of one value per seed, with Student's interval.

    Args:
        values: (S,) numbers.
        data: SHA-256 of the data set.

    Returns:
        The evidence.

    >>> evidence_by_seed([1.0, 2.0, 3.0], data="ab").seeds
    3
    """
    return Evidence(*t_interval(values), seeds=len(values), data=data)


def losses_after_change(
    results: Mapping[tuple[str, str], Mapping[str, Sequence[EpisodeResult]]],
    streams_by_change: Mapping[tuple[str, str], Sequence[Stream]],
) -> LossesAfterChange:
    """The mean loss of every remedy from the beginning of the change on.

    Args:
        results: (kind, way) -> remedy -> one outcome per seed.
        streams_by_change: (kind, way) -> one course per seed.

    Returns:
        (kind, way, remedy) -> (S,).
    """
    return {
        (*change, name): np.array(
            [
                mean_over_stream(o.loss[c.change_point :])
                for o, c in zip(episode_results, streams_by_change[change], strict=True)
            ]
        )
        for change, by_remedy in results.items()
        for name, episode_results in by_remedy.items()
    }


def mean_loss_reduction(
    losses: LossesAfterChange,
    policy: str,
    speed: str = SUDDEN,
    kinds: Sequence[str] = streams.DRIFT_KINDS,
    *,
    baseline: str = "fixed",
) -> np.ndarray:
    """What a remedy loses less than another after the change, averaged over kinds of change: (S,), one per seed.

    >>> one = np.ones(2)
    >>> lost = {("fog", "at once", "fixed"): 3 * one, ("fog", "at once", "x"): one}
    >>> mean_loss_reduction(lost, "x", kinds=["fog"])
    array([2., 2.])
    """
    reductions = [losses[kind, speed, baseline] - losses[kind, speed, policy] for kind in kinds]
    return np.sum(reductions, axis=0) / len(reductions)


def simultaneous_intervals(values: Mapping[Key, np.ndarray], *, level: float = 0.95) -> dict[Key, Interval]:
    r"""Means over seeds with intervals that hold all at once: Student's, by Bonferroni.

    .. math:: \text{each of } k \text{ at the level } 1 - (1 - c) / k

    The largest deviation in a bootstrap would give shorter ones, and too short: with a handful of seeds each mean
    has an estimate of its spread that is wrong in its own way, and a few of many are far too small.

    Args:
        values: name -> (S,) one value per seed.
        level: c, at which all hold.

    Returns:
        Intervals by name.

    Raises:
        ValueError: if level is out of range.

    >>> alone, both = {"a": np.arange(5.0)}, {"a": np.arange(5.0), "b": np.zeros(5)}
    >>> simultaneous_intervals(alone)["a"].high < simultaneous_intervals(both)["a"].high
    True
    """
    return {
        name: t_interval(values_by_seed, level=1 - (1 - level) / len(values)) for name, values_by_seed in values.items()
    }


def loss_reductions(
    losses: LossesAfterChange, policies: Sequence[str], columns: Mapping[str, tuple[str, Sequence[str]]]
) -> dict[tuple[str, str], Interval]:
    """What remedies save in the cells of one table, with intervals that hold together.

    Args:
        losses: `losses_after_change`.
        policies: of the remedies.
        columns: name of a column -> the way of change and the kinds over which it averages.

    Returns:
        (column, remedy) -> interval; only of remedies that were played on all kinds of the column.
    """
    return simultaneous_intervals(
        {
            (column, name): mean_loss_reduction(losses, name, speed, kinds)
            for column, (speed, kinds) in columns.items()
            for name in policies
            if all((kind, speed, name) in losses for kind in kinds)
        }
    )


def interval_table(intervals: Mapping[tuple[str, str], Interval]) -> pd.DataFrame:
    """Intervals as a table shows them, one row per remedy.

    >>> interval_table({("saved", "x"): Interval(0.1, 0.0, 0.2)}).loc["x", "saved"]
    '0.100 [0.000, 0.200]'
    """
    columns: dict[str, dict[str, str]] = {}
    for (column, name), interval in intervals.items():
        columns.setdefault(column, {})[name] = format_interval(interval)
    return pd.DataFrame(columns)


def detector_table(
    systems: Sequence[TunedSystem],
    streams_by_change: Mapping[tuple[str, str], Sequence[Stream]],
    alarms: Mapping[str, Mapping[str, Sequence[np.ndarray]]],
    losses: LossesAfterChange,
    *,
    costs: Costs,
    fixed_share: FixedShareConfig,
) -> tuple[pd.DataFrame, dict[tuple[str, str], np.ndarray]]:
    """What the alarms of each detector on r are good for after sudden changes.

    Args:
        systems: systems, one per seed.
        streams_by_change: (kind, way) -> one course per seed.
        alarms: detector -> kind -> alarms on r, one array per seed.
        losses: `losses_after_change` of the fixed system, at least.
        costs: c1 and ce.
        fixed_share: its batch and delay are used.

    Returns:
        A table with a row ("r", detector): savings with intervals that hold together, and shares sent and labelled
        with refitted layers; and what was saved, ("thresholds" or "layers", detector) -> (S,).
    """
    options: dict[str, Any] = {"costs": costs, "advice": fixed_share}
    values: dict[tuple[str, str], np.ndarray] = {}
    shares: dict[str, dict[str, float]] = {}
    for name, by_kind in alarms.items():
        results = {
            (kind, SUDDEN): run_alarm_policies(systems, streams_by_change[kind, SUDDEN], kind_alarms, **options)
            for kind, kind_alarms in by_kind.items()
        }
        losses_by_policy = {**losses, **losses_after_change(results, streams_by_change)}
        values |= {
            (use, name): mean_loss_reduction(losses_by_policy, policy, kinds=list(by_kind))
            for use, policy in COMBINED_ALARM_POLICIES.items()
        }
        layer_results = [
            outcome
            for results_by_policy in results.values()
            for outcome in results_by_policy[COMBINED_ALARM_POLICIES["layers"]]
        ]
        shares[name] = {
            share_name: round(sum(mean_over_stream(getattr(o, field)) for o in layer_results) / len(layer_results), 3)
            for share_name, field in (("sent", "asked"), ("labelled", "labelled"))
        }
    intervals_by_policy = simultaneous_intervals(values)
    rows = {
        ("r", name): {
            f"saved by {use}": format_interval(intervals_by_policy[use, name]) for use in COMBINED_ALARM_POLICIES
        }
        | shares[name]
        for name in alarms
    }
    return pd.DataFrame(rows).T, values


def policy_evidence(losses: LossesAfterChange, make_evidence: Callable[[np.ndarray], Evidence]) -> dict[str, Any]:
    """The evidence about remedies, of which all are judged by what they save.

    Args:
        losses: `losses_after_change` of all kinds, at once and by degrees.
        make_evidence: makes evidence of one value per seed.

    Returns:
        Evidence by claim.
    """
    at_once = {(kind, name): value for (kind, speed, name), value in losses.items() if speed == SUDDEN}
    refits = {w: (f"alarm {w}", f"alarm {w}, refitted") for w in ("r", "r and e")}
    answers = {name: name + experiments.PSEUDO_LABEL_SUFFIX for name in ("re-estimated", "recalibrated")}
    values_by_claim = {
        "drift-remedies-help": {name: mean_loss_reduction(losses, name) for name in POLICIES_IN_CLAIM},
        "drift-remedies-help-elsewhere": {
            name: reduction_without_strongest_change(at_once, name) for name in POLICIES_IN_CLAIM
        },
        "drift-remedies-help-by-degrees": {
            name: mean_loss_reduction(losses, name, GRADUAL) for name in POLICIES_IN_CLAIM
        },
        "drift-refit-helps": {w: mean_loss_reduction(losses, anew) for w, (_, anew) in refits.items()},
        "drift-refit-beats-thresholds": {
            w: mean_loss_reduction(losses, anew, baseline=old) for w, (old, anew) in refits.items()
        },
        "drift-server-alone": {
            "threshold": mean_loss_reduction(losses, "alarm e"),
            "refitted": mean_loss_reduction(losses, "alarm e, refitted"),
        },
        "drift-answers-help": {name: mean_loss_reduction(losses, other) for name, other in answers.items()},
        "drift-labels-beat-answers": {
            name: mean_loss_reduction(losses, name, baseline=other) for name, other in answers.items()
        },
    }
    return {
        claim: {case: make_evidence(case_values) for case, case_values in cases.items()}
        for claim, cases in values_by_claim.items()
    }


def pseudo_label_bias_evidence(systems: Sequence[TunedSystem], *, costs: Costs) -> Evidence:
    """The evidence that the two sides of `analysis.overrated` are one, on average under every condition.

    Args:
        systems: systems.
        costs: c1 and ce.

    Returns:
        The largest distance, exact.
    """
    return Evidence.exact(
        max(_pseudo_label_bias_error(table, costs) for system in systems for table in system.tables.values())
    )


def _pseudo_label_bias_error(table: Predictions, costs: Costs) -> float:
    m_right, e_right = client_server_correctness(table)
    stated = (1 + costs.c1) * mean_over_stream(m_right & ~e_right) - (1 - costs.c1) * mean_over_stream(
        ~m_right & ~e_right
    )
    return abs(mean_over_stream(pseudo_label_bias(table, costs=costs)) - stated)


def format_range(delays: np.ndarray) -> str:
    """The median of delays with the smallest and the largest, of what was found: "none" if nothing was.

    >>> format_range(np.array([100.0, np.nan, 300.0]))
    '200 [100, 300]'
    """
    finite = delays[np.isfinite(delays)]
    return f"{np.median(finite):.0f} [{finite.min():.0f}, {finite.max():.0f}]" if len(finite) else "none"


def pseudo_label_bias(predictions: Predictions, *, costs: Costs) -> np.ndarray:
    r"""What a question seems to save, if the server's answer is taken for the true label, beyond what it saves.

    .. math:: \underbrace{1[m \neq \hat{y}_e]}_{\text{seems}} - \underbrace{(1[m \neq y] - c_1 1[\hat{y}_e \neq y])}
        _{\text{is}} = (1 + c_1) 1[m = y \neq \hat{y}_e] - (1 - c_1) 1[m \neq y, \hat{y}_e \neq y]

    The right-hand side is for two classes: where both are wrong, they agree.

    Args:
        predictions: on n examples of two classes.
        costs: c1 and ce, which is paid on both sides.

    Returns:
        (n,) the left-hand side.

    >>> p = Predictions(m=np.array([1, 1, -1]), r=np.zeros(3), e=np.array([1.0, -1.0, -1.0]), y=np.array([1, 1, 1]))
    >>> pseudo_label_bias(p, costs=Costs(c1=1.5, ce=0.1))
    array([0. , 2.5, 0.5])
    """
    answer = server_label(predictions.e)
    saved = (predictions.m != predictions.y) - costs.c1 * (answer != predictions.y)
    return (predictions.m != answer) - saved


def reduction_without_strongest_change(
    losses: Mapping[tuple[str, str], np.ndarray], policy: str, *, kinds: Sequence[str] = DRIFT_KINDS
) -> np.ndarray:
    """What a remedy saves, averaged over all kinds of change but the one that costs the fixed threshold most.

    Args:
        losses: (kind, remedy) -> (S,) loss after the change, one per seed; "fixed" is a remedy, too.
        policy: its name.
        kinds: the kinds, at least two.

    Returns:
        (S,) loss saved per input.

    >>> zero, one = np.zeros(1), np.ones(1)
    >>> after = {("a", "fixed"): one, ("a", "x"): zero, ("b", "fixed"): zero, ("b", "x"): one}
    >>> reduction_without_strongest_change(after, "x", among=("a", "b"))
    array([-1.])
    """
    strongest = max(kinds, key=lambda kind: losses[kind, "fixed"].sum())
    saved = [losses[kind, "fixed"] - losses[kind, policy] for kind in kinds if kind != strongest]
    return np.sum(saved, axis=0) / len(saved)
