"""Compare the ledger with executed notebooks: read their evidence, and compute every verdict again from it.

Only the numbers that a notebook stored count, not the verdicts that it shows.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from companion.claims import registry
from companion.claims.evidence import Evidence
from companion.claims.registry import CLAIMS_MIME_TYPE, OPEN_VERDICT, Claim
from companion.claims.verdicts import claim_verdict, missing_evidence
from l2h.experiments import store

COMMITTED_PROFILES = ("paper", "full")  # profiles whose verdicts may be committed


class LedgerEntry(NamedTuple):
    """A claim, and the evidence of executed notebooks for it."""

    claim: Claim
    computed_verdict: str | None  # the verdict that follows from the evidence; None without evidence
    evidence: dict[str, Evidence]  # by case
    profile: str | None  # at which the chapter was executed
    source: str | None  # "cifar10" or "digits", for a chapter that uses images

    @property
    def based_on_digits(self) -> bool:
        """Whether the verdict is about digits, not about the paper's images."""
        return registry.based_on_digits(self.claim, self.source)


def extract_evidence(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The evidence that a chapter's cells stored, by claim.

    Args:
        notebook: executed, as JSON or nbformat reads it.

    Returns:
        By id: profile, source and evidence by case.

    Raises:
        ValueError: if a claim is assessed twice.
    """
    evidence_by_claim: dict[str, Any] = {}
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", ())]
    for record in (
        output["data"][CLAIMS_MIME_TYPE] for output in outputs if CLAIMS_MIME_TYPE in output.get("data", ())
    ):
        for name, cases in record["claims"].items():
            if name in evidence_by_claim:
                raise ValueError(f"expected one assessment of {name}, got two in {record['chapter']}")
            evidence = {case: Evidence(**fields) for case, fields in cases.items()}
            evidence_by_claim[name] = {"profile": record["profile"], "source": record["source"], "evidence": evidence}
    return evidence_by_claim


def ledger_entries(ledger: Mapping[str, Claim], notebooks: Mapping[str, Mapping[str, Any]]) -> list[LedgerEntry]:
    """Every claim of the ledger with its evidence and the verdict that follows.

    Evidence of other cases than the rule's, or without what the rule needs, belongs to an older rule, and does not
    count.

    Args:
        ledger: claims by id.
        notebooks: executed chapters by name.

    Returns:
        One entry per claim, in the ledger's order.

    Raises:
        ValueError: if there is evidence of claims that the ledger lacks; the message names them and their chapters.
    """
    stored = {name: extract_evidence(notebook) for name, notebook in notebooks.items()}
    missing = {chapter: ", ".join(name for name in claims if name not in ledger) for chapter, claims in stored.items()}
    if any(missing.values()):
        chapters_and_claims = "; ".join(f"{chapter} has evidence of {ids}" for chapter, ids in missing.items() if ids)
        raise ValueError(f"expected every claim with evidence in the ledger, got none for some: {chapters_and_claims}")
    return [_ledger_entry(claim, stored.get(claim.chapter, {}).get(claim.id)) for claim in ledger.values()]


def _ledger_entry(claim: Claim, record: Mapping[str, Any] | None) -> LedgerEntry:
    if claim.rule.form == "absent":
        return LedgerEntry(claim, claim_verdict(claim.rule, {}), {}, None, None)
    if record is None or set(record["evidence"]) != set(claim.rule.cases):
        return LedgerEntry(claim, None, {}, None, None)
    evidence = {case: record["evidence"][case] for case in claim.rule.cases}
    if any(missing_evidence(evidence[case], bounds) for case, bounds in claim.rule.cases.items()):
        return LedgerEntry(claim, None, {}, None, None)
    return LedgerEntry(claim, claim_verdict(claim.rule, evidence), evidence, record["profile"], record["source"])


def verdict_discrepancy(entry: LedgerEntry, *, chapter_exists: bool) -> str | None:
    """The contradiction between the evidence and the committed verdict, if there is one.

    An empirical verdict that was computed on digits is not compared.

    Args:
        entry: of a claim.
        chapter_exists: whether its chapter exists.

    Returns:
        The contradiction in words, or None.
    """
    claim, computed_verdict = entry.claim, entry.computed_verdict
    if computed_verdict is None:
        if chapter_exists:
            return f"{claim.chapter} has no evidence for it"
        return (
            None if claim.verdict == OPEN_VERDICT else f"committed as {claim.verdict}, but there is no {claim.chapter}"
        )
    if entry.based_on_digits:
        return None
    if claim.verdict == OPEN_VERDICT:
        return f"{computed_verdict} by its evidence, but open in the ledger"
    if computed_verdict == claim.verdict:
        return None
    return f"{computed_verdict} by its evidence, but {claim.verdict} in the ledger"


def update_verdicts(entries: list[LedgerEntry], folder: Path = registry.CLAIMS_FOLDER) -> list[str]:
    """Write the verdicts that follow from the evidence into the ledger; only the verdicts' lines change.

    Args:
        entries: entries of records; those at quick, on digits and without evidence are left as they are.
        folder: of the ledger.

    Returns:
        One line per verdict that changed.

    Raises:
        ValueError: if the ids and verdicts of a file stand in lines of another form than `replace_verdicts` reads; the
            message names the file, and no file is changed.
    """
    eligible = [
        entry
        for entry in entries
        if entry.computed_verdict and not entry.based_on_digits and entry.profile in (*COMMITTED_PROFILES, None)
    ]
    changed = {entry.claim.id: entry for entry in eligible if entry.computed_verdict != entry.claim.verdict}
    texts = {}
    for chapter in {entry.claim.chapter for entry in changed.values()}:
        path = folder / f"{chapter}.yml"
        verdicts = {
            name: entry.computed_verdict or OPEN_VERDICT
            for name, entry in changed.items()
            if entry.claim.chapter == chapter
        }
        texts[path] = replace_verdicts(path.read_text("utf8"), verdicts)
        written = {claim.id: claim.verdict for claim in registry.parse(texts[path], path)}
        if unchanged := [name for name, verdict in verdicts.items() if written[name] != verdict]:
            lines = "lines `- id: name` and `  verdict: word` without quotes around the name"
            raise ValueError(f"{path.name}: expected {lines}, got another form of {', '.join(unchanged)}")
    for path, text in texts.items():
        store.write_atomically(path, text)
    return [f"{name}: {entry.claim.verdict} -> {entry.computed_verdict}" for name, entry in changed.items()]


def replace_verdicts(text: str, verdicts: Mapping[str, str]) -> str:
    r"""The text of a file of the ledger with other verdicts.

    Args:
        text: of the file, one `- id:` and one `  verdict:` line per claim.
        verdicts: verdicts by id.

    Returns:
        The text; `false` is quoted, because YAML would read it as a truth value.

    >>> replace_verdicts("- id: a\n  verdict: open\n- id: b\n  verdict: open\n", {"b": "false"})
    '- id: a\n  verdict: open\n- id: b\n  verdict: "false"\n'
    """
    lines, name = text.splitlines(), ""
    for number, line in enumerate(lines):
        if claim_start := re.match(r"- id: *(\S+)", line):
            name = claim_start[1]
        elif line.startswith("  verdict:") and name in verdicts:
            lines[number] = f"  verdict: {verdicts[name]}".replace(": false", ': "false"')
    return "\n".join(lines) + "\n"
