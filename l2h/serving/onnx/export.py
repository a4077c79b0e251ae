"""Models to ONNX: torch modules, scikit-learn estimators and ONNX files of others, each compared with its file.

An export that does not agree with its model is refused, with the figures. No file is left behind then. Inputs are
float32 or uint8, as on the device; scikit-learn computes with them in float64, ONNX in float32. Of decisions that
differ for that reason, those within the tolerance of the threshold are counted, and all others refused. Scores that
are logarithms of probabilities are compared as probabilities: of 1 - p, float32 holds few digits where p is near 1.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from torch import nn

from l2h import checks
from l2h.problem import asks, server_label
from l2h.serving.folder import READS
from l2h.serving.onnx.from_sklearn import is_estimator, sklearn_graphs
from l2h.serving.onnx.from_torch import BATCH, ClientModule, ScoreModule, torch_graph, torch_outputs
from l2h.serving.onnx.graphs import (
    PREFIX,
    ConversionError,
    adapted,
    label_info,
    label_of_score_nodes,
    new_file,
    score_info,
    score_nodes,
    write_graph,
)
from l2h.serving.onnx.sessions import OnnxModel, first_line
from l2h.serving.scores import are_probabilities, as_scores, probabilities_from_scores, score_labels

TOLERANCE = 1e-5  # of scores, relative to the largest one where that exceeds 1: float32 has 24 binary digits
SMALLEST_OPSET = 13  # of a given file; the nodes that are added mean the same from here on


class Agreement(NamedTuple):
    """How an ONNX file and its model answer the same inputs."""

    n: int  # inputs
    largest_difference: float  # of scores, or of probabilities
    n_different: int  # decisions that differ
    n_near: int  # of these, where the model's score is within the tolerance of the decision's boundary
    tolerance: float  # that was allowed


def export_torch(
    module: nn.Module,
    example: np.ndarray,
    path: str | os.PathLike[str],
    *,
    output: str,
    n_classes: int = 2,
    threshold: float = 0.0,
    reads: str = "x",
) -> Agreement:
    """Write a torch module as the ONNX file of a rejector ("r") or a server ("e"). Its mode is left as it was.

    A module with two columns for two classes gives their difference, so that index 1 is where the score is >= 0.

    Args:
        module: x -> scores (n,), (n, 1) or (n, K); it normalises x itself. Evaluated in its evaluation mode.
        example: (n, ...) inputs to compare on, uint8 or float32, best 1,000; it fixes shape and type of x.
        path: new.
        output: "r" or "e".
        n_classes: K of the server.
        threshold: of the rejector, at which decisions are compared.
        reads: "x", or "client_scores" for a rejector of the client's scores, which may be (n,).

    Returns:
        `Agreement`.

    Raises:
        ConversionError: if it does not convert or does not agree; it names the reason or the figures.
        FileExistsError: if the path is not new.
    """
    checks.one_of(("r", "e"), output=output)
    checks.one_of(READS, reads=reads)
    example = _checked(example, fewest_axes=2 if reads == "x" else 1)
    scores = ScoreModule(module, n_classes if output == "e" else 2)
    graph, reference = torch_graph(scores, example, [output], reads=reads), torch_outputs(scores, example)
    return _compared([graph], [_named([output], reference)], example, path, threshold, exact=True)[0]


def export_sklearn(
    estimator: Any,
    path: str | os.PathLike[str],
    *,
    x: np.ndarray,
    output: str,
    n_classes: int = 2,
    threshold: float = 0.0,
    reference: np.ndarray | None = None,
) -> Agreement:
    """Write a fitted scikit-learn estimator as the ONNX file of a rejector ("r") or a server ("e").

    A server's scores are the logarithms of its probabilities, for two classes log p_1 - log p_0, or its decision
    function where it has no probabilities. A rejector is a classifier of 0 (keeping costs no more) and 1 (asking costs
    less): r = 1/2 - p_1, or minus its decision function, or 1/2 minus its label.

    Args:
        estimator: fitted, pipelines too; it reads a table, as which images are flattened.
        path: new.
        x: (n, ...) inputs to compare on, uint8 or float32, best 1,000; it fixes shape and type of x.
        output: "r" or "e".
        n_classes: K of the server.
        threshold: of the rejector, at which decisions are compared.
        reference: (n,) or (n, K) scores of x as the caller computes them; where given, the file must agree with these.

    Returns:
        `Agreement`.

    Raises:
        ConversionError: if a step does not convert, or the file does not agree; it names the step or the figures.
        FileExistsError: if the path is not new.
        NotFittedError: if the estimator is not fitted.
    """
    checks.one_of(("r", "e"), output=output)
    x = _checked(x)
    candidates = sklearn_graphs(estimator, x, output=output, classes=range(n_classes if output == "e" else 2))
    references = [{output: scores[output] if reference is None else np.asarray(reference)} for _, scores in candidates]
    probabilities = output == "e" and hasattr(estimator, "predict_proba")
    graphs = [graph for graph, _ in candidates]
    return _compared(graphs, references, x, path, threshold, probabilities=probabilities)[0]


def export_client(
    client: Any,
    path: str | os.PathLike[str],
    *,
    x: np.ndarray,
    classes: tuple[Any, ...],
    reference: Mapping[str, np.ndarray] | None = None,
) -> tuple[Agreement, bool]:
    """Write a frozen client as an ONNX file with outputs "m" (index of the class) and, where there are, "scores".

    Rows of probabilities become their logarithms; two columns become their difference. Where labels convert and agree
    but scores do not, the file has labels alone.

    Args:
        client: torch module, fitted scikit-learn estimator, or path of an ONNX file with one input and scores
            (n,), (n, 1) or (n, K) as its first output of floating-point numbers.
        path: new.
        x: (n, ...) inputs to compare on, uint8 or float32, best 1,000; it fixes shape and type of x.
        classes: labels in the order of their index.
        reference: where given, {"m": indices (n,), "scores": ...} of x that the file must agree with; else the
            answers of the client itself.

    Returns:
        `Agreement`, and whether the file has scores.

    Raises:
        ConversionError: if it does not convert or does not agree; it names the step and the reason, or the figures.
        FileExistsError: if the path is not new.
        FileNotFoundError: if the client is the path of no file.
    """
    x = _checked(x)
    probabilities = False
    if isinstance(client, nn.Module):
        probabilities = are_probabilities(torch_outputs(client, x)[0])
        module = ClientModule(client, len(classes), probabilities=probabilities)
        candidates = [(torch_graph(module, x, ["m", "scores"]), _named(["m", "scores"], torch_outputs(module, x)))]
    elif isinstance(client, str | os.PathLike):
        graph, answers, probabilities = _adapted_file(Path(client), x, len(classes))
        candidates = [(graph, answers)]
    elif is_estimator(client):
        probabilities = hasattr(client, "predict_proba")
        candidates = sklearn_graphs(client, x, output="scores", classes=classes)
    else:
        raise ConversionError(f"a client of type {type(client).__name__} has no graph that could be saved as ONNX")
    given = None if reference is None else {name: np.asarray(values) for name, values in reference.items()}
    references = [own if given is None else _given_for(own, given) for _, own in candidates]
    agreed, index = _compared([graph for graph, _ in candidates], references, x, path, probabilities=probabilities)
    return agreed, "scores" in candidates[index][1]


def agreement(
    model: OnnxModel,
    reference: Mapping[str, np.ndarray],
    x: np.ndarray,
    *,
    threshold: float = 0.0,
    probabilities: bool = False,
) -> Agreement:
    """Compare the answers of an ONNX file with a model's own, in batches, and the first inputs also one by one.

    Args:
        model: session of the file.
        reference: output -> the model's own answers to x: "r", "e", "m" or "scores".
        x: (n, ...) inputs.
        threshold: of the rejector.
        probabilities: whether scores are logarithms of probabilities, which are compared instead.

    Returns:
        `Agreement`.

    Raises:
        ValueError: if the file lacks an output, gives another shape, or fails on an input.
    """
    alone = [slice(i, i + 1) for i in range(min(3, len(x)))]
    batches = [slice(i, i + BATCH) for i in range(0, len(x), BATCH)]
    sizes = [] if probabilities else [_largest(values) for name, values in reference.items() if name != "m"]
    tolerance = TOLERANCE * max([1.0, *sizes])
    difference, n_different, n_near = 0.0, 0, 0
    for rows in [*alone, *batches]:
        answers = model(x[rows])
        for name, values in reference.items():
            if name not in answers or answers[name].shape != values[rows].shape:
                got = answers[name].shape if name in answers else "none"
                raise ValueError(f"expected an output {name} of shape {values[rows].shape}, got {got}")
            if name != "m":
                pair = [answers[name], values[rows]]
                pair = [probabilities_from_scores(each) for each in pair] if probabilities else pair
                difference = max(difference, _largest(np.subtract(*pair)))
        if rows in batches:
            different, near = _different(answers, {k: v[rows] for k, v in reference.items()}, threshold, tolerance)
            n_different, n_near = n_different + int(different.sum()), n_near + int((different & near).sum())
    return Agreement(len(x), difference, n_different, n_near, tolerance)


def _compared(
    graphs: list[onnx.ModelProto],
    references: list[dict[str, np.ndarray]],
    x: np.ndarray,
    path: str | os.PathLike[str],
    threshold: float = 0.0,
    *,
    exact: bool = False,
    probabilities: bool = False,
) -> tuple[Agreement, int]:
    """Write the first graph that agrees with its reference; its agreement and its place. Refuse if none agrees."""
    path = new_file(path)
    reasons = []
    for index, (graph, reference) in enumerate(zip(graphs, references, strict=True)):
        file = write_graph(graph, path.parent)
        try:
            agreed = agreement(OnnxModel(file), reference, x, threshold=threshold, probabilities=probabilities)
            wrong = agreed.n_different - (0 if exact else agreed.n_near)
            if agreed.largest_difference <= agreed.tolerance and wrong == 0:
                file.replace(path)
                return agreed, index
            reasons.append(
                f"scores differ by up to {agreed.largest_difference:.3g} where {agreed.tolerance:.3g} is allowed, and "
                f"{agreed.n_different} of {agreed.n} decisions differ, {agreed.n_near} of them at the boundary"
            )
        except ValueError as error:
            reasons.append(
                f"the ONNX file does not run as the model does: {first_line(error)}".replace(str(file), "it")
            )
        finally:
            file.unlink(missing_ok=True)
    raise ConversionError("expected an ONNX file that agrees with its model: " + "; or: ".join(dict.fromkeys(reasons)))


def _different(
    answers: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray], threshold: float, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) where the decisions differ, and where the model's score is within the tolerance of its boundary."""
    if "r" in reference:
        margin = abs(reference["r"] - threshold)
        pair = (asks(each["r"] - each["r"].dtype.type(threshold)) for each in (answers, reference))
    elif "e" in reference:
        margin = _margin(reference["e"])
        pair = (server_label(each["e"]) for each in (answers, reference))
    else:
        margin = _margin(reference["scores"]) if "scores" in reference else np.full(len(reference["m"]), np.inf)
        pair = (each["m"] for each in (answers, reference))
    first, second = pair
    return first != second, margin <= 2 * tolerance


