"""Whatever the user has as a client gives the same labels and scores, and wrong answers are refused."""

import shutil

import numpy as np
import onnx
import pytest
import torch
from helpers.serving import linear_onnx
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from torch import nn

from l2h.serving.estimator import clients
from l2h.serving.scores import SMALLEST_PROBABILITY

CLASSES = np.array(["bird", "cat", "dog"])
RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 4)).astype(np.float32)
Y = RNG.integers(0, 3, 30)


def answers(client, y=Y, classes=CLASSES, x=X):
    return clients.as_client(client, y, classes).answers(x, x)


def test_the_client_none_gives_the_most_frequent_label_and_no_scores():
    m, scores = answers(None, y=np.array([2, 2, 1]))
    assert m.tolist() == [2] * 30 and scores is None


def test_an_estimator_gives_logarithms_of_its_probabilities():
    model = LogisticRegression().fit(X, CLASSES[Y])
    m, scores = answers(FrozenEstimator(model))
    assert (CLASSES[m] == model.predict(X)).all()
    assert np.allclose(np.exp(scores), model.predict_proba(X), atol=1e-6)


def test_an_estimator_of_some_of_the_classes_has_the_smallest_probability_for_the_others():
    few = Y != 1
    m, scores = answers(FrozenEstimator(LogisticRegression().fit(X[few], CLASSES[Y][few])))
    assert set(m) <= {0, 2} and np.allclose(scores[:, 1], np.log(SMALLEST_PROBABILITY))


def test_an_estimator_of_two_classes_has_one_score():
    few = Y != 1
    model = LogisticRegression().fit(X[few], CLASSES[Y][few])
    scores = answers(FrozenEstimator(model), classes=CLASSES[[0, 2]])[1]
    assert np.allclose(scores, model.decision_function(X), atol=1e-4)


def test_a_decision_function_is_taken_where_there_are_no_probabilities():
    model = LinearSVC().fit(X, CLASSES[Y])
    assert np.allclose(answers(FrozenEstimator(model))[1], model.decision_function(X), atol=1e-5)


def test_an_estimator_of_other_classes_is_refused():
    model = FrozenEstimator(LogisticRegression().fit(X, np.array(["bird", "cat", "fish"])[Y]))
    with pytest.raises(ValueError, match=r"expected the client's classes among the classes of y, .*, got 'fish'"):
        answers(model)


def test_a_torch_module_gives_scores_or_probabilities():
    torch.manual_seed(0)
    layer = nn.Linear(4, 3)
    m, scores = answers(layer)
    of_probabilities = answers(nn.Sequential(layer, nn.Softmax(1)))
    assert (m == scores.argmax(1)).all() and (m == of_probabilities.m).all()
    assert np.allclose(of_probabilities.scores, torch.log_softmax(torch.from_numpy(scores), 1).numpy(), atol=1e-5)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_a_torch_module_of_two_classes_has_one_or_two_outputs(n_outputs):
    torch.manual_seed(0)
    layer = nn.Linear(4, n_outputs)
    m, scores = answers(layer, classes=CLASSES[:2])
    raw = layer(torch.from_numpy(X)).detach().numpy()
    assert np.allclose(scores, raw[:, 0] if n_outputs == 1 else raw[:, 1] - raw[:, 0], atol=1e-6)
    assert (m == (scores >= 0)).all()


def test_a_torch_module_that_fails_without_a_word_is_one_clear_error():
    class Failing(nn.Module):
        def forward(self, x):
            raise RuntimeError

    with pytest.raises(ValueError, match=r"expected a client that reads float32 inputs of shape .*; it failed: $"):
        answers(Failing())


def test_a_function_gives_labels_with_or_without_scores():
    labels, probabilities = CLASSES[Y], np.eye(3)[Y]
    assert (answers(lambda x: labels).m == Y).all() and answers(lambda x: labels).scores is None
    m, scores = answers(lambda x: (labels, probabilities))
    assert (m == Y).all() and np.allclose(scores.max(1), 0)


