"""Forecasts of chapter 10: the advantage on tasks left out, and the pairs of CIFAR-10's classes as tasks."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from companion.chapters.ch10_domains.analysis import (
    OURS,
    ByTask,
    TaskEffects,
    predictions_of,
    property_values,
    signed_limits,
    signed_text,
    synthesis,
    task_effects,
)
from companion.chapters.settings import PAIRS_TABLE
from l2h.evaluation.class_pairs import ClassPairsMean, class_pairs_mean
from l2h.evaluation.forecast import largest_gain
from l2h.evaluation.intervals import Interval, format_interval, t_interval
from l2h.evaluation.random_effects import RandomEffects, random_effects

PAIRS_CLIENT = "as_released"
LEAST_OTHER_TASKS = 4  # from which a regression can be fitted


class PairsOfClasses(NamedTuple):
    """All pairs of CIFAR-10's classes as tasks, from the committed table of chapter 06."""

    pairs: list[tuple[str, str]]
    seeds: np.ndarray  # (pairs, S) areas of learning to help minus those of the baseline
    auroc: np.ndarray  # (pairs,) of the client's confidence for its errors

    @property
    def advantages(self) -> np.ndarray:
        """(pairs,) means over seeds."""
        return np.asarray(self.seeds.mean(axis=1))

    def mean(self) -> ClassPairsMean:
        """The mean over pairs, as a statement about new classes."""
        return class_pairs_mean(self.pairs, self.seeds)

    def regression(self) -> RandomEffects:
        """The regression of the advantages on the AUROC, with the pairs as tasks."""
        errors = self.seeds.std(axis=1, ddof=1) / self.seeds.shape[1] ** 0.5
        return random_effects(self.advantages, errors, self.auroc)


class TaskForecast(NamedTuple):
    """The forecast for one task, and what was observed."""

    task: str
    forecast: Interval  # for an advantage that is measured as this one was
    observed: float

    @property
    def covers(self) -> bool:
        """Whether the interval contains what was observed."""
        return bool(self.forecast.low <= self.observed <= self.forecast.high)


def pairs_of_classes(baseline: str, *, table: Path = PAIRS_TABLE, client: str = PAIRS_CLIENT) -> PairsOfClasses:
    """The pairs of CIFAR-10's classes, trained for chapter 06.

    Args:
        baseline: name of a system in the table.
        table: the committed table.
        client: kind of client.
    """
    rows = pd.read_csv(table)
    rows = rows[rows.client == client]
    areas = rows.pivot(index=["classes", "seed"], columns="system", values="area")
    difference = (areas[OURS] - areas[baseline]).unstack("seed")
    auroc = rows[rows.system == "confidence"].groupby("classes").auroc.mean()
    pairs = [(first, second) for first, second in difference.index.str.split("/")]
    return PairsOfClasses(pairs, difference.to_numpy(), auroc.loc[difference.index].to_numpy())


def class_jackknife(
    pairs: Sequence[tuple[str, str]], statistic: Callable[[np.ndarray], float], *, level: float = 0.95
) -> Interval:
    r"""A statistic of all pairs of K classes, with Student's interval by the jackknife over classes.

    .. math:: s^2 = \frac{K - 1}{K} \sum_c \big(\theta_{-c} - \bar\theta_{-}\big)^2

    where the pairs of class c are left out. The variance is too large rather than too small on average.

    Args:
        pairs: of classes.
        statistic: of the positions of the pairs that are used.
        level: of confidence, in (0, 1).

    Source: Efron and Stein 1981, "The jackknife estimate of variance", Annals of Statistics 9(3).
    """
    classes = sorted({name for pair in pairs for name in pair})
    k = len(classes)
    left_out = [statistic(np.flatnonzero([name not in pair for pair in pairs])) for name in classes]
    # The pseudo-values have the variance of the jackknife; their mean is replaced by the statistic itself.
    pseudo_values = -(k - 1) * np.array(left_out)
    estimate, (centre, low, high) = statistic(np.arange(len(pairs))), t_interval(pseudo_values, level=level)
    return Interval(estimate, estimate + low - centre, estimate + high - centre)


