"""Prediction with expert advice over a stream: the fixed-share policy, its settings and its regret bound."""

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from l2h import checks
from l2h.drift.policies import Action, EpisodeResult, Observation, Policy
from l2h.problem import Costs, Predictions, asks, server_label


def excess_losses(predictions: Predictions, thresholds: np.ndarray, *, costs: Costs) -> np.ndarray:
    r"""The excess loss of each threshold on each example over the better of the two decisions.

    .. math:: g_{t,k} = \ell_{t,k} - \min(\text{keep}_t, \text{ask}_t) \in [0, \max(1 - c_e, c_1 + c_e)]

    Args:
        predictions: on T examples.
        thresholds: (N,) rising; r <= threshold asks.
        costs: c1 and ce.

    Returns:
        (T, N) excess losses.

    >>> p = Predictions(m=np.array([1]), r=np.array([0.5]), e=np.array([1.0]), y=np.array([-1]))
    >>> excess_losses(p, np.array([0.0, 1.0]), costs=Costs(c1=1.0, ce=0.25))
    array([[0.  , 0.25]])
    """
    keep, ask = keep_and_ask_losses(predictions, costs=costs)
    asking = asks(predictions.r[:, None] - thresholds)  # (T, N)
    best = np.minimum(keep, ask)[:, None]
    return np.where(asking, ask[:, None], keep[:, None]) - best


def keep_and_ask_losses(predictions: Predictions, *, costs: Costs) -> tuple[np.ndarray, np.ndarray]:
    """The loss of keeping and the loss of asking on each example, (T,) each."""
    keep = (predictions.m != predictions.y).astype(float)
    return keep, costs.ce + costs.c1 * (server_label(predictions.e) != predictions.y)


class FixedShareConfig(NamedTuple):
    """Settings of prediction with expert advice on a stream that arrives in batches."""

    eta: float  # learning rate > 0
    gamma: float  # exploration: probability in (0, 1] of asking whatever the experts decide
    sigma: float  # share in [0, 1) of the weight that is distributed uniformly after each batch
    batch: int  # inputs per batch >= 1
    delay: int  # the labels of a batch arrive this many batches after the start of the next one, >= 0

    @property
    def max_feedback_delay(self) -> int:
        """The largest number of earlier inputs whose labels have not arrived."""
        return (self.delay + 1) * self.batch - 1


