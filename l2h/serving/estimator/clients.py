"""The frozen client, whatever the user has: estimator, torch module, function, ONNX file, or answers alone.

`as_client` turns each of them into a `Client` with labels as class indices 0..K-1, the positions in the sorted classes
of y, and with scores where it has them: (n,) for two classes, positive for the second one, or (n, K).
"""

import os
import warnings
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import torch
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted
from torch import nn

from l2h import checks
from l2h.serving.onnx.sessions import first_line, new_session
from l2h.serving.scores import are_probabilities, as_scores, estimator_scores, score_labels

CLIENT_BATCH = 500  # inputs that a torch module gets at once, which bounds the memory
FREEZE_HINT = "wrap your fitted model: LearningToHelpClassifier(client=FrozenEstimator(model))"
KINDS = "a scikit-learn estimator, a torch module, a function, the path of an ONNX file, or None"


class Answers(NamedTuple):
    """The client's answers on n inputs."""

    m: np.ndarray  # (n,) class indices
    scores: np.ndarray | None  # (n,) or (n, K) float32


class Client:
    """A frozen client; a subclass says how it is asked.

    Args:
        classes: the labels of y, sorted.
    """

    def __init__(self, classes: np.ndarray) -> None:
        self.classes = classes
        self.gives_probabilities: bool | None = None  # known after the first scores, the same from then on

    def answers(self, inputs: Any, x: np.ndarray) -> Answers:
        """Labels and scores of n inputs.

        Args:
            inputs: as the user gave them.
            x: the same, (n, ...) float32 or uint8.
        """
        raise NotImplementedError

    def labels(self, inputs: Any, x: np.ndarray) -> np.ndarray:
        """Class indices (n,)."""
        return self.answers(inputs, x).m

    def scores(self, inputs: Any, x: np.ndarray) -> np.ndarray | None:
        """Scores (n,) or (n, K), or None where the client has none."""
        return self.answers(inputs, x).scores


class MajorityClient(Client):
    """The weakest client: it gives the same label to every input.

    Args:
        classes: the labels of y, sorted.
        index: of this label.
    """

    def __init__(self, classes: np.ndarray, index: int) -> None:
        super().__init__(classes)
        self.index = index

    def answers(self, inputs: Any, x: np.ndarray) -> Answers:
        """The label, once per input."""
        return Answers(np.full(len(x), self.index), None)


class GivenClient(Client):
    """A client of which only answers are known: it cannot be asked."""

    def answers(self, inputs: Any, x: np.ndarray) -> Answers:
        """Refuse.

        Raises:
            ValueError: always, because the answers must come with the inputs.
        """
        raise ValueError(
            "expected client_labels= or client_scores= with these inputs, got neither: fit got the client's answers as "
            "arrays, so the client itself cannot be asked"
        )


class EstimatorClient(Client):
    """A fitted scikit-learn estimator, or any object with `predict`.

    Args:
        classes: the labels of y, sorted.
        estimator: fitted.
    """

    def __init__(self, classes: np.ndarray, estimator: Any) -> None:
        super().__init__(classes)
        self.estimator = estimator
        own = getattr(estimator, "classes_", None)
        self.columns = None if own is None else label_indices(own, classes, what="the client's classes")

    def answers(self, inputs: Any, x: np.ndarray) -> Answers:
        """The estimator's labels, and its probabilities or decision function as scores."""
        inputs = self._inputs(inputs)
        m = label_indices(self.estimator.predict(inputs), self.classes, what="the client's labels")
        if self.columns is None:
            return Answers(m, None)
        return Answers(m, estimator_scores(self.estimator, inputs, self.columns, len(self.classes)))

    def _inputs(self, inputs: Any) -> Any:
        """A table with names for an estimator that was fitted with names, else an array with one row per input."""
        if hasattr(self.estimator, "feature_names_in_") and hasattr(inputs, "columns"):
            return inputs
        inputs = np.asarray(inputs)
        return inputs.reshape(len(inputs), -1) if inputs.ndim > 2 else inputs


class ModuleClient(Client):
    """A torch module that gives scores (n, K), or (n,) for two classes, in the order of the sorted classes.

    It reads the inputs as float32 or uint8, so that normalisation belongs into the module.

    Args:
        classes: the labels of y, sorted.
        module: it is copied and set to evaluation mode.
    """

    def __init__(self, classes: np.ndarray, module: nn.Module) -> None:
        super().__init__(classes)
        self.module = deepcopy(module).eval()

    def answers(self, inputs: Any, x: np.ndarray) -> Answers:
        """The module's scores, and the label of the largest one."""
        try:
            with torch.no_grad():
                outputs = [self.module(batch) for batch in torch.from_numpy(x).split(CLIENT_BATCH)]
        except (RuntimeError, TypeError) as error:
            raise ValueError(
                f"expected a client that reads {x.dtype} inputs of shape {('n', *x.shape[1:])}, with its scaling "
                f"inside the module; it failed: {first_line(error)}"
            ) from error
        if not all(isinstance(output, torch.Tensor) for output in outputs):
            raise ValueError(f"expected a tensor of scores from the client, got a {type(outputs[0]).__name__}")
        values = torch.cat(outputs).cpu().numpy()
        if self.gives_probabilities is None:
            self.gives_probabilities = are_probabilities(values)
        scores = as_scores(values, len(self.classes), len(x), probabilities=self.gives_probabilities)
        return Answers(score_labels(scores), scores)


