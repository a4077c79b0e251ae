"""The claims page, and the part of it on the landing page, written from the ledger and the executed chapters."""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from companion.claims import registry
from companion.claims.ledger import LedgerEntry
from companion.claims.registry import CLAIMS_MIME_TYPE, OPEN_VERDICT
from companion.claims.verdicts import VERDICTS

TABLES: Any = (
    Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    .get_template("claims_page.html.jinja")
    .module
)
PROJECT_SOURCE = "this project"
QUICK_FIGURE = (
    "> **A small run.** The figure comes from the `quick` profile, with few images and seeds; the verdicts above come "
    "from larger runs, and its curves may be in another order.\n\n"
)
LANDING_IMAGE = "landing.png"
LANDING_TAG = "landing-figure"  # the tag of the cell whose figure the landing page shows
LANDING_SENTENCE_TAG = "landing-sentence"  # of the cells whose sentence the landing page repeats


class ChapterFigure(NamedTuple):
    """A figure of an executed chapter, with the profile at which the chapter was executed."""

    chapter: str
    profile: str
    png: bytes
    alt: str
    number: int  # of the figure among those of its chapter, from 1 on


def verdict_counts_table(entries: Iterable[LedgerEntry]) -> str:
    """The number of claims with each committed verdict: those of the paper and its code, and those of this project.

    Args:
        entries: entries of the whole ledger.

    Returns:
        A table in HTML.

    >>> verdict_counts_table([]).count("<tr>")
    2
    """
    counts = Counter((entry.claim.verdict, _is_project_claim(entry)) for entry in entries)
    rows = [(verdict, counts[verdict, False], counts[verdict, True]) for verdict in (*VERDICTS, OPEN_VERDICT)]
    rows = [row for row in rows if any(row[1:])]
    total = ("all", sum(paper for _, paper, _ in rows), sum(project for *_, project in rows))
    return str(TABLES.counts([*rows, total]))


def claims_page(entries: Iterable[LedgerEntry], titles: Mapping[str, str]) -> str:
    """The ledger in Markdown and HTML: the counts, then one table per chapter.

    Args:
        entries: entries of the whole ledger.
        titles: of the chapters that exist, by name, in the book's order.

    Returns:
        What follows the page's introduction.
    """
    entries = list(entries)
    parts = ["## Counted by verdict\n", verdict_counts_table(entries), ""]
    for chapter, title in titles.items():
        if chapter_entries := [entry for entry in entries if entry.claim.chapter == chapter]:
            parts += [
                f"## {title}\n",
                f"The chapter: {{doc}}`{chapter}`.\n",
                _chapter_table(chapter_entries, title),
                "",
            ]
    if without_chapter := [entry for entry in entries if entry.claim.chapter not in titles]:
        parts += ["## Claims without a chapter\n", _chapter_table(without_chapter, "No chapter yet"), ""]
    return "\n".join(parts)


def _chapter_table(entries: list[LedgerEntry], title: str) -> str:
    return str(TABLES.chapter(title, map(_row, entries)))


def _row(entry: LedgerEntry) -> dict[str, Any]:
    """The values that the template shows for an entry."""
    theorem = [("The theorem.", entry.claim.label)] if entry.claim.label else []
    links = [*theorem, ("The cell.", f"claim-{entry.claim.id}")] if entry.evidence else []
    texts = {"verdict": _verdict_text(entry), "evidence": _evidence_texts(entry), "rule": _rule_text(entry)}
    return {"claim": entry.claim, "links": links, **texts}


def _verdict_text(entry: LedgerEntry) -> str:
    """The committed verdict, and the one of these pages where it is another."""
    if entry.based_on_digits:
        return f"{entry.claim.verdict} (on digits, in these pages: {entry.computed_verdict})"
    if entry.computed_verdict in (None, entry.claim.verdict):
        return entry.claim.verdict
    return f"{entry.claim.verdict} (in these pages, at {entry.profile}: {entry.computed_verdict})"


