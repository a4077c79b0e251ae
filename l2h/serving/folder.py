"""The folder of a saved helper: its card, with all checks at the door, and the files that the card names.

`card.json` is strict JSON with a digest of its own content and one of each file, so that a damaged folder is refused
rather than served. Files are only data (ONNX and text): reading a folder runs none of its content.
"""

import hashlib
import json
import math
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from uuid import uuid4

import numpy as np

from l2h.experiments.store import write_atomically
from l2h.problem import Costs
from l2h.serving.model_card import model_card

FORMAT = "l2h helper"
CARD_VERSION = 1
CARD_FILE = "card.json"
README_FILE = "README.md"
PARTS = ("rejector", "server", "client")
OPTIONAL_PARTS = ("router",)  # decides in place of the rejector which of several servers is asked
INPUT_DTYPES = ("uint8", "float32")
READS = ("x", "client_scores")
LARGEST_CARD = 16 * 2**20  # bytes; a card of ten thousand classes has less than one million
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
FIELDS = (
    "format", "version", "sha256", "classes", "costs", "method", "threshold", "input", "parts", "missing", "data",
    "metrics", "versions", "options",
)  # fmt: skip


class PartFile(NamedTuple):
    """One ONNX file of a helper."""

    file: str  # a plain name in the helper's folder
    sha256: str  # of the file's bytes, 64 hexadecimal digits
    reads: str = "x"  # its input: "x", or "client_scores" for a rejector that reads the client's scores


@dataclass(frozen=True)
class Card:
    """All that a helper's folder says about itself.

    Args:
        classes: the user's labels in the order of their index; at least two distinct strings, integers, booleans or
            finite numbers.
        costs: c1 and ce that the helper was fitted for.
        method: name of the method that fitted rejector and server.
        threshold: t of the decision asks(r - t), a number that float32 represents.
        input_shape: of one x, without the batch axis.
        input_dtype: of x: "uint8" or "float32".
        parts: "rejector", "server", "client" -> its file; for several servers also "router", which reads what a
            rejector reads and gives "actions", (n, k + 1) float32: the expected cost of keeping, and of asking each
            server of options["servers"], a list of their k names.
        missing: a part without a file -> why it has none.
        data: hashes and sizes of the data it was fitted on; any JSON.
        metrics: name -> {"estimate": ..., "low": ..., "high": ...} and more; None where a metric is undefined. "n" and
            "data" say on which examples it was measured.
        versions: library -> version that made the folder.
        options: how it was fitted; any JSON.
    """

    classes: tuple[Any, ...]
    costs: Costs
    method: str
    threshold: float
    input_shape: tuple[int, ...]
    input_dtype: str
    parts: Mapping[str, PartFile]
    missing: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


def read_card(folder: str | os.PathLike[str]) -> Card:
    """The card of a helper's folder, after all checks: format, version, fields, digests, and that each file exists.

    Args:
        folder: as `write_card` left it.

    Returns:
        The card.

    Raises:
        FileNotFoundError: if there is no folder, no card, or not a file that the card names.
        ValueError: if the card is damaged, foreign, newer than this version reads, or names a file outside the folder
            or one with another content.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"expected the folder of a saved helper, got {folder}, which is no folder")
    path = folder / CARD_FILE
    if not path.is_file():
        raise FileNotFoundError(f"expected the folder of a saved helper with a {CARD_FILE}, got {folder} without one")
    try:
        card = _card(_parsed(path))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError, too
        reason = "expected less nesting" if isinstance(error, RecursionError) else error
        raise ValueError(f"{path} is no valid card of a helper: {reason}") from error
    for part in card.parts.values():
        _check_file(folder, part)
    return card


def write_card(folder: str | os.PathLike[str], card: Card) -> None:
    """Write README.md and card.json into a folder that holds the card's files already; the card is written last.

    Args:
        folder: of a new helper, or of a saved one whose card is replaced.
        card: its files exist and have their digests.

    Raises:
        FileNotFoundError: if there is no folder, or not a file that the card names.
        ValueError: if the card is not valid, or the folder holds a card.json or README.md of something else.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"expected an existing folder to write a card into, got {folder}")
    if not is_helper(folder):
        for name in (CARD_FILE, README_FILE):
            if (folder / name).exists():
                raise ValueError(
                    f"expected no {name} but that of a helper in {folder}, got another; nothing was written"
                )
    text = _text(card)
    for part in card.parts.values():
        _check_file(folder, part)
    write_atomically(folder / README_FILE, model_card(json.loads(text)))
    write_atomically(folder / CARD_FILE, text)


