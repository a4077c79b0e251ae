"""The system loss as a scorer of scikit-learn, and the warning of scorers that read r as a score of a class."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

import l2h
from l2h.serving.estimator.classifier import LearningToHelpClassifier
from l2h.serving.estimator.scoring import system_loss_scorer


@pytest.fixture(scope="module")
def data():
    return make_classification(400, n_features=6, n_informative=4, class_sep=1.5, random_state=0)


def helper(data, **options):
    X, y = data
    client = FrozenEstimator(DecisionTreeClassifier(max_depth=1, random_state=0).fit(X[:40], y[:40]))
    models = {"rejector": LogisticRegression(), "server": LogisticRegression()}
    return LearningToHelpClassifier(client, method="two_stage", random_state=0, **models, **options)


@pytest.fixture(scope="module")
def fitted(data):
    X, y = data
    return helper(data, c1=1.5, ce=0.2).fit(X[40:300], y[40:300])


def test_the_score_is_minus_the_loss_of_the_report(data, fitted):
    X, y = data[0][300:], data[1][300:]
    loss = fitted.report(X, y).metrics["system_loss"].estimate
    assert system_loss_scorer(c1=1.5, ce=0.2)(fitted, X, y) == pytest.approx(-loss, abs=1e-12)
    labels, source = fitted.predict_with_source(X)
    wrong, asked = labels != y, source == "server"
    expected = np.mean(np.where(asked, 0.5 + 3.0 * wrong, wrong))
    assert system_loss_scorer(c1=3.0, ce=0.5)(fitted, X, y) == pytest.approx(-expected, abs=1e-12)
    assert asked.any() and not asked.all()


def test_a_search_over_the_cost_of_asking_compares_helpers_at_the_costs_that_count(data):
    """Accuracy prefers a server that costs nothing; the loss, a server that is asked less, where asking is dear."""
    X, y = data[0][40:], data[1][40:]
    grid = {"ce": [0.0, 0.3]}
    by_loss = GridSearchCV(helper(data), grid, scoring=system_loss_scorer(c1=1.0, ce=0.3), cv=3).fit(X, y)
    by_accuracy = GridSearchCV(helper(data), grid, cv=3).fit(X, y)
    assert by_accuracy.best_params_ == {"ce": 0.0}
    assert by_loss.best_params_ == {"ce": 0.3}


def test_the_scorer_travels_to_other_processes_and_is_public():
    scorer = l2h.system_loss_scorer(c1=1.0, ce=0.1)
    assert pickle.loads(pickle.dumps(scorer)) == scorer == system_loss_scorer(c1=1.0, ce=0.1)


def test_what_has_no_system_loss_is_refused(data, fitted):
    X, y = data
    with pytest.raises(TypeError, match="expected a LearningToHelpClassifier, got a LogisticRegression"):
        system_loss_scorer(c1=1.0, ce=0.1)(LogisticRegression(), X, y)
    with pytest.raises(ValueError, match="expected a finite ce >= 0, got -1"):
        system_loss_scorer(c1=1.0, ce=-1)
    with pytest.raises(ValueError, match="expected arrays of one length"):
        system_loss_scorer(c1=1.0, ce=0.1)(fitted, X, y[:-1])


@pytest.mark.parametrize("scorer", ["roc_auc", "average_precision"])
def test_a_scorer_that_reads_r_as_a_score_of_a_class_warns(data, fitted, scorer):
    with pytest.warns(UserWarning, match="got one that reads decision_function as scores of a class: here it is r"):
        get_scorer(scorer)(fitted, *data)


def test_a_scorer_of_labels_does_not_warn(data, fitted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for scorer in ("accuracy", "f1", "balanced_accuracy"):
            get_scorer(scorer)(fitted, *data)
        fitted.decision_function(data[0])
