"""The banner of pages that were executed at `quick`."""

import pytest

from companion.build import notebooks
from companion.pages import banner


def executed(profile):
    title = {"cell_type": "markdown", "metadata": {}, "source": "# The problem\n\nText."}
    code = {"cell_type": "code", "metadata": {}, "source": "1", "outputs": []}
    return {"cells": [title, code], "metadata": {"l2h": {"profile": profile}}}


def test_a_quick_page_says_below_its_heading_what_it_has_less_of():
    page = banner.with_banner("01_problem", executed("quick"))
    text = page["cells"][0]["source"]
    assert text.startswith("# The problem\n\n:::{admonition} A quick execution, not the record\n:class: warning\n")
    assert "`seeds` 1 instead of 3; `sizes` 1000, 1000, 1000, 1000 instead of all" in text
    assert "{doc}`claims`" in text and text.endswith(":::\n\n\nText.")
    assert page["cells"][1:] == executed("quick")["cells"][1:]


@pytest.mark.parametrize("profile", ["paper", "full"])
def test_other_pages_have_none(profile):
    assert banner.with_banner("01_problem", executed(profile)) == executed(profile)


@pytest.mark.parametrize("name", notebooks.chapter_names())
def test_every_chapter_has_a_banner(name):
    assert "executed at the profile `quick`" in banner.quick_banner(name)
