"""A bad network and bad servers: a seeded TCP proxy that breaks what passes, and a server with given answers."""

import asyncio
import contextlib
import http.server
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

CHUNK = 65536
OPEN_ENDED = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"  # its body ends with the connection


@dataclass(frozen=True)
class Fault:
    """What happens to a request and its answer; several parts may be set at once."""

    drop: float = 0.0  # this share of requests vanishes, and their connection is dead from then on
    delay: float = 0.0  # seconds before each chunk of a request and of an answer is passed on
    latency: float = 0.0  # seconds for which a request is held back, and its answer, however many chunks it has
    freeze: bool = False  # the server's answer never arrives
    reset_after: int | None = None  # bytes of the answer after which the connection is reset
    garbage: bool = False  # random bytes in place of the answer
    oversized: int = 0  # an answer of this many bytes that does not state its length
    rate: float | None = None  # bytes per second of the answer
    replaced: tuple[bytes, bytes] | None = None  # these bytes of the answer by those of the same length


def named(value: Any) -> str:
    """A fault by the parts that are set, for the names of tests."""
    if not isinstance(value, Fault):
        return str(value)
    return "-".join(f"{part}={is_set}" for part, is_set in vars(value).items() if is_set != getattr(Fault, part))


@dataclass
class Request:
    """The request under way on a connection, with the fault that was set when it began."""

    fault: Fault = Fault()
    dropped: bool = False
    answered: int = 1  # bytes of the answer passed on; 0 while the request is read
    due: float = 0.0  # when the loop's clock lets the request, or the answer, pass


class Proxy:
    """A TCP proxy on 127.0.0.1 in a thread of its own; `log` holds (what happened, number of bytes) in order.

    `with Proxy(port) as proxy:` passes connections to `proxy.port` on to `port`. `fault` and `target` may be set at any
    time, and count for the requests, or connections, that begin afterwards.
    """

    def __init__(self, target: int, *, fault: Fault = Fault(), seed: int = 0):
        self.target, self.fault, self.port = target, fault, 0
        self.log: list[tuple[str, int]] = []
        self._random = random.Random(seed)
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        starting = asyncio.start_server(self._connection, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def count(self, event: str) -> int:
        """How often something happened: request, dropped, frozen, reset, garbage, oversized, refused."""
        return sum(name == event for name, _ in list(self.log))

    async def _stop(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        for _ in range(3):  # the loop needs a few steps to close what was aborted
            await asyncio.sleep(0)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            self.log.append(("refused", 0))
            _reset(writer)
            return
        request = Request()
        self._writers |= {writer, server_writer}
        passing = [
            asyncio.ensure_future(self._requests(reader, server_writer, request)),
            asyncio.ensure_future(self._answers(server_reader, writer, request)),
        ]
        with contextlib.suppress(asyncio.CancelledError):  # the proxy stops
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
        for one in (writer, server_writer):
            one.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await one.wait_closed()
                self._writers.discard(one)

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request) -> None:
        while chunk := await reader.read(CHUNK):
            if request.answered:  # the last answer has begun, so this is a new request
                request.answered, request.fault = 0, self.fault
                request.due = self._loop.time() + self.fault.latency
                request.dropped = request.dropped or self._random.random() < self.fault.drop
                self.log.append(("dropped" if request.dropped else "request", len(chunk)))
            await asyncio.sleep(request.fault.delay + max(0.0, request.due - self._loop.time()))
            if not request.dropped:
                writer.write(chunk)
                await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request) -> None:
        while chunk := await reader.read(CHUNK):
            fault = request.fault
            if not request.answered:
                request.due = self._loop.time() + fault.latency
            await asyncio.sleep(fault.delay + max(0.0, request.due - self._loop.time()))
            if fault.freeze:
                self.log.append(("frozen", len(chunk)))
                await asyncio.Event().wait()
            if fault.oversized:
                await self._oversized(writer, fault.oversized)
                break
            if fault.garbage:
                self.log.append(("garbage", len(chunk)))
                chunk = self._random.randbytes(len(chunk)) + b"\n"  # HTTP would wait for the end of a line
            if fault.replaced:
                chunk = chunk.replace(*fault.replaced)
            if fault.reset_after is not None and request.answered + len(chunk) > fault.reset_after:
                writer.write(chunk[: fault.reset_after - request.answered])
                await writer.drain()
                self.log.append(("reset", fault.reset_after))
                _reset(writer)
                break
            await _write(writer, chunk, fault.rate)
            request.answered += len(chunk)

    async def _oversized(self, writer: asyncio.StreamWriter, length: int) -> None:
        self.log.append(("oversized", length))
        with contextlib.suppress(ConnectionError):  # whoever reads has given up
            writer.write(OPEN_ENDED)
            for _ in range(0, length, CHUNK):
                writer.write(bytes(CHUNK))
                await writer.drain()


