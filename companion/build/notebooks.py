"""Chapters as files: the MyST source, its key, and its executed notebook in the forms in which it is kept.

An executed notebook states in `metadata.l2h` what it depends on. While its key is unchanged, its outputs are put
under the source's present text; so editing prose makes nothing stale.
"""

import ast
import hashlib
import os
import platform
import re
import warnings
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

from companion.build import outputs
from companion.build.beside import FILES_BESIDE
from companion.chapters.parameters import chapters_with_settings, settings_for
from companion.claims import registry
from l2h.experiments import fingerprint, run, store
from l2h.experiments.fingerprint import PACKAGE
from l2h.training.device import accelerator_name

EXCLUDED_FROM_KEYS = ("run_key", "corruption_key", "domain_run_key")  # how keys are made, which changes no result
FACTS = ("l2h", "papermill")  # the metadata that state how a notebook was executed
HEADER_END = "---"
LOCAL_KEYS = ("input_path", "output_path", "environment_variables")  # what papermill notes and no reader can use
ROOT = PACKAGE.parent


@dataclass(frozen=True)
class Folders:
    """Where sources, executed notebooks and references lie.

    Args:
        book: sources, and their records beside them.
        notebooks: one folder of executed notebooks per profile.
        references: one folder of executed notebooks per data source.
    """

    book: Path = field(default_factory=lambda: ROOT / "book")
    notebooks: Path = field(default_factory=lambda: ROOT / "_build" / "notebooks")
    references: Path = field(default_factory=lambda: ROOT / "tests" / "book" / "reference")


def chapter_names(book: Path = ROOT / "book") -> list[str]:
    """The names of the pages that are executed: those whose header names a kernel."""
    return [path.stem for path in sorted(book.glob("*.md")) if _names_a_kernel(path.read_text(encoding="utf-8"))]


def _names_a_kernel(source: str) -> bool:
    """Whether the header of a page, between two lines of three dashes, has the key `kernelspec`."""
    first, *lines = source.splitlines() or [""]
    header = takewhile(lambda line: line.rstrip() != HEADER_END, lines)
    return first.rstrip() == HEADER_END and any(line.startswith("kernelspec:") for line in header)


def read_source(name: str, book: Path = ROOT / "book") -> NotebookNode:
    """A chapter's source as a notebook without outputs, whose cell names do not change from read to read."""
    notebook = jupytext.read(book / f"{name}.md")
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    return notebook


