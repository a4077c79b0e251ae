"""The evidence that the page on ageing sensors hands in for its claims; verdicts beside those on corruptions."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from companion.chapters.ageing import analysis
from companion.chapters.ageing.analysis import FIXED, Trajectories
from companion.chapters.ageing.experiments import (
    PSEUDO_SUFFIX,
    RETRAINED_SERVER_SUFFIX,
    Deployment,
    PolicyRuns,
    Regret,
)
from companion.chapters.ageing.readings import Readings
from companion.chapters.ageing.settings import COUNTERPARTS, Settings
from companion.chapters.paired_evidence import evidence_on_differences
from companion.claims import registry
from companion.claims.evidence import EQUIVALENCE_LEVEL, EQUIVALENCE_LIMITS, Evidence
from companion.claims.verdicts import SINGLE_CASE, claim_verdict
from l2h.drift.detectors import DETECTORS
from l2h.evaluation.intervals import poisson_rate, t_interval

PAGE = "ageing"
CLAIMED_POLICIES = ("budget", "re-estimated", "recalibrated", "experts", "alarm r")
PSEUDO_LABEL_POLICIES = ("re-estimated", "recalibrated")
SHARE_CLAIMS = ("ageing-guarantee-breaks", "ageing-detectors-find")  # claims about a mean of values in [0, 1]
NOT_AT_HAND = Evidence.absent("the readings of the gas sensors are not at hand")
Cases = Mapping[str, np.ndarray]  # case -> (S, B) differences


def differences_by_claim(
    deployments: Sequence[Deployment], runs: PolicyRuns, losses: Trajectories, asked: Trajectories
) -> dict[str, Cases]:
    """The (S, B) values whose mean each claim is about, by claim and case.

    Args:
        deployments: one per seed.
        runs: of all policies.
        losses: `analysis.loss_trajectories`.
        asked: `analysis.asked_trajectories`.

    Returns:
        Differences by claim and case.
    """
    fixed, reductions = losses.means(FIXED), analysis.reductions_by_batch(losses, list(losses.values))
    others = np.arange(fixed.shape[1]) != fixed.mean(axis=0).argmax()
    pseudo = {name: name + PSEUDO_SUFFIX for name in PSEUDO_LABEL_POLICIES}
    helped = {name: reductions[name] for name in CLAIMED_POLICIES}
    fixed_retrained = losses.means(FIXED + RETRAINED_SERVER_SUFFIX)
    adapted = {name: losses.means(name + RETRAINED_SERVER_SUFFIX) for name in ("recalibrated", "experts")}
    alone = losses.means("client alone")
    return {
        **_ageing_differences(deployments, runs, losses, asked),
        "ageing-policies-help": helped,
        "ageing-policies-help-elsewhere": {name: values[:, others] for name, values in helped.items()},
        "ageing-against-confidence": {SINGLE_CASE: losses.means("confidence") - fixed},
        "ageing-refit-helps": {SINGLE_CASE: reductions["alarm r, retrained"]},
        "ageing-refit-beats-thresholds": {
            SINGLE_CASE: losses.means("alarm r") - losses.means("alarm r, retrained")
        },
        "ageing-answers-help": {name: reductions[other] for name, other in pseudo.items()},
        "ageing-labels-beat-answers": {
            name: losses.means(other) - losses.means(name) for name, other in pseudo.items()
        },
        "ageing-answers-overask": {name: asked.means(other) - asked.means(name) for name, other in pseudo.items()},
        "ageing-triggers-help": {name: reductions[f"retrained, {name}"] for name in DETECTORS},
        "ageing-server-alone": {SINGLE_CASE: fixed - fixed_retrained},
        "ageing-rule-with-server": {name: fixed_retrained - loss for name, loss in adapted.items()},
        "ageing-still-worth-having": {"frozen": alone - fixed, "adapted": alone - adapted["recalibrated"]},
    }  # fmt: skip


def _ageing_differences(
    deployments: Sequence[Deployment], runs: PolicyRuns, losses: Trajectories, asked: Trajectories
) -> dict[str, Cases]:
    """The values of the claims on what ages, and on alarms."""
    loss, rate = (trajectories.means(FIXED, aged=False) for trajectories in (losses, asked))
    found = {name: analysis.alarm_in_batch(deployments, runs.alarms[name]) for name in DETECTORS}
    return {
        "ageing-fixed-loses": {
            "readings as they come": loss[:, 1:] - loss[:, :1],
            "each gas equally": analysis.rise_with_gases_equal(deployments, losses),
        },
        "ageing-offload-moves": {SINGLE_CASE: abs(rate[:, 1:] - rate[:, :1])},
        "ageing-guarantee-breaks": {
            SINGLE_CASE: (loss[:, 1:] > analysis.held_out_bound(losses)[:, None]).astype(float)
        },
        "ageing-detectors-find": found,
    }


def claim_evidence(
    differences: Mapping[str, Cases],
    *,
    regrets: Mapping[str, Sequence[Regret]],
    false_alarms: Mapping[str, int],
    stationary_inputs: int,
    bias_error: float,
    readings: Readings,
) -> dict[str, Any]:
    """The evidence for all claims; without the sensors' readings, that of the theorems alone.

    Args:
        differences: `differences_by_claim`.
        regrets: order of the inputs -> the experts' regret, one per seed.
        false_alarms: detector -> alarms of all seeds together.
        stationary_inputs: in which these were counted.
        bias_error: the largest error of the identity on pseudo-labels.
        readings: all.

    Returns:
        Evidence by claim and case.
    """
    bounds, data = registry.bounds_by_claim(PAGE), readings.facts["sha256"]
    theorems: dict[str, Any] = {
        "ageing-regret": {name: _regret_evidence(by_seed, data) for name, by_seed in regrets.items()},
        "ageing-pseudo-label-bias": Evidence.exact(bias_error),
    }
    measured = {
        claim: {
            case: _measured(values, bounds[claim][case], data, is_share=claim in SHARE_CLAIMS)
            for case, values in cases.items()
        }
        for claim, cases in differences.items()
    }
    measured["ageing-false-alarms"] = {
        name: Evidence(*poisson_rate(count, stationary_inputs), data=data) for name, count in false_alarms.items()
    }
    if not readings.are_of_sensors:
        return {**dict.fromkeys(measured, NOT_AT_HAND), **theorems}
    return measured | theorems


def _measured(values: np.ndarray, bounds: Mapping[str, Any], data: str | None, *, is_share: bool) -> Evidence:
    evidence = evidence_on_differences(values, bounds=bounds, data=str(data))
    # There are fewer batches than would settle most cases, and not too few seeds.
    needed = evidence_on_differences(values.T, bounds=bounds, data=str(data)).settled_by
    evidence = replace(evidence, units="batches", settled_by=needed)
    if not is_share:
        return evidence
    limits = {name: getattr(evidence, name) for name in ("low", "high", *EQUIVALENCE_LIMITS)}
    return replace(evidence, **{name: min(max(limit, 0.0), 1.0) for name, limit in limits.items()})


def _regret_evidence(regrets: Sequence[Regret], data: str | None) -> Evidence:
    return Evidence(*t_interval([one.bound - one.measured for one in regrets]), seeds=len(regrets), data=data)


def on_these_batches(differences: Mapping[str, Cases], evidence: Mapping[str, Any]) -> dict[str, Any]:
    """The evidence if the observed batches are taken as fixed: Student's intervals over seeds of means over batches.

    Args:
        differences: `differences_by_claim`.
        evidence: `claim_evidence`; what does not rest on a mean over batches stays as it is.
    """
    fixed_batches = {
        claim: {case: _over_seeds(values.mean(axis=1)) for case, values in cases.items()}
        for claim, cases in differences.items()
        if evidence[claim] is not NOT_AT_HAND
    }
    return {**evidence, **fixed_batches}


def _over_seeds(values: np.ndarray) -> Evidence:
    narrower = t_interval(values, level=EQUIVALENCE_LEVEL)
    limits = dict(zip(EQUIVALENCE_LIMITS, narrower[1:], strict=True))
    return Evidence(*t_interval(values), seeds=len(values), **limits)


def beside_corruptions(
    settings: Settings, evidence: Mapping[str, Any], differences: Mapping[str, Cases]
) -> pd.DataFrame:
    """The verdict on each finding here, beside the committed verdict on the same question on corruptions.

    Args:
        settings: with the verdicts of chapter 09.
        evidence: `claim_evidence`.
        differences: `differences_by_claim`.

    Returns:
        One row per claim that has a counterpart; the second column takes the batches as fixed.
    """
    claims, there = registry.chapter_claims(PAGE), dict(settings.corruption_verdicts)
    seeds_only = on_these_batches(differences, evidence)

    def verdict(name: str, stated: Mapping[str, Any]) -> str:
        return claim_verdict(claims[name].rule, registry.evidence_by_case(claims[name], stated[name]))

    rows = {
        name: {
            "further batches (the claim)": verdict(name, evidence),
            "these batches alone": verdict(name, seeds_only),
            "corruptions (chapter 09)": there[counterpart],
        }
        for name, counterpart in COUNTERPARTS.items()
    }
    return pd.DataFrame(rows).T
