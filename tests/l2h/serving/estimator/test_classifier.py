"""The estimator as a user of scikit-learn meets it: its checks, all kinds of data and clients, reports, and errors."""

import threading
from unittest import SkipTest

import numpy as np
import pandas
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import (
    check_classifiers_classes,
    check_classifiers_train,
    parametrize_with_checks,
)
from torch import nn

import l2h
from l2h.problem import asks
from l2h.serving.estimator import settings
from l2h.serving.estimator.classifier import LearningToHelpClassifier
from l2h.serving.estimator.networks import Constant
from l2h.serving.estimator.report import UNUSED, VALIDATION
from l2h.serving.estimator.scorers import NetworkScorer

NO_SCORE_OF_A_CLASS = "decision_function is r, which decides who answers; these checks expect scores of the classes"
EXPECTED = {"check_classifiers_train": NO_SCORE_OF_A_CLASS, "check_classifiers_classes": NO_SCORE_OF_A_CLASS}


class WithoutScores(LearningToHelpClassifier):
    """The same estimator without decision_function, so that the rest of the two checks applies, too."""

    @property
    def decision_function(self):
        raise AttributeError("hidden")

    def asks(self, X):
        return super().predict_with_source(X)[1] == "server"


@parametrize_with_checks([LearningToHelpClassifier(epochs=3)], expected_failed_checks=lambda estimator: EXPECTED)
def test_the_checks_of_scikit_learn(estimator, check):
    try:
        check(estimator)
    except SkipTest as reason:  # of arrays other than NumPy's, which SciPy has to be told of before it is imported
        assert "SCIPY_ARRAY_API" in str(reason)


@pytest.mark.parametrize("check", [check_classifiers_train, check_classifiers_classes])
def test_the_two_checks_pass_where_they_see_no_decision_function(check):
    check("WithoutScores", WithoutScores(epochs=8))


def digits(n=500):
    """Digits as images (n, 8, 8) of bytes."""
    data = load_digits()
    return np.asarray(data.images[:n] * 15.9, dtype=np.uint8), data.target[:n]


def pair(n=240, seed=0):
    """Two classes of a table, in a random order."""
    return make_classification(n, n_features=6, n_informative=4, class_sep=1.5, random_state=seed)


def weak_client(X, y):
    """A frozen client that reads the first two features alone, by a tree of depth one."""
    return FrozenEstimator(DecisionTreeClassifier(max_depth=1, random_state=0).fit(X[:40], y[:40]))


@pytest.fixture(scope="module")
def fitted():
    """A helper for a frozen tree on a table of two classes, and examples that it was not fitted on."""
    X, y = pair(400)
    helper = LearningToHelpClassifier(weak_client(X, y), method="two_stage", random_state=0, epochs=10)
    return helper.fit(X[40:300], y[40:300]), X[300:], y[300:]


def test_it_is_part_of_the_public_interface():
    assert l2h.LearningToHelpClassifier is LearningToHelpClassifier


def test_options_of_a_method_change_its_fit_alone_and_stand_in_the_card(tmp_path):
    X, y = pair(120)

    def r(**options):
        return LearningToHelpClassifier(random_state=0, epochs=2, **options).fit(X, y).decision_function(X)

    default = r()
    assert (r(method_options=None) == default).all() and (r(method_options={"beta": 2.0}) == default).all()
    assert (r(method_options={"beta": 0.5}) != default).any()
    assert (r(method_options={"alpha": 0.2}) != default).any()
    helper = LearningToHelpClassifier(random_state=0, epochs=2, method_options={"beta": np.float32(0.5)}).fit(X, y)
    assert clone(helper).method_options == {"beta": 0.5}
    helper.save(tmp_path / "helper")
    loaded = LearningToHelpClassifier.load(tmp_path / "helper")
    assert loaded.method_options == {"beta": 0.5} and loaded._options["method_options"] == {"beta": 0.5}
    with pytest.raises(
        ValueError, match="expected options among alpha, beta for the method 'learning_to_help', got 'gamma'"
    ):
        LearningToHelpClassifier(method_options={"gamma": 1}).fit(X, y)


