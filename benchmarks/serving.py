"""The server and Triton with a CNN for 1, 8 and 64 connections, relative to onnxruntime alone; a request; a decision.

All connections belong to one process that sends the next request on a connection once it has the answer to the last.
"""

import selectors
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper, numpy_helper

from benchmarks.figures import Figure
from l2h.problem import Costs, asks
from l2h.serving.folder import Card, part_of, write_card
from l2h.serving.http import protocol
from l2h.serving.http.triton import write_triton_repository
from l2h.serving.onnx.sessions import OnnxModel
from tests.helpers.engines import ENGINES, triton_process
from tests.helpers.faults import ServerProcess

SHAPE = (3, 32, 32)
CONNECTIONS = (1, 8, 64)
SECONDS = 1.0  # of a round
ROUNDS = 5
BYTES_BUDGET = 3500  # of a request for an image of CIFAR-10
DECISION_BUDGET = 1.0  # milliseconds


def figures(seconds: float = SECONDS, rounds: int = ROUNDS) -> Iterator[Figure]:
    """Requests per second by engine and connections over the bare rate; bytes and milliseconds over their budgets."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_helper(Path(scratch) / "helper")
        image = np.random.default_rng(0).integers(256, size=(1, *SHAPE), dtype=np.uint8)
        with ServerProcess(folder) as server:
            processor = psutil.Process(server.process.pid)
            for connections in CONNECTIONS:
                yield from throughput("own", _address(server.url), connections, folder, seconds, rounds, processor)
        if "triton" in ENGINES:
            with triton_process(write_triton_repository(folder, Path(scratch) / "triton")) as url:
                for connections in CONNECTIONS:
                    yield from throughput("triton", _address(url), connections, folder, seconds, rounds)
        size = len(http_request(image))
        yield Figure("request_bytes", size / BYTES_BUDGET, "ratio", "the budget of bytes", size, BYTES_BUDGET)
        decision = _decision_milliseconds(folder, image)
        yield Figure(
            "decision_latency",
            decision / DECISION_BUDGET,
            "ratio",
            "1 ms, median on one core",
            decision,
            DECISION_BUDGET,
        )


def throughput(
    name: str,
    address: tuple[str, int],
    connections: int,
    folder: Path,
    seconds: float,
    rounds: int,
    process: psutil.Process | None = None,
) -> Iterator[Figure]:
    """Requests per second of an engine over the bare rate, and, of one process, per second of its processor time.

    Short rounds, each with the bare rate before and after it: what else the machine does changes both. The value is the
    median of the rounds' ratios. A processor's time does not count the wait for a core, which on a busy machine is most
    of the difference.
    """
    image = np.random.default_rng(0).integers(256, size=(1, *SHAPE), dtype=np.uint8)
    request, model = http_request(image), OnnxModel(folder / "server.onnx")
    walls, processors = [], []
    for _ in range(rounds):
        before, spent, start = bare_rate(model, image, seconds / 2), processor_seconds(process), time.perf_counter()
        rate = request_rate(address, request, connections, seconds)
        n, spent = rate * (time.perf_counter() - start), processor_seconds(process) - spent
        after = bare_rate(model, image, seconds / 2)
        bare, bare_processor = (np.mean([getattr(each, unit) for each in (before, after)]) for unit in Rate._fields)
        walls.append((rate / bare, rate, bare))
        if process is not None:
            processors.append((n / spent / bare_processor, n / spent, bare_processor))
    one_by_one = "of onnxruntime alone, one by one on one thread"
    title = f"{name}_{connections}_connections"
    yield Figure(title, *_medians(walls, f"images/s {one_by_one}"))
    if processors:
        ratio_to = f"images per second of processor time {one_by_one}"
        yield Figure(f"{title}_per_processor_second", *_medians(processors, ratio_to))


def _medians(rounds: list[tuple[float, float, float]], ratio_to: str) -> tuple[float, str, str, float, float]:
    ratio, own, baseline = (float(median(values)) for values in zip(*rounds, strict=True))
    return ratio, "ratio", ratio_to, own, baseline


def processor_seconds(process: psutil.Process | None) -> float:
    """Processor time of a process until now; of none, 0."""
    if process is None:
        return 0.0
    times = process.cpu_times()
    return times.user + times.system


class Rate(NamedTuple):
    """Images per second."""

    wall: float
    processor: float  # per second of this process's processor time


def bare_rate(model: OnnxModel, image: np.ndarray, seconds: float) -> Rate:
    """Images per second of the server model, one by one in this process."""
    model(image)
    n, start, spent = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() < start + seconds:
        model(image)
        n += 1
    return Rate(n / (time.perf_counter() - start), n / (time.process_time() - spent))


def http_request(image: np.ndarray) -> bytes:
    """All bytes of a request with binary tensors."""
    headers, body = protocol.encode_request(image, id="0")
    lines = [f"POST {protocol.INFER_PATH} HTTP/1.1", "Host: 127.0.0.1:8000", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def request_rate(address: tuple[str, int], request: bytes, connections: int, seconds: float) -> float:
    """Requests per second that an engine answers with 200; each connection has one request under way."""
    sockets = [socket.create_connection(address) for _ in range(connections)]
    selector = selectors.DefaultSelector()
    answered, received = 0, dict.fromkeys(sockets, b"")
    try:
        for each in sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(each, selectors.EVENT_READ)
            each.sendall(request)
        start = time.perf_counter()
        while not answered or time.perf_counter() < start + seconds:
            for key, _ in selector.select(1.0):
                each = key.fileobj
                received[each] += each.recv(65536)
                if _complete(received[each]):
                    answered += 1
                    received[each] = b""
                    each.sendall(request)
        return answered / (time.perf_counter() - start)
    finally:
        selector.close()
        for each in sockets:
            each.close()


def _complete(answer: bytes) -> bool:
    """Whether an answer is there to its end; another status than 200 is an error."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"expected status 200, got {answer[:200]!r}")
    length = head.lower().partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
    return len(body) == int(length)


