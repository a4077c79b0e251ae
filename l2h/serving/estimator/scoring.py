"""Scores of a fitted helper for scikit-learn's searches: the system loss at the costs that count."""

import inspect
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from l2h import checks
from l2h.problem import Costs

SCORERS = "sklearn.utils._response"  # here scikit-learn asks an estimator for scores of its classes
NO_CLASS_SCORES = (
    "expected a scorer that reads labels, as 'accuracy' or system_loss_scorer, got one that reads decision_function as "
    "scores of a class: here it is r, which decides who answers, so that its value means nothing"
)


@dataclass(frozen=True)
class SystemLossScorer:
    """Minus the system loss at fixed costs, so that more is better, as scikit-learn's searches expect.

    Args:
        costs: that count, whatever costs the helper was fitted for.
    """

    costs: Costs

    def __call__(self, helper: Any, X: Any, y: Any, **given: Any) -> float:
        """Minus the mean of 1[wrong] where the client answers and of c_e + c_1 1[wrong] where the server does.

        Args:
            helper: a fitted `LearningToHelpClassifier`.
            X: (n, ...) inputs.
            y: (n,) labels.
            given: client_labels and client_scores, as in `predict`.

        Raises:
            TypeError: if it does not say who answers.
        """
        if not hasattr(helper, "predict_with_source"):
            raise TypeError(f"expected a LearningToHelpClassifier, got a {type(helper).__name__}")
        labels, source = helper.predict_with_source(X, **given)
        checks.same_length(labels=labels, y=y)
        wrong = labels != np.asarray(y)
        losses = np.where(source == "server", self.costs.ce + self.costs.c1 * wrong, wrong)
        return -float(losses.mean())


def system_loss_scorer(*, c1: float, ce: float) -> SystemLossScorer:
    """A scorer for `GridSearchCV` and `cross_val_score`: minus the system loss at these costs.

    A search over the costs of the fit compares helpers at the costs of the scorer: those at which a helper is fitted
    may be others than those that count.

    Args:
        c1: cost of an error of the server, in units of one error of the client, >= 0.
        ce: cost of asking the server, >= 0.

    Raises:
        ValueError: if a cost is out of range.

    >>> system_loss_scorer(c1=1.0, ce=0.25)
    SystemLossScorer(costs=Costs(c1=1.0, ce=0.25))
    """
    return SystemLossScorer(Costs(c1=c1, ce=ce))


def warn_of_class_scores() -> None:
    """Warn where a scorer of scikit-learn is asking for scores of classes, of which a helper has none."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == SCORERS:
            warnings.warn(NO_CLASS_SCORES, UserWarning, stacklevel=3)
            return
        frame = frame.f_back
