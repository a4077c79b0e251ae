"""Labelled data: checked parts, a digest of the content, coarse labels, and splits by group."""

import json
from dataclasses import replace

import numpy as np
import pytest

from l2h.data import labelled
from l2h.data.labelled import LabelledData, LabelledExamples

PARTS = {
    "train": LabelledExamples(
        np.arange(12.0).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2]), np.array(["a", "a", "b", "b", "c", "c"])
    ),
    "validation": LabelledExamples(np.ones((2, 2)), np.array([0, 1]), np.array(["a", "d"])),
    "test": LabelledExamples(np.zeros((1, 2)), np.array([2]), np.array(["e"])),
    "out_of_scope_test": LabelledExamples(np.full((1, 2), 7.0), np.array([-1]), np.array(["f"])),
}


def data(parts=PARTS, **changes):
    fields = dict(content="numbers", split="by hand", group_kind="speaker", source="a test", licence="none")
    coarse = dict(coarse_classes=("even", "odd"), coarse_of=(0, 1, 0))
    return LabelledData(
        "some", ("0", "1", "2"), parts, **fields, **coarse, citation="none", requested="some", **changes
    )


def test_parts_are_named():
    some = data()
    assert (some.train, some.validation, some.test) == tuple(PARTS[name] for name in ("train", "validation", "test"))


def test_metadata_is_json_and_says_what_was_loaded():
    some = data(banner="a part", views=("quarter",))
    loaded = json.loads(json.dumps(some.metadata()))
    assert loaded["sizes"] == {"train": 6, "validation": 2, "test": 1, "out_of_scope_test": 1}
    assert loaded["classes"] == ["0", "1", "2"] and loaded["views"] == ["quarter"]
    assert loaded["sha256"] == some.sha256 and len(some.sha256) == 64
    for field in ("name", "requested", "banner", "content", "split", "group_kind", "source", "licence", "citation"):
        assert loaded[field] == getattr(some, field)


@pytest.mark.parametrize("field", ["x", "y", "group"])
def test_the_digest_changes_with_each_array(field):
    train = PARTS["train"]
    changed = train._replace(**{field: getattr(train, field)[::-1].copy()})
    assert data({**PARTS, "train": changed}).sha256 != data().sha256


def test_the_digest_is_of_content_not_of_layout():
    train = PARTS["train"]
    same = LabelledExamples(np.asfortranarray(train.x), train.y.copy(), train.group.astype("U40"))
    assert data({**PARTS, "train": same}).sha256 == data().sha256
    other_type = train._replace(x=train.x.astype(np.float32))
    assert data({**PARTS, "train": other_type}).sha256 != data().sha256
    texts = train._replace(x=np.array(["ab", "c", "d", "e", "f", "g"]))
    moved = train._replace(x=np.array(["a", "bc", "d", "e", "f", "g"]))
    assert data({**PARTS, "train": texts}).sha256 != data({**PARTS, "train": moved}).sha256


def test_each_label_of_a_part_outside_all_classes_is_checked():
    two = LabelledExamples(np.zeros((2, 2)), np.array([-2, -1]), np.array(["f", "f"]))
    with pytest.raises(ValueError, match="expected label in out_of_scope_test to be one of -1, got -2"):
        data({**PARTS, "out_of_scope_test": two})


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("train", dict(y=np.array([0, 1, 2, 0, 1, 3])), r"expected labels of train in 0..2, got 3"),
        ("test", dict(y=np.array([-1])), r"expected labels of test in 0..2, got -1"),
        ("out_of_scope_test", dict(y=np.array([1])), "expected label in out_of_scope_test to be one of -1, got 1"),
        ("train", dict(group=np.array(["a"])), "expected arrays of one length, got x: 6, y: 6, group: 1"),
    ],
)
def test_parts_that_do_not_fit_are_refused(part, change, message):
    with pytest.raises(ValueError, match=message):
        data({**PARTS, part: PARTS[part]._replace(**change)})


def test_a_missing_part_is_named():
    with pytest.raises(ValueError, match="expected part of some to be one of 'train', 'test', got 'validation'"):
        data({name: PARTS[name] for name in ("train", "test")})


def test_coarse_labels_follow_the_classes():
    coarse = labelled.with_coarse_labels(data())
    assert coarse.classes == ("even", "odd") and not coarse.coarse_classes
    assert coarse.train.y.tolist() == [0, 1, 0, 0, 1, 0]
    assert coarse.parts["out_of_scope_test"].y.tolist() == [-1]
    with pytest.raises(ValueError, match="expected data with coarse classes, got some, which has none"):
        labelled.with_coarse_labels(coarse)


def test_another_x_and_fewer_training_examples():
    doubled = labelled.map_x(data(), lambda x: 2 * x, "doubled numbers")
    assert doubled.content == "doubled numbers"
    for name, part in doubled.parts.items():
        np.testing.assert_array_equal(part.x, 2 * PARTS[name].x)
    fewer = labelled.restrict_train(data(), lambda part: part.group == "b")
    assert fewer.train.y.tolist() == [2, 0] and fewer.test is PARTS["test"]
    with pytest.raises(ValueError, match="expected a training example of some to keep, got none"):
        labelled.restrict_train(data(), lambda part: part.group == "z")


def test_no_group_is_in_two_parts_and_no_example_is_lost():
    again = labelled.split_by_group(data(), validation=["b"], test=["a", "e"])
    assert {name: set(part.group.tolist()) for name, part in again.parts.items()} == {
        "train": {"c", "d"}, "validation": {"b"}, "test": {"a", "e"}, "out_of_scope_test": {"f"},
    }  # fmt: skip
    pairs = [sorted((*row, y) for p in some.parts.values() for row, y in zip(p.x.tolist(), p.y.tolist(), strict=True))
             for some in (data(), again)]  # fmt: skip
    assert pairs[0] == pairs[1]
    assert again.split == "speakers ['b'] for validation, ['a', 'e'] for the test, the others to train"
    numbered = {name: part._replace(group=np.arange(len(part.y))) for name, part in PARTS.items()}
    by_number = labelled.split_by_group(replace(data(), parts=numbered), validation=[0], test=[1])
    assert len(by_number.validation.y) == 3 and len(by_number.test.y) == 2


@pytest.mark.parametrize(
    ("validation", "test", "message"),
    [
        (["z"], ["a"], "expected speaker to be one of 'a', 'b', 'c', 'd', 'e', got 'z'"),
        (["a"], ["a", "b"], r"expected each speaker in one part, got \['a'\] in two"),
        ([], ["a"], "expected a speaker in each part, got none for validation"),
        (["a", "b", "c"], ["d", "e"], "expected a speaker in each part, got none for train"),
    ],
)
def test_groups_that_do_not_fit_are_refused(validation, test, message):
    with pytest.raises(ValueError, match=message):
        labelled.split_by_group(data(), validation=validation, test=test)
