"""The server on the network: its address, TLS, and a shutdown that answers what was accepted."""

import functools
import logging
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from typing import Any

import uvicorn
from starlette.applications import Starlette

from l2h.serving.http.application import DEFAULT_SETTINGS, ServerSettings, Service, make_app
from l2h.serving.http.connection import Connection, KnownHeads
from l2h.serving.http.self_check import Ask, ask_over_network

logger = logging.getLogger(__name__)

LOCAL_HOSTS = ("127.0.0.1", "::1", "localhost")


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
        http=functools.partial(Connection, service=app.state.service, heads=KnownHeads()),  # type: ignore[arg-type]
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
