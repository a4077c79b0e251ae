"""Sessions of ONNX files: one thread, checked inputs, and parts that fit their card."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
from helpers.serving import linear_onnx, small_helper
from onnx import TensorProto, helper

from l2h.serving.folder import part_of, read_card, write_card
from l2h.serving.onnx.sessions import OnnxModel, TensorSpec, load_parts


@pytest.mark.parametrize(("dtype", "shape"), [("float32", (5,)), ("uint8", (3, 4, 4))])
def test_a_model_answers_as_its_file_says(tmp_path, dtype, shape):
    W, b = linear_onnx(tmp_path / "m.onnx", shape=shape, dtype=dtype, output="e", n_scores=3)
    model = OnnxModel(tmp_path / "m.onnx")
    assert (model.input_name, model.input_dtype, model.input_shape) == ("x", dtype, shape)
    assert model.outputs == {"e": TensorSpec("float32", (3,))}
    x = np.random.default_rng(0).integers(0, 255, (7, *shape)).astype(dtype)
    scaled = x.reshape(7, -1).astype(np.float32) / np.float32(255 if dtype == "uint8" else 1)
    np.testing.assert_allclose(model(x)["e"], scaled @ W + b, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(model(np.asfortranarray(x))["e"], model(x)["e"])


def test_a_session_has_one_thread(tmp_path):
    linear_onnx(tmp_path / "m.onnx")
    options = OnnxModel(tmp_path / "m.onnx")._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1.0, 2.0, 3.0]], "as a NumPy array, got a list"),
        (np.zeros((2, 3)), "of type float32, got float64"),
        (np.zeros((2, 4), np.float32), r"of shape \(n >= 1, 3\), got \(2, 4\)"),
        (np.zeros(3, np.float32), "of shape"),
        (np.array(1, np.float32), "of shape"),
        (np.zeros((0, 3), np.float32), "n >= 1"),
        (np.array([[0, np.nan, np.inf]], np.float32), "expected finite x, got 2"),
    ],
)
def test_another_input_is_refused(tmp_path, x, message):
    linear_onnx(tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=message):
        OnnxModel(tmp_path / "m.onnx")(x)


@pytest.mark.parametrize("content", [b"", b"text", b"\x08\x0a" * 40])
def test_a_file_that_is_no_model_is_refused(tmp_path, content, capfd):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ValueError, match="as an ONNX model that can be run"):
        OnnxModel(tmp_path / "m.onnx")
    assert capfd.readouterr() == ("", "")


def test_a_damaged_model_is_refused(tmp_path):
    linear_onnx(tmp_path / "m.onnx")
    content = (tmp_path / "m.onnx").read_bytes()
    (tmp_path / "m.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="as an ONNX model that can be run"):
        OnnxModel(tmp_path / "m.onnx")
    with pytest.raises(FileNotFoundError, match="which is no file"):
        OnnxModel(tmp_path / "none.onnx")
    with pytest.raises(ValueError, match="with the SHA-256 0000"):
        OnnxModel(tmp_path / "m.onnx", sha256="0000")


def small_model(path, inputs, node, output):
    graph = helper.make_graph([node], "g", inputs, [output])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([value("x", TensorProto.FLOAT, ["n", 2]), value("z", TensorProto.FLOAT, ["n", 2])], "expected one input"),
        ([value("x", TensorProto.FLOAT, [1, 2])], "expected a free first axis"),
        ([value("x", TensorProto.FLOAT16, ["n", 2])], "got tensor\\(float16\\)"),
    ],
)
def test_a_model_of_another_kind_is_refused(tmp_path, inputs, message):
    node = helper.make_node("Add", ["x", inputs[-1].name], ["e"])
    output = value("e", inputs[0].type.tensor_type.elem_type, None)
    small_model(tmp_path / "m.onnx", inputs, node, output)
    with pytest.raises(ValueError, match=message):
        OnnxModel(tmp_path / "m.onnx")


def test_data_in_other_files_are_not_read(tmp_path, monkeypatch):
    np.arange(2, dtype=np.float32).tofile(tmp_path / "secret.bin")
    monkeypatch.chdir(tmp_path)
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    for key, text in {"location": "secret.bin", "offset": "0", "length": "8"}.items():
        entry = weights.external_data.add()
        entry.key, entry.value = key, text
    node = helper.make_node("Add", ["x", "w"], ["e"])
    inputs, outputs = [value("x", TensorProto.FLOAT, ["n", 2])], [value("e", TensorProto.FLOAT, ["n", 2])]
    model = helper.make_model(
        helper.make_graph([node], "g", inputs, outputs, [weights]),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match="as an ONNX model that can be run"):
        OnnxModel(tmp_path / "m.onnx")


def test_an_output_with_another_number_of_rows_is_refused(tmp_path):
    node = helper.make_node("Concat", ["x", "x"], ["e"], axis=0)
    small_model(
        tmp_path / "m.onnx", [value("x", TensorProto.FLOAT, ["n", 2])], node, value("e", TensorProto.FLOAT, ["k", 2])
    )
    with pytest.raises(ValueError, match="expected 3 rows of 'e'"):
        OnnxModel(tmp_path / "m.onnx")(np.zeros((3, 2), np.float32))


@pytest.mark.parametrize("classes", [("a", "b"), ("a", "b", "c")])
def test_all_parts_of_a_helper_are_loaded(tmp_path, classes):
    card = small_helper(tmp_path / "helper", classes=classes, shape=(2, 3), dtype="uint8")
    given, models = load_parts(tmp_path / "helper")
    assert given == card and list(models) == ["rejector", "server", "client"]
    answers = models["client"](np.zeros((4, 2, 3), np.uint8))
    assert answers["m"].shape == (4,) and answers["scores"].shape == ((4,) if len(classes) == 2 else (4, 3))


def test_a_rejector_may_read_the_scores_of_the_client(tmp_path):
    card = small_helper(tmp_path / "helper", classes=("a", "b", "c"))
    linear_onnx(tmp_path / "helper" / "rejector.onnx", reads="client_scores", output="r")
    parts = {**card.parts, "rejector": part_of(tmp_path / "helper", "rejector.onnx", reads="client_scores")}
    write_card(tmp_path / "helper", replace(card, parts=parts))
    assert load_parts(tmp_path / "helper")[1]["rejector"].input_name == "client_scores"


@pytest.mark.parametrize(
    ("part", "options", "message"),
    [
        ("rejector", {"output": "e"}, "expected the rejector of 2 classes to give r float32 \\(n\\), got .* gives e"),
        ("rejector", {"output": "r", "n_scores": 2}, "gives r float32 \\(n, 2\\)"),
        ("rejector", {"output": "r", "reads": "client_scores"}, "expected the rejector to read x float32 \\(n, 3\\)"),
        ("server", {"shape": (4,)}, "expected the server to read x float32 \\(n, 3\\).*x float32 \\(n, 4\\)"),
        ("server", {"dtype": "uint8"}, "reads x uint8"),
        ("server", {"n_scores": 3}, "expected the server of 2 classes to give e float32 \\(n\\)"),
        ("client", {"output": "scores"}, "expected the client of 2 classes to give m int64"),
        ("client", {"output": "scores", "labels": True, "n_scores": 3}, "and scores float32 \\(n\\)"),
    ],
)
def test_a_file_of_another_architecture_is_refused(tmp_path, part, options, message):
    card = small_helper(tmp_path / "helper")
    linear_onnx(tmp_path / "helper" / f"{part}.onnx", **options)
    write_card(
        tmp_path / "helper", replace(card, parts={**card.parts, part: part_of(tmp_path / "helper", f"{part}.onnx")})
    )
    assert read_card(tmp_path / "helper")
    with pytest.raises(ValueError, match=message):
        load_parts(tmp_path / "helper")


def test_sessions_need_neither_torch_nor_the_converters():
    code = (
        "import sys, l2h.serving.onnx.sessions; assert not {'torch', 'onnx', 'sklearn', 'skl2onnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
