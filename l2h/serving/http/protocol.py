"""Messages of the Open Inference Protocol, version 2, as pure functions: one input "x", one output "e".

A message is a pair (headers, body). The body is JSON, or JSON followed by the bytes of a tensor; then the header
`Inference-Header-Content-Length` holds the length of the JSON part.

Source: Open Inference Protocol, and the binary tensor data extension of NVIDIA Triton.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

MODEL_NAME = "server"
MODEL_VERSION = "1"
INPUT_NAME = "x"
OUTPUT_NAME = "e"
INFER_PATH = f"/v2/models/{MODEL_NAME}/infer"
MODEL_PATHS = (f"/v2/models/{MODEL_NAME}", f"/v2/models/{MODEL_NAME}/versions/{MODEL_VERSION}")
LENGTH_HEADER = "Inference-Header-Content-Length"
LOWER_LENGTH_HEADER = LENGTH_HEADER.lower()
MODEL_HEADER = "L2h-Model-Sha256"  # of an answer: the SHA-256 of the file that the server serves
DATATYPES = {"uint8": "UINT8", "float32": "FP32"}  # NumPy's name -> the protocol's
LARGEST_BODY = 4 * 2**20  # bytes of a request that a server takes unless told otherwise
LARGEST_FLOAT32 = float(np.finfo(np.float32).max)

Message = tuple[dict[str, str], bytes]


class ProtocolError(ValueError):
    """A message that breaks the contract; it names what was expected and what came."""


class InferenceRequest(NamedTuple):
    """A request as the server reads it."""

    x: np.ndarray  # (n, ...) inputs
    id: str | None  # the answer repeats it
    binary: bool  # whether the answer holds the bytes of e


def encode_request(x: np.ndarray, *, id: str | None = None, binary: bool = True) -> Message:
    """A request for the server's scores of some inputs.

    Args:
        x: (n, ...) uint8 or float32, n >= 1.
        id: text that the answer repeats.
        binary: whether x, and later e, travel as bytes; else as JSON.

    Returns:
        Headers and body.

    Raises:
        ProtocolError: if x is neither uint8 nor float32, is empty, or holds NaN or an infinity.

    >>> headers, body = encode_request(np.zeros((1, 3, 32, 32), dtype=np.uint8), id="7")
    >>> headers["Inference-Header-Content-Length"], len(body)
    ('171', 3243)
    """
    x = np.asarray(x)
    if x.dtype.name not in DATATYPES:
        raise ProtocolError(f"expected x of type uint8 or float32, got {x.dtype}")
    if x.ndim < 2 or x.size == 0:
        raise ProtocolError(f"expected x of shape (n, ...) with at least one number, got shape {x.shape}")
    _require_finite(x, "x")
    document: dict[str, Any] = {} if id is None else {"id": id}
    tensor, data = _encode_tensor(INPUT_NAME, x, binary=binary)
    output = {"name": OUTPUT_NAME, "parameters": {"binary_data": binary}}
    return _message({**document, "inputs": [tensor], "outputs": [output]}, data)


def decode_request(
    headers: Mapping[str, str], body: bytes, *, dtype: str, shape: tuple[int, ...], max_rows: int
) -> InferenceRequest:
    """The inputs of a request.

    Args:
        headers: names in any case.
        body: all of it.
        dtype: of one input, "uint8" or "float32".
        shape: of one input, without the first axis.
        max_rows: largest number of inputs, >= 1.

    Raises:
        ProtocolError: if the message breaks the contract.

    >>> headers, body = encode_request(np.ones((2, 3), dtype=np.float32), id="a", binary=False)
    >>> decode_request(headers, body, dtype="float32", shape=(3,), max_rows=8).x.shape
    (2, 3)
    """
    document, data = _split(headers, body)
    id = document.get("id")
    if id is not None and not isinstance(id, str):
        raise ProtocolError(f"expected id as text, got {_shown(id)}")
    tensor = _only_tensor(document, "inputs", INPUT_NAME)
    rows = _rows(tensor, shape)
    if not 1 <= rows <= max_rows:
        raise ProtocolError(f"expected 1 to {max_rows} rows of {INPUT_NAME}, got {_shown(rows)}")
    x = _decode_tensor(tensor, data, name=INPUT_NAME, dtype=dtype, shape=(rows, *shape))
    return InferenceRequest(x, id, _wants_binary(document))


def encode_answer(e: np.ndarray, *, id: str | None = None, binary: bool = True) -> Message:
    """The answer to a request.

    Args:
        e: (n,) or (n, K) float32 scores; (n,) travels with the shape [n, 1].
        id: of the request.
        binary: whether e travels as bytes.

    Returns:
        Headers and body.

    Raises:
        ProtocolError: if a score is not finite, as those of huge inputs may be.

    >>> encode_answer(np.array([0.5], dtype=np.float32), binary=False)[1].decode()
    '{"model_name":"server","model_version":"1","outputs":[{"name":"e","shape":[1,1],"datatype":"FP32","data":[0.5]}]}'
    """
    _require_finite(e, "scores of these inputs")
    document: dict[str, Any] = {"model_name": MODEL_NAME, "model_version": MODEL_VERSION}
    if id is not None:
        document["id"] = id
    tensor, data = _encode_tensor(OUTPUT_NAME, e.astype(np.float32).reshape(len(e), -1), binary=binary)
    return _message({**document, "outputs": [tensor]}, data)


def decode_answer(
    headers: Mapping[str, str], body: bytes, *, n: int, n_classes: int, id: str | None = None
) -> np.ndarray:
    """The server's scores in an answer.

    Args:
        headers: names in any case.
        body: all of it.
        n: number of inputs in the request.
        n_classes: K >= 2.
        id: of the request.

    Returns:
        float32, (n,) for two classes, else (n, K).

    Raises:
        ProtocolError: if the answer breaks the contract, belongs to another request or comes from another model.

    >>> headers, body = encode_answer(np.array([0.5, -0.5], dtype=np.float32), id="7")
    >>> decode_answer(headers, body, n=2, n_classes=2, id="7")
    array([ 0.5, -0.5], dtype=float32)
    """
    document, data = _split(headers, body)
    for key, expected in {"model_name": MODEL_NAME, "id": id}.items():
        if document.get(key) != expected:
            raise ProtocolError(f"expected an answer with {key} {_shown(expected)}, got {_shown(document.get(key))}")
    columns = score_columns(n_classes)
    tensor = _only_tensor(document, "outputs", OUTPUT_NAME)
    if _rows(tensor, (columns,)) != n:
        raise ProtocolError(f"expected scores of shape [{n}, {columns}], got {_shown(tensor['shape'])}")
    e = _decode_tensor(tensor, data, name=OUTPUT_NAME, dtype="float32", shape=(n, columns))
    return e[:, 0] if n_classes == 2 else e


def encode_error(message: str) -> bytes:
    """The body of an answer that refuses a request.

    >>> encode_error("expected POST, got GET")
    b'{"error":"expected POST, got GET"}'
    """
    return _WRITER.encode({"error": message}).encode()


def model_metadata(*, dtype: str, shape: tuple[int, ...], n_classes: int) -> dict[str, Any]:
    """What `GET /v2/models/server` answers: names, datatypes and shapes, with -1 for the number of inputs.

    Args:
        dtype: of one input, "uint8" or "float32".
        shape: of one input.
        n_classes: K >= 2.

    >>> model_metadata(dtype="uint8", shape=(3, 32, 32), n_classes=10)["outputs"]
    [{'name': 'e', 'datatype': 'FP32', 'shape': [-1, 10]}]
    """
    return {
        "name": MODEL_NAME,
        "versions": [MODEL_VERSION],
        "platform": "onnxruntime",
        "inputs": [{"name": INPUT_NAME, "datatype": DATATYPES[dtype], "shape": [-1, *shape]}],
        "outputs": [{"name": OUTPUT_NAME, "datatype": "FP32", "shape": [-1, score_columns(n_classes)]}],
    }


def authorization(token: str) -> str:
    """What the header `Authorization` holds for a token.

    Raises:
        ValueError: if it is not made of visible ASCII characters; it is not repeated.

    >>> authorization("abc")
    'Bearer abc'
    """
    if not (token and all("!" <= character <= "~" for character in token)):
        raise ValueError("expected a token of visible ASCII characters, got another (not shown)")
    return f"Bearer {token}"


def score_columns(n_classes: int) -> int:
    """The number of scores per input on the wire: one for two classes, else K.

    >>> score_columns(2), score_columns(10)
    (1, 10)
    """
    return 1 if n_classes == 2 else n_classes


def _message(document: Mapping[str, Any], data: bytes | None) -> Message:
    """Headers and body of a document and, behind it, the bytes of a tensor."""
    text = _WRITER.encode(document).encode()
    if data is None:
        return {"Content-Type": "application/json"}, text
    return {"Content-Type": "application/octet-stream", LENGTH_HEADER: str(len(text))}, text + data


def _encode_tensor(name: str, values: np.ndarray, *, binary: bool) -> tuple[dict[str, Any], bytes | None]:
    """The description of a tensor with its numbers, or with the number of its bytes, and the bytes."""
    tensor: dict[str, Any] = {"name": name, "shape": list(values.shape), "datatype": DATATYPES[values.dtype.name]}
    if not binary:
        return {**tensor, "data": values.ravel().tolist()}, None
    data = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    return {**tensor, "parameters": {"binary_data_size": len(data)}}, data


def _split(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, Any], bytes | None]:
    """The JSON object of a message, and the bytes behind it where the header of its length is there."""
    lengths = [value for key, value in headers.items() if key.lower() == LOWER_LENGTH_HEADER]
    if not lengths:
        return _json_object(body), None
    text = lengths[0]
    if len(lengths) > 1 or not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) <= len(body)):
        raise ProtocolError(f"expected one {LENGTH_HEADER} from 0 to {len(body)}, got {_shown(', '.join(lengths))}")
    return _json_object(body[: int(text)]), body[int(text) :]


def _json_object(text: bytes) -> dict[str, Any]:
    """A JSON object without NaN and infinities."""
    try:
        document = _READER.decode(text.decode("utf-8"))
    except (ValueError, RecursionError) as fault:  # of bytes that are no UTF-8, too
        raise ProtocolError(f"expected a JSON object in UTF-8, got {_shown(text[:40])}: {_shown(str(fault))}") from None
    if not isinstance(document, dict):
        raise ProtocolError(f"expected a JSON object, got {_shown(document)}")
    return document


def _refuse_constant(name: str) -> NoReturn:
    """Python's reader accepts NaN and infinities, which JSON does not have."""
    raise ValueError(f"{name} is no JSON")


