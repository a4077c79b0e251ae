"""The digest of what an executed notebook shows, beside its key: a key says what was executed, not what is shown.

Jupyter and editors write other outputs under the same key. A notebook whose digest is not that of its outputs is not
what an execution made, and is neither reused nor published.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

INJECTED = "injected-parameters"
ERROR = ("ename", "evalue", "traceback")


def outputs_digest(notebook: Mapping[str, Any]) -> str:
    r"""The digest of every code cell and of what is shown below it.

    It is the same for a notebook's file, for what nbformat reads, and for what Jupyter saves unchanged: lists of lines
    count as their text, pieces of a stream as the whole, and whole numbers in JSON as integers; execution counts,
    names of cells and all metadata are left out.

    Args:
        notebook: executed; the cell that papermill adds does not count.

    Returns:
        64 hexadecimal digits.

    >>> cell = {"cell_type": "code", "metadata": {}, "source": "print(0.2)"}
    >>> lines, text = ({"name": "stdout", "text": shown} for shown in (["0.2\n", "0.3\n"], "0.2\n0.3\n"))
    >>> first, second = ({"cells": [cell | {"outputs": [shown]}]} for shown in (lines, text))
    >>> outputs_digest(first) == outputs_digest(second)
    True
    """
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and not injected(cell)]
    shown = [[_text(cell["source"]), list(_shown(cell["outputs"]))] for cell in cells]
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def write_digest(notebook: MutableMapping[str, Any]) -> None:
    """Write the digest into `metadata.l2h`.

    Args:
        notebook: with outputs that are known to be those of its execution.
    """
    notebook["metadata"]["l2h"]["outputs"] = outputs_digest(notebook)


def unchanged(notebook: Mapping[str, Any]) -> bool:
    """Whether a notebook shows what its execution showed; False if it has no digest."""
    return notebook["metadata"].get("l2h", {}).get("outputs") == outputs_digest(notebook)


def check(notebook: Mapping[str, Any], path: Path) -> None:
    """Refuse a notebook that shows something else than its execution did.

    Args:
        notebook: executed.
        path: of its file, for the message.

    Raises:
        ValueError: if code or outputs were changed, or if there is no digest.
    """
    if not unchanged(notebook):
        raise ValueError(
            f"expected code and outputs as executed, got {path}, where they were changed after its execution; "
            "`git checkout` restores a committed record, and an execution replaces it"
        )


def injected(cell: Mapping[str, Any]) -> bool:
    """Whether papermill added a cell."""
    return INJECTED in cell["metadata"].get("tags", ())


def _shown(outputs: list[Mapping[str, Any]]) -> Iterator[list[Any]]:
    stream: list[str] = []  # name and text so far; a kernel sends in pieces what Jupyter saves as one
    for output in outputs:
        if stream and stream[0] == output.get("name"):
            stream[1] += _text(output["text"])
            continue
        if stream:
            yield stream
        stream = [output["name"], _text(output["text"])] if "text" in output else []
        if not stream:
            data = {kind: _data(kind, value) for kind, value in output.get("data", {}).items()}
            yield [data, *(output.get(field) for field in ERROR)]
    if stream:
        yield stream


def _text(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def _data(kind: str, value: Any) -> Any:
    return _integers(value) if kind.endswith("json") else _text(value)


def _integers(value: Any) -> Any:
    """JSON with whole numbers as integers, as JavaScript writes them."""
    if isinstance(value, Mapping):
        return {name: _integers(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_integers(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