def is_helper(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a helper's card, which may be damaged otherwise: then `read_card` says how.

    Args:
        folder: any path.
    """
    try:
        content = _parsed(Path(folder) / CARD_FILE)
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def check_target(folder: str | os.PathLike[str]) -> None:
    """Refuse a folder into which no helper may be saved.

    Args:
        folder: new, empty, or that of a saved helper.

    Raises:
        ValueError: if it holds anything but a helper.
    """
    folder = Path(folder)
    if folder.exists() and not is_helper(folder) and (not folder.is_dir() or not all(map(_is_ours, folder.iterdir()))):
        raise ValueError(
            f"expected a new or empty folder, or that of a saved helper, got {folder}; nothing was changed"
        )


def _is_ours(path: Path) -> bool:
    """Whether an entry of a folder is what a killed save left, or what a file system makes at its top."""
    return (
        path.name == "lost+found"
        or re.fullmatch(rf"\.{re.escape(path.parent.name)}\.[0-9a-f]{{32}}", path.name) is not None
    )


@contextmanager
def saving(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """A new folder for the files of a helper; at the end, if all is well, they take their place in `folder`.

    A process that is killed before the end leaves `folder` as it was. A new one gets its name when it is complete. In
    one that is there, which may be a mount point or in a folder that may not be written, files are replaced one by one,
    the card last: in between its digests do not fit, so that no mixture is read.

    Args:
        folder: new, empty, or that of a saved helper; files that belong to no helper stay there.

    Yields:
        The folder to write into, `write_card` last.

    Raises:
        ValueError: if `folder` holds anything but a helper, or the new folder is no valid helper at the end.
        OSError: if `folder` cannot be written.
    """
    folder = Path(folder).resolve()
    check_target(folder)
    there = folder.exists()
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = (folder if there else folder.parent) / f".{folder.name}.{uuid4().hex}"  # on the disk of its place
    new.mkdir()
    try:
        yield new
        read_card(new)
        if there:
            _replace_files(folder, new)
        else:
            new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _replace_files(folder: Path, new: Path) -> None:
    """Move the files of a new helper into the folder of a saved one, the card last; then remove what only that had."""
    try:
        superseded = {part.file for part in read_card(folder).parts.values()}
    except (ValueError, FileNotFoundError):
        superseded = set()  # whose files these are is unknown, so that they stay
    files = sorted(new.iterdir(), key=lambda path: path.name == CARD_FILE)
    for path in files:
        path.replace(folder / path.name)
    for name in superseded - {path.name for path in files}:
        (folder / name).unlink()


def part_of(folder: str | os.PathLike[str], file: str, *, reads: str = "x") -> PartFile:
    """The entry of a card for a file of a folder, with its digest.

    Args:
        folder: of the helper.
        file: its name there.
        reads: its input.

    Returns:
        `PartFile`.
    """
    return PartFile(file, file_sha256(Path(folder) / file), reads)


def server_names(card: Card) -> tuple[str, ...]:
    """The names of the servers between which a helper's router chooses, in the order of its actions.

    Args:
        card: of a helper with a router.

    Raises:
        ValueError: if options["servers"] is no list of k >= 1 different names.
    """
    names = card.options.get("servers")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"expected a list of names as options.servers, for the router, got {_shown(names)}")
    if len(set(names)) < len(names):
        raise ValueError(f"expected different names as options.servers, got {_shown(names)}")
    return tuple(names)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parsed(path: Path) -> Any:
    """The content of a card's file; refuses NaN, infinities and names that come twice, which `json` would take."""
    if not path.is_file():
        raise FileNotFoundError(f"expected a file {path}")
    if (size := path.stat().st_size) > LARGEST_CARD:
        raise ValueError(f"expected at most {LARGEST_CARD} bytes, got {size}")
    return json.loads(path.read_bytes().decode(), object_pairs_hook=_without_repeats, parse_constant=_refuse_constant)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if repeated := sorted(name for name, times in Counter(names).items() if times > 1):
        raise ValueError(f"expected each name once, got {_shown(repeated[0])} more often")
    return dict(pairs)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"expected finite numbers, got {name}")


