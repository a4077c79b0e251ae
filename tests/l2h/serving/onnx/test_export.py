"""An exported file answers as its model does, or is refused with the figures."""

import numpy as np
import onnx
import pytest
import torch
from helpers.serving import linear_onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from torch import nn

from l2h.problem import asks
from l2h.serving.onnx import export
from l2h.serving.onnx.export import agreement, export_client, export_sklearn, export_torch
from l2h.serving.onnx.graphs import ConversionError
from l2h.serving.onnx.sessions import OnnxModel

RNG = np.random.default_rng(0)
X = RNG.normal(size=(1200, 6)).astype(np.float32)
Y3 = np.digitize(X @ RNG.normal(size=6) + 0.3 * RNG.normal(size=1200), [-1, 1])
IMAGES = RNG.integers(0, 256, (1000, 3, 4, 4), dtype=np.uint8)


class Network(nn.Module):
    """Two layers on images of 8 bits, normalised inside; with parts that differ between training and evaluation."""

    def __init__(self, n_outputs):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(), nn.Linear(16, n_outputs)
        )

    def forward(self, x):
        return self.layers((x.float() / 255 - 0.5) * 4)


@pytest.fixture(scope="module")
def rejector(tmp_path_factory):
    """Module, file and agreement of one export."""
    module = Network(1)
    path = tmp_path_factory.mktemp("torch") / "rejector.onnx"
    return module, path, export_torch(module, IMAGES, path, output="r", threshold=0.1)


def test_a_torch_module_and_its_file_decide_alike_on_a_thousand_images(rejector):
    module, path, agreed = rejector
    assert (agreed.n, agreed.n_different) == (1000, 0) and agreed.largest_difference < 1e-5
    model = OnnxModel(path)
    assert (model.input_name, model.input_dtype, model.input_shape) == ("x", "uint8", (3, 4, 4))
    with torch.no_grad():
        own = module.eval()(torch.from_numpy(IMAGES))[:, 0].numpy()
    np.testing.assert_array_equal(asks(model(IMAGES)["r"] - np.float32(0.1)), asks(own - np.float32(0.1)))
    assert 0 < asks(own - np.float32(0.1)).mean() < 1


def test_the_module_is_left_in_its_mode_and_the_file_tells_nothing_of_this_machine(rejector, tmp_path, capfd):
    module, path, _ = rejector
    module.train()
    export_torch(module, IMAGES[:50], tmp_path / "again.onnx", output="r")
    assert module.training and capfd.readouterr() == ("", "")
    content = path.read_bytes()
    assert content == (tmp_path / "again.onnx").read_bytes()
    assert b".py" not in content and onnx.load(path).producer_name == "l2h"
    assert [each.name for each in tmp_path.iterdir()] == ["again.onnx"]
    with pytest.raises(FileExistsError):
        export_torch(module, IMAGES[:50], tmp_path / "again.onnx", output="r")


