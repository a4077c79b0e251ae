"""Notebooks that run elsewhere, and the buttons that open them: `python -m companion.pages.launch CHECKOUT`.

The buttons appear where a repository's address is configured: `L2H_REPOSITORY`, or `repository: url` in `_config.yml`.
They lead to the branch `launch` of that repository, which holds what this command writes: each chapter without outputs,
at the profile `quick`, with a cell that installs what is missing, and `requirements.txt`, from which Binder builds its
environment. Colab has torch; of the lock a notebook installs the light part alone.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode

from companion.build import console, notebooks
from companion.build.notebooks import ROOT

BRANCH = "launch"
VARIABLE = "L2H_REPOSITORY"
ADDRESS = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+")  # Colab opens notebooks of GitHub only
BUTTONS = {
    "notebook_interface": "jupyterlab",
    "binderhub_url": "https://mybinder.org",
    "colab_url": "https://colab.research.google.com",
}
# What the chapters import, without torch and torchvision, which are large, and which Colab has.
LIGHT = (
    *("numpy", "scipy", "scikit-learn", "pandas", "matplotlib", "seaborn", "mpmath", "z3-solver", "pyyaml", "river"),
    *("pillow", "pooch", "requests", "tqdm", "platformdirs", "distributed"),
    *("onnx", "onnxscript", "onnxruntime", "skl2onnx", "starlette", "uvicorn", "urllib3", "prometheus-client", "simpy"),
)
TORCH = ("torch", "torchvision")
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
CHECKOUT = "learning-to-help"  # where the cell puts the checkout
INSTALL = """\
# Fetches the book's packages, unless they are there, and installs what they need: the light part of the lock.
# It sets no variable, because a chapter takes variables for parameters.
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("companion") is None:
    if not os.path.isdir("{folder}"):
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", "{address}", "{folder}"], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *{pins}], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "-e", "./{folder}"], check=True)
    sys.path.insert(0, os.path.abspath("{folder}"))
    os.environ["PYTHONPATH"] = os.path.abspath("{folder}")  # of processes that a chapter starts
"""


def main(arguments: list[str] | None = None) -> int:
    """The command: write the notebooks; it ends as `console.run_command` says."""
    parser = argparse.ArgumentParser(prog="python -m companion.pages.launch", description="Notebooks to run elsewhere.")
    parser.add_argument("folder", type=Path, help="where the files of the branch go")
    options = parser.parse_args(arguments)

    def written() -> int:
        address = repository_address((ROOT / "_config.yml").read_text("utf8"), os.environ)
        if not address:
            raise ValueError(f"expected a repository's address in {VARIABLE} or in _config.yml, got none")
        write_branch(options.folder, address)
        return 0

    return console.run_command(written)


def repository_address(config: str, environment: Mapping[str, str]) -> str:
    """The configured address of the repository, or an empty text.

    Args:
        config: text of `_config.yml`.
        environment: variables, of which `L2H_REPOSITORY` comes before the file.

    Raises:
        ValueError: if it is not the address of a repository on GitHub.

    >>> repository_address("repository: {url: ''}", {"L2H_REPOSITORY": "https://github.com/someone/book/"})
    'https://github.com/someone/book'
    """
    address = environment.get(VARIABLE) or (yaml.safe_load(config).get("repository") or {}).get("url") or ""
    address = address.strip().rstrip("/").removesuffix(".git")
    if address and not ADDRESS.fullmatch(address):
        raise ValueError(
            f"expected an address https://github.com/OWNER/NAME in {VARIABLE} or _config.yml, got {address}"
        )
    return address


def with_buttons(config: str, environment: Mapping[str, str]) -> str:
    """The configuration with launch buttons, if an address is configured; else as it is.

    Args:
        config: text of `_config.yml`.
        environment: variables.

    Returns:
        The text of a configuration.

    Raises:
        ValueError: as `repository_address` does.
    """
    address = repository_address(config, environment)
    if not address:
        return config
    entries = yaml.safe_load(config)
    options = entries["sphinx"]["config"]["html_theme_options"]  # it replaces what Jupyter Book's own entries set
    options |= {"launch_buttons": BUTTONS, "repository_url": address, "repository_branch": BRANCH}
    return yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)


def write_branch(folder: Path, address: str) -> None:
    """Write the files of the branch to which the buttons lead.

    Args:
        folder: to make, or whose files of the same names are replaced.
        address: of the repository.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = (ROOT / "requirements.txt").read_text("utf8")
    for name in notebooks.chapter_names():
        notebook = launch_notebook(notebooks.read_source(name), address, pins(lock, LIGHT))
        notebooks.write_notebook(folder / f"{name}.ipynb", notebook)
    lines = [f"--extra-index-url {TORCH_INDEX}", *pins(lock, (*TORCH, *LIGHT))]
    (folder / "requirements.txt").write_text("\n".join(lines) + "\n", "utf8")


def pins(lock: str, names: tuple[str, ...]) -> list[str]:
    r"""The requirements of some packages as the lock pins them, each with its version.

    Args:
        lock: text of `requirements.txt`.
        names: of packages.

    Raises:
        ValueError: if the lock has no pin of a package.

    >>> pins("numpy==2.4.6\n    # via l2h\ntorch==2.15.0\n", ("numpy",))
    ['numpy==2.4.6']
    """
    found = dict(re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s;]+)", lock, flags=re.MULTILINE))
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"expected pins of all packages in the lock, got none of {', '.join(missing)}")
    return [f"{name}=={found[name]}" for name in names]


def launch_notebook(source: NotebookNode, address: str, wanted: list[str]) -> NotebookNode:
    """A chapter at `quick`, with a cell that installs what it needs after the cell with its title.

    Args:
        source: as `notebooks.read_source` gives it.
        address: of the repository that the cell clones.
        wanted: requirements that the cell installs.

    Returns:
        A new notebook without outputs.
    """
    cells: list[Any] = []
    for cell in source.cells:
        copied = nbformat.from_dict(dict(cell))
        if "parameters" in cell.metadata.get("tags", ()):
            copied.source = cell.source.replace('profile = "paper"', 'profile = "quick"')
        cells.append(copied)
    text = INSTALL.format(address=address, folder=CHECKOUT, pins=wanted)
    cells.insert(1, nbformat.v4.new_code_cell(text, id="install"))
    metadata = {"kernelspec": source.metadata["kernelspec"]}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


if __name__ == "__main__":
    sys.exit(main())
