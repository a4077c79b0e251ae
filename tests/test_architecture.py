"""The rules of the two packages that no single test file can see: who imports whom, and what stands where."""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import defaultdict
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PATHS = [path for package in ("l2h", "companion") for path in sorted((ROOT / package).rglob("*.py"))]
TREES = {str(path.relative_to(ROOT).with_suffix("")): ast.parse(path.read_text("utf8")) for path in PATHS}
MODULES = [name for name in TREES if not name.endswith("__init__")]

# From the ground up: a file imports from its own folder or from entries before it.
ORDER = (
    "l2h/checks", "l2h/problem", "l2h/losses", "l2h/data", "l2h/models", "l2h/training", "l2h/theory", "l2h/evaluation",
    "l2h/pricing", "l2h/methods", "l2h/drift", "l2h/plotting", "l2h/experiments", "l2h/serving", "l2h/cli",
    "companion/claims", "companion/proofs", "companion/chapters", "companion/build", "companion/pages",
    "companion/teaching",
)  # fmt: skip
# Heavy libraries have a room: where a library may be imported, or, after a "!", where it must not be.
ROOMS = {
    "torch": r"(?!l2h/(__init__|problem|pricing|evaluation/(metrics|curves|intervals)"
    r"|serving/(\w+|http/\w+|onnx/sessions))$)",
    "(matplotlib|seaborn)": r"l2h/plotting/|.*/figures$",
    "river": "l2h/(drift/detectors|data/tables)$",
    "(papermill|jupytext)": "companion/build/",
    "sphinx": "companion/pages/",
    "otter": "companion/teaching/",
    "(z3|mpmath)": "companion/proofs/",
    "(onnx|onnxscript|onnxruntime|skl2onnx|starlette|uvicorn|urllib3|prometheus_client|simpy)": "l2h/serving/",
}
# Names that each command, extension, module or chapter may define for itself.
SAME_EVERYWHERE = {"main", "setup", "logger", "Settings", "PROFILES", "REQUIREMENTS", "PAGE"}
DEVICE_CHOICES = {"cuda", "mps", "set_default_device"}
# Unambiguous words of the private vocabulary that the project had; each has a term of the field.
WORDS = re.compile(
    r"rivals?|told apart|tell apart|hold together|bought|dear(er|est)?|lingering|heard|listen(s|ing)?|contest|standings"
    r"|worth more|squash(ed|es|ing)?|helper part|remed(y|ies)|by_example|testbeds?|recipes?|shattering|overrated",
    re.IGNORECASE,
)
# Names that have to stay: ids of claims are older than the rule, and another name for a variable of DISTRIBUTIONS would
# make the records of all chapters that reach it stale.
KEPT_NAMES = {
    "companion/chapters/ageing/settings.py": r"drift-(remedies-help(-elsewhere)?|answers-overrated)",
    "companion/chapters/ch09_drift/evidence.py": r"drift-remedies-help(-by-degrees|-elsewhere)?",
    "l2h/theory/distributions.py": r"testbed",
}


def imported(tree):
    """The dotted names that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import hides where it leads"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def entry(module):
    """The entry of ORDER that a module belongs to."""
    return next((name for name in ORDER if f"{module}/".startswith(f"{name}/")), None)


def own_modules(tree):
    """The modules of the two packages that a module imports, as paths."""
    for name in imported(tree):
        path = name.replace(".", "/")
        yield from (found for found in (path, path.rpartition("/")[0]) if found in TREES)


def sign_rules(tree):
    """Lines that compare a rejector's score with zero."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.LtE | ast.Lt | ast.Gt | ast.GtE):
            sides = [node.left, node.comparators[0]]
            zero = any(isinstance(side, ast.Constant) and side.value == 0 for side in sides)
            if zero and any(getattr(side, "id", getattr(side, "attr", None)) == "r" for side in sides):
                yield node.lineno


def device_choices(tree):
    """Lines that choose a device, rather than follow a tensor's."""
    for node in ast.walk(tree):
        if getattr(node, "attr", None) in DEVICE_CHOICES or getattr(node, "value", None) in ("cuda", "mps"):
            yield node.lineno


def left_lying_about(tree):
    """Lines that print, or catch whatever is raised."""
    for node in ast.walk(tree):
        printing = isinstance(node, ast.Call) and getattr(node.func, "id", None) == "print"
        if printing or (isinstance(node, ast.ExceptHandler) and node.type is None):
            yield node.lineno


def long_functions(tree):
    """Lines of functions with more than 40 lines, without the docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body and body[-1].end_lineno - body[0].lineno >= 40:
                yield node.lineno


def public(node):
    """Functions and classes of a module, and methods of its classes, without a leading underscore."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not child.name.startswith("_"):
            yield child
            if isinstance(child, ast.ClassDef):
                yield from public(child)


def undocumented(tree):
    """Lines of public definitions without a docstring."""
    yield from () if ast.get_docstring(tree) else (1,)
    yield from (node.lineno for node in public(tree) if not ast.get_docstring(node))


def test_every_module_has_an_entry_in_the_order():
    assert [module for module in MODULES if entry(module) is None] == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_its_own_folder_and_from_entries_before_it(module):
    allowed = ORDER[: ORDER.index(entry(module)) + 1]
    assert [name for name in own_modules(TREES[module]) if entry(name) not in allowed] == []


