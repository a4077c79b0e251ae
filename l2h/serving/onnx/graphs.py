"""ONNX graphs: their inputs and outputs adapted, versions pinned, and written so that equal models are equal files."""

import io
import logging
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from l2h.serving.onnx.sessions import first_line
from l2h.serving.scores import SMALLEST_PROBABILITY

OPSET = 20  # of ONNX's own operators
ML_OPSET = 3  # of ai.onnx.ml: trees and encoders of labels
IR_VERSION = 10
LARGEST_MODEL = 2**31 - 1  # bytes: protobuf holds no more in one file
ONE_AXIS = np.array([-1], np.int64)
PREFIX = "given."  # of the names in an adapted graph, so that none of them is "x" or an output of ours
LIBRARIES = ("l2h", "onnx", "onnxruntime", "onnxscript", "skl2onnx", "torch", "scikit-learn", "numpy")
ELEMENT_TYPES = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}  # of inputs


class ConversionError(ValueError):
    """A model that has no ONNX file, or whose ONNX file does not agree with it; the message names part and reason."""


def export_versions() -> dict[str, str]:
    """Libraries and formats that decide what an exported file is, for a card.

    Returns:
        Name -> version; "ONNX opset" and "ONNX IR" among them.
    """
    return {**{name: version(name) for name in LIBRARIES}, "ONNX opset": str(OPSET), "ONNX IR": str(IR_VERSION)}


def check_size(size: int) -> None:
    """Refuse a model above protobuf's limit for one file.

    Args:
        size: of the model, in bytes.

    Raises:
        ConversionError: with both sizes.
    """
    if size > LARGEST_MODEL:
        raise ConversionError(
            f"expected a model of at most {LARGEST_MODEL} bytes, which one ONNX file holds, got {size}"
        )


