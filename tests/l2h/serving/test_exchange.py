"""One exchange ends within its deadline and its cap, whatever the server does, and shows no token."""

import contextlib
import logging
import os
import random
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from unittest.mock import MagicMock

import pytest
from helpers.faults import Fault, Proxy, answering, named

from l2h.serving import exchange
from l2h.serving.exchange import Exchange, ExchangeError

SECONDS = 0.3
LATEST = 30  # a busy machine may need this long for what takes a fraction of a second
TOKEN = "a-token-that-nobody-sees"


def echo(path, headers, body):
    return 200, {"Path": path, "Token": str(headers["Authorization"])}, body


def fails(client, reason, *, seconds=SECONDS, largest=1000):
    started = time.monotonic()
    with pytest.raises(ExchangeError, match=f"^{reason}: ") as caught:
        client.post("/infer", {}, b"body", seconds=seconds, largest=largest)
    assert caught.value.reason == reason
    assert time.monotonic() - started < LATEST


@contextlib.contextmanager
def connected(port, **options):
    client = Exchange(f"http://127.0.0.1:{port}", **options)
    try:
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def sending(*pieces, every=0.0, closes=False):
    """The port of a server that reads a request, sends these pieces one after another, and then waits or closes."""
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as opened:
        ended = threading.Event()

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    opened.enter_context(connection)
                    connection.recv(65536)
                    for piece in pieces:
                        connection.sendall(piece)
                        if ended.wait(every):
                            return
                    if closes:
                        connection.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_an_answer_of_any_status_comes_back_with_headers_and_body():
    with answering(lambda *_: (429, {"Retry-After": "1"}, b"full")) as port, connected(port) as client:
        answer = client.post("/infer", {}, b"body", seconds=LATEST, largest=4)
    assert (answer.status, answer.headers["Retry-After"], answer.body) == (429, "1", b"full")


def test_connections_are_used_again_also_after_the_server_has_closed_them():
    with answering(echo) as port, Proxy(port) as proxy, connected(proxy.port) as client:
        for _ in range(5):
            assert client.post("/infer", {}, b"body", seconds=LATEST, largest=4).body == b"body"
        assert client._pool.num_connections == 1
    with answering(echo) as port, Proxy(port) as proxy, connected(proxy.port) as client:
        proxy.fault = Fault(reset_after=20)
        fails(client, "connection", seconds=LATEST)
        proxy.fault = Fault()
        assert client.post("/infer", {}, b"body", seconds=LATEST, largest=4).status == 200


def test_a_url_may_hold_a_path_and_a_token_goes_with_each_request():
    with answering(echo) as port:
        client = Exchange(f"http://127.0.0.1:{port}/below/", token=TOKEN)
        answer = client.post("/infer", {"Id": "1"}, b"body", seconds=LATEST, largest=4)
        client.close()
    assert (answer.headers["Path"], answer.headers["Token"]) == ("/below/infer", f"Bearer {TOKEN}")


def test_a_redirect_is_not_followed():
    asked = []

    def redirect(path, headers, body):
        asked.append(path)
        return 307, {"Location": "/elsewhere"}, b""

    with answering(redirect) as port, connected(port) as client:
        assert client.post("/infer", {}, b"body", seconds=LATEST, largest=4).status == 307
    assert asked == ["/infer"]


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([], id="nothing"),
        pytest.param([b"x"] * 1000, id="status"),
        pytest.param([HEAD, *[b"A"] * 1000], id="headers"),
        pytest.param([HEAD + b"Content-Length: 999\r\n\r\n", *[b"x"] * 999], id="body"),
        pytest.param([HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 1000], id="chunks"),
        pytest.param([b"HTTP/1.1 100 Continue\r\n\r\n"] * 1000, id="never more than continue"),
    ],
)
def test_a_server_that_sends_byte_after_byte_passes_no_deadline(pieces):
    with sending(*pieces, every=0.05) as port, connected(port) as client:
        fails(client, "timeout")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(freeze=True), "timeout"),
        (Fault(drop=1.0), "timeout"),
        (Fault(delay=60), "timeout"),
        (Fault(rate=20), "timeout"),
        (Fault(reset_after=0), "connection"),
        (Fault(reset_after=10), "connection"),
        (Fault(reset_after=150), "connection"),
        (Fault(garbage=True), "connection"),
        (Fault(oversized=10**9), "too_large"),
    ],
    ids=named,
)
def test_each_fault_of_the_network_has_its_reason(fault, reason):
    with (
        answering(lambda *_: (200, {}, bytes(1000))) as port,
        Proxy(port, fault=fault) as proxy,
        connected(proxy.port) as client,
    ):
        fails(client, reason, seconds=SECONDS if reason == "timeout" else LATEST)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Length": "1001"}, bytes(1001)),
        ({"Content-Length": "1001", "Transfer-Encoding": "chunked"}, b"3e9\r\n" + bytes(1001) + b"\r\n0\r\n\r\n"),
    ],
    ids=["length", "chunks"],
)
def test_the_cap_holds_to_the_byte(headers, body):
    with answering(lambda *_: (200, headers, body)) as port, connected(port) as client:
        fails(client, "too_large", seconds=LATEST)
        assert len(client.post("/infer", {}, b"", seconds=LATEST, largest=1001).body) == 1001


