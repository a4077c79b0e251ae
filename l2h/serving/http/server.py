"""The server on the network: connections with limits, TLS, and a shutdown that answers what was accepted."""

import asyncio
import functools
import logging
import queue
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any

import h11
import uvicorn
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from l2h.serving.http import protocol
from l2h.serving.http.application import DEFAULT_SETTINGS, RETRY, Refused, ServerSettings, Service, make_app, refusal
from l2h.serving.http.self_check import Ask, ask_over_network

logger = logging.getLogger(__name__)

LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")


class _Connection(H11Protocol):
    """One connection: it waits for headers only so long, and says what it expected of a request that is no HTTP."""

    def __init__(self, *, service: Service, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.access_log = False  # paths are what others wrote
        self._service = service
        self._headers_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._service.settings.max_connections:
            self.app = _too_many_connections
        self._watch_headers(begun=True)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_headers(begun=self._has_part_of_headers())

    def on_response_complete(self) -> None:
        """Called after an answer; behind its request the next one may have begun."""
        super().on_response_complete()
        self._watch_headers(begun=self._has_part_of_headers())

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch_headers(begun=False)
        super().connection_lost(exc)

    def _has_part_of_headers(self) -> bool:
        return self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])

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
    refused = Refused(503, "expected fewer connections at once", RETRY)
    await refusal(refused, complete=False)(scope, receive, send)


class _Uvicorn(uvicorn.Server):
    """Is not ready before its check over the network has passed, nor once it shuts down."""

    def __init__(self, config: uvicorn.Config, service: Service, ask: Ask) -> None:
        super().__init__(config)
        self._service, self._ask = service, ask
        self.announce: Callable[[str | None], None] = lambda _: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._service.fault is None:
            await self._service.check(self._ask)
        if self._service.fault is not None:
            logger.error("not ready: %s", self._service.fault)
        self.announce(self._service.fault)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.fault = "the server shuts down"
        await super().shutdown(sockets)


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
        settings: ServerSettings = DEFAULT_SETTINGS,
    ) -> None:
        app = make_app(folder, settings, token=token)
        config = _config(app, settings, certificate, key)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._bound = socket.create_server((host, port), family=family, backlog=1024)
        # else an answer's body waits 40 ms for its headers
        self._bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if host not in LOCAL_HOSTS and token is None:
            logger.warning("everyone who reaches %s may send requests: there is no token", host)
        self.url = _url(self._bound, "http" if certificate is None else "https")
        ask = functools.partial(ask_over_network, self.url, certificate=certificate)
        self._uvicorn = _Uvicorn(config, app.state.service, ask)

    def run(self, announce: Callable[[str, str | None], None] | None = None) -> None:
        """Serve until SIGINT, SIGTERM or `stop`; what was accepted is answered first.

        Args:
            announce: called after the check at the start with the URL, and with what is wrong or None.
        """
        if announce is not None:
            self._uvicorn.announce = functools.partial(announce, self.url)
        self._uvicorn.run([self._bound])

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
        http=functools.partial(_Connection, service=app.state.service),  # type: ignore[arg-type]
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
