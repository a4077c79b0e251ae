"""The device answers every input once, whatever the server does, and its counters add up."""

import inspect
import json
import logging
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.faults import answering
from helpers.serving import linear_onnx, small_helper

from l2h.serving.device import REASONS, Device
from l2h.serving.folder import part_of, read_card, write_card
from l2h.serving.http.application import ServerSettings
from l2h.serving.http.protocol import MODEL_HEADER, decode_request, encode_answer
from l2h.serving.onnx.sessions import OnnxModel, load_parts
from l2h.theory.several_servers import action_of_scores

PATIENT = {"deadline": 20.0, "breaker_window": 1e5, "queue_timeout": 1e6}  # a busy machine is no failure
CLASSES = ("cat", "dog", "newt")
TOKEN = "a-token-that-nobody-sees"


class Stub:
    """A server of one folder, over HTTP; `change(status, headers, body)` may spoil an answer."""

    def __init__(self, folder):
        self.model = OnnxModel(Path(folder) / "server.onnx")
        self.card = json.loads((Path(folder) / "card.json").read_text("utf8"))
        self.paths, self.rows, self.authorisation = [], 0, set()
        self.change = lambda status, headers, body: (status, headers, body)

    def __call__(self, path, headers, body):
        self.paths.append(path)
        self.authorisation.add(headers["Authorization"])
        given = self.card["input"]
        asked = decode_request(headers, body, dtype=given["dtype"], shape=tuple(given["shape"]), max_rows=64)
        self.rows += len(asked.x)
        headers, body = encode_answer(self.model(asked.x)["e"], id=asked.id, binary=asked.binary)
        return self.change(200, {**headers, MODEL_HEADER: self.card["parts"]["server"]["sha256"]}, body)


@pytest.fixture(scope="module", params=[CLASSES, ("cat", "dog")], ids=["three", "two"])
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("helper") / "saved"
    small_helper(folder, classes=request.param)
    return folder


@pytest.fixture
def stub(folder):
    return Stub(folder)


@pytest.fixture
def device(folder, stub):
    """A device with much patience, and its server."""
    with answering(stub) as port, Device(folder, f"http://127.0.0.1:{port}", token=TOKEN, **PATIENT) as device:
        yield device


def rewrite(folder, parts, **fields):
    """Give a saved helper other parts."""
    card = read_card(folder)
    (folder / "card.json").unlink()
    (folder / "README.md").unlink()
    write_card(folder, replace(card, parts=parts, **fields))


def inputs(n, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)


def expected(folder, x):
    """Labels of client and server, and r - threshold, from the sessions alone."""
    card = json.loads((folder / "card.json").read_text("utf8"))
    r, e = (OnnxModel(folder / f"{part}.onnx")(x)[output] for part, output in (("rejector", "r"), ("server", "e")))
    m = OnnxModel(folder / "client.onnx")(x)["m"]
    e = (e >= 0).astype(int) if e.ndim == 1 else e.argmax(1)
    label = np.array(card["classes"])
    return label[m].tolist(), label[e].tolist(), r - np.float32(0.25)


def adds_up(device, n):
    counts = device.counts
    assert counts.inputs == n == counts.kept + counts.asked + sum(counts.fallback.values())
    assert set(counts.fallback) == set(REASONS)
    return counts


