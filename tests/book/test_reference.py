"""Every chapter, executed at quick by papermill, against its committed reference; and every committed record."""

import copy
from pathlib import Path

import nbformat
import pytest
from helpers.comparison import IGNORED, NUMBER, Numbers, differences, tolerance_of

from companion.build import execute, notebooks, outputs
from companion.claims import registry
from l2h.data import dataset, sources

FOLDERS = notebooks.Folders()
CHAPTERS = notebooks.chapter_names()
SOURCES = ("digits",) if sources.find_cifar10() is None else ("cifar10", "digits")


def has_the_data_of_its_reference(name):
    """Whether the data set at hand is that of a chapter's reference; other editions of it have other readings."""
    facts = execute.domain_facts(notebooks.domain(name)) if notebooks.domain(name) else None
    committed = notebooks.read_notebook(FOLDERS.references / "cifar10" / f"{name}.ipynb")
    return facts is not None and committed is not None and facts["sha256"] == committed.metadata.l2h.data.sha256


# A chapter on other published data has a reference on its stand-in beside the one on these data.
EACH = [
    (source, name) for source in SOURCES for name in CHAPTERS
    if source == "digits" or not notebooks.domain(name) or has_the_data_of_its_reference(name)
]  # fmt: skip


def reference(source, name):
    return notebooks.code_cells(notebooks.read_notebook(FOLDERS.references / source / f"{name}.ipynb"))


@pytest.mark.parametrize(("source", "name"), EACH)
def test_a_quick_execution_agrees_with_the_reference(quick, source, name):
    executed = notebooks.code_cells(notebooks.read_notebook(quick[source] / f"{name}.ipynb"))
    assert differences(executed, reference(source, name)) == []


@pytest.mark.parametrize("name", CHAPTERS)
@pytest.mark.parametrize("source", ["cifar10", "digits"])
def test_every_code_cell_of_a_reference_ran(source, name):
    cells = reference(source, name)
    assert [cell.execution_count for cell in cells] == sorted({cell.execution_count for cell in cells})
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)
    assert any(cell.outputs for cell in cells)


@pytest.mark.parametrize("name", CHAPTERS)
@pytest.mark.parametrize("folder", [FOLDERS.book, FOLDERS.references / "cifar10", FOLDERS.references / "digits"])
def test_no_committed_output_was_edited(folder, name):
    path = folder / f"{name}.ipynb"
    outputs.check(notebooks.read_notebook(path), path)


@pytest.mark.parametrize("name", CHAPTERS)
@pytest.mark.parametrize("source", ["cifar10", "digits"])
def test_one_altered_number_is_seen(source, name):
    cells = reference(source, name)
    number, output = next(
        (i, k) for i, cell in enumerate(cells) if IGNORED not in cell.metadata.get("tags", ())
        for k, one in enumerate(cell.outputs) if NUMBER.search(text_of(one))
    )  # fmt: skip
    altered = copy.deepcopy(cells)
    kind = altered[number].outputs[output].get("data", altered[number].outputs[output])
    key = "text" if "text" in kind else "text/plain"
    # the last number: in a table the first may be a row's name
    last = list(NUMBER.finditer(kind[key]))[-1]
    kind[key] = kind[key][: last.start()] + repr(float(last.group()) + 0.5) + kind[key][last.end() :]
    assert len(differences(altered, cells)) == 1


def text_of(output):
    return output.get("text", output.get("data", {}).get("text/plain", ""))


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_tolerance_is_small_and_has_a_reason(name):
    assert all(0 <= tolerance_of(cell) <= 0.03 for cell in notebooks.code_cells(notebooks.read_source(name)))


@pytest.mark.parametrize(
    ("now", "then", "tolerance", "same"),
    [
        ("a 0.300", "a  0.3", 0.0, True),
        ("a 0.3", "a 0.4", 0.0, False),
        ("a 0.3", "b 0.3", 0.0, False),
        ("0.31 0.5", "0.30 0.5", 0.02, True),
        ("0.33 0.5", "0.30 0.5", 0.02, False),
        ("-0.01", "0.01", 0.03, True),
        ("[1 2]", "[1 2 3]", 0.03, False),
        ("1e-20", "1.00000001e-20", 0.0, True),
    ],
)
def test_numbers_are_compared_as_numbers(now, then, tolerance, same):
    assert (Numbers(now, tolerance) == then) is same
    assert (Numbers(now, tolerance) != then) is not same


@pytest.mark.parametrize(
    ("shift", "tolerance", "found"), [(0.01, 0.02, 0), (0.03, 0.02, 1), (0.01, None, 1), (0, None, 0)]
)
def test_the_evidence_of_claims_is_compared_number_by_number(shift, tolerance, found):
    def cell(low):
        stored = {
            registry.CLAIMS_MIME_TYPE: {"claims": {"gains": {"holds": {"estimate": 0.5, "low": low, "high": 0.6}}}}
        }
        made = nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", data=stored)])
        made.metadata.update({"l2h": {"tolerance": tolerance, "why": "trained"}} if tolerance else {})
        return made

    assert len(differences([cell(0.4 + shift)], [cell(0.4)])) == found


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_record_is_complete_fresh_and_converts_back(name):
    record, source = notebooks.read_notebook(FOLDERS.book / f"{name}.ipynb"), notebooks.read_source(name)
    assert record is not None, f"{name} has no executed record; run `make record`"
    assert notebooks.same_source(record, source), f"the record of {name} does not convert back to its source"
    assert notebooks.is_fresh(name, record, source), f"the record of {name} is stale; run `make record`"
    assert record.metadata.l2h.profile == "paper"
    if notebooks.needs_data(name):
        at_hand = (
            dataset.load_dataset(source="cifar10").sha256 if "cifar10" in SOURCES else record.metadata.l2h.data.sha256
        )
        assert (record.metadata.l2h.data.source, record.metadata.l2h.data.sha256) == ("cifar10", at_hand)
    if notebooks.domain(name):
        assert record.metadata.l2h.data.name == notebooks.domain(name)
    cells = notebooks.code_cells(record)
    assert all(cell.execution_count for cell in cells)
    assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_record_holds_no_path_of_the_machine_that_made_it(name):
    text = (FOLDERS.book / f"{name}.ipynb").read_text(encoding="utf-8")
    named = [f"{folder}/" for folder in (notebooks.ROOT, Path.home()) if folder != Path(folder.anchor)]
    assert [folder for folder in named if folder in text] == []
    assert len(text) < 2 * 2**20


def test_what_was_printed_in_pieces_is_compared_as_a_whole():
    def cell(*pieces):
        return nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("stream", text=piece) for piece in pieces])

    assert differences([cell("a 0.5\n", "b\n")], [cell("a 0.5\nb\n")]) == []
    assert len(differences([cell("a 0.5\n", "b\n")], [cell("a 0.4\nb\n")])) == 1