class FunctionClient(Client):
    """A function of the inputs to labels (n,), or to a pair of labels and scores.

    Args:
        classes: the labels of y, sorted.
        function: called with the inputs as the user gave them.
    """

    def __init__(self, classes: np.ndarray, function: Callable[[Any], Any]) -> None:
        super().__init__(classes)
        self.function = function

    def answers(self, inputs: Any, x: np.ndarray) -> Answers:
        """What the function gives."""
        given = self.function(inputs)
        labels, scores = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
        if scores is not None and self.gives_probabilities is None:
            self.gives_probabilities = are_probabilities(as_array(scores))
        return given_answers(labels, scores, self.classes, len(x), probabilities=self.gives_probabilities)


class OnnxClient(Client):
    """An ONNX file of a classifier: scores (n, K) or labels, with or without scores.

    Labels are recognised by their type, integers or strings; an output "m" holds class indices, as in the folder of a
    helper. The inputs are converted to the model's type.

    Args:
        classes: the labels of y, sorted.
        path: of the file; weights in a second file beside it, as torch's exporter writes them, are read, too.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is no ONNX model with one input, or its weights are not beside it.
    """

    def __init__(self, classes: np.ndarray, path: str | os.PathLike[str]) -> None:
        super().__init__(classes)
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"expected an ONNX file as client, got {self.path}, which is no file")
        self.content = _with_weights(self.path)
        self._session: onnxruntime.InferenceSession | None = None
        if len(self.session.get_inputs()) != 1:
            names = [each.name for each in self.session.get_inputs()]
            raise ValueError(f"expected one input of {self.path}, got {names}")

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_session": None}  # a session is no data

    @property
    def session(self) -> onnxruntime.InferenceSession:
        """The model in onnxruntime, made when it is first needed."""
        if self._session is None:
            self._session = new_session(self.path, self.content)
        return self._session

    def answers(self, inputs: Any, x: np.ndarray) -> Answers:
        """The model's labels and scores."""
        source = self.session.get_inputs()[0]
        values = x.astype(_numpy_type(source.type, self.path))
        if len(source.shape) == 2 < values.ndim:
            values = values.reshape(len(values), -1)
        try:
            results = self.session.run(None, {source.name: values})
        except Exception as error:  # onnxruntime's errors have no other common class
            raise ValueError(f"{self.path} failed on inputs of shape {values.shape}: {first_line(error)}") from error
        names = [each.name for each in self.session.get_outputs()]
        return self._interpreted(dict(zip(names, results, strict=True)), len(x))

    def _interpreted(self, results: dict[str, Any], n: int) -> Answers:
        """Labels are integers or strings; scores are the other array."""
        arrays = {name: _as_array(value) for name, value in results.items()}
        labels = next((name for name, value in arrays.items() if value.dtype.kind in "iuOUS"), None)
        values = next((value for value in arrays.values() if value.dtype.kind == "f"), None)
        scores = None
        if values is not None:
            if self.gives_probabilities is None:
                self.gives_probabilities = are_probabilities(values)
            scores = as_scores(values, len(self.classes), n, probabilities=self.gives_probabilities)
        if labels is None:
            if scores is None:
                raise ValueError(f"expected labels or scores from {self.path}, got outputs {list(results)}")
            return Answers(score_labels(scores), scores)
        given = arrays[labels]
        if labels == "m":
            checks.class_labels(len(self.classes), **{f"m of {self.path}": given})
            return Answers(given.astype(np.int64), scores)
        return Answers(label_indices(given, self.classes, what=f"the labels of {self.path}"), scores)


def _with_weights(path: Path) -> bytes:
    """The content of an ONNX file, complete in itself: with the weights that it keeps in another file, if it does."""
    content = path.read_bytes()
    try:
        model = onnx.load_model_from_string(content)
    except Exception:  # protobuf's; the session says that this is no ONNX model
        return content
    try:
        complete = onnx.load_model(path)
    except (onnx.checker.ValidationError, OSError, ValueError) as error:
        raise ValueError(f"expected the weights of {path} in the file beside it that it names, got: {error}") from error
    return content if model == complete else complete.SerializeToString()


def _numpy_type(name: str, path: Path) -> Any:
    types = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(uint8)": np.uint8}
    checks.one_of(types, **{f"type of the input of {path}": name})
    return types[name]


