"""Writes the parts of a fitted estimator into a helper's folder as ONNX files, and reads them back, without pickle."""

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper

from l2h.serving.estimator.clients import (
    Answers,
    Client,
    EstimatorClient,
    GivenClient,
    MajorityClient,
    ModuleClient,
    OnnxClient,
)
from l2h.serving.estimator.scorers import EstimatorRejector, EstimatorServer, NetworkScorer, OnnxScorer, Scorer
from l2h.serving.folder import Card, PartFile, part_of, saving, write_card
from l2h.serving.onnx.export import agreement, export_client, export_sklearn, export_torch
from l2h.serving.onnx.from_torch import torch_graph
from l2h.serving.onnx.graphs import ELEMENT_TYPES, IR_VERSION, OPSET, ConversionError, export_versions, write_graph
from l2h.serving.onnx.sessions import OnnxModel, check_part

NO_GRAPH = {
    "FunctionClient": "the client is a Python function, which has no ONNX graph",
    "GivenClient": "only the client's answers are known, as arrays",
}


class ComparedInputs(NamedTuple):
    """Inputs on which each file is compared with its model, and the client's answers to them."""

    x: np.ndarray  # (n, ...) as the device has them
    answers: Answers


def save_parts(
    folder: str | os.PathLike[str],
    card: Card,
    *,
    rejector: Scorer,
    server: Scorer,
    client: Client,
    sample: ComparedInputs,
) -> Card:
    """Write a helper's folder: an ONNX file for each part that converts, and the card with the reasons for the others.

    Args:
        folder: new, empty, or that of a saved helper.
        card: without parts.
        rejector: fitted.
        server: fitted.
        client: as fit made it.
        sample: on which files and models must agree.

    Returns:
        The card as it was written.

    Raises:
        ValueError: if the folder holds something else.

    Warns:
        UserWarning: for each part that does not convert, with the step and the reason.
    """
    with saving(folder) as new:
        parts: dict[str, PartFile] = {}
        missing: dict[str, str] = {}
        writers: dict[str, Callable[[Path], None]] = {
            "rejector": lambda path: _write_rejector(rejector, path, sample, card.threshold),
            "server": lambda path: _write_server(server, path, sample, len(card.classes)),
            "client": lambda path: _write_client(client, path, sample, card),
        }
        for name, write in writers.items():
            path = new / f"{name}.onnx"
            try:
                write(path)
                parts[name] = part_of(new, path.name, reads=rejector.reads if name == "rejector" else "x")
            except ConversionError as error:
                missing[name] = str(error)
        complete = replace(card, parts=parts, missing=missing, versions=export_versions())
        write_card(new, complete)
    for name, reason in missing.items():
        if reason not in NO_GRAPH.values():
            text = f"the {name} has no ONNX file and is served in this process alone: {reason}"
            warnings.warn(text, UserWarning, stacklevel=3)
    return complete


def _write_rejector(rejector: Scorer, path: Path, sample: ComparedInputs, threshold: float) -> None:
    if isinstance(rejector, OnnxScorer):
        path.write_bytes(rejector.model.content())
    elif isinstance(rejector, EstimatorRejector):
        export_sklearn(rejector.estimator, path, x=sample.x, output="r", threshold=threshold)
    elif isinstance(rejector, NetworkScorer) and rejector.reads == "x":
        export_torch(rejector.module, sample.x, path, output="r", threshold=threshold)
    elif isinstance(rejector, NetworkScorer):
        _write_score_rejector(rejector, path, sample, threshold)
    else:
        raise ConversionError(f"a rejector of type {type(rejector).__name__} has no graph")


def _write_score_rejector(rejector: NetworkScorer, path: Path, sample: ComparedInputs, threshold: float) -> None:
    """A rejector that reads the client's scores: its graph with the input of that name."""
    scores = sample.answers.scores
    assert scores is not None
    graph = renamed_input(torch_graph(rejector.module, scores, ["r"]), "client_scores")
    file = write_graph(graph, path.parent)
    try:
        agreed = agreement(OnnxModel(file), {"r": rejector(scores)}, scores, threshold=threshold)
        if agreed.n_different or agreed.largest_difference > agreed.tolerance:
            raise ConversionError(f"expected an ONNX file that agrees with its model, got {agreed}")
        file.replace(path)
    finally:
        file.unlink(missing_ok=True)