def test_a_torch_client_gives_labels_and_scores(tmp_path):
    module = nn.Sequential(nn.Linear(6, 3), nn.Softmax(1))
    agreed, has_scores = export_client(module, tmp_path / "client.onnx", x=X, classes=("a", "b", "c"))
    assert has_scores and agreed.n_different == 0
    answers = OnnxModel(tmp_path / "client.onnx")(X)
    with torch.no_grad():
        probabilities = module(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(answers["scores"], np.log(probabilities), atol=1e-4)
    np.testing.assert_array_equal(answers["m"], probabilities.argmax(1))


def test_a_file_that_does_not_agree_is_refused_and_removed(tmp_path, monkeypatch):
    linear_onnx(tmp_path / "given.onnx", shape=(6,), n_scores=3)
    reference = {"m": np.zeros(1200, np.int64), "scores": np.zeros((1200, 3), np.float32)}
    with pytest.raises(ConversionError, match=r"scores differ by up to .* and \d+ of 1200 decisions differ"):
        export_client(tmp_path / "given.onnx", tmp_path / "client.onnx", x=X, classes=range(3), reference=reference)
    assert [each.name for each in tmp_path.iterdir()] == ["given.onnx"]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        RandomForestClassifier(5, random_state=0),
        SVC(),
        LinearSVC(),
        GaussianNB(),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_a_scikit_learn_client_and_server_agree_with_their_files(tmp_path, estimator, n_classes):
    labels = np.array(["bird", "cat", "dog"])[:n_classes]
    y = np.minimum(Y3, n_classes - 1)
    fitted = FrozenEstimator(estimator.fit(X[:200], labels[y[:200]]))
    agreed, has_scores = export_client(fitted, tmp_path / "client.onnx", x=X[200:], classes=tuple(labels.tolist()))
    assert has_scores and agreed.n == 1000 and agreed.n_different == agreed.n_near == 0
    m = OnnxModel(tmp_path / "client.onnx")(X)["m"]
    np.testing.assert_array_equal(labels[m], fitted.predict(X))
    agreed = export_sklearn(
        estimator.fit(X[:200], y[:200]), tmp_path / "server.onnx", x=X[200:], output="e", n_classes=n_classes
    )
    assert agreed.n_different == agreed.n_near == 0
    e = OnnxModel(tmp_path / "server.onnx")(X)["e"]
    assert e.shape == ((1200,) if n_classes == 2 else (1200, 3))
    own = (
        estimator.decision_function(X).argmax(1)
        if isinstance(estimator, SVC) and n_classes == 3
        else estimator.predict(X)
    )
    np.testing.assert_array_equal(e.argmax(1) if n_classes == 3 else (e >= 0), own)


def test_a_class_that_the_server_never_saw_has_the_smallest_score(tmp_path):
    fitted = LogisticRegression().fit(X, np.where(Y3 == 1, 3, Y3))
    export_sklearn(fitted, tmp_path / "server.onnx", x=X, output="e", n_classes=4)
    e = OnnxModel(tmp_path / "server.onnx")(X)["e"]
    np.testing.assert_allclose(e[:, 1], np.log(1e-12), rtol=1e-5)
    np.testing.assert_array_equal(e.argmax(1), fitted.predict(X))


@pytest.mark.parametrize(
    ("estimator", "own"),
    [
        (LogisticRegression(), lambda fitted: 0.5 - fitted.predict_proba(X)[:, 1]),
        (LinearSVC(), lambda fitted: -fitted.decision_function(X)),
        (MLPRegressor(hidden_layer_sizes=(4,), max_iter=400, random_state=0), lambda fitted: 0.5 - fitted.predict(X)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_rejector_of_scikit_learn_asks_where_asking_costs_less(tmp_path, estimator, own):
    fitted = estimator.fit(X, Y3 > 0)
    agreed = export_sklearn(fitted, tmp_path / "r.onnx", x=X, output="r", threshold=0.125)
    r = OnnxModel(tmp_path / "r.onnx")(X)["r"]
    np.testing.assert_allclose(r, own(fitted), atol=1e-5)
    assert int((asks(r - np.float32(0.125)) != asks(own(fitted) - 0.125)).sum()) == agreed.n_near == agreed.n_different


def test_images_of_8_bits_are_flattened_for_scikit_learn(tmp_path):
    fitted = LogisticRegression(max_iter=50, tol=1).fit(
        IMAGES.reshape(1000, -1) / np.float32(255), IMAGES[:, 0, 0, 0] > 99
    )
    agreed = export_sklearn(fitted, tmp_path / "r.onnx", x=IMAGES, output="r")
    assert agreed.n == 1000 and OnnxModel(tmp_path / "r.onnx").input_shape == (3, 4, 4)


def test_a_reference_of_the_caller_decides(tmp_path):
    fitted = LogisticRegression().fit(X, Y3 > 0)
    own = 0.5 - fitted.predict_proba(X)[:, 1]
    export_sklearn(fitted, tmp_path / "r.onnx", x=X, output="r", reference=own)
    with pytest.raises(ConversionError, match="scores differ by up to 1 where"):
        export_sklearn(fitted, tmp_path / "other.onnx", x=X, output="r", reference=own + 1)


@pytest.mark.parametrize("n_scores", [1, 2, 3])
def test_the_file_of_a_client_is_adapted(tmp_path, n_scores):
    linear_onnx(tmp_path / "given.onnx", shape=(48,), n_scores=n_scores, output="logits", reads="image")
    classes = tuple("abc"[: max(2, n_scores)])
    agreed, has_scores = export_client(tmp_path / "given.onnx", tmp_path / "client.onnx", x=IMAGES, classes=classes)
    own = OnnxModel(tmp_path / "given.onnx")(IMAGES.reshape(1000, -1).astype(np.float32))["logits"]
    own = own[:, 1] - own[:, 0] if n_scores == 2 else own
    answers = OnnxModel(tmp_path / "client.onnx")(IMAGES)
    assert has_scores and agreed.n_different == 0
    np.testing.assert_allclose(answers["scores"], own, rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(answers["m"], own.argmax(1) if n_scores == 3 else own >= 0)


def test_a_function_has_no_graph(tmp_path):
    with pytest.raises(ConversionError, match="a client of type function has no graph"):
        export_client(lambda x: x, tmp_path / "client.onnx", x=X, classes=(0, 1))


@pytest.mark.parametrize(
    "x", [np.zeros((2, 3)), np.zeros(3, np.float32), np.full((1, 2), np.nan, np.float32), np.zeros((0, 2), "f4")]
)
def test_other_inputs_are_refused(tmp_path, x):
    with pytest.raises(ValueError, match="expected"):
        export_torch(nn.Linear(3, 1), x, tmp_path / "r.onnx", output="r")


def test_decisions_that_change_are_counted_and_those_near_the_threshold_apart(tmp_path):
    linear_onnx(tmp_path / "r.onnx", shape=(6,), output="r")
    model = OnnxModel(tmp_path / "r.onnx")
    r = model(X)["r"].astype(np.float64)
    near = r.copy()
    near[:3] = 0.25 + np.array([5e-6, -5e-6, 0.0])
    other = model(X)["r"]
    reference = near.copy()
    reference[:3] = np.where(asks(other[:3] - np.float32(0.25)), 0.25 + 5e-6, 0.25 - 5e-6)  # on the other side
    reference[3] = 0.25 + (0.5 if asks(other[3] - np.float32(0.25)) else -0.5)
    counted = agreement(model, {"r": reference}, X, threshold=0.25)
    assert (counted.n_different, counted.n_near) == (4, 3)
    assert counted.largest_difference == pytest.approx(abs(reference - r).max(), rel=1e-4)


def test_near_decisions_pass_for_scikit_learn_and_not_for_torch(tmp_path, monkeypatch):
    near = export.Agreement(n=10, largest_difference=0.0, n_different=1, n_near=1, tolerance=1e-5)
    monkeypatch.setattr(export, "agreement", lambda *_, **__: near)
    fitted = LogisticRegression().fit(X, Y3 > 0)
    assert export_sklearn(fitted, tmp_path / "r.onnx", x=X, output="r") == near
    with pytest.raises(ConversionError, match="1 of 10 decisions differ, 1 of them at the boundary"):
        export_torch(nn.Linear(6, 1), X, tmp_path / "torch.onnx", output="r")
