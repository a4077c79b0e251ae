r"""Prediction with expert advice over thresholds, with the feedback that there is: labels of what was asked.

Each expert is a threshold on r. The device asks with the probability that the experts' weight gives to asking, and
with probability gamma in any case. Where it asked, the label tells the loss of every expert; divided by the
probability of asking, that is an unbiased estimate whatever happens elsewhere.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from l2h import checks, remedies
from l2h.drift import along, losses_at
from l2h.evaluate import offload_rate
from l2h.problem import Costs, Predictions, asks, server_label
from l2h.refit import Layers, last_layers
from l2h.remedies import SET_ANEW, Choice, Outcome, Policy, Seen, play
from l2h.shift_bounds import Advice, label_weights, price_of_experts
from l2h.streams import device_plan, draw

FROM_ANSWERS = ", from answers"
BURST = 200  # inputs that are asked and labelled after an alarm


def excess_losses(predictions: Predictions, thresholds: np.ndarray, *, costs: Costs) -> np.ndarray:
    r"""What each threshold loses on each example beyond the better of its two actions.

    .. math:: g_{t,k} = \ell_{t,k} - \min(\text{keep}_t, \text{ask}_t) \in [0, \max(1 - c_e, c_1 + c_e)]

    Args:
        predictions: on T examples.
        thresholds: (N,) rising; r <= threshold asks.
        costs: c1 and ce.

    Returns:
        (T, N) excesses.

    >>> p = Predictions(m=np.array([1]), r=np.array([0.5]), e=np.array([1.0]), y=np.array([-1]))
    >>> excess_losses(p, np.array([0.0, 1.0]), costs=Costs(c1=1.0, ce=0.25))
    array([[0.  , 0.25]])
    """
    keep, ask = actions(predictions, costs=costs)
    asking = asks(predictions.r[:, None] - thresholds)  # (T, N)
    best = np.minimum(keep, ask)[:, None]
    return np.where(asking, ask[:, None], keep[:, None]) - best


def actions(predictions: Predictions, *, costs: Costs) -> tuple[np.ndarray, np.ndarray]:
    """What keeping and what asking would cost on each example, (T,) each."""
    keep = (predictions.m != predictions.y).astype(float)
    return keep, costs.ce + costs.c1 * (server_label(predictions.e) != predictions.y)


def experts(thresholds: np.ndarray, *, costs: Costs, advice: Advice) -> Policy:
    r"""Exponential weights over thresholds on estimated losses, with a share spread evenly after every batch.

    .. math:: w_k \leftarrow (1 - \sigma) \frac{w_k e^{-\eta \sum_t \hat{g}_{t,k}}}{\sum_j w_j e^{-\eta \sum_t
        \hat{g}_{t,j}}} + \frac{\sigma}{N}, \quad \hat{g}_{t,k} = \frac{1[\text{asked}]}{q_t} g_{t,k}, \quad
        q_t = \gamma + (1 - \gamma) \sum_{k: r_t \leq \theta_k} w_k

    Args:
        thresholds: (N,) rising thresholds on r.
        costs: c1 and ce.
        advice: settings; the batch and the delay are those with which it is played.

    Returns:
        A policy for `remedies.play`.

    Raises:
        ValueError: if a setting is out of range.

    Source: fixed share (Herbster and Warmuth 1998) on importance-weighted losses (Auer et al. 2002), where labels have
    to be asked for (Cesa-Bianchi, Lugosi and Stoltz 2005).
    """
    checks.positive(eta=advice.eta, gamma=advice.gamma)
    checks.probabilities(gamma=advice.gamma, sigma=advice.sigma)
    even = np.full(len(thresholds), 1 / len(thresholds))
    learned, weights = 0, even  # from the labels of how many batches

    def choose(seen: Seen, r: np.ndarray) -> Choice:
        nonlocal learned, weights
        batches = max(0, len(seen.r) // advice.batch - advice.delay)
        if batches < learned:  # another game begins
            learned, weights = 0, even
        weights = _weights(_estimated(seen, thresholds, costs, advice, learned, batches), advice, weights)[-1]
        learned = batches
        return Choice(advice.gamma + (1 - advice.gamma) * (asks(r[:, None] - thresholds) @ weights))

    return choose


def _estimated(
    seen: Seen, thresholds: np.ndarray, costs: Costs, advice: Advice, first: int, batches: int
) -> np.ndarray:
    """Estimated losses per batch from the first one on, (J - first, N)."""
    total = np.zeros((batches - first, len(thresholds)))
    since = int(np.searchsorted(seen.step, first * advice.batch))
    if seen.asked is not None and since < len(seen.step):
        fresh = Predictions(*(getattr(seen.asked, name)[since:] for name in ("m", "r", "e", "y")))
        estimates = excess_losses(fresh, thresholds, costs=costs) / seen.chance[since:, None]
        np.add.at(total, seen.step[since:] // advice.batch - first, estimates)
    return total


def _weights(estimated: np.ndarray, advice: Advice, start: np.ndarray) -> np.ndarray:
    """The weights before each batch and after the last, (J + 1, N)."""
    batches, number = estimated.shape
    weights = np.tile(start, (batches + 1, 1))
    for j, losses in enumerate(estimated):
        moved = weights[j] * np.exp(-advice.eta * (losses - losses.min()))
        weights[j + 1] = (1 - advice.sigma) * moved / moved.sum() + advice.sigma / number
    return weights


def expected_loss(stream: Predictions, outcome: Outcome, *, costs: Costs) -> np.ndarray:
    """The loss of each input before the coin of asking is tossed, (T,), of a policy that leaves the server as it is."""
    keep, ask = actions(stream, costs=costs)
    return outcome.chance * ask + (1 - outcome.chance) * keep


def contenders(
    held_out: Predictions,
    alarms: np.ndarray,
    *,
    change: int,
    costs: Costs,
    advice: Advice,
    thresholds: np.ndarray,
    layers: Layers,
) -> dict[str, Policy]:
    """All remedies with the settings of chapter 09, by name; none of them knows the change, but "change known".

    Those whose name ends in `FROM_ANSWERS` are the same as without, and are to be played with answers for labels.

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
    ask: dict[str, Any] = {"burst": BURST, "batch": advice.batch}
    estimates = {"re-estimated": remedies.reestimated(**labels), "recalibrated": remedies.recalibrated(**labels)}
    return {
        "fixed": remedies.fixed(),
        "budget": remedies.budget(offload_rate(held_out), start=held_out.r, memory=500),
        **{name + end: policy for name, policy in estimates.items() for end in ("", FROM_ANSWERS)},
        "experts": experts(thresholds, costs=costs, advice=advice),
        **triggered(alarms, costs=costs, layers=layers, **ask),
        "change known": remedies.on_alarm(np.array([change - 1]), costs=costs, what="r and e", **ask),
    }


