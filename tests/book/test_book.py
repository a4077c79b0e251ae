"""The rendered book, read as files: what any reader and any screen reader meets, without a browser."""

import csv
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from bs4 import BeautifulSoup

from companion.build import figure_files
from companion.build.beside import FIGURE_NUMBERS
from companion.claims import registry
from companion.pages import reference_pages, render

LOADED = {"object": "data"} | dict.fromkeys(("script", "img", "iframe", "source", "video", "audio"), "src")
IMAGE = re.compile(r"\.(png|svg|jpe?g|gif|webp)$", re.IGNORECASE)


@pytest.fixture(scope="session")
def pages(built_book):
    """The pages by their paths."""
    paths = [*built_book.glob("*.html"), *built_book.glob("api/*.html")]
    return {str(path.relative_to(built_book)): BeautifulSoup(path.read_text("utf8"), "html.parser") for path in paths}


def silent_images(page):
    """Images whose alternative text is missing, or is a file's name."""
    alts = [(image.get("src"), image.get("alt", "").strip()) for image in page.find_all("img")]
    return [src for src, alt in alts if not alt or IMAGE.search(alt)]


def heading_faults(page):
    """Levels of the headings in order, where they do not begin with the only h1 or skip a level."""
    levels = [int(heading.name[1]) for heading in page.find_all(re.compile("^h[1-6]$"))]
    good = levels[:1] == [1] and levels.count(1) == 1
    return [] if good and all(b <= a + 1 for a, b in pairwise(levels)) else levels


def foreign(page):
    """Addresses of other hosts that the page would load; links to follow are no such thing."""
    loaded = [tag[attribute] for name, attribute in LOADED.items() for tag in page.find_all(name) if tag.get(attribute)]
    loaded += [tag["href"] for tag in page.find_all("link") if tag.get("href")]
    loaded += [address for tag in page.find_all("script") for address in re.findall(r"https?://[^\s\"'<]+", tag.text)]
    styles = [tag.text for tag in page.find_all("style")] + [tag["style"] for tag in page.find_all(style=True)]
    return [address for address in loaded + in_styles(" ".join(styles)) if urlparse(address).netloc]


def in_styles(css):
    """Addresses that a style sheet loads."""
    return re.findall(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)", css)


def broken_links(page, name, folder, anchors):
    """Links within the book, on the page of this name, whose file or anchor does not exist."""
    broken = []
    for link in page.find_all("a", href=True):
        address = urlparse(link["href"])
        if address.scheme or address.netloc:
            continue
        target = os.path.normpath(Path(name).parent / unquote(address.path)) if address.path else name
        missing = not (folder / target).exists() and bool(address.path)
        if missing or (address.fragment and unquote(address.fragment) not in anchors.get(target, ())):
            broken.append(link["href"])
    return broken


BAD = BeautifulSoup(
    "<h1>a</h1><h3>b</h3><img src='a.png' alt='../a.png'><img src='b.png'><script src='https://cdn.example/x.js'></script>"
    "<script>const u = 'https://unpkg.example/thebe'</script><link rel='stylesheet' href='//fonts.example/f.css'>"
    "<p style='background: url(https://x.example/y.png)'></p><a href='nowhere.html'>c</a><a href='#no'>d</a>"
    "<a href='https://doi.example/'>e</a>",
    "html.parser",
)


def test_the_checks_find_what_they_look_for():
    assert silent_images(BAD) == ["a.png", "b.png"]
    assert heading_faults(BAD) == [1, 3]
    assert len(foreign(BAD)) == 4
    assert broken_links(BAD, "bad.html", Path("/nonexistent"), {"bad.html": set()}) == ["nowhere.html", "#no"]
    assert in_styles("@import '//a.example/b.css'; p { src: url(local.woff) }") == ["//a.example/b.css"]


def test_every_page_of_the_contents_is_there(pages):
    assert {f"{name}.html" for name in render.page_names()} | {"search.html", "genindex.html"} <= set(pages)


def test_images_say_what_they_show(pages):
    assert {name: silent for name, page in pages.items() if (silent := silent_images(page))} == {}
    assert sum(len(page.find_all("img")) for page in pages.values()) > 0


def test_headings_form_an_outline(pages):
    assert {name: faults for name, page in pages.items() if (faults := heading_faults(page))} == {}


def test_pages_name_their_language_and_title(pages):
    assert {page.html["lang"] for page in pages.values()} == {"en"}
    assert all(page.title.text.strip() for page in pages.values())


