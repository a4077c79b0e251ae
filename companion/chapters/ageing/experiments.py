"""A client, a rejector and servers of sensors that age, and adaptation policies along the batches that follow.

A stream is the held-out readings of the second batch, then all later batches; within a batch the order is random,
because the source sorts the readings of most batches by gas.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from companion.chapters.ageing.readings import Readings
from l2h.drift import detectors, experts, last_layer, policies
from l2h.drift.experts import FixedShareConfig
from l2h.drift.last_layer import LastLayers
from l2h.drift.policies import Action, EpisodeResult, LastLayerInputs, Observation, Policy
from l2h.evaluation.metrics import offload_rate, predictions_from_correctness
from l2h.evaluation.thresholds import min_loss_threshold, threshold_grid
from l2h.losses.deferral import ask_cost
from l2h.problem import Costs, Predictions

COSTS = Costs(c1=1.0, ce=0.1)
GROUP, DELAY = 25, 1  # inputs that are decided together, and for how many groups their labels are late
N_THRESHOLDS = 33  # of the experts
TREE_SAMPLE = 1000  # readings of one tree, so that a server with many labels trains in the time of one with few
FOREST_FOLDS = 5  # for labels of readings to which the server was not fitted
ALARM_LABELS = 200  # inputs that are asked and labelled after an alarm
PSEUDO_SUFFIX = ", pseudo-labels"
RETRAINED_SERVER_SUFFIX = ", server retrained"
RETRAINED_SERVER_POLICIES = ("always ask", "fixed", "recalibrated", "experts")


class Deployment(NamedTuple):
    """A system of one seed along its stream of T inputs."""

    seed: int
    row: np.ndarray  # (T,) the reading of each input
    batch: np.ndarray  # (T,) its batch; the first inputs are the held-out ones of the second batch
    y: np.ndarray  # (T,) true labels
    m: np.ndarray  # (T,) labels of the frozen client
    certainty: np.ndarray  # (T,) the client's largest probability
    e: np.ndarray  # (T,) labels of the frozen server
    r: np.ndarray  # (T,) scores of the trained rejector, with its threshold subtracted
    confidence: np.ndarray  # (T,) scores of the client's confidence, with their threshold subtracted
    activations: np.ndarray  # (T, d) inputs of the rejector's layer
    layer: np.ndarray  # (d + 1,) the rejector's layer, with its threshold in the bias
    validation: Predictions  # coded, by `metrics.predictions_from_correctness`
    server_rows: np.ndarray  # readings on which the frozen server was fitted

    @property
    def aged_batches(self) -> np.ndarray:
        """The numbers of the batches after the second one."""
        return np.unique(self.batch)[1:]


class BatchParts(NamedTuple):
    """Rows of the second batch, drawn at random."""

    train: np.ndarray  # half: the server and the rejector are fitted here
    validation: np.ndarray  # a quarter: thresholds
    held_out: np.ndarray  # a quarter: the beginning of the stream


def second_batch_parts(batch: np.ndarray, seed: int) -> BatchParts:
    """A random half, quarter and quarter of the second batch."""
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(batch == np.unique(batch)[1]))
    half, quarter = len(rows) // 2, len(rows) // 4
    return BatchParts(*np.split(rows, [half, half + quarter]))


def fit_first_client(readings: Readings) -> tuple[StandardScaler, LogisticRegression]:
    """The legacy device: a logistic regression of the first batch, whose columns it scales."""
    first = readings.batch == readings.batch[0]
    scaler = StandardScaler().fit(readings.x[first])
    # Solved to rounding: with the default tolerance the probabilities of aged readings depend on the processor.
    regression = LogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=1000)
    return scaler, regression.fit(scaler.transform(readings.x[first]), readings.y[first])


def fit_server(readings: Readings, rows: np.ndarray, *, n_trees: int, seed: int) -> RandomForestClassifier:
    """A random forest of some readings, each tree of a random sample of at most `TREE_SAMPLE`."""
    return new_forest(len(rows), n_trees=n_trees, seed=seed).fit(readings.x[rows], readings.y[rows])


def new_forest(n: int, *, n_trees: int, seed: int) -> RandomForestClassifier:
    """A forest that is not fitted yet, for n readings or a few less."""
    return RandomForestClassifier(n_trees, random_state=seed, max_samples=min(1.0, TREE_SAMPLE / n))


def deploy(readings: Readings, *, n_trees: int, seed: int) -> Deployment:
    r"""Fit client, server and rejector of one seed, and label all inputs of its stream.

    The rejector is a linear layer on the scaled features and the client's log-probabilities, with the two-stage loss

    .. math:: \min_w \sum_i 1[m_i \neq y_i] \ln(1 + e^{z_i}) + (c_e + c_1 1[\hat y_{e,i} \neq y_i]) \ln(1 + e^{-z_i})

    on readings of the second batch, to which the client was not fitted. The server's labels there are out of fold.

    Args:
        readings: at least three batches.
        n_trees: of the server.
        seed: of the parts, the forest, the order and the random offloads.

    Returns:
        The deployment.
    """
    scaler, client = fit_first_client(readings)
    parts = second_batch_parts(readings.batch, seed)
    first_rows = np.flatnonzero(readings.batch == readings.batch[0])
    server_rows = np.concatenate([first_rows, parts.train])
    server = fit_server(readings, server_rows, n_trees=n_trees, seed=seed)
    probability = client.predict_proba(scaler.transform(readings.x))  # (n, K)
    m, e = client.classes_[probability.argmax(1)], server.predict(readings.x)
    activations = np.column_stack([scaler.transform(readings.x), np.log(np.maximum(probability, 1e-12))])
    out_of_fold = _out_of_fold_labels(readings, server_rows, n_trees=n_trees, seed=seed)[len(first_rows) :]
    layer = _fit_rejector(activations[parts.train], m[parts.train], out_of_fold, readings.y[parts.train])
    scores = {"r": policies.last_layer_output(activations, layer), "confidence": probability.max(1)}
    tuned, thresholds = {}, {}
    for name, score in scores.items():
        on_validation = _coded_rows(m, score, e, readings.y, parts.validation)
        thresholds[name] = min_loss_threshold(on_validation, costs=COSTS)
        tuned[name] = score - thresholds[name]
    layer[-1] -= thresholds["r"]
    row = _stream_rows(readings.batch, parts.held_out, seed)
    return Deployment(
        seed, row, readings.batch[row], readings.y[row], m[row], probability.max(1)[row], e[row], tuned["r"][row],
        tuned["confidence"][row], activations[row], layer,
        _coded_rows(m, tuned["r"], e, readings.y, parts.validation), server_rows,
    )  # fmt: skip


def _out_of_fold_labels(readings: Readings, rows: np.ndarray, *, n_trees: int, seed: int) -> np.ndarray:
    folds = KFold(FOREST_FOLDS, shuffle=True, random_state=seed)
    forest = new_forest(len(rows), n_trees=n_trees, seed=seed)
    return np.asarray(cross_val_predict(forest, readings.x[rows], readings.y[rows], cv=folds))


def _fit_rejector(activations: np.ndarray, m: np.ndarray, e: np.ndarray, y: np.ndarray) -> np.ndarray:
    previous = np.zeros(activations.shape[1] + 1)
    fitted = last_layer.retrain_cv(activations, m != y, ask_cost(e != y, costs=COSTS), previous=previous)
    return fitted.layer.copy()


def _coded_rows(m: np.ndarray, r: np.ndarray, e: np.ndarray, y: np.ndarray, rows: np.ndarray) -> Predictions:
    return predictions_from_correctness(m[rows] == y[rows], r[rows], e[rows] == y[rows])


def _stream_rows(batch: np.ndarray, held_out: np.ndarray, seed: int) -> np.ndarray:
    # The generator that drew the parts has the seed alone; this one must be independent of it.
    generator = np.random.default_rng([seed, 3])
    later = [generator.permutation(np.flatnonzero(batch == number)) for number in np.unique(batch)[2:]]
    return np.concatenate([held_out, *later])


def in_order_of_source(deployment: Deployment) -> Deployment:
    """The same inputs as the source lists them within each batch, which is mostly gas by gas."""
    order = np.argsort(deployment.row, kind="stable")
    along = {
        name: getattr(deployment, name)[order]
        for name in ("row", "batch", "y", "m", "certainty", "e", "r", "confidence", "activations")
    }
    return deployment._replace(**along)


def coded_stream(deployment: Deployment, e: np.ndarray | None = None) -> Predictions:
    """The stream, coded by who is right, with the frozen server's labels or others."""
    e, y = deployment.e if e is None else e, deployment.y
    return predictions_from_correctness(deployment.m == y, deployment.r, e == y)


