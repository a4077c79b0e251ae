"""The rendered book in a real browser, served from this machine and cut off from every other."""

import random
import re

import pytest
from helpers.colours import contrast, rgb
from playwright.sync_api import Error, expect

from companion.chapters.ch02_bayes.interactive import interactive_regions, read_asset
from companion.pages import render
from companion.pages.browser import TYPESET
from l2h.problem import Costs
from l2h.theory.bayes import ask_threshold, pointwise_bayes_risk, region_areas, server_error

PAGES = [*render.page_names(), "api/l2h_theory", "search", "genindex"]  # of the reference's pages, the longest
SCROLLING = "cells => cells.filter(cell => cell.scrollWidth > cell.clientWidth).map(cell => cell.innerText)"


def test_a_fault_is_noticed(page, address):
    page.goto(f"{address}/index.html")
    page.evaluate("() => { new Image().src = 'https://elsewhere.example/x.png'; console.error('told') }")
    page.wait_for_timeout(200)
    assert "told" in page.faults and "request to https://elsewhere.example/x.png" in page.faults


@pytest.mark.parametrize("name", PAGES)
def test_each_page_loads_without_fault_typesets_fits_and_scrolls_no_code(page, address, name):
    page.goto(f"{address}/{name}.html", wait_until="load")
    page.wait_for_function(TYPESET)
    assert 500_000 < sum(page.sizes) <= 3_000_000 and 10 < len(page.sizes) <= 60
    assert page.evaluate("() => document.querySelectorAll('*').length") <= 20_000, "with its formulas typeset"
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    page.set_viewport_size({"width": 1280 - 15, "height": 900})  # a scroll bar takes the 15
    assert page.locator(".cell_input pre").evaluate_all(SCROLLING) == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360, scheme
        beyond = "images => images.filter(image => image.getBoundingClientRect().right > 360).map(image => image.src)"
        assert page.locator("article img").evaluate_all(beyond) == [], scheme
    assert page.faults == []


def test_a_line_of_88_characters_fits_its_cell_and_a_longer_one_is_noticed(page, address):
    page.goto(f"{address}/01_problem.html")
    page.set_viewport_size({"width": 1280 - 15, "height": 900})
    for length, scrolling in ((88, []), (100, ["x" * 100])):
        page.locator(".cell_input pre").first.evaluate("(cell, text) => { cell.textContent = text }", "x" * length)
        assert page.locator(".cell_input pre").evaluate_all(f"cells => ({SCROLLING})(cells.slice(0, 1))") == scrolling


def test_search_finds_the_rejector(page, address):
    page.goto(f"{address}/index.html")
    page.locator(".search-button__button:visible, .search-button-field:visible").first.click()
    page.locator("input[type=search]:visible").first.fill("rejector")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search.html?q=rejector*")
    expect(page.locator("#search-results li a", has_text="Notation").first).to_be_visible()
    assert page.faults == []


def test_the_theme_switch_changes_the_theme(page, address):
    page.goto(f"{address}/notation.html")
    seen = set()
    for _ in range(3):
        page.locator(".theme-switch-button:visible").first.click()
        seen.add(page.evaluate("() => getComputedStyle(document.body).backgroundColor"))
    assert len(seen) == 2  # light, dark, and the system's choice, which is one of them
    assert page.faults == []


def test_a_folded_solution_opens(page, address):
    page.goto(f"{address}/01_problem.html")
    solution = page.locator(".solution.dropdown, .solution.toggle-container, .solution details").first
    hidden = solution.inner_text()
    solution.locator("summary, button.toggle-button, p.admonition-title").first.click()
    page.wait_for_timeout(300)
    assert len(solution.inner_text()) > len(hidden)


def test_the_book_opens_from_a_folder(page, built_book):
    page.goto((built_book / "notation.html").as_uri(), wait_until="load")
    page.wait_for_function(TYPESET)
    assert page.locator("mjx-container").count() > 10
    assert page.faults == []


def move(page, name, steps):
    """Move a slider of the figure by the keyboard: whole steps to the right, or to the left of its lower end."""
    slider = page.locator(f".l2h-regions [data-part={name}]")
    slider.focus()
    page.keyboard.press("Home")
    for _ in range(steps):
        page.keyboard.press("ArrowRight")


