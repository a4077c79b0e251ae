"""Quick checks: their form, that the page states each answer, and where they are put."""

import re

import pytest
import yaml

from companion.build import notebooks
from companion.pages import quizzes, render

FOLDER = notebooks.ROOT / "book" / quizzes.QUIZ_FOLDER
PAGES = sorted(path.stem for path in FOLDER.glob("*.yml"))
OPTIONS = [{"text": "Yes.", "reason": "So it is.", "correct": True}, *({"text": t, "reason": "No."} for t in "ab")]
ENTRY = {"question": "Is it?", "sentence": "It is.", "options": OPTIONS}


def page_text(name):
    """The source of a page without line breaks."""
    return " ".join((notebooks.ROOT / "book" / f"{name}.md").read_text("utf8").split())


def test_the_landing_page_and_every_chapter_have_two_or_three_questions():
    assert set(PAGES) == {"index", *notebooks.chapter_names()}
    counts = {name: len(quizzes.read_quiz(FOLDER / f"{name}.yml")) for name in PAGES}
    assert counts["index"] == 3 and set(counts.values()) <= {2, 3}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_states_what_makes_an_answer_right(name):
    for question in quizzes.read_quiz(FOLDER / f"{name}.yml"):
        assert len(question.sentence.split()) >= 5
        assert " ".join(question.sentence.split()) in page_text(name), question.question


@pytest.mark.parametrize("name", PAGES)
def test_options_differ_and_no_answer_holds_a_measured_number(name):
    for question in quizzes.read_quiz(FOLDER / f"{name}.yml"):
        texts = [option.text for option in question.options] + [option.reason for option in question.options]
        assert len(set(texts)) == len(texts)
        assert not re.search(r"\d\.\d|\d ?%", " ".join([question.question, *texts]))


def test_the_right_answers_do_not_stand_at_one_place():
    places = [
        [option.correct for option in question.options].index(True)
        for name in PAGES
        for question in quizzes.read_quiz(FOLDER / f"{name}.yml")
    ]
    assert max(map(places.count, set(places))) <= 0.6 * len(places)


def read(tmp_path, entries):
    path = tmp_path / "one.yml"
    path.write_text(yaml.safe_dump(entries), "utf8")
    return quizzes.read_quiz(path)


def test_questions_are_read_in_order(tmp_path):
    first, second = read(tmp_path, [ENTRY, {**ENTRY, "question": "And this?"}])
    assert (first.question, second.question) == ("Is it?", "And this?")
    assert [option.correct for option in first.options] == [True, False, False]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"question": "Is it?"}, "expected a list of questions in one.yml, got dict"),
        (["Is it?"], "expected the fields question, sentence, options in question 1"),
        ([{**ENTRY, "answer": 1}], "expected the fields question, sentence, options in question 1"),
        ([{**ENTRY, "question": " "}], "expected a text as question in question 1"),
        ([{**ENTRY, "options": OPTIONS[:2]}], "at least 3 options in question 1"),
        ([ENTRY, {**ENTRY, "options": OPTIONS[1:] * 2}], "'correct: true' in question 2 of one.yml, got 0"),
        ([{**ENTRY, "options": OPTIONS * 2}], "got 2"),
        ([{**ENTRY, "options": [*OPTIONS[:2], {"text": "No."}]}], "text, reason in option c of question 1"),
        ([{**ENTRY, "options": [*OPTIONS[:2], {"text": "No.", "reason": 3}]}], "a text as reason in option c"),
    ],
)
def test_what_is_no_quiz_is_refused_by_place(tmp_path, entries, message):
    with pytest.raises(ValueError, match=message):
        read(tmp_path, entries)


@pytest.mark.parametrize("content", [b"- question: [a", b"\xff\xfe\x00"])
def test_what_is_no_yaml_is_named(tmp_path, content):
    path = tmp_path / "one.yml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"expected YAML in .*one\.yml, got: ") as raised:
        quizzes.read_quiz(path)
    assert "\n" not in str(raised.value)


def chapter(*sources):
    return {"cells": [{"cell_type": "markdown", "source": source} for source in sources], "metadata": {}}


@pytest.mark.parametrize("source", [["## Exercises\n", "One."], "The end.\n\n## Exercises\nOne."])
def test_quick_checks_stand_before_the_exercises(tmp_path, source):
    (tmp_path / "01_problem.yml").write_text(yaml.safe_dump([ENTRY]), "utf8")
    page = chapter("# A", "Text.", source)
    before, _, after = "".join(source).partition("## Exercises")
    text = quizzes.with_quiz("01_problem", page, tmp_path)["cells"][2]["source"]
    assert text.startswith(f"{before}## Quick checks\n\n```{{quiz}} 01_problem\n".strip())
    assert text.endswith(f"\n## Exercises{after}") and page["cells"][2]["source"] == source
    assert quizzes.with_quiz("02_bayes", page, tmp_path) == page


@pytest.mark.parametrize("sources", [["# A"], ["## Exercises"] * 2])
def test_a_chapter_without_one_place_for_its_quick_checks_is_refused(tmp_path, sources):
    (tmp_path / "01_problem.yml").write_text(yaml.safe_dump([ENTRY]), "utf8")
    with pytest.raises(ValueError, match="one heading '## Exercises' in 01_problem"):
        quizzes.with_quiz("01_problem", chapter(*sources), tmp_path)


def test_each_plain_page_with_questions_has_the_marker():
    plain = set(PAGES) - set(render.listed_chapters())
    assert plain == {name for name in render.page_names() if quizzes.MARKER in page_text(name)} == {"index"}