def _as_array(value: Any) -> np.ndarray:
    """An output as an array; a list of mappings, as scikit-learn's converter makes by default, by its sorted keys."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return np.array([[row[key] for key in sorted(row)] for row in value], dtype=np.float32)
    return np.asarray(value)


def as_client(client: Any, y: np.ndarray, classes: np.ndarray, *, given: bool = False) -> Client:
    """What the user gave as a client, as a `Client`.

    Args:
        client: a scikit-learn estimator, a torch module, a function, the path of an ONNX file, or None.
        y: (n,) class indices, of which the most frequent is the answer of the client None.
        classes: the labels, sorted.
        given: whether its answers come as arrays; then a client None cannot be asked.

    Returns:
        The client.

    Raises:
        NotFittedError: if an estimator is not fitted.
        ValueError: if the client has classes outside of those of y.
        TypeError: if it is something else.

    Warns:
        UserWarning: if an estimator is fitted and not frozen, since clone would strip it.
    """
    if client is None:
        return GivenClient(classes) if given else MajorityClient(classes, int(np.bincount(y).argmax()))
    if isinstance(client, nn.Module):
        return ModuleClient(classes, client)
    if isinstance(client, str | os.PathLike):
        return OnnxClient(classes, client)
    if hasattr(client, "predict") and not isinstance(client, type):
        _require_fitted(client)
        return EstimatorClient(classes, client)
    if callable(client) and not isinstance(client, type):
        return FunctionClient(classes, client)
    name = client.__name__ + " itself" if isinstance(client, type) else f"a {type(client).__name__}"
    raise TypeError(f"expected {KINDS} as client, got {name}")


def _require_fitted(estimator: Any) -> None:
    if not hasattr(estimator, "fit"):
        return
    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise NotFittedError(
            f"expected a fitted {type(estimator).__name__} as client, got one that is not fitted; clone, and so "
            f"GridSearchCV, strips a fitted estimator: {FREEZE_HINT}"
        ) from error
    if not isinstance(estimator, FrozenEstimator):
        warnings.warn(
            f"the client {type(estimator).__name__} is fitted but not frozen: clone, and so GridSearchCV, would strip "
            f"it; {FREEZE_HINT}",
            UserWarning,
            stacklevel=4,
        )


def given_answers(
    labels: Any, scores: Any, classes: np.ndarray, n: int, *, probabilities: bool | None = None
) -> Answers:
    """The client's answers from arrays of the user.

    Args:
        labels: (n,) the user's labels, or None where the scores say them.
        scores: (n,) or (n, K), or None.
        classes: the labels of y, sorted.
        n: number of inputs.
        probabilities: whether rows of scores are probabilities; None where these rows alone have to show it. Of one
            client all calls need the same answer, since some of its rows may look like the other kind.

    Returns:
        `Answers`.

    Raises:
        ValueError: if both are None, a length or a shape is wrong, or a label is not among the classes.

    >>> given_answers(["cat", "dog"], None, np.array(["cat", "dog"]), 2).m
    array([0, 1])
    """
    if labels is None and scores is None:
        raise ValueError("expected the client's labels or scores, got neither")
    if scores is not None:
        values = as_array(scores)
        known = are_probabilities(values) if probabilities is None else probabilities
        scores = as_scores(values, len(classes), n, probabilities=known)
    if labels is None:
        return Answers(score_labels(scores), scores)
    m = label_indices(labels, classes, what="the client's labels")
    if len(m) != n:
        raise ValueError(f"expected {n} labels of the client, one per input, got {len(m)}")
    return Answers(m, scores)


def label_indices(labels: Any, classes: np.ndarray, *, what: str) -> np.ndarray:
    """Labels as positions in the sorted classes.

    Args:
        labels: (n,) or (n, 1), NumPy, tensor or list.
        classes: the labels, sorted.
        what: they are, for the error.

    Returns:
        (n,) int64.

    Raises:
        ValueError: if the shape is another, or a label is not among the classes.

    >>> label_indices(["b", "a"], np.array(["a", "b"]), what="labels")
    array([1, 0])
    """
    labels = as_array(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"expected {what} of shape (n,), got shape {labels.shape}")
    positions = {label: index for index, label in enumerate(classes.tolist())}
    given = labels.tolist()
    unknown = next((label for label in given if label not in positions), None)
    if unknown is not None or None in given:
        shown = ", ".join(map(repr, classes.tolist()[:10])) + (", ..." if len(classes) > 10 else "")
        raise ValueError(f"expected {what} among the classes of y, {shown}, got {unknown!r}")
    return np.array([positions[label] for label in given], dtype=np.int64)


def as_array(values: Any) -> np.ndarray:
    """A tensor, list or array as an array."""
    return np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values)


def look_like_one_probability(scores: np.ndarray | None) -> bool:
    """Whether scores (n,), n >= 2, lie in [0, 1] like probabilities of the second class; as scores all are for it.

    >>> look_like_one_probability(np.array([0.25, 0.75])), look_like_one_probability(np.array([-1.0, 0.75]))
    (True, False)
    """
    if scores is None or scores.ndim != 1 or len(scores) < 2:
        return False
    return bool(((scores >= 0) & (scores <= 1)).all() and np.ptp(scores) > 0)
