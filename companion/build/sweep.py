"""The command `python -m companion.build.sweep`: make the runs of a chapter ahead, on a cluster if there is one.

It runs the chapter's own cells up to the last one that sweeps, so that a chapter and its runs cannot disagree. The
results go into the run store; whoever executes the chapter afterwards, with the same store, finds them there.
"""

import argparse
import ast
import io
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import yaml

from companion.build import notebooks
from companion.build.notebooks import Folders
from companion.chapters.settings import PROFILE_NAMES
from l2h import checks

SETTINGS_CELL = 2  # the code cell that checks the parameters and loads the settings
logger = logging.getLogger("companion.build.sweep")  # as a module it is named otherwise than as a command


def main(arguments: list[str] | None = None, folders: Folders | None = None) -> int:
    """The command: progress on stderr; exit code 0 if every run is made, 1 if one failed, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m companion.build.sweep", description="Make the runs of a chapter ahead."
    )
    parser.add_argument("profile", choices=PROFILE_NAMES)
    parser.add_argument("chapters", nargs="+", help="names such as 05_cifar10")
    parser.add_argument("-y", "--parameters", default="{}", help="as for papermill, such as '{seeds: 3}'")
    parser.add_argument("--scheduler", help="address of a Dask cluster's scheduler, such as tcp://10.0.0.1:8786")
    options = parser.parse_args(arguments)
    folders = folders or Folders()
    if options.scheduler:
        os.environ["L2H_SCHEDULER"] = options.scheduler
    _log_to_stderr()
    try:
        parameters = parse_parameters(options.parameters)
        for name in options.chapters:
            checks.one_of(notebooks.chapter_names(folders.book), chapter=name)
            run_cells(name, {"profile": options.profile, **parameters}, folders)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130  # as a shell reports a command that Ctrl-C ended; the sweep has said how to resume
    return 0


def parse_parameters(text: str) -> dict[str, Any]:
    """A chapter's parameters as papermill's -y takes them.

    Args:
        text: YAML, a mapping from names to values.

    Returns:
        The parameters; the chapter itself refuses those that it does not have.

    Raises:
        ValueError: if it is not a mapping.

    >>> parse_parameters("{seeds: 3, ce_grid: [0, 0.1]}")
    {'seeds': 3, 'ce_grid': [0, 0.1]}
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"expected parameters as YAML, such as {{seeds: 3}}, got {text!r}: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"expected parameters as a mapping, such as {{seeds: 3}}, got {text!r}")
    return values


def run_cells(name: str, parameters: dict[str, Any], folders: Folders) -> None:
    """Run the code cells of a chapter, with these parameters, up to the last one that sweeps.

    Args:
        name: of the chapter.
        parameters: its parameters; the cell that holds their defaults is left out.
        folders: where it lies.

    Raises:
        ValueError: if no cell sweeps.
        RuntimeError: if a run failed.
    """
    first, *cells = [cell.source for cell in notebooks.code_cells(notebooks.read_source(name, folders.book))]
    namespace: dict[str, Any] = {"__name__": name}
    exec(compile(first, f"{name}, parameters", "exec"), namespace)
    namespace.update(parameters)
    for number, source in enumerate(cells[: _cells_up_to_sweep(name, cells)], 2):
        with redirect_stdout(io.StringIO()):  # what a chapter shows, it shows when it is executed
            exec(compile(source, f"{name}, code cell {number}", "exec"), namespace)
        if number == SETTINGS_CELL and getattr(namespace.get("settings"), "data", None) == "digits":
            logger.warning("%s: on digits, not on CIFAR-10", name)


def _cells_up_to_sweep(name: str, cells: Sequence[str]) -> int:
    """How many cells there are up to the last one that calls `sweep`."""
    calls = [
        number
        for number, source in enumerate(cells, 1)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", None)) == "sweep"
    ]
    if not calls:
        raise ValueError(f"expected a chapter with a cell that calls sweep, got {name}, which makes no runs")
    return calls[-1]


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    package = logging.getLogger("l2h")
    package.handlers[:] = [handler]  # called again, the command does not speak twice
    package.setLevel(logging.INFO)


if __name__ == "__main__":
    sys.exit(main())
