"""Messages of the protocol: what is encoded is decoded, and a message that breaks the contract says how."""

import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from l2h.serving.http import protocol
from l2h.serving.http.protocol import ProtocolError, decode_answer, decode_request, encode_answer, encode_request

SHAPES = st.sampled_from([(3,), (1,), (3, 2, 2)])
IDS = st.none() | st.text(max_size=8)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
REQUEST = {"dtype": "float32", "shape": (3,), "max_rows": 4}
X = np.arange(6, dtype=np.float32).reshape(2, 3)


@st.composite
def inputs(draw):
    shape = (draw(st.integers(1, 4)), *draw(SHAPES))
    if draw(st.booleans()):
        return draw(arrays(np.uint8, shape))
    return draw(arrays(np.float32, shape, elements=FINITE))


def document(**changes):
    """A valid JSON request, changed."""
    whole = json.loads(encode_request(X, binary=False)[1])
    whole["inputs"][0].update(changes)
    return {}, json.dumps(whole).encode()


def binary(*, document=(), tensor=(), parameters=(), data=None, length=None):
    """A valid binary request, changed; None removes a field."""
    headers, body = encode_request(X)
    n = int(headers[protocol.LENGTH_HEADER])
    whole = json.loads(body[:n])
    for part, changes in ((whole, document), (whole["inputs"][0], tensor)):
        part.update(changes)
    whole["inputs"][0]["parameters"].update(parameters)
    text = json.dumps(whole).encode()
    return {protocol.LENGTH_HEADER: length or str(len(text))}, text + (body[n:] if data is None else data)


@given(inputs(), IDS, st.booleans())
def test_a_request_arrives_as_it_was_sent(x, id, binary):
    headers, body = encode_request(x, id=id, binary=binary)
    got = decode_request(headers, body, dtype=x.dtype.name, shape=x.shape[1:], max_rows=4)
    assert (got.id, got.binary) == (id, binary)
    assert got.x.dtype == x.dtype and np.array_equal(got.x, x)


@given(arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(3, 5)), elements=FINITE), IDS, st.booleans())
def test_an_answer_arrives_as_it_was_sent(e, id, binary):
    headers, body = encode_answer(e, id=id, binary=binary)
    assert np.array_equal(decode_answer(headers, body, n=len(e), n_classes=e.shape[1], id=id), e)
    two = encode_answer(e[:, 0], id=id, binary=binary)
    assert np.array_equal(decode_answer(*two, n=len(e), n_classes=2, id=id), e[:, 0])


def test_names_of_headers_are_read_in_any_case():
    headers, body = encode_request(X)
    lower = {name.lower(): value for name, value in headers.items()}
    assert np.array_equal(decode_request(lower, body, **REQUEST).x, X)


def test_nested_lists_are_read_as_flat_ones():
    assert np.array_equal(decode_request(*document(data=X.tolist()), **REQUEST).x, X)
    assert np.array_equal(decode_request(*document(data=X.ravel().tolist()), **REQUEST).x, X)


def test_an_image_of_cifar_needs_few_bytes():
    headers, body = encode_request(np.zeros((1, 3, 32, 32), dtype=np.uint8), id="0" * 32)
    assert len(body) + sum(len(name) + len(value) + 4 for name, value in headers.items()) <= 3500


