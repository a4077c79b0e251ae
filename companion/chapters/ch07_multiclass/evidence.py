"""The evidence that the chapter on many classes hands in for its claims: from its theorems, and from its runs."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from companion.chapters.ch07_multiclass import experiments, theory
from companion.chapters.ch07_multiclass.analysis import slope_interval, trend_values
from companion.chapters.ch07_multiclass.experiments import WEIGHTED_SERVER_SYSTEMS, MulticlassResults
from companion.chapters.ch07_multiclass.settings import Settings
from companion.chapters.paired_evidence import Bounds, evidence_on_differences, paired_evidence
from companion.chapters.summaries import PerExample
from companion.claims.evidence import Evidence
from companion.claims.registry import bounds_by_claim
from companion.claims.verdicts import SINGLE_CASE
from companion.proofs import counterexamples
from l2h.evaluation.comparisons import (
    client_difference_kept_asked,
    differences_per_example,
    mean_difference,
    mean_interval,
)
from l2h.evaluation.curves import auc_contributions
from l2h.evaluation.metrics import ask_indicator, loss_per_example, server_correctness
from l2h.losses.stage_switching import STAGE_SWITCHING_FORMS
from l2h.problem import Predictions

FORM_CASES = {"paper": "paper", "nonnegative": "shifted", "released": "released"}  # form -> its case in the claims


def theory_evidence() -> dict[str, Any]:
    """The evidence that needs no run, by claim: the same at every profile.

    >>> theory_evidence()["two-classes-are-a-special-case"].high < 1e-6
    True
    """
    joint = counterexamples.joint_stage_objective()["joint-stage-objective"]
    counts = theory.CLASS_COUNTS
    return {
        "many-classes-bayes-rules": Evidence.exact(max(theory.bayes_rules_excess(count) for count in counts)),
        "confidence-has-a-price": {
            "never more": Evidence.exact(max(theory.confidence_bound_violation(count) for count in counts)),
            "attained": Evidence.exact(max(theory.confidence_bound_slack(count) for count in counts)),
        },
        "stage-minimiser-consistent": {
            FORM_CASES[form]: Evidence.exact(theory.stage_regret(form)) for form in ("paper", "nonnegative")
        },
        "joint-stage-objective-consistent": {"stated": Evidence.certified(joint)},
        "two-classes-are-a-special-case": Evidence.exact(theory.two_class_difference()),
        "plain-cross-entropy-does-not-specialise": {
            name: Evidence.exact(excess) for name, excess in theory.weighted_server_excess().items()
        },
        "one-alpha-specialises-and-asks": {
            name: Evidence.exact(theory.min_convex_excess(n_groups))
            for name, n_groups in (("two classes", 1), ("four classes", 2), ("ten classes", 5))
        },
    }


def run_evidence(results: MulticlassResults, settings: Settings, *, steps_per_epoch: int, data: str) -> dict[str, Any]:
    """The evidence of the runs.

    Args:
        results: of all runs of the chapter.
        settings: of the chapter.
        steps_per_epoch: in an epoch of the trainings with a stale server.
        data: SHA-256 of the data set.

    Returns:
        Evidence by claim.
    """
    measured = partial(Evidence.measured, data=data)
    return (
        _confidence_evidence(results, settings, measured)
        | _form_evidence(results, settings, measured, data)
        | _server_evidence(results, settings, measured)
        | _deciding_server_evidence(results.deciding(settings.server_decision_seeds), settings, data)
        | _deciding_small_evidence(results.deciding(settings.decision_seeds), settings, steps_per_epoch, data)
    )


def _confidence_evidence(
    results: MulticlassResults, settings: Settings, measured: Callable[..., Evidence]
) -> dict[str, Evidence]:
    stage = experiments.compared_systems(settings, settings.clients[0])["stage switching"]
    kept_asked = partial(client_difference_kept_asked, level=0.975)  # of the difference 95 %, by Bonferroni
    return {
        "many-classes-find-hard-examples": measured(kept_asked, results.tuned_on_validation(stage)),
    }


def _server_evidence(
    results: MulticlassResults, settings: Settings, measured: Callable[..., Evidence]
) -> dict[str, Any]:
    always_ask = experiments.compared_systems(settings, settings.clients[0])["always ask"]
    accuracy = partial(mean_interval, per_example=server_correctness)
    is_residual = settings.server_network.startswith("residual")
    return {
        "moderate-server": measured(accuracy, results.untuned(always_ask))
        if is_residual
        else Evidence.absent("this profile trains a smaller server than the claim is about"),
    }


def _deciding_server_evidence(results: MulticlassResults, settings: Settings, data: str) -> dict[str, Any]:
    """Evidence on the systems with the server of all classes, by claim.

    Args:
        results: of the seeds that decide.
        settings: of the chapter.
        data: SHA-256 of the data set.
    """
    bounds, configs = bounds_by_claim("07_multiclass"), experiments.compared_systems(settings, settings.clients[0])
    stage, staged, convex = (
        results.tuned_on_validation(configs[name]) for name in ("stage switching", *WEIGHTED_SERVER_SYSTEMS)
    )
    confidence = results.untuned(experiments.confidence_with_same_server(settings)["stage switching"])
    loss = partial(loss_per_example, costs=configs["stage switching"].costs)
    on_asked = bounds["specialised-server-better-where-asked"]
    return {
        "many-classes-beat-confidence": paired_evidence(
            results.untuned(configs["stage switching"]),
            confidence,
            auc_contributions,
            bounds=bounds["many-classes-beat-confidence"][SINGLE_CASE],
            data=data,
        ),
        "specialised-server-better-where-asked": {
            case: _server_difference_on_asked(specialised, stage, bounds=on_asked[case], data=data)
            for case, specialised in (("in stages", staged), ("convex", convex))
        },
        "specialised-system-better": paired_evidence(
            staged, stage, loss, bounds=bounds["specialised-system-better"][SINGLE_CASE], data=data
        ),
    }


def _server_difference_on_asked(
    first: Sequence[Predictions], second: Sequence[Predictions], *, bounds: Bounds, data: str
) -> Evidence:
    """Evidence on the accuracy of the first system's server minus the second's where the first system asks."""
    difference = differences_per_example(first, second, lambda p: server_correctness(p).astype(float))
    asked = np.array([ask_indicator(p) for p in first])
    return evidence_on_differences(difference, asked, bounds=bounds, data=data)


def _deciding_small_evidence(
    results: MulticlassResults, settings: Settings, steps_per_epoch: int, data: str
) -> dict[str, Any]:
    """Evidence on the small tasks, by claim.

    Args:
        results: of the seeds that decide.
        settings: of the chapter.
        steps_per_epoch: in an epoch of the trainings with a stale server.
        data: SHA-256 of the data set.
    """
    bounds, counts = bounds_by_claim("07_multiclass"), settings.class_counts
    configs = experiments.class_count_grid(settings)
    learned, confidence = (
        [results.untuned(configs[count, name]) for count in counts] for name in ("two-stage", "confidence")
    )
    intervals = experiments.update_interval_grid(settings, steps_per_epoch)
    stale, fresh = (results.untuned(intervals[interval]) for interval in (steps_per_epoch, 1))
    metrics: dict[str, PerExample] = {
        "loss": partial(loss_per_example, costs=intervals[1].costs),
        "offload rate": ask_indicator,
    }
    trend, harmless = "gap-to-confidence-grows-with-classes", "stale-copies-are-harmless"
    return {
        trend: evidence_on_differences(
            trend_values(learned, confidence, np.log(counts).tolist()), bounds=bounds[trend][SINGLE_CASE], data=data
        ),
        harmless: {
            case: paired_evidence(stale, fresh, metric, bounds=bounds[harmless][case], data=data)
            for case, metric in metrics.items()
        },
    }


def _form_evidence(
    results: MulticlassResults, settings: Settings, measured: Callable[..., Evidence], data: str
) -> dict[str, Any]:
    configs, forms = experiments.form_grid(settings), experiments.printed_run_forms(settings)
    offload_rate = partial(mean_difference, per_example=ask_indicator)
    deciding = results.deciding(settings.form_decision_seeds)
    return {
        "reversed-sign-shows-in-the-slope": {
            FORM_CASES[form]: _slope_evidence(
                [results.untuned(configs[form, c1]) for c1 in settings.c1_grid], settings.c1_grid, data
            )
            for form in STAGE_SWITCHING_FORMS
        },
        "reversed-sign-sends-more": measured(
            offload_rate,
            deciding.untuned(forms["released"]),
            deciding.untuned(forms["nonnegative"]),
        ),
    }


def _slope_evidence(
    predictions_by_c1: Sequence[Sequence[Predictions]], c1_grid: Sequence[float], data: str
) -> Evidence:
    first = predictions_by_c1[0]
    return Evidence(*slope_interval(predictions_by_c1, c1_grid), n=len(first[0].y), seeds=len(first), data=data)
