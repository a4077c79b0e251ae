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
    activations: Mapping[
        str, Mapping[str, np.ndarray]
    ]  # condition -> "r" and "e", what last layers read there, if kept
    layers: LastLayers
    thresholds: np.ndarray  # (N,) thresholds of the experts


class TunedSystems(NamedTuple):
    """All systems of the chapter."""

    tables: dict[tuple[str, str], list[dict[str, Predictions]]]  # (method, client) -> one per seed: tuned tables
    first_systems: list[TunedSystem]  # one per seed: the first of these, with what its last layers read
    training_summary: tuple[int, float]  # how many trainings all of them took, and their seconds


def train_drift_systems(settings: Any, base_config: ExperimentConfig, conditions: Sequence[str]) -> TunedSystems:
    """Train the systems of the chapter, or read them from the store.

    Args:
        settings: of the chapter.
        base_config: the configuration that they share.
        conditions: kinds of corruption with their severities.

    Returns:
        `TunedSystems`. What last layers read is kept for the first of them under each condition of a sudden change of
        severity 4, and under every loss of contrast.
    """
    plain = Conditions(("clean", *conditions, "unseen"), settings.images)
    with_activations = replace(
        plain, with_activations=tuple(c for c in plain.names if "4" in c or "contrast" in c or " " not in c)
    )
    names = [(method, client) for client in settings.clients for method in DRIFT_METHODS]
    configs = {(m, c): over_seeds(replace(base_config, method=m, client=c), settings.seeds) for m, c in names}
    results: dict[ExperimentConfig, Any] = {}
    for name in reversed(names):  # what the first is read with stays
        configs_needed = with_dependencies(configs[name])
        results |= dict(
            zip(
                configs_needed,
                shifted.sweep_under_corruption(configs_needed, with_activations if name == names[0] else plain),
                strict=True,
            )
        )
    tables_by_name = {
        name: [_prediction_tables(results[result]) for result in seeded] for name, seeded in configs.items()
    }
    views = {
        name: [thresholds.tables_tuned_on_validation(result, costs=base_config.costs) for result in seeded]
        for name, seeded in tables_by_name.items()
    }
    networks = [results[result] for result in configs[names[0]]]
    first = [
        TunedSystem(
            tables,
            result.hidden,
            last_layer.tuned_last_layers(result.layers, before["validation"], costs=base_config.costs),
            thresholds.threshold_grid(tables["validation"].r, N_EXPERTS),
        )
        for result, before, tables in zip(networks, tables_by_name[names[0]], views[names[0]], strict=True)
    ]
    return TunedSystems(views, first, run.training_summary(results.values()))


class SystemWithRiskBound(NamedTuple):
    """A system whose client saw no validation image, so that Theorem 1 holds for it as long as the data stay."""

    tables: Mapping[str, Predictions]
    thresholds: np.ndarray  # (N,) thresholds
    risk_bound: float  # loss on the validation images plus the penalty