def experts_config(deployment: Deployment) -> FixedShareConfig:
    """The settings of the experts: about one switch per aged batch."""
    sigma = GROUP * len(deployment.aged_batches) / len(deployment.row)
    return FixedShareConfig(eta=0.1, gamma=0.05, sigma=sigma, batch=GROUP, delay=DELAY)


def labels_ordered_policy(threshold: float = 0.0) -> Policy:
    """A fixed threshold, with the true label of each asked input ordered."""

    def choose(observation: Observation, r: np.ndarray) -> Action:
        return Action(policies.ask_probability(r, threshold))

    return choose


def retrained_server_policies(deployment: Deployment) -> dict[str, Policy]:
    """The policies that order labels, on which a server can be retrained: `RETRAINED_SERVER_POLICIES`."""
    no_alarms = np.array([], dtype=int)
    always = float(np.abs(deployment.r).max())  # no score of the stream exceeds it
    return {
        **frozen_server_policies(deployment, no_alarms),
        "fixed": labels_ordered_policy(),
        "always ask": labels_ordered_policy(always),
    }


def experts_policy(deployment: Deployment) -> Policy:
    """Prediction with expert advice over thresholds, as `experts.fixed_share_policy`."""
    thresholds = threshold_grid(deployment.validation.r, N_THRESHOLDS)
    return experts.fixed_share_policy(thresholds, costs=COSTS, fixed_share=experts_config(deployment))


