"""The scores of a classifier of scikit-learn: probabilities first, then decisions, of all classes."""

import numpy as np
import pytest
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from l2h.serving.scores import SMALLEST_PROBABILITY, estimator_scores, score_labels

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
Y = (X[:, 0] > 0) + (X[:, 1] > 0).astype(int)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("model", [LogisticRegression(), LinearSVC()], ids=["probabilities", "decisions"])
def test_the_scores_have_the_labels_of_the_classifier(n_classes, model):
    y = np.minimum(Y, n_classes - 1)
    scores = estimator_scores(model.fit(X, y), X, range(n_classes), n_classes)
    assert scores.dtype == np.float32 and (score_labels(scores) == model.predict(X)).all()


def test_a_class_that_was_never_seen_has_the_smallest_probability():
    scores = estimator_scores(LogisticRegression().fit(X, Y > 0), X, [0, 2], 3)
    np.testing.assert_allclose(scores[:, 1], np.log(SMALLEST_PROBABILITY), rtol=1e-6)


def test_decisions_of_some_classes_or_of_pairs_of_them_and_votes_are_no_scores():
    assert estimator_scores(LinearSVC().fit(X, Y > 0), X, [0, 2], 3) is None
    of_pairs = SVC(decision_function_shape="ovo").fit(X, np.arange(40) % 4)
    assert estimator_scores(of_pairs, X, range(4), 4) is None
    of_votes = VotingClassifier([("tree", DecisionTreeClassifier())])
    assert estimator_scores(of_votes.fit(X, Y), X, range(3), 3) is None