def systems_with_risk_bound(
    systems: TunedSystems, client: str, *, costs: Costs, delta: float = 0.05
) -> list[SystemWithRiskBound]:
    """What the corrected Theorem 1 promises of learning to help beside a client.

    Args:
        systems: all systems.
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
    views = systems.tables["learning_to_help", client]
    promises = [bounds.risk_bound(tables["validation"], costs=costs, delta=delta) for tables in views]
    grids = [thresholds.threshold_grid(tables["validation"].r, N_EXPERTS) for tables in views]
    return [SystemWithRiskBound(*fields) for fields in zip(views, grids, promises, strict=True)]


def _prediction_tables(result: Any) -> dict[str, Predictions]:
    return {condition: result.predictions(condition) for condition in result.scores}


class Episode(NamedTuple):
    """A stream with what it takes to play on it."""

    predictions: Predictions
    activations: LastLayerInputs | None  # None where a condition of the stream has no activations
    change_point: int  # the first changed step
    costs: Costs
    fixed_share: FixedShareConfig  # its batch and delay are those of all remedies
    seed: int  # of the questions left to chance

    def simulate_policies(self, policies: Mapping[str, Policy]) -> dict[str, EpisodeResult]:
        """What each policy did; without activations those that refit layers are left out.

        Args:
            policies: by name, as `experiments.contenders` and `experiments.triggered` name them.

        Returns:
            Outcomes by name.
        """
        batches: dict[str, Any] = {"batch": self.fixed_share.batch, "delay": self.fixed_share.delay}
        options = {"costs": self.costs, "seed": self.seed, "hidden": self.activations, **batches}
        return {
            name: simulate(self.predictions, policy, pseudo_labels=name.endswith(PSEUDO_LABEL_SUFFIX), **options)
            for name, policy in policies.items()
            if self.activations is not None or not name.endswith("refitted")
        }


def make_episode(
    system: TunedSystem, stream: Stream, *, costs: Costs, fixed_share: FixedShareConfig, seed: int
) -> Episode:
    """A system on a course.

    Args:
        system: with a table for each condition of the course.
        stream: T steps.
        costs: c1 and ce.
        fixed_share: settings of the experts, and the batch and delay of all.
        seed: of the questions left to chance.

    Returns:
        The game.

    Raises:
        KeyError: if a condition has no table.
    """
    stored = set(np.unique(stream.condition)) <= set(system.activations)
    hidden = last_layer.activations_along(system.activations, stream) if stored else None
    return Episode(
        streams.predictions_along(system.tables, stream), hidden, stream.change_point, costs, fixed_share, seed
    )


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
        (kind, speed): [
            streams.sample_stream(tables, kind, length=length, gradual=speed == GRADUAL, seed=seed)
            for seed in range(seeds)
        ]
        for speed in CHANGE_SPEEDS
        for kind in streams.DRIFT_KINDS
    }


def run_policies(
    systems: Sequence[TunedSystem], streams_by_seed: Sequence[Stream], *, costs: Costs, fixed_share: FixedShareConfig
) -> dict[str, list[EpisodeResult]]:
    """All remedies, each as if it were alone.

    Args:
        systems: systems, one per seed.
        streams_by_seed: one per seed.
        costs: c1 and ce.
        fixed_share: settings of the experts, and the batch and delay of all.

    Returns:
        Remedy -> one outcome per seed; those that refit layers only where all that layers read was kept.
    """
    results: dict[str, list[EpisodeResult]] = {}
    for seed, (system, course) in enumerate(zip(systems, streams_by_seed, strict=True)):
        episode, held_out = (
            make_episode(system, course, costs=costs, fixed_share=fixed_share, seed=seed),
            system.tables["validation"],
        )
        alarms = detectors.detect(episode.predictions, held_out, signal="r", detector="ADWIN")
        options: dict[str, Any] = {
            "costs": costs,
            "advice": fixed_share,
            "thresholds": system.thresholds,
            "layers": system.layers,
        }
        policies = all_policies(held_out, alarms, change_point=episode.change_point, **options)
        for name, outcome in episode.simulate_policies(policies).items():
            results.setdefault(name, []).append(outcome)
    return results


def run_alarm_policies(
    systems: Sequence[TunedSystem],
    streams_by_seed: Sequence[Stream],
    alarms: Sequence[np.ndarray],
    *,
    costs: Costs,
    fixed_share: FixedShareConfig,
) -> dict[str, list[EpisodeResult]]:
    """What the alarms of any detector are good for: both thresholds moved, or both last layers refitted, after each.

    Args:
        systems: systems, one per seed.
        streams_by_seed: one per seed.
        alarms: (k,) rising steps of alarms on r, one array per seed.
        costs: c1 and ce.
        fixed_share: its batch and delay are used.

    Returns:
        "alarm r and e" and the same ", refitted" -> one outcome per seed.
    """
    results: dict[str, list[EpisodeResult]] = {name: [] for name in COMBINED_ALARM_POLICIES.values()}
    for seed, (system, course, system_alarms) in enumerate(zip(systems, streams_by_seed, alarms, strict=True)):
        episode = make_episode(system, course, costs=costs, fixed_share=fixed_share, seed=seed)
        policies = alarm_policies(
            system_alarms, costs=costs, layers=system.layers, label_burst=LABEL_BURST, batch=fixed_share.batch
        )
        for name, outcome in episode.simulate_policies({name: policies[name] for name in results}).items():
            results[name].append(outcome)
    return results


def expert_regret(
    system: TunedSystem, episode: Episode, outcome: EpisodeResult, *, switches: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The regret of the experts summed up to each step, and the bound on it that follows from what happened.

    Args:
        system: that plays.
        episode: the game.
        outcome: of the experts in this game.
        switches: S, how often the thresholds that they are compared with may change.

    Returns:
        (T,) each; the bound is one on the expectation over the device's coins.
    """
    options: dict[str, Any] = {"costs": episode.costs, "switches": switches}
    best = experts.best_sequence_losses(
        episode.predictions, system.thresholds, batch=episode.fixed_share.batch, **options
    )
    losses = experts.expected_loss(episode.predictions, outcome, costs=episode.costs)
    return np.cumsum(losses - best), experts.realised_regret_bound(
        episode.predictions, outcome, system.thresholds, fixed_share=episode.fixed_share, **options
    )


