"""Writes the parts of a fitted estimator into a helper's folder as ONNX files, and reads them back, without pickle."""

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

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
from l2h.serving.onnx.export import export_client, export_sklearn, export_torch
from l2h.serving.onnx.graphs import ConversionError, constant_label_graph, export_versions, write_graph
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
            "rejector": lambda path: _write_scorer(rejector, path, sample, card, output="r"),
            "server": lambda path: _write_scorer(server, path, sample, card, output="e"),
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


def _write_scorer(scorer: Scorer, path: Path, sample: ComparedInputs, card: Card, *, output: str) -> None:
    """A rejector, with the output "r", or a server, with the output "e"."""
    options: dict[str, Any] = {"output": output, "n_classes": len(card.classes), "threshold": card.threshold}
    if isinstance(scorer, OnnxScorer):
        path.write_bytes(scorer.model.content())
    elif isinstance(scorer, EstimatorRejector | EstimatorServer):
        export_sklearn(scorer.estimator, path, x=sample.x, **options)
    elif isinstance(scorer, NetworkScorer):
        example = sample.x if scorer.reads == "x" else sample.answers.scores
        assert example is not None
        export_torch(scorer.module, example, path, reads=scorer.reads, **options)
    else:
        raise ConversionError(f"a {type(scorer).__name__} has no graph")


def _write_client(client: Client, path: Path, sample: ComparedInputs, card: Card) -> None:
    reference = {name: values for name, values in sample.answers._asdict().items() if values is not None}
    if isinstance(client, MajorityClient):
        write_graph(constant_label_graph(sample.x, client.index), path.parent).replace(path)
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
