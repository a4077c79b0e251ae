"""Fits rejector and server for a frozen client, with torch modules by a method of the registry, or scikit-learn's.

The registry's methods train torch networks that they look up by name. A fit registers its own networks under names of
its own, and takes them away at the end. One fit trains at a time in a process, because torch's generator, default type
and number of threads are global; other processes are free.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from math import ceil
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import StratifiedKFold
from torch import nn
from tqdm import tqdm

from l2h import checks
from l2h.evaluation.thresholds import budget_threshold, min_loss_threshold, threshold_between
from l2h.losses.deferral import ask_cost
from l2h.methods import error_estimation, registry
from l2h.methods.base import SERVER_NETWORKS, Examples, Options, Splits, System
from l2h.models.networks import LinearOnFeatures
from l2h.problem import Predictions, server_label
from l2h.serving.estimator.examples import (
    LabelledInputs,
    SplitRows,
    as_examples,
    part_predictions,
    with_scores_as_inputs,
)
from l2h.serving.estimator.networks import (
    Build,
    ConfidenceRejector,
    Constant,
    DeferralScores,
    DeployedNetwork,
    ErrorDecision,
    Network,
    ScoreRejector,
    network_builder,
)
from l2h.serving.estimator.scorers import (
    EstimatorRejector,
    EstimatorServer,
    NetworkScorer,
    Scorer,
    as_table,
    is_sklearn_model,
    weight_parameter,
)
from l2h.serving.estimator.settings import (
    CLIENT_SCORES,
    CONFIDENCE_METHODS,
    FIXED_DECISIONS,
    JOINT_METHODS,
    TEACHER,
    FitSettings,
    check_settings,
)
from l2h.training import loop
from l2h.training.config import TrainConfig

STEPS = 400  # of a training on few examples
EPOCHS = (6, 60)  # fewest and most passes over the data
BATCH_SIZES = (16, 96)  # smallest and largest
OUT_OF_FOLD_PARTS = 5  # of the train part, for a server's predictions on examples that it was not trained on
PROGRESS_DELAY = 2.0  # seconds before a progress bar appears
LOCK = RLock()
NUMBERS = count()  # of the fits of this process, for the names of their networks


class FittedParts(NamedTuple):
    """A rejector and a server, with the threshold on r."""

    rejector: Scorer
    server: Scorer
    threshold: float
    history: tuple[float, ...]  # mean loss of each epoch of the last training
    interrupted: str  # what was kept after an interrupt; empty where there was none


@dataclass(frozen=True, kw_only=True)
class NetworkOptions(Options):
    """Options whose rejector and server are names of registered networks."""

    def __post_init__(self) -> None:
        checks.one_of(SERVER_NETWORKS, rejector=self.rejector, server_network=self.server_network)
        checks.probabilities(budget=self.budget)


def training_config(n: int, epochs: int | None = None) -> TrainConfig:
    """How networks are trained on n examples: about 400 steps or more, within 6 to 60 passes over the data.

    Args:
        n: examples of the train part.
        epochs: passes over the data, where the user says so.

    Returns:
        The configuration, without augmentation.

    >>> training_config(3500).epochs, training_config(100).batch_size
    (11, 16)
    """
    batch_size = min(max(n // 8, BATCH_SIZES[0]), BATCH_SIZES[1])
    derived = min(max(ceil(STEPS / ceil(n / batch_size)), EPOCHS[0]), EPOCHS[1])
    return TrainConfig(epochs=derived if epochs is None else epochs, batch_size=batch_size, lr=3e-3, betas=(0.8, 0.99))


def fit_parts(data: LabelledInputs, rows: SplitRows, settings: FitSettings) -> FittedParts:
    """Fit rejector and server by a method, and choose the threshold.

    Args:
        data: the examples.
        rows: of the three parts.
        settings: what is fitted, and how.

    Returns:
        The fitted parts. After an interrupt while the rejector, or both, are trained, they are as the training left
        them.

    Raises:
        ValueError: if the method and the models or the client do not fit each other.
        KeyboardInterrupt: if it is interrupted earlier; nothing is kept.
    """
    check_settings(settings, has_scores=data.scores is not None)
    with LOCK, _global_state(settings.seed):
        training = _Training(data, rows, settings)
        try:
            with registered_networks(training.builders, training.progress) as names:
                rejector, server = training.run(names)
        finally:
            training.progress.close()
    predictions = part_predictions(rejector, server, data.rows(rows.validation))
    threshold = 0.0 if settings.method in FIXED_DECISIONS else choose_threshold(predictions, settings)
    return FittedParts(rejector, server, threshold, training.history, training.interrupted)


@contextmanager
def _global_state(seed: int) -> Iterator[None]:
    """One thread and float32, so that a result does not depend on other computations, and torch's generator seeded."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
    try:
        with loop.seeded(seed):
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)


