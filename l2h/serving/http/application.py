"""The server model of a helper as an ASGI application: the Open Inference Protocol, with limits on everything.

It answers with the model's scores or with a status and what was expected; it reads no file after the start.
"""

import asyncio
import functools
import hmac
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, fields
from os import PathLike
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from l2h import checks
from l2h.serving.folder import Card, read_card
from l2h.serving.http import protocol
from l2h.serving.http.batching import Batcher, ModelFailed, QueueFull
from l2h.serving.http.openapi import description
from l2h.serving.http.self_check import Ask, known_inputs, wrong_answer
from l2h.serving.onnx.sessions import OnnxModel, load_part

logger = logging.getLogger(__name__)

RETRY = {"Retry-After": "1"}  # seconds
OPEN_PATHS = ("/v2/health/live", "/v2/health/ready")  # probes carry no token
CHECK_HEADER = "l2h-start-up-check"
UNCHECKED = "the check at the start is not done yet"
ONCE = tuple(
    name.lower().encode()
    for name in ("Content-Length", "Content-Encoding", "Content-Type", "Authorization", protocol.LENGTH_HEADER)
)


@dataclass(frozen=True)
class ServerSettings:
    """Limits of a server; sizes in bytes, times in seconds.

    Raises:
        ValueError: if a number is out of range, or a request may have more rows than a batch.
    """

    max_batch: int = 64  # inputs that run together
    batch_delay: float = 0.0  # an idle model waits so long for more requests
    workers: int = 1  # batches that run at once
    queue_length: int = 128  # requests that wait; the next one is answered with 429
    max_rows: int = 64  # inputs of one request
    max_body: int = protocol.LARGEST_BODY
    body_seconds: float = 10.0  # for a whole body
    header_seconds: float = 10.0  # for all headers of a request
    request_seconds: float = 5.0  # from a whole request to its answer
    max_headers: int = 64
    max_header_bytes: int = 16 * 2**10
    max_connections: int = 256
    keep_alive_seconds: int = 60
    shutdown_seconds: int = 30  # for the answers to requests that were accepted

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "batch_delay":
                checks.at_least(0, batch_delay=value)
            elif each.type is int:
                checks.integer(1, **{each.name: value})
            else:
                checks.positive(**{each.name: value})
        if self.max_rows > self.max_batch:
            raise ValueError(f"expected max_rows <= max_batch, got {self.max_rows} and {self.max_batch}")


DEFAULT_SETTINGS = ServerSettings()


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})


