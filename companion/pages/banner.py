"""The banner of a page that was executed at `quick`: how it is smaller than the record, and where the verdicts are."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from companion.chapters.parameters import chapters_with_settings, settings_for

QUICK, RECORD_PROFILE = "quick", "paper"
NOT_SIZES = ("profile", "chapter", "data", "precision")  # fields of settings that do not say how much is computed
ZERO_IS_ALL = ("sizes", "images", "n_images")
LONGEST_LIST = 5


def with_banner(name: str, notebook: Mapping[str, Any]) -> dict[str, Any]:
    """An executed chapter with a banner below its heading, if it was executed at `quick`.

    Args:
        name: of the chapter.
        notebook: executed, as JSON.

    Returns:
        A copy.
    """
    if notebook["metadata"].get("l2h", {}).get("profile") != QUICK:
        return dict(notebook)
    first, *others = notebook["cells"]
    title, _, text = "".join(first["source"]).partition("\n")
    return {**notebook, "cells": [{**first, "source": f"{title}\n\n{quick_banner(name)}\n{text}"}, *others]}


def quick_banner(name: str) -> str:
    """The banner of a chapter in MyST.

    >>> print(quick_banner("01_problem").splitlines()[0])
    :::{admonition} A quick execution, not the record
    """
    differences = "; ".join(_differences(name)) if name in chapters_with_settings() else ""
    smaller = f" It has {differences}." if differences else ""
    return (
        ":::{admonition} A quick execution, not the record\n:class: warning\n"
        f"This page was executed at the profile `quick`.{smaller} Its figures and numbers may differ from those of the "
        "record, on which the sentences about results and the committed verdicts rest: {doc}`claims`.\n:::\n"
    )


def _differences(name: str) -> list[str]:
    quick, record = settings_for(name, QUICK), settings_for(name, RECORD_PROFILE)
    pairs = {field.name: (getattr(quick, field.name), getattr(record, field.name)) for field in fields(quick)}
    return [
        f"`{field}` {_value_text(field, now)} instead of {_value_text(field, then)}"
        for field, (now, then) in pairs.items()
        if field not in NOT_SIZES and now != then
    ]


def _value_text(field: str, value: Any) -> str:
    if field in ZERO_IS_ALL and value in ((), 0):
        return "all"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) if len(value) <= LONGEST_LIST else f"{len(value)} values"
    return str(value)
