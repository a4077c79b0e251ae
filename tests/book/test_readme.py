"""README's code blocks run as they stand, and the files beside it say what they must."""

import doctest
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from contextlib import ExitStack
from datetime import date
from itertools import chain
from pathlib import Path

import nbformat
import numpy as np
import yaml
from helpers.serving import linear_onnx
from packaging.requirements import Requirement

from companion.pages import render

ROOT = render.ROOT
README = (ROOT / "README.md").read_text("utf8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for language, text in BLOCKS if language == "bash" for line in text.splitlines()]


def test_every_block_is_of_a_kind_that_is_run_here():
    assert {language for language, _ in BLOCKS} == {"bash", "python"}
    assert {command.split()[0] for command in COMMANDS} == {"make", "papermill", "l2h"}


def test_python_blocks_give_what_they_show():
    for number, text in enumerate(text for language, text in BLOCKS if language == "python"):
        examples = doctest.DocTestParser().get_doctest(text, {}, f"README {number}", "README.md", 0)
        assert examples.examples
        assert doctest.DocTestRunner().run(examples).failed == 0


def test_make_is_called_with_targets_and_variables_that_exist():
    makefile = (ROOT / "Makefile").read_text("utf8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for command in [*COMMANDS, *re.findall(r"`(make [^`]+)`", README)]:
        name, *rest = command.split()
        if name == "make":
            assert {word for word in rest if "=" not in word} <= targets, command
            assert all(f"$({word.split('=')[0]})" in makefile for word in rest if "=" in word), command


def test_papermill_runs_a_chapter_as_written(tmp_path):
    (tmp_path / "book").symlink_to(ROOT / "book")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for command in COMMANDS:
        if command.startswith("papermill"):
            run = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
            assert run.returncode == 0, run.stderr[-4000:]
    done = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert done.metadata.papermill.parameters == {"profile": "quick", "ce_grid": [0, 0.1], "seeds": 2}
    assert all(cell.execution_count for cell in done.cells if cell.cell_type == "code")


def test_the_command_does_what_is_written_in_one_folder(tmp_path):
    """The commands in turn, on a task of three columns; the server that runs beside them gets a free port."""
    make_task(tmp_path)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    commands = [shlex.split(line) for line in COMMANDS if line.startswith("l2h ")]
    assert {verb for _, verb, *_ in commands} == {"fit", "report", "serve", "ask", "export-triton", "verify"}
    with ExitStack() as stack:
        url = written_url = "http://127.0.0.1:8000"
        for name, *arguments in commands:
            command = [sys.executable, "-m", f"{name}.cli", *(word.replace(written_url, url) for word in arguments)]
            if arguments[-1] == "&":
                command = [*command[: command.index("--port")], "--port", "0", "--json"]
                pipes = {"stdout": subprocess.PIPE, "text": True, "cwd": tmp_path, "env": environment}
                server = stack.enter_context(subprocess.Popen(command, **pipes))
                stack.callback(server.terminate)
                state = json.loads(server.stdout.readline())
                assert state["ready"], state
                url = state["url"]
            else:
                run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
                assert run.returncode == 0, run.stderr[-4000:]
    assert run.stdout.startswith("triton:\n")


def make_task(folder):
    """The files that README names: a client, two sets of examples, one input."""
    linear_onnx(folder / "client.onnx", output="scores")
    for seed, name in enumerate(("train", "test")):
        x = np.random.default_rng(seed).normal(size=(120, 3)).astype(np.float32)
        np.savez(folder / f"{name}.npz", x=x, y=(x[:, 0] > 0).astype(int))
    np.save(folder / "input.npy", x[0])


def test_paths_and_links_exist():
    rows = re.findall(r"^\| (`.+?`) \|", README, re.MULTILINE)
    paths = [path for row in rows for path in re.findall(r"`(.+?)`", row)]
    paths += [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert len(paths) > 8
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_modules_named_as_commands_exist():
    modules = re.findall(r"python -m ([a-z0-9_.]+)", README)
    assert modules and all((ROOT / f"{name.replace('.', '/')}.py").exists() for name in modules)


def test_citation_follows_the_format_and_cites_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what version 1.2.0 requires
    assert citation["cff-version"] == "1.2.0" and citation["license"] == "MIT"
    works = [citation["preferred-citation"], *citation["references"]]
    for work in works:
        assert {"type", "title", "authors"} <= set(work)
        assert all(set(author) <= {"family-names", "given-names"} for author in work["authors"])
        assert f"{{{work['doi']}}}" in bibliography()
    assert works[0]["doi"] in README
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text("utf8"), re.MULTILINE)
    assert version and citation["version"] == version.group(1)


def bibliography():
    return (ROOT / "references.bib").read_text("utf8")


def test_changelog_keeps_its_form():
    lines = (ROOT / "CHANGELOG.md").read_text("utf8").splitlines()
    versions = [line for line in lines if line.startswith("## ")]
    assert versions[0] == "## [Unreleased]"
    for line in versions[1:]:
        number, day = re.fullmatch(r"## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})", line).groups()
        assert number and date.fromisoformat(day)
    kinds = {line for line in lines if line.startswith("### ")}
    assert kinds <= {f"### {kind}" for kind in ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")}


def requirements(name):
    """The lines of a file of requirements by the name of the package; a lock may have two lines of one."""
    lines = (re.split(r"(?:^|\s)#", line)[0].strip() for line in (ROOT / name).read_text("utf8").splitlines())
    read = [Requirement(line) for line in lines if line]
    return {one.name: [other for other in read if other.name == one.name] for one in read}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]


def test_every_dependency_has_a_lower_bound_which_the_lock_satisfies():
    asked, locked = requirements("requirements.in"), requirements("requirements.txt")
    lines = [*PROJECT["project"]["dependencies"], *chain.from_iterable(EXTRAS.values())]
    dependencies = [one for one in map(Requirement, lines) if one.name != "l2h"]
    assert len(dependencies) > 10
    for dependency in dependencies:
        assert any(bound.operator == ">=" for bound in dependency.specifier), f"{dependency} has no lower bound"
        versions = [bound.version for line in locked[dependency.name] for bound in line.specifier]
        assert versions and all(map(dependency.specifier.contains, versions)), f"{dependency}, locked {versions}"
        for line in asked[dependency.name]:
            pinned = any(bound.operator == "==" for bound in line.specifier)
            assert pinned or line.specifier == dependency.specifier, f"{dependency} here, {line} in requirements.in"


def test_an_installation_holds_the_method_alone_and_the_book_needs_every_extra():
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["l2h"]
    (own,) = [one for one in map(Requirement, EXTRAS["book"]) if one.name == "l2h"]
    assert own.extras == set(EXTRAS) - {"book"}
    makefile = (ROOT / "Makefile").read_text("utf8")
    assert "-e '.[book]'" in makefile and "-e '.[book]'" in README


WITHOUT = """
import sys

class Refuse:
    def find_spec(name, path=None, target=None):
        if name in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse)
blocked = """


def test_the_public_interface_needs_no_extra():
    """In a process in which what only extras bring cannot be imported, every public name resolves."""
    modules = {"beautifulsoup4": "bs4", "pillow": "PIL", "z3-solver": "z3", "pyyaml": "yaml"}
    names = {one.name for one in map(Requirement, chain.from_iterable(EXTRAS.values()))} - {"l2h", "jinja2"}
    blocked = [modules.get(name, name.replace("-", "_")) for name in names]  # torch itself needs Jinja
    script = f"{WITHOUT}{blocked}\nfrom l2h import *"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
