"""Experiments of the drift chapter: trained systems, streams, and episodes of adaptation policies on the streams.

A `TunedSystem` is one trained system of one seed, with everything that an adaptation policy may use.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from companion.chapters.ch09_drift import bounds
from companion.chapters.ch09_drift.bounds import losses_at_thresholds
from companion.chapters.ch09_drift.settings import Settings
from l2h.data import corruptions
from l2h.drift import detectors, experts, last_layer, policies, streams
from l2h.drift.experts import FixedShareConfig
from l2h.drift.last_layer import LastLayers
from l2h.drift.policies import ADAPTED_PARTS, EpisodeResult, LastLayerInputs, Policy
from l2h.drift.streams import DRIFT_KINDS, Stream
from l2h.evaluation import thresholds as evaluation_thresholds
from l2h.evaluation.metrics import loss_per_example, offload_rate, system_loss, window_means
from l2h.experiments import run, shifted
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.shifted import Conditions
from l2h.experiments.sweep import over_seeds, with_dependencies
from l2h.problem import Costs, Predictions
from l2h.theory.generalization import label_shift_weights

DRIFT_CE = 0.1
DRIFT_METHODS = ("learning_to_help", "confidence")
CHANGE_SPEEDS = SUDDEN, GRADUAL = "sudden", "gradual"
N_EXPERTS = 33  # thresholds
COMBINED_ALARM_POLICIES = {"thresholds": "alarm r and e", "layers": "alarm r and e, retrained"}
RETRAINED_SUFFIX = ", retrained"
PSEUDO_LABEL_SUFFIX = ", pseudo-labels"
LABEL_BURST = 200  # inputs that are asked and labelled after an alarm
DWELL_TIMES = (1, 5, 25)  # mean number of inputs for which an image stays
DEVICE_LENGTH = 500  # inputs of one device
Change = tuple[str, str]  # (kind, speed)
SystemTables = Mapping[tuple[str, str], Sequence[Mapping[str, Predictions]]]  # (method, client) -> tables, one per seed


class TunedSystem(NamedTuple):
    """One trained system, with thresholds tuned on validation images."""

    tables: Mapping[str, Predictions]  # split or condition -> predictions
    activations: Mapping[str, Mapping[str, np.ndarray]]  # condition -> "r", "e": inputs of the last layers, if kept
    layers: LastLayers
    thresholds: np.ndarray  # (N,) thresholds of the experts


class TunedSystems(NamedTuple):
    """All systems of the chapter."""

    tables: dict[tuple[str, str], list[dict[str, Predictions]]]  # (method, client) -> tuned tables, one per seed
    first_systems: list[TunedSystem]  # learning to help with the first client, one per seed
    training_summary: tuple[int, float]  # number of trainings, and their seconds


def drift_base_config(settings: Settings) -> ExperimentConfig:
    """The configuration that all systems of the chapter share."""
    options: dict[str, Any] = {"sizes": settings.sizes, "precision": settings.precision}
    return ExperimentConfig("learning_to_help", ce=DRIFT_CE, source=settings.data or "cifar10", **options)


def fixed_share_config(settings: Settings) -> FixedShareConfig:
    """The settings of the experts: one switch per stream, batches of 25 inputs, labels one batch late."""
    batch = 25
    return FixedShareConfig(eta=0.1, gamma=0.05, sigma=batch / settings.length, batch=batch, delay=1)


def corruption_conditions(severities: Sequence[int]) -> list[str]:
    """Every corruption at every severity, as the conditions are named.

    >>> corruption_conditions([4])
    ['noise 4', 'blur 4', 'contrast 4', 'fog 4', 'jpeg 4']
    """
    return [f"{kind} {severity}" for kind in corruptions.CORRUPTIONS for severity in severities]


def train_drift_systems(settings: Settings, base: ExperimentConfig, conditions: Sequence[str]) -> TunedSystems:
    """Train the systems of the chapter, or read them from the store.

    Activations are kept for learning to help with the first client, under each condition of a sudden change to
    severity 4 and under every loss of contrast.

    Args:
        settings: of the chapter.
        base: `drift_base_config`.
        conditions: `corruption_conditions`.

    Returns:
        `TunedSystems`.
    """
    plain = Conditions(("clean", *conditions, "unseen"), settings.n_images)
    activated = tuple(name for name in plain.names if "4" in name or "contrast" in name or " " not in name)
    names = [(method, client) for client in settings.clients for method in DRIFT_METHODS]
    configs = {(m, c): over_seeds(replace(base, method=m, client=c), settings.seeds) for m, c in names}
    results: dict[ExperimentConfig, Any] = {}
    for name in reversed(names):  # load the first system last, so that its results overwrite the others
        needed = with_dependencies(configs[name])
        viewed = replace(plain, with_activations=activated) if name == names[0] else plain
        results |= dict(zip(needed, shifted.sweep_under_corruption(needed, viewed), strict=True))
    untuned = {name: [_prediction_tables(results[config]) for config in seeded] for name, seeded in configs.items()}
    tuned = {
        name: [evaluation_thresholds.tables_tuned_on_validation(tables, costs=base.costs) for tables in seeded]
        for name, seeded in untuned.items()
    }
    first = [
        TunedSystem(
            tables,
            result.activations,
            last_layer.tuned_last_layers(result.last_layers, before["validation"], costs=base.costs),
            evaluation_thresholds.threshold_grid(tables["validation"].r, N_EXPERTS),
        )
        for result, before, tables in zip(
            (results[config] for config in configs[names[0]]), untuned[names[0]], tuned[names[0]], strict=True
        )
    ]
    return TunedSystems(tuned, first, run.training_summary(results.values()))


def _prediction_tables(result: Any) -> dict[str, Predictions]:
    return {condition: result.predictions(condition) for condition in result.scores}


class SystemWithRiskBound(NamedTuple):
    """A system whose client saw no validation image, so that Theorem 1 holds for it until the data change."""

    tables: Mapping[str, Predictions]
    thresholds: np.ndarray  # (N,)
    risk_bound: float  # loss on the validation images plus the penalty


def systems_with_risk_bound(
    systems: TunedSystems, client: str, *, costs: Costs, delta: float = 0.05
) -> list[SystemWithRiskBound]:
    """Learning to help with one client, and the risk bound of the corrected Theorem 1, one system per seed.

    Raises:
        ValueError: if the client was trained on the validation images, too.
    """
    if client == "as_released":
        raise ValueError("expected a client that saw no validation image, got 'as_released'")
    return [
        SystemWithRiskBound(
            tables,
            evaluation_thresholds.threshold_grid(tables["validation"].r, N_EXPERTS),
            bounds.risk_bound(tables["validation"], costs=costs, delta=delta),
        )
        for tables in systems.tables["learning_to_help", client]
    ]


def sample_streams(tables: Mapping[str, Predictions], *, length: int, seeds: int) -> dict[Change, list[Stream]]:
    """One stream per seed for every kind of change, sudden and gradual.

    Args:
        tables: condition -> predictions of any system on all images of the condition.
        length: T inputs.
        seeds: how many, from 0 on.

    Returns:
        (kind, speed) -> streams.
    """
    return {
        (kind, speed): [
            streams.sample_stream(tables, kind, length=length, gradual=speed == GRADUAL, seed=seed)
            for seed in range(seeds)
        ]
        for speed in CHANGE_SPEEDS
        for kind in DRIFT_KINDS
    }


def sudden_predictions(
    tables: Sequence[Mapping[str, Predictions]], streams_by_change: Mapping[Change, Sequence[Stream]]
) -> dict[str, list[Predictions]]:
    """The predictions of a fixed system on the streams with a sudden change: kind -> one per seed."""
    return {
        kind: [
            streams.predictions_along(table, stream)
            for table, stream in zip(tables, streams_by_change[kind, SUDDEN], strict=True)
        ]
        for kind in DRIFT_KINDS
    }


def stationary_predictions(systems: Sequence[TunedSystem], *, length: int) -> list[Predictions]:
    """The predictions of each system on a stream that never changes, one per seed."""
    return [
        streams.predictions_along(
            system.tables, streams.sample_stream(system.tables, None, length=length, seed=100 + seed)
        )
        for seed, system in enumerate(systems)
    ]


class Episode(NamedTuple):
    """A system on a stream, with everything that a simulation needs."""

    predictions: Predictions
    activations: LastLayerInputs | None  # None where a condition of the stream has no activations
    change_point: int  # the first changed step
    costs: Costs
    fixed_share: FixedShareConfig  # its batch and delay are those of all policies
    seed: int  # of the random offloads

    def simulate_policies(self, named_policies: Mapping[str, Policy]) -> dict[str, EpisodeResult]:
        """Simulate each policy alone; policies that retrain layers are left out where there are no activations.

        Args:
            named_policies: by name, as `all_policies` and `alarm_policies` name them.

        Returns:
            Results by name.
        """
        options: dict[str, Any] = {"costs": self.costs, "seed": self.seed, "activations": self.activations}
        options |= {"batch": self.fixed_share.batch, "delay": self.fixed_share.delay}
        return {
            name: policies.simulate(
                self.predictions, policy, pseudo_labels=name.endswith(PSEUDO_LABEL_SUFFIX), **options
            )
            for name, policy in named_policies.items()
            if self.activations is not None or not name.endswith(RETRAINED_SUFFIX)
        }


def make_episode(
    system: TunedSystem, stream: Stream, *, costs: Costs, fixed_share: FixedShareConfig, seed: int
) -> Episode:
    """A system on a stream.

    Raises:
        KeyError: if a condition of the stream has no table.
    """
    stored = set(np.unique(stream.condition)) <= set(system.activations)
    activations = last_layer.activations_along(system.activations, stream) if stored else None
    predictions = streams.predictions_along(system.tables, stream)
    return Episode(predictions, activations, stream.change_point, costs, fixed_share, seed)


def run_policies(
    systems: Sequence[TunedSystem], streams_by_seed: Sequence[Stream], *, costs: Costs, fixed_share: FixedShareConfig
) -> dict[str, list[EpisodeResult]]:
    """All adaptation policies on the same streams, each simulated alone.

    Args:
        systems: one per seed.
        streams_by_seed: one per seed.
        costs: c1 and ce.
        fixed_share: settings of the experts, and the batch and delay of all policies.

    Returns:
        Policy -> one result per seed; policies that retrain layers only where all activations were kept.
    """
    results: dict[str, list[EpisodeResult]] = {}
    for seed, (system, stream) in enumerate(zip(systems, streams_by_seed, strict=True)):
        episode = make_episode(system, stream, costs=costs, fixed_share=fixed_share, seed=seed)
        alarms = detectors.detect(episode.predictions, system.tables["validation"], signal="r", detector="ADWIN")
        for name, result in episode.simulate_policies(all_policies(system, episode, alarms)).items():
            results.setdefault(name, []).append(result)
    return results


def run_alarm_policies(
    systems: Sequence[TunedSystem],
    streams_by_seed: Sequence[Stream],
    alarms: Sequence[np.ndarray],
    *,
    costs: Costs,
    fixed_share: FixedShareConfig,
) -> dict[str, list[EpisodeResult]]:
    """The policies that re-tune both thresholds, or retrain both last layers, after each alarm of any detector.

    Args:
        systems: one per seed.
        streams_by_seed: one per seed.
        alarms: (k,) rising steps of alarms on r, one array per seed.
        costs: c1 and ce.
        fixed_share: its batch and delay are used.

    Returns:
        The names in `COMBINED_ALARM_POLICIES` -> one result per seed.
    """
    results: dict[str, list[EpisodeResult]] = {name: [] for name in COMBINED_ALARM_POLICIES.values()}
    for seed, (system, stream, system_alarms) in enumerate(zip(systems, streams_by_seed, alarms, strict=True)):
        episode = make_episode(system, stream, costs=costs, fixed_share=fixed_share, seed=seed)
        candidates = alarm_policies(system_alarms, costs=costs, layers=system.layers, batch=fixed_share.batch)
        for name, result in episode.simulate_policies({name: candidates[name] for name in results}).items():
            results[name].append(result)
    return results


def expert_regret(
    system: TunedSystem, episode: Episode, result: EpisodeResult, *, switches: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The cumulative regret of the experts, and the bound on it that follows from the observed losses.

    Args:
        system: of the episode.
        episode: the system on its stream.
        result: of the experts in this episode.
        switches: S, how often the thresholds of the comparator may change.

    Returns:
        (T,) each; the bound is one on the expectation over the device's random offloads.
    """
    options: dict[str, Any] = {"costs": episode.costs, "switches": switches}
    best = experts.best_sequence_losses(
        episode.predictions, system.thresholds, batch=episode.fixed_share.batch, **options
    )
    losses = experts.expected_loss(episode.predictions, result, costs=episode.costs)
    bound = experts.realised_regret_bound(
        episode.predictions, result, system.thresholds, fixed_share=episode.fixed_share, **options
    )
    return np.cumsum(losses - best), bound


