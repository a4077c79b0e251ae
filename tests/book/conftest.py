"""The built book behind an address, and a browser that is cut off from every other machine."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlparse

import pytest
from playwright.sync_api import sync_playwright

from companion.pages.browser import OPTIONS


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
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=OPTIONS) as browser:
        yield browser


@pytest.fixture
def page(browser):
    """An empty page that notes what goes wrong and what it loads, and lets no request leave the machine."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    page.faults, page.sizes = [], []

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
    page.on("response", lambda answer: page.sizes.append(int(answer.headers.get("content-length", 0))))
    yield page
    page.close()