def triggered(alarms: np.ndarray, *, costs: Costs, layers: Layers, burst: int, batch: int) -> dict[str, Policy]:
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
    moved = {f"alarm {w}": remedies.on_alarm(alarms, costs=costs, what=w, burst=burst, batch=batch) for w in SET_ANEW}
    refits = last_layers(layers, costs=costs)
    anew = {f"alarm {w}, refitted": remedies.after_alarm(alarms, refits[w], burst=burst, batch=batch) for w in refits}
    return {name: policy for one in zip(moved.items(), anew.items(), strict=True) for name, policy in one}


def best_sequence(
    stream: Predictions, thresholds: np.ndarray, *, costs: Costs, batch: int, switches: int
) -> np.ndarray:
    """The losses of the best thresholds in hindsight that change at most S times, between batches: (T,).

    Args:
        stream: predictions on T examples in the order of time.
        thresholds: (N,) on r.
        costs: c1 and ce.
        batch: inputs per batch, between which it may change.
        switches: S >= 0.

    Returns:
        The loss of each input.

    Raises:
        ValueError: if the batch is below 1 or S negative.
    """
    checks.at_least(1, batch=batch)
    checks.at_least(0, switches=switches)
    keep, ask = actions(stream, costs=costs)
    losses = np.where(asks(stream.r[:, None] - thresholds), ask[:, None], keep[:, None])  # (T, N)
    starts = np.arange(0, len(losses), batch)
    chosen = _cheapest_path(np.add.reduceat(losses, starts), switches)
    return losses[np.arange(len(losses)), chosen[np.arange(len(losses)) // batch]]


def _cheapest_path(losses: np.ndarray, switches: int) -> np.ndarray:
    """Which of N columns to be in at each of J rows, with at most S changes: dynamic programming, (J,)."""
    rows, columns = losses.shape
    cost = np.full((switches + 1, columns), np.inf)
    cost[0] = losses[0]
    came = np.zeros((rows, switches + 1, columns), dtype=int)  # the column before; -1 - k marks a change from k
    for j in range(1, rows):
        cheapest = cost.argmin(axis=1)
        stay, move = cost.copy(), np.full_like(cost, np.inf)
        move[1:] = cost[np.arange(switches), cheapest[:-1]][:, None]
        came[j] = np.where(move < stay, -1 - np.append(0, cheapest[:-1])[:, None], np.arange(columns))
        cost = np.minimum(stay, move) + losses[j]
    used, column = np.unravel_index(cost.argmin(), cost.shape)
    path = np.zeros(rows, dtype=int)
    for j in range(rows - 1, -1, -1):
        path[j] = column
        before = came[j, used, column] if j else column
        used, column = (used - 1, -1 - before) if before < 0 else (used, before)
    return path


def realised_bound(
    stream: Predictions,
    outcome: Outcome,
    thresholds: np.ndarray,
    *,
    costs: Costs,
    advice: Advice,
    switches: int,
) -> np.ndarray:
    r"""The bound on the expected regret with what happened in place of the worst case, summed up to each step.

    .. math:: \frac{C}{\eta} + \sum_t \Big[\frac{\eta}{2} \sum_k \frac{v_{t,k} g_{t,k}^2}{q_t}
        + \Delta_t \Big(\sigma d + \eta \sum_{s = t - D}^{t - 1} \sum_k v_{s,k} g_{s,k}\Big)
        + \gamma (\text{ask}_t - \text{keep}_t)_+\Big]

    with v the weights that all labels up to the step would give, and Delta = |keep - ask|. Its mean over the coins
    bounds the expected regret; it needs every label, so that it can be stated in hindsight only.

    Args:
        stream: predictions on T examples in the order of time.
        outcome: of `experts` on it.
        thresholds: the experts.
        costs: c1 and ce.
        advice: settings with which it was played.
        switches: S of the comparison.

    Returns:
        (T,) the bound up to and including each step.
    """
    keep, ask = actions(stream, costs=costs)
    excess = excess_losses(stream, thresholds, costs=costs)  # (T, N)
    shadow = _shadow(excess * (outcome.asked / outcome.chance)[:, None], advice)  # (T, N)
    spread = (shadow * excess**2).sum(axis=1) / outcome.chance
    lost = np.concatenate([[0.0], np.cumsum((shadow * excess).sum(axis=1))])
    steps = np.arange(len(keep))
    late = lost[steps] - lost[np.maximum(0, steps - advice.steps_late)]
    per_step = advice.eta / 2 * spread
    per_step += np.abs(keep - ask) * (advice.sigma * advice.delay + advice.eta * late)
    per_step += advice.gamma * np.maximum(0, ask - keep)
    batches = -(-len(keep) // advice.batch)
    price = price_of_experts(len(thresholds), batches=batches, switches=switches, sigma=advice.sigma)
    return price / advice.eta + np.cumsum(per_step)


def _shadow(estimates: np.ndarray, advice: Advice) -> np.ndarray:
    """The weights before each step if every label came at once, (T, N)."""
    length = len(estimates)
    starts = np.arange(0, length, advice.batch)
    even = np.full(estimates.shape[1], 1 / estimates.shape[1])
    before = _weights(np.add.reduceat(estimates, starts), advice, even)
    shadow = np.empty_like(estimates)
    for j, start in enumerate(starts):
        now = slice(start, min(length, start + advice.batch))
        so_far = np.cumsum(estimates[now], axis=0) - estimates[now]
        weight = before[j] * np.exp(-advice.eta * (so_far - so_far.min(axis=1, keepdims=True)))
        shadow[now] = weight / weight.sum(axis=1, keepdims=True)
    return shadow


def on_devices(
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
        tables: "clean" and "validation", at least, as `drift.tuned` gives them.
        positive: (d,) shares of label +1 on the devices.
        length: inputs per device, >= 1.
        thresholds: (N,) among which a device chooses where it knows its share.
        costs: c1 and ce.
        seed: of the streams.

    Returns:
        (d,) mean losses of the threshold as it is ("fixed"), of one that follows the scores ("budget"), and of the
        best one on validation images weighted to the device's share ("weighted").
    """
    held_out, losses = tables["validation"], losses_at(tables["validation"], thresholds, costs=costs)
    share = (held_out.y == 1).sum() / len(held_out.y)
    labels = {where: table.y for where, table in tables.items()}
    found: dict[str, list[float]] = {}
    for place, one in enumerate(positive):
        course = draw(device_plan(float(one), length=length), labels, seed=seed + place)
        weights = label_weights([1 - share, share], [1 - one, one])[(held_out.y + 1) // 2]
        policies = {
            "fixed": remedies.fixed(),
            "budget": remedies.budget(offload_rate(held_out), start=held_out.r, memory=500),
            "weighted": remedies.fixed(float(thresholds[np.argmin(losses @ weights)])),
        }
        for name, policy in policies.items():
            outcome = play(along(tables, course), policy, costs=costs, batch=25, delay=0, seed=seed)
            found.setdefault(name, []).append(float(outcome.loss.sum()) / length)
    return {name: np.array(several) for name, several in found.items()}
