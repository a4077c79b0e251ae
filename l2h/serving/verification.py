"""Checks of a saved helper: its files, its metrics on data, and a running server."""

import os
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from l2h.serving.exchange import Exchange, ExchangeError
from l2h.serving.folder import Card
from l2h.serving.http.protocol import INFER_PATH, MODEL_HEADER, decode_answer, encode_request, score_columns
from l2h.serving.onnx.sessions import OnnxModel, load_parts

N_INPUTS = 8  # random ones, that are sent to a running server
LARGEST_DIFFERENCE = 1e-5  # of its scores from those of the saved model
LARGEST_METRIC_DIFFERENCE = 1e-9
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
) -> list[Check]:
    """Check a saved helper as far as it can be checked with what is given.

    Args:
        folder: of a saved helper.
        data: arrays "x" and "y", and "m" and "scores" of a client that has no file, from which the card's metrics came.
        url: of a running server, which must give the saved model's scores.
        token: of that server.

    Returns:
        One `Check` each for the files, the metrics and the server; a folder that cannot be read fails the first.
    """
    try:
        card, models = load_parts(folder)
    except (OSError, ValueError) as error:
        return [Check("files", False, str(error))]
    named = ", ".join(part.file for part in card.parts.values())
    checks = [Check("files", True, f"{named} have the digests and the forms of the card")]
    if data is not None:
        checks.append(_metrics_check(folder, card, data))
    if url is not None:
        checks.append(_server_check(card, models, url, token))
    return checks


def _metrics_check(folder: str | os.PathLike[str], card: Card, data: Mapping[str, Any]) -> Check:
    """The card's metrics, computed again."""
    from l2h.serving.estimator.classifier import LearningToHelpClassifier  # it needs torch; the other checks do not

    helper = LearningToHelpClassifier.load(folder)
    answers = {"client_labels": data.get("m"), "client_scores": data.get("scores")}
    report = helper.report(data["x"], data["y"], **answers)
    fresh, n = report.card_metrics(), card.metrics.get("accuracy", {}).get("n")
    if n != report.n:
        return Check("metrics", False, f"expected the {n} examples of the card's metrics, got {report.n}")
    differing = [
        f"{name} {card.metrics[name]['estimate']} on the card and {entry['estimate']} now"
        for name, entry in fresh.items()
        if not _equal(card.metrics.get(name, {}).get("estimate"), entry["estimate"])
    ]
    if differing:
        return Check("metrics", False, "; ".join(differing))
    return Check("metrics", True, f"{len(fresh)} metrics on {n} examples are those of the card")


def _equal(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return abs(first - second) <= LARGEST_METRIC_DIFFERENCE


def _server_check(card: Card, models: Mapping[str, OnnxModel], url: str, token: str | None) -> Check:
    """A running server's scores of random inputs against the saved model's."""
    if "server" not in models:
        return Check("server", False, f"expected a saved server model to compare with: {card.missing['server']}")
    x = random_inputs(card)
    headers, body = encode_request(x, id="verify")
    exchange = Exchange(url, token=token)
    started = time.monotonic()
    try:
        answer = exchange.post(INFER_PATH, headers, body, seconds=SECONDS, largest=LARGEST_ANSWER)
        if answer.status != 200:
            raise ValueError(f"expected status 200, got {answer.status}: {answer.body[:200].decode(errors='replace')}")
        e = decode_answer(answer.headers, answer.body, n=len(x), n_classes=len(card.classes), id="verify")
    except (ExchangeError, ValueError) as error:
        return Check("server", False, str(error))
    finally:
        exchange.close()
    stated = {name.lower(): value for name, value in answer.headers.items()}.get(MODEL_HEADER.lower())
    if stated not in (None, card.parts["server"].sha256):
        return Check("server", False, f"expected the model {card.parts['server'].sha256}, got {stated}")
    difference = float(abs(e - models["server"](x)["e"]).max())
    found = f"{len(x)} answers of {score_columns(len(card.classes))} scores differ by at most {difference:.1e}"
    passed = difference <= LARGEST_DIFFERENCE
    return Check("server", passed, f"{found}, in {time.monotonic() - started:.2f} s")


def random_inputs(card: Card, *, n: int = N_INPUTS) -> np.ndarray:
    """Random inputs of the shape and type that a card names, the same in every call.

    Args:
        card: of a helper.
        n: number of inputs.
    """
    generator, shape = np.random.default_rng(0), (n, *card.input_shape)
    if card.input_dtype == "uint8":
        return generator.integers(0, 256, size=shape, dtype=np.uint8)
    return generator.standard_normal(shape).astype(np.float32)
