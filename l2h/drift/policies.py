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
from l2h.losses.surrogate import generalized_zero_one_loss
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
    chance: np.ndarray  # (k,) the probability with which each was asked
    asked: Predictions | None  # their k predictions and true labels, by the networks as they were; None while k = 0
    hidden: LastLayerInputs | None = (
        None  # r: (t + b, d_r) of all inputs so far and the batch; e: (k, d_e) of what was asked
    )


class Action(NamedTuple):
    """What a policy decides for a batch."""

    chance: np.ndarray  # (b,) probability to ask about each input
    server: float = 0.0  # the server answers +1 where e >= this
    label: bool = True  # whether true labels are ordered for what is asked
    layer: np.ndarray | None = None  # (d_e + 1,) with which the server answers in place of its last layer


Policy = Callable[[Observation, np.ndarray], Action]  # sees the past and the batch's r


class EpisodeResult(NamedTuple):
    """What a policy did, and what that cost."""

    loss: np.ndarray  # (T,) generalized 0-1 loss of each input, questions of all kinds paid for
    asked: np.ndarray  # (T,) whether the server was asked
    labelled: np.ndarray  # (T,) whether its true label was ordered, too
    chance: np.ndarray  # (T,) the probability to be asked
    server: np.ndarray  # (T,) from which e on the server answers +1


