"""What the games of the chapter on changing data say: savings, intervals that hold together, evidence for claims."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from companion.chapters.ch09_drift import experiments
from companion.chapters.ch09_drift.experiments import BOTH, GRADUAL, SUDDEN, TunedSystem, average, on_alarms
from companion.claims.evidence import Evidence
from l2h.drift import streams
from l2h.drift.experts import Advice
from l2h.drift.policies import Outcome
from l2h.drift.streams import KINDS, Course
from l2h.evaluation.intervals import Interval, as_text, mean_over_seeds
from l2h.evaluation.metrics import right_answers
from l2h.problem import Costs, Predictions, server_label

JUDGED = ("budget", "re-estimated", "recalibrated", "experts", "alarm r", "alarm r and e")  # in a claim
Key = TypeVar("Key", bound=Hashable)
Losses = Mapping[tuple[str, str, str], np.ndarray]  # (kind, way, remedy) -> (S,), one per seed


def by_seed(values: Any, *, data: str) -> Evidence:
    """Evidence of one value per seed, with Student's interval.

    Args:
        values: (S,) numbers.
        data: SHA-256 of the data set.

    Returns:
        The evidence.

    >>> by_seed([1.0, 2.0, 3.0], data="ab").seeds
    3
    """
    return Evidence(*mean_over_seeds(values), seeds=len(values), data=data)


def losses(
    played: Mapping[tuple[str, str], Mapping[str, Sequence[Outcome]]],
    courses: Mapping[tuple[str, str], Sequence[Course]],
) -> Losses:
    """The mean loss of every remedy from the beginning of the change on.

    Args:
        played: (kind, way) -> remedy -> one outcome per seed.
        courses: (kind, way) -> one course per seed.

    Returns:
        (kind, way, remedy) -> (S,).
    """
    return {
        (*place, name): np.array([average(o.loss[c.change :]) for o, c in zip(several, courses[place], strict=True)])
        for place, by_remedy in played.items()
        for name, several in by_remedy.items()
    }


def saved(
    lost: Losses, name: str, way: str = SUDDEN, kinds: Sequence[str] = streams.KINDS, *, against: str = "fixed"
) -> np.ndarray:
    """What a remedy loses less than another after the change, averaged over kinds of change: (S,), one per seed.

    >>> one = np.ones(2)
    >>> lost = {("fog", "at once", "fixed"): 3 * one, ("fog", "at once", "x"): one}
    >>> saved(lost, "x", kinds=["fog"])
    array([2., 2.])
    """
    each = [lost[kind, way, against] - lost[kind, way, name] for kind in kinds]
    return np.sum(each, axis=0) / len(each)


def together(values: Mapping[Key, np.ndarray], *, level: float = 0.95) -> dict[Key, Interval]:
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
    >>> together(alone)["a"].high < together(both)["a"].high
    True
    """
    return {name: mean_over_seeds(one, level=1 - (1 - level) / len(values)) for name, one in values.items()}


def savings(
    lost: Losses, names: Sequence[str], columns: Mapping[str, tuple[str, Sequence[str]]]
) -> dict[tuple[str, str], Interval]:
    """What remedies save in the cells of one table, with intervals that hold together.

    Args:
        lost: `losses`.
        names: of the remedies.
        columns: name of a column -> the way of change and the kinds over which it averages.

    Returns:
        (column, remedy) -> interval; only of remedies that were played on all kinds of the column.
    """
    return together(
        {
            (column, name): saved(lost, name, way, kinds)
            for column, (way, kinds) in columns.items()
            for name in names
            if all((kind, way, name) in lost for kind in kinds)
        }
    )


def in_cells(held: Mapping[tuple[str, str], Interval]) -> pd.DataFrame:
    """Intervals as a table shows them, one row per remedy.

    >>> in_cells({("saved", "x"): Interval(0.1, 0.0, 0.2)}).loc["x", "saved"]
    '0.100 [0.000, 0.200]'
    """
    columns: dict[str, dict[str, str]] = {}
    for (column, name), interval in held.items():
        columns.setdefault(column, {})[name] = as_text(interval)
    return pd.DataFrame(columns)


