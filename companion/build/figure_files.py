"""The numbers of a chapter's figures, in a file beside its executed notebook: `NN_name.figures.csv`.

A kernel that executes a chapter loads this module as an extension of IPython: each figure that a cell shows then brings
its numbers with it, as `l2h.plotting.drawn_numbers` reads them from what was drawn. The executor takes them out of the
notebook into the file; a page offers them figure by figure.
"""

import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from companion.build.beside import FIGURE_NUMBERS

EXTENSION = __name__
CSV = "text/csv"
PICTURE = "image/png"
FIGURE = "figure"  # the first column of the file: the number of the figure in its chapter


def load_ipython_extension(shell: Any) -> None:
    """Give each figure its numbers beside its picture.

    Args:
        shell: of IPython, which calls this.
    """
    from IPython.core.formatters import BaseFormatter
    from traitlets import Unicode

    class NumbersFormatter(BaseFormatter):
        """The CSV of a figure; of any other object, none. matplotlib removes what is registered for its figures."""

        format_type = Unicode(CSV)

        def __call__(self, shown: Any) -> str | None:
            figures = sys.modules.get("matplotlib.figure")
            return numbers_as_csv(shown) if figures and isinstance(shown, figures.Figure) else None

    shell.display_formatter.formatters[CSV] = NumbersFormatter(parent=shell.display_formatter)


def numbers_as_csv(figure: Any) -> str:
    """The numbers of a figure as CSV, with the columns of `drawn_numbers.DrawnRow`.

    Args:
        figure: of matplotlib, which a chapter without figures does not import.
    """
    from l2h.plotting.drawn_numbers import rows_as_text

    return _csv_text(rows_as_text(figure))


def take_out(notebook: Mapping[str, Any]) -> str:
    """Take the numbers of all figures out of an executed notebook.

    Args:
        notebook: as its kernel left it; it is changed.

    Returns:
        The file's text; empty without figures.

    Raises:
        ValueError: if a figure has no numbers.
    """
    rows: list[list[str]] = []
    for number, data in enumerate(_pictures(notebook), 1):
        if CSV not in data:
            raise ValueError(f"expected the numbers of figure {number} beside its picture, got none")
        header, *body = csv.reader(io.StringIO(data.pop(CSV)))
        rows += [*([] if rows else [[FIGURE, *header]]), *([str(number), *row] for row in body)]
    return _csv_text(rows)


def by_figure(text: str) -> list[str]:
    r"""The CSV of each figure, without the column of the figure's number.

    Args:
        text: of the file of a notebook.

    Returns:
        One text per figure of the notebook, in order.

    >>> by_figure("figure,x\n1,0.5\n1,0.6\n2,0.7\n")
    ['x\n0.5\n0.6\n', 'x\n0.7\n']
    """
    header, *rows = list(csv.reader(io.StringIO(text))) or [[]]
    bodies: dict[str, list[list[str]]] = {}
    for row in rows:
        bodies.setdefault(row[0], []).append(row[1:])
    return [_csv_text([header[1:], *body]) for body in bodies.values()]


def complete(notebook: Mapping[str, Any], path: Path) -> bool:
    """Whether the file beside an executed notebook has numbers of each of its figures.

    Args:
        notebook: executed.
        path: of the notebook.
    """
    return len(list(_pictures(notebook))) == len(by_figure(FIGURE_NUMBERS.read(path)))


def check_numbers(notebook: Mapping[str, Any], path: Path) -> None:
    """Refuse an executed notebook beside which another file lies than its execution wrote.

    Args:
        notebook: executed.
        path: of the notebook.

    Raises:
        ValueError: if the file was changed or is missing.
    """
    if not FIGURE_NUMBERS.belongs_to(notebook, path):
        raise ValueError(
            f"expected the numbers of the figures of {path} as they were executed, got a changed or missing "
            f"{FIGURE_NUMBERS.path(path).name}; `git checkout` restores a committed one, and an execution replaces it"
        )


def _pictures(notebook: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            if PICTURE in output.get("data", ()):
                yield output["data"]


def _csv_text(rows: Sequence[Sequence[str]]) -> str:
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(rows)
    return lines.getvalue()