def test_nothing_is_loaded_from_another_host(pages, built_book):
    assert {name: addresses for name, page in pages.items() if (addresses := foreign(page))} == {}
    sheets = {path.name: in_styles(path.read_text("utf8")) for path in built_book.rglob("*.css")}
    assert len(sheets) > 3
    assert {name: addresses for name, addresses in sheets.items() if addresses} == {}


def test_links_within_the_book_resolve(pages, built_book):
    anchors = {name: {tag["id"] for tag in page.find_all(id=True)} for name, page in pages.items()}
    for name, page in pages.items():
        assert broken_links(page, name, built_book, anchors) == [], name


def test_no_page_has_more_elements_than_a_browser_shows_quickly(pages):
    assert {name: size for name, page in pages.items() if (size := len(page.find_all(True))) > 20_000} == {}


def test_links_to_functions_lead_to_their_entry_in_the_reference(pages):
    links = [code for page in pages.values() for code in page.select("code.xref.py")]
    assert len(links) > 100
    assert [code.text for code in links if code.find_parent("a") is None] == []


def test_each_chapter_offers_its_notebook(pages, built_book):
    for name in render.listed_chapters():
        links = [link["href"] for link in pages[f"{name}.html"].find_all("a", href=re.compile(r"\.ipynb$"))]
        assert links == [f"_sources/{name}.ipynb"]
        assert json.loads((built_book / links[0]).read_text("utf8"))["cells"]


def test_each_chapter_says_how_it_was_executed(pages):
    for name in render.listed_chapters():
        assert "Executed at the" in pages[f"{name}.html"].find(class_="provenance").text
        assert pages["status.html"].find("a", href=f"{name}.html")


def test_the_ledger_lists_every_claim_and_links_to_its_cell(pages):
    page = pages["claims.html"]
    rows = {row["id"].removeprefix("claim-"): row for row in page.select("table.ledger tbody tr")}
    assert set(rows) == set(registry.read_claims())
    for name, claim in registry.read_claims().items():
        header, verdict, evidence = rows[name].find_all(["th", "td"])
        assert header["scope"] == "row" and claim.statement in header.text
        assert verdict.text.startswith(claim.verdict)
        assert evidence.text.strip()
        links = [link["href"] for link in evidence.find_all("a")]
        stated = [f"{claim.chapter}.html#{claim.label}"] if claim.label else []
        assert links in ([], [*stated, f"{claim.chapter}.html#claim-{name}"])
    assert {head.get("scope") for head in page.select("table.ledger th, table.ledger-counts th")} == {"row", "col"}


def test_the_landing_page_counts_as_the_ledger_does_and_shows_one_figure(pages, built_book):
    first, second = (pages[name].select_one("table.ledger-counts") for name in ("index.html", "claims.html"))
    assert first.text == second.text
    total = [int(cell.text) for cell in first.select("tr")[-1].find_all("td")]
    assert sum(total) == len(registry.read_claims())
    image = pages["index.html"].find("img", src=re.compile("landing"))
    figure = image.find_parent("figure")
    chapter = figure.find("a", href=re.compile(r"^\d\d_.*\.html"))["href"].removesuffix(".html")
    assert len(image["alt"]) > 40
    (numbers,) = figure.find_all("a", href=re.compile(r"\.csv$"))
    number = re.fullmatch(r"_static/csv/index-figure-(\d+)\.csv", numbers["href"])[1]
    kept = figure_files.by_figure(FIGURE_NUMBERS.read(render.ROOT / "book" / f"{chapter}.ipynb"))
    assert (built_book / numbers["href"]).read_text("utf8") == kept[int(number) - 1]


def test_no_page_tells_where_it_was_built(built_book):
    texts = [path for path in built_book.rglob("*") if path.suffix in (".html", ".js", ".ipynb", ".md")]
    assert len(texts) > 20
    build_paths = (str(render.ROOT), str(built_book.parent), ".render-")
    assert [
        path.name for path in texts if any(build_path in path.read_text("utf8") for build_path in build_paths)
    ] == []


def test_mathematics_comes_with_the_book(pages, built_book):
    typeset = {name: page for name, page in pages.items() if page.find(class_="math")}
    assert len(typeset) > 2
    for name, page in typeset.items():
        scripts = [tag["src"] for tag in page.find_all("script", src=re.compile("mathjax"))]
        assert len(scripts) == 1 and (built_book / name / ".." / scripts[0].split("?")[0]).resolve().exists(), name
    assert typeset["notation.html"].find(class_="eqno")


