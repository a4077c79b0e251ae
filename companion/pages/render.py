"""Render the book: `python -m companion.pages.render [FOLDER]` builds the executed chapters into `_build/html`.

The executed notebooks and the plain pages are staged in one folder, Jupyter Book builds it with execution off and with
warnings as errors, and only a good build takes the place of the last one. Without FOLDER: the records in `book`.
"""

import argparse
import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from companion.build import console, figure_files, outputs
from companion.build.beside import FIGURE_NUMBERS
from companion.build.notebooks import ROOT, chapter_names, expected_notebook, read_notebook
from companion.claims import ledger, registry
from companion.pages import banner, claims_page, finish, launch, quizzes, reference_pages, sphinx_pages, tables
from l2h.cli import printable

LEDGER_MARKER = "% l2h: the ledger in short"  # a comment in a plain page; what the landing page shows takes its place
DIGEST_FILE = ".inputs.sha256"  # lies in the built book and says from what it was built
WHERE = "where the pages go: a new or an empty folder, or a book built before, which is replaced as a whole"
BUILD_FOLDER = ROOT / "_build"
SOURCE_SUFFIXES = (".py", ".jinja", ".js", ".css", ".svg", ".csv")  # of the packages' files that change a page
# What the system says if another process has moved the old folder away, or has put its own in the place.
ANOTHER_WAS_FASTER = (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST)
MAX_ATTEMPTS = 20
PHOTOGRAPHS = re.compile(r"(Two t|T)est images ")  # how the alternative text of a figure of photographs begins


