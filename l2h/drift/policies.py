"""Adaptation policies for a changing stream, simulated with the feedback of a deployed system.

Inputs arrive in batches. For each batch a policy observes the scores r of all earlier inputs. For the inputs that were
asked and whose true labels it ordered, it also observes the server's scores and the labels, after a delay. For a kept
input it observes only r and the activations that the device computed for r. Each offload costs ce. Without true labels,
a policy can use the server's labels as pseudo-labels.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression

from l2h import checks
from l2h.drift.monitoring import fit_error_curve
from l2h.evaluation.thresholds import min_loss_threshold
from l2h.losses.zero_one import generalized_zero_one_loss
from l2h.problem import Costs, Predictions, asks, server_label

ADAPTED_PARTS = ("r", "e", "r and e")  # what a policy adapts after an alarm
MIN_LABELS = 30  # fewest labels from which a policy estimates anything


class LastLayerInputs(NamedTuple):
    """Activations: the inputs of the last layers of the rejector and the server."""

    r: np.ndarray  # (T, d_r) on the device
    e: np.ndarray  # (T, d_e) at the server


class Observation(NamedTuple):
    """What a policy observes before it decides for a batch of b inputs."""

    r: np.ndarray  # (t,) scores of all earlier inputs
    step: np.ndarray  # (k,) rising steps of the inputs whose labels have arrived
    propensity: np.ndarray  # (k,) probability with which each of them was asked
    asked: Predictions | None  # their predictions by the original networks, with labels; None while k = 0
    # r: (t + b, d_r) of all earlier inputs and the batch; e: (k, d_e) of the inputs whose labels have arrived
    activations: LastLayerInputs | None = None


class Action(NamedTuple):
    """The decision of a policy for a batch of b inputs."""

    propensity: np.ndarray  # (b,) probability of asking for each input
    server_threshold: float = 0.0  # the server's label is +1 if e is at least this
    order_label: bool = True  # whether true labels are ordered for the asked inputs
    server_layer: np.ndarray | None = None  # (d_e + 1,) weights and bias that replace the server's last layer


Policy = Callable[[Observation, np.ndarray], Action]  # from the observation and the scores r of the batch


class EpisodeResult(NamedTuple):
    """Result of a simulation, one value per input."""

    loss: np.ndarray  # (T,) generalized 0-1 loss, ce of every offload included
    asked: np.ndarray  # (T,) whether the server was asked
    labelled: np.ndarray  # (T,) whether the true label was ordered
    propensity: np.ndarray  # (T,) probability of asking
    server_threshold: np.ndarray  # (T,) smallest e for which the server's label is +1


def last_layer_output(activations: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """Outputs (n,) of a last layer, weights then bias (d + 1,), for activations (n, d).

    >>> last_layer_output(np.array([[1.0, 2.0]]), np.array([3.0, 4.0, 5.0]))
    array([16.])
    """
    return activations @ layer[:-1] + layer[-1]


def simulate(
    predictions: Predictions,
    policy: Policy,
    *,
    costs: Costs,
    batch: int,
    delay: int,
    seed: int,
    activations: LastLayerInputs | None = None,
    pseudo_labels: bool = False,
) -> EpisodeResult:
    """Simulate a policy along a stream.

    Args:
        predictions: on T examples in the order of time; the policy observes e and y of asked inputs only.
        policy: decides which inputs are asked.
        costs: c1 and ce.
        batch: number of inputs that are decided together, >= 1.
        delay: the labels of a batch arrive this many batches after the start of the next one, >= 0.
        seed: of the random decisions.
        activations: of both networks on the T inputs, for policies that use them.
        pseudo_labels: whether the policy observes the label of the original server for every asked input instead of the
            true labels that it orders; then no true label is ordered.

    Returns:
        Loss and decision for each input.

    Raises:
        ValueError: if the batch is below 1, the delay is negative, a propensity is outside [0, 1], or the policy
            replaces the server's layer and there are no activations.
    """
    checks.at_least(1, batch=batch)
    checks.at_least(0, delay=delay)
    length = len(predictions.r)
    # The generator that drew the stream has the seed alone; this one must be independent of it.
    uniform = np.random.default_rng([seed, 1]).random(length)
    propensity, server = np.zeros((2, length))
    asked, labelled = np.zeros((2, length), dtype=bool)
    e, observable = (
        predictions.e.copy(),
        replace(predictions, y=server_label(predictions.e)) if pseudo_labels else predictions,
    )
    for start in range(0, length, batch):
        current = slice(start, start + batch)
        labelled_steps = np.flatnonzero((asked if pseudo_labels else labelled)[: max(0, start - delay * batch)])
        action = policy(_observe(observable, current, labelled_steps, propensity, activations), predictions.r[current])
        checks.probabilities(propensity=action.propensity)
        propensity[current], server[current] = action.propensity, action.server_threshold
        asked[current] = uniform[current] < propensity[current]
        labelled[current] = asked[current] & action.order_label & (not pseudo_labels)
        if action.server_layer is not None:
            e[current] = last_layer_output(_require_activations(activations).e[current], action.server_layer)
    decision_scores = np.where(asked, -1.0, 1.0)
    loss = generalized_zero_one_loss(decision_scores, e - server, predictions.m, predictions.y, costs=costs)
    return EpisodeResult(loss, asked, labelled, propensity, server)


def _observe(
    predictions: Predictions,
    current: slice,
    labelled_steps: np.ndarray,
    propensity: np.ndarray,
    activations: LastLayerInputs | None,
) -> Observation:
    asked = _select(predictions, labelled_steps) if len(labelled_steps) else None
    observed = LastLayerInputs(activations.r[: current.stop], activations.e[labelled_steps]) if activations else None
    return Observation(predictions.r[: current.start], labelled_steps, propensity[labelled_steps], asked, observed)


def _require_activations(activations: LastLayerInputs | None) -> LastLayerInputs:
    if activations is None:
        raise ValueError("expected activations for the server's new layer, got None")
    return activations


def _select(predictions: Predictions, indices: np.ndarray) -> Predictions:
    return Predictions(*(getattr(predictions, name)[indices] for name in ("m", "r", "e", "y")))


def ask_probability(r: np.ndarray, threshold: float, explore: float = 0.0) -> np.ndarray:
    """The probability of asking: 1 where r <= threshold, and `explore` elsewhere.

    >>> ask_probability(np.array([-0.2, 0.3]), 0.0, explore=0.1)
    array([1. , 0.1])
    """
    return np.where(asks(r - threshold), 1.0, explore)


def fixed_policy(threshold: float = 0.0) -> Policy:
    """A policy with a constant threshold."""
    return lambda observation, r: Action(ask_probability(r, threshold), order_label=False)


def budget_policy(target_rate: float, *, initial_scores: np.ndarray, memory: int) -> Policy:
    """A threshold that follows the scores so that the offload rate stays at a target; it needs no labels.

    Args:
        target_rate: offload rate, in [0, 1].
        initial_scores: (n,) held-out scores, used as the past at the start.
        memory: number of latest scores of which the threshold is a quantile, >= 1.

    Returns:
        The policy.

    Raises:
        ValueError: if the rate is outside [0, 1] or the memory is below 1.
    """
    checks.probabilities(target_rate=target_rate)
    checks.at_least(1, memory=memory)

    def choose(observation: Observation, r: np.ndarray) -> Action:
        latest = np.concatenate([initial_scores, observation.r])[-memory:]
        return Action(ask_probability(r, float(np.quantile(latest, target_rate))), order_label=False)

    return choose


def isotonic_policy(*, costs: Costs, explore: float, memory: int) -> Policy:
    """The Bayes rule with p(x) re-estimated from delayed labels as a decreasing function of r (isotonic regression).

    Until `MIN_LABELS` labels have arrived, the sign rule decides.

    Args:
        costs: c1 and ce.
        explore: probability in (0, 1] of asking an input that would be kept; its label has weight 1 / explore.
        memory: number of latest inputs whose labels are used, >= 1.

    Returns:
        The policy.

    Raises:
        ValueError: if a number is out of range.
    """

    def decreasing(asked: Predictions, weight: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        knots = isotonic_error_curve(asked.r, asked.m != asked.y, weight)
        return lambda r: np.interp(r, *knots)

    return _reestimating_policy(decreasing, costs, explore, memory)


class Knots(NamedTuple):
    """A piecewise linear function, constant outside its knots, as the arguments of `numpy.interp`."""

    xp: np.ndarray  # (k,) rising knots
    fp: np.ndarray  # (k,) values at the knots


def isotonic_error_curve(r: np.ndarray, wrong: np.ndarray, weight: np.ndarray) -> Knots:
    """The error probability as a decreasing function of r, by least squares.

    Args:
        r: (n,) scores, n >= 1; equal scores share a knot.
        wrong: (n,) whether the client was wrong.
        weight: (n,) weights > 0.

    Returns:
        The function; it equals scikit-learn's, which takes several times as long for a few hundred scores.

    >>> isotonic_error_curve(np.array([2.0, 1.0, 1.0, 0.0]), np.array([0, 1, 0, 0]), np.ones(4)).fp.round(2)
    array([0.33, 0.33, 0.  ])
    """
    knots, knot_index = np.unique(r, return_inverse=True)
    mass = np.bincount(knot_index, weights=weight)
    share = np.bincount(knot_index, weights=weight * wrong) / mass
    return Knots(knots, isotonic_regression(share, weights=mass, increasing=False).x)


def logistic_policy(*, costs: Costs, explore: float, memory: int) -> Policy:
    """As `isotonic_policy`, but p is a logistic function of r with two parameters, which needs fewer labels.

    Args:
        costs: c1 and ce.
        explore: probability in (0, 1] of asking an input that would be kept.
        memory: number of latest inputs whose labels are used, >= 1.

    Returns:
        The policy.

    Raises:
        ValueError: if a number is out of range.
    """

    def logistic(asked: Predictions, weight: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        return fit_error_curve(asked.r, asked.m != asked.y, weight=weight).probability

    return _reestimating_policy(logistic, costs, explore, memory)


ErrorCurveEstimator = Callable[[Predictions, np.ndarray], Callable[[np.ndarray], np.ndarray]]  # labels, weights -> p(r)


def _reestimating_policy(estimator: ErrorCurveEstimator, costs: Costs, explore: float, memory: int) -> Policy:
    checks.positive(explore=explore)
    checks.probabilities(explore=explore)
    checks.at_least(1, memory=memory)

    def choose(observation: Observation, r: np.ndarray) -> Action:
        recent = _recent_labels(observation, memory)
        if recent is None:
            return Action(ask_probability(r, 0.0, explore))
        asked, weight = recent
        return Action(_bayes_ask_probability(estimator(asked, weight)(r), asked, weight, costs, explore))

    return choose


def alarm_threshold_policy(
    alarms: np.ndarray, *, costs: Costs, label_burst: int, batch: int, adapted_part: str = "r"
) -> Policy:
    """After an alarm, ask all inputs for a while and re-tune thresholds on their labels.

    Args:
        alarms: (k,) rising steps, as from `detectors.detector_alarms`.
        costs: c1 and ce.
        label_burst: number of inputs that are asked after an alarm, >= 1.
        batch: batch size of the simulation; asking starts with the first batch after the alarm.
        adapted_part: a member of `ADAPTED_PARTS`: whose threshold is re-tuned.

    Returns:
        The policy.

    Raises:
        ValueError: if the burst or the batch is below 1, or `adapted_part` is unknown.
    """
    checks.one_of(ADAPTED_PARTS, adapted_part=adapted_part)
    return after_alarm_policy(
        alarms, partial(_retuned_policy, costs=costs, adapted_part=adapted_part), label_burst=label_burst, batch=batch
    )


def after_alarm_policy(
    alarms: np.ndarray, build_policy: Callable[[Observation], Policy], *, label_burst: int, batch: int
) -> Policy:
    """After an alarm, ask all inputs for a while; then follow a policy that is built from their labels.

    Before the labels of the first such burst have arrived, the sign rule decides.

    Args:
        alarms: (k,) rising steps, as in `alarm_threshold_policy`.
        build_policy: returns the policy to follow until the next burst. Its argument is an observation of the burst
            alone, once the labels have arrived. The result must depend on the burst only.
        label_burst: number of inputs that are asked after an alarm, >= 1.
        batch: batch size of the simulation.

    Returns:
        The policy.

    Raises:
        ValueError: if the burst or the batch is below 1.
    """
    checks.at_least(1, label_burst=label_burst, batch=batch)
    policies: dict[bytes, Policy] = {}  # a burst is the latest one for many batches
    starts = (alarms // batch + 1) * batch  # (k,)

    def choose(observation: Observation, r: np.ndarray) -> Action:
        past = starts[starts <= len(observation.r)]
        if len(past) and len(observation.r) < past[-1] + label_burst:
            return Action(np.ones(len(r)))
        for start in past[::-1]:  # the latest burst whose labels have arrived
            labelled = np.flatnonzero(observation.step >= start)
            if len(labelled) >= label_burst:
                burst_observation = _burst_observation(observation, labelled[:label_burst])
                key = b"".join(
                    array.tobytes() for array in (burst_observation.step, *vars(burst_observation.asked).values())
                )
                if key not in policies:
                    policies[key] = build_policy(burst_observation)
                return policies[key](observation, r)
        return Action(ask_probability(r, 0.0), order_label=False)

    return choose


def _burst_observation(observation: Observation, indices: np.ndarray) -> Observation:
    assert observation.asked is not None
    step = observation.step[indices]
    activations = (
        LastLayerInputs(observation.activations.r[step], observation.activations.e[indices])
        if observation.activations
        else None
    )
    return Observation(
        observation.r[step], step, observation.propensity[indices], _select(observation.asked, indices), activations
    )


def _retuned_policy(burst_observation: Observation, *, costs: Costs, adapted_part: str) -> Policy:
    asked = burst_observation.asked
    assert asked is not None
    server_threshold = 0.0 if adapted_part == "r" else _server_threshold(asked)
    with_server = replace(asked, e=asked.e - server_threshold)
    threshold = 0.0 if adapted_part == "e" else min_loss_threshold(with_server, costs=costs)
    return lambda observation, r: Action(ask_probability(r, threshold), server_threshold, order_label=False)


def _server_threshold(asked: Predictions) -> float:
    """Where the fitted probability of label +1 exceeds one half; 0 if it does not increase with e."""
    curve = fit_error_curve(asked.e, asked.y == 1)
    threshold = -curve.intercept / curve.slope if curve.slope > 1e-6 else 0.0
    return float(np.clip(threshold, asked.e.min(), asked.e.max()))


def _recent_labels(observation: Observation, memory: int) -> tuple[Predictions, np.ndarray] | None:
    """The labels of the latest inputs with their weights, or None if they are too few."""
    indices = np.flatnonzero(observation.step >= len(observation.r) - memory)
    if observation.asked is None or len(indices) < MIN_LABELS:
        return None
    return _select(observation.asked, indices), 1 / observation.propensity[indices]


def _bayes_ask_probability(
    p: np.ndarray, asked: Predictions, weight: np.ndarray, costs: Costs, explore: float
) -> np.ndarray:
    """1 where p exceeds the expected cost of asking at the server's weighted error rate, and `explore` elsewhere."""
    server_error = float(weight @ (server_label(asked.e) != asked.y) / weight.sum())
    return np.where(p >= costs.ce + costs.c1 * server_error, 1.0, explore)
