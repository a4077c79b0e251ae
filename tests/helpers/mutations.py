"""Requests that are right, wrong in one place, or wrong altogether, by a seeded generator."""

import copy
import json

from l2h.serving.http import protocol

METHODS = ("POST", "POST", "POST", "POST", "GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "X")
PATHS = (
    protocol.INFER_PATH, protocol.INFER_PATH, protocol.INFER_PATH, protocol.INFER_PATH,
    "/v2/models/server/versions/1/infer", "/v2/models/server/versions/2/infer", "/v2/models/other/infer",
    "/v2", "/v2/", "/", "//", "/v2/health/live", "/v2/health/ready", "/v2/models/server", "/v2/models/server/ready",
    "/metrics", "/openapi.json", "/../card.json", "/v2/models/../../card.json/infer", "/v2/models/..%2fcard.json",
    "/etc/passwd", "/v2/models/server.onnx", "/v2/models//infer", "/%00", "/" + "a" * 3000,
)  # fmt: skip
VALUES = (
    None, True, -1, 0, 1, 1e308, "", "x", "\0", "\ud800", [], {}, [[]], [[[]]], [1, 2], {"x": 1}, "9" * 300,
    [None], [[1], [1, 2]], [-1, 3], [2**63, 3], [0, 3],
)  # fmt: skip
HEADERS = (
    ("content-type", "text/html"), ("content-encoding", "gzip"), ("content-encoding", "identity"),
    ("authorization", "Bearer x"), ("authorization", "\xff"), ("expect", "something"), ("l2h-start-up-check", "x"),
    ("x-forwarded-for", "::1"), ("accept", "*/*;q=x"), ("cookie", "a" * 500), ("host", ""),
    ("transfer-encoding", "chunked"),
)  # fmt: skip


def random_request(rng, messages):
    """(method, path, headers as pairs, body), made from valid messages (headers, body)."""
    headers, body = rng.choice(messages)
    kind = rng.randrange(6)
    if kind == 0:
        body = rng.randbytes(rng.randrange(200))
    elif kind < 3:
        body = _mutated_json(headers, body, rng)
    elif kind < 5:
        body = _mutated_bytes(body, rng)
    pairs = [(name.lower(), value) for name, value in headers.items()]
    if rng.random() < 0.2:
        pairs.append((protocol.LENGTH_HEADER.lower(), rng.choice(["", "-1", "0", "7", "x", "9" * 40, str(len(body))])))
    if rng.random() < 0.3:
        pairs += rng.sample(HEADERS, rng.randint(1, 3))
    method = rng.choice(METHODS) if rng.random() < 0.3 else "POST"
    path = rng.choice(PATHS) if rng.random() < 0.3 else protocol.INFER_PATH
    return method, path, pairs, body


def _mutated_json(headers, body, rng):
    """The body with some values of its JSON part exchanged, where it has one."""
    length = int(headers.get(protocol.LENGTH_HEADER, len(body)))
    document = json.loads(body[:length])
    for _ in range(rng.randint(1, 2)):
        place = document
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.7:
                place = place[key]
                continue
            place[key] = copy.deepcopy(rng.choice(VALUES))
            break
    return json.dumps(document).encode() + body[length:]


def _mutated_bytes(body, rng):
    """The body with bytes exchanged, removed or inserted."""
    body = bytearray(body)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(body) + 1)
        match rng.randrange(3):
            case 0:
                body[at : at + 1] = rng.randbytes(1)
            case 1:
                del body[at : at + rng.randint(1, 30)]
            case _:
                body[at:at] = rng.randbytes(rng.randint(1, 5))
    return bytes(body)
