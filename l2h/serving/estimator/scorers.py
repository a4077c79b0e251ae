"""Rejector and server as functions from inputs to float32 scores, in torch, scikit-learn or onnxruntime."""

from typing import Any, Protocol

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import has_fit_parameter
from torch import nn

from l2h.serving.estimator.clients import label_indices
from l2h.serving.onnx.sessions import OnnxModel
from l2h.serving.scores import estimator_scores

SCORER_BATCH = 500  # inputs at once, which bounds the memory


class Scorer(Protocol):
    """A fitted rejector or server.

    Attributes:
        reads: "x", or "client_scores" for a rejector that reads the client's scores.
    """

    reads: str

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Scores r (n,), or e (n,) or (n, K), float32."""


class NetworkScorer:
    """A torch module in evaluation mode.

    Args:
        module: from (n, ...) to scores.
        reads: "x" or "client_scores".
    """

    def __init__(self, module: nn.Module, reads: str = "x") -> None:
        self.module, self.reads = module.eval(), reads

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The module's scores."""
        with torch.no_grad():
            batches = torch.from_numpy(np.ascontiguousarray(values)).split(SCORER_BATCH)
            scores = torch.cat([self.module(batch) for batch in batches])
        return scores.to(torch.float32).numpy()


class OnnxScorer:
    """An ONNX model with onnxruntime.

    Args:
        model: the session.
        output: the name of the scores: "r" or "e".
        reads: "x" or "client_scores".
    """

    def __init__(self, model: OnnxModel, output: str, reads: str = "x") -> None:
        self.model, self.output, self.reads = model, output, reads

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """The model's scores."""
        starts = range(0, len(values), SCORER_BATCH)
        return np.concatenate([self.model(values[start : start + SCORER_BATCH])[self.output] for start in starts])


class EstimatorServer:
    """A fitted scikit-learn classifier as server: `estimator_scores`, or of its labels where it has none.

    Args:
        estimator: fitted on class indices; a `FrozenEstimator` was fitted on the user's labels before.
        classes: the user's labels, sorted.
    """

    reads = "x"

    def __init__(self, estimator: Any, classes: np.ndarray) -> None:
        self.estimator, self.n_classes = estimator, len(classes)
        own = estimator.classes_
        if isinstance(estimator, FrozenEstimator):
            self.columns = label_indices(own, classes, what="the server's classes")
        else:
            self.columns = np.asarray(own, dtype=np.int64)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Scores e (n,), positive for the second of two classes, or (n, K)."""
        table = as_table(values)
        scores = estimator_scores(self.estimator, table, self.columns, self.n_classes)
        if scores is not None:
            return scores
        index = self.columns[np.searchsorted(self.estimator.classes_, self.estimator.predict(table))]
        return 2.0 * index.astype(np.float32) - 1 if self.n_classes == 2 else np.eye(self.n_classes, dtype="f4")[index]


class EstimatorRejector:
    r"""A fitted scikit-learn classifier of "asking costs less" as rejector.

    .. math:: r(x) = \tfrac12 - \hat P(\text{asking costs less} | x)

    or minus its decision function, where it has no probabilities.

    Args:
        estimator: fitted on the labels 0 (keeping costs no more) and 1 (asking costs less).
    """

    reads = "x"

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Scores r (n,)."""
        table = as_table(values)
        if hasattr(self.estimator, "predict_proba"):
            return np.float32(0.5) - self.estimator.predict_proba(table)[:, 1].astype(np.float32)
        if hasattr(self.estimator, "decision_function"):
            return -np.asarray(self.estimator.decision_function(table), dtype=np.float32)
        return np.float32(0.5) - self.estimator.predict(table).astype(np.float32)


def as_table(x: np.ndarray) -> np.ndarray:
    """Inputs as scikit-learn takes them: float32, one row per input.

    >>> as_table(np.zeros((2, 3, 4), dtype=np.uint8)).shape
    (2, 12)
    """
    return x.reshape(len(x), -1).astype(np.float32)


def is_sklearn_model(model: Any) -> bool:
    """Whether a rejector or server of the user is a scikit-learn estimator rather than a torch module.

    >>> is_sklearn_model(nn.Linear(2, 1)), is_sklearn_model(None)
    (False, False)
    """
    return not isinstance(model, nn.Module) and not isinstance(model, type) and hasattr(model, "fit")


def weight_parameter(estimator: Any) -> str | None:
    """The name by which an estimator's fit takes weights of the examples, through the last step of a pipeline.

    Args:
        estimator: of scikit-learn.

    Returns:
        The keyword of fit, or None where it takes no weights.
    """
    steps = getattr(estimator, "steps", None)
    if steps:
        inner = weight_parameter(steps[-1][1])
        return inner and f"{steps[-1][0]}__{inner}"
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else None
