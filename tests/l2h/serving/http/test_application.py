"""The server's application: every request gets one answer that says what was expected, within its limits."""

import asyncio
import logging
import random
import sys
import threading
from collections import Counter

import numpy as np
import pytest
from helpers.asgi import answers, exchange
from helpers.mutations import random_request
from helpers.serving import small_helper

from l2h.serving.http import application, protocol
from l2h.serving.http.application import ServerSettings, make_app
from l2h.serving.onnx.sessions import load_parts

X = np.array([[1.0, 2.0, 3.0]], dtype=np.float32)
HEADERS, BODY = protocol.encode_request(X, id="a")
VALID = {"headers": HEADERS, "parts": [BODY]}
READY = {"method": "GET", "path": "/v2/health/ready"}
LIVE = {"method": "GET", "path": "/v2/health/live"}
METRICS = {"method": "GET", "path": "/metrics"}


def one(folder, request, settings=None, **options):
    return answers(make_app(folder, **options), request, settings=settings)[0]


def test_a_request_is_answered_with_the_models_scores(folder):
    answer = one(folder, {"headers": HEADERS, "parts": [BODY[:50], b"", BODY[50:]]})
    assert answer.status == 200
    expected = load_parts(folder)[1]["server"](X)["e"]
    assert np.array_equal(protocol.decode_answer(answer.headers, answer.body, n=1, n_classes=2, id="a"), expected)


def test_before_its_start_nothing_is_ready(folder):
    async def scenario():
        app = make_app(folder)
        return [await exchange(app, **request) for request in (READY, VALID, LIVE)]

    ready, infer, live = asyncio.run(scenario())
    assert (ready.status, infer.status, live.status) == (503, 503, 200)
    assert ready.error == infer.error == "not ready: the check at the start is not done yet"
    assert ready.headers["retry-after"] == infer.headers["retry-after"] == "1"


def test_wrong_scores_keep_it_from_being_ready(folder, monkeypatch):
    right = protocol.encode_answer
    monkeypatch.setattr(protocol, "encode_answer", lambda e, **how: right(e + np.float32(0.5), **how))
    for answer in answers(make_app(folder), READY, VALID, {**READY, "path": "/v2/models/server/ready"}):
        assert answer.status == 503
        assert answer.error.startswith("not ready: expected the scores")
    assert b"l2h_ready 0.0" in answers(make_app(folder), METRICS)[0].body


def test_the_key_of_the_check_is_no_way_in(folder, monkeypatch):
    app = make_app(folder)
    request = {"headers": {**HEADERS, "l2h-start-up-check": ""}, "parts": [BODY]}
    assert asyncio.run(exchange(app, **request)).status == 503


def with_token(value, name="Authorization"):
    return {"headers": {**HEADERS, name: value}, "parts": [BODY]}


def test_a_token_admits_who_has_it(folder):
    app = make_app(folder, token="right-token")
    wrong = [VALID, *map(with_token, ("", "Bearer ", "Bearer right-toke", "right-token", "bearer right-token", "\xff"))]
    got = answers(app, with_token("Bearer right-token"), READY, LIVE, METRICS, {**READY, "path": "/nowhere"}, *wrong)
    assert [answer.status for answer in got] == [200, 200, 200, *[401] * (2 + len(wrong))]
    assert got[-1].headers["www-authenticate"] == "Bearer"
    assert got[-1].error == "expected the header Authorization: Bearer TOKEN with the right token"


def test_the_token_is_compared_in_constant_time(folder, monkeypatch):
    compared = []
    real = application.hmac.compare_digest
    monkeypatch.setattr(application.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or real(a, b))
    one(folder, with_token("Bearer wrong"), token="right")
    assert (b"Bearer wrong", b"Bearer right") in compared


def test_neither_token_nor_input_is_logged_or_counted(folder, caplog):
    caplog.set_level(logging.DEBUG)
    app = make_app(folder, token="right-token")
    path = {"method": "GET", "path": "/v2/models/secret-name", "headers": with_token("Bearer right-token")["headers"]}
    headers, body = protocol.encode_request(np.full_like(X, 8388607), id="secret-id", binary=False)
    assert b"8388607" in body  # as it would be in a log
    got = answers(
        app,
        {"headers": {**headers, "Authorization": "Bearer right-token"}, "parts": [body]},
        with_token("Bearer wrong-token"),
        path,
        {**METRICS, "headers": path["headers"]},
    )
    assert got[0].status == 200 and got[-1].status == 200
    for text in (caplog.text, got[-1].body.decode(), got[1].error):
        assert not any(
            secret in text for secret in ("right-token", "wrong-token", "secret-name", "secret-id", "8388607")
        )


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "ü"])
def test_a_token_that_no_header_can_carry_is_refused(folder, token):
    with pytest.raises(ValueError, match="expected a token of visible ASCII characters, got another"):
        make_app(folder, token=token)


