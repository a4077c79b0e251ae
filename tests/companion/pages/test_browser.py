"""The installed browser is found by its names."""

import pytest

from companion.pages import browser


def test_the_first_name_on_the_path_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="expected a browser, found none of chromium, "):
        browser.find_browser()
    for name in ("google-chrome", "chromium-browser"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        assert browser.find_browser() == str(tmp_path / name)
