"""The evidence that the drift chapter hands in for its claims."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from companion.chapters.ch09_drift import analysis
from companion.chapters.ch09_drift.analysis import (
    ESTIMATING_POLICIES,
    LossesAfterChange,
    mean_loss_reduction,
    reduction_without_strongest_change,
)
from companion.chapters.ch09_drift.bounds import BoundCheck
from companion.chapters.ch09_drift.experiments import (
    GRADUAL,
    PSEUDO_LABEL_SUFFIX,
    RETRAINED_SUFFIX,
    Change,
    DependenceCheck,
    SystemTables,
    TunedSystem,
    sudden_predictions,
)
from companion.claims.evidence import Evidence
from l2h.drift.detectors import DETECTORS
from l2h.drift.streams import Stream
from l2h.evaluation import thresholds
from l2h.evaluation.comparisons import mean_difference
from l2h.evaluation.intervals import Interval, t_interval
from l2h.evaluation.metrics import client_server_correctness, loss_per_example
from l2h.problem import Costs, Predictions

POLICIES_IN_CLAIM = ("budget", "re-estimated", "recalibrated", "experts", "alarm r", "alarm r and e")
RETUNING_LABELS = 200  # labelled examples for a threshold that is set anew
PROVED_BOUNDS = ("discrepancy", "label-free", "importance weights")


def evidence_by_seed(values: Any, *, data: str) -> Evidence:
    """Evidence from one value per seed, (S,), with Student's interval.

    >>> evidence_by_seed([1.0, 2.0, 3.0], data="ab").seeds
    3
    """
    return Evidence(*t_interval(values), seeds=len(values), data=data)


def corruption_evidence(
    systems: Sequence[TunedSystem], condition: str, *, costs: Costs, data: str
) -> dict[str, Evidence]:
    """The loss under a condition minus the loss on clean images, and the loss reduction of a re-tuned threshold."""
    changed, clean = [s.tables[condition] for s in systems], [s.tables["clean"] for s in systems]
    retuned = [
        thresholds.retuned(table, n_labels=min(RETUNING_LABELS, len(table.y) // 2), costs=costs) for table in changed
    ]
    before, after = zip(*retuned, strict=True)
    difference = partial(mean_difference, per_example=partial(loss_per_example, costs=costs))
    return {
        "shift-costs-accuracy": Evidence.measured(difference, changed, clean, data=data),
        "retuning-helps-under-shift": Evidence.measured(difference, before, after, data=data),
    }


def policy_evidence(losses: LossesAfterChange, make_evidence: Callable[[np.ndarray], Evidence]) -> dict[str, Any]:
    """The evidence from loss reductions of policies.

    Args:
        losses: `losses_after_change` of all kinds, sudden and gradual.
        make_evidence: makes evidence of one value per seed.

    Returns:
        Evidence by claim and case.
    """
    retraining = {part: (f"alarm {part}", f"alarm {part}{RETRAINED_SUFFIX}") for part in ("r", "r and e")}
    pseudo = {name: name + PSEUDO_LABEL_SUFFIX for name in ESTIMATING_POLICIES}
    values_by_claim = {
        "drift-remedies-help": {name: mean_loss_reduction(losses, name) for name in POLICIES_IN_CLAIM},
        "drift-remedies-help-elsewhere": {
            name: reduction_without_strongest_change(losses, name) for name in POLICIES_IN_CLAIM
        },
        "drift-remedies-help-by-degrees": {
            name: mean_loss_reduction(losses, name, GRADUAL) for name in POLICIES_IN_CLAIM
        },
        "drift-refit-helps": {part: mean_loss_reduction(losses, layers) for part, (_, layers) in retraining.items()},
        "drift-refit-beats-thresholds": {
            part: mean_loss_reduction(losses, layers, baseline=thresholds_only)
            for part, (thresholds_only, layers) in retraining.items()
        },
        "drift-server-alone": {
            "threshold": mean_loss_reduction(losses, "alarm e"),
            "refitted": mean_loss_reduction(losses, "alarm e" + RETRAINED_SUFFIX),
        },
        "drift-answers-help": {name: mean_loss_reduction(losses, other) for name, other in pseudo.items()},
        "drift-labels-beat-answers": {
            name: mean_loss_reduction(losses, name, baseline=other) for name, other in pseudo.items()
        },
    }
    return {
        claim: {case: make_evidence(values) for case, values in cases.items()}
        for claim, cases in values_by_claim.items()
    }


def pseudo_label_bias_evidence(systems: Sequence[TunedSystem], *, costs: Costs) -> Evidence:
    """The largest distance between the two sides of `analysis.pseudo_label_bias`, over systems and conditions."""
    return Evidence.exact(
        max(_pseudo_label_bias_error(table, costs) for system in systems for table in system.tables.values())
    )


def _pseudo_label_bias_error(table: Predictions, costs: Costs) -> float:
    m_right, e_right = client_server_correctness(table)
    spoiled, both_wrong = (m_right & ~e_right).mean(), (~m_right & ~e_right).mean()
    stated = (1 + costs.c1) * spoiled - (1 - costs.c1) * both_wrong
    return float(abs(analysis.pseudo_label_bias(table, costs=costs).mean() - stated))


def detector_evidence(
    found: Mapping[tuple[str, str], np.ndarray],
    false_alarms: Mapping[tuple[str, str], Interval],
    loss_reductions: Mapping[tuple[str, str], np.ndarray],
    make_evidence: Callable[[np.ndarray], Evidence],
) -> dict[str, dict[str, Evidence]]:
    """The evidence about detectors on the scores r.

    Args:
        found: (signal, detector) -> (S,) `analysis.share_of_changes_found`.
        false_alarms: `analysis.false_alarm_rates`.
        loss_reductions: ("thresholds" or "layers", detector) -> (S,), of `analysis.detector_table`.
        make_evidence: makes evidence of one value per seed.

    Returns:
        Evidence by claim and detector.
    """
    return {
        "drift-detectors-find": {name: make_evidence(found["r", name]) for name in DETECTORS},
        "drift-false-alarms": {name: Evidence(*false_alarms["r", name]) for name in DETECTORS},
        "drift-triggers-help": {name: make_evidence(loss_reductions["layers", name]) for name in DETECTORS},
    }


def dependence_evidence(
    dependence_checks: Sequence[DependenceCheck], make_evidence: Callable[[np.ndarray], Evidence]
) -> dict[str, Evidence]:
    """The evidence from dependent inputs, one check per seed."""
    return {
        "drift-dependence-breaks-concentration": make_evidence(
            np.array([check.outside_share for check in dependence_checks])
        ),
        "drift-dependence-keeps-regret": make_evidence(
            np.array([check.bound - check.regret for check in dependence_checks])
        ),
    }


def against_confidence_evidence(
    tables: SystemTables,
    streams_by_change: Mapping[Change, Sequence[Stream]],
    make_evidence: Callable[[np.ndarray], Evidence],
    *,
    costs: Costs,
) -> dict[str, Evidence]:
    """The loss of confidence minus that of learning to help after a sudden change, fixed thresholds: by client."""
    after = {
        name: analysis.fixed_loss_after_change(sudden_predictions(by_seed, streams_by_change), costs=costs)
        for name, by_seed in tables.items()
    }
    cases = dict.fromkeys(("as_released", "well_trained"), Evidence.absent("not run at this profile"))
    return cases | {
        client: make_evidence(after["confidence", client] - after["learning_to_help", client])
        for method, client in tables
        if method == "learning_to_help"
    }


def bound_evidence(bound_checks: Mapping[str, BoundCheck], *, n_samples: int) -> dict[str, Evidence]:
    """The violation rates of the bounds that are proved."""
    return {name: Evidence(*bound_checks[name].violation_rate, n=n_samples) for name in PROVED_BOUNDS}