def test_the_server_is_asked_exactly_where_the_decision_says_ask(folder, device, stub):
    x = inputs(200)
    client, server, r = expected(folder, x)
    for answers in (device.answers(x), [device.answer(one) for one in x]):
        assert [answer.source for answer in answers] == ["server" if score <= 0 else "client" for score in r]
        assert [answer.label for answer in answers] == [
            s if v <= 0 else c for c, s, v in zip(client, server, r, strict=True)
        ]
        assert np.allclose([answer.r for answer in answers], r, atol=1e-6)
        assert all(answer.reason is None and answer.latency >= 0 for answer in answers)
    asked = int((r <= 0).sum())
    counts = adds_up(device, 400)
    assert stub.rows == counts.asked == 2 * asked and 0 < asked < 200
    assert counts.requests == len(stub.paths) == -(-asked // 64) + asked
    assert stub.authorisation == {f"Bearer {TOKEN}"}


def test_a_tie_asks(tmp_path):
    """r equals the threshold."""
    small_helper(tmp_path / "saved")
    x = inputs(1)
    r = float(OnnxModel(tmp_path / "saved" / "rejector.onnx")(x)["r"][0])
    small_helper(tmp_path / "tie", threshold=r)
    (answer,) = Device(tmp_path / "tie").answers(x)
    assert (answer.r, answer.source, answer.reason) == (0.0, "fallback", "no_server")


def nan_scores(status, headers, body):
    length = int(headers["Inference-Header-Content-Length"])
    return status, headers, body[:length] + np.full((len(body) - length) // 4, np.nan, "<f4").tobytes()


def other_rows(status, headers, body):
    return status, *encode_answer(np.zeros((3, 7), np.float32))


SPOILED = {
    "redirect": ("http_error", lambda status, headers, body: (307, {"Location": "/elsewhere"}, b"")),
    "expired token": ("unauthorised", lambda *_: (401, {}, b"{}")),
    "forbidden": ("unauthorised", lambda *_: (403, {}, b"{}")),
    "full queue": ("busy", lambda *_: (429, {"Retry-After": "1"}, b"{}")),
    "shutting down": ("busy", lambda *_: (503, {}, b"{}")),
    "crash": ("http_error", lambda *_: (500, {}, b"Traceback")),
    "not found": ("http_error", lambda *_: (404, {}, b"")),
    "no content": ("http_error", lambda status, headers, body: (204, {}, b"")),
    "no JSON": ("malformed", lambda status, headers, body: (status, {}, b"\xff\x00")),
    "empty": ("malformed", lambda status, headers, body: (status, {}, b"")),
    "NaN": ("malformed", nan_scores),
    "another shape": ("malformed", other_rows),
    "another id": (
        "malformed",
        lambda status, headers, body: (status, headers, body.replace(b'"id":"', b'"di":"')),
    ),
    "another model": (
        "malformed",
        lambda status, headers, body: (
            status,
            headers,
            body.replace(b'"model_name":"server"', b'"model_name":"sarver"'),
        ),
    ),
    "cut": ("malformed", lambda status, headers, body: (status, headers, body[:-4])),
    "compressed": (
        "malformed",
        lambda status, headers, body: (status, {"Content-Encoding": "gzip"}, b"\x1f\x8b" + body),
    ),
    "oversized": ("too_large", lambda status, headers, body: (status, headers, body + bytes(200_000))),
    "stale": ("stale", lambda status, headers, body: (status, {**headers, MODEL_HEADER: "0" * 64}, body)),
}


@pytest.mark.parametrize("name", SPOILED)
def test_what_is_no_answer_leaves_the_clients_label_and_is_counted(folder, device, stub, name):
    reason, stub.change = SPOILED[name]
    x = inputs(60)
    client, _, r = expected(folder, x)
    answers = device.answers(x)
    assert [answer.label for answer in answers] == client
    asked = int((r <= 0).sum())
    assert Counter(answer.reason for answer in answers) == {None: 60 - asked, reason: asked}
    assert {answer.source for answer in answers} == {"client", "fallback"}
    counts = adds_up(device, 60)
    assert counts.fallback[reason] == asked and counts.requests == len(stub.paths) == 1


def test_after_some_failures_the_breaker_spares_requests_until_the_server_is_back(folder, stub):
    now = [0.0]
    x = inputs(200)
    x = x[expected(folder, x)[2] <= 0]
    with answering(stub) as port:
        url = f"http://127.0.0.1:{port}"
        with Device(folder, url, **PATIENT, failures=3, pause=50, clock=lambda: now[0]) as device:
            stub.change = SPOILED["crash"][1]
            reasons = [device.answer(one).reason for one in x[:20]]
            assert reasons == ["http_error"] * 3 + ["breaker"] * 17
            assert device.breakers == {url: "open"}
            now[0] = 50.0
            assert [device.answer(one).reason for one in x[:2]] == ["http_error", "breaker"]
            stub.change = lambda *answer: answer
            assert device.answer(x[0]).reason == "breaker"
            now[0] = 100.0
            assert [device.answer(one).source for one in x[:5]] == ["server"] * 5
            counts = adds_up(device, 28)
            assert (counts.requests, counts.fallback["http_error"], counts.fallback["breaker"]) == (9, 4, 19)


def test_of_replicas_the_first_is_asked_whose_breaker_is_not_open(folder, stub):
    other = Stub(folder)
    stub.change = SPOILED["crash"][1]
    x = inputs(200)
    x = x[expected(folder, x)[2] <= 0]
    with answering(stub) as one, answering(other) as two:
        urls = [f"http://127.0.0.1:{port}" for port in (one, two)]
        with Device(folder, urls, **PATIENT, failures=2, pause=1000) as device:
            assert [device.answer(one).source for one in x[:10]] == ["fallback"] * 2 + ["server"] * 8
            assert list(device.breakers.values()) == ["open", "closed"]
            assert (stub.rows, other.rows) == (2, 8)


def test_no_request_begins_after_the_deadline(folder, stub):
    """The client takes longer than the deadline, by a clock that goes on by one second at each look."""
    clock = iter(range(10**6)).__next__
    with answering(stub) as port, Device(folder, f"http://127.0.0.1:{port}", clock=clock, deadline=0.5) as device:
        answers = device.answers(inputs(100))
    assert {answer.reason for answer in answers} == {None, "timeout"}
    assert stub.paths == [] and device.counts.requests == 0 and list(device.breakers.values()) == ["closed"]


def test_a_large_batch_makes_several_requests_and_loses_only_what_fails(folder, device, stub):
    x = inputs(400)
    client, server, r = expected(folder, x)
    stub.change = lambda status, *rest: (500 if len(stub.paths) == 2 else status, *rest)
    answers = device.answers(x)
    rows = np.flatnonzero(r <= 0)
    failed = set(rows[64:128].tolist())
    assert [row for row, answer in enumerate(answers) if answer.source == "fallback"] == sorted(failed)
    right = [
        s if v <= 0 and row not in failed else c for row, (c, s, v) in enumerate(zip(client, server, r, strict=True))
    ]
    assert [answer.label for answer in answers] == right
    assert adds_up(device, 400).fallback["http_error"] == 64


def test_of_a_batch_the_inputs_with_the_smallest_r_may_ask(folder, stub):
    x = inputs(100)
    _, _, r = expected(folder, x)
    with answering(stub) as port:
        device = Device(folder, f"http://127.0.0.1:{port}", budget=0.1, budget_window=10, **PATIENT)
        answers = device.answers(x)
        device.close()
    by_server = [row for row, answer in enumerate(answers) if answer.source == "server"]
    assert by_server == sorted(np.argsort(r, kind="stable")[:11].tolist())
    assert adds_up(device, 100).fallback["budget"] == (r <= 0).sum() - 11


def test_a_stale_server_is_used_where_the_user_says_so(folder, stub):
    stub.change = SPOILED["stale"][1]
    with answering(stub) as port, Device(folder, f"http://127.0.0.1:{port}", stale="use", **PATIENT) as device:
        assert "server" in {answer.source for answer in device.answers(inputs(60))}
        assert device.counts.stale == 1 and not any(device.counts.fallback.values())


def test_an_answer_of_another_form_by_a_stale_server_is_stale(device, stub):
    """Its model has more classes than the card's, say."""

    def other_model(status, headers, body):
        return status, {**headers, MODEL_HEADER: "0" * 64}, other_rows(status, headers, body)[2]

    stub.change = other_model
    assert {answer.reason for answer in device.answers(inputs(60))} == {None, "stale"}
    assert device.counts.stale == 1


def test_a_server_that_states_no_model_is_not_stale(device, stub):
    def silent(status, headers, body):
        return status, {name: value for name, value in headers.items() if name != MODEL_HEADER}, body

    stub.change = silent
    assert "server" in {answer.source for answer in device.answers(inputs(60))}
    assert device.counts.stale == 0


def test_threads_share_a_device_and_the_counters_add_up_at_any_moment(folder, stub):
    x = inputs(100)
    client, server, r = expected(folder, x)
    stub.change = lambda status, *rest: (500 if len(stub.paths) % 5 == 0 else status, *rest)

    def ask(thread):
        answers = []
        for one in x[thread::8]:
            answers.append(device.answer(one))
            counts = device.counts
            assert counts.inputs == counts.kept + counts.asked + sum(counts.fallback.values())
        return answers

    with (
        answering(stub) as port,
        Device(folder, f"http://127.0.0.1:{port}", **PATIENT, failures=1000, budget=0.5) as device,
    ):
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(ask, range(8)))
        for thread, own in enumerate(answers):
            for row, answer in zip(range(thread, 100, 8), own, strict=True):
                assert answer.label == (server if answer.source == "server" else client)[row]
                assert (answer.source == "client") == (r[row] > 0)
        counts = adds_up(device, 100)
    assert counts.fallback["http_error"] > 0 and counts.asked > 0


def test_a_rejector_may_read_the_clients_scores(tmp_path):
    folder = tmp_path / "saved"
    small_helper(folder, classes=CLASSES)
    linear_onnx(folder / "by_scores.onnx", shape=(3,), reads="client_scores", output="r")
    parts = {name: part_of(folder, f"{name}.onnx") for name in ("server", "client")}
    parts["rejector"] = part_of(folder, "by_scores.onnx", reads="client_scores")
    rewrite(folder, parts)
    x = inputs(50)
    scores = OnnxModel(folder / "client.onnx")(x)["scores"]
    r = OnnxModel(folder / "by_scores.onnx")(scores)["r"] - np.float32(0.25)
    device = Device(folder)
    assert np.array_equal([answer.r for answer in device.answers(x)], r)

    def client(x):
        return np.zeros(len(x), int), scores

    own = Device(folder, client=client).answers(x)
    assert np.array_equal([answer.r for answer in own], r) and {answer.label for answer in own} == {"cat"}
    with pytest.raises(ValueError, match="expected the client's labels and its scores"):
        Device(folder, client=lambda x: np.zeros(len(x), int)).answers(x)


def test_without_client_onnx_a_callable_is_the_client(tmp_path):
    small_helper(tmp_path / "saved", client=False)
    with pytest.raises(ValueError, match=r"the file of its client, got one without: its answers .*; give .* client="):
        Device(tmp_path / "saved")
    device = Device(tmp_path / "saved", client=lambda x: (x[:, 0] > 0).astype(int))
    x = inputs(20)
    assert [answer.label for answer in device.answers(x)] == ["dog" if one > 0 else "cat" for one in x[:, 0]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 2]), r"expected the client's class index in 0..1, got 2"),
        (np.array([0.0, 1.0]), "expected 2 whole class indices from the client, got float64"),
        (np.array([0]), r"expected 2 whole class indices from the client, got int64 \(1,\)"),
        (["cat", "dog"], "expected 2 whole class indices"),
    ],
)
def test_what_is_no_index_of_a_class_is_refused(tmp_path, labels, message):
    small_helper(tmp_path / "saved", client=False)
    device = Device(tmp_path / "saved", client=lambda x: labels)
    with pytest.raises(ValueError, match=message):
        device.answers(inputs(2))
    assert device.counts.inputs == 0


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[0.0, 0.0, 0.0]], "expected x as a NumPy array of type float32, got a list"),
        (np.zeros((1, 3)), "expected x as a NumPy array of type float32, got float64"),
        (np.zeros((1, 4), np.float32), r"expected x of shape \(n >= 1, 3\), got \(1, 4\)"),
        (np.zeros(3, np.float32), r"expected x of shape \(n >= 1, 3\), got \(3,\)"),
        (np.zeros((0, 3), np.float32), r"got \(0, 3\)"),
        (np.array([[0, np.nan, 0]], np.float32), "expected finite x, got 1 entries"),
    ],
)
def test_a_bad_input_is_refused_and_not_counted(device, x, message):
    with pytest.raises(ValueError, match=message):
        device.answers(x)
    assert device.counts.inputs == 0


