"""`make verify` on a small book: what it prints, writes and refuses, and how it ends."""

import json
import os
import signal

import pytest
from helpers.chapters import CLAIM, HEADER, write_assessment
from helpers.commands import ended, forked
from helpers.sweeps import wait_until

from companion.build import audit, execute, outputs, verify
from companion.build.notebooks import ROOT, Folders
from companion.build.verify import main
from companion.claims import registry

LATER = """- id: later
  statement: It will gain.
  source: this project
  kind: empirical
  rule: {absent: needs a device}
  verdict: not testable here
"""
LEDGER = CLAIM + LATER
NO_AUDIT = "no run was audited: CIFAR-10 is not at hand; set L2H_DATA to its folder"


@pytest.fixture
def book(tmp_path, monkeypatch):
    """The folders of an empty book, on a machine without CIFAR-10."""
    monkeypatch.setattr(execute, "cifar10_folder", lambda: None)
    folders = Folders(tmp_path / "book", tmp_path / "notebooks", tmp_path / "references")
    folders.book.mkdir()
    (tmp_path / "claims").mkdir()
    return folders


def write_book(book, *, verdict="reproduced", kind="empirical", number=0.1, ledger=LEDGER, low=0.1):
    """A chapter that computes `number`, and whose record holds `low`, as the lower limit of its evidence."""
    claims = book.book.parent / "claims"
    write_assessment(book.book, claims, low=number, verdict=verdict, kind=kind, ledger=ledger)
    (book.book / "91_toy.ipynb").write_text(json.dumps(stored("gains", low, 0.3)))


def check(book, capsys, *arguments):
    """Exit code, stdout, stderr and the report."""
    report = book.book.parent / "claims.json"
    code = main(list(arguments), book, book.book.parent / "claims", report)
    out, err = capsys.readouterr()
    return code, out, err, json.loads(report.read_text()) if report.exists() else None


def stored(name, low, high):
    """An executed chapter with evidence of a claim."""
    record = {"chapter": "91_toy", "profile": "paper", "source": None}
    record["claims"] = {name: {"holds": {"estimate": (low + high) / 2, "low": low, "high": high, "n": 10, "seeds": 2}}}
    output = {"output_type": "display_data", "metadata": {}, "data": {"application/vnd.l2h.claims+json": record}}
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "", "execution_count": 1, "outputs": [output]}
    notebook = {"cells": [cell], "metadata": {"l2h": {}}, "nbformat": 4, "nbformat_minor": 5}
    outputs.write_digest(notebook)
    return notebook


def test_verdicts_come_from_the_evidence_in_the_records(book, capsys):
    write_book(book, number="1 / 0")  # an empirical claim is not executed
    code, out, err, report = check(book, capsys)
    assert (code, err) == (0, "")
    assert "gains  reproduced         reproduced         paper: 0.2 [0.1, 0.3], n = 10, 2 seeds" in out
    assert "later  not testable here  not testable here  needs a device" in out
    assert (
        f"2 claims\n    1 reproduced\n    1 not testable here\n0 exact claims computed from scratch\n{NO_AUDIT}\n"
        in out
    )
    first, second = report
    assert (first["verdict"], first["committed"], first["profile"], first["fault"]) == (
        "reproduced", "reproduced", "paper", None,
    )  # fmt: skip
    assert second["verdict"] == "not testable here" and second["evidence"] == {}


@pytest.mark.parametrize(("verdict", "low"), [("not reproduced", 0.1), ("reproduced", -0.1), ("open", 0.1)])
def test_a_record_that_contradicts_the_ledger_is_found(book, capsys, verdict, low):
    write_book(book, verdict=verdict, low=low)
    code, _, err, report = check(book, capsys)
    assert code == 1 and err.startswith("gains: ") and f"{verdict} in the ledger" in err
    assert report[0]["fault"] in err


def test_a_claim_without_evidence_in_the_record_is_found(book, capsys):
    write_book(book, ledger=LEDGER + CLAIM.replace("gains", "x"))
    code, _, err, _ = check(book, capsys)
    assert (code, err) == (1, "x: 91_toy has no evidence for it\n")


def test_an_inconclusive_verdict_is_listed_with_what_would_settle_it(book, capsys):
    ledger = LEDGER.replace("{above: 0}", "{above: 0, margin: 0.01}")
    write_book(book, verdict="inconclusive", ledger=ledger)
    open_case = {"low": -0.1, "equivalence_low": -0.05, "equivalence_high": 0.25, "units": "seeds", "settled_by": 40}
    notebook = stored("gains", 0.1, 0.3)
    (output,) = notebook["cells"][0]["outputs"]
    output["data"]["application/vnd.l2h.claims+json"]["claims"]["gains"]["holds"] |= open_case
    outputs.write_digest(notebook)
    (book.book / "91_toy.ipynb").write_text(json.dumps(notebook))
    code, out, err, _ = check(book, capsys)
    assert (code, err) == (0, "")
    assert "[-0.1, 0.3], for equivalence [-0.05, 0.25], n = 10, 2 seeds; about 40 seeds would settle it" in out