class Progress:
    """A progress bar on a terminal, for a training that takes more than two seconds; it counts the steps.

    Args:
        total: steps of all trainings of a fit.
    """

    def __init__(self, total: int) -> None:
        hidden = not sys.stderr.isatty()
        self.bar = tqdm(total=total, delay=PROGRESS_DELAY, disable=hidden, desc="fit", unit="step", leave=False)
        self.role = "server"  # whose steps are counted

    def watch(self, network: nn.Module, role: str) -> Any:
        """Count the network's training steps; the handle ends that."""

        def count_step(module: nn.Module, inputs: Any) -> None:
            if module is network and module.training and role == self.role:  # a copy is not counted
                self.bar.update()

        return network.register_forward_pre_hook(count_step)

    def close(self) -> None:
        """End the bar."""
        self.bar.close()


class _Networks(NamedTuple):
    """Names of the registered networks, and what was built under them."""

    rejector: str
    server: str
    built: dict[str, list[Network]]


@contextmanager
def registered_networks(builders: dict[str, Build], progress: Progress) -> Iterator[_Networks]:
    """Register the networks of one fit under names of its own, and take them away at the end.

    Args:
        builders: "rejector", "server" -> `build(n_outputs, bounded=...)`.
        progress: counts the steps of each network.

    Yields:
        The names, and role -> the networks built so far.
    """
    number, handles = next(NUMBERS), []
    names = _Networks(f"rejector of fit {number}", f"server of fit {number}", {"rejector": [], "server": []})

    def recording(role: str) -> Callable[..., nn.Module]:
        def build(n_outputs: int = 1, *, bounded: bool) -> nn.Module:
            network = builders[role](n_outputs, bounded=bounded)
            names.built[role].append(network)
            handles.append(progress.watch(network, role))
            return network

        return build

    SERVER_NETWORKS[names.rejector], SERVER_NETWORKS[names.server] = recording("rejector"), recording("server")
    try:
        yield names
    finally:
        for handle in handles:
            handle.remove()
        del SERVER_NETWORKS[names.rejector], SERVER_NETWORKS[names.server]


