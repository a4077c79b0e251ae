"""Print the book: `python -m companion.pages.pdf` renders the committed record and prints it with an installed browser.

`_build/html/pdf` then holds a PDF for each page of the contents and one for the whole book, and the landing page links
to them. A page has the same number in both; bookmarks are the headings.
"""

import argparse
import html as html_text
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from companion.build import console
from companion.pages import browser as installed
from companion.pages import render
from l2h.cli import printable
from l2h.experiments.store import write_atomically

PDF_FOLDER, BOOK_FILE = "pdf", "learning-to-help.pdf"
LINK_CLASS = "book-pdf"
HEADINGS = "article :is(h1, h2, h3, h4, h5, h6)"
PAGE_STYLE = """
@page {{
  size: A4; margin: 20mm 18mm;
  @top-center {{ content: "{title}"; font: 9pt sans-serif; color: #555; }}
  @bottom-center {{ content: counter(page); font: 9pt sans-serif; color: #555; }}
}}
html {{ counter-reset: page {before}; }}
"""
# A link to another page of the book would lead to where it was printed; folded parts are printed.
PREPARE = """() => {
  for (const part of document.querySelectorAll('details')) part.open = true;
  for (const link of document.querySelectorAll('a[href]')) {
    if (!/^(#|https?:)/.test(link.getAttribute('href'))) link.removeAttribute('href');
  }
}"""


def main(arguments: list[str] | None = None) -> int:
    """The command: prints the rendered book, and writes its path to stdout; it ends as `console.run_command` says."""
    parser = argparse.ArgumentParser(prog="python -m companion.pages.pdf", description="Print the book.")
    parser.add_argument("--html", type=Path, default=render.BUILD_FOLDER / "html", help=render.WHERE)
    options = parser.parse_args(arguments)

    def printed() -> int:
        executable = installed.find_browser()
        index = render.render(render.ROOT / "book", options.html)
        if not (index.parent / PDF_FOLDER).exists():
            with (
                sync_playwright() as playwright,
                playwright.chromium.launch(executable_path=executable, args=installed.OPTIONS) as browser,
            ):
                print_book(browser, index.parent, render.page_names())
        sys.stdout.write(f"{printable(str(index.parent / PDF_FOLDER / BOOK_FILE))}\n")
        return 0

    return console.run_command(printed)


def print_book(browser: Browser, html: Path, names: Sequence[str]) -> Path:
    """Print pages of a built book, each into a file and all into one, and link to them from the landing page.

    Args:
        browser: a Chromium.
        html: folder of the pages; its folder `pdf` is made once everything is printed.
        names: of the pages in order, without suffix.

    Returns:
        The path of the whole book.
    """
    index = html / "index.html"
    with console.temporary_folder(".pdf-", html) as temporary:
        folder = temporary / PDF_FOLDER
        folder.mkdir()
        titles = dict(_print_pages(browser, html, names, folder))
        book = PdfWriter()
        for name in names:
            book.append(folder / f"{name}.pdf")
        book.add_metadata({"/Title": "Learning To Help, the executable companion"})
        book.write(folder / BOOK_FILE)
        write_atomically(index, with_links(index.read_text("utf8"), titles))
        folder.rename(html / PDF_FOLDER)  # last, because it says that everything is done
    return html / PDF_FOLDER / BOOK_FILE


def _print_pages(browser: Browser, html: Path, names: Sequence[str], folder: Path) -> Iterator[tuple[str, str]]:
    """Print each page with numbers that go on from page to page; yields its name and its title."""
    before = 0
    for name in names:
        page = browser.new_page()
        page.goto((html / f"{name}.html").absolute().as_uri(), wait_until="load")
        page.wait_for_function(installed.TYPESET)
        title = page.locator("article h1").first.evaluate("heading => heading.firstChild.textContent.trim()")
        page.evaluate(PREPARE)
        style = PAGE_STYLE.format(title=title.replace("\\", "").replace('"', "'"), before=before)
        page.add_style_tag(content=style)
        path = folder / f"{name}.pdf"
        headings = page.locator(HEADINGS).evaluate_all("headings => headings.map(heading => heading.innerText)")
        page.pdf(path=path, outline=True, tagged=True, prefer_css_page_size=True)
        page.close()
        restore_titles(path, headings)
        before += len(PdfReader(path).pages)
        yield name, title


def restore_titles(path: Path, headings: Sequence[str]) -> None:
    """Restore the titles of bookmarks: the browser leaves a blank out where the line of a heading is broken.

    Of a heading at the end of a page it may also write the text twice.

    Args:
        path: of a printed page, whose bookmarks are its headings.
        headings: their texts on the page.
    """
    texts = {
        _without_blanks(heading) * times: " ".join(heading.removesuffix("#").split())
        for heading in headings
        for times in (1, 2)
    }
    writer = PdfWriter(clone_from=path)
    for mark in _bookmarks(writer.root_object.get("/Outlines")):
        title = texts.get(_without_blanks(str(mark["/Title"])))
        if title:
            mark[NameObject("/Title")] = TextStringObject(title)
    writer.write(path)


def _bookmarks(mark: Any) -> Iterator[DictionaryObject]:
    """The bookmarks below one, at any depth, in order."""
    below = mark.get_object().get("/First") if mark else None
    while below is not None:
        bookmark = below.get_object()
        yield bookmark
        yield from _bookmarks(bookmark)
        below = bookmark.get("/Next")


def _without_blanks(text: str) -> str:
    return "".join(text.removesuffix("#").split())


def with_links(index: str, titles: dict[str, str]) -> str:
    """The landing page with links to the printed pages below its title.

    Args:
        index: the page in HTML.
        titles: of the printed pages, by name.

    Returns:
        The page with the links, once however often it is called.

    >>> page = with_links("<h1>Book</h1><p>Text.</p>", {"notation": "Notation & units"})
    >>> page == with_links(page, {"notation": "Notation & units"})
    True
    >>> 'href="pdf/notation.pdf">Notation &amp; units</a>' in page
    True
    """
    if LINK_CLASS in index:
        return index
    pages = ", ".join(
        f'<a href="{PDF_FOLDER}/{name}.pdf">{html_text.escape(title)}</a>' for name, title in titles.items()
    )
    whole = f'<p><a href="{PDF_FOLDER}/{BOOK_FILE}">The whole book as PDF</a></p>'
    single = f"<details><summary>Single pages as PDF</summary><p>{pages}</p></details>"
    links = f'<div class="{LINK_CLASS}">{whole}{single}</div>'
    title, end, text = index.partition("</h1>")
    return title + end + links + text


if __name__ == "__main__":
    sys.exit(main())