def _evidence_texts(entry: LedgerEntry) -> list[str]:
    if entry.claim.rule.form == "absent":
        return [f"None: {entry.claim.rule.reason}"]
    return registry.evidence_lines(entry.claim.rule, entry.evidence) if entry.evidence else ["None yet"]


def _rule_text(entry: LedgerEntry) -> str:
    rule = entry.claim.rule
    return "" if rule.form == "absent" else f"Rule: {rule.estimand}; {rule.method}; {rule.text()}."


def _is_project_claim(entry: LedgerEntry) -> bool:
    return entry.claim.source.startswith(PROJECT_SOURCE)


def with_anchors(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """A notebook with a target for each claim before the cell that holds its evidence.

    Args:
        notebook: executed, as JSON.

    Returns:
        A copy; links from the ledger lead to these cells.
    """
    cells: list[Any] = []
    for cell in notebook["cells"]:
        records = [
            output["data"][CLAIMS_MIME_TYPE]
            for output in cell.get("outputs", ())
            if CLAIMS_MIME_TYPE in output.get("data", ())
        ]
        names = [name for record in records for name in record["claims"]]
        if names:
            source = "".join(f'<span id="claim-{name}"></span>' for name in names)
            cells.append({"cell_type": "markdown", "id": f"claims-{len(cells)}", "metadata": {}, "source": source})
        cells.append(cell)
    return {**notebook, "cells": cells}


def landing_figure(notebooks: Mapping[str, Mapping[str, Any]]) -> ChapterFigure | None:
    """The figure of the first cell with the landing page's tag; None where there is none.

    Args:
        notebooks: executed chapters by name, as JSON.

    Returns:
        The figure with its alternative text.
    """
    for chapter, notebook in notebooks.items():
        before = 0
        for cell in notebook["cells"]:
            outputs = cell.get("outputs", ())
            pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", ())]
            if LANDING_TAG in cell["metadata"].get("tags", ()):
                alt = cell["metadata"]["mystnb"]["image"]["alt"]
                profile = notebook["metadata"].get("l2h", {}).get("profile", "unknown")
                if not pictures:
                    return None
                return ChapterFigure(chapter, profile, base64.b64decode("".join(pictures[0])), alt, before + 1)
            before += len(pictures)
    return None


def landing_sentences(notebooks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The sentences of chapters that the landing page repeats, each with a link to its chapter.

    Args:
        notebooks: executed chapters by name, as JSON.

    Returns:
        Markdown, one sentence per cell with the tag: its first output in Markdown.
    """
    sentences = []
    for chapter, notebook in notebooks.items():
        for cell in notebook["cells"]:
            if LANDING_SENTENCE_TAG in cell["metadata"].get("tags", ()):
                texts = [
                    output["data"]["text/markdown"]
                    for output in cell["outputs"]
                    if "text/markdown" in output.get("data", ())
                ]
                sentences += [f"{''.join(text)} ({{doc}}`{chapter}`)" for text in texts[:1]]
    return sentences


def landing_section(
    entries: Iterable[LedgerEntry], figure: ChapterFigure | None, sentences: Iterable[str] = (), numbers: str = ""
) -> str:
    """The landing page's part of the ledger: the same counts, sentences of chapters, and one figure, LANDING_IMAGE.

    Args:
        entries: entries of the whole ledger.
        figure: of a chapter.
        sentences: of `landing_sentences`.
        numbers: a link to those of the figure; empty if they were not kept.

    Returns:
        Markdown and HTML.
    """
    text = f"{verdict_counts_table(entries)}\n\nEvery claim with its rule and its evidence: {{doc}}`claims`.\n"
    text += "".join(f"\n{sentence}\n" for sentence in sentences)
    if figure is None:
        return text
    warning = QUICK_FIGURE if figure.profile == "quick" else ""
    caption = f"From {{doc}}`{figure.chapter}`, executed at the `{figure.profile}` profile. {numbers}".strip()
    return f"{text}\n{warning}```{{figure}} {LANDING_IMAGE}\n:alt: {figure.alt}\n\n{caption}\n```\n"
