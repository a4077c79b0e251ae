"""`make verify` on a book of two chapters: what it prints, writes and refuses."""

import json
import signal
import subprocess
import sys
import time

import pytest
from helpers.chapters import HEADER

from companion.build import execute, outputs
from companion.build.notebooks import Folders
from companion.build.verify import main
from l2h.data import dataset

SOURCE = (
    HEADER
    + """from pathlib import Path
from types import SimpleNamespace

from companion.claims.registry import Evidence, assess

study = SimpleNamespace(chapter="91_toy", profile=profile)
assess(study, {"gains": Evidence(0.2, NUMBER, 0.3, n=10, seeds=2)}, Path("FOLDER"))
```
"""
)
LEDGER = """- id: gains
  statement: It gains.
  source: this project
  kind: empirical
  rule: {estimand: gain, method: t, holds: {above: 0}}
  verdict: VERDICT
- id: later
  statement: It will gain.
  source: this project
  kind: empirical
  rule: {absent: needs a device}
  verdict: not testable here
"""


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "find", lambda: None)
    execute.cifar10_folder.cache_clear()
    folders = Folders(tmp_path / "book", tmp_path / "notebooks", tmp_path / "references")
    folders.book.mkdir()
    (tmp_path / "claims").mkdir()
    yield folders
    execute.cifar10_folder.cache_clear()


def verify(book, capsys, *mode, verdict="reproduced", number=0.1, ledger=LEDGER):
    folder, report = book.book.parent / "claims", book.book.parent / "claims.json"
    (folder / "91_toy.yml").write_text(ledger.replace("VERDICT", verdict))
    text = SOURCE.replace("FOLDER", str(folder)).replace("NUMBER", str(number))
    (book.book / "91_toy.md").write_text(text)
    code = main(list(mode), book, folder, report)
    out, err = capsys.readouterr()
    return code, out, err, json.loads(report.read_text()) if report.exists() else None


def test_a_book_that_agrees_is_told_and_written(book, capsys):
    code, out, err, report = verify(book, capsys)
    assert (code, err) == (0, "")
    assert "gains  reproduced         reproduced         quick: 0.2 [0.1, 0.3], n = 10, 2 seeds" in out
    assert "later  not testable here  not testable here  needs a device" in out
    assert out.endswith("2 claims\n    1 reproduced\n    1 not testable here\n")
    first, second = report
    assert (first["verdict"], first["committed"], first["profile"], first["fault"]) == (
        "reproduced", "reproduced", "quick", None,
    )  # fmt: skip
    assert first["evidence"]["holds"] == {"estimate": 0.2, "low": 0.1, "high": 0.3, "n": 10, "seeds": 2}
    assert second["verdict"] == "not testable here" and second["evidence"] == {}

    # A contradiction: the numbers stay, the committed word is the opposite; nothing is executed again.
    code, out, err, report = verify(book, capsys, "quick", verdict="not reproduced")
    assert code == 1 and "fresh, not executed again" in out
    assert err == "gains: reproduced by its evidence, but not reproduced in the ledger\n"
    assert report[0]["fault"] in err

    # Missing evidence.
    code, _, err, _ = verify(book, capsys, ledger=LEDGER + LEDGER[: LEDGER.index("- id: later")].replace("gains", "x"))
    assert code == 1 and "x: 91_toy has no evidence for it\n" in err


def test_a_failing_chapter_and_a_wrong_ledger_are_told_in_words(book, capsys):
    code, _, err, report = verify(book, capsys, number="1 / 0")
    assert code == 1 and "ZeroDivisionError" in err and report is None
    code, _, err, _ = verify(book, capsys, verdict="fine")
    assert code == 1 and err.startswith("91_toy.yml, gains: expected verdict to be one of 'open', 'reproduced'")


def stored(name):
    """An executed chapter with evidence against a claim."""
    record = {"chapter": "91_toy", "profile": "paper", "source": None}
    record["claims"] = {name: {"holds": {"estimate": -0.2, "low": -0.3, "high": -0.1}}}
    output = {"output_type": "display_data", "metadata": {}, "data": {"application/vnd.l2h.claims+json": record}}
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "", "execution_count": 1, "outputs": [output]}
    notebook = {"cells": [cell], "metadata": {"l2h": {}}, "nbformat": 4, "nbformat_minor": 5}
    outputs.write_digest(notebook)
    return notebook


def test_update_takes_the_records_and_says_what_changed(book, capsys):
    path = book.book / "91_toy.ipynb"
    path.write_text(json.dumps(stored("gains")).replace("-0.3", "-0.9"))
    code, out, err, _ = verify(book, capsys, "update", verdict="open")
    assert (code, out) == (1, "") and "91_toy.ipynb, where they were changed after its execution" in err
    assert "verdict: open\n" in (book.book.parent / "claims" / "91_toy.yml").read_text()

    path.write_text(json.dumps(stored("gains")))
    code, out, err, report = verify(book, capsys, "update", verdict="open")
    assert (code, out, err, report) == (0, "gains: open -> not reproduced\n", "", None)
    assert "verdict: not reproduced\n" in (book.book.parent / "claims" / "91_toy.yml").read_text()
    assert main(["update"], book, book.book.parent / "claims") == 0
    assert capsys.readouterr().out == "every verdict stands\n"


@pytest.mark.parametrize("mode", ["quick", "paper", "update"])
def test_a_lost_file_of_claims_is_an_error_while_its_chapter_has_evidence(book, capsys, mode):
    folder, report = book.book.parent / "claims", book.book.parent / "claims.json"
    (folder / "92_other.yml").write_text(LEDGER[LEDGER.index("- id: later") :])
    (book.book / "91_toy.md").write_text(SOURCE)
    (book.book / "91_toy.ipynb").write_text(json.dumps(stored("gains")))
    assert main([mode], book, folder, report) == 1
    out, err = capsys.readouterr()
    assert (out, report.exists()) == ("", False)
    assert err == "expected every claim with evidence in the ledger, got none for some: 91_toy has evidence of gains\n"


@pytest.mark.parametrize("mode", ["quick", "paper", "update"])
def test_a_ledger_without_claims_is_an_error(book, capsys, mode):
    assert main([mode], book, book.book.parent / "nowhere") == 1
    assert capsys.readouterr().err.endswith("nowhere, got no such folder\n")


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_check_says_so_by_its_exit_code_and_leaves_the_last_report(book, tmp_path, sent, code):
    begun, report = tmp_path / "begun", tmp_path / "claims.json"
    (tmp_path / "claims" / "91_toy.yml").write_text(LEDGER.replace("VERDICT", "reproduced"))
    wait = f"import pathlib, time\n\npathlib.Path({str(begun)!r}).touch()\ntime.sleep(600)\n```\n"
    (book.book / "91_toy.md").write_text(HEADER + wait)
    report.write_text("[]\n")
    program = (
        "import signal, sys; from pathlib import Path; from l2h import execute, records, verify\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background shell starts it ignoring interrupts
        "execute._cifar10 = lambda: None; base = Path(sys.argv[1])\n"
        "folders = records.Folders(base / 'book', base / 'notebooks', base / 'references')\n"
        "sys.exit(verify.main(['quick'], folders, base / 'claims', base / 'claims.json'))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as checking:
        while not begun.exists() and checking.poll() is None:
            time.sleep(0.1)
        checking.send_signal(sent)
        _, err = checking.communicate()
    assert (checking.returncode, report.read_text()) == (code, "[]\n")
    assert "Traceback" not in err
