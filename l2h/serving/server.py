"""A small server for the server model of a helper: the Open Inference Protocol over HTTP, with limits on everything.

It answers with the model's scores or with a status that says what was expected; it reads no file after the start.
"""

import asyncio
import functools
import hmac
import logging
import queue
import secrets
import socket
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from time import perf_counter
from typing import Any

import h11
import numpy as np
import urllib3
import uvicorn
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from l2h import checks
from l2h.serving import protocol
from l2h.serving.batching import Batcher, ModelFailed, QueueFull
from l2h.serving.folder import Card, read_card
from l2h.serving.openapi import description
from l2h.serving.sessions import OnnxModel, check_part

logger = logging.getLogger(__name__)

RETRY = {"Retry-After": "1"}  # seconds
TOLERANCE = 1e-4  # between scores of one input in batches of different sizes, relative to 1 + |e|
LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")
OPEN_PATHS = ("/v2/health/live", "/v2/health/ready")  # probes carry no token
CHECK_HEADER = "l2h-start-up-check"


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
    max_body: int = 8 * 2**20
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


class _Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})


class _Disconnected(Exception):
    """The other side is gone."""


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
        self.rows = Counter("l2h_rows", "Inputs that were answered", registry=self.registry)
        self.batch = Histogram(
            "l2h_batch_rows", "Inputs per batch", buckets=[2**k for k in range(11)], registry=self.registry
        )
        self.queue = Gauge("l2h_queue_length", "Requests that wait", registry=self.registry)
        self.ready = Gauge("l2h_ready", "1 where the server is ready", registry=self.registry)

    def count(self, route: str, status: int, seconds: float | None = None) -> None:
        """Count an answer, and the seconds that it took where they are known."""
        self._requests.labels(route, str(status)).inc()
        if seconds is not None:
            self._seconds.labels(route).observe(seconds)


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
        """All of it."""
        return b"".join([part async for part in self._parts()])

    async def discard(self) -> None:
        """Read what is left of it, so that the other side comes to read the answer; if it is too large, leave it."""
        try:
            async for _ in self._parts():
                pass
        except _Refused:
            return

    async def _parts(self) -> AsyncIterator[bytes]:
        """Its parts; a body that is a little too large is read to its end before it is refused."""
        limit = self._settings.max_body
        while not self.complete and max(self._size, self._announced) <= 2 * limit:
            try:
                async with asyncio.timeout_at(self._deadline):
                    message = await self._receive()
            except TimeoutError:
                expected = f"expected the whole body within {self._settings.body_seconds:g} s"
                raise _Refused(408, f"{expected}, got {self._size} bytes of it") from None
            if message["type"] == "http.disconnect":
                raise _Disconnected
            part = message.get("body", b"")
            self._size += len(part)
            self.complete = not message.get("more_body", False)
            if self._size <= limit:
                yield part
        if (size := max(self._size, self._announced)) > limit:
            raise _Refused(413, f"expected a body of at most {limit} bytes, got {size} or more")


