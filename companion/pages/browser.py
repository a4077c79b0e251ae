"""The installed browser that prints the book and in which its pages are tested."""

import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Whether all mathematics of a page has been typeset.
TYPESET = "() => [...document.querySelectorAll('.math')].every(part => part.querySelector('mjx-container'))"


def find_browser() -> str:
    """The path of an installed Chromium or Chrome.

    Raises:
        FileNotFoundError: if none is on the PATH.
    """
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise FileNotFoundError(f"expected a browser, found none of {', '.join(NAMES)} on the PATH")
    return path
