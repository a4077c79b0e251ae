"""Launch buttons, and the notebooks to which they lead."""

import ast
import os
import re
import subprocess
import sys
from functools import cache, partial

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from helpers.small_book import make_small_book
from packaging.utils import canonicalize_name

from companion.build import notebooks
from companion.pages import launch, render

ADDRESS = "https://github.com/someone/book"
CONFIG = (notebooks.ROOT / "_config.yml").read_text("utf8")
LOCK = (notebooks.ROOT / "requirements.txt").read_text("utf8")
DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "pyyaml", "z3": "z3-solver", "PIL": "pillow"}
PREINSTALLED = {"torch", "torchvision", "IPython"}  # IPython runs the kernel


@cache
def imports_of(path):
    """The dotted names that a file imports, also within functions."""
    return tuple(names_in(path.read_text("utf8")))


def names_in(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def variables_in(source):
    """The names to which a cell assigns."""
    names = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
    return {node.id for node in names if isinstance(node.ctx, ast.Store)}


def reached_libraries(name):
    """The other packages that a chapter's cells reach through the modules of this project."""
    todo = [found for cell in notebooks.code_cells(notebooks.read_source(name)) for found in names_in(cell.source)]
    seen, libraries = set(), set()
    while todo:
        top, *_ = parts = todo.pop().split(".")
        if top not in ("l2h", "companion"):
            libraries |= {top} - sys.stdlib_module_names
            continue
        for length in range(1, len(parts) + 1):
            path = notebooks.ROOT.joinpath(*parts[:length])
            for source in (path.with_suffix(".py"), path / "__init__.py"):
                if source.exists() and source not in seen:
                    seen.add(source)
                    todo += imports_of(source)
    return libraries


@pytest.mark.parametrize("name", notebooks.chapter_names())
def test_the_light_part_has_all_that_a_chapter_imports(name):
    libraries = reached_libraries(name)
    wanted = {canonicalize_name(DISTRIBUTIONS.get(library, library)) for library in libraries - PREINSTALLED}
    assert "numpy" in wanted and wanted <= set(launch.LIGHT)


def test_every_requirement_of_the_light_part_is_one_of_the_lock():
    found = launch.pins(LOCK, (*launch.TORCH, *launch.LIGHT))
    assert all(re.search(rf"^{re.escape(pin)}( |;|$)", LOCK, re.MULTILINE) for pin in found)
    with pytest.raises(ValueError, match="got none of no-such-package"):
        launch.pins(LOCK, ("numpy", "no-such-package"))


def test_without_an_address_the_configuration_stays_as_it_is():
    assert launch.with_buttons(CONFIG, {}) == CONFIG


@pytest.mark.parametrize(
    ("config", "environment"),
    [
        (CONFIG, {launch.VARIABLE: f"{ADDRESS}.git"}),
        (CONFIG.replace('url: ""', f"url: {ADDRESS}"), {}),
        (CONFIG.replace('url: ""', "url: https://github.com/other/one"), {launch.VARIABLE: f"{ADDRESS}/"}),
    ],
)
def test_an_address_brings_buttons_and_changes_nothing_else(config, environment):
    entries, before = (yaml.safe_load(text) for text in (launch.with_buttons(config, environment), config))
    options = entries["sphinx"]["config"]["html_theme_options"]
    assert (options.pop("repository_url"), options.pop("repository_branch")) == (ADDRESS, "launch")
    assert options.pop("launch_buttons") == launch.BUTTONS
    assert entries == before


@pytest.mark.parametrize(
    "address", ["github.com/someone/book", "https://gitlab.com/a/b", "https://github.com/a/b/tree/main"]
)
def test_another_address_is_refused_in_words(address):
    with pytest.raises(ValueError, match=r"expected an address https://github\.com/OWNER/NAME in L2H_REPOSITORY"):
        launch.repository_address(CONFIG, {launch.VARIABLE: address})


def test_pages_of_chapters_have_buttons_exactly_if_an_address_is_configured(tmp_path, monkeypatch):
    root = make_small_book(tmp_path / "repository")
    monkeypatch.setattr(render, "stage_sources", partial(render.stage_sources, root=root))
    links = {}
    for address in ("", ADDRESS):
        monkeypatch.setenv(launch.VARIABLE, address)
        html = render.render(root / "book", tmp_path / f"html{len(links)}").parent
        for name in ("01_problem", "index"):
            page = BeautifulSoup((html / f"{name}.html").read_text("utf8"), "html.parser")
            links[address, name] = {
                link["href"] for link in page.find_all("a", href=re.compile("colab|binder|github.com/someone"))
            }
    assert links["", "01_problem"] == links["", "index"] == links[ADDRESS, "index"] == set()
    assert links[ADDRESS, "01_problem"] == {
        "https://colab.research.google.com/github/someone/book/blob/launch/01_problem.ipynb",
        "https://mybinder.org/v2/gh/someone/book/launch?urlpath=lab/tree/01_problem.ipynb",
    }


def test_the_branch_holds_each_chapter_at_quick_with_a_cell_that_installs(tmp_path):
    launch.write_branch(tmp_path, ADDRESS)
    assert {path.stem for path in tmp_path.glob("*.ipynb")} == set(notebooks.chapter_names())
    for path in tmp_path.glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        title, install, *rest = notebook.cells
        assert title.source.startswith("# ") and ADDRESS in install.source
        assert variables_in(install.source) == set()
        parameters = next(cell for cell in rest if "parameters" in cell.metadata.get("tags", ()))
        assert 'profile = "quick"' in parameters.source and not any(cell.get("outputs") for cell in notebook.cells)
        source = notebooks.code_cells(notebooks.read_source(path.stem))
        written = [cell.source for cell in rest if cell.cell_type == "code"]
        assert written[1:] == [cell.source for cell in source][1:]
    assert "torch==" in (tmp_path / "requirements.txt").read_text("utf8")


def test_the_cell_clones_and_installs_where_the_packages_are_missing(tmp_path):
    origin = tmp_path / "origin"
    (origin / "companion").mkdir(parents=True)
    (origin / "companion" / "__init__.py").write_text("FOUND = 'in the checkout'\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "One"]):
        subprocess.run(["git", *command], cwd=origin, check=True)
    pip, empty = tmp_path / "modules" / "pip", tmp_path / "empty"
    pip.mkdir(parents=True)
    empty.mkdir()
    (pip / "__init__.py").write_text("")
    (pip / "__main__.py").write_text("import sys\nprint('pip', *sys.argv[1:])\n")
    call = "pip install --quiet"
    cell = launch.INSTALL.format(address=origin.as_uri(), folder=launch.CHECKOUT, pins=["numpy==2.4.6"])
    script = tmp_path / "cell.py"
    script.write_text(f"{cell}\nimport companion\nprint(companion.FOUND)\n")
    said = f"{call} numpy==2.4.6\n{call} --no-deps -e ./learning-to-help\nin the checkout\n"
    for _ in range(2):  # a second time, with the checkout there
        run = subprocess.run(
            [sys.executable, "-S", str(script)],
            cwd=empty,
            env=os.environ | {"PYTHONPATH": str(tmp_path / "modules")},
            capture_output=True,
            text=True,
        )
        assert (run.returncode, run.stdout) == (0, said), run.stderr


def test_the_command_needs_an_address(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv(launch.VARIABLE, raising=False)
    assert launch.main([str(tmp_path / "out")]) == 1
    assert "expected a repository's address in L2H_REPOSITORY" in capsys.readouterr().err
    monkeypatch.setenv(launch.VARIABLE, ADDRESS)
    assert launch.main([str(tmp_path / "out")]) == 0 and (tmp_path / "out" / "01_problem.ipynb").exists()