def frozen_server_policies(deployment: Deployment, alarms: np.ndarray) -> dict[str, Policy]:
    """The adaptation policies of chapter 09 that set the rejector alone; only "batch known" knows when batches begin.

    Args:
        deployment: the system and its stream.
        alarms: (k,) rising steps of a detector's alarms on r.

    Returns:
        Name -> policy.
    """
    held_out, options = deployment.validation, {"costs": COSTS, "explore": 0.05, "memory": 1000}
    estimates = {
        "re-estimated": policies.isotonic_policy(**options),  # type: ignore[arg-type]
        "recalibrated": policies.logistic_policy(**options),  # type: ignore[arg-type]
    }
    begins = np.searchsorted(deployment.batch, deployment.aged_batches) - 1  # the last input before each batch
    return {
        "fixed": policies.fixed_policy(),
        "budget": policies.budget_policy(offload_rate(held_out), initial_scores=held_out.r, memory=500),
        **{name + suffix: policy for name, policy in estimates.items() for suffix in ("", PSEUDO_SUFFIX)},
        "experts": experts_policy(deployment),
        **rejector_alarm_policies(deployment, alarms),
        "batch known": policies.alarm_threshold_policy(begins, costs=COSTS, label_burst=ALARM_LABELS, batch=GROUP),
    }


def rejector_alarm_policies(deployment: Deployment, alarms: np.ndarray) -> dict[str, Policy]:
    """After each alarm the next inputs are asked and labelled; then the threshold or the layer is fitted to them."""
    layers = LastLayers(deployment.layer, np.zeros(2))
    retraining = last_layer.retraining_policies(layers, costs=COSTS)["r"]
    options: dict[str, Any] = {"label_burst": ALARM_LABELS, "batch": GROUP}
    return {
        "alarm r": policies.alarm_threshold_policy(alarms, costs=COSTS, **options),
        "alarm r, retrained": policies.after_alarm_policy(alarms, retraining, **options),
    }


def simulate_policy(
    deployment: Deployment, policy: Policy, *, e: np.ndarray | None = None, pseudo_labels: bool = False
) -> EpisodeResult:
    """Simulate a policy along the stream, under the feedback rule.

    Args:
        deployment: the system and its stream.
        policy: decides which inputs are asked; it reads errors, as `predictions_from_correctness` codes them.
        e: (T,) labels of the server that answers; by default those of the frozen one.
        pseudo_labels: whether the policy takes the server's label of each asked input for the true one.

    Returns:
        Losses under the true labels, and decisions.
    """
    e = deployment.e if e is None else e
    observed_label = e if pseudo_labels else deployment.y
    observed = predictions_from_correctness(deployment.m == observed_label, deployment.r, e == observed_label)
    # The server's activations are none: no policy of this page retrains its last layer.
    activations = LastLayerInputs(deployment.activations, np.zeros((len(e), 1)))
    result = policies.simulate(
        observed, policy, costs=COSTS, batch=GROUP, delay=DELAY, seed=deployment.seed, activations=activations
    )
    asked_loss = ask_cost(e != deployment.y, costs=COSTS)
    loss = np.where(result.asked, asked_loss, deployment.m != deployment.y)
    return result._replace(loss=loss, labelled=result.labelled & (not pseudo_labels))


def simulate_with_retraining(
    deployment: Deployment, policy: Policy, readings: Readings, *, n_trees: int
) -> tuple[EpisodeResult, np.ndarray]:
    """Simulate a policy whose server is fitted anew after each aged batch, to its first readings and all labels so far.

    Each simulation repeats the decisions on earlier batches exactly, because they depend on nothing later.

    Args:
        deployment: the system and its stream.
        policy: its state must begin anew with each simulation.
        readings: all.
        n_trees: of each server.

    Returns:
        The result, and (T,) the labels of the server in use.
    """
    e = deployment.e.copy()
    result = simulate_policy(deployment, policy, e=e)
    for number in deployment.aged_batches[:-1]:
        labelled = result.labelled & (deployment.batch <= number)
        rows = np.concatenate([deployment.server_rows, deployment.row[labelled]])
        later = deployment.batch > number
        server = fit_server(readings, rows, n_trees=n_trees, seed=deployment.seed)
        e[later] = server.predict(readings.x[deployment.row[later]])
        result = simulate_policy(deployment, policy, e=e)
    return result, e


