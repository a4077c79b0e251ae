"""ONNX models with onnxruntime on one thread: their inputs are checked, and the parts of a helper fit its card."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime

from l2h import checks
from l2h.serving.folder import Card, read_card, server_names

DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
    "tensor(string)": "object",
}
SILENT = 4  # onnxruntime's level of fatal errors alone: all others are raised, too


class TensorSpec(NamedTuple):
    """Type and shape of an input or output."""

    dtype: str  # as NumPy names it
    shape: tuple[int | None, ...]  # without the batch axis; None where any length is possible


class OnnxModel:
    """An ONNX model with one input, on one thread: two threads on busy cores are slower than one.

    Calls from several threads at once are safe.

    Args:
        path: the file. All of the model must be in it: data in other files are refused.
        sha256: where given, the file must have this digest.

    Attributes:
        input_name: of its only input.
        input_dtype: "uint8", "float32" or another type of NumPy.
        input_shape: without the batch axis; None where any length is possible.
        outputs: name -> `TensorSpec`.
        sha256: of the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no ONNX model that onnxruntime can run, has another digest, or has not exactly one input
            with a free batch axis.
    """

    def __init__(self, path: str | os.PathLike[str], *, sha256: str | None = None) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise FileNotFoundError(f"expected an ONNX file, got {self.path}, which is no file")
        content = self.path.read_bytes()
        self.sha256 = hashlib.sha256(content).hexdigest()
        if sha256 is not None and self.sha256 != sha256:
            raise ValueError(f"expected {self.path} with the SHA-256 {sha256}, got {self.sha256}")
        self._session = new_session(self.path, content)
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise ValueError(f"expected one input of {self.path}, got {[each.name for each in inputs]}")
        self.input_name: str = inputs[0].name
        self.input_dtype, self.input_shape = _spec(self.path, inputs[0])
        self.outputs = {each.name: _spec(self.path, each) for each in self._session.get_outputs()}

    def __call__(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """All outputs for n inputs.

        Args:
            x: (n, ...) with n >= 1, of the model's type and shape; nothing is converted.

        Returns:
            Output's name -> array (n, ...).

        Raises:
            ValueError: if the type or shape is another, a number is not finite, or the model fails on this input.
        """
        self._check(x)
        try:
            outputs = self._session.run(None, {self.input_name: np.ascontiguousarray(x)})
        except Exception as error:  # onnxruntime's errors have no other common class
            raise ValueError(f"{self.path} failed on an input of shape {x.shape}: {first_line(error)}") from error
        named = dict(zip(self.outputs, outputs, strict=True))
        for name, values in named.items():
            if not isinstance(values, np.ndarray) or values.ndim == 0 or len(values) != len(x):
                raise ValueError(f"expected {len(x)} rows of {name!r} from {self.path}, got {np.shape(values)}")
        return named

    def content(self) -> bytes:
        """The bytes of the file, which must be those that this session was made of.

        Raises:
            FileNotFoundError: if the file is gone.
            ValueError: if it was changed since.
        """
        if not self.path.is_file():
            raise FileNotFoundError(f"expected the ONNX file {self.path}, which is gone since it was loaded")
        content = self.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise ValueError(f"expected {self.path} as it was loaded, got another content: load it again")
        return content

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_session": self.content()}  # a session is no data

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._session = new_session(self.path, state["_session"])

    def _check(self, x: np.ndarray) -> None:
        if not isinstance(x, np.ndarray):
            raise ValueError(f"expected {self.input_name} as a NumPy array, got a {type(x).__name__}")
        if x.dtype != self.input_dtype:
            raise ValueError(f"expected {self.input_name} of type {self.input_dtype}, got {x.dtype}")
        if not _fits(x.shape[1:], self.input_shape) or x.ndim == 0 or len(x) == 0:
            expected = ", ".join(["n >= 1", *("any" if each is None else str(each) for each in self.input_shape)])
            raise ValueError(f"expected {self.input_name} of shape ({expected}), got {x.shape}")
        if x.dtype.kind == "f":
            checks.finite(**{self.input_name: x})


def load_parts(folder: str | os.PathLike[str]) -> tuple[Card, dict[str, OnnxModel]]:
    """The card of a helper's folder and a session for each of its files, which fit the card.

    Args:
        folder: as `folder.write_card` left it.

    Returns:
        The card, and part -> model, for each part that has a file.

    Raises:
        FileNotFoundError: if there is no folder, no card, or not a file that the card names.
        ValueError: if the card is not valid, or a file is damaged or a model of another input or output.
    """
    card = read_card(folder)
    return card, {name: load_part(folder, card, name) for name in card.parts}


def load_part(folder: str | os.PathLike[str], card: Card, name: str) -> OnnxModel:
    """The session of one part of a helper, which fits the card.

    Args:
        folder: of the helper.
        card: of this folder.
        name: a part that has a file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged or a model of another input or output.
    """
    part = card.parts[name]
    model = OnnxModel(Path(folder) / part.file, sha256=part.sha256)
    check_part(card, name, model)
    return model


def check_part(card: Card, name: str, model: OnnxModel) -> None:
    """Refuse a model whose input or outputs are not those of a part of this card; it answers two inputs of zeros.

    Args:
        card: with an entry for the part.
        name: "rejector", "server", "client" or "router".
        model: its session.

    Raises:
        ValueError: with the expected and the given names, types and shapes.
    """
    reads = card.parts[name].reads
    scores = TensorSpec("float32", () if len(card.classes) == 2 else (len(card.classes),))
    expected = TensorSpec(card.input_dtype, card.input_shape) if reads == "x" else scores
    given = TensorSpec(model.input_dtype, model.input_shape)
    if model.input_name != reads or given.dtype != expected.dtype or not _fits(expected.shape, given.shape):
        raise ValueError(
            f"expected the {name} to read {reads} {_described(expected)}, as its card says, "
            f"got {model.path} that reads {model.input_name} {_described(given)}"
        )
    required = {"rejector": {"r": TensorSpec("float32", ())}, "server": {"e": scores}}
    if name == "router":
        required[name] = {"actions": TensorSpec("float32", (len(server_names(card)) + 1,))}
    outputs = required.get(name, {"m": TensorSpec("int64", ())})
    if name == "client" and "scores" in model.outputs:
        outputs["scores"] = scores
    answers = model(np.zeros((2, *(length or 1 for length in expected.shape)), expected.dtype))
    found = {output: TensorSpec(str(values.dtype), values.shape[1:]) for output, values in answers.items()}
    if found != outputs:
        raise ValueError(
            f"expected the {name} of {len(card.classes)} classes to give {_listed(outputs)}, "
            f"got {model.path} that gives {_listed(found)}"
        )


def new_session(path: Path, content: bytes) -> onnxruntime.InferenceSession:
    """A session of onnxruntime on one thread, which reads no other file that the model may name.

    Args:
        path: of the file, for the error.
        content: all of it.

    Raises:
        ValueError: if it is no ONNX model that onnxruntime can run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = SILENT
    try:  # from bytes, not from the path
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no other common class
        raise ValueError(f"expected {path} as an ONNX model that can be run, got: {first_line(error)}") from error


def _spec(path: Path, node: Any) -> TensorSpec:
    """The type and shape of a session's input or output; a shape without a free batch axis is refused."""
    if node.type not in DTYPES:
        raise ValueError(f"expected {node.name} of {path} as one of {', '.join(DTYPES)}, got {node.type}")
    if not node.shape or isinstance(node.shape[0], int):
        raise ValueError(f"expected a free first axis of {node.name} of {path}, got the shape {node.shape}")
    return TensorSpec(DTYPES[node.type], tuple(each if isinstance(each, int) else None for each in node.shape[1:]))


def _fits(shape: tuple[int | None, ...], pattern: tuple[int | None, ...]) -> bool:
    return len(shape) == len(pattern) and all(q in (None, p) for p, q in zip(shape, pattern, strict=True))


def _described(spec: TensorSpec) -> str:
    return f"{spec.dtype} ({', '.join(['n', *('any' if each is None else str(each) for each in spec.shape)])})"


def _listed(specs: Mapping[str, TensorSpec]) -> str:
    return " and ".join(f"{name} {_described(spec)}" for name, spec in specs.items())


def first_line(error: BaseException) -> str:
    """The first line of an error's message, shortened."""
    return str(error).strip().partition("\n")[0][:300]
