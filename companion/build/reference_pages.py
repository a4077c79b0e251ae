"""The generated pages: what was executed where (status), every public name of l2h (api), tests that proofs cite.

Nothing here imports what it describes: the chapters' metadata and the syntax trees of modules and tests are enough.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from inspect import cleandoc
from pathlib import Path
from textwrap import dedent
from typing import Any

ApiNode = ast.FunctionDef | ast.ClassDef
CITED_TEST_PATTERN = re.compile(r"<(test-[a-z0-9-]+)>")  # {ref}`words <test-...>` cites the test of that name
SECTIONS = {"Args": "param ", "Returns": "returns", "Yields": "yields", "Raises": "raises "}


def provenance_sentence(metadata: dict[str, Any]) -> str:
    """One sentence that says how a chapter was executed, from its notebook's metadata.

    Args:
        metadata: of the notebook; `l2h` is written by the executor, `papermill` by papermill.

    Returns:
        The sentence, in Markdown.

    >>> provenance_sentence({"l2h": {"profile": "quick", "seconds": 12.34, "machine": "2 cores"}})
    'Executed at the `quick` profile in 12.3 s on 2 cores.'
    """
    facts = metadata.get("l2h", {})
    machine_text = f" on {facts['machine']}" if "machine" in facts else ""
    data = f" Data: {describe(facts['data'])}." if facts.get("data") else ""
    return f"Executed at the `{facts.get('profile', 'unknown')}` profile in {execution_time(metadata)}{machine_text}.{data}"


def execution_time(metadata: dict[str, Any]) -> str:
    """The time a chapter took: the executor's record, else papermill's.

    >>> execution_time({"papermill": {"duration": 3.21}})
    '3.2 s'
    """
    seconds = metadata.get("l2h", {}).get("seconds", metadata.get("papermill", {}).get("duration"))
    return "an unrecorded time" if seconds is None else f"{seconds:.1f} s"


def describe(value: Any) -> str:
    """A recorded value as text: mappings as `key value`, lists with commas, a data set by its name.

    >>> describe({"torch": "2.15", "numpy": "2.3"})
    'torch 2.15, numpy 2.3'
    >>> describe([{"name": "digits", "sha256": "0123456789abcdef"}])
    'digits (SHA-256 0123456789ab…)'
    """
    if isinstance(value, dict) and "sha256" in value:
        return f"{value.get('name', 'data')} (SHA-256 {value['sha256'][:12]}…)"
    if isinstance(value, dict):
        return ", ".join(f"{key} {describe(part)}" for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(describe, value))
    return str(value)


def status_tables(chapters: dict[str, dict[str, Any]]) -> str:
    """The tables of the status page.

    Args:
        chapters: each chapter's name and its notebook's metadata.

    Returns:
        Markdown: one row per chapter, then machine, versions and key of each.
    """
    rows = ["| chapter | profile | time | executed | data |", "|---|---|---|---|---|"]
    for name, metadata in chapters.items():
        facts = metadata.get("l2h", {})
        started = str(metadata.get("papermill", {}).get("start_time", ""))[:10]
        rows.append(
            f"| {{doc}}`{name}` | {facts.get('profile', '–')} | {execution_time(metadata)} | {started or '–'} "
            f"| {describe(facts.get('data') or '–')} |"
        )
    return "\n".join([*rows, "", "## Machines and versions", "", *machine_sections(chapters)])


def machine_sections(chapters: dict[str, dict[str, Any]]) -> Iterator[str]:
    """One paragraph per machine and set of versions, with the chapters that ran there and their keys."""
    chapters_by_machine: dict[str, list[str]] = {}
    for name, metadata in chapters.items():
        facts = metadata.get("l2h", {})
        machine_text = (
            f"{describe(facts.get('machine', 'not recorded'))}; {describe(facts.get('versions', 'not recorded'))}"
        )
        chapters_by_machine.setdefault(machine_text, []).append(
            f"- {{doc}}`{name}`, key `{str(facts.get('key', 'not recorded'))[:16]}`"
        )
    for machine_text, names in chapters_by_machine.items():
        yield "\n".join([f"Machine and versions: {machine_text}.\n", *names, ""])


def cited_tests_page(folder: Path, texts: Iterable[str]) -> str:
    """The tests page: the source of every test that a page cites, under the label by which it is cited.

    Args:
        folder: of the tests.
        texts: of all pages; a test is cited by a reference whose target is its name, with dashes for underscores.

    Returns:
        Markdown with one section per cited test, in the order of the files.

    Raises:
        ValueError: if a page cites a test that does not exist, or one whose name two files share.
    """
    cited = {label for text in texts for label in CITED_TEST_PATTERN.findall(text)}
    sections: list[str] = []
    times = dict.fromkeys(sorted(cited), 0)
    for path in sorted(folder.glob("test_*.py")):
        text = path.read_text("utf8")
        for node in ast.parse(text).body:
            label = getattr(node, "name", "").replace("_", "-")
            if label in cited and isinstance(node, ast.FunctionDef):
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                code = "\n".join(text.splitlines()[first - 1 : node.end_lineno])
                title = node.name.removeprefix("test_").replace("_", " ").capitalize()
                times[label] += 1
                sections.append(f"({label})=\n## {title}\n\n`tests/{path.name}`\n\n```python\n{code}\n```\n")
    section_counts = {label: count for label, count in times.items() if count != 1}
    if section_counts:
        raise ValueError(f"expected one test for each that a page cites, got {describe(section_counts)}")
    return "\n".join(sections)


def api(package: Path) -> str:
    """The api page: every public function and class, modules before those that import them.

    Args:
        package: the folder of the package.

    Returns:
        Markdown with one section per module.
    """
    trees = {path.stem: ast.parse(path.read_text("utf8")) for path in sorted(package.glob("[a-z]*.py"))}
    imports = {name: imported(tree) for name, tree in trees.items()}
    importers = {name: [other for other in trees if name in imports[other]] for name in trees}
    order = list(TopologicalSorter(importers).static_order())
    return "\n".join(module(package.name, name, trees[name]) for name in reversed(order))


def imported(tree: ast.Module) -> set[str]:
    """The modules of l2h that a module imports.

    >>> sorted(imported(ast.parse("from l2h import checks; from l2h.problem import Costs; import torch")))
    ['checks', 'problem']
    """
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    whole = {alias.name for node in froms if node.module == "l2h" for alias in node.names}
    return whole | {node.module[4:] for node in froms if node.module and node.module.startswith("l2h.")}


def module(package: str, name: str, tree: ast.Module) -> str:
    """One module's section: its docstring and its public names."""
    here = f":::{{py:currentmodule}} {package}.{name}\n:::\n"  # of two classes with one name, types mean this module's
    parts = [f"## {package}.{name}\n", here, markdown(ast.get_docstring(tree) or "")]
    for node in tree.body:
        if isinstance(node, ApiNode) and not node.name.startswith("_"):
            parts.append(entry(node, f"{package}.{name}"))
    return "\n".join(parts)