def with_router(folder, names=("near", "distant"), n_actions=3):
    """Write a helper whose router chooses between servers."""
    small_helper(folder, classes=CLASSES)
    linear_onnx(folder / "router.onnx", output="actions", n_scores=n_actions, seed=9)
    parts = {name: part_of(folder, f"{name}.onnx") for name in ("client", "router")}
    missing = {"rejector": "the router decides", "server": "each server has a folder of its own"}
    rewrite(folder, parts, missing=missing, options={"servers": list(names)}, threshold=0.0)


def test_a_router_asks_the_server_of_the_least_cost(tmp_path):
    with_router(tmp_path / "saved")
    for seed in (20, 30):
        small_helper(tmp_path / f"server{seed}", classes=CLASSES, seed=seed)
    near, distant = Stub(tmp_path / "server20"), Stub(tmp_path / "server30")
    x = inputs(300)
    costs = OnnxModel(tmp_path / "saved" / "router.onnx")(x)["actions"]
    actions = action_of_scores(-costs)
    scores = {1: near.model(x)["e"], 2: distant.model(x)["e"]}
    kept = OnnxModel(tmp_path / "saved" / "client.onnx")(x)["m"]
    labels = np.where(actions == 0, kept, np.where(actions == 1, *(scores[j].argmax(1) for j in (1, 2))))
    with answering(near) as one, answering(distant) as two:
        urls = {"distant": f"http://127.0.0.1:{two}", "near": [f"http://127.0.0.1:{one}"]}
        with Device(tmp_path / "saved", urls, failures=1, pause=1000, **PATIENT) as device:
            answers = device.answers(x)
            assert [answer.label for answer in answers] == np.array(CLASSES)[labels].tolist()
            asked = [None, urls["near"][0], urls["distant"]]
            assert [answer.server for answer in answers] == [asked[action] for action in actions]
            assert np.allclose([answer.r for answer in answers], costs[:, 1:].min(1) - costs[:, 0])
            assert (near.rows, distant.rows) == tuple((actions == j).sum() for j in (1, 2)) and min(actions) == 0
            near.change = SPOILED["crash"][1]
            answers = device.answers(x)
            assert [answer.source == "fallback" for answer in answers] == (actions == 1).tolist()
            assert device.breakers == {asked[1]: "open", asked[2]: "closed"}
            adds_up(device, 600)
    assert {answer.reason for answer in Device(tmp_path / "saved").answers(x)} == {None, "no_server"}


