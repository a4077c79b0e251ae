"""The command `python -m companion.build.sweep` makes the runs of a chapter in advance, on a cluster if there is one.

It runs the chapter's own cells up to the last one that sweeps, so that the runs are exactly those of the chapter. The
results go into the run store, where a later execution of the chapter finds them.
"""

import argparse
import io
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import yaml

from companion.build import console, notebooks
from companion.build.notebooks import Folders
from companion.chapters.settings import PROFILE_NAMES
from l2h import checks
from l2h.experiments.fingerprint import Definition

SWEEP = Definition("l2h.experiments.sweep", "sweep")
SETTINGS_CELL = 2  # the code cell that checks the parameters and loads the settings
logger = logging.getLogger("companion.build.sweep")  # __name__ is "__main__" in the command


def main(arguments: list[str] | None = None, folders: Folders | None = None) -> int:
    """The command: progress on stderr; exit code 0 if every run is made, 1 if one failed; see `console.run_command`."""
    parser = argparse.ArgumentParser(
        prog="python -m companion.build.sweep", description="Make the runs of a chapter in advance."
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

    def swept() -> int:
        parameters = parse_parameters(options.parameters)
        for name in options.chapters:
            checks.one_of(notebooks.chapter_names(folders.book), chapter=name)
            run_cells(name, {"profile": options.profile, **parameters}, folders)
        return 0

    # A chapter raises a TypeError for a parameter of a wrong type, and an OverflowError for one beyond all floats.
    return console.run_command(swept, (*console.EXPECTED_ERRORS, TypeError, OverflowError))


def parse_parameters(text: str) -> dict[str, Any]:
    """Read a chapter's parameters in the form of papermill's option -y.

    Args:
        text: YAML, a mapping from names to values.

    Returns:
        The parameters; the chapter itself refuses unknown ones.

    Raises:
        ValueError: if the text is not a mapping, or names the profile.

    >>> parse_parameters("{seeds: 3, ce_grid: [0, 0.1]}")
    {'seeds': 3, 'ce_grid': [0, 0.1]}
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"expected parameters as YAML, such as {{seeds: 3}}, got {text!r}: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"expected parameters as a mapping, such as {{seeds: 3}}, got {text!r}")
    if "profile" in values:
        raise ValueError(f"expected the profile as the first word of the command, got it in {text!r}, too")
    return values


def run_cells(name: str, parameters: dict[str, Any], folders: Folders) -> None:
    """Run the code cells of a chapter, with these parameters, up to the last one that sweeps.

    Args:
        name: of the chapter.
        parameters: values that replace the defaults in the first code cell.
        folders: where the chapter lies.

    Raises:
        ValueError: if no cell sweeps.
        RuntimeError: if a run failed.
    """
    first, *cells = [cell.source for cell in notebooks.code_cells(notebooks.read_source(name, folders.book))]
    namespace: dict[str, Any] = {"__name__": name}
    exec(compile(first, f"{name}, parameters", "exec"), namespace)
    namespace.update(parameters)
    for number, source in enumerate(cells[: _cells_up_to_sweep(name, cells)], 2):
        with redirect_stdout(io.StringIO()):  # only an execution shows a chapter's outputs
            exec(compile(source, f"{name}, code cell {number}", "exec"), namespace)
        if number == SETTINGS_CELL and getattr(namespace.get("settings"), "data", None) == "digits":
            logger.warning("%s: on digits, not on CIFAR-10", name)


def _cells_up_to_sweep(name: str, cells: Sequence[str]) -> int:
    """The number of cells up to the last one that sweeps, itself or in a function; the first one imports."""
    code = notebooks.source_code()
    texts = [cells[0], *(f"{cells[0]}\n\n{source}" for source in cells[1:])]
    cell_definitions = [code.add(f"{name}, code cell {number}", text) for number, text in enumerate(texts, 2)]
    numbers = [number for number, cell in enumerate(cell_definitions, 1) if SWEEP in code.reached([cell])]
    if not numbers:
        raise ValueError(f"expected a chapter with a cell that calls sweep, got {name}, which makes no runs")
    return numbers[-1]


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for name in ("l2h", "companion"):
        package = logging.getLogger(name)
        package.handlers[:] = [handler]  # one handler, though the command is called again
        package.setLevel(logging.INFO)


if __name__ == "__main__":
    sys.exit(main())
