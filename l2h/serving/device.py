"""The device: client and rejector with onnxruntime alone; it asks the server where r <= 0, and never waits in vain."""

import itertools
import logging
import math
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple

import numpy as np

from l2h import checks
from l2h.problem import asks, server_label
from l2h.serving.breaker import Breaker
from l2h.serving.budget import OffloadBudget
from l2h.serving.exchange import Exchange, ExchangeError, HttpAnswer
from l2h.serving.folder import Card, read_card, server_names
from l2h.serving.http.protocol import (
    INFER_PATH,
    LARGEST_BODY,
    MODEL_HEADER,
    ProtocolError,
    decode_answer,
    encode_request,
    score_columns,
)
from l2h.serving.onnx.sessions import OnnxModel, load_part
from l2h.theory.several_servers import rejector_score

logger = logging.getLogger(__name__)

Source = Literal["client", "server", "fallback"]
# Why an input that the rejector would ask about has the client's label.
REASONS = {
    "no_server": "the device has no server",
    "budget": "the offload budget is used up",
    "breaker": "the breaker is open after several failures",
    "timeout": "no complete answer within the deadline",
    "connection": "no connection, or one that broke off",
    "unauthorised": "the server refused the token (401, 403)",
    "busy": "the server is full or shutting down (429, 503)",
    "http_error": "any other status than 200; redirects are not followed",
    "too_large": "an answer larger than any that fits the request",
    "malformed": "no answer of the protocol: garbage, another model, request or shape, NaN",
    "stale": "the server serves another model than the card's",
}
STATUS_REASONS = {401: "unauthorised", 403: "unauthorised", 429: "busy", 503: "busy"}
LEAST_SECONDS = 1e-3  # of an exchange that begins just before the deadline
REQUEST_FRAME = 4096  # bytes of a request beside its inputs, at most
ANSWER_FRAME, SCORE_BYTES = 65536, 64  # bytes that an answer may have: for the frame, and for each score, in JSON, too

ClientFunction = Callable[[np.ndarray], Any]


class DeviceAnswer(NamedTuple):
    """The answer for one input."""

    label: Any  # one of the card's classes
    source: Source  # "client" where r > 0; "server"; "fallback": the client's label in place of the server's
    reason: str | None  # of a fallback, a key of REASONS
    r: float  # the rejector's score minus the card's threshold; r <= 0 asks
    latency: float  # seconds from the call to its end, for all inputs of the call
    server: str | None = None  # URL of the server that gave the label


class Counts(NamedTuple):
    """What happened to all inputs so far: inputs = kept + asked + the sum of fallback, at any moment."""

    inputs: int
    kept: int  # r > 0
    asked: int  # answered by a server
    fallback: Mapping[str, int]  # reason -> inputs with r <= 0 that have the client's label; each key of REASONS
    requests: int  # HTTP requests that were begun
    stale: int  # of these, those that a stale server answered, whether the answer was used or not


class _Server(NamedTuple):
    """A server with its breaker."""

    exchange: Exchange
    breaker: Breaker


class _Failure(Exception):
    """An exchange that gave no scores, with its reason."""

    def __init__(self, reason: str, detail: object) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