def test_search_theme_switch_and_copy_buttons_are_there(pages, built_book):
    assert "rejector" in (built_book / "searchindex.js").read_text("utf8")
    for name, page in pages.items():
        assert page.find(class_="theme-switch-button"), name
        assert page.find("script", src=re.compile("copybutton")), name


def test_each_claim_has_a_link_of_its_own(pages):
    links = {link.text: link["href"] for link in pages["claims.html"].select("a.claim-link")}
    assert links == {name: f"#claim-{name}" for name in registry.read_claims()}


def test_each_page_of_the_contents_says_how_to_cite_it(pages):
    entries = {name: pages[f"{name}.html"].select_one("details.citation-of-page pre") for name in render.page_names()}
    for name, entry in entries.items():
        assert re.match(r"@misc\{l2h-companion-[a-z0-9-]+,\n", entry.text), name
        assert re.search(r"Version \d+\.\d+\.\d+, rendered on \d{4}-\d\d-\d\d", entry.text), name
    assert len({entry.text for entry in entries.values()}) == len(entries)
    assert pages["search.html"].select_one("details.citation-of-page") is None


def test_each_table_and_figure_of_a_chapter_can_be_downloaded(pages, built_book):
    for name in render.listed_chapters():
        page = pages[f"{name}.html"]
        links = [link["href"] for link in page.select(".table-download a")]
        shown = page.select(".cell_output .text_html:not(:has(script)) table, .cell_output img")
        assert len(links) == len(shown), name
        tables = {link: list(csv.reader((built_book / link).read_text("utf8").splitlines())) for link in links}
        assert {link for link, rows in tables.items() if len(rows) < 2 or len({*map(len, rows)}) != 1} == set()
    beside = [path.name for path in (render.ROOT / "book").glob("*.runs.csv")]
    assert beside and all((built_book / "_static" / "csv" / name).exists() for name in beside)


def test_bibliography_lists_every_work_with_its_address(pages):
    entries = (render.ROOT / "references.bib").read_text("utf8")
    works = re.findall(r"^\s*(doi|url)\s*=\s*\{(.+)\},$", entries, re.MULTILINE)
    assert len(works) == entries.count("\n@") > 5
    links = {link["href"] for link in pages["bibliography.html"].find_all("a", href=True)}
    assert {f"https://doi.org/{value}" if kind == "doi" else value for kind, value in works} <= links


def test_reference_lists_every_module_and_documents_its_names(pages):
    paths = [
        path.relative_to(render.ROOT)
        for name in reference_pages.PACKAGES
        for path in Path(render.ROOT, name).rglob("[a-z]*.py")
    ]
    modules = {".".join(path.with_suffix("").parts) for path in paths}
    assert modules == {code.text for code in pages["api.html"].select("table.autosummary td:first-child code")}
    assert modules == {
        heading.text.rstrip("#")
        for name, page in pages.items()
        if name.startswith("api/")
        for heading in page.find_all("h2")
    }
    assert pages["api/l2h.html"].find(id="l2h.problem.asks").find_next("dd").find(class_="field-list")


def test_without_a_browser_the_tests_say_so_and_fail_where_it_is_required():
    def run(*tests, **environment):
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
        variables = os.environ | {"PATH": os.devnull, "L2H_BROWSER": ""} | environment
        return subprocess.run(command, cwd=render.ROOT, env=variables, capture_output=True, text=True)

    without = run("tests/book/test_readme.py::test_changelog_keeps_its_form")
    assert without.returncode == 0 and "The browser part did not run" in without.stdout
    refused = run("tests/book/test_browser.py::test_a_fault_is_noticed", L2H_BROWSER="required")
    assert refused.returncode == 1 and "but none of chromium" in refused.stdout


def test_names_of_code_in_the_plain_pages_exist():
    for name in set(render.page_names()) - set(render.listed_chapters()):
        text = (render.ROOT / "book" / f"{name}.md").read_text("utf8")
        for module, attribute in re.findall(r"`([a-z_]+)\.([A-Za-z_]+)(?:\([^`]*)?`", text):
            if (render.ROOT / module / attribute / "__init__.py").exists():  # a folder of a package
                continue
            if attribute in ("npz", "npy", "onnx", "json", "yaml", "py"):  # a file
                continue
            sources = [path.read_text("utf8") for path in (render.ROOT / "l2h").rglob(f"{module}.py")]
            definition = re.compile(rf"^(def|class) {attribute}\b|^{attribute}\b.* = ", re.MULTILINE)
            assert any(map(definition.search, sources)), f"{name} names {module}.{attribute}"
