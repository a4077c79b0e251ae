"""The server on the network: what no HTTP is, slow senders, TLS, and an end that answers what was accepted."""

import json
import logging
import random
import signal
import socket
import ssl
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import urllib3
from helpers.engines import WAIT
from helpers.faults import ServerProcess
from helpers.mutations import random_request
from helpers.serving import address

from l2h.serving.http import protocol, server
from l2h.serving.http.application import ServerSettings
from l2h.serving.http.self_check import same_scores
from l2h.serving.http.server import Server, serving
from l2h.serving.onnx.sessions import load_parts

TLS = Path(__file__).resolve().parents[3] / "helpers/tls"
X = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)
HEADERS, BODY = protocol.encode_request(X, id="a")
TEXT = protocol.encode_request(X, binary=False)[1]


def ask(url, headers=HEADERS, body=BODY, **options):
    with urllib3.PoolManager(retries=False, timeout=WAIT, **options) as pool:
        return pool.request("POST", url + protocol.INFER_PATH, headers=headers, body=body)


def status_of(url, path):
    with urllib3.PoolManager(retries=False, timeout=WAIT) as pool:
        return pool.request("GET", url + path)


def raw(url, data, *, end=False):
    """All that a server sends back for these bytes until it closes the connection."""
    with socket.create_connection(address(url), timeout=WAIT) as connection:
        connection.sendall(data)
        if end:  # which a server may take for the end of the connection
            connection.shutdown(socket.SHUT_WR)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
        except ConnectionResetError:
            pass
        return received


