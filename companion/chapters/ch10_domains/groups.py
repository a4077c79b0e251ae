"""The losses of chapter 10 by group: by subject, by speaker and by month, where the data are split by them."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from IPython.display import Markdown

from companion.chapters.ch10_domains.analysis import BASELINES, COMPARED_COSTS, CONSTANT, OURS, ByTask, tuned
from companion.chapters.ch10_domains.experiments import HELPER_SYSTEMS, DomainResult
from companion.chapters.ch10_domains.tasks import part_groups
from l2h.data.tables import GAS_DRIFT_MONTHS
from l2h.evaluation.metrics import loss_per_example

GROUPED = {"fsdd": "speaker", "smartwatch": "subject", "gas_drift": "month"}  # task -> what its groups are
SPREAD = "largest minus smallest"
NO_GROUPS = "no task here is split by groups"
SYSTEMS_BY_GROUP = (*HELPER_SYSTEMS, *CONSTANT)


def group_losses(results: Sequence[DomainResult]) -> pd.DataFrame:
    """The loss of each system by group of the test part, with the thresholds of least validation loss.

    Args:
        results: of a task in GROUPED.

    Returns:
        One row per group, its name as text; the number of examples, and the mean loss over them and the seeds.
    """
    config = results[0].config
    groups = part_groups(config.task, "test", config.n_test)
    loss = partial(loss_per_example, costs=COMPARED_COSTS)
    losses = {
        system: np.mean([loss(p) for p in tuned(results, system)], axis=0) for system in SYSTEMS_BY_GROUP
    }  # (n,) each
    rows = {
        _group_name(config.task, group): {"examples": int((groups == group).sum())}
        | {system: round(float(each[groups == group].mean()), 4) for system, each in losses.items()}
        for group in np.unique(groups).tolist()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _group_name(task: str, group: object) -> str:
    return f"{GROUPED[task]} {GAS_DRIFT_MONTHS[int(str(group))] if task == 'gas_drift' else group}"


def group_table(by_task: ByTask) -> pd.DataFrame:
    """The losses by group, and for each task their spread: the largest minus the smallest.

    Args:
        by_task: the results.

    Returns:
        One row per task and group; where no task is split by groups, one row says so.
    """
    tables = {name: group_losses(results) for name, results in by_task.items() if name in GROUPED}
    for name, table in tables.items():
        losses = table[list(SYSTEMS_BY_GROUP)]
        spread = pd.DataFrame({SPREAD: losses.max() - losses.min()}).T
        tables[name] = pd.concat([table.astype({"examples": object}), spread.assign(examples="")])
    if not tables:
        row = dict.fromkeys(("examples", *SYSTEMS_BY_GROUP), "")
        return pd.DataFrame({("none", NO_GROUPS): row}).T.rename_axis(["task", "group"])
    return pd.concat(tables, names=["task", "group"])


def describe_groups(by_task: ByTask) -> Markdown:
    """Sentences on the spread over groups, and on how many groups learning to help has the smaller loss.

    Args:
        by_task: the results.
    """
    lines = []
    for name in (name for name in by_task if name in GROUPED):
        table = group_losses(by_task[name])
        ours = table[OURS]
        smaller = [f"{baseline} in {int((ours < table[baseline]).sum())}" for baseline in BASELINES]
        lines.append(
            f"On {name} the loss of {OURS} is {ours.min():.3f} for {ours.idxmin()} and {ours.max():.3f} for "
            f"{ours.idxmax()}; of {len(table)} groups it is smaller than that of {', of '.join(smaller)}."
        )
    return Markdown(" ".join(lines) or "No task here is split by groups.")
