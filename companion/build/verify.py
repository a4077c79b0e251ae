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
from companion.chapters.settings import PROFILES
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
    parser.add_argument("mode", choices=(*PROFILES, "update"), nargs="?", default="quick")
    mode, folders = parser.parse_args(arguments).mode, folders or Folders()
    try:
        known = registry.read_claims(book)
        every = notebooks.chapter_names(folders.book)
        names = [name for name in every if name in {one.chapter for one in known.values()}]
        others = [name for name in every if name not in names]  # one with evidence has lost its file of claims
        ledger.ledger_entries(
            known,
            read_executed_notebooks(folders.book, others) | read_executed_notebooks(folders.notebooks / mode, others),
        )
        if mode == "update":
            found = ledger.ledger_entries(known, read_executed_notebooks(folders.book, names))
            print_line("\n".join(ledger.update_verdicts(found, book)) or "every verdict stands")
            return 0
        found = ledger.ledger_entries(
            known, read_executed_notebooks(execute.execute_chapters(mode, names, folders), names)
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
    faults = {one.claim.id: ledger.verdict_discrepancy(one, exists=one.claim.chapter in names) for one in found}
    store.write_atomically(
        report, json.dumps([claim_record(one, faults[one.claim.id]) for one in found], indent=1) + "\n"
    )
    print_line(claims_table(found))
    wrong = [f"{name}: {fault}" for name, fault in faults.items() if fault]
    sys.stderr.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


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


def claim_record(entry: LedgerEntry, fault: str | None) -> dict[str, Any]:
    """One claim as the report holds it."""
    claim = entry.claim
    return {
        "id": claim.id,
        "statement": claim.statement,
        "source": claim.source,
        "kind": claim.kind,
        "chapter": claim.chapter,
        "rule": {"cases": claim.rule.cases, "estimand": claim.rule.estimand, "method": claim.rule.method},
        "verdict": entry.found,
        "committed": claim.verdict,
        "evidence": {case: one.as_json() for case, one in entry.evidence.items()},
        "profile": entry.profile,
        "data": entry.source,
        "fault": fault,
    }


def claims_table(found: list[LedgerEntry]) -> str:
    """The table for a terminal: id, verdict, committed verdict and evidence, then how many of each verdict.

    >>> print(claims_table([]))
    claim  verdict  committed  evidence
    <BLANKLINE>
    0 claims
    """
    head = ("claim", "verdict", "committed", "evidence")
    rows = [head, *((one.claim.id, verdict_text(one), one.claim.verdict, evidence_text(one)) for one in found)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(head) - 1)] + [0]
    lines = ["  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    counts = Counter(one.claim.verdict for one in found)
    return "\n".join([*lines, "", f"{len(found)} claims", *(f"{count:5} {word}" for word, count in counts.items())])


def verdict_text(entry: LedgerEntry) -> str:
    """The verdict that follows from the evidence, in words."""
    return f"{entry.found or '–'}{' (digits)' if entry.about_digits else ''}"


def evidence_text(entry: LedgerEntry) -> str:
    """The evidence of an entry on one line, with its profile."""
    if entry.claim.rule.form == "absent":
        return entry.claim.rule.reason or ""
    told = "; ".join(registry.evidence_lines(entry.claim.rule, entry.evidence)) if entry.evidence else ""
    return told and f"{entry.profile}: {told}"


if __name__ == "__main__":
    sys.exit(main())