def test_exact_claims_are_computed_from_scratch(book, capsys):
    write_book(book, kind="theorem")
    execute.execute_chapters("quick", ["91_toy"], book)
    capsys.readouterr()
    code, out, err, _ = check(book, capsys)
    assert (code, err) == (0, "")
    assert "91_toy: started at quick" in out, "an earlier execution is not reused"
    assert "1 exact claims computed from scratch" in out

    write_book(book, kind="theorem", number=-0.1)
    code, _, err, _ = check(book, capsys)
    assert code == 1
    assert err == "gains: inconclusive, computed from scratch, but reproduced in the ledger\n"


def test_a_chapter_that_fails_is_an_error(book, capsys):
    write_book(book, kind="theorem", number="1 / 0")
    code, _, err, report = check(book, capsys)
    assert code == 1 and "ZeroDivisionError" in err and report is None


def test_a_wrong_ledger_is_an_error(book, capsys):
    write_book(book, verdict="fine")
    code, _, err, _ = check(book, capsys)
    assert code == 1 and err.startswith("91_toy.yml, gains: expected verdict to be one of 'open', 'reproduced'")


def test_exact_claims_of_chapters_that_train_follow_from_theory_alone():
    claims_by_id = {name: one for name, one in registry.read_claims().items() if verify.is_exact(one)}
    verdicts = verify.theory_verdicts("07_multiclass", claims_by_id)
    assert len(verdicts) == 5
    assert verdicts == {name: claims_by_id[name].verdict for name in verdicts}
    assert verify.theory_verdicts("08_costs", claims_by_id) == {}


def test_the_audit_is_a_part_of_it(book, capsys, monkeypatch):
    write_book(book)
    monkeypatch.setattr(execute, "cifar10_folder", lambda: ROOT)
    asked = []
    monkeypatch.setattr(
        audit, "audit", lambda *arguments, **options: asked.append((arguments, options)) or ["a run differs"]
    )
    code, out, err, _ = check(book, capsys, "--runs", "3", "--seed", "11")
    assert (code, err) == (1, "a run differs\n") and NO_AUDIT not in out
    assert asked == [((3,), {"seed": 11, "folders": book})]


def test_paper_executes_and_compares_every_verdict(book, capsys):
    write_book(book, low=-0.1)  # the record contradicts the ledger, and what is executed now agrees with it
    code, out, err, report = check(book, capsys, "paper")
    assert (code, err) == (0, "") and "91_toy: started at paper" in out
    assert "exact claims" not in out and report[0]["evidence"]["holds"]["low"] == 0.1

    write_book(book, number=-0.3)
    code, _, err, _ = check(book, capsys, "paper")
    assert (code, err) == (1, "gains: inconclusive by its evidence, but reproduced in the ledger\n")


@pytest.mark.parametrize("arguments", [["quick"], ["record", "--runs", "0"], ["--seed", "a"]])
def test_a_wrong_option_is_a_usage_error(book, arguments):
    with pytest.raises(SystemExit, match="2"):
        main(arguments, book)


def test_update_takes_the_records_and_says_what_changed(book, capsys):
    write_book(book, verdict="open")
    path = book.book / "91_toy.ipynb"
    path.write_text(json.dumps(stored("gains", -0.3, -0.1)).replace("-0.3", "-0.9"))
    code, out, err, _ = check(book, capsys, "update")
    assert (code, out) == (1, "") and "91_toy.ipynb, where they were changed after its execution" in err
    assert "verdict: open\n" in (book.book.parent / "claims" / "91_toy.yml").read_text()

    path.write_text(json.dumps(stored("gains", -0.3, -0.1)))
    code, out, err, report = check(book, capsys, "update")
    assert (code, out, err, report) == (0, "gains: open -> not reproduced\n", "", None)
    assert "verdict: not reproduced\n" in (book.book.parent / "claims" / "91_toy.yml").read_text()
    assert check(book, capsys, "update")[:2] == (0, "every verdict stands\n")


@pytest.mark.parametrize("mode", ["record", "paper", "update"])
def test_a_lost_file_of_claims_is_an_error_while_its_chapter_has_evidence(book, capsys, mode):
    write_book(book)
    folder = book.book.parent / "claims"
    (folder / "91_toy.yml").unlink()
    (folder / "92_other.yml").write_text(LATER)
    code, out, err, report = check(book, capsys, mode)
    assert (code, out, report) == (1, "", None)
    assert err == "expected every claim with evidence in the ledger, got none for some: 91_toy has evidence of gains\n"


@pytest.mark.parametrize("mode", ["record", "paper", "update"])
def test_a_ledger_without_claims_is_an_error(book, capsys, mode):
    assert main([mode], book, book.book.parent / "nowhere") == 1
    assert capsys.readouterr().err.endswith("nowhere, got no such folder\n")


@pytest.mark.parametrize("mode", ["record", "paper"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_check_says_so_by_its_exit_code(book, tmp_path, mode, number, code):
    begun, report = tmp_path / "begun", tmp_path / "claims.json"
    write_book(book, kind="theorem")
    wait = f"import pathlib, time\n\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(600)\n```\n"
    (book.book / "91_toy.md").write_text(HEADER + wait)
    report.write_text("[]\n")
    with forked(tmp_path, lambda: main([mode], book, tmp_path / "claims", report)) as checking:
        wait_until(lambda: begun.exists() or not checking.is_alive())
        os.kill(checking.pid, number)
        assert ended(checking) == code
    assert "Traceback" not in (tmp_path / "stderr").read_text()
    assert mode == "record" or report.read_text() == "[]\n", "the report of an earlier check stays"
