"""Remedies for a changing stream, each played under the feedback that a deployed system really gets.

Inputs come in batches. When a batch comes, a policy sees the scores r of all inputs so far, and the server's answers
and true labels of those inputs that were asked and whose labels it ordered, of batches that lie long enough back. Of an
input that was kept it never learns anything but r, and what the device itself computed on the way to r. Whoever wants
to know more has to ask, and pays for it. A device that nobody tells a true label has the server's answers in their
place.
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

ADAPTED_PARTS = ("r", "e", "r and e")  # what an alarm can be the occasion for
MIN_LABELS = 30  # labels before a policy trusts what they say


class LastLayerInputs(NamedTuple):
    """What the last layers of the rejector and the server read: activations."""

    r: np.ndarray  # (T, d_r) on the device
    e: np.ndarray  # (T, d_e) at the server


class Observation(NamedTuple):
    """What a policy may look at when a batch comes."""

    r: np.ndarray  # (t,) scores of all inputs so far
    step: np.ndarray  # (k,) rising: of which of these labels have come
    propensity: np.ndarray  # (k,) the probability with which each was asked
    asked: Predictions | None  # their k predictions and true labels, by the networks as they were; None while k = 0
    activations: LastLayerInputs | None = (
        None  # r: (t + b, d_r) of all inputs so far and the batch; e: (k, d_e) of what was asked
    )


class Action(NamedTuple):
    """What a policy decides for a batch."""

    propensity: np.ndarray  # (b,) probability to ask about each input
    server_threshold: float = 0.0  # the server answers +1 where e >= this
    order_label: bool = True  # whether true labels are ordered for what is asked
    server_layer: np.ndarray | None = None  # (d_e + 1,) with which the server answers in place of its last layer


Policy = Callable[[Observation, np.ndarray], Action]  # sees the past and the batch's r


class EpisodeResult(NamedTuple):
    """What a policy did, and what that cost."""

    loss: np.ndarray  # (T,) generalized 0-1 loss of each input, questions of all kinds paid for
    asked: np.ndarray  # (T,) whether the server was asked
    labelled: np.ndarray  # (T,) whether its true label was ordered, too
    propensity: np.ndarray  # (T,) the probability to be asked
    server_threshold: np.ndarray  # (T,) from which e on the server answers +1


def last_layer_output(activations: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """What a last layer makes of activations (n, d): its weights come first, then its bias.

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
    """Let a policy decide along a stream.

    Args:
        predictions: predictions on T examples in the order of time; e and y are shown to the policy only where it asked.
        policy: what decides.
        costs: c1 and ce.
        batch: inputs that are decided together, >= 1.
        delay: labels of a batch are known this many batches after the next one comes, >= 0.
        seed: of the questions that are left to chance.
        activations: the T activations of both networks, for policies that use them.
        pseudo_labels: whether the policy is told the server's label of all that was asked, as the first server gives it, in
            place of the true labels that it orders; then none is ordered.

    Returns:
        What happened.

    Raises:
        ValueError: if the batch is below 1, the delay negative, a chance is no probability, or the server is given a
            layer without activations for it.
    """
    checks.at_least(1, batch=batch)
    checks.at_least(0, delay=delay)
    length = len(predictions.r)
    # not of the seed alone, which drew the stream: the coins would choose among its images
    coin = np.random.default_rng([seed, 1]).random(length)
    propensity, server = np.zeros((2, length))
    asked, labelled = np.zeros((2, length), dtype=bool)
    e, shown = (
        predictions.e.copy(),
        replace(predictions, y=server_label(predictions.e)) if pseudo_labels else predictions,
    )
    for start in range(0, length, batch):
        current = slice(start, start + batch)
        labelled_steps = np.flatnonzero((asked if pseudo_labels else labelled)[: max(0, start - delay * batch)])
        action = policy(_observe(shown, current, labelled_steps, propensity, activations), predictions.r[current])
        checks.probabilities(chance=action.propensity)
        propensity[current], server[current] = action.propensity, action.server_threshold
        asked[current] = coin[current] < propensity[current]
        labelled[current] = asked[current] & action.order_label & (not pseudo_labels)
        if action.server_layer is not None:
            e[current] = last_layer_output(_require_activations(activations).e[current], action.server_layer)
    decided = np.where(asked, -1.0, 1.0)
    loss = generalized_zero_one_loss(decided, e - server, predictions.m, predictions.y, costs=costs)
    return EpisodeResult(loss, asked, labelled, propensity, server)


