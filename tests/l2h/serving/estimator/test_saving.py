"""A saved helper decides as the estimator does; what does not convert says why; nothing is pickled."""

import json
import pickle

import numpy as np
import pytest
from helpers.serving import linear_onnx
from skl2onnx import to_onnx
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from l2h.serving.estimator import saving
from l2h.serving.estimator.classifier import LearningToHelpClassifier
from l2h.serving.folder import read_card
from l2h.serving.onnx.sessions import OnnxModel, load_parts

X, Y = load_iris(return_X_y=True)
X, NAMES = X.astype(np.float32), np.array(["setosa", "versicolor", "virginica"])[Y]


def linear_helper(client):
    """A helper of linear models of scikit-learn for any client."""
    parts = {"rejector": LogisticRegression(), "server": LogisticRegression()}
    return LearningToHelpClassifier(client, method="two_stage", random_state=0, **parts).fit(X, NAMES)


def table_helper(server=None, **params):
    """A helper of scikit-learn parts for a frozen classifier of iris."""
    client = FrozenEstimator(LogisticRegression().fit(X[::5, :], NAMES[::5]))
    parts = {
        "rejector": make_pipeline(StandardScaler(), LogisticRegression()),
        "server": server or LogisticRegression(),
    }
    return LearningToHelpClassifier(client, method="two_stage", random_state=0, **{**parts, **params}).fit(X, NAMES)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """A helper of networks for images of bytes, and its folder."""
    images = np.asarray(load_digits().images[:400] * 15.9, dtype=np.uint8)
    y = load_digits().target[:400]
    helper = LearningToHelpClassifier(method="two_sigmoid", epochs=2, random_state=0).fit(images[:300], y[:300])
    folder = tmp_path_factory.mktemp("saved") / "helper"
    helper.save(folder)
    return helper, folder, images, y


def same(helper, loaded, x):
    assert np.allclose(loaded.decision_function(x), helper.decision_function(x), atol=1e-5)
    assert (loaded.asks(x) == helper.asks(x)).all() and (loaded.predict(x) == helper.predict(x)).all()


def test_networks_are_saved_and_loaded_with_the_same_decisions(networks):
    helper, folder, images, y = networks
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "card.json", "client.onnx", "rejector.onnx", "server.onnx",
    ]  # fmt: skip
    loaded = LearningToHelpClassifier.load(folder)
    same(helper, loaded, images)
    assert loaded.report(images[300:], y[300:]).metrics == helper.report(images[300:], y[300:]).metrics
    assert loaded.classes_.tolist() == list(range(10)) and loaded.split_sizes_ == helper.split_sizes_
    with pytest.raises(ValueError, match="expected examples that fit did not use, got 300 of 300"):
        loaded.report(images[:300], y[:300])


def test_a_loaded_helper_can_be_saved_again(networks, tmp_path):
    _, folder, images, _ = networks
    loaded = LearningToHelpClassifier.load(folder)
    with pytest.raises(ValueError, match="expected a report to draw, got none"):
        loaded.plot()
    loaded.save(tmp_path / "again")
    same(loaded, LearningToHelpClassifier.load(tmp_path / "again"), images)
    first, second = (json.loads((path / "card.json").read_text()) for path in (folder, tmp_path / "again"))
    assert {k: v for k, v in first.items() if k != "sha256"} == {k: v for k, v in second.items() if k != "sha256"}


def test_scikit_learn_parts_and_text_labels_are_saved(tmp_path):
    helper = table_helper()
    card = helper.save(tmp_path / "helper")
    assert card.missing == {} and card.classes == tuple(helper.classes_.tolist())
    loaded = LearningToHelpClassifier.load(tmp_path / "helper")
    same(helper, loaded, X)
    assert loaded.predict(X[:1]).tolist() == ["setosa"]
    assert card.metrics["system_loss"]["data"].startswith("the validation part of fit")


def test_a_rejector_on_the_scores_of_the_client_is_saved_with_that_input(tmp_path):
    helper = table_helper(rejector="client_scores", epochs=2)
    card = helper.save(tmp_path / "helper")
    assert card.parts["rejector"].reads == "client_scores"
    assert load_parts(tmp_path / "helper")[1]["rejector"].input_name == "client_scores"
    same(helper, LearningToHelpClassifier.load(tmp_path / "helper"), X)


@pytest.mark.parametrize("method", ["confidence", "two_stage"])
def test_a_rejector_on_one_score_of_the_client_is_saved(tmp_path, method):
    few, rejector = Y < 2, "client_scores" if method == "two_stage" else None
    client = FrozenEstimator(LogisticRegression().fit(X[few][::5, :], NAMES[few][::5]))
    helper = LearningToHelpClassifier(client, method=method, rejector=rejector, epochs=2, random_state=0)
    card = helper.fit(X[few], NAMES[few]).save(tmp_path / "helper")
    assert card.missing == {} and card.parts["rejector"].reads == "client_scores"
    same(helper, LearningToHelpClassifier.load(tmp_path / "helper"), X[few])


