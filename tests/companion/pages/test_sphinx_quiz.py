"""The directive of the quick checks, built by Sphinx alone."""

import pytest
import yaml

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
def build(build_page, tmp_path):
    """Build a page with a quiz; the page and the warnings."""

    def run(questions):
        (tmp_path / "quizzes").mkdir()
        if questions is not None:
            (tmp_path / "quizzes" / "index.yml").write_text(yaml.safe_dump(questions), "utf8")
        return build_page("sphinx_quiz", "```{quiz} index\nChoose *one*.\n```")

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
