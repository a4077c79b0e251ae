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


def verdict_counts_table(found: Iterable[LedgerEntry]) -> str:
    """How many claims have each committed verdict, those of the paper and its code apart from our own.

    Args:
        found: entries of the whole ledger.

    Returns:
        A table in HTML.

    >>> verdict_counts_table([]).count("<tr>")
    2
    """
    found = list(found)
    of = {ours: Counter(one.claim.verdict for one in found if _is_project_claim(one) == ours) for ours in (False, True)}
    words = [word for word in (*VERDICTS, OPEN_VERDICT) if any(of[ours][word] for ours in of)]
    rows = [[word, of[False][word], of[True][word]] for word in words]
    total = ["all", *(sum(of[ours].values()) for ours in (False, True))]
    lines = [
        f'<tr><th scope="row">{word}</th><td>{paper}</td><td>{ours}</td></tr>' for word, paper, ours in [*rows, total]
    ]
    heads = "".join(
        f'<th scope="col">{head}</th>' for head in ("verdict", "of the paper or its code", "of this project")
    )
    return f'<table class="table ledger-counts"><thead><tr>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def claims_page(found: Iterable[LedgerEntry], titles: Mapping[str, str]) -> str:
    """The ledger in Markdown and HTML: the counts, then one table per chapter.

    Args:
        found: entries of the whole ledger.
        titles: of the chapters that exist, by name, in the book's order.

    Returns:
        What follows the page's introduction.
    """
    found = list(found)
    parts = ["## Counted by verdict\n", verdict_counts_table(found), ""]
    for chapter, title in titles.items():
        if several := [one for one in found if one.claim.chapter == chapter]:
            parts += [f"## {title}\n", f"The chapter: {{doc}}`{chapter}`.\n", _chapter_table(several, title), ""]
    if homeless := [one for one in found if one.claim.chapter not in titles]:
        parts += ["## Claims without a chapter\n", _chapter_table(homeless, "No chapter yet"), ""]
    return "\n".join(parts)


def _chapter_table(several: list[LedgerEntry], title: str) -> str:
    heads = "".join(f'<th scope="col" role="columnheader">{head}</th>' for head in ("claim", "verdict", "evidence"))
    rows = "".join(_entry_row(one) for one in several)
    caption = f"<caption>{escape(title)}: claims, verdicts and evidence</caption>"
    head = f'<thead role="rowgroup"><tr role="row">{heads}</tr></thead>'
    return f'<table class="table ledger" role="table">{caption}{head}<tbody role="rowgroup">{rows}</tbody></table>'


def _entry_row(one: LedgerEntry) -> str:
    claim = one.claim
    said = f'{escape(claim.statement)}<span class="ledger-note">{escape(claim.kind)}; {escape(claim.source)}</span>'
    targets = [("The theorem.", claim.label)] * bool(claim.label and one.evidence)
    targets += [("The cell.", f"claim-{claim.id}")] * bool(one.evidence)
    links = "".join(f' <a href="{claim.chapter}.html#{target}">{words}</a>' for words, target in targets)
    cases = "<br>".join(map(escape, _evidence_texts(one)))
    evidence = f'{cases}.{links}<span class="ledger-note">{escape(_rule_text(one))}</span>'
    return (
        f'<tr role="row" id="claim-{claim.id}"><th scope="row" role="rowheader">{said}</th>'
        f'<td role="cell">{escape(_verdict_text(one))}</td><td role="cell">{evidence}</td></tr>'
    )


def _verdict_text(one: LedgerEntry) -> str:
    """The committed verdict, and the one of these pages where it is another."""
    if one.about_digits:
        return f"{one.claim.verdict} (on digits, in these pages: {one.found})"
    if one.found in (None, one.claim.verdict):
        return one.claim.verdict
    return f"{one.claim.verdict} (in these pages, at {one.profile}: {one.found})"


def _evidence_texts(one: LedgerEntry) -> list[str]:
    if one.claim.rule.form == "absent":
        return [f"None: {one.claim.rule.reason}"]
    return registry.evidence_lines(one.claim.rule, one.evidence) if one.evidence else ["None yet"]


def _rule_text(one: LedgerEntry) -> str:
    rule = one.claim.rule
    return "" if rule.form == "absent" else f"Rule: {rule.estimand}; {rule.method}; {rule.text()}."


def _is_project_claim(one: LedgerEntry) -> bool:
    return one.claim.source.startswith(PROJECT_SOURCE)


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


def landing_section(found: Iterable[LedgerEntry], figure: ChapterFigure | None) -> str:
    """What the landing page says of the ledger: the same counts, and one figure, which lies beside it as PICTURE.

    Args:
        found: entries of the whole ledger.
        figure: of a chapter.

    Returns:
        Markdown and HTML.
    """
    text = f"{verdict_counts_table(found)}\n\nEvery claim with its rule and its evidence: {{doc}}`claims`.\n"
    if figure is None:
        return text
    caption = f"From {{doc}}`{figure.chapter}`, which says what to see."
    return f"{text}\n```{{figure}} {LANDING_IMAGE}\n:alt: {figure.alt}\n\n{caption}\n```\n"
