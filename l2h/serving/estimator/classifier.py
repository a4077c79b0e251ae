"""The scikit-learn estimator: a rejector and a server for a frozen model of one's own."""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from l2h import checks
from l2h.problem import Costs, Predictions, asks
from l2h.serving.estimator.clients import (
    Answers,
    as_array,
    as_client,
    given_answers,
    label_indices,
    look_like_one_probability,
)
from l2h.serving.estimator.examples import LabelledInputs, SplitRows, part_predictions, split_rows
from l2h.serving.estimator.inputs import as_given, digest, provenance, validation_options
from l2h.serving.estimator.networks import data_kind
from l2h.serving.estimator.report import VALIDATION, Report, make_report, row_hashes
from l2h.serving.estimator.saving import ComparedInputs, loaded_parts, save_parts
from l2h.serving.estimator.scoring import warn_of_class_scores
from l2h.serving.estimator.settings import FitSettings
from l2h.serving.estimator.training import choose_threshold, fit_parts
from l2h.serving.folder import Card
from l2h.serving.onnx.sessions import load_parts
from l2h.serving.scores import are_probabilities, probabilities_from_scores, score_labels

ONE_PROBABILITY = (
    "expected scores of the client that are positive for the second class alone, got numbers in [0, 1], which all "
    "stand for the second class: of its probability p give log(p / (1 - p)), or both classes' probabilities, (n, 2)"
)
SAMPLE = 1000  # inputs on which an ONNX file is compared with its model


