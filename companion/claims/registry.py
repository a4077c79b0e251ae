"""The ledger holds every claim with its source, its rule and its committed verdict; a chapter assesses its own claims.

`book/claims/NN_name.yml` holds the claims of one chapter. A rule is committed before the claim's first run. A chapter
gives evidence to `assess`, which shows the verdict and stores the evidence in the executed notebook. `make verify`
computes the verdict again from the stored evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from IPython.display import display

from companion.claims.evidence import Evidence
from companion.claims.verdicts import (
    INCONCLUSIVE,
    MARGIN,
    NO_EFFECT,
    NOT_REPRODUCED,
    PREDICTS,
    PROOF_REQUIRED,
    REPRODUCED,
    RULE_FORMS,
    SINGLE_CASE,
    VERDICTS,
    WITHIN,
    ClaimRule,
    case_note,
    case_verdict,
    claim_verdict,
    missing_evidence,
)
from l2h import checks
from l2h.experiments.fingerprint import PACKAGE

CLAIMS_MIME_TYPE = "application/vnd.l2h.claims+json"  # of the evidence in an executed notebook
OPEN_VERDICT = "open"
CLAIM_KINDS = ("definition", "theorem", "empirical", "interpretation", "finding")
EXACT_KINDS = ("definition", "theorem")  # the same verdict at every profile and on every data set
REQUIRED_KEYS, OPTIONAL_KEYS = {"id", "statement", "source", "kind", "rule", "verdict"}, {"label"}
CLAIMS_FOLDER = PACKAGE.parent / "book" / "claims"
RULE_KEYS = {"estimand", "method", *RULE_FORMS}
BOUND_KEYS = (  # of the bounds of a case, beside the word that a prover decides
    *({"above"}, {"below"}, {"above", "below"}),
    *({"above", MARGIN}, {"below", MARGIN}, {PREDICTS, WITHIN}),
)
CASE_OUTCOMES = {  # of a case, in words
    REPRODUCED: "holds",
    NOT_REPRODUCED: "does not hold",
    NO_EFFECT: "has no effect of the stated size",
    INCONCLUSIVE: "unclear",
}


class _Loader(yaml.SafeLoader):
    """A YAML loader that refuses a repeated key, where YAML would silently keep the last one."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        names = [self.construct_object(key, deep=True) for key in keys]
        twice = [name for place, name in enumerate(names) if name in names[:place]]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]} twice", node.start_mark)
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class Claim:
    """One claim.

    Args:
        id: unique in the ledger.
        statement: in our words.
        source: where the paper or the released code makes it, or "this project".
        kind: one of CLAIM_KINDS.
        chapter: name of the chapter that assesses the claim.
        rule: its bounds, case by case.
        verdict: committed; one of VERDICTS, or "open" until its chapter has a record.
        label: label of the theorem in its chapter that states it.
    """

    id: str
    statement: str
    source: str
    kind: str
    chapter: str
    rule: ClaimRule
    verdict: str
    label: str | None = None


def read_claims(folder: Path = CLAIMS_FOLDER) -> dict[str, Claim]:
    """The whole ledger by id, chapter by chapter.

    Args:
        folder: with one YAML file per chapter.

    Returns:
        Claims in the order of the files.

    Raises:
        ValueError: if an entry has a wrong form, an id occurs twice, or the name of a file does not end in .yml; the
            message names the file and the entry. If there is no claim; the message names the folder.

    >>> claim = next(iter(read_claims().values()))
    >>> claim.kind in CLAIM_KINDS
    True
    """
    ledger: dict[str, Claim] = {}
    for path in sorted(folder.glob("*")):
        if path.suffix != ".yml" and path.suffix.lower() in (".yml", ".yaml"):
            raise ValueError(f"expected files of claims with names that end in .yml, got {path.name}")
    for path in sorted(folder.glob("*.yml")):
        for claim in _claims_of_named_file(path):
            if claim.id in ledger:
                other = ledger[claim.id].chapter
                raise ValueError(f"{path.name}: expected an id of its own, got {claim.id} of {other}")
            ledger[claim.id] = claim
    if not ledger:
        raise ValueError(f"expected claims in {folder}, got {'none' if folder.is_dir() else 'no such folder'}")
    return ledger


def chapter_claims(chapter: str, folder: Path = CLAIMS_FOLDER) -> dict[str, Claim]:
    """The claims of one chapter by id; an empty dictionary if it has no file."""
    path = folder / f"{chapter}.yml"
    return {claim.id: claim for claim in _claims_in_file(path)} if path.exists() else {}


def chapter_rules(chapter: str, folder: Path = CLAIMS_FOLDER) -> dict[str, Any]:
    """The kinds and rules of a chapter's claims, on which its table depends; no prose, no verdicts."""
    return {
        name: [claim.kind in EXACT_KINDS, claim.rule.form, dict(claim.rule.cases)]
        for name, claim in chapter_claims(chapter, folder).items()
    }


