"""The further methods of chapter 10: which methods of the registry the estimator fits, and how the others do here."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from IPython.display import Markdown

from companion.chapters.ch10_domains.analysis import (
    COMPARED_COSTS,
    OURS,
    ByTask,
    area_advantage,
    predictions_of,
    signed_text,
    tuned,
)
from companion.chapters.ch10_domains.experiments import FURTHER_METHODS, HELPER_METHODS
from l2h.evaluation.curves import accuracy_coverage_curve, area_under_curve
from l2h.evaluation.metrics import accuracy, offload_rate, system_loss
from l2h.evaluation.multiple_comparisons import comparison_outcome
from l2h.methods import registry
from l2h.serving.estimator.settings import FIXED_DECISIONS, REFUSED

SCORED = {  # methods whose decisions other runs hold
    "confidence": "confidence",
    "always_keep": "client only",
    "always_ask": "server only",
}
PRIMARY = "in the claims and in all tables"
CONSTANT_ROLE = "in all tables, without a run of its own"
SECONDARY = "secondary: in the next table alone"


def methods_table() -> pd.DataFrame:
    """The methods of the registry that apply here: the name on this page, and the part in it.

    Returns:
        One row per method, those of the claims first.

    Raises:
        ValueError: if a method has no row here and no reason in REFUSED either.
    """
    rows = {method: (name, PRIMARY) for name, method in HELPER_METHODS.items()}
    rows |= {method: (name, CONSTANT_ROLE if method in FIXED_DECISIONS else PRIMARY) for method, name in SCORED.items()}
    rows |= {method: (name, SECONDARY) for name, method in FURTHER_METHODS.items()}
    if missing := sorted(set(registry.METHODS) ^ {*rows, *REFUSED}):
        raise ValueError(
            f"expected every method of the registry once, got another list for {', '.join(missing)}: add it to "
            "FURTHER_METHODS, or with a reason to REFUSED of l2h/serving/estimator/settings.py"
        )
    return pd.DataFrame.from_dict(rows, orient="index", columns=["here", "part on this page"]).rename_axis("method")


def describe_refused() -> Markdown:
    """The methods of the registry that the estimator refuses, with its reasons."""
    by_reason: dict[str, list[str]] = {}
    for method, reason in REFUSED.items():
        by_reason.setdefault(reason, []).append(f"`{method}`")
    return Markdown(
        "\n".join(["Methods that do not apply:\n", *(f"- {', '.join(them)}: {why}" for why, them in by_reason.items())])
    )


def _helped_further(by_task: ByTask) -> list[str]:
    """The tasks that have the further methods."""
    return [name for name, results in by_task.items() if results[0].parts["test"].keys() >= FURTHER_METHODS.keys()]


def further_table(by_task: ByTask) -> pd.DataFrame:
    """The further methods on each task.

    Args:
        by_task: the results.

    Returns:
        One column per task. Rows: area, accuracy, coverage and loss of each method, with the threshold of least
        validation loss, and the area of learning to help minus its own with an interval.
    """
    columns = {}
    for name in _helped_further(by_task):
        rows: dict[tuple[str, str], object] = {}
        for system in FURTHER_METHODS:
            results = by_task[name]
            decided = tuned(results, system)
            curves = map(accuracy_coverage_curve, predictions_of(results, system))
            rows["area", system] = _mean(map(area_under_curve, curves))
            rows["accuracy", system] = _mean(accuracy(p) for p in decided)
            rows["coverage", system] = _mean(1 - offload_rate(p) for p in decided)
            rows["loss", system] = _mean(system_loss(p, costs=COMPARED_COSTS) for p in decided)
            rows[f"area of {OURS} minus it", system] = signed_text(area_advantage(results, system))
        columns[name] = pd.Series(rows, dtype=object)
    table = pd.DataFrame(columns)
    return table.reindex(list(dict.fromkeys(table.index.get_level_values(0))), level=0).rename_axis(["", "secondary"])


def _mean(values: Iterable[float]) -> float:
    return round(float(np.mean(list(values))), 3)


def describe_further(by_task: ByTask) -> Markdown:
    """A sentence on each further method: on how many tasks learning to help has significantly more or less area.

    Args:
        by_task: the results.
    """
    helped = _helped_further(by_task)
    phrases = []
    for system in FURTHER_METHODS:
        outcomes = [comparison_outcome(area_advantage(by_task[name], system)) for name in helped]
        phrases.append(f"{system} ({outcomes.count('better')} and {outcomes.count('worse')})")
    others = [name for name in by_task if name not in helped]
    left_out = f" To save processor time they were not trained on {', '.join(others)}." if others else ""
    return Markdown(
        f"On how many of {len(helped)} tasks {OURS} has significantly more area, and on how many significantly less: "
        f"than {'; '.join(phrases)}. These counts are secondary, and not corrected for their number.{left_out}"
    )
