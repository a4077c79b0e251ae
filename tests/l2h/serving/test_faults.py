"""The device and the real server process, with a bad network between them: one answer for every input, in time."""

import contextlib
import socket
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import urllib3
from helpers.faults import Fault, Proxy, ServerProcess, answering, named
from helpers.serving import right_answers, small_helper

from benchmarks import soak
from l2h.serving.device import Device, DeviceAnswer
from l2h.serving.exchange import Exchange, ExchangeError
from l2h.serving.http.protocol import INFER_PATH, encode_request

N = 1000
DEADLINE = 0.2
SLACK = 30  # seconds by which a busy machine may be late
MEMORY = 8 * 2**20  # bytes that a thousand inputs may take at most at any moment, their answers among them
PATIENT = {"deadline": 20.0, "breaker_window": 1e5, "queue_timeout": 1e6}
OTHER_MODEL = (b'"model_name":"server"', b'"model_name":"sarver"')
TOKEN = "a-token"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "saved"
    small_helper(folder, classes=("cat", "dog", "newt"))
    return folder


@pytest.fixture(scope="module")
def server(folder):
    with ServerProcess(folder, token=TOKEN) as server:
        yield server


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def right(folder, x):
    return right_answers(folder, x)


def lost(seed):
    """Which of forty requests, one after another, a proxy loses."""
    with socket.create_server(("127.0.0.1", 0)) as target:
        with Proxy(target.getsockname()[1], fault=Fault(drop=0.5), seed=seed) as proxy:
            for n in range(40):
                with socket.create_connection(("127.0.0.1", proxy.port)) as connection:
                    connection.sendall(b"x")
                    wait_until(lambda n=n: len(proxy.log) > n)
        return [event for event, _ in proxy.log]


def test_the_seed_of_the_proxy_decides_which_requests_are_lost():
    assert lost(0) == lost(0) != lost(1)
    assert set(lost(0)) == {"request", "dropped"}


def test_the_proxy_passes_on_all_bytes_and_each_fault_is_logged():
    body = bytes(range(256)) * 1000
    with (
        answering(lambda path, headers, body: (200, {}, body[::-1])) as port,
        Proxy(port) as proxy,
        contextlib.closing(Exchange(f"http://127.0.0.1:{proxy.port}")) as exchange,
    ):
        for _ in range(3):
            assert exchange.post("/", {}, body, seconds=SLACK, largest=len(body)).body == body[::-1]
        assert (proxy.count("request"), len(proxy.log)) == (3, 3)
        for event, fault in {"reset": Fault(reset_after=9), "garbage": Fault(garbage=True)}.items():
            proxy.fault = fault
            with pytest.raises(ExchangeError):
                exchange.post("/", {}, b"", seconds=SLACK, largest=0)
            assert proxy.count(event) > 0


@contextlib.contextmanager
def bounded_memory():
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()


def check(answers, right, device, deadline=DEADLINE):
    """One answer per input, each the right one of its source, in time; and the counters add up."""
    client, server, asks = right
    assert len(answers) == len(client)
    for answer, own, given, would_ask in zip(answers, client, server, asks, strict=True):
        assert answer.label == (given if answer.source == "server" else own)
        assert (answer.source == "client") == (not would_ask) and (answer.reason is None) == (
            answer.source != "fallback"
        )
        assert answer.latency < deadline + SLACK
    counts = device.counts
    assert counts.inputs == len(answers) == counts.kept + counts.asked + sum(counts.fallback.values())
    assert counts.kept == (~asks).sum() and counts.asked == sum(answer.source == "server" for answer in answers)
    return {reason: n for reason, n in counts.fallback.items() if n} | {"asked": counts.asked}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(drop=1.0), "timeout"),
        (Fault(delay=0.25), "timeout"),  # 500 ms there and back
        (Fault(rate=1.0), "timeout"),
        (Fault(freeze=True), "timeout"),
        (Fault(reset_after=100), "connection"),
        (Fault(garbage=True), "connection"),
        (Fault(oversized=10**9), "too_large"),
        (Fault(replaced=OTHER_MODEL), "malformed"),
    ],
    ids=named,
)
def test_with_a_fault_of_the_network_every_input_has_the_clients_label(folder, server, x, right, fault, reason):
    deadline = DEADLINE if reason == "timeout" else 2.0
    times = {"deadline": deadline, "breaker_window": 60.0, "queue_timeout": 90.0, "pause": 1000.0}
    with (
        Proxy(server.port, fault=fault) as proxy,
        Device(folder, f"http://127.0.0.1:{proxy.port}", token=TOKEN, **times) as device,
        bounded_memory(),
    ):
        counted = check([device.answer(one) for one in x], right, device, deadline)
        failed = counted.pop(reason)  # more than three only where a busy machine is late with the client's label
        assert failed >= 3 and counted == {"breaker": right[2].sum() - failed, "asked": 0}
        assert device.counts.requests == 3 >= proxy.count("request") + proxy.count("dropped")


