import pytest
import yaml

from companion.teaching.misconceptions import GradedQuestion, Misconception, question_tests, read_questions

WRONG = (Misconception("It halves.", "def double(x):\n    return x / 2"),)
QUESTION = GradedQuestion("q1", "double", ("1.0", "3.0"), WRONG)
SOLUTION = {"double": lambda x: 2 * x}


def write(folder, **changes):
    entry = {"function": "double", "cases": ["1", 2], "misconceptions": {str(n): "x = 1" for n in range(5)}, **changes}
    path = folder / "01_a.yml"
    path.write_text(yaml.safe_dump({"q1": entry}))
    return path


def test_questions_are_read_with_their_cases_as_source(tmp_path):
    (question,) = read_questions(write(tmp_path))
    assert (question.name, question.function, question.cases) == ("q1", "double", ("1", "2"))
    assert question.misconceptions[0] == Misconception("0", "x = 1")


@pytest.mark.parametrize("changes", [{"misconceptions": {"a": "x = 1"}}, {"cases": ["1"]}])
def test_too_few_misconceptions_or_cases_are_refused(tmp_path, changes):
    with pytest.raises(ValueError, match=r"expected 5 misconceptions and 2 cases or more for q1 of 01_a\.yml"):
        read_questions(write(tmp_path, **changes))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q1: [a", r"expected YAML in .*01_a\.yml, got: while parsing a flow sequence in .* line 1"),
        ("", r"expected questions by name in .*01_a\.yml, got None"),
        ("- q1", r"expected questions by name in .*01_a\.yml, got \['q1'\]"),
        ("q1: double", r"expected the fields function, cases, misconceptions for q1 of 01_a\.yml, got 'double'"),
        ("q1: {function: f, cases: []}", r"the fields function, cases, misconceptions for q1 of 01_a\.yml, got \{'f"),
    ],
)
def test_a_malformed_file_is_one_sentence(tmp_path, text, message):
    (tmp_path / "01_a.yml").write_text(text)
    with pytest.raises(ValueError, match=message) as raised:
        read_questions(tmp_path / "01_a.yml")
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "01_a.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"expected YAML in .*01_a\.yml, got: 'utf-8' codec"):
        read_questions(tmp_path / "01_a.yml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"function": 3}, r"expected a name as function for q1 of 01_a\.yml, got 3"),
        ({"cases": "np.zeros(3)"}, r"expected a list of calls as cases for q1 of 01_a\.yml, got 'np\.zeros\(3\)'"),
        (
            {"misconceptions": ["It halves."]},
            r"expected sentences with code as misconceptions for q1 of 01_a\.yml, got",
        ),
        (
            {"misconceptions": {"It halves.": None}},
            r"code for the misconception 'It halves\.' of q1 of 01_a\.yml, got N",
        ),
        ({"hints": "none"}, r"expected the fields function, cases, misconceptions for q1 of 01_a\.yml, got \{"),
    ],
)
def test_a_field_of_another_kind_is_one_sentence(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        read_questions(write(tmp_path, **changes))


def test_the_shown_test_has_one_case_and_no_misconception():
    shown, hidden = question_tests(QUESTION, SOLUTION)
    assert "3.0" not in shown and "It halves." not in shown and "hidden: false" in shown
    assert "3.0" in hidden and "It halves." in hidden and "hidden: true" in hidden


@pytest.mark.parametrize("code", ["def double(x):\n    return x + x", "def double(x):\n    return x * 2.0000000001"])
def test_a_wrong_solution_that_no_case_distinguishes_is_refused(code):
    question = GradedQuestion("q1", "double", QUESTION.cases, (Misconception("It adds.", code),))
    with pytest.raises(ValueError, match=r"expected cases of q1 that distinguish 'It adds\.' from 'the solution'"):
        question_tests(question, SOLUTION)


def test_two_misconceptions_with_the_same_values_are_refused():
    question = GradedQuestion("q1", "double", QUESTION.cases, (*WRONG, Misconception("Same.", WRONG[0].code)))
    with pytest.raises(ValueError, match=r"distinguish 'Same\.' from 'It halves\.'"):
        question_tests(question, SOLUTION)