def test_an_onnx_file_gives_scores_or_labels_with_scores(tmp_path):
    path = tmp_path / "client.onnx"
    W, b = linear_onnx(path, shape=(4,), output="scores", n_scores=3, labels=False)
    m, scores = answers(path)
    assert np.allclose(scores, X @ W + b, atol=1e-5) and (m == scores.argmax(1)).all()
    linear_onnx(path, shape=(4,), output="scores", n_scores=3, labels=True)
    assert (answers(str(path)).m == m).all()


def test_weights_in_a_second_file_are_found_beside_the_first_whatever_the_working_folder(tmp_path, monkeypatch):
    path, alone = tmp_path / "client.onnx", tmp_path / "alone" / "client.onnx"
    linear_onnx(path, shape=(4,), output="scores", n_scores=3)
    _, expected = answers(path)
    onnx.save_model(onnx.load(path), path, save_as_external_data=True, location="client.data", size_threshold=0)
    alone.parent.mkdir()
    shutil.copy(path, alone)
    for folder in (tmp_path, alone.parent):
        monkeypatch.chdir(folder)
        assert (answers(path)[1] == expected).all()
        with pytest.raises(ValueError, match=r"expected the weights of .*alone/client.onnx in the file beside it"):
            answers(alone)
    client = clients.OnnxClient(CLASSES, path)
    assert onnx.load_model_from_string(client.content).graph.initializer[0].raw_data


def test_an_onnx_file_that_is_none_or_of_another_input_is_refused(tmp_path):
    path = tmp_path / "client.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(ValueError, match="as an ONNX model that can be run, got"):
        answers(path)
    linear_onnx(path, shape=(5,), output="scores", n_scores=3)
    with pytest.raises(ValueError, match=r"failed on inputs of shape \(30, 4\)"):
        answers(path)


def test_answers_that_are_given_cannot_be_asked_for():
    client = clients.as_client(None, Y, CLASSES, given=True)
    with pytest.raises(ValueError, match="fit got the client's answers as arrays"):
        client.labels(X, X)
    assert clients.given_answers(None, np.eye(3)[Y], CLASSES, 30).m.tolist() == Y.tolist()


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        (None, None, "expected the client's labels or scores, got neither"),
        (["cat"], None, "expected 2 labels of the client, one per input, got 1"),
        (["cat", None], None, "got None"),
        (["cat", "fish"], None, "got 'fish'"),
        ([["cat", "dog"]], None, r"expected the client's labels of shape \(n,\), got shape \(1, 2\)"),
        (None, np.zeros((2, 2)), r"expected scores of the client of shape \(2, 3\), got shape \(2, 2\)"),
        (None, np.full((2, 3), np.nan), "expected finite scores of the client, got 6 entries that are not"),
        (None, np.array([["a"] * 3] * 2), "expected numbers as scores of the client"),
    ],
)
def test_wrong_answers_are_refused(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        clients.given_answers(labels, scores, CLASSES, 2)


def test_a_class_instead_of_an_object_is_refused():
    with pytest.raises(TypeError, match="got LogisticRegression itself"):
        answers(LogisticRegression)


def test_a_function_gives_the_same_kind_of_scores_in_every_batch():
    """Rows whose sums miss 1 a little are no probabilities; one of them alone may look like some."""
    rounded = np.array([[0.335, 0.335, 0.335], [0.5, 0.25, 0.25]])
    client = clients.as_client(lambda rows: (CLASSES[[0, 0]][: len(rows)], rounded[: len(rows)]), Y, CLASSES)
    together = client.answers(X[:2], X[:2]).scores
    rounded = rounded[::-1]
    assert (client.answers(X[:1], X[:1]).scores == together[1]).all()


def test_probabilities_that_become_something_else_are_refused():
    scores = np.array([[0.5, 0.25, 0.25]])
    client = clients.as_client(lambda rows: (CLASSES[:1], scores), Y, CLASSES)
    client.answers(X[:1], X[:1])
    scores = np.array([[-1.0, 2.0, 0.0]])
    with pytest.raises(
        ValueError, match=r"expected probabilities in \[0, 1\] of the client, as it gave before, got -1"
    ):
        client.answers(X[:1], X[:1])


def test_scores_that_float32_does_not_hold_are_refused():
    with pytest.raises(ValueError, match="expected finite scores of the client as float32, got 1 entries"):
        clients.given_answers(None, np.array([1e300, 1.0]), CLASSES[:2], 2)