def test_a_chapter_imports_no_other_chapter():
    folders = {name: name.split("/")[2] for name in MODULES if re.match(r"companion/chapters/\w+/", name)}
    crossings = {(name, other) for name in folders for other in own_modules(TREES[name]) if other in folders}
    assert {pair for pair in crossings if folders[pair[0]] != folders[pair[1]]} == set()


@pytest.mark.parametrize("library", ROOMS)
def test_a_heavy_library_has_its_room(library):
    users = [name for name in TREES for what in imported(TREES[name]) if re.match(rf"{library}(\.|$)", what)]
    assert [name for name in users if not re.match(ROOMS[library], name)] == []


@pytest.mark.parametrize(
    ("rule", "exempt", "breach"),
    [
        # A prover has terms of its own.
        (sign_rules, r"l2h/problem$|companion/proofs/", "asks = predictions.r <= 0"),
        (device_choices, r"l2h/training/device$", "x.to('cuda')"),
        (device_choices, r"l2h/training/device$", "torch.cuda.is_available()"),
        (left_lying_about, "$", "print(1)"),
        (left_lying_about, "$", "try: f()\nexcept: pass"),
        (long_functions, "$", "def f():\n" + 41 * "    x = 1\n"),
        (undocumented, "$", '"""A module."""\ndef f(): ...'),
    ],
)
def test_a_rule_holds_everywhere_and_its_breach_is_seen(rule, exempt, breach):
    assert list(rule(ast.parse(breach)))
    checked = {name: list(rule(tree)) for name, tree in TREES.items() if not re.match(exempt, name)}
    assert {name: lines for name, lines in checked.items() if lines} == {}


def test_each_module_has_its_test_file():
    """The settings of all chapters have one, which finds them by their names."""
    paths = {name: Path("tests", re.sub(r"/chapters/\w+/settings$", "/chapters/settings", name)) for name in MODULES}
    files = {name: ROOT / path.parent / f"test_{path.name.strip('_')}.py" for name, path in paths.items()}
    assert [name for name, path in files.items() if not path.exists()] == []


def test_no_folder_is_left_out_of_the_whole_suite(pytestconfig):
    """Pytest enters no folder whose name has a pattern of `norecursedirs`, unless its path is given."""
    folders = {path.parent for path in PATHS} | {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    names = {name for folder in folders for name in folder.relative_to(ROOT).parts}
    assert "build" in names
    assert [name for name in names for pattern in pytestconfig.getini("norecursedirs") if fnmatch(name, pattern)] == []


def test_no_public_name_is_defined_twice():
    """Except for the names in SAME_EVERYWHERE, and the solver's symbols, which stand for the paper's in each proof."""
    modules_by_name = defaultdict(set)
    for module in MODULES:
        for name in (name for node in TREES[module].body for name in defined(node)):
            symbol = module.startswith("companion/proofs/") and (len(name) < 3 or name in ("alpha", "beta"))
            if not name.startswith("_") and name not in SAME_EVERYWHERE and not symbol:
                modules_by_name[name].add(module)
    assert {name: modules for name, modules in modules_by_name.items() if len(modules) > 1} == {}


def defined(node):
    """The names that a statement at the top of a module defines; `a = module.a` is an alias."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    names = [part.id for target in targets if target for part in ast.walk(target) if isinstance(part, ast.Name)]
    return [name for name in names if getattr(getattr(node, "value", None), "attr", None) != name]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_and_words_are_those_of_the_field(path):
    """In names, docstrings, comments and messages: no word for which the field has a term."""
    assert words_to_replace(path.read_text("utf8"), KEPT_NAMES.get(str(path.relative_to(ROOT)), "$")) == []


@pytest.mark.parametrize(
    "source",
    [
        "def rival(): ...", "def f(rival): ...", "def f():\n    for rival in (): ...", "rivals = 1", "x.rival = 1",
        "f(rival=1)", "try: f()\nexcept E as rival: ...", "import a as rival", "# a rival", '"""A rival."""',
        'x = "a rival"',
    ],
)  # fmt: skip
def test_a_word_of_the_private_vocabulary_is_found_wherever_it_stands(source):
    assert words_to_replace(source, "$")


@pytest.mark.parametrize("path", KEPT_NAMES)
def test_a_kept_name_still_stands(path):
    assert any(re.fullmatch(KEPT_NAMES[path], word) for word in words((ROOT / path).read_text("utf8")))


def words_to_replace(source, kept):
    """The words of WORDS in a module, outside names and whole texts of the pattern `kept`."""
    text = "\n".join(word for word in words(source) if not re.fullmatch(kept, word))
    return [match[0] for match in re.finditer(rf"(?<![a-z])({WORDS.pattern})(?![a-z])", text, re.IGNORECASE)]


def words(source):
    """The names in a module, local ones, too, its texts, docstrings among them, and its comments."""
    for node in ast.walk(ast.parse(source)):
        for field in ("name", "id", "attr", "arg", "asname"):
            yield from [name] if isinstance(name := getattr(node, field, None), str) else ()
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    yield from (token.string for token in tokens if token.type == tokenize.COMMENT)


@pytest.mark.parametrize("command", [["ruff", "check", "."], ["mypy", "l2h", "companion"]], ids=lambda words: words[0])
def test_linter_and_types_are_clean(command):
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