@pytest.mark.parametrize(
    ("parameters", "output", "expected"),
    [
        ({}, {}, False),
        ({"binary_data_output": True}, {}, True),
        ({"binary_data_output": True}, {"binary_data": False}, False),
        ({}, {"binary_data": True}, True),
    ],
)
def test_the_answer_is_binary_where_the_request_says_so(parameters, output, expected):
    whole = {**json.loads(document()[1]), "parameters": parameters, "outputs": [{"name": "e", "parameters": output}]}
    assert decode_request({}, json.dumps(whole).encode(), **REQUEST).binary is expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (({}, b""), r"expected a JSON object in UTF-8, got b''"),
        (({}, b"\xff{}"), r"expected a JSON object in UTF-8, got b'\\xff\{\}'"),
        (({}, b"[" * 100_000), "expected a JSON object in UTF-8"),
        (({}, b"[1]"), "expected a JSON object, got"),
        (({}, b'{"inputs": 1}'), "expected inputs as a list of one object, named 'x', got 1"),
        (({}, b'{"inputs": []}'), "expected inputs as a list of one object"),
        (({}, b'{"inputs": [{"name": "y"}]}'), "expected a tensor named 'x', got 'y'"),
        (({}, b'{"inputs": [{"name": "x"}], "id": 7}'), "expected id as text, got 7"),
        (document(shape=[2, 4]), r"expected x of shape \[n, 3\], got \[2, 4\]"),
        (document(shape=[2, 3.0]), r"expected x of shape \[n, 3\], got \[2, 3.0\]"),
        (document(shape=[True, 3]), r"expected x of shape \[n, 3\], got \[True, 3\]"),
        (document(shape=[]), r"expected x of shape \[n, 3\], got \[\]"),
        (document(shape=[-1, 3]), r"expected x of shape \[n, 3\], got \[-1, 3\]"),
        (document(shape=[5, 3]), "expected 1 to 4 rows of x, got 5"),
        (document(shape=[0, 3], data=[]), "expected 1 to 4 rows of x, got 0"),
        (document(shape=[10**4000, 3]), "expected 1 to 4 rows of x, got a huge number"),
        (document(datatype="FP64"), "expected x of datatype FP32, got 'FP64'"),
        (document(data=[1.0] * 5), r"expected x as 6 numbers, or in lists of the shape \[2, 3\], got the shape \[5\]"),
        (document(data=[[1.0] * 2] * 3), r"got the shape \[3, 2\]"),
        (document(data=[[1.0] * 2, [1.0] * 4]), "expected x as lists of one length, got several"),
        (document(data=[[], []]), r"got the shape \[2, 0\]"),
        (document(data=5), "expected x as a list of numbers, got 5"),
        (document(data=[True] * 6), r"expected x as numbers in \[-3.40282e\+38, 3.40282e\+38\], got True"),
        (document(data=[1.0] * 5 + ["1"]), "got '1'"),
        (document(data=[1.0] * 5 + [1e39]), "got 1e[+]39"),
        (document(data=[1.0] * 5 + [10**400]), "got a huge number"),
        (document(data=[1.0] * 5 + [float("nan")]), "expected a JSON object in UTF-8, got .* 'NaN is no JSON'"),
        (document(parameters=[]), r"expected parameters as an object, got \[\]"),
        (document(parameters={"binary_data_size": 24}), 'expected either "data" or "binary_data_size" of x'),
        (binary(parameters={"binary_data_size": 20}), r"expected binary_data_size 24 for the shape \[2, 3\], got 20"),
        (binary(parameters={"binary_data_size": "24"}), "expected binary_data_size 24 .*, got '24'"),
        (binary(data=b"1234"), "expected 24 bytes behind the JSON object, got 4 bytes"),
        (binary(data=b"\xff" * 24), "expected finite x, got 6 entries that are not"),
        (binary(length="9999"), "expected one Inference-Header-Content-Length from 0 to [0-9]+, got '9999'"),
        (binary(length="-1"), "expected one Inference-Header-Content-Length from 0 to [0-9]+, got '-1'"),
        (binary(length="²"), "expected one Inference-Header-Content-Length"),
        (binary(tensor={"parameters": {}}), 'expected either "data" or "binary_data_size" of x'),
        (binary(document={"outputs": [{"name": "m"}]}), "expected a tensor named 'e', got 'm'"),
        (binary(document={"outputs": {}}), "expected outputs as a list of one object"),
        (binary(document={"parameters": {"binary_data_output": 1}}), "expected binary_data_output to be true or false"),
        (
            binary(document={"outputs": [{"name": "e", "parameters": {"classification": 3}}]}),
            "expected a request for plain scores, got the parameter classification",
        ),
        (({}, binary()[1]), "expected a JSON object"),
        (
            ({protocol.LENGTH_HEADER: str(len(document()[1]))}, document()[1] + b"1"),
            'expected nothing behind the JSON object, since x has "data", got 1 bytes',
        ),
    ],
)
def test_a_request_that_breaks_the_contract_says_what_was_expected(message, expected):
    with pytest.raises(ProtocolError, match=expected) as caught:
        decode_request(*message, **REQUEST)
    assert len(str(caught.value)) < 400


def test_a_binary_tensor_without_the_header_of_its_length_is_refused():
    whole = json.loads(document()[1])
    whole["inputs"][0].pop("data")
    whole["inputs"][0]["parameters"] = {"binary_data_size": 24}
    with pytest.raises(ProtocolError, match="expected 24 bytes behind the JSON object, got no Inference-Header"):
        decode_request({}, json.dumps(whole).encode(), **REQUEST)