class _Training:
    """One fit: the server beforehand where the method needs one, and then the method."""

    def __init__(self, data: LabelledInputs, rows: SplitRows, settings: FitSettings) -> None:
        self.data, self.rows, self.settings = data, rows, settings
        train = data.rows(rows.train)
        self.train, self.n_classes, self.bytes = train, len(data.classes), data.x.dtype == np.uint8
        self.config = training_config(len(train.y), settings.epochs)
        given = {"rejector": settings.rejector, "server": settings.server}
        self.builders: dict[str, Build] = {
            role: network_builder(model if isinstance(model, nn.Module) else None, train.x, role=role)
            for role, model in given.items()
        }
        if isinstance(settings.rejector, str):
            self.builders["rejector"] = score_rejector_builder(as_examples(data.rows(rows.calibration)))
        self.progress = Progress(3 * self.config.epochs * ceil(len(train.y) / self.config.batch_size))
        self.history: tuple[float, ...] = ()
        self.interrupted = ""
        self.names = _Networks("", "", {})

    def run(self, names: _Networks) -> tuple[Scorer, Scorer]:
        """Rejector and server."""
        self.names = names
        method = self.settings.method
        starts_from_server = method == "learning_to_help" and self.n_classes > 2
        if method in JOINT_METHODS and not starts_from_server:
            return self._fit_method(self._splits(None), server=None)
        try:
            if is_sklearn_model(self.settings.server):
                server, out_of_fold = self._fit_estimator_server()
                splits = self._splits(server, out_of_fold)
            else:
                server, splits = self._fit_network_server()
            if is_sklearn_model(self.settings.rejector):
                return self._fit_estimator_rejector(splits), server
        except KeyboardInterrupt as interrupt:
            interrupt.add_note("fit was interrupted before its last training: the estimator is as it was before fit")
            raise
        return self._fit_method(splits, server=server)

    def _fit_network_server(self) -> tuple[Scorer, Splits]:
        """A server trained alone, or for "distilled" the teacher, with the examples that its scores complete."""
        splits = self._splits(None)
        teacher = self.settings.method == "distilled"
        system = self._call(TEACHER if teacher else "plain_server", splits)
        decision = DeferralScores(self.n_classes) if teacher else None
        server = NetworkScorer(DeployedNetwork(self._built("server", 0), scale=self.bytes, decision=decision))
        if teacher:
            train = splits.train._replace(teacher_scores=system.r(splits.train), server_scores=system.e(splits.train))
            return server, self._splits(server)._replace(train=train)
        assert system.out_of_fold_scores is not None
        splits = self._splits(server, system.out_of_fold_scores.numpy())
        warm = self.settings.method == "learning_to_help"
        return server, splits._replace(server_weights=system.server_weights) if warm else splits

    def _fit_estimator_server(self) -> tuple[Scorer, np.ndarray]:
        """A scikit-learn server fitted on the train part, and scores of others that were not fitted on the example."""
        table, y, estimator = as_table(self.train.x), self.train.y, self.settings.server

        def fitted(rows: np.ndarray) -> EstimatorServer:
            copy = seeded_clone(estimator, self.settings.seed)
            return EstimatorServer(copy.fit(table[rows], y[rows]), self.data.classes)

        server = fitted(np.arange(len(y)))
        scores = server(table)
        n_folds = min(OUT_OF_FOLD_PARTS, int(np.bincount(y).min()))
        if n_folds >= 2 and not isinstance(estimator, FrozenEstimator):
            folds = StratifiedKFold(n_folds, shuffle=True, random_state=self.settings.seed)
            for others, fold in folds.split(table, y):
                scores[fold] = fitted(others)(table[fold])
        return server, scores

    def _fit_estimator_rejector(self, splits: Splits) -> Scorer:
        r"""A classifier of "asking costs less", with the difference of the costs as weight.

        .. math:: t = 1[a < k], \quad w = |k - a|, \quad k = 1[m \neq y], \quad a = c_e + c_1 1[e \neq y]

        With these weights the share of t = 1 given x is above one half exactly where E[k - a | x] > 0: the Bayes
        rejector for this server. An estimator that takes no weights gets rows drawn in proportion to them.
        """
        examples, costs = splits.train, self.settings.costs
        assert examples.server_scores is not None
        keep = (examples.m != examples.y).double().numpy()
        ask = ask_cost((server_label(examples.server_scores) != examples.y).double().numpy(), costs=costs)
        target, weight = (ask < keep).astype(np.int64), np.abs(keep - ask)
        used = weight > 0
        if len(np.unique(target[used])) < 2:
            asks_always = bool(target[used].all()) and bool(used.any())
            return NetworkScorer(Constant(FIXED_DECISIONS["always_ask" if asks_always else "always_keep"]))
        table, target, weight = as_table(self.train.x)[used], target[used], weight[used]
        estimator = seeded_clone(self.settings.rejector, self.settings.seed)
        parameter = weight_parameter(estimator)
        if parameter:
            return EstimatorRejector(estimator.fit(table, target, **{parameter: weight / weight.mean()}))
        drawn = _drawn_rows(target, weight, self.settings.seed)
        return EstimatorRejector(estimator.fit(table[drawn], target[drawn]))

    def _fit_method(self, splits: Splits, server: Scorer | None) -> tuple[Scorer, Scorer]:
        """The method itself; an interrupt leaves its networks as they are."""
        method = self.settings.method
        if method in FIXED_DECISIONS:
            assert server is not None
            return NetworkScorer(Constant(FIXED_DECISIONS[method])), server
        before = {role: len(networks) for role, networks in self.names.built.items()}
        self.progress.role = "server" if server is None or method == "learning_to_help" else "rejector"
        if isinstance(self.settings.rejector, str):
            splits = with_scores_as_inputs(splits)
        try:
            self.history = self._call(method, splits).history
        except KeyboardInterrupt as interrupt:
            after = {role: len(networks) for role, networks in self.names.built.items()}
            ready = after["rejector"] > before["rejector"] and (server or after["server"] > before["server"])
            if not ready:
                interrupt.add_note("fit was interrupted before its last training: the estimator is as it was before")
                raise
            self.interrupted = (
                f"fit was interrupted in the last training of {method!r}: the networks are kept as they were then, and "
                "the threshold was chosen for them"
            )
        if len(self.names.built["server"]) > before["server"]:
            server = NetworkScorer(DeployedNetwork(self._built("server", before["server"]), scale=self.bytes))
        assert server is not None
        return self._rejector(splits, before["rejector"]), server

    def _rejector(self, splits: Splits, index: int) -> Scorer:
        method, costs, calibration = self.settings.method, self.settings.costs, splits.calibration
        if method in CONFIDENCE_METHODS:
            temperature = error_estimation.fit_temperature(calibration.client_scores, calibration.y)
            return NetworkScorer(ConfidenceRejector(temperature, 1 - self._ask_cost(calibration)), CLIENT_SCORES)
        decision = None
        if method == "separate":
            decision = ErrorDecision(self._ask_cost(calibration), pair=False)
        elif method == "two_sigmoid":
            decision = ErrorDecision(costs.ce, costs.c1, pair=True)
        reads_scores = isinstance(self.settings.rejector, str)
        network = self._built("rejector", index)
        deployed = DeployedNetwork(network, scale=self.bytes and not reads_scores, decision=decision)
        return NetworkScorer(deployed, CLIENT_SCORES if reads_scores else "x")

    def _ask_cost(self, calibration: Examples) -> float:
        """The cost of asking, of which the server's error rate on the calibration part is an estimate."""
        assert calibration.server_scores is not None
        rate = error_estimation.error_rate(server_label(calibration.server_scores), calibration.y)
        return float(ask_cost(rate, costs=self.settings.costs))

    def _built(self, role: str, index: int) -> Network:
        return self.names.built[role][index].eval().to("cpu")

    def _call(self, method: str, splits: Splits) -> System:
        """A method of the registry with the options of this fit."""
        config = self.config
        if splits.server_weights is not None:  # it starts from a trained server and needs fewer, smaller steps
            config = replace(config, lr=config.lr / 3)
        options = NetworkOptions(
            rejector=self.names.rejector,
            server_network=self.names.server,
            training=config,
            bounded=self.n_classes == 2,
            alpha="deterministic" if self.n_classes == 2 else "posterior",
            budget=0.5 if self.settings.budget is None else self.settings.budget,
        )
        options = replace(options, **(self.settings.method_options or {}))
        fit: Callable[..., System] = registry.METHODS[method]
        return fit(splits, costs=self.settings.costs, seed=self.settings.seed, options=options)

    def _splits(self, server: Scorer | None, train_scores: np.ndarray | None = None) -> Splits:
        """The three parts as the registry's methods read them."""
        parts = []
        for name, rows in self.rows._asdict().items():
            part = self.data.rows(rows)
            known = train_scores if name == "train" else None
            scores = server(part.x) if server is not None and known is None else known
            parts.append(as_examples(part, scores))
        train, calibration, validation = parts
        return Splits(train, calibration, validation)


