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


def tuned_last_layers(kept: Mapping[str, np.ndarray], validation: Predictions, *, costs: Costs) -> LastLayers:
    r"""The last layers of a system as `thresholds.tables_tuned_on_validation` has it: with r's threshold t moved into its bias.

    .. math:: 2 \sigma(z) - 1 > t \iff z - \ln \frac{1 + t}{1 - t} > 0

    Args:
        kept: "r" and "e", as a shifted run of squashed scores keeps its layers.
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
    moved = kept["r"].astype(float)
    moved[-1] -= 2 * np.arctanh(threshold)
    return LastLayers(moved, kept["e"].astype(float))


def activations_along(tables: Mapping[str, Mapping[str, np.ndarray]], course: Stream) -> LastLayerInputs:
    """The activations along a course.

    Args:
        tables: condition -> "r" and "e", (n, d) activations of all of its images.
        course: T steps.

    Returns:
        (T, d_r) and (T, d_e), in the order of time.

    Raises:
        KeyError: if a condition of the course has no table.
    """
    any_table, length = next(iter(tables.values())), len(course.place)
    along = LastLayerInputs(*(np.zeros((length, any_table[name].shape[1])) for name in ("r", "e")))
    for condition in np.unique(course.condition):
        here = course.condition == condition
        for name in ("r", "e"):
            getattr(along, name)[here] = tables[str(condition)][name][course.place[here]]
    return along


def weighted_logistic_losses(z: np.ndarray, down: np.ndarray, up: np.ndarray) -> np.ndarray:
    """What activations z are charged: down log(1 + e^z) + up log(1 + e^-z), elementwise.

    >>> weighted_logistic_losses(np.zeros(1), np.ones(1), np.ones(1)).round(4)
    array([1.3863])
    """
    return down * np.logaddexp(0, z) + up * np.logaddexp(0, -1.0 * z)


def retrain(
    hidden: np.ndarray,
    down: np.ndarray,
    up: np.ndarray,
    *,
    old: np.ndarray,
    strength: float,
    start: np.ndarray | None = None,
) -> np.ndarray:
    r"""A last layer fitted anew, and drawn towards what it was.

    .. math:: \min_w \sum_i \big(d_i \log(1 + e^{z_i}) + u_i \log(1 + e^{-z_i})\big)
              + \frac{s}{2} \frac{\|H\|_F^2}{d} \|w - w_{old}\|^2, \quad z = H w

    With d = 1[y = -1] and u = 1[y = +1] this is the logistic loss of a server; with d = 1[m != y] and
    u = c_e + c_1 1[label(e) != y] the two-stage loss of a rejector. H holds the activations and a column of ones; its
    squared norm over d makes the strength s free of their scale.

    Args:
        hidden: (n, d - 1) activations.
        down: (n,) charges >= 0 of a large output.
        up: (n,) charges >= 0 of a small one.
        old: (d,) the layer as it was, bias last.
        strength: s > 0; infinity leaves the layer as it was.
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
    _check_training_data(hidden, down, up, old)
    if strength == np.inf:
        return old.copy()
    checks.positive(strength=strength)
    design = np.column_stack([hidden, np.ones(len(hidden))]).astype(float)
    pull = strength * float((design**2).sum()) / len(old)
    layer = old if start is None else start

    def objective(w: np.ndarray) -> float:
        return float(weighted_logistic_losses(design @ w, down, up).sum() + pull / 2 * ((w - old) ** 2).sum())

    for _ in range(100):  # Newton's method, damped
        p = expit(design @ layer)
        gradient = design.T @ (down * p - up * (1 - p)) + pull * (layer - old)
        curvature = (design.T * ((1.0 * down + up) * p * (1 - p))) @ design + pull * np.eye(len(old))
        step = np.linalg.solve(curvature, gradient)
        before, size = objective(layer), 1.0
        while size > 1e-9 and objective(layer - size * step) > before:
            size /= 2
        layer = layer - size * step
        if gradient @ step < 1e-9 * pull:  # what was left to gain, in units of the pull: the step squared the rest
            break
    return layer