class DependenceCheck(NamedTuple):
    """What happens on a stream whose distribution never changes, but whose neighbours are not independent."""

    deviation: float  # root mean square distance of the windows' losses from the expected loss
    outside_share: float  # share of windows farther from it than Hoeffding's interval for independent inputs
    alarms: dict[str, int]  # detector -> alarms on r, all of them false
    regret: float  # of the experts against the best two thresholds in hindsight, per input
    bound: float  # on it, from what happened, per input


def check_dependence(
    system: TunedSystem,
    *,
    dwell_time: float,
    length: int,
    width: int,
    costs: Costs,
    fixed_share: FixedShareConfig,
    seed: int,
) -> DependenceCheck:
    r"""Let images stay in view, and see what of all that is said of independent inputs is still true.

    .. math:: |\bar L - E L| \leq \max(1, c_1 + c_e) \sqrt{\ln(2 / 0.05) / (2 n)}

    holds for a window of n independent inputs with a probability of 0.95.

    Args:
        system: that plays.
        dwell_time: inputs for which an image remains on average, >= 1; 1 makes inputs independent.
        length: T inputs.
        width: n, inputs per window, from 1 to T.
        costs: c1 and ce.
        fixed_share: settings of the experts.
        seed: of the stream and of the questions left to chance.

    Returns:
        `DependenceCheck`.

    Raises:
        ValueError: if stay or the width is out of range.
    """
    course = streams.with_dwell_time(
        streams.sample_stream(system.tables, None, length=length, seed=seed), dwell_time=dwell_time, seed=seed
    )
    episode = make_episode(system, course, costs=costs, fixed_share=fixed_share, seed=seed)
    deviations = window_means(loss_per_example(episode.predictions, costs=costs), width) - system_loss(
        system.tables["clean"], costs=costs
    )
    reach = max(1.0, costs.c1 + costs.ce) * math.sqrt(math.log(2 / 0.05) / (2 * width))
    detect_alarms = partial(detectors.detect, episode.predictions, system.tables["validation"], signal="r", seed=seed)
    results = episode.simulate_policies(
        {"experts": experts.fixed_share_policy(system.thresholds, costs=costs, fixed_share=fixed_share)}
    )
    regret, bound = expert_regret(system, episode, results["experts"])
    return DependenceCheck(
        deviation=math.sqrt(mean_over_stream(deviations**2)),
        outside_share=mean_over_stream(np.abs(deviations) > reach),
        alarms={name: len(detect_alarms(detector=name)) for name in detectors.DETECTORS},
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
    change_point: int,
    costs: Costs,
    fixed_share: FixedShareConfig,
    thresholds: np.ndarray,
    layers: LastLayers,
) -> dict[str, Policy]:
    """All remedies with the settings of chapter 09, by name; none of them knows the change, but "change known".

    Those whose name ends in `PSEUDO_LABEL_SUFFIX` are the same as without, and are to be played with answers for labels.

    Args:
        held_out: predictions on examples from before.
        alarms: (k,) rising steps of a detector's alarms.
        change_point: the first changed step.
        costs: c1 and ce.
        fixed_share: settings of the experts; its batch and delay are those with which all are played.
        thresholds: (N,) the experts.
        layers: the system's last layers; the policies that refit them need activations to be played with.

    Returns:
        Name -> policy.
    """
    estimation_options: dict[str, Any] = {"costs": costs, "explore": 0.05, "memory": 1000}
    burst_options: dict[str, Any] = {"burst": LABEL_BURST, "batch": fixed_share.batch}
    estimates = {
        "re-estimated": drift_policies.isotonic_policy(**estimation_options),
        "recalibrated": drift_policies.logistic_policy(**estimation_options),
    }
    return {
        "fixed": drift_policies.fixed_policy(),
        "budget": drift_policies.budget_policy(offload_rate(held_out), initial_scores=held_out.r, memory=500),
        **{name + end: policy for name, policy in estimates.items() for end in ("", PSEUDO_LABEL_SUFFIX)},
        "experts": fixed_share_policy(thresholds, costs=costs, fixed_share=fixed_share),
        **alarm_policies(alarms, costs=costs, layers=layers, **burst_options),
        "change known": drift_policies.alarm_threshold_policy(
            np.array([change_point - 1]), costs=costs, adapted_part="r and e", **burst_options
        ),
    }