def mean_expert_regret(
    systems: Sequence[TunedSystem],
    streams_by_change: Mapping[Change, Sequence[Stream]],
    results: Mapping[Change, Mapping[str, Sequence[EpisodeResult]]],
    *,
    costs: Costs,
    fixed_share: FixedShareConfig,
) -> tuple[np.ndarray, np.ndarray]:
    """The cumulative regret of the experts and its bound, averaged over the sudden changes: (S, T) each."""
    by_kind = [
        [
            expert_regret(system, make_episode(system, stream, costs=costs, fixed_share=fixed_share, seed=seed), result)
            for seed, (system, stream, result) in enumerate(
                zip(systems, streams_by_change[kind, SUDDEN], results[kind, SUDDEN]["experts"], strict=True)
            )
        ]
        for kind in DRIFT_KINDS
    ]
    regret, bound = np.mean(by_kind, axis=0).swapaxes(0, 1)
    return regret, bound


def worst_case_regret_rates(lengths: Sequence[int], *, costs: Costs) -> list[float]:
    """The worst-case bound on the regret per input, with the optimal settings for each length of the stream."""
    options: dict[str, Any] = {"experts": N_EXPERTS, "costs": costs, "switches": 1}
    return [
        experts.fixed_share_regret_bound(
            experts.optimal_settings(steps=int(length), batch=25, delay=1, **options), steps=int(length), **options
        )
        / length
        for length in lengths
    ]


