"""The code that a result depends on: a digest of the definitions that its functions reach, in whatever modules.

A definition is a function, a class or an assignment at the top of a module. One definition reaches another if it names
it. A digest leaves out docstrings, comments, layout, imports and the names of modules, so that a definition can move
from one module to another without changing the digest. Two kinds of use are not followed: names in strings, and methods
of an object whose class no reached definition names. `tests/l2h/experiments/test_fingerprint.py` executes every method
and shows that no function is missed for this reason.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

PACKAGE = next(folder for folder in Path(__file__).resolve().parents if folder.name == "l2h")
WHOLE = "(all statements)"  # no name in Python, so that no definition can have it
SCOPES = (
    ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
)


class Definition(NamedTuple):
    """A name at the top of a module."""

    module: str
    name: str


class Module(NamedTuple):
    """The definitions and the imports of a module.

    Args:
        defined: name -> the statements that define it, in order.
        imported: name -> the dotted name of the imported object.
    """

    defined: dict[str, list[ast.stmt]]
    imported: dict[str, str]


class Code:
    """The definitions of some packages. Their sources are read when they are first needed.

    Args:
        packages: folders of packages; the folder's name is the package's.

    >>> code = Code(PACKAGE)
    >>> Definition("l2h.problem", "asks") in code.reached([Definition("l2h.problem", "system_output")])
    True
    """

    def __init__(self, *packages: Path) -> None:
        self._packages = {package.name: package for package in packages}
        self._modules: dict[str, Module | None] = {}
        self._read: dict[Definition, tuple[str, frozenset[Definition]]] = {}

    def add(self, name: str, source: str, imported: Mapping[str, str] | None = None) -> Definition:
        """Add Python code from outside the packages, such as the cells of a chapter.

        Args:
            name: a module name of its own, which no module of the packages has.
            source: Python code.
            imported: imports beside those of the source itself: name -> dotted name.

        Returns:
            The definition that holds all its statements together.

        Raises:
            SyntaxError: if the source is not Python.
        """
        tree = ast.parse(source)
        self._modules[name] = Module({WHOLE: tree.body, **_defined(tree)}, {**(imported or {}), **_imported(tree)})
        self._read = {definition: read for definition, read in self._read.items() if definition.module != name}
        return Definition(name, WHOLE)

    def find(self, module: str, name: str) -> Definition | None:
        """The definition behind a name in a module; None if it lies outside the packages.

        Args:
            module: dotted name.
            name: as it is written in the module.
        """
        entry = self._module(module)
        if entry is None:
            return None
        if name in entry.defined:
            return Definition(module, name)
        source, _, original = entry.imported.get(name, "").rpartition(".")
        return self.find(source, original) if source and source != module else None

    def reached(self, roots: Iterable[Definition], *, without: Iterable[str] = ()) -> frozenset[Definition]:
        """All definitions that some definitions use, directly or through others; the roots included.

        Args:
            roots: where to begin.
            without: names of definitions to leave out, such as registries, with all that is reached only through them.

        Returns:
            The definitions.

        Raises:
            ValueError: if a root is not defined.
        """
        waiting, found, left_out = list(roots), set[Definition](), set(without)
        while waiting:
            definition = waiting.pop()
            if definition not in found and definition.name not in left_out:
                found.add(definition)
                waiting.extend(self._definition(definition)[1])
        return frozenset(found)

    def fingerprint(self, roots: Iterable[Definition], *, without: Iterable[str] = ()) -> str:
        """A digest of all definitions that the roots reach; it changes when one of these changes.

        Args:
            roots: where to begin.
            without: as in `reached`.

        Returns:
            64 hexadecimal digits, the same for the same definitions in other modules, and for all versions of Python
            that parse them alike.

        Raises:
            ValueError: if a root is not defined.
        """
        return key(definitions=sorted({self._definition(found)[0] for found in self.reached(roots, without=without)}))

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            package, *parts = name.split(".")
            path = self._packages.get(package, Path("none")).joinpath(*parts)
            candidates = [path / "__init__.py", path.with_suffix(".py")] if package in self._packages else []
            file = next(filter(Path.is_file, candidates), None)
            tree = file and ast.parse(file.read_text(encoding="utf-8"))
            self._modules[name] = Module(_defined(tree), _imported(tree)) if tree else None
        return self._modules[name]

    def _definition(self, definition: Definition) -> tuple[str, frozenset[Definition]]:
        """The digest of one definition, and the definitions that it names."""
        if definition not in self._read:
            module = self._module(definition.module)
            if module is None or definition.name not in module.defined:
                raise ValueError(f"expected a definition of {'.'.join(definition)}, found none")
            used: set[Definition] = set()
            normal = self._normal(definition.module, module.defined[definition.name], frozenset(), used)
            self._read[definition] = (hashlib.sha256(repr(normal).encode()).hexdigest(), frozenset(used))
        return self._read[definition]

    def _normal(self, module: str, node: Any, local: frozenset[str], used: set[Definition]) -> Any:
        """A syntax tree without imports, docstrings, positions and module names; `used` collects its definitions."""
        if isinstance(node, list):
            kept = [part for part in node if not isinstance(part, ast.Import | ast.ImportFrom)]
            return [self._normal(module, part, local, used) for part in kept]
        if not isinstance(node, ast.AST):
            return node
        if isinstance(node, ast.Name):
            _add(used, None if node.id in local else self.find(module, node.id))
            return node.id
        if owner := self._owner(module, node, local):
            _add(used, self.find(owner, node.attr))  # type: ignore[attr-defined]
            return node.attr  # type: ignore[attr-defined]
        inner = local | _bound(node) if isinstance(node, SCOPES) else local
        # ast.dump writes empty fields differently in different versions of Python
        filled = {name: value for name, value in ast.iter_fields(node) if value is not None and value != []}
        fields = {name: self._normal(module, value, inner, used) for name, value in filled.items()}
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(node):
            fields["body"] = fields["body"][1:]
        return type(node).__name__, fields

    def _owner(self, module: str, node: ast.AST, local: frozenset[str]) -> str:
        """The module behind `alias` in `alias.name`, or an empty string."""
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name) or node.value.id in local:
            return ""
        entry = self._module(module)
        source = entry.imported.get(node.value.id, "") if entry else ""
        return source if source and self._module(source) else ""


def key(**facts: Any) -> str:
    """The digest of named facts, the same for the same facts in any order.

    Args:
        facts: values that JSON can hold; a tuple counts as a list.

    Returns:
        64 hexadecimal digits.

    Raises:
        TypeError, ValueError: if a fact is not JSON: an object, a set, NaN or an infinity.

    >>> key(ce=0.1, seed=1) == key(seed=1, ce=0.1), key(ce=0.1) == key(ce=0.2)
    (True, False)
    """
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _add(used: set[Definition], definition: Definition | None) -> None:
    if definition:
        used.add(definition)


def _bound(scope: ast.AST) -> frozenset[str]:
    """The local names of a function or a comprehension."""
    nodes = list(ast.walk(scope))
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}
    return frozenset(arguments | {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)})


def _defined(tree: ast.Module) -> dict[str, list[ast.stmt]]:
    found: dict[str, list[ast.stmt]] = {}
    for node in tree.body:
        for name in _names(node):
            found.setdefault(name, []).append(node)
    return found


def _names(node: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module defines; of `TABLE["a"] = 1` that is TABLE."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", ast.Pass())]
    return [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]


def _imported(tree: ast.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.asname: alias.name for alias in node.names if alias.asname}
    return found