def test_predictions_follow_the_sign_rule(fitted):
    helper, X, y = fitted
    r, asked, (labels, source) = helper.decision_function(X), helper.asks(X), helper.predict_with_source(X)
    assert r.dtype == np.float32 and (asked == asks(r)).all() and 0 < asked.sum() < len(X)
    assert ((source == "server") == asked).all() and (labels == helper.predict(X)).all()
    assert (labels[~asked] == helper.client.predict(X[~asked])).all()
    assert helper.score(X, y) == accuracy_score(y, labels)


def test_a_fit_says_how_it_divided_the_data(fitted):
    helper = fitted[0]
    assert helper.split_sizes_ == {"train": 182, "calibration": 26, "validation": 52}
    assert helper.interrupted_ == "" and len(helper.history_) == 10


def test_the_same_random_state_gives_the_same_helper():
    X, y = pair(80)
    a, b, other = (LearningToHelpClassifier(epochs=2, random_state=s).fit(X, y).decision_function(X) for s in (1, 1, 2))
    assert (a == b).all() and not (a == other).all()


def test_two_fits_in_two_threads_do_not_mix():
    X, y = pair(80)
    found = {}

    def fit(seed):
        found[seed] = LearningToHelpClassifier(epochs=2, random_state=seed).fit(X, y).decision_function(X)

    threads = [threading.Thread(target=fit, args=(seed,)) for seed in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, r in found.items():
        assert (LearningToHelpClassifier(epochs=2, random_state=seed).fit(X, y).decision_function(X) == r).all()


@pytest.mark.parametrize("method", settings.METHOD_NAMES)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_each_method_that_decides_on_a_device_is_available(method, n_classes):
    X, y = load_iris(return_X_y=True)
    X, y = X[y < n_classes], y[y < n_classes]
    client = FrozenEstimator(DecisionTreeClassifier(max_depth=1, random_state=0).fit(X[::5, :], y[::5]))
    helper = LearningToHelpClassifier(client, method=method, epochs=2, random_state=0).fit(X, y)
    assert helper.predict(X).shape == y.shape
    if method in settings.FIXED_DECISIONS:
        assert (helper.asks(X) == (method == "always_ask")).all()


@pytest.mark.parametrize(("method", "reason"), settings.REFUSED.items())
def test_a_method_that_cannot_decide_on_a_device_is_refused_with_the_reason(method, reason):
    X, y = pair(60)
    with pytest.raises(ValueError, match=f"got '{method}': {reason[:30]}"):
        LearningToHelpClassifier(method=method).fit(X, y)


@pytest.mark.parametrize("kind", ["bytes", "table", "sequences", "colour", "channels last", "tensor", "frame"])
def test_all_kinds_of_data(kind):
    images, y = digits(300)
    x = {
        "bytes": images,
        "table": images.reshape(len(images), -1) / 255,
        "sequences": images / 255,
        "colour": np.repeat(images[:, None], 3, axis=1) / 255,
        "channels last": np.repeat(images[..., None], 3, axis=-1),
        "tensor": torch.from_numpy(images),
        "frame": pandas.DataFrame(images.reshape(len(images), -1)).add_prefix("pixel "),
    }[kind]
    labels = torch.from_numpy(y) if kind == "tensor" else y
    helper = LearningToHelpClassifier(random_state=0, method="differentiable_triage", epochs=12).fit(x, labels)
    assert helper.score(x, y) > 0.8
    assert helper.input_dtype_ == ("uint8" if kind in ("bytes", "channels last", "tensor") else "float32")


def test_labels_may_be_strings():
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    helper = LearningToHelpClassifier(random_state=0, method="stage_switching", epochs=10).fit(X, names)
    assert helper.classes_.tolist() == ["setosa", "versicolor", "virginica"] and helper.score(X, names) > 0.8


def test_scikit_learn_estimators_as_rejector_and_server():
    X, y = pair(400)
    for rejector in (make_pipeline(StandardScaler(), LogisticRegression()), RandomForestClassifier(20)):
        server = make_pipeline(StandardScaler(), RandomForestClassifier(20))
        helper = LearningToHelpClassifier(
            weak_client(X, y), method="two_stage", rejector=rejector, server=server, random_state=0
        ).fit(X[40:300], y[40:300])
        again = clone(helper).fit(X[40:300], y[40:300])
        report = helper.report(X[300:], y[300:])
        assert report.metrics["system_loss"].estimate < report.losses["client only"].estimate
        assert (helper.decision_function(X) == again.decision_function(X)).all()
        with pytest.raises(NotFittedError):
            rejector.predict(X)


def test_a_rejector_on_the_scores_of_the_client():
    X, y = load_iris(return_X_y=True)
    client = FrozenEstimator(LogisticRegression().fit(X[::5], y[::5]))
    helper = LearningToHelpClassifier(client, method="two_stage", rejector="client_scores", epochs=2, random_state=0)
    helper.fit(X, y)
    assert helper.rejector_.reads == "client_scores"
    given = client.predict_log_proba(X)
    assert (helper.asks(X) == helper.asks(X, client_scores=given)).all()


class Fixed(nn.Module):
    """A torch client: one linear layer with known weights."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 2)

    def forward(self, x):
        return self.layer(x)


def test_torch_modules_as_client_rejector_and_server_stay_untouched():
    X, y = pair()
    torch.manual_seed(0)
    client, rejector, server = Fixed(), nn.Linear(6, 1), nn.Linear(6, 2)
    before = [weights.clone() for module in (client, rejector, server) for weights in module.parameters()]
    helper = LearningToHelpClassifier(client, rejector=rejector, server=server, epochs=3, random_state=0).fit(X, y)
    after = [weights for module in (client, rejector, server) for weights in module.parameters()]
    assert all((a == b).all() for a, b in zip(before, after, strict=True)) and client.training
    scores = client(torch.from_numpy(X.astype("f4"))).detach().numpy()
    labels, source = helper.predict_with_source(X)
    kept = source == "client"
    assert (labels[kept] == scores[kept].argmax(1)).all()


@pytest.mark.parametrize(
    ("role", "module", "message"),
    [
        (
            "rejector",
            nn.Linear(6, 2),
            r"expected the rejector to give scores of shape \(n,\) or \(n, 1\), got \(n, 2\)",
        ),
        ("server", nn.Linear(6, 4), r"expected the server to give scores of shape \(n,\) or \(n, 1\), got \(n, 4\)"),
    ],
)
def test_a_module_with_another_output_is_refused(role, module, message):
    X, y = pair(60)
    with pytest.raises(ValueError, match=message):
        LearningToHelpClassifier(**{role: module}, epochs=1).fit(X, y)


def test_answers_of_the_client_as_arrays():
    X, y = pair()
    client = weak_client(X, y)
    given = {"client_labels": client.predict(X), "client_scores": client.predict_proba(X)}
    helper = LearningToHelpClassifier(method="confidence", epochs=2, random_state=0).fit(X, y, **given)
    called = LearningToHelpClassifier(client, method="confidence", epochs=2, random_state=0).fit(X, y)
    assert (helper.predict(X, **given) == called.predict(X)).all()
    with pytest.raises(ValueError, match="expected client_labels= or client_scores= with these inputs, got neither"):
        helper.predict(X)


def test_grid_search_and_cross_validation():
    X, y = pair(200)
    helper = LearningToHelpClassifier(weak_client(X, y), method="two_stage", rejector=LogisticRegression(),
                                      server=LogisticRegression(), random_state=0)  # fmt: skip
    search = GridSearchCV(helper, {"ce": [0.01, 0.9]}, cv=3, scoring=make_scorer(accuracy_score)).fit(X, y)
    assert search.best_params_ == {"ce": 0.01}
    assert len(cross_val_score(helper, X, y, cv=3)) == 3


def test_the_budget_limits_the_offload_rate():
    X, y = pair(600)
    free, limited = (
        LearningToHelpClassifier(method="two_stage", ce=0.0, budget=budget, rejector=LogisticRegression(),
                                 server=LogisticRegression(), random_state=0).fit(X[:400], y[:400])
        for budget in (None, 0.3)
    )  # fmt: skip
    assert free.asks(X[400:]).mean() > 0.3 >= limited.asks(X[400:]).mean() > 0


def test_the_report_holds_the_figures_with_intervals_and_a_verdict(fitted):
    helper, X, y = fitted
    assert helper.report_.data in (VALIDATION, UNUSED)
    report = helper.report(X, y)
    loss = report.metrics["system_loss"]
    wrong = helper.predict(X) != y
    assert loss.estimate == pytest.approx((wrong + helper.ce * helper.asks(X)).mean()) and loss.low < loss.high
    assert report.metrics["offload_rate"].estimate == helper.asks(X).mean()
    assert set(report.outcomes) == {"client only", "server only", "the client's confidence"}
    assert report.data == UNUSED and helper.report_ is report
    assert report.gain.observed.estimate <= report.gain.forecast.largest_gain.estimate


def test_a_report_on_rows_of_the_fit_is_refused_or_warns(fitted):
    helper, X, y = fitted
    known_x, known_y = pair(400)
    with pytest.raises(ValueError, match="expected examples that fit did not use, got 260 of 260 rows that it used"):
        helper.report(known_x[40:300], known_y[40:300])
    with pytest.warns(UserWarning, match="10 of the 20 rows were used by fit"):
        report = helper.report(np.concatenate([known_x[40:50], X[:10]]), np.concatenate([known_y[40:50], y[:10]]))
    assert report.data == f"{UNUSED}, but 10 of them"


def test_the_plot_shows_the_last_report(fitted, ax):
    helper, X, y = fitted
    helper.report(X, y)
    assert helper.plot(ax) is ax
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["system", "threshold in use"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"method": "unknown"}, ValueError, "expected method to be one of"),
        ({"c1": -1.0}, ValueError, "expected a finite c1 >= 0, got -1.0"),
        ({"ce": "0.1"}, ValueError, "expected a finite ce >= 0, got '0.1'"),
        ({"budget": 2}, ValueError, r"expected a budget in \(0, 1\), or None, got 2"),
        ({"epochs": 0}, ValueError, "expected a whole epochs >= 1, got 0"),
        ({"server": 3}, TypeError, "expected a torch module, a scikit-learn estimator, or None as server, got 3"),
        ({"rejector": LogisticRegression}, TypeError, "as rejector, got the class LogisticRegression"),
        ({"rejector": LogisticRegression()}, ValueError, "expected method='two_stage' for a scikit-learn estimator as"),
        ({"server": LogisticRegression()}, ValueError, "expected one of the methods confidence, separate, two_stage,"),
        ({"method": "confidence"}, ValueError, "expected a client with scores for method='confidence'"),
        ({"rejector": "client_scores"}, ValueError, "expected a rejector of its own, as method 'learning_to_help' has"),
        (
            {"client": 3},
            TypeError,
            "expected a scikit-learn estimator, a torch module, a function, the path of an ONNX",
        ),
        ({"client": LogisticRegression()}, NotFittedError, r"client=FrozenEstimator\(model\)"),
        ({"client": lambda X: ["unknown"] * len(X)}, ValueError, "labels among the classes of y, 0, 1, got 'unknown'"),
        ({"client": lambda X: [0]}, ValueError, "expected 60 labels of the client, one per input, got 1"),
        ({"client": "missing.onnx"}, FileNotFoundError, "expected an ONNX file as client, got missing.onnx"),
        ({"client": nn.Linear(6, 5)}, ValueError, r"of shape \(60,\) or \(60, 2\), got shape \(60, 5\)"),
    ],
)
def test_a_wrong_parameter_gets_one_clear_error(change, error, message):
    X, y = pair(60)
    with pytest.raises(error, match=message):
        LearningToHelpClassifier(**change).fit(X, y)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((4, 3)), [0, 0, 0, 0], "expected at least two classes in y, got one class: 0"),
        (np.full((4, 3), np.nan), [0, 1, 0, 1], "Input X contains NaN"),
        (np.zeros((4, 2, 2, 2, 2)), [0, 1, 0, 1], r"expected inputs of shape \(n, features\)"),
        (np.zeros((2, 3)), [0, 1], "expected more examples than classes, got n_samples=2 and 2 classes"),
        (np.array([["a"], ["b"], ["c"]]), [0, 1, 0], "could not convert string to float"),
        (np.zeros((4, 3)), [0.5, 1.5, 0.25, 1.0], "Unknown label type"),
    ],
)
def test_wrong_data_get_one_clear_error(X, y, message):
    with pytest.raises(ValueError, match=message):
        LearningToHelpClassifier().fit(X, y)


def test_inputs_of_another_kind_than_in_fit_are_refused():
    images, y = digits(60)
    helper = LearningToHelpClassifier(method="always_keep", epochs=1, random_state=0).fit(images, y)
    with pytest.raises(ValueError, match=r"type uint8, as in fit, got shape \(60, 8, 8\) and type float32"):
        helper.predict(images / 255)
    with pytest.raises(ValueError, match=r"expected inputs of shape \(n, 8, 8\) and type uint8"):
        helper.predict(images[:, :, :4])
    with pytest.raises(ValueError, match="expected y among the classes of y, 0, 1, 2"):
        helper.report(images // 2, y + 5)
    with pytest.raises(NotFittedError):
        LearningToHelpClassifier().predict(images)


def test_a_fitted_client_that_is_not_frozen_works_with_a_warning():
    X, y = pair(60)
    client = LogisticRegression().fit(X, y)
    with pytest.warns(UserWarning, match=r"clone, and so GridSearchCV, would strip it; wrap your fitted model"):
        LearningToHelpClassifier(client, method="always_keep", epochs=1).fit(X, y)


def interrupting(after):
    """A torch module that is interrupted as if by Ctrl-C after some steps of its training."""

    class Interrupting(nn.Linear):
        steps = 0

        def forward(self, x):
            if self.training:
                self.steps += 1
                if self.steps > after:
                    raise KeyboardInterrupt
            return super().forward(x)

    return Interrupting(6, 1)


def test_an_interrupt_of_the_last_training_keeps_the_networks_and_says_so():
    X, y = pair(200)
    helper = LearningToHelpClassifier(rejector=interrupting(5), epochs=3, random_state=0)
    with pytest.warns(
        UserWarning, match="interrupted in the last training of 'learning_to_help': the networks are kept"
    ):
        helper.fit(X, y)
    assert helper.interrupted_ and helper.predict(X).shape == y.shape


def test_an_earlier_interrupt_leaves_the_estimator_as_it_was():
    X, y = pair(200)
    helper = LearningToHelpClassifier(method="two_stage", epochs=2, random_state=0).fit(X, y)
    before = helper.decision_function(X)
    helper.set_params(server=interrupting(5))
    with pytest.raises(KeyboardInterrupt) as raised:
        helper.fit(X, y)
    assert raised.value.__notes__ == [
        "fit was interrupted before its last training: the estimator is as it was before fit"
    ]
    assert (helper.decision_function(X) == before).all()


def linear(client, **params):
    """An unfitted helper of linear parts, which fits in milliseconds."""
    parts = {"rejector": LogisticRegression(), "server": LogisticRegression()}
    return LearningToHelpClassifier(client, **{"method": "two_stage", "random_state": 0, **parts, **params})


def second_feature(inputs):
    return (np.asarray(inputs)[:, 1] > 0).astype(int)


def test_a_fit_that_fails_leaves_the_estimator_as_it_was():
    X, y = pair()
    helper = linear(second_feature).fit(X, y)
    expected, names = helper.predict(X), set(vars(helper))
    with pytest.raises(ValueError, match="the client's labels"):
        helper.fit(X[:, :4], y, client_labels=np.full(len(y), 7))
    assert (helper.predict(X) == expected).all() and set(vars(helper)) == names
    never_fitted = linear(second_feature, method="nonsense")
    with pytest.raises(ValueError, match="method"):
        never_fitted.fit(X, y)
    assert not hasattr(never_fitted, "n_features_in_")


def test_numbers_of_numpy_are_saved_and_the_card_names_the_method_of_the_fit(tmp_path):
    X, y = pair()
    numbers = {"c1": np.int64(1), "ce": np.float32(0.25), "budget": np.float32(0.5), "random_state": np.int64(3)}
    helper = linear(second_feature, epochs=np.int64(2), **numbers).fit(X, y)
    card = helper.set_params(method="separate").save(tmp_path / "helper")
    loaded = LearningToHelpClassifier.load(tmp_path / "helper")
    assert card.method == loaded.method == "two_stage"
    assert (loaded.c1, loaded.ce, loaded.budget, loaded.epochs, loaded.random_state) == (1, 0.25, 0.5, 2, 3)


def test_a_budget_for_always_asking_is_refused():
    X, y = pair()
    with pytest.raises(ValueError, match="expected budget=None for method='always_ask'"):
        linear(second_feature, method="always_ask", rejector=None, budget=0.2).fit(X, y)


def test_new_rows_of_a_table_of_few_values_are_reported():
    random = np.random.default_rng(0)
    X = random.integers(2, size=(400, 3)).astype(np.float32)
    y = (X.sum(1) + random.normal(size=400) > 1.5).astype(int)
    helper = linear(second_feature).fit(X[:300], y[:300])
    with pytest.warns(UserWarning, match="100 of the 100 rows are equal to rows that fit used"):
        assert helper.report(X[300:], y[300:]).n == 100
    with pytest.raises(ValueError, match="got 300 of 300 rows that it used"):
        helper.report(X[:300], y[:300])


def test_scores_that_are_no_numbers_decide_nothing():
    """NaN <= 0 is false: such an input would be kept without a word."""
    X, y = pair(80)
    for part, asked in (("rejector", float("nan")), ("server", -1.0)):
        helper = linear(second_feature).fit(X, y)
        helper.rejector_ = NetworkScorer(Constant(asked))
        helper.server_, helper.threshold_ = NetworkScorer(Constant(float("inf"))), 0.0
        with pytest.raises(ValueError, match=f"expected finite scores of the {part}, got 80 entries"):
            helper.predict(X.astype(np.float32))


def test_a_sigmoid_in_place_of_scores_is_noticed():
    """As scores, probabilities of the second class all stand for it."""
    X, y = pair()
    with pytest.warns(UserWarning, match=r"got numbers in \[0, 1\], which all stand for the second class"):
        linear(nn.Sequential(nn.Linear(6, 1), nn.Sigmoid())).fit(X, y)


def test_given_scores_are_read_as_those_of_fit_were(tmp_path):
    X, y = load_iris(return_X_y=True)
    scores = np.random.default_rng(0).normal(size=(150, 3))
    helper = LearningToHelpClassifier(method="confidence", server=LogisticRegression(), random_state=0)
    helper.fit(X, y, client_scores=scores).save(tmp_path / "helper")
    like_probabilities = np.array([[0.5, 0.25, 0.25]])
    batch = np.vstack([like_probabilities, scores[:1]])
    for each in (helper, LearningToHelpClassifier.load(tmp_path / "helper")):
        together = each.decision_function(X[:2], client_scores=batch)
        assert each.decision_function(X[:1], client_scores=like_probabilities) == together[0]