def assert_figure_says(page, c1, ce, eta, p):
    """That the script's numbers are those of the rules in Python."""
    root, costs = page.locator(".l2h-regions"), Costs(c1, ce)
    shown = {name: float(root.get_attribute(f"data-{name}")) for name in ("keep", "minus", "plus", "threshold")}
    assert shown == pytest.approx({**region_areas(costs)._asdict(), "threshold": ask_threshold(costs)}, abs=1e-12)
    least = pointwise_bayes_risk(server_error(eta), p, costs=costs)
    of_best = page.locator(f".l2h-regions [data-part=cost-{root.get_attribute('data-best')}]").inner_text()
    summary = page.locator(".l2h-regions [data-part=summary]").inner_text()
    assert float(of_best) == pytest.approx(least, abs=0.0051)
    numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", summary.replace("c1 =", ""))]
    assert numbers[:2] == [c1, ce] and numbers[2] == pytest.approx(100 * shown["keep"], abs=0.051)


@pytest.fixture
def figure(page, tmp_path):
    """The interactive figure alone, opened from a file."""
    path = tmp_path / "figure.html"
    head = "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
    path.write_text(f"{head}<title>Regions</title>{interactive_regions(Costs(1.0, 0.15)).html}", encoding="utf-8")
    page.goto(path.as_uri())
    return page


def test_the_sliders_agree_with_the_rules_wherever_they_stand(figure):
    assert_figure_says(figure, 1.0, 0.15, 0.7, 0.5)
    chance = random.Random(0)
    for _ in range(60):
        at = {"c1": chance.randrange(41) / 20, "ce": chance.randrange(101) / 100}
        at |= {"eta": chance.randrange(21) / 20, "p": chance.randrange(21) / 20}
        for name, value in at.items():
            figure.locator(f"[data-part={name}]").fill(str(value))
        assert_figure_says(figure, **at)
    assert figure.faults == []


def test_script_and_style_are_sound(page):
    page.evaluate("source => { new Function(source); }", read_asset("regions.js"))
    with pytest.raises(Error, match="SyntaxError"):
        page.evaluate("source => { new Function(source); }", read_asset("regions.js") + "}")
    style = read_asset("regions.css")
    n_rules = page.evaluate(
        """style => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(style);
          return [...sheet.cssRules].filter(rule => rule.style.length > 0).length;
        }""",
        style,
    )
    assert n_rules == len(style.splitlines())  # the browser drops what it cannot read


def test_the_regions_move_by_keyboard_alone(figure):
    boundary = figure.locator("[data-part=boundary]")
    before = boundary.get_attribute("points")
    figure.keyboard.press("Tab")
    assert figure.evaluate("() => document.activeElement.dataset.part") == "c1"
    figure.keyboard.press("ArrowRight")
    assert boundary.get_attribute("points") != before
    move(figure, "ce", 100)
    assert_figure_says(figure, 1.05, 1.0, 0.7, 0.5)
    assert "should never ask" in figure.locator("[data-part=summary]").inner_text()
    names = figure.locator(".l2h-regions label").all_inner_texts()
    assert len(names) == 4 and all(name.strip() for name in names)
    assert figure.locator("[aria-live=polite]").count() == 1
    assert figure.faults == []


def test_without_scripts_the_figure_stands_still_and_says_so(browser, tmp_path):
    context = browser.new_context(java_script_enabled=False)
    page, path = context.new_page(), tmp_path / "figure.html"
    path.write_text(f"<meta charset='utf-8'>{interactive_regions(Costs(1.0, 0.15)).html}", encoding="utf-8")
    page.goto(path.as_uri())
    assert page.locator("input").first.is_hidden()
    assert page.locator("[data-part=no-script]").is_visible()
    assert page.locator("[data-part=area-keep]").bounding_box()["height"] > 50
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("served", [True, False], ids=["served", "from a folder"])
def test_the_chapter_on_bayes_rules_holds_the_figure(page, address, built_book, scheme, served):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{address}/02_bayes.html" if served else (built_book / "02_bayes.html").as_uri(), wait_until="load")
    move(page, "c1", 10)
    move(page, "ce", 30)
    assert_figure_says(page, 0.5, 0.3, 0.7, 0.5)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    words = page.locator(".l2h-regions svg text").first
    assert words.evaluate("e => e.getBoundingClientRect().height") >= 11
    assert contrast_of_text(page) >= 4.5
    assert page.faults == []


def contrast_of_text(page):
    """Of the figure's text against the nearest background behind it."""
    colours = page.locator(".l2h-regions [data-part=summary]").evaluate(
        """part => {
          const colour = getComputedStyle(part).color;
          for (let at = part; at; at = at.parentElement) {
            const behind = getComputedStyle(at).backgroundColor;
            if (!/, 0\\)$/.test(behind)) return [colour, behind];
          }
          return [colour, 'rgb(255, 255, 255)'];
        }"""
    )
    return contrast(*map(rgb, colours))
