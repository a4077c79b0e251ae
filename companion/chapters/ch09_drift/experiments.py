"""The systems of the chapter on changing data, and the games that remedies play with them on its streams.

A stream is played by one system at a time; a system is a trained one of one seed, with all that a remedy may use.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from companion.chapters.ch09_drift import bounds
from companion.chapters.ch09_drift.bounds import losses_at_thresholds
from l2h.drift import detectors, experts, last_layer, streams
from l2h.drift import policies as drift_policies
from l2h.drift.experts import FixedShareConfig, fixed_share_policy
from l2h.drift.last_layer import LastLayers, retraining_policies
from l2h.drift.policies import ADAPTED_PARTS, EpisodeResult, LastLayerInputs, Policy, simulate
from l2h.drift.streams import Stream, device_schedule, fill_schedule, predictions_along
from l2h.evaluation import thresholds
from l2h.evaluation.metrics import loss_per_example, offload_rate, system_loss, window_means
from l2h.experiments import run, shifted
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.shifted import Conditions
from l2h.experiments.sweep import over_seeds, with_dependencies
from l2h.problem import Costs, Predictions
from l2h.theory.generalization import label_shift_weights

DRIFT_METHODS = ("learning_to_help", "confidence")
CHANGE_SPEEDS = SUDDEN, GRADUAL = "at once", "by degrees"  # in which data change
N_EXPERTS = 33  # thresholds
COMBINED_ALARM_POLICIES = {"thresholds": "alarm r and e", "layers": "alarm r and e, refitted"}
PSEUDO_LABEL_SUFFIX = ", from answers"
LABEL_BURST = 200  # inputs that are asked and labelled after an alarm


class TunedSystem(NamedTuple):
    """One trained system, tuned on validation images."""

    tables: Mapping[str, Predictions]  # part or condition -> predictions
    hidden: Mapping[str, Mapping[str, np.ndarray]]  # condition -> "r" and "e", what last layers read there, if kept
    layers: LastLayers
    grid: np.ndarray  # (N,) thresholds of the experts


class TunedSystems(NamedTuple):
    """All systems of the chapter."""

    views: dict[tuple[str, str], list[dict[str, Predictions]]]  # (method, client) -> one per seed: tuned tables
    first: list[TunedSystem]  # one per seed: the first of these, with what its last layers read
    training: tuple[int, float]  # how many trainings all of them took, and their seconds


def train_drift_systems(study: Any, base: ExperimentConfig, conditions: Sequence[str]) -> TunedSystems:
    """Train the systems of the chapter, or read them from the store.

    Args:
        study: of the chapter.
        base: the configuration that they share.
        conditions: kinds of corruption with their severities.

    Returns:
        `TunedSystems`. What last layers read is kept for the first of them under each condition of a sudden change of
        severity 4, and under every loss of contrast.
    """
    plain = Conditions(("clean", *conditions, "unseen"), study.images)
    close = replace(plain, hidden=tuple(c for c in plain.conditions if "4" in c or "contrast" in c or " " not in c))
    names = [(method, client) for client in study.clients for method in DRIFT_METHODS]
    configs = {(m, c): over_seeds(replace(base, method=m, client=c), study.seeds) for m, c in names}
    results: dict[ExperimentConfig, Any] = {}
    for name in reversed(names):  # what the first is read with stays
        wanted = with_dependencies(configs[name])
        results |= dict(
            zip(wanted, shifted.sweep_under_corruption(wanted, close if name == names[0] else plain), strict=True)
        )
    said = {name: [_prediction_tables(results[one]) for one in several] for name, several in configs.items()}
    views = {
        name: [thresholds.tables_tuned_on_validation(one, costs=base.costs) for one in several]
        for name, several in said.items()
    }
    networks = [results[one] for one in configs[names[0]]]
    first = [
        TunedSystem(
            tables,
            one.hidden,
            last_layer.tuned_last_layers(one.layers, before["validation"], costs=base.costs),
            thresholds.threshold_grid(tables["validation"].r, N_EXPERTS),
        )
        for one, before, tables in zip(networks, said[names[0]], views[names[0]], strict=True)
    ]
    return TunedSystems(views, first, run.training_summary(results.values()))


class SystemWithRiskBound(NamedTuple):
    """A system whose client saw no validation image, so that Theorem 1 holds for it as long as the data stay."""

    tables: Mapping[str, Predictions]
    grid: np.ndarray  # (N,) thresholds
    promise: float  # loss on the validation images plus the penalty


def systems_with_risk_bound(
    said: TunedSystems, client: str, *, costs: Costs, delta: float = 0.05
) -> list[SystemWithRiskBound]:
    """What the corrected Theorem 1 promises of learning to help beside a client.

    Args:
        said: all systems.
        client: its form.
        costs: c1 and ce.
        delta: probability of failure.

    Returns:
        One per seed.

    Raises:
        ValueError: if the client was trained on the validation images, too.
    """
    if client == "as_released":
        raise ValueError("expected a client that saw no validation image, got 'as_released'")
    views = said.views["learning_to_help", client]
    promises = [bounds.risk_bound(tables["validation"], costs=costs, delta=delta) for tables in views]
    grids = [thresholds.threshold_grid(tables["validation"].r, N_EXPERTS) for tables in views]
    return [SystemWithRiskBound(*one) for one in zip(views, grids, promises, strict=True)]


def _prediction_tables(result: Any) -> dict[str, Predictions]:
    return {condition: result.predictions(condition) for condition in result.scores}


class Episode(NamedTuple):
    """A stream with what it takes to play on it."""

    stream: Predictions
    hidden: LastLayerInputs | None  # None where a condition of the stream has no activations
    change: int  # the first changed step
    costs: Costs
    advice: FixedShareConfig  # its batch and delay are those of all remedies
    seed: int  # of the questions left to chance

    def outcomes(self, policies: Mapping[str, Policy]) -> dict[str, EpisodeResult]:
        """What each policy did; without activations those that refit layers are left out.

        Args:
            policies: by name, as `experiments.contenders` and `experiments.triggered` name them.

        Returns:
            Outcomes by name.
        """
        batches: dict[str, Any] = {"batch": self.advice.batch, "delay": self.advice.delay}
        given = {"costs": self.costs, "seed": self.seed, "hidden": self.hidden, **batches}
        return {
            name: simulate(self.stream, policy, answers=name.endswith(PSEUDO_LABEL_SUFFIX), **given)
            for name, policy in policies.items()
            if self.hidden is not None or not name.endswith("refitted")
        }


def make_episode(system: TunedSystem, course: Stream, *, costs: Costs, advice: FixedShareConfig, seed: int) -> Episode:
    """A system on a course.

    Args:
        system: with a table for each condition of the course.
        course: T steps.
        costs: c1 and ce.
        advice: settings of the experts, and the batch and delay of all.
        seed: of the questions left to chance.

    Returns:
        The game.

    Raises:
        KeyError: if a condition has no table.
    """
    kept = set(np.unique(course.condition)) <= set(system.hidden)
    hidden = last_layer.activations_along(system.hidden, course) if kept else None
    return Episode(streams.predictions_along(system.tables, course), hidden, course.change, costs, advice, seed)


def sample_streams(
    tables: Mapping[str, Predictions], *, length: int, seeds: int
) -> dict[tuple[str, str], list[Stream]]:
    """The streams of the chapter: every kind of change, at once and by degrees, with several seeds.

    Args:
        tables: condition -> predictions of any system on all of its images.
        length: T inputs.
        seeds: how many, from 0 on.

    Returns:
        (kind, way) -> one course per seed.
    """
    return {
        (kind, way): [
            streams.sample_stream(tables, kind, length=length, gradual=way == GRADUAL, seed=seed)
            for seed in range(seeds)
        ]
        for way in CHANGE_SPEEDS
        for kind in streams.DRIFT_KINDS
    }


def run_policies(
    several: Sequence[TunedSystem], courses: Sequence[Stream], *, costs: Costs, advice: FixedShareConfig
) -> dict[str, list[EpisodeResult]]:
    """All remedies, each as if it were alone.

    Args:
        several: systems, one per seed.
        courses: one per seed.
        costs: c1 and ce.
        advice: settings of the experts, and the batch and delay of all.

    Returns:
        Remedy -> one outcome per seed; those that refit layers only where all that layers read was kept.
    """
    found: dict[str, list[EpisodeResult]] = {}
    for seed, (system, course) in enumerate(zip(several, courses, strict=True)):
        one, held_out = make_episode(system, course, costs=costs, advice=advice, seed=seed), system.tables["validation"]
        heard = detectors.detect(one.stream, held_out, signal="r", detector="ADWIN")
        knowing: dict[str, Any] = {"costs": costs, "advice": advice, "thresholds": system.grid, "layers": system.layers}
        policies = all_policies(held_out, heard, change=one.change, **knowing)
        for name, outcome in one.outcomes(policies).items():
            found.setdefault(name, []).append(outcome)
    return found


def run_alarm_policies(
    several: Sequence[TunedSystem],
    courses: Sequence[Stream],
    alarms: Sequence[np.ndarray],
    *,
    costs: Costs,
    advice: FixedShareConfig,
) -> dict[str, list[EpisodeResult]]:
    """What the alarms of any detector are good for: both thresholds moved, or both last layers refitted, after each.

    Args:
        several: systems, one per seed.
        courses: one per seed.
        alarms: (k,) rising steps of alarms on r, one array per seed.
        costs: c1 and ce.
        advice: its batch and delay are used.

    Returns:
        "alarm r and e" and the same ", refitted" -> one outcome per seed.
    """
    found: dict[str, list[EpisodeResult]] = {name: [] for name in COMBINED_ALARM_POLICIES.values()}
    for seed, (system, course, at) in enumerate(zip(several, courses, alarms, strict=True)):
        one = make_episode(system, course, costs=costs, advice=advice, seed=seed)
        policies = alarm_policies(at, costs=costs, layers=system.layers, burst=LABEL_BURST, batch=advice.batch)
        for name, outcome in one.outcomes({name: policies[name] for name in found}).items():
            found[name].append(outcome)
    return found


def expert_regret(
    system: TunedSystem, one: Episode, outcome: EpisodeResult, *, switches: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The regret of the experts summed up to each step, and the bound on it that follows from what happened.

    Args:
        system: that plays.
        one: the game.
        outcome: of the experts in this game.
        switches: S, how often the thresholds that they are compared with may change.

    Returns:
        (T,) each; the bound is one on the expectation over the device's coins.
    """
    given: dict[str, Any] = {"costs": one.costs, "switches": switches}
    best = experts.best_sequence_losses(one.stream, system.grid, batch=one.advice.batch, **given)
    lost = experts.expected_loss(one.stream, outcome, costs=one.costs)
    return np.cumsum(lost - best), experts.realised_regret_bound(
        one.stream, outcome, system.grid, advice=one.advice, **given
    )


