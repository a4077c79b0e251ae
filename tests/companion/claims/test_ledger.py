"""Verdicts computed anew from what notebooks stored, and the committed ledger against the committed records."""

import pytest
import yaml

from companion.build import notebooks
from companion.claims import registry
from companion.claims.ledger import (
    LedgerEntry,
    extract_evidence,
    ledger_entries,
    replace_verdicts,
    update_verdicts,
    verdict_discrepancy,
)
from companion.claims.registry import CLAIMS_MIME_TYPE, Claim
from companion.claims.verdicts import VERDICTS, ClaimRule

ABOVE, BOTH = {"holds": {"above": 0}}, {"a": {"above": 0}, "b": {"above": 0}}
GOOD = {"estimate": 0.2, "low": 0.1, "high": 0.3}
BAD = {"estimate": -0.2, "low": -0.3, "high": -0.1}


def claim(name="gains", *, verdict="open", kind="empirical", form="holds", cases=None, chapter="91_toy"):
    return Claim(
        name, "It gains.", "this project", kind, chapter, ClaimRule(form, cases or ABOVE, "gain", "t"), verdict
    )


def notebook(profile="paper", source="cifar10", **stored):
    record = {"chapter": "91_toy", "profile": profile, "source": source, "claims": stored}
    output = {"output_type": "display_data", "data": {CLAIMS_MIME_TYPE: record, "text/html": "<!-- -->"}}
    plain = {"output_type": "stream", "text": "reproduced"}
    return {"cells": [{"cell_type": "markdown"}, {"cell_type": "code", "outputs": [plain, output]}]}


def one(claim, executed):
    (entry,) = ledger_entries({claim.id: claim}, {"91_toy": executed})
    return entry


def test_the_verdict_follows_from_the_stored_numbers():
    entry = one(claim(verdict="not reproduced"), notebook(gains={"holds": GOOD}))
    assert (entry.computed_verdict, entry.profile, entry.source, entry.based_on_digits) == (
        "reproduced",
        "paper",
        "cifar10",
        False,
    )
    assert entry.evidence["holds"].high == 0.3


def test_a_claim_without_evidence_has_no_verdict():
    assert one(claim(), notebook()).computed_verdict is None
    assert one(claim(chapter="92_other"), notebook(gains={"holds": GOOD})).computed_verdict is None
    older = one(claim(form="conditions", cases=BOTH), notebook(gains={"holds": GOOD}))
    assert older.computed_verdict is None and older.evidence == {}


def test_evidence_without_what_a_changed_rule_needs_counts_as_none():
    useful, single = {"holds": {"above": 0, "margin": 0.01}}, {"holds": {"predicts": 0, "within": 0.1}}
    for cases in (useful, single):
        older = one(claim(cases=cases, verdict="reproduced"), notebook(gains={"holds": GOOD}))
        assert older.computed_verdict is None and older.evidence == {}
    complete = GOOD | {"equivalence_low": 0.15, "equivalence_high": 0.25, "units": "seeds"}
    assert one(claim(cases=useful), notebook(gains={"holds": complete})).computed_verdict == "reproduced"
    assert one(claim(cases=single), notebook(gains={"holds": complete})).computed_verdict == "not reproduced"


def test_a_claim_that_cannot_be_tested_needs_no_chapter():
    never = claim(form="absent", cases={}, verdict="not testable here")
    (entry,) = ledger_entries({never.id: never}, {})
    assert entry.computed_verdict == "not testable here"
    assert verdict_discrepancy(entry, chapter_exists=False) is None
    wrong = one(claim(form="absent", cases={}, verdict="reproduced"), notebook())
    assert "not testable here by its evidence, but reproduced" in verdict_discrepancy(wrong, chapter_exists=True)


def test_a_claim_is_assessed_once():
    twice = notebook(gains={"holds": GOOD})
    twice["cells"].append(twice["cells"][1])
    with pytest.raises(ValueError, match="expected one assessment of gains, got two in 91_toy"):
        extract_evidence(twice)


@pytest.mark.parametrize(
    ("kind", "profile", "found", "committed", "fine"),
    [
        ("empirical", "paper", "reproduced", "reproduced", True),
        ("empirical", "paper", "inconclusive", "reproduced", False),
        ("empirical", "full", "reproduced", "holds only under a condition", False),
        ("empirical", "quick", "inconclusive", "reproduced", False),
        ("empirical", "quick", "not testable here", "reproduced", False),
        ("empirical", "quick", "reproduced", "inconclusive", False),
        ("empirical", "quick", "holds only under a condition", "reproduced", False),
        ("empirical", "quick", "not reproduced", "reproduced", False),
        ("empirical", "quick", "reproduced", "not reproduced", False),
        ("interpretation", "quick", "false", "reproduced with a correction", False),
        ("finding", "quick", "inconclusive", "reproduced", False),
        ("theorem", "quick", "reproduced", "reproduced", True),
        ("theorem", "quick", "inconclusive", "reproduced", False),
        ("definition", "quick", "false", "reproduced with a correction", False),
        ("theorem", "quick", "not testable here", "false", False),
        ("empirical", "paper", "reproduced", "open", False),
        ("empirical", "quick", "inconclusive", "open", False),
    ],
)
def test_what_contradicts_the_ledger(kind, profile, found, committed, fine):
    entry = LedgerEntry(claim(kind=kind, verdict=committed), found, {}, profile, "cifar10")
    fault = verdict_discrepancy(entry, chapter_exists=True)
    assert (fault is None) == fine
    if not fine:
        assert fault == f"{found} by its evidence, but {committed} in the ledger"


