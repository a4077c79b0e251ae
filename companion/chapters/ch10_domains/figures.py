"""Figures of chapter 10."""

import numpy as np
from matplotlib.axes import Axes

from companion.chapters.ch10_domains.analysis import (
    BASELINES,
    OURS,
    ByTask,
    area_advantage,
    predictions_of,
    property_values,
    synthesis,
    task_effects,
)
from companion.chapters.ch10_domains.experiments import HELPER_SYSTEMS
from companion.chapters.ch10_domains.forecasts import LEAST_OTHER_TASKS, PairsOfClasses
from companion.chapters.ch10_domains.tasks import TASKS
from companion.chapters.summaries import COVERAGE_GRID, accuracy_bands
from l2h.evaluation.intervals import Interval
from l2h.plotting.lines import plot_accuracy_curves
from l2h.plotting.style import COLOURS, share_legend, subplot_grid

AREA_LABEL = "area minus that of the baseline"
RANGE, SMALLEST_RANGE = 1.6, 0.05  # of the axis of differences: in units of the largest estimate, and at least


def plot_curves(by_task: ByTask) -> None:
    """The accuracy-coverage curves of all systems, one panel per task.

    Args:
        by_task: the results.
    """
    figure, axes = subplot_grid(len(by_task), 3, (3.6, 3.2))
    for ax, (name, results) in zip(axes, by_task.items(), strict=True):
        bands = accuracy_bands({system: predictions_of(results, system) for system in HELPER_SYSTEMS})
        plot_accuracy_curves(ax, COVERAGE_GRID, bands, order=HELPER_SYSTEMS)
        low, high = ax.get_ylim()  # Student's band of few seeds may leave the possible accuracies
        ax.set(xlabel="coverage (share kept)", ylabel="accuracy", ylim=(max(low, -0.02), min(high, 1.02)))
        ax.set_title(TASKS[name].title, fontsize="medium")
    share_legend(figure, *axes)


def plot_syntheses(by_task: ByTask) -> None:
    """The advantage of learning to help in area, task by task, with the mean over tasks and a new task's interval.

    Args:
        by_task: the results.
    """
    _, axes = subplot_grid(len(BASELINES), 2, (4.6, 0.32 * len(by_task) + 1.4))
    for ax, baseline in zip(axes, BASELINES, strict=True):
        effects = synthesis(task_effects(by_task, baseline))
        rows = {name: area_advantage(results, baseline) for name, results in by_task.items()}
        rows |= {"mean over tasks": effects.mean_interval(), "a new task": effects.new_task_interval()}
        _plot_rows(ax, rows)
        ax.set(title=f"{OURS} minus {baseline}", xlabel=AREA_LABEL)


def _plot_rows(ax: Axes, rows: dict[str, Interval]) -> None:
    last_task = len(rows) - 3
    ax.axvline(0, color="black", lw=0.8)
    for row, interval in enumerate(rows.values()):
        colour = COLOURS[0] if row <= last_task else COLOURS[1]
        ax.hlines(row, interval.low, interval.high, color=colour, lw=2)
        ax.plot(interval.estimate, row, "o" if row <= last_task else "D", color=colour)
    ax.axhline(last_task + 0.5, color="grey", lw=0.8)
    widest = max(SMALLEST_RANGE, RANGE * max(abs(interval.estimate) for interval in rows.values()))
    ax.set_xlim(-widest, widest)  # the interval of one unstable task would hide all others
    ax.set_yticks(range(len(rows)), list(rows))
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)


def plot_advantage_by_auroc(ax: Axes, by_task: ByTask, pairs: PairsOfClasses) -> None:
    """The advantage over confidence against the AUROC of the client's confidence: tasks, and pairs of CIFAR-10.

    Args:
        ax: to draw on.
        by_task: the results.
        pairs: of CIFAR-10's classes.
    """
    effects, auroc = task_effects(by_task, "confidence"), property_values(by_task, "auroc")
    ax.axhline(0, color="black", lw=0.8)
    ax.plot(pairs.auroc, pairs.advantages, ".", color=COLOURS[5], label="a pair of CIFAR-10")
    ax.errorbar(
        auroc, effects.estimates, yerr=1.96 * effects.standard_errors, fmt="D", color=COLOURS[1], capsize=3,
        label="a task of another domain",
    )  # fmt: skip
    for name, x, y in zip(effects.tasks, auroc, effects.estimates, strict=True):
        ax.annotate(name, (x, y), xytext=(5, 4), textcoords="offset points", fontsize=7)
    if len(by_task) >= LEAST_OTHER_TASKS:
        grid = np.linspace(min(auroc.min(), pairs.auroc.min()), max(auroc.max(), pairs.auroc.max()), 50)
        regression = synthesis(effects, auroc)
        _, low, high = zip(*(regression.new_task_interval(at) for at in grid), strict=True)
        ax.fill_between(grid, low, high, color=COLOURS[1], alpha=0.12, label="95 % of new tasks")
    ax.set(xlabel="AUROC of the client's confidence for its errors", ylabel="area minus that of confidence")
    ax.legend(fontsize=8)
