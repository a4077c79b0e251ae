"""For readers who do not see, who read in the dark, on a phone or on paper: every page, in a real browser."""

import io
import re
from base64 import b64encode
from importlib import resources

import pytest
from helpers.colours import contrast, luminance, rgb
from PIL import Image
from pypdf import PdfReader

from companion.pages.browser import TYPESET
from companion.pages.pdf import print_book
from l2h.plotting.style import COLOURS

AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf8")
DARK_RULES = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}  # what a theme changes
VIOLATIONS = """options => axe.run(document, {resultTypes: ['violations'], ...options}).then(
  result => result.violations.map(
    rule => `${rule.id}: ${rule.nodes.map(node => node.html.slice(0, 200)).join(' | ')}`))"""
# What scrolls sideways, other than boxes of code, of tables, of mathematics and of figures.
SIDEWAYS = """() => [...document.querySelectorAll('body *')].filter(part =>
  part.scrollWidth > part.clientWidth + 1 && ['auto', 'scroll'].includes(getComputedStyle(part).overflowX)
  && !part.closest('pre, .highlight, .cell_output, .math, .pst-scrollable-table-container, .l2h-table, dt.sig')
).map(part => part.outerHTML.slice(0, 200))"""

# Axe takes milliseconds per element. The entries of the reference pages come from one template, so that the first ones
# stand for all; their list of contents is that of every other page.
SHORTEN_REFERENCE = """() => [
  ...[...document.querySelectorAll('dl.py')].slice(12), ...document.querySelectorAll('.bd-sidebar-primary')
].forEach(part => part.remove())"""


@pytest.fixture
def plain_page(page):
    """A page that leaves formulas as they are written, which makes it light; `test_typeset...` looks at formulas."""
    page.route("**/mathjax/*.js", lambda route: route.fulfill(body="", content_type="text/javascript"))
    return page