def _margin(scores: np.ndarray) -> np.ndarray:
    """(n,) how far scores can move before the label changes."""
    if scores.ndim == 1:
        return abs(scores)
    largest = np.partition(scores, -2, axis=1)
    return largest[:, -1] - largest[:, -2]


def _largest(values: np.ndarray) -> float:
    return float(abs(values).max()) if values.size else 0.0


def _checked(x: Any, *, fewest_axes: int = 2) -> np.ndarray:
    """Inputs as the device has them: uint8 or finite float32, at least one row, which has an axis if it is an x."""
    x = np.asarray(x)
    if str(x.dtype) not in ("uint8", "float32"):
        raise ValueError(f"expected inputs of type uint8 or float32, got {x.dtype}")
    if x.ndim < fewest_axes or x.size == 0:
        raise ValueError(f"expected inputs of shape (n, ...) with n >= 1, got {x.shape}")
    if x.dtype.kind == "f":
        checks.finite(x=x)
    return x


def _named(names: list[str], values: list[np.ndarray]) -> dict[str, np.ndarray]:
    return dict(zip(names, values, strict=True))


def _given_for(own: Mapping[str, np.ndarray], given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The given answers, as far as a graph has such outputs; scores beyond those given are compared with its own."""
    return {name: given.get(name, values) for name, values in own.items()}


def _adapted_file(path: Path, x: np.ndarray, n_classes: int) -> tuple[onnx.ModelProto, dict[str, np.ndarray], bool]:
    """Graph and answers of the ONNX file of a client, and whether its scores are probabilities."""
    try:
        session = OnnxModel(path)
    except ValueError as error:
        reason = str(error).replace(str(path), "the file")
        raise ConversionError(f"the client's file cannot be adapted: {reason}") from error
    names = [name for name, spec in session.outputs.items() if spec.dtype.startswith("float") and len(spec.shape) < 2]
    if not names:
        raise ConversionError(
            f"expected scores (n,) or (n, K) among the outputs of the client's file, got {list(session.outputs)}"
        )
    values = (x.reshape(len(x), -1) if len(session.input_shape) == 1 else x).astype(session.input_dtype)
    given = np.concatenate([session(values[i : i + BATCH])[names[0]] for i in range(0, len(x), BATCH)])
    probabilities = are_probabilities(given)
    model = onnx.load(path)
    opset = {each.domain: each.version for each in model.opset_import}.get("", 0)
    if opset < SMALLEST_OPSET:
        raise ConversionError(f"expected an ONNX file of opset >= {SMALLEST_OPSET}, got the client's of opset {opset}")
    form = "logarithm" if probabilities else "plain"
    made = score_nodes(PREFIX + names[0], "scores", n_columns=given[0].size, n_classes=n_classes, form=form)
    label = label_of_score_nodes(n_classes)
    graph = adapted(
        model,
        dtype=str(x.dtype),
        shape=x.shape[1:],
        nodes=made[0] + label[0],
        constants=made[1] | label[1],
        outputs=[label_info(), score_info("scores", n_classes)],
    )
    scores = as_scores(given, n_classes, len(x), probabilities=probabilities)
    return graph, {"m": score_labels(scores), "scores": scores}, probabilities