class DependenceCheck(NamedTuple):
    """Losses, alarms and regret on a stationary stream whose inputs are dependent."""

    deviation: float  # root mean square distance of the windows' losses from the expected loss
    outside_share: float  # share of windows outside Hoeffding's interval for independent inputs
    alarms: dict[str, int]  # detector -> alarms on r, all of them false
    regret: float  # of the experts against the best two thresholds in hindsight, per input
    bound: float  # on the regret, from the observed losses, per input


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
    r"""Measure which guarantees for independent inputs survive if images stay in view.

    .. math:: |\bar L - E L| \leq \max(1, c_1 + c_e) \sqrt{\ln(2 / 0.05) / (2 n)}

    holds for a window of n independent inputs with a probability of 0.95.

    Args:
        system: any.
        dwell_time: mean number of inputs for which an image remains, >= 1; 1 makes inputs independent.
        length: T inputs.
        width: n, inputs per window, from 1 to T.
        costs: c1 and ce.
        fixed_share: settings of the experts.
        seed: of the stream and of the random offloads.

    Returns:
        `DependenceCheck`.

    Raises:
        ValueError: if dwell_time or width is out of range.
    """
    independent = streams.sample_stream(system.tables, None, length=length, seed=seed)
    stream = streams.with_dwell_time(independent, dwell_time=dwell_time, seed=seed)
    episode = make_episode(system, stream, costs=costs, fixed_share=fixed_share, seed=seed)
    losses = window_means(loss_per_example(episode.predictions, costs=costs), width)
    deviations = losses - system_loss(system.tables["clean"], costs=costs)
    half_width = max(1.0, costs.c1 + costs.ce) * math.sqrt(math.log(2 / 0.05) / (2 * width))
    policy = experts.fixed_share_policy(system.thresholds, costs=costs, fixed_share=fixed_share)
    regret, bound = expert_regret(system, episode, episode.simulate_policies({"experts": policy})["experts"])
    held_out = system.tables["validation"]
    return DependenceCheck(
        deviation=math.sqrt((deviations**2).mean()),
        outside_share=float((np.abs(deviations) > half_width).mean()),
        alarms={
            name: len(detectors.detect(episode.predictions, held_out, signal="r", detector=name, seed=seed))
            for name in detectors.DETECTORS
        },
        regret=float(regret[-1]) / length,
        bound=float(bound[-1]) / length,
    )