def test_on_digits_theorems_are_compared_and_experiments_are_not():
    for kind, fine in (("empirical", True), ("theorem", False)):
        entry = LedgerEntry(claim(kind=kind, verdict="reproduced"), "not reproduced", {}, "quick", "digits")
        assert (verdict_discrepancy(entry, chapter_exists=True) is None) == fine


def test_missing_evidence_is_a_fault_only_where_the_chapter_exists():
    missing, early = (
        LedgerEntry(claim(), None, {}, None, None),
        LedgerEntry(claim(verdict="false"), None, {}, None, None),
    )
    assert verdict_discrepancy(missing, chapter_exists=True) == "91_toy has no evidence for it"
    assert verdict_discrepancy(missing, chapter_exists=False) is None
    assert verdict_discrepancy(early, chapter_exists=False) == "committed as false, but there is no 91_toy"


def test_evidence_of_a_claim_that_no_file_holds_is_an_error():
    executed = notebook(gains={"holds": GOOD}, lost={"holds": GOOD}, gone={"holds": GOOD})
    with pytest.raises(ValueError, match=r"got none for some: 91_toy has evidence of lost, gone$"):
        one(claim(), executed)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "91_toy.yml").write_text(
        "# A header that stays.\n- id: gains\n  statement: 'It gains, verdict: unknown.'\n  source: this project\n"
        "  kind: empirical\n  rule: {estimand: gain, method: t, holds: {above: 0}}\n  verdict: open\n"
        "- id: loses\n  statement: It loses.\n  source: this project\n  kind: theorem\n"
        "  rule: {estimand: gain, method: t, theorem: {stated: {below: 0}}}\n  verdict: open\n"
    )
    return tmp_path


def committed(folder, executed):
    found = ledger_entries(registry.read_claims(folder), {"91_toy": executed})
    return update_verdicts(found, folder), {name: one.verdict for name, one in registry.read_claims(folder).items()}


def test_records_enter_the_ledger_and_only_verdicts_change(folder):
    broken = {"estimate": 1.0, "low": 1.0, "high": 1.0, "counterexample": {"p": "1/2"}}
    before = (folder / "91_toy.yml").read_text()
    changes, words = committed(folder, notebook(gains={"holds": GOOD}, loses={"stated": broken}))
    assert words == {"gains": "reproduced", "loses": "false"}
    assert changes == ["gains: open -> reproduced", "loses: open -> false"]
    after = (folder / "91_toy.yml").read_text()
    changed = [new for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert changed == ["  verdict: reproduced", '  verdict: "false"']
    assert committed(folder, notebook(gains={"holds": GOOD}, loses={"stated": broken}))[0] == []


@pytest.mark.parametrize(
    "executed", [notebook("quick", gains={"holds": GOOD}), notebook(source="digits", gains={"holds": GOOD}), notebook()]
)
def test_quick_runs_digits_and_silence_do_not_enter_the_ledger(folder, executed):
    assert committed(folder, executed) == ([], {"gains": "open", "loses": "open"})


@pytest.mark.parametrize(("old", "new"), [("id: gains", 'id: "gains"'), ("  verdict: open", "  'verdict': open")])
def test_a_verdict_that_cannot_be_written_is_an_error_and_no_file_changes(folder, old, new):
    path = folder / "91_toy.yml"
    path.write_text(path.read_text().replace(old, new))
    (folder / "92_other.yml").write_text(path.read_text().replace("gains", "wins").replace("loses", "draws"))
    before = {one.name: one.read_text() for one in folder.iterdir()}
    with pytest.raises(ValueError, match=r"91_toy.yml: expected lines `- id: name` .* got another form of .*gains"):
        committed(folder, notebook(gains={"holds": GOOD}))
    assert {one.name: one.read_text() for one in folder.iterdir()} == before


@pytest.mark.parametrize("word", ["open", *VERDICTS])
def test_every_verdict_survives_the_file(folder, word):
    path = folder / "91_toy.yml"
    path.write_text(replace_verdicts(path.read_text(), {"gains": word}))
    assert yaml.safe_load(path.read_text())[0]["verdict"] == word
    assert registry.read_claims(folder)["gains"].verdict == word


@pytest.mark.parametrize("path", sorted(registry.CLAIMS_FOLDER.glob("*.yml")), ids=lambda path: path.stem)
def test_every_committed_verdict_can_be_written(path):
    text, known = path.read_text("utf8"), registry.chapter_claims(path.stem)
    changed = yaml.safe_load(replace_verdicts(text, dict.fromkeys(known, "false")))
    assert [entry["verdict"] for entry in changed] == ["false"] * len(known)
    assert replace_verdicts(text, {name: claim.verdict for name, claim in known.items()}) == text


@pytest.mark.parametrize("chapter", [name for name in notebooks.chapter_names() if registry.chapter_claims(name)])
def test_the_committed_verdicts_are_those_of_the_committed_records(chapter):
    record = notebooks.read_notebook(notebooks.ROOT / "book" / f"{chapter}.ipynb")
    assert record is not None, f"{chapter} has no executed record; run `make record`"
    source = notebooks.read_source(chapter)
    fresh = notebooks.is_fresh(chapter, record, source)
    for entry in ledger_entries(registry.chapter_claims(chapter), {chapter: record}):
        if entry.computed_verdict is not None or fresh:  # a stale record fails a test of its own
            assert verdict_discrepancy(entry, chapter_exists=True) is None, (
                f"{entry.claim.id}; run `python -m companion.build.verify update`"
            )
