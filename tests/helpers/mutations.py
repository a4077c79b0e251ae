"""Changed files and documents, and requests that are right, wrong in one place, or wrong altogether, by a seed."""

import copy
import json

from l2h.serving.http import protocol

TEXTS = (
    "", " ", "0", "-1", "1e-3", "no", "paper", "quick", "full", "'", '"', "'\"`$(", "{", "{}", "[0, 0.1]",
    "{seeds: 3}", "{profile: x}", "- a", "&a [*a]", "!!python/object:os.system", "\n", "\t", "ü", "İ", "e\u0301",
    "😀", "\u202e", "\ud800", "%s %d", "{0}", "\\", "..", "~", "~nobody/x", "--", "-", "--help", "01_problem",
    "a" * 5000, "٣", "²", "nan", "1,0.1",
)  # fmt: skip
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
    [None], [[1], [1, 2]], [-1, 3], [2**63, 3], [0, 3], 10**400,
)  # fmt: skip
HEADERS = (
    ("content-type", "text/html"), ("content-encoding", "gzip"), ("content-encoding", "identity"),
    ("authorization", "Bearer x"), ("authorization", "\xff"), ("expect", "something"), ("l2h-start-up-check", "x"),
    ("x-forwarded-for", "::1"), ("accept", "*/*;q=x"), ("cookie", "a" * 500), ("host", ""),
    ("transfer-encoding", "chunked"),
)  # fmt: skip


def changed_bytes(content, rng):
    """A file's content with some of it exchanged, removed, doubled or added."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(content) + 1)
        match rng.randrange(6):
            case 0:
                content[at : at + 1] = rng.randbytes(1)
            case 1:
                del content[at : at + rng.randint(1, 30)]
            case 2:
                content[at:at] = rng.choice(TEXTS).encode("utf8", "surrogatepass")
            case 3:
                content[at:at] = content[max(0, at - rng.randint(1, 200)) : at]
            case 4:
                del content[at:]
            case 5:
                content = bytearray(rng.randbytes(rng.randrange(100)))
    return bytes(content)


def changed_json(value, rng):
    """A JSON document with one value exchanged or removed."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.1:
        return copy.deepcopy(rng.choice(VALUES))
    key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
    changed = value.copy()
    if rng.random() < 0.2:
        del changed[key]
    else:
        changed[key] = changed_json(value[key], rng)
    return changed


def random_request(rng, messages):
    """(method, path, headers as pairs, body), made from valid messages (headers, body)."""
    headers, body = rng.choice(messages)
    kind = rng.randrange(6)
    if kind == 0:
        body = rng.randbytes(rng.randrange(200))
    elif kind < 3:
        length = int(headers.get(protocol.LENGTH_HEADER, len(body)))
        body = json.dumps(changed_json(json.loads(body[:length]), rng)).encode() + body[length:]
    elif kind < 5:
        body = changed_bytes(body, rng)
    pairs = [(name.lower(), value) for name, value in headers.items()]
    if rng.random() < 0.2:
        pairs.append((protocol.LENGTH_HEADER.lower(), rng.choice(["", "-1", "0", "7", "x", "9" * 40, str(len(body))])))
    if rng.random() < 0.3:
        pairs += rng.sample(HEADERS, rng.randint(1, 3))
    method = rng.choice(METHODS) if rng.random() < 0.3 else "POST"
    path = rng.choice(PATHS) if rng.random() < 0.3 else protocol.INFER_PATH
    return method, path, pairs, body