def fixed_share_policy(thresholds: np.ndarray, *, costs: Costs, fixed_share: FixedShareConfig) -> Policy:
    r"""Exponential weights over thresholds with estimated losses and a share distributed uniformly after every batch.

    .. math:: w_k \leftarrow (1 - \sigma) \frac{w_k e^{-\eta \sum_t \hat{g}_{t,k}}}{\sum_j w_j e^{-\eta \sum_t
        \hat{g}_{t,j}}} + \frac{\sigma}{N}, \quad \hat{g}_{t,k} = \frac{1[\text{asked}]}{q_t} g_{t,k}, \quad
        q_t = \gamma + (1 - \gamma) \sum_{k: r_t \leq \theta_k} w_k

    Args:
        thresholds: (N,) rising thresholds on r.
        costs: c1 and ce.
        fixed_share: settings; batch and delay must be those of the simulation.

    Returns:
        A policy for `policies.simulate`.

    Raises:
        ValueError: if a setting is out of range.

    Source: fixed share (Herbster and Warmuth 1998) with importance-weighted losses (Auer et al. 2002) and labels for
    asked inputs only (Cesa-Bianchi, Lugosi and Stoltz 2005).
    """
    checks.positive(eta=fixed_share.eta, gamma=fixed_share.gamma)
    checks.probabilities(gamma=fixed_share.gamma, sigma=fixed_share.sigma)
    uniform = np.full(len(thresholds), 1 / len(thresholds))
    n_learned, weights = 0, uniform  # batches whose labels are in the weights

    def choose(observation: Observation, r: np.ndarray) -> Action:
        nonlocal n_learned, weights
        batches = max(0, len(observation.r) // fixed_share.batch - fixed_share.delay)
        if batches < n_learned:  # a new simulation starts
            n_learned, weights = 0, uniform
        estimated = _estimated_losses(observation, thresholds, costs, fixed_share, n_learned, batches)
        weights = _expert_weights(estimated, fixed_share, weights)[-1]
        n_learned = batches
        asking = asks(r[:, None] - thresholds)
        asked, kept = asking @ weights, ~asking @ weights
        share = asked / (asked + kept)  # never above 1, as the sum of rounded weights may be
        return Action(fixed_share.gamma + (1 - fixed_share.gamma) * share)

    return choose


def _estimated_losses(
    observation: Observation,
    thresholds: np.ndarray,
    costs: Costs,
    fixed_share: FixedShareConfig,
    first_batch: int,
    batches: int,
) -> np.ndarray:
    """Estimated losses per batch from `first_batch` to `batches`, (batches - first_batch, N)."""
    total = np.zeros((batches - first_batch, len(thresholds)))
    first_new = int(np.searchsorted(observation.step, first_batch * fixed_share.batch))
    if observation.asked is not None and first_new < len(observation.step):
        new = Predictions(*(getattr(observation.asked, name)[first_new:] for name in ("m", "r", "e", "y")))
        estimates = excess_losses(new, thresholds, costs=costs) / observation.propensity[first_new:, None]
        np.add.at(total, observation.step[first_new:] // fixed_share.batch - first_batch, estimates)
    return total


def _expert_weights(estimated: np.ndarray, fixed_share: FixedShareConfig, start: np.ndarray) -> np.ndarray:
    """The weights before each batch and after the last, (J + 1, N)."""
    batches, n_experts = estimated.shape
    weights = np.tile(start, (batches + 1, 1))
    for j, losses in enumerate(estimated):
        updated = weights[j] * np.exp(-fixed_share.eta * (losses - losses.min()))
        weights[j + 1] = (1 - fixed_share.sigma) * updated / updated.sum() + fixed_share.sigma / n_experts
    return weights


def expected_loss(predictions: Predictions, outcome: EpisodeResult, *, costs: Costs) -> np.ndarray:
    """Expected loss of each input over the random decision to ask, (T,); for policies that do not change the server."""
    keep, ask = keep_and_ask_losses(predictions, costs=costs)
    return outcome.propensity * ask + (1 - outcome.propensity) * keep


def best_sequence_losses(
    predictions: Predictions, thresholds: np.ndarray, *, costs: Costs, batch: int, switches: int
) -> np.ndarray:
    """The losses of the best sequence of thresholds in hindsight with at most S changes, between batches: (T,).

    Args:
        predictions: on T examples in the order of time.
        thresholds: (N,) on r.
        costs: c1 and ce.
        batch: inputs per batch; the threshold is constant within a batch.
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
    """The columns (J,) of the path through the rows with the smallest total loss and at most S changes."""
    rows, columns = losses.shape
    cost = np.full((switches + 1, columns), np.inf)
    cost[0] = losses[0]
    previous = np.zeros((rows, switches + 1, columns), dtype=int)  # the column before; -1 - k marks a change from k
    for j in range(1, rows):
        best = cost.argmin(axis=1)
        no_change, change = cost.copy(), np.full_like(cost, np.inf)
        change[1:] = cost[np.arange(switches), best[:-1]][:, None]
        previous[j] = np.where(change < no_change, -1 - np.append(0, best[:-1])[:, None], np.arange(columns))
        cost = np.minimum(no_change, change) + losses[j]
    used, column = np.unravel_index(cost.argmin(), cost.shape)
    path = np.zeros(rows, dtype=int)
    for j in range(rows - 1, -1, -1):
        path[j] = column
        before = previous[j, used, column] if j else column
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
    r"""The bound on the expected regret with realised quantities instead of worst cases, cumulative over the steps.

    .. math:: \frac{C}{\eta} + \sum_t \Big[\frac{\eta}{2} \sum_k \frac{v_{t,k} g_{t,k}^2}{q_t}
        + \Delta_t \Big(\sigma d + \eta \sum_{s = t - D}^{t - 1} \sum_k v_{s,k} g_{s,k}\Big)
        + \gamma (\text{ask}_t - \text{keep}_t)_+\Big]

    with v the weights from the labels of all earlier steps without delay, and `Delta = |keep - ask|`. Its mean over the
    random decisions bounds the expected regret. It needs every label, so it is known in hindsight only.

    Args:
        predictions: on T examples in the order of time.
        outcome: simulation of `fixed_share_policy` on them.
        thresholds: the experts.
        costs: c1 and ce.
        fixed_share: settings of that policy.
        switches: S of the comparator.

    Returns:
        (T,) the bound up to and including each step.
    """
    keep, ask = keep_and_ask_losses(predictions, costs=costs)
    excess = excess_losses(predictions, thresholds, costs=costs)  # (T, N)
    weights = _undelayed_weights(excess * (outcome.asked / outcome.propensity)[:, None], fixed_share)  # (T, N)
    second_moment = (weights * excess**2).sum(axis=1) / outcome.propensity
    cumulative_losses = np.concatenate([[0.0], np.cumsum((weights * excess).sum(axis=1))])
    steps = np.arange(len(keep))
    delayed = cumulative_losses[steps] - cumulative_losses[np.maximum(0, steps - fixed_share.max_feedback_delay)]
    per_step = fixed_share.eta / 2 * second_moment
    per_step += np.abs(keep - ask) * (fixed_share.sigma * fixed_share.delay + fixed_share.eta * delayed)
    per_step += fixed_share.gamma * np.maximum(0, ask - keep)
    batches = -(-len(keep) // fixed_share.batch)
    complexity = comparator_complexity(len(thresholds), batches=batches, switches=switches, sigma=fixed_share.sigma)
    return complexity / fixed_share.eta + np.cumsum(per_step)


def _undelayed_weights(estimates: np.ndarray, fixed_share: FixedShareConfig) -> np.ndarray:
    """The weights before each step if every label arrived without delay, (T, N)."""
    length = len(estimates)
    starts = np.arange(0, length, fixed_share.batch)
    uniform = np.full(estimates.shape[1], 1 / estimates.shape[1])
    before = _expert_weights(np.add.reduceat(estimates, starts), fixed_share, uniform)
    weights = np.empty_like(estimates)
    for j, start in enumerate(starts):
        current = slice(start, min(length, start + fixed_share.batch))
        earlier = np.cumsum(estimates[current], axis=0) - estimates[current]
        updated = before[j] * np.exp(-fixed_share.eta * (earlier - earlier.min(axis=1, keepdims=True)))
        weights[current] = updated / updated.sum(axis=1, keepdims=True)
    return weights


def comparator_complexity(experts: int, *, batches: int, switches: int, sigma: float) -> float:
    r"""Complexity C of the comparator: thresholds with S switches. The regret bound contains C / eta.

    .. math:: (S + 1) \ln N + S \ln \tfrac{1}{\sigma} + (J - 1 - S) \ln \tfrac{1}{1 - \sigma}

    Args:
        experts: N >= 1.
        batches: J >= 1.
        switches: S, from 0 to J - 1.
        sigma: share that is distributed uniformly, in [0, 1); 0 allows no switches.

    Returns:
        The complexity; infinite for switches with sigma = 0.

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
    r"""The settings that minimise `fixed_share_regret_bound`, with sigma = 1 / (number of batches).

    .. math:: \eta = \sqrt{\frac{C}{G^2 T (1 / (2 \gamma) + D)}}

    for each gamma; gamma is found by a numerical search.

    Args:
        costs: c1 and ce.
        experts: N thresholds.
        steps: T inputs, in more than two batches.
        switches: S of the comparator.
        batch: inputs per batch.
        delay: of the labels, in batches.

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
    r"""Bound on the expected regret against the best thresholds with S switches, for any fixed sequence of inputs.

    .. math:: \frac{C}{\eta} + \eta G^2 T \Big(\frac{1}{2 \gamma} + D\Big) + \sigma d G T + \gamma (c_1 + c_e) T,
        \quad G = \max(1 - c_e, c_1 + c_e)

    with C = `comparator_complexity`, D = `FixedShareConfig.max_feedback_delay` and d the delay in batches.

    Args:
        fixed_share: settings.
        costs: c1 and ce.
        experts: N thresholds.
        steps: T inputs.
        switches: S of the comparator.

    Returns:
        The bound, in mistakes of the client over all T inputs.

    Raises:
        ValueError: if a setting is out of range.

    >>> config = FixedShareConfig(eta=0.01, gamma=0.1, sigma=0.0, batch=1, delay=0)
    >>> round(fixed_share_regret_bound(config, costs=Costs(1.0, 0.0), experts=10, steps=1000))
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