def last_layer_output(hidden: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """What a last layer makes of activations (n, d): its weights come first, then its bias.

    >>> last_layer_output(np.array([[1.0, 2.0]]), np.array([3.0, 4.0, 5.0]))
    array([16.])
    """
    return hidden @ layer[:-1] + layer[-1]


def simulate(
    stream: Predictions,
    policy: Policy,
    *,
    costs: Costs,
    batch: int,
    delay: int,
    seed: int,
    hidden: LastLayerInputs | None = None,
    answers: bool = False,
) -> EpisodeResult:
    """Let a policy decide along a stream.

    Args:
        stream: predictions on T examples in the order of time; e and y are shown to the policy only where it asked.
        policy: what decides.
        costs: c1 and ce.
        batch: inputs that are decided together, >= 1.
        delay: labels of a batch are known this many batches after the next one comes, >= 0.
        seed: of the questions that are left to chance.
        hidden: the T activations of both networks, for policies that use them.
        answers: whether the policy is told the server's label of all that was asked, as the first server gives it, in
            place of the true labels that it orders; then none is ordered.

    Returns:
        What happened.

    Raises:
        ValueError: if the batch is below 1, the delay negative, a chance is no probability, or the server is given a
            layer without activations for it.
    """
    checks.at_least(1, batch=batch)
    checks.at_least(0, delay=delay)
    length = len(stream.r)
    # not of the seed alone, which drew the stream: the coins would choose among its images
    coin = np.random.default_rng([seed, 1]).random(length)
    chance, server = np.zeros((2, length))
    asked, labelled = np.zeros((2, length), dtype=bool)
    e, told = stream.e.copy(), replace(stream, y=server_label(stream.e)) if answers else stream
    for start in range(0, length, batch):
        now = slice(start, start + batch)
        known = np.flatnonzero((asked if answers else labelled)[: max(0, start - delay * batch)])
        choice = policy(_observe(told, now, known, chance, hidden), stream.r[now])
        checks.probabilities(chance=choice.chance)
        chance[now], server[now] = choice.chance, choice.server
        asked[now] = coin[now] < chance[now]
        labelled[now] = asked[now] & choice.label & (not answers)
        if choice.layer is not None:
            e[now] = last_layer_output(_require_activations(hidden).e[now], choice.layer)
    decided = np.where(asked, -1.0, 1.0)
    loss = generalized_zero_one_loss(decided, e - server, stream.m, stream.y, costs=costs)
    return EpisodeResult(loss, asked, labelled, chance, server)


def _observe(
    stream: Predictions, now: slice, known: np.ndarray, chance: np.ndarray, hidden: LastLayerInputs | None
) -> Observation:
    asked = _select(stream, known) if len(known) else None
    shown = LastLayerInputs(hidden.r[: now.stop], hidden.e[known]) if hidden else None
    return Observation(stream.r[: now.start], known, chance[known], asked, shown)


def _require_activations(hidden: LastLayerInputs | None) -> LastLayerInputs:
    if hidden is None:
        raise ValueError("expected activations for the server's new layer, got None")
    return hidden


def _select(predictions: Predictions, places: np.ndarray) -> Predictions:
    return Predictions(*(getattr(predictions, name)[places] for name in ("m", "r", "e", "y")))


def ask_probability(r: np.ndarray, threshold: float, explore: float = 0.0) -> np.ndarray:
    """The probability to ask: 1 where r <= threshold, and `explore` elsewhere.

    >>> ask_probability(np.array([-0.2, 0.3]), 0.0, explore=0.1)
    array([1. , 0.1])
    """
    return np.where(asks(r - threshold), 1.0, explore)


def fixed_policy(threshold: float = 0.0) -> Policy:
    """The threshold stays as it was."""
    return lambda seen, r: Action(ask_probability(r, threshold), label=False)


def budget_policy(rate: float, *, start: np.ndarray, memory: int) -> Policy:
    """The threshold follows the scores so that a given share is sent: no labels, and no idea what they would say.

    Args:
        rate: share to send, in [0, 1].
        start: (n,) held-out scores, which stand for the past at the start.
        memory: how many of the latest scores count, >= 1.

    Returns:
        The policy.

    Raises:
        ValueError: if the rate is outside [0, 1] or the memory below 1.
    """
    checks.probabilities(rate=rate)
    checks.at_least(1, memory=memory)

    def choose(seen: Observation, r: np.ndarray) -> Action:
        latest = np.concatenate([start, seen.r])[-memory:]
        return Action(ask_probability(r, float(np.quantile(latest, rate))), label=False)

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
    knots, place = np.unique(r, return_inverse=True)
    mass = np.bincount(place, weights=weight)
    share = np.bincount(place, weights=weight * wrong) / mass
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
        return fit_error_curve(asked.r, asked.m != asked.y, weight=weight).at

    return _reestimating_policy(logistic, costs, explore, memory)


ErrorCurveEstimator = Callable[[Predictions, np.ndarray], Callable[[np.ndarray], np.ndarray]]  # labels, weights -> p(r)


def _reestimating_policy(estimator: ErrorCurveEstimator, costs: Costs, explore: float, memory: int) -> Policy:
    checks.positive(explore=explore)
    checks.probabilities(explore=explore)
    checks.at_least(1, memory=memory)

    def choose(seen: Observation, r: np.ndarray) -> Action:
        recent = _recent_labels(seen, memory)
        if recent is None:
            return Action(ask_probability(r, 0.0, explore))
        asked, weight = recent
        return Action(_bayes_ask_probability(estimator(asked, weight)(r), asked, weight, costs, explore))

    return choose


def alarm_threshold_policy(alarms: np.ndarray, *, costs: Costs, burst: int, batch: int, what: str = "r") -> Policy:
    """Nothing happens until an alarm; then everything is asked for a while, and thresholds set anew from that.

    Args:
        alarms: (k,) rising steps, as `detectors.detector_alarms` gives them; of step t once its input was seen.
        costs: c1 and ce.
        burst: how many inputs are asked after an alarm, >= 1.
        batch: with which it is played: asking starts with the first batch after the alarm.
        what: whose threshold, a name in `ADAPTED_PARTS`.

    Returns:
        The policy.

    Raises:
        ValueError: if the burst or the batch is below 1, or `what` does not exist.
    """
    checks.one_of(ADAPTED_PARTS, what=what)
    return after_alarm_policy(alarms, partial(_retuned_policy, costs=costs, what=what), burst=burst, batch=batch)


def after_alarm_policy(alarms: np.ndarray, anew: Callable[[Observation], Policy], *, burst: int, batch: int) -> Policy:
    """Nothing happens until an alarm; then everything is asked for a while, and what was learned from that rules.

    Args:
        alarms: (k,) rising steps, as in `alarm_threshold_policy`.
        anew: gets a burst, as if nothing else had ever been asked, once its labels have come; gives the policy from
            then on, until another burst. The same burst gives the same policy.
        burst: how many inputs are asked after an alarm, >= 1.
        batch: with which it is played.

    Returns:
        The policy.

    Raises:
        ValueError: if the burst or the batch is below 1.
    """
    checks.at_least(1, burst=burst, batch=batch)
    learned: dict[bytes, Policy] = {}  # a burst stays the latest for many batches
    begins = (alarms // batch + 1) * batch  # (k,)

    def choose(seen: Observation, r: np.ndarray) -> Action:
        past = begins[begins <= len(seen.r)]
        if len(past) and len(seen.r) < past[-1] + burst:
            return Action(np.ones(len(r)))
        for begin in past[::-1]:  # the latest whose labels have come
            if (seen.step >= begin).sum() >= burst:
                told = _burst_observation(seen, np.flatnonzero(seen.step >= begin)[:burst])
                name = b"".join(one.tobytes() for one in (told.step, *vars(told.asked).values()))
                if name not in learned:
                    learned[name] = anew(told)
                return learned[name](seen, r)
        return Action(ask_probability(r, 0.0), label=False)

    return choose


def _burst_observation(seen: Observation, fresh: np.ndarray) -> Observation:
    assert seen.asked is not None
    step = seen.step[fresh]
    hidden = LastLayerInputs(seen.hidden.r[step], seen.hidden.e[fresh]) if seen.hidden else None
    return Observation(seen.r[step], step, seen.chance[fresh], _select(seen.asked, fresh), hidden)


def _retuned_policy(burst: Observation, *, costs: Costs, what: str) -> Policy:
    asked = burst.asked
    assert asked is not None
    cut = 0.0 if what == "r" else _server_threshold(asked)
    threshold = 0.0 if what == "e" else min_loss_threshold(replace(asked, e=asked.e - cut), costs=costs)
    return lambda seen, r: Action(ask_probability(r, threshold), cut, label=False)


def _server_threshold(asked: Predictions) -> float:
    """Where the fitted probability of label +1 passes one half; 0 where e says nothing about y, or the reverse."""
    curve = fit_error_curve(asked.e, asked.y == 1)
    inside = -curve.intercept / curve.slope if curve.slope > 1e-6 else 0.0
    return float(np.clip(inside, asked.e.min(), asked.e.max()))


def _recent_labels(seen: Observation, memory: int) -> tuple[Predictions, np.ndarray] | None:
    """The labels of the latest inputs with their weights, or None where they are too few."""
    fresh = np.flatnonzero(seen.step >= len(seen.r) - memory)
    if seen.asked is None or len(fresh) < MIN_LABELS:
        return None
    return _select(seen.asked, fresh), 1 / seen.chance[fresh]


def _bayes_ask_probability(
    p: np.ndarray, asked: Predictions, weight: np.ndarray, costs: Costs, explore: float
) -> np.ndarray:
    """Ask where p exceeds the server's price, at its weighted error rate."""
    server_error = float(weight @ (server_label(asked.e) != asked.y) / weight.sum())
    return np.where(p >= costs.ce + costs.c1 * server_error, 1.0, explore)