class DependenceCheck(NamedTuple):
    """What happens on a stream whose distribution never changes, but whose neighbours are not independent."""

    deviation: float  # root mean square distance of the windows' losses from the expected loss
    outside: float  # share of windows farther from it than Hoeffding's interval for independent inputs
    alarms: dict[str, int]  # detector -> alarms on r, all of them false
    regret: float  # of the experts against the best two thresholds in hindsight, per input
    bound: float  # on it, from what happened, per input


def check_dependence(
    system: TunedSystem, *, stay: float, length: int, width: int, costs: Costs, advice: FixedShareConfig, seed: int
) -> DependenceCheck:
    r"""Let images stay in view, and see what of all that is said of independent inputs is still true.

    .. math:: |\bar L - E L| \leq \max(1, c_1 + c_e) \sqrt{\ln(2 / 0.05) / (2 n)}

    holds for a window of n independent inputs with a probability of 0.95.

    Args:
        system: that plays.
        stay: inputs for which an image remains on average, >= 1; 1 makes inputs independent.
        length: T inputs.
        width: n, inputs per window, from 1 to T.
        costs: c1 and ce.
        advice: settings of the experts.
        seed: of the stream and of the questions left to chance.

    Returns:
        `DependenceCheck`.

    Raises:
        ValueError: if stay or the width is out of range.
    """
    course = streams.with_dwell_time(
        streams.sample_stream(system.tables, None, length=length, seed=seed), stay=stay, seed=seed
    )
    one = make_episode(system, course, costs=costs, advice=advice, seed=seed)
    apart = window_means(loss_per_example(one.stream, costs=costs), width) - system_loss(
        system.tables["clean"], costs=costs
    )
    reach = max(1.0, costs.c1 + costs.ce) * math.sqrt(math.log(2 / 0.05) / (2 * width))
    listen = partial(detectors.detect, one.stream, system.tables["validation"], signal="r", seed=seed)
    played = one.outcomes({"experts": experts.fixed_share_policy(system.grid, costs=costs, advice=advice)})
    regret, bound = expert_regret(system, one, played["experts"])
    return DependenceCheck(
        deviation=math.sqrt(mean_over_stream(apart**2)),
        outside=mean_over_stream(np.abs(apart) > reach),
        alarms={name: len(listen(detector=name)) for name in detectors.DETECTORS},
        regret=float(regret[-1]) / length,
        bound=float(bound[-1]) / length,
    )


