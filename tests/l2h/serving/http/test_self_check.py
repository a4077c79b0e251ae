"""The check at the start sees wrong scores, wrong messages and no answer."""

import asyncio

import numpy as np
import pytest
from helpers.serving import small_helper

from l2h.serving.http import protocol
from l2h.serving.http.self_check import ask_over_network, known_inputs, same_scores, wrong_answer

X = np.arange(8, dtype=np.float32).reshape(4, 2)
SCORES = X[:, 0] - 3


def engine(scores=SCORES, *, status=200, change=lambda body: body):
    """An engine that answers the four inputs, in their order, with these scores."""
    left = list(scores)

    async def ask(headers, body):
        request = protocol.decode_request(headers, body, dtype="float32", shape=(2,), max_rows=1)
        score = np.array([left.pop(0)], dtype=np.float32)
        headers, answer = protocol.encode_answer(score, id=request.id, binary=request.binary)
        return status, headers, change(answer)

    return ask


def fault(ask):
    return asyncio.run(wrong_answer(X, SCORES, ask))


def test_right_answers_have_no_fault():
    assert fault(engine()) is None
    assert fault(engine(SCORES + 1e-6)) is None


def test_one_wrong_score_is_seen():
    assert fault(engine([*SCORES[:3], 2.0])) == "expected the scores 3.0 of known input 3, got 2.0"


def test_a_status_is_reported_with_what_came():
    assert fault(engine(status=503)).startswith('known input 0 was answered with status 503: b\'{"model_name"')


def test_a_wrong_message_is_reported():
    assert fault(engine(change=lambda body: body[:-1])).startswith("the answer to known input 0 is wrong: expected")


def test_nobody_there_is_reported():
    async def ask(headers, body):
        return await ask_over_network("http://127.0.0.1:9", headers, body)  # the port of "discard"

    assert fault(ask).startswith("known input 0 was answered with status 0: b")


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_known_inputs_are_always_the_same_and_all_different(dtype, tmp_path):
    card = small_helper(tmp_path / "helper", shape=(3, 4), dtype=dtype)
    x = known_inputs(card)
    assert (x.shape, x.dtype) == ((4, 3, 4), dtype)
    assert np.array_equal(x, known_inputs(card))
    assert len({row.tobytes() for row in x}) == 4


def test_scores_of_another_shape_are_not_the_same():
    assert not same_scores(np.zeros((2, 1)), np.zeros(2))
    assert not same_scores(np.array([np.nan]), np.array([0.0]))
