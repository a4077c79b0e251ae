"""Printing: what it says where there is no browser. That files are right stands in the tests of the book."""

import pytest
from pypdf import PdfReader, PdfWriter

from companion.pages import pdf


def test_without_a_browser_the_command_says_so_and_renders_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(pdf.render, "render", lambda *_: tmp_path / "nothing" / "index.html")
    assert pdf.main(["--html", str(tmp_path / "html")]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("expected a browser, found none of") and err.count("\n") == 1


def test_the_titles_of_bookmarks_are_those_of_the_headings(tmp_path):
    path, printed = tmp_path / "a.pdf", PdfWriter()
    printed.add_blank_page(100, 100)
    first = printed.add_outline_item(title="Proofs for thechapter", page_number=0)
    inner = printed.add_outline_item(title="Accuracy–coveragecurves", page_number=0, parent=first)
    printed.add_outline_item(title="Not on the page", page_number=0, parent=inner)
    printed.add_outline_item(title="The endThe end", page_number=0)
    printed.write(path)
    pdf.restore_titles(path, ["Proofs for the chapter#", "Accuracy–coverage\ncurves #", "The end"])
    title, below, last = PdfReader(path).outline
    assert [title.title, below[0].title, below[1][0].title, last.title] == [
        "Proofs for the chapter", "Accuracy–coverage curves", "Not on the page", "The end"
    ]  # fmt: skip


def test_a_page_without_bookmarks_stays_as_it_is(tmp_path):
    printed = PdfWriter()
    printed.add_blank_page(100, 100)
    printed.write(tmp_path / "a.pdf")
    pdf.restore_titles(tmp_path / "a.pdf", ["Title"])
    assert len(PdfReader(tmp_path / "a.pdf").pages) == 1 and PdfReader(tmp_path / "a.pdf").outline == []


def test_a_book_that_is_printed_is_not_printed_again(tmp_path, monkeypatch, capsys):
    (tmp_path / pdf.PDF_FOLDER).mkdir()
    monkeypatch.setattr(pdf.installed, "find_browser", lambda: "/nonexistent/browser")
    monkeypatch.setattr(pdf.render, "render", lambda *_: tmp_path / "index.html")
    assert pdf.main(["--html", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'pdf' / 'learning-to-help.pdf'}\n"


def test_a_book_whose_landing_page_has_no_links_yet_counts_as_not_printed(tmp_path, monkeypatch):
    def print_blank(browser, html, names, folder):
        page = PdfWriter()
        page.add_blank_page(100, 100)
        page.write(folder / "index.pdf")
        yield "index", "Index"

    def full_disk(*_):
        raise OSError("no space")

    (tmp_path / "index.html").write_text("<h1>Index</h1>")
    monkeypatch.setattr(pdf, "_print_pages", print_blank)
    with monkeypatch.context() as broken, pytest.raises(OSError, match="no space"):
        broken.setattr(pdf, "write_atomically", full_disk)
        pdf.print_book(None, tmp_path, ["index"])
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert pdf.print_book(None, tmp_path, ["index"]).exists()
    assert 'href="pdf/index.pdf"' in (tmp_path / "index.html").read_text()
