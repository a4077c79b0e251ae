"""Evidence for the claims of chapter 10."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from companion.chapters.ch10_domains.analysis import (
    COMPARED_COSTS,
    OURS,
    ByTask,
    property_values,
    synthesis,
    task_effects,
    tuned,
)
from companion.chapters.ch10_domains.experiments import DomainResult
from companion.chapters.ch10_domains.forecasts import (
    PairsOfClasses,
    TaskForecast,
    forecasts_from_other_tasks,
    forecasts_from_pairs,
    slope_over_pairs,
)
from companion.chapters.ch10_domains.tasks import data_digest
from companion.chapters.paired_evidence import Bounds, least_difference_evidence, paired_evidence
from companion.claims.evidence import EQUIVALENCE_LEVEL, Evidence
from companion.claims.power import LARGEST_FACTOR
from companion.claims.registry import bounds_by_claim
from companion.claims.verdicts import INCONCLUSIVE, case_verdict
from l2h.evaluation.comparisons import differences_per_example
from l2h.evaluation.intervals import Interval, proportion_interval
from l2h.evaluation.metrics import loss_per_example

DOMAINS_CHAPTER = "10_domains"
CONSTANT_OF_CASE = {"never asking": "client only", "always asking": "server only"}
DATA_MISSING = Evidence.absent("its data are not at hand at this profile")
TOO_FEW_TASKS = Evidence.absent("too few tasks are at hand")


def gains_over_never_and_always(by_task: ByTask, task: str, claim: str) -> dict[str, Evidence]:
    """Evidence on the loss of never and of always asking minus that of learning to help, for one task.

    Args:
        by_task: the results.
        task: name of the task.
        claim: that has these two cases.
    """
    bounds = bounds_by_claim(DOMAINS_CHAPTER)[claim]
    if task not in by_task:
        return dict.fromkeys(CONSTANT_OF_CASE, DATA_MISSING)
    ours, loss = tuned(by_task[task], OURS), partial(loss_per_example, costs=COMPARED_COSTS)
    return {
        case: paired_evidence(tuned(by_task[task], policy), ours, loss, bounds=bounds[case], data=data_digest(task))
        for case, policy in CONSTANT_OF_CASE.items()
    }


def least_gains(by_task: ByTask) -> dict[str, Evidence]:
    """Evidence on the smaller of the two gains over never and always asking, by domain.

    Args:
        by_task: the results.
    """
    cases = bounds_by_claim(DOMAINS_CHAPTER)["helps-in-other-domains"]
    return {
        task: _least_gain(by_task[task], bounds, data_digest(task)) if task in by_task else DATA_MISSING
        for task, bounds in cases.items()
    }


def _least_gain(results: Sequence[DomainResult], bounds: Bounds, data: str) -> Evidence:
    loss = partial(loss_per_example, costs=COMPARED_COSTS)
    ours = tuned(results, OURS)
    gains = [differences_per_example(tuned(results, policy), ours, loss) for policy in CONSTANT_OF_CASE.values()]
    return least_difference_evidence(gains, bounds=bounds, data=data)


def mean_advantage(by_task: ByTask, baseline: str) -> Evidence:
    """Evidence on the mean over tasks of the area of learning to help minus that of a baseline.

    Args:
        by_task: the results.
        baseline: in `analysis.BASELINES`.
    """
    effects = synthesis(task_effects(by_task, baseline))
    narrower = effects.mean_interval(level=EQUIVALENCE_LEVEL)
    evidence = _of_tasks(effects.mean_interval(), by_task)
    return replace(evidence, equivalence_low=narrower.low, equivalence_high=narrower.high)


def deviation_between_tasks(by_task: ByTask) -> Evidence:
    """Evidence on the standard deviation between tasks of the advantage over confidence.

    Args:
        by_task: the results.
    """
    return _of_tasks(synthesis(task_effects(by_task, "confidence")).tau_interval(), by_task)


def slopes(by_task: ByTask, pairs: PairsOfClasses) -> dict[str, Evidence]:
    """Evidence on the slope of the advantage over confidence on the AUROC of the client's confidence.

    Args:
        by_task: the results.
        pairs: of CIFAR-10's classes.
    """
    regression = synthesis(task_effects(by_task, "confidence"), property_values(by_task, "auroc"))
    of_pairs = Evidence(*slope_over_pairs(pairs), seeds=pairs.seeds.shape[1])
    return {"new tasks": _of_tasks(regression.slope_interval(), by_task), "pairs of CIFAR-10": of_pairs}


def coverage_of_forecasts(by_task: ByTask, pairs: PairsOfClasses) -> dict[str, Evidence]:
    """Evidence on the share of tasks whose advantage lies in the interval that was forecast.

    Args:
        by_task: the results.
        pairs: of CIFAR-10's classes.
    """
    bounds = bounds_by_claim(DOMAINS_CHAPTER)["forecast-covers-tasks-left-out"]
    forecasts = {
        "fitted on the other tasks": forecasts_from_other_tasks(by_task),
        "fitted on pairs of CIFAR-10": forecasts_from_pairs(by_task, pairs),
    }
    return {case: _share_evidence(each, bounds[case]) if each else TOO_FEW_TASKS for case, each in forecasts.items()}


def _share_evidence(forecasts: Sequence[TaskForecast], bounds: Bounds) -> Evidence:
    covered, n = sum(forecast.covers for forecast in forecasts), len(forecasts)
    evidence = Evidence(*proportion_interval(covered, n), n=n, units="tasks")
    if case_verdict(evidence, bounds) != INCONCLUSIVE:
        return evidence
    return replace(evidence, settled_by=_tasks_to_settle(covered / n, bounds, n))


def _tasks_to_settle(share: float, bounds: Bounds, n: int) -> int | None:
    """The least number of tasks that would decide, if this share of them were covered."""
    for tasks in range(n, LARGEST_FACTOR * n + 1):
        evidence = Evidence(*proportion_interval(round(share * tasks), tasks))
        if case_verdict(evidence, bounds) != INCONCLUSIVE:
            return tasks
    return None


def _of_tasks(interval: Interval, by_task: ByTask) -> Evidence:
    return Evidence(*interval, n=len(by_task), seeds=min(len(results) for results in by_task.values()))
