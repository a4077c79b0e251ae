"""A search for what no student may see: solutions, hidden tests and seeds, in any file, also inside archives."""

import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

MARKS = ("BEGIN SOLUTION", "# SOLUTION", "# SEED", "BEGIN TESTS", "BEGIN TEST CONFIG", "hidden=True", "**Rubric.**")
SHORTEST_LINE = 12  # characters of a solution's line; shorter ones, such as "return m", also stand elsewhere


def file_texts(name: str, content: bytes) -> Iterator[tuple[str, str]]:
    r"""The names and texts in a file: of an archive those of its members, of a notebook also its strings, decoded.

    >>> list(file_texts("a.ipynb", b'{"x": "1 \\u2264 2"}'))
    [('a.ipynb', '{"x": "1 \\u2264 2"}'), ('a.ipynb', '1 ≤ 2')]
    """
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from file_texts(f"{name}/{member}", archive.read(member))
        return
    text = content.decode("utf8", errors="replace")
    yield name, text
    if name.endswith((".ipynb", ".json")):
        yield from ((name, string) for string in _strings(json.loads(text)))


def _strings(value: Any) -> Iterator[str]:
    """All strings in nested lists and dictionaries; a list of strings is one text, as a notebook's sources are."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        yield "".join(value)
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def secret_lines(code: str) -> set[str]:
    r"""The lines of a solution by which it would be recognised.

    >>> secret_lines("def f(r):\n    return np.where(r > 0, 1, 2)\n    # why")
    {'return np.where(r > 0, 1, 2)'}
    """
    lines = {line.strip() for line in code.splitlines()}
    return {line for line in lines if len(line) >= SHORTEST_LINE and not re.match(r'#|def |import |from |"""', line)}


def find_leaks(folder: Path, secrets: Iterable[str]) -> list[str]:
    """Where a mark of a master or a secret text stands in the files of a folder.

    Args:
        folder: with the files for students.
        secrets: texts that no file may hold.

    Returns:
        Sentences, each with the name of a file; none if all is well.
    """
    wanted = {*MARKS, *secrets}
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    texts = (pair for path in paths for pair in file_texts(path.name, path.read_bytes()))
    return sorted({f"{name} holds {secret!r}" for name, text in texts for secret in wanted if secret in text})
