"""Verify the record: `python -m companion.build.verify [record|paper|full|update]`.

`record`, the default, executes no training of a chapter anew. It computes (a) every verdict from the evidence in the
committed records, (b) every exact claim (definitions, theorems, counterexamples, certificates) from scratch, by
executing the chapters that train nothing, and (c) trains a random sample of the record's runs again: `audit`. `paper`
and `full` execute the chapters that are stale at that profile, and compare all verdicts. A verdict that contradicts the
ledger, or is missing, and a run that contradicts its summary make the exit code 1. `update` writes the verdicts of the
committed records into the ledger.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from companion.build import audit, console, execute, notebooks, outputs
from companion.build.beside import RUN_SUMMARIES
from companion.build.execute import print_line
from companion.build.notebooks import ROOT, Folders
from companion.chapters.parameters import settings_for
from companion.chapters.settings import PROFILE_NAMES
from companion.claims import ledger, registry
from companion.claims.ledger import LedgerEntry
from companion.claims.registry import EXACT_KINDS, Claim
from companion.claims.verdicts import PROOF_REQUIRED, claim_verdict
from l2h.experiments import store

REPORT_PATH = ROOT / "_build" / "claims.json"
RECORD, UPDATE = "record", "update"
EXACT_PROFILE = "quick"  # an exact claim has the same verdict at every profile


def main(
    arguments: list[str] | None = None,
    folders: Folders | None = None,
    claims_folder: Path = registry.CLAIMS_FOLDER,
    report: Path = REPORT_PATH,
) -> int:
    """The command: the table on stdout, errors on stderr; it ends as `console.run_command` says."""
    parser = argparse.ArgumentParser(prog="python -m companion.build.verify", description="Verify the record.")
    modes = (RECORD, *(name for name in PROFILE_NAMES if name != "quick"), UPDATE)
    parser.add_argument("mode", choices=modes, nargs="?", default=RECORD)
    audit.add_arguments(parser)
    options, folders = parser.parse_args(arguments), folders or Folders()

    def updated() -> int:
        lines = ledger.update_verdicts(_entries_of_records(folders, claims_folder), claims_folder)
        print_line("\n".join(lines) or "every verdict stands")
        return 0

    def verified() -> int:
        try:
            errors = _verify(options, folders, claims_folder, report)
        except BrokenPipeError:
            raise
        except console.EXPECTED_ERRORS:
            report.unlink(missing_ok=True)  # the report of an earlier check would hide that this one failed
            raise
        sys.stderr.write("".join(f"{line}\n" for line in errors))
        return 1 if errors else 0

    return console.run_command(updated if options.mode == UPDATE else verified)


def _verify(options: argparse.Namespace, folders: Folders, claims_folder: Path, report: Path) -> list[str]:
    """Verify in one mode, write the report, and return one line per contradiction."""
    entries = _entries_of_records(folders, claims_folder)
    if options.mode != RECORD:
        claims_by_id = registry.read_claims(claims_folder)
        names = _chapters_with_claims(folders, claims_by_id)
        executed = execute.execute_chapters(options.mode, names, folders)
        entries = ledger.ledger_entries(claims_by_id, read_executed_notebooks(executed, names))
    errors = write_report(entries, report, chapters=notebooks.chapter_names(folders.book))
    if options.mode == RECORD:
        errors += verify_exact_claims(folders, claims_folder)
        errors += _audit_if_possible(options, folders)
    return errors


def write_report(entries: Sequence[LedgerEntry], report: Path, *, chapters: Sequence[str]) -> list[str]:
    """Write and print the verdicts.

    Args:
        entries: of the whole ledger.
        report: path of the JSON file.
        chapters: those that exist.

    Returns:
        One line per claim whose verdict contradicts the ledger or is missing.
    """
    discrepancies = {
        entry.claim.id: ledger.verdict_discrepancy(entry, chapter_exists=entry.claim.chapter in chapters)
        for entry in entries
    }
    records = [claim_record(entry, discrepancies[entry.claim.id]) for entry in entries]
    store.write_atomically(report, json.dumps(records, indent=1) + "\n")
    print_line(claims_table(entries))
    return [f"{name}: {discrepancy}" for name, discrepancy in discrepancies.items() if discrepancy]


def verify_exact_claims(folders: Folders, claims_folder: Path = registry.CLAIMS_FOLDER) -> list[str]:
    """Compute the exact claims from scratch, and compare their verdicts with the ledger.

    The chapters whose records rest on no run are executed, and nothing that was executed before is reused. Of the other
    chapters the function `theory_evidence` is called. The remaining exact claims of these are about trained systems,
    such as a bound that holds on them; for these there are the records and the audit.

    Args:
        folders: where the sources and the records lie.
        claims_folder: of the ledger.

    Returns:
        One line per contradiction.

    Raises:
        ChapterError: if a chapter fails.
    """
    exact = {name: claim for name, claim in registry.read_claims(claims_folder).items() if is_exact(claim)}
    chapters = [
        name for name in notebooks.chapter_names(folders.book) if any(name == one.chapter for one in exact.values())
    ]
    trained = [name for name in chapters if RUN_SUMMARIES.path(folders.book / f"{name}.ipynb").exists()]
    executed = [name for name in chapters if name not in trained]
    with console.temporary_folder("l2h-verify-") as folder:
        scratch = Folders(folders.book, folder, folder)
        output = execute.execute_chapters(EXACT_PROFILE, executed, scratch, reuse=False)
        entries = ledger.ledger_entries(registry.read_claims(claims_folder), read_executed_notebooks(output, executed))
    verdicts = {entry.claim.id: entry.computed_verdict for entry in entries if entry.claim.chapter in executed}
    for name in trained:
        verdicts |= theory_verdicts(name, exact)
    compared = {name: verdict for name, verdict in verdicts.items() if name in exact}
    print_line(f"{len(compared)} exact claims computed from scratch")
    return [
        f"{name}: {verdict or 'without evidence'}, computed from scratch, but {exact[name].verdict} in the ledger"
        for name, verdict in compared.items()
        if verdict != exact[name].verdict
    ]


def is_exact(claim: Claim) -> bool:
    """Whether a claim has the same verdict at every profile: a definition, a theorem, or a rule that needs a proof."""
    return claim.kind in EXACT_KINDS or any(PROOF_REQUIRED in bounds for bounds in claim.rule.cases.values())


def theory_verdicts(chapter: str, claims_by_id: Mapping[str, Claim]) -> dict[str, str]:
    """The verdicts on claims of a chapter that needs runs, as far as they follow from theory alone.

    Args:
        chapter: its name.
        claims_by_id: the claims that are asked for.

    Returns:
        Verdicts by claim, from the evidence of `theory_evidence` in the module `evidence` of the chapter's folder.
    """
    package = type(settings_for(chapter, EXACT_PROFILE)).__module__.rpartition(".")[0]
    if find_spec(f"{package}.evidence") is None:
        return {}
    evidence: Mapping[str, Any] = getattr(import_module(f"{package}.evidence"), "theory_evidence", dict)()
    return {
        name: claim_verdict(claims_by_id[name].rule, registry.evidence_by_case(claims_by_id[name], stated))
        for name, stated in evidence.items()
        if name in claims_by_id
    }


def _chapters_with_claims(folders: Folders, claims_by_id: Mapping[str, Claim]) -> list[str]:
    with_claims = {claim.chapter for claim in claims_by_id.values()}
    return [name for name in notebooks.chapter_names(folders.book) if name in with_claims]


def _entries_of_records(folders: Folders, claims_folder: Path) -> list[LedgerEntry]:
    """The ledger beside the committed records.

    All records are read: one with evidence of no claim has lost its file of claims.
    """
    names = notebooks.chapter_names(folders.book)
    return ledger.ledger_entries(registry.read_claims(claims_folder), read_executed_notebooks(folders.book, names))


def _audit_if_possible(options: argparse.Namespace, folders: Folders) -> list[str]:
    """The audit; without CIFAR-10, on which the runs were made, a line that says that there was none."""
    if execute.cifar10_folder() is None:
        print_line("no run was audited: CIFAR-10 is not at hand; set L2H_DATA to its folder")
        return []
    return audit.audit(options.runs, seed=options.seed, folders=folders)


def read_executed_notebooks(folder: Path, names: list[str]) -> dict[str, Mapping[str, Any]]:
    """The executed chapters of a folder, by name; a chapter that was never executed is left out.

    Raises:
        ValueError: if a file is no notebook, or code or outputs of a chapter were changed after its execution.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for name in names:
        path = folder / f"{name}.ipynb"
        notebook = notebooks.read_notebook(path)
        if notebook is not None:
            outputs.check(notebook, path)
            found[name] = notebook
        elif path.exists():
            raise notebooks.expected_notebook(path)
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


def claims_table(entries: Sequence[LedgerEntry]) -> str:
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