def _text(card: Card) -> str:
    """The content of card.json, after the checks that reading it would make."""
    content = {
        "format": FORMAT,
        "version": CARD_VERSION,
        "classes": list(card.classes),
        "costs": {"c1": card.costs.c1, "ce": card.costs.ce},
        "method": card.method,
        "threshold": card.threshold,
        "input": {"shape": list(card.input_shape), "dtype": card.input_dtype},
        "parts": {name: part._asdict() for name, part in card.parts.items()},
        **{name: dict(getattr(card, name)) for name in ("missing", "data", "metrics", "versions", "options")},
    }
    try:
        text = json.dumps({**content, "sha256": _digest(content)}, indent=1, allow_nan=False)
        _card(json.loads(text))
        model_card(json.loads(text)).encode()  # a text of half a surrogate pair has no file
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"expected a card that can be saved, got one where this is wrong: {error}") from error
    return text + "\n"


def _digest(content: Mapping[str, Any]) -> str:
    """Of all of a card but its digest, independent of layout and order."""
    fields = {name: value for name, value in content.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(fields, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _card(content: Any) -> Card:
    """A card from the content of its file, after all checks that need no other file."""
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f'expected "format": "{FORMAT}", got that of something else')
    version: Any = content.get("version")
    if _is_whole(version) and version > CARD_VERSION:
        raise ValueError(
            f"it has version {version}, made by a newer l2h; this one reads up to {CARD_VERSION}: update it"
        )
    if not _is_whole(version) or version < 1:
        raise ValueError(f"expected a version from 1 to {CARD_VERSION}, got {_shown(version)}")
    _fields("the card", content, FIELDS)
    if content["sha256"] != (digest := _digest(content)):
        raise ValueError(f"expected the content that was saved, got a changed one (its digest is {digest})")
    x = _fields("input", content["input"], ("shape", "dtype"))
    costs = _fields("costs", content["costs"], ("c1", "ce"))
    parts = {name: _part(name, entry) for name, entry in _object("parts", content["parts"]).items()}
    missing = _texts("missing", content["missing"])
    _check_parts(parts, missing)
    return Card(
        classes=_classes(content["classes"]),
        costs=Costs(**{name: _number(f"costs.{name}", value) for name, value in costs.items()}),
        method=_string("method", content["method"]),
        threshold=_threshold(content["threshold"]),
        input_shape=_shape(x["shape"]),
        input_dtype=_one_of("input.dtype", x["dtype"], INPUT_DTYPES),
        parts=parts,
        missing=missing,
        data=_object("data", content["data"]),
        metrics=_metrics(content["metrics"]),
        versions=_texts("versions", content["versions"]),
        options=_object("options", content["options"]),
    )


def _check_parts(parts: Mapping[str, PartFile], missing: Mapping[str, str]) -> None:
    """Each part has a file or a reason why it has none, and no two parts share a file."""
    for name in [*parts, *missing]:
        _one_of("a part", name, PARTS + OPTIONAL_PARTS)
    for name in PARTS:
        if (name in parts) == (name in missing):
            raise ValueError(f"expected {name} either with a file or with a reason why it has none")
    if len({part.file for part in parts.values()}) < len(parts):
        raise ValueError("expected one file for each part, got one file twice")


def _part(name: str, entry: Any) -> PartFile:
    fields = _fields(f"parts.{name}", entry, PartFile._fields)
    file, sha256 = (_string(f"parts.{name}.{key}", fields[key]) for key in ("file", "sha256"))
    if not PLAIN_NAME.fullmatch(file) or file in (CARD_FILE, README_FILE):
        raise ValueError(f"expected a plain name of a file in the folder as parts.{name}.file, got {_shown(file)}")
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError(f"expected 64 hexadecimal digits as parts.{name}.sha256, got {_shown(sha256)}")
    reads = _one_of(f"parts.{name}.reads", fields["reads"], READS if name in ("rejector", "router") else READS[:1])
    return PartFile(file, sha256, reads)


def _check_file(folder: Path, part: PartFile) -> None:
    """Refuse a file that is missing, lies outside the folder by a link, or has another content."""
    path = folder / part.file
    if path.resolve().parent != folder.resolve():
        raise ValueError(f"expected {part.file} inside {folder}, got a link that leads out of it")
    if not path.is_file():
        raise FileNotFoundError(f"expected a file {part.file} in {folder}, as its card says, got none")
    if (digest := file_sha256(path)) != part.sha256:
        raise ValueError(f"expected {path} with the SHA-256 of its card, {part.sha256}, got {digest}: it was changed")


def _classes(value: Any) -> tuple[Any, ...]:
    labels = _list("classes", value)
    for label in labels:
        if not isinstance(label, str):
            _number("a class", float(label) if isinstance(label, bool) else label)
        else:
            label.encode()
    if len(labels) < 2 or len(set(labels)) < len(labels):
        raise ValueError(f"expected at least two classes, all different, got {_shown(labels)}")
    return tuple(labels)


def _threshold(value: Any) -> float:
    threshold = _number("threshold", value)
    if abs(threshold) > float(np.finfo(np.float32).max) or float(np.float32(threshold)) != threshold:
        raise ValueError(f"expected a threshold that float32 represents, got {threshold}")
    return threshold


def _shape(value: Any) -> tuple[int, ...]:
    shape = _list("input.shape", value)
    if not shape or not all(_is_whole(length) and length >= 1 for length in shape) or math.prod(shape) >= 2**31:
        raise ValueError(f"expected whole numbers >= 1, of a product below 2^31, as input.shape, got {_shown(value)}")
    return tuple(shape)


def _metrics(value: Any) -> dict[str, Any]:
    metrics = _object("metrics", value)
    for name, entry in metrics.items():
        for key in ("estimate", "low", "high"):
            if key not in _object(f"metrics.{name}", entry):
                raise ValueError(f"expected estimate, low and high in metrics.{name}, got no {key}")
            if entry[key] is not None:
                _number(f"metrics.{name}.{key}", entry[key])
    return metrics


def _fields(what: str, value: Any, names: Sequence[str]) -> dict[str, Any]:
    """An object with exactly these names."""
    fields = _object(what, value)
    for problem, wrong in (("no", set(names) - set(fields)), ("the unknown", set(fields) - set(names))):
        if wrong:
            raise ValueError(f"expected {', '.join(names)} in {what}, got {problem} {_shown(min(wrong))}")
    return fields


def _object(what: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected an object as {what}, got {_shown(value)}")
    return value


def _list(what: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"expected a list as {what}, got {_shown(value)}")
    return value


def _string(what: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected a text as {what}, got {_shown(value)}")
    return value


def _texts(what: str, value: Any) -> dict[str, str]:
    return {name: _string(f"{what}.{name}", text) for name, text in _object(what, value).items()}


def _number(what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        raise ValueError(f"expected a finite number as {what}, got {_shown(value)}")
    return value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _one_of(what: str, value: Any, options: Sequence[str]) -> str:
    if value not in options:
        raise ValueError(f"expected {what} to be one of {', '.join(options)}, got {_shown(value)}")
    return value


def _shown(value: Any) -> str:
    """A value in a message, shortened: a foreign file may hold anything."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