def violations(page, options=None):
    """What axe-core finds on the page as it stands."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE)
    return page.evaluate(VIOLATIONS, options or {})


def test_faults_are_noticed(page):
    page.set_content(
        "<html lang='en'><title>t</title><main><h1>h</h1><img src='x.png'><p style='color: #aaa'>pale</p>"
        "<div style='overflow-x: auto; width: 90px'><div style='width: 300px'>wide</div></div></main>"
    )
    found = violations(page)
    assert {line.partition(":")[0] for line in found} >= {"image-alt", "color-contrast"}
    assert [line[:22] for line in violations(page, DARK_RULES)] == ["color-contrast: <p sty"]
    assert len(page.evaluate(SIDEWAYS)) == 1


def test_no_page_has_a_barrier_in_either_theme_or_scrolls_sideways_on_a_phone(plain_page, address, built_book):
    paths = sorted([*built_book.glob("*.html"), *built_book.glob("api/*.html")])
    assert len(paths) > 30
    faults = {}
    for path in paths:
        name = str(path.relative_to(built_book))
        plain_page.emulate_media(color_scheme="light")
        plain_page.set_viewport_size({"width": 1200, "height": 900})
        plain_page.goto(f"{address}/{name}", wait_until="load")
        plain_page.add_style_tag(content="* { transition: none !important }")  # no colour between the two themes
        plain_page.set_viewport_size({"width": 360, "height": 740})
        width = plain_page.evaluate("() => document.documentElement.scrollWidth")
        found = [f"{width} pixels wide"] * (width > 360) + plain_page.evaluate(SIDEWAYS)
        plain_page.set_viewport_size({"width": 1200, "height": 900})
        if path.parent.name == "api":
            plain_page.evaluate(SHORTEN_REFERENCE)
        found += violations(plain_page)
        plain_page.emulate_media(color_scheme="dark")
        plain_page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
        found += violations(plain_page, DARK_RULES)
        if found:
            faults[name] = found
    assert faults == {}


def test_typeset_formulas_have_no_barrier(page, address):
    page.goto(f"{address}/notation.html", wait_until="load")
    page.wait_for_function(TYPESET)
    assert violations(page) == []


def test_icons_that_pages_use_are_drawn(page, address):
    page.goto(f"{address}/01_problem.html", wait_until="load")
    page.wait_for_function("() => document.querySelectorAll('svg[data-icon]').length > 10")
    icons = page.locator("svg[data-icon]").evaluate_all(
        "icons => icons.map(icon => [icon.dataset.icon, icon.classList.contains('fa-' + icon.dataset.icon),"
        " (icon.querySelector('path')?.getAttribute('d') ?? '').length])"
    )
    assert {icon for icon, named, length in icons if not named or length < 20} == set()
    assert page.locator("i[class*='fa-']").count() == 0  # each has been replaced


def shown_colours(page, colours):
    """The colours of the pixels that stand for these colours in a figure of the page."""
    image = Image.new("RGB", (40 * len(colours), 40))
    for number, colour in enumerate(colours):
        image.paste(colour, (40 * number, 0, 40 * (number + 1), 40))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    source = "data:image/png;base64," + b64encode(buffer.getvalue()).decode()
    figure = page.locator("div.cell_output img").first
    figure.evaluate(
        """(figure, source) => {
          Object.assign(figure.style, {width: 'auto', height: '40px', maxWidth: 'none'});
          figure.removeAttribute('width'); figure.removeAttribute('height');
          figure.src = source;
          return figure.decode();
        }""",
        source,
    )
    shot = Image.open(io.BytesIO(figure.screenshot())).convert("RGB")
    return [shot.getpixel((40 * number + 20, 20)) for number in range(len(colours))]


def hue(colour):
    """Degrees on the circle of hues."""
    return Image.new("RGB", (1, 1), colour).convert("HSV").getpixel((0, 0))[0] * 360 / 255


def test_figures_have_no_white_card_in_the_dark_and_keep_their_hues_and_contrast(page, address):
    page.emulate_media(color_scheme="dark")
    page.goto(f"{address}/choosing.html", wait_until="load")
    background = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    white, *shown = shown_colours(page, ["#ffffff", *COLOURS])
    assert max(abs(a - b) for a, b in zip(white, rgb(background), strict=True)) <= 2
    assert {colour: round(contrast(seen, white), 2) for colour, seen in zip(COLOURS, shown, strict=True)
            if contrast(seen, white) < 3} == {}  # fmt: skip
    turned = {
        colour: abs((hue(colour) - hue(seen) + 180) % 360 - 180) for colour, seen in zip(COLOURS, shown, strict=True)
    }
    assert max(turned[colour] for colour in COLOURS if colour != "#000000") < 40, turned


def test_photographs_keep_their_colours_in_the_dark(page, address):
    page.emulate_media(color_scheme="dark")
    page.goto(f"{address}/09_drift.html", wait_until="load")
    photographs = page.locator("div.cell.tag_photographs img")
    assert photographs.count() == 1
    assert "invert" not in photographs.evaluate("image => getComputedStyle(image).filter")


@pytest.mark.parametrize("name", ["06_comparison", "own_model", "bibliography"])
def test_paper_shows_title_code_links_and_tables_in_light_colours(page, address, name):
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 680, "height": 900})  # of A4 between its margins
    page.goto(f"{address}/{name}.html", wait_until="load")
    page.emulate_media(color_scheme="dark", media="print")
    page.wait_for_function("() => document.documentElement.dataset.theme === 'light'")
    assert page.locator("article h1").first.is_visible()
    assert luminance(rgb(page.evaluate("() => getComputedStyle(document.body).color"))) < 0.1
    cut = """parts => parts.filter(part => part.scrollWidth > part.clientWidth + 1
      && getComputedStyle(part).overflowX !== 'visible' && part.getClientRects().length).map(part => part.innerText)"""
    assert page.locator("article :is(pre, .cell_output)").evaluate_all(cut) == []
    beyond = "parts => parts.filter(part => part.getBoundingClientRect().right > 681).map(part => part.outerHTML)"
    assert page.locator("article :is(pre, table, img)").evaluate_all(beyond) == []
    after = "links => links.map(link => getComputedStyle(link, '::after').content)"
    written = page.locator("article a[href^='http']").evaluate_all(after)
    assert all("(" in text for text in written) and (written or name != "bibliography")
    split = page.locator("article img").evaluate_all(
        "images => images.map(image => getComputedStyle(image).breakInside)"
    )
    assert set(split) <= {"avoid"}
    page.emulate_media(color_scheme="dark", media="screen")
    page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("c_e", "notation.html"),
        ("alpha_from_p", "api/l2h_theory.html"),
        ("Rademacher", "03_bound.html"),
        ("theorem-1-corrected", "claims.html"),
    ],
)
def test_search_finds_symbols_names_of_code_and_claims(page, address, query, name):
    page.goto(f"{address}/search.html?q={query}")
    page.wait_for_function("() => /found|did not match/.test(document.querySelector('#search-results').innerText)")
    found = page.locator("#search-results li a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert name in {link.partition("#")[0].partition("?")[0] for link in found}
    assert page.faults == []


@pytest.fixture
def printable(built_book, tmp_path):
    """A folder of pages of which only the landing page is a copy."""
    for path in built_book.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "index.html").unlink()
    (tmp_path / "index.html").write_text((built_book / "index.html").read_text("utf8"), "utf8")
    return tmp_path


def test_the_printed_book_has_page_numbers_bookmarks_and_links(browser, printable):
    names = ["index", "bibliography", "choosing", "04_proofs"]
    path = print_book(browser, printable, names)
    book, parts = PdfReader(path), [PdfReader(printable / "pdf" / f"{name}.pdf") for name in names]
    numbers = [page.extract_text() for page in book.pages]
    assert len(numbers) == sum(len(part.pages) for part in parts) > 5
    assert all(re.search(rf"^{number}$", text, re.MULTILINE) for number, text in enumerate(numbers, 1))
    assert numbers[len(parts[0].pages)] == parts[1].pages[0].extract_text()  # the same number in the page's own file
    assert [mark.title for mark in book.outline if not isinstance(mark, list)][1:] == [
        "Bibliography",
        "Choosing c1 and ce",
        "Proofs for the chapter on the surrogate",
    ]
    targets = [
        note.get_object()["/A"]["/URI"]
        for page in book.pages
        for note in page.get("/Annots", ())
        if "/URI" in note.get_object().get("/A", {})
    ]
    assert len(targets) > 5 and {target.split(":")[0] for target in targets} <= {"http", "https"}
    index = (printable / "index.html").read_text("utf8")
    assert all(f'href="pdf/{name}.pdf"' in index for name in [*names, "learning-to-help"])