async def _write(writer: asyncio.StreamWriter, chunk: bytes, rate: float | None) -> None:
    step = len(chunk) if rate is None else 1
    for at in range(0, len(chunk), step):
        writer.write(chunk[at : at + step])
        await writer.drain()
        if rate is not None:
            await asyncio.sleep(1 / rate)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side sees a reset, not an end."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.contextmanager
def answering(respond: Any, *, context: Any = None) -> Any:
    """The port of a server whose every answer is `respond(path, headers, body) -> (status, headers, body)`."""

    connections: list[socket.socket] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            connections.append(self.request)
            super().setup()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, answer = respond(self.path, self.headers, body)
            self.send_response(status)
            for name, value in ({"Content-Length": len(answer)} | headers).items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            """Nothing: tests count what they need."""

        def handle(self) -> None:
            with contextlib.suppress(OSError):  # the device hangs up where it has seen enough
                super().handle()

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False  # so that all of them are joined at the end
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        for connection in connections:
            with contextlib.suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()
        thread.join()


class ServerProcess:
    """The server of a helper in a process of its own, which can be killed, frozen and started again at its port.

    Args:
        folder: of the helper.
        token: of the server.
        stuck: whether its model never ends a batch, once the check at the start is done.
        slow: seconds that its model takes longer for a batch, from then on.
        settings: of `ServerSettings`.
    """

    def __init__(
        self, folder: Any, *, token: str | None = None, stuck: bool = False, slow: float = 0.0, **settings: Any
    ):
        self.port = 0
        self._folder, self._token, self._settings = folder, token, settings
        self._sleep = 3600 if stuck else slow

    def __enter__(self) -> "ServerProcess":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "ServerProcess":
        """Start it, at the port that it had before if any, and wait until it is ready."""
        options = {"folder": str(self._folder), "port": self.port, "token": self._token}
        code = SERVER_PROCESS.format(options=options, settings=self._settings, sleep=self._sleep)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([sys.executable, "-c", code], **pipes)
        hanging = threading.Timer(120, self.process.kill)
        hanging.start()
        line = self.process.stdout.readline().split()
        hanging.cancel()
        if not line or line[1] != "None":
            self.kill()
            raise RuntimeError(f"expected a server that is ready, got {line}")
        self.port = int(line[0].rpartition(":")[2])
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


SERVER_PROCESS = """
import os, sys, threading, time
from l2h.serving.http.application import ServerSettings
from l2h.serving.http.server import Server

def end_with_the_tests():
    sys.stdin.read()
    os._exit(1)

def announce(url, fault):
    service = server._uvicorn._service
    if {sleep}:
        service.model = lambda x, model=service.model: time.sleep({sleep}) or model(x)
    print(url, fault, flush=True)

threading.Thread(target=end_with_the_tests, daemon=True).start()
server = Server(settings=ServerSettings(**{settings}), **{options})
server.run(announce)
"""