def mean_over_stream(values: np.ndarray) -> float:
    """Of one value per input, over a stretch of a stream.

    >>> mean_over_stream(np.array([True, False]))
    0.5
    """
    return float(window_means(values, len(values))[0])


def all_policies(
    held_out: Predictions,
    alarms: np.ndarray,
    *,
    change: int,
    costs: Costs,
    advice: FixedShareConfig,
    thresholds: np.ndarray,
    layers: LastLayers,
) -> dict[str, Policy]:
    """All remedies with the settings of chapter 09, by name; none of them knows the change, but "change known".

    Those whose name ends in `PSEUDO_LABEL_SUFFIX` are the same as without, and are to be played with answers for labels.

    Args:
        held_out: predictions on examples from before.
        alarms: (k,) rising steps of a detector's alarms.
        change: the first changed step.
        costs: c1 and ce.
        advice: settings of the experts; its batch and delay are those with which all are played.
        thresholds: (N,) the experts.
        layers: the system's last layers; the policies that refit them need activations to be played with.

    Returns:
        Name -> policy.
    """
    labels: dict[str, Any] = {"costs": costs, "explore": 0.05, "memory": 1000}
    ask: dict[str, Any] = {"burst": LABEL_BURST, "batch": advice.batch}
    estimates = {
        "re-estimated": drift_policies.isotonic_policy(**labels),
        "recalibrated": drift_policies.logistic_policy(**labels),
    }
    return {
        "fixed": drift_policies.fixed_policy(),
        "budget": drift_policies.budget_policy(offload_rate(held_out), start=held_out.r, memory=500),
        **{name + end: policy for name, policy in estimates.items() for end in ("", PSEUDO_LABEL_SUFFIX)},
        "experts": fixed_share_policy(thresholds, costs=costs, advice=advice),
        **alarm_policies(alarms, costs=costs, layers=layers, **ask),
        "change known": drift_policies.alarm_threshold_policy(
            np.array([change - 1]), costs=costs, what="r and e", **ask
        ),
    }


