"""Analysis of chapter 10: what the systems of each task do, and the synthesis over tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from IPython.display import Markdown

from companion.chapters.ch10_domains.experiments import HELPER_SYSTEMS, DomainResult
from companion.chapters.ch10_domains.tasks import TASKS
from companion.chapters.summaries import PerExample, format_mean
from companion.chapters.systems import COMPARISON_CE
from l2h.evaluation.comparisons import differences_per_example, mean_difference, reference_losses_at_costs
from l2h.evaluation.crossed import variance_components
from l2h.evaluation.curves import auc_contributions, error_auroc_contributions
from l2h.evaluation.forecast import ClientProperties, client_properties
from l2h.evaluation.intervals import Interval, format_interval
from l2h.evaluation.metrics import ask_indicator, correctness, loss_per_example, server_correctness, system_loss
from l2h.evaluation.multiple_comparisons import comparison_outcome
from l2h.evaluation.random_effects import RandomEffects, random_effects
from l2h.evaluation.thresholds import tuned_on_validation
from l2h.problem import Costs, Predictions

OURS = "learning to help"
BASELINES = tuple(name for name in HELPER_SYSTEMS if name != OURS)
CONSTANT = {"client only": 1.0, "server only": -1.0}  # r of every example
PROPERTIES = {
    "auroc": "AUROC of the client's confidence for its errors",
    "calibration_error": "calibration error of the client's confidence",
    "server_lead": "the server's lead in accuracy",
}
COMPARED_COSTS = Costs(c1=1.0, ce=COMPARISON_CE)
FAILED_SERVER = 0.1  # a joint server that is less accurate by this much counts as a failed training
COST_GRID = tuple(Costs(c1=c1, ce=ce) for c1 in (0.5, 1.0) for ce in (0.02, 0.1, 0.3))
APART_COLUMNS = ("asked", "asked on the test part", "accuracy", "area")
ByTask = Mapping[str, Sequence[DomainResult]]  # one result per seed


class TaskEffects(NamedTuple):
    """One difference per task, with its standard error over seeds and examples."""

    tasks: tuple[str, ...]
    estimates: np.ndarray  # (k,)
    standard_errors: np.ndarray  # (k,)

    def without(self, index: int) -> "TaskEffects":
        """The effects of the other tasks.

        Args:
            index: of the task that is left out.
        """
        others = self.tasks[:index] + self.tasks[index + 1 :]
        return TaskEffects(others, np.delete(self.estimates, index), np.delete(self.standard_errors, index))


def results_by_task(results: Sequence[DomainResult]) -> dict[str, list[DomainResult]]:
    """Results by task, one per seed.

    Args:
        results: of `experiments.sweep_domains`.
    """
    by_task: dict[str, list[DomainResult]] = {}
    for result in results:
        by_task.setdefault(result.config.task, []).append(result)
    return by_task


def predictions_of(results: Sequence[DomainResult], system: str, part: str = "test") -> list[Predictions]:
    """The predictions of a system of one task, one per seed.

    Args:
        results: of the task.
        system: in `experiments.HELPER_SYSTEMS`, or in CONSTANT: with the server trained alone.
        part: of the task's data.
    """
    if system in CONSTANT:
        plain = predictions_of(results, "confidence", part)
        return [replace(p, r=np.full(len(p.y), CONSTANT[system])) for p in plain]
    return [result.predictions(system, part) for result in results]


def tuned(
    results: Sequence[DomainResult], system: str, part: str = "test", *, costs: Costs = COMPARED_COSTS
) -> list[Predictions]:
    """The predictions of a system with the threshold of least loss on the validation part, one per seed.

    Args:
        results: of one task.
        system: as in `predictions_of`.
        part: of the task's data.
        costs: c1 and ce.
    """
    if system in CONSTANT:
        return predictions_of(results, system, part)
    validation = predictions_of(results, system, "validation")
    return tuned_on_validation(validation, predictions_of(results, system, part), costs=costs)


def mean_properties(results: Sequence[DomainResult], part: str = "validation") -> ClientProperties:
    """The properties of a task's client, averaged over seeds.

    Args:
        results: of the task.
        part: whose labelled examples show them.
    """
    by_seed = [client_properties(p) for p in predictions_of(results, "confidence", part)]
    return ClientProperties(by_seed[0].n, *np.mean(by_seed, axis=0)[1:].tolist())


def task_table(by_task: ByTask) -> pd.DataFrame:
    """The tasks, with the properties of their clients and servers on the validation part.

    Args:
        by_task: the results.
    """
    rows = {}
    for name, results in by_task.items():
        properties = mean_properties(results)
        rows[TASKS[name].title] = {
            "the client is weak because": TASKS[name].weakness,
            "client": properties.client_accuracy,
            "server": properties.server_accuracy,
            "AUROC": properties.auroc,
            "calibration error": properties.calibration_error,
            "server's lead on the test part": mean_properties(results, "test").server_lead,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def system_table(by_task: ByTask) -> pd.DataFrame:
    """Accuracy, coverage, loss and area of each system on the test part, with intervals over seeds and examples.

    Args:
        by_task: the results.

    Returns:
        One row per task and system; thresholds are those of least validation loss at COMPARED_COSTS.
    """
    rows = {}
    for name, results in by_task.items():
        for system in (*HELPER_SYSTEMS, *CONSTANT):
            decided = tuned(results, system)
            rows[name, system] = {
                "accuracy": format_mean(decided, correctness),
                "coverage": round(1 - float(np.mean([ask_indicator(p).mean() for p in decided])), 3),
                "loss": format_mean(decided, partial(loss_per_example, costs=COMPARED_COSTS)),
                "area": format_mean(predictions_of(results, system), auc_contributions),
            }
    return pd.DataFrame(rows).T.rename_axis(["task", "system"])


def difference_table(by_task: ByTask) -> pd.DataFrame:
    """Learning to help minus each baseline, in area and in loss, task by task.

    Args:
        by_task: the results.

    Returns:
        One row per task and baseline: both differences with 95 % intervals, and what they say.
    """
    rows = {}
    for name, results in by_task.items():
        for baseline in (*BASELINES, *CONSTANT):
            loss = loss_difference(results, baseline)
            row = {"loss": signed_text(loss), "by loss": _outcome(-loss.estimate, -loss.high, -loss.low)}
            if baseline in BASELINES:
                area = area_advantage(results, baseline)
                row = {"area": signed_text(area), "by area": _outcome(*area)} | row
            rows[name, baseline] = row
    return pd.DataFrame.from_dict(rows, orient="index").fillna("").rename_axis(["task", "minus"])


def reason_table(by_task: ByTask) -> pd.DataFrame:
    """Why a system has more or less area: how well its score finds the client's errors, and how good its server is.

    Args:
        by_task: the results.

    Returns:
        One row per task: the AUROC of each system's score r for the client's errors on the test part, and the accuracy
        of the server that was trained with the rejector and of the one that was trained alone.
    """
    rows = {}
    for name, results in by_task.items():
        predictions = {system: predictions_of(results, system) for system in HELPER_SYSTEMS}
        servers = {"joint server": predictions[OURS], "server trained alone": predictions["confidence"]}
        rows[name] = {
            **{f"AUROC, {s}": np.mean([error_auroc_contributions(p) for p in each]) for s, each in predictions.items()},
            **{server: np.mean([server_correctness(p) for p in each]) for server, each in servers.items()},
        }
    return pd.DataFrame(rows).T


def describe_servers(by_task: ByTask) -> Markdown:
    """A sentence on the runs whose joint training ended with a much worse server than training it alone.

    Args:
        by_task: the results.
    """
    failures, n_runs = [], 0
    for name, results in by_task.items():
        for result in results:
            n_runs += 1
            joint, alone = (server_correctness(result.predictions(s)).mean() for s in (OURS, "confidence"))
            if alone - joint > FAILED_SERVER:
                failures.append(f"{name}, seed {result.config.seed}: {joint:.3f} and {alone:.3f}")
    details = f" ({'; '.join(failures)})" if failures else ""
    return Markdown(
        f"In {len(failures)} of {n_runs} runs the server that was trained with the rejector is less accurate than the "
        f"one that was trained alone by more than {FAILED_SERVER:g}{details}. No run was left out for that."
    )


def area_advantage(results: Sequence[DomainResult], baseline: str, part: str = "test") -> Interval:
    """The area of learning to help minus that of a baseline, with its interval.

    Args:
        results: of one task.
        baseline: in BASELINES.
        part: of the task's data.
    """
    ours, theirs = (predictions_of(results, name, part) for name in (OURS, baseline))
    return mean_difference(ours, theirs, auc_contributions)


def loss_difference(results: Sequence[DomainResult], baseline: str, *, costs: Costs = COMPARED_COSTS) -> Interval:
    """The loss of learning to help minus that of a baseline, both with tuned thresholds.

    Args:
        results: of one task.
        baseline: in BASELINES or CONSTANT.
        costs: c1 and ce.
    """
    ours, theirs = (tuned(results, name, costs=costs) for name in (OURS, baseline))
    return mean_difference(ours, theirs, partial(loss_per_example, costs=costs))


def cost_table(by_task: ByTask) -> pd.DataFrame:
    """Losses over a grid of costs: each system was trained once, and its threshold is tuned for each pair of costs.

    Args:
        by_task: the results.

    Returns:
        One row per task and pair of costs; the systems, the better of never and always asking, and the oracle; last the
        system of least loss, or "none" where no system has a smaller loss than the better constant policy.
    """
    rows = {}
    for name, results in by_task.items():
        for costs in COST_GRID:
            losses = {s: float(np.mean([system_loss(p, costs=costs) for p in tuned(results, s, costs=costs)]))
                      for s in HELPER_SYSTEMS}  # fmt: skip
            reference = reference_losses_at_costs([costs], predictions_of(results, "confidence"))
            constant, best = float(reference["random, best rate"][0]), min(losses, key=lambda system: losses[system])
            rows[name, costs.c1, costs.ce] = {
                **losses,
                "no rejector": constant,
                "oracle": float(reference["oracle"][0]),
                "least": best if losses[best] < constant else "none",
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["task", "c1", "ce"])


def apart_table(by_task: ByTask) -> pd.DataFrame:
    """Parts that lie apart from the test part: a speaker who is new, and queries outside all classes.

    Args:
        by_task: the results.

    Returns:
        One row per task, part and system: the share asked at the threshold of the validation part, there and on the
        test part; accuracy and area where there is a right answer. Where no task has such a part, one row says so.
    """
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    for name, results in by_task.items():
        for part in results[0].parts:
            for system in HELPER_SYSTEMS if part not in ("test", "validation") else ():
                decided, on_test = tuned(results, system, part), tuned(results, system)
                has_answer = not part.startswith("out_of_scope")
                area = format_mean(predictions_of(results, system, part), auc_contributions)
                rows[name, part, system] = {
                    "asked": format_mean(decided, ask_indicator),
                    "asked on the test part": format_mean(on_test, ask_indicator),
                    "accuracy": format_mean(decided, correctness) if has_answer else "no right answer",
                    "area": area if has_answer else "",
                }
    if not rows:
        rows["none", "no task here has such a part", ""] = dict.fromkeys(APART_COLUMNS, "")
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(APART_COLUMNS)).rename_axis(
        ["task", "part", "system"]
    )


def task_effects(by_task: ByTask, baseline: str, per_example: PerExample = auc_contributions) -> TaskEffects:
    r"""Learning to help minus a baseline for each task, with the standard error over crossed seeds and examples.

    .. math:: s^2 = \frac{\hat\sigma_a^2}{S} + \frac{\hat\sigma_b^2}{n} + \frac{\hat\sigma_c^2}{S n}

    Where all differences of a task are equal, one example that differs by 1 is allowed for: s = 1/n.

    Args:
        by_task: the results, of two seeds or more.
        baseline: in BASELINES.
        per_example: gives (n,) values.
    """
    estimates, errors = [], []
    for results in by_task.values():
        ours, theirs = (predictions_of(results, name) for name in (OURS, baseline))
        differences = differences_per_example(ours, theirs, per_example)
        seeds, n = differences.shape
        parts = variance_components(differences)
        variance = parts.seed / seeds + parts.example / n + parts.interaction / (seeds * n)
        estimates.append(differences.mean())
        errors.append(variance**0.5 or 1 / n)
    return TaskEffects(tuple(by_task), np.array(estimates), np.array(errors))


def property_values(by_task: ByTask, name: str) -> np.ndarray:
    """A property of each task's client on the validation part.

    Args:
        by_task: the results.
        name: in PROPERTIES.
    """
    return np.array([getattr(mean_properties(results), name) for results in by_task.values()])


def synthesis(effects: TaskEffects, property_of_tasks: np.ndarray | None = None) -> RandomEffects:
    """Random effects over tasks.

    Args:
        effects: of `task_effects`.
        property_of_tasks: (k,) of `property_values`, for a regression.
    """
    return random_effects(effects.estimates, effects.standard_errors, property_of_tasks)


def synthesis_table(by_task: ByTask) -> pd.DataFrame:
    """The mean advantage over tasks, and what it says of a new task.

    Args:
        by_task: the results of three tasks or more.

    Returns:
        One row per baseline: the mean over tasks in area with its interval, the prediction interval of a new task, the
        standard deviation between tasks with its interval, and the share of the variance that is between tasks.
    """
    rows = {}
    for baseline in BASELINES:
        effects = synthesis(task_effects(by_task, baseline))
        rows[f"minus {baseline}"] = {
            "tasks": len(effects.estimates),
            "mean": signed_text(effects.mean_interval()),
            "a new task": signed_limits(effects.new_task_interval()),
            "tau": format_interval(effects.tau_interval()),
            "I squared": round(effects.i_squared, 2),
        }
    return pd.DataFrame(rows).T


def describe_synthesis(by_task: ByTask) -> Markdown:
    """Sentences on the mean advantage over tasks, on a new task, and on the tasks one by one.

    Args:
        by_task: the results of three tasks or more.
    """
    lines = []
    for baseline in BASELINES:
        effects = synthesis(task_effects(by_task, baseline))
        mean, new = effects.mean_interval(), effects.new_task_interval()
        outcomes = [_outcome(*area_advantage(results, baseline)) for results in by_task.values()]
        better, worse = (outcomes.count(outcome) for outcome in ("better", "worse"))
        on_average = {"better": "is better", "worse": "is worse"}.get(_outcome(*mean), "does not differ significantly")
        next_task = {"better": "be better", "worse": "be worse"}.get(_outcome(*new), "be better or worse")
        lines.append(
            f"Compared with {baseline}, learning to help {on_average} on average over {len(by_task)} tasks "
            f"({signed_text(mean)} in area); it is significantly better on {better} of them and worse on {worse}, and "
            f"on a new task it may {next_task}."
        )
    return Markdown(" ".join(lines))


def property_table(by_task: ByTask) -> pd.DataFrame:
    """Regressions of the advantage over confidence on one property of the client at a time.

    Args:
        by_task: the results of four tasks or more.

    Returns:
        One row per property: the slope per 0.1 of the property, the standard deviation between tasks that is left, and
        the share of the variance between tasks that the property explains.
    """
    effects = task_effects(by_task, "confidence")
    unexplained = synthesis(effects).tau_squared
    rows = {}
    for name, words in PROPERTIES.items():
        regression = synthesis(effects, property_values(by_task, name))
        left = regression.tau_squared
        rows[words] = {
            "slope per 0.1": signed_text(Interval(*(limit / 10 for limit in regression.slope_interval()))),
            "tau left": round(left**0.5, 4),
            "explained": f"{max(0.0, 1 - left / unexplained):.0%}" if unexplained else "nothing to explain",
        }
    return pd.DataFrame(rows).T


def _outcome(estimate: float, low: float, high: float) -> str:
    return comparison_outcome(Interval(estimate, low, high))


def signed_text(interval: Interval) -> str:
    """An estimate and its limits with their signs, as in "+0.010 [-0.002, +0.022]"."""
    return f"{interval.estimate:+.3f} {signed_limits(interval)}"


def signed_limits(interval: Interval) -> str:
    """The limits alone with their signs."""
    return f"[{interval.low:+.3f}, {interval.high:+.3f}]"