@pytest.mark.parametrize(
    ("request_", "status", "expected"),
    [
        ({"headers": [("a", "b")] * 65}, 431, "expected at most 64 headers, got 65"),
        ({"headers": {"a": "b" * 20000}}, 431, "expected at most 16384 bytes of headers, got 20001"),
        ({"headers": [("content-length", "1"), ("content-length", "1")]}, 400, "expected one header content-length"),
        ({"headers": [("content-length", "1"), ("transfer-encoding", "chunked")]}, 400, "got both"),
        ({"headers": {"content-encoding": "gzip"}}, 415, "expected a body without Content-Encoding"),
        ({"path": "/v2/models/other/infer"}, 404, "expected the model server, got 'other'"),
        ({"path": "/v2/models/server/versions/7/infer"}, 404, "expected the version 1, got '7'"),
        ({"path": "/v2/models/\ud800/infer"}, 404, r"expected the model server, got '\ud800'"),
        ({"path": "/nowhere"}, 404, "expected a path of the inference protocol, see /openapi.json"),
        ({"path": "/v2/"}, 404, "expected a path of the inference protocol"),
        ({"method": "GET"}, 405, "expected POST, got 'GET'"),
        ({"path": "/v2"}, 405, "expected GET, got 'POST'"),
        ({"parts": [b"{}"]}, 400, "expected inputs as a list of one object, named 'x', got None"),
        ({"headers": {"content-length": "99999999"}}, 413, "expected a body of at most 4194304 bytes, got 99999999"),
    ],
)
def test_a_request_that_breaks_the_contract_says_what_was_expected(folder, request_, status, expected):
    answer = one(folder, request_)
    assert answer.status == status
    assert expected in answer.error
    assert answer.headers["content-type"] == "application/json"


def test_scores_that_are_not_finite_are_refused(folder):
    headers, body = protocol.encode_request(np.full((1, 3), 3e38, dtype=np.float32))
    answer = one(folder, {"headers": headers, "parts": [body]})
    assert (answer.status, answer.error[:46]) == (400, "expected finite scores of these inputs, got 1 ")


def test_a_body_a_little_too_large_is_read_and_a_huge_one_is_left(folder):
    settings = ServerSettings(max_body=100)
    requests = [{"parts": [b"x" * 30] * n} for n in (5, 100)]
    little, huge = answers(make_app(folder), *requests, settings=settings)
    assert (little.status, little.unread) == (413, 0)
    assert huge.status == 413 and huge.unread > 80
    assert "connection" not in little.headers and huge.headers["connection"] == "close"


def test_every_method_has_the_limit_of_the_body(folder):
    answer = one(folder, {**METRICS, "parts": [b"x" * 30] * 10}, ServerSettings(max_body=100))
    assert answer.status == 413


def test_a_slow_body_ends_with_408(folder):
    answer = one(
        folder, {"headers": HEADERS, "parts": [BODY[:5]], "ending": "silence"}, ServerSettings(body_seconds=0.05)
    )
    assert (answer.status, answer.error) == (408, "expected the whole body within 0.05 s, got 5 bytes of it")
    assert answer.headers["connection"] == "close"


def test_who_leaves_gets_no_answer_and_is_counted(folder):
    gone, metrics = answers(
        make_app(folder), {"headers": HEADERS, "parts": [BODY[:5]], "ending": "disconnect"}, METRICS
    )
    assert gone.status is None
    assert b'l2h_requests_total{route="infer",status="499"} 1.0' in metrics.body


class Held:
    """A model that stops until it may go on."""

    def __init__(self, model):
        self.model, self.entered, self.free = model, threading.Semaphore(0), threading.Event()

    def __call__(self, x):
        self.entered.release()
        self.free.wait()
        return self.model(x)


def held(folder, scenario, settings=application.DEFAULT_SETTINGS, late_settings=None):
    """Run a scenario(app, service, model) with a model that stops; late settings hold after the check at the start."""

    async def started():
        app = make_app(folder, settings)
        async with app.router.lifespan_context(app):
            service = app.state.service
            service.settings = late_settings or settings
            service.model = model = Held(service.model)
            try:
                return await asyncio.wait_for(scenario(app, service, model), 60)
            finally:
                model.free.set()

    return asyncio.run(started())


def test_a_full_queue_is_answered_with_429(folder):
    async def scenario(app, service, model):
        running = asyncio.create_task(exchange(app, **VALID))
        await asyncio.to_thread(model.entered.acquire)
        waiting = asyncio.create_task(exchange(app, **VALID))
        while len(service.batcher) < 1:
            await asyncio.sleep(0)
        refused = await exchange(app, **VALID)
        queue = (await exchange(app, **METRICS)).body
        model.free.set()
        return refused, queue, [await running, await waiting]

    refused, queue, others = held(folder, scenario, ServerSettings(queue_length=1, request_seconds=60.0))
    assert (refused.status, refused.headers["retry-after"]) == (429, "1")
    assert refused.error == "expected at most 1 requests that wait"
    assert b"l2h_queue_length 1.0" in queue
    assert [answer.status for answer in others] == [200, 200]