def renamed_input(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """A graph with one input under another name; the given model is changed.

    Args:
        model: with one input.
        name: that no value of the graph has.
    """
    (source,) = model.graph.input
    for node in model.graph.node:
        node.input[:] = [name if each == source.name else each for each in node.input]
    source.name = name
    return model


def _write_server(server: Scorer, path: Path, sample: ComparedInputs, n_classes: int) -> None:
    if isinstance(server, OnnxScorer):
        path.write_bytes(server.model.content())
    elif isinstance(server, EstimatorServer):
        export_sklearn(server.estimator, path, x=sample.x, output="e", n_classes=n_classes)
    elif isinstance(server, NetworkScorer):
        export_torch(server.module, sample.x, path, output="e", n_classes=n_classes)
    else:
        raise ConversionError(f"a server of type {type(server).__name__} has no graph")


def _write_client(client: Client, path: Path, sample: ComparedInputs, card: Card) -> None:
    reference = {name: values for name, values in sample.answers._asdict().items() if values is not None}
    if isinstance(client, MajorityClient):
        file = write_graph(constant_label_graph(sample.x, client.index), path.parent)
        file.replace(path)
    elif isinstance(client, OnnxClient):
        copy = path.with_name(f".{path.name}")
        copy.write_bytes(client.content)
        try:
            if _is_client_part(copy, card):
                copy.rename(path)
            else:
                export_client(copy, path, x=sample.x, classes=card.classes, reference=reference)
        finally:
            copy.unlink(missing_ok=True)
    elif isinstance(client, EstimatorClient | ModuleClient):
        model = client.estimator if isinstance(client, EstimatorClient) else client.module
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X does not have valid feature names")  # the graph has none
            export_client(model, path, x=sample.x, classes=card.classes, reference=reference)
    else:
        raise ConversionError(NO_GRAPH[type(client).__name__])


def _is_client_part(file: Path, card: Card) -> bool:
    """Whether an ONNX file is a client as a helper's folder holds it: labels "m" of inputs "x" of the card's type."""
    try:
        check_part(replace(card, parts={"client": part_of(file.parent, file.name)}), "client", OnnxModel(file))
    except ValueError:
        return False
    return True


def constant_label_graph(x: np.ndarray, index: int) -> onnx.ModelProto:
    """The graph of a client that gives the same label to every input.

    Args:
        x: (n, ...) inputs, for their type and shape.
        index: of the label.

    Returns:
        A model from "x" to "m".
    """
    value = helper.make_tensor("value", TensorProto.INT64, [1], [index])
    nodes = [
        helper.make_node("Shape", ["x"], ["n"], start=0, end=1),
        helper.make_node("ConstantOfShape", ["n"], ["m"], value=value),
    ]
    source = helper.make_tensor_value_info("x", ELEMENT_TYPES[str(x.dtype)], ["batch", *x.shape[1:]])
    label = helper.make_tensor_value_info("m", TensorProto.INT64, ["batch"])
    graph = helper.make_graph(nodes, "client", [source], [label])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


class LoadedParts(NamedTuple):
    """Parts of a helper's folder as functions."""

    rejector: Scorer
    server: Scorer
    client: Client


def loaded_parts(card: Card, models: Mapping[str, OnnxModel], folder: str | os.PathLike[str]) -> LoadedParts:
    """The parts of a loaded folder.

    Args:
        card: of the folder.
        models: its sessions.
        folder: for the client's file.

    Returns:
        The parts; a client without a file cannot be asked.

    Raises:
        ValueError: if the rejector or the server has no file.
    """
    for name in ("rejector", "server"):
        if name not in models:
            raise ValueError(f"expected a helper with a {name}.onnx, got {folder} without: {card.missing[name]}")
    classes = np.array(card.classes)
    client: Client = GivenClient(classes)
    if "client" in models:
        client = OnnxClient(classes, models["client"].path)
        client.gives_probabilities = False  # the file's scores are ours
    rejector = OnnxScorer(models["rejector"], "r", card.parts["rejector"].reads)
    return LoadedParts(rejector, OnnxScorer(models["server"], "e"), client)
