"""Rejectors and servers of scikit-learn give the scores that the decision needs."""

import numpy as np
import pytest
from helpers.serving import linear_onnx
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from torch import nn

from l2h.serving.estimator import scorers
from l2h.serving.onnx.sessions import OnnxModel

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = (X[:, 0] > 0) + (X[:, 1] > 0).astype(int)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_server_of_scikit_learn_ranks_the_classes_as_its_labels(n_classes):
    few = n_classes > Y
    labels = np.array(["a", "b", "c"])[:n_classes]
    votes = VotingClassifier([("tree", DecisionTreeClassifier(max_depth=2))])  # labels alone
    for model in (LogisticRegression(), Perceptron(), DecisionTreeClassifier(max_depth=2), votes):
        model.fit(X[few], Y[few])
        e = scorers.EstimatorServer(model, labels)(X[few])
        index = (e >= 0).astype(int) if n_classes == 2 else e.argmax(1)
        assert e.dtype == np.float32 and (index == model.predict(X[few])).mean() > 0.95  # ties aside


def test_a_server_that_is_frozen_keeps_the_labels_of_the_user():
    labels = np.array(["a", "b", "c"])
    model = LogisticRegression().fit(X, labels[Y])
    e = scorers.EstimatorServer(FrozenEstimator(model), labels)(X)
    assert (labels[e.argmax(1)] == model.predict(X)).all()


def test_a_rejector_asks_where_asking_is_the_likelier_target():
    target = (X[:, 2] > 0).astype(int)
    for model in (LogisticRegression(), Perceptron(), DecisionTreeClassifier(max_depth=1)):
        r = scorers.EstimatorRejector(model.fit(X, target))(X)
        assert r.dtype == np.float32 and ((r < 0) == (model.predict(X) == 1)).all()


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (LogisticRegression(), "sample_weight"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "logisticregression__sample_weight"),
        (KNeighborsClassifier(), None),
        (make_pipeline(StandardScaler(), KNeighborsClassifier()), None),
    ],
)
def test_weights_reach_the_last_step(model, name):
    assert scorers.weight_parameter(model) == name


def test_networks_and_onnx_files_are_functions_of_arrays(tmp_path):
    path = tmp_path / "rejector.onnx"
    W, b = linear_onnx(path, output="r")
    many = np.tile(X, (20, 1))
    assert np.allclose(scorers.OnnxScorer(OnnxModel(path), "r")(many), many @ W[:, 0] + b, atol=1e-5)
    assert scorers.NetworkScorer(nn.Flatten())(many).shape == many.shape