def alarm_policies(
    alarms: np.ndarray, *, costs: Costs, layers: LastLayers, label_burst: int, batch: int
) -> dict[str, Policy]:
    """What an alarm can be the occasion for: thresholds moved, or last layers refitted, of r, of e, or of both.

    Args:
        alarms: (k,) rising steps.
        costs: c1 and ce.
        layers: the system's last layers.
        label_burst: inputs that are asked after an alarm.
        batch: with which the policies are played.

    Returns:
        Name -> policy; names that end in "refitted" need activations to be played with.
    """
    moved = {
        f"alarm {w}": drift_policies.alarm_threshold_policy(
            alarms, costs=costs, adapted_part=w, label_burst=label_burst, batch=batch
        )
        for w in ADAPTED_PARTS
    }
    refits = retraining_policies(layers, costs=costs)
    anew = {
        f"alarm {w}, refitted": drift_policies.after_alarm_policy(
            alarms, refits[w], label_burst=label_burst, batch=batch
        )
        for w in refits
    }
    return {name: policy for pair in zip(moved.items(), anew.items(), strict=True) for name, policy in pair}


def device_losses(
    tables: Mapping[str, Predictions],
    positive_share: np.ndarray,
    *,
    length: int,
    thresholds: np.ndarray,
    costs: Costs,
    seed: int,
) -> dict[str, np.ndarray]:
    """One system on many devices, each with its own share of label +1: what each loses in a stream of its own.

    Args:
        tables: "clean" and "validation", at least, as `thresholds.tables_tuned_on_validation` gives them.
        positive_share: (d,) shares of label +1 on the devices.
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
    labels = {condition: table.y for condition, table in tables.items()}
    losses_by_policy: dict[str, list[float]] = {}
    for device, device_share in enumerate(positive_share):
        stream = fill_schedule(device_schedule(float(device_share), length=length), labels, seed=seed + device)
        weights = label_shift_weights([1 - share, share], [1 - device_share, device_share])[(held_out.y + 1) // 2]
        policies = {
            "fixed": drift_policies.fixed_policy(),
            "budget": drift_policies.budget_policy(offload_rate(held_out), initial_scores=held_out.r, memory=500),
            "weighted": drift_policies.fixed_policy(float(thresholds[np.argmin(losses @ weights)])),
        }
        for name, policy in policies.items():
            outcome = simulate(predictions_along(tables, stream), policy, costs=costs, batch=25, delay=0, seed=seed)
            losses_by_policy.setdefault(name, []).append(float(outcome.loss.sum()) / length)
    return {name: np.array(policy_losses) for name, policy_losses in losses_by_policy.items()}