def adapted(
    model: onnx.ModelProto,
    *,
    dtype: str,
    shape: Sequence[int],
    nodes: Iterable[onnx.NodeProto],
    constants: Mapping[str, np.ndarray],
    outputs: Iterable[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """The same graph with an input "x" of another type or shape and other outputs.

    Args:
        model: with one input, whose first axis is free; of a table, where x has more axes.
        dtype: of x: "uint8" or "float32".
        shape: of one x.
        nodes: appended; they read the outputs of the model, whose names now begin with PREFIX, and make `outputs`.
        constants: that the nodes read.
        outputs: of the new graph.

    Returns:
        The new model; the given one is unchanged.

    Raises:
        ConversionError: if the model has more than one input.
    """
    model = onnx.compose.add_prefix(model, PREFIX)
    graph = model.graph
    stored = {each.name for each in graph.initializer}  # old files list these among the inputs
    inputs = [each for each in graph.input if each.name not in stored]
    if len(inputs) != 1:
        names = [each.name.removeprefix(PREFIX) for each in inputs]
        raise ConversionError(f"expected a model with one input, got {len(inputs)}: {', '.join(names)}")
    tensor = inputs[0].type.tensor_type
    constants = {**constants, "x_shape": np.array(_lengths(tensor, shape), np.int64)}
    head = [
        helper.make_node("Cast", ["x"], ["x_number"], to=tensor.elem_type),
        helper.make_node("Reshape", ["x_number", "x_shape"], [inputs[0].name]),
    ]
    for opset in model.opset_import:  # skl2onnx writes the smallest version, in which `LabelEncoder` knows no integers
        if opset.domain == "ai.onnx.ml":
            opset.version = max(opset.version, ML_OPSET)
    every_node = [*head, *graph.node, *nodes]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(every_node)
    graph.input.append(_input_info(dtype, shape))
    graph.output.extend(outputs)
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    return model


def score_nodes(
    source: str, output: str, *, n_columns: int, n_classes: int, form: str = "plain"
) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """Nodes that make scores (n,) for two classes, or (n, K), of a tensor (n,), (n, 1) or (n, K).

    Args:
        source: name of the tensor.
        output: name of the scores, float32.
        n_columns: of the tensor; 1 also for a tensor (n,).
        n_classes: K.
        form: of two columns, "plain": the second minus the first; "second": the second alone; "logarithm": columns are
            probabilities, of which the logarithms count, those below SMALLEST_PROBABILITY as this one.

    Returns:
        The nodes, and the constants that they read.

    Raises:
        ConversionError: if the number of columns does not fit that of the classes.
    """
    if n_columns != n_classes and (n_classes, n_columns) != (2, 1):
        raise ConversionError(f"expected scores of {n_classes} classes, got {n_columns} columns")
    last = f"{output}_number"
    nodes = [helper.make_node("Cast", [source], [last], to=TensorProto.FLOAT)]
    constants: dict[str, np.ndarray] = {}
    if form == "logarithm":
        constants["smallest"] = np.array(SMALLEST_PROBABILITY, np.float32)
        nodes.append(helper.make_node("Clip", [last, "smallest"], [f"{output}_clipped"]))
        nodes.append(helper.make_node("Log", [f"{output}_clipped"], [f"{output}_logarithm"]))
        last = f"{output}_logarithm"
    if n_classes > 2:
        return [*nodes, helper.make_node("Identity", [last], [output])], constants
    if n_columns == 2:
        constants["weights"] = np.array([[0.0 if form == "second" else -1.0], [1.0]], np.float32)
        nodes.append(helper.make_node("MatMul", [last, "weights"], [f"{output}_difference"]))
        last = f"{output}_difference"
    constants["one_axis"] = ONE_AXIS
    return [*nodes, helper.make_node("Reshape", [last, "one_axis"], [output])], constants


def rejector_nodes(source: str, *, n_columns: int, form: str) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """Nodes that make r of what a classifier of "asking costs less" (1) and "keeping costs no more" (0) gives.

    Args:
        source: name of a tensor (n,), (n, 1) or (n, 2).
        n_columns: of the tensor.
        form: "half": 1/2 - its last column, a probability or a label; "negative": minus its last column.

    Returns:
        The nodes, and the constants that they read.
    """
    weights = np.zeros((n_columns, 1), np.float32)
    weights[-1] = -1
    constants: dict[str, np.ndarray] = {"weights": weights, "one_axis": ONE_AXIS}
    constants["as_columns"] = np.array([-1, n_columns], np.int64)
    constants["offset"] = np.array(0.5 if form == "half" else 0.0, np.float32)
    nodes = [
        helper.make_node("Cast", [source], ["r_number"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["r_number", "as_columns"], ["r_columns"]),
        helper.make_node("MatMul", ["r_columns", "weights"], ["r_product"]),
        helper.make_node("Reshape", ["r_product", "one_axis"], ["r_flat"]),
        helper.make_node("Add", ["r_flat", "offset"], ["r"]),
    ]
    return nodes, constants


def score_info(name: str, n_classes: int) -> onnx.ValueInfoProto:
    """The entry of an output of scores, float32 (n,) for two classes, or (n, K)."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"] if n_classes == 2 else ["n", n_classes])


def label_info() -> onnx.ValueInfoProto:
    """The entry of the output "m": int64 (n,) indices of classes."""
    return helper.make_tensor_value_info("m", TensorProto.INT64, ["n"])


def constant_label_graph(x: np.ndarray, index: int) -> onnx.ModelProto:
    """The graph of a client that gives the same label m to every input.

    Args:
        x: (n, ...) inputs, for their type and shape.
        index: of the label.
    """
    value = helper.make_tensor("value", TensorProto.INT64, [1], [index])
    nodes = [
        helper.make_node("Shape", ["x"], ["length"], start=0, end=1),
        helper.make_node("ConstantOfShape", ["length"], ["m"], value=value),
    ]
    graph = helper.make_graph(nodes, "client", [_input_info(str(x.dtype), x.shape[1:])], [label_info()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def label_of_score_nodes(n_classes: int) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """Nodes that make the label m of "scores": index 1 where a single score is >= 0, else the largest; their constants.

    Args:
        n_classes: K.
    """
    if n_classes > 2:
        return [helper.make_node("ArgMax", ["scores"], ["m"], axis=1, keepdims=0)], {}
    second = helper.make_node("GreaterOrEqual", ["scores", "zero"], ["scores_second"])
    number = helper.make_node("Cast", ["scores_second"], ["m"], to=TensorProto.INT64)
    return [second, number], {"zero": np.array(0, np.float32)}


def label_nodes(
    source: str, labels: Sequence[int | str], indices: Sequence[int]
) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """Nodes that make the index m of labels (n,) or (n, 1), which are texts or integers, and their constants.

    Args:
        source: name of the labels.
        labels: all that occur.
        indices: theirs among the classes.
    """
    encoded = helper.make_node(
        "LabelEncoder", [source], ["m_columns"], domain="ai.onnx.ml", values_int64s=list(indices), default_int64=-1
    )
    kind = "strings" if isinstance(labels[0], str) else "int64s"
    encoded.attribute.append(helper.make_attribute(f"keys_{kind}", list(labels)))
    return [encoded, helper.make_node("Reshape", ["m_columns", "one_axis"], ["m"])], {"one_axis": ONE_AXIS}


def new_file(path: str | os.PathLike[str]) -> Path:
    """A path at which there is nothing yet.

    Raises:
        FileExistsError: if there is a file.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"expected the path of a new file, got {path}, which exists")
    return path


def write_graph(model: onnx.ModelProto, folder: Path) -> Path:
    """Write a model into a new file whose bytes depend on the model alone: no times, paths or traces of its source.

    Args:
        model: is changed: it loses names of its source.
        folder: for the file, which has a name of its own.

    Returns:
        The file, for its caller to check and to rename.

    Raises:
        ConversionError: if the model is too large or not valid.
    """
    try:
        _strip(model)
        check_size(model.ByteSize())
        onnx.checker.check_model(model)
        content = model.SerializeToString(deterministic=True)
    except (onnx.checker.ValidationError, ValueError) as error:  # protobuf's own errors are ValueErrors
        if isinstance(error, ConversionError):
            raise
        raise ConversionError(f"expected a valid ONNX graph, got: {first_line(error)}") from error
    path = folder / f".{uuid4().hex}.onnx"
    path.write_bytes(content)
    return path


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings, messages of loggers or printed text of this process meanwhile: converters are talkative."""
    root = logging.getLogger()
    handlers, disabled = list(root.handlers), root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers  # `logging.warning` adds one, to the redirected stream, where there is none


def _strip(model: onnx.ModelProto) -> None:
    """Pin versions and names, and remove all that describes the source: its stack traces hold paths of this machine."""
    model.producer_name, model.producer_version, model.domain, model.doc_string = "l2h", version("l2h"), "", ""
    model.ir_version = max(model.ir_version, IR_VERSION)
    opsets = {each.domain: each.version for each in model.opset_import}
    del model.opset_import[:], model.metadata_props[:], model.graph.value_info[:]
    model.opset_import.extend(helper.make_opsetid(domain, number) for domain, number in sorted(opsets.items()))
    graph = model.graph
    graph.name, graph.doc_string = "l2h", ""
    del graph.metadata_props[:]
    for entry in [*graph.node, *graph.input, *graph.output, *graph.initializer]:
        entry.doc_string = ""
        del entry.metadata_props[:]


def _input_info(dtype: str, shape: Sequence[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("x", ELEMENT_TYPES[dtype], ["n", *shape])


def _lengths(tensor: onnx.TypeProto.Tensor, shape: Sequence[int]) -> list[int]:
    """The shape that the given graph reads: that of x, or one flat axis where the graph has two and x has more."""
    n_axes = len(tensor.shape.dim) if tensor.HasField("shape") else 1 + len(shape)
    return [-1, int(np.prod(shape))] if n_axes == 2 else [-1, *shape]