class LearningToHelpClassifier(ClassifierMixin, BaseEstimator):
    """A frozen client with a rejector on its device and a server that is asked where the client is likely to be wrong.

    The device keeps the client's label where r(x) > 0 and asks the server where r(x) <= 0. `fit` leaves the client as
    it is, and trains rejector and server for it on about 70 % of the examples; 10 % calibrate scores and error rates,
    and 20 % choose the threshold on r. The three parts are disjoint, stratified by class, and drawn by random_state.

    `score` is the accuracy, which knows no costs: a search over c1 or ce by it prefers a free server. Such a search
    needs the costs that count, `GridSearchCV(helper, {"ce": [0.1, 0.2]}, scoring=system_loss_scorer(c1=1, ce=0.1))`.
    Scorers that read decision_function as scores of a class, as "roc_auc" does, measure nothing here; they warn.

    The client must see what the device sees. In `make_pipeline(StandardScaler(), LearningToHelpClassifier(client))` the
    client would see scaled inputs, for which it was not fitted. Scaling belongs into rejector and server:

    >>> from sklearn.frozen import FrozenEstimator
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> client = FrozenEstimator(LogisticRegression().fit(X[::5, :1], y[::5]))
    >>> helper = LearningToHelpClassifier(
    ...     client=lambda inputs: client.predict(inputs[:, :1]),
    ...     method="two_stage",
    ...     rejector=make_pipeline(StandardScaler(), LogisticRegression()),
    ...     server=make_pipeline(StandardScaler(), LogisticRegression()),
    ...     random_state=0,
    ... ).fit(X, y)
    >>> helper.predict(X[:2]).shape, sorted(helper.split_sizes_.values())
    ((2,), [15, 30, 105])

    Args:
        client: the frozen model: a fitted scikit-learn estimator, best as `FrozenEstimator`, because clone strips a
            fitted one; a torch module that gives scores (n, K) in the order of the sorted labels, or (n,) for two; a
            function of the inputs to labels, or to a pair of labels and scores; the path of an ONNX file; or None,
            which answers with the most frequent label, or, where `fit` gets its answers as arrays, cannot be asked.
        c1: cost of an error of the server, in units of one error of the client, >= 0.
        ce: cost of asking the server, >= 0.
        method: a name in `settings.METHOD_NAMES`.
        rejector: a torch module from x to scores (n,) or (n, 1), whose copy is trained; a scikit-learn classifier, for
            method="two_stage"; "client_scores" for a linear layer on the client's scores; None for a network with one
            hidden layer.
        server: a torch module from x to scores (n, K), or (n,) for two classes, whose copy is trained; a scikit-learn
            classifier, for the methods in `settings.TRAINED_BEFORE`; None for a network that fits the kind of data.
        budget: largest offload rate, in (0, 1): with probability 0.95 over the draw of the validation part, the rate on
            future inputs is at most this. None sets no limit.
        random_state: of the parts, initial weights and batches.
        epochs: passes over the train part in each training of a network; None derives about 400 steps or more, within
            6 to 60 passes.
        method_options: name -> value of the options that the method reads besides, in `settings.METHOD_OPTIONS`; as
            {"alpha": 1.5, "beta": 1.0} for learning to help. None takes the defaults of `Options`.

    Attributes:
        classes_: the labels, sorted.
        client_: the client as it is asked.
        rejector_, server_: the fitted parts, functions of arrays.
        threshold_: it is subtracted from the rejector's score.
        split_sizes_: part of the data -> number of examples.
        history_: mean loss of each epoch of the last training.
        interrupted_: what was kept after Ctrl-C; empty where there was none.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Inputs are tables (n, features), sequences (n, steps, features) of floats, grey images (n, height, width) of bytes,
    or images (n, channels, height, width): NumPy, torch tensors or DataFrames. Images of bytes stay bytes; all other
    numbers become float32. scikit-learn rejectors and servers read all of them as tables. One fit trains at a time in a
    process; use processes for parallel fits.
    """

    def __init__(
        self,
        client: Any = None,
        *,
        c1: float = 1.0,
        ce: float = 0.1,
        method: str = "learning_to_help",
        rejector: Any = None,
        server: Any = None,
        budget: float | None = None,
        random_state: Any = None,
        epochs: int | None = None,
        method_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.client = client
        self.c1 = c1
        self.ce = ce
        self.method = method
        self.rejector = rejector
        self.server = server
        self.budget = budget
        self.random_state = random_state
        self.epochs = epochs
        self.method_options = method_options

    def fit(
        self, X: Any, y: Any, *, client_labels: Any = None, client_scores: Any = None
    ) -> "LearningToHelpClassifier":
        """Train rejector and server, and choose the threshold.

        On a terminal a progress bar shows a training of more than two seconds. Ctrl-C in the last training keeps the
        networks as they are then, warns, and sets `interrupted_`; before, it leaves the estimator as it was.

        Args:
            X: (n, ...) inputs that the client was not trained on.
            y: (n,) labels of two classes or more.
            client_labels: (n,) the client's labels of X, instead of those that it would give.
            client_scores: (n, K) its scores or probabilities, or (n,) scores for two classes, positive for the second.

        Returns:
            The estimator.

        Raises:
            ValueError: if an input, a label or a parameter is not as above; the message says what was expected.
            TypeError: if the client, the rejector or the server is of another kind.
            NotFittedError: if the client is an estimator that is not fitted.
        """
        with _unchanged_by_failure(self):
            self._fit(X, y, client_labels, client_scores)
        if self.interrupted_:
            warnings.warn(self.interrupted_, UserWarning, stacklevel=2)
        return self

    def _fit(self, X: Any, y: Any, client_labels: Any, client_scores: Any) -> None:
        x, targets = self._fit_inputs(X, y)
        check_classification_targets(targets)
        classes, index = np.unique(targets, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"expected at least two classes in y, got one class: {classes.tolist()[0]!r}")
        index = index.astype(np.int64)
        data_kind(x.shape[1:], x.dtype)
        given = client_labels is not None or client_scores is not None
        client = as_client(self.client, index, classes, given=given)
        self._given_probabilities = None if client_scores is None else are_probabilities(as_array(client_scores))
        if given:
            known = self._given_probabilities
            answers = given_answers(client_labels, client_scores, classes, len(x), probabilities=known)
        else:
            answers = client.answers(as_given(X), x)
        if look_like_one_probability(answers.scores):
            warnings.warn(ONE_PROBABILITY, UserWarning, stacklevel=3)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        costs = Costs(self.c1, self.ce)
        costs = Costs(float(costs.c1), float(costs.ce))  # JSON has no numbers of NumPy
        settings = FitSettings(
            self.method, costs, self.rejector, self.server, self.budget, self.epochs, seed, self.method_options
        )
        data, rows = LabelledInputs(x, index, *answers, classes), split_rows(index, seed)
        parts = fit_parts(data, rows, settings)
        self.classes_, self.client_ = classes, client
        self.rejector_, self.server_, self.threshold_ = parts.rejector, parts.server, parts.threshold
        self.history_, self.interrupted_ = parts.history, parts.interrupted
        self.input_shape_, self.input_dtype_ = x.shape[1:], str(x.dtype)
        self.split_sizes_ = {name: len(part) for name, part in rows._asdict().items()}
        self._costs, self._method = settings.costs, settings.method
        self._remember(data, rows.validation, settings)
        self._options = _options(settings, self)

    def _remember(self, data: LabelledInputs, validation: np.ndarray, settings: FitSettings) -> None:
        """What later reports and the card need of the data."""
        part = data.rows(validation)
        predictions = part_predictions(self.rejector_, self.server_, part)
        self._confidence_threshold = None
        if part.scores is not None:
            by_confidence = Predictions(predictions.m, _confidence(part.scores), predictions.e, predictions.y)
            self._confidence_threshold = choose_threshold(by_confidence, settings)
        self._known_rows = np.sort(row_hashes(data.x))
        self._data_facts = {"n": len(data.y), "sha256": digest(data.x, data.y), **self.split_sizes_}
        shown = np.arange(min(len(data.y), SAMPLE))
        self._sample = ComparedInputs(data.x[shown], Answers(*data.rows(shown)[2:4]))
        self.report_: Report | None = self._report(predictions, part.scores, VALIDATION)

    def _report(self, predictions: Predictions, scores: np.ndarray | None, data: str) -> Report:
        """The report on predictions without the threshold, and on the client's scores of the same examples."""
        confidence = None
        if scores is not None and self._confidence_threshold is not None:
            confidence = _confidence(scores) - np.float32(self._confidence_threshold)
        return make_report(
            predictions,
            costs=self._costs,
            confidence=confidence,
            client_scores=scores,
            threshold=self.threshold_,
            data=data,
        )

    def predict(self, X: Any, *, client_labels: Any = None, client_scores: Any = None) -> np.ndarray:
        """Labels of the system: the client's where the device keeps, the server's where it asks.

        Args:
            X: (n, ...) inputs.
            client_labels: (n,) the client's labels of X; needed where the client cannot be asked.
            client_scores: its scores, likewise.

        Returns:
            (n,) labels.
        """
        return self.predict_with_source(X, client_labels=client_labels, client_scores=client_scores)[0]

    def predict_with_source(
        self, X: Any, *, client_labels: Any = None, client_scores: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Labels of the system, and who gave each.

        Args:
            X: (n, ...) inputs.
            client_labels: (n,) the client's labels of X; needed where the client cannot be asked.
            client_scores: its scores, likewise.

        Returns:
            (n,) labels, and (n,) "client" or "server".
        """
        x, answers = self._answers(X, client_labels, client_scores)
        asked = asks(self._r(x, answers.scores))
        index = answers.m.copy()
        if asked.any():
            index[asked] = self._server_indices(x[asked])
        return self.classes_[index], np.where(asked, "server", "client")

    def asks(self, X: Any, *, client_scores: Any = None) -> np.ndarray:
        """Where the device asks the server.

        Args:
            X: (n, ...) inputs.
            client_scores: the client's scores; needed where the rejector reads them and the client cannot be asked.

        Returns:
            (n,) booleans.
        """
        asked: np.ndarray = asks(self.decision_function(X, client_scores=client_scores))
        return asked

    def decision_function(self, X: Any, *, client_scores: Any = None) -> np.ndarray:
        """The rejector's score r, from which the threshold is subtracted: above 0 the device keeps, else it asks.

        It is no score of a class, as that of other classifiers is: a scorer of scikit-learn that reads it so warns.

        Args:
            X: (n, ...) inputs.
            client_scores: the client's scores; needed where the rejector reads them and the client cannot be asked.

        Returns:
            (n,) float32.
        """
        check_is_fitted(self)
        warn_of_class_scores()
        x = self._inputs(X)
        scores = None
        if self.rejector_.reads == "client_scores":
            if client_scores is not None:
                scores = self._given(None, client_scores, len(x)).scores
            else:
                scores = self.client_.scores(as_given(X), x)
        return self._r(x, scores)

    def score(
        self, X: Any, y: Any, sample_weight: Any = None, *, client_labels: Any = None, client_scores: Any = None
    ) -> float:
        """Accuracy of the system.

        Args:
            X: (n, ...) inputs.
            y: (n,) labels.
            sample_weight: (n,) weights of the examples.
            client_labels: as in `predict`.
            client_scores: as in `predict`.

        Returns:
            The share of labels that are right.
        """
        predicted = self.predict(X, client_labels=client_labels, client_scores=client_scores)
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))

    def report(self, X: Any, y: Any, *, client_labels: Any = None, client_scores: Any = None) -> Report:
        """Loss, accuracy, coverage, offload rate, Table I and the curve, and a comparison with the simple policies.

        Where the client has scores, also the forecast that could have been made before training: what any rejector can
        gain over the client's confidence, and what to expect, beside what this one gained.

        Args:
            X: (n, ...) inputs that fit did not use.
            y: (n,) their labels, among the classes of fit.
            client_labels: as in `predict`.
            client_scores: as in `predict`.

        Returns:
            `Report`, which `save` writes into the card.

        Raises:
            ValueError: if all rows were used by fit, or a label is unknown.

        Warns:
            UserWarning: if some rows were used by fit.
        """
        x, answers = self._answers(X, client_labels, client_scores)
        index = label_indices(y, self.classes_, what="y")
        if len(index) != len(x):
            raise ValueError(f"expected as many labels as inputs, got {len(index)} labels and {len(x)} inputs")
        data = provenance(x, index, facts=self._data_facts, known_rows=self._known_rows)
        examples = LabelledInputs(x, index, *answers, self.classes_)
        report = self._report(part_predictions(self.rejector_, self.server_, examples), answers.scores, data)
        self.report_ = report
        return report

    def save(self, folder: str | os.PathLike[str]) -> Card:
        """Write the helper's folder: ONNX files, card.json and README.md; nothing is pickled.

        The card holds the figures of the last report, or, where there was none, those on the validation part. A part
        that does not convert to ONNX has no file: the card and a warning say which step and why, and the estimator
        goes on serving in this process.

        Args:
            folder: new, empty, or that of a saved helper.

        Returns:
            The card.

        Raises:
            ValueError: if the folder holds something else.
        """
        check_is_fitted(self)
        card = Card(
            classes=tuple(self.classes_.tolist()),
            costs=self._costs,
            method=self._method,
            threshold=self.threshold_,
            input_shape=self.input_shape_,
            input_dtype=self.input_dtype_,
            parts={},
            data=self._data_facts,
            metrics=self._metrics if self.report_ is None else self.report_.card_metrics(),
            options=self._options,
        )
        return save_parts(
            folder, card, rejector=self.rejector_, server=self.server_, client=self.client_, sample=self._sample
        )

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "LearningToHelpClassifier":
        """A fitted estimator from a saved folder, which runs with onnxruntime.

        For float32 and uint8 inputs its decisions are those of the estimator that was saved. It knows the digest of the
        fit's data, not its single rows, so that `report` refuses those data as a whole only.

        Args:
            folder: as `save` left it.

        Returns:
            The estimator; its parameter `client` is the path of client.onnx, where there is one.

        Raises:
            FileNotFoundError: if there is no such folder, or a file is missing.
            ValueError: if the folder is damaged or foreign, or lacks the rejector or the server.
        """
        card, models = load_parts(folder)
        parts, options = loaded_parts(card, models, folder), card.options
        client = str(Path(folder) / card.parts["client"].file) if "client" in card.parts else None
        params = {name: options.get(name) for name in ("budget", "random_state", "epochs", "method_options")}
        helper = cls(client, c1=card.costs.c1, ce=card.costs.ce, method=card.method, **params)
        helper.classes_, helper.client_ = np.array(card.classes), parts.client
        helper.rejector_, helper.server_, helper.threshold_ = parts.rejector, parts.server, card.threshold
        helper.history_, helper.interrupted_ = (), str(options.get("interrupted", ""))
        helper.input_shape_, helper.input_dtype_ = card.input_shape, card.input_dtype
        helper.n_features_in_ = card.input_shape[0]
        if options.get("feature_names"):
            helper.feature_names_in_ = np.array(options["feature_names"], dtype=object)
        helper.split_sizes_ = {name: card.data[name] for name in SplitRows._fields if name in card.data}
        helper._confidence_threshold = options.get("confidence_threshold")
        helper._known_rows = np.empty(0, dtype="<u8")
        helper._data_facts, helper._options = dict(card.data), dict(options)
        helper._sample = ComparedInputs(
            np.zeros((1, *card.input_shape), card.input_dtype), Answers(np.zeros(1, np.int64), None)
        )
        helper._given_probabilities = options.get("client_scores_are_probabilities")
        helper._costs, helper._method = card.costs, card.method
        helper.report_, helper._metrics = None, dict(card.metrics)
        return helper

    def plot(self, ax: Any = None) -> Any:
        """Draw the accuracy-coverage curve of the last report.

        Args:
            ax: matplotlib axes to draw into; None makes new ones.

        Returns:
            The axes.
        """
        check_is_fitted(self)
        if self.report_ is None:
            raise ValueError("expected a report to draw, got none: call report(X, y) first")
        if ax is None:
            from l2h.plotting.style import subplot_grid  # matplotlib is optional

            (ax,) = subplot_grid(1, 1, (4.8, 3.6))[1]
        self.report_.plot(ax)
        return ax

    def _answers(self, X: Any, client_labels: Any, client_scores: Any) -> tuple[np.ndarray, Answers]:
        """Checked inputs, and the client's answers to them."""
        check_is_fitted(self)
        x = self._inputs(X)
        if client_labels is not None or client_scores is not None:
            return x, self._given(client_labels, client_scores, len(x))
        return x, self.client_.answers(as_given(X), x)

    def _given(self, client_labels: Any, client_scores: Any, n: int) -> Answers:
        """The client's answers that came as arrays, read as those of fit were."""
        known = self._given_probabilities
        return given_answers(client_labels, client_scores, self.classes_, n, probabilities=known)

    def _r(self, x: np.ndarray, scores: np.ndarray | None) -> np.ndarray:
        values = x if self.rejector_.reads == "x" else scores
        if values is None:
            raise ValueError("expected client_scores=, which this rejector reads, got none")
        r: np.ndarray = self.rejector_(values) - np.float32(self.threshold_)
        checks.finite(**{"scores of the rejector": r})  # NaN would keep
        return r

    def _server_indices(self, x: np.ndarray) -> np.ndarray:
        e = self.server_(x)
        checks.finite(**{"scores of the server": e})
        return score_labels(e)

    def _fit_inputs(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Checked inputs, float32 or bytes of images, and labels; they set what is expected later."""
        x, targets = validate_data(self, as_given(X), as_given(y), **validation_options(X, bytes_are_images=True))
        return x, targets

    def _inputs(self, X: Any) -> np.ndarray:
        """Checked inputs of the shape and type of those in fit."""
        options = validation_options(X, bytes_are_images=self.input_dtype_ == "uint8")
        x: np.ndarray = validate_data(self, as_given(X), reset=False, **options)
        if x.shape[1:] != self.input_shape_ or str(x.dtype) != self.input_dtype_:
            raise ValueError(
                f"expected inputs of shape (n, {', '.join(map(str, self.input_shape_))}) and type "
                f"{self.input_dtype_}, as in fit, got shape {x.shape} and type {x.dtype}"
            )
        return x


@contextmanager
def _unchanged_by_failure(estimator: BaseEstimator) -> Iterator[None]:
    """After an error or an interrupt the estimator has the attributes that it had before."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def _confidence(scores: np.ndarray) -> np.ndarray:
    """The client's confidence: its largest probability, or for two classes the absolute value of its score."""
    if scores.ndim == 1:
        return np.abs(scores)
    largest: np.ndarray = probabilities_from_scores(scores).max(axis=1)
    return largest


def _options(settings: FitSettings, helper: "LearningToHelpClassifier") -> dict[str, Any]:
    """How the helper was fitted, for its card."""
    given = {"rejector": settings.rejector, "server": settings.server, "client": helper.client}
    names = getattr(helper, "feature_names_in_", None)
    return {
        **{name: "default" if model is None else type(model).__name__ for name, model in given.items()},
        "budget": None if settings.budget is None else float(settings.budget),
        "epochs": None if settings.epochs is None else int(settings.epochs),
        "random_state": int(helper.random_state) if isinstance(helper.random_state, Integral) else None,
        "seed": settings.seed,
        "interrupted": helper.interrupted_,
        "confidence_threshold": helper._confidence_threshold,
        "client_scores_are_probabilities": helper._given_probabilities,
        "feature_names": None if names is None else [str(name) for name in names],
        **({"method_options": _as_json(settings.method_options)} if settings.method_options else {}),
    }


def _as_json(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a method without NumPy's numbers."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in options.items()}
