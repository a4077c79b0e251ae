"""Inputs as the user gives them: how they are checked, their digest, and whether a fit used them before."""

import warnings
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import torch

from l2h.serving.estimator.report import UNKNOWN, UNUSED, row_hashes


def validation_options(X: Any, *, bytes_are_images: bool) -> dict[str, Any]:
    """How `validate_data` checks inputs: tables by scikit-learn's rules, and arrays of more axes.

    Args:
        X: inputs as the user gives them.
        bytes_are_images: whether bytes of more than two axes stay bytes.

    Returns:
        Keyword arguments of scikit-learn's `validate_data`.
    """
    axes = getattr(X, "ndim", None)
    axes = np.asarray(X).ndim if axes is None else axes
    kept = bytes_are_images and axes > 2 and str(getattr(X, "dtype", "")) in ("uint8", "torch.uint8")
    return {"dtype": np.uint8 if kept else np.float32, "ensure_2d": axes <= 2, "allow_nd": axes > 2}


def as_given(values: Any) -> Any:
    """Inputs as the client sees them, or labels: tensors become arrays, all else is unchanged."""
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values


def digest(x: np.ndarray, y: np.ndarray) -> str:
    """The SHA-256 of inputs and labels.

    Args:
        x: (n, ...) inputs.
        y: (n,) class indices.
    """
    return sha256(np.ascontiguousarray(x).tobytes() + np.ascontiguousarray(y).tobytes()).hexdigest()


def provenance(x: np.ndarray, y: np.ndarray, *, facts: Mapping[str, Any], known_rows: np.ndarray) -> str:
    """What the examples of a report are, after a look at the rows that fit used.

    Where most rows of fit were there more than once, as in a table of few values, new rows are equal to them, too.

    Args:
        x: (n, ...) inputs.
        y: (n,) class indices.
        facts: of the fit's data; "sha256" is their digest.
        known_rows: sorted hashes of the fit's rows; empty where they are unknown.

    Returns:
        A text for the report.

    Raises:
        ValueError: if fit used all rows.

    Warns:
        UserWarning: if fit used some of them.
    """
    same = facts.get("sha256") == digest(x, y)
    if not (same or len(known_rows)):
        return UNKNOWN
    known = len(x) if same else int(np.isin(row_hashes(x), known_rows).sum())
    repeated = 2 * len(np.unique(known_rows)) <= len(known_rows)
    if known == len(x) and (same or not repeated):
        raise ValueError(f"expected examples that fit did not use, got {known} of {len(x)} rows that it used")
    if known and repeated:
        text = f"{known} of the {len(x)} rows are equal to rows that fit used; whether they are new is not known"
        warnings.warn(text, UserWarning, stacklevel=3)
        return f"examples of which {known} are equal to rows that fit used"
    if known:
        text = f"{known} of the {len(x)} rows were used by fit, so that the report is too favourable"
        warnings.warn(text, UserWarning, stacklevel=3)
        return f"{UNUSED}, but {known} of them"
    return UNUSED
