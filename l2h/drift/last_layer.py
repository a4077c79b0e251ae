r"""Last layers fitted anew after an alarm: what the networks see stays, how they weigh it is learned again.

A rejector and a server end in a linear layer on activations h(x), and the sign of its output decides. After an alarm
both layers can be fitted to the few questions that were asked and labelled, starting from what they were: the
features of a network are often good where its weights for them no longer are.

Source: Kirichenko, Izmailov and Wilson, Last layer re-training is sufficient for robustness to spurious correlations,
ICLR 2023. Here the old layer takes the place of a prior at zero, because the labels are fewer than the weights.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from l2h import checks
from l2h.drift.policies import (
    ADAPTED_PARTS,
    Action,
    LastLayerInputs,
    Observation,
    Policy,
    ask_probability,
    last_layer_output,
)
from l2h.drift.streams import Stream
from l2h.evaluation.thresholds import min_loss_threshold
from l2h.losses.deferral import ask_cost
from l2h.problem import Costs, Predictions, server_label

PENALTIES = (np.inf, 100.0, 10.0, 1.0, 0.1, 0.01)  # of the pull towards the old layer; infinity leaves it as it is
PENALTY_FOLDS = 5
MAX_BOUNDED_SCORE = 1 - 1e-7  # a score squashed to 1 came from no finite activation


class LastLayers(NamedTuple):
    """The last layers of a rejector and a server: weights, then the bias."""

    r: np.ndarray  # (d_r + 1,)
    e: np.ndarray  # (d_e + 1,)


def tuned_last_layers(layers: Mapping[str, np.ndarray], validation: Predictions, *, costs: Costs) -> LastLayers:
    r"""The last layers of a system as `thresholds.tables_tuned_on_validation` has it: with r's threshold t moved into its bias.

    .. math:: 2 \sigma(z) - 1 > t \iff z - \ln \frac{1 + t}{1 - t} > 0

    Args:
        layers: "r" and "e", as a shifted run of squashed scores keeps its layers.
        validation: the system's predictions, before its threshold was tuned.
        costs: c1 and ce.

    Returns:
        The layers; a threshold beyond the reach of the squashed scores becomes the largest that has an activation.

    >>> one = np.ones(2)
    >>> p = Predictions(m=-one, r=one * 0.5, e=one, y=one)
    >>> tuned_last_layers({"r": np.zeros(2), "e": one}, p, costs=Costs(1.0, 0.25)).r.round(4)
    array([ 0.    , -1.0986])
    """
    threshold = np.clip(min_loss_threshold(validation, costs=costs), -MAX_BOUNDED_SCORE, MAX_BOUNDED_SCORE)
    rejector_layer = layers["r"].astype(float)
    rejector_layer[-1] -= 2 * np.arctanh(threshold)
    return LastLayers(rejector_layer, layers["e"].astype(float))


def activations_along(tables: Mapping[str, Mapping[str, np.ndarray]], stream: Stream) -> LastLayerInputs:
    """The activations along a course.

    Args:
        tables: condition -> "r" and "e", (n, d) activations of all of its images.
        stream: T steps.

    Returns:
        (T, d_r) and (T, d_e), in the order of time.

    Raises:
        KeyError: if a condition of the course has no table.
    """
    any_table, length = next(iter(tables.values())), len(stream.image)
    activations = LastLayerInputs(*(np.zeros((length, any_table[name].shape[1])) for name in ("r", "e")))
    for condition in np.unique(stream.condition):
        here = stream.condition == condition
        for name in ("r", "e"):
            getattr(activations, name)[here] = tables[str(condition)][name][stream.image[here]]
    return activations


def weighted_logistic_losses(z: np.ndarray, negative_weight: np.ndarray, positive_weight: np.ndarray) -> np.ndarray:
    """What activations z are charged: down log(1 + e^z) + up log(1 + e^-z), elementwise.

    >>> weighted_logistic_losses(np.zeros(1), np.ones(1), np.ones(1)).round(4)
    array([1.3863])
    """
    return negative_weight * np.logaddexp(0, z) + positive_weight * np.logaddexp(0, -1.0 * z)


def retrain(
    activations: np.ndarray,
    negative_weight: np.ndarray,
    positive_weight: np.ndarray,
    *,
    previous: np.ndarray,
    penalty: float,
    start: np.ndarray | None = None,
) -> np.ndarray:
    r"""A last layer fitted anew, and drawn towards what it was.

    .. math:: \min_w \sum_i \big(d_i \log(1 + e^{z_i}) + u_i \log(1 + e^{-z_i})\big)
              + \frac{s}{2} \frac{\|H\|_F^2}{d} \|w - w_{old}\|^2, \quad z = H w

    With d = 1[y = -1] and u = 1[y = +1] this is the logistic loss of a server; with d = 1[m != y] and
    u = c_e + c_1 1[label(e) != y] the two-stage loss of a rejector. H holds the activations and a column of ones; its
    squared norm over d makes the strength s free of their scale.

    Args:
        activations: (n, d - 1) activations.
        negative_weight: (n,) charges >= 0 of a large output.
        positive_weight: (n,) charges >= 0 of a small one.
        previous: (d,) the layer as it was, bias last.
        penalty: s > 0; infinity leaves the layer as it was.
        start: (d,) where Newton's method begins; by default the old layer.

    Returns:
        (d,) the new layer.

    Raises:
        ValueError: if shapes do not match, there is no example, a number is not finite, a charge is negative or the
            strength is not positive.

    >>> h, y = np.array([[-1.0], [1.0]]), np.array([0.0, 1.0])
    >>> retrain(h, 1 - y, y, old=np.array([-1.0, 0.0]), strength=0.1)[:1].round(2)
    array([1.24])
    """
    _check_training_data(activations, negative_weight, positive_weight, previous)
    if penalty == np.inf:
        return previous.copy()
    checks.positive(strength=penalty)
    design = np.column_stack([activations, np.ones(len(activations))]).astype(float)
    scaled_penalty = penalty * float((design**2).sum()) / len(previous)
    layer = previous if start is None else start

    def objective(w: np.ndarray) -> float:
        return float(
            weighted_logistic_losses(design @ w, negative_weight, positive_weight).sum()
            + scaled_penalty / 2 * ((w - previous) ** 2).sum()
        )

    for _ in range(100):  # Newton's method, damped
        p = expit(design @ layer)
        gradient = design.T @ (negative_weight * p - positive_weight * (1 - p)) + scaled_penalty * (layer - previous)
        curvature = (
            design.T * ((1.0 * negative_weight + positive_weight) * p * (1 - p))
        ) @ design + scaled_penalty * np.eye(len(previous))
        step = np.linalg.solve(curvature, gradient)
        before, size = objective(layer), 1.0
        while size > 1e-9 and objective(layer - size * step) > before:
            size /= 2
        layer = layer - size * step
        if (
            gradient @ step < 1e-9 * scaled_penalty
        ):  # what was left to gain, in units of the pull: the step squared the rest
            break
    return layer


def _check_training_data(
    activations: np.ndarray, negative_weight: np.ndarray, positive_weight: np.ndarray, previous: np.ndarray
) -> None:
    checks.one_dimensional(down=negative_weight, up=positive_weight)
    checks.one_dimensional(old=previous)
    checks.same_length(hidden=activations, down=negative_weight)
    checks.finite(hidden=activations, down=negative_weight, up=positive_weight, old=previous)
    if activations.ndim != 2 or activations.shape[1] != len(previous) - 1 or len(activations) == 0:
        raise ValueError(f"expected activations (n, {len(previous) - 1}) with n >= 1, got {activations.shape}")
    checks.at_least(0, down=negative_weight.min(), up=positive_weight.min())


class RetrainedLayer(NamedTuple):
    """A layer, and what it says of its own examples where it did not learn from them."""

    layer: np.ndarray  # (d,)
    out_of_fold_outputs: np.ndarray  # (n,) outputs, each by a layer that was fitted without the example's fold
    penalty: float  # that was chosen


def retrain_cv(
    activations: np.ndarray, negative_weight: np.ndarray, positive_weight: np.ndarray, *, previous: np.ndarray
) -> RetrainedLayer:
    """A layer fitted anew with the strength that charges least in cross-validation on the same examples.

    Args:
        activations: (n, d - 1) activations, n >= 5.
        negative_weight: as in `retrain`.
        positive_weight: as in `retrain`.
        previous: (d,) the layer as it was.

    Returns:
        The layer: as it was, if no refit predicts better than that.

    Raises:
        ValueError: as `retrain`, and if there are fewer examples than folds.
    """
    checks.at_least(PENALTY_FOLDS, examples=len(activations))
    negative_weight, positive_weight = (
        np.asarray(negative_weight, dtype=float),
        np.asarray(positive_weight, dtype=float),
    )
    fold = np.arange(len(activations)) % PENALTY_FOLDS
    outputs = np.zeros((len(PENALTIES), len(activations)))
    for held_out_fold in range(PENALTY_FOLDS):
        training_mask, layer = fold != held_out_fold, previous
        for index, strength in enumerate(PENALTIES):
            layer = retrain(
                activations[training_mask],
                negative_weight[training_mask],
                positive_weight[training_mask],
                previous=previous,
                penalty=strength,
                start=layer,
            )
            outputs[index, ~training_mask] = last_layer_output(activations[~training_mask], layer)
    best = int(weighted_logistic_losses(outputs, negative_weight, positive_weight).sum(axis=1).argmin())
    layer = retrain(activations, negative_weight, positive_weight, previous=previous, penalty=PENALTIES[best])
    return RetrainedLayer(layer, outputs[best], PENALTIES[best])


def retraining_policies(previous: LastLayers, *, costs: Costs) -> dict[str, Callable[[Observation], Policy]]:
    """What `policies.after_alarm_policy` needs to fit the last layers of r, of e, or of both anew after a burst.

    If both are fitted, r learns of a server that errs as the new one does on inputs that it has not learned from; if
    e alone is, the device goes on to ask as it did.

    Args:
        previous: the layers as they were, from which every refit starts.
        costs: c1 and ce.

    Returns:
        For each of `policies.ADAPTED_PARTS` a function from a burst to the policy that follows it; what two of them need
        is fitted once.
    """
    servers: dict[bytes, RetrainedLayer] = {}
    return {
        part: partial(_retraining_policy, previous=previous, costs=costs, adapted_part=part, fitted_servers=servers)
        for part in ADAPTED_PARTS
    }


def _retraining_policy(
    burst_observation: Observation,
    *,
    previous: LastLayers,
    costs: Costs,
    adapted_part: str,
    fitted_servers: dict[bytes, RetrainedLayer],
) -> Policy:
    if burst_observation.asked is None or burst_observation.activations is None:
        raise ValueError("expected a stream that is played with its activations, got one without")
    asked, hidden = burst_observation.asked, burst_observation.activations
    key = hidden.e.tobytes() + asked.y.tobytes()
    if adapted_part != "r" and key not in fitted_servers:
        fitted_servers[key] = retrain_cv(hidden.e, asked.y == -1, asked.y == 1, previous=previous.e)
    fitted_server = None if adapted_part == "r" else fitted_servers[key]
    server_outputs = asked.e if fitted_server is None else fitted_server.out_of_fold_outputs
    ask_costs = ask_cost(server_label(server_outputs) != asked.y, costs=costs)
    rejector_layer = (
        previous.r
        if adapted_part == "e"
        else retrain_cv(hidden.r, asked.m != asked.y, ask_costs, previous=previous.r).layer
    )

    def choose(observation: Observation, r: np.ndarray) -> Action:
        assert observation.activations is not None
        propensity = ask_probability(last_layer_output(observation.activations.r[-len(r) :], rejector_layer), 0.0)
        return Action(
            propensity, order_label=False, server_layer=None if fitted_server is None else fitted_server.layer
        )

    return choose