def check_dependence_by_dwell_time(
    systems: Sequence[TunedSystem], **options: Any
) -> dict[float, list[DependenceCheck]]:
    """`check_dependence` for several systems at every one of DWELL_TIMES.

    Args:
        systems: one per seed; the seed of a stream is the position of its system.
        options: of `check_dependence`.

    Returns:
        Dwell time -> one check per system.
    """
    checks_by_dwell_time: dict[float, list[DependenceCheck]] = {}
    for dwell_time in DWELL_TIMES:
        checks_by_dwell_time[dwell_time] = [
            check_dependence(system, dwell_time=dwell_time, seed=seed, **options) for seed, system in enumerate(systems)
        ]
    return checks_by_dwell_time


def all_policies(system: TunedSystem, episode: Episode, alarms: np.ndarray) -> dict[str, Policy]:
    """All adaptation policies of the chapter, by name; only "change known" is given the change point.

    A policy whose name ends in `PSEUDO_LABEL_SUFFIX` equals the one without, and is simulated with pseudo-labels.

    Args:
        system: of the episode.
        episode: its costs, change point, batch and delay are used.
        alarms: (k,) rising steps of a detector's alarms.

    Returns:
        Name -> policy.
    """
    costs, batch, held_out = episode.costs, episode.fixed_share.batch, system.tables["validation"]
    options: dict[str, Any] = {"costs": costs, "explore": 0.05, "memory": 1000}
    estimates = {
        "re-estimated": policies.isotonic_policy(**options),
        "recalibrated": policies.logistic_policy(**options),
    }
    known_change = np.array([episode.change_point - 1])
    return {
        "fixed": policies.fixed_policy(),
        "budget": policies.budget_policy(offload_rate(held_out), initial_scores=held_out.r, memory=500),
        **{name + suffix: policy for name, policy in estimates.items() for suffix in ("", PSEUDO_LABEL_SUFFIX)},
        "experts": experts.fixed_share_policy(system.thresholds, costs=costs, fixed_share=episode.fixed_share),
        **alarm_policies(alarms, costs=costs, layers=system.layers, batch=batch),
        "change known": policies.alarm_threshold_policy(
            known_change, costs=costs, adapted_part="r and e", label_burst=LABEL_BURST, batch=batch
        ),
    }


