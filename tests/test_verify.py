"""`make verify` on a book of two chapters: what it prints, writes and refuses."""

import json

import pytest
from toys import HEADER

from l2h import data, execute, outputs
from l2h.records import Folders
from l2h.verify import main

SOURCE = (
    HEADER
    + """from pathlib import Path
from types import SimpleNamespace

from l2h.claims import Evidence, assess

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
    monkeypatch.setattr(data, "find", lambda: None)
    execute._cifar10.cache_clear()
    folders = Folders(tmp_path / "book", tmp_path / "notebooks", tmp_path / "references")
    folders.book.mkdir()
    (tmp_path / "claims").mkdir()
    yield folders
    execute._cifar10.cache_clear()


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


def test_update_takes_the_records_and_says_what_changed(book, capsys):
    record = {"chapter": "91_toy", "profile": "paper", "source": None}
    record["claims"] = {"gains": {"holds": {"estimate": -0.2, "low": -0.3, "high": -0.1}}}
    output = {"output_type": "display_data", "metadata": {}, "data": {"application/vnd.l2h.claims+json": record}}
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "", "execution_count": 1, "outputs": [output]}
    notebook = {"cells": [cell], "metadata": {"l2h": {}}, "nbformat": 4, "nbformat_minor": 5}
    outputs.write_digest(notebook)
    path = book.book / "91_toy.ipynb"
    path.write_text(json.dumps(notebook).replace("-0.3", "-0.9"))
    code, out, err, _ = verify(book, capsys, "update", verdict="open")
    assert (code, out) == (1, "") and "91_toy.ipynb, where they were changed after its execution" in err
    assert "verdict: open\n" in (book.book.parent / "claims" / "91_toy.yml").read_text()

    path.write_text(json.dumps(notebook))
    code, out, err, report = verify(book, capsys, "update", verdict="open")
    assert (code, out, err, report) == (0, "gains: open -> not reproduced\n", "", None)
    assert "verdict: not reproduced\n" in (book.book.parent / "claims" / "91_toy.yml").read_text()
    assert main(["update"], book, book.book.parent / "claims") == 0
    assert capsys.readouterr().out == "every verdict stands\n"
