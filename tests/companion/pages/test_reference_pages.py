"""Beyond the doctests: what the generated pages say of whole records and of a whole package."""

import re

import pytest

from companion.pages import reference_pages

FACTS = {
    "key": "0123456789abcdef0123",
    "profile": "paper",
    "seconds": 61.26,
    "machine": "2 cores",
    "versions": {"python": "3.11.7", "torch": "2.15.0"},
    "data": {"name": "cifar10 airplane/automobile", "sha256": "fedcba9876543210"},
}


def test_status_has_a_row_per_chapter_and_one_paragraph_per_machine():
    ran = {"l2h": FACTS, "papermill": {"start_time": "2026-11-24T10:00:00", "duration": 60.0}}
    text = reference_pages.status_tables(
        {"01_problem": ran, "05_cifar10": ran, "09_drift": {"l2h": FACTS | {"machine": "8 cores"}}}
    )
    row = "| {doc}`05_cifar10` | paper | 61.3 s | 2026-11-24 | cifar10 airplane/automobile (SHA-256 fedcba987654…) |"
    assert row in text
    assert text.count("Machine and versions: ") == 2
    assert "Machine and versions: 2 cores; python 3.11.7, torch 2.15.0." in text
    assert text.count("key `0123456789abcdef`") == 3


def test_status_says_what_was_not_recorded():
    text = reference_pages.status_tables({"01_problem": {}})
    assert "| {doc}`01_problem` | – | an unrecorded time | – | – |" in text
    assert "not recorded; not recorded" in text


def test_provenance_names_profile_time_machine_and_data():
    sentence = reference_pages.provenance_sentence({"l2h": FACTS})
    assert sentence.startswith("Executed at the `paper` profile in 61.3 s on 2 cores.")
    assert "cifar10 airplane/automobile" in sentence
    assert reference_pages.provenance_sentence({}) == "Executed at the `unknown` profile in an unrecorded time."


def test_the_reference_has_a_page_for_each_folder_and_leaves_out_private_modules(tmp_path):
    for path in (
        "l2h/__init__.py",
        "l2h/base.py",
        "l2h/theory/_hidden.py",
        "l2h/theory/bayes.py",
        "companion/build/x.py",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    pages = reference_pages.api_pages(tmp_path)
    assert set(pages) == {"api", "api/l2h", "api/l2h_theory", "api/companion_build"}
    assert pages["api/l2h_theory"].startswith("# l2h.theory\n")
    assert "## l2h.theory.bayes\n\n```{eval-rst}\n.. automodule:: l2h.theory.bayes\n" in pages["api/l2h_theory"]
    assert "   l2h.base\n" in pages["api"] and "hidden" not in "".join(pages.values())


def cited_tests(tmp_path, *files):
    for number, text in enumerate(files):
        (tmp_path / f"test_{number}.py").write_text(text)
    return reference_pages.cited_tests_page(
        tmp_path, ["See {ref}`this <test-two-is-two>` and [that](test-no-citation)."]
    )


def test_a_cited_test_stands_on_its_page_under_its_label(tmp_path):
    source = "@given(x=1)\ndef test_two_is_two(x):\n    assert x\n"
    text = cited_tests(tmp_path, f"{source}\n\ndef test_other():\n    pass\n")
    assert text.startswith("(test-two-is-two)=\n## Two is two\n\n`tests/test_0.py`\n")
    assert f"```python\n{source}```" in text
    assert "other" not in text


def test_cited_tests_stand_in_the_order_of_their_files_whatever_the_order_of_the_citations(tmp_path):
    names = [f"test_{name}" for name in ("delta", "alpha", "echo", "bravo", "golf", "charlie", "foxtrot", "hotel")]
    for number, pair in enumerate(zip(names[::2], names[1::2], strict=True)):
        (tmp_path / f"test_{number}.py").write_text("\n\n".join(f"def {name}(): ..." for name in pair))
    for cited in (names, names[::-1], sorted(names)):
        text = reference_pages.cited_tests_page(tmp_path, [f"{{ref}}`it <{name.replace('_', '-')}>`" for name in cited])
        assert re.findall(r"^def (\w+)", text, re.MULTILINE) == names


@pytest.mark.parametrize("files", [[], ["def test_other(): ...\n"], ["def test_two_is_two(): ...\n"] * 2])
def test_a_citation_of_no_test_or_of_two_is_refused(tmp_path, files):
    with pytest.raises(ValueError, match=r"one test for each that a page cites, got test-two-is-two [02]"):
        cited_tests(tmp_path, *files)
