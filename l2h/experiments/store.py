"""The store that keeps a result under its key.

A key is a digest of all that a result depends on: configuration, data, versions of libraries and the code in use.
While the key is unchanged, the result is reused; when one of them changes, the key changes.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from platformdirs import user_cache_path

from l2h.experiments.fingerprint import PACKAGE


def default_store_folder() -> Path:
    """The folder of runs: L2H_RUNS, else `_build/runs` of this checkout of the book, else the user's cache."""
    checkout = PACKAGE.parent
    default = checkout / "_build" if (checkout / "book").is_dir() else user_cache_path("l2h", appauthor=False)
    return Path(os.environ.get("L2H_RUNS") or default / "runs").expanduser().absolute()


@dataclass(frozen=True)
class Store:
    """Results by key, one JSON file each with a digest. Writers may be concurrent, and may be killed at any moment.

    Args:
        folder: created when the first result is kept; by default `default_store_folder()`.

    >>> "0" * 64 in Store(folder=Path("nowhere"))
    False
    """

    folder: Path = field(default_factory=default_store_folder)

    def __contains__(self, key: str) -> bool:
        return self._path(key).exists()

    def get(self, key: str) -> dict[str, Any] | None:
        """The result kept under a key, or None where there is none.

        Args:
            key: as `fingerprint.key` makes it.

        Returns:
            The result as JSON reads it: lists in place of tuples.

        Raises:
            ValueError: if the key is malformed, or the file is not as `put` wrote it under this key: truncated, edited,
                or copied from another key. The message names the file.
        """
        path = self._path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        text = content[len(_with_digest(key, b"")) - 1 : -1]
        if content != _with_digest(key, text):
            raise ValueError(
                f"{path} is corrupt (expected the content that was written under this name, with its SHA-256); "
                "delete it, and the result is computed again"
            )
        result: dict[str, Any] = json.loads(text)
        return result

    def put(self, key: str, result: dict[str, Any]) -> None:
        """Keep a result. A reader of the key sees all of it or nothing.

        Args:
            key: as `fingerprint.key` makes it.
            result: values that JSON can hold.

        Raises:
            TypeError, ValueError: if the key is malformed, or the result is not JSON: an object, NaN or an infinity.
            OSError: if it cannot be written; no file is left behind.
        """
        if not isinstance(result, dict):
            raise TypeError(f"expected a result as a dict, got {type(result).__name__}")
        text = json.dumps(result, allow_nan=False)  # ASCII, with escapes
        write_atomically(self._path(key), _with_digest(key, text.encode()).decode())

    def _path(self, key: str) -> Path:
        if len(key) != 64 or not set(key) <= set("0123456789abcdef"):
            raise ValueError(f"expected a key of 64 hexadecimal digits, got {key!r}")
        return self.folder / f"{key}.json"


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it has its old or its new content at every moment, even if the process is killed.

    Args:
        path: the file; its folder is created.
        text: the new content.

    Raises:
        OSError: if it cannot be written; no file is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")  # on the same disk: only there is the replacement atomic
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _with_digest(key: str, text: bytes) -> bytes:
    """The content of a result's file; the digest covers the key, so that a file under another key is refused."""
    digest = hashlib.sha256(key.encode() + text).hexdigest()
    return b'{"sha256": "%s", "result": %s}' % (digest.encode(), text)