def entry(node: ApiNode, place: str) -> str:
    """One function or class, as a directive of Sphinx's Python domain."""
    if isinstance(node, ast.FunctionDef):
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        head, inner = f"{{py:function}} {node.name}({ast.unparse(node.args)}){returns}", ""
    else:
        head, inner = f"{{py:class}} {node.name}({', '.join(fields(node))})", ""
        for child in node.body:
            if isinstance(child, ast.FunctionDef) and not child.name.startswith("_"):
                inner += entry(child, place).replace("{py:function}", "{py:method}")
    fence = "::::" if inner else ":::"
    return f"{fence}{head}\n:module: {place}\n\n{markdown(ast.get_docstring(node) or '')}\n{inner}{fence}\n"


def fields(node: ast.ClassDef) -> Iterator[str]:
    """The arguments of a class: the annotated fields of a record, or those of `__init__`."""
    for child in node.body:
        if isinstance(child, ast.AnnAssign):
            yield ast.unparse(child).replace(" = ", "=")
        elif isinstance(child, ast.FunctionDef) and child.name == "__init__":
            yield ast.unparse(child.args).removeprefix("self").removeprefix(", ")


def markdown(docstring: str) -> str:
    r"""A docstring in MyST Markdown: sections as fields, equations and examples as blocks.

    >>> print(markdown("Double it.\n\nArgs:\n    x: a number\n        or two.\n"))
    Double it.
    <BLANKLINE>
    :param x: a number or two.
    """
    blocks = re.split(r"\n\s*\n(?! {4}\S)", cleandoc(docstring))
    return "\n\n".join(map(block, blocks))


def block(text: str) -> str:
    """One paragraph, section, equation or example of a docstring in Markdown."""
    first, _, rest = text.partition("\n")
    if first.startswith(">>>"):
        return f"```pycon\n{text}\n```"
    if first.startswith(".. math::"):
        return "```{math}\n" + cleandoc(first.removeprefix(".. math::") + "\n" + rest).strip() + "\n```"
    if first.rstrip(":") in SECTIONS and rest:
        return "\n".join(field(SECTIONS[first.rstrip(":")], item) for item in re.split(r"\n(?=\S)", dedent(rest)))
    return "\n".join(escaped(item) for item in re.split(r"\n(?=- )", text))


def field(kind: str, item: str) -> str:
    """One line of an Args, Returns or Raises section as a MyST field."""
    name, _, text = item.partition(":") if kind.endswith(" ") else ("", "", item)
    return f":{kind}{name.strip()}: {escaped(text).strip()}"


def escaped(text: str) -> str:
    r"""Prose on one line, with the characters that Markdown would take for markup escaped outside code.

    >>> print(escaped("a * b,\n`x * y`"))
    a \* b, `x * y`
    """
    pieces = re.split(r"(`[^`]*`)", " ".join(text.split()))
    return "".join(p if p.startswith("`") else re.sub(r"([*_<$\[\]])", r"\\\1", p) for p in pieces)
