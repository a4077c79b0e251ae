r"""Last-layer retraining after an alarm: the features of the networks stay fixed, their last layers are retrained.

A rejector and a server end in a linear layer on activations h(x), and the sign of its output decides. After an alarm
both layers can be retrained on the few inputs that were asked and labelled: after a change of the distribution, the
features of a network are often still good when its last layer is not.

Source: Kirichenko, Izmailov and Wilson, Last layer re-training is sufficient for robustness to spurious correlations,
ICLR 2023. Here the penalty draws the weights to the previous layer and not to zero, because there are fewer labels than
weights.
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
from l2h.drift.streams import Stream, values_along
from l2h.evaluation.thresholds import min_loss_threshold
from l2h.losses.deferral import ask_cost
from l2h.problem import Costs, Predictions, server_label

PENALTIES = (np.inf, 100.0, 10.0, 1.0, 0.1, 0.01)  # on the distance from the previous layer; infinity keeps it
PENALTY_FOLDS = 5
MAX_BOUNDED_SCORE = 1 - 1e-7  # no finite activation has a bounded score of 1


class LastLayers(NamedTuple):
    """The last layers of a rejector and a server: weights, then the bias."""

    r: np.ndarray  # (d_r + 1,)
    e: np.ndarray  # (d_e + 1,)


def tuned_last_layers(layers: Mapping[str, np.ndarray], validation: Predictions, *, costs: Costs) -> LastLayers:
    r"""The last layers of a system with the threshold t of smallest validation loss moved into the rejector's bias.

    .. math:: 2 \sigma(z) - 1 > t \iff z - \ln \frac{1 + t}{1 - t} > 0

    Args:
        layers: "r" and "e", weights then bias, of networks with bounded scores.
        validation: predictions of the system on the validation split, with its original threshold.
        costs: c1 and ce.

    Returns:
        The layers; a threshold outside (-1, 1) is clipped to `MAX_BOUNDED_SCORE`.

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
    """The activations along a stream.

    Args:
        tables: condition -> "r" and "e", (n, d) activations of all images of that condition.
        stream: of T steps.

    Returns:
        (T, d_r) and (T, d_e), in the order of time.

    Raises:
        KeyError: if a condition of the stream has no table.
    """
    return LastLayerInputs(
        *(values_along({condition: table[name] for condition, table in tables.items()}, stream) for name in "re")
    )