@pytest.mark.parametrize(
    ("data", "expected"),
    [([256] * 3, "256"), ([-1] * 3, "-1"), ([1.0] * 3, "1.0"), ([None] * 3, "None")],
)
def test_bytes_are_whole_numbers_up_to_255(data, expected):
    headers, body = encode_request(np.zeros((1, 3), dtype=np.uint8), binary=False)
    whole = json.loads(body)
    whole["inputs"][0]["data"] = data
    with pytest.raises(ProtocolError, match=rf"expected x as whole numbers in \[0, 255\], got {expected}"):
        decode_request(headers, json.dumps(whole).encode(), dtype="uint8", shape=(3,), max_rows=1)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.zeros((1, 3)), "expected x of type uint8 or float32, got float64"),
        (np.zeros((0, 3), dtype=np.uint8), r"expected x of shape \(n, ...\) with at least one number"),
        (np.zeros(3, dtype=np.uint8), r"expected x of shape \(n, ...\)"),
        (np.full((1, 3), np.nan, dtype=np.float32), "expected finite x, got 3 entries that are not"),
    ],
)
def test_inputs_that_cannot_be_sent_are_refused(x, expected):
    with pytest.raises(ProtocolError, match=expected):
        encode_request(x)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model_name": "other"}, "expected an answer with model_name 'server', got 'other'"),
        ({"id": "b"}, "expected an answer with id 'a', got 'b'"),
        ({"id": None}, "expected an answer with id 'a', got None"),
        ({"outputs": []}, "expected outputs as a list of one object, named 'e'"),
        ({"outputs": [{"name": "e", "datatype": "FP32", "shape": [1, 4], "data": [0.0] * 4}]}, r"shape \[2, 4\]"),
        ({"outputs": [{"name": "e", "datatype": "FP32", "shape": [2, 3], "data": [0.0] * 6}]}, r"shape \[n, 4\]"),
        ({"outputs": [{"name": "e", "datatype": "FP64", "shape": [2, 4], "data": [0.0] * 8}]}, "datatype FP32"),
    ],
)
def test_an_answer_that_breaks_the_contract_says_what_was_expected(changes, expected):
    whole = {**json.loads(encode_answer(np.zeros((2, 4), dtype=np.float32), id="a", binary=False)[1]), **changes}
    with pytest.raises(ProtocolError, match=expected):
        decode_answer({}, json.dumps(whole).encode(), n=2, n_classes=4, id="a")


def test_scores_that_are_not_finite_are_no_answer():
    with pytest.raises(ProtocolError, match="expected finite scores of these inputs, got 1 entries that are not"):
        encode_answer(np.array([1.0, np.inf], dtype=np.float32))


def test_mutated_messages_raise_nothing_but_protocol_errors():
    """10,000 messages with bytes changed, removed, inserted and parts exchanged, by a fixed seed."""
    rng = random.Random(0)
    e = np.ones((2, 3), dtype=np.float32)
    requests = [encode_request(X, id="a", binary=binary) for binary in (True, False)]
    answers = [encode_answer(e, id="a", binary=binary) for binary in (True, False)]
    refused = {"request": 0, "answer": 0}
    for _ in range(5000):
        for kind, messages in (("request", requests), ("answer", answers)):
            headers, body = mutated(*rng.choice(messages), rng)
            try:
                if kind == "request":
                    assert decode_request(headers, body, **REQUEST).x.shape[1:] == (3,)
                else:
                    assert decode_answer(headers, body, n=2, n_classes=3, id="a").shape == (2, 3)
            except ProtocolError:
                refused[kind] += 1
    assert min(refused.values()) > 2500  # and the others were still right, or valid


VALUES = ("null", "true", "-1", "1e999", "1e30", '""', "[]", "{}", "[[[]]]", "NaN", "9" * 5000, '"\\ud800"', "0.5")


def mutated(headers, body, rng):
    """A message with one to four faults."""
    headers, body = dict(headers), bytearray(body)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(body) + 1)
        match rng.randrange(5):
            case 0:
                body[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del body[at : at + rng.randint(1, 20)]
            case 2:
                body[at:at] = rng.choice(VALUES).encode()
            case 3:
                headers[protocol.LENGTH_HEADER] = rng.choice(["0", "-1", "", "1e3", "9" * 30, str(rng.randrange(300))])
            case _:  # exchange a value for another
                text = bytes(body)
                start = text.find(b":", at) + 1
                end = min((i for c in b",]}" if (i := text.find(bytes([c]), start)) > 0), default=len(text))
                body[start:end] = rng.choice(VALUES).encode()
    return headers, bytes(body)
