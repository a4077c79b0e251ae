"""The one rule of staleness, and the store that keeps a result under its key.

A key states what a result depends on: configuration, data, versions of libraries and the code in use.
While the key is unchanged the result is reused; as soon as one of them changes, the key does, too.
"""

import ast
import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

PACKAGE = Path(__file__).resolve().parent


def imports(source: str) -> set[str]:
    """The modules of this package that a piece of Python imports by name, wherever in it the import stands.

    Args:
        source: Python code.

    Returns:
        Dotted names as they are written; `modules_in_use` adds the packages that they lie in.

    Raises:
        SyntaxError: if it is not Python.

    >>> sorted(imports("from l2h import checks; from l2h.problem import Costs; import numpy"))
    ['l2h', 'l2h.checks', 'l2h.problem']
    """
    named: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            named.update((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
    return {name for name in named if _file(name) is not None}


def modules_in_use(roots: Iterable[str], *, aside: Iterable[str] = ()) -> tuple[str, ...]:
    """The modules that are imported by some modules, by what those import, and so on; the roots included.

    Args:
        roots: dotted names of modules of this package.
        aside: dotted names that are left out, with whatever is reached through them alone.

    Returns:
        Dotted names, sorted.

    Raises:
        ValueError: if a root is not a module of this package.

    >>> modules_in_use(["l2h.problem"])
    ('l2h', 'l2h.checks', 'l2h.problem')
    """
    waiting, left_out, found = list(roots), set(aside), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in found | left_out:
            found.add(name)
            waiting.extend(imports(_source(name)))
            waiting.extend(name.rpartition(".")[:1] if "." in name else ())
    return tuple(sorted(found))


def code_fingerprint(modules: Iterable[str]) -> str:
    """A digest of what modules compute: of their syntax trees without docstrings, comments and layout.

    Args:
        modules: dotted names of modules of this package, in any order.

    Returns:
        64 hexadecimal digits, the same on every Python version that parses the code alike.

    Raises:
        ValueError: if a name is not a module of this package.

    >>> code_fingerprint(["l2h.checks"]) == code_fingerprint(["l2h.checks", "l2h.problem"])
    False
    """
    return key(**{name: source_fingerprint(_source(name)) for name in modules})


@lru_cache(maxsize=256)
def source_fingerprint(source: str) -> str:
    """The digest of a piece of Python without docstrings, comments and layout.

    >>> source_fingerprint("x = 1  # a count") == source_fingerprint("x=1")
    True
    """
    return hashlib.sha256(repr(_tree(ast.parse(source))).encode()).hexdigest()


def key(**facts: Any) -> str:
    """The digest of named facts, the same for the same facts in any order.

    Args:
        facts: what JSON can hold; a tuple counts as a list.

    Returns:
        64 hexadecimal digits.

    Raises:
        TypeError, ValueError: if a fact is not JSON: an object, a set, NaN or an infinity.

    >>> key(ce=0.1, seed=1) == key(seed=1, ce=0.1), key(ce=0.1) == key(ce=0.2)
    (True, False)
    """
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def default_folder() -> Path:
    """Where runs are kept: L2H_RUNS, else `_build/runs` of this checkout."""
    return Path(os.environ.get("L2H_RUNS") or PACKAGE.parent / "_build" / "runs").expanduser().absolute()


@dataclass(frozen=True)
class Store:
    """Results by key, one JSON file each with a digest; safe for concurrent writers and for a writer that is killed.

    Args:
        folder: created when the first result is kept.

    >>> key(seed=1) in Store(folder=Path("nowhere"))
    False
    """

    folder: Path = field(default_factory=default_folder)

    def __contains__(self, key: str) -> bool:
        return self._path(key).exists()

    def get(self, key: str) -> dict[str, Any] | None:
        """The result kept under a key, or None where there is none.

        Args:
            key: as `key` makes it.

        Returns:
            What was put, as JSON reads it: lists for tuples.

        Raises:
            ValueError: if the key is not one, or the file is not as `put` wrote it under this key: truncated, edited,
                or copied from another key; it names the file.
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
        """Keep a result: whoever reads the key sees the whole of it or nothing.

        Args:
            key: as `key` makes it.
            result: what JSON can hold.

        Raises:
            TypeError, ValueError: if the key is not one, or the result is not JSON: an object, NaN or an infinity.
            OSError: if it cannot be written; nothing is left behind.
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
    """Write a file so that at every moment, even if we are killed, it has its old content or its new one.

    Args:
        path: the file; its folder is created.
        text: the new content.

    Raises:
        OSError: if it cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")  # on the same disk, or the replacement is no rename
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _file(name: str) -> Path | None:
    package, *parts = name.split(".")
    path = PACKAGE.joinpath(*parts)
    candidates = [path / "__init__.py", path.with_suffix(".py")] if package == PACKAGE.name else []
    return next((path for path in candidates if path.is_file()), None)


def _source(name: str) -> str:
    path = _file(name)
    if path is None:
        raise ValueError(f"expected a module of {PACKAGE.name}, got {name!r}")
    return path.read_text(encoding="utf-8")


def _tree(node: Any) -> Any:
    # ast.dump is not used: what it writes for empty fields differs between Python versions.
    if isinstance(node, list):
        return [_tree(item) for item in node]
    if not isinstance(node, ast.AST):
        return node
    fields = {name: _tree(value) for name, value in ast.iter_fields(node) if value is not None and value != []}
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
        fields["body"] = fields["body"][1:]
    return type(node).__name__, fields


def _with_digest(key: str, text: bytes) -> bytes:
    """The JSON of a result as a file holds it; the key is digested, too, so that no file passes for another."""
    digest = hashlib.sha256(key.encode() + text).hexdigest()
    return b'{"sha256": "%s", "result": %s}' % (digest.encode(), text)
