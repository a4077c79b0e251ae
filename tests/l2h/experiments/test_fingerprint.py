"""Keys that change exactly when a result might, wherever the code stands."""

import ast
import hashlib
import inspect
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2h.experiments import config as experiments_config
from l2h.experiments import fingerprint, shifted
from l2h.experiments import run as experiments_run
from l2h.experiments.config import ExperimentConfig
from l2h.experiments.fingerprint import PACKAGE, WHOLE, Code, Definition, key
from l2h.experiments.run import run
from l2h.experiments.shifted import Conditions, run_under_corruption
from l2h.experiments.store import Store
from l2h.methods import registry

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
SOURCES = {
    "__init__": '"""The package."""',
    "a": "import numpy\n\ndef f():\n    from p import b\n    return b.g() + numpy.pi\n",
    "b": '"""Doc."""\nfrom p.c import h\n\ndef g():\n    """One."""\n    return h(LIMIT)  # why\n\nLIMIT = 3\n',
    "c": "def h(x):\n    return x + 1\n\ndef unused():\n    return 0\n",
}
F = Definition("p.a", "f")


@pytest.fixture
def package(tmp_path):
    """A package in which `a.f` reaches `b.g`, `b.LIMIT` and `c.h`."""
    folder = tmp_path / "p"
    folder.mkdir()
    for name, source in SOURCES.items():
        (folder / f"{name}.py").write_text(source)
    return folder


def of(package, *roots, **options):
    return Code(package).fingerprint(roots or [F], **options)


def edit(package, module, old, new):
    path = package / f"{module}.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_what_is_reached(package):
    assert Code(package).reached([F]) == {F, ("p.b", "g"), ("p.b", "LIMIT"), ("p.c", "h")}
    assert Code(package).reached([F], without=["g"]) == {F}
    assert Code(package).reached([]) == frozenset()


def test_a_root_that_is_not_defined_is_refused(package):
    for root in (Definition("p.a", "nothing"), Definition("p.nowhere", "f"), Definition("numpy", "pi")):
        with pytest.raises(ValueError, match=f"expected a definition of {'.'.join(root)}, found none"):
            of(package, root)


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("b", "# why", "# because"),
        ("b", '"""One."""', '"""Other words."""'),
        ("b", "return h(LIMIT)", "return (h( LIMIT ))"),
        ("b", '"""Doc."""\n', "import json\n"),
        ("c", "return 0", "return 1"),  # `unused` is not reached
        ("a", "import numpy\n", "import numpy\n\ndef other():\n    return 1\n"),
    ],
)
def test_words_layout_and_what_is_not_reached_make_nothing_stale(package, module, old, new):
    before = of(package)
    edit(package, module, old, new)
    assert of(package) == before


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("c", "x + 1", "x - 1"),
        ("c", "x + 1", "x + 1.0"),
        ("c", "x + 1", "x + True"),
        ("b", "LIMIT = 3", "LIMIT = 4"),
        ("b", "def g():", "def g(y=1):"),
        ("a", "numpy.pi", "numpy.e"),
        ("b", "LIMIT = 3", "LIMIT = 3\nLIMIT += 1"),
        ("b", "h(LIMIT)", "h(x=LIMIT)"),
    ],
)
def test_what_is_reached_does(package, module, old, new):
    before = of(package)
    edit(package, module, old, new)
    assert of(package) != before


def test_moves_and_other_ways_to_import_make_nothing_stale(package):
    before = of(package)
    (package / "deep").mkdir()
    (package / "deep" / "__init__.py").write_text("")
    (package / "deep" / "d.py").write_text("from p.c import h as h\n\ndef g():\n    return h(LIMIT)\n\nLIMIT = 3\n")
    (package / "b.py").unlink()
    edit(package, "a", "    from p import b\n", "")
    edit(package, "a", "import numpy\n", "import numpy\nfrom p.deep.d import g\n")
    edit(package, "a", "b.g()", "g()")
    assert of(package) == before


def test_a_local_name_is_no_module_and_no_definition(package):
    edit(package, "a", "def f():", "from p import c\n\ndef f(c=1, *, LIMIT=2):")
    edit(package, "a", "return b.g()", "return LIMIT + c.real")
    assert Code(package).reached([F]) == {F}


def test_statements_outside_the_packages_are_read_and_their_imports_followed(package):
    code = Code(package)
    root = code.add("cells", "from p import a\nprint(a.f())\n")
    assert root == ("cells", WHOLE) and F in code.reached([root])
    before = code.fingerprint([root])
    assert code.fingerprint([code.add("cells", "from p.a import f\n\nprint(f())  # now")]) == before
    assert code.fingerprint([code.add("cells", "from p.a import f\nprint(f() + 1)")]) != before
    given = code.fingerprint([code.add("cells", "print(a.f())", {"a": "p.a"})])
    assert given == before
    with pytest.raises(SyntaxError):
        code.add("cells", "%time 1")


