"""ONNX graphs of torch modules, by torch's own exporter."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from l2h.serving.onnx.graphs import OPSET, ConversionError, check_size, quiet
from l2h.serving.onnx.sessions import first_line
from l2h.serving.scores import SMALLEST_PROBABILITY

BATCH = 256  # inputs at once, which bounds the memory


class ScoreModule(nn.Module):
    """Scores float32 (n,) for two classes, or (n, K), of a module with scores (n,), (n, 1) or (n, K).

    Args:
        module: x -> scores; two columns for two classes become their difference.
        n_classes: K.
        probabilities: whether K columns are probabilities, of which the logarithms count.
    """

    def __init__(self, module: nn.Module, n_classes: int, *, probabilities: bool = False) -> None:
        super().__init__()
        self.module = module
        self.n_classes = n_classes
        self.probabilities = probabilities

    def forward(self, x: Tensor) -> Tensor:
        """Scores of x (n, ...)."""
        scores = self.module(x)
        if not isinstance(scores, Tensor) or scores.ndim not in (1, 2):
            got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
            raise ConversionError(f"expected a module with scores of shape (n,) or (n, K), got {got}")
        columns = scores.float().reshape(scores.shape[0], -1)  # the exporter takes len() for a constant
        if self.n_classes == 2 and columns.shape[1] == 1:
            return columns[:, 0]
        if columns.shape[1] != self.n_classes:
            raise ConversionError(f"expected scores of {self.n_classes} classes, got {columns.shape[1]} columns")
        if self.probabilities:
            columns = columns.clamp(min=SMALLEST_PROBABILITY).log()
        return columns[:, 1] - columns[:, 0] if self.n_classes == 2 else columns


class ClientModule(ScoreModule):
    """Label index int64 (n,) and scores of a module: index 1 where a single score is >= 0, else the largest score."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """(m, scores) of x (n, ...)."""
        scores = super().forward(x)
        return (scores >= 0).long() if self.n_classes == 2 else scores.argmax(1), scores


def torch_graph(module: nn.Module, example: np.ndarray, outputs: Sequence[str], *, reads: str = "x") -> onnx.ModelProto:
    """The graph of a module with a free batch axis. Nothing that the exporter warns of or prints reaches the user.

    Args:
        module: input -> one tensor, or as many as outputs.
        example: (n, ...) with the shape and type of the input.
        outputs: names.
        reads: name of the input.

    Returns:
        The model.

    Raises:
        ConversionError: if it is too large, or its forward does not convert; it names the reason.
    """
    stored = [*module.parameters(), *module.buffers()]
    check_size(sum(each.numel() * each.element_size() for each in stored))
    x = _tensor(np.repeat(example[:1], 2, axis=0), module)  # torch takes a length of 1 for a constant
    try:
        with _evaluation_mode(module), quiet(), torch.no_grad():
            program = torch.onnx.export(
                module,
                (x,),
                dynamo=True,
                input_names=[reads],
                output_names=list(outputs),
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=OPSET,
                verbose=False,
            )
    except Exception as error:  # the exporter lets errors of all kinds through
        raise ConversionError(f"the torch module does not convert: {_reason(error)}") from error
    assert program is not None  # for the type checker: only the older exporter writes a file instead
    model: onnx.ModelProto = program.model_proto
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise ConversionError(
            "the torch module does not convert: its forward takes the length of the batch for a constant, as len(x) "
            "and a fixed reshape do; write x.shape[0]"
        )
    return model


def torch_outputs(module: nn.Module, x: np.ndarray) -> list[np.ndarray]:
    """All outputs of a module in evaluation mode for x (n, ...), on the device of its parameters."""
    with _evaluation_mode(module), torch.no_grad():
        answers = [module(_tensor(x[i : i + BATCH], module)) for i in range(0, len(x), BATCH)]
    columns = zip(*((each,) if isinstance(each, Tensor) else each for each in answers), strict=True)
    return [torch.cat(column).cpu().numpy() for column in columns]


def _tensor(x: np.ndarray, module: nn.Module) -> Tensor:
    stored = next(iter([*module.parameters(), *module.buffers()]), None)
    return torch.from_numpy(np.array(x)).to("cpu" if stored is None else stored.device)


@contextmanager
def _evaluation_mode(module: nn.Module) -> Iterator[None]:
    """Each part of the module has its own mode again afterwards."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def _reason(error: BaseException) -> str:
    """The first cause of an error of the exporter, whose own message is about the exporter."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = re.sub(r"\x1b\[[0-9;]*m", "", first_line(error))
    if "data-dependent" in text:
        return (
            "its forward has a branch that depends on the values of the input; write it with torch.where, so that both "
            f"branches are in the graph ({text})"
        )
    return f"{type(error).__name__}: {text}"