def post(body, *headers, version="1.1"):
    lines = [f"POST {protocol.INFER_PATH} HTTP/{version}", "Host: x", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


LENGTH = f"Content-Length: {len(TEXT)}"
CLOSE = "Connection: close"


def test_the_scores_are_the_models(folder, url):
    answer = ask(url)
    expected = load_parts(folder)[1]["server"](X)["e"]
    assert same_scores(protocol.decode_answer(answer.headers, answer.data, n=1, n_classes=2, id="a"), expected)


def test_it_binds_to_this_machine_alone_unless_told_otherwise(folder, caplog):
    with serving(folder) as url:
        assert address(url)[0] == "127.0.0.1"
    assert "there is no token" not in caplog.text
    with serving(folder, host="0.0.0.0") as url:
        assert url.startswith("http://127.0.0.1:")
    assert "everyone who reaches 0.0.0.0 may send requests: there is no token" in caplog.text


@pytest.mark.parametrize(
    ("data", "status", "expected"),
    [
        (b"nonsense\r\n\r\n", 400, "expected an HTTP/1.1 request with at most 16384 bytes of headers, got: "),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "expected an HTTP/1.1 request"),
        (
            b"GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nConnection: close\r\n" + b"a: " + b"b" * 20000 + b"\r\n\r\n",
            431,
            "expected at most 16384 bytes of headers, got ",
        ),
        (post(TEXT, LENGTH, "Content-Length: 1"), 400, "expected an HTTP/1.1 request"),
        (post(TEXT, "Content-Length: -1"), 400, "expected an HTTP/1.1 request"),
        (post(TEXT, "Content-Length: many"), 400, "expected an HTTP/1.1 request"),
        (post(TEXT, "Transfer-Encoding: gzip"), 501, "expected an HTTP/1.1 request"),
        (post(b"zz\r\n", "Transfer-Encoding: chunked"), 400, "expected an HTTP/1.1 request"),
        (post(TEXT, LENGTH, "Transfer-Encoding: chunked", CLOSE), 400, "expected "),
        (post(TEXT, LENGTH, "Content-Encoding: gzip", CLOSE), 415, "expected a body without Content-Encoding"),
        (post(TEXT, LENGTH, *["a: b"] * 70, CLOSE), 431, "expected at most 64 headers, got 73"),
        (post(TEXT[:-1], f"Content-Length: {len(TEXT) - 1}", CLOSE), 400, "expected a JSON object in UTF-8"),
        (post(TEXT, "Content-Length: 99999999", CLOSE), 413, "expected a body of at most 4194304 bytes"),
        (b"GET /v2/../../card.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, "expected a path"),
        (b"GET http://other/v2/health/../x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, "expected a path"),
    ],
)
def test_a_request_that_is_malformed_says_what_was_expected(url, data, status, expected):
    head, _, body = raw(url, data).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert json.loads(body)["error"].startswith(expected)
    assert ask(url).status == 200


@pytest.mark.parametrize(
    "data",
    [
        post(TEXT, LENGTH, CLOSE),
        post(TEXT, LENGTH, version="1.0"),
        post(b"%x\r\n%s\r\n0\r\n\r\n" % (len(TEXT), TEXT), "Transfer-Encoding: chunked", CLOSE),
        post(TEXT, LENGTH, "Expect: 100-continue", CLOSE),
        post(TEXT, LENGTH) + post(TEXT, LENGTH, CLOSE),
        post(b"", CLOSE).replace(b"POST", b"GET").replace(protocol.INFER_PATH.encode(), b"http://other/v2/health/live"),
    ],
)
def test_every_form_of_http_is_understood_or_refused(url, data):
    # the last one is a form for proxies, with GET
    assert raw(url, data).count(b"HTTP/1.1 200") == data.count(b"POST")


def test_a_body_that_ends_too_early_gets_no_scores(url):
    assert b"HTTP/1.1 200" not in raw(url, post(TEXT, "Content-Length: 1000"), end=True)
    assert ask(url).status == 200


def test_slow_senders_are_cut_off(folder):
    settings = ServerSettings(header_seconds=0.2, body_seconds=0.2)
    app = Server(folder, port=0)
    with running(app, late_settings=settings) as url:
        for data, expected in (
            (b"POST /v2/models", b"HTTP/1.1 408"),
            (b"", b"HTTP/1.1 408"),
            (post(TEXT, LENGTH) + post(TEXT, LENGTH)[:30], b"expected all headers within 0.2 s"),
            (post(TEXT[:5], LENGTH), b"expected the whole body within 0.2 s, got 5 bytes of it"),
            (b"GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", b"expected the whole body within 0.2 s"),
        ):
            assert expected in raw(url, data)


@contextmanager
def running(app, late_settings=None):
    """A server in a thread; narrow settings hold from the end of the check at the start."""
    started, faults = threading.Event(), []
    thread = threading.Thread(target=app.run, args=(lambda url, fault: (faults.append(fault), started.set()),))
    thread.start()
    assert started.wait(WAIT) and faults == [None]
    if late_settings is not None:
        app._uvicorn._service.settings = late_settings
    try:
        yield app.url
    finally:
        app.stop()
        thread.join(WAIT)
        assert not thread.is_alive()


def test_a_body_a_little_too_large_is_answered_over_the_network(folder):
    app = Server(folder, port=0)
    with running(app, ServerSettings(max_body=100_000)) as url:
        answer = ask(url, body=b"x" * 150_000)
        assert (answer.status, answer.json()["error"]) == (
            413,
            "expected a body of at most 100000 bytes, got 150000 or more",
        )
        assert ask(url).status == 200


def test_connections_beyond_the_limit_are_sent_away(folder):
    app = Server(folder, port=0)
    with running(app, ServerSettings(max_connections=1)) as url:
        while app._uvicorn.server_state.connections:  # those of the check at the start
            threading.Event().wait(0.01)
        with socket.create_connection(address(url), WAIT) as first:
            first.sendall(post(TEXT, LENGTH))
            assert first.recv(65536).startswith(b"HTTP/1.1 200")  # and stays open
            answer = ask(url)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json()["error"] == "expected fewer connections at once"


def test_with_a_certificate_it_speaks_tls(folder):
    with serving(folder, certificate=TLS / "certificate.pem", key=TLS / "key.pem", token="abc") as url:
        assert url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=TLS / "certificate.pem")
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        options = {"ssl_context": context, "assert_hostname": False}
        assert ask(url, {**HEADERS, "Authorization": "Bearer abc"}, **options).status == 200
        assert ask(url, **options).status == 401
        with pytest.raises(urllib3.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            ask(url)
        assert b"200" not in raw(url, post(TEXT, LENGTH))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"certificate": TLS / "certificate.pem"}, "expected certificate and key, or neither, got one of them"),
        (
            {"certificate": TLS / "key.pem", "key": TLS / "key.pem"},
            r"expected a certificate and its key, got .*key\.pem",
        ),
        (
            {"certificate": TLS / "none.pem", "key": TLS / "key.pem"},
            r"expected a certificate and its key, got .*none\.pem",
        ),
    ],
)
def test_a_certificate_without_its_key_is_refused(folder, options, expected):
    with pytest.raises(ValueError, match=expected):
        Server(folder, port=0, **options)