def read_notebook(path: Path) -> NotebookNode | None:
    """An executed notebook, or None where there is none, or a file that is damaged or no notebook."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a cell without an id is no reason to warn a reader
            notebook = nbformat.v4.reads(path.read_text("utf-8"))
            nbformat.validate(notebook, version=4, version_minor=5)
    except FileNotFoundError:
        return None
    except (nbformat.ValidationError, AttributeError, KeyError, RecursionError, TypeError, ValueError):
        return None  # nbformat raises all of these for JSON of another form
    return notebook if all(isinstance(notebook.metadata.get(name, {}), dict) for name in FACTS) else None


def expected_notebook(path: Path) -> ValueError:
    """The error for a file that should be an executed notebook and is none."""
    return ValueError(
        f"expected an executed notebook, got {path}, which is damaged or none; `git checkout` restores a committed "
        "record, and an execution replaces it"
    )


def write_notebook(path: Path, notebook: NotebookNode) -> None:
    """Write a notebook in one piece, unless the file says the same already."""
    text = nbformat.writes(notebook) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        store.write_atomically(path, text)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells that the source wrote: all but the one that papermill injects."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and not outputs.injected(cell)]


def needs_data(name: str) -> bool:
    """Whether a chapter computes on images, so that its key depends on them."""
    return name in chapters_with_settings() and hasattr(settings_for(name, "paper"), "data")


def domain(name: str) -> str | None:
    """The published data set beside images on which a chapter computes: the field `domain` of its settings, if any."""
    return getattr(settings_for(name, "paper"), "domain", None) if name in chapters_with_settings() else None


def chapter_key(name: str, notebook: NotebookNode, *, profile: str, data: dict[str, Any] | None) -> str:
    """The one rule of staleness, for a chapter: its code, settings, data and rules, and the libraries' versions.

    Args:
        name: of the chapter.
        notebook: its source.
        profile: "quick", "paper" or "full".
        data: facts of the data set; None if the chapter needs none.

    Returns:
        The key that a fresh execution carries.

    Raises:
        ValueError: if a code cell is not plain Python.
    """
    code, cells = source_code(), [cell.source for cell in code_cells(notebook)]
    try:
        roots = [code.add(name, "\n\n".join(cells))]
        statements = [_statements(cell) for cell in cells]  # what a cell shows depends on where it ends
    except SyntaxError as error:
        raise ValueError(f"expected plain Python in the code cells of {name}, got {error.text!r}") from error
    settings = settings_for(name, profile) if name in chapters_with_settings() else None
    roots += [fingerprint.Definition(type(settings).__module__, type(settings).__name__)] if settings else []
    return fingerprint.key(
        code=code.fingerprint(roots, without=EXCLUDED_FROM_KEYS),
        statements=statements,
        settings=asdict(settings) if settings else {"profile": profile},
        data=data and {"source": data["source"], "sha256": data["sha256"]},
        rules=registry.chapter_rules(name),
        accelerator=accelerator_name(),
        versions=run.library_versions(),
        **_committed_tables(name),
    )


def source_code() -> fingerprint.Code:
    """The definitions of the packages that chapters use; they are read once while no module changes."""
    paths = [path for folder in (PACKAGE, ROOT / "companion") for path in sorted(folder.rglob("*.py"))]
    return _code(tuple((path, (facts := path.stat()).st_mtime_ns, facts.st_size) for path in paths))


@lru_cache(maxsize=1)
def _code(_: tuple[tuple[Path, int, int], ...]) -> fingerprint.Code:
    return fingerprint.Code(PACKAGE, ROOT / "companion")


def _committed_tables(name: str) -> dict[str, Any]:
    """The digests of the tables that a chapter reads, if it has any; what its execution wrote is no such table."""
    written = tuple(each.suffix for each in FILES_BESIDE)
    paths = [path for path in sorted((ROOT / "book").glob(f"{name}.*.csv")) if not path.name.endswith(written)]
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    return {"tables": digests} if digests else {}


def execution_facts(key: str, *, profile: str, data: dict[str, Any] | None, seconds: float) -> dict[str, Any]:
    """The facts of an execution, which stand in `metadata.l2h`, beside the digests of the files that it wrote."""
    accelerator_text = f" and {accelerator_name()}" if accelerator_name() else ""
    names = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "pandas", "matplotlib", "papermill", "z3-solver")
    return dict(
        key=key,
        profile=profile,
        seconds=round(seconds, 1),
        machine=f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()})" + accelerator_text,
        versions={"python": platform.python_version(), **{name: version(name) for name in names}},
        data=data,
    )


def with_outputs(source: NotebookNode, executed_notebook: NotebookNode) -> NotebookNode:
    """The present text of a source with the outputs of an execution of the same code.

    Args:
        source: as `read_source` gives it.
        executed_notebook: an execution of the same code, whose source may have had other prose.

    Returns:
        A notebook that has papermill's injected cell, if there was one.
    """
    notebook = deepcopy(source)
    for cell, executed_cell in zip(code_cells(notebook), code_cells(executed_notebook), strict=True):
        cell.update(outputs=deepcopy(executed_cell.outputs), execution_count=executed_cell.execution_count)
    parameters_index = next(
        (i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ())), -1
    )
    notebook.cells[parameters_index + 1 : parameters_index + 1] = [
        deepcopy(cell) for cell in executed_notebook.cells if outputs.injected(cell)
    ]
    notebook.metadata.update(
        {k: deepcopy(v) for k, v in executed_notebook.metadata.items() if k in ("language_info", "l2h")}
    )
    papermill_metadata = {
        k: v for k, v in executed_notebook.metadata.get("papermill", {}).items() if k not in LOCAL_KEYS
    }
    notebook.metadata["papermill"] = papermill_metadata
    outputs.write_digest(notebook)
    return notebook


def without_local_details(notebook: NotebookNode, *, images: bool = True) -> NotebookNode:
    """An executed notebook as it is committed: without the injected cell and without this machine's paths.

    Args:
        notebook: as `with_outputs` gives it.
        images: keep the pictures; references do without, since pictures are not compared.

    Returns:
        A notebook that converts back to its source.
    """
    notebook = deepcopy(notebook)
    notebook.cells = [cell for cell in notebook.cells if not outputs.injected(cell)]
    for cell in code_cells(notebook):
        for output in cell.outputs:
            _remove_local_details(output, images)
    outputs.write_digest(notebook)
    return notebook


def is_fresh(name: str, record: NotebookNode, source: NotebookNode) -> bool:
    """Whether a record has the key that its source has now, and the outputs that its execution wrote."""
    recorded = record.metadata.get("l2h", {})
    if "key" not in recorded or not outputs.unchanged(record) or len(code_cells(record)) != len(code_cells(source)):
        return False
    return recorded.key == chapter_key(name, source, profile=recorded.profile, data=recorded.data)


def same_source(notebook: NotebookNode, source: NotebookNode) -> bool:
    """Whether a record converts back to its source: the same cells in the same order, with the same metadata."""
    converted = jupytext.reads(jupytext.writes(notebook, fmt="md:myst"), fmt="md:myst")
    first, second = ([(c.cell_type, c.source, c.metadata) for c in nb.cells] for nb in (converted, source))
    return first == second


def _statements(cell: str) -> int:
    imports = ast.Import | ast.ImportFrom
    return sum(not isinstance(node, imports) for node in ast.parse(cell).body)


def _remove_local_details(output: NotebookNode, images: bool) -> None:
    if "text" in output:
        output.text = _without_paths(output.text)
    for kind in list(output.get("data", ())):
        if kind.startswith("text/"):
            output.data[kind] = _without_paths(output.data[kind])
        elif kind.startswith("image/") and not images:
            del output.data[kind]


def _without_paths(text: str) -> str:
    for folder, short in ((ROOT, ""), (Path.home(), "~/")):
        if folder != Path(folder.anchor):  # the root of all files, as in containers, names no machine
            text = text.replace(f"{folder}{os.sep}", short)
    return re.sub(r"/tmp/ipykernel_\d+/", "", text)  # where the kernel says that a cell's code lies
