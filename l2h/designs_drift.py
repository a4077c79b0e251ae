"""The systems of the chapter on changing data, and the games that remedies play with them on its streams.

A stream is played by one system at a time; a system is a trained one of one seed, with all that a remedy may use.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from l2h import designs, detectors, drift, online, refit, shifted_runs, streams
from l2h.evaluate import in_windows, loss_by_example, system_loss
from l2h.experiments import over_seeds, with_dependencies
from l2h.problem import Costs, Predictions
from l2h.refit import Layers
from l2h.remedies import Hidden, Outcome, Policy, play
from l2h.runs import ExperimentConfig
from l2h.shift_bounds import Advice
from l2h.shifted_runs import Viewing
from l2h.streams import Course

METHODS = ("learning_to_help", "confidence")
WAYS = SUDDEN, GRADUAL = "at once", "by degrees"  # in which data change
EXPERTS = 33  # thresholds
BOTH = {"thresholds": "alarm r and e", "layers": "alarm r and e, refitted"}


class TunedSystem(NamedTuple):
    """One trained system, tuned on validation images."""

    tables: Mapping[str, Predictions]  # part or condition -> predictions
    hidden: Mapping[str, Mapping[str, np.ndarray]]  # condition -> "r" and "e", what last layers read there, if kept
    layers: Layers
    grid: np.ndarray  # (N,) thresholds of the experts


class TunedSystems(NamedTuple):
    """All systems of the chapter."""

    views: dict[tuple[str, str], list[dict[str, Predictions]]]  # (method, client) -> one per seed: tuned tables
    first: list[TunedSystem]  # one per seed: the first of these, with what its last layers read
    training: tuple[int, float]  # how many trainings all of them took, and their seconds


def sweep(study: Any, base: ExperimentConfig, conditions: Sequence[str]) -> TunedSystems:
    """Train the systems of the chapter, or read them from the store.

    Args:
        study: of the chapter.
        base: the configuration that they share.
        conditions: kinds of corruption with their severities.

    Returns:
        `TunedSystems`. What last layers read is kept for the first of them under each condition of a sudden change of
        severity 4, and under every loss of contrast.
    """
    plain = Viewing(("clean", *conditions, "unseen"), study.images)
    close = replace(plain, hidden=tuple(c for c in plain.conditions if "4" in c or "contrast" in c or " " not in c))
    names = [(method, client) for client in study.clients for method in METHODS]
    configs = {(m, c): over_seeds(replace(base, method=m, client=c), study.seeds) for m, c in names}
    results: dict[ExperimentConfig, Any] = {}
    for name in reversed(names):  # what the first is read with stays
        wanted = with_dependencies(configs[name])
        results |= dict(zip(wanted, shifted_runs.sweep(wanted, close if name == names[0] else plain), strict=True))
    said = {name: [_said(results[one]) for one in several] for name, several in configs.items()}
    views = {name: [drift.tuned(one, costs=base.costs) for one in several] for name, several in said.items()}
    networks = [results[one] for one in configs[names[0]]]
    first = [
        TunedSystem(
            tables,
            one.hidden,
            refit.layers_of(one.layers, before["validation"], costs=base.costs),
            drift.threshold_grid(tables["validation"].r, EXPERTS),
        )
        for one, before, tables in zip(networks, said[names[0]], views[names[0]], strict=True)
    ]
    return TunedSystems(views, first, designs.training(results.values()))


class Promised(NamedTuple):
    """A system whose client saw no validation image, so that Theorem 1 holds for it as long as the data stay."""

    tables: Mapping[str, Predictions]
    grid: np.ndarray  # (N,) thresholds
    promise: float  # loss on the validation images plus the penalty


def promised(said: TunedSystems, client: str, *, costs: Costs, delta: float = 0.05) -> list[Promised]:
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
    promises = [drift.promised(tables["validation"], costs=costs, delta=delta) for tables in views]
    grids = [drift.threshold_grid(tables["validation"].r, EXPERTS) for tables in views]
    return [Promised(*one) for one in zip(views, grids, promises, strict=True)]


def _said(result: Any) -> dict[str, Predictions]:
    return {condition: result.predictions(condition) for condition in result.scores}


class Game(NamedTuple):
    """A stream with what it takes to play on it."""

    stream: Predictions
    hidden: Hidden | None  # None where a condition of the stream has no activations
    change: int  # the first changed step
    costs: Costs
    advice: Advice  # its batch and delay are those of all remedies
    seed: int  # of the questions left to chance

    def outcomes(self, policies: Mapping[str, Policy]) -> dict[str, Outcome]:
        """What each policy did; without activations those that refit layers are left out.

        Args:
            policies: by name, as `online.contenders` and `online.triggered` name them.

        Returns:
            Outcomes by name.
        """
        batches: dict[str, Any] = {"batch": self.advice.batch, "delay": self.advice.delay}
        given = {"costs": self.costs, "seed": self.seed, "hidden": self.hidden, **batches}
        return {
            name: play(self.stream, policy, answers=name.endswith(online.FROM_ANSWERS), **given)
            for name, policy in policies.items()
            if self.hidden is not None or not name.endswith("refitted")
        }


def game(system: TunedSystem, course: Course, *, costs: Costs, advice: Advice, seed: int) -> Game:
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
    hidden = refit.hidden_along(system.hidden, course) if kept else None
    return Game(drift.along(system.tables, course), hidden, course.change, costs, advice, seed)


def courses(tables: Mapping[str, Predictions], *, length: int, seeds: int) -> dict[tuple[str, str], list[Course]]:
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
            drift.course_of(tables, kind, length=length, gradual=way == GRADUAL, seed=seed) for seed in range(seeds)
        ]
        for way in WAYS
        for kind in streams.KINDS
    }


def contest(
    several: Sequence[TunedSystem], courses: Sequence[Course], *, costs: Costs, advice: Advice
) -> dict[str, list[Outcome]]:
    """All remedies, each as if it were alone.

    Args:
        several: systems, one per seed.
        courses: one per seed.
        costs: c1 and ce.
        advice: settings of the experts, and the batch and delay of all.

    Returns:
        Remedy -> one outcome per seed; those that refit layers only where all that layers read was kept.
    """
    found: dict[str, list[Outcome]] = {}
    for seed, (system, course) in enumerate(zip(several, courses, strict=True)):
        one, held_out = game(system, course, costs=costs, advice=advice, seed=seed), system.tables["validation"]
        heard = detectors.listen(one.stream, held_out, signal="r", detector="ADWIN")
        knowing: dict[str, Any] = {"costs": costs, "advice": advice, "thresholds": system.grid, "layers": system.layers}
        policies = online.contenders(held_out, heard, change=one.change, **knowing)
        for name, outcome in one.outcomes(policies).items():
            found.setdefault(name, []).append(outcome)
    return found


def on_alarms(
    several: Sequence[TunedSystem],
    courses: Sequence[Course],
    alarms: Sequence[np.ndarray],
    *,
    costs: Costs,
    advice: Advice,
) -> dict[str, list[Outcome]]:
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
    found: dict[str, list[Outcome]] = {name: [] for name in BOTH.values()}
    for seed, (system, course, at) in enumerate(zip(several, courses, alarms, strict=True)):
        one = game(system, course, costs=costs, advice=advice, seed=seed)
        policies = online.triggered(at, costs=costs, layers=system.layers, burst=online.BURST, batch=advice.batch)
        for name, outcome in one.outcomes({name: policies[name] for name in found}).items():
            found[name].append(outcome)
    return found


def regret_of_experts(
    system: TunedSystem, one: Game, outcome: Outcome, *, switches: int = 1
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
    best = online.best_sequence(one.stream, system.grid, batch=one.advice.batch, **given)
    lost = online.expected_loss(one.stream, outcome, costs=one.costs)
    return np.cumsum(lost - best), online.realised_bound(one.stream, outcome, system.grid, advice=one.advice, **given)


class Dependence(NamedTuple):
    """What happens on a stream whose distribution never changes, but whose neighbours are not independent."""

    deviation: float  # root mean square distance of the windows' losses from the expected loss
    outside: float  # share of windows farther from it than Hoeffding's interval for independent inputs
    alarms: dict[str, int]  # detector -> alarms on r, all of them false
    regret: float  # of the experts against the best two thresholds in hindsight, per input
    bound: float  # on it, from what happened, per input


def dependent(
    system: TunedSystem, *, stay: float, length: int, width: int, costs: Costs, advice: Advice, seed: int
) -> Dependence:
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
        `Dependence`.

    Raises:
        ValueError: if stay or the width is out of range.
    """
    course = streams.lingering(drift.course_of(system.tables, None, length=length, seed=seed), stay=stay, seed=seed)
    one = game(system, course, costs=costs, advice=advice, seed=seed)
    apart = in_windows(loss_by_example(one.stream, costs=costs), width) - system_loss(
        system.tables["clean"], costs=costs
    )
    reach = max(1.0, costs.c1 + costs.ce) * math.sqrt(math.log(2 / 0.05) / (2 * width))
    listen = partial(detectors.listen, one.stream, system.tables["validation"], signal="r", seed=seed)
    played = one.outcomes({"experts": online.experts(system.grid, costs=costs, advice=advice)})
    regret, bound = regret_of_experts(system, one, played["experts"])
    return Dependence(
        deviation=math.sqrt(average(apart**2)),
        outside=average(np.abs(apart) > reach),
        alarms={name: len(listen(detector=name)) for name in detectors.DETECTORS},
        regret=float(regret[-1]) / length,
        bound=float(bound[-1]) / length,
    )


def average(values: np.ndarray) -> float:
    """Of one value per input, over a stretch of a stream.

    >>> average(np.array([True, False]))
    0.5
    """
    return float(in_windows(values, len(values))[0])