def test_a_port_that_is_taken_is_an_error(folder, url):
    with pytest.raises(OSError, match="Address already in use"):
        Server(folder, port=address(url)[1])


def test_wrong_scores_over_the_network_keep_it_from_being_ready(folder, monkeypatch, caplog):
    right = server.ask_over_network

    async def wrong(url, headers, body, **options):
        status, answered, answer = await right(url, headers, body, **options)
        return status, answered, answer[:-1] + bytes([answer[-1] ^ 1])  # one bit of the exponent

    monkeypatch.setattr(server, "ask_over_network", wrong)
    app, announced, started = Server(folder, port=0), [], threading.Event()
    thread = threading.Thread(target=app.run, args=(lambda *said: (announced.append(said), started.set()),))
    thread.start()
    try:
        assert started.wait(WAIT)
        ready, infer = status_of(app.url, "/v2/health/ready"), ask(app.url)
    finally:
        app.stop()
        thread.join(WAIT)
    ((said, fault),) = announced
    assert said == app.url and fault.startswith("expected the scores ")
    assert (ready.status, infer.status) == (503, 503)
    assert ready.json()["error"] == infer.json()["error"] == f"not ready: {fault}"
    assert f"not ready: {fault}" in caplog.text
    with (
        pytest.raises(RuntimeError, match="expected a server that is ready, got: expected the scores"),
        serving(folder),
    ):
        pass


def test_what_was_accepted_is_answered_before_the_end(folder):
    app = Server(folder, port=0)
    service = app._uvicorn._service
    entered, free, answered = threading.Event(), threading.Event(), []
    with running(app):
        model = service.model
        service.model = lambda x: (entered.set(), free.wait(), model(x))[-1]
        client = threading.Thread(target=lambda: answered.append(ask(app.url)))
        client.start()
        assert entered.wait(WAIT)
        app.stop()
        while service.fault is None:  # the end has begun
            threading.Event().wait(0.01)
        with pytest.raises(urllib3.exceptions.HTTPError):
            ask(app.url)
        free.set()
        client.join(WAIT)
    assert [answer.status for answer in answered] == [200]


def test_a_signal_ends_the_process_after_its_answers(folder):
    with ServerProcess(folder) as server:
        with urllib3.PoolManager(retries=False, timeout=WAIT) as pool:
            for _ in range(20):
                assert pool.request("POST", server.url + protocol.INFER_PATH, headers=HEADERS, body=BODY).status == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(WAIT) == -signal.SIGTERM


def test_random_requests_over_the_network_get_an_answer_each_and_no_500(url, caplog):
    """Three hundred; the tests of the application send ten thousand without a socket."""
    caplog.set_level(logging.INFO)
    rng = random.Random(3)
    messages = [protocol.encode_request(X.repeat(n, 0), id="a", binary=b) for n in (1, 3) for b in (True, False)]
    statuses = set()
    for _ in range(300):
        method, path, headers, body = random_request(rng, messages)
        lines = [f"{name}: {value}" for name, value in headers]
        if any(name == "transfer-encoding" for name, _ in headers):
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        else:
            lines.append(f"Content-Length: {len(body)}")
        data = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
        received = raw(url, data + "\r\n".join(lines).encode("latin1") + b"\r\n\r\n" + body)
        statuses.add(int(received.split()[1]) if received else None)
    assert statuses <= {200, 400, 404, 405, 408, 413, 415, 431, 501, None}
    assert 200 in statuses and 400 in statuses
    assert "Traceback" not in caplog.text
    assert ask(url).status == 200