def test_an_answer_that_takes_too_long_is_a_503(folder):
    async def scenario(app, service, model):
        return await exchange(app, **VALID)

    answer = held(folder, scenario, late_settings=ServerSettings(request_seconds=0.05))
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.error == "expected an answer within 0.05 s, but the model is too busy"


def test_a_model_that_fails_is_a_500_and_the_next_request_is_answered(folder, caplog):
    async def scenario():
        app = make_app(folder)
        async with app.router.lifespan_context(app):
            service = app.state.service
            right, service.model = service.model, lambda x: {}
            failed = await exchange(app, **VALID)
            service.model = right
            return failed, await exchange(app, **VALID)

    failed, right = asyncio.run(scenario())
    assert (failed.status, right.status) == (500, 200)
    assert failed.error == "expected outputs for a batch of 1 inputs, but the model failed"
    assert "the model failed on a batch of shape (1, 3)" in caplog.text


def test_a_fault_of_our_own_is_a_500_without_its_details(folder, monkeypatch, caplog):
    app = make_app(folder)
    monkeypatch.setattr(application, "generate_latest", lambda registry: 1 / 0)
    answer = answers(app, METRICS)[0]
    assert (answer.status, answer.error) == (500, "expected no failure of the server; its log says more")
    assert "ZeroDivisionError" in caplog.text


def test_metrics_count_requests_rows_and_batches(folder):
    got = answers(make_app(folder), VALID, VALID, {"parts": [b"{}"]}, LIVE, METRICS)
    lines = got[-1].body.decode().splitlines()
    for line in (
        'l2h_requests_total{route="infer",status="200"} 6.0',  # four of the check at the start
        'l2h_requests_total{route="infer",status="400"} 1.0',
        'l2h_requests_total{route="live",status="200"} 1.0',
        "l2h_rows_total 6.0",
        "l2h_batch_rows_count 6.0",
        'l2h_request_seconds_count{route="infer"} 7.0',
        "l2h_queue_length 0.0",
        "l2h_ready 1.0",
    ):
        assert line in lines


def test_a_helper_without_a_server_as_onnx_says_why(tmp_path):
    card = small_helper(tmp_path / "whole")
    parts = {name: part for name, part in card.parts.items() if name != "server"}
    small_helper(tmp_path / "helper", parts=parts, missing={"server": "the forest does not convert"})
    with pytest.raises(ValueError, match=r"expected a server as ONNX in .*, got none: the forest does not convert"):
        make_app(tmp_path / "helper")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"max_batch": 0}, "expected a whole max_batch >= 1, got 0"),
        ({"queue_length": 1.5}, "expected a whole queue_length >= 1, got 1.5"),
        ({"body_seconds": 0}, "expected a finite body_seconds > 0, got 0"),
        ({"request_seconds": float("nan")}, "expected a finite request_seconds > 0, got nan"),
        ({"batch_delay": -1}, "expected a finite batch_delay >= 0, got -1"),
        ({"max_rows": 65}, "expected max_rows <= max_batch, got 65 and 64"),
    ],
)
def test_settings_out_of_range_are_refused(options, expected):
    with pytest.raises(ValueError, match=expected):
        ServerSettings(**options)


opened: list[str] | None = None


def note_opened_files(event, arguments):
    if event == "open" and opened is not None:
        opened.append(str(arguments[0]))


def test_ten_thousand_random_requests_get_an_answer_each_and_open_no_file(folder):
    """Right ones, wrong ones and nonsense: no error, no 500, and no file is read."""
    global opened
    rng = random.Random(0)
    messages = [protocol.encode_request(X.repeat(n, 0), id="a", binary=b) for n in (1, 3) for b in (True, False)]
    requests = [random_request(rng, messages) for _ in range(10_000)]
    sys.addaudithook(note_opened_files)  # for the rest of the process: nothing removes it
    app = make_app(folder)
    statuses, wrong = Counter(), []

    async def ask(method, path, headers, body):
        pairs = [(name.encode(), value.encode("latin1")) for name, value in headers]
        answer = await exchange(app, method=method, path=path, headers=pairs, parts=[body])
        statuses[answer.status] += 1
        if answer.status >= 400 and not answer.error:
            wrong.append(answer)

    async def scenario():
        async with app.router.lifespan_context(app):
            await exchange(app, **METRICS)
            globals()["opened"] = []
            for first in range(0, len(requests), 100):
                await asyncio.gather(*(ask(*request) for request in requests[first : first + 100]))

    asyncio.run(scenario())
    seen, opened = opened, None
    assert seen == []
    assert wrong == []
    assert set(statuses) == {200, 400, 404, 405, 415}
    assert statuses[200] > 500 and statuses[400] > 3000
