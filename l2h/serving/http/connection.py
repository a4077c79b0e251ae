"""One connection to the server: it parses HTTP with h11, and a head that it has seen before no more; it has limits."""

import asyncio
import logging
import sys
from typing import Any, NamedTuple

import h11
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from l2h.serving.http import protocol
from l2h.serving.http.application import RETRY, Refused, Service, refusal

logger = logging.getLogger(__name__)

END = b"\r\n\r\n"  # of a head
LARGEST_HEAD = 4096  # bytes of one that is kept; h11 accepts any that comes whole
SPECIAL_HEADERS = {b"connection", b"expect", b"transfer-encoding", b"upgrade"}  # these change more than the request


class KnownHead(NamedTuple):
    """What h11 read in a head."""

    scope: Scope  # of ASGI: method, path, query and headers
    length: int  # of the body, bytes


class KnownHeads:
    """Heads of requests that h11 has accepted, by their bytes: the same bytes mean the same once more.

    A device sends the same head for each input of one size, and h11 takes longer to read it than the answer takes to
    be written. Heads of requests that are refused are kept, too, so that their number and their lengths are limited.
    """

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._heads: dict[bytes, KnownHead] = {}

    def __len__(self) -> int:
        """The number of heads that it keeps; the oldest makes room for a new one."""
        return len(self._heads)

    def remember(self, data: bytes, scope: Scope) -> None:
        """Keep the head with which data begins, if it is a short plain POST with the length of its body.

        Args:
            data: the first bytes that came for this request.
            scope: what h11 read in it.
        """
        head, end, _ = data.partition(END)
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        names = [name for name, _ in headers]
        if (
            end
            and len(head) <= LARGEST_HEAD
            and scope["method"] == "POST"
            and scope["http_version"] == "1.1"
            and names.count(b"content-length") == 1
            and SPECIAL_HEADERS.isdisjoint(names)
            and head.count(b"\n") == head.count(b"\r\n")  # h11 takes an empty line that ends with \n alone, too
        ):
            if len(self._heads) >= self._capacity:
                del self._heads[next(iter(self._heads))]
            kept = {key: scope[key] for key in ("method", "path", "raw_path", "query_string", "headers")}
            self._heads[head + end] = KnownHead(kept, int(dict(headers)[b"content-length"]))

    def whole_request(self, data: bytes) -> tuple[KnownHead, bytes] | None:
        """The head and the body of data that is exactly one request with a known head, else None."""
        end = data.find(END) + len(END)
        known = self._heads.get(data[:end])
        return (known, data[end:]) if known is not None and len(data) == end + known.length else None


class _Exchange:
    """A request with a known head, and its answer; it has the attributes of uvicorn's cycle, whose place it takes."""

    def __init__(self, connection: "Connection", scope: Scope, body: bytes) -> None:
        self.response_complete = self.disconnected = False
        self.keep_alive = True
        self.message_event = asyncio.Event()
        self._connection, self._scope, self._body = connection, scope, body
        self._unread = True
        self._start: Message = {}

    async def run(self, app: ASGIApp) -> None:
        """Let the application answer; without an answer the connection is closed."""
        try:
            await app(self._scope, self._receive, self._send)
        except Exception:
            logger.exception("a request failed")
        finally:
            if not self.response_complete:
                self._connection.transport.close()

    async def _receive(self) -> Message:
        if self._unread:
            self._unread = False
            return {"type": "http.request", "body": self._body, "more_body": False}
        while not (self.disconnected or self.response_complete):
            await self.message_event.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        await self._connection.flow.drain()  # as long as the other side reads no answers
        if self.disconnected:
            return
        headers = [*self._connection.server_state.default_headers, *self._start["headers"]]
        self.keep_alive &= (b"connection", b"close") not in headers
        if not self.keep_alive:
            headers = [*(pair for pair in headers if pair[0] != b"connection"), (b"connection", b"close")]
        status = self._start["status"]
        lines = [b"HTTP/1.1 %d %s" % (status, STATUS_PHRASES[status]), *(b"%s: %s" % pair for pair in headers)]
        self._connection.transport.write(b"\r\n".join(lines) + END + message["body"])
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self._connection.transport.close()
        self._connection.on_response_complete()


class OneWrite:
    """A transport that sends in one system call what is written in one step of the event loop.

    Head and body of an answer are written one after the other. Each system call wakes the reader, and on a busy machine
    the server then waits for its turn.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send data at the end of this step of the event loop."""
        if data:
            if not self._parts:
                self._loop.call_soon(self._flush)
            self._parts.append(data)

    def close(self) -> None:
        """Send what was written, then close."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))


class Connection(H11Protocol):
    """One connection: it waits for headers only so long, and says what it expected of a request that is no HTTP."""

    def __init__(self, *, service: Service, heads: KnownHeads, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._heads = heads
        self._held = b""  # what came before the answer to a request with a known head
        self.access_log = False  # paths are what others wrote
        self._service = service
        self._headers_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called once, at the start; one connection too many gets the same answer to each request."""
        super().connection_made(OneWrite(transport, self.loop))  # type: ignore[arg-type]
        if len(self.connections) > self._service.settings.max_connections:
            self.app = _too_many_connections
        self._watch_headers(begun=True)

    def data_received(self, data: bytes) -> None:
        """Called with whatever has come: a part of a request, a request, or more."""
        before = self.cycle
        at_rest = before is None or before.response_complete
        if isinstance(before, _Exchange) and not at_rest:
            self._held += data
            self.flow.pause_reading()
            return
        at_rest = at_rest and self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]
        if at_rest and (whole := self._heads.whole_request(data)):
            self._answer(*whole)
            return
        super().data_received(data)
        if at_rest and self.cycle is not before:
            self._heads.remember(data, dict(self.scope))
        self._watch_headers(begun=self._has_part_of_headers())

    def _answer(self, head: KnownHead, body: bytes) -> None:
        """Begin to answer a whole request with a known head."""
        self._unset_keepalive_if_required()
        self._watch_headers(begun=False)
        connection = {"type": "http", "http_version": "1.1", "server": self.server, "client": self.client}
        scope = {**connection, "scheme": self.scheme, "root_path": self.root_path, **head.scope}
        self.cycle = _Exchange(self, scope, body)  # type: ignore[assignment]
        task = self.loop.create_task(self.cycle.run(self.app))  # type: ignore[attr-defined]
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        """Called after an answer; behind its request the next one may have begun."""
        super().on_response_complete()
        self._watch_headers(begun=self._has_part_of_headers())
        held, self._held = self._held, b""
        if held and not self.transport.is_closing():
            self.data_received(held)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called once, at the end."""
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