def test_when_a_tenth_of_the_requests_is_lost_the_others_are_answered(folder, server, x, right):
    """Each lost request costs its deadline, and no other one; the breaker may count as many as there are."""
    times = {"deadline": 1.0, "breaker_window": 2000.0, "queue_timeout": 3000.0, "failures": 1000}
    with Proxy(server.port, fault=Fault(drop=0.1), seed=1) as proxy:
        with (
            Device(folder, f"http://127.0.0.1:{proxy.port}", token=TOKEN, **times) as device,
            ThreadPoolExecutor(16) as threads,
        ):
            counted = check(list(threads.map(device.answer, x)), right, device, 1.0)
        lost = proxy.count("dropped")
    assert 0 < lost <= counted["timeout"] + counted.get("connection", 0)
    assert counted["asked"] > 0 and "breaker" not in counted


def test_a_delay_within_the_deadline_is_no_failure(folder, server, x, right):
    with (
        Proxy(server.port, fault=Fault(delay=0.25)) as proxy,
        Device(folder, f"http://127.0.0.1:{proxy.port}", token=TOKEN, **PATIENT) as device,
    ):
        counted = check(device.answers(x), right, device, PATIENT["deadline"])
    assert counted == {"asked": right[2].sum()}


def test_an_expired_token_leaves_the_clients_labels(folder, server, x, right):
    with Device(folder, server.url, token="expired", pause=1000, **PATIENT) as device, bounded_memory():
        counted = check([device.answer(one) for one in x], right, device, PATIENT["deadline"])
    assert counted == {"unauthorised": 3, "breaker": right[2].sum() - 3, "asked": 0}


def test_a_stale_server_leaves_the_clients_labels(tmp_path, folder, server, x, right):
    """The device has got a newer helper than the server."""
    newer = tmp_path / "newer"
    small_helper(newer, classes=("cat", "dog", "newt"), seed=5)
    with Device(newer, server.url, token=TOKEN, **PATIENT) as device:
        answers = device.answers(x)
    assert {answer.reason for answer in answers} == {None, "stale", "breaker"}
    assert device.counts.asked == 0 and device.counts.stale == 3


def test_a_full_queue_leaves_the_clients_labels(folder, x, right):
    """The server's model is stuck with one request, and another one fills the queue."""
    with (
        ServerProcess(folder, stuck=True, queue_length=1, request_seconds=600.0) as server,
        ThreadPoolExecutor(2) as threads,
        contextlib.closing(Exchange(server.url)) as exchange,
    ):
        try:
            batches = metric(server, "l2h_batch_rows_count")
            headers, body = encode_request(x[:1])
            for name, value in {"l2h_batch_rows_count": batches + 1, "l2h_queue_length": 1}.items():
                threads.submit(exchange.post, INFER_PATH, headers, body, seconds=600, largest=1000)
                wait_until(lambda name=name, value=value: metric(server, name) == value)
            with Device(folder, server.url, pause=1000, **PATIENT) as device, bounded_memory():
                counted = check([device.answer(one) for one in x], right, device, PATIENT["deadline"])
        finally:
            server.kill()  # so that both requests end
    assert counted == {"busy": 3, "breaker": right[2].sum() - 3, "asked": 0}


def metric(server, name):
    with urllib3.PoolManager() as pool:
        lines = pool.request("GET", f"{server.url}/metrics").data.decode().splitlines()
    (value,) = (float(line.split()[1]) for line in lines if line.startswith(f"{name} "))
    return value


def wait_until(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "expected it within two minutes"
        time.sleep(0.01)


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_server_that_fails_under_load_is_asked_again_once_it_is_back(folder, x, right, how):
    times = {"deadline": 2.0, "breaker_window": 10.0, "queue_timeout": 20.0, "pause": 0.05}
    asking = int(np.flatnonzero(right[2])[0])
    with ServerProcess(folder) as server, Device(folder, server.url, **times) as device:

        def served():
            return device.answer(x[asking]).source == "server"

        wait_until(served)
        with ThreadPoolExecutor(4) as threads:
            before = threads.submit(lambda: [device.answer(one) for one in x[: N // 2]])
            wait_until(lambda: device.counts.inputs > N // 10)
            server.kill() if how == "killed" else server.freeze()
            wait_until(lambda: not served())
            after = list(threads.map(device.answer, x[N // 2 :]))
        answers = before.result() + after
        in_between = device.counts
        server.start() if how == "killed" else server.thaw()
        wait_until(served)
        counts = device.counts
        assert counts.inputs == counts.kept + counts.asked + sum(counts.fallback.values())
        assert counts.asked > in_between.asked and sum(in_between.fallback.values()) > 0
        assert in_between.fallback["breaker"] > 0
        labels = np.where([answer.source == "server" for answer in answers], right[1], right[0])
        assert [answer.label for answer in answers] == labels.tolist() and len(answers) == N
        assert max(answer.latency for answer in answers) < times["deadline"] + SLACK


def test_a_short_soak_with_each_fault_ends_without_an_error():
    """`soak` raises where an answer is missing, wrong or late, a counter is off, or memory grows."""
    phases = list(soak.soak(0.0, seed=3, phase=0.3, pace=0.005))
    assert {phase.fault for phase in phases} == {"none", *soak.FAULTS}
    assert sum(phase.asked for phase in phases) > 0  # a phase is so short that a busy machine may answer none in it


def test_a_soak_sees_a_wrong_answer(monkeypatch):
    monkeypatch.setattr(Device, "answer", lambda self, x: DeviceAnswer("cow", "client", None, 1.0, 0.0))
    with pytest.raises(RuntimeError, match=r"as the answer for input .*, got DeviceAnswer"):
        list(soak.soak(0.0, phase=0.05))
