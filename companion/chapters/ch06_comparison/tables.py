"""Tables of chapter 06, and the sentences that are generated from them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import Markdown

from companion.chapters.ch06_comparison.analysis import (
    LEARNING_TO_HELP,
    AccuracyAndCost,
    Systems,
    areas,
    table_one_by_class,
)
from companion.chapters.ch06_comparison.human_uncertainty import HumanComparison
from companion.chapters.summaries import format_mean
from companion.chapters.systems import ON_DEVICE_CLASSIFIER, system_names
from l2h.evaluation.curves import area_under_curve, error_auroc_contributions, loss_curve
from l2h.evaluation.intervals import Interval, format_interval
from l2h.evaluation.metrics import client_correctness, correctness, server_correctness
from l2h.problem import Costs, Predictions


def classifier_accuracies(systems: Systems) -> dict[str, str]:
    """Accuracy on all images, as text, of the client, of two servers, and of the on-device classifier.

    Args:
        systems: of one setting.
    """
    return {
        "client": format_mean(systems[LEARNING_TO_HELP], client_correctness),
        "separate server": format_mean(systems["confidence"], server_correctness),
        "joint server": format_mean(systems[LEARNING_TO_HELP], server_correctness),
        ON_DEVICE_CLASSIFIER: format_mean(systems[ON_DEVICE_CLASSIFIER], correctness),
    }


def area_table(predictions_by_setting: Mapping[str, Systems]) -> pd.DataFrame:
    """Mean area of every system in every setting, and its AUGRC and AUROC averaged over all settings.

    Args:
        predictions_by_setting: setting -> systems.

    Returns:
        One row per system; NaN where a setting lacks it, and in the averages of such a system.
    """
    rows = {}
    for name in system_names(predictions_by_setting):
        present = {setting: systems for setting, systems in predictions_by_setting.items() if name in systems}
        rows[name] = {setting: np.mean(areas({setting: systems}, name)) for setting, systems in present.items()}
        if len(present) == len(predictions_by_setting):
            runs = [p for systems in present.values() for p in systems[name]]
            rows[name]["AUGRC"] = np.mean([generalized_risk_area(p) for p in runs])
            rows[name]["AUROC"] = np.mean([error_auroc_contributions(p).mean() for p in runs])
    return pd.DataFrame(rows).T


def generalized_risk_area(predictions: Predictions) -> float:
    """The AUGRC: the area under the share of inputs that are kept and wrong, over all coverages."""
    return area_under_curve(loss_curve(predictions, costs=Costs(c1=0.0, ce=0.0)))


def describe_outcomes(differences: Mapping[str, Mapping[str, Interval]], baselines: Sequence[str]) -> Markdown:
    """Sentences about the significant differences in area of learning to help to some baselines.

    Args:
        differences: setting -> baseline -> difference in area, learning to help minus baseline.
        baselines: to be described; those that were not run are left out.
    """
    present = [name for name in baselines if all(name in row for row in differences.values())]
    sentences = [
        _outcome_sentence({setting: row[name] for setting, row in differences.items()}, name) for name in present
    ]
    released = [
        abs(row["L2H, released alpha"].estimate) for row in differences.values() if "L2H, released alpha" in row
    ]
    if released:
        sentences.append(
            f"The areas with the calibrated and with the released alpha differ by at most {max(released):.3f}."
        )
    return Markdown("\n".join(f"- {sentence}" for sentence in sentences))


def _outcome_sentence(differences: Mapping[str, Interval], baseline: str) -> str:
    larger = [setting for setting, difference in differences.items() if difference.low > 0]
    smaller = [setting for setting, difference in differences.items() if difference.high < 0]
    return (
        f"Compared with {baseline}, learning to help has a significantly larger area in "
        f"{_count_settings(larger, len(differences))} and a significantly smaller one in "
        f"{_count_settings(smaller, len(differences))}."
    )


def _count_settings(settings: Sequence[str], total: int) -> str:
    names = f" ({'; '.join(settings)})" if settings else ""
    return f"{len(settings) or 'none'} of {total} setting{'s' if total > 1 else ''}{names}"


def format_intervals(rows: Mapping[Any, Mapping[str, Interval]]) -> pd.DataFrame:
    """A table of intervals as text: one row per entry of `rows`, one column per quantity."""
    return pd.DataFrame(
        {row: {name: format_interval(interval) for name, interval in values.items()} for row, values in rows.items()}
    ).T


def resource_table(systems: Mapping[str, AccuracyAndCost]) -> pd.DataFrame:
    """Parameters, operations, traffic and accuracy of every system of a setting, as text."""
    columns = ("parameters beside the client", "million operations", "kilobytes sent", "accuracy")
    rows = {
        name: (
            system.parameters,
            f"{system.resource_use.device_flops / 1e6:.3f}",
            f"{system.resource_use.bytes_sent / 1e3:.2f}",
            format_interval(system.accuracy),
        )
        for name, system in systems.items()
    }
    return pd.DataFrame(rows, index=columns).T


def table_one_rows(
    predictions: Sequence[Predictions], tuned: Sequence[Predictions], classes: Sequence[str]
) -> dict[tuple[str, str], dict[str, str]]:
    """The paper's Table I by class, with the column "differ." at r = 0 and at the tuned threshold, as text.

    Args:
        predictions: of one system, one per seed.
        tuned: the same with thresholds tuned on the validation split.
        classes: names of the labels -1 and +1.

    Returns:
        (class, "kept" or "asked") -> row.
    """
    tuned_cells = table_one_by_class(tuned, classes)
    return {
        key: {
            "m": format_interval(cell.m, digits=2),
            "e": format_interval(cell.e, digits=2),
            "differ.": format_interval(cell.difference, digits=2),
            "differ., tuned": format_interval(tuned_cells[key].difference, digits=2),
            "n": f"{cell.n.estimate:.0f}",
            "n, tuned": f"{tuned_cells[key].n.estimate:.0f}",
        }
        for key, cell in table_one_by_class(predictions, classes).items()
    }


def human_label_table(comparisons: Mapping[str, HumanComparison]) -> pd.DataFrame:
    """Agreement of every system with the Bayes rule under human labels, and its system loss, as text.

    Without human labels of the images one row says so.
    """
    if not comparisons:
        return pd.DataFrame({"human labels": ["none of these images"]}, index=["all settings"])
    rows = {}
    for setting, comparison in comparisons.items():
        rows[setting, "same decision as the Bayes rule"] = comparison.agreement_with_bayes
        rows[setting, "system loss"] = comparison.losses
    return format_intervals(rows)
