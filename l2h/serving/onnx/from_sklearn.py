"""ONNX graphs of scikit-learn estimators, by skl2onnx."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from l2h.serving.onnx.graphs import (
    ML_OPSET,
    OPSET,
    PREFIX,
    ConversionError,
    adapted,
    label_info,
    label_nodes,
    quiet,
    rejector_nodes,
    score_info,
    score_nodes,
)
from l2h.serving.onnx.sessions import first_line
from l2h.serving.scores import estimator_scores

GraphWithAnswers = tuple[onnx.ModelProto, dict[str, np.ndarray]]
Parts = tuple[list[onnx.NodeProto], dict[str, np.ndarray], dict[str, np.ndarray]]  # nodes, their constants, own answers


class Form(NamedTuple):
    """A way to scores."""

    source: str  # "predict_proba", "decision_function" or "predict", whose values the scores are; or "labels": none
    raw: bool  # whether the converter is asked for the decision function
    change: str  # "logarithm", "second", "half" or "negative", as `score_nodes` and `rejector_nodes` describe


def is_estimator(value: Any) -> bool:
    """Whether a value is a scikit-learn estimator: it predicts and names its parameters."""
    return hasattr(value, "predict") and hasattr(value, "get_params")


def sklearn_graphs(estimator: Any, x: np.ndarray, *, output: str, classes: Sequence[Any]) -> list[GraphWithAnswers]:
    """The graphs that an estimator may have, best first, each with the estimator's own answers to x.

    Which graph is exact depends on the converter: of a logistic regression the decision function is the difference
    of the logarithms of its probabilities, without their rounding. The caller compares.

    Args:
        estimator: fitted; a classifier of labels among `classes`, or for a rejector anything that predicts 0 or 1.
        x: (n, ...) inputs, float32 or uint8; flattened to a table of float32.
        output: "r", "e", or "scores" for a client, whose graph also has its labels "m".
        classes: labels in the order of their index.

    Returns:
        (graph, output -> answers), at least one.

    Raises:
        ConversionError: if a step does not convert; it names the step and the reason.
        NotFittedError: if the estimator is not fitted.
    """
    check_is_fitted(estimator)
    estimator = _without_frozen(estimator)
    table = np.ascontiguousarray(x.reshape(len(x), -1), dtype=np.float32)
    candidates: list[GraphWithAnswers] = []
    errors: list[Exception] = []
    for form in _forms(estimator, output, classes):
        try:
            model = _converted(estimator, table.shape[1], form)
            if output == "r":
                nodes, constants, answers = _rejector(model, estimator, table, form)
            else:
                nodes, constants, answers = _classifier(model, estimator, table, form, output, classes)
        except Exception as error:  # skl2onnx lets errors of all kinds through
            errors.append(error)
            continue
        outputs = [label_info() if name == "m" else score_info(name, len(classes)) for name in answers]
        graph = adapted(model, dtype=str(x.dtype), shape=x.shape[1:], nodes=nodes, constants=constants, outputs=outputs)
        candidates.append((graph, answers))
    if not candidates:
        step = _failing_step(estimator, table.shape[1]) or type(estimator).__name__
        reason = f"{type(errors[0]).__name__}: {first_line(errors[0])}"
        raise ConversionError(f"{step} does not convert to ONNX: {reason}") from errors[0]
    return candidates


def _forms(estimator: Any, output: str, classes: Sequence[Any]) -> list[Form]:
    """The forms of scores that an estimator may have, best first."""
    probabilities, decision = (hasattr(estimator, name) for name in ("predict_proba", "decision_function"))
    if output == "r":
        if probabilities:
            return [Form("predict_proba", False, "half")]
        return [Form("decision_function", True, "negative") if decision else Form("predict", False, "half")]
    if not is_classifier(estimator):
        raise ConversionError(f"expected a classifier, got the regressor {type(estimator).__name__}")
    known = estimator.classes_.tolist()
    if unknown := [label for label in known if label not in list(classes)]:
        raise ConversionError(f"expected labels among {list(classes)}, got an estimator of the label {unknown[0]!r}")
    all_known = known == list(classes)
    forms = []
    if probabilities:
        forms += [Form("predict_proba", True, "second")] * (decision and all_known and len(classes) == 2)
        forms.append(Form("predict_proba", False, "logarithm"))
    elif decision and all_known:
        forms.append(Form("decision_function", True, "second"))
    forms += [Form("labels", False, "plain")] * (output == "scores")
    if not forms:
        raise ConversionError(f"expected scores of the classes {list(classes)}, got {type(estimator).__name__} without")
    return forms


def _rejector(model: onnx.ModelProto, estimator: Any, table: np.ndarray, form: Form) -> Parts:
    """Nodes, constants and own values of r, of a classifier of "asking costs less"."""
    values = np.asarray(getattr(estimator, form.source)(table)).astype(np.float32)
    column = values[:, -1] if values.ndim == 2 else values
    given = model.graph.output[0 if form.source == "predict" else -1]
    nodes, constants = rejector_nodes(PREFIX + given.name, n_columns=_n_columns(given), form=form.change)
    return nodes, constants, {"r": np.float32(0.5) - column if form.change == "half" else -column}


def _classifier(
    model: onnx.ModelProto, estimator: Any, table: np.ndarray, form: Form, output: str, classes: Sequence[Any]
) -> Parts:
    """Nodes, constants and own values of the scores of a classifier, and of a client its labels."""
    nodes: list[onnx.NodeProto] = []
    constants: dict[str, np.ndarray] = {}
    answers: dict[str, np.ndarray] = {}
    known = estimator.classes_.tolist()
    columns = [list(classes).index(label) for label in known]
    if output == "scores":
        if len({type(label) for label in known}) > 1 or type(known[0]) not in (str, int):
            raise ConversionError(f"expected labels that are all texts or all integers, got {known}")
        nodes, constants = label_nodes(PREFIX + model.graph.output[0].name, known, columns)
        index_of = dict(zip(known, columns, strict=True))
        answers["m"] = np.array([index_of[label] for label in estimator.predict(table).tolist()])
    if form.source == "labels":
        return nodes, constants, answers
    given = model.graph.output[-1]
    source, n_columns = PREFIX + given.name, _n_columns(given)
    if n_columns == len(columns) < len(classes):  # a class that it never saw has probability 0
        constants["selection"] = np.eye(len(classes), dtype=np.float32)[columns]
        nodes.append(helper.make_node("MatMul", [source, "selection"], ["all_columns"]))
        source, n_columns = "all_columns", len(classes)
    made, used = score_nodes(source, output, n_columns=n_columns, n_classes=len(classes), form=form.change)
    scores = estimator_scores(estimator, table, columns, len(classes))
    if scores is None:
        raise ConversionError(f"expected scores of the classes {list(classes)}, got {type(estimator).__name__} without")
    answers[output] = scores
    return nodes + made, constants | used, answers


def _n_columns(output: onnx.ValueInfoProto) -> int:
    dimensions = output.type.tensor_type.shape.dim
    return dimensions[1].dim_value if len(dimensions) == 2 else 1


def _converted(estimator: Any, n_features: int, form: Form) -> onnx.ModelProto:
    """The graph with the inputs and outputs of skl2onnx; some of its converters know no option."""
    final = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    options = {"zipmap": False, **({"raw_scores": True} if form.raw else {})}
    if is_classifier(estimator):
        with suppress(Exception):  # then the attempt without options has an error of its own
            return _to_onnx(estimator, n_features, {id(final): options})
    return _to_onnx(estimator, n_features)


def _to_onnx(estimator: Any, n_features: int, options: dict[int, Any] | None = None) -> onnx.ModelProto:
    with quiet():
        return to_onnx(
            estimator,
            initial_types=[("table", FloatTensorType([None, n_features]))],
            target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
            options=options,
        )


def _without_frozen(estimator: Any) -> Any:
    """The same estimator without `FrozenEstimator`, which skl2onnx does not know; also as a step of a pipeline."""
    if isinstance(estimator, FrozenEstimator):
        return _without_frozen(estimator.estimator)
    if isinstance(estimator, Pipeline):
        return Pipeline([(name, _without_frozen(step)) for name, step in estimator.steps])
    return estimator


def _failing_step(estimator: Any, n_features: int) -> str | None:
    """The name and type of the innermost part that does not convert alone, or None where each does."""
    for name, part in _parts(estimator):
        try:
            _to_onnx(part, getattr(part, "n_features_in_", n_features))
        except Exception:  # skl2onnx lets errors of all kinds through
            inner = _failing_step(part, getattr(part, "n_features_in_", n_features))
            return inner or f"the step {name!r} ({type(part).__name__})"
    return None


def _parts(estimator: Any) -> Iterator[tuple[str, Any]]:
    """The fitted estimators that an estimator is made of, with their names."""
    for attribute in ("steps", "transformers_", "transformer_list", "estimators_"):
        for index, entry in enumerate(getattr(estimator, attribute, ())):
            name, part = entry[:2] if isinstance(entry, tuple) else (f"{attribute}[{index}]", entry)
            if hasattr(part, "fit"):  # no "passthrough", and no array of trees
                yield name, part