def _observe(
    predictions: Predictions,
    current: slice,
    labelled_steps: np.ndarray,
    propensity: np.ndarray,
    activations: LastLayerInputs | None,
) -> Observation:
    asked = _select(predictions, labelled_steps) if len(labelled_steps) else None
    seen_activations = (
        LastLayerInputs(activations.r[: current.stop], activations.e[labelled_steps]) if activations else None
    )
    return Observation(
        predictions.r[: current.start], labelled_steps, propensity[labelled_steps], asked, seen_activations
    )


def _require_activations(activations: LastLayerInputs | None) -> LastLayerInputs:
    if activations is None:
        raise ValueError("expected activations for the server's new layer, got None")
    return activations


def _select(predictions: Predictions, indices: np.ndarray) -> Predictions:
    return Predictions(*(getattr(predictions, name)[indices] for name in ("m", "r", "e", "y")))


def ask_probability(r: np.ndarray, threshold: float, explore: float = 0.0) -> np.ndarray:
    """The probability to ask: 1 where r <= threshold, and `explore` elsewhere.

    >>> ask_probability(np.array([-0.2, 0.3]), 0.0, explore=0.1)
    array([1. , 0.1])
    """
    return np.where(asks(r - threshold), 1.0, explore)


def fixed_policy(threshold: float = 0.0) -> Policy:
    """The threshold stays as it was."""
    return lambda observation, r: Action(ask_probability(r, threshold), order_label=False)


def budget_policy(target_rate: float, *, initial_scores: np.ndarray, memory: int) -> Policy:
    """The threshold follows the scores so that a given share is sent: no labels, and no idea what they would say.

    Args:
        target_rate: share to send, in [0, 1].
        initial_scores: (n,) held-out scores, which stand for the past at the start.
        memory: how many of the latest scores count, >= 1.

    Returns:
        The policy.

    Raises:
        ValueError: if the rate is outside [0, 1] or the memory below 1.
    """
    checks.probabilities(rate=target_rate)
    checks.at_least(1, memory=memory)

    def choose(observation: Observation, r: np.ndarray) -> Action:
        latest = np.concatenate([initial_scores, observation.r])[-memory:]
        return Action(ask_probability(r, float(np.quantile(latest, target_rate))), order_label=False)

    return choose