def test_a_router_at_a_tie_asks_and_asks_the_first_server(tmp_path):
    with_router(tmp_path / "saved")
    device = Device(tmp_path / "saved")
    device._rejector = lambda x: {"actions": np.array([[1, 1, 2], [1, 2, 1], [2, 1, 1], [1, 2, 2]], np.float32)}
    r, server = device._decide(inputs(4))
    assert r.tolist() == [0, 0, -1, 1] and server[:3].tolist() == [0, 1, 0]


@pytest.mark.parametrize("url", ["http://h", ["http://h", "http://i"], {"near": "http://h"}])
def test_a_router_needs_a_url_for_each_of_its_servers(tmp_path, url):
    with_router(tmp_path / "saved")
    with pytest.raises(ValueError, match="expected a URL for each of the servers near, distant, got "):
        Device(tmp_path / "saved", url)


def test_a_router_fits_the_names_of_its_servers(tmp_path):
    with_router(tmp_path / "saved")
    assert set(load_parts(tmp_path / "saved")[1]) == {"client", "router"}
    with_router(tmp_path / "few", names=("near",))
    with pytest.raises(ValueError, match=r"expected the router of 3 classes to give actions float32 \(n, 2\), got"):
        Device(tmp_path / "few")
    for names, message in {(): "expected a list of names", ("a", "a"): "expected different names"}.items():
        with_router(tmp_path / str(len(names)), names=names)
        with pytest.raises(ValueError, match=f"{message} as options.servers"):
            Device(tmp_path / str(len(names)))


