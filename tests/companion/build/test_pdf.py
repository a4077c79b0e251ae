"""Printing: what it says where there is no browser. That files are right stands in the tests of the book."""

from companion.build import pdf


def test_without_a_browser_the_command_says_so_and_renders_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(pdf.render, "render", lambda *_: tmp_path / "nothing" / "index.html")
    assert pdf.main(["--html", str(tmp_path / "html")]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("expected a browser, found none of") and err.count("\n") == 1


def test_a_book_that_is_printed_is_not_printed_again(tmp_path, monkeypatch, capsys):
    (tmp_path / pdf.PDF_FOLDER).mkdir()
    monkeypatch.setattr(pdf.installed, "find_browser", lambda: "/nonexistent/browser")
    monkeypatch.setattr(pdf.render, "render", lambda *_: tmp_path / "index.html")
    assert pdf.main(["--html", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'pdf' / 'learning-to-help.pdf'}\n"