class _Metrics:
    """What `GET /metrics` shows; labels hold names of routes and statuses, nothing that a request says."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "l2h_requests", "Requests by route and status", ["route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "l2h_request_seconds", "From the headers of a request to its answer", ["route"], registry=self.registry
        )
        self._children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}  # (route, status) -> those of this answer
        self.rows = Counter("l2h_rows", "Inputs that were answered", registry=self.registry)
        self.batch = Histogram(
            "l2h_batch_rows", "Inputs per batch", buckets=[2**k for k in range(11)], registry=self.registry
        )
        self.queue = Gauge("l2h_queue_length", "Requests that wait", registry=self.registry)
        self.ready = Gauge("l2h_ready", "1 where the server is ready", registry=self.registry)

    def count(self, route: str, status: int, seconds: float | None = None) -> None:
        """Count an answer, and the seconds that it took where they are known."""
        if (route, status) not in self._children:
            self._children[route, status] = self._requests.labels(route, str(status)), self._seconds.labels(route)
        requests, durations = self._children[route, status]
        requests.inc()
        if seconds is not None:
            durations.observe(seconds)


class _Body:
    """The body of one request, read under limits."""

    def __init__(self, scope: Scope, receive: Receive, settings: ServerSettings) -> None:
        self._receive, self._settings = receive, settings
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        self._announced = int(lengths[0]) if lengths and lengths[0].isdigit() else 0
        self._deadline = asyncio.get_running_loop().time() + settings.body_seconds
        self._size = 0
        self.complete = False

    async def read(self) -> bytes:
        """All of it; a body that is a little too large is read to its end before it is refused."""
        limit = self._settings.max_body
        parts: list[bytes] = []
        try:
            async with asyncio.timeout_at(self._deadline):
                while not self.complete and max(self._size, self._announced) <= 2 * limit:
                    part = await self._part()
                    if self._size <= limit:
                        parts.append(part)
        except TimeoutError:
            expected = f"expected the whole body within {self._settings.body_seconds:g} s"
            raise Refused(408, f"{expected}, got {self._size} bytes of it") from None
        if (size := max(self._size, self._announced)) > limit:
            raise Refused(413, f"expected a body of at most {limit} bytes, got {size} or more")
        return b"".join(parts)

    async def discard(self) -> None:
        """Read what is left of it, so that the other side comes to read the answer; if it is too large, leave it."""
        with suppress(Refused):
            await self.read()

    async def _part(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = message.get("body", b"")
        self._size += len(part)
        self.complete = not message.get("more_body", False)
        return part


class Service:
    """The endpoints of one helper's server model, and what they share."""

    def __init__(self, card: Card, model: OnnxModel, settings: ServerSettings, token: str | None) -> None:
        self.card, self.model, self.settings = card, model, settings
        self.metrics = _Metrics()
        self.fault: str | None = UNCHECKED
        self._check_key = secrets.token_hex(16)
        self._authorization = None if token is None else protocol.authorization(token).encode()
        self.batcher = Batcher(
            lambda x: self.model(x)["e"],
            max_rows=settings.max_batch,
            delay=settings.batch_delay,
            queue_length=settings.queue_length,
            workers=settings.workers,
            observe=self.metrics.batch.observe,
        )
        self.metrics.queue.set_function(lambda: len(self.batcher))
        self.metrics.ready.set_function(lambda: self.fault is None)

    def admit(self, scope: Scope) -> None:
        """Refuse a request by its headers alone."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        names = [name for name, _ in headers]
        if len(headers) > self.settings.max_headers:
            raise Refused(431, f"expected at most {self.settings.max_headers} headers, got {len(headers)}")
        size, limit = sum(len(name) + len(value) for name, value in headers), self.settings.max_header_bytes
        if size > limit:
            raise Refused(431, f"expected at most {limit} bytes of headers, got {size}")
        for name in ONCE:
            if names.count(name) > 1:
                raise Refused(400, f"expected one header {name.decode()}, got {names.count(name)}")
        if {b"content-length", b"transfer-encoding"} <= set(names):
            message = "expected either Content-Length or Transfer-Encoding, got both"
            raise Refused(400, message, {"Connection": "close"})  # where its body ends is anyone's guess
        given = dict(headers)
        if (
            self._authorization is not None
            and scope["path"] not in OPEN_PATHS
            and not hmac.compare_digest(given.get(b"authorization", b""), self._authorization)
        ):
            challenge = {"WWW-Authenticate": "Bearer"}
            raise Refused(401, "expected the header Authorization: Bearer TOKEN with the right token", challenge)
        if given.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Refused(415, "expected a body without Content-Encoding")

    async def live(self, _: Scope) -> Response:
        """Whether the process answers."""
        return JSONResponse({"live": True})

    async def ready(self, _: Scope) -> Response:
        """Whether requests are answered, or why not."""
        if self.fault is not None:
            raise Refused(503, f"not ready: {self.fault}", RETRY)
        return JSONResponse({"ready": True})

    async def server_metadata(self, _: Scope) -> Response:
        """Name, version and extensions."""
        return JSONResponse({"name": "l2h", "version": protocol.MODEL_VERSION, "extensions": ["binary_tensor_data"]})

    async def model_metadata(self, _: Scope) -> Response:
        """Names, datatypes and shapes of the model's input and output."""
        return JSONResponse(protocol.model_metadata(**self._contract()))

    async def show_metrics(self, _: Scope) -> Response:
        """Counters for Prometheus."""
        return Response(generate_latest(self.metrics.registry), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def show_description(self, _: Scope) -> Response:
        """The contract as OpenAPI."""
        return JSONResponse(description(**self._contract(), max_rows=self.settings.max_rows))

    async def infer(self, scope: Scope) -> Response:
        """The scores of the inputs in a request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        given = headers.get(CHECK_HEADER)
        checking = given is not None and hmac.compare_digest(given.encode(), self._check_key.encode())
        if self.fault is not None and not checking:
            raise Refused(503, f"not ready: {self.fault}", RETRY)
        body = await scope["l2h.body"].read()
        try:
            asked = protocol.decode_request(
                headers, body, dtype=self.card.input_dtype, shape=self.card.input_shape, max_rows=self.settings.max_rows
            )
            e = await self.batcher(asked.x, None if checking else self.settings.request_seconds)
            described, content = protocol.encode_answer(e, id=asked.id, binary=asked.binary)
            described[protocol.MODEL_HEADER] = self.card.parts["server"].sha256
            answer = Response(content, headers=described)
        except protocol.ProtocolError as fault:
            raise Refused(400, str(fault)) from None
        except QueueFull as fault:
            raise Refused(429, str(fault), RETRY) from None
        except TimeoutError:
            expected = f"expected an answer within {self.settings.request_seconds:g} s"
            raise Refused(503, f"{expected}, but the model is too busy", RETRY) from None
        except ModelFailed as fault:
            raise Refused(500, str(fault)) from None
        self.metrics.rows.inc(len(e))
        return answer

    async def check(self, ask: Ask) -> None:
        """Compare the answers to four known inputs; nobody else is answered before all are right.

        Args:
            ask: sends headers and body of a request to this server.
        """
        self.fault = UNCHECKED
        x = known_inputs(self.card)
        expected = np.concatenate([self.model(row)["e"] for row in x[:, None]])
        own = {CHECK_HEADER: self._check_key}
        if self._authorization is not None:
            own["Authorization"] = self._authorization.decode()

        async def admitted(headers: dict[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
            return await ask({**headers, **own}, body)

        self.fault = await wrong_answer(x, expected, admitted)

    def _contract(self) -> dict[str, Any]:
        return {
            "dtype": self.card.input_dtype,
            "shape": self.card.input_shape,
            "n_classes": len(self.card.classes),
        }


class _Route(NamedTuple):
    """What answers a path."""

    method: str
    endpoint: Callable[[Scope], Awaitable[Response]]


def _routes(service: Service) -> dict[str, _Route]:
    routes = {
        "/v2": _Route("GET", service.server_metadata),
        "/v2/health/live": _Route("GET", service.live),
        "/v2/health/ready": _Route("GET", service.ready),
        "/metrics": _Route("GET", service.show_metrics),
        "/openapi.json": _Route("GET", service.show_description),
    }
    for path in protocol.MODEL_PATHS:
        routes[path] = _Route("GET", service.model_metadata)
        routes[f"{path}/ready"] = _Route("GET", service.ready)
        routes[f"{path}/infer"] = _Route("POST", service.infer)
    return routes


def _unknown(path: str) -> str:
    """What was expected in place of a path that has no route."""
    parts = [*path.split("/"), "", "", ""]
    if path.startswith("/v2/models/"):
        for name, expected, given in (
            ("model", protocol.MODEL_NAME, parts[3]),
            ("version", protocol.MODEL_VERSION, parts[5] if parts[4] == "versions" else protocol.MODEL_VERSION),
        ):
            if given != expected:
                return f"expected the {name} {expected}, got {given[:40]!a}"
    return "expected a path of the inference protocol, see /openapi.json"


class _Application(Starlette):
    """Admits requests, and turns every outcome into one counted answer."""

    def __init__(self, service: Service, **options: Any) -> None:
        super().__init__(**options)
        self.state.service = self._service = service
        self._routes = _routes(service)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        started = perf_counter()
        body = scope["l2h.body"] = _Body(scope, receive, self._service.settings)
        route = self._routes.get(scope["path"])
        try:
            answer = await self._answer(scope, route, body)
            await answer(scope, receive, send)
            status = answer.status_code
        except ClientDisconnect:
            status = 499  # nobody reads an answer
        name = "none" if route is None else route.endpoint.__name__
        self._service.metrics.count(name, status, perf_counter() - started)

    async def _answer(self, scope: Scope, route: _Route | None, body: _Body) -> Response:
        try:
            self._service.admit(scope)
            if route is None:
                raise Refused(404, _unknown(scope["path"]))
            if scope["method"] not in (route.method, "HEAD" if route.method == "GET" else ""):
                raise Refused(405, f"expected {route.method}, got {scope['method'][:20]!a}", {"Allow": route.method})
            if route.method == "GET":
                await body.read()  # else its sender could hold the connection
            return await route.endpoint(scope)
        except Refused as refused:
            if refused.status != 408 and "Connection" not in refused.headers:
                await body.discard()
            return refusal(refused, body.complete)
        except ClientDisconnect:
            raise
        except Exception:
            logger.exception("a request failed")
            return refusal(Refused(500, "expected no failure of the server; its log says more"), body.complete)


def refusal(refused: Refused, complete: bool) -> Response:
    """The answer to a request that is refused; what is left of its body is no other request."""
    headers = {"Content-Type": "application/json", **refused.headers, **({} if complete else {"Connection": "close"})}
    return Response(protocol.encode_error(str(refused)), refused.status, headers)


def load_server(folder: str | PathLike[str]) -> tuple[Card, OnnxModel]:
    """The card of a helper and its server model, which fits the card.

    Args:
        folder: of a saved helper.

    Raises:
        FileNotFoundError, ValueError: if the folder is no helper's, or its server has no file or a damaged one.
    """
    card = read_card(folder)
    if "server" not in card.parts:
        raise ValueError(f"expected a server as ONNX in {folder}, got none: {card.missing['server']}")
    return card, load_part(folder, card, "server")


def make_app(
    folder: str | PathLike[str], settings: ServerSettings = DEFAULT_SETTINGS, *, token: str | None = None
) -> Starlette:
    """The server model of a helper as an ASGI application. It is ready once its lifespan has begun and checked it.

    Args:
        folder: of a saved helper.
        settings: limits.
        token: that requests have to carry; None admits all.

    Raises:
        FileNotFoundError, ValueError: if the folder is no helper's, its server has no file, or the token is not made of
            visible ASCII characters.
    """
    service = Service(*load_server(folder), settings, token)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        service.batcher.start()
        await service.check(functools.partial(_ask_in_process, app))
        yield
        await service.batcher.close()

    return _Application(service, lifespan=lifespan)


async def _ask_in_process(app: Starlette, headers: dict[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
    """An answer of the application, without a socket."""
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": protocol.INFER_PATH,
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, send)
    answered = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    return messages[0]["status"], answered, b"".join(message.get("body", b"") for message in messages[1:])
