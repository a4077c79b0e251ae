"""A rejector of 8-bit integers, with its own threshold, as a helper of its own."""

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from l2h import checks
from l2h.evaluation.thresholds import budget_threshold, min_loss_threshold, threshold_between
from l2h.problem import Predictions, asks
from l2h.serving.folder import Card, part_of, saving, write_card
from l2h.serving.onnx.graphs import ConversionError, quiet, write_graph
from l2h.serving.onnx.sessions import OnnxModel, check_part, first_line, load_parts

INTEGER_PRODUCTS = {"MatMulInteger", "ConvInteger", "DynamicQuantizeMatMul", "DynamicQuantizeLinear"}


class Quantised(NamedTuple):
    """What the quantisation of a rejector changed."""

    threshold: float  # of the quantised rejector
    n: int  # inputs
    n_changed: int  # decisions that differ from those of the float rejector with its threshold
    share_asked: float  # with the quantised rejector ...
    float_share_asked: float  # ... and with the float one
    n_bytes: int  # of the quantised file ...
    float_n_bytes: int  # ... and of the float one


def quantise_rejector(
    folder: str | os.PathLike[str],
    new_folder: str | os.PathLike[str],
    x: np.ndarray,
    *,
    predictions: Predictions | None = None,
) -> Quantised:
    """Save a helper again with a rejector of dynamic 8-bit integers; its card says so.

    Dynamic integers are scaled by the largest number of a batch, so that a score depends on the inputs beside it. All
    figures, and so the threshold, are of one input at a time, as a device decides.

    Its threshold asks for as many of the given inputs as the float rejector does, or has the smallest loss on given
    predictions. Where the card names an offload budget, it is at most the one that keeps it: with probability 0.95 over
    the draw of x, the rate on future inputs is at most the budget. The metrics of the card were measured with the float
    rejector: they move to its options.

    Args:
        folder: of a saved helper, which stays as it is.
        new_folder: new, empty, or of a saved helper, which is replaced.
        x: (n, ...) inputs that the rejector was not fitted on; the client's scores for a rejector that reads these.
        predictions: m, e and y on x; its r is not read.

    Returns:
        `Quantised`.

    Raises:
        ConversionError: if the helper has no rejector file, or one without products of matrices.
        ValueError: if it is quantised already, or the predictions have another length than x.
    """
    folder = Path(folder)
    card, models = load_parts(folder)
    if "quantisation" in card.options:
        raise ValueError(f"expected a float rejector in {folder}, got one that is quantised already")
    if "rejector" not in models:
        raise ConversionError(f"expected a rejector in {folder}, got none: {card.missing['rejector']}")
    if predictions is not None:
        checks.same_length(x=x, predictions=predictions.y)
    r = _scores_one_by_one(models["rejector"], x)
    with saving(new_folder) as new:
        for name, part in card.parts.items():
            if name != "rejector":
                shutil.copyfile(folder / part.file, new / part.file)
        part = card.parts["rejector"]
        _quantise(folder / part.file, new / part.file)
        quantised = OnnxModel(new / part.file)
        check_part(card, "rejector", quantised)
        asked = asks(r - np.float32(card.threshold))
        new_r = _scores_one_by_one(quantised, x)
        threshold, rule = _threshold(new_r, int(asked.sum()), predictions, card)
        new_asked = asks(new_r - np.float32(threshold))
        result = Quantised(
            threshold,
            len(x),
            int((asked != new_asked).sum()),
            float(new_asked.mean()),
            float(asked.mean()),
            *((path / part.file).stat().st_size for path in (new, folder)),
        )
        write_card(new, _new_card(card, result, new, rule))
    return result


def _threshold(r: np.ndarray, n_asked: int, predictions: Predictions | None, card: Card) -> tuple[float, str]:
    """The quantised rejector's own threshold, between its scores, and the rule by which it was chosen."""
    ordered = np.sort(r)
    if predictions is not None:
        rule = "smallest loss"
        threshold = min_loss_threshold(replace(predictions, r=r.astype(np.float64)), costs=card.costs)
    else:
        rule = "same share asked"
        threshold = float(ordered[n_asked - 1] if n_asked else np.nextafter(ordered[0], np.float32(-np.inf)))
    budget = card.options.get("budget")
    if budget is not None:
        largest = budget_threshold(r, budget=budget).threshold
        if largest < threshold:
            threshold, rule = largest, f"budget of {budget:g}"
    return threshold_between(r, threshold), rule


def _new_card(card: Card, result: Quantised, new: Path, rule: str) -> Card:
    entry: dict[str, Any] = {
        "what": "dynamic 8-bit integers of the rejector; figures and threshold are of one input at a time",
        "rule of its threshold": rule,
        "threshold of the float rejector": card.threshold,
        **{name: value for name, value in result._asdict().items() if name != "threshold"},
    }
    if card.metrics:
        entry["metrics of the float rejector"] = dict(card.metrics)
    part = card.parts["rejector"]
    return replace(
        card,
        threshold=result.threshold,
        parts={**card.parts, "rejector": part_of(new, part.file, reads=part.reads)},
        metrics={},
        options={**card.options, "quantisation": entry},
    )


def _quantise(source: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "quantised.onnx")
        try:
            with quiet():
                quantize_dynamic(source, path, weight_type=QuantType.QUInt8)
            model = onnx.load(path)
        except Exception as error:  # the quantiser lets errors of all kinds through
            raise ConversionError(f"the rejector {source} cannot be quantised: {first_line(error)}") from error
    if not any(node.op_type in INTEGER_PRODUCTS for node in model.graph.node):
        raise ConversionError(f"expected a rejector with products of matrices, got {source} with nothing to quantise")
    write_graph(model, target.parent).replace(target)


def _scores_one_by_one(rejector: OnnxModel, x: np.ndarray) -> np.ndarray:
    return np.concatenate([rejector(x[i : i + 1])["r"] for i in range(len(x))])
