"""Prediction with expert advice over a stream: the fixed-share policy, its settings and its regret bound."""

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from l2h import checks
from l2h.drift.policies import Action, EpisodeResult, Observation, Policy
from l2h.problem import Costs, Predictions, asks, server_label


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
    keep, ask = keep_and_ask_losses(predictions, costs=costs)
    asking = asks(predictions.r[:, None] - thresholds)  # (T, N)
    best = np.minimum(keep, ask)[:, None]
    return np.where(asking, ask[:, None], keep[:, None]) - best


def keep_and_ask_losses(predictions: Predictions, *, costs: Costs) -> tuple[np.ndarray, np.ndarray]:
    """What keeping and what asking would cost on each example, (T,) each."""
    keep = (predictions.m != predictions.y).astype(float)
    return keep, costs.ce + costs.c1 * (server_label(predictions.e) != predictions.y)


class FixedShareConfig(NamedTuple):
    """Settings of prediction with expert advice on a stream that comes in batches."""

    eta: float  # learning rate > 0
    gamma: float  # probability in (0, 1] to ask whatever the advice: the price of knowing
    sigma: float  # share in [0, 1) of the weight that is spread evenly after each batch
    batch: int  # inputs per batch >= 1
    delay: int  # labels of a batch come this many batches after the next one starts, >= 0

    @property
    def max_feedback_delay(self) -> int:
        """The largest number of earlier inputs whose labels are not known yet."""
        return (self.delay + 1) * self.batch - 1


