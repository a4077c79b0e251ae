"""The contract of the engines that serve a helper: our server, and Triton where it is installed."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tritonclient.http as client
import urllib3
from helpers.engines import ENGINES, engine
from helpers.serving import small_helper
from tritonclient.utils import InferenceServerException

from l2h.serving.http import protocol
from l2h.serving.http.self_check import known_inputs, same_scores
from l2h.serving.onnx.sessions import load_parts

KINDS = {
    "images": {"classes": tuple(range(10)), "shape": (3, 8, 8), "dtype": "uint8"},
    "tables": {"classes": ("cat", "dog"), "shape": (3,), "dtype": "float32"},
}


@pytest.fixture(scope="module", params=ENGINES)
def engine_name(request):
    return request.param


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def served(engine_name, kind, tmp_path_factory):
    """URL, card, the model by onnxruntime, and 64 inputs."""
    folder = tmp_path_factory.mktemp(kind) / "helper"
    small_helper(folder, **KINDS[kind])
    card, parts = load_parts(folder)
    x = np.concatenate([np.roll(known_inputs(card), k, axis=-1) for k in range(16)])
    with engine(engine_name, folder, folder.with_name("triton")) as url:
        yield url, card, lambda x: parts["server"](x)["e"], x


def asked(url, x, *, binary=True, binary_answer=True, **options):
    """The scores by NVIDIA's client."""
    datatype = protocol.DATATYPES[x.dtype.name]
    tensor = client.InferInput("x", list(x.shape), datatype).set_data_from_numpy(x, binary_data=binary)
    output = client.InferRequestedOutput("e", binary_data=binary_answer)
    with client.InferenceServerClient(url.removeprefix("http://")) as connection:
        return connection.infer("server", [tensor], outputs=[output], **options)


def columns(e):
    return e.reshape(len(e), -1)


def test_the_client_of_nvidia_finds_the_server_and_its_model(served, kind):
    url, card, _, _ = served
    with client.InferenceServerClient(url.removeprefix("http://")) as connection:
        assert connection.is_server_live() and connection.is_server_ready()
        assert connection.is_model_ready("server") and connection.is_model_ready("server", "1")
        assert not connection.is_model_ready("other")
        assert "binary_tensor_data" in connection.get_server_metadata()["extensions"]
        metadata = connection.get_model_metadata("server")
    expected = protocol.model_metadata(dtype=card.input_dtype, shape=card.input_shape, n_classes=len(card.classes))
    assert {key: metadata[key] for key in ("name", "versions", "inputs", "outputs")} == {
        key: expected[key] for key in ("name", "versions", "inputs", "outputs")
    }


@pytest.mark.parametrize("n", [1, 5, 64])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("binary_answer", [True, False])
def test_the_client_of_nvidia_gets_the_scores_of_onnxruntime(served, n, binary, binary_answer):
    url, _, model, x = served
    answer = asked(url, x[:n], binary=binary, binary_answer=binary_answer, request_id="seven")
    assert same_scores(answer.as_numpy("e"), columns(model(x[:n])))
    response = answer.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("seven", "server", "1")


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("path", [protocol.INFER_PATH, "/v2/models/server/versions/1/infer"])
def test_our_messages_get_the_scores_of_onnxruntime(served, binary, path):
    url, card, model, x = served
    headers, body = protocol.encode_request(x[:3], id="a", binary=binary)
    with urllib3.PoolManager() as pool:
        answer = pool.request("POST", url + path, headers=headers, body=body)
    assert answer.status == 200
    e = protocol.decode_answer(answer.headers, answer.data, n=3, n_classes=len(card.classes), id="a")
    assert same_scores(e, model(x[:3]))


def test_requests_at_once_get_each_its_own_scores(served):
    url, _, model, x = served
    rows = [x[k % 60 : k % 60 + 1 + k % 3] for k in range(200)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda row: asked(url, row).as_numpy("e"), rows))
    assert all(same_scores(e, columns(model(row))) for e, row in zip(answers, rows, strict=True))


def changed(**changes):
    def make(x):
        document = json.loads(protocol.encode_request(x, binary=False)[1])
        document["inputs"][0].update(changes)
        return {}, json.dumps(document).encode()

    return make


def shortened(x):
    headers, body = protocol.encode_request(x)
    return headers, body[:-1]


def too_many_rows(x):
    return protocol.encode_request(np.concatenate([x] * 65))


def not_finite(x):
    headers, body = protocol.encode_request(x.astype(np.float32))
    n = int(headers[protocol.LENGTH_HEADER])
    return headers, body[:n] + b"\xff" * (len(body) - n)


MALFORMED = {
    "empty": lambda x: ({}, b""),
    "no JSON": lambda x: ({}, b"{"),
    "no inputs": lambda x: ({}, b"{}"),
    "another name": changed(name="y"),
    "another datatype": changed(datatype="INT64"),
    "another shape": changed(shape=[1, 2]),
    "too few numbers": changed(data=[1]),
    "text for numbers": changed(data=["a"]),
    "short data": shortened,
    "too many rows": too_many_rows,
    "not finite": not_finite,
    "a length past the end": lambda x: ({protocol.LENGTH_HEADER: "99999"}, protocol.encode_request(x)[1]),
    "a length that is no number": lambda x: ({protocol.LENGTH_HEADER: "many"}, protocol.encode_request(x)[1]),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_request_is_refused_and_the_next_one_answered(served, engine_name, fault):
    url, _, model, x = served
    headers, body = MALFORMED[fault](x[:1])
    with urllib3.PoolManager() as pool:
        answer = pool.request("POST", url + protocol.INFER_PATH, headers=headers, body=body)
    # Triton answers malformed JSON with 500
    assert answer.status == 400 if engine_name == "own" else 400 <= answer.status <= 500
    assert answer.json()["error"]
    assert same_scores(asked(url, x[:1]).as_numpy("e"), columns(model(x[:1])))


@pytest.mark.parametrize("path", ["/v2/models/other/infer", "/v2/models/..%2F..%2Fcard.json/infer", "/nowhere"])
def test_an_unknown_model_or_path_is_refused(served, path):
    url, _, _, x = served
    headers, body = protocol.encode_request(x[:1])
    with urllib3.PoolManager() as pool:
        assert 400 <= pool.request("POST", url + path, headers=headers, body=body).status < 500


def test_the_client_of_nvidia_gets_the_reason_of_a_refusal(served):
    url, _, _, x = served
    with pytest.raises(InferenceServerException) as caught:
        asked(url, x[:1].astype(np.float32) if x.dtype == np.uint8 else x[:1].astype(np.uint8))
    assert caught.value.status() == "400"
    assert "FP32" in str(caught.value) and "UINT8" in str(caught.value)