def test_without_a_router_there_is_one_server(folder):
    with pytest.raises(ValueError, match="got several servers without a router"):
        Device(folder, {"near": "http://h", "distant": "http://i"})
    with pytest.raises(ValueError, match="expected at least one URL of a server, got none"):
        Device(folder, [])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deadline": 2.0}, r"expected deadline \* failures < breaker_window < queue_timeout.*got 2 \* 3, 3 and 5 s"),
        ({"breaker_window": 5.0}, "expected deadline"),
        ({"deadline": 0}, "expected a finite deadline > 0"),
        ({"failures": 0}, "expected a whole failures >= 1"),
        ({"pause": 0}, "expected a finite pause > 0"),
        ({"max_rows": 0}, "expected a whole max_rows >= 1"),
        ({"stale": "ignore"}, "expected stale to be one of 'fallback', 'use'"),
        ({"budget": 0.0}, "expected a finite share > 0"),
        ({"budget": 1.5}, r"expected share in \[0, 1\]"),
        ({"budget": 0.01, "budget_window": 50}, r"expected a finite share \* window >= 1"),
        ({"url": "ftp://host"}, "expected a URL"),
    ],
)
def test_options_out_of_range_are_refused_at_load(folder, options, message):
    with pytest.raises(ValueError, match=message):
        Device(folder, **{"url": "http://127.0.0.1:1", **options})


