"""ONNX graphs of scikit-learn estimators, and the name of the step that has none."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from l2h.serving.onnx.from_sklearn import is_estimator, sklearn_graphs
from l2h.serving.onnx.graphs import ConversionError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 4)).astype(np.float32)
Y = (X[:, 0] + 0.3 * RNG.normal(size=200) > 0).astype(int)


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (HistGradientBoostingClassifier(max_iter=2), "HistGradientBoostingClassifier does not convert to ONNX: "),
        (
            make_pipeline(StandardScaler(), HistGradientBoostingClassifier(max_iter=2)),
            r"'histgradientboostingclassifier' \(HistGradientBoostingClassifier\) does not convert to ONNX: \w",
        ),
        (
            make_pipeline(FunctionTransformer(np.abs), LogisticRegression()),
            r"the step 'functiontransformer' \(FunctionTransformer\) does not convert .* is not supported",
        ),
        (LinearRegression(), "expected a classifier, got the regressor LinearRegression"),
    ],
)
def test_what_does_not_convert_names_its_step(estimator, message, capfd):
    with pytest.raises(ConversionError, match=message):
        sklearn_graphs(estimator.fit(X, Y), X, output="e", classes=range(2))
    assert capfd.readouterr() == ("", "")


def test_labels_outside_the_classes_are_refused():
    fitted = LogisticRegression().fit(X, Y + 1)
    with pytest.raises(ConversionError, match=r"expected labels among \[0, 1\], got an estimator of the label 2"):
        sklearn_graphs(fitted, X, output="e", classes=range(2))
    with pytest.raises(NotFittedError):
        sklearn_graphs(LogisticRegression(), X, output="e", classes=range(2))


def test_an_estimator_predicts_and_names_its_parameters():
    assert is_estimator(LogisticRegression()) and not is_estimator(StandardScaler()) and not is_estimator(len)