def labels_with_all_feedback(deployment: Deployment, readings: Readings, *, n_trees: int) -> np.ndarray:
    """The labels (T,) of a server that is fitted before each batch to every reading of all earlier batches."""
    e = deployment.e.copy()
    for number in deployment.aged_batches:
        now = deployment.batch == number
        server = fit_server(readings, np.flatnonzero(readings.batch < number), n_trees=n_trees, seed=deployment.seed)
        e[now] = server.predict(readings.x[deployment.row[now]])
    return e


def alarms_on_scores(deployment: Deployment, detector: str) -> np.ndarray:
    """The steps at which a detector raises an alarm on r along the stream."""
    return detectors.detect(
        coded_stream(deployment), deployment.validation, signal="r", detector=detector, seed=deployment.seed
    )


def false_alarms(deployment: Deployment, detector: str, *, length: int) -> int:
    """The number of alarms on a stream of held-out readings of the second batch, drawn with replacement."""
    held_out = deployment.r[deployment.batch == deployment.batch[0]]
    # Independent of the generators of the parts and of the order.
    r = np.random.default_rng([deployment.seed, 4]).choice(held_out, size=length)
    return len(detectors.detector_alarms(r, deployment.validation.r, detector=detector, seed=deployment.seed))


def count_false_alarms(deployments: Sequence[Deployment], *, length: int) -> dict[str, int]:
    """The false alarms of each detector, of all seeds together."""
    return {
        name: sum(false_alarms(deployment, name, length=length) for deployment in deployments)
        for name in detectors.DETECTORS
    }


class PolicyRuns(NamedTuple):
    """Simulations of all policies, by name and seed."""

    results: dict[str, list[EpisodeResult]]
    triggered: dict[str, list[EpisodeResult]]  # detector -> "alarm r, retrained" with its alarms
    alarms: dict[str, list[np.ndarray]]  # detector -> steps


def simulate_all_policies(deployments: Sequence[Deployment], readings: Readings, *, n_trees: int) -> PolicyRuns:
    """All policies on all streams, each simulated alone.

    Args:
        deployments: one per seed.
        readings: all.
        n_trees: of each server.

    Returns:
        `PolicyRuns`.
    """
    alarms = {name: [alarms_on_scores(d, name) for d in deployments] for name in detectors.DETECTORS}
    results: dict[str, list[EpisodeResult]] = {}
    for deployment, steps in zip(deployments, alarms["ADWIN"], strict=True):
        for name, policy in frozen_server_policies(deployment, steps).items():
            pseudo = name.endswith(PSEUDO_SUFFIX)
            results.setdefault(name, []).append(simulate_policy(deployment, policy, pseudo_labels=pseudo))
        ordering = retrained_server_policies(deployment)
        for name in RETRAINED_SERVER_POLICIES:
            result, _ = simulate_with_retraining(deployment, ordering[name], readings, n_trees=n_trees)
            results.setdefault(name + RETRAINED_SERVER_SUFFIX, []).append(result)
    triggered = {
        name: [
            simulate_policy(deployment, rejector_alarm_policies(deployment, steps)["alarm r, retrained"])
            for deployment, steps in zip(deployments, by_seed, strict=True)
        ]
        for name, by_seed in alarms.items()
    }
    return PolicyRuns(results, triggered, alarms)


class Regret(NamedTuple):
    """The regret of the experts over a whole stream and its bound, per input."""

    measured: float
    bound: float


def stream_regret(deployment: Deployment) -> Regret:
    """The experts' regret against the best thresholds in hindsight that change once per aged batch."""
    fixed_share, thresholds = experts_config(deployment), threshold_grid(deployment.validation.r, N_THRESHOLDS)
    predictions, switches = coded_stream(deployment), len(deployment.aged_batches)
    result = simulate_policy(deployment, experts_policy(deployment))
    options: dict[str, Any] = {"costs": COSTS, "switches": switches}
    best = experts.best_sequence_losses(predictions, thresholds, batch=GROUP, **options)
    measured = experts.expected_loss(predictions, result, costs=COSTS).sum() - best.sum()
    bound = experts.realised_regret_bound(predictions, result, thresholds, fixed_share=fixed_share, **options)[-1]
    return Regret(float(measured) / len(best), float(bound) / len(best))


def deploy_all(readings: Readings, *, n_trees: int, seeds: int) -> list[Deployment]:
    """`deploy` for the seeds from 0 on."""
    return [deploy(readings, n_trees=n_trees, seed=seed) for seed in range(seeds)]
