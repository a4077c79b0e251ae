"""The generated pages: how each chapter was executed (status), the API reference, and the tests that proofs cite."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PACKAGES = ("l2h", "companion")
CITED_TEST_PATTERN = re.compile(r"<(test-[a-z0-9-]+)>")  # {ref}`words <test-...>` cites the test of that name


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
    profile = facts.get("profile", "unknown")
    return f"Executed at the `{profile}` profile in {execution_time(metadata)}{machine_text}.{data}"


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
    sections: list[tuple[str, str]] = []
    for path in sorted(folder.rglob("test_*.py")):
        text = path.read_text("utf8")
        for node in ast.parse(text).body:
            label = getattr(node, "name", "").replace("_", "-")
            if label in cited and isinstance(node, ast.FunctionDef):
                sections.append((label, _test_section(node, text, path.relative_to(folder))))
    found = [label for label, _ in sections]
    if wrong_counts := {label: found.count(label) for label in sorted(cited) if found.count(label) != 1}:
        raise ValueError(f"expected one test for each that a page cites, got {describe(wrong_counts)}")
    return "\n".join(section for _, section in sections)


def _test_section(test: ast.FunctionDef, text: str, path: Path) -> str:
    first = min([test.lineno, *(decorator.lineno for decorator in test.decorator_list)])
    code = "\n".join(text.splitlines()[first - 1 : test.end_lineno])
    title = test.name.removeprefix("test_").replace("_", " ").capitalize()
    return f"({test.name.replace('_', '-')})=\n## {title}\n\n`tests/{path}`\n\n```python\n{code}\n```\n"


def api_pages(root: Path) -> dict[str, str]:
    """The pages of the API reference, one for each folder of the two packages, and the list of their modules.

    Args:
        root: of the repository.

    Returns:
        MyST by path without suffix: `api`, the list, which follows the text of that page, and `api/NAME` for each
        folder. Sphinx's autodoc fills in the public names from the docstrings when it builds the pages.
    """
    modules: dict[str, list[str]] = {}
    for package in PACKAGES:
        paths = sorted((root / package).rglob("*.py"))
        for name in (".".join(path.relative_to(root).with_suffix("").parts) for path in paths):
            if "._" not in name:  # private modules and `__init__` have no entry
                modules.setdefault(name.rpartition(".")[0], []).append(name)
    pages = {f"api/{folder.replace('.', '_')}": _api_page(folder, names) for folder, names in modules.items()}
    tables = [f"## {folder}\n\n" + _eval_rst("autosummary::", *names) for folder, names in modules.items()]
    return {"api": "\n".join(tables)} | pages


def _api_page(folder: str, modules: list[str]) -> str:
    sections = [f"## {name}\n\n" + _eval_rst(f"automodule:: {name}") for name in modules]
    return "\n".join([f"# {folder}\n", *sections])


def _eval_rst(directive: str, *lines: str) -> str:
    """A directive of reStructuredText in a page of MyST."""
    return "\n".join(["```{eval-rst}", f".. {directive}", "", *(f"   {line}" for line in lines), "```", ""])
