"""Labelled data of any kind: parts of examples with classes and groups, such as speakers, subjects or months."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from l2h import checks

OUT_OF_SCOPE = -1  # the label of examples of none of the classes, in parts of their own
OUT_OF_SCOPE_PREFIX = "out_of_scope_"
REQUIRED_PARTS = ("train", "validation", "test")


class LabelledExamples(NamedTuple):
    """Examples: x (n, ...); y (n,) int64, 0..K-1, or OUT_OF_SCOPE; group (n,), which examples belong together."""

    x: np.ndarray
    y: np.ndarray
    group: np.ndarray


@dataclass(frozen=True)
class LabelledData:
    """A data set with stated parts. Examples of one group are alike, so that intervals have to resample groups.

    Args:
        name: of the data that were loaded.
        classes: names in the order of the labels.
        parts: name -> examples; "train", "validation" and "test", and for some sets further ones.
        content: what one example's x is, with its unit.
        split: how the parts were made.
        group_kind: what a group is, as "speaker".
        source: the files or the library that the data come from.
        licence: of the data.
        citation: of the data.
        requested: the name that was asked for.
        banner: says that other or fewer data than the published set were loaded; "" where that is not so.
        coarse_classes: names of coarser classes; none for most sets.
        coarse_of: the coarse class of each class.
        views: the views that were applied, in order.

    Raises:
        ValueError: if a part is missing, its arrays differ in length, or a label is not that of a class.
    """

    name: str
    classes: tuple[str, ...]
    parts: Mapping[str, LabelledExamples]
    content: str
    split: str
    group_kind: str
    source: str
    licence: str
    citation: str
    requested: str
    banner: str = ""
    coarse_classes: tuple[str, ...] = ()
    coarse_of: tuple[int, ...] = ()
    views: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for required in REQUIRED_PARTS:
            checks.one_of(self.parts, **{f"part of {self.name}": required})
        for name, part in self.parts.items():
            checks.same_length(x=part.x, y=part.y, group=part.group)
            if name.startswith(OUT_OF_SCOPE_PREFIX):
                for label in np.unique(part.y).tolist():
                    checks.one_of((OUT_OF_SCOPE,), **{f"label in {name}": label})
            else:
                checks.class_labels(len(self.classes), **{f"labels of {name}": part.y})

    @property
    def train(self) -> LabelledExamples:
        """The examples that models are fitted on."""
        return self.parts["train"]

    @property
    def validation(self) -> LabelledExamples:
        """The examples on which all choices are made."""
        return self.parts["validation"]

    @property
    def test(self) -> LabelledExamples:
        """The examples for the reported results."""
        return self.parts["test"]

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the names, types, shapes and contents of all arrays of all parts, in the order of the parts."""
        digest = hashlib.sha256()
        for name, part in self.parts.items():
            for field, array in part._asdict().items():
                is_text = array.dtype.kind == "U"
                kind = "text" if is_text else array.dtype.str  # the width of a type of texts is no content
                digest.update(json.dumps([name, field, kind, array.shape]).encode())
                digest.update(json.dumps(array.tolist()).encode() if is_text else np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def metadata(self) -> dict[str, Any]:
        """The description of the data in a result, for JSON, with the size of each part and the SHA-256."""
        fields = ("name", "requested", "banner", "content", "split", "group_kind", "source", "licence", "citation")
        return {
            **{field: getattr(self, field) for field in fields},
            "classes": list(self.classes),
            "views": list(self.views),
            "sizes": {name: len(part.y) for name, part in self.parts.items()},
            "sha256": self.sha256,
        }


def map_x(data: LabelledData, function: Callable[[np.ndarray], np.ndarray], content: str) -> LabelledData:
    """The same examples with another x.

    Args:
        data: any.
        function: x of a part (n, ...) -> (n, ...).
        content: what the new x is, with its unit.
    """
    parts = {name: part._replace(x=function(part.x)) for name, part in data.parts.items()}
    return replace(data, parts=parts, content=content)


def restrict_train(data: LabelledData, keeps: Callable[[LabelledExamples], np.ndarray]) -> LabelledData:
    """The same data with fewer training examples: what a client knows that was trained on less.

    Args:
        data: any.
        keeps: the training part -> (n,) bool.

    Raises:
        ValueError: if no example is kept.
    """
    kept = select(data.train, keeps(data.train))
    if not len(kept.y):
        raise ValueError(f"expected a training example of {data.name} to keep, got none")
    return replace(data, parts={**data.parts, "train": kept})


def select(part: LabelledExamples, index: np.ndarray) -> LabelledExamples:
    """Some examples of a part.

    Args:
        part: n examples.
        index: (n,) bool, or positions.
    """
    return LabelledExamples(*(array[index] for array in part))


def with_coarse_labels(data: LabelledData) -> LabelledData:
    """The same examples with coarser classes, such as the superclasses of CIFAR-100.

    Args:
        data: with coarse classes.

    Raises:
        ValueError: if the data have no coarse classes.
    """
    if not data.coarse_classes:
        raise ValueError(f"expected data with coarse classes, got {data.name}, which has none")
    # One entry more, so that OUT_OF_SCOPE, the last index, stays what it is.
    coarse = np.array([*data.coarse_of, OUT_OF_SCOPE])
    parts = {name: part._replace(y=coarse[part.y]) for name, part in data.parts.items()}
    return replace(data, classes=data.coarse_classes, parts=parts, coarse_classes=(), coarse_of=())


def split_by_group(data: LabelledData, *, validation: Collection[Any], test: Collection[Any]) -> LabelledData:
    """The same examples, split again so that no group is in two parts; all other groups are for training.

    Args:
        data: of any kind; parts outside all classes stay as they are.
        validation: groups of the validation part, such as speakers.
        test: groups of the test part.

    Returns:
        The parts train, validation and test, and those outside all classes.

    Raises:
        ValueError: if a group is unknown or in both parts, or a part is empty.
    """
    apart = {name: part for name, part in data.parts.items() if name.startswith(OUT_OF_SCOPE_PREFIX)}
    inside = [part for name, part in data.parts.items() if name not in apart]
    pooled = LabelledExamples(
        *(np.concatenate([getattr(part, field) for part in inside]) for field in LabelledExamples._fields)
    )
    known = np.unique(pooled.group).tolist()
    for group in (*validation, *test):
        checks.one_of(known, **{data.group_kind: group})
    if common := set(validation) & set(test):
        raise ValueError(f"expected each {data.group_kind} in one part, got {sorted(common)} in two")
    is_validation, is_test = (np.isin(pooled.group, list(groups)) for groups in (validation, test))
    masks = {"train": ~(is_validation | is_test), "validation": is_validation, "test": is_test}
    if empty := [name for name, mask in masks.items() if not mask.any()]:
        raise ValueError(f"expected a {data.group_kind} in each part, got none for {', '.join(empty)}")
    parts = {name: select(pooled, mask) for name, mask in masks.items()}
    split = f"{data.group_kind}s {sorted(validation)} for validation, {sorted(test)} for the test, the others to train"
    return replace(data, parts={**parts, **apart}, split=split)