def test_the_digest_is_the_same_on_every_python_version(tmp_path):
    """Written out by hand: no field that is empty, since Python 3.12 gave functions an empty `type_params`."""
    code = Code(tmp_path)
    code.add("cells", "def f(): pass")
    tree = [("FunctionDef", {"name": "f", "args": ("arguments", {}), "body": [("Pass", {})]})]
    digest = hashlib.sha256(repr(tree).encode()).hexdigest()
    assert code.fingerprint([Definition("cells", "f")]) == key(definitions=[digest])


@given(st.dictionaries(st.text(min_size=1), JSON, max_size=4))
def test_the_order_of_facts_does_not_matter(facts):
    assert key(**facts) == key(**dict(reversed(facts.items())))


def test_modules_hold_definitions_only():
    """A statement that is none would belong to every result, and to no definition that a digest knows."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            harmless = isinstance(node, ast.Import | ast.ImportFrom) or fingerprint._names(node)
            text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            command = isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
            types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            assert harmless or text or command or types, f"{path.name}, line {node.lineno}"


# --- no gap: what a run executes is what its key knows ---------------------------------------------------------------


def config_of(name):
    server = "mozannar_sontag" if name == "distilled" else "plain_server"
    return ExperimentConfig(method=name, seed=3, ce=0.1, server=server, source="digits", sizes=(40, 60, 40, 40))


def executed(work):
    """The definitions of the package that are executed by a call of `work`."""
    found = set()
    modules = {module.__file__: name for name, module in sys.modules.items() if name.startswith("l2h.")}

    def see(frame, event, argument):
        module = modules.get(frame.f_code.co_filename) if event == "call" else None
        if module:
            found.add(Definition(module, frame.f_code.co_qualname.split(".")[0]))

    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(None)
    nested = {"<module>", "<lambda>", "<genexpr>", "<listcomp>", "<dictcomp>", "<setcomp>"}
    return {definition for definition in found if definition.name not in nested}


@pytest.mark.parametrize("name", ["client", *sorted(registry.METHODS)])
def test_a_run_executes_nothing_that_its_key_does_not_know(name, tmp_path):
    config = config_of(name)
    store = Store(tmp_path)
    run(config, store=store)
    earlier = [store.get(experiments_run.run_key(one)) for one in experiments_config.dependencies(config)]
    experiments_run._dataset.cache_clear()
    done = executed(lambda: experiments_run.result_from_json(experiments_run._compute_json(config, earlier)))
    assert Definition("l2h.experiments.run", "_compute") in done
    code, roots = experiments_run.code_of_run(registry.METHODS.get(name))
    assert done <= code.reached(roots, without=experiments_run.REGISTRIES)


def test_a_shifted_run_executes_nothing_that_its_key_does_not_know(tmp_path):
    config = replace(config_of("learning_to_help"), method="learning_to_help")
    conditions = Conditions(("clean", "fog 3"), n_images=20, with_activations=("fog 3",))
    store = Store(tmp_path)
    run_under_corruption(config, conditions, store=store)
    keys = [shifted.corruption_key(one, conditions) for one in experiments_config.dependencies(config)]
    earlier = [store.get(key) for key in keys]
    done = executed(lambda: shifted._result_from_json(config, shifted._compute_json(config, conditions, earlier)))
    root = Definition("l2h.experiments.shifted", "_compute_json")
    code, roots = experiments_run.code_of_run(registry.METHODS[config.method], root)
    assert done <= code.reached(roots, without=experiments_run.REGISTRIES)


def test_an_operator_in_a_reached_function_changes_the_key_and_in_another_one_does_not(tmp_path):
    copy = tmp_path / "l2h"
    for path in PACKAGE.rglob("*.py"):
        (copy / path.relative_to(PACKAGE)).parent.mkdir(parents=True, exist_ok=True)
        (copy / path.relative_to(PACKAGE)).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")

    def code_of(name):
        method = inspect.unwrap(registry.METHODS[name])
        roots = [Definition("l2h.experiments.run", "_compute_json"), Definition(method.__module__, method.__name__)]
        return Code(copy).fingerprint(roots, without=experiments_run.REGISTRIES)

    before = {name: code_of(name) for name in ("learning_to_help", "confidence")}
    path = copy / Path(sys.modules["l2h.losses.surrogate"].__file__).relative_to(PACKAGE)
    source = path.read_text(encoding="utf-8")
    assert "beta / 2" in source
    path.write_text(source.replace("beta / 2", "beta / 3"), encoding="utf-8")
    assert code_of("learning_to_help") != before["learning_to_help"]
    assert code_of("confidence") == before["confidence"]
