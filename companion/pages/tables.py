"""Tables and figures of chapters: the numbers of each can be downloaded as CSV, and no table has an empty header."""

import csv
import io
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag

from companion.build import figure_files
from companion.build.beside import FIGURE_NUMBERS

CSV_FOLDER = "_static/csv"  # in the built book; of the staged folder, Sphinx copies `_static` as it is
EMPTY_HEADER = re.compile(r"<th([^>]*)>\s*</th>")  # pandas leaves one in the corner above the index


def with_downloads(notebook: dict[str, Any], name: str, staged: Path) -> dict[str, Any]:
    """A notebook with a link to the CSV of each table that it shows.

    Args:
        notebook: an executed chapter, as JSON.
        name: of the chapter.
        staged: folder of the staged book, where the CSV files are written.

    Returns:
        A copy, in which empty headers of tables are plain cells, since a screen reader would announce a header.
    """
    folder = staged / CSV_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    number = 0

    def with_links(output: dict[str, Any]) -> dict[str, Any]:
        nonlocal number
        html = "".join(output.get("data", {}).get("text/html", ""))
        parts = BeautifulSoup(html, "html.parser")
        tables = parts.find_all("table")
        if not tables or parts.find("script"):  # the numbers of a figure with sliders change with them
            return output
        links = []
        for table in tables:
            number += 1
            file = f"{name}-table-{number}.csv"
            (folder / file).write_text(table_to_csv(table), "utf8")
            links.append(_link(file, f"Table {number} as CSV"))
        html = EMPTY_HEADER.sub(r"<td\1></td>", html) + _paragraph(links)
        return output | {"data": output["data"] | {"text/html": html}}

    cells = [
        cell | {"outputs": list(map(with_links, cell["outputs"]))} if cell.get("outputs") else cell
        for cell in notebook["cells"]
    ]
    return notebook | {"cells": cells}


def with_figure_downloads(notebook: dict[str, Any], name: str, staged: Path, numbers: Sequence[str]) -> dict[str, Any]:
    """A notebook with a link below each figure to the CSV of its numbers.

    Args:
        notebook: an executed chapter, as JSON.
        name: of the chapter.
        staged: folder of the staged book, where the CSV files are written.
        numbers: the CSV of each figure of the notebook, in order; empty if they were not kept.

    Returns:
        A copy.
    """
    left = list(range(1, len(numbers) + 1))

    def with_link(output: dict[str, Any]) -> list[dict[str, Any]]:
        if not left or figure_files.PICTURE not in output.get("data", ()):
            return [output]
        number = left.pop(0)
        html = _paragraph([link_to_numbers(f"Figure {number} as CSV", number, numbers, name, staged)])
        return [output, {"output_type": "display_data", "metadata": {}, "data": {"text/html": html}}]

    cells = [
        cell | {"outputs": [each for output in cell["outputs"] for each in with_link(output)]}
        if cell.get("outputs")
        else cell
        for cell in notebook["cells"]
    ]
    return notebook | {"cells": cells}


def link_to_numbers(text: str, number: int, numbers: Sequence[str], name: str, staged: Path) -> str:
    """A link to the CSV of one figure, which is written into the staged book.

    Args:
        text: of the link.
        number: of the figure in its chapter, from 1 on.
        numbers: the CSV of each figure of the chapter, in order; empty if they were not kept.
        name: of the page that shows the figure.
        staged: folder of the staged book.

    Returns:
        HTML; empty if the numbers were not kept.
    """
    if not numbers:
        return ""
    file = f"{name}-figure-{number}.csv"
    (staged / CSV_FOLDER).mkdir(parents=True, exist_ok=True)
    (staged / CSV_FOLDER / file).write_text(numbers[number - 1], "utf8")
    return _link(file, text)


def _link(file: str, text: str) -> str:
    return f'<a href="{CSV_FOLDER}/{file}" download>{text}</a>'


def _paragraph(links: Sequence[str]) -> str:
    return f'<p class="table-download">{" ".join(links)}</p>'


def table_to_csv(table: Tag) -> str:
    r"""A table in HTML as CSV; a cell that spans several rows or columns is repeated in each.

    Args:
        table: the element.

    Returns:
        Lines with the texts as they are shown, so that numbers are rounded as on the page.

    >>> html = "<table><tr><th colspan=2>a</th></tr><tr><td>1, 2</td><td>3</td></tr></table>"
    >>> table_to_csv(BeautifulSoup(html, "html.parser").table)
    'a,a\n"1, 2",3\n'
    """
    grid: dict[tuple[int, int], str] = {}
    for row, line in enumerate(table.find_all("tr")):
        column = 0
        for cell in line.find_all(["th", "td"]):
            while (row, column) in grid:
                column += 1
            height, width = (int(str(cell.get(name) or 1)) for name in ("rowspan", "colspan"))
            text = " ".join(cell.get_text(" ").split())
            grid |= {(row + i, column + j): text for i in range(height) for j in range(width)}
    n_rows, n_columns = (1 + max((position[axis] for position in grid), default=-1) for axis in (0, 1))
    lines = io.StringIO()
    rows = ([grid.get((row, column), "") for column in range(n_columns)] for row in range(n_rows))
    csv.writer(lines, lineterminator="\n").writerows(rows)
    return lines.getvalue()


def copy_committed_tables(book: Path, name: str, staged: Path) -> list[str]:
    """Copy the tables beside a chapter's record to where its page can offer them.

    Args:
        book: folder with the records, and tables such as `NAME.runs.csv`, which has a line for each run.
        name: of the chapter.
        staged: folder of the staged book.

    Returns:
        The names of the files, in order; the numbers of figures are not among them, each figure offers its own.
    """
    numbers = FIGURE_NUMBERS.path(book / f"{name}.ipynb")
    paths = [path for path in sorted(book.glob(f"{name}.*csv")) if path != numbers]
    (staged / CSV_FOLDER).mkdir(parents=True, exist_ok=True)
    for path in paths:
        shutil.copy(path, staged / CSV_FOLDER)
    return [path.name for path in paths]
