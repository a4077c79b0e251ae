"""Check the ledger: `python -m companion.build.verify quick|paper|full` executes what is stale, compares verdicts.

Verdicts are computed from the evidence in the executed chapters with the committed rules. A verdict that contradicts
the committed one, or is missing, makes the exit code 1. `python -m companion.build.verify update` writes the verdicts
of the committed records into the ledger.
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from companion.build import execute, notebooks, outputs
from companion.build.execute import print_line
from companion.build.notebooks import ROOT, Folders
from companion.chapters.settings import PROFILE_NAMES
from companion.claims import ledger, registry
from companion.claims.ledger import LedgerEntry
from l2h.experiments import store

REPORT_PATH = ROOT / "_build" / "claims.json"


def main(
    arguments: list[str] | None = None,
    folders: Folders | None = None,
    book: Path = registry.CLAIMS_FOLDER,
    report: Path = REPORT_PATH,
) -> int:
    """The command: the table on stdout, what is wrong on stderr, with exit code 1; 130 or 143 if it is interrupted."""
    parser = argparse.ArgumentParser(prog="python -m companion.build.verify", description="Check the ledger of claims.")
    parser.add_argument("mode", choices=(*PROFILE_NAMES, "update"), nargs="?", default="quick")
    mode, folders = parser.parse_args(arguments).mode, folders or Folders()
    try:
        claims_by_id = registry.read_claims(book)
        every = notebooks.chapter_names(folders.book)
        names = [name for name in every if name in {entry.chapter for entry in claims_by_id.values()}]
        others = [name for name in every if name not in names]  # one with evidence has lost its file of claims
        ledger.ledger_entries(
            claims_by_id,
            read_executed_notebooks(folders.book, others) | read_executed_notebooks(folders.notebooks / mode, others),
        )
        if mode == "update":
            entries = ledger.ledger_entries(claims_by_id, read_executed_notebooks(folders.book, names))
            print_line("\n".join(ledger.update_verdicts(entries, book)) or "every verdict stands")
            return 0
        entries = ledger.ledger_entries(
            claims_by_id, read_executed_notebooks(execute.execute_chapters(mode, names, folders), names)
        )
    except (OSError, ValueError, RuntimeError) as error:
        if mode != "update":
            report.unlink(missing_ok=True)  # the one of an earlier check says nothing about one that failed
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130  # as a shell reports a command that Ctrl-C ended; the report of an earlier check stays
    except asyncio.CancelledError:
        return 143  # and one that was terminated
    discrepancies = {
        entry.claim.id: ledger.verdict_discrepancy(entry, chapter_exists=entry.claim.chapter in names)
        for entry in entries
    }
    store.write_atomically(
        report, json.dumps([claim_record(entry, discrepancies[entry.claim.id]) for entry in entries], indent=1) + "\n"
    )
    print_line(claims_table(entries))
    error_lines = [f"{name}: {discrepancy}" for name, discrepancy in discrepancies.items() if discrepancy]
    sys.stderr.write("".join(f"{line}\n" for line in error_lines))
    return 1 if error_lines else 0


def read_executed_notebooks(folder: Path, names: list[str]) -> dict[str, Mapping[str, Any]]:
    """The executed chapters of a folder, by name; a chapter that was never executed is left out.

    Raises:
        ValueError: if code or outputs of a chapter were changed after its execution.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for name in names:
        path = folder / f"{name}.ipynb"
        notebook = notebooks.read_notebook(path)
        if notebook is not None:
            outputs.check(notebook, path)
            found[name] = notebook
    return found


def claim_record(entry: LedgerEntry, discrepancy: str | None) -> dict[str, Any]:
    """One claim as the report holds it."""
    claim = entry.claim
    return {
        "id": claim.id,
        "statement": claim.statement,
        "source": claim.source,
        "kind": claim.kind,
        "chapter": claim.chapter,
        "rule": {"cases": claim.rule.cases, "estimand": claim.rule.estimand, "method": claim.rule.method},
        "verdict": entry.computed_verdict,
        "committed": claim.verdict,
        "evidence": {case: item.as_json() for case, item in entry.evidence.items()},
        "profile": entry.profile,
        "data": entry.source,
        "fault": discrepancy,
    }


def claims_table(entries: list[LedgerEntry]) -> str:
    """The table for a terminal: id, verdict, committed verdict and evidence, then how many of each verdict.

    >>> print(claims_table([]))
    claim  verdict  committed  evidence
    <BLANKLINE>
    0 claims
    """
    head = ("claim", "verdict", "committed", "evidence")
    rows = [
        head,
        *((entry.claim.id, verdict_text(entry), entry.claim.verdict, evidence_text(entry)) for entry in entries),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)] + [0]
    lines = ["  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    counts = Counter(entry.claim.verdict for entry in entries)
    return "\n".join([*lines, "", f"{len(entries)} claims", *(f"{count:5} {word}" for word, count in counts.items())])


def verdict_text(entry: LedgerEntry) -> str:
    """The verdict that follows from the evidence, in words."""
    return f"{entry.computed_verdict or '–'}{' (digits)' if entry.based_on_digits else ''}"


def evidence_text(entry: LedgerEntry) -> str:
    """The evidence of an entry on one line, with its profile."""
    if entry.claim.rule.form == "absent":
        return entry.claim.rule.reason or ""
    cases_text = "; ".join(registry.evidence_lines(entry.claim.rule, entry.evidence)) if entry.evidence else ""
    return cases_text and f"{entry.profile}: {cases_text}"


if __name__ == "__main__":
    sys.exit(main())