def slope_over_pairs(pairs: PairsOfClasses) -> Interval:
    """The slope of the advantage on the AUROC by least squares, with a jackknife over classes.

    Args:
        pairs: of `pairs_of_classes`.
    """

    def slope(index: np.ndarray) -> float:
        return float(np.polyfit(pairs.auroc[index], pairs.advantages[index], 1)[0])

    return class_jackknife(pairs.pairs, slope)


def forecasts_from_other_tasks(by_task: ByTask) -> list[TaskForecast]:
    """The forecast for each task from all others; none where the others are too few.

    Args:
        by_task: the results.
    """
    effects, auroc = task_effects(by_task, "confidence"), property_values(by_task, "auroc")
    if len(by_task) <= LEAST_OTHER_TASKS:
        return []
    regressions = [synthesis(effects.without(i), np.delete(auroc, i)) for i in range(len(by_task))]
    return _forecasts(effects, auroc, regressions)


def forecasts_from_pairs(by_task: ByTask, pairs: PairsOfClasses) -> list[TaskForecast]:
    """The forecast for each task from the pairs of CIFAR-10's classes.

    Args:
        by_task: the results.
        pairs: of `pairs_of_classes`.
    """
    effects, auroc = task_effects(by_task, "confidence"), property_values(by_task, "auroc")
    return _forecasts(effects, auroc, [pairs.regression()] * len(by_task))


def _forecasts(effects: TaskEffects, auroc: np.ndarray, regressions: Sequence[RandomEffects]) -> list[TaskForecast]:
    return [
        TaskForecast(task, regression.new_task_interval(at, standard_error=error), float(observed))
        for task, at, observed, error, regression in zip(*_columns(effects, auroc), regressions, strict=True)
    ]


def _columns(effects: TaskEffects, auroc: np.ndarray) -> tuple[Sequence[str], list[float], list[float], list[float]]:
    return effects.tasks, auroc.tolist(), effects.estimates.tolist(), effects.standard_errors.tolist()


def forecast_table(by_task: ByTask, pairs: PairsOfClasses) -> pd.DataFrame:
    """What was forecast before training, and what was observed.

    Args:
        by_task: the results.
        pairs: of `pairs_of_classes`.

    Returns:
        One row per task: the most that any rejector for the plain server could gain on the validation part, both
        forecasts, and the advantage that was observed on the test part.
    """
    from_others = {each.task: each for each in forecasts_from_other_tasks(by_task)}
    rows = {}
    for each in forecasts_from_pairs(by_task, pairs):
        limits = [largest_gain(p) for p in predictions_of(by_task[each.task], "confidence", "validation")]
        rows[each.task] = {
            "largest gain": format_interval(Interval(*np.mean(limits, axis=0))),
            "from the other tasks": _forecast_text(from_others.get(each.task)),
            "from pairs of CIFAR-10": _forecast_text(each),
            "observed": f"{each.observed:+.3f}",
        }
    return pd.DataFrame(rows).T


def _forecast_text(forecast: TaskForecast | None) -> str:
    if forecast is None:
        return "too few tasks"
    return f"{signed_limits(forecast.forecast)} {'contains' if forecast.covers else 'misses'} it"


def pairs_table(*baselines: str) -> pd.DataFrame:
    """The mean advantage over all pairs of CIFAR-10's classes with the released client, and that of a new pair.

    Args:
        baselines: names of systems in the table of chapter 06.
    """
    rows = {}
    for baseline in baselines:
        mean = pairs_of_classes(baseline).mean()
        rows[f"minus {baseline}"] = {
            "mean": signed_text(mean.interval()),
            "a new pair": signed_limits(mean.new_pair_interval()),
        }
    return pd.DataFrame(rows).T