def fixed_share_policy(thresholds: np.ndarray, *, costs: Costs, fixed_share: FixedShareConfig) -> Policy:
    r"""Exponential weights over thresholds on estimated losses, with a share spread evenly after every batch.

    .. math:: w_k \leftarrow (1 - \sigma) \frac{w_k e^{-\eta \sum_t \hat{g}_{t,k}}}{\sum_j w_j e^{-\eta \sum_t
        \hat{g}_{t,j}}} + \frac{\sigma}{N}, \quad \hat{g}_{t,k} = \frac{1[\text{asked}]}{q_t} g_{t,k}, \quad
        q_t = \gamma + (1 - \gamma) \sum_{k: r_t \leq \theta_k} w_k

    Args:
        thresholds: (N,) rising thresholds on r.
        costs: c1 and ce.
        fixed_share: settings; the batch and the delay are those with which it is played.

    Returns:
        A policy for `policies.simulate`.

    Raises:
        ValueError: if a setting is out of range.

    Source: fixed share (Herbster and Warmuth 1998) on importance-weighted losses (Auer et al. 2002), where labels have
    to be asked for (Cesa-Bianchi, Lugosi and Stoltz 2005).
    """
    checks.positive(eta=fixed_share.eta, gamma=fixed_share.gamma)
    checks.probabilities(gamma=fixed_share.gamma, sigma=fixed_share.sigma)
    even = np.full(len(thresholds), 1 / len(thresholds))
    learned, weights = 0, even  # from the labels of how many batches

    def choose(observation: Observation, r: np.ndarray) -> Action:
        nonlocal learned, weights
        batches = max(0, len(observation.r) // fixed_share.batch - fixed_share.delay)
        if batches < learned:  # another game begins
            learned, weights = 0, even
        weights = _expert_weights(
            _estimated_losses(observation, thresholds, costs, fixed_share, learned, batches), fixed_share, weights
        )[-1]
        learned = batches
        return Action(fixed_share.gamma + (1 - fixed_share.gamma) * (asks(r[:, None] - thresholds) @ weights))

    return choose


def _estimated_losses(
    observation: Observation,
    thresholds: np.ndarray,
    costs: Costs,
    fixed_share: FixedShareConfig,
    first_batch: int,
    batches: int,
) -> np.ndarray:
    """Estimated losses per batch from the first one on, (J - first, N)."""
    total = np.zeros((batches - first_batch, len(thresholds)))
    first_new = int(np.searchsorted(observation.step, first_batch * fixed_share.batch))
    if observation.asked is not None and first_new < len(observation.step):
        fresh = Predictions(*(getattr(observation.asked, name)[first_new:] for name in ("m", "r", "e", "y")))
        estimates = excess_losses(fresh, thresholds, costs=costs) / observation.propensity[first_new:, None]
        np.add.at(total, observation.step[first_new:] // fixed_share.batch - first_batch, estimates)
    return total


def _expert_weights(estimated: np.ndarray, fixed_share: FixedShareConfig, start: np.ndarray) -> np.ndarray:
    """The weights before each batch and after the last, (J + 1, N)."""
    batches, number = estimated.shape
    weights = np.tile(start, (batches + 1, 1))
    for j, losses in enumerate(estimated):
        moved = weights[j] * np.exp(-fixed_share.eta * (losses - losses.min()))
        weights[j + 1] = (1 - fixed_share.sigma) * moved / moved.sum() + fixed_share.sigma / number
    return weights


def expected_loss(predictions: Predictions, outcome: EpisodeResult, *, costs: Costs) -> np.ndarray:
    """The loss of each input before the coin of asking is tossed, (T,), of a policy that leaves the server as it is."""
    keep, ask = keep_and_ask_losses(predictions, costs=costs)
    return outcome.propensity * ask + (1 - outcome.propensity) * keep


def best_sequence_losses(
    predictions: Predictions, thresholds: np.ndarray, *, costs: Costs, batch: int, switches: int
) -> np.ndarray:
    """The losses of the best thresholds in hindsight that change at most S times, between batches: (T,).

    Args:
        predictions: predictions on T examples in the order of time.
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
    keep, ask = keep_and_ask_losses(predictions, costs=costs)
    losses = np.where(asks(predictions.r[:, None] - thresholds), ask[:, None], keep[:, None])  # (T, N)
    starts = np.arange(0, len(losses), batch)
    best_columns = _min_cost_path(np.add.reduceat(losses, starts), switches)
    return losses[np.arange(len(losses)), best_columns[np.arange(len(losses)) // batch]]


def _min_cost_path(losses: np.ndarray, switches: int) -> np.ndarray:
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


def realised_regret_bound(
    predictions: Predictions,
    outcome: EpisodeResult,
    thresholds: np.ndarray,
    *,
    costs: Costs,
    fixed_share: FixedShareConfig,
    switches: int,
) -> np.ndarray:
    r"""The bound on the expected regret with what happened in place of the worst case, summed up to each step.

    .. math:: \frac{C}{\eta} + \sum_t \Big[\frac{\eta}{2} \sum_k \frac{v_{t,k} g_{t,k}^2}{q_t}
        + \Delta_t \Big(\sigma d + \eta \sum_{s = t - D}^{t - 1} \sum_k v_{s,k} g_{s,k}\Big)
        + \gamma (\text{ask}_t - \text{keep}_t)_+\Big]

    with v the weights that all labels up to the step would give, and `Delta = |keep - ask|`. Its mean over the coins
    bounds the expected regret; it needs every label, so that it can be stated in hindsight only.

    Args:
        predictions: predictions on T examples in the order of time.
        outcome: of `fixed_share_policy` on it.
        thresholds: the experts.
        costs: c1 and ce.
        fixed_share: settings with which it was played.
        switches: S of the comparison.

    Returns:
        (T,) the bound up to and including each step.
    """
    keep, ask = keep_and_ask_losses(predictions, costs=costs)
    excess = excess_losses(predictions, thresholds, costs=costs)  # (T, N)
    shadow = _full_information_weights(excess * (outcome.asked / outcome.propensity)[:, None], fixed_share)  # (T, N)
    spread = (shadow * excess**2).sum(axis=1) / outcome.propensity
    cumulative_losses = np.concatenate([[0.0], np.cumsum((shadow * excess).sum(axis=1))])
    steps = np.arange(len(keep))
    late = cumulative_losses[steps] - cumulative_losses[np.maximum(0, steps - fixed_share.max_feedback_delay)]
    per_step = fixed_share.eta / 2 * spread
    per_step += np.abs(keep - ask) * (fixed_share.sigma * fixed_share.delay + fixed_share.eta * late)
    per_step += fixed_share.gamma * np.maximum(0, ask - keep)
    batches = -(-len(keep) // fixed_share.batch)
    complexity = comparator_complexity(len(thresholds), batches=batches, switches=switches, sigma=fixed_share.sigma)
    return complexity / fixed_share.eta + np.cumsum(per_step)


def _full_information_weights(estimates: np.ndarray, fixed_share: FixedShareConfig) -> np.ndarray:
    """The weights before each step if every label came at once, (T, N)."""
    length = len(estimates)
    starts = np.arange(0, length, fixed_share.batch)
    even = np.full(estimates.shape[1], 1 / estimates.shape[1])
    before = _expert_weights(np.add.reduceat(estimates, starts), fixed_share, even)
    shadow = np.empty_like(estimates)
    for j, start in enumerate(starts):
        now = slice(start, min(length, start + fixed_share.batch))
        so_far = np.cumsum(estimates[now], axis=0) - estimates[now]
        weight = before[j] * np.exp(-fixed_share.eta * (so_far - so_far.min(axis=1, keepdims=True)))
        shadow[now] = weight / weight.sum(axis=1, keepdims=True)
    return shadow


def comparator_complexity(experts: int, *, batches: int, switches: int, sigma: float) -> float:
    r"""The price, times eta, of not knowing which threshold is best between which batches.

    .. math:: (S + 1) \ln N + S \ln \tfrac{1}{\sigma} + (J - 1 - S) \ln \tfrac{1}{1 - \sigma}

    Args:
        experts: N >= 1.
        batches: J >= 1.
        switches: S, from 0 to J - 1.
        sigma: share that is spread evenly, in [0, 1); 0 allows no switches.

    Returns:
        The price; infinite for switches without sharing.

    Raises:
        ValueError: if a number is out of range.

    >>> comparator_complexity(1, batches=10, switches=0, sigma=0.0)
    0.0

    Source: Herbster and Warmuth, Machine Learning 32, 1998.
    """
    checks.at_least(1, experts=experts, batches=batches)
    checks.at_least(0, switches=switches, sigma=sigma)
    checks.positive(**{"1 - sigma": 1 - sigma})
    checks.at_least(switches, **{"batches - 1": batches - 1})
    switching_term = 0.0 if switches == 0 else math.inf if sigma == 0 else switches * math.log(1 / sigma)
    return (switches + 1) * math.log(experts) + switching_term - (batches - 1 - switches) * math.log1p(-sigma)


def optimal_settings(
    *, costs: Costs, experts: int, steps: int, switches: int, batch: int, delay: int
) -> FixedShareConfig:
    r"""The settings for which `fixed_share_regret_bound` is least, with a share sigma of one over the number of batches.

    .. math:: \eta = \sqrt{\frac{C}{G^2 T (1 / (2 \gamma) + D)}}

    for each gamma, and gamma by a search.

    Args:
        costs: c1 and ce.
        experts: N thresholds.
        steps: T inputs, in more than two batches.
        switches: S of the comparison.
        batch: inputs per batch.
        delay: of labels, in batches.

    Returns:
        The settings.

    Raises:
        ValueError: if a number is out of range.

    >>> round(optimal_settings(costs=Costs(1.0, 0.0), experts=10, steps=10**6, switches=0, batch=1, delay=0).gamma, 3)
    0.012
    """
    batches = -(-steps // batch)
    checks.at_least(3, batches=batches)
    complexity = comparator_complexity(experts, batches=batches, switches=switches, sigma=1 / batches)
    max_loss_difference = max(1 - costs.ce, costs.c1 + costs.ce)

    def config_for(log_gamma: float) -> FixedShareConfig:
        feedback_delay = 1 / (2 * math.exp(log_gamma)) + (delay + 1) * batch - 1
        return FixedShareConfig(
            math.sqrt(complexity / (steps * feedback_delay)) / max_loss_difference,
            math.exp(log_gamma),
            1 / batches,
            batch,
            delay,
        )

    def bound(log_gamma: float) -> float:
        return fixed_share_regret_bound(
            config_for(log_gamma), costs=costs, experts=experts, steps=steps, switches=switches
        )

    optimum = minimize_scalar(bound, bounds=(-20.0, 0.0), method="bounded", options={"xatol": 1e-9})
    return config_for(float(optimum.x))


def fixed_share_regret_bound(
    fixed_share: FixedShareConfig, *, costs: Costs, experts: int, steps: int, switches: int = 0
) -> float:
    r"""Bound on the expected regret against the best thresholds with S switches, on any sequence fixed in advance.

    .. math:: \frac{C}{\eta} + \eta G^2 T \Big(\frac{1}{2 \gamma} + D\Big) + \sigma d G T + \gamma (c_1 + c_e) T,
        \quad G = \max(1 - c_e, c_1 + c_e)

    with C = `comparator_complexity`, D = `FixedShareConfig.steps_late` and d the delay in batches.

    Args:
        fixed_share: settings.
        costs: c1 and ce.
        experts: N thresholds.
        steps: T inputs.
        switches: S of the comparison.

    Returns:
        The bound, in mistakes of the client over all T inputs.

    Raises:
        ValueError: if a setting is out of range.

    >>> print(round(fixed_share_regret_bound(FixedShareConfig(0.01, 0.1, 0.0, 1, 0), costs=Costs(1.0, 0.0), experts=10, steps=1000)))
    380
    """
    eta, gamma, sigma, batch, delay = fixed_share
    checks.positive(eta=eta, gamma=gamma)
    checks.probabilities(gamma=gamma)
    checks.at_least(1, batch=batch, steps=steps)
    checks.at_least(0, delay=delay)
    complexity = comparator_complexity(experts, batches=-(-steps // batch), switches=switches, sigma=sigma)
    max_loss_difference = max(1 - costs.ce, costs.c1 + costs.ce)
    learning = complexity / eta + eta * max_loss_difference**2 * steps * (
        1 / (2 * gamma) + fixed_share.max_feedback_delay
    )
    return learning + sigma * delay * max_loss_difference * steps + gamma * (costs.c1 + costs.ce) * steps