def _check_training_data(hidden: np.ndarray, down: np.ndarray, up: np.ndarray, old: np.ndarray) -> None:
    checks.one_dimensional(down=down, up=up)
    checks.one_dimensional(old=old)
    checks.same_length(hidden=hidden, down=down)
    checks.finite(hidden=hidden, down=down, up=up, old=old)
    if hidden.ndim != 2 or hidden.shape[1] != len(old) - 1 or len(hidden) == 0:
        raise ValueError(f"expected activations (n, {len(old) - 1}) with n >= 1, got {hidden.shape}")
    checks.at_least(0, down=down.min(), up=up.min())


class RetrainedLayer(NamedTuple):
    """A layer, and what it says of its own examples where it did not learn from them."""

    layer: np.ndarray  # (d,)
    held_out: np.ndarray  # (n,) outputs, each by a layer that was fitted without the example's fold
    strength: float  # that was chosen


def retrain_cv(hidden: np.ndarray, down: np.ndarray, up: np.ndarray, *, old: np.ndarray) -> RetrainedLayer:
    """A layer fitted anew with the strength that charges least in cross-validation on the same examples.

    Args:
        hidden: (n, d - 1) activations, n >= 5.
        down: as in `retrain`.
        up: as in `retrain`.
        old: (d,) the layer as it was.

    Returns:
        The layer: as it was, if no refit predicts better than that.

    Raises:
        ValueError: as `retrain`, and if there are fewer examples than folds.
    """
    checks.at_least(PENALTY_FOLDS, examples=len(hidden))
    down, up = np.asarray(down, dtype=float), np.asarray(up, dtype=float)
    fold = np.arange(len(hidden)) % PENALTY_FOLDS
    outputs = np.zeros((len(PENALTIES), len(hidden)))
    for out in range(PENALTY_FOLDS):
        learn, layer = fold != out, old
        for place, strength in enumerate(PENALTIES):
            layer = retrain(hidden[learn], down[learn], up[learn], old=old, strength=strength, start=layer)
            outputs[place, ~learn] = last_layer_output(hidden[~learn], layer)
    best = int(weighted_logistic_losses(outputs, down, up).sum(axis=1).argmin())
    layer = retrain(hidden, down, up, old=old, strength=PENALTIES[best])
    return RetrainedLayer(layer, outputs[best], PENALTIES[best])


def retraining_policies(old: LastLayers, *, costs: Costs) -> dict[str, Callable[[Observation], Policy]]:
    """What `policies.after_alarm_policy` needs to fit the last layers of r, of e, or of both anew after a burst.

    If both are fitted, r learns of a server that errs as the new one does on inputs that it has not learned from; if
    e alone is, the device goes on to ask as it did.

    Args:
        old: the layers as they were, from which every refit starts.
        costs: c1 and ce.

    Returns:
        For each of `policies.ADAPTED_PARTS` a function from a burst to the policy that follows it; what two of them need
        is fitted once.
    """
    servers: dict[bytes, RetrainedLayer] = {}
    return {
        what: partial(_retraining_policy, old=old, costs=costs, what=what, servers=servers) for what in ADAPTED_PARTS
    }


def _retraining_policy(
    burst: Observation, *, old: LastLayers, costs: Costs, what: str, servers: dict[bytes, RetrainedLayer]
) -> Policy:
    if burst.asked is None or burst.hidden is None:
        raise ValueError("expected a stream that is played with its activations, got one without")
    asked, hidden = burst.asked, burst.hidden
    name = hidden.e.tobytes() + asked.y.tobytes()
    if what != "r" and name not in servers:
        servers[name] = retrain_cv(hidden.e, asked.y == -1, asked.y == 1, old=old.e)
    fit = None if what == "r" else servers[name]
    answers = asked.e if fit is None else fit.held_out
    asking = ask_cost(server_label(answers) != asked.y, costs=costs)
    device = old.r if what == "e" else retrain_cv(hidden.r, asked.m != asked.y, asking, old=old.r).layer

    def choose(seen: Observation, r: np.ndarray) -> Action:
        assert seen.hidden is not None
        chance = ask_probability(last_layer_output(seen.hidden.r[-len(r) :], device), 0.0)
        return Action(chance, label=False, layer=None if fit is None else fit.layer)

    return choose
