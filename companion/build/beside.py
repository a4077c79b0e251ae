"""The files that an execution writes beside its notebook, whose digests stand in the notebook."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from l2h.experiments.store import write_atomically


class FileBeside(NamedTuple):
    """A kind of such files: the end of their names, and the name of their digest in `metadata.l2h`."""

    suffix: str
    digest_name: str

    def path(self, notebook: Path) -> Path:
        """Where the file of an executed notebook lies."""
        return notebook.with_suffix(self.suffix)

    def write(self, notebook: Path, text: str) -> None:
        """Write the file of an executed notebook; without text there is no file."""
        if text:
            write_atomically(self.path(notebook), text)
        else:
            self.path(notebook).unlink(missing_ok=True)

    def read(self, notebook: Path) -> str:
        """The text of the file of an executed notebook; empty if it has none."""
        path = self.path(notebook)
        return path.read_text("utf-8") if path.exists() else ""

    def belongs_to(self, notebook: Mapping[str, Any], path: Path) -> bool:
        """Whether the file beside an executed notebook, which lies at `path`, is the one that its execution wrote."""
        return notebook["metadata"].get("l2h", {}).get(self.digest_name) == text_digest(self.read(path))


def text_digest(text: str) -> str | None:
    """The SHA-256 of a file's text, as the executed notebook states it; None without text."""
    return hashlib.sha256(text.encode()).hexdigest() if text else None


RUN_SUMMARIES = FileBeside(".runs.csv", "runs")  # of `summaries`
FIGURE_NUMBERS = FileBeside(".figures.csv", "figures")  # of `figure_files`
FILES_BESIDE = (RUN_SUMMARIES, FIGURE_NUMBERS)
