"""Heads that are known: what is parsed once more, and that an answer does not depend on it."""

import asyncio
import contextlib
import itertools
import random
import socket
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.engines import WAIT
from helpers.serving import address
from starlette.responses import Response
from uvicorn.protocols.http.flow_control import FlowControl

from l2h.serving.http import protocol
from l2h.serving.http.connection import KnownHeads, OneWrite, _Exchange

X = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)
HEADERS, BODY = protocol.encode_request(X, id="a")
LENGTH = f"content-length: {len(BODY)}"


def request(*headers, method="POST", body=BODY, version="1.1"):
    given = [f"{name}: {value}" for name, value in HEADERS.items()]
    lines = [f"{method} {protocol.INFER_PATH} HTTP/{version}", "host: x", *given, *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def scope(data, **changes):
    lines = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    headers = [tuple(line.lower().split(b": ")) for line in lines[1:]]
    plain = {"method": "POST", "http_version": "1.1", "path": "/", "raw_path": b"/", "query_string": b""}
    return {**plain, "headers": headers, **changes}


def test_a_whole_request_is_found_by_its_head_alone():
    heads, data = KnownHeads(), request(LENGTH)
    assert heads.whole_request(data) is None
    heads.remember(data[:-5], scope(data))
    known, body = heads.whole_request(data)
    assert (known.length, body) == (len(BODY), BODY)
    assert known.scope["headers"] == scope(data)["headers"]
    other = data[:-1] + b"?"
    assert heads.whole_request(other)[1] == other[-len(BODY) :]


@pytest.mark.parametrize(
    "data", [request(LENGTH)[:-1], request(LENGTH) + b"P", request(LENGTH, "a: b"), b"", b"\r\n\r\n"]
)
def test_what_is_not_exactly_one_request_with_a_known_head_is_none(data):
    heads = KnownHeads()
    heads.remember(request(LENGTH), scope(request(LENGTH)))
    assert heads.whole_request(data) is None


PLAIN = scope(request(LENGTH))


def test_a_long_head_is_not_kept():
    """It came whole, so that h11 has no limit for it, and the memory of 256 of them would be large."""
    heads = KnownHeads()
    for length, expected in ((5000, 0), (3000, 1)):
        data = request(LENGTH, "a: " + length * "b")
        heads.remember(data, scope(data))
        assert len(heads) == expected


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (request(LENGTH, "connection: close"), {}),
        (request(LENGTH, "expect: 100-continue"), {}),
        (request(LENGTH, "upgrade: websocket"), {}),
        (request("transfer-encoding: chunked"), {}),
        (request(), {}),
        (request(LENGTH), {**PLAIN, "method": "GET"}),
        (request(LENGTH), {**PLAIN, "http_version": "1.0"}),
        (request(LENGTH)[:50], PLAIN),
        (request("a: b\n\nPOST / HTTP/1.1", LENGTH), PLAIN),
    ],
    ids=["close", "expect", "upgrade", "chunked", "no length", "GET", "HTTP/1.0", "no end", "an earlier end"],
)
def test_other_heads_are_not_kept(data, read):
    heads = KnownHeads()
    heads.remember(data, read or scope(data))
    assert len(heads) == 0


def test_the_oldest_head_makes_room():
    heads = KnownHeads(capacity=2)
    for k in range(4):
        data = request(LENGTH, f"k: {k}")
        heads.remember(data, scope(data))
    assert len(heads) == 2
    assert [heads.whole_request(request(LENGTH, f"k: {k}")) is None for k in range(4)] == [True, True, False, False]


def read_answer(connection, received=b""):
    """The next answer without its date, and what came behind it."""
    while b"\r\n\r\n" not in received:
        received += received_from(connection)
    head, _, rest = received.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"date: ")]
    length = next(int(line.split()[1]) for line in lines if line.lower().startswith(b"content-length: "))
    while len(rest) < length:
        rest += received_from(connection)
    return (sorted(lines), rest[:length]), rest[length:]


def received_from(connection):
    part = connection.recv(65536)
    assert part, "the connection ended before the answer"
    return part


@contextlib.contextmanager
def connected(url):
    """A connection on which h11 has read the head of `request(LENGTH)`, and its answer."""
    with socket.create_connection(address(url), timeout=WAIT) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request(LENGTH))
        yield connection, read_answer(connection)[0]


def test_a_known_head_changes_no_answer(url):
    with connected(url) as (connection, first):
        assert first[1] and b"HTTP/1.1 200 OK" in first[0]
        for _ in range(3):
            connection.sendall(request(LENGTH))
            assert read_answer(connection) == (first, b"")
        connection.sendall(request(LENGTH, body=b"!" * len(BODY)))
        (lines, body), _ = read_answer(connection)
        assert b"HTTP/1.1 400 Bad Request" in lines and body.startswith(b'{"error":"expected ')
        connection.sendall(request(LENGTH))
        assert read_answer(connection) == (first, b"")


def test_requests_in_one_piece_and_in_many_get_their_answers_in_order(url):
    """Whole ones, halves, and the next one while the last is being answered, in pieces cut at seeded places."""
    rng = random.Random(0)
    with connected(url) as (connection, first):
        for _ in range(20):
            data = b"".join(request(*rng.choice([[LENGTH], [LENGTH, "a: b"]])) for _ in range(6))
            cuts = sorted({0, len(data), *(rng.randrange(len(data)) for _ in range(rng.randrange(8)))})
            for start, end in itertools.pairwise(cuts):
                connection.sendall(data[start:end])
            rest = b""
            for _ in range(6):
                answer, rest = read_answer(connection, rest)
                assert answer == first
            assert rest == b""


def test_a_sender_that_leaves_after_a_known_head_disturbs_nobody(url):
    for _ in range(5):
        with connected(url) as (connection, first):
            connection.sendall(request(LENGTH) * 2)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
    with connected(url) as (_, again):
        assert again == first


@pytest.mark.parametrize("leaves", [False, True])
def test_an_answer_waits_while_the_other_side_reads_none(leaves):
    class Transport:
        def __init__(self):
            self.written = []

        def write(self, data):
            self.written.append(data)

        def close(self):
            self.written.append("end")

    async def scenario():
        transport = Transport()
        connection = SimpleNamespace(
            transport=transport,
            flow=FlowControl(transport),
            server_state=SimpleNamespace(default_headers=[]),
            on_response_complete=lambda: None,
        )
        exchange = _Exchange(connection, {"type": "http", "headers": []}, b"")
        connection.flow.pause_writing()
        task = asyncio.create_task(exchange.run(Response(b"scores")))
        for _ in range(10):
            await asyncio.sleep(0)
        assert transport.written == [] and not exchange.response_complete
        exchange.disconnected = leaves
        connection.flow.resume_writing()
        await task
        return transport.written

    written = asyncio.run(scenario())
    assert written == ["end"] if leaves else written[0].endswith(b"scores")


def test_what_is_written_in_one_step_is_sent_at_once_and_before_the_end():
    class Transport:
        sent, closed = [], False

        def write(self, data):
            self.sent.append(data)

        def is_closing(self):
            return self.closed

        def close(self):
            self.closed = True

    async def scenario():
        transport = Transport()
        one = OneWrite(transport, asyncio.get_running_loop())
        one.write(b"head")
        one.write(b"")
        one.write(b"body")
        assert transport.sent == [] and not one.is_closing()
        await asyncio.sleep(0)
        one.write(b"last")
        one.close()
        one.write(b"nobody reads this")
        await asyncio.sleep(0)
        assert transport.sent == [b"headbody", b"last"]

    asyncio.run(scenario())
