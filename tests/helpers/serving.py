"""Small helpers of frozen models, built directly as ONNX graphs: deterministic, in milliseconds."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from l2h.problem import Costs
from l2h.serving.folder import Card, part_of, write_card
from l2h.serving.onnx.sessions import load_parts

TYPES = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


def linear_onnx(path, *, shape=(3,), dtype="float32", reads="x", output="e", n_scores=1, seed=0, labels=False):
    """An ONNX file: scores = flatten(x) W + b, float32 (n,) or (n, K); with `labels` also m, their int64 index.

    Returns W, b as the file holds them: x of 8 bits is divided by 255 in the graph.
    """
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(int(np.prod(shape)), n_scores)).astype(np.float32)
    b = rng.normal(size=n_scores).astype(np.float32)
    divisor = np.float32(255 if dtype == "uint8" else 1)
    constants = {"W": W, "b": b, "divisor": divisor, "flat": np.array([0, -1] if shape else [-1, 1], np.int64)}
    constants["one_axis"] = np.array([-1], np.int64)
    nodes = [
        helper.make_node("Cast", [reads], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["number", "divisor"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "flat"], ["rows"]),
        helper.make_node("Gemm", ["rows", "W", "b"], ["columns"]),
        helper.make_node("Reshape", ["columns", "one_axis"], [output])
        if n_scores == 1
        else helper.make_node("Identity", ["columns"], [output]),
    ]
    score_shape = ["n"] if n_scores == 1 else ["n", n_scores]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, score_shape)]
    if labels:
        constants["zero"] = np.float32(0)
        if n_scores == 1:
            nodes.append(helper.make_node("GreaterOrEqual", [output, "zero"], ["second"]))
            nodes.append(helper.make_node("Cast", ["second"], ["m"], to=TensorProto.INT64))
        else:
            nodes.append(helper.make_node("ArgMax", [output], ["m"], axis=1, keepdims=0))
        outputs.insert(0, helper.make_tensor_value_info("m", TensorProto.INT64, ["n"]))
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info(reads, TYPES[dtype], ["n", *shape])],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return W, b


def right_answers(folder, x):
    """Labels of the client and of the server for x, by the models alone, and whether the rejector asks."""
    card, models = load_parts(folder)
    e, labels = models["server"](x)["e"], np.array(card.classes)
    index = (e >= 0).astype(int) if e.ndim == 1 else e.argmax(1)
    asks = models["rejector"](x)["r"] - np.float32(card.threshold) <= 0
    return labels[models["client"](x)["m"]], labels[index], asks


def small_helper(folder, *, classes=("cat", "dog"), shape=(3,), dtype="float32", client=True, seed=0, **fields):
    """Write a complete helper of linear parts with threshold 0.25 into a new folder; `fields` replace the card's.

    The rejector has the seed `seed`, the server seed + 1, the client seed + 2. Returns the card.
    """
    folder = Path(folder)
    folder.mkdir(parents=True)
    n_scores = 1 if len(classes) == 2 else len(classes)
    kind = {"shape": shape, "dtype": dtype}
    linear_onnx(folder / "rejector.onnx", output="r", seed=seed, **kind)
    linear_onnx(folder / "server.onnx", output="e", n_scores=n_scores, seed=seed + 1, **kind)
    names = ["rejector", "server"]
    if client:
        linear_onnx(folder / "client.onnx", output="scores", n_scores=n_scores, labels=True, seed=seed + 2, **kind)
        names.append("client")
    card = Card(
        **{
            "classes": tuple(classes),
            "costs": Costs(c1=1.0, ce=0.1),
            "method": "learning_to_help",
            "threshold": 0.25,
            "input_shape": tuple(shape),
            "input_dtype": dtype,
            "parts": {name: part_of(folder, f"{name}.onnx") for name in names},
            "missing": {} if client else {"client": "its answers were given as arrays"},
            "data": {"training": {"n": 800, "sha256": "0" * 64}},
            "metrics": {"accuracy": {"estimate": 0.9, "low": 0.85, "high": 0.93}},
            "versions": {"l2h": "0.1.0"},
        }
        | fields
    )
    write_card(folder, card)
    return card


def address(url):
    """The host and the port of a URL that has no path, as a socket takes them."""
    host, _, port = url.rpartition("//")[2].rpartition(":")
    return host, int(port)