def bounds_by_claim(chapter: str, folder: Path = CLAIMS_FOLDER) -> dict[str, Mapping[str, Mapping[str, Any]]]:
    """The bounds of each case of each claim of a chapter, for evidence that says how many units would settle a case.

    >>> bounds_by_claim("05_cifar10")["rejector-finds-errors"]["as_released"]
    {'above': 0}
    """
    return {name: claim.rule.cases for name, claim in chapter_claims(chapter, folder).items()}


def assess(
    settings: Any, evidence: Mapping[str, Evidence | Mapping[str, Evidence]], folder: Path = CLAIMS_FOLDER
) -> pd.DataFrame:
    """Show the verdicts on claims of a chapter, and store their evidence in the notebook.

    Args:
        settings: of the chapter, as `load_settings` returns them.
        evidence: by id; where a rule has several cases, by case. `Evidence.absent(reason)` where there is none.
        folder: of the ledger.

    Returns:
        A table with the columns rule, evidence and verdict, one row per claim; on digits one more column.

    Raises:
        ValueError: if an id or a case belongs to no claim of this chapter; the message lists those that do.

    >>> from companion.chapters.parameters import settings_for
    >>> assess(settings_for("01_problem", "quick"), {"nothing": Evidence.exact(1)})
    Traceback (most recent call last):
    ValueError: expected claims of 01_problem among ..., got nothing
    """
    claims_by_id = chapter_claims(settings.chapter, folder)
    unknown = [name for name in evidence if name not in claims_by_id]
    if unknown:
        available = ", ".join(claims_by_id) or "none"
        raise ValueError(f"expected claims of {settings.chapter} among {available}, got {', '.join(unknown)}")
    evidence_cases = {
        name: evidence_by_case(claims_by_id[name], stated_evidence) for name, stated_evidence in evidence.items()
    }
    source = getattr(settings, "data", None)
    stored = {name: {case: item.as_json() for case, item in cases.items()} for name, cases in evidence_cases.items()}
    record = {"chapter": settings.chapter, "profile": settings.profile, "source": source, "claims": stored}
    # A browser shows nothing for a comment; readers see the table that is returned.
    display({CLAIMS_MIME_TYPE: record, "text/html": "<!-- the evidence, for make verify -->"}, raw=True)
    pd.set_option("display.max_colwidth", None)
    return pd.DataFrame(
        {name: claim_row(claims_by_id[name], cases, source) for name, cases in evidence_cases.items()}
    ).T


def evidence_by_case(claim: Claim, evidence: Evidence | Mapping[str, Evidence]) -> dict[str, Evidence]:
    """The evidence of a claim by case.

    Args:
        claim: of the ledger.
        evidence: evidence, by case where the rule has several; one absence stands for all cases.

    Returns:
        Evidence for each case of the rule.

    Raises:
        ValueError: if a case is missing, is not one of the rule's, or lacks what its bounds need.
    """
    by_case = _matched_to_cases(claim, evidence)
    for case, bounds in claim.rule.cases.items():
        if missing := missing_evidence(by_case[case], bounds):
            raise ValueError(f"{claim.id}, {case}: expected evidence with {missing}, got {by_case[case].text()}")
    return by_case


def _matched_to_cases(claim: Claim, evidence: Evidence | Mapping[str, Evidence]) -> dict[str, Evidence]:
    cases = list(claim.rule.cases)
    if isinstance(evidence, Evidence):
        if evidence.reason is not None or cases == [SINGLE_CASE]:
            return dict.fromkeys(cases, evidence)
        raise ValueError(f"{claim.id}: expected evidence by case, {', '.join(cases)}, got one number")
    if set(evidence) != set(cases):
        wanted = ", ".join(cases) or "no evidence: its rule says that it is not testable here"
        raise ValueError(f"{claim.id}: expected evidence for {wanted}, got it for {', '.join(evidence) or 'nothing'}")
    return {case: evidence[case] for case in cases}


def claim_row(claim: Claim, evidence: Mapping[str, Evidence], source: str | None) -> dict[str, str]:
    """A claim's row in a table: its rule and evidence in words, and its verdict."""
    cells = {"rule": claim.rule.text(), "evidence": "; ".join(evidence_lines(claim.rule, evidence))}
    about = "digits, not the paper's images" if based_on_digits(claim, source) else ""
    return {**cells, "verdict": claim_verdict(claim.rule, evidence)} | ({"about": about} if source == "digits" else {})


def evidence_lines(rule: ClaimRule, evidence: Mapping[str, Evidence]) -> list[str]:
    """The evidence of a claim in words, case by case; several cases each have their own outcome."""
    if list(evidence) == [SINGLE_CASE]:
        return [
            "none: " * (evidence[SINGLE_CASE].reason is not None)
            + _evidence_text(evidence[SINGLE_CASE], rule.cases[SINGLE_CASE])
        ]
    outcomes = {
        case: CASE_OUTCOMES.get(case_verdict(item, rule.cases[case]), "no evidence") for case, item in evidence.items()
    }
    return [f"{case} {outcomes[case]}: {_evidence_text(item, rule.cases[case])}" for case, item in evidence.items()]


def based_on_digits(claim: Claim, source: str | None) -> bool:
    """Whether a verdict is about scikit-learn's digits, and does not belong into the ledger."""
    return source == "digits" and claim.kind not in EXACT_KINDS