def alarm_policies(alarms: np.ndarray, *, costs: Costs, layers: LastLayers, batch: int) -> dict[str, Policy]:
    """Policies triggered by an alarm: re-tune thresholds or retrain last layers, of r, of e, or of both.

    Args:
        alarms: (k,) rising steps.
        costs: c1 and ce.
        layers: the system's last layers.
        batch: inputs per batch of the simulation.

    Returns:
        Name -> policy; names that end in `RETRAINED_SUFFIX` need activations.
    """
    retraining = last_layer.retraining_policies(layers, costs=costs)
    named: dict[str, Policy] = {}
    for part in ADAPTED_PARTS:
        named[f"alarm {part}"] = policies.alarm_threshold_policy(
            alarms, costs=costs, adapted_part=part, label_burst=LABEL_BURST, batch=batch
        )
        named[f"alarm {part}{RETRAINED_SUFFIX}"] = policies.after_alarm_policy(
            alarms, retraining[part], label_burst=LABEL_BURST, batch=batch
        )
    return named


def losses_on_devices(
    systems: Sequence[TunedSystem], concentrations: Sequence[float], *, n_devices: int, costs: Costs
) -> tuple[dict[tuple[float, int], np.ndarray], dict[tuple[float, int], dict[str, np.ndarray]]]:
    """Shares of label +1 of many devices, and the `device_losses` there: (concentration, seed) -> each."""
    shares = {
        (concentration, seed): streams.device_label_shares(n_devices, concentration=concentration, seed=seed)
        for concentration in concentrations
        for seed in range(len(systems))
    }
    losses = {
        (concentration, seed): device_losses(
            systems[seed].tables,
            positive_share,
            length=DEVICE_LENGTH,
            thresholds=systems[seed].thresholds,
            costs=costs,
            seed=1000 * seed,
        )
        for (concentration, seed), positive_share in shares.items()
    }
    return shares, losses