def main(arguments: list[str] | None = None) -> int:
    """The command: renders, and prints the path of index.html; it ends as `console.run_command` says."""
    parser = argparse.ArgumentParser(prog="python -m companion.pages.render", description="Render the book.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "book", help="folder of executed .ipynb")
    parser.add_argument("--html", type=Path, default=BUILD_FOLDER / "html", help=WHERE)
    options = parser.parse_args(arguments)

    def rendered() -> int:
        sys.stdout.write(f"{printable(str(render(options.folder, options.html)))}\n")
        return 0

    return console.run_command(rendered)


def render(notebooks: Path, html: Path = BUILD_FOLDER / "html") -> Path:
    """Build the book, unless it was built from the same inputs; the last good book is kept if the build fails.

    Args:
        notebooks: folder of executed chapters, one .ipynb per chapter of `_toc.yml`.
        html: folder of the pages: new, empty, or a book that was built before and is replaced as a whole.

    Returns:
        The path of index.html.

    Raises:
        FileExistsError: if `html` is a file, or a folder with files that are no book; it stays as it is.
        FileNotFoundError: if a chapter is missing.
        ValueError: if a chapter was not executed to its end, or its outputs were changed afterwards.
        RuntimeError: with the builder's messages, if the build fails.
    """
    check_replaceable(html)
    html.parent.mkdir(parents=True, exist_ok=True)
    with console.temporary_folder(".render-", html.parent) as folder:
        staged = folder / "staged"
        stage_sources(notebooks, staged)
        digest = input_digest(staged)
        if _built_from(html) != digest:
            new_html = run_jupyter_book(staged, folder)
            (new_html / DIGEST_FILE).write_text(digest, "utf8")
            replace_folder(new_html, html)
    return html / "index.html"


def _built_from(html: Path) -> str | None:
    """The digest of what a book was built from; None where there is none, or where another process replaces it."""
    try:
        return (html / DIGEST_FILE).read_text("utf8")
    except FileNotFoundError:
        return None


def check_replaceable(html: Path) -> None:
    """Refuse a place for the pages where the build would delete what it did not make.

    Args:
        html: a path; allowed are none that exists, an empty folder, and a folder with the file `DIGEST_FILE` of a book.

    Raises:
        FileExistsError: if it is anything else: a file, a link to nothing, or a folder with other files.
    """
    replaceable = html.is_dir() and ((html / DIGEST_FILE).is_file() or not any(html.iterdir()))
    if not replaceable and (html.exists() or html.is_symlink()):
        found = "with files that this command did not make" if html.is_dir() else "which is no folder"
        raise FileExistsError(f"expected a new path, an empty folder or a book built before, got {html}, {found}")


def page_names(root: Path = ROOT) -> list[str]:
    """The pages of the book in order, without folder and suffix."""
    entries = yaml.safe_load((root / "_toc.yml").read_text("utf8"))
    listed = [chapter["file"] for part in entries["parts"] for chapter in part["chapters"]]
    return [Path(entry).name for entry in [entries["root"], *listed]]


def listed_chapters(root: Path = ROOT) -> list[str]:
    """The pages that are executed, in the order of the book."""
    chapters = chapter_names(root / "book")
    return [name for name in page_names(root) if name in chapters]


def stage_sources(notebooks: Path, staged: Path, *, root: Path = ROOT) -> None:
    """Put everything that the book is built from into one folder, with one format of each chapter.

    Args:
        notebooks: folder of executed chapters.
        staged: the folder to make.
        root: of the repository.
    """
    executed = {name: read_chapter(notebooks / f"{name}.ipynb") for name in listed_chapters(root)}
    shutil.copytree(root / "book", staged, ignore=shutil.ignore_patterns("*.md", "*.ipynb", "*.yml", ".*"))
    for name in ("references.bib", sphinx_pages.CITATION_FILE):
        shutil.copy(root / name, staged)
    config = (root / "_config.yml").read_text("utf8")
    (staged / "_config.yml").write_text(launch.with_buttons(config, os.environ), "utf8")
    (staged / "_toc.yml").write_text((root / "_toc.yml").read_text("utf8").replace("book/", ""), "utf8")
    for path in (root / "book" / quizzes.QUIZ_FOLDER).glob("*.yml"):
        shutil.copy(path, staged / quizzes.QUIZ_FOLDER)
    for name, notebook in executed.items():
        page = quizzes.with_quiz(name, banner.with_banner(name, notebook), root / "book" / quizzes.QUIZ_FOLDER)
        committed = tables.copy_committed_tables(root / "book", name, staged)
        page = claims_page.with_anchors(with_provenance(page, committed))
        page = with_tagged_photographs(tables.with_downloads(page, name, staged))
        numbers = figure_files.by_figure(FIGURE_NUMBERS.read(notebooks / f"{name}.ipynb"))
        page = tables.with_figure_downloads(page, name, staged, numbers)
        (staged / f"{name}.ipynb").write_text(json.dumps(page), "utf8")
    for name, text in plain_pages(executed, notebooks, staged, root=root).items():
        (staged / name).parent.mkdir(exist_ok=True)
        (staged / f"{name}.md").write_text(text, "utf8")


def plain_pages(executed: dict[str, dict[str, Any]], notebooks: Path, staged: Path, *, root: Path) -> dict[str, str]:
    """The text of every page that is not executed, by its path without suffix, with what is generated for it.

    Args:
        executed: the chapters by name.
        notebooks: the folder that they were read from.
        staged: where the figure of the landing page is written.
        root: of the repository.
    """
    pages = {
        name: (root / "book" / f"{name}.md").read_text("utf8") for name in page_names(root) if name not in executed
    }
    entries = ledger.ledger_entries(registry.read_claims(root / "book" / "claims"), executed)
    titles = {name: chapter_title(notebook) for name, notebook in executed.items()}
    metadata = {name: notebook["metadata"] for name, notebook in executed.items()}
    cited_in = [*pages.values(), *map(json.dumps, executed.values())]
    generators: dict[str, Callable[[], dict[str, str]]] = {
        "status": lambda: {"status": reference_pages.status_tables(metadata)},
        "api": lambda: reference_pages.api_pages(root),
        "tests": lambda: {"tests": reference_pages.cited_tests_page(root / "tests", cited_in)},
        "claims": lambda: {"claims": claims_page.claims_page(entries, titles)},
    }
    for name in [name for name in pages if name in generators]:
        generated = generators[name]()
        pages |= generated | {name: f"{pages[name]}\n{generated[name]}"}
    for name in [name for name, text in pages.items() if LEDGER_MARKER in text]:
        figure, numbers = write_landing_figure(executed, notebooks, staged, root)
        sentences = claims_page.landing_sentences(executed)
        summary = claims_page.landing_section(entries, figure, sentences, numbers)
        pages[name] = pages[name].replace(LEDGER_MARKER, summary)
    return {name: quizzes.with_marker_replaced(name, text) for name, text in pages.items()}


def write_landing_figure(
    executed: dict[str, dict[str, Any]], notebooks: Path, staged: Path, root: Path
) -> tuple[claims_page.ChapterFigure | None, str]:
    """The landing page's figure, written into the staged folder: that of the record, else of the executed chapters.

    Args:
        executed: the chapters by name.
        notebooks: the folder that they were read from.
        staged: where the figure and its numbers are written.
        root: of the repository.

    Returns:
        The figure, or None, and a link to its numbers, empty if they were not kept.
    """
    records: dict[str, dict[str, Any]] = {}
    for name in executed:
        with suppress(FileNotFoundError, ValueError):  # none, or one that is rendered nowhere, such as an edited one
            records[name] = read_chapter(root / "book" / f"{name}.ipynb")
    for found, folder in ((records, root / "book"), (executed, notebooks)):
        if figure := claims_page.landing_figure(found):
            (staged / claims_page.LANDING_IMAGE).write_bytes(figure.png)
            numbers = figure_files.by_figure(FIGURE_NUMBERS.read(folder / f"{figure.chapter}.ipynb"))
            return figure, tables.link_to_numbers("Its numbers as CSV", figure.number, numbers, "index", staged)
    return None, ""


def chapter_title(notebook: dict[str, Any]) -> str:
    """The first heading of a chapter."""
    text = "".join(notebook["cells"][0]["source"])
    return text.partition("\n")[0].removeprefix("# ").strip()


def read_chapter(path: Path) -> dict[str, Any]:
    """Read an executed chapter.

    Raises:
        FileNotFoundError: if there is none, naming the commands that make it.
        ValueError: if the file is no notebook, if its execution failed, if a code cell was never executed, or if the
            notebook names our execution and shows other outputs, or has other numbers of figures beside it.
    """
    if not path.exists():
        raise FileNotFoundError(f"expected an executed chapter {path}, found none; `make book` makes the quick ones")
    if read_notebook(path) is None:
        raise expected_notebook(path)
    notebook: dict[str, Any] = json.loads(path.read_text("utf8"))
    if notebook["metadata"].get("papermill", {}).get("exception"):
        raise ValueError(f"expected a chapter executed to its end, got {path}, whose execution failed")
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and cell["source"] and cell["execution_count"] is None:
            raise ValueError(f"expected an executed chapter, got {path} with a code cell that was never executed")
    if "l2h" in notebook["metadata"]:
        outputs.check(notebook, path)
        figure_files.check_numbers(notebook, path)
    return notebook


def with_provenance(notebook: dict[str, Any], committed: Sequence[str] = ()) -> dict[str, Any]:
    """The notebook with a last line that says how it was executed, and links to the tables beside its record."""
    links = ", ".join(f'<a href="{tables.CSV_FOLDER}/{name}" download>{name}</a>' for name in committed)
    offered = f" Tables of the committed record: {links}." if links else ""
    sentence = reference_pages.provenance_sentence(notebook["metadata"])
    line = f":::{{div}} provenance\n{sentence} See {{doc}}`status`.{offered}\n:::"
    cell = {"cell_type": "markdown", "id": "provenance", "metadata": {}, "source": line}
    return notebook | {"cells": [*notebook["cells"], cell]}


def with_tagged_photographs(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with a tag for each cell that shows photographs, whose colours the dark theme must not change.

    A figure of photographs says so first: its alternative text begins with "Test images" or "Two test images".
    """

    def tagged(cell: dict[str, Any]) -> dict[str, Any]:
        metadata = cell["metadata"]
        if not PHOTOGRAPHS.match(metadata.get("mystnb", {}).get("image", {}).get("alt", "")):
            return cell
        return cell | {"metadata": metadata | {"tags": [*metadata.get("tags", ()), "photographs"]}}

    return notebook | {"cells": list(map(tagged, notebook["cells"]))}


def input_digest(staged: Path) -> str:
    """The SHA-256 of everything that the pages are built from: a staged folder, and the sources of the two packages."""
    files = sorted(path for path in staged.rglob("*") if path.is_file())
    package_files = [path for name in reference_pages.PACKAGES for path in (ROOT / name).rglob("*.*")]
    sources = sorted(path for path in package_files if path.suffix in SOURCE_SUFFIXES)
    named = {str(path.relative_to(staged)): path for path in files}
    named |= {str(path.relative_to(ROOT)): path for path in sources}
    parts = [f"{hashlib.sha256(path.read_bytes()).hexdigest()} {name}" for name, path in named.items()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def run_jupyter_book(staged: Path, output: Path) -> Path:
    """Run Jupyter Book on a staged folder.

    Returns:
        The folder of the built pages.

    Raises:
        RuntimeError: with the builder's warnings and errors.
    """
    builder = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]  # it has no __main__
    command = [*builder, "build", str(staged), "--path-output", str(output)]
    command += ["-W", "--keep-going", "-q"]
    # autodoc imports the packages: those of this checkout, wherever the command runs
    import_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"NO_COLOR": "1", "PYTHONPATH": import_path}
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if process.returncode:
        output_text = (process.stdout + process.stderr).replace(str(staged), "book")
        raise RuntimeError(f"the book was not built; the last good one is kept\n{output_text}")
    html = output / "_build" / "html"
    finish.finish_pages(html)
    return html


def replace_folder(fresh: Path, html: Path) -> None:
    """Put a new folder in the place of an old one, which comes back if that fails.

    Another process may do the same at the same time; the folder of the last one stays, and is whole.

    Args:
        fresh: the new folder; old ones are left beside it.
        html: the place.

    Raises:
        OSError: if the new folder cannot be moved.
    """
    for attempt in count():
        try:
            _replace_once(fresh, html, fresh.with_name(f"old-{attempt}"))
        except OSError as error:
            if attempt == MAX_ATTEMPTS or error.errno not in ANOTHER_WAS_FASTER or not fresh.exists():
                raise
        else:
            return


def _replace_once(fresh: Path, html: Path, old: Path) -> None:
    try:
        if html.exists():
            html.replace(old)
        fresh.replace(html)
    except BaseException:  # a signal may come after a replacement as well as before it
        if old.exists() and not html.exists():
            old.replace(html)
        raise


if __name__ == "__main__":
    sys.exit(main())
