"""The page of the ledger, and what the landing page shows of it, written from the ledger and the executed chapters.

Tables are written as HTML: Markdown's have no scope for their headers, and cannot turn into lists on a narrow screen.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, NamedTuple

from companion.claims import registry
from companion.claims.evidence import VERDICTS
from companion.claims.ledger import LedgerEntry
from companion.claims.registry import CLAIMS_MIME_TYPE, OPEN_VERDICT

PROJECT_SOURCE = "this project"
LANDING_IMAGE = "landing.png"
LANDING_TAG = "landing-figure"  # the tag of the cell whose figure the landing page shows


class ChapterFigure(NamedTuple):
    """A figure of an executed chapter."""

    chapter: str
    png: bytes
    alt: str


def verdict_counts_table(entries: Iterable[LedgerEntry]) -> str:
    """How many claims have each committed verdict, those of the paper and its code apart from our own.

    Args:
        entries: entries of the whole ledger.

    Returns:
        A table in HTML.

    >>> verdict_counts_table([]).count("<tr>")
    2
    """
    entries = list(entries)
    counts_by_origin = {
        ours: Counter(entry.claim.verdict for entry in entries if _is_project_claim(entry) == ours)
        for ours in (False, True)
    }
    present_verdicts = [
        verdict
        for verdict in (*VERDICTS, OPEN_VERDICT)
        if any(counts_by_origin[ours][verdict] for ours in counts_by_origin)
    ]
    rows = [
        [verdict, counts_by_origin[False][verdict], counts_by_origin[True][verdict]] for verdict in present_verdicts
    ]
    total = ["all", *(sum(counts_by_origin[ours].values()) for ours in (False, True))]
    lines = [
        f'<tr><th scope="row">{verdict}</th><td>{paper}</td><td>{ours}</td></tr>'
        for verdict, paper, ours in [*rows, total]
    ]
    heads = "".join(
        f'<th scope="col">{head}</th>' for head in ("verdict", "of the paper or its code", "of this project")
    )
    return f'<table class="table ledger-counts"><thead><tr>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


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
    heads = "".join(f'<th scope="col" role="columnheader">{head}</th>' for head in ("claim", "verdict", "evidence"))
    rows = "".join(_entry_row(entry) for entry in entries)
    caption = f"<caption>{escape(title)}: claims, verdicts and evidence</caption>"
    head = f'<thead role="rowgroup"><tr role="row">{heads}</tr></thead>'
    return f'<table class="table ledger" role="table">{caption}{head}<tbody role="rowgroup">{rows}</tbody></table>'


def _entry_row(entry: LedgerEntry) -> str:
    claim = entry.claim
    claim_cell = (
        f'{escape(claim.statement)}<span class="ledger-note">{escape(claim.kind)}; {escape(claim.source)}</span>'
    )
    targets = [("The theorem.", claim.label)] * bool(claim.label and entry.evidence)
    targets += [("The cell.", f"claim-{claim.id}")] * bool(entry.evidence)
    links = "".join(f' <a href="{claim.chapter}.html#{target}">{link_text}</a>' for link_text, target in targets)
    cases = "<br>".join(map(escape, _evidence_texts(entry)))
    evidence = f'{cases}.{links}<span class="ledger-note">{escape(_rule_text(entry))}</span>'
    return (
        f'<tr role="row" id="claim-{claim.id}"><th scope="row" role="rowheader">{claim_cell}</th>'
        f'<td role="cell">{escape(_verdict_text(entry))}</td><td role="cell">{evidence}</td></tr>'
    )


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
        for cell in notebook["cells"]:
            if LANDING_TAG in cell["metadata"].get("tags", ()):
                pictures = [
                    output["data"]["image/png"] for output in cell["outputs"] if "image/png" in output.get("data", ())
                ]
                alt = cell["metadata"]["mystnb"]["image"]["alt"]
                return ChapterFigure(chapter, base64.b64decode("".join(pictures[0])), alt) if pictures else None
    return None


def landing_section(entries: Iterable[LedgerEntry], figure: ChapterFigure | None) -> str:
    """What the landing page says of the ledger: the same counts, and one figure, which lies beside it as PICTURE.

    Args:
        entries: entries of the whole ledger.
        figure: of a chapter.

    Returns:
        Markdown and HTML.
    """
    text = f"{verdict_counts_table(entries)}\n\nEvery claim with its rule and its evidence: {{doc}}`claims`.\n"
    if figure is None:
        return text
    caption = f"From {{doc}}`{figure.chapter}`, which says what to see."
    return f"{text}\n```{{figure}} {LANDING_IMAGE}\n:alt: {figure.alt}\n\n{caption}\n```\n"