def score_rejector_builder(calibration: Examples) -> Build:
    """The function that makes a rejector on the client's scores, as the methods of the registry call it.

    Args:
        calibration: examples on which the temperature of the scores is fitted.

    Returns:
        `build(n_outputs=1, *, bounded)`, which gives a `Network`.
    """
    scores = calibration.client_scores
    temperature = error_estimation.fit_temperature(scores, calibration.y)
    n_features = error_estimation.score_features(scores, temperature).shape[1]

    def build(n_outputs: int = 1, *, bounded: bool) -> Network:
        layer = LinearOnFeatures(n_features, n_outputs)
        body = ScoreRejector(layer, temperature, error_estimation.MAX_FEATURE)
        return Network(body, tuple(scores.shape[1:]), n_outputs, bounded=bounded, role="rejector")

    return build


def choose_threshold(predictions: Predictions, settings: FitSettings) -> float:
    """The threshold on r of least system loss on the validation part; with a budget at most the one that keeps it.

    It lies halfway between two scores of the validation part, so that rounding changes no decision there.

    Args:
        predictions: on the validation part.
        settings: costs and budget.

    Returns:
        A number that float32 represents.
    """
    threshold = min_loss_threshold(predictions, costs=settings.costs)
    if settings.budget is not None:
        threshold = min(threshold, budget_threshold(predictions.r, budget=settings.budget).threshold)
    return threshold_between(predictions.r, threshold)


def seeded_clone(estimator: Any, seed: int) -> Any:
    """An unfitted copy of a scikit-learn estimator whose random states, where they are None, have a seed.

    Args:
        estimator: of scikit-learn; a frozen one is returned as it is.
        seed: of each random state that is None.
    """
    copy = clone(estimator)
    if isinstance(copy, FrozenEstimator):
        return copy
    params = copy.get_params(deep=True)
    states = [name for name, value in params.items() if name.endswith("random_state") and value is None]
    return copy.set_params(**dict.fromkeys(states, seed)) if states else copy


def _drawn_rows(target: np.ndarray, weight: np.ndarray, seed: int) -> np.ndarray:
    """Rows drawn in proportion to the weights, with both targets among them."""
    random = np.random.default_rng(seed)
    drawn = random.choice(len(weight), size=len(weight), p=weight / weight.sum())
    missing = [np.flatnonzero(target == value)[:1] for value in (0, 1) if not (target[drawn] == value).any()]
    return np.concatenate([drawn, *missing])