def _evidence_text(evidence: Evidence, bounds: Mapping[str, Any]) -> str:
    if PROOF_REQUIRED in bounds and evidence.low == 1:
        return PROOF_REQUIRED
    if evidence.reason is not None:
        return evidence.reason
    note = case_note(evidence, bounds)
    return evidence.text() + (f"; {note}" if note else "")


def _claims_of_named_file(path: Path) -> list[Claim]:
    try:
        return _claims_in_file(path)
    except (OverflowError, RecursionError, ValueError) as error:  # of YAML's dates, and of what is too large or deep
        text = str(error)
        raise ValueError(text if text.startswith(path.name) else f"{path.name}: expected claims, got {text}") from None


def _claims_in_file(path: Path) -> list[Claim]:
    try:
        return parse(path.read_bytes().decode("utf8"), path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: expected text in UTF-8, got {error}") from None


def parse(text: str, path: Path) -> list[Claim]:
    """The claims in the text of a file of the ledger.

    Args:
        text: in YAML.
        path: of the file; its name is the chapter's.

    Returns:
        Claims in their order.

    Raises:
        ValueError: if the text or an entry has a wrong form; the message names the file and the entry.
    """
    try:
        entries = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"{path.name}: expected YAML, got {error}") from None
    if not isinstance(entries, list):
        raise ValueError(f"{path.name}: expected a list of claims, got {type(entries).__name__}")
    return [_parse_claim(path, number, entry) for number, entry in enumerate(entries, 1)]


def _parse_claim(path: Path, number: int, entry: Any) -> Claim:
    location = f"{path.name}, claim {number}"
    if not isinstance(entry, dict) or not REQUIRED_KEYS <= set(entry) <= REQUIRED_KEYS | OPTIONAL_KEYS:
        received = ", ".join(map(str, entry)) if isinstance(entry, dict) else repr(entry)
        raise ValueError(f"{location}: expected {', '.join(sorted(REQUIRED_KEYS))} and perhaps label, got {received}")
    location = f"{path.name}, {entry['id']}"
    try:
        checks.one_of(CLAIM_KINDS, kind=entry["kind"])
        checks.one_of((OPEN_VERDICT, *VERDICTS), verdict=entry["verdict"])
        rule = _parse_rule(entry["rule"])
        texts = [entry[name] for name in ("id", "statement", "source")] + [rule.estimand, rule.method]
        if not all(isinstance(text, str) and text.strip() for text in texts):
            raise ValueError(f"expected words for id, statement, source, estimand and method, got {texts}")
    except ValueError as error:
        raise ValueError(f"{location}: {error}") from None
    return Claim(**{**entry, "rule": rule, "chapter": path.stem})


def _parse_rule(entry: Any) -> ClaimRule:
    forms = [name for name in RULE_FORMS if isinstance(entry, dict) and name in entry]
    if len(forms) != 1 or not set(entry) <= RULE_KEYS:
        got = ", ".join(map(str, entry)) if isinstance(entry, dict) else repr(entry)
        raise ValueError(f"expected a rule with estimand, method and one of {', '.join(RULE_FORMS)}, got {got}")
    form, form_value = forms[0], entry[forms[0]]
    if form == "absent":
        return ClaimRule(
            form, {}, entry.get("estimand", form_value), entry.get("method", form_value), reason=form_value
        )
    cases = {SINGLE_CASE: form_value} if form == "holds" else form_value
    if not isinstance(cases, dict) or (form == "theorem" and not {"stated"} <= set(cases) <= {"stated", "corrected"}):
        raise ValueError(f"expected cases by name (of a theorem: stated, perhaps corrected), got {form_value!r}")
    if not cases:
        raise ValueError(f"expected at least one case in {form}, got none")
    bounds = {str(name): _parse_bounds(entry_bounds) for name, entry_bounds in cases.items()}
    if form == "theorem" and any({MARGIN, PREDICTS} & set(case_bounds) for case_bounds in bounds.values()):
        raise ValueError(f"expected a theorem without margin or prediction, got {form_value!r}")
    return ClaimRule(form, bounds, entry.get("estimand", ""), entry.get("method", ""))


def _parse_bounds(entry: Any) -> dict[str, Any]:
    if entry == PROOF_REQUIRED:
        return {PROOF_REQUIRED: True}
    numbers = entry if isinstance(entry, dict) else {}
    all_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers.values())
    if not all_numbers or set(numbers) not in BOUND_KEYS:
        forms = "{above: 0}, {above: 0, below: 1}, {above: 0, margin: 0.01}, {predicts: 0, within: 0.1} or proved"
        raise ValueError(f"expected bounds such as {forms}, got {entry!r}")
    if not all(map(isfinite, numbers.values())):
        raise ValueError(f"expected finite bounds, got {entry!r}")
    if {"above", "below"} == set(numbers) and numbers["above"] >= numbers["below"]:
        raise ValueError(f"expected above < below, got {entry!r}")
    for name in {MARGIN, WITHIN} & set(numbers):
        checks.positive(**{name: numbers[name]})
    return dict(numbers)
