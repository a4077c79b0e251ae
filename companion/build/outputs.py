"""The digest of the outputs of an executed notebook; its key identifies the code, not the outputs.

Jupyter and editors can write other outputs under the same key. If the digest in a notebook is not that of its outputs,
they were changed after the execution, and the notebook is neither reused nor published.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

INJECTED = "injected-parameters"
ERROR = ("ename", "evalue", "traceback")


def outputs_digest(notebook: Mapping[str, Any]) -> str:
    r"""The digest of all code cells and their outputs.

    It is the same for a notebook's file, for the notebook that nbformat reads, and for the file that Jupyter saves
    without a change: lists of lines count as their text, pieces of a stream as one stream, and whole numbers in JSON as
    integers; execution counts, names of cells and all metadata are left out.

    Args:
        notebook: executed; a cell that papermill added does not count.

    Returns:
        64 hexadecimal digits.

    >>> cell = {"cell_type": "code", "metadata": {}, "source": "print(0.2)"}
    >>> outputs = ({"name": "stdout", "text": text} for text in (["0.2\n", "0.3\n"], "0.2\n0.3\n"))
    >>> first, second = ({"cells": [cell | {"outputs": [output]}]} for output in outputs)
    >>> outputs_digest(first) == outputs_digest(second)
    True
    """
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and not injected(cell)]
    content = [[_text(cell["source"]), list(_output_contents(cell["outputs"]))] for cell in cells]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_digest(notebook: MutableMapping[str, Any]) -> None:
    """Write the digest into `metadata.l2h`.

    Args:
        notebook: with the outputs of its execution.
    """
    notebook["metadata"]["l2h"]["outputs"] = outputs_digest(notebook)


def unchanged(notebook: Mapping[str, Any]) -> bool:
    """Whether a notebook has the outputs of its execution; False if it has no digest."""
    return notebook["metadata"].get("l2h", {}).get("outputs") == outputs_digest(notebook)


def check(notebook: Mapping[str, Any], path: Path) -> None:
    """Refuse a notebook whose code or outputs are not those of its execution.

    Args:
        notebook: executed.
        path: its file, for the message.

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


def _output_contents(outputs: list[Mapping[str, Any]]) -> Iterator[list[Any]]:
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
        return {name: _integers(field) for name, field in value.items()}
    if isinstance(value, list):
        return [_integers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