def _decision_milliseconds(folder: Path, image: np.ndarray, n: int = 2000) -> float:
    """Median time of one decision of the rejector, from an image to asks or not."""
    rejector = OnnxModel(folder / "rejector.onnx")
    times = []
    for _ in range(n):
        start = time.perf_counter()
        bool(asks(rejector(image)["r"] - np.float32(0.1))[0])
        times.append(time.perf_counter() - start)
    return 1000 * median(times)


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None
    return parts.hostname, parts.port


def write_helper(folder: Path) -> Path:
    """A helper for images of CIFAR-10 with random weights: an MLP 3072-120-1 as rejector, a CNN 32-64-128 as server."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    _save(folder / "rejector.onnx", "r", [*_dense(rng, "scaled", 3072, 120, "hidden"), _squeezed(rng)], [])
    nodes: list[tuple] = []
    name, channels = "scaled", 3
    for width in (32, 64, 128):
        nodes += _convolution(rng, name, channels, width)
        name, channels = f"pooled{width}", width
    nodes += _dense(rng, name, 128 * 4 * 4, 128, "hidden")
    nodes.append(("Gemm", ["hidden", ("W", rng.normal(size=(128, 10)) / 11), ("b", np.zeros(10))], "e", {}))
    _save(folder / "server.onnx", "e", nodes, [10])
    card = Card(
        classes=tuple(range(10)),
        costs=Costs(c1=1.0, ce=0.1),
        method="learning_to_help",
        threshold=0.0,
        input_shape=SHAPE,
        input_dtype="uint8",
        parts={name: part_of(folder, f"{name}.onnx") for name in ("rejector", "server")},
        missing={"client": "a benchmark needs none"},
    )
    write_card(folder, card)
    return folder


def _convolution(rng: np.random.Generator, name: str, channels: int, width: int) -> list[tuple]:
    weights = rng.normal(size=(width, channels, 3, 3)) / np.sqrt(9 * channels)
    return [
        ("Conv", [name, (f"kernel{width}", weights)], f"convolved{width}", {"pads": [1, 1, 1, 1]}),
        ("Relu", [f"convolved{width}"], f"relu{width}", {}),
        ("MaxPool", [f"relu{width}"], f"pooled{width}", {"kernel_shape": [2, 2], "strides": [2, 2]}),
    ]


def _dense(rng: np.random.Generator, name: str, n_inputs: int, n_outputs: int, output: str) -> list[tuple]:
    weights = ("V", rng.normal(size=(n_inputs, n_outputs)) / np.sqrt(n_inputs))
    return [
        ("Flatten", [name], "flat", {"axis": 1}),
        ("Gemm", ["flat", weights, ("a", np.zeros(n_outputs))], "linear", {}),
        ("Relu", ["linear"], output, {}),
    ]


def _squeezed(rng: np.random.Generator) -> tuple:
    """(n, 120) -> (n,), the sum of the hidden units with weights."""
    return ("MatMul", ["hidden", ("w", rng.normal(size=120) / 11)], "r", {})


def _save(path: Path, output: str, nodes: list[tuple], columns: list[int]) -> None:
    """An ONNX file: uint8 images over 255, then nodes of (operator, inputs or (name, constant), output, attributes)."""
    constants = {"divisor": np.float32(255)}
    made = [
        helper.make_node("Cast", ["x"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["number", "divisor"], ["scaled"]),
    ]
    for operator, inputs, result, attributes in nodes:
        named = [each if isinstance(each, str) else each[0] for each in inputs]
        constants |= {each[0]: each[1].astype(np.float32) for each in inputs if not isinstance(each, str)}
        made.append(helper.make_node(operator, named, [result], **attributes))
    graph = helper.make_graph(
        made,
        path.stem,
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", *SHAPE])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", *columns])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
