"""Checks of a saved helper: its files, its metrics on data, and a running server."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from l2h.serving.exchange import Exchange, ExchangeError
from l2h.serving.folder import Card
from l2h.serving.http.protocol import INFER_PATH, MODEL_HEADER, decode_answer, encode_request, score_columns
from l2h.serving.http.self_check import known_inputs, same_scores
from l2h.serving.onnx.sessions import OnnxModel, load_parts

INTERVAL = ("estimate", "low", "high")
CLOSE = 1e-9  # numbers of a metric on the card and now
SECONDS, LARGEST_ANSWER = 10.0, 2**20  # of one exchange


class Check(NamedTuple):
    """The outcome of one check."""

    name: str
    passed: bool
    found: str  # in words


def verify(
    folder: str | os.PathLike[str],
    *,
    data: Mapping[str, Any] | None = None,
    url: str | None = None,
    token: str | None = None,
    ca: str | Path | None = None,
) -> list[Check]:
    """Check a saved helper as far as it can be checked with what is given.

    Args:
        folder: of a saved helper.
        data: arrays "x" and "y", and "m" and "scores" of a client that has no file, from which the card's metrics came.
        url: of a running server, which must give the saved model's scores.
        token: of that server.
        ca: file of the certificates that are trusted in place of the system's.

    Returns:
        One `Check` each for the files, the metrics and the server; a folder that cannot be read fails the first.

    Raises:
        FileNotFoundError, ValueError: if the URL, the token or the certificates are not as `Exchange` wants them.
    """
    exchange = None if url is None else Exchange(url, token=token, ca=ca)
    try:
        card, models = load_parts(folder)
    except (OSError, ValueError) as error:
        return [Check("files", False, str(error))]
    named = ", ".join(part.file for part in card.parts.values())
    checks = [Check("files", True, f"{named} have the digests and the forms of the card")]
    if data is not None:
        checks.append(_metrics_check(folder, card, data))
    if exchange is not None:
        checks.append(_server_check(card, models, exchange))
    return checks


def _metrics_check(folder: str | os.PathLike[str], card: Card, data: Mapping[str, Any]) -> Check:
    """The card's metrics, computed again."""
    from l2h.serving.estimator.classifier import LearningToHelpClassifier  # it needs torch; the other checks do not
    from l2h.serving.estimator.report import VALIDATION

    stated = card.metrics
    if any(entry.get("data") == VALIDATION for entry in stated.values()):
        return Check("metrics", False, f"expected a card with metrics on data of a report, got those on {VALIDATION}")
    try:
        helper = LearningToHelpClassifier.load(folder)
        answers = {"client_labels": data.get("m"), "client_scores": data.get("scores")}
        report = helper.report(data["x"], data["y"], **answers)
    except ValueError as error:
        return Check("metrics", False, str(error))
    fresh, n = report.card_metrics(), stated.get("accuracy", {}).get("n")
    if n != report.n:
        return Check("metrics", False, f"expected the {n} examples of the card's metrics, got {report.n}")
    differing = [
        f"{name} {_shown(stated.get(name))} on the card and {_shown(fresh.get(name))} now"
        for name in sorted({*stated, *fresh})
        if not _equal(stated.get(name), fresh.get(name))
    ]
    if differing:
        return Check("metrics", False, "; ".join(differing))
    return Check("metrics", True, f"{len(fresh)} metrics on {n} examples are those of the card")


def _equal(first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> bool:
    """Whether two entries of a card have the same estimate and interval."""
    if first is None or second is None:
        return False
    pairs = [(first[key], second[key]) for key in INTERVAL]
    return all(one == other or (None not in (one, other) and abs(one - other) <= CLOSE) for one, other in pairs)


def _shown(entry: Mapping[str, Any] | None) -> str:
    return "missing" if entry is None else "{} [{}, {}]".format(*(entry[key] for key in INTERVAL))


def _server_check(card: Card, models: Mapping[str, OnnxModel], exchange: Exchange) -> Check:
    """A running server's scores of known inputs against the saved model's."""
    if "server" not in models:
        return Check("server", False, f"expected a saved server model to compare with: {card.missing['server']}")
    x = known_inputs(card)
    headers, body = encode_request(x, id="verify")
    started = time.monotonic()
    try:
        answer = exchange.post(INFER_PATH, headers, body, seconds=SECONDS, largest=LARGEST_ANSWER)
        if answer.status != 200:
            raise ValueError(f"expected status 200, got {answer.status}: {answer.body[:200].decode(errors='replace')}")
        e = decode_answer(answer.headers, answer.body, n=len(x), n_classes=len(card.classes), id="verify")
    except (ExchangeError, ValueError) as error:
        return Check("server", False, f"{exchange.url}: {error}")
    finally:
        exchange.close()
    seconds, expected = time.monotonic() - started, models["server"](x)["e"]
    stated = answer.headers.get(MODEL_HEADER)
    if stated not in (None, card.parts["server"].sha256):
        return Check("server", False, f"expected the model {card.parts['server'].sha256}, got {stated}")
    difference = f"differ by at most {float(abs(e - expected).max()):.1e}"
    found = f"{len(x)} answers of {score_columns(len(card.classes))} scores {difference}, in {seconds:.2f} s"
    return Check("server", same_scores(e, expected), found)