def device_losses(
    tables: Mapping[str, Predictions],
    positive_share: np.ndarray,
    *,
    length: int,
    thresholds: np.ndarray,
    costs: Costs,
    seed: int,
) -> dict[str, np.ndarray]:
    """The losses of one system on many devices, each with its own share of label +1 and its own stream.

    Args:
        tables: "clean" and "validation", at least, as `thresholds.tables_tuned_on_validation` gives them.
        positive_share: (d,) shares of label +1 on the devices.
        length: inputs per device, >= 1.
        thresholds: (N,) among which a device chooses that knows its share.
        costs: c1 and ce.
        seed: of the streams.

    Returns:
        (d,) mean losses of the threshold as it is ("fixed"), of one that follows the scores ("budget"), and of the
        best one on validation images weighted to the device's share ("weighted").
    """
    held_out, losses = tables["validation"], losses_at_thresholds(tables["validation"], thresholds, costs=costs)
    share = float((held_out.y == 1).mean())
    labels = {condition: table.y for condition, table in tables.items()}
    losses_by_policy: dict[str, list[float]] = {}
    for device, device_share in enumerate(positive_share):
        schedule = streams.device_schedule(float(device_share), length=length)
        stream = streams.predictions_along(tables, streams.fill_schedule(schedule, labels, seed=seed + device))
        weights = label_shift_weights([1 - share, share], [1 - device_share, device_share])[(held_out.y + 1) // 2]
        device_policies = {
            "fixed": policies.fixed_policy(),
            "budget": policies.budget_policy(offload_rate(held_out), initial_scores=held_out.r, memory=500),
            "weighted": policies.fixed_policy(float(thresholds[np.argmin(losses @ weights)])),
        }
        for name, policy in device_policies.items():
            result = policies.simulate(stream, policy, costs=costs, batch=25, delay=0, seed=seed)
            losses_by_policy.setdefault(name, []).append(float(result.loss.sum()) / length)
    return {name: np.array(policy_losses) for name, policy_losses in losses_by_policy.items()}
