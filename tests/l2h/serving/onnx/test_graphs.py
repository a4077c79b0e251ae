"""ONNX graphs: scores, labels, versions and files that depend on the model alone."""

import logging
import sys
import warnings

import numpy as np
import onnx
import pytest
from helpers.serving import linear_onnx
from onnx import TensorProto, helper

from l2h.serving.onnx import graphs
from l2h.serving.onnx.graphs import (
    ConversionError,
    adapted,
    export_versions,
    label_info,
    label_nodes,
    quiet,
    write_graph,
)
from l2h.serving.onnx.sessions import OnnxModel


def run(model, folder, x):
    return OnnxModel(write_graph(model, folder))(x)


def scored(path, n_scores):
    linear_onnx(path, n_scores=n_scores)
    return onnx.load(path), OnnxModel(path)


@pytest.mark.parametrize(
    ("n_classes", "n_columns", "form", "expected"),
    [
        (3, 3, "plain", lambda e: e),
        (2, 2, "plain", lambda e: e[:, 1] - e[:, 0]),
        (2, 2, "second", lambda e: e[:, 1]),
        (2, 1, "plain", lambda e: e),
        (3, 3, "logarithm", lambda e: np.log(np.maximum(e, np.float32(1e-12)))),
        (2, 2, "logarithm", lambda e: np.diff(np.log(np.maximum(e, np.float32(1e-12))))[:, 0]),
    ],
)
def test_scores_of_each_form(tmp_path, n_classes, n_columns, form, expected):
    model, session = scored(tmp_path / "m.onnx", n_columns)
    nodes, constants = graphs.score_nodes("given.e", "scores", n_columns=n_columns, n_classes=n_classes, form=form)
    label = graphs.label_of_score_nodes(n_classes)
    outputs = [label_info(), graphs.score_info("scores", n_classes)]
    made = adapted(
        model, dtype="uint8", shape=(3, 1), nodes=nodes + label[0], constants=constants | label[1], outputs=outputs
    )
    x = np.random.default_rng(0).integers(0, 3, (6, 3, 1), dtype=np.uint8)
    answers, own = run(made, tmp_path, x), expected(session(x.reshape(6, 3).astype(np.float32))["e"])
    np.testing.assert_allclose(answers["scores"], own, rtol=1e-5, atol=1e-5)
    scores = answers["scores"]
    np.testing.assert_array_equal(answers["m"], scores.argmax(1) if n_classes > 2 else scores >= 0)


def test_another_number_of_columns_is_refused():
    with pytest.raises(ConversionError, match="expected scores of 3 classes, got 2 columns"):
        graphs.score_nodes("e", "scores", n_columns=2, n_classes=3)


@pytest.mark.parametrize(("form", "offset"), [("half", 0.5), ("negative", 0.0)])
@pytest.mark.parametrize("n_columns", [1, 2])
def test_a_rejector_of_a_classifier(tmp_path, form, offset, n_columns):
    model, session = scored(tmp_path / "m.onnx", n_columns)
    nodes, constants = graphs.rejector_nodes("given.e", n_columns=n_columns, form=form)
    outputs = [graphs.score_info("r", 2)]
    made = adapted(model, dtype="float32", shape=(3,), nodes=nodes, constants=constants, outputs=outputs)
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    own = session(x)["e"].reshape(6, -1)[:, -1]
    np.testing.assert_allclose(run(made, tmp_path, x)["r"], offset - own, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("labels", "kind"), [(["a", "é"], TensorProto.STRING), ([-7, 2**40], TensorProto.INT64)])
def test_labels_become_indices(tmp_path, labels, kind):
    """A graph that gives its first label where x is 0, else its second."""
    table = helper.make_tensor(
        "table", kind, [2], [each.encode() if isinstance(each, str) else each for each in labels]
    )
    nodes = [
        helper.make_node("Cast", ["x"], ["position"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "position"], ["label"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor_value_info("label", kind, ["n", 1])],
        [table],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    nodes, constants = label_nodes("given.label", labels, [3, 1])
    made = adapted(model, dtype="float32", shape=(1,), nodes=nodes, constants=constants, outputs=[label_info()])
    np.testing.assert_array_equal(run(made, tmp_path, np.array([[0], [1], [0]], np.float32))["m"], [3, 1, 3])


def test_a_file_is_that_of_its_model_alone(tmp_path):
    linear_onnx(tmp_path / "m.onnx")
    plain, traced = onnx.load(tmp_path / "m.onnx"), onnx.load(tmp_path / "m.onnx")
    traced.producer_name, traced.doc_string, traced.graph.name = "other", "made at noon", "other"
    entry = traced.graph.node[0].metadata_props.add()
    entry.key, entry.value = "stack_trace", "/home/someone/model.py"
    first, second = (write_graph(model, tmp_path).read_bytes() for model in (plain, traced))
    assert first == second and b"someone" not in first
    saved = onnx.load_from_string(first)
    assert (saved.producer_name, saved.ir_version, saved.opset_import[0].version) == ("l2h", 10, 20)


def test_versions_for_a_card_are_texts():
    versions = export_versions()
    assert versions["ONNX opset"] == "20" and versions["ONNX IR"] == "10" and versions["onnx"] == onnx.__version__
    assert all(isinstance(each, str) for each in versions.values())


def test_a_model_above_the_limit_is_refused(tmp_path, monkeypatch):
    linear_onnx(tmp_path / "m.onnx")
    monkeypatch.setattr(graphs, "LARGEST_MODEL", 10)
    with pytest.raises(ConversionError, match="expected a model of at most 10 bytes"):
        write_graph(onnx.load(tmp_path / "m.onnx"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_a_graph_that_is_not_valid_is_refused(tmp_path):
    linear_onnx(tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    del model.graph.node[0]
    with pytest.raises(ConversionError, match="expected a valid ONNX graph"):
        write_graph(model, tmp_path)


def test_nothing_is_said_meanwhile_and_all_is_said_afterwards(capfd):
    handlers = list(logging.getLogger().handlers)
    with quiet():
        warnings.warn("x", stacklevel=1)
        logging.warning("x")
        sys.stdout.write("x")
    assert capfd.readouterr() == ("", "") and logging.getLogger().handlers == handlers
    assert logging.getLogger().isEnabledFor(logging.WARNING)


def test_an_existing_path_is_no_new_file(tmp_path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(FileExistsError, match="the path of a new file"):
        graphs.new_file(tmp_path / "a")
