"""The form of every chapter: literal parameters that the next cell checks, short cells, and a kernel of any machine."""

import ast
import subprocess
import sys

import jupytext
import nbformat
import pytest

from companion.build import figure_files, notebooks
from companion.chapters.parameters import chapters_with_settings, parameter_names
from companion.pages import reference_pages

CHAPTERS = notebooks.chapter_names()


def cells(name):
    return notebooks.code_cells(notebooks.read_source(name))


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_kernel_is_named(name):
    assert notebooks.read_source(name).metadata.kernelspec == {
        "display_name": "Python 3", "language": "python", "name": "python3",
    }  # fmt: skip


@pytest.mark.parametrize("name", CHAPTERS)
def test_cells_are_few_and_short(name):
    assert len(cells(name)) <= 18
    assert max(len(cell.source.splitlines()) for cell in cells(name)) <= 15
    assert max(len(line) for cell in cells(name) for line in cell.source.splitlines()) <= 88


@pytest.mark.parametrize("name", CHAPTERS)
def test_imports_stand_in_one_cell_at_the_top(name):
    with_imports = [
        number
        for number, cell in enumerate(cells(name))
        if any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(ast.parse(cell.source)))
    ]
    assert with_imports == [1], "the cell after the parameters"


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_comprehension_runs_over_two_loops(name):
    nested = [found for cell in cells(name) for found in nested_comprehensions(cell.source)]
    assert not nested


@pytest.mark.parametrize(
    "source", ["[a for b in c for a in b]", "{a: [d for d in b] for a, b in c}", "f(*(max(b for b in a) for a in c))"]
)
def test_a_comprehension_over_two_loops_is_found(source):
    assert nested_comprehensions(source)
    assert not nested_comprehensions("[a for a in b if a]\nfor a in b:\n    [c for c in a]")


def nested_comprehensions(source):
    """The comprehensions of a cell that loop twice, by themselves or by another one inside."""
    kinds = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    loops = {node: sum(len(part.generators) for part in ast.walk(node) if isinstance(part, kinds)) for node in found}
    return [ast.unparse(node) for node, number in loops.items() if number > 1]


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_parameters_are_literals_and_checked_in_the_next_cell(name):
    first, second = cells(name)[:2]
    assert first.metadata.tags == ["parameters"]
    values = {line.targets[0].id: ast.literal_eval(line.value) for line in ast.parse(first.source).body}
    assert values.pop("profile") == "paper" and set(values.values()) <= {None}
    assert tuple(ast.literal_eval(f"{('profile', *values)!r}")) == parameter_names(name)
    assert f'settings = load_settings("{name}", globals())' in second.source
    assert name in chapters_with_settings()


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_figure_has_an_alternative_text(name):
    for cell in cells(name):
        if "plt.subplots" in cell.source:
            assert len(cell.metadata.mystnb.image.alt) > 40


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("cee: 0.1", "expected parameters of 01_problem among profile, seeds, ce_grid, data, got cee"),
        ("seeds: two", "got 'two'"),
    ],
)
def test_papermill_refuses_a_wrong_parameter_with_those_that_exist(tmp_path, parameter, message):
    notebook = tmp_path / "chapter.ipynb"
    nbformat.write(jupytext.read(notebooks.ROOT / "book" / "01_problem.md"), notebook)
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "-y", f"{{profile: quick, {parameter}}}"]
    done = subprocess.run([*command, str(notebook), str(tmp_path / "out.ipynb")], capture_output=True, text=True)
    assert done.returncode != 0
    assert message in done.stderr


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_source_is_paired_with_its_record_and_survives_conversion(name):
    source = notebooks.read_source(name)
    assert source.metadata.jupytext.formats == "ipynb,md:myst"
    assert notebooks.same_source(source, source)


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_numbers_of_each_figure_of_a_record_lie_beside_it(name):
    path = notebooks.ROOT / "book" / f"{name}.ipynb"
    record = notebooks.read_notebook(path)
    assert figure_files.complete(record, path), f"the record of {name} has no numbers of its figures; run `make record`"
    figure_files.check_numbers(record, path)


def test_every_test_that_a_proof_cites_exists_once():
    texts = [path.read_text(encoding="utf-8") for path in (notebooks.ROOT / "book").glob("*.md")]
    assert reference_pages.cited_tests_page(notebooks.ROOT / "tests", texts).count("## ") > 10
