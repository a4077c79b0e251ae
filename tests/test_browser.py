"""The rendered book in a real browser, served from this machine and cut off from every other."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlparse

import pytest
from playwright.sync_api import expect, sync_playwright

from l2h import render

PAGES = [*render.toc(), "search", "genindex"]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TYPESET = "() => [...document.querySelectorAll('.math')].every(part => part.querySelector('mjx-container'))"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address(built_book):
    """Where the book is served."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(built_book))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser(chromium):
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=FLAGS) as browser:
        yield browser


@pytest.fixture
def page(browser):
    """An empty page that notes what goes wrong and lets no request leave the machine."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.faults = []

    def local_only(route):
        if urlparse(route.request.url).hostname in ("127.0.0.1", None, ""):
            route.continue_()
        else:
            page.faults.append(f"request to {route.request.url}")
            route.abort()

    page.route("**/*", local_only)
    page.on("console", lambda message: message.type == "error" and page.faults.append(message.text))
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("response", lambda answer: answer.status >= 400 and page.faults.append(f"{answer.status} {answer.url}"))
    yield page
    page.close()


def test_a_fault_is_noticed(page, address):
    page.goto(f"{address}/index.html")
    page.evaluate("() => { new Image().src = 'https://elsewhere.example/x.png'; console.error('told') }")
    page.wait_for_timeout(200)
    assert "told" in page.faults and "request to https://elsewhere.example/x.png" in page.faults


@pytest.mark.parametrize("name", PAGES)
def test_each_page_loads_without_fault_typesets_and_fits(page, address, name):
    page.goto(f"{address}/{name}.html", wait_until="load")
    page.wait_for_function(TYPESET)
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": 360, "height": 740})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360, scheme
        beyond = "images => images.filter(image => image.getBoundingClientRect().right > 360).map(image => image.src)"
        assert page.locator("article img").evaluate_all(beyond) == [], scheme
    assert page.faults == []


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