def triggers(
    several: Sequence[TunedSystem],
    courses: Mapping[tuple[str, str], Sequence[Course]],
    heard: Mapping[str, Mapping[str, Sequence[np.ndarray]]],
    lost: Losses,
    *,
    costs: Costs,
    advice: Advice,
) -> tuple[pd.DataFrame, dict[tuple[str, str], np.ndarray]]:
    """What the alarms of each detector on r are good for after sudden changes.

    Args:
        several: systems, one per seed.
        courses: (kind, way) -> one course per seed.
        heard: detector -> kind -> alarms on r, one array per seed.
        lost: `losses` of the fixed system, at least.
        costs: c1 and ce.
        advice: its batch and delay are used.

    Returns:
        A table with a row ("r", detector): savings with intervals that hold together, and shares sent and labelled
        with refitted layers; and what was saved, ("thresholds" or "layers", detector) -> (S,).
    """
    given: dict[str, Any] = {"costs": costs, "advice": advice}
    values: dict[tuple[str, str], np.ndarray] = {}
    shares: dict[str, dict[str, float]] = {}
    for name, by_kind in heard.items():
        played = {
            (kind, SUDDEN): on_alarms(several, courses[kind, SUDDEN], at, **given) for kind, at in by_kind.items()
        }
        after = {**lost, **losses(played, courses)}
        values |= {(use, name): saved(after, way, kinds=list(by_kind)) for use, way in BOTH.items()}
        did = [outcome for one in played.values() for outcome in one[BOTH["layers"]]]
        shares[name] = {
            part: round(sum(average(getattr(o, field)) for o in did) / len(did), 3)
            for part, field in (("sent", "asked"), ("labelled", "labelled"))
        }
    held = together(values)
    rows = {("r", name): {f"saved by {use}": as_text(held[use, name]) for use in BOTH} | shares[name] for name in heard}
    return pd.DataFrame(rows).T, values


def of_remedies(lost: Losses, by_seed: Callable[[np.ndarray], Evidence]) -> dict[str, Any]:
    """The evidence about remedies, of which all are judged by what they save.

    Args:
        lost: `losses` of all kinds, at once and by degrees.
        by_seed: makes evidence of one value per seed.

    Returns:
        Evidence by claim.
    """
    at_once = {(kind, name): value for (kind, way, name), value in lost.items() if way == SUDDEN}
    refits = {w: (f"alarm {w}", f"alarm {w}, refitted") for w in ("r", "r and e")}
    answers = {name: name + experiments.FROM_ANSWERS for name in ("re-estimated", "recalibrated")}
    found = {
        "drift-remedies-help": {name: saved(lost, name) for name in JUDGED},
        "drift-remedies-help-elsewhere": {name: without_strongest(at_once, name) for name in JUDGED},
        "drift-remedies-help-by-degrees": {name: saved(lost, name, GRADUAL) for name in JUDGED},
        "drift-refit-helps": {w: saved(lost, anew) for w, (_, anew) in refits.items()},
        "drift-refit-beats-thresholds": {w: saved(lost, anew, against=old) for w, (old, anew) in refits.items()},
        "drift-server-alone": {"threshold": saved(lost, "alarm e"), "refitted": saved(lost, "alarm e, refitted")},
        "drift-answers-help": {name: saved(lost, other) for name, other in answers.items()},
        "drift-labels-beat-answers": {name: saved(lost, name, against=other) for name, other in answers.items()},
    }
    return {claim: {case: by_seed(one) for case, one in cases.items()} for claim, cases in found.items()}


def overrating(several: Sequence[TunedSystem], *, costs: Costs) -> Evidence:
    """The evidence that the two sides of `analysis.overrated` are one, on average under every condition.

    Args:
        several: systems.
        costs: c1 and ce.

    Returns:
        The largest distance, exact.
    """
    return Evidence.exact(max(_overrating_gap(table, costs) for one in several for table in one.tables.values()))


def _overrating_gap(table: Predictions, costs: Costs) -> float:
    m_right, e_right = right_answers(table)
    stated = (1 + costs.c1) * average(m_right & ~e_right) - (1 - costs.c1) * average(~m_right & ~e_right)
    return abs(average(overrated(table, costs=costs)) - stated)


def as_range(delays: np.ndarray) -> str:
    """The median of delays with the smallest and the largest, of what was found: "none" if nothing was.

    >>> as_range(np.array([100.0, np.nan, 300.0]))
    '200 [100, 300]'
    """
    finite = delays[np.isfinite(delays)]
    return f"{np.median(finite):.0f} [{finite.min():.0f}, {finite.max():.0f}]" if len(finite) else "none"


def overrated(predictions: Predictions, *, costs: Costs) -> np.ndarray:
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
    >>> overrated(p, costs=Costs(c1=1.5, ce=0.1))
    array([0. , 2.5, 0.5])
    """
    answer = server_label(predictions.e)
    saved = (predictions.m != predictions.y) - costs.c1 * (answer != predictions.y)
    return (predictions.m != answer) - saved


def without_strongest(
    after: Mapping[tuple[str, str], np.ndarray], remedy: str, *, among: Sequence[str] = KINDS
) -> np.ndarray:
    """What a remedy saves, averaged over all kinds of change but the one that costs the fixed threshold most.

    Args:
        after: (kind, remedy) -> (S,) loss after the change, one per seed; "fixed" is a remedy, too.
        remedy: its name.
        among: the kinds, at least two.

    Returns:
        (S,) loss saved per input.

    >>> zero, one = np.zeros(1), np.ones(1)
    >>> after = {("a", "fixed"): one, ("a", "x"): zero, ("b", "fixed"): zero, ("b", "x"): one}
    >>> without_strongest(after, "x", among=("a", "b"))
    array([-1.])
    """
    strongest = max(among, key=lambda kind: after[kind, "fixed"].sum())
    saved = [after[kind, "fixed"] - after[kind, remedy] for kind in among if kind != strongest]
    return np.sum(saved, axis=0) / len(saved)