def test_the_default_time_outs_are_those_of_the_server(folder):
    """A server gives up on a request after the time that the device supposes."""
    supposed = inspect.signature(Device).parameters["queue_timeout"].default
    assert supposed == ServerSettings().request_seconds and Device(folder).counts.inputs == 0


def test_a_folder_without_a_rejector_says_why(tmp_path):
    card = small_helper(tmp_path / "saved")
    parts = {name: part for name, part in card.parts.items() if name != "rejector"}
    rewrite(tmp_path / "saved", parts, missing={"rejector": "trees do not convert"})
    with pytest.raises(ValueError, match="the file of its rejector, got one without: trees do not convert"):
        Device(tmp_path / "saved")


def test_the_token_is_in_no_text_and_no_log(device, caplog):
    caplog.set_level(logging.DEBUG)
    device.answers(inputs(20))
    assert caplog.records and TOKEN not in caplog.text + repr(device) + repr(device.counts) + repr(vars(device))


def test_a_device_loads_neither_torch_nor_scikit_learn(folder):
    code = f"""
import sys
import numpy as np
from l2h.serving.device import Device
with Device({str(folder)!r}, "http://127.0.0.1:9") as device:
    device.answers(np.zeros((4, 3), np.float32))
heavy = {{"torch", "sklearn", "scipy", "pandas", "matplotlib", "onnx", "starlette"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_request_of_large_inputs_is_no_larger_than_the_server_takes(tmp_path):
    shape = (3, 400, 300)
    small_helper(tmp_path / "helper", shape=shape, dtype="uint8")
    sizes = []

    def respond(path, headers, body):
        sizes.append(len(body))
        asked = decode_request(headers, body, dtype="uint8", shape=shape, max_rows=64)
        headers, body = encode_answer(np.zeros(len(asked.x), np.float32), id=asked.id, binary=asked.binary)
        return 200, headers, body

    rewrite(tmp_path / "helper", read_card(tmp_path / "helper").parts, threshold=float(np.float32(1e9)))
    with answering(respond) as port, Device(tmp_path / "helper", f"http://127.0.0.1:{port}", **PATIENT) as device:
        answers = device.answers(np.zeros((14, *shape), dtype=np.uint8))
    assert [answer.source for answer in answers] == ["server"] * 14
    assert len(sizes) == 2 and max(sizes) <= ServerSettings().max_body


def test_two_devices_never_use_one_name_for_two_requests(folder):
    """An answer to a request of another process, as after a fork, is no answer."""
    names = set()

    def respond(path, headers, body):
        names.add(decode_request(headers, body, dtype="float32", shape=(3,), max_rows=64).id)
        return 503, {}, b""

    with answering(respond) as port:
        for _ in range(2):
            with Device(folder, f"http://127.0.0.1:{port}", **PATIENT) as device:
                device.answers(inputs(20))
    assert len(names) == 2