# made once: `json.loads` and `json.dumps` make a new one in each call with options
_READER = json.JSONDecoder(parse_constant=_refuse_constant)
_WRITER = json.JSONEncoder(separators=(",", ":"))


def _only_tensor(document: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    """The one tensor of a document, by its name."""
    tensors = document.get(kind)
    if not isinstance(tensors, list) or len(tensors) != 1 or not isinstance(tensors[0], dict):
        raise ProtocolError(f"expected {kind} as a list of one object, named {_shown(name)}, got {_shown(tensors)}")
    tensor: dict[str, Any] = tensors[0]
    if tensor.get("name") != name:
        raise ProtocolError(f"expected a tensor named {_shown(name)}, got {_shown(tensor.get('name'))}")
    return tensor


def _rows(tensor: Mapping[str, Any], shape: tuple[int, ...]) -> int:
    """The first length of a tensor whose other lengths are as expected."""
    lengths = tensor.get("shape")
    whole = isinstance(lengths, list) and bool(lengths) and all(type(length) is int for length in lengths)
    if not whole or tuple(lengths[1:]) != shape or lengths[0] < 0:  # type: ignore[index]
        expected = ", ".join(["n", *map(str, shape)])
        raise ProtocolError(f"expected {tensor['name']} of shape [{expected}], got {_shown(lengths)}")
    return int(lengths[0])  # type: ignore[index]


def _decode_tensor(
    tensor: Mapping[str, Any], data: bytes | None, *, name: str, dtype: str, shape: tuple[int, ...]
) -> np.ndarray:
    """The numbers of a tensor, from the bytes behind the JSON object or from the JSON object itself."""
    if tensor.get("datatype") != DATATYPES[dtype]:
        raise ProtocolError(f"expected {name} of datatype {DATATYPES[dtype]}, got {_shown(tensor.get('datatype'))}")
    size = _parameters(tensor).get("binary_data_size")
    if (size is None) == ("data" not in tensor):
        raise ProtocolError(f'expected either "data" or "binary_data_size" of {name}, got neither or both')
    if size is None and data:
        raise ProtocolError(f'expected nothing behind the JSON object, since {name} has "data", got {len(data)} bytes')
    values = _from_json(tensor["data"], name, dtype, shape) if size is None else _from_bytes(data, size, dtype, shape)
    _require_finite(values, name)
    return values


def _from_bytes(data: bytes | None, size: Any, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array from its bytes, in little-endian order."""
    kind = np.dtype(dtype).newbyteorder("<")
    expected = math.prod(shape) * kind.itemsize
    if type(size) is not int or size != expected:
        raise ProtocolError(f"expected binary_data_size {expected} for the shape {list(shape)}, got {_shown(size)}")
    if data is None or len(data) != expected:
        came = f"no {LENGTH_HEADER}" if data is None else f"{len(data)} bytes"
        raise ProtocolError(f"expected {expected} bytes behind the JSON object, got {came}")
    return np.frombuffer(data, dtype=kind).reshape(shape).astype(dtype, copy=False)


def _from_json(data: Any, name: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array from a flat list, or from lists nested as its shape says."""
    if not isinstance(data, list):
        raise ProtocolError(f"expected {name} as a list of numbers, got {_shown(data)}")
    lengths: list[int] = []
    flat = data
    while flat and all(isinstance(row, list) for row in flat):
        if len({len(row) for row in flat}) > 1:
            raise ProtocolError(f"expected {name} as lists of one length, got several")
        lengths.append(len(flat) // math.prod(lengths))
        flat = [value for row in flat for value in row]
    nested = (*lengths, len(flat) // math.prod(lengths))
    if nested not in (shape, (math.prod(shape),)):
        raise ProtocolError(
            f"expected {name} as {math.prod(shape)} numbers, or in lists of the shape {list(shape)}, "
            f"got the shape {_shown(list(nested))}"
        )
    kinds, low, high = ({int}, 0, 255) if dtype == "uint8" else ({int, float}, -LARGEST_FLOAT32, LARGEST_FLOAT32)
    outside = [value for value in flat if type(value) not in kinds or not low <= value <= high]
    if outside:
        kind = "whole numbers" if dtype == "uint8" else "numbers"
        raise ProtocolError(f"expected {name} as {kind} in [{low:g}, {high:g}], got {_shown(outside[0])}")
    return np.array(flat, dtype=dtype).reshape(shape)


def _wants_binary(document: Mapping[str, Any]) -> bool:
    """Whether the answer shall hold bytes: as the output says, else as the request says, else not."""
    binary = _flag(_parameters(document), "binary_data_output", False)
    if document.get("outputs") in (None, []):
        return binary
    parameters = _parameters(_only_tensor(document, "outputs", OUTPUT_NAME))
    if refused := {"classification", "shared_memory_region"} & set(parameters):
        raise ProtocolError(f"expected a request for plain scores, got the parameter {min(refused)}")
    return _flag(parameters, "binary_data", binary)


def _flag(parameters: Mapping[str, Any], name: str, default: bool) -> bool:
    """A parameter that is true or false."""
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise ProtocolError(f"expected {name} to be true or false, got {_shown(value)}")
    return value


def _parameters(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters of a document or a tensor; the protocol lets a server ignore those that it does not know."""
    parameters = document.get("parameters", {})
    if not isinstance(parameters, dict):
        raise ProtocolError(f"expected parameters as an object, got {_shown(parameters)}")
    return parameters


def _require_finite(values: np.ndarray, name: str) -> None:
    """Refuse NaN and infinities."""
    if values.dtype.kind != "u" and not (finite := np.isfinite(values)).all():
        wrong = int((~finite).sum())
        raise ProtocolError(f"expected finite {name}, got {wrong} entries that are not")


def _shown(value: Any) -> str:
    """A value in at most 60 characters, since a message may hold anything."""
    if isinstance(value, list):
        text = f"a list of {len(value)}" if len(value) > 8 or any(type(v) in (list, dict) for v in value) else None
    else:
        text = f"an object with {len(value)} fields" if isinstance(value, dict) else None
    if isinstance(value, int) and abs(value) > 10**20:
        text = "a huge number"  # Python refuses to write out numbers of many digits
    text = text or ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
