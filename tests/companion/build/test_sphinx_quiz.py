"""The directive of the quick checks, built by Sphinx alone."""

import pytest
import yaml
from bs4 import BeautifulSoup
from sphinx.testing.util import SphinxTestApp

CONF = "extensions = ['myst_parser', 'companion.build.sphinx_quiz']\nmyst_enable_extensions = ['dollarmath']\n"
QUIZ = [
    {
        "question": "What is $c_e$?",
        "sentence": "The cost of asking is $c_e$.",
        "options": [
            {"text": "The cost of *asking*.", "reason": "So it is defined.", "correct": True},
            {"text": "The server's `label`.", "reason": "A label is no cost."},
            {"text": "A & B < C", "reason": "These are letters."},
        ],
    }
]


@pytest.fixture
def build(tmp_path):
    """Build a page with a quiz; the warnings and the page."""

    def run(questions):
        (tmp_path / "quizzes").mkdir(exist_ok=True)
        (tmp_path / "conf.py").write_text(CONF)
        (tmp_path / "index.md").write_text("# Page\n\n```{quiz} index\nChoose *one*.\n```\n")
        if questions is not None:
            (tmp_path / "quizzes" / "index.yml").write_text(yaml.safe_dump(questions), "utf8")
        app = SphinxTestApp("html", srcdir=tmp_path)
        app.build()
        page = BeautifulSoup((app.outdir / "index.html").read_text("utf8"), "html.parser")
        warnings = app.warning.getvalue()
        app.cleanup()
        return page, warnings

    return run


def test_a_question_is_a_named_group_of_labelled_radio_buttons(build):
    page, warnings = build(QUIZ)
    assert warnings == ""
    (group,) = page.select(".quiz fieldset")
    assert group.legend.text.startswith("1. What is") and group.legend.select_one(".math").text == "\\(c_e\\)"
    radios = group.find_all("input", type="radio")
    assert len(radios) == 3 and {radio["name"] for radio in radios} == {"quiz-index-1"}
    labels = {label["for"]: label.text for label in group.find_all("label")}
    assert list(labels) == [radio["id"] for radio in radios]
    assert list(labels.values()) == ["The cost of asking.", "The server's label.", "A & B < C"]
    assert group.find(role="status")["aria-live"] == "polite" and group.find(role="status").text == ""
    identifiers = [tag["id"] for tag in page.find_all(id=True)]
    assert len(set(identifiers)) == len(identifiers)


def test_without_scripts_the_reasons_are_folded_and_there_is_no_dead_button(build):
    page, _ = build(QUIZ)
    assert page.select_one(".quiz button").has_attr("hidden")
    reasons = [item.text for item in page.select(".quiz details li")]
    assert [" Right. So it is defined." in reason for reason in reasons] == [True, False, False]
    assert sum("Not right." in reason for reason in reasons) == 2
    for radio in page.find_all("input", type="radio"):
        assert page.find(id=f"{radio['id']}-reason")


@pytest.mark.parametrize(
    ("questions", "message"), [(None, "No such file"), ([{**QUIZ[0], "options": []}], "at least 3")]
)
def test_what_cannot_be_shown_is_an_error_of_the_build(build, questions, message):
    assert message in build(questions)[1]