class Device:
    """A frozen client with its rejector, which asks a server where r <= 0 and needs none to answer.

    Every input gets exactly one answer. The client's label is ready before the server is asked; it is the answer
    wherever the server's is not there by the deadline, is wrong in form, or may not be asked for. There is one attempt
    per input. Calls from several threads at once are safe.

    Args:
        folder: of a saved helper.
        url: of the server, http or https; None asks no server. A list holds replicas of one server; the first whose
            breaker is not open is asked. A folder with a router needs name -> URL (or URLs of replicas) for each of
            its servers: the action of the least cost is taken, at a tie with a server not keeping, and of tied
            servers the first.
        client: the frozen client where the folder has none (it is used instead of the folder's, too): x (n, ...) ->
            class indices (n,), or these and the client's scores.
        deadline: seconds from the call to the moment when the server's answer has to be complete.
        token: sent to the server; never logged or shown.
        ca: file with the certificates to trust in place of the system's; certificates are always verified.
        budget: share of inputs that may ask, see `OffloadBudget`; of a batch those with the smallest r ask first.
        budget_window: number of inputs of the budget's window.
        stale: what to do with the answers of a stale server, one whose answers state another SHA-256 of its model than
            the card's: "fallback" discards them (and they count as failures), "use" takes them. An engine that states
            none is never stale.
        failures: number of failed exchanges within `breaker_window` that open a server's breaker.
        breaker_window: seconds; long enough for that many time-outs one after another.
        pause: seconds for which an open breaker stays open.
        queue_timeout: seconds after which the server gives up on a request in its queue; more than `breaker_window`,
            so that the devices of a server in trouble have stopped asking before its queue runs over.
        max_rows: largest number of inputs in one request; a larger batch makes several.
        max_body: largest number of bytes in one request, as the server's limit; of large inputs fewer make a request.
        clock: monotonic time in seconds.

    Raises:
        FileNotFoundError: if the folder, a file of it or `ca` is missing.
        ValueError: if the folder is damaged, has no rejector or no client, or an argument is out of range.
    """

    def __init__(
        self,
        folder: str | Path,
        url: str | Sequence[str] | Mapping[str, str | Sequence[str]] | None = None,
        *,
        client: ClientFunction | None = None,
        deadline: float = 0.5,
        token: str | None = None,
        ca: str | Path | None = None,
        budget: float | None = None,
        budget_window: int = 1000,
        stale: Literal["fallback", "use"] = "fallback",
        failures: int = 3,
        breaker_window: float = 3.0,
        pause: float = 5.0,
        queue_timeout: float = 5.0,
        max_rows: int = 64,
        max_body: int = LARGEST_BODY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        _check_times(deadline, failures, breaker_window, queue_timeout)
        checks.integer(1, max_rows=max_rows, max_body=max_body)
        checks.one_of(("fallback", "use"), stale=stale)
        self.card = read_card(folder)
        self.deadline, self.stale, self.max_rows, self.max_body = deadline, stale, max_rows, max_body
        self._decider = "router" if "router" in self.card.parts else "rejector"
        self._rejector = _model(folder, self.card, self._decider)
        if client is None:
            client = _onnx_client(_model(folder, self.card, "client"), self._reads_scores)
        self._client = client
        self._budget = None if budget is None else OffloadBudget(budget, window=budget_window)
        self._servers = [
            [
                _Server(
                    Exchange(each, ca=ca, token=token),
                    Breaker(failures=failures, window=breaker_window, pause=pause, clock=clock),
                )
                for each in replicas
            ]
            for replicas in _urls(url, self.card)
        ]
        self._clock = clock
        self._ids = itertools.count()
        self._lock = Lock()
        self._counter: Counter[str] = Counter()
        self._fallback: Counter[str] = Counter(dict.fromkeys(REASONS, 0))

    def __repr__(self) -> str:
        return f"Device(classes={self.card.classes}, url={list(self.breakers)}, deadline={self.deadline})"

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept open between calls."""
        for server in itertools.chain(*self._servers):
            server.exchange.close()

    @property
    def counts(self) -> Counts:
        """What happened to all inputs so far."""
        with self._lock:
            inputs, kept, asked, requests, stale = (
                self._counter[name] for name in ("inputs", "kept", "asked", "requests", "stale")
            )
            return Counts(inputs, kept, asked, dict(self._fallback), requests, stale)

    @property
    def breakers(self) -> dict[str, str]:
        """The state of each server's breaker, by its URL."""
        return {server.exchange.url: server.breaker.state for server in itertools.chain(*self._servers)}

    def answer(self, x: np.ndarray) -> DeviceAnswer:
        """The answer for one input.

        Args:
            x: of the card's shape and type.

        Returns:
            `DeviceAnswer`.

        Raises:
            ValueError: if x has another shape or type or is not finite, or the client or the rejector fail on it; such
                an input is not counted.
        """
        return self.answers(np.asarray(x)[np.newaxis])[0]

    def answers(self, x: np.ndarray) -> list[DeviceAnswer]:
        """The answers for n inputs, with one deadline for all.

        Args:
            x: (n, ...), n >= 1, of the card's shape and type.

        Returns:
            n answers in the order of the inputs.

        Raises:
            ValueError: as for `answer`.
        """
        started = self._clock()
        self._check_input(x)
        indices, scores = self._client_indices(x)
        r, number = self._decide(scores if self._reads_scores else x)
        would_ask = np.flatnonzero(asks(r))
        reasons: dict[int, str] = {}
        chosen = self._within_budget(r, would_ask, reasons)
        by_server: dict[int, str] = {}  # row -> URL
        for server, rows in self._requests(chosen, number):
            try:
                indices[rows], url = self._server_indices(self._servers[server], x[rows], started + self.deadline)
                by_server.update(dict.fromkeys(rows.tolist(), url))
            except _Failure as failure:
                reasons.update(dict.fromkeys(rows.tolist(), failure.reason))
        self._count(len(x), len(would_ask), len(by_server), reasons)
        latency = self._clock() - started
        return [
            DeviceAnswer(
                self.card.classes[index],
                "server" if row in by_server else "fallback" if row in reasons else "client",
                reasons.get(row),
                float(r[row]),
                latency,
                by_server.get(row),
            )
            for row, index in enumerate(indices.tolist())
        ]

    @property
    def _reads_scores(self) -> bool:
        return self.card.parts[self._decider].reads == "client_scores"

    def _decide(self, read: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rejector's scores minus the threshold, and the number of the server that each row would ask, from 0."""
        outputs = self._rejector(read)
        if self._decider == "router":
            costs = outputs["actions"]
            checks.finite(actions=costs)
            r, number = rejector_score(-costs), costs[:, 1:].argmin(axis=1)
        else:
            r, number = outputs["r"], np.zeros(len(read), dtype=int)
        r = r - np.float32(self.card.threshold)
        checks.finite(r=r)
        return r, number

    def _requests(self, chosen: np.ndarray, number: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Each server's number with the rows of one request."""
        size = math.prod(self.card.input_shape) * np.dtype(self.card.input_dtype).itemsize
        n_rows = max(1, min(self.max_rows, (self.max_body - REQUEST_FRAME) // size))
        for server in range(len(self._servers)):
            rows = chosen[number[chosen] == server]
            for at in range(0, len(rows), n_rows):
                yield server, rows[at : at + n_rows]

    def _check_input(self, x: Any) -> None:
        """Refuse all but (n, ...) of the card's shape and type, n >= 1, finite."""
        if not isinstance(x, np.ndarray) or x.dtype != self.card.input_dtype:
            given = x.dtype if isinstance(x, np.ndarray) else f"a {type(x).__name__}"
            raise ValueError(f"expected x as a NumPy array of type {self.card.input_dtype}, got {given}")
        if x.shape[1:] != self.card.input_shape or len(x) == 0:
            expected = ", ".join(["n >= 1", *map(str, self.card.input_shape)])
            raise ValueError(f"expected x of shape ({expected}), got {x.shape}")
        if x.dtype.kind == "f":
            checks.finite(x=x)

    def _client_indices(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """The client's class indices, checked, in an array of our own, and its scores or None."""
        given = self._client(x)
        m, scores = given if isinstance(given, tuple) else (given, None)
        m = np.array(m)
        if m.shape != (len(x),) or m.dtype.kind not in "iu":
            raise ValueError(f"expected {len(x)} whole class indices from the client, got {m.dtype} {m.shape}")
        checks.class_labels(len(self.card.classes), **{"the client's class index": m})
        if self._reads_scores and scores is None:
            raise ValueError("expected the client's labels and its scores, which this rejector reads, got labels alone")
        return m.astype(np.int64), scores

    def _within_budget(self, r: np.ndarray, would_ask: np.ndarray, reasons: dict[int, str]) -> np.ndarray:
        """The rows that may ask, smallest r first where they are not all; the others get their reason."""
        if not self._servers:
            reasons.update(dict.fromkeys(would_ask.tolist(), "no_server"))
            return would_ask[:0]
        if self._budget is None:
            return would_ask
        granted = self._budget.take(inputs=len(r), wanted=len(would_ask))
        ranked = would_ask[np.argsort(r[would_ask], kind="stable")]
        reasons.update(dict.fromkeys(ranked[granted:].tolist(), "budget"))
        return ranked[:granted]

    def _server_indices(self, replicas: Sequence[_Server], x: np.ndarray, end: float) -> tuple[np.ndarray, str]:
        """The class indices of the first replica whose breaker permits the call, and its URL."""
        id = f"{next(self._ids)}-{secrets.token_hex(8)}"  # of two devices, or processes after a fork, none is the same
        headers, body = encode_request(x, id=id)
        if self._clock() >= end:  # no failure of a server
            raise _Failure("timeout", "the deadline passed before the request")
        for server in replicas:
            if (permit := server.breaker.permit()) is not None:
                break
        else:
            raise _Failure("breaker", "open")
        succeeded = False
        try:
            answer = self._exchange(server.exchange, headers, body, n=len(x), end=end)
            e = self._scores(answer, n=len(x), id=id)
            succeeded = True
        except _Failure as failure:
            logger.debug("%s gave no scores (%s)", server.exchange.url, failure)
            raise
        finally:
            server.breaker.record(permit, succeeded=succeeded)
        labels = server_label(e)
        return (labels + 1) // 2 if e.ndim == 1 else labels, server.exchange.url

    def _exchange(
        self, exchange: Exchange, headers: Mapping[str, str], body: bytes, *, n: int, end: float
    ) -> HttpAnswer:
        """The server's answer of status 200, or a failure with its reason."""
        self._add(requests=1)
        largest = ANSWER_FRAME + SCORE_BYTES * n * score_columns(len(self.card.classes))
        try:
            answer = exchange.post(
                INFER_PATH, headers, body, seconds=max(end - self._clock(), LEAST_SECONDS), largest=largest
            )
        except ExchangeError as error:
            raise _Failure(error.reason, error) from error
        if answer.status != 200:
            raise _Failure(STATUS_REASONS.get(answer.status, "http_error"), f"status {answer.status}")
        return answer

    def _scores(self, answer: HttpAnswer, *, n: int, id: str) -> np.ndarray:
        """The scores in an answer of status 200, or a failure with its reason."""
        self._judge_model(answer.headers)  # first: another model's scores may have another form
        try:
            return decode_answer(answer.headers, answer.body, n=n, n_classes=len(self.card.classes), id=id)
        except ProtocolError as error:
            raise _Failure("malformed", error) from error

    def _judge_model(self, headers: Mapping[str, str]) -> None:
        """Count, and in the mode "fallback" refuse, an answer that states another model than the card's."""
        stated = headers.get(MODEL_HEADER)
        if stated is None or "server" not in self.card.parts or stated == self.card.parts["server"].sha256:
            return
        self._add(stale=1)
        if self.stale == "fallback":
            raise _Failure("stale", "the server's model is not the card's")

    def _add(self, **counts: int) -> None:
        with self._lock:
            self._counter.update(counts)

    def _count(self, inputs: int, would_ask: int, asked: int, reasons: Mapping[int, str]) -> None:
        """All counters of a call at once, so that they add up at any moment."""
        with self._lock:
            self._counter.update(inputs=inputs, kept=inputs - would_ask, asked=asked)
            self._fallback.update(reasons.values())


def _check_times(deadline: float, failures: int, breaker_window: float, queue_timeout: float) -> None:
    """Refuse time-outs in another order than deadline < breaker window < queue time-out."""
    checks.positive(deadline=deadline, breaker_window=breaker_window, queue_timeout=queue_timeout)
    checks.integer(1, failures=failures)
    if not deadline * failures < breaker_window < queue_timeout:
        raise ValueError(
            "expected deadline * failures < breaker_window < queue_timeout, so that time-outs one after another open "
            f"the breaker before the server's queue gives up, got {deadline:g} * {failures}, {breaker_window:g} and "
            f"{queue_timeout:g} s"
        )


def _urls(url: Any, card: Card) -> list[list[str]]:
    """The URLs of the replicas of each server that the card's decision may name."""
    if url is None:
        return []
    if "router" not in card.parts:
        if isinstance(url, Mapping):
            raise ValueError(
                "expected the URL of one server, or those of its replicas, got several servers without a router"
            )
        return [_replicas(url)]
    names = server_names(card)
    if not isinstance(url, Mapping) or set(url) != set(names):
        given = ", ".join(map(str, url)) if isinstance(url, Mapping) else f"a {type(url).__name__}"
        raise ValueError(f"expected a URL for each of the servers {', '.join(names)}, got {given}")
    return [_replicas(url[name]) for name in names]


def _replicas(url: str | Sequence[str]) -> list[str]:
    urls = [url] if isinstance(url, str) else list(url)
    if not urls:
        raise ValueError("expected at least one URL of a server, got none")
    return urls


def _model(folder: str | Path, card: Card, name: str) -> OnnxModel:
    """The session of a part of the card."""
    if name not in card.parts:
        hint = "; give the client as client=" if name == "client" else ""
        raise ValueError(f"expected a helper with the file of its {name}, got one without: {card.missing[name]}{hint}")
    return load_part(folder, card, name)


def _onnx_client(model: OnnxModel, needs_scores: bool) -> ClientFunction:
    """The client's indices and scores from its session."""
    if needs_scores and "scores" not in model.outputs:
        raise ValueError(f"expected a client with scores, which the rejector reads, got {model.path} without")

    def client(x: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        outputs = model(x)
        return outputs["m"], outputs.get("scores")

    return client
