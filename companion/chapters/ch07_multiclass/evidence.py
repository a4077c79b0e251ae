"""The evidence that the chapter on many classes hands in for its claims: from its theorems, and from its runs."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from companion.chapters.ch07_multiclass import experiments, theory
from companion.chapters.ch07_multiclass.analysis import slope_interval, trend_interval
from companion.chapters.ch07_multiclass.experiments import WEIGHTED_SERVER_SYSTEMS, MulticlassResults
from companion.chapters.ch07_multiclass.settings import Settings
from companion.claims.evidence import Evidence
from companion.proofs import counterexamples
from l2h.evaluation.comparisons import (
    client_difference_kept_asked,
    mean_difference,
    mean_interval,
    server_difference_on_asked,
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
        | {"gap-to-confidence-grows-with-classes": _trend_evidence(results, settings, data)}
        | {"stale-copies-are-harmless": _stale_server_evidence(results, settings, steps_per_epoch, measured)}
    )


def _confidence_evidence(
    results: MulticlassResults, settings: Settings, measured: Callable[..., Evidence]
) -> dict[str, Evidence]:
    stage = experiments.compared_systems(settings, settings.clients[0])["stage switching"]
    confidence = results.untuned(experiments.confidence_with_same_server(settings)["stage switching"])
    area = partial(mean_difference, per_example=auc_contributions)
    kept_asked = partial(client_difference_kept_asked, level=0.975)  # of the difference 95 %, by Bonferroni
    return {
        "many-classes-beat-confidence": measured(area, results.untuned(stage), confidence),
        "many-classes-find-hard-examples": measured(kept_asked, results.tuned_on_validation(stage)),
    }


def _server_evidence(
    results: MulticlassResults, settings: Settings, measured: Callable[..., Evidence]
) -> dict[str, Any]:
    configs = experiments.compared_systems(settings, settings.clients[0])
    stage, staged, convex = (
        results.tuned_on_validation(configs[name]) for name in ("stage switching", *WEIGHTED_SERVER_SYSTEMS)
    )
    loss = partial(mean_difference, per_example=partial(loss_per_example, costs=configs["stage switching"].costs))
    accuracy = partial(mean_interval, per_example=server_correctness)
    is_residual = settings.server_network.startswith("residual")
    return {
        "moderate-server": measured(accuracy, results.untuned(configs["always ask"]))
        if is_residual
        else Evidence.absent("this profile trains a smaller server than the claim is about"),
        "specialised-server-better-where-asked": {
            "in stages": measured(server_difference_on_asked, staged, stage),
            "convex": measured(server_difference_on_asked, convex, stage),
        },
        "specialised-system-better": measured(loss, staged, stage),
    }


def _form_evidence(
    results: MulticlassResults, settings: Settings, measured: Callable[..., Evidence], data: str
) -> dict[str, Any]:
    configs, costs = experiments.form_grid(settings), experiments.FOLLOW_UP_COSTS
    table = experiments.follow_up_table_grid(settings)
    offload_rate = partial(mean_difference, per_example=ask_indicator)
    return {
        "reversed-sign-shows-in-the-slope": {
            FORM_CASES[form]: _slope_evidence(
                [results.untuned(configs[form, c1]) for c1 in settings.c1_grid], settings.c1_grid, data
            )
            for form in STAGE_SWITCHING_FORMS
        },
        "reversed-sign-sends-more": measured(
            offload_rate,
            results.untuned(table[costs, "stage, released"]),
            results.untuned(table[costs, "stage, nonnegative"]),
        ),
    }


def _slope_evidence(
    predictions_by_c1: Sequence[Sequence[Predictions]], c1_grid: Sequence[float], data: str
) -> Evidence:
    first = predictions_by_c1[0]
    return Evidence(*slope_interval(predictions_by_c1, c1_grid), n=len(first[0].y), seeds=len(first), data=data)


def _trend_evidence(results: MulticlassResults, settings: Settings, data: str) -> Evidence:
    configs, counts = experiments.class_count_grid(settings), settings.class_counts
    learned, confidence = (
        [results.untuned(configs[count, name]) for count in counts] for name in ("two-stage", "confidence")
    )
    return Evidence(*trend_interval(learned, confidence, np.log(counts).tolist()), seeds=settings.seeds, data=data)


def _stale_server_evidence(
    results: MulticlassResults, settings: Settings, steps_per_epoch: int, measured: Callable[..., Evidence]
) -> dict[str, Evidence]:
    configs = experiments.update_interval_grid(settings, steps_per_epoch)
    stale, fresh = (results.untuned(configs[interval]) for interval in (steps_per_epoch, 1))
    loss = partial(loss_per_example, costs=configs[1].costs)
    return {
        "loss": measured(partial(mean_difference, per_example=loss), stale, fresh),
        "offload rate": measured(partial(mean_difference, per_example=ask_indicator), stale, fresh),
    }
