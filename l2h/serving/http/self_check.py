"""The check of an engine at its start: its answers to four known inputs, compared with onnxruntime.

An engine that answers with status 200 and wrong scores has been seen; nothing else of a device or a server notices it.
"""

import asyncio
import functools
import ssl
from collections.abc import Awaitable, Callable, Mapping
from os import PathLike
from typing import Any

import numpy as np
import urllib3

from l2h.serving.folder import Card
from l2h.serving.http import protocol

SCORE_TOLERANCE = 1e-4  # between scores of one input in batches of different sizes, relative to 1 + |e|

Ask = Callable[[dict[str, str], bytes], Awaitable[tuple[int, Mapping[str, str], bytes]]]  # status, headers, body


def known_inputs(card: Card) -> np.ndarray:
    """Four inputs, always the same: all different, and from all over their range.

    Args:
        card: of the helper.

    Returns:
        (4, ...) of the card's type and shape.
    """
    rng = np.random.default_rng(4)
    shape = (4, *card.input_shape)
    return rng.integers(256, size=shape, dtype=np.uint8) if card.input_dtype == "uint8" else rng.random(shape, "f4")


def same_scores(e: np.ndarray, expected: np.ndarray) -> bool:
    """Whether an engine's scores are the model's, up to the order of sums in batches of different sizes.

    >>> same_scores(np.array([1.00001]), np.array([1.0])), same_scores(np.array([1.01]), np.array([1.0]))
    (True, False)
    """
    return e.shape == expected.shape and bool((abs(e - expected) <= SCORE_TOLERANCE * (1 + abs(expected))).all())


async def wrong_answer(x: np.ndarray, expected: np.ndarray, ask: Ask) -> str | None:
    """What is wrong with an engine's answers, half of them asked for as bytes and half as JSON; None if nothing is.

    Args:
        x: (n, ...) known inputs, each sent alone.
        expected: (n,) or (n, K) scores by onnxruntime.
        ask: sends headers and body of a request to the engine.
    """
    n_classes = 2 if expected.ndim == 1 else expected.shape[1]
    for i, row in enumerate(x[:, None]):
        headers, body = protocol.encode_request(row, id=str(i), binary=i % 2 == 0)
        status, answered, answer = await ask(headers, body)
        if status != 200:
            return f"known input {i} was answered with status {status}: {answer[:200]!r}"
        try:
            e = protocol.decode_answer(answered, answer, n=1, n_classes=n_classes, id=str(i))
        except protocol.ProtocolError as fault:
            return f"the answer to known input {i} is wrong: {fault}"
        if not same_scores(e, expected[i : i + 1]):
            return f"expected the scores {expected[i].tolist()} of known input {i}, got {e[0].tolist()}"
    return None


async def ask_over_network(
    url: str,
    headers: dict[str, str],
    body: bytes,
    *,
    certificate: str | PathLike[str] | None = None,
    seconds: float = 60.0,
) -> tuple[int, Mapping[str, str], bytes]:
    """An engine's answer.

    Args:
        url: of the engine, without a path.
        headers: of the request.
        body: of the request.
        certificate: the engine's own, which need not name this address.
        seconds: time-out of each read.

    Returns:
        Status, headers and body; status 0 with the reason as body where there is no answer.
    """
    options: dict[str, Any] = {}
    if certificate is not None:
        options["ssl_context"] = ssl.create_default_context(cafile=certificate)
        options["ssl_context"].check_hostname = options["assert_hostname"] = False
        options["ssl_context"].verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with urllib3.PoolManager(retries=False, timeout=seconds, **options) as pool:
        ask = functools.partial(pool.request, "POST", f"{url}{protocol.INFER_PATH}", headers=headers, body=body)
        try:
            answer = await asyncio.to_thread(ask)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return 0, {}, str(error).encode()
    return answer.status, answer.headers, answer.data