def test_nobody_at_the_port_and_no_such_host_are_connections(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with connected(port) as client:
        fails(client, "connection", seconds=LATEST)
    unknown = MagicMock(side_effect=socket.gaierror("no such host"))
    monkeypatch.setattr(exchange.socket, "getaddrinfo", unknown)
    fails(Exchange("http://no-such-host.invalid:1"), "connection", seconds=LATEST)
    assert unknown.called


def test_a_look_up_of_the_hosts_name_that_never_ends_passes_no_deadline(monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(exchange.socket, "getaddrinfo", lambda *_, **__: ended.wait())
    fails(Exchange("http://some-host.invalid:1"), "timeout")
    ended.set()


WELL_FORMED = [
    HEAD + b"Content-Length: 5\r\nX: y\r\n\r\nhello",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n\r\n{}",
]
PIECES = [
    b"\r\n", b"-1", b"0", b"9" * 20, b":", b" ", b"\x00", b"\xff", b"\xc3\xa9", b"x" * 70000, b"A: b\r\n" * 150,
    b"Content-Length: 7\r\n", b"Content-Length: -5\r\n", b"Transfer-Encoding: chunked\r\n", b"Location: //[\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204 No\r\n\r\n", b"f" * 20 + b"\r\n",
]  # fmt: skip


def mutated(answer, rng):
    for _ in range(rng.randint(0, 4)):
        at = rng.randrange(len(answer) + 1)
        inserted = rng.choice([rng.choice(PIECES), bytes([rng.randrange(256)]), b""])
        answer = answer[:at] + inserted + answer[at + rng.randint(0, 8) * (not inserted) :]
    return answer


def test_mutated_answers_end_as_an_answer_or_as_an_error():
    rng = random.Random(0)
    outcomes = Counter()
    for _ in range(150):
        with sending(mutated(rng.choice(WELL_FORMED), rng), closes=True) as port, connected(port) as client:
            try:
                outcomes[client.post("/infer", {}, b"body", seconds=LATEST, largest=100).status] += 1
            except ExchangeError as error:
                outcomes[error.reason] += 1
    assert {200, 302, 401, "connection"} <= set(outcomes)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of "localhost" that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    paths = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-out", paths[0], "-keyout", paths[1], "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    return paths


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def test_tls_verifies_certificate_and_host(certificate, tls):
    with answering(echo, context=tls) as port:
        trusting = Exchange(f"https://localhost:{port}", ca=certificate[0], token=TOKEN)
        for _ in range(2):
            assert trusting.post("/infer", {}, b"body", seconds=LATEST, largest=4).body == b"body"
        assert trusting._pool.num_connections == 1
        trusting.close()
        fails(Exchange(f"https://localhost:{port}"), "connection", seconds=LATEST)
        fails(Exchange(f"https://127.0.0.1:{port}", ca=certificate[0]), "connection", seconds=LATEST)


@pytest.mark.parametrize("fault", [Fault(rate=20), Fault(freeze=True), Fault(delay=60)], ids=named)
def test_tls_has_the_same_deadline(certificate, tls, fault):
    with answering(echo, context=tls) as port, Proxy(port, fault=fault) as proxy:
        fails(Exchange(f"https://localhost:{proxy.port}", ca=certificate[0]), "timeout")


def test_tls_has_the_deadline_for_an_answer_byte_by_byte(certificate, tls):
    """The handshake is over; only the answer is slow."""
    with answering(echo, context=tls) as port, Proxy(port) as proxy:
        client = Exchange(f"https://localhost:{proxy.port}", ca=certificate[0])
        assert client.post("/infer", {}, b"body", seconds=LATEST, largest=4).body == b"body"
        proxy.fault = Fault(rate=20)
        fails(client, "timeout")
        client.close()


def test_a_token_is_never_shown_or_logged(caplog):
    caplog.set_level(logging.DEBUG)
    with answering(echo) as port, connected(port, token=TOKEN) as client:
        client.post("/infer", {}, b"body", seconds=LATEST, largest=4)
        fails(client, "too_large", largest=1, seconds=LATEST)
        assert TOKEN not in repr(client) + str(client)
    assert caplog.records and TOKEN not in caplog.text
    with pytest.raises(ValueError, match="expected a token of visible ASCII characters") as caught:
        Exchange("http://127.0.0.1:1", token=f"{TOKEN}\n")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["localhost:80", "ftp://host", "http://", "http://h?q", "http://h#f", "http://u:p4ss@h"]
)
def test_another_url_is_refused(url):
    with pytest.raises(ValueError, match="expected a URL as http") as caught:
        Exchange(url)
    assert "p4ss" not in str(caught.value)


def test_certificates_are_checked_at_load(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a file of trusted certificates, got"):
        Exchange("https://host", ca=tmp_path / "none.pem")
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ValueError, match="expected PEM certificates in"):
        Exchange("https://host", ca=tmp_path / "empty.pem")
    with pytest.raises(ValueError, match="expected an https URL"):
        Exchange("http://host", ca=tmp_path / "empty.pem")


def test_after_a_fork_the_child_uses_a_connection_of_its_own():
    """The server answers one request of each connection, so that the parent's has no answer for the child."""
    with sending(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as port, connected(port) as client:
        client.post("/", {}, b"parent", seconds=LATEST, largest=100)
        child = os.fork()
        if child == 0:
            with contextlib.suppress(ExchangeError):
                if client.post("/", {}, b"child", seconds=LATEST, largest=100).body == b"ok":
                    os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