def weighted_logistic_losses(z: np.ndarray, negative_weight: np.ndarray, positive_weight: np.ndarray) -> np.ndarray:
    """Weighted logistic losses of outputs z, elementwise: negative_weight log(1 + e^z) + positive_weight log(1 + e^-z).

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
    r"""A last layer retrained with a penalty on the distance from the previous one.

    .. math:: \min_w \sum_i \big(v^-_i \log(1 + e^{z_i}) + v^+_i \log(1 + e^{-z_i})\big)
              + \frac{s}{2} \frac{\|H\|_F^2}{d} \|w - w_{previous}\|^2, \quad z = H w

    With weights v- = 1[y = -1] and v+ = 1[y = +1] this is the logistic loss of a server; with v- = 1[m != y] and
    v+ = c_e + c_1 1[label(e) != y] it is the two-stage loss of a rejector. H holds the activations and a column of
    ones; its squared norm over d makes the penalty s independent of their scale.

    Args:
        activations: (n, d - 1) activations.
        negative_weight: (n,) weights v- >= 0 of the loss of positive outputs.
        positive_weight: (n,) weights v+ >= 0 of the loss of negative outputs.
        previous: (d,) the previous layer, bias last.
        penalty: s > 0; infinity returns the previous layer.
        start: (d,) initial point of Newton's method; by default the previous layer.

    Returns:
        (d,) the retrained layer.

    Raises:
        ValueError: if shapes do not match, there is no example, a number is not finite, a weight is negative or the
            penalty is not positive.

    >>> h, y = np.array([[-1.0], [1.0]]), np.array([0.0, 1.0])
    >>> retrain(h, 1 - y, y, previous=np.array([-1.0, 0.0]), penalty=0.1)[:1].round(2)
    array([1.24])
    """
    _check_training_data(activations, negative_weight, positive_weight, previous)
    if penalty == np.inf:
        return previous.copy()
    checks.positive(penalty=penalty)
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
        # The step was predicted to reduce the objective by half of this; the error that remains is about its square.
        if gradient @ step < 1e-9 * scaled_penalty:
            break
    return layer


def _check_training_data(
    activations: np.ndarray, negative_weight: np.ndarray, positive_weight: np.ndarray, previous: np.ndarray
) -> None:
    weights = {"negative_weight": negative_weight, "positive_weight": positive_weight}
    checks.one_dimensional(**weights)
    checks.one_dimensional(previous=previous)
    checks.same_length(activations=activations, negative_weight=negative_weight)
    checks.finite(activations=activations, previous=previous, **weights)
    if activations.ndim != 2 or activations.shape[1] != len(previous) - 1 or len(activations) == 0:
        raise ValueError(f"expected activations (n, {len(previous) - 1}) with n >= 1, got {activations.shape}")
    checks.at_least(0, **{name: weight.min() for name, weight in weights.items()})


class RetrainedLayer(NamedTuple):
    """A retrained layer with its out-of-fold outputs."""

    layer: np.ndarray  # (d,)
    out_of_fold_outputs: np.ndarray  # (n,) each from a layer that was retrained without the example's fold
    penalty: float  # chosen by cross-validation


def retrain_cv(
    activations: np.ndarray, negative_weight: np.ndarray, positive_weight: np.ndarray, *, previous: np.ndarray
) -> RetrainedLayer:
    """A retrained layer whose penalty has the smallest cross-validated loss.

    Args:
        activations: (n, d - 1) activations, n >= 5.
        negative_weight: as in `retrain`.
        positive_weight: as in `retrain`.
        previous: (d,) the previous layer.

    Returns:
        The layer; the previous one if no retrained layer has a smaller loss.

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
        for index, penalty in enumerate(PENALTIES):
            layer = retrain(
                activations[training_mask],
                negative_weight[training_mask],
                positive_weight[training_mask],
                previous=previous,
                penalty=penalty,
                start=layer,
            )
            outputs[index, ~training_mask] = last_layer_output(activations[~training_mask], layer)
    best = int(weighted_logistic_losses(outputs, negative_weight, positive_weight).sum(axis=1).argmin())
    layer = retrain(activations, negative_weight, positive_weight, previous=previous, penalty=PENALTIES[best])
    return RetrainedLayer(layer, outputs[best], PENALTIES[best])


def retraining_policies(previous: LastLayers, *, costs: Costs) -> dict[str, Callable[[Observation], Policy]]:
    """Builders for `policies.after_alarm_policy` that retrain the last layers of r, of e, or of both after a burst.

    If both are retrained, the rejector is trained with the out-of-fold labels of the retrained server. If only the
    server is, the rejector keeps its decisions.

    Args:
        previous: the layers before the alarm, from which every retraining starts.
        costs: c1 and ce.

    Returns:
        For each member of `policies.ADAPTED_PARTS` a function from a burst to the policy that follows it; a server that
        two of them need is retrained once.
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
        raise ValueError("expected a stream with activations, got one without")
    asked, activations = burst_observation.asked, burst_observation.activations
    key = activations.e.tobytes() + asked.y.tobytes()
    if adapted_part != "r" and key not in fitted_servers:
        fitted_servers[key] = retrain_cv(activations.e, asked.y == -1, asked.y == 1, previous=previous.e)
    fitted_server = None if adapted_part == "r" else fitted_servers[key]
    server_outputs = asked.e if fitted_server is None else fitted_server.out_of_fold_outputs
    ask_costs = ask_cost(server_label(server_outputs) != asked.y, costs=costs)
    rejector_layer = (
        previous.r
        if adapted_part == "e"
        else retrain_cv(activations.r, asked.m != asked.y, ask_costs, previous=previous.r).layer
    )

    def choose(observation: Observation, r: np.ndarray) -> Action:
        assert observation.activations is not None
        propensity = ask_probability(last_layer_output(observation.activations.r[-len(r) :], rejector_layer), 0.0)
        return Action(
            propensity, order_label=False, server_layer=None if fitted_server is None else fitted_server.layer
        )

    return choose