def alarm_policies(
    alarms: np.ndarray, *, costs: Costs, layers: LastLayers, burst: int, batch: int
) -> dict[str, Policy]:
    """What an alarm can be the occasion for: thresholds moved, or last layers refitted, of r, of e, or of both.

    Args:
        alarms: (k,) rising steps.
        costs: c1 and ce.
        layers: the system's last layers.
        burst: inputs that are asked after an alarm.
        batch: with which the policies are played.

    Returns:
        Name -> policy; names that end in "refitted" need activations to be played with.
    """
    moved = {
        f"alarm {w}": drift_policies.alarm_threshold_policy(alarms, costs=costs, what=w, burst=burst, batch=batch)
        for w in ADAPTED_PARTS
    }
    refits = retraining_policies(layers, costs=costs)
    anew = {
        f"alarm {w}, refitted": drift_policies.after_alarm_policy(alarms, refits[w], burst=burst, batch=batch)
        for w in refits
    }
    return {name: policy for one in zip(moved.items(), anew.items(), strict=True) for name, policy in one}


def device_losses(
    tables: Mapping[str, Predictions],
    positive: np.ndarray,
    *,
    length: int,
    thresholds: np.ndarray,
    costs: Costs,
    seed: int,
) -> dict[str, np.ndarray]:
    """One system on many devices, each with its own share of label +1: what each loses in a stream of its own.

    Args:
        tables: "clean" and "validation", at least, as `thresholds.tables_tuned_on_validation` gives them.
        positive: (d,) shares of label +1 on the devices.
        length: inputs per device, >= 1.
        thresholds: (N,) among which a device chooses where it knows its share.
        costs: c1 and ce.
        seed: of the streams.

    Returns:
        (d,) mean losses of the threshold as it is ("fixed"), of one that follows the scores ("budget"), and of the
        best one on validation images weighted to the device's share ("weighted").
    """
    held_out, losses = tables["validation"], losses_at_thresholds(tables["validation"], thresholds, costs=costs)
    share = (held_out.y == 1).sum() / len(held_out.y)
    labels = {where: table.y for where, table in tables.items()}
    found: dict[str, list[float]] = {}
    for place, one in enumerate(positive):
        course = fill_schedule(device_schedule(float(one), length=length), labels, seed=seed + place)
        weights = label_shift_weights([1 - share, share], [1 - one, one])[(held_out.y + 1) // 2]
        policies = {
            "fixed": drift_policies.fixed_policy(),
            "budget": drift_policies.budget_policy(offload_rate(held_out), start=held_out.r, memory=500),
            "weighted": drift_policies.fixed_policy(float(thresholds[np.argmin(losses @ weights)])),
        }
        for name, policy in policies.items():
            outcome = simulate(predictions_along(tables, course), policy, costs=costs, batch=25, delay=0, seed=seed)
            found.setdefault(name, []).append(float(outcome.loss.sum()) / length)
    return {name: np.array(several) for name, several in found.items()}