def isotonic_policy(*, costs: Costs, explore: float, memory: int) -> Policy:
    """p(x) is estimated anew from delayed labels, as a falling function of r, and the Bayes rule applied to it.

    Until enough labels have come, and where all say the same, the system decides as it did.

    Args:
        costs: c1 and ce.
        explore: probability in (0, 1] to ask about an input that would be kept; their labels count 1 / explore times.
        memory: labels of how many of the latest inputs count, >= 1.

    Returns:
        The policy.

    Raises:
        ValueError: if a number is out of range.
    """

    def falling(asked: Predictions, weight: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        knots = isotonic_error_curve(asked.r, asked.m != asked.y, weight)
        return lambda r: np.interp(r, *knots)

    return _reestimating_policy(falling, costs, explore, memory)


class Knots(NamedTuple):
    """A function that is straight between its knots and constant beyond them, as `numpy.interp` takes it."""

    xp: np.ndarray  # (k,) rising
    fp: np.ndarray  # (k,) values there


def isotonic_error_curve(r: np.ndarray, wrong: np.ndarray, weight: np.ndarray) -> Knots:
    """The error probability as a falling function of r, by least squares.

    Args:
        r: (n,) scores, n >= 1; equal ones share a knot.
        wrong: (n,) whether the client was wrong.
        weight: (n,) weights > 0.

    Returns:
        The function. scikit-learn's has the same values, and takes several times as long over a few hundred.

    >>> isotonic_error_curve(np.array([2.0, 1.0, 1.0, 0.0]), np.array([0, 1, 0, 0]), np.ones(4)).fp.round(2)
    array([0.33, 0.33, 0.  ])
    """
    knots, knot_index = np.unique(r, return_inverse=True)
    mass = np.bincount(knot_index, weights=weight)
    share = np.bincount(knot_index, weights=weight * wrong) / mass
    return Knots(knots, isotonic_regression(share, weights=mass, increasing=False).x)


def logistic_policy(*, costs: Costs, explore: float, memory: int) -> Policy:
    """As `isotonic_policy`, but p is a logistic function of r: two numbers are fitted, and little data goes further.

    Args:
        costs: c1 and ce.
        explore: probability in (0, 1] to ask about an input that would be kept.
        memory: labels of how many of the latest inputs count, >= 1.

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
    """Nothing happens until an alarm; then everything is asked for a while, and thresholds set anew from that.

    Args:
        alarms: (k,) rising steps, as `detectors.detector_alarms` gives them; of step t once its input was seen.
        costs: c1 and ce.
        label_burst: how many inputs are asked after an alarm, >= 1.
        batch: with which it is played: asking starts with the first batch after the alarm.
        adapted_part: whose threshold, a name in `ADAPTED_PARTS`.

    Returns:
        The policy.

    Raises:
        ValueError: if the burst or the batch is below 1, or `adapted_part` does not exist.
    """
    checks.one_of(ADAPTED_PARTS, what=adapted_part)
    return after_alarm_policy(
        alarms, partial(_retuned_policy, costs=costs, adapted_part=adapted_part), label_burst=label_burst, batch=batch
    )


def after_alarm_policy(
    alarms: np.ndarray, build_policy: Callable[[Observation], Policy], *, label_burst: int, batch: int
) -> Policy:
    """Nothing happens until an alarm; then everything is asked for a while, and what was learned from that rules.

    Args:
        alarms: (k,) rising steps, as in `alarm_threshold_policy`.
        build_policy: gets a burst, as if nothing else had ever been asked, once its labels have come; gives the policy from
            then on, until another burst. The same burst gives the same policy.
        label_burst: how many inputs are asked after an alarm, >= 1.
        batch: with which it is played.

    Returns:
        The policy.

    Raises:
        ValueError: if the burst or the batch is below 1.
    """
    checks.at_least(1, burst=label_burst, batch=batch)
    learned: dict[bytes, Policy] = {}  # a burst stays the latest for many batches
    begins = (alarms // batch + 1) * batch  # (k,)

    def choose(observation: Observation, r: np.ndarray) -> Action:
        past = begins[begins <= len(observation.r)]
        if len(past) and len(observation.r) < past[-1] + label_burst:
            return Action(np.ones(len(r)))
        for begin in past[::-1]:  # the latest whose labels have come
            if (observation.step >= begin).sum() >= label_burst:
                burst_observation = _burst_observation(
                    observation, np.flatnonzero(observation.step >= begin)[:label_burst]
                )
                key = b"".join(
                    array.tobytes() for array in (burst_observation.step, *vars(burst_observation.asked).values())
                )
                if key not in learned:
                    learned[key] = build_policy(burst_observation)
                return learned[key](observation, r)
        return Action(ask_probability(r, 0.0), order_label=False)

    return choose


def _burst_observation(observation: Observation, indices: np.ndarray) -> Observation:
    assert observation.asked is not None
    step = observation.step[indices]
    hidden = (
        LastLayerInputs(observation.activations.r[step], observation.activations.e[indices])
        if observation.activations
        else None
    )
    return Observation(
        observation.r[step], step, observation.propensity[indices], _select(observation.asked, indices), hidden
    )


def _retuned_policy(burst_observation: Observation, *, costs: Costs, adapted_part: str) -> Policy:
    asked = burst_observation.asked
    assert asked is not None
    cut = 0.0 if adapted_part == "r" else _server_threshold(asked)
    threshold = 0.0 if adapted_part == "e" else min_loss_threshold(replace(asked, e=asked.e - cut), costs=costs)
    return lambda observation, r: Action(ask_probability(r, threshold), cut, order_label=False)


def _server_threshold(asked: Predictions) -> float:
    """Where the fitted probability of label +1 passes one half; 0 where e says nothing about y, or the reverse."""
    curve = fit_error_curve(asked.e, asked.y == 1)
    inside = -curve.intercept / curve.slope if curve.slope > 1e-6 else 0.0
    return float(np.clip(inside, asked.e.min(), asked.e.max()))


def _recent_labels(observation: Observation, memory: int) -> tuple[Predictions, np.ndarray] | None:
    """The labels of the latest inputs with their weights, or None where they are too few."""
    indices = np.flatnonzero(observation.step >= len(observation.r) - memory)
    if observation.asked is None or len(indices) < MIN_LABELS:
        return None
    return _select(observation.asked, indices), 1 / observation.propensity[indices]


def _bayes_ask_probability(
    p: np.ndarray, asked: Predictions, weight: np.ndarray, costs: Costs, explore: float
) -> np.ndarray:
    """Ask where p exceeds the server's price, at its weighted error rate."""
    server_error = float(weight @ (server_label(asked.e) != asked.y) / weight.sum())
    return np.where(p >= costs.ce + costs.c1 * server_error, 1.0, explore)
