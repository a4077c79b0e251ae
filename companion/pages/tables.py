"""The tables that chapters show: each can be downloaded as CSV, and has no empty header."""

import csv
import io
import re
import shutil
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag

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
            links.append(f'<a href="{CSV_FOLDER}/{file}" download>Table {number} as CSV</a>')
        html = EMPTY_HEADER.sub(r"<td\1></td>", html) + f'<p class="table-download">{" ".join(links)}</p>'
        return output | {"data": output["data"] | {"text/html": html}}

    cells = [
        cell | {"outputs": list(map(with_links, cell["outputs"]))} if cell.get("outputs") else cell
        for cell in notebook["cells"]
    ]
    return notebook | {"cells": cells}


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
        The names of the files, in order.
    """
    paths = sorted(book.glob(f"{name}.*csv"))
    (staged / CSV_FOLDER).mkdir(parents=True, exist_ok=True)
    for path in paths:
        shutil.copy(path, staged / CSV_FOLDER)
    return [path.name for path in paths]