def test_what_does_not_convert_says_why_and_serves_in_this_process(tmp_path):
    helper = table_helper(server=HistGradientBoostingClassifier(max_iter=3))
    with pytest.warns(
        UserWarning, match="the server has no ONNX file and is served in this process alone: HistGradient"
    ):
        card = helper.save(tmp_path / "helper")
    assert set(card.missing) == {"server"} and helper.predict(X).shape == NAMES.shape
    with pytest.raises(ValueError, match=r"expected a helper with a server.onnx, got .* without: HistGradientBoosting"):
        LearningToHelpClassifier.load(tmp_path / "helper")


def test_a_function_as_client_has_no_file(tmp_path):
    helper = linear_helper(lambda x: NAMES[:1].repeat(len(x)))
    helper.save(tmp_path / "helper")
    assert read_card(tmp_path / "helper").missing == {"client": saving.NO_GRAPH["FunctionClient"]}
    loaded = LearningToHelpClassifier.load(tmp_path / "helper")
    assert loaded.client is None
    assert (loaded.predict(X, client_labels=helper.client(X)) == helper.predict(X)).all()


def test_the_onnx_file_of_a_client_is_adapted(tmp_path):
    linear_onnx(tmp_path / "own.onnx", shape=(4,), output="logits", n_scores=3)
    helper = linear_helper(tmp_path / "own.onnx")
    helper.save(tmp_path / "helper")
    assert set(OnnxModel(tmp_path / "helper" / "client.onnx").outputs) == {"m", "scores"}
    same(helper, LearningToHelpClassifier.load(tmp_path / "helper"), X)


@pytest.mark.parametrize("zipmap", [False, True], ids=["an array of probabilities", "a list of mappings"])
def test_a_file_of_the_converter_of_scikit_learn_is_a_client_and_never_prevents_the_save(tmp_path, zipmap):
    """Its labels are texts; mappings of probabilities, its default, are no scores that a device reads."""
    model = LogisticRegression().fit(X[::5], NAMES[::5])
    content = to_onnx(model, X[:1], options={id(model): {"zipmap": zipmap}}).SerializeToString()
    (tmp_path / "own.onnx").write_bytes(content)
    helper = linear_helper(tmp_path / "own.onnx")
    if zipmap:
        with pytest.warns(UserWarning, match=r"the client's file cannot be adapted: .* got seq\(map"):
            card = helper.save(tmp_path / "helper")
        assert set(card.missing) == {"client"} and str(tmp_path) not in card.missing["client"]
        return
    assert helper.save(tmp_path / "helper").missing == {}
    same(helper, LearningToHelpClassifier.load(tmp_path / "helper"), X)


@pytest.mark.parametrize("other", [{"reads": "table"}, {"dtype": "uint8"}])
def test_a_client_with_labels_whose_input_is_another_is_adapted(tmp_path, other):
    """As it is, it would be refused as part of the folder, which could not be loaded any more."""
    linear_onnx(tmp_path / "own.onnx", shape=(4,), output="scores", n_scores=3, labels=True, **other)
    helper = linear_helper(tmp_path / "own.onnx")
    card = helper.save(tmp_path / "helper")
    assert card.missing == {}
    same(helper, LearningToHelpClassifier.load(tmp_path / "helper"), X)


def test_the_client_of_one_label_is_a_graph(tmp_path):
    helper = linear_helper(None)
    helper.save(tmp_path / "helper")
    same(helper, LearningToHelpClassifier.load(tmp_path / "helper"), X)


def test_nothing_is_pickled(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("pickled")

    helper = table_helper()
    for name in ("dump", "dumps", "load", "loads"):
        monkeypatch.setattr(pickle, name, refuse)
    helper.save(tmp_path / "helper")
    LearningToHelpClassifier.load(tmp_path / "helper")


def test_a_folder_of_something_else_stays_as_it_is(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="nothing was changed"):
        table_helper().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_loaded_helper_can_be_pickled_and_saves_only_what_it_loaded(tmp_path):
    table_helper().save(tmp_path / "helper")
    loaded = LearningToHelpClassifier.load(tmp_path / "helper")
    same(loaded, pickle.loads(pickle.dumps(loaded)), X)
    answers = {"client_labels": NAMES[40:80]}
    assert "does not know whether fit used some" in loaded.report(X[40:80], NAMES[40:80], **answers).data
    linear_helper(lambda x: NAMES[: len(x)]).save(tmp_path / "helper")
    with pytest.raises(ValueError, match="as it was loaded, got another content"):
        loaded.save(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
