"""One exchange over HTTP with one deadline: pooled connections, no redirect, no second try, a cap on the answer.

urllib3's time-outs hold for each read, so that a server that sends one byte per second passes them. Here a socket's
time-out counts from the moment it is set, for all reads and writes together.
"""

import functools
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
)
from urllib3.util import Timeout, parse_url

from l2h.serving.http.protocol import authorization

PIECE = 65536  # bytes of an answer read at once
CONNECTIONS = 8  # idle ones that are kept


class ExchangeError(OSError):
    """An exchange without an answer; `reason` is "timeout", "connection" or "too_large"."""

    def __init__(self, reason: str, detail: object) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class HttpAnswer(NamedTuple):
    """An answer of any status."""

    status: int
    headers: Mapping[str, str]  # names in any case
    body: bytes


class Exchange:
    """Requests to one server over pooled connections; calls from several threads at once are safe.

    After a fork the child connects anew: on a connection that two processes share, each would read the other's answers.

    Args:
        url: http or https, of the server's root; without user name, query and fragment.
        ca: file of the certificates that are trusted, PEM; the system's without it. Certificates and host names are
            always verified.
        token: sent as `Authorization: Bearer`, never logged or shown.

    Raises:
        FileNotFoundError: if there is no file `ca`.
        ValueError: if the URL, the token or the certificates are not as described; a token is not repeated.
    """

    def __init__(self, url: str, *, ca: str | Path | None = None, token: str | None = None) -> None:
        parsed = parse_url(url)
        if parsed.scheme not in ("http", "https") or not parsed.host or parsed.auth or parsed.query or parsed.fragment:
            shown = "a URL with a user name" if parsed.auth else repr(url)
            raise ValueError(f"expected a URL as http://host:port or https://host:port, got {shown}")
        if ca is not None and parsed.scheme == "http":
            raise ValueError(f"expected an https URL beside trusted certificates, got {url!r}")
        self.url = url.rstrip("/")
        self._path = (parsed.path or "").rstrip("/")
        self._headers = {} if token is None else {"Authorization": authorization(token)}
        host, port = parsed.host.strip("[]"), parsed.port
        context = None if parsed.scheme == "http" else _context(ca)
        self._new_pool = functools.partial(_pool, host, port, context)
        self._pool, self._process = self._new_pool(), os.getpid()

    def __repr__(self) -> str:
        return f"Exchange({self.url!r})"

    def post(self, path: str, headers: Mapping[str, str], body: bytes, *, seconds: float, largest: int) -> HttpAnswer:
        """The answer to one POST request.

        Args:
            path: below the server's root, with a leading slash.
            headers: of the request; the token is added.
            body: of the request.
            seconds: for all of it, from the host's name to the last byte of the answer; > 0.
            largest: number of bytes that the answer's body may have.

        Raises:
            ExchangeError: if there is no complete answer in time.
        """
        end = time.monotonic() + seconds
        if self._process != os.getpid():
            self._pool, self._process = self._new_pool(), os.getpid()
        try:
            response = self._pool.urlopen(
                "POST",
                self._path + path,
                body=body,
                headers={**headers, **self._headers},
                timeout=Timeout(total=seconds),
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                return HttpAnswer(response.status, response.headers, _body(response, largest))
            finally:
                response.close()  # after a complete answer the connection is in the pool again, and stays open
        except (HTTPError, OSError, ValueError) as fault:  # ValueError: of headers that break HTTP
            if isinstance(fault, ExchangeError):
                raise
            late = isinstance(fault, ReadTimeoutError | ConnectTimeoutError | TimeoutError) or time.monotonic() >= end
            late = late and not isinstance(fault, NewConnectionError)  # which urllib3 derives from a time-out
            raise ExchangeError("timeout" if late else "connection", type(fault).__name__) from fault

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()


def _pool(host: str, port: int | None, context: ssl.SSLContext | None) -> urllib3.HTTPConnectionPool:
    """A pool of connections to one server, over TLS where there is a context."""
    if context is None:
        plain = urllib3.HTTPConnectionPool(host, port, maxsize=CONNECTIONS)
        plain.ConnectionCls = _Connection
        return plain
    secure = urllib3.HTTPSConnectionPool(host, port, maxsize=CONNECTIONS, ssl_context=context)
    secure.ConnectionCls = _TlsConnection
    return secure


def _body(response: Any, largest: int) -> bytes:
    """The body of an answer, read piece by piece, so that memory holds at most `largest` and one piece."""
    pieces, length = [], 0
    while piece := response.read(min(PIECE, largest + 1), decode_content=False):
        length += len(piece)
        if length > largest:
            raise ExchangeError("too_large", f"expected at most {largest} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _context(ca: str | Path | None) -> ssl.SSLContext:
    """Verifies certificates and host names; its sockets have a total time-out."""
    if ca is not None and not Path(ca).is_file():
        raise FileNotFoundError(f"expected a file of trusted certificates, got {ca}")
    try:
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        raise ValueError(f"expected PEM certificates in {ca}, got a file without") from error
    context.sslsocket_class = _TlsSocket
    return context


class _TotalTimeout(socket.socket):
    """A socket whose time-out counts from the moment it is set, over all reads and writes together."""

    _end = float("inf")

    def settimeout(self, seconds: float | None) -> None:
        self._end = float("inf") if seconds is None else time.monotonic() + seconds
        super().settimeout(seconds)

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        self._set_rest()
        return super().recv_into(*arguments, **named)

    def send(self, *arguments: Any, **named: Any) -> int:
        self._set_rest()
        return super().send(*arguments, **named)

    def sendall(self, *arguments: Any, **named: Any) -> None:
        self._set_rest()
        super().sendall(*arguments, **named)

    def _set_rest(self) -> None:
        if self._end < float("inf"):
            if (rest := self._end - time.monotonic()) <= 0:
                raise TimeoutError("timed out")
            super().settimeout(rest)


class _TlsSocket(_TotalTimeout, ssl.SSLSocket):
    """The same over TLS."""


class _Connection(HTTPConnection):
    """Connects within its time-out, all addresses and the look-up of the host's name together."""

    def _new_conn(self) -> socket.socket:
        end = time.monotonic() + float(self.timeout or 0)
        fault: OSError = TimeoutError("timed out")
        for family, address in _addresses(self, end):
            sock = _TotalTimeout(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(max(end - time.monotonic(), 1e-3))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.connect(address)
                sock.settimeout(max(end - time.monotonic(), 1e-3))
                return sock
            except OSError as error:
                fault = error
                sock.close()
            if time.monotonic() >= end:
                break
        if isinstance(fault, TimeoutError):
            raise ConnectTimeoutError(self, "Connecting timed out") from fault
        raise NewConnectionError(self, f"Failed to establish a new connection: {fault}") from fault


class _TlsConnection(HTTPSConnection):
    """The same over TLS."""

    _new_conn = _Connection._new_conn


def _addresses(connection: HTTPConnection, end: float) -> list[tuple[socket.AddressFamily, Any]]:
    """The addresses of a host, looked up in a thread, since a look-up has no time-out."""
    found: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found.put(socket.getaddrinfo(connection.host, connection.port, type=socket.SOCK_STREAM))
        except OSError as error:
            found.put(error)

    threading.Thread(target=look_up, daemon=True).start()
    try:
        addresses = found.get(timeout=max(end - time.monotonic(), 0))
    except queue.Empty:
        raise ConnectTimeoutError(connection, "Looking up the host's name timed out") from None
    if isinstance(addresses, socket.gaierror):
        raise NameResolutionError(connection.host, connection, addresses)
    if isinstance(addresses, OSError):
        raise NewConnectionError(connection, f"Failed to look up the host's name: {addresses}")
    return [(family, address) for family, _, _, _, address in addresses]