class _Service:
    """The endpoints of one helper's server model, and what they share."""

    def __init__(self, card: Card, model: OnnxModel, settings: ServerSettings, token: str | None) -> None:
        self.card, self.model, self.settings = card, model, settings
        self.metrics = _Metrics()
        self.fault: str | None = "the check at the start is not done yet"
        self.check_key = secrets.token_hex(16)
        self._authorization = None if token is None else f"Bearer {token}".encode()
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
            raise _Refused(431, f"expected at most {self.settings.max_headers} headers, got {len(headers)}")
        for name in (b"content-length", b"content-encoding", b"authorization", b"content-type"):
            if names.count(name) > 1:
                raise _Refused(400, f"expected one header {name.decode()}, got {names.count(name)}")
        if {b"content-length", b"transfer-encoding"} <= set(names):
            raise _Refused(400, "expected either Content-Length or Transfer-Encoding, got both")
        given = dict(headers)
        expected = given.get(b"authorization", b"") if self._authorization is None else self._authorization
        right = hmac.compare_digest(given.get(b"authorization", b""), expected)
        if not right and scope["path"] not in OPEN_PATHS:
            challenge = {"WWW-Authenticate": "Bearer"}
            raise _Refused(401, "expected the header Authorization: Bearer TOKEN with the right token", challenge)
        if given.get(b"content-encoding", b"identity").lower() != b"identity":
            raise _Refused(415, "expected a body without Content-Encoding")

    async def live(self, _: Request) -> Response:
        """Whether the process answers."""
        return JSONResponse({"live": True})

    async def ready(self, _: Request) -> Response:
        """Whether requests are answered, or why not."""
        if self.fault is not None:
            raise _Refused(503, f"not ready: {self.fault}", RETRY)
        return JSONResponse({"ready": True})

    async def server_metadata(self, _: Request) -> Response:
        """Name, version and extensions."""
        return JSONResponse({"name": "l2h", "version": protocol.MODEL_VERSION, "extensions": ["binary_tensor_data"]})

    async def model_metadata(self, request: Request) -> Response:
        """Names, datatypes and shapes of the model's input and output."""
        self._require_model(request)
        return JSONResponse(protocol.model_metadata(**self._contract()))

    async def model_ready(self, request: Request) -> Response:
        """Whether the model answers, or why not."""
        self._require_model(request)
        return await self.ready(request)

    async def show_metrics(self, _: Request) -> Response:
        """Counters for Prometheus."""
        return Response(generate_latest(self.metrics.registry), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def show_description(self, _: Request) -> Response:
        """The contract as OpenAPI."""
        return JSONResponse(description(**self._contract(), max_rows=self.settings.max_rows))

    async def infer(self, request: Request) -> Response:
        """The scores of the inputs in a request."""
        self._require_model(request)
        key = request.headers.get(CHECK_HEADER, "")
        if self.fault is not None and not hmac.compare_digest(key.encode(), self.check_key.encode()):
            raise _Refused(503, f"not ready: {self.fault}", RETRY)
        body = await request.scope["l2h.body"].read()
        try:
            asked = protocol.decode_request(
                request.headers,
                body,
                dtype=self.card.input_dtype,
                shape=self.card.input_shape,
                max_rows=self.settings.max_rows,
            )
            async with asyncio.timeout(self.settings.request_seconds):
                e = await self.batcher(asked.x)
            headers, answer = protocol.encode_answer(e, id=asked.id, binary=asked.binary)
        except protocol.ProtocolError as fault:
            raise _Refused(400, str(fault)) from None
        except QueueFull as fault:
            raise _Refused(429, str(fault), RETRY) from None
        except TimeoutError:
            expected = f"expected an answer within {self.settings.request_seconds:g} s"
            raise _Refused(503, f"{expected}, but the model is too busy", RETRY) from None
        except ModelFailed as fault:
            raise _Refused(500, str(fault)) from None
        self.metrics.rows.inc(len(e))
        return Response(answer, headers=headers)

    def _contract(self) -> dict[str, Any]:
        return {
            "dtype": self.card.input_dtype,
            "shape": self.card.input_shape,
            "n_classes": len(self.card.classes),
        }

    def _require_model(self, request: Request) -> None:
        """Refuse another name or version of a model."""
        expected = {"model": protocol.MODEL_NAME, "version": protocol.MODEL_VERSION}
        for name, value in request.path_params.items():
            if value != expected[name]:
                raise _Refused(404, f"expected the {name} {expected[name]}, got {value[:40]!a}")


class _Gate:
    """Admits requests, and turns every outcome into one counted answer."""

    def __init__(self, app: ASGIApp, service: _Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        body = scope["l2h.body"] = _Body(scope, receive, self._service.settings)
        status = 0

        async def observed(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            try:
                self._service.admit(scope)
                await self._app(scope, receive, observed)
            except _Refused as refused:
                if refused.status != 408:
                    await body.discard()
                await _refusal(refused, body.complete)(scope, receive, observed)
            except Exception as error:
                if isinstance(error, _Disconnected) or status:
                    raise
                logger.exception("a request failed")
                failed = _Refused(500, "expected no failure of the server; its log says more")
                await _refusal(failed, body.complete)(scope, receive, observed)
        except _Disconnected:
            status = 499  # nobody reads an answer
        route = getattr(scope.get("endpoint"), "__name__", "none")
        self._service.metrics.count(route, status, perf_counter() - started)


def _refusal(refused: _Refused, complete: bool) -> Response:
    """The answer to a request that is refused; what is left of its body is no other request."""
    close = {} if complete else {"Connection": "close"}
    headers = {**refused.headers, **close}
    return Response(protocol.encode_error(str(refused)), refused.status, headers, media_type="application/json")


async def _unknown(request: Request, error: Exception) -> Response:
    """The answer where no route fits the path or the method."""
    assert isinstance(error, HTTPException)
    allowed = (error.headers or {}).get("Allow")
    if allowed is None:
        raise _Refused(error.status_code, "expected a path of the inference protocol, see /openapi.json")
    raise _Refused(error.status_code, f"expected {allowed}, got {request.method[:20]}", {"Allow": allowed})


def make_app(
    folder: str | PathLike[str], settings: ServerSettings = ServerSettings(), *, token: str | None = None
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
    if token is not None and not (token and all("!" <= character <= "~" for character in token)):
        raise ValueError("expected a token of visible ASCII characters, got another")
    card = read_card(folder)
    if "server" not in card.parts:
        raise ValueError(f"expected a server as ONNX in {folder}, got none: {card.missing.get('server', 'no reason')}")
    part = card.parts["server"]
    model = OnnxModel(Path(folder) / part.file, sha256=part.sha256)
    check_part(card, "server", model)
    service = _Service(card, model, settings, token)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        service.batcher.start()
        service.fault = await _check(service, functools.partial(_ask_in_process, app, service, token))
        yield
        await service.batcher.close()

    app = Starlette(
        routes=_routes(service),
        middleware=[Middleware(_Gate, service=service)],
        exception_handlers={404: _unknown, 405: _unknown},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.service = service
    return app


def _routes(service: _Service) -> list[Route]:
    routes = [
        Route("/v2", service.server_metadata),
        Route("/v2/health/live", service.live),
        Route("/v2/health/ready", service.ready),
        Route("/metrics", service.show_metrics),
        Route("/openapi.json", service.show_description),
    ]
    for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        routes.append(Route(path, service.model_metadata))
        routes.append(Route(f"{path}/ready", service.model_ready))
        routes.append(Route(f"{path}/infer", service.infer, methods=["POST"]))
    return routes


def known_inputs(card: Card) -> np.ndarray:
    """Four inputs, always the same, to check an engine with: all different, and from all over their range.

    Args:
        card: of the helper.

    Returns:
        (4, ...) of the card's type and shape.
    """
    rng = np.random.default_rng(4)
    shape = (4, *card.input_shape)
    return rng.integers(256, size=shape, dtype=np.uint8) if card.input_dtype == "uint8" else rng.random(shape, "f4")


def same_scores(e: np.ndarray, expected: np.ndarray) -> bool:
    """Whether an engine's scores are the model's, up to the order of sums in batches of different sizes."""
    return e.shape == expected.shape and bool((abs(e - expected) <= TOLERANCE * (1 + abs(expected))).all())


Ask = Callable[[dict[str, str], bytes], Awaitable[tuple[int, Mapping[str, str], bytes]]]


async def _check(service: _Service, ask: Ask) -> str | None:
    """What is wrong with the answers to four known inputs, two sent as bytes and two as JSON; None if nothing is."""
    for i, x in enumerate(known_inputs(service.card)[:, None]):
        headers, body = protocol.encode_request(x, id=str(i), binary=i < 2)
        status, answered, answer = await ask({**headers, CHECK_HEADER: service.check_key}, body)
        if status != 200:
            return f"known input {i} was answered with status {status}: {answer[:200]!r}"
        try:
            e = protocol.decode_answer(answered, answer, n=1, n_classes=len(service.card.classes), id=str(i))
        except protocol.ProtocolError as fault:
            return f"the answer to known input {i} is wrong: {fault}"
        expected = service.model(x)["e"]
        if not same_scores(e, expected):
            return f"expected the scores {expected.tolist()} of known input {i}, got {e.tolist()}"
    return None


async def _ask_in_process(
    app: Starlette, service: _Service, token: str | None, headers: dict[str, str], body: bytes
) -> tuple[int, Mapping[str, str], bytes]:
    """An answer of the application, without a socket."""
    if token is not None:
        headers = {**headers, "Authorization": f"Bearer {token}"}
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


class _Connection(H11Protocol):
    """One connection: it waits for headers only so long, and says what it expected of a request that is no HTTP."""

    def __init__(self, *, service: _Service, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._service = service
        self._headers_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._service.settings.max_connections:
            self.app = _too_many_connections  # type: ignore[assignment]
        self._watch_headers(begun=True)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_headers(begun=self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch_headers(begun=False)
        super().connection_lost(exc)

    def _watch_headers(self, *, begun: bool) -> None:
        """A connection that never sends all of its headers is closed."""
        if begun and self._headers_due is None:
            seconds = self._service.settings.header_seconds
            message = f"expected all headers within {seconds:g} s"
            self._headers_due = self.loop.call_later(seconds, self._refuse, 408, message)
        elif not begun and self._headers_due is not None:
            self._headers_due.cancel()
            self._headers_due = None

    def send_400_response(self, msg: str) -> None:
        """Called where a request is no HTTP, with h11's error as the one being handled."""
        error = sys.exc_info()[1]
        status = getattr(error, "error_status_hint", 400)
        limit = self._service.settings.max_header_bytes
        self._refuse(status, f"expected an HTTP/1.1 request with at most {limit} bytes of headers, got: {error}")

    def _refuse(self, status: int, message: str) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = protocol.encode_error(message)
            headers = [
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("connection", "close"),
            ]
            response = h11.Response(status_code=status, headers=headers)
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
            self._service.metrics.count("none", status)
        self.transport.close()


async def _too_many_connections(scope: Scope, receive: Receive, send: Send) -> None:
    refused = _Refused(503, "expected fewer connections at once", RETRY)
    await _refusal(refused, complete=False)(scope, receive, send)


class _Uvicorn(uvicorn.Server):
    """Is not ready before its check over the network has passed, nor once it shuts down."""

    def __init__(self, config: uvicorn.Config, service: _Service, bound: socket.socket, ask: Ask) -> None:
        super().__init__(config)
        self._service, self._bound, self._ask = service, bound, ask
        self.announce: Callable[[str | None], None] = lambda _: None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        super().run([self._bound, *(sockets or [])])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        fault = self._service.fault or await _over_network(self._service, self._ask)
        self._service.fault = fault
        if fault is not None:
            logger.error("not ready: %s", fault)
        self.announce(fault)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.fault = "the server shuts down"
        await super().shutdown(sockets)


async def _over_network(service: _Service, ask: Ask) -> str | None:
    """What the check over the network finds; until it ends, the server is not ready."""
    service.fault = "the check at the start is not done yet"
    return await _check(service, ask)


async def _ask_over_network(
    url: str,
    certificate: str | PathLike[str] | None,
    token: str | None,
    seconds: float,
    headers: dict[str, str],
    body: bytes,
) -> tuple[int, Mapping[str, str], bytes]:
    """An answer of a server, with a certificate that need not name this address."""
    options: dict[str, Any] = {}
    if certificate is not None:
        options["ssl_context"] = ssl.create_default_context(cafile=certificate)
        options["ssl_context"].check_hostname = False
        options["ssl_context"].verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if token is not None:
        headers = {**headers, "Authorization": f"Bearer {token}"}
    with urllib3.PoolManager(retries=False, timeout=seconds, **options) as pool:
        ask = functools.partial(pool.request, "POST", f"{url}{protocol.INFER_PATH}", headers=headers, body=body)
        try:
            answer = await asyncio.to_thread(ask)
        except urllib3.exceptions.HTTPError as error:
            return 0, {}, str(error).encode()
    return answer.status, answer.headers, answer.data


class Server:
    """A server for the server model of a helper, bound to its address.

    Args:
        folder: of a saved helper.
        host: address to bind to. All but this machine's own address needs a token or a network that is trusted.
        port: 0 takes a free one.
        token: that requests have to carry; None admits all.
        certificate: file with the certificate for TLS; with `key`.
        key: file with its private key.
        settings: limits.

    Raises:
        FileNotFoundError, ValueError: as `make_app`, or if certificate and key do not fit.
        OSError: if the address is taken or not this machine's.
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        token: str | None = None,
        certificate: str | PathLike[str] | None = None,
        key: str | PathLike[str] | None = None,
        settings: ServerSettings = ServerSettings(),
    ) -> None:
        app = make_app(folder, settings, token=token)
        config = _config(app, settings, certificate, key)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.create_server((host, port), family=family, backlog=1024)
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else an answer's body waits 40 ms for its headers
        if host not in LOCAL_HOSTS and token is None:
            logger.warning("everyone who reaches %s may send requests: there is no token", host)
        self.url = _url(bound, "http" if certificate is None else "https")
        ask = functools.partial(_ask_over_network, self.url, certificate, token, 2 * settings.request_seconds)
        self._uvicorn = _Uvicorn(config, app.state.service, bound, ask)

    def run(self, announce: Callable[[str, str | None], None] | None = None) -> None:
        """Serve until SIGINT, SIGTERM or `stop`; what was accepted is answered first.

        Args:
            announce: called after the check at the start with the URL, and with what is wrong or None.
        """
        if announce is not None:
            self._uvicorn.announce = functools.partial(announce, self.url)
        self._uvicorn.run()

    def stop(self) -> None:
        """Begin to shut down; from any thread."""
        self._uvicorn.should_exit = True


def serve(
    folder: str | PathLike[str], *, announce: Callable[[str, str | None], None] | None = None, **options: Any
) -> None:
    """Serve the server model of a helper until SIGINT or SIGTERM; what was accepted is answered first.

    Args:
        folder: of a saved helper.
        announce: called after the check at the start with the URL, and with what is wrong or None; by default the log.
        options: host, port, token, certificate, key and settings as of `Server`.

    Raises:
        FileNotFoundError, ValueError, OSError: as `Server`.
    """
    Server(folder, **options).run(announce or _log)


@contextmanager
def serving(folder: str | PathLike[str], *, port: int = 0, **options: Any) -> Iterator[str]:
    """A server in a thread of this process while the context lasts.

    Args:
        folder: of a saved helper.
        port: 0 takes a free one.
        options: as of `Server`.

    Yields:
        Its URL, after the check at the start.

    Raises:
        FileNotFoundError, ValueError, OSError: as `Server`.
        RuntimeError: if the check at the start fails.
    """
    server = Server(folder, port=port, **options)
    outcome: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            server.run(lambda _, fault: outcome.put(fault))
        finally:
            outcome.put("it ended")

    thread = threading.Thread(target=run, name="server")
    thread.start()
    try:
        fault = outcome.get()
        if fault is not None:
            raise RuntimeError(f"expected a server that is ready, got: {fault}")
        yield server.url
    finally:
        server.stop()
        thread.join()


def _log(url: str, fault: str | None) -> None:
    if fault is None:
        logger.info("ready on %s", url)


def _url(bound: socket.socket, scheme: str) -> str:
    """Where a bound socket is reached from this machine."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _config(
    app: Starlette,
    settings: ServerSettings,
    certificate: str | PathLike[str] | None,
    key: str | PathLike[str] | None,
) -> uvicorn.Config:
    if (certificate is None) != (key is None):
        raise ValueError("expected certificate and key, or neither, got one of them")
    config = uvicorn.Config(
        app,
        http=functools.partial(_Connection, service=app.state.service),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ssl_certfile=certificate,
        ssl_keyfile=None if key is None else str(key),
        h11_max_incomplete_event_size=settings.max_header_bytes,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    try:
        config.load()
    except OSError as error:  # of OpenSSL, too
        raise ValueError(f"expected a certificate and its key, got {certificate} and {key}: {error}") from error
    return config
